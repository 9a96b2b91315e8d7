//! Reads of an engine without snapshots: of what is there, or for a transaction of what fits.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Shared, write};
use crate::engine::{Item, Page, Projection, View};
use crate::error::{Code, Error, Result};
use crate::key::{Key, KeyRange, Space};
use crate::record::{Record, Version};

pub(super) struct CustomView {
    shared: Arc<Shared>,
    /// Reads have to fit those before them.
    strict: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The count of changes that everything read so far is of.
    at: Option<u64>,
    /// What was read, if reads have to fit.
    keys: HashMap<(Space, Key), Option<Version>>,
    /// Keys were listed, too: any change may be one of them.
    ranges: bool,
    /// Keys as the scan under way found them; where reads have to fit, as the view stands.
    listing: Option<(Space, Arc<[Key]>)>,
}

impl CustomView {
    pub fn new(shared: &Arc<Shared>, strict: bool) -> Self {
        CustomView { shared: shared.clone(), strict, state: Mutex::default() }
    }

    fn read(&self, state: &mut State, space: Space, key: &[u8]) -> Result<Option<Record>> {
        let (mut found, changes) = self.shared.get(space, key, false)?;
        if !self.strict {
            return Ok(found);
        }
        if *state.at.get_or_insert(changes) != changes {
            found = self.move_on(state, || self.shared.get(space, key, true).map(|(found, _)| found))?;
        }
        let version = found.as_ref().map(|record| record.version);
        state.keys.insert((space, Key::copy_from_slice(key)), version);
        Ok(found)
    }

    /// Something has changed: if nothing that was read has, the view stands at the new state, and `again` reads there.
    fn move_on<T>(&self, state: &mut State, again: impl FnOnce() -> Result<T>) -> Result<T> {
        if state.ranges {
            return Err(conflict());
        }
        write::within(&self.shared, |changes| {
            for ((space, key), version) in &state.keys {
                let (found, _) = self.shared.get(*space, key, true)?;
                if found.map(|record| record.version) != *version {
                    return Err(Error::conflict(key));
                }
            }
            state.at = Some(changes);
            again()
        })
    }

    /// The keys of a keyspace: those of the scan under way, unless this is the first page of another.
    fn listing(&self, state: &mut State, space: Space, first: bool) -> Result<Arc<[Key]>> {
        if let Some((listed, keys)) = &state.listing
            && *listed == space
            && (self.strict || !first)
        {
            return Ok(keys.clone());
        }
        let (mut keys, changes) = self.shared.keys(space, false)?;
        if self.strict {
            if *state.at.get_or_insert(changes) != changes {
                keys = self.move_on(state, || self.shared.keys(space, true).map(|(keys, _)| keys))?;
            }
            state.ranges = true;
        }
        let keys: Arc<[Key]> = keys.into();
        state.listing = Some((space, keys.clone()));
        Ok(keys)
    }
}

fn conflict() -> Error {
    Error::new(Code::Conflict, "the engine has changed since the transaction read a range of it")
}

impl View for CustomView {
    fn seq(&self) -> u64 {
        self.state.lock().at.unwrap_or(0)
    }

    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Record>> {
        self.read(&mut self.state.lock(), space, key)
    }

    fn scan(
        &self,
        space: Space,
        range: &KeyRange,
        what: Projection,
        after: Option<&[u8]>,
        max_bytes: usize,
    ) -> Result<Page> {
        let mut state = self.state.lock();
        let keys = self.listing(&mut state, space, after.is_none())?;
        let range = after.map_or_else(|| range.clone(), |key| range.after(key));
        let mut page = Page::default();
        let mut bytes = 0;
        let mut selected: Box<dyn Iterator<Item = &Key>> = Box::new(keys.iter());
        if range.reverse {
            selected = Box::new(keys.iter().rev());
        }
        for key in selected.filter(|key| range.contains(key)) {
            if bytes >= max_bytes {
                page.next = page.entries.last().map(|(key, _)| key.clone());
                break;
            }
            let item = if what == Projection::Keys {
                Item::Key
            } else {
                // Gone since it was listed.
                let Some(record) = self.read(&mut state, space, key)? else { continue };
                bytes += record.value.len();
                if what == Projection::Values { Item::Value(record.value) } else { Item::Record(Box::new(record)) }
            };
            bytes += key.len() + 16;
            page.entries.push((key.clone(), item));
        }
        Ok(page)
    }
}

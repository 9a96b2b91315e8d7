//! Reads of an engine without snapshots: of what is there, or for a transaction of what fits.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Shared, step};
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
    keys: HashMap<(Space, Key), Option<Version>>,
    ranges: bool,
    /// Keys as the scan under way found them.
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
            found = self.move_on(state, space, key)?;
        }
        let version = found.as_ref().map(|record| record.version);
        state.keys.insert((space, Key::copy_from_slice(key)), version);
        Ok(found)
    }

    /// Something has changed: if nothing that was read has, the view stands at the new state, and `key` is read there.
    fn move_on(&self, state: &mut State, space: Space, key: &[u8]) -> Result<Option<Record>> {
        if state.ranges {
            return Err(conflict());
        }
        step::within(&self.shared, |changes| {
            for ((space, key), version) in &state.keys {
                let (found, _) = self.shared.get(*space, key, true)?;
                if found.map(|record| record.version) != *version {
                    return Err(Error::conflict(key));
                }
            }
            state.at = Some(changes);
            self.shared.get(space, key, true).map(|(found, _)| found)
        })
    }

    fn listing(&self, state: &mut State, space: Space, first: bool) -> Result<Arc<[Key]>> {
        if let Some((listed, keys)) = &state.listing
            && *listed == space
            && (self.strict || !first)
        {
            return Ok(keys.clone());
        }
        let (keys, changes) = self.shared.keys(space, false)?;
        if self.strict {
            if *state.at.get_or_insert(changes) != changes {
                self.move_on(state, Space::Internal, b"")?;
                // Once more at the new state; whoever changes it meanwhile makes the next read a conflict.
                let (keys, changes) = self.shared.keys(space, false)?;
                if state.at != Some(changes) {
                    return Err(conflict());
                }
                return Ok(self.keep(state, space, keys));
            }
            state.ranges = true;
        }
        Ok(self.keep(state, space, keys))
    }

    fn keep(&self, state: &mut State, space: Space, keys: Vec<Key>) -> Arc<[Key]> {
        let keys: Arc<[Key]> = keys.into();
        state.ranges = true;
        state.listing = Some((space, keys.clone()));
        keys
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

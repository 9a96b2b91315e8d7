//! Reads of an engine without snapshots. An ordinary view shows what is there. The view of a transaction validates that
//! its reads belong to one moment.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::client::HostClient;
use crate::engine::{Gathering, Item, Page, Projection, View, count_by_pages};
use crate::error::{Code, Error, Result};
use crate::key::{Key, KeyRange, Space};
use crate::record::{Record, Version};

pub(super) struct CustomView {
    client: Arc<HostClient>,
    /// The view of a transaction: reads must belong to one moment.
    validates: bool,
    state: Mutex<ViewState>,
}

#[derive(Default)]
struct ViewState {
    /// The number of changes that all reads belong to.
    at: Option<u64>,
    /// The keys that were read, if reads are validated.
    keys: HashMap<(Space, Key), Option<Version>>,
    /// A range was read: any change may be one of its keys.
    has_range: bool,
    /// The keys of the scan that is under way. If reads are validated, they hold for the whole view.
    listing: Option<(Space, Arc<[Key]>)>,
}

impl CustomView {
    /// A view of what is there.
    pub(super) fn new(client: &Arc<HostClient>) -> Self {
        CustomView { client: client.clone(), validates: false, state: Mutex::default() }
    }

    /// The view of a transaction: a read that does not belong to the moment of those before it fails with CONFLICT.
    pub(super) fn of_transaction(client: &Arc<HostClient>) -> Self {
        CustomView { validates: true, ..Self::new(client) }
    }

    fn read(&self, state: &mut ViewState, space: Space, key: &[u8]) -> Result<Option<Record>> {
        let (mut found, changes) = self.client.get(space, key, false)?;
        if !self.validates {
            return Ok(found);
        }
        if *state.at.get_or_insert(changes) != changes {
            found = self.move_on(state, || self.client.get(space, key, true).map(|(found, _)| found))?;
        }
        let version = found.as_ref().map(|record| record.version);
        state.keys.insert((space, Key::copy_from_slice(key)), version);
        Ok(found)
    }

    /// The engine has changed. If no key that was read has, the view moves to the new state, and `again` reads there.
    fn move_on<T>(&self, state: &mut ViewState, again: impl FnOnce() -> Result<T>) -> Result<T> {
        if state.has_range {
            return Err(range_conflict());
        }
        self.client.in_step(|changes| {
            for ((space, key), version) in &state.keys {
                let (found, _) = self.client.get(*space, key, true)?;
                if found.map(|record| record.version) != *version {
                    return Err(Error::conflict(key));
                }
            }
            state.at = Some(changes);
            again()
        })
    }

    /// The keys of a keyspace: those of the scan under way, unless this is the first page of another one.
    fn listing(&self, state: &mut ViewState, space: Space, first: bool) -> Result<Arc<[Key]>> {
        if let Some((listed, keys)) = &state.listing
            && *listed == space
            && (self.validates || !first)
        {
            return Ok(keys.clone());
        }
        let (mut keys, changes) = self.client.keys(space, false)?;
        if self.validates {
            if *state.at.get_or_insert(changes) != changes {
                keys = self.move_on(state, || self.client.keys(space, true).map(|(keys, _)| keys))?;
            }
            state.has_range = true;
        }
        let keys: Arc<[Key]> = keys.into();
        state.listing = Some((space, keys.clone()));
        Ok(keys)
    }
}

fn range_conflict() -> Error {
    Error::new(Code::Conflict, "the engine has changed since the transaction read a range of it")
}

impl View for CustomView {
    fn seq(&self) -> u64 {
        self.state.lock().at.unwrap_or(0)
    }

    fn try_get(&self, _space: Space, _key: &[u8]) -> Option<Result<Option<Record>>> {
        None
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
        let mut page = Gathering::new(max_bytes);
        let mut selected: Box<dyn Iterator<Item = &Key>> = Box::new(keys.iter());
        if range.reverse {
            selected = Box::new(keys.iter().rev());
        }
        for key in selected.filter(|key| range.contains(key)) {
            if page.is_full() {
                return Ok(page.continued());
            }
            if what == Projection::Keys {
                page.push(key.clone(), Item::Key);
                continue;
            }
            match self.read(&mut state, space, key) {
                Ok(Some(record)) => page.push(key.clone(), Item::of(record, what)),
                Ok(None) => {}
                Err(error) => return page.stopped_by(error),
            }
        }
        Ok(page.last())
    }

    fn count(&self, space: Space, range: &KeyRange) -> Result<u64> {
        count_by_pages(self, space, range)
    }
}

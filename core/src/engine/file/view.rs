//! A view: the files as they are, under the old versions of what later commits have overwritten.

use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

use super::merged_keys::MergedKeys;
use super::records::Records;
use super::versions::{Reading, ViewId};
use super::walk::Listings;
use crate::engine::{Gathering, Item, Page, Projection, View, count_by_pages};
use crate::error::Result;
use crate::format::file_name;
use crate::key::{Key, KeyRange, Space};
use crate::record::{Millis, Record, now};

/// Keys passed over in one page at most, so that a page of a sparse pattern stays short.
const MAX_STEPS: usize = 16_384;

pub(super) struct FileView {
    records: Arc<Records>,
    id: ViewId,
    /// Folders as the scan under way found them. A key made since is hidden by its old version; one removed since has
    /// an old version that brings it back. A scan takes this lock before any other.
    listings: Mutex<Listings>,
}

impl FileView {
    /// A view of the store as it is now.
    pub(super) fn open(records: &Arc<Records>) -> Self {
        FileView::new(records, records.versions().read().open_view())
    }

    /// The same without waiting for a writer.
    pub(super) fn try_open(records: &Arc<Records>) -> Option<Self> {
        let reading = records.versions().try_read()?;
        Some(FileView::new(records, reading.open_view()))
    }

    fn new(records: &Arc<Records>, id: ViewId) -> Self {
        FileView { records: records.clone(), id, listings: Mutex::default() }
    }

    /// An error if the view shows nothing more: the store is closed, or the content was replaced.
    fn check(&self, reading: &Reading<'_>) -> Result<()> {
        self.records.metadata().check_open()?;
        self.records.check_readable()?;
        reading.check_view(self.id)
    }

    /// The live record of `key` at the view's moment.
    fn record(&self, reading: &Reading<'_>, space: Space, key: &[u8]) -> Result<Option<Record>> {
        self.check(reading)?;
        let key = Key::copy_from_slice(key);
        let record = match reading.image(self.id, space, &key) {
            Some(image) => image,
            None => self.records.get(space, &key)?,
        };
        Ok(record.filter(|record| !record.expired(now())))
    }

    /// True if `key`, which the scan found, was there at the view's moment and has not expired. Its file is read only
    /// if its sidecar says that it has expired.
    fn is_there(&self, reading: &Reading<'_>, key: &Key, now: Millis) -> Result<bool> {
        let is_live = |record: Option<Record>| record.is_some_and(|record| !record.expired(now));
        if let Some(image) = reading.image(self.id, Space::User, key) {
            return Ok(is_live(image));
        }
        match self.records.sidecar(key)? {
            Some(sidecar) if sidecar.expires_at.is_some_and(|at| at <= now) => match self.records.user(key) {
                Err(error) if error.is_damaged_record() => Ok(true),
                found => found.map(is_live),
            },
            // The walk has found the file. Of a long key it has found only the name.
            _ => Ok(file_name::path_of(key).is_some() || self.records.tree().stat(key)?.is_some()),
        }
    }

    /// The item of `key` in a page; `row` is its record if that was read already.
    fn item(
        &self,
        reading: &Reading<'_>,
        (space, key, row): (Space, &Key, Option<Record>),
        what: Projection,
        now: Millis,
    ) -> Result<Option<Item>> {
        if space == Space::User && what == Projection::Keys {
            return Ok(self.is_there(reading, key, now)?.then_some(Item::Key));
        }
        let record = match (reading.image(self.id, space, key), row) {
            (Some(image), _) => image,
            (None, Some(row)) => Some(row),
            (None, None) => self.records.get(space, key)?,
        };
        let record = record.filter(|record| !record.expired(now));
        Ok(record.map(|record| Item::of(record, what)))
    }
}

impl View for FileView {
    fn seq(&self) -> u64 {
        self.id.seq()
    }

    fn try_get(&self, space: Space, key: &[u8]) -> Option<Result<Option<Record>>> {
        let reading = self.records.versions().try_read()?;
        let pace = self.records.view_pace();
        if !pace.is_quick() {
            return None;
        }
        let start = Instant::now();
        let found = self.record(&reading, space, key);
        pace.count(start);
        Some(found)
    }

    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Record>> {
        self.record(&self.records.versions().read(), space, key)
    }

    fn scan(
        &self,
        space: Space,
        range: &KeyRange,
        what: Projection,
        after: Option<&[u8]>,
        max_bytes: usize,
    ) -> Result<Page> {
        let now = now();
        let mut listings = self.listings.lock();
        if after.is_none() {
            listings.clear();
        }
        let range = after.map_or_else(|| range.clone(), |key| range.after(key));
        let reading = self.records.versions().read();
        self.check(&reading)?;
        let mut keys = MergedKeys::new(&self.records, &reading, self.id, (space, &range), &mut listings)?;
        let mut page = Gathering::new(max_bytes);
        for step in 1.. {
            let Some((key, row)) = keys.next()? else { break };
            if range.selects(&key) {
                match self.item(&reading, (space, &key, row), what, now) {
                    Ok(Some(item)) => page.push(key.clone(), item),
                    Ok(None) => {}
                    Err(error) => return page.stopped_by(error),
                }
            }
            if page.is_full() || step == MAX_STEPS {
                return Ok(page.continued_behind(key));
            }
        }
        Ok(page.last())
    }

    fn count(&self, space: Space, range: &KeyRange) -> Result<u64> {
        count_by_pages(self, space, range)
    }
}

impl Drop for FileView {
    fn drop(&mut self) {
        self.records.versions().close_view(self.id);
    }
}

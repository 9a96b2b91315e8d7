//! One moment of the store: the files as they are, and what commits since then overwrote as it was.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use parking_lot::{Mutex, RwLockReadGuard};

use super::name;
use super::records::Shelf;
use super::walk::{Listings, Walk};
use crate::engine::{Item, Page, Projection, View};
use crate::error::Result;
use crate::key::{Key, KeyRange, Space};
use crate::record::{Millis, Record, now};

/// Keys passed over in one page at most, so that a page of a sparse pattern stays short.
const STEPS: usize = 16_384;

/// Records read at once from our own keyspace.
const CHUNK: u32 = 256;

pub(super) struct FileView {
    shelf: Arc<Shelf>,
    id: u64,
    seq: u64,
    /// Folders as the scan under way found them. A key made since is hidden by its image; one removed since
    /// has an image that brings it back.
    listings: Mutex<Listings>,
}

impl FileView {
    /// A view of the store as it is now.
    pub fn open(shelf: &Arc<Shelf>) -> Self {
        let files = shelf.files.read();
        FileView::register(shelf, &files)
    }

    /// The same without waiting for a writer.
    pub fn try_open(shelf: &Arc<Shelf>) -> Option<Self> {
        let files = shelf.files.try_read()?;
        Some(FileView::register(shelf, &files))
    }

    /// `_files` proves that no writer is at work.
    fn register(shelf: &Arc<Shelf>, _files: &RwLockReadGuard<'_, ()>) -> Self {
        let seq = shelf.seq.load(Ordering::Acquire);
        let id = shelf.moments.lock().open(seq);
        FileView { shelf: shelf.clone(), id, seq, listings: Mutex::default() }
    }

    /// The record of `key` at the view's moment. `files` is held.
    fn record(&self, space: Space, key: &Key) -> Result<Option<Record>> {
        if let Some(image) = self.shelf.moments.lock().image(self.seq, space, key) {
            return Ok(image.clone());
        }
        self.shelf.record(space, key)
    }

    /// True if `key`, found on disk, was there at the view's moment and has not expired, told without opening
    /// its file unless side data says that it expired.
    fn is_there(&self, key: &Key, now: Millis) -> Result<bool> {
        if let Some(image) = self.shelf.moments.lock().image(self.seq, Space::User, key) {
            return Ok(image.as_ref().is_some_and(|record| !record.expired(now)));
        }
        match self.shelf.sidecar(key)? {
            Some(sidecar) if sidecar.expires_at.is_some_and(|at| at <= now) => {
                Ok(self.shelf.user(key)?.is_some_and(|known| !known.record.expired(now)))
            }
            // The walk found the file; of a long key only the name is known.
            _ => Ok(name::path_of(key).is_some() || self.shelf.stat(key)?.is_some()),
        }
    }

    /// What a page holds of `key`; `row` is its record if it was read already.
    fn item(
        &self,
        space: Space,
        key: &Key,
        row: Option<Record>,
        what: Projection,
        now: Millis,
    ) -> Result<Option<Item>> {
        if space == Space::User && what == Projection::Keys {
            return Ok(self.is_there(key, now)?.then_some(Item::Key));
        }
        let image = self.shelf.moments.lock().image(self.seq, space, key).cloned();
        let record = match (image, row) {
            (Some(image), _) => image,
            (None, Some(row)) => Some(row),
            (None, None) => self.shelf.record(space, key)?,
        };
        let record = record.filter(|record| !record.expired(now));
        Ok(record.map(|record| Item::of(record, what)))
    }
}

impl View for FileView {
    fn seq(&self) -> u64 {
        self.seq
    }

    fn try_get(&self, space: Space, key: &[u8]) -> Option<Result<Option<Record>>> {
        let _files = self.shelf.files.try_read()?;
        if !self.shelf.read_pace.is_quick() {
            return None;
        }
        let start = Instant::now();
        let key = Key::copy_from_slice(key);
        let found = self.shelf.check_open().and_then(|()| self.record(space, &key));
        self.shelf.read_pace.count(start);
        Some(found.map(|found| found.filter(|record| !record.expired(now()))))
    }

    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Record>> {
        let _files = self.shelf.files.read();
        self.shelf.check_open()?;
        let key = Key::copy_from_slice(key);
        Ok(self.record(space, &key)?.filter(|record| !record.expired(now())))
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
        let _files = self.shelf.files.read();
        self.shelf.check_open()?;
        let mut source = Source::new(self, space, &range, &mut listings)?;
        let mut page = Page::default();
        let mut bytes = 0;
        for _ in 0..STEPS {
            let Some(key) = source.next()? else {
                page.next = None;
                return Ok(page);
            };
            page.next = Some(key.clone());
            if !range.selects(&key) {
                continue;
            }
            let Some(item) = self.item(space, &key, source.read.remove(&key), what, now)? else { continue };
            bytes += key.len()
                + match &item {
                    Item::Key => 16,
                    Item::Value(value) => value.len(),
                    Item::Record(record) => record.value.len() + record.metadata.as_ref().map_or(0, |text| text.len()),
                };
            page.entries.push((key, item));
            if bytes >= max_bytes {
                break;
            }
        }
        Ok(page)
    }
}

impl Drop for FileView {
    fn drop(&mut self) {
        self.shelf.moments.lock().close(self.id);
    }
}

/// The keys of a range in order, merged from where they lie: files or rows, long keys, images.
struct Source<'a> {
    view: &'a FileView,
    space: Space,
    range: &'a KeyRange,
    walk: Option<Walk<'a>>,
    listings: &'a mut Listings,
    rows: std::vec::IntoIter<(Key, Record)>,
    /// Rows that `next` is about to name.
    read: HashMap<Key, Record>,
    rows_left: bool,
    heads: [Head; 3],
}

/// The next key of one source.
#[derive(Clone)]
enum Head {
    Unknown,
    Known(Option<Key>),
}

impl<'a> Source<'a> {
    fn new(view: &'a FileView, space: Space, range: &'a KeyRange, listings: &'a mut Listings) -> Result<Self> {
        let walk = match space {
            Space::User => Some(Walk::new(&view.shelf, range, listings)?),
            Space::Internal => None,
        };
        let heads = [Head::Unknown, Head::Unknown, Head::Unknown];
        let (rows, read) = (Vec::new().into_iter(), HashMap::new());
        Ok(Source { view, space, range, walk, listings, rows, read, rows_left: true, heads })
    }

    fn next(&mut self) -> Result<Option<Key>> {
        let mut best: Option<Key> = None;
        for at in 0..self.heads.len() {
            let head = match self.heads.get(at) {
                Some(Head::Known(key)) => key.clone(),
                _ => None,
            };
            let unknown = matches!(self.heads.get(at), Some(Head::Unknown));
            let head = if unknown { self.fetch(at, None)? } else { head };
            if unknown && let Some(slot) = self.heads.get_mut(at) {
                *slot = Head::Known(head.clone());
            }
            best = match (best, head) {
                (Some(best), Some(head)) => {
                    let first = if self.range.reverse { best.max(head) } else { best.min(head) };
                    Some(first)
                }
                (best, head) => best.or(head),
            };
        }
        let Some(best) = best else { return Ok(None) };
        for at in 0..self.heads.len() {
            if matches!(self.heads.get(at), Some(Head::Known(Some(key))) if *key == best) {
                let next = self.fetch(at, Some(&best))?;
                if let Some(slot) = self.heads.get_mut(at) {
                    *slot = Head::Known(next);
                }
            }
        }
        Ok(Some(best))
    }

    /// The key of source `at` behind `last`.
    fn fetch(&mut self, at: usize, last: Option<&Key>) -> Result<Option<Key>> {
        let rest = |range: &KeyRange| last.map_or_else(|| range.clone(), |last| range.after(last));
        match (at, &mut self.walk) {
            (0, Some(walk)) => walk.next(self.listings),
            (0, None) => self.next_row(last),
            (1, Some(_)) => Ok(self.next_long(&rest(self.range))),
            (1, None) => Ok(None),
            _ => {
                let moments = self.view.shelf.moments.lock();
                Ok(moments.next(self.view.seq, self.space, &rest(self.range)))
            }
        }
    }

    fn next_row(&mut self, last: Option<&Key>) -> Result<Option<Key>> {
        if self.rows.len() == 0 && self.rows_left {
            let rest = last.map_or_else(|| self.range.clone(), |last| self.range.after(last));
            if rest.is_empty() {
                return Ok(None);
            }
            let rows = self.view.shelf.reader.internals(&rest, CHUNK)?;
            self.rows_left = u32::try_from(rows.len()).is_ok_and(|rows| rows == CHUNK);
            self.rows = rows.into_iter();
        }
        let Some((key, record)) = self.rows.next() else { return Ok(None) };
        self.read.insert(key.clone(), record);
        Ok(Some(key))
    }

    /// The next long key, whether its file exists or not.
    fn next_long(&self, range: &KeyRange) -> Option<Key> {
        if range.is_empty() {
            return None;
        }
        let long = self.view.shelf.long.read();
        let bounds = (range.start.as_ref().map(AsRef::<[u8]>::as_ref), range.end.as_ref().map(AsRef::<[u8]>::as_ref));
        let mut names = long.names().range::<[u8], _>(bounds);
        let next = if range.reverse { names.next_back() } else { names.next() };
        next.map(|(key, _)| key.clone())
    }
}

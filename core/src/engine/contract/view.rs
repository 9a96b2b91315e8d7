use super::{Reply, Request, unexpected_reply};
use crate::error::Result;
use crate::key::{Key, KeyRange, Space};
use crate::record::Record;
use crate::value::Value;

/// What to read of each key of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Projection {
    Keys,
    Values,
    Records,
}

/// One entry of a page, as far as the projection asked for it.
#[derive(Clone, Debug)]
pub enum Item {
    Key,
    Value(Value),
    Record(Box<Record>),
}

impl Item {
    /// What a scan that asked for `what` gives of a record.
    #[must_use]
    pub fn of(record: Record, what: Projection) -> Self {
        match what {
            Projection::Keys => Item::Key,
            Projection::Values => Item::Value(record.value),
            Projection::Records => Item::Record(Box::new(record)),
        }
    }

    /// Bytes of the value and metadata.
    #[must_use]
    #[allow(clippy::len_without_is_empty)] // A size, not a count.
    pub fn len(&self) -> usize {
        match self {
            Item::Key => 0,
            Item::Value(value) => value.len(),
            Item::Record(record) => record.value.len() + record.metadata.as_ref().map_or(0, |text| text.len()),
        }
    }

    /// As [`of`](Item::of), of a record that stays.
    #[must_use]
    pub fn of_shared(record: &Record, what: Projection) -> Self {
        match what {
            Projection::Keys => Item::Key,
            Projection::Values => Item::Value(record.value.clone()),
            Projection::Records => Item::Record(Box::new(record.clone())),
        }
    }
}

/// Bytes that an entry of a page costs beside its key and its record.
const ENTRY_BYTES: usize = 16;

/// A piece of a scan, in the range's order.
#[derive(Clone, Debug, Default)]
pub struct Page {
    pub entries: Vec<(Key, Item)>,
    /// Where the next page starts, as its `after`; `None` if the range is exhausted. It may lie behind
    /// the last entry, where keys were passed over.
    pub next: Option<Key>,
}

/// A page that is being gathered, and its size.
#[derive(Debug)]
pub struct Gathering {
    page: Page,
    bytes: usize,
    max_bytes: usize,
}

impl Gathering {
    /// An empty page for about `max_bytes`.
    #[must_use]
    pub fn new(max_bytes: usize) -> Self {
        Gathering { page: Page::default(), bytes: 0, max_bytes }
    }

    /// True once the page holds about as many bytes as it may.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.bytes >= self.max_bytes
    }

    /// Adds an entry.
    pub fn push(&mut self, key: Key, item: Item) {
        self.bytes += ENTRY_BYTES + key.len() + item.len();
        self.page.entries.push((key, item));
    }

    /// The page, as the last of its range.
    #[must_use]
    pub fn last(self) -> Page {
        self.page
    }

    /// The page; the next one starts behind its last entry.
    #[must_use]
    pub fn continued(mut self) -> Page {
        self.page.next = self.page.entries.last().map(|(key, _)| key.clone());
        self.page
    }
}

/// A read-only view of both keyspaces. One moment, where the engine has snapshots; expired records are
/// absent from it by the clock of the reader.
pub trait View: Send + Sync {
    /// The commit the view stands at. 0 where the engine has no snapshots.
    fn seq(&self) -> u64;

    /// The record of a key if that takes no disk, network or wait, else `None`.
    fn try_get(&self, space: Space, key: &[u8]) -> Option<Result<Option<Record>>>;

    /// The record of a key.
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Record>>;

    /// The entries of `range` behind `after`, until they hold about `max_bytes`; at least one, unless the
    /// range is exhausted or a page would take too long, which an empty page with `next` says. The
    /// range's limit is the caller's business.
    fn scan(
        &self,
        space: Space,
        range: &KeyRange,
        what: Projection,
        after: Option<&[u8]>,
        max_bytes: usize,
    ) -> Result<Page>;

    /// How many keys `range` holds, its limit included.
    fn count(&self, space: Space, range: &KeyRange) -> Result<u64>;
}

/// Bytes of keys and values in a page: large enough to make the crossing of a page free, small enough
/// to bound memory.
pub const PAGE_BYTES: usize = 256 << 10;

/// Hands the pages of a range to `take`, cut at the range's limit, until it returns false.
pub fn for_each_page<V: View + ?Sized>(
    view: &V,
    space: Space,
    range: &KeyRange,
    what: Projection,
    mut take: impl FnMut(Vec<(Key, Item)>) -> Result<bool>,
) -> Result<()> {
    let mut left = range.limit.unwrap_or(usize::MAX);
    let mut after: Option<Key> = None;
    while left > 0 {
        let mut page = view.scan(space, range, what, after.as_deref(), PAGE_BYTES)?;
        page.entries.truncate(left);
        left -= page.entries.len();
        if !take(page.entries)? {
            return Ok(());
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(()),
        }
    }
    Ok(())
}

/// How many keys a range holds, its limit included, for views that have no faster way than to list them.
pub fn count_by_pages<V: View + ?Sized>(view: &V, space: Space, range: &KeyRange) -> Result<u64> {
    let mut count = 0;
    for_each_page(view, space, range, Projection::Keys, |page| {
        count += page.len() as u64;
        Ok(true)
    })?;
    Ok(count)
}

/// Answers a request for keys or their count from a view.
pub fn list(view: &dyn View, request: &Request) -> Result<Reply> {
    match request {
        Request::Keys(range) => {
            let mut keys = Vec::new();
            for_each_page(view, Space::User, range, Projection::Keys, |page| {
                keys.extend(page.into_iter().map(|(key, _)| key));
                Ok(true)
            })?;
            Ok(Reply::Keys(keys))
        }
        Request::Count(range) => view.count(Space::User, range).map(Reply::Count),
        _ => Err(unexpected_reply()),
    }
}

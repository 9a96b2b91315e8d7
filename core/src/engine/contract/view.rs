use super::{Reply, Request, unexpected_reply};
use crate::error::{Code, Error, Result};
use crate::key::{Key, KeyRange, Space};
use crate::record::Record;
use crate::value::Value;

/// The part of each record that a scan reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Projection {
    /// The key alone.
    Keys,
    /// The key and the value.
    Values,
    /// The key and the whole record.
    Records,
}

/// One entry of a page beside its key, as far as the [`Projection`] asked for it.
#[derive(Clone, Debug)]
pub enum Item {
    /// Nothing: keys were asked for.
    Key,
    /// The value.
    Value(Value),
    /// The record.
    Record(Box<Record>),
}

impl Item {
    /// The part of `record` that `what` asks for.
    #[must_use]
    pub fn of(record: Record, what: Projection) -> Self {
        match what {
            Projection::Keys => Item::Key,
            Projection::Values => Item::Value(record.value),
            Projection::Records => Item::Record(Box::new(record)),
        }
    }

    /// The size of value and metadata, in bytes.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "a size, not a count")]
    pub fn len(&self) -> usize {
        match self {
            Item::Key => 0,
            Item::Value(value) => value.len(),
            Item::Record(record) => record.value.len() + record.metadata.as_ref().map_or(0, bytes::Bytes::len),
        }
    }

    /// The part of `record` that `what` asks for, as a copy.
    #[must_use]
    pub fn of_shared(record: &Record, what: Projection) -> Self {
        match what {
            Projection::Keys => Item::Key,
            Projection::Values => Item::Value(record.value.clone()),
            Projection::Records => Item::Record(Box::new(record.clone())),
        }
    }
}

/// The cost of an entry of a page beside its key and its item, in bytes.
const ENTRY_BYTES: usize = 16;

/// A piece of a scan, in the order of the range.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Keys and their items.
    pub entries: Vec<(Key, Item)>,
    /// The `after` of the next page; `None` at the end of the range. It may lie behind the last entry, where the scan
    /// passed over keys.
    pub next: Option<Key>,
}

/// A page that an engine fills, and its size.
///
/// # Examples
///
/// ```
/// use holdfast_core::engine::{Gathering, Item};
/// use holdfast_core::Key;
///
/// let mut page = Gathering::new(64);
/// for n in 0.. {
///     page.push(Key::from(format!("k{n}")), Item::Key);
///     if page.is_full() {
///         break;
///     }
/// }
/// let page = page.continued();
/// assert_eq!(page.entries.len(), 4);
/// assert_eq!(page.next, Some(Key::from("k3")));
/// ```
#[derive(Debug)]
pub struct Gathering {
    page: Page,
    bytes: usize,
    max_bytes: usize,
}

impl Gathering {
    /// An empty page for about `max_bytes` bytes.
    #[must_use]
    pub fn new(max_bytes: usize) -> Self {
        Gathering { page: Page::default(), bytes: 0, max_bytes }
    }

    /// True once the page holds as many bytes as it may.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.bytes >= self.max_bytes
    }

    /// The size of an entry of a page, in bytes, by the sizes of its key and its item.
    #[must_use]
    pub const fn entry_bytes(key: usize, item: usize) -> usize {
        ENTRY_BYTES + key + item
    }

    /// Adds an entry.
    pub fn push(&mut self, key: Key, item: Item) {
        self.bytes += Self::entry_bytes(key.len(), item.len());
        self.page.entries.push((key, item));
    }

    /// The page, which is the last of its range.
    #[must_use]
    pub fn last(self) -> Page {
        self.page
    }

    /// The page, behind which the next one starts at `key`: the last one that the scan looked at.
    #[must_use]
    pub fn continued_behind(mut self, key: Key) -> Page {
        self.page.next = Some(key);
        self.page
    }

    /// The page, behind whose last entry the next one starts.
    #[must_use]
    pub fn continued(mut self) -> Page {
        self.page.next = self.page.entries.last().map(|(key, _)| key.clone());
        self.page
    }

    /// The page before an entry that is damaged. The next page begins with that entry, and so with its error.
    ///
    /// # Errors
    ///
    /// The error if the page is empty, and any other error than CORRUPTED.
    pub fn stopped_by(self, error: Error) -> Result<Page> {
        let is_damage = error.code() == Code::Corrupted;
        if is_damage && !self.page.entries.is_empty() { Ok(self.continued()) } else { Err(error) }
    }
}

/// A read-only view of both keyspaces.
///
/// Where the engine has snapshots, a view is one moment of the store. A record of it that expires is absent from then
/// on.
///
/// # Examples
///
/// ```
/// use holdfast_core::engine::{EngineExt, Projection, memory};
/// use holdfast_core::{Batch, KeyRange, Op, Space, Value};
///
/// let engine = memory::open(memory::MemoryOptions::default());
/// engine.commit(Batch::of(["a", "b", "c"].map(|key| Op::set(key, Value::json("1")))))?;
/// let view = engine.view()?;
/// engine.commit(Batch::one(Op::delete("b")))?;
///
/// let page = view.scan(Space::User, &KeyRange::all(), Projection::Keys, None, 1 << 10)?;
/// assert_eq!(page.entries.len(), 3);
/// assert_eq!(page.next, None);
/// # Ok::<(), holdfast_core::Error>(())
/// ```
pub trait View: Send + Sync {
    /// The number of the latest commit that the view sees; 0 where the engine has no snapshots.
    fn seq(&self) -> u64;

    /// Reads the record of a key, unless that takes a disk, a network or a wait: `None`.
    fn try_get(&self, space: Space, key: &[u8]) -> Option<Result<Option<Record>>>;

    /// Reads the record of a key.
    ///
    /// # Errors
    ///
    /// `CORRUPTED` if the record cannot be read, `CONFLICT` in a view of a transaction without snapshots, `CLOSED`, or
    /// an error of the medium.
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Record>>;

    /// Reads a page: the entries of `range` behind `after`, until they hold about `max_bytes` bytes.
    ///
    /// A page has at least one entry, unless the range is at its end. An engine that passes over many keys may also
    /// give an empty page with a `next`, so that no page takes too long. The limit of the range does not count:
    /// [`for_each_page`] cuts at it.
    ///
    /// # Errors
    ///
    /// Those of [`get`](View::get).
    fn scan(
        &self,
        space: Space,
        range: &KeyRange,
        what: Projection,
        after: Option<&[u8]>,
        max_bytes: usize,
    ) -> Result<Page>;

    /// Counts the keys of `range`, up to its limit. [`count_by_pages`] does it for a view without a faster way.
    ///
    /// # Errors
    ///
    /// Those of [`get`](View::get).
    fn count(&self, space: Space, range: &KeyRange) -> Result<u64>;
}

/// The usual size of a page, 256 KiB: large enough that the cost of a page does not count, and small enough to bound
/// memory.
pub const PAGE_BYTES: usize = 256 << 10;

/// Gives the pages of a range to `take`, cut at the limit of the range, until `take` returns false.
///
/// # Errors
///
/// The first error of the view or of `take`.
///
/// # Examples
///
/// ```
/// use holdfast_core::engine::{EngineExt, Projection, for_each_page, memory};
/// use holdfast_core::{Batch, KeyRange, Op, Space, Value};
///
/// let engine = memory::open(memory::MemoryOptions::default());
/// engine.commit(Batch::of(["a", "b", "c"].map(|key| Op::set(key, Value::json("1")))))?;
///
/// let first_two = KeyRange { limit: Some(2), ..KeyRange::all() };
/// let mut keys = Vec::new();
/// for_each_page(&*engine.view()?, Space::User, &first_two, Projection::Keys, |page| {
///     keys.extend(page.into_iter().map(|(key, _)| key));
///     Ok(true)
/// })?;
/// assert_eq!(keys, ["a", "b"]);
/// # Ok::<(), holdfast_core::Error>(())
/// ```
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

/// Counts the keys of a range, up to its limit, page by page.
///
/// # Errors
///
/// Those of the view.
pub fn count_by_pages<V: View + ?Sized>(view: &V, space: Space, range: &KeyRange) -> Result<u64> {
    let mut count = 0;
    for_each_page(view, space, range, Projection::Keys, |page| {
        count += page.len() as u64;
        Ok(true)
    })?;
    Ok(count)
}

/// Answers a [`Request::Keys`] or a [`Request::Count`] from a view.
///
/// # Errors
///
/// Those of the view; `IO` for another request.
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

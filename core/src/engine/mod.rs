//! The contract of an engine, and what engines share.

pub mod apply;
pub mod counters;
pub mod custom;
pub mod embedded;
#[cfg(feature = "file")]
pub mod file;
pub mod intent;
#[cfg(feature = "leveldb")]
pub mod leveldb;
pub mod memory;
#[cfg(any(feature = "file", feature = "sqlite"))]
mod pace;
pub mod path;
mod pool;
pub mod recent;
#[cfg(feature = "redis")]
pub mod redis;
pub mod registry;
#[cfg(feature = "sqlite")]
pub mod sqlite;
mod sweep;
pub mod watch;

use std::sync::Arc;
use std::sync::mpsc;

use self::intent::{Decision, Intent};
use self::watch::{Logged, Subscriber, Subscription, Watching};
use crate::batch::{Batch, Commit, IntentId};
use crate::error::{Error, Result};
use crate::key::{Key, KeyRange, Space};
use crate::record::Record;
use crate::value::Value;

pub use counters::{Counters, Counts};
pub use embedded::Embedded;
pub use pool::{spawn_blocking, spawn_waiting};

/// What an engine can do. The conformance suite is gated by it, and says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// A view is one moment of the store.
    pub snapshots: bool,
    /// A batch takes effect as one.
    pub atomic_batch: bool,
    /// `clear` takes effect as one.
    pub atomic_clear: bool,
    /// Records have created and updated times without being asked for.
    pub timestamps: bool,
    /// Whose changes can be watched.
    pub watch: Watching,
    /// Several processes may open one store.
    pub multi_process: bool,
    /// Calls that block the caller are offered.
    pub sync: bool,
}

impl Capabilities {
    /// Those of a store that one process owns.
    pub const EMBEDDED: Capabilities = Capabilities {
        snapshots: true,
        atomic_batch: true,
        atomic_clear: true,
        timestamps: true,
        watch: Watching::Process,
        multi_process: false,
        sync: true,
    };
}

/// What a resolved write survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Hash)]
pub enum Durability {
    /// Power loss.
    #[default]
    Full,
    /// The death of the process.
    Normal,
    /// Nothing promised: whole or not at all, though.
    None,
}

/// A read of single keys.
#[derive(Clone, Debug)]
pub enum Read {
    /// The value alone: [`Reply::Value`].
    Get(Space, Key),
    /// The record with its version and times: [`Reply::Entry`].
    Entry(Space, Key),
    /// [`Reply::Has`].
    Has(Space, Key),
    /// Values in the order of the keys, from one moment where the engine has snapshots: [`Reply::Values`].
    Many(Space, Vec<Key>),
}

impl Read {
    /// How many keys are read.
    #[must_use]
    pub fn keys(&self) -> u64 {
        match self {
            Read::Get(..) | Read::Entry(..) | Read::Has(..) => 1,
            Read::Many(_, keys) => keys.len() as u64,
        }
    }
}

/// The answer to a request.
#[derive(Clone)]
pub enum Reply {
    Value(Option<Value>),
    Entry(Option<Record>),
    Has(bool),
    Values(Vec<Option<Value>>),
    Keys(Vec<Key>),
    Count(u64),
    Commit(Commit),
    View(Arc<dyn View>),
}

/// What can be queued.
#[derive(Clone, Debug)]
pub enum Request {
    Read(Read),
    /// The keys of a range of users' keys, its limit included: [`Reply::Keys`]. No write requested later is seen.
    Keys(KeyRange),
    /// How many those are: [`Reply::Count`].
    Count(KeyRange),
    Commit(Batch),
    /// A view that sees every write requested before it.
    View,
}

/// Receives the answer to a request, exactly once, on any thread; it must not block.
pub type Done = Box<dyn FnOnce(Result<Reply>) + Send>;

/// Receives `(done, total)` of a long call.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64) -> Result<()>;

/// A storage engine.
///
/// Calls of one caller take effect in the order they were made: a read behind an unresolved write of
/// its key waits for it.
pub trait Engine: Send + Sync {
    /// The name users know it by: `memory`, `file`, `sqlite`, `leveldb`, `redis`.
    fn name(&self) -> &'static str;

    fn capabilities(&self) -> Capabilities;

    /// True if what the store holds ends with this process: nothing in it is there to be recovered.
    fn is_volatile(&self) -> bool {
        false
    }

    /// Answers at once, or `None` if that would touch a disk, a network or a lock, or overtake a
    /// queued call. Runs on the JavaScript thread.
    fn try_read(&self, read: &Read) -> Option<Result<Reply>>;

    /// The value of one key, like [`try_read`](Engine::try_read): for engines that can find it without owning the key.
    fn try_get(&self, space: Space, key: &[u8]) -> Option<Result<Option<Value>>> {
        self.try_read(&Read::Get(space, Key::copy_from_slice(key))).map(value_of)
    }

    /// Commits at once, or `None` like [`try_read`](Engine::try_read), with nothing written.
    fn try_commit(&self, batch: &Batch) -> Option<Result<Commit>>;

    /// A view made at once, or `None` like [`try_read`](Engine::try_read).
    fn try_view(&self) -> Option<Result<Arc<dyn View>>> {
        None
    }

    /// Queues a request; never blocks. `done` is called exactly once, on close too.
    fn submit(&self, request: Request, done: Done);

    /// Waits for what the engine's own queue holds, runs `request`, and answers. Blocks.
    fn wait(&self, request: Request) -> Result<Reply> {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.submit(
            request,
            Box::new(move |reply| {
                // The receiver waits below; it cannot be gone before it has the answer.
                let _ = sender.send(reply);
            }),
        );
        receiver.recv().unwrap_or_else(|_| Err(Error::closed()))
    }

    /// An ordered, read-only view that sees every write requested before it. Blocks.
    fn view(&self) -> Result<Arc<dyn View>> {
        match self.wait(Request::View)? {
            Reply::View(view) => Ok(view),
            _ => Err(unexpected_reply()),
        }
    }

    /// Commits a batch, waiting for it. Blocks.
    fn commit(&self, batch: Batch) -> Result<Commit> {
        if let Some(result) = self.try_commit(&batch) {
            return result;
        }
        match self.wait(Request::Commit(batch))? {
            Reply::Commit(commit) => Ok(commit),
            _ => Err(unexpected_reply()),
        }
    }

    /// A view for a transaction, made at once, or `None`: submit a [`Request::View`]. Where the engine has no snapshots,
    /// a read that does not fit those made before it through the same view fails with CONFLICT.
    fn try_begin(&self) -> Option<Result<Arc<dyn View>>> {
        self.try_view()
    }

    /// Commits what a transaction over several engines is to write here as an intent, if the checks of `batch` hold. Until
    /// it is resolved, no other batch of ours writes those keys. Blocks.
    fn prepare(&self, id: IntentId, batch: Batch) -> Result<Commit> {
        batch.check_size()?;
        self.commit(intent::prepare(id, batch))
    }

    /// Carries an intent out or drops it; `None` if it does not stand any more. Blocks.
    fn resolve(&self, id: IntentId, decision: Decision) -> Result<Option<Commit>> {
        intent::resolve(self, id, decision)
    }

    /// The intents that stand. Blocks.
    fn intents(&self) -> Result<Vec<Intent>> {
        intent::standing(&*self.view()?)
    }

    /// Tells `subscriber` of every commit of users' keys from now on, until the subscription is dropped. Never blocks.
    /// What is owed to a subscriber, [`watch`] says. NOT_SUPPORTED where `capabilities.watch` is `None`.
    fn subscribe(&self, subscriber: Arc<dyn Subscriber>) -> Result<Subscription> {
        let _ = subscriber;
        Err(watch::not_watchable(self))
    }

    /// Queues what switches the change log on where it is off: commits requested later are logged. Never blocks; what
    /// fails here, [`logged`](Engine::logged) tells.
    fn start_log(&self) {}

    /// The commits behind `since` in the change log, about `max_bytes` of them, with the values that their keys still
    /// have. Switches the log on, for good, where it is not: it is complete from then on. Blocks.
    ///
    /// PRECONDITION_FAILED where the log does not reach back to `since` ([`watch::behind_the_log`]), INVALID_ARGUMENT for a
    /// commit to come ([`watch::ahead_of_the_store`]), NOT_SUPPORTED without a log.
    fn logged(&self, since: u64, max_bytes: usize) -> Result<Logged> {
        let _ = (since, max_bytes);
        Err(watch::not_watchable(self))
    }

    /// True if reads of a view wait for whoever calls back, for JavaScript: they are for threads of [`spawn_waiting`].
    fn waits(&self) -> bool {
        false
    }

    /// Figures about the store: sizes in bytes, counts.
    fn stats(&self) -> Result<Stats>;

    /// Reads everything and reports each damaged key. With `repair`, sets damaged data aside. Blocks.
    fn verify(&self, repair: bool, progress: Progress<'_>) -> Result<Report>;

    /// Gives back space that deleted data still takes. Blocks.
    fn compact(&self) -> Result<()>;

    /// Finishes what runs, refuses what comes, syncs, and gives up locks. Idempotent. Blocks.
    fn close(&self) -> Result<()>;
}

/// What to read of each key of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Projection {
    Keys,
    Values,
    Records,
}

/// The value that a [`Read::Get`] was answered with.
fn value_of(reply: Result<Reply>) -> Result<Option<Value>> {
    match reply? {
        Reply::Value(value) => Ok(value),
        _ => Err(unexpected_reply()),
    }
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

/// A piece of a scan, in the range's order.
#[derive(Clone, Debug, Default)]
pub struct Page {
    pub entries: Vec<(Key, Item)>,
    /// Where the next page starts, as its `after`; `None` if the range is exhausted. It may lie behind
    /// the last entry, where keys were passed over.
    pub next: Option<Key>,
}

/// A read-only view of both keyspaces. One moment, where the engine has snapshots; expired records are
/// absent from it by the clock of the reader.
pub trait View: Send + Sync {
    /// The commit the view stands at. 0 where the engine has no snapshots.
    fn seq(&self) -> u64;

    /// The record of a key if that takes no disk, network or wait, else `None`.
    fn try_get(&self, space: Space, key: &[u8]) -> Option<Result<Option<Record>>> {
        let _ = (space, key);
        None
    }

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
    fn count(&self, space: Space, range: &KeyRange) -> Result<u64> {
        let mut count = 0;
        for_each_page(self, space, range, Projection::Keys, |page| {
            count += page.len() as u64;
            Ok(true)
        })?;
        Ok(count)
    }
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

/// Figures about a store. What an engine cannot tell is absent.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// User keys, expired ones not yet swept included.
    pub keys: Option<u64>,
    /// Bytes in memory that the store itself accounts for.
    pub memory_bytes: Option<u64>,
    /// Bytes on disk.
    pub disk_bytes: Option<u64>,
    /// What happened since the store was opened.
    pub counts: Counts,
    /// The latest commit.
    pub commit: Option<u64>,
    /// The first commit the change log can be resumed from; absent while it is off.
    pub log_floor: Option<u64>,
    /// Figures of this engine alone, by name.
    pub details: Vec<(&'static str, u64)>,
}

/// What [`Engine::verify`] found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub checked: u64,
    pub errors: Vec<Error>,
}

/// A read answered with another kind of reply: a defect of an engine, told instead of a panic.
#[must_use]
pub fn unexpected_reply() -> Error {
    Error::new(crate::Code::Io, "the engine gave an answer of the wrong kind")
}

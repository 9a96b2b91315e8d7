//! The stores under test, all behind the same few calls.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use holdfast_core::engine::registry::Lease;
use holdfast_core::engine::{
    self, Done, Durability, Engine, EngineExt, Item, Projection, Read, Reply, Request, Staged, Staging, for_each_page,
};
use holdfast_core::record::Record;
use holdfast_core::transaction::recovery::recover;
use holdfast_core::transaction::{Options, Transaction, TransactionLog};
use holdfast_core::{Batch, Check, Code, Error, Key, KeyRange, Op, Result, Space, Version};

use crate::model::{Held, State};
use crate::plan::{Guard, Job, Write};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    File,
    Sqlite,
    LevelDb,
    /// Transactions over the three, each key on one of them.
    Transactions,
}

impl Kind {
    pub(crate) const ALL: [Kind; 4] = [Kind::File, Kind::Sqlite, Kind::LevelDb, Kind::Transactions];

    #[must_use]
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::File => "file",
            Kind::Sqlite => "sqlite",
            Kind::LevelDb => "leveldb",
            Kind::Transactions => "transactions",
        }
    }

    /// True if the whole content can be replaced in one step.
    #[must_use]
    pub(crate) fn has_replacements(self) -> bool {
        self != Kind::Transactions
    }
}

/// The subject of an experiment: an engine at a durability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Subject {
    pub(crate) kind: Kind,
    pub(crate) level: Level,
}

/// [`Durability`], with an order and a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Full,
    Normal,
    None,
}

impl Level {
    pub(crate) const ALL: [Level; 3] = [Level::Full, Level::Normal, Level::None];

    fn durability(self) -> Durability {
        match self {
            Level::Full => Durability::Full,
            Level::Normal => Durability::Normal,
            Level::None => Durability::None,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Level::Full => "full",
            Level::Normal => "normal",
            Level::None => "none",
        })
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.kind.name(), self.level)
    }
}

impl FromStr for Subject {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let kinds = Kind::ALL.iter().flat_map(|kind| Level::ALL.iter().map(|level| (*kind, *level)));
        kinds
            .map(|(kind, level)| Subject { kind, level })
            .find(|subject| subject.to_string() == text)
            .ok_or_else(|| format!("{text} is no engine@durability"))
    }
}

/// An open store.
pub(crate) struct Store {
    /// One engine, or those that transactions go over.
    parts: Vec<(&'static str, Lease)>,
    log: Option<Arc<TransactionLog>>,
}

impl Store {
    /// Opens the store of `subject` below the folder `root`, or makes it.
    pub(crate) fn open(subject: Subject, root: &Path) -> Result<Self> {
        let durability = subject.level.durability();
        if subject.kind != Kind::Transactions {
            let lease = open_engine(subject.kind, durability, &root.join("store"))?;
            return Ok(Store { parts: vec![(subject.kind.name(), lease)], log: None });
        }
        let logs = root.join("log");
        let mut parts = Vec::new();
        for kind in [Kind::File, Kind::Sqlite, Kind::LevelDb] {
            let lease = open_engine(kind, durability, &root.join(kind.name()))?;
            if let Some(problem) = recover(&logs, kind.name(), lease.engine())?.problems.into_iter().next() {
                return Err(problem);
            }
            parts.push((kind.name(), lease));
        }
        Ok(Store { parts, log: Some(TransactionLog::new(logs, durability)) })
    }

    /// The engine that holds `key`, and every key that begins like it.
    fn engine(&self, key: &[u8]) -> Result<&Arc<dyn Engine>> {
        let number = usize::from(key.first().copied().unwrap_or(0));
        let at = number.checked_rem(self.parts.len()).unwrap_or(0);
        self.parts.get(at).map(|(_, lease)| lease.engine()).ok_or_else(Error::closed)
    }

    /// The batch of `job`, its condition read from the store now.
    pub(crate) fn batch(&self, job: &Job) -> Result<Batch> {
        let mut batch = Batch { ops: job.writes.iter().map(op).collect(), ..Batch::default() };
        let space = Space::User;
        match &job.guard {
            Guard::None => {}
            Guard::Current(key) => {
                let version = self.version(key)?;
                batch.checks.push(Check { space, key: key.clone(), version });
            }
            Guard::Stale(key) => {
                let version = Some(Version::of_commit(u64::MAX));
                batch.checks.push(Check { space, key: key.clone(), version });
            }
        }
        Ok(batch)
    }

    fn version(&self, key: &Key) -> Result<Option<Version>> {
        match self.engine(key)?.wait(Request::Read(Read::Entry(Space::User, key.clone())))? {
            Reply::Entry(record) => Ok(record.map(|record| record.version)),
            _ => Err(engine::unexpected_reply()),
        }
    }

    pub(crate) fn commit(&self, batch: Batch) -> Result<()> {
        let Some(log) = &self.log else { return self.engine(b"")?.commit(batch).map(drop) };
        let transaction = Transaction::new(Options::default(), Some(log.clone()));
        for (name, lease) in &self.parts {
            let is_here = |key: &[u8]| self.engine(key).is_ok_and(|engine| Arc::ptr_eq(engine, lease.engine()));
            let part = Batch {
                checks: batch.checks.iter().filter(|check| is_here(&check.key)).cloned().collect(),
                ops: batch.ops.iter().filter(|op| is_here(first_key(op))).cloned().collect(),
                ..Batch::default()
            };
            if !part.ops.is_empty() || !part.checks.is_empty() {
                transaction.on(name, lease.engine()).commit(part)?;
            }
        }
        transaction.wait()
    }

    /// Stages the content of `job`, in a few pieces.
    pub(crate) fn stage(&self, job: &Job) -> Result<Box<dyn Staging>> {
        let mut staging = self.engine(b"")?.stage()?;
        for piece in job.writes.chunks(5) {
            staging.write(piece.iter().filter_map(staged).collect())?;
        }
        Ok(staging)
    }

    /// Requests a commit without waiting for it. Transactions are committed one after the other: of two that write the
    /// same keys at the same time one is refused.
    pub(crate) fn submit(&self, batch: Batch, done: Done) {
        match self.parts.as_slice() {
            [(_, lease)] => lease.engine().submit(Request::Commit(batch), done),
            _ => done(self.commit(batch).map(|()| Reply::Has(true))),
        }
    }

    /// All records of the store, but for those that transactions keep there for themselves.
    pub(crate) fn read(&self) -> Result<State> {
        let mut state = BTreeMap::new();
        for (_, lease) in &self.parts {
            let view = lease.engine().view()?;
            for space in [Space::User, Space::Internal] {
                for_each_page(&*view, space, &KeyRange::all(), Projection::Records, |page| {
                    for (key, item) in page {
                        let Item::Record(record) = item else { return Err(engine::unexpected_reply()) };
                        let held =
                            Held { value: record.value, expires_at: record.expires_at, metadata: record.metadata };
                        if space == Space::User || !key.starts_with(b"\0") {
                            state.insert((space, key), held);
                        }
                    }
                    Ok(true)
                })?;
            }
        }
        Ok(state)
    }

    /// An error unless the store finds itself in order and nothing is undecided.
    pub(crate) fn verify(&self) -> Result<()> {
        for (name, lease) in &self.parts {
            let report = lease.engine().verify(false, &mut |_, _| Ok(()))?;
            if let Some(error) = report.errors.first() {
                return Err(error.clone());
            }
            let intents = KeyRange::prefix(Key::from_static(b"\0intent/"));
            if lease.engine().view()?.count(Space::Internal, &intents)? > 0 {
                return Err(Error::new(Code::Corrupted, format!("a transaction is undecided on {name}")));
            }
        }
        Ok(())
    }

    /// Writes a key and reads it again, and begins a replacement, as every store must still be able to.
    pub(crate) fn probe(&self) -> Result<()> {
        let key = Key::from_static(b"z/probe");
        let (space, value) = (Space::User, holdfast_core::Value::json("\"works\""));
        let set = Op::Set { space, key: key.clone(), value: value.clone(), expires_at: None, metadata: None };
        self.commit(Batch::one(set))?;
        match self.engine(&key)?.wait(Request::Read(Read::Get(space, key.clone())))? {
            Reply::Value(Some(found)) if found == value => {}
            _ => return Err(Error::new(Code::Corrupted, "what was just written cannot be read")),
        }
        // A replacement that a crash has left must not be in the way of the next one.
        if self.log.is_none() { self.engine(b"")?.stage().map(drop) } else { Ok(()) }
    }

    pub(crate) fn compact(&self) -> Result<()> {
        self.parts.iter().try_for_each(|(_, lease)| lease.engine().compact())
    }

    pub(crate) fn close(self) -> Result<()> {
        if let Some(log) = self.log {
            log.close();
        }
        // Each is closed even if another fails to.
        self.parts.into_iter().map(|(_, lease)| lease.close()).fold(Ok(()), Result::and)
    }
}

fn open_engine(kind: Kind, durability: Durability, path: &Path) -> Result<Lease> {
    match kind {
        Kind::Sqlite => engine::sqlite::open(engine::sqlite::SqliteOptions {
            durability,
            ..engine::sqlite::SqliteOptions::new(path.join("data.db"))
        }),
        Kind::LevelDb => engine::leveldb::open(engine::leveldb::LevelDbOptions {
            durability,
            // A small cache takes less time to make.
            cache_size: 4 << 20,
            ..engine::leveldb::LevelDbOptions::new(path)
        }),
        Kind::File | Kind::Transactions => {
            engine::file::open(engine::file::FileOptions { durability, ..engine::file::FileOptions::new(path) })
        }
    }
}

/// The key of an operation, the start of a range.
fn first_key(op: &Op) -> &[u8] {
    match op {
        Op::DeleteRange { range, .. } => match &range.start {
            Bound::Included(start) | Bound::Excluded(start) => start,
            Bound::Unbounded => &[],
        },
        other => other.key().map_or(&[], |(_, key)| key),
    }
}

/// The record of a set; nothing else can be staged.
fn staged(write: &Write) -> Option<Staged> {
    let Write::Set { space, key, value, expires_at, metadata } = write.clone() else { return None };
    let record = Record { metadata, ..Record::bare(value, expires_at) };
    Some(Staged { space, key, record })
}

fn op(write: &Write) -> Op {
    match write.clone() {
        Write::Set { space, key, value, expires_at, metadata } => Op::Set { space, key, value, expires_at, metadata },
        Write::Add { space, key, by } => Op::Add { space, key, by, expires_at: None, metadata: None },
        Write::Delete { space, key } => Op::Delete { space, key },
        Write::DeletePrefix { space, prefix } => Op::DeleteRange { space, range: KeyRange::prefix(prefix) },
    }
}

//! The stores under test, all behind the same few calls.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use holdfast_core::engine::registry::Lease;
use holdfast_core::engine::{self, Done, Durability, Item, Projection, Read, Reply, Request, for_each_page};
use holdfast_core::{Batch, Check, Code, Error, Key, KeyRange, Op, Result, Space, Version};

use crate::model::{Held, State};
use crate::plan::{Guard, Job, Write};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    File,
    Sqlite,
    LevelDb,
}

impl Kind {
    pub const ALL: [Kind; 3] = [Kind::File, Kind::Sqlite, Kind::LevelDb];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::File => "file",
            Kind::Sqlite => "sqlite",
            Kind::LevelDb => "leveldb",
        }
    }
}

/// What is tested: an engine at a durability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    pub kind: Kind,
    pub level: Level,
}

/// [`Durability`], with an order and a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Full,
    Normal,
    None,
}

impl Level {
    pub const ALL: [Level; 3] = [Level::Full, Level::Normal, Level::None];

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
pub struct Store {
    lease: Lease,
}

impl Store {
    /// Opens the store of `subject` below the folder `root`, or makes it.
    pub fn open(subject: Subject, root: &Path) -> Result<Self> {
        let durability = subject.level.durability();
        let lease = match subject.kind {
            Kind::File => engine::file::open(engine::file::FileOptions {
                durability,
                ..engine::file::FileOptions::new(root.join("store"))
            }),
            Kind::Sqlite => engine::sqlite::open(engine::sqlite::SqliteOptions {
                durability,
                ..engine::sqlite::SqliteOptions::new(root.join("store/data.db"))
            }),
            Kind::LevelDb => engine::leveldb::open(engine::leveldb::LevelDbOptions {
                durability,
                // Small caches are made faster.
                cache_size: 4 << 20,
                ..engine::leveldb::LevelDbOptions::new(root.join("store"))
            }),
        };
        Ok(Store { lease: lease? })
    }

    /// The batch of `job`, its condition read from the store now.
    pub fn batch(&self, job: &Job) -> Result<Batch> {
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
        match self.lease.engine().wait(Request::Read(Read::Entry(Space::User, key.clone())))? {
            Reply::Entry(record) => Ok(record.map(|record| record.version)),
            _ => Err(engine::unexpected_reply()),
        }
    }

    pub fn commit(&self, batch: Batch) -> Result<()> {
        self.lease.engine().commit(batch).map(drop)
    }

    /// Requests a commit without waiting for it.
    pub fn submit(&self, batch: Batch, done: Done) {
        self.lease.engine().submit(Request::Commit(batch), done);
    }

    /// Everything the store holds.
    pub fn read(&self) -> Result<State> {
        let view = self.lease.engine().view()?;
        let mut state = BTreeMap::new();
        for space in [Space::User, Space::Internal] {
            for_each_page(&*view, space, &KeyRange::all(), Projection::Records, |page| {
                for (key, item) in page {
                    let Item::Record(record) = item else { return Err(engine::unexpected_reply()) };
                    let held = Held { value: record.value, expires_at: record.expires_at, metadata: record.metadata };
                    state.insert((space, key), held);
                }
                Ok(true)
            })?;
        }
        Ok(state)
    }

    /// An error unless the store finds itself in order.
    pub fn verify(&self) -> Result<()> {
        let report = self.lease.engine().verify(false, &mut |_, _| Ok(()))?;
        match report.errors.first() {
            None => Ok(()),
            Some(error) => Err(error.clone()),
        }
    }

    /// Writes a key and reads it again: what a store must still be able to do.
    pub fn probe(&self) -> Result<()> {
        let key = Key::from_static(b"z/probe");
        let (space, value) = (Space::User, holdfast_core::Value::json("\"works\""));
        let set = Op::Set { space, key: key.clone(), value: value.clone(), expires_at: None, metadata: None };
        self.commit(Batch::one(set))?;
        match self.lease.engine().wait(Request::Read(Read::Get(space, key)))? {
            Reply::Value(Some(found)) if found == value => Ok(()),
            _ => Err(Error::new(Code::Corrupted, "what was just written cannot be read")),
        }
    }

    pub fn compact(&self) -> Result<()> {
        self.lease.engine().compact()
    }

    pub fn close(self) -> Result<()> {
        self.lease.close()
    }
}

fn op(write: &Write) -> Op {
    match write.clone() {
        Write::Set { space, key, value, expires_at, metadata } => Op::Set { space, key, value, expires_at, metadata },
        Write::Add { space, key, by } => Op::Add { space, key, by, expires_at: None, metadata: None },
        Write::Delete { space, key } => Op::Delete { space, key },
        Write::DeletePrefix { space, prefix } => Op::DeleteRange { space, range: KeyRange::prefix(prefix) },
    }
}

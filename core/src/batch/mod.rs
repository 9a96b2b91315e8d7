//! The one primitive: an atomic batch of writes that holds only if its checks do.

pub mod codec;

use bytes::Bytes;

use crate::error::{Code, Error, Result};
use crate::key::{Key, KeyRange, Space};
use crate::record::{Millis, Version};
use crate::value::Value;

/// The most a batch may hold, in bytes of keys, values and metadata.
pub const MAX_BATCH_BYTES: usize = 64 << 20;

/// One write.
#[derive(Clone, Debug)]
pub enum Op {
    /// Writes a record whole: what it had before, expiry and metadata included, is gone.
    Set {
        space: Space,
        key: Key,
        value: Value,
        expires_at: Option<Millis>,
        metadata: Option<Bytes>,
    },
    /// Adds to a number, absent counting as 0. Expiry and metadata stay unless given.
    Add {
        space: Space,
        key: Key,
        by: f64,
        expires_at: Option<Millis>,
        metadata: Option<Bytes>,
    },
    Delete {
        space: Space,
        key: Key,
    },
    /// Deletes every key of an interval: `range` has no pattern, exceptions or limit (see
    /// [`KeyRange::intervals`]).
    DeleteRange {
        space: Space,
        range: KeyRange,
    },
}

/// Holds if the key has this version now; `None` means absent.
#[derive(Clone, Debug)]
pub struct Check {
    pub space: Space,
    pub key: Key,
    pub version: Option<Version>,
}

/// Holds if no commit after `since` touched a key of the interval.
#[derive(Clone, Debug)]
pub struct RangeCheck {
    pub space: Space,
    pub range: KeyRange,
    pub since: u64,
}

/// Writes that take effect together or not at all. Checks are made against the state before the
/// batch; operations apply in order.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub checks: Vec<Check>,
    pub range_checks: Vec<RangeCheck>,
    pub ops: Vec<Op>,
    /// Whether [`Commit::outcomes`] is wanted; engines read before writing only then.
    pub report: bool,
    /// The commit that the checks were read at, if they were all read there: while none came after it they hold.
    pub as_of: Option<u64>,
    /// What the batch is to a transaction over several engines.
    pub role: Role,
}

/// Names an intent: the log that decides about it, and the transaction's number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IntentId {
    pub log: u64,
    pub number: u64,
}

/// What a batch is to a transaction over several engines. `engine/intent.rs` makes batches with a role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Nothing: it is refused while an intent stands on a key it writes.
    #[default]
    None,
    /// It writes down an intent: what a transaction will write here once it is decided. From then on no other batch
    /// writes those keys.
    Prepare(IntentId),
    /// It carries an intent out or drops it, and removes it.
    Resolve(IntentId),
}

/// A batch that took effect.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// The store's sequence number of this commit: durable and increasing.
    pub seq: u64,
    /// One an operation if the batch asked for them, else empty.
    pub outcomes: Vec<Outcome>,
}

/// What one operation did.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Set { version: Version },
    Added { value: f64, version: Version },
    Deleted { existed: bool },
    Cleared,
}

impl Batch {
    /// A batch of one unconditional write.
    #[must_use]
    pub fn one(op: Op) -> Self {
        Batch { ops: vec![op], ..Batch::default() }
    }

    /// Asks for the outcome of each operation.
    #[must_use]
    pub fn reporting(mut self) -> Self {
        self.report = true;
        self
    }

    /// True if the batch only writes: nothing to check, nothing to read, nothing to report.
    #[must_use]
    pub fn is_blind(&self) -> bool {
        self.role == Role::None
            && !self.report
            && self.checks.is_empty()
            && self.range_checks.is_empty()
            && !self.ops.iter().any(|op| matches!(op, Op::Add { .. }))
    }

    /// The bytes of keys, values and metadata.
    #[must_use]
    pub fn size(&self) -> usize {
        self.ops.iter().map(Op::size).sum()
    }

    /// VALUE_TOO_LARGE for a batch over [`MAX_BATCH_BYTES`], unless it is one write: a single value has
    /// its own limit. What carries an intent out was measured when that was made.
    pub fn check_size(&self) -> Result<()> {
        if self.ops.len() > 1 && !matches!(self.role, Role::Resolve(_)) && self.size() > MAX_BATCH_BYTES {
            return Err(Error::new(
                Code::ValueTooLarge,
                format!("a batch is at most {MAX_BATCH_BYTES} bytes; split it, or write the keys one by one"),
            ));
        }
        Ok(())
    }
}

impl Op {
    /// The key, for the operations that have one.
    #[must_use]
    pub fn key(&self) -> Option<(Space, &Key)> {
        match self {
            Op::Set { space, key, .. } | Op::Add { space, key, .. } | Op::Delete { space, key } => Some((*space, key)),
            Op::DeleteRange { .. } => None,
        }
    }

    /// The bytes of key, value and metadata.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Op::Set { key, value, metadata, .. } => key.len() + value.len() + metadata.as_ref().map_or(0, Bytes::len),
            Op::Add { key, metadata, .. } => key.len() + metadata.as_ref().map_or(0, Bytes::len),
            Op::Delete { key, .. } => key.len(),
            Op::DeleteRange { .. } => 0,
        }
    }
}

use std::sync::Arc;

use super::View;
use crate::batch::{Batch, Commit};
use crate::error::{Code, Error, Result};
use crate::key::{Key, KeyRange, Space};
use crate::record::Record;
use crate::value::Value;

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

    /// Answers the read from the live records that `get` finds.
    pub fn answer(&self, mut get: impl FnMut(Space, &Key) -> Result<Option<Record>>) -> Result<Reply> {
        self.try_answer(|space, key| Some(get(space, key))).unwrap_or_else(|| Err(unexpected_reply()))
    }

    /// As [`answer`](Read::answer), or `None` as soon as `get` gives `None`.
    pub fn try_answer(
        &self,
        mut get: impl FnMut(Space, &Key) -> Option<Result<Option<Record>>>,
    ) -> Option<Result<Reply>> {
        let (space, key) = match self {
            Read::Get(space, key) | Read::Entry(space, key) | Read::Has(space, key) => (*space, key),
            Read::Many(space, keys) => {
                let mut values = Vec::with_capacity(keys.len());
                for key in keys {
                    match get(*space, key)? {
                        Ok(record) => values.push(record.map(|record| record.value)),
                        Err(error) => return Some(Err(error)),
                    }
                }
                return Some(Ok(Reply::Values(values)));
            }
        };
        Some(get(space, key)?.map(|record| match self {
            Read::Entry(..) => Reply::Entry(record),
            Read::Has(..) => Reply::Has(record.is_some()),
            Read::Get(..) | Read::Many(..) => Reply::Value(record.map(|record| record.value)),
        }))
    }
}

/// The answer to a request.
#[derive(Clone)]
pub enum Reply {
    /// To [`Read::Get`].
    Value(Option<Value>),
    /// To [`Read::Entry`].
    Entry(Option<Record>),
    /// To [`Read::Has`].
    Has(bool),
    /// To [`Read::Many`].
    Values(Vec<Option<Value>>),
    /// To [`Request::Keys`].
    Keys(Vec<Key>),
    /// To [`Request::Count`].
    Count(u64),
    /// To [`Request::Commit`].
    Commit(Commit),
    /// To [`Request::View`].
    View(Arc<dyn View>),
}

/// A call that can be queued.
#[derive(Clone, Debug)]
pub enum Request {
    /// A read of single keys.
    Read(Read),
    /// The keys of a range of users' keys, its limit included: [`Reply::Keys`]. No write requested later is seen.
    Keys(KeyRange),
    /// The number of those keys: [`Reply::Count`].
    Count(KeyRange),
    /// A conditional batch: [`Reply::Commit`].
    Commit(Batch),
    /// A view that sees every write requested before it: [`Reply::View`].
    View,
}

/// Receives the answer to a request, exactly once, on any thread; it must not block.
pub type Done = Box<dyn FnOnce(Result<Reply>) + Send>;

/// The value that a [`Read::Get`] was answered with.
pub(crate) fn value_of(reply: Result<Reply>) -> Result<Option<Value>> {
    match reply? {
        Reply::Value(value) => Ok(value),
        _ => Err(unexpected_reply()),
    }
}

/// A read answered with another kind of reply: a defect of an engine, told instead of a panic.
#[must_use]
pub fn unexpected_reply() -> Error {
    Error::new(Code::Io, "the engine gave an answer of the wrong kind")
}

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
    /// Reads the value alone. Answered by [`Reply::Value`].
    Get(Space, Key),
    /// Reads the record with its version and times. Answered by [`Reply::Entry`].
    Entry(Space, Key),
    /// Asks whether the key is there. Answered by [`Reply::Has`].
    Has(Space, Key),
    /// Reads the values of keys, in their order. Answered by [`Reply::Values`]. Where the engine has snapshots, all
    /// values are of one moment.
    Many(Space, Vec<Key>),
}

impl Read {
    /// The number of keys that are read.
    #[must_use]
    pub fn keys(&self) -> u64 {
        match self {
            Read::Get(..) | Read::Entry(..) | Read::Has(..) => 1,
            Read::Many(_, keys) => keys.len() as u64,
        }
    }

    /// Answers the read from the records that `get` finds. `get` gives no expired record.
    ///
    /// # Errors
    ///
    /// The first error of `get`.
    pub fn answer<R: Found>(&self, mut get: impl FnMut(Space, &Key) -> Result<Option<R>>) -> Result<Reply> {
        self.try_answer(|space, key| Some(get(space, key))).unwrap_or_else(|| Err(unexpected_reply()))
    }

    /// Answers the read as [`answer`](Read::answer) does. `None` as soon as `get` gives `None`.
    pub fn try_answer<R: Found>(
        &self,
        mut get: impl FnMut(Space, &Key) -> Option<Result<Option<R>>>,
    ) -> Option<Result<Reply>> {
        let (space, key) = match self {
            Read::Get(space, key) | Read::Entry(space, key) | Read::Has(space, key) => (*space, key),
            Read::Many(space, keys) => {
                let mut values = Vec::with_capacity(keys.len());
                for key in keys {
                    match get(*space, key)? {
                        Ok(record) => values.push(record.map(R::into_value)),
                        Err(error) => return Some(Err(error)),
                    }
                }
                return Some(Ok(Reply::Values(values)));
            }
        };
        Some(get(space, key)?.map(|record| match self {
            Read::Entry(..) => Reply::Entry(record.map(R::into_record)),
            Read::Has(..) => Reply::Has(record.is_some()),
            Read::Get(..) | Read::Many(..) => Reply::Value(record.map(R::into_value)),
        }))
    }
}

/// A record as an engine finds it: its own, borrowed or shared. An answer copies the part that it needs.
pub trait Found {
    /// The value.
    fn into_value(self) -> Value;

    /// The record.
    fn into_record(self) -> Record;
}

impl Found for Record {
    fn into_value(self) -> Value {
        self.value
    }

    fn into_record(self) -> Record {
        self
    }
}

impl Found for &Record {
    fn into_value(self) -> Value {
        self.value.clone()
    }

    fn into_record(self) -> Record {
        self.clone()
    }
}

impl Found for Arc<Record> {
    fn into_value(self) -> Value {
        self.value.clone()
    }

    fn into_record(self) -> Record {
        Arc::unwrap_or_clone(self)
    }
}

/// The answer to a [`Request`].
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

/// A call that an engine can queue.
#[derive(Clone, Debug)]
pub enum Request {
    /// A read of single keys.
    Read(Read),
    /// Lists the users' keys of a range, up to its limit. Answered by [`Reply::Keys`]. No write requested later is
    /// seen.
    Keys(KeyRange),
    /// Counts the users' keys of a range, up to its limit. Answered by [`Reply::Count`].
    Count(KeyRange),
    /// Commits a conditional batch. Answered by [`Reply::Commit`].
    Commit(Batch),
    /// Makes a view that sees every write requested before it. Answered by [`Reply::View`].
    View,
}

/// The callback that receives the answer to a request, exactly once, on any thread. It must not block.
pub type Done = Box<dyn FnOnce(Result<Reply>) + Send>;

/// The value of the answer to a [`Read::Get`].
pub(crate) fn value_of(reply: Result<Reply>) -> Result<Option<Value>> {
    match reply? {
        Reply::Value(value) => Ok(value),
        _ => Err(unexpected_reply()),
    }
}

/// The error for an answer of another kind than the request: a defect of the engine, reported without a panic.
#[must_use]
pub fn unexpected_reply() -> Error {
    Error::new(Code::Io, "the engine gave an answer of the wrong kind")
}

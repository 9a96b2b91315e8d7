//! The calls that an engine of the user's own has to answer, as the [`Host`] of this engine gets them.

use bytes::Bytes;

use crate::error::Result;
use crate::key::Key;
use crate::record::{Millis, Record};
use crate::value::Value;

/// The abilities of an engine of the user's own.
#[derive(Clone, Copy, Debug)]
pub struct Traits {
    /// The name that errors carry.
    pub name: &'static str,
    /// It takes [`Call::Batch`].
    pub atomic_batch: bool,
    /// Records expire.
    pub expiry: bool,
    /// Records have metadata.
    pub metadata: bool,
}

/// One call. A call that is `inside` belongs to the step that was begun, and comes before all other calls.
#[derive(Clone, Debug)]
pub enum Call {
    /// Begins a step behind the calls made before. Until its end the engine answers only calls inside it.
    Begin,
    /// Ends the step. Follows every [`Call::Begin`] that did not fail.
    End {
        /// The writes of the step stand. Else it had none, or they were undone.
        kept: bool,
    },
    /// The record of a key, `None` if it is absent or has expired.
    Get {
        /// The key that the engine stores.
        key: Key,
        /// The call belongs to the step that was begun.
        inside: bool,
    },
    /// Every key but the expired ones, in any order.
    Keys {
        /// The call belongs to the step that was begun.
        inside: bool,
    },
    /// One write, inside a step.
    Write(Write),
    /// All of these writes or none, inside a step. Only for an engine with atomic batches. Each key is named once.
    Batch(Vec<Write>),
}

/// A write. The key is the one that the engine stores.
#[derive(Clone, Debug)]
pub enum Write {
    /// Stores a record in place of the one that is there.
    Set {
        /// The key.
        key: Key,
        /// The new value.
        value: Value,
        /// When the record expires, in milliseconds since 1970; never if absent.
        expires_at: Option<Millis>,
        /// The new metadata as JSON text; none if absent.
        metadata: Option<Bytes>,
    },
    /// Removes the record of a key. Nothing happens if there is none.
    Delete {
        /// The key.
        key: Key,
    },
}

/// The answer to a call.
#[derive(Clone, Debug)]
pub enum Answer {
    /// To [`Call::Begin`], [`Call::End`] and writes.
    Done,
    /// To [`Call::Get`]. Its version is not used: it is digested from value, expiry and metadata.
    Record(Option<Record>),
    /// To [`Call::Keys`].
    Keys(Vec<Key>),
}

/// An answer, and the number of changes that the engine had made by then.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The answer.
    pub answer: Answer,
    /// The changes since the engine was opened, whoever made them.
    pub changes: u64,
}

/// Receives the answer to a call, exactly once, on any thread.
pub type OnAnswer = Box<dyn FnOnce(Result<Answered>) + Send>;

/// An engine of the user's own. It makes calls one at a time and in order, and counts its changes, whoever made them.
pub trait Host: Send + Sync {
    /// The abilities of the engine, the same at every call.
    fn traits(&self) -> Traits;

    /// Makes a call; never blocks.
    fn call(&self, call: Call, answer: OnAnswer);

    /// Answers calls under way with CLOSED, and every later call too.
    fn close(&self);
}

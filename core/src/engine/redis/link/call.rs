//! A call to the server: what waits to be sent, and what waits for its replies.

use std::iter::repeat_with;
use std::time::Instant;

use redis::{Pipeline, Value as RespValue};

use super::super::pending_write::{PendingWrite, answer_all};
use crate::error::{Error, Result};
use crate::threads::guarded;

/// Receives the replies of a call, exactly once.
pub(crate) type OnReply = Box<dyn FnOnce(Result<Vec<RespValue>>) + Send>;

/// A batch of more bytes does not wait to be sent with others.
const SMALL_BATCH: usize = 1 << 10;

/// The content of a call.
pub(super) enum CallBody {
    Commands(Commands),
    /// A batch. Several blind batches in a row are sent as one call. `with_source`: the server may have forgotten the
    /// script.
    Commit {
        write: PendingWrite,
        with_source: bool,
    },
}

/// The effect of commands on the store.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// None: they can be sent again.
    Read,
    /// They write what nobody reads yet, or what any client may write again. A lost reply leaves nothing unknown.
    Staged,
    Write,
}

/// Packed commands, and the number of their replies.
pub(super) struct Commands {
    pub bytes: Vec<u8>,
    pub replies: usize,
    pub effect: Effect,
    pub on_reply: OnReply,
}

/// A call that waits to be sent.
pub(super) struct QueuedCall {
    pub body: CallBody,
    /// The moment when it was made.
    pub since: Instant,
}

/// A call in flight: it was sent, or is being sent.
pub(super) struct InFlightCall {
    /// The position behind its last byte in the stream of its connection.
    pub end: u64,
    /// How many replies have not come yet.
    pub missing: usize,
    pub replies: Vec<RespValue>,
    /// The moment when it was made.
    pub made: Instant,
    /// The moment when it was sent.
    pub since: Instant,
    pub body: SentBody,
}

/// The content of a call in flight.
pub(super) enum SentBody {
    Commands(Commands),
    /// Batches of one call, and its number: the next connection can ask for its reply.
    Commit {
        writes: Vec<PendingWrite>,
        number: u64,
    },
}

impl CallBody {
    /// Commands that get one reply each.
    pub(super) fn commands(pipe: &Pipeline, effect: Effect, on_reply: OnReply) -> Self {
        CallBody::Commands(Commands { bytes: pipe.get_packed_pipeline(), replies: pipe.len(), effect, on_reply })
    }

    /// True for a batch that may wait to be sent with others.
    pub(super) fn gathers(&self) -> bool {
        matches!(self, CallBody::Commit { with_source: false, .. }) && self.size() <= SMALL_BATCH
    }

    /// About how many bytes it sends.
    pub(super) fn size(&self) -> usize {
        match self {
            CallBody::Commands(commands) => commands.bytes.len(),
            CallBody::Commit { write, .. } => write.size(),
        }
    }

    /// Answers a call that was never sent.
    pub(super) fn refuse(self, error: Error) {
        match self {
            CallBody::Commands(commands) => deliver(commands.on_reply, Err(error)),
            CallBody::Commit { write, .. } => write.answer(Err(error)),
        }
    }
}

impl SentBody {
    /// True if the server may write something for it.
    pub(super) fn writes(&self) -> bool {
        match self {
            SentBody::Commands(commands) => commands.effect == Effect::Write,
            SentBody::Commit { writes, .. } => writes.iter().any(|write| !write.batch.ops.is_empty()),
        }
    }

    /// Answers a call whose replies will not come.
    pub(super) fn refuse(self, error: &Error) {
        match self {
            SentBody::Commands(commands) => deliver(commands.on_reply, Err(error.clone())),
            SentBody::Commit { writes, .. } => answer_all(writes, repeat_with(|| Err(error.clone()))),
        }
    }
}

/// Hands replies to their receiver.
pub(super) fn deliver(on_reply: OnReply, replies: Result<Vec<RespValue>>) {
    // A panic of one caller must not end the thread that serves all of them.
    let _ = guarded(|| {
        on_reply(replies);
        Ok(())
    });
}

//! A call to the server: what waits to be sent, and what waits for its replies.

use std::time::Instant;

use redis::{Pipeline, Value as RespValue};

use super::super::pending_write::PendingWrite;
use crate::error::{Error, Result};
use crate::threads::guarded;

/// Receives the replies of a call, exactly once.
pub(crate) type OnReply = Box<dyn FnOnce(Result<Vec<RespValue>>) + Send>;

/// A batch of more bytes does not wait to be sent with others.
const SMALL_BATCH: usize = 1 << 10;

/// The content of a call.
pub(super) enum CallBody {
    /// Packed commands, and the number of their replies.
    Commands { bytes: Vec<u8>, replies: usize, write: bool, on_reply: OnReply },
    /// A batch. Several blind batches in a row are sent as one call. `with_source`: the server has forgotten the
    /// script.
    Commit { write: PendingWrite, with_source: bool },
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
    /// The moment when it was sent.
    pub since: Instant,
    pub write: bool,
    /// The number of a call that commits: the next connection can ask for its reply.
    pub number: Option<u64>,
    pub on_reply: OnReply,
}

impl CallBody {
    /// Commands that get one reply each.
    pub(super) fn commands(pipe: &Pipeline, write: bool, on_reply: OnReply) -> Self {
        CallBody::Commands { bytes: pipe.get_packed_pipeline(), replies: pipe.len(), write, on_reply }
    }

    /// True for a batch that may wait to be sent with others.
    pub(super) fn gathers(&self) -> bool {
        matches!(self, CallBody::Commit { with_source: false, .. }) && self.size() <= SMALL_BATCH
    }

    /// About how many bytes it sends.
    pub(super) fn size(&self) -> usize {
        match self {
            CallBody::Commands { bytes, .. } => bytes.len(),
            CallBody::Commit { write, .. } => write.size(),
        }
    }

    /// Answers a call that was never sent.
    pub(super) fn refuse(self, error: Error) {
        match self {
            CallBody::Commands { on_reply, .. } => deliver(on_reply, Err(error)),
            CallBody::Commit { write, .. } => write.answer(Err(error)),
        }
    }
}

impl InFlightCall {
    /// Answers a call whose replies will not come.
    pub(super) fn fail(self, error: Error) {
        deliver(self.on_reply, Err(error));
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

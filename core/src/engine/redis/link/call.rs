//! A call to the server, waiting and on its way.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use redis::{Pipeline, Value as Answer};

use super::super::write::Work;
use crate::error::{Error, Result};

/// Receives the replies of a call, exactly once.
pub type Settle = Box<dyn FnOnce(Result<Vec<Answer>>) + Send>;

/// A larger batch waits for no others.
const SMALL: usize = 1 << 10;

/// What a call sends.
pub enum What {
    /// Packed commands, and how many replies they get.
    Packed { bytes: Vec<u8>, replies: usize, write: bool, settle: Settle },
    /// A batch; several in a row that only write go in one call. `again`: the server has forgotten the script, and gets its source.
    Commit { work: Work, again: bool },
}

pub(super) struct Call {
    pub what: What,
    /// When it was made.
    pub since: Instant,
}

/// A call on its way.
pub(super) struct Flight {
    /// Where its last byte lies in the stream of its connection.
    pub end: u64,
    pub missing: usize,
    pub replies: Vec<Answer>,
    /// When it was sent.
    pub since: Instant,
    pub write: bool,
    /// The number of a call that commits: the next connection can ask for its reply.
    pub number: Option<u64>,
    pub settle: Settle,
}

impl What {
    /// Commands that each get one reply.
    pub fn commands(pipe: &Pipeline, write: bool, settle: Settle) -> Self {
        What::Packed { bytes: pipe.get_packed_pipeline(), replies: pipe.len(), write, settle }
    }

    /// True for a batch that may go with others.
    pub fn gathers(&self) -> bool {
        matches!(self, What::Commit { again: false, .. }) && self.size() <= SMALL
    }

    pub fn size(&self) -> usize {
        match self {
            What::Packed { bytes, .. } => bytes.len(),
            What::Commit { work, .. } => work.batch.size() + 64 * (work.batch.ops.len() + work.batch.checks.len() + 4),
        }
    }
}

/// Answers a call that was never sent.
pub(super) fn refuse(what: What, error: Error) {
    match what {
        What::Packed { settle: done, .. } => settle(done, Err(error)),
        What::Commit { work, .. } => guarded(|| (work.done)(Err(error))),
    }
}

/// Runs a caller's answer; a panic in it must not end the thread that serves everyone else.
pub(super) fn settle(done: Settle, result: Result<Vec<Answer>>) {
    guarded(|| done(result));
}

pub fn guarded(answer: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(answer));
}

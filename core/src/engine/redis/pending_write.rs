//! A batch on its way to the server.

use crate::batch::{Batch, Commit, Op, Role};
use crate::engine::intent::{check_increments, prepared_ops};
use crate::engine::{Done, Reply};
use crate::error::Result;
use crate::key::{Key, KeyRange, Space};
use crate::record::now;
use crate::threads::guarded;

/// A batch that waits for the server, with what the script has to check for it.
pub(super) struct PendingWrite {
    pub batch: Batch,
    /// The operations of the intent that the batch prepares.
    pub intended: Vec<Op>,
    /// Keys that the intent increments: each must hold a number, or nothing.
    pub incremented: Vec<(Space, Key)>,
    /// Ranges of user keys of which the batch deletes every key: no intent may hold any of them.
    pub ranges: Vec<KeyRange>,
    done: Done,
}

impl PendingWrite {
    /// `batch` must delete no range of user keys. An intent that cannot be read or carried out is refused: `done` gets
    /// the error, and the result is `None`.
    pub(super) fn new(batch: Batch, done: Done) -> Option<Self> {
        let mut incremented = Vec::new();
        let checked = check_increments(&batch, now(), |space, key| {
            incremented.push((space, key.clone()));
            Ok(None)
        });
        let intended = match batch.role {
            Role::Prepare(_) => checked.and_then(|()| prepared_ops(&batch)),
            Role::None | Role::Resolve(_) => Ok(Vec::new()),
        };
        match intended {
            Ok(intended) => Some(PendingWrite { batch, intended, incremented, ranges: Vec::new(), done }),
            Err(error) => {
                done(Err(error));
                None
            }
        }
    }

    /// The same batch, which deletes every key of `ranges`.
    pub(super) fn deleting(mut self, ranges: &[KeyRange]) -> Self {
        self.ranges.extend_from_slice(ranges);
        self
    }

    /// Gives the caller its answer.
    pub(super) fn answer(self, result: Result<Commit>) {
        // A panic of one caller must not end the thread that serves all of them.
        let _ = guarded(|| {
            (self.done)(result.map(Reply::Commit));
            Ok(())
        });
    }

    /// About how many bytes the batch takes in a command.
    pub(super) fn size(&self) -> usize {
        self.batch.size() + 64 * (self.batch.ops.len() + self.batch.checks.len() + 4)
    }
}

/// Answers each of `writes` with the result at its place.
pub(super) fn answer_all(writes: Vec<PendingWrite>, results: impl Iterator<Item = Result<Commit>>) {
    for (write, result) in writes.into_iter().zip(results) {
        write.answer(result);
    }
}

//! When the WAL is written back into the database, how long that waits for readers, and how much of it is allocated
//! ahead.
//!
//! The WAL starts anew once all of it is written back and nobody reads from it. Readers that come one after the other
//! could keep it from that for ever. So a checkpoint that they have hindered waits for them a little while nobody
//! writes: readers that begin meanwhile read from the database alone.

use super::connection::{CheckpointMode, Connection};
use super::open_snapshots::{OpenSnapshots, SeenSnapshots};
use super::wal_index::WalIndexHeader;
use super::wal_preallocation::WalPreallocation;
use crate::error::{Code, Result};

/// The number of WAL frames from which on a commit of the queue checkpoints: 32 MiB of the usual pages. A page that is
/// written again and again is written back once.
const CHECKPOINT_FRAMES: u32 = 8000;
/// A checkpoint waits for readers a millisecond for so many frames. The longer the readers live, the larger the WAL
/// grows before a checkpoint waits for their end, so the waits always take a small share of the time of the writes.
const FRAMES_PER_MILLISECOND: u32 = 500;

#[derive(Default)]
pub(super) struct CheckpointSchedule {
    /// The number of frames at the latest look. A smaller one means that the WAL has started anew.
    frames: u32,
    /// The latest checkpoint, if the WAL has not started anew since.
    latest: Option<LatestCheckpoint>,
    preallocation: WalPreallocation,
}

struct LatestCheckpoint {
    /// The number of frames.
    frames: u32,
    /// All of them were written back.
    complete: bool,
    /// The snapshots of this process that may have hindered it.
    snapshots: SeenSnapshots,
}

impl LatestCheckpoint {
    /// The number of frames at which the next checkpoint is due.
    fn next(&self) -> u32 {
        // A reader in another process may live for long, so that each wait for its end is for nothing.
        let soon = self.complete || (self.snapshots.were_any() && !self.snapshots.are_open());
        self.frames.saturating_add(if soon { self.frames / 2 } else { self.frames })
    }
}

impl CheckpointSchedule {
    /// True if the WAL has grown enough to be written back.
    pub(super) fn is_due(&mut self, connection: &Connection) -> bool {
        let frames = self.look(connection);
        frames >= CHECKPOINT_FRAMES && self.latest.as_ref().is_none_or(|latest| frames >= latest.next())
    }

    /// True if readers have hindered a checkpoint, and no snapshot of this process still would.
    pub(super) fn can_be_completed(&mut self, connection: &Connection) -> bool {
        self.look(connection);
        self.latest.as_ref().is_some_and(|latest| !latest.complete && !latest.snapshots.are_open())
    }

    /// Writes the WAL back so that the next commit starts it anew. It waits for readers a little, and at most for
    /// `busy_timeout` milliseconds.
    pub(super) fn checkpoint(
        &mut self,
        connection: &Connection,
        snapshots: &OpenSnapshots,
        busy_timeout: u64,
    ) -> Result<()> {
        self.look(connection);
        let mut complete = run(connection, CheckpointMode::Passive)?;
        // A reader that began before the end of the latest checkpoint has kept the WAL from starting anew behind it.
        if !complete || self.latest.is_some() {
            complete = self.wait_for_readers(connection, CheckpointMode::Restart, busy_timeout)?;
        }
        self.note(complete, snapshots);
        Ok(())
    }

    /// Writes the whole WAL back and empties it. If readers keep it from that, the rest is left to
    /// [`complete`](CheckpointSchedule::complete).
    pub(super) fn empty(
        &mut self,
        connection: &Connection,
        snapshots: &OpenSnapshots,
        busy_timeout: u64,
    ) -> Result<()> {
        self.look(connection);
        if self.wait_for_readers(connection, CheckpointMode::Truncate, busy_timeout)? {
            self.look(connection);
        } else {
            self.note(false, snapshots);
        }
        Ok(())
    }

    /// Completes a checkpoint that readers have hindered, if they are gone.
    pub(super) fn complete(&mut self, connection: &Connection) -> Result<()> {
        if self.wait_for_readers(connection, CheckpointMode::Truncate, 0)? {
            self.look(connection);
        }
        Ok(())
    }

    /// Checkpoints while nobody writes. False if readers or other processes keep it from its end.
    fn wait_for_readers(&self, connection: &Connection, mode: CheckpointMode, busy_timeout: u64) -> Result<bool> {
        connection.set_busy_timeout(busy_timeout.min((self.frames / FRAMES_PER_MILLISECOND).into()));
        run(connection, mode)
    }

    fn note(&mut self, complete: bool, snapshots: &OpenSnapshots) {
        self.latest = Some(LatestCheckpoint { frames: self.frames, complete, snapshots: snapshots.look() });
    }

    /// The number of frames in the WAL.
    fn look(&mut self, connection: &Connection) -> u32 {
        let frames = connection.header().map_or(self.frames, |header| header.frames());
        if frames < self.frames {
            self.latest = None;
            // SQLite may have made the file shorter.
            self.preallocation = WalPreallocation::default();
        }
        self.frames = frames;
        frames
    }

    /// Allocates room behind the frames of `header`, inside a write transaction.
    pub(super) fn preallocate(&mut self, connection: &mut Connection, header: WalIndexHeader) {
        connection.preallocate_wal(&mut self.preallocation, header, CHECKPOINT_FRAMES);
    }
}

/// Checkpoints. False if readers or other processes keep it from its end.
fn run(connection: &Connection, mode: CheckpointMode) -> Result<bool> {
    match connection.checkpoint(mode) {
        Err(error) if error.code() == Code::Timeout => Ok(false),
        done => done,
    }
}

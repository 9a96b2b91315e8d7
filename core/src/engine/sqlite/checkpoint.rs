//! When the WAL is written back into the database, and how much of it is allocated ahead.

use super::connection::Connection;
use super::wal_index::WalIndexHeader;
use super::wal_preallocation::WalPreallocation;

/// The number of new WAL frames after which a commit of the queue checkpoints: 32 MiB of the usual pages. A page that
/// is written again and again is written back once.
const CHECKPOINT_FRAMES: u32 = 8000;

#[derive(Default)]
pub(super) struct CheckpointSchedule {
    /// The frames in the WAL at the latest checkpoint. A view may have kept the WAL from starting anew.
    written_back: u32,
    preallocation: WalPreallocation,
}

impl CheckpointSchedule {
    /// True if the WAL has grown enough to be written back.
    pub(super) fn is_due(&mut self, connection: &Connection) -> bool {
        let Some(header) = connection.header() else { return false };
        if header.frames() < self.written_back {
            self.written_back = 0;
        }
        header.frames().saturating_sub(self.written_back) >= CHECKPOINT_FRAMES
    }

    /// To be called after a checkpoint, whether or not it succeeded.
    pub(super) fn note_checkpoint(&mut self, connection: &Connection) {
        self.written_back = connection.header().map_or(0, |header| header.frames());
    }

    /// To be called after the WAL file was made shorter.
    pub(super) fn note_truncation(&mut self) {
        self.preallocation = WalPreallocation::default();
    }

    /// Allocates room behind the frames of `header`, inside a write transaction.
    pub(super) fn preallocate(&mut self, connection: &mut Connection, header: WalIndexHeader) {
        connection.preallocate_wal(&mut self.preallocation, header, CHECKPOINT_FRAMES);
    }
}

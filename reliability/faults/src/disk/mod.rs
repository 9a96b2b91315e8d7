//! A recorded history of a disk, and the disks that power loss may leave of it.

mod file;
mod loss;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod record;
mod tree;

use std::ffi::OsString;

use bytes::Bytes;

pub(crate) use loss::{Disk, Harm};
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub(crate) use record::Recorder;

/// A file or folder, whatever names it has.
pub(crate) type Id = usize;

/// The folder that holds everything.
pub(crate) const ROOT: Id = 0;

/// A name in a folder.
pub(crate) type Place = (Id, OsString);

/// One change of the disk, or a line that the workload said between two.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    MakeFile {
        at: Place,
        id: Id,
    },
    MakeFolder {
        at: Place,
        id: Id,
    },
    Write {
        id: Id,
        offset: u64,
        data: Bytes,
    },
    /// Cut, or grown with zeros.
    Resize {
        id: Id,
        size: u64,
    },
    /// Grown with zeros unless it is as long already.
    Grow {
        id: Id,
        size: u64,
    },
    Zero {
        id: Id,
        offset: u64,
        length: u64,
    },
    Rename {
        from: Place,
        to: Place,
    },
    Link {
        to: Place,
        id: Id,
    },
    Remove {
        at: Place,
    },
    /// A sync of a file or folder that succeeded.
    Sync {
        id: Id,
    },
    SyncAll,
    /// A sync that failed. `None`: of everything.
    SyncFailed {
        id: Option<Id>,
    },
    Said(Bytes),
}

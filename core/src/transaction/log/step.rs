//! Steps: the changes of the disk that a transaction log makes. Tests make them fail.

/// A change of the disk.
#[derive(Clone, Debug)]
#[cfg_attr(not(test), allow(dead_code, reason = "made for tests alone"))]
pub(crate) enum Step {
    MakeFolder,
    Create(String),
    Write(String, u64, Vec<u8>),
    Sync(String),
    Cut(String, u64),
    Remove(String),
    SyncFolder,
}

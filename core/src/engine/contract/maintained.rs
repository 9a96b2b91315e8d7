use crate::engine::Counts;
use crate::error::{Error, Result};

/// Receives `(done, total)` of a long call. An error ends the call with that error.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64) -> Result<()>;

/// An engine that can be measured, checked and compacted.
pub trait Maintained: Send + Sync {
    /// Figures about the store: sizes in bytes, counts. Blocks.
    fn stats(&self) -> Result<Stats>;

    /// Reads everything and reports each damaged key. With `repair`, sets damaged data aside. Blocks.
    fn verify(&self, repair: bool, progress: Progress<'_>) -> Result<Report>;

    /// Gives back space that deleted data still takes. Blocks.
    fn compact(&self) -> Result<()>;
}

/// Figures about a store. A figure that the engine cannot tell is absent.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// User keys, expired ones not yet swept included.
    pub keys: Option<u64>,
    /// Bytes in memory that the store itself accounts for.
    pub memory_bytes: Option<u64>,
    /// Bytes on disk.
    pub disk_bytes: Option<u64>,
    /// Events since the store was opened.
    pub counts: Counts,
    /// The latest commit.
    pub commit: Option<u64>,
    /// The first commit the change log can be resumed from; absent while it is off.
    pub log_floor: Option<u64>,
    /// Figures of this engine alone, by name.
    pub details: Vec<(&'static str, u64)>,
}

/// The result of [`Maintained::verify`].
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Records looked at.
    pub checked: u64,
    /// One error a damaged record.
    pub errors: Vec<Error>,
}

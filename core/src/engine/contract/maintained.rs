use crate::engine::Counts;
use crate::error::{Error, Result};

/// A callback of a long call, with the number of records done and their total. An error that it returns ends the call
/// with that error.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64) -> Result<()>;

/// An engine that can be measured, checked and compacted.
pub trait Maintained: Send + Sync {
    /// Figures about the store: sizes in bytes, and counts. Blocks.
    ///
    /// # Errors
    ///
    /// `CLOSED`, or an error of the medium.
    fn stats(&self) -> Result<Stats>;

    /// Reads everything, and reports each damaged record. With `repair`, sets damaged records aside. Blocks.
    ///
    /// # Errors
    ///
    /// `CLOSED`, an error of the medium, or the error of `progress`. A damaged record is no error of the call.
    fn verify(&self, repair: bool, progress: Progress<'_>) -> Result<Report>;

    /// Gives back the space that deleted data still takes. Blocks.
    ///
    /// # Errors
    ///
    /// `CLOSED`, or an error of the medium.
    fn compact(&self) -> Result<()>;
}

/// Figures about a store. A figure that the engine cannot tell is absent.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// The number of users' keys. Expired ones count until they are swept.
    pub keys: Option<u64>,
    /// The memory that the store itself accounts for, in bytes.
    pub memory_bytes: Option<u64>,
    /// The size on disk, in bytes.
    pub disk_bytes: Option<u64>,
    /// The number of events since the store was opened.
    pub counts: Counts,
    /// The number of the latest commit.
    pub commit: Option<u64>,
    /// The first commit from which the change log can be resumed. It is absent while the log is off.
    pub log_floor: Option<u64>,
    /// Figures that only this engine has, by name.
    pub details: Vec<(&'static str, u64)>,
}

/// The result of [`Maintained::verify`].
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The number of records that were read.
    pub checked: u64,
    /// One error for each damaged record.
    pub errors: Vec<Error>,
}

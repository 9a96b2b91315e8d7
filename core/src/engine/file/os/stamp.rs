//! Stamps and kinds: the answer of one `stat`.

use std::time::{SystemTime, UNIX_EPOCH};

/// The fields of a `stat` that tell two states of a file apart without opening it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Nanoseconds since 1970.
    pub modified: i128,
    /// Nanoseconds since 1970.
    pub changed: i128,
    /// Bytes.
    pub size: u64,
    pub inode: u64,
}

impl Stamp {
    /// The time of the last write, in milliseconds since 1970.
    pub(crate) fn millis(&self) -> u64 {
        u64::try_from(self.modified / 1_000_000).unwrap_or(0)
    }

    /// True if the file was changed so shortly before `now` (nanoseconds since 1970) that a later change need not show
    /// in its times. Git calls such files racy.
    pub(crate) fn is_racy(&self, now: i128) -> bool {
        const GRAIN: i128 = 50_000_000;
        now - self.modified <= GRAIN || now - self.changed <= GRAIN
    }
}

/// The current time in nanoseconds since 1970.
pub(crate) fn nanos() -> i128 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| i128::try_from(elapsed.as_nanos()).unwrap_or(i128::MAX))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Folder,
    /// A link, a device, a pipe: never followed, never opened.
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_racy_until_its_times_are_older_than_their_grain() {
        let stamp = Stamp { modified: 0, changed: 10_000_000, size: 0, inode: 0 };
        assert!(stamp.is_racy(60_000_000), "changed 50 ms ago");
        assert!(!stamp.is_racy(60_000_001));
        assert!(stamp.is_racy(-1), "a clock that was set back");
    }
}

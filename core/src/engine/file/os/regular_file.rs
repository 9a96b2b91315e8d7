//! Changes of an open file.

use std::fs::File;
use std::io::{self, Write};
use std::time::{Duration, UNIX_EPOCH};

use super::failpoint::step;

/// A file that may be written in place: a regular one with no other name.
#[cfg_attr(not(unix), allow(dead_code))]
pub(crate) struct Overwritable {
    pub file: File,
    /// Bytes it holds.
    pub size: u64,
    /// Bytes it may hold without asking the file system for more.
    pub capacity: u64,
}

impl Overwritable {
    /// True if `length` bytes fit in, and neither they nor what is there are more than `limit`.
    pub(crate) fn fits(&self, length: usize, limit: u64) -> bool {
        self.size <= limit && length as u64 <= self.capacity.min(limit)
    }
}

/// Writes all of `content`.
pub(crate) fn write(file: &mut File, content: &[u8]) -> io::Result<()> {
    if let Err(error) = step() {
        // A crash in the middle of a write leaves a part.
        file.write_all(content.get(..content.len() / 2).unwrap_or_default())?;
        return Err(error);
    }
    file.write_all(content)
}

/// Replaces the `size` bytes of a file just opened by `content`.
pub(crate) fn overwrite(file: &mut File, content: &[u8], size: u64) -> io::Result<()> {
    write(file, content)?;
    let length = content.len() as u64;
    if length < size {
        step()?;
        file.set_len(length)?;
    }
    Ok(())
}

/// Sets when the file was written, in milliseconds since 1970.
pub(crate) fn set_modified(file: &File, at: u64) -> io::Result<()> {
    file.set_modified(UNIX_EPOCH + Duration::from_millis(at))
}

/// Makes the content of a file survive power loss.
pub(crate) fn sync(file: &File) -> io::Result<()> {
    step()?;
    file.sync_data()
}

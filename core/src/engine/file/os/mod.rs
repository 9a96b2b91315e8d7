//! The calls of the file engine to the operating system: relative to an open base folder, never through a
//! symbolic link, each change of the disk a step at which a test can stop the world.

#[cfg(any(not(unix), test))]
#[cfg_attr(unix, allow(dead_code))]
mod portable;
#[cfg(unix)]
mod unix;

use std::fs::File;
use std::io::{self, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[cfg(not(unix))]
pub(super) use portable::{Folder, Root, stamp_of};
#[cfg(unix)]
pub(super) use unix::{Folder, Root, stamp_of};

/// What tells two states of a file apart without opening it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Nanoseconds since 1970.
    pub modified: i128,
    pub changed: i128,
    pub size: u64,
    pub inode: u64,
}

impl Stamp {
    /// When the file was written, in milliseconds.
    pub fn millis(&self) -> u64 {
        u64::try_from(self.modified / 1_000_000).unwrap_or(0)
    }

    /// True if the file was last changed so long before `now` (nanoseconds) that a later change must show in
    /// its times. Git calls younger ones racy.
    pub fn is_settled(&self, now: i128) -> bool {
        const GRAIN: i128 = 50_000_000;
        now - self.modified > GRAIN && now - self.changed > GRAIN
    }
}

/// The current time in nanoseconds since 1970.
pub(super) fn nanos() -> i128 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| i128::try_from(elapsed.as_nanos()).unwrap_or(i128::MAX))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Folder,
    /// A link, a device, a pipe: never followed, never opened.
    Other,
}

/// A file that may be written in place: a plain one with no other name.
#[cfg_attr(not(unix), allow(dead_code))]
pub(super) struct Overwritable {
    pub file: File,
    pub size: u64,
    /// Bytes it may hold without asking the file system for more.
    pub room: u64,
}

impl Overwritable {
    /// True if `length` bytes fit in, and neither they nor what is there are more than `most`.
    pub fn takes(&self, length: usize, most: u64) -> bool {
        self.size <= most && length as u64 <= self.room.min(most)
    }
}

/// Writes all of `content`.
pub(super) fn write(file: &mut File, content: &[u8]) -> io::Result<()> {
    if let Err(error) = step() {
        // A crash in the middle of a write leaves a part.
        file.write_all(content.get(..content.len() / 2).unwrap_or_default())?;
        return Err(error);
    }
    file.write_all(content)
}

/// Puts `content` in the place of the `size` bytes of a file just opened.
pub(super) fn overwrite(file: &mut File, content: &[u8], size: u64) -> io::Result<()> {
    write(file, content)?;
    let length = content.len() as u64;
    if length < size {
        step()?;
        file.set_len(length)?;
    }
    Ok(())
}

/// Sets when the file was written, in milliseconds since 1970.
pub(super) fn set_modified(file: &File, at: u64) -> io::Result<()> {
    file.set_modified(UNIX_EPOCH + Duration::from_millis(at))
}

/// Makes the content of a file survive power loss.
pub(super) fn sync(file: &File) -> io::Result<()> {
    step()?;
    file.sync_data()
}

/// Counts one change of the disk; in tests it may be the one where the process dies.
#[cfg(not(test))]
#[inline]
pub(super) fn step() -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
pub(super) use fuse::step;

/// Stops the calling thread's changes of the disk after a number of them.
#[cfg(test)]
pub(super) mod fuse {
    use std::cell::Cell;
    use std::io;

    thread_local! {
        static LEFT: Cell<Option<u64>> = const { Cell::new(None) };
    }

    /// Lets `steps` changes through, then none; `None` lets all through.
    pub fn set(steps: Option<u64>) {
        LEFT.set(steps);
    }

    /// True if a change was stopped.
    pub fn burnt() -> bool {
        LEFT.get() == Some(0)
    }

    pub fn step() -> io::Result<()> {
        match LEFT.get() {
            None => Ok(()),
            Some(0) => Err(io::Error::other("the process died here")),
            Some(left) => {
                LEFT.set(Some(left - 1));
                Ok(())
            }
        }
    }
}

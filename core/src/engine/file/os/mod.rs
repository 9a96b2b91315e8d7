//! The calls of the file engine to the operating system: relative to the open base folder, never through a symbolic
//! link. Each change of the disk is a step at which a test can stop the world (`failpoint`).

mod failpoint;
#[cfg(any(not(unix), test))]
#[cfg_attr(unix, allow(dead_code))]
mod portable;
mod regular_file;
mod stamp;
#[cfg(unix)]
mod unix;

#[cfg(test)]
pub(super) use failpoint::failpoints;
pub(super) use failpoint::step;
#[cfg(not(unix))]
pub(super) use portable::{Folder, Root, stamp_of};
pub(super) use regular_file::{Overwritable, overwrite, set_modified, sync, write};
pub(super) use stamp::{Kind, Stamp, nanos};
#[cfg(unix)]
pub(super) use unix::{Folder, Root, stamp_of};

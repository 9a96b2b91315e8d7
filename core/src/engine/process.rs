//! The mark that a process leaves in the lock file of a store, so that others can say who holds it. It is no part of
//! the lock.

use std::fmt::Display;
use std::fs::File;
use std::io::{Read, Seek, Write};

use crate::error::{Code, Error};

/// The holder of a lock, as its mark tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    /// This process: another copy of the library in it has the store open.
    Own,
    /// The process with this number.
    Other(u32),
    Unknown,
}

/// Leaves the mark of this process in the file of a lock that it has just taken.
pub(super) fn leave_mark(file: &mut File) {
    let _ = file.set_len(0).and_then(|()| write!(file, "{}", mark()));
}

/// The process that left its mark in the file of a lock.
pub(super) fn holder(file: &mut File) -> Holder {
    let mut mark = String::new();
    // Windows keeps others from reading a locked file.
    let _ = file.rewind().and_then(|()| file.take(64).read_to_string(&mut mark));
    holder_of(&mark)
}

/// The error `LOCKED`: `holder` has the store at `place` open.
pub(super) fn locked(holder: Holder, place: impl Display) -> Error {
    let message = match holder {
        Holder::Own => format!(
            "this process has the store open already, through another copy of holdfast; open it through one copy \
             ({place})"
        ),
        Holder::Other(number) => close_it(&format!("process {number}"), place),
        Holder::Unknown => close_it("another process", place),
    };
    Error::new(Code::Locked, message)
}

fn close_it(holder: &str, place: impl Display) -> String {
    format!("{holder} has the store open ({place}); close it there, or raise lockTimeout to wait for it")
}

/// The mark of this process: its number and the time of its start. Processes of different containers may have the same
/// number.
fn mark() -> String {
    format!("{} {}", std::process::id(), started())
}

/// The process that left `mark`.
fn holder_of(mark: &str) -> Holder {
    let (number, start) = mark.split_once(' ').unwrap_or((mark, ""));
    match number.parse() {
        Ok(number) if number == std::process::id() && start == started() => Holder::Own,
        Ok(number) => Holder::Other(number),
        Err(_) => Holder::Unknown,
    }
}

/// The time at which this process began, in a form that another copy of the library reads the same. Empty where the
/// system does not tell it in a file.
fn started() -> String {
    let status = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program, in parentheses, may hold spaces. The start is the twentieth field behind it.
    let field = status.rsplit_once(") ").and_then(|(_, fields)| fields.split(' ').nth(19));
    field.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_tells_this_process_from_others() {
        assert_eq!(holder_of(&mark()), Holder::Own);
        let number = std::process::id();
        assert_eq!(holder_of(&format!("{number} other")), Holder::Other(number), "the number was used again");
        assert_eq!(holder_of("1 5"), Holder::Other(1));
        assert_eq!(holder_of("17"), Holder::Other(17), "an earlier version wrote the number alone");
        for unknown in ["", "x", " ", "-1 5"] {
            assert_eq!(holder_of(unknown), Holder::Unknown, "{unknown:?}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_tells_the_start() {
        assert!(started().parse::<u64>().is_ok());
    }
}

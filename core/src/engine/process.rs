//! The mark that a process leaves in the lock file of a store, so that others can say who holds it. It is no part of
//! the lock.

/// The holder of a lock, as its mark tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    /// This process: another copy of the library in it has the store open.
    Own,
    /// The process with this number.
    Other(u32),
    Unknown,
}

/// The mark of this process: its number and the time of its start. Processes of different containers may have the same
/// number.
pub(super) fn mark() -> String {
    format!("{} {}", std::process::id(), started())
}

/// The process that left `mark`.
pub(super) fn holder_of(mark: &str) -> Holder {
    let (number, start) = mark.split_once(' ').unwrap_or((mark, ""));
    match number.parse() {
        Ok(number) if number == std::process::id() && start == started() => Holder::Own,
        Ok(number) => Holder::Other(number),
        Err(_) => Holder::Unknown,
    }
}

/// The start of a message: who has the store open.
pub(super) fn describe(holder: Holder) -> String {
    match holder {
        Holder::Own => {
            "this process has the store open already, through another copy of holdfast; open it through one copy".into()
        }
        Holder::Other(number) => format!("process {number} has the store open"),
        Holder::Unknown => "another process has the store open".into(),
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

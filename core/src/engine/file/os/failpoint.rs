//! Failpoints: in tests, the change of the disk at which the process dies.

use std::io;

/// Counts one change of the disk. After an error the change must not be made.
#[cfg(not(test))]
#[inline]
#[allow(clippy::unnecessary_wraps, reason = "tests fail here")]
pub(crate) fn step() -> io::Result<()> {
    Ok(())
}

/// Counts one change of the disk. After an error the change must not be made.
#[cfg(test)]
pub(crate) fn step() -> io::Result<()> {
    failpoints::step()
}

/// Stops the changes that the calling thread makes to the disk after a number of them.
#[cfg(test)]
pub(crate) mod failpoints {
    use std::cell::Cell;
    use std::io;

    thread_local! {
        static STEPS_LEFT: Cell<Option<u64>> = const { Cell::new(None) };
    }

    /// Lets `steps` changes through, then none; `None` lets all through.
    pub(crate) fn set(steps: Option<u64>) {
        STEPS_LEFT.set(steps);
    }

    /// True if the limit is reached: the next change fails, or one has failed.
    pub(crate) fn reached() -> bool {
        STEPS_LEFT.get() == Some(0)
    }

    pub(super) fn step() -> io::Result<()> {
        match STEPS_LEFT.get() {
            None => Ok(()),
            Some(0) => Err(io::Error::other("the process died here")),
            Some(left) => {
                STEPS_LEFT.set(Some(left - 1));
                Ok(())
            }
        }
    }
}

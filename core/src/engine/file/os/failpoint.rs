//! Failpoints: in tests, the change of the disk at which the process dies, or which fails.

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

    #[derive(Clone, Copy, PartialEq)]
    enum Point {
        Never,
        /// After so many changes, none is made any more.
        Death(u64),
        /// After so many changes, one fails.
        Failure(u64),
        Failed,
    }

    thread_local! {
        static POINT: Cell<Point> = const { Cell::new(Point::Never) };
    }

    /// Lets `steps` changes through, then none; `None` lets all through.
    pub(crate) fn set(steps: Option<u64>) {
        POINT.set(steps.map_or(Point::Never, Point::Death));
    }

    /// Lets `steps` changes through, then fails one.
    pub(crate) fn fail_one(steps: u64) {
        POINT.set(Point::Failure(steps));
    }

    /// True if the limit is reached: the next change fails, or one has failed.
    pub(crate) fn reached() -> bool {
        matches!(POINT.get(), Point::Death(0) | Point::Failed)
    }

    pub(super) fn step() -> io::Result<()> {
        match POINT.get() {
            Point::Never | Point::Failed => Ok(()),
            Point::Death(0) => Err(io::Error::other("the process died here")),
            Point::Death(left) => {
                POINT.set(Point::Death(left - 1));
                Ok(())
            }
            Point::Failure(0) => {
                POINT.set(Point::Failed);
                Err(io::Error::other("the system refused this call"))
            }
            Point::Failure(left) => {
                POINT.set(Point::Failure(left - 1));
                Ok(())
            }
        }
    }
}

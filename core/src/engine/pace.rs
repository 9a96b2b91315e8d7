//! Whether the disk is quick enough, these days, to be used on the caller's thread.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A call that took longer than this on average would better have waited in the queue.
const SLOW: u32 = 400;

/// Calls that go to the queue before another is tried on the caller's thread.
const REST: u32 = 256;

/// A moving average of the time of inline calls, in microseconds.
#[derive(Default)]
pub(super) struct Pace {
    average: AtomicU32,
    resting: AtomicU32,
}

impl Pace {
    /// True if the next call may run on the caller's thread.
    pub(super) fn is_quick(&self) -> bool {
        let resting = self.resting.load(Ordering::Relaxed);
        if resting > 0 {
            self.resting.store(resting - 1, Ordering::Relaxed);
        }
        resting == 0
    }

    /// Counts a call that began at `start`.
    pub(super) fn count(&self, start: Instant) {
        self.add(start.elapsed());
    }

    fn add(&self, took: Duration) {
        let took = u32::try_from(took.as_micros()).unwrap_or(u32::MAX).min(1_000_000);
        let average = self.average.load(Ordering::Relaxed);
        let average = average - average / 8 + took / 8;
        if average > SLOW {
            self.average.store(0, Ordering::Relaxed);
            self.resting.store(REST, Ordering::Relaxed);
        } else {
            self.average.store(average, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_disk_is_left_alone_for_a_while() {
        let pace = Pace::default();
        for _ in 0..1000 {
            pace.add(Duration::from_micros(40));
        }
        assert!(pace.is_quick());
        for _ in 0..8 {
            pace.add(Duration::from_millis(5));
        }
        assert!(!pace.is_quick());
        assert!((0..REST).any(|_| pace.is_quick()), "and tried again");
    }
}

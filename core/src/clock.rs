//! The one clock by which records are stamped, and judged to have expired.
//!
//! What has expired never comes back, also if the clock of the system is set back. Time then stands still until the
//! open stores have freed what had expired, and goes on from what the system says.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::record::Millis;

/// A clock that is behind by no more milliseconds is waited for.
const TOLERANCE: Millis = 1000;
const BY_SYSTEM: u64 = u64::MAX;

/// The time that a test has set.
static SET: AtomicU64 = AtomicU64::new(BY_SYSTEM);
/// The latest time that was told.
static LATEST: AtomicU64 = AtomicU64::new(0);
/// True if the clock went back and somebody will free what had expired.
static WENT_BACK: AtomicBool = AtomicBool::new(false);
/// True while there is somebody who frees what has expired.
static KEPT: AtomicBool = AtomicBool::new(false);

/// The current time: that of the system, unless [`set_clock`](crate::engine::set_clock) has set it. Times before 1970
/// count as 0.
#[must_use]
pub fn now() -> Millis {
    let time = source();
    let latest = LATEST.load(Ordering::Relaxed);
    if time >= latest {
        if time > latest {
            LATEST.fetch_max(time, Ordering::Relaxed);
        }
        return time;
    }
    if latest - time > TOLERANCE {
        if !KEPT.load(Ordering::Relaxed) {
            LATEST.store(time, Ordering::Relaxed);
            return time;
        }
        WENT_BACK.store(true, Ordering::Relaxed);
    }
    latest
}

/// The time of the system's clock.
#[must_use]
pub fn system() -> Millis {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX - 1))
}

fn source() -> Millis {
    match SET.load(Ordering::Relaxed) {
        BY_SYSTEM => system(),
        time => time,
    }
}

/// Notes whether somebody calls [`accept`] once the clock [went back](went_back).
pub(crate) fn keep(kept: bool) {
    KEPT.store(kept, Ordering::Relaxed);
}

/// True if time stands still because the clock went back.
pub(crate) fn went_back() -> bool {
    WENT_BACK.load(Ordering::Relaxed)
}

/// Goes on from the time of the source: what had expired is freed.
pub(crate) fn accept() {
    WENT_BACK.store(false, Ordering::Relaxed);
    LATEST.store(source(), Ordering::Relaxed);
}

/// Sets the time; `None` leaves it to the system. True if it went back: [`accept`] has to be called.
pub(crate) fn set(time: Option<Millis>) -> bool {
    SET.store(time.map_or(BY_SYSTEM, |time| time.min(BY_SYSTEM - 1)), Ordering::Relaxed);
    let time = source();
    // The time counts as told, also if nobody asks for it before the next one is set.
    time < LATEST.fetch_max(time, Ordering::Relaxed)
}

//! Signs of life of the consumers in this process.
//!
//! They are kept in memory, so that a consumer of a store that no other process can open writes nothing while it is
//! idle. A consumer whose environment has ended without a release gives no more signs, and its name becomes free.

use std::collections::HashMap;
use std::sync::LazyLock;

use parking_lot::Mutex;

use crate::random;

static PROCESS: LazyLock<String> = LazyLock::new(|| format!("{:016x}{:016x}", random::number(), random::number()));

static BEATS: LazyLock<Mutex<HashMap<String, u64>>> = LazyLock::new(Mutex::default);

/// A text that no other process has.
pub(super) fn process() -> &'static str {
    &PROCESS
}

/// The number of signs that the holder of `token` has given; `None` if it has given its name up.
pub(super) fn beat_of(token: &str) -> Option<u64> {
    BEATS.lock().get(token).copied()
}

/// Notes a sign of life, the first one included.
pub(super) fn give(token: &str) {
    let mut beats = BEATS.lock();
    match beats.get_mut(token) {
        Some(beat) => *beat = beat.wrapping_add(1),
        None => drop(beats.insert(token.to_owned(), 0)),
    }
}

/// Forgets a holder.
pub(super) fn end(token: &str) {
    BEATS.lock().remove(token);
}

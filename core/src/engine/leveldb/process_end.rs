//! The end of the process. It frees static data of RocksDB, which a thread that opens or closes a store still uses.

use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::options::NAME;
use crate::error::{Error, Result};

/// The time for which the end of the process waits.
const PATIENCE: Duration = Duration::from_secs(5);

struct State {
    /// The number of stores that are being opened or closed.
    busy: usize,
    ending: bool,
}

static STATE: Mutex<State> = Mutex::new(State { busy: 0, ending: false });
static QUIET: Condvar = Condvar::new();

/// A guard: a store is being opened or closed while it lives.
pub(super) struct Busy(());

impl Busy {
    /// Refuses with CLOSED once the process ends.
    pub(super) fn begin() -> Result<Self> {
        let mut state = STATE.lock();
        if state.ending {
            return Err(Error::closed().in_engine(NAME));
        }
        state.busy += 1;
        Ok(Busy(()))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        STATE.lock().busy -= 1;
        QUIET.notify_all();
    }
}

/// Announces the end of the process: no store is opened or closed any more. Blocks until none is being opened or
/// closed, at most for 5 s. What is committed is found again by the next opening, as after any end of a process.
pub fn process_ends() {
    let until = Instant::now() + PATIENCE;
    let mut state = STATE.lock();
    state.ending = true;
    while state.busy > 0 && !QUIET.wait_until(&mut state, until).timed_out() {}
}

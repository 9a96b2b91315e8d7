//! One thread that calls back later.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

type Callback = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Timer {
    alarms: Mutex<Alarms>,
    /// Something is due earlier than what the thread waits for.
    earlier: Condvar,
}

#[derive(Default)]
struct Alarms {
    due: BinaryHeap<Reverse<(Instant, u64)>>,
    callbacks: HashMap<u64, Callback>,
    last: u64,
    running: bool,
}

static TIMER: LazyLock<Timer> = LazyLock::new(Timer::default);

/// Calls `callback` on the timer's thread once `delay` is over, or at once on the caller's where that thread cannot be
/// started. A callback must not block: it spawns what takes long.
pub fn after(delay: Duration, callback: impl FnOnce() + Send + 'static) {
    let mut alarms = TIMER.alarms.lock();
    if !alarms.running {
        match thread::Builder::new().name("holdfast-timer".into()).spawn(run) {
            Ok(_) => alarms.running = true,
            Err(_) => {
                drop(alarms);
                return callback();
            }
        }
    }
    alarms.last += 1;
    let id = alarms.last;
    alarms.callbacks.insert(id, Box::new(callback));
    alarms.due.push(Reverse((Instant::now() + delay, id)));
    TIMER.earlier.notify_one();
}

/// Ends when nothing is due any more; the next alarm starts another thread.
fn run() {
    let mut alarms = TIMER.alarms.lock();
    while let Some(Reverse((at, id))) = alarms.due.peek().copied() {
        if at > Instant::now() {
            TIMER.earlier.wait_until(&mut alarms, at);
            continue;
        }
        alarms.due.pop();
        let Some(callback) = alarms.callbacks.remove(&id) else { continue };
        drop(alarms);
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(callback));
        alarms = TIMER.alarms.lock();
    }
    alarms.running = false;
}

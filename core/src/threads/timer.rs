//! One thread that calls back after a delay.

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
    /// Notified when an alarm is due earlier than the one for which the thread waits.
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

/// Calls `callback` on the thread of the timer once `delay` is over. If that thread cannot be started, calls it at once
/// on the caller's thread. A callback must not block: it spawns a task for long work.
pub fn after(delay: Duration, callback: impl FnOnce() + Send + 'static) {
    let mut alarms = TIMER.alarms.lock();
    if !alarms.running {
        if thread::Builder::new().name("holdfast-timer".into()).spawn(run).is_err() {
            drop(alarms);
            return callback();
        }
        alarms.running = true;
    }
    alarms.last += 1;
    let id = alarms.last;
    alarms.callbacks.insert(id, Box::new(callback));
    alarms.due.push(Reverse((Instant::now() + delay, id)));
    TIMER.earlier.notify_one();
}

/// Ends when no alarm is left. The next alarm starts another thread.
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

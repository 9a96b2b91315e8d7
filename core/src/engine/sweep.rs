//! One thread that has the open stores free their expired records, once a second.

use std::sync::{LazyLock, Weak};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock;
use crate::record::{Millis, now};

const INTERVAL: Duration = Duration::from_secs(1);

pub(super) trait Sweep: Send + Sync {
    fn sweep(&self, now: Millis);
}

#[derive(Default)]
struct Sweeper {
    stores: Vec<Weak<dyn Sweep>>,
    running: bool,
}

static SWEEPER: LazyLock<Mutex<Sweeper>> = LazyLock::new(Mutex::default);

/// Sweeps `store` for as long as it lives.
pub(super) fn register(store: Weak<dyn Sweep>) {
    let mut sweeper = SWEEPER.lock();
    sweeper.stores.push(store);
    if !sweeper.running {
        sweeper.running = thread::Builder::new().name("holdfast-sweep".into()).spawn(run).is_ok();
        clock::keep(sweeper.running);
    }
}

/// Sets the clock by which every store of this process stamps records and judges their expiry, for tests. `None` gives
/// it back to the system. What had expired before stays absent, also if the time goes back. Blocks then.
///
/// # Examples
///
/// ```
/// use holdfast_core::engine::memory::{self, MemoryOptions};
/// use holdfast_core::engine::set_clock;
/// use holdfast_core::{EngineExt, Op, Space, Value};
///
/// set_clock(Some(1_000));
/// let engine = memory::open(MemoryOptions::default());
/// engine.commit(Op::set("session", Value::json("{}")).expiring(2_000).into())?;
/// set_clock(Some(2_000));
/// assert!(engine.view()?.get(Space::User, b"session")?.is_none());
/// set_clock(None);
/// # Ok::<(), holdfast_core::Error>(())
/// ```
pub fn set_clock(time: Option<Millis>) {
    // Reads that go on meanwhile are told the latest time.
    if clock::set(time) {
        sweep_all();
        clock::accept();
    }
}

fn run() {
    loop {
        thread::sleep(INTERVAL);
        {
            let mut sweeper = SWEEPER.lock();
            sweeper.stores.retain(|store| store.strong_count() > 0);
            if sweeper.stores.is_empty() {
                sweeper.running = false;
                clock::keep(false);
                return;
            }
        }
        // Notes whether the clock went back.
        let _ = now();
        let went_back = clock::went_back();
        sweep_all();
        if went_back {
            clock::accept();
        }
    }
}

fn sweep_all() {
    let stores = SWEEPER.lock().stores.clone();
    for store in stores {
        if let Some(store) = store.upgrade() {
            store.sweep(now());
        }
    }
}

//! One thread that has the open stores free their expired records, once a second.

use std::sync::{LazyLock, Weak};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;

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
    }
}

fn run() {
    loop {
        thread::sleep(INTERVAL);
        let stores = {
            let mut sweeper = SWEEPER.lock();
            sweeper.stores.retain(|store| store.strong_count() > 0);
            if sweeper.stores.is_empty() {
                sweeper.running = false;
                return;
            }
            sweeper.stores.clone()
        };
        for store in stores {
            if let Some(store) = store.upgrade() {
                store.sweep(now());
            }
        }
    }
}

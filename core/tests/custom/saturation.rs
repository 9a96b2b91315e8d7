//! Calls of models block a thread each. Hundreds of them all end while every tier of threads is saturated.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, RwLock, mpsc};
use std::thread;
use std::time::Duration;

use holdfast_core::batch::{Batch, Op};
use holdfast_core::engine::custom::{self, Call, Host, OnAnswer, Traits};
use holdfast_core::engine::{Durability, Engine, EngineExt, Reply, Request};
use holdfast_core::error::Result;
use holdfast_core::key::KeyRange;
use holdfast_core::testing::{Calls, json, key};
use holdfast_core::threads;
use holdfast_core::transaction::{Coordinator, Options, Transaction, TransactionLog};

use super::host::MapHost;

/// More tasks than any tier has threads.
const TASKS: usize = 256;
const ENGINES: usize = 4;

const PATIENCE: Duration = Duration::from_secs(120);

/// A host that answers each call a little later, from the tier that waits for files alone.
struct SlowHost(Arc<MapHost>);

impl Host for SlowHost {
    fn traits(&self) -> Traits {
        self.0.traits()
    }

    fn call(&self, call: Call, answer: OnAnswer) {
        let later: OnAnswer = Box::new(move |answered| {
            threads::disk(move |started| {
                thread::sleep(Duration::from_micros(200));
                answer(started.and(answered));
            });
        });
        self.0.call(call, later);
    }

    fn close(&self) {
        self.0.close();
    }
}

fn slow_engine() -> Arc<dyn Engine> {
    let traits = Traits { name: "map", atomic_batch: true, expiry: true, metadata: true };
    custom::open(Arc::new(SlowHost(MapHost::open(Arc::default(), Arc::default(), traits))))
}

/// The tasks of one tier.
#[derive(Default)]
struct Tier {
    started: AtomicUsize,
    /// A task ended while another one had no thread yet, although all of them were spawned.
    saturated: AtomicBool,
}

struct Run {
    engines: Vec<Arc<dyn Engine>>,
    log: Arc<dyn Coordinator>,
    /// Held for writing until every task is spawned.
    spawning: RwLock<()>,
    models: Tier,
    waiting: Tier,
    disk: Tier,
}

impl Run {
    /// Makes the call of one task of a tier, after every task was spawned.
    fn task(&self, tier: &Tier, started: Result<()>, call: impl FnOnce() -> Result<()>) -> Result<()> {
        started?;
        tier.started.fetch_add(1, Ordering::SeqCst);
        drop(self.spawning.read());
        let result = call();
        if tier.started.load(Ordering::SeqCst) < TASKS {
            tier.saturated.store(true, Ordering::SeqCst);
        }
        result
    }

    /// Reads several keys and writes one in a transaction, which every fourth time is over two engines.
    fn model_call(&self, n: usize) -> Result<()> {
        let transaction = Transaction::new(Options::default(), Some(self.log.clone()));
        let own = format!("model {n}");
        for place in 0..if n.is_multiple_of(4) { 2 } else { 1 } {
            let at = (n + place) % ENGINES;
            let inside = transaction.on(&format!("engine {at}"), &self.engines[at]);
            for name in ["a", "b", &own] {
                assert_eq!(inside.try_value(name)?, None);
            }
            inside.commit(Batch::one(Op::set(key(&own), json("1"))))?;
        }
        transaction.wait()
    }

    /// Reads and writes without a transaction.
    fn engine_call(&self, n: usize) -> Result<()> {
        let engine = &self.engines[n % ENGINES];
        let own = format!("waiting {n}");
        assert_eq!(engine.try_value(&own)?, None);
        engine.commit(Batch::one(Op::set(key(&own), json("1")))).map(drop)
    }
}

#[test]
fn hundreds_of_blocking_calls_end_with_every_tier_saturated() {
    let dir = tempfile::tempdir().unwrap();
    let log = TransactionLog::new(dir.path().join("log"), Durability::Normal);
    let run = Arc::new(Run {
        engines: (0..ENGINES).map(|_| slow_engine()).collect(),
        log: log.clone(),
        spawning: RwLock::default(),
        models: Tier::default(),
        waiting: Tier::default(),
        disk: Tier::default(),
    });
    let (sender, receiver) = mpsc::channel();
    let spawning = run.spawning.write().unwrap();
    for n in 0..TASKS {
        let (model, waiting, disk) = (run.clone(), run.clone(), run.clone());
        let (to, also_to, and_to) = (sender.clone(), sender.clone(), sender.clone());
        threads::model(move |started| {
            to.send(model.task(&model.models, started, || model.model_call(n))).unwrap();
        });
        threads::waiting(move |started| {
            also_to.send(waiting.task(&waiting.waiting, started, || waiting.engine_call(n))).unwrap();
        });
        threads::disk(move |started| {
            let pause = || {
                thread::sleep(Duration::from_micros(200));
                Ok(())
            };
            and_to.send(disk.task(&disk.disk, started, pause)).unwrap();
        });
    }
    drop(spawning);
    for _ in 0..3 * TASKS {
        receiver.recv_timeout(PATIENCE).expect("a call does not end").unwrap();
    }
    for tier in [&run.models, &run.waiting, &run.disk] {
        assert!(tier.saturated.load(Ordering::SeqCst), "every task had a thread at once");
    }
    let mut records = 0;
    for engine in &run.engines {
        let Reply::Count(count) = engine.wait(Request::Count(KeyRange::all())).unwrap() else { panic!("no count") };
        records += count;
    }
    assert_eq!(records, (TASKS + TASKS / 4 + TASKS) as u64, "one record a write");
    log.close();
}

//! Two transactions over several engines, with a fault at each step of the log and of the engines. Then recovery, with
//! a fault at each of its steps. Every engine has all of a transaction or none, and what was acknowledged is there.

use std::sync::Arc;

use super::super::log::fault_injector::{Fault, FaultInjector};
use super::super::recovery::recover_in;
use super::faulty::Faulty;
use super::{Named, StoreState, commit, folder, intents, log_in, logs, memory, participant, recover, state};
use crate::batch::Op;
use crate::engine::{Durability, Engine};
use crate::error::{Code, Result};
use crate::key::{KeyRange, Space};
use crate::testing::{Calls, json};

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Batches,
    /// One operation at a time, as engines of the user's own.
    Plain,
}

pub(super) struct World {
    pub logs: tempfile::TempDir,
    pub stores: Vec<(Kind, Arc<dyn Engine>)>,
}

const TRANSACTIONS: usize = 2;

fn seed() -> Vec<Op> {
    vec![
        Op::set("k", json("\"old\"")),
        Op::set("d", json("\"gone\"")),
        Op::set("n", json("1")),
        Op::set("r/a", json("1")),
        Op::set("r/b", json("2")),
    ]
}

fn writes(transaction: usize, store: usize) -> Vec<Op> {
    if transaction == 0 {
        let text = format!("\"of store {store}\"");
        vec![
            Op::set("k", json(&text)),
            Op::delete("d"),
            Op::add("n", 5.0),
            Op::delete_range(KeyRange::prefix("r/")),
            Op::set("i", json(&text)).in_space(Space::Internal),
            Op::add("new", 1.0),
        ]
    } else {
        vec![Op::set("k", json("\"again\"")), Op::add("n", 7.0), Op::set("r/c", json("3"))]
    }
}

/// The content of a store if exactly the transactions in `which` were committed.
fn expected(which: &[bool], store: usize) -> StoreState {
    let engine = memory();
    engine.run(seed());
    for (transaction, _) in which.iter().enumerate().filter(|(_, committed)| **committed) {
        engine.run(writes(transaction, store));
    }
    state(&engine)
}

impl World {
    pub(super) fn new(kinds: &[Kind]) -> Self {
        let stores = kinds.iter().map(|kind| {
            let store = memory();
            store.run(seed());
            (*kind, store)
        });
        World { logs: tempfile::tempdir().unwrap(), stores: stores.collect() }
    }

    fn engines(&self, faults: Option<&Arc<FaultInjector>>) -> Vec<Named> {
        let named = self.stores.iter().enumerate().map(|(n, (kind, store))| {
            let engine = match kind {
                Kind::Batches => Faulty::new(store, faults),
                Kind::Plain => Faulty::plain(store, faults),
            };
            Named(format!("store {n}"), engine as Arc<dyn Engine>)
        });
        named.collect()
    }

    /// Runs the transactions one after another, and closes.
    pub(super) fn run(&self, durability: Durability, faults: &Arc<FaultInjector>) -> Vec<Result<()>> {
        let engines = self.engines(Some(faults));
        let log = log_in(self.logs.path(), durability, Some(faults));
        let results = (0..TRANSACTIONS).map(|transaction| {
            let parts = engines.iter().enumerate();
            commit(&log, parts.map(|(n, engine)| participant(engine, writes(transaction, n))).collect())
        });
        let results = results.collect();
        log.close();
        results
    }

    /// Does what the next opening of every engine does, with faults.
    fn recover_with(&self, faults: &Arc<FaultInjector>) {
        for Named(name, engine) in self.engines(Some(faults)) {
            let _ = recover_in(&folder(self.logs.path(), Some(faults)), &name, &engine);
        }
    }

    pub(super) fn check(&self, results: &[Result<()>], story: &str) {
        for engine in &self.engines(None) {
            recover(self.logs.path(), engine);
        }
        let found: Vec<StoreState> = self.stores.iter().map(|(_, store)| state(store)).collect();
        let possible =
            (0..1 << TRANSACTIONS).map(|bits| (0..TRANSACTIONS).map(|n| bits >> n & 1 == 1).collect::<Vec<_>>());
        let right = possible.into_iter().any(|which| {
            let fits = which.iter().zip(results).all(|(committed, result)| match result {
                Ok(()) => *committed,
                Err(error) => !committed || error.code() == Code::UnknownOutcome,
            });
            fits && found.iter().enumerate().all(|(n, found)| *found == expected(&which, n))
        });
        assert!(right, "{story}: {results:?}\n{found:#?}");
        assert!(self.stores.iter().all(|(_, store)| intents(store) == 0), "{story}: an intent stands");
        assert_eq!(logs(self.logs.path()), 0, "{story}: a log was left");
    }
}

/// Lets a fault take place at each step until one is never reached. Returns how many there were.
fn at_each_step(kinds: &[Kind], durability: Durability, fault: fn(u64) -> Fault) -> u64 {
    for step in 0.. {
        let world = World::new(kinds);
        let faults = Arc::new(FaultInjector::new(fault(step)));
        let results = world.run(durability, &faults);
        let struck = faults.struck();
        world.check(&results, &format!("{:?} at {durability:?}", fault(step)));
        if !struck {
            assert!(results.iter().all(Result::is_ok), "{results:?}");
            return step;
        }
    }
    unreachable!()
}

/// Dies at each step, then again at each step of the recovery. Returns how many pairs there were.
fn at_each_step_of_recovery(kinds: &[Kind], fault: fn(u64) -> Fault) -> u64 {
    let mut points = 0;
    for step in 0.. {
        for again in 0.. {
            let world = World::new(kinds);
            let faults = Arc::new(FaultInjector::new(Fault::Death(step)));
            let results = world.run(Durability::Full, &faults);
            let died = faults.struck();
            if !died {
                return points;
            }
            faults.arm(fault(again));
            world.recover_with(&faults);
            let struck = faults.struck();
            world.check(&results, &format!("death at {step}, then {:?} of the recovery", fault(again)));
            if !struck {
                break;
            }
            points += 1;
        }
    }
    unreachable!()
}

pub(super) const WORLDS: [&[Kind]; 5] = [
    &[Kind::Batches, Kind::Batches],
    &[Kind::Batches, Kind::Batches, Kind::Batches],
    &[Kind::Batches, Kind::Plain],
    &[Kind::Plain],
    &[Kind::Plain, Kind::Plain, Kind::Batches],
];

/// Worlds whose recoveries are interrupted, too. This takes a run for each pair of steps.
const RECOVERED: [&[Kind]; 3] =
    [&[Kind::Batches, Kind::Batches], &[Kind::Batches, Kind::Plain], &[Kind::Batches, Kind::Batches, Kind::Batches]];

#[test]
fn a_process_that_dies_at_any_step_leaves_all_or_nothing() {
    let levels = [Durability::Full, Durability::Normal];
    let points: u64 =
        WORLDS.iter().flat_map(|kinds| levels.map(|level| at_each_step(kinds, level, Fault::Death))).sum();
    println!("{points} points of death");
    assert!(points > 300, "{points}");
}

#[test]
fn an_error_at_any_step_leaves_all_or_nothing_and_is_told() {
    let levels = [Durability::Full, Durability::Normal];
    let points: u64 =
        WORLDS.iter().flat_map(|kinds| levels.map(|level| at_each_step(kinds, level, Fault::Failure))).sum();
    println!("{points} errors");
    assert!(points > 200, "{points}");
}

#[test]
fn a_recovery_that_dies_at_any_step_is_finished_by_the_next() {
    let points: u64 = RECOVERED.iter().map(|kinds| at_each_step_of_recovery(kinds, Fault::Death)).sum();
    println!("{points} points of death in recovery");
    assert!(points > 1_000, "{points}");
}

#[test]
fn a_recovery_that_fails_at_any_step_is_finished_by_the_next() {
    let points: u64 = RECOVERED.iter().map(|kinds| at_each_step_of_recovery(kinds, Fault::Failure)).sum();
    println!("{points} errors in recovery");
    assert!(points > 1_000, "{points}");
}

//! Several clients move money between accounts in several stores, until the process dies, a step fails, or the power
//! fails. No money appears or vanishes. Each transfer is in both stores or in neither, as its client was told.

use std::sync::Arc;
use std::thread;

use super::super::log::fault_injector::{Fault, FaultInjector};
use super::super::{Coordinator, Options, Transaction};
use super::faulty::Faulty;
use super::power_loss::{Chance, Disk, told_before_death};
use super::{Named, copy, intents, log_in, logs, memory, recover};
use crate::batch::{Batch, Op};
use crate::engine::{Durability, Engine, EngineExt};
use crate::error::{Code, Result};
use crate::testing::{Calls, json, key};

const STORES: usize = 3;
const ACCOUNTS: u64 = 4;
const CLIENTS: u64 = 4;
const TRANSFERS: u64 = 8;
const START: i64 = 1_000;

/// A transfer: its name, the two stores, and the answer that its client got.
type Told = (String, usize, usize, Result<()>);

fn account(n: u64) -> String {
    format!("account {n}")
}

fn balance(engine: &Arc<dyn Engine>, name: &str) -> Result<i64> {
    Ok(engine.try_value(name)?.expect("an account").parse().unwrap())
}

/// The last store is one without atomic batches.
fn engines(stores: &[Arc<dyn Engine>], faults: Option<&Arc<FaultInjector>>) -> Vec<Named> {
    let named = stores.iter().enumerate().map(|(n, store)| {
        let engine = if n + 1 == STORES { Faulty::plain(store, faults) } else { Faulty::new(store, faults) };
        Named(format!("store {n}"), engine as Arc<dyn Engine>)
    });
    named.collect()
}

fn transfer(log: &Arc<dyn Coordinator>, engines: &[Named], transfer: &str, chance: &mut Chance) -> Told {
    let from = chance.below(STORES);
    let to = (from + 1 + chance.below(STORES - 1)) % STORES;
    let (source, target) = (account(chance.draw() % ACCOUNTS), account(chance.draw() % ACCOUNTS));
    let amount = i64::try_from(chance.below(50)).unwrap();
    let transaction = Transaction::new(Options::default(), Some(log.clone()));
    let moved = || {
        for (store, name, by) in [(from, &source, -amount), (to, &target, amount)] {
            let Named(called, engine) = &engines[store];
            let part = transaction.on(called, engine);
            let after = (balance(&part, name)? + by).to_string();
            let ops = [Op::set(key(name), json(after)), Op::set(format!("transfer {transfer}"), json("1"))];
            part.commit(Batch::of(ops))?;
        }
        transaction.wait()
    };
    (transfer.to_owned(), from, to, moved())
}

/// Runs the clients, each until it has made its transfers.
fn run(stores: &[Arc<dyn Engine>], path: &std::path::Path, faults: &Arc<FaultInjector>, seed: u64) -> Vec<Told> {
    let log = log_in(path, Durability::Full, Some(faults));
    let engines = engines(stores, Some(faults));
    let coordinator: Arc<dyn Coordinator> = log.clone();
    let told = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (engines, coordinator) = (&engines, &coordinator);
                scope.spawn(move || {
                    let mut chance = Chance(seed ^ client << 32);
                    let transfers = 0..TRANSFERS;
                    transfers
                        .map(|n| transfer(coordinator, engines, &format!("{client}/{n}"), &mut chance))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    log.close();
    told
}

fn check(stores: &[Arc<dyn Engine>], path: &std::path::Path, told: &[Told], story: &str) {
    for named in engines(stores, None) {
        recover(path, &named);
    }
    let money: i64 = stores
        .iter()
        .flat_map(|store| (0..ACCOUNTS).map(move |n| store.value(&account(n)).unwrap().parse::<i64>().unwrap()))
        .sum();
    let accounts = i64::try_from(STORES as u64 * ACCOUNTS).unwrap();
    assert_eq!(money, START * accounts, "{story}: money was made or lost");
    for (name, from, to, result) in told {
        let there = [from, to].map(|store| stores[*store].value(&format!("transfer {name}")).is_some());
        assert_eq!(there[0], there[1], "{story}: transfer {name} was done by halves, {result:?}");
        match result {
            Ok(()) => assert!(there[0], "{story}: transfer {name} was acknowledged and is lost"),
            Err(error) if error.code() == Code::UnknownOutcome => {}
            Err(error) => assert!(!there[0], "{story}: transfer {name} was refused and is there: {error}"),
        }
    }
    assert!(stores.iter().all(|store| intents(store) == 0), "{story}: an intent stands");
    assert_eq!(logs(path), 0, "{story}: a log was left");
}

fn stores() -> Vec<Arc<dyn Engine>> {
    let seeded = |_| {
        let store = memory();
        store.run(Batch::of((0..ACCOUNTS).map(|n| Op::set(account(n), json(START.to_string())))));
        store
    };
    (0..STORES).map(seeded).collect()
}

#[test]
fn money_is_neither_made_nor_lost_whatever_fails() {
    const HISTORIES: u64 = 150;
    const STATES: u64 = 6;
    let (mut acknowledged, mut transfers, mut struck) = (0, 0, 0);
    for seed in 0..HISTORIES {
        let mut chance = Chance(seed);
        let step = chance.draw() % 300;
        let fault = match seed % 3 {
            0 => Fault::Nothing,
            1 => Fault::Death(step),
            _ => Fault::Failure(step),
        };
        let (stores, dir, faults) = (stores(), tempfile::tempdir().unwrap(), Arc::new(FaultInjector::new(fault)));
        let mut told = run(&stores, dir.path(), &faults, seed);
        transfers += told.len();
        acknowledged += told.iter().filter(|(_, _, _, result)| result.is_ok()).count();
        struck += u64::from(faults.struck());
        let story = format!("history {seed}, {fault:?}");
        if matches!(fault, Fault::Death(_)) {
            let disk = Disk::after(&faults.done());
            told =
                told.into_iter().map(|(name, from, to, result)| (name, from, to, told_before_death(result))).collect();
            for state in 0..STATES {
                let stores: Vec<_> = stores.iter().map(copy).collect();
                let dir = tempfile::tempdir().unwrap();
                disk.lay_out(dir.path(), &mut chance);
                check(&stores, dir.path(), &told, &format!("{story}, state {state} after power loss"));
            }
        }
        check(&stores, dir.path(), &told, &story);
    }
    println!("{transfers} transfers in {HISTORIES} histories, {acknowledged} acknowledged, {struck} faults");
    assert!(acknowledged > transfers / 4 && struck > HISTORIES / 3);
}

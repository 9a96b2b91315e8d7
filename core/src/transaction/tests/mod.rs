//! Transactions over several engines, their log and recovery, whatever fails and whenever the process dies.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

mod atomicity;
mod crashes;
mod damage;
#[cfg(all(feature = "file", feature = "leveldb", feature = "sqlite"))]
mod engines;
mod faulty;
mod histories;
mod in_doubt;
mod log_files;
mod power_loss;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, mpsc};

use super::log::LogFolder;
use super::log::fault_injector::FaultInjector;
use super::recovery::{Recovered, recover_in};
use super::{Coordinator, Participant, TransactionLog};
use crate::batch::{Batch, Op};
use crate::engine::memory::{self, MemoryOptions};
use crate::engine::{Durability, Engine, EngineExt, Item, Projection, for_each_page, intent};
use crate::error::Result;
use crate::key::{Key, KeyRange, Space};
use crate::value::Value;

use self::faulty::Faulty;

/// The content of a store, without its id.
type StoreState = BTreeMap<(Space, Key), Value>;

fn state(engine: &Arc<dyn Engine>) -> StoreState {
    let view = engine.view().unwrap();
    let mut state = StoreState::new();
    for space in [Space::User, Space::Internal] {
        for_each_page(&*view, space, &KeyRange::all(), Projection::Values, |page| {
            for (key, item) in page {
                let Item::Value(value) = item else { panic!("not a value") };
                state.insert((space, key), value);
            }
            Ok(true)
        })
        .unwrap();
    }
    state.remove(&(Space::Internal, Key::from_static(super::store_id::KEY)));
    state
}

fn intents(engine: &Arc<dyn Engine>) -> usize {
    intent::standing(&*engine.view().unwrap()).unwrap().len()
}

/// A memory store with the same records.
fn copy(engine: &Arc<dyn Engine>) -> Arc<dyn Engine> {
    let (view, copy) = (engine.view().unwrap(), memory());
    for space in [Space::User, Space::Internal] {
        for_each_page(&*view, space, &KeyRange::all(), Projection::Values, |page| {
            let op = |(key, item)| match item {
                Item::Value(value) => Op::set(key, value).in_space(space),
                _ => panic!("not a value"),
            };
            copy.commit(page.into_iter().map(op).collect()).map(|_| true)
        })
        .unwrap();
    }
    copy
}

fn memory() -> Arc<dyn Engine> {
    memory::open(MemoryOptions::default())
}

/// A store, and the name by which the application knows it.
#[derive(Clone)]
struct Named(String, Arc<dyn Engine>);

/// A store that looks as if it outlives its process.
fn lasting(name: &str, inner: &Arc<dyn Engine>) -> Named {
    Named(name.to_owned(), Faulty::new(inner, None))
}

fn participant(Named(name, engine): &Named, batch: impl Into<Batch>) -> Participant {
    Participant { name: name.clone(), engine: engine.clone(), batch: batch.into() }
}

/// Commits, and waits for it.
fn commit(log: &TransactionLog, participants: Vec<Participant>) -> Result<()> {
    let (sender, receiver) = mpsc::channel();
    log.commit_across(participants, Box::new(move |result| sender.send(result).unwrap()));
    receiver.recv().unwrap()
}

fn log_in(path: &Path, durability: Durability, faults: Option<&Arc<FaultInjector>>) -> Arc<TransactionLog> {
    TransactionLog::in_folder(folder(path, faults), durability)
}

fn folder(path: &Path, faults: Option<&Arc<FaultInjector>>) -> LogFolder {
    let mut folder = LogFolder::new(path);
    folder.faults = faults.cloned();
    folder
}

fn recover(path: &Path, Named(name, engine): &Named) -> Recovered {
    let recovered = recover_in(&folder(path, Some(&Arc::default())), name, engine).unwrap();
    assert!(recovered.problems.is_empty(), "{:?}", recovered.problems);
    recovered
}

fn logs(path: &Path) -> usize {
    folder(path, None).ids().unwrap().len()
}

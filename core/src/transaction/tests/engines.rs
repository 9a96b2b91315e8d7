//! The engines on disk, closed and opened again after each fault.

use std::path::Path;
use std::sync::Arc;

use super::super::log::fault_injector::{Fault, FaultInjector};
use super::super::recovery::recover_in;
use super::faulty::Faulty;
use super::{Named, StoreState, commit, folder, intents, log_in, logs, participant, state};
use crate::batch::{Batch, Op};
use crate::engine::registry::Lease;
use crate::engine::{Durability, Engine, EngineExt, file, leveldb, sqlite};
use crate::error::Code;
use crate::testing::{Calls, json};

fn open(path: &Path) -> Vec<(&'static str, Lease)> {
    let durability = Durability::Normal;
    let base = file::FileOptions { durability, ..file::FileOptions::new(path.join("file")) };
    let table = sqlite::SqliteOptions { durability, ..sqlite::SqliteOptions::new(path.join("table.db")) };
    let tree = leveldb::LevelDbOptions { durability, ..leveldb::LevelDbOptions::new(path.join("tree")) };
    vec![
        ("file", file::open(base).unwrap()),
        ("sqlite", sqlite::open(table).unwrap()),
        ("leveldb", leveldb::open(tree).unwrap()),
    ]
}

fn close(stores: Vec<(&'static str, Lease)>) {
    for (_, lease) in stores {
        lease.close().unwrap();
    }
}

fn named(stores: &[(&'static str, Lease)], faults: Option<&Arc<FaultInjector>>) -> Vec<Named> {
    stores
        .iter()
        .map(|(name, lease)| Named((*name).to_owned(), Faulty::new(lease.engine(), faults) as Arc<dyn Engine>))
        .collect()
}

#[test]
fn file_sqlite_and_leveldb_hold_all_or_nothing_when_they_are_opened_again() {
    let mut points = 0;
    for step in 0.. {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tx");
        let stores = open(dir.path());
        for (_, lease) in &stores {
            lease.engine().run(Op::set("k", json("0")));
        }
        let faults = Arc::new(FaultInjector::new(Fault::Death(step)));
        let log = log_in(&path, Durability::Full, Some(&faults));
        let parts = named(&stores, Some(&faults));
        let result = commit(
            &log,
            parts.iter().map(|part| participant(part, [Op::set("k", json("1")), Op::set("new", json("1"))])).collect(),
        );
        log.close();
        drop((log, parts));
        close(stores);

        let stores = open(dir.path());
        for Named(name, engine) in &named(&stores, None) {
            if intents(engine) > 0 {
                let refused = engine.commit(Batch::one(Op::set("k", json("9")))).unwrap_err();
                // Other processes may have a table open, and this may be the intent of one that lives.
                let expected = if name == "sqlite" { Code::Conflict } else { Code::Locked };
                assert_eq!(refused.code(), expected, "{name}: {refused}");
            }
            let recovered = recover_in(&folder(&path, None), name, engine).unwrap();
            assert!(recovered.problems.is_empty(), "{:?}", recovered.problems);
        }
        let found: Vec<StoreState> = stores.iter().map(|(_, lease)| state(lease.engine())).collect();
        assert!(found.iter().all(|state| *state == found[0]), "step {step}: {found:?}");
        let committed = stores[0].1.engine().value("new").is_some();
        match &result {
            Ok(()) => assert!(committed, "step {step}"),
            Err(error) => assert!(!committed || error.code() == Code::UnknownOutcome, "step {step}: {error}"),
        }
        for (_, lease) in &stores {
            assert_eq!(lease.engine().value("k"), Some(if committed { "1" } else { "0" }.into()), "step {step}");
            lease.engine().run(Op::set("k", json("2")));
        }
        assert_eq!(logs(&path), 0);
        close(stores);
        if !faults.struck() {
            result.unwrap();
            break;
        }
        points += 1;
    }
    println!("{points} points of death over file, sqlite and leveldb");
    assert!(points > 20);
}

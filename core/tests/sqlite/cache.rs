//! The row cache agrees with the database, after commits of any kind.

use std::time::Duration;

use bytes::Bytes;
use holdfast_core::Version;
use holdfast_core::batch::{Batch, Check, Op};
use holdfast_core::engine::sqlite::open;
use holdfast_core::engine::{Engine, EngineExt, Request};
use holdfast_core::key::{KeyRange, Space};
use holdfast_core::record::{Record, now};
use holdfast_core::testing::{Calls, json, key};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rusqlite::Connection;

use super::support::normal;

const METADATA: Bytes = Bytes::from_static(b"{\"of\":\"ours\"}");
const KEYS: [&str; 6] = ["a", "b", "b/1", "b/2", "c", "\u{e9}"];

#[derive(Clone, Debug)]
enum Step {
    /// Key, value, expiry in milliseconds from now, with metadata.
    Set(&'static str, u32, Option<u8>, bool),
    /// Larger than a cached value may be.
    SetLarge(&'static str),
    Add(&'static str),
    Delete(&'static str),
    DeleteRange,
    /// Several batches at once, in one group. One of them is refused.
    Group(&'static str, &'static str, u32),
    Wait,
    /// By another program.
    Foreign(&'static str, u32),
}

fn step() -> impl Strategy<Value = Step> {
    let key = || prop::sample::select(&KEYS[..]);
    prop_oneof![
        6 => (key(), any::<u32>(), prop::option::weighted(0.3, 0..4_u8), any::<bool>())
            .prop_map(|(k, v, e, m)| Step::Set(k, v, e, m)),
        1 => key().prop_map(Step::SetLarge),
        2 => key().prop_map(Step::Add),
        2 => key().prop_map(Step::Delete),
        1 => Just(Step::DeleteRange),
        2 => (key(), key(), any::<u32>()).prop_map(|(a, b, v)| Step::Group(a, b, v)),
        1 => Just(Step::Wait),
        1 => (key(), any::<u32>()).prop_map(|(k, v)| Step::Foreign(k, v)),
    ]
}

fn run(engine: &dyn Engine, other: &Connection, step: &Step) {
    let commit = |op| drop(engine.commit(Batch::one(op)));
    match step {
        Step::Set(at, value, expires_in, metadata) => commit(
            Op::set(key(at), json(value.to_string()))
                .expiring(expires_in.map(|by| now() + u64::from(by)))
                .with_metadata(metadata.then_some(METADATA)),
        ),
        Step::SetLarge(at) => commit(Op::set(key(at), json(format!("\"{}\"", "x".repeat(70_000))))),
        Step::Add(at) => commit(Op::add(key(at), 1.0)),
        Step::Delete(at) => commit(Op::delete(key(at))),
        Step::DeleteRange => commit(Op::delete_range(KeyRange::prefix("b/"))),
        Step::Group(a, b, value) => {
            let (sender, receiver) = std::sync::mpsc::channel();
            let stale = Check::new(key(a), Version::of_commit(u64::MAX));
            let batches = [
                Batch::one(Op::set(key(a), json(value.to_string()))),
                Batch::one(Op::set(key(b), json("\"refused\"")).with_metadata(METADATA)).with_checks([stale]),
                Batch::one(Op::add(key(b), 2.0)),
            ];
            for batch in batches {
                let sender = sender.clone();
                engine.submit(Request::Commit(batch), Box::new(move |reply| sender.send(reply.is_ok()).unwrap()));
            }
            let done: Vec<bool> = receiver.iter().take(3).collect();
            assert_eq!(done.get(1), Some(&false));
        }
        Step::Wait => std::thread::sleep(Duration::from_millis(3)),
        Step::Foreign(at, value) => {
            let sql = "INSERT OR REPLACE INTO storage VALUES (?1, ?2, 'number', 7, 8, NULL, NULL, NULL)";
            other.execute(sql, (at, value.to_string())).unwrap();
        }
    }
}

/// All that a record says, to be compared.
fn told(record: Option<Record>) -> Option<String> {
    record.map(|record| format!("{record:?}"))
}

#[test]
fn cached_rows_follow_the_database() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.db");
    let lease = open(normal(&path)).unwrap();
    let engine = &**lease.engine();
    let other = Connection::open(&path).unwrap();
    let config = Config { cases: 96, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&prop::collection::vec(step(), 1..40), |steps| {
            for step in steps {
                for at in KEYS {
                    engine.value(at);
                }
                run(engine, &other, &step);
                for at in KEYS {
                    // A view's own read goes to the database.
                    let uncached = || engine.view().unwrap().get(Space::User, &key(at)).unwrap();
                    let (before, cached, after) = (uncached(), engine.entry(at), uncached());
                    let cached = told(cached);
                    prop_assert!(cached == told(before) || cached == told(after), "{at}: {cached:?}");
                }
            }
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
    assert!(engine.stats().unwrap().counts.cache_hits > Some(1000), "the cache was hardly used");
}

#[test]
fn a_trigger_of_another_program_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trigger.db");
    open(normal(&path)).unwrap().close().unwrap();
    let other = Connection::open(&path).unwrap();
    other
        .execute_batch(
            "CREATE TRIGGER doubled AFTER UPDATE OF value ON storage WHEN CAST(new.value AS INTEGER) < 100
             BEGIN UPDATE storage SET value = CAST(new.value * 2 AS TEXT) WHERE key = new.key; END",
        )
        .unwrap();
    drop(other);
    let lease = open(normal(&path)).unwrap();
    let engine = &**lease.engine();
    for value in ["1", "60"] {
        engine.set("a", value);
        engine.value("a");
    }
    assert_eq!(engine.value("a").as_deref(), Some("120"));
}

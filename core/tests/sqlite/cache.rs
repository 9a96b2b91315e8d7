//! The row cache agrees with the database, after commits of any kind.

use std::time::Duration;

use bytes::Bytes;
use holdfast_core::batch::{Batch, Check, Op};
use holdfast_core::engine::sqlite::open;
use holdfast_core::engine::{Engine, EngineExt, Read, Reply, Request};
use holdfast_core::key::{Key, KeyRange, Space};
use holdfast_core::record::{Record, now};
use holdfast_core::{Value, Version};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rusqlite::Connection;

use super::support::normal;

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

fn key(name: &str) -> Key {
    Key::copy_from_slice(name.as_bytes())
}

fn set(name: &str, value: String, expires_at: Option<u64>, metadata: bool) -> Op {
    let metadata = metadata.then(|| Bytes::from_static(b"{\"of\":\"ours\"}"));
    Op::Set { space: Space::User, key: key(name), value: Value::json(value), expires_at, metadata }
}

fn run(engine: &dyn Engine, other: &Connection, step: &Step) {
    let commit = |op| drop(engine.commit(Batch::one(op)));
    match step {
        Step::Set(at, value, expires_in, metadata) => {
            commit(set(at, value.to_string(), expires_in.map(|by| now() + u64::from(by)), *metadata));
        }
        Step::SetLarge(at) => commit(set(at, format!("\"{}\"", "x".repeat(70_000)), None, false)),
        Step::Add(at) => {
            commit(Op::Add { space: Space::User, key: key(at), by: 1.0, expires_at: None, metadata: None });
        }
        Step::Delete(at) => commit(Op::Delete { space: Space::User, key: key(at) }),
        Step::DeleteRange => commit(Op::DeleteRange { space: Space::User, range: KeyRange::prefix(&b"b/"[..]) }),
        Step::Group(a, b, value) => {
            let (sender, receiver) = std::sync::mpsc::channel();
            let stale = Check { space: Space::User, key: key(a), version: Some(Version::of_commit(u64::MAX)) };
            let batches = [
                Batch::one(set(a, value.to_string(), None, false)),
                Batch { checks: vec![stale], ..Batch::one(set(b, "\"refused\"".into(), None, true)) },
                Batch::one(Op::Add { space: Space::User, key: key(b), by: 2.0, expires_at: None, metadata: None }),
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

fn ask(engine: &dyn Engine, read: Read) -> Reply {
    engine.try_read(&read).unwrap_or_else(|| engine.wait(Request::Read(read))).unwrap()
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
                    ask(engine, Read::Get(Space::User, key(at)));
                }
                run(engine, &other, &step);
                for at in KEYS {
                    let entry = Read::Entry(Space::User, key(at));
                    // A view's own read goes to the database.
                    let uncached = || engine.view().unwrap().get(Space::User, &key(at)).unwrap();
                    let (before, cached, after) = (uncached(), ask(engine, entry), uncached());
                    let Reply::Entry(cached) = cached else { panic!("not an entry") };
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
    let lease = open(normal(&path)).unwrap();
    let engine = &**lease.engine();
    for value in ["1", "60"] {
        engine.commit(Batch::one(set("a", value.into(), None, false))).unwrap();
        ask(engine, Read::Get(Space::User, key("a")));
    }
    let Reply::Value(Some(value)) = ask(engine, Read::Get(Space::User, key("a"))) else { panic!("no value") };
    assert_eq!(&value.to_text()[..], b"120");
}

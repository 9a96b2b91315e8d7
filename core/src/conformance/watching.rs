//! Watching: every commit is told, whole and in order, and nothing else is.

use std::sync::Arc;

use bytes::Bytes;

use super::{Fixture, close, open};
use crate::batch::{Batch, Check, Op, Outcome};
use crate::engine::watch::{Change, Options, Watch, Watching};
use crate::engine::{Engine, EngineExt};
use crate::error::{Code, Error};
use crate::key::{Key, KeyRange, Space};
use crate::testing::{Calls, code_of, json, ok};
use crate::value::Value;

pub use crate::testing::Watcher;

const ALL: &str = "clear Unbounded Unbounded";

/// True if the engine can be watched; else checks that it refuses.
pub(super) fn can_be_watched(engine: &Arc<dyn Engine>) -> bool {
    if engine.capabilities().watch == Watching::None {
        let refused = Watch::open(engine, Options::default(), Box::new(|| {}));
        assert_eq!(code_of(refused), Some(Code::NotSupported));
        return false;
    }
    true
}

pub fn commits_are_told_in_order_and_whole(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    if !can_be_watched(engine) {
        return;
    }
    engine.set("before", "0");
    let watcher = Watcher::new(engine, Options::default());
    let first = engine.set("a", "1");
    engine.run([Op::set("b", json("2")), Op::delete("before"), Op::set("c", json("[3]"))]);
    engine.run(Op::add("n", 2.5));
    engine.set("a", "null");
    let commits = ok(watcher.next(1));
    assert_eq!(commits[0].seq, first.seq);
    match &commits[0].changes[..] {
        [Change::Set { version, .. }] => {
            let fits = first.outcomes == [Outcome::Set { version: *version }];
            assert!(fits, "{version} is not the version of {first:?}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(watcher.told(3), [vec!["b=2", "-before", "c=[3]"], vec!["n=2.5"], vec!["a=null"]]);
}

pub fn what_is_requested_behind_the_call_is_told(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    if !can_be_watched(engine) {
        return;
    }
    for round in 0..10 {
        let number = round.to_string();
        engine.set("before", &number);
        let first = Watcher::at_once(engine, Options::default());
        engine.set("k", &number);
        assert_eq!(first.told(1), [[format!("k={number}")]], "nobody else watches");
        engine.set("between", &number);
        let second = Watcher::at_once(engine, Options::default());
        engine.set("l", &number);
        assert_eq!(second.told(1), [[format!("l={number}")]], "another watch is open");
        assert_eq!(first.told(2), [[format!("between={number}")], [format!("l={number}")]]);
    }
}

pub fn failed_batches_and_internal_keys_are_not_told(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    if !can_be_watched(engine) {
        return;
    }
    engine.set("text", "\"t\"");
    let watcher = Watcher::new(engine, Options::default());
    let failing = Batch::of([Op::set("x", json("1")), Op::add("text", 1.0)]);
    assert!(engine.commit(failing).is_err());
    let conflict = Batch::of([Op::set("x", json("1"))]).with_checks([Check::new("x", engine.version("text"))]);
    assert!(engine.commit(conflict).is_err());
    let internal =
        |name: &'static str| Op::set(name, Value::Binary(Bytes::from_static(b"x"))).in_space(Space::Internal);
    engine.run(internal("index"));
    engine.run([internal("index2"), Op::set("y", json("1"))]);
    assert_eq!(watcher.told(1), [["y=1"]]);
}

pub fn a_watch_tells_only_its_keys(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    if !can_be_watched(engine) {
        return;
    }
    let mut range = KeyRange::prefix("users/");
    range.set_pattern("users/?:*");
    range.except = vec![Key::from("users/9")];
    let watcher = Watcher::new(engine, Options { range, ..Options::default() });
    engine.set("other", "1");
    engine.run([("users/1:a", "1"), ("users/12:a", "2"), ("users/9:a", "3")].map(|(key, n)| Op::set(key, json(n))));
    engine.set("users/2:\u{e9}", "4");
    assert_eq!(watcher.told(2), [["users/1:a=1"], ["users/2:\u{e9}=4"]]);
}

pub fn one_key_has_one_change_a_commit(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    if !can_be_watched(engine) {
        return;
    }
    engine.set("a", "0");
    let watcher = Watcher::new(engine, Options::default());
    engine.run([Op::set("a", json("1")), Op::set("b", json("1")), Op::set("a", json("2"))]);
    engine.run([Op::delete("a"), Op::set("a", json("3"))]);
    assert_eq!(watcher.told(2), [vec!["b=1", "a=2"], vec!["a=3"]]);
}

pub fn a_deleted_range_is_told_as_an_interval(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    if !can_be_watched(engine) {
        return;
    }
    let clear = |prefix: &'static str| Op::delete_range(KeyRange::prefix(prefix));
    engine.run(["a/1", "a/b/1", "c"].map(|key| Op::set(key, json("1"))));
    let all = Watcher::new(engine, Options::default());
    let folder = Watcher::new(engine, Options { range: KeyRange::prefix("a/"), ..Options::default() });
    engine.run(clear("z/"));
    engine.run(clear("a/b/"));
    engine.run([Op::set("a/2", json("1")), clear("a/"), Op::set("a/3", json("1"))]);
    engine.run(Op::delete_range(KeyRange::all()));
    let part = |from: &str, to: &str| format!("clear Included(b\"{from}\") Excluded(b\"{to}\")");
    let after = |clear: String| vec![clear, "a/3=1".to_owned()];
    let all_told = [vec![part("a/b/", "a/b0")], after(part("a/", "a0")), vec![ALL.to_owned()]];
    assert_eq!(all.told(3), all_told, "a range that held nothing is not told");
    assert_eq!(folder.told(3), [vec![part("a/b/", "a/b0")], after(ALL.to_owned()), vec![ALL.to_owned()]]);
}

pub fn deletes_of_absent_keys_are_not_told(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    if !can_be_watched(engine) {
        return;
    }
    let watcher = Watcher::new(engine, Options::default());
    engine.delete("absent");
    engine.run([Op::delete("absent"), Op::set("a", json("1"))]);
    engine.run(Op::delete("a"));
    assert_eq!(watcher.told(2), [["a=1"], ["-a"]]);
}

pub fn a_slow_consumer_ends_with_an_error(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    if !can_be_watched(engine) {
        return;
    }
    let watcher = Watcher::new(engine, Options { max_commits: 3, ..Options::default() });
    let small = Watcher::new(engine, Options { max_bytes: 300, ..Options::default() });
    let all = Watcher::new(engine, Options::default());
    for number in 0..10 {
        engine.set("k", &format!("\"{}\"", number.to_string().repeat(100)));
    }
    // A server tells commits later. Who began last is told last.
    assert_eq!(all.told(10).len(), 10);
    let told = ok(watcher.next(3));
    let error = watcher.error();
    assert_eq!(error.code(), Code::NoSpace);
    let last = told.last().map_or(0, |commit| commit.seq);
    assert!(error.message().contains(&format!("since: {last}")), "{error}");
    assert_eq!(small.next(1).map(|commits| commits.len()).ok(), Some(1));
    assert_eq!(small.error().code(), Code::NoSpace);
}

pub fn a_dropped_watch_is_told_nothing(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    if !can_be_watched(engine) {
        return;
    }
    let stays = Watcher::new(engine, Options::default());
    let goes = Watcher::new(engine, Options::default());
    goes.watch().close(Error::closed());
    assert_eq!(goes.error().code(), Code::Closed);
    drop(goes);
    engine.set("a", "1");
    assert_eq!(stays.told(1), [["a=1"]]);
}

pub fn close_ends_a_watch(fixture: &dyn Fixture) {
    let lease = open(fixture);
    if !can_be_watched(lease.engine()) {
        return;
    }
    let watcher = Watcher::new(lease.engine(), Options::default());
    lease.engine().set("a", "1");
    close(lease);
    assert_eq!(watcher.told(1), [["a=1"]], "what was told before is there");
    assert_eq!(watcher.error().code(), Code::Closed);
}

pub fn concurrent_commits_are_told_once_and_in_order(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    if !can_be_watched(engine) {
        return;
    }
    let watcher = Watcher::new(engine, Options { max_commits: 10_000, ..Options::default() });
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let engine = engine.clone();
            std::thread::spawn(move || {
                for number in 0..100 {
                    engine.run(["t", "u"].map(|key| Op::set(format!("{key}{thread}"), json(number.to_string()))));
                }
            })
        })
        .collect();
    let commits = ok(watcher.next(400));
    for thread in threads {
        thread.join().unwrap_or_else(|_| panic!("a thread failed"));
    }
    assert!(commits.windows(2).all(|pair| pair[0].seq < pair[1].seq), "commits are not in order");
    for thread in 0..4 {
        let told: Vec<Vec<String>> = commits
            .iter()
            .map(|commit| commit.changes.iter().map(Watcher::shown).collect::<Vec<_>>())
            .filter(|changes| changes[0].starts_with(&format!("t{thread}=")))
            .collect();
        let expected: Vec<_> =
            (0..100).map(|number| vec![format!("t{thread}={number}"), format!("u{thread}={number}")]).collect();
        assert_eq!(told, expected);
    }
}

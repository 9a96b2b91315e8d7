//! Commits: their numbers, their groups, ranges that they delete, and what is done on the caller's thread.
use holdfast_core::batch::Outcome;
use holdfast_core::engine::leveldb::{LevelDbOptions, open};
use holdfast_core::engine::{Durability, EngineExt, Read, Reply, Request};
use holdfast_core::testing::{Calls, json, key};
use holdfast_core::{Batch, Check, Code, KeyRange, Op, RangeCheck, Space, Version};

use super::support::*;

#[test]
fn sequence_numbers_go_on_after_a_restart() {
    let root = tempfile::tempdir().unwrap();
    let mut last = 0;
    for round in 0..4 {
        let lease = start(root.path());
        for n in 0..10 {
            let commit = lease
                .engine()
                .commit(Batch::one(Op::set(format!("k{n}"), json(round.to_string()))).reporting())
                .unwrap();
            assert!(commit.seq > last, "{} after {last}", commit.seq);
            last = commit.seq;
            assert_eq!(commit.outcomes, vec![Outcome::Set { version: Version::of_commit(last) }]);
            assert_eq!(lease.engine().entry(&format!("k{n}")).unwrap().version, Version::of_commit(last));
        }
        last = lease.engine().run(Op::delete_range(KeyRange::all())).seq;
        if round == 2 {
            lease.engine().compact().unwrap();
        }
        lease.close().unwrap();
    }
}

#[test]
fn range_checks_from_before_a_restart_conflict() {
    let root = tempfile::tempdir().unwrap();
    let lease = start(root.path());
    lease.engine().set("a", "1");
    let since = lease.engine().view().unwrap().seq();
    lease.engine().set("b", "1");
    lease.close().unwrap();
    let lease = start(root.path());
    let batch = Batch::default().with_range_checks([RangeCheck::new(KeyRange::all(), since)]);
    assert_eq!(lease.engine().commit(batch).unwrap_err().code(), Code::Conflict);
}

#[test]
fn a_group_is_one_after_the_other_and_a_failing_batch_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    let lease = open(LevelDbOptions { durability: Durability::Full, ..LevelDbOptions::new(root.path()) }).unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    let absent = Check::absent("once");
    for n in 0..100 {
        let sender = sender.clone();
        let add = Op::add("n", 1.0);
        let once = Batch::of([Op::set("once", json(n.to_string())), add, Op::set(format!("won/{n}"), json("1"))])
            .with_checks([absent.clone()])
            .reporting();
        lease.engine().submit(
            holdfast_core::engine::Request::Commit(once),
            Box::new(move |reply| sender.send(reply.map(drop).map_err(|error| error.code())).unwrap()),
        );
    }
    let replies: Vec<_> = receiver.iter().take(100).collect();
    assert_eq!(replies.iter().filter(|reply| reply.is_ok()).count(), 1);
    assert!(replies.iter().filter_map(|reply| reply.as_ref().err()).all(|code| *code == Code::Conflict));
    assert_eq!(lease.engine().value("n").as_deref(), Some("1"));
    assert_eq!(lease.engine().keys(&KeyRange::prefix("won/")).len(), 1);
}

#[test]
fn ranges_small_and_large_are_deleted_with_what_the_same_batch_wrote() {
    let root = tempfile::tempdir().unwrap();
    for count in [10, 3000] {
        let lease = start(&root.path().join(count.to_string()));
        lease.engine().run(Batch::of((0..count).map(|n| Op::set(format!("k/{n:05}"), json("1")))));
        lease.engine().set("a", "1");
        let delete = Op::delete_range(KeyRange::prefix("k/"));
        let ops = vec![Op::set("k/zz", json("1")), delete, Op::set("k/new", json("2"))];
        lease.engine().run(ops);
        assert_eq!(lease.engine().keys(&KeyRange::all()), ["a", "k/new"], "{count}");
        assert_eq!(lease.engine().value("k/00001"), None);
        assert_eq!(lease.engine().value("k/zz"), None);
        let mut tail = KeyRange::all();
        tail.start = std::ops::Bound::Excluded(key("a"));
        lease.engine().run(Op::delete_range(tail));
        assert_eq!(lease.engine().keys(&KeyRange::all()), ["a"]);
        lease.close().unwrap();
        assert_eq!(start(&root.path().join(count.to_string())).engine().keys(&KeyRange::all()), ["a"]);
    }
}

#[test]
fn clearing_everything_takes_every_key_whatever_its_bytes() {
    let root = tempfile::tempdir().unwrap();
    let lease = start(root.path());
    let mut ops: Vec<Op> = (0..2000).map(|n| Op::set(format!("k/{n:05}"), json("1"))).collect();
    ops.push(Op::set("\u{10ffff}".repeat(1000), json("1")));
    lease.engine().run(ops);
    lease.engine().run(Op::delete_range(KeyRange::all()));
    assert!(lease.engine().keys(&KeyRange::all()).is_empty());
}

#[test]
fn what_memory_holds_is_answered_on_the_callers_thread() {
    let root = tempfile::tempdir().unwrap();
    let lease = start(root.path());
    let engine = lease.engine();
    let all: Vec<_> = (0..100).map(|n| key(&format!("k{n}"))).collect();
    for name in &all {
        let set = Batch::one(Op::set(key(std::str::from_utf8(name).unwrap()), json("1")));
        engine.try_commit(&set).expect("no disk is needed").unwrap();
    }
    let get = |name: &str| Read::Get(Space::User, key(name));
    assert!(matches!(engine.try_read(&get("k7")), Some(Ok(Reply::Value(Some(_))))));
    assert!(matches!(engine.try_read(&get("absent")), Some(Ok(Reply::Value(None)))));
    let many = engine.try_read(&Read::Many(Space::User, all));
    assert!(matches!(many, Some(Ok(Reply::Values(values))) if values.iter().all(Option::is_some)));
    assert!(engine.try_view().is_some());
    engine.compact().unwrap();
    lease.close().unwrap();
    let lease = start(root.path());
    assert!(lease.engine().try_read(&get("k7")).is_none(), "this one needs the disk, once");
    assert!(matches!(lease.engine().wait(Request::Read(get("k7"))), Ok(Reply::Value(Some(_)))));
    assert!(lease.engine().try_read(&get("k7")).is_some());
}

#[test]
fn at_full_nothing_is_written_on_the_callers_thread() {
    let root = tempfile::tempdir().unwrap();
    let lease = open(LevelDbOptions { durability: Durability::Full, ..LevelDbOptions::new(root.path()) }).unwrap();
    assert!(lease.engine().try_commit(&Batch::one(Op::set("a", json("1")))).is_none());
    assert_eq!(lease.engine().value("a"), None);
}

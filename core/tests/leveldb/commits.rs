//! Commits: their numbers, their groups, ranges that they delete, and what is done on the caller's thread.
use holdfast_core::batch::Outcome;
use holdfast_core::engine::leveldb::{LevelDbOptions, open};
use holdfast_core::engine::{Durability, EngineExt, Read, Reply, Request};
use holdfast_core::{Batch, Check, Code, KeyRange, Op, RangeCheck, Space, Version};

use super::support::*;

#[test]
fn sequence_numbers_go_on_after_a_restart() {
    let root = tempfile::tempdir().unwrap();
    let mut last = 0;
    for round in 0..4 {
        let lease = start(root.path());
        for n in 0..10 {
            let commit =
                lease.engine().commit(Batch::one(set_op(&format!("k{n}"), &round.to_string())).reporting()).unwrap();
            assert!(commit.seq > last, "{} after {last}", commit.seq);
            last = commit.seq;
            assert_eq!(commit.outcomes, vec![Outcome::Set { version: Version::of_commit(last) }]);
            assert_eq!(entry(&lease, &format!("k{n}")).unwrap().unwrap().version, Version::of_commit(last));
        }
        last = clear(&lease, KeyRange::all()).unwrap().seq;
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
    set(&lease, "a", "1").unwrap();
    let since = lease.engine().view().unwrap().seq();
    set(&lease, "b", "1").unwrap();
    lease.close().unwrap();
    let lease = start(root.path());
    let batch = Batch {
        range_checks: vec![RangeCheck { space: Space::User, range: KeyRange::all(), since }],
        ..Batch::default()
    };
    assert_eq!(lease.engine().commit(batch).unwrap_err().code(), Code::Conflict);
}

#[test]
fn a_group_is_one_after_the_other_and_a_failing_batch_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    let lease = open(LevelDbOptions { durability: Durability::Full, ..LevelDbOptions::new(root.path()) }).unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    let absent = Check { space: Space::User, key: key("once"), version: None };
    for n in 0..100 {
        let sender = sender.clone();
        let add = Op::Add { space: Space::User, key: key("n"), by: 1.0, expires_at: None, metadata: None };
        let once = Batch {
            checks: vec![absent.clone()],
            ops: vec![set_op("once", &n.to_string()), add, set_op(&format!("won/{n}"), "1")],
            report: true,
            ..Batch::default()
        };
        lease.engine().submit(
            holdfast_core::engine::Request::Commit(once),
            Box::new(move |reply| sender.send(reply.map(drop).map_err(|error| error.code())).unwrap()),
        );
    }
    let replies: Vec<_> = receiver.iter().take(100).collect();
    assert_eq!(replies.iter().filter(|reply| reply.is_ok()).count(), 1);
    assert!(replies.iter().filter_map(|reply| reply.as_ref().err()).all(|code| *code == Code::Conflict));
    assert_eq!(get(&lease, "n").as_deref(), Some("1"));
    assert_eq!(keys(&lease, &KeyRange::prefix("won/")).unwrap().len(), 1);
}

#[test]
fn ranges_small_and_large_are_deleted_with_what_the_same_batch_wrote() {
    let root = tempfile::tempdir().unwrap();
    for count in [10, 3000] {
        let lease = start(&root.path().join(count.to_string()));
        let ops = (0..count).map(|n| set_op(&format!("k/{n:05}"), "1")).collect();
        lease.engine().commit(Batch { ops, ..Batch::default() }).unwrap();
        set(&lease, "a", "1").unwrap();
        let delete = Op::DeleteRange { space: Space::User, range: KeyRange::prefix("k/") };
        let ops = vec![set_op("k/zz", "1"), delete, set_op("k/new", "2")];
        lease.engine().commit(Batch { ops, ..Batch::default() }).unwrap();
        assert_eq!(keys(&lease, &KeyRange::all()).unwrap(), ["a", "k/new"], "{count}");
        assert_eq!(get(&lease, "k/00001"), None);
        assert_eq!(get(&lease, "k/zz"), None);
        let mut tail = KeyRange::all();
        tail.start = std::ops::Bound::Excluded(key("a"));
        clear(&lease, tail).unwrap();
        assert_eq!(keys(&lease, &KeyRange::all()).unwrap(), ["a"]);
        lease.close().unwrap();
        assert_eq!(keys(&start(&root.path().join(count.to_string())), &KeyRange::all()).unwrap(), ["a"]);
    }
}

#[test]
fn clearing_everything_takes_every_key_whatever_its_bytes() {
    let root = tempfile::tempdir().unwrap();
    let lease = start(root.path());
    let mut ops: Vec<Op> = (0..2000).map(|n| set_op(&format!("k/{n:05}"), "1")).collect();
    ops.push(set_op(&"\u{10ffff}".repeat(1000), "1"));
    lease.engine().commit(Batch { ops, ..Batch::default() }).unwrap();
    clear(&lease, KeyRange::all()).unwrap();
    assert!(keys(&lease, &KeyRange::all()).unwrap().is_empty());
}

#[test]
fn what_memory_holds_is_answered_on_the_callers_thread() {
    let root = tempfile::tempdir().unwrap();
    let lease = start(root.path());
    let engine = lease.engine();
    let all: Vec<_> = (0..100).map(|n| key(&format!("k{n}"))).collect();
    for name in &all {
        let set = Batch::one(set_op(std::str::from_utf8(name).unwrap(), "1"));
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
    assert!(lease.engine().try_commit(&Batch::one(set_op("a", "1"))).is_none());
    assert_eq!(get(&lease, "a"), None);
}

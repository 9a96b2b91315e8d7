//! A commit over several engines writes all of them or none, and overwrites nothing newer.

use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};

use super::super::log::fault_injector::{Fault, FaultInjector};
use super::super::{Coordinator, Participant};
use super::faulty::Faulty;
use super::{Named, commit, intents, lasting, log_in, logs, memory, participant, recover};
use crate::batch::{Batch, Check, Op, RangeCheck};
use crate::engine::Durability;
use crate::error::Code;
use crate::key::KeyRange;
use crate::testing::{Calls, code_of, json, key};

#[test]
fn every_engine_is_written_or_none() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (memory(), memory());
    let (named_a, named_b) = (lasting("a", &a), lasting("b", &b));
    let log = log_in(dir.path(), Durability::Full, None);
    b.run(Op::set("x", json("0")));
    let both = || vec![participant(&named_a, Op::set("x", json("1"))), participant(&named_b, Op::set("x", json("1")))];
    let mut stale = both();
    stale[1].batch.checks.push(Check::absent("x"));
    assert_eq!(code_of(commit(&log, stale)), Some(Code::Conflict));
    assert_eq!((a.value("x"), b.value("x")), (None, Some("0".into())));
    commit(&log, both()).unwrap();
    assert_eq!((a.value("x"), b.value("x")), (Some("1".into()), Some("1".into())));
    assert_eq!((intents(&a), intents(&b)), (0, 0));
    let stats = log.stats();
    assert_eq!((stats.commits, stats.rollbacks), (1, 1));
    assert_eq!(logs(dir.path()), 1);
    log.close();
    assert_eq!(logs(dir.path()), 0);
    assert_eq!(code_of(commit(&log, both())), Some(Code::Closed));
}

#[test]
fn what_was_only_read_is_checked_too() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b, c) = (memory(), memory(), memory());
    c.run(Op::set("seen", json("1")));
    let log = log_in(dir.path(), Durability::Full, None);
    let parts = |version| {
        let check = Check::new("seen", version);
        vec![
            participant(&lasting("a", &a), Op::set("x", json("1"))),
            participant(&lasting("b", &b), Op::set("x", json("1"))),
            Participant { name: "c".into(), engine: c.clone(), batch: Batch::default().with_checks([check]) },
        ]
    };
    assert_eq!(code_of(commit(&log, parts(None))), Some(Code::Conflict));
    assert_eq!(a.value("x"), None);
    let version = c.version("seen");
    commit(&log, parts(version)).unwrap();
    assert_eq!(b.value("x"), Some("1".into()));
    log.close();
}

#[test]
fn a_store_under_two_names_takes_part_once() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (memory(), memory());
    let log = log_in(dir.path(), Durability::Full, None);
    let parts = vec![
        participant(&lasting("one", &a), Op::set("x", json("1"))),
        participant(&lasting("two", &a), Op::set("y", json("2"))),
        participant(&lasting("b", &b), Op::set("x", json("3"))),
    ];
    commit(&log, parts).unwrap();
    assert_eq!((a.value("x"), a.value("y"), b.value("x")), (Some("1".into()), Some("2".into()), Some("3".into())));
    log.close();
}

#[test]
fn an_addition_that_cannot_be_made_is_refused_before_anything_is_decided() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (memory(), memory());
    b.run(Op::set("n", json("\"text\"")));
    let log = log_in(dir.path(), Durability::Full, None);
    let parts = vec![
        participant(&lasting("a", &a), Op::set("x", json("1"))),
        participant(&lasting("b", &b), Op::add("n", 1.0)),
    ];
    assert_eq!(code_of(commit(&log, parts)), Some(Code::InvalidArgument));
    assert_eq!((a.value("x"), intents(&a), intents(&b)), (None, 0, 0));
    log.close();
}

#[test]
fn closing_waits_for_what_runs_and_every_commit_is_answered_once() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (memory(), memory());
    let log = log_in(dir.path(), Durability::Full, None);
    let (sender, receiver) = mpsc::channel();
    for n in 0..200 {
        let name = format!("k{n}");
        let parts = vec![
            participant(&lasting("a", &a), Op::set(key(&name), json("1"))),
            participant(&lasting("b", &b), Op::set(key(&name), json("1"))),
        ];
        let sender = sender.clone();
        log.commit_across(parts, Box::new(move |result| sender.send((name, result)).unwrap()));
    }
    drop(sender);
    log.close();
    let answers: Vec<_> = receiver.iter().collect();
    assert_eq!(answers.len(), 200);
    for (name, result) in answers {
        result.unwrap();
        assert!(a.value(&name).is_some() && b.value(&name).is_some());
    }
    assert_eq!(logs(dir.path()), 0);
}

#[test]
fn a_store_without_snapshots_gets_its_id_after_its_ranges_were_checked_or_from_the_log() {
    for dies in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (memory(), memory());
        let faults = Arc::new(FaultInjector::default());
        let log = log_in(dir.path(), Durability::Full, Some(&faults));
        let moving = Faulty::new(&b, Some(&faults));
        moving.move_on();
        let (calls, hooked) = (Arc::new(parking_lot::Mutex::new(Vec::new())), faults.clone());
        let noted = calls.clone();
        moving.hook(move |what| {
            noted.lock().push(what);
            if dies && what == "prepare" {
                // No answer comes to this call, and nothing happens after it.
                hooked.arm(Fault::Death(0));
            }
            Ok(())
        });
        let range = RangeCheck::new(KeyRange::prefix("r/"), 0);
        let mut parts = vec![
            participant(&lasting("a", &a), Op::set("x", json("1"))),
            participant(&Named("b".into(), moving), Op::set("x", json("1"))),
        ];
        parts[1].batch.range_checks.push(range);
        assert_eq!(commit(&log, parts).is_ok(), !dies);
        log.close();
        let expected: &[_] = if dies { &["prepare"] } else { &["prepare", "commit", "resolve"] };
        assert_eq!(*calls.lock(), expected);
        assert_eq!(recover(dir.path(), &lasting("b", &b)).dropped, u64::from(dies));
        recover(dir.path(), &lasting("a", &a));
        assert_eq!((intents(&a), intents(&b), logs(dir.path())), (0, 0, 0));
    }
}

#[test]
fn what_is_taken_back_never_overwrites_something_newer() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (memory(), memory());
    for store in [&a, &b] {
        store.run([Op::set("x", json("0")), Op::set("y", json("0"))]);
    }
    let faults = Arc::new(FaultInjector::default());
    let log = log_in(dir.path(), Durability::Full, Some(&faults));
    let plain = Faulty::plain(&b, Some(&faults));
    let (inner, armed) = (b.clone(), faults.clone());
    let writes = std::sync::atomic::AtomicU32::new(0);
    plain.hook(move |_| {
        // The third write of all: the id of the store, x, y. Before it somebody else writes x, then the process dies.
        if writes.fetch_add(1, Ordering::SeqCst) == 2 {
            inner.run(Op::set("x", json("\"newer\"")));
            armed.arm(Fault::Death(0));
        }
        Ok(())
    });
    let parts = vec![
        participant(&lasting("a", &a), Op::set("x", json("1"))),
        participant(&Named("b".into(), plain), [Op::set("x", json("1")), Op::set("y", json("1"))]),
    ];
    assert!(commit(&log, parts).is_err());
    log.close();
    assert_eq!((b.value("x"), b.value("y")), (Some("\"newer\"".into()), Some("1".into())));
    recover(dir.path(), &lasting("a", &a));
    let recovered = recover(dir.path(), &Named("b".into(), Faulty::plain(&b, None)));
    assert_eq!(recovered.undone, 1);
    assert_eq!((b.value("x"), b.value("y")), (Some("\"newer\"".into()), Some("0".into())));
    assert_eq!((a.value("x"), logs(dir.path())), (Some("0".into()), 0));
}

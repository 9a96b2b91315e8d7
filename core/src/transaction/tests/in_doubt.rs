//! Intents whose decision could not be carried out, or whose making failed without a sure answer.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};

use super::super::{Coordinator, TransactionLog};
use super::faulty::Faulty;
use super::{Named, commit, intents, lasting, log_in, logs, memory, participant, recover};
use crate::batch::{Batch, Op};
use crate::engine::{Durability, Engine, EngineExt};
use crate::error::{Code, Error};
use crate::testing::{Calls, code_of, json};

/// A sync that fails takes nothing away: the intent is on the disk, where the store finds it once it is opened again.
#[test]
fn an_intent_that_a_failing_disk_may_hold_is_dropped_when_the_store_is_opened() {
    for same_process in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let (a, shown, on_disk) = (memory(), memory(), memory());
        let failing = Faulty::new(&shown, None);
        let disk = on_disk.clone();
        failing.hook_prepare(move |id, batch| {
            disk.prepare(id, batch.clone()).unwrap();
            Err(Error::new(Code::Io, "fsync failed"))
        });
        let log = log_in(dir.path(), Durability::Full, None);
        let both = vec![
            participant(&lasting("a", &a), Op::set("x", json("1"))),
            participant(&Named("b".into(), failing), Op::set("x", json("1"))),
        ];
        assert_eq!(code_of(commit(&log, both)), Some(Code::Io));
        assert_eq!((intents(&a), intents(&shown), intents(&on_disk)), (0, 0, 1));
        if !same_process {
            log.close();
            assert_eq!(logs(dir.path()), 1, "it says that nothing was decided");
        }
        assert_eq!(recover(dir.path(), &lasting("b", &on_disk)).dropped, 1, "in the same process: {same_process}");
        assert_eq!((intents(&on_disk), on_disk.value("x")), (0, None));
        log.close();
        assert_eq!(recover(dir.path(), &lasting("a", &a)).dropped, 0);
        recover(dir.path(), &lasting("b", &on_disk));
        assert_eq!(logs(dir.path()), 0);
    }
}

struct Stuck {
    log: Arc<TransactionLog>,
    a: Arc<dyn Engine>,
    b: Arc<dyn Engine>,
    /// While it is true, `b` answers nothing.
    down: Arc<AtomicBool>,
}

/// Commits over two stores of which the second never carries out what was decided.
fn stuck(path: &Path) -> Stuck {
    let (a, b) = (memory(), memory());
    let down = Arc::new(AtomicBool::new(true));
    let broken = Faulty::new(&b, None);
    let is_down = down.clone();
    broken.hook(move |what| {
        if what == "resolve" && is_down.load(Ordering::SeqCst) {
            Err(Error::new(Code::Connection, "gone"))
        } else {
            Ok(())
        }
    });
    let log = log_in(path, Durability::Full, None);
    let parts = vec![
        participant(&lasting("a", &a), Op::set("x", json("1"))),
        participant(&Named("b".into(), broken), Op::set("x", json("1"))),
    ];
    let error = commit(&log, parts).unwrap_err();
    assert_eq!(error.code(), Code::UnknownOutcome);
    assert!(error.message().contains("is committed") && error.message().contains("b has not"), "{error}");
    assert_eq!((a.value("x"), b.value("x"), intents(&b)), (Some("1".into()), None, 1));
    Stuck { log, a, b, down }
}

#[test]
fn what_was_decided_is_carried_out_as_soon_as_the_engine_can() {
    let dir = tempfile::tempdir().unwrap();
    let Stuck { log, b, down, .. } = stuck(dir.path());
    assert_eq!(code_of(b.commit(Batch::one(Op::set("x", json("9"))))), Some(Code::Conflict));
    down.store(false, Ordering::SeqCst);
    log.close();
    assert_eq!((b.value("x"), intents(&b), logs(dir.path())), (Some("1".into()), 0, 0));
}

#[test]
fn what_was_decided_is_carried_out_by_the_engines_next_opening_in_the_same_process() {
    let dir = tempfile::tempdir().unwrap();
    let Stuck { log, b, .. } = stuck(dir.path());
    assert_eq!(recover(dir.path(), &lasting("b", &b)).applied, 1);
    assert_eq!((b.value("x"), intents(&b)), (Some("1".into()), 0));
    log.close();
    assert_eq!(logs(dir.path()), 0, "nothing is left for another process");
}

#[test]
fn what_was_decided_is_carried_out_by_the_next_process() {
    let dir = tempfile::tempdir().unwrap();
    let Stuck { log, a, b, .. } = stuck(dir.path());
    log.close();
    assert_eq!((intents(&b), logs(dir.path())), (1, 1));
    assert_eq!(recover(dir.path(), &lasting("a", &a)).applied, 0);
    assert_eq!(logs(dir.path()), 1, "b is still to come");
    assert_eq!(recover(dir.path(), &lasting("called otherwise", &b)).applied, 1);
    assert_eq!((b.value("x"), intents(&b), logs(dir.path())), (Some("1".into()), 0, 0));
}

#[test]
fn another_store_of_the_same_name_is_not_taken_for_the_one_that_took_part() {
    let dir = tempfile::tempdir().unwrap();
    let Stuck { log, a, b, .. } = stuck(dir.path());
    log.close();
    let other = memory();
    for named in [lasting("a", &a), lasting("b", &other), lasting("a", &other)] {
        recover(dir.path(), &named);
    }
    assert_eq!((intents(&b), logs(dir.path())), (1, 1));
    assert_eq!(recover(dir.path(), &lasting("b", &b)).applied, 1);
    assert_eq!(logs(dir.path()), 0);
}

#[test]
fn intents_of_a_living_process_and_of_logs_elsewhere_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (memory(), memory());
    let (arrived, at_decision) = mpsc::channel();
    let (go_on, wait) = mpsc::channel::<()>();
    let wait = parking_lot::Mutex::new(wait);
    let slow = Faulty::new(&b, None);
    slow.hook(move |what| {
        if what == "resolve" {
            arrived.send(()).unwrap();
            wait.lock().recv().unwrap();
        }
        Ok(())
    });
    let log = log_in(dir.path(), Durability::Full, None);
    let (sender, receiver) = mpsc::channel();
    let parts = vec![
        participant(&lasting("a", &a), Op::set("x", json("1"))),
        participant(&Named("b".into(), slow), Op::set("x", json("1"))),
    ];
    log.commit_across(parts, Box::new(move |result| sender.send(result).unwrap()));
    at_decision.recv().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let other = log_in(elsewhere.path(), Durability::Full, None);
    commit(
        &other,
        vec![
            participant(&lasting("c", &memory()), Op::set("y", json("1"))),
            participant(&lasting("d", &memory()), Op::set("y", json("1"))),
        ],
    )
    .unwrap();
    for path in [dir.path(), elsewhere.path()] {
        let recovered = recover(path, &lasting("b", &b));
        assert_eq!((recovered.applied, recovered.dropped, intents(&b)), (0, 0, 1));
    }
    go_on.send(()).unwrap();
    receiver.recv().unwrap().unwrap();
    assert_eq!((b.value("x"), intents(&b)), (Some("1".into()), 0));
    other.close();
    log.close();
}

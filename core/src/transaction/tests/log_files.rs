//! The files of the transaction log: when they are made, synced and removed, and what a failing disk does.

use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use super::super::Coordinator;
use super::super::log::Step;
use super::super::log::fault_injector::{Fault, FaultInjector};
use super::faulty::Faulty;
use super::{Named, commit, intents, lasting, log_in, logs, memory, participant, recover};
use crate::batch::Op;
use crate::engine::Durability;
use crate::error::Code;
use crate::testing::{Calls, code_of, json, key};

#[test]
fn the_folder_is_made_by_the_first_transaction_that_needs_it_for_its_owner_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a/tx");
    let (a, b) = (memory(), memory());
    let log = log_in(&path, Durability::Full, None);
    assert_eq!(recover(&path, &lasting("a", &a)).applied, 0);
    commit(&log, vec![participant(&lasting("a", &a), Op::set("x", json("1")))]).unwrap();
    assert!(!path.exists(), "one engine needs no log");
    commit(
        &log,
        vec![
            participant(&lasting("a", &a), Op::set("x", json("2"))),
            participant(&lasting("b", &b), Op::set("x", json("2"))),
        ],
    )
    .unwrap();
    assert!(path.is_dir());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o700);
        for entry in std::fs::read_dir(&path).unwrap() {
            assert_eq!(mode(&entry.unwrap().path()), 0o600);
        }
    }
    log.close();
}

#[test]
fn a_hundred_commits_at_once_share_the_syncs_of_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (memory(), memory());
    let faults = Arc::new(FaultInjector::default());
    faults.slow_down(Duration::from_millis(2));
    let log = log_in(dir.path(), Durability::Full, Some(&faults));
    let (named_a, named_b) = (lasting("a", &a), lasting("b", &b));
    let (sender, receiver) = mpsc::channel();
    for n in 0..100 {
        let name = format!("k{n}");
        let parts = vec![
            participant(&named_a, Op::set(key(&name), json("1"))),
            participant(&named_b, Op::set(key(&name), json("1"))),
        ];
        let sender = sender.clone();
        log.commit_across(parts, Box::new(move |result| sender.send(result).unwrap()));
    }
    drop(sender);
    assert_eq!(receiver.iter().flatten().count(), 100);
    let stats = log.stats();
    println!("{} commits, {} syncs of the log", stats.commits, stats.fsyncs);
    assert_eq!(stats.commits, 100);
    assert!(stats.fsyncs <= 34, "{stats:?}");
    log.close();
}

#[test]
fn below_full_nothing_but_a_new_log_is_synced() {
    let dir = tempfile::tempdir().unwrap();
    let faults = Arc::new(FaultInjector::default());
    let log = log_in(dir.path(), Durability::Normal, Some(&faults));
    let (a, b) = (lasting("a", &memory()), lasting("b", &memory()));
    for n in 0..3 {
        commit(
            &log,
            vec![participant(&a, Op::set("x", json(n.to_string()))), participant(&b, Op::set("x", json("1")))],
        )
        .unwrap();
    }
    assert_eq!(faults.done().iter().filter(|step| matches!(step, Step::Sync(_))).count(), 1);
    assert_eq!(log.stats().fsyncs, 0);
    log.close();
}

#[test]
fn logs_stay_short_however_much_is_committed() {
    let dir = tempfile::tempdir().unwrap();
    let log = log_in(dir.path(), Durability::None, None);
    let (a, b) = (lasting("a", &memory()), lasting("b", &memory()));
    for n in 0..500 {
        commit(
            &log,
            vec![participant(&a, Op::set("x", json(n.to_string()))), participant(&b, Op::set("x", json("1")))],
        )
        .unwrap();
        assert_eq!(logs(dir.path()), 1);
    }
    assert!(log.stats().logs > 2, "{:?}", log.stats());
    log.close();
    assert_eq!(logs(dir.path()), 0);
}

#[test]
fn after_a_failed_sync_nothing_more_is_decided_and_the_next_opening_settles_what_was() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (memory(), memory());
    let (named_a, named_b) = (lasting("a", &a), lasting("b", &b));
    let faults = Arc::new(FaultInjector::default());
    let log = log_in(dir.path(), Durability::Full, Some(&faults));
    let both =
        |text| vec![participant(&named_a, Op::set("x", json(text))), participant(&named_b, Op::set("x", json(text)))];
    commit(&log, both("1")).unwrap();
    // The write of the decision is one step, its sync the next.
    faults.arm(Fault::Failure(1));
    assert_eq!(code_of(commit(&log, both("2"))), Some(Code::UnknownOutcome));
    assert!(faults.struck());
    let error = commit(&log, both("3")).unwrap_err();
    assert!(error.message().contains("could not be synced"), "{error}");
    assert_eq!((a.value("x"), intents(&a)), (Some("1".into()), 1));
    log.close();
    for named in [&named_a, &named_b] {
        recover(dir.path(), named);
    }
    assert_eq!((a.value("x"), b.value("x")), (Some("2".into()), Some("2".into())));
    assert_eq!(logs(dir.path()), 0);
}

#[test]
fn after_a_failed_write_the_next_transaction_makes_a_new_log() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (memory(), memory());
    let (named_a, named_b) = (lasting("a", &a), lasting("b", &b));
    let faults = Arc::new(FaultInjector::default());
    let log = log_in(dir.path(), Durability::Full, Some(&faults));
    let both =
        |text| vec![participant(&named_a, Op::set("x", json(text))), participant(&named_b, Op::set("x", json(text)))];
    commit(&log, both("1")).unwrap();
    faults.arm(Fault::Failure(0));
    assert_eq!(code_of(commit(&log, both("2"))), Some(Code::Io));
    assert_eq!((a.value("x"), intents(&a), intents(&b)), (Some("1".into()), 0, 0));
    commit(&log, both("3")).unwrap();
    assert_eq!((a.value("x"), b.value("x")), (Some("3".into()), Some("3".into())));
    log.close();
    assert_eq!(logs(dir.path()), 0);
}

#[test]
fn what_was_taken_back_is_not_taken_back_again_by_recovery() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (memory(), memory());
    let (named_a, named_b) = (lasting("a", &a), Named("b".into(), Faulty::plain(&b, None)));
    let faults = Arc::new(FaultInjector::default());
    let log = log_in(dir.path(), Durability::Full, Some(&faults));
    let both =
        |text| vec![participant(&named_a, Op::set("x", json(text))), participant(&named_b, Op::set("x", json(text)))];
    commit(&log, both("1")).unwrap();
    // The log takes the values before (a write and a sync). It cannot take the decision, nor what comes then.
    faults.arm(Fault::Failure(2));
    assert_eq!(code_of(commit(&log, both("2"))), Some(Code::Io));
    assert_eq!((a.value("x"), b.value("x")), (Some("1".into()), Some("1".into())));
    b.set("x", "2");
    log.close();
    assert_eq!(logs(dir.path()), 0);
    recover(dir.path(), &named_b);
    assert_eq!(b.value("x"), Some("2".into()), "it was written later, by somebody else");
}

#[test]
fn stores_that_end_with_their_process_keep_no_log_alive() {
    let dir = tempfile::tempdir().unwrap();
    let (a, fleeting) = (memory(), Named("memory".into(), memory()));
    let faults = Arc::new(FaultInjector::default());
    let log = log_in(dir.path(), Durability::Full, Some(&faults));
    let both = || {
        vec![participant(&lasting("a", &a), Op::set("x", json("1"))), participant(&fleeting, Op::set("x", json("1")))]
    };
    commit(&log, both()).unwrap();
    faults.arm(Fault::Death(0));
    assert!(commit(&log, both()).is_err());
    log.close();
    assert_eq!(logs(dir.path()), 1);
    recover(dir.path(), &lasting("a", &a));
    assert_eq!((intents(&a), logs(dir.path())), (0, 0));
}

//! What a coordinator and recovery do, case by case.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use super::super::log::fault_injector::{Fault, Fuse};
use super::super::log::folder::Step;
use super::super::{Coordinator, Participant, TransactionLog};
use super::faulty::Faulty;
use super::{Named, add, batch, commit, intents, lasting, log_in, logs, memory, participant, recover, set, value};
use crate::batch::{Batch, Check, RangeCheck};
use crate::engine::{Durability, Engine, EngineExt};
use crate::error::{Code, Error, Result};
use crate::key::{Key, KeyRange, Space};

fn code(result: Result<()>) -> Option<Code> {
    result.err().map(|error| error.code())
}

#[test]
fn every_engine_is_written_or_none() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (memory(), memory());
    let (named_a, named_b) = (lasting("a", &a), lasting("b", &b));
    let log = log_in(dir.path(), Durability::Full, None);
    b.commit(batch(vec![set("x", "0")])).unwrap();
    let both = || vec![participant(&named_a, vec![set("x", "1")]), participant(&named_b, vec![set("x", "1")])];
    let mut stale = both();
    stale[1].batch.checks.push(Check { space: Space::User, key: Key::from_static(b"x"), version: None });
    assert_eq!(code(commit(&log, stale)), Some(Code::Conflict));
    assert_eq!((value(&a, "x"), value(&b, "x")), (None, Some("0".into())));
    commit(&log, both()).unwrap();
    assert_eq!((value(&a, "x"), value(&b, "x")), (Some("1".into()), Some("1".into())));
    assert_eq!((intents(&a), intents(&b)), (0, 0));
    let stats = log.stats();
    assert_eq!((stats.commits, stats.rollbacks), (1, 1));
    assert_eq!(logs(dir.path()), 1);
    log.close();
    assert_eq!(logs(dir.path()), 0);
    assert_eq!(code(commit(&log, both())), Some(Code::Closed));
}

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
            participant(&lasting("a", &a), vec![set("x", "1")]),
            participant(&Named("b".into(), failing), vec![set("x", "1")]),
        ];
        assert_eq!(code(commit(&log, both)), Some(Code::Io));
        assert_eq!((intents(&a), intents(&shown), intents(&on_disk)), (0, 0, 1));
        if !same_process {
            log.close();
            assert_eq!(logs(dir.path()), 1, "it says that nothing was decided");
        }
        assert_eq!(recover(dir.path(), &lasting("b", &on_disk)).dropped, 1, "in the same process: {same_process}");
        assert_eq!((intents(&on_disk), value(&on_disk, "x")), (0, None));
        log.close();
        assert_eq!(recover(dir.path(), &lasting("a", &a)).dropped, 0);
        recover(dir.path(), &lasting("b", &on_disk));
        assert_eq!(logs(dir.path()), 0);
    }
}

#[test]
fn the_folder_is_made_by_the_first_transaction_that_needs_it_for_its_owner_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a/tx");
    let (a, b) = (memory(), memory());
    let log = log_in(&path, Durability::Full, None);
    assert_eq!(recover(&path, &lasting("a", &a)).applied, 0);
    commit(&log, vec![participant(&lasting("a", &a), vec![set("x", "1")])]).unwrap();
    assert!(!path.exists(), "one engine needs no log");
    commit(
        &log,
        vec![participant(&lasting("a", &a), vec![set("x", "2")]), participant(&lasting("b", &b), vec![set("x", "2")])],
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
fn what_was_only_read_is_checked_too() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b, c) = (memory(), memory(), memory());
    c.commit(batch(vec![set("seen", "1")])).unwrap();
    let log = log_in(dir.path(), Durability::Full, None);
    let parts = |version| {
        let check = Check { space: Space::User, key: Key::from_static(b"seen"), version };
        vec![
            participant(&lasting("a", &a), vec![set("x", "1")]),
            participant(&lasting("b", &b), vec![set("x", "1")]),
            Participant {
                name: "c".into(),
                engine: c.clone(),
                batch: Batch { checks: vec![check], ..Batch::default() },
            },
        ]
    };
    assert_eq!(code(commit(&log, parts(None))), Some(Code::Conflict));
    assert_eq!(value(&a, "x"), None);
    let version = c.view().unwrap().get(Space::User, b"seen").unwrap().map(|record| record.version);
    commit(&log, parts(version)).unwrap();
    assert_eq!(value(&b, "x"), Some("1".into()));
    log.close();
}

#[test]
fn a_store_under_two_names_takes_part_once() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (memory(), memory());
    let log = log_in(dir.path(), Durability::Full, None);
    let parts = vec![
        participant(&lasting("one", &a), vec![set("x", "1")]),
        participant(&lasting("two", &a), vec![set("y", "2")]),
        participant(&lasting("b", &b), vec![set("x", "3")]),
    ];
    commit(&log, parts).unwrap();
    assert_eq!(
        (value(&a, "x"), value(&a, "y"), value(&b, "x")),
        (Some("1".into()), Some("2".into()), Some("3".into()))
    );
    log.close();
}

#[test]
fn an_addition_that_cannot_be_made_is_refused_before_anything_is_decided() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (memory(), memory());
    b.commit(batch(vec![set("n", "\"text\"")])).unwrap();
    let log = log_in(dir.path(), Durability::Full, None);
    let parts =
        vec![participant(&lasting("a", &a), vec![set("x", "1")]), participant(&lasting("b", &b), vec![add("n", 1.0)])];
    assert_eq!(code(commit(&log, parts)), Some(Code::InvalidArgument));
    assert_eq!((value(&a, "x"), intents(&a), intents(&b)), (None, 0, 0));
    log.close();
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
        participant(&lasting("a", &a), vec![set("x", "1")]),
        participant(&Named("b".into(), broken), vec![set("x", "1")]),
    ];
    let error = commit(&log, parts).unwrap_err();
    assert_eq!(error.code(), Code::UnknownOutcome);
    assert!(error.message().contains("is committed") && error.message().contains("b has not"), "{error}");
    assert_eq!((value(&a, "x"), value(&b, "x"), intents(&b)), (Some("1".into()), None, 1));
    Stuck { log, a, b, down }
}

#[test]
fn what_was_decided_is_carried_out_as_soon_as_the_engine_can() {
    let dir = tempfile::tempdir().unwrap();
    let Stuck { log, b, down, .. } = stuck(dir.path());
    assert_eq!(code(b.commit(batch(vec![set("x", "9")])).map(|_| ())), Some(Code::Conflict));
    down.store(false, Ordering::SeqCst);
    log.close();
    assert_eq!((value(&b, "x"), intents(&b), logs(dir.path())), (Some("1".into()), 0, 0));
}

#[test]
fn what_was_decided_is_carried_out_by_the_engines_next_opening_in_the_same_process() {
    let dir = tempfile::tempdir().unwrap();
    let Stuck { log, b, .. } = stuck(dir.path());
    assert_eq!(recover(dir.path(), &lasting("b", &b)).applied, 1);
    assert_eq!((value(&b, "x"), intents(&b)), (Some("1".into()), 0));
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
    assert_eq!((value(&b, "x"), intents(&b), logs(dir.path())), (Some("1".into()), 0, 0));
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
        participant(&lasting("a", &a), vec![set("x", "1")]),
        participant(&Named("b".into(), slow), vec![set("x", "1")]),
    ];
    log.commit_across(parts, Box::new(move |result| sender.send(result).unwrap()));
    at_decision.recv().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let other = log_in(elsewhere.path(), Durability::Full, None);
    commit(
        &other,
        vec![
            participant(&lasting("c", &memory()), vec![set("y", "1")]),
            participant(&lasting("d", &memory()), vec![set("y", "1")]),
        ],
    )
    .unwrap();
    for path in [dir.path(), elsewhere.path()] {
        let recovered = recover(path, &lasting("b", &b));
        assert_eq!((recovered.applied, recovered.dropped, intents(&b)), (0, 0, 1));
    }
    go_on.send(()).unwrap();
    receiver.recv().unwrap().unwrap();
    assert_eq!((value(&b, "x"), intents(&b)), (Some("1".into()), 0));
    other.close();
    log.close();
}

#[test]
fn closing_waits_for_what_runs_and_every_commit_is_answered_once() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (memory(), memory());
    let log = log_in(dir.path(), Durability::Full, None);
    let (sender, receiver) = mpsc::channel();
    for n in 0..200 {
        let key = format!("k{n}");
        let parts = vec![
            participant(&lasting("a", &a), vec![set(&key, "1")]),
            participant(&lasting("b", &b), vec![set(&key, "1")]),
        ];
        let sender = sender.clone();
        log.commit_across(parts, Box::new(move |result| sender.send((key, result)).unwrap()));
    }
    drop(sender);
    log.close();
    let answers: Vec<_> = receiver.iter().collect();
    assert_eq!(answers.len(), 200);
    for (key, result) in answers {
        result.unwrap();
        assert!(value(&a, &key).is_some() && value(&b, &key).is_some());
    }
    assert_eq!(logs(dir.path()), 0);
}

#[test]
fn a_hundred_commits_at_once_share_the_syncs_of_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (memory(), memory());
    let fuse = Arc::new(Fuse::default());
    fuse.slow_down(Duration::from_millis(2));
    let log = log_in(dir.path(), Durability::Full, Some(&fuse));
    let (named_a, named_b) = (lasting("a", &a), lasting("b", &b));
    let (sender, receiver) = mpsc::channel();
    for n in 0..100 {
        let key = format!("k{n}");
        let parts = vec![participant(&named_a, vec![set(&key, "1")]), participant(&named_b, vec![set(&key, "1")])];
        let sender = sender.clone();
        log.commit_across(parts, Box::new(move |result| sender.send(result).unwrap()));
    }
    drop(sender);
    assert_eq!(receiver.iter().filter(Result::is_ok).count(), 100);
    let stats = log.stats();
    println!("{} commits, {} syncs of the log", stats.commits, stats.fsyncs);
    assert_eq!(stats.commits, 100);
    assert!(stats.fsyncs <= 34, "{stats:?}");
    log.close();
}

#[test]
fn below_full_nothing_but_a_new_log_is_synced() {
    let dir = tempfile::tempdir().unwrap();
    let fuse = Arc::new(Fuse::default());
    let log = log_in(dir.path(), Durability::Normal, Some(&fuse));
    let (a, b) = (lasting("a", &memory()), lasting("b", &memory()));
    for n in 0..3 {
        commit(&log, vec![participant(&a, vec![set("x", &n.to_string())]), participant(&b, vec![set("x", "1")])])
            .unwrap();
    }
    assert_eq!(fuse.done().iter().filter(|step| matches!(step, Step::Sync(_))).count(), 1);
    assert_eq!(log.stats().fsyncs, 0);
    log.close();
}

#[test]
fn logs_stay_short_however_much_is_committed() {
    let dir = tempfile::tempdir().unwrap();
    let log = log_in(dir.path(), Durability::None, None);
    let (a, b) = (lasting("a", &memory()), lasting("b", &memory()));
    for n in 0..500 {
        commit(&log, vec![participant(&a, vec![set("x", &n.to_string())]), participant(&b, vec![set("x", "1")])])
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
    let fuse = Arc::new(Fuse::default());
    let log = log_in(dir.path(), Durability::Full, Some(&fuse));
    let both = |text| vec![participant(&named_a, vec![set("x", text)]), participant(&named_b, vec![set("x", text)])];
    commit(&log, both("1")).unwrap();
    // The write of the decision is one step, its sync the next.
    fuse.arm(Fault::Failure(1));
    assert_eq!(code(commit(&log, both("2"))), Some(Code::UnknownOutcome));
    assert!(fuse.struck());
    let error = commit(&log, both("3")).unwrap_err();
    assert!(error.message().contains("could not be synced"), "{error}");
    assert_eq!((value(&a, "x"), intents(&a)), (Some("1".into()), 1));
    log.close();
    for named in [&named_a, &named_b] {
        recover(dir.path(), named);
    }
    assert_eq!((value(&a, "x"), value(&b, "x")), (Some("2".into()), Some("2".into())));
    assert_eq!(logs(dir.path()), 0);
}

#[test]
fn after_a_failed_write_the_next_transaction_makes_a_new_log() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (memory(), memory());
    let (named_a, named_b) = (lasting("a", &a), lasting("b", &b));
    let fuse = Arc::new(Fuse::default());
    let log = log_in(dir.path(), Durability::Full, Some(&fuse));
    let both = |text| vec![participant(&named_a, vec![set("x", text)]), participant(&named_b, vec![set("x", text)])];
    commit(&log, both("1")).unwrap();
    fuse.arm(Fault::Failure(0));
    assert_eq!(code(commit(&log, both("2"))), Some(Code::Io));
    assert_eq!((value(&a, "x"), intents(&a), intents(&b)), (Some("1".into()), 0, 0));
    commit(&log, both("3")).unwrap();
    assert_eq!((value(&a, "x"), value(&b, "x")), (Some("3".into()), Some("3".into())));
    log.close();
    assert_eq!(logs(dir.path()), 0);
}

#[test]
fn what_is_taken_back_never_overwrites_something_newer() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (memory(), memory());
    for store in [&a, &b] {
        store.commit(batch(vec![set("x", "0"), set("y", "0")])).unwrap();
    }
    let fuse = Arc::new(Fuse::default());
    let log = log_in(dir.path(), Durability::Full, Some(&fuse));
    let plain = Faulty::plain(&b, Some(&fuse));
    let (inner, armed) = (b.clone(), fuse.clone());
    let writes = std::sync::atomic::AtomicU32::new(0);
    plain.hook(move |_| {
        // The third write of all: the id of the store, x, y. Before it somebody else writes x, then the process dies.
        if writes.fetch_add(1, Ordering::SeqCst) == 2 {
            inner.commit(batch(vec![set("x", "\"newer\"")])).unwrap();
            armed.arm(Fault::Death(0));
        }
        Ok(())
    });
    let parts = vec![
        participant(&lasting("a", &a), vec![set("x", "1")]),
        participant(&Named("b".into(), plain), vec![set("x", "1"), set("y", "1")]),
    ];
    assert!(commit(&log, parts).is_err());
    log.close();
    assert_eq!((value(&b, "x"), value(&b, "y")), (Some("\"newer\"".into()), Some("1".into())));
    recover(dir.path(), &lasting("a", &a));
    let recovered = recover(dir.path(), &Named("b".into(), Faulty::plain(&b, None)));
    assert_eq!(recovered.undone, 1);
    assert_eq!((value(&b, "x"), value(&b, "y")), (Some("\"newer\"".into()), Some("0".into())));
    assert_eq!((value(&a, "x"), logs(dir.path())), (Some("0".into()), 0));
}

#[test]
fn a_store_without_snapshots_gets_its_id_after_its_ranges_were_checked_or_from_the_log() {
    for dies in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (memory(), memory());
        let fuse = Arc::new(Fuse::default());
        let log = log_in(dir.path(), Durability::Full, Some(&fuse));
        let moving = Faulty::new(&b, Some(&fuse));
        moving.move_on();
        let (calls, hooked) = (Arc::new(parking_lot::Mutex::new(Vec::new())), fuse.clone());
        let noted = calls.clone();
        moving.hook(move |what| {
            noted.lock().push(what);
            if dies && what == "prepare" {
                // No answer comes to this call, and nothing happens after it.
                hooked.arm(Fault::Death(0));
            }
            Ok(())
        });
        let range = RangeCheck { space: Space::User, range: KeyRange::prefix(&b"r/"[..]), since: 0 };
        let mut parts = vec![
            participant(&lasting("a", &a), vec![set("x", "1")]),
            participant(&Named("b".into(), moving), vec![set("x", "1")]),
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
fn stores_that_end_with_their_process_keep_no_log_alive() {
    let dir = tempfile::tempdir().unwrap();
    let (a, fleeting) = (memory(), Named("memory".into(), memory()));
    let fuse = Arc::new(Fuse::default());
    let log = log_in(dir.path(), Durability::Full, Some(&fuse));
    let both =
        || vec![participant(&lasting("a", &a), vec![set("x", "1")]), participant(&fleeting, vec![set("x", "1")])];
    commit(&log, both()).unwrap();
    fuse.arm(Fault::Death(0));
    assert!(commit(&log, both()).is_err());
    log.close();
    assert_eq!(logs(dir.path()), 1);
    recover(dir.path(), &lasting("a", &a));
    assert_eq!((intents(&a), logs(dir.path())), (0, 0));
}

//! Replacements of the content, seen by other clients and by programs that do not use the library.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crate::calls::{connect, set};
use crate::redis_server::RedisServer;
use crate::replacement::{Inside, content, expected, is_clean, records, replace, stage, user};
use holdfast_core::engine::watch::Options;
use holdfast_core::engine::{EngineExt, Staged};
use holdfast_core::testing::{Calls, Watcher, json};
use holdfast_core::{Batch, Check, Code, Key, KeyRange, Op, Record, Result, Space};

#[test]
fn other_clients_commit_before_or_behind_a_replacement() {
    let server = RedisServer::start(&[]);
    let (ours, theirs) = (connect(server.port), connect(server.port));
    let over = Arc::new(AtomicBool::new(false));
    let writer = {
        let (engine, over) = (theirs.engine().clone(), over.clone());
        thread::spawn(move || {
            let (mut written, mut refused) = (Vec::new(), 0);
            for n in 0.. {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                // Blind writes, and conditional ones.
                let op = Op::set(format!("w{n:06}"), json("1"));
                let absent = Check { space: Space::User, key: Key::from(format!("w{n:06}")), version: None };
                let batch = if n % 2 == 0 { Batch::one(op) } else { Batch::one(op).with_checks([absent]) };
                match engine.commit(batch) {
                    Ok(commit) => written.push((format!("w{n:06}"), commit.seq)),
                    Err(error) => {
                        assert_eq!(error.code(), Code::Conflict, "{error}");
                        refused += 1;
                    }
                }
            }
            (written, refused)
        })
    };
    let mut last = 0;
    for generation in 0..10 {
        last = replace(ours.engine().as_ref(), &records(&format!("g{generation}"), 2000)).unwrap();
    }
    over.store(true, Ordering::Relaxed);
    let (written, refused) = writer.join().unwrap();
    let expected: Vec<&str> = written.iter().filter(|(_, seq)| *seq > last).map(|(name, _)| name.as_str()).collect();
    assert_eq!(theirs.engine().keys(&KeyRange::prefix("w")), expected);
    assert!(refused <= 10, "{refused}: the request behind a refused one waits");
    let seqs: Vec<u64> = written.iter().map(|(_, seq)| *seq).collect();
    assert!(seqs.windows(2).all(|pair| pair[0] < pair[1]));
}

#[test]
fn transactions_of_other_clients_see_one_content() {
    let server = RedisServer::start(&[]);
    let (ours, theirs) = (connect(server.port), connect(server.port));
    let names: Vec<String> = (0..400).map(|n| format!("k{n:03}")).collect();
    let write = |generation: usize| {
        let records: Vec<Staged> = names.iter().map(|name| user(name, &generation.to_string())).collect();
        replace(ours.engine().as_ref(), &records).unwrap()
    };
    write(0);
    let whole = Arc::new(AtomicUsize::new(0));
    let reader = {
        let (engine, whole, names) = (theirs.engine().clone(), whole.clone(), names.clone());
        thread::spawn(move || {
            while whole.load(Ordering::Relaxed) < 30 {
                let inside = Inside::begin(&engine);
                let read = |name: &String| inside.engine.try_value(name);
                let found: Result<Vec<Option<String>>> = names.iter().step_by(100).map(read).collect();
                match found {
                    Ok(found) => {
                        assert!(found[0].is_some() && found.windows(2).all(|pair| pair[0] == pair[1]), "{found:?}");
                        whole.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(error) => assert_eq!(error.code(), Code::Conflict, "{error}"),
                }
            }
        })
    };
    for generation in 1.. {
        if reader.is_finished() {
            break;
        }
        write(generation);
    }
    reader.join().unwrap();
}

#[test]
fn watches_of_other_clients_end() {
    let server = RedisServer::start(&[]);
    let (ours, theirs) = (connect(server.port), connect(server.port));
    let (ours, theirs) = (ours.engine(), theirs.engine());
    let watchers = [Watcher::new(ours, Options::default()), Watcher::new(theirs, Options::default())];
    let start = set(ours.as_ref(), "a", "1").unwrap();
    assert!(theirs.logged(start, 1 << 20).unwrap().commits.is_empty());
    for watcher in &watchers {
        assert_eq!(watcher.told(1), [["a=1"]]);
    }
    let seq = replace(ours.as_ref(), &records("new", 100)).unwrap();
    for watcher in &watchers {
        assert_eq!(watcher.error().code(), Code::PreconditionFailed);
    }
    let error = theirs.logged(start, 1 << 20).unwrap_err();
    assert_eq!(error.code(), Code::PreconditionFailed, "{error}");
    assert_eq!(theirs.stats().unwrap().log_floor, Some(seq));
    let next = Watcher::new(ours, Options::default());
    set(theirs.as_ref(), "b", "1").unwrap();
    assert_eq!(next.told(1), [["b=1"]]);
    assert_eq!(theirs.logged(seq, 1 << 20).unwrap().commits.len(), 1);
    // A new watch of the client that replaces the content begins behind the replacement, whatever the old one has read.
    for _ in 0..20 {
        let old = Watcher::new(ours, Options::default());
        replace(ours.as_ref(), &[user("a", "1")]).unwrap();
        let new = Watcher::new(ours, Options::default());
        assert_eq!(old.error().code(), Code::PreconditionFailed);
        set(ours.as_ref(), "c", "1").unwrap();
        assert_eq!(new.told(1), [["c=1"]]);
    }
}

#[test]
fn keys_that_other_programs_see_are_those_of_one_content() {
    let server = RedisServer::start(&[]);
    let lease = connect(server.port);
    let engine = lease.engine().as_ref();
    server.raw(&[b"RPUSH", b"app:list", b"1"]);
    server.raw(&[b"SET", b"other:k", b"1"]);
    let count = || {
        let script: &[u8] = b"return #redis.call('KEYS', 'app:[a-z]*')";
        String::from_utf8(server.raw(&[b"EVAL", script, b"0"])).unwrap()
    };
    let staging = stage(engine, &records("new", 5000)).unwrap();
    assert_eq!(count(), ":1\r\n", "what is staged is no key of a user");
    staging.swap().unwrap();
    assert_eq!(count(), ":5000\r\n");
    assert_eq!(server.raw(&[b"GET", b"other:k"]), b"$1\r\n1\r\n");
    // A later plain record of a key has nothing of an earlier one.
    let mut rich = user("k", "1");
    rich.record.metadata = Some("{}".into());
    replace(engine, &[rich.clone(), user("k", "1")]).unwrap();
    assert!(content(engine) == expected(&[user("k", "1")]));
    let expired = Staged { record: Record { expires_at: Some(1), ..rich.record.clone() }, ..rich.clone() };
    replace(engine, &[rich, user("l", "1"), expired]).unwrap();
    assert_eq!(engine.keys(&KeyRange::all()), ["l"]);
}

#[test]
fn two_hundred_thousand_records_are_replaced_while_others_read_and_write() {
    let server = RedisServer::start(&[]);
    let (ours, theirs) = (connect(server.port), connect(server.port));
    let engine = ours.engine().as_ref();
    let text = format!("\"{}\"", "x".repeat(148));
    let part = |from: usize| (from..from + 5000).map(|n| user(&format!("r{n:06}"), &text)).collect::<Vec<_>>();
    for round in 0..2 {
        let mut staging = engine.stage().unwrap();
        for from in (0..200_000).step_by(5000) {
            staging.write(part(from)).unwrap();
            let name = format!("w{from}");
            set(theirs.engine().as_ref(), &name, "1").unwrap();
            assert_eq!(engine.value(&name).as_deref(), Some("1"));
        }
        let before = engine.view().unwrap().count(Space::User, &KeyRange::all()).unwrap();
        assert_eq!(before, if round == 0 { 40 } else { 200_040 }, "staged records are not counted");
        staging.swap().unwrap();
        assert_eq!(engine.stats().unwrap().keys, Some(200_000));
        assert_eq!(theirs.engine().value("r123456").as_ref(), Some(&text));
    }
    is_clean(&server);
}

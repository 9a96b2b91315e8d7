//! Transactions of several clients on one server.

use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::calls::{connect, options, set};
use crate::redis_server::RedisServer;
use bytes::Bytes;
use holdfast_core::engine::redis::{RedisOptions, open};
use holdfast_core::engine::{Engine, EngineExt, Projection, View, for_each_page};
use holdfast_core::testing::{Calls, json, key};
use holdfast_core::transaction::{Options, Transaction};
use holdfast_core::{Batch, Check, Code, Key, KeyRange, Op, Outcome, RangeCheck, Record, Result, Space, Value};

fn begin(engine: &Arc<dyn Engine>) -> Arc<dyn View> {
    engine.try_begin().expect("at once").expect("a view")
}

fn read(view: &dyn View, key: &str) -> Result<Option<Value>> {
    view.get(Space::User, key.as_bytes()).map(|record| record.map(|record| record.value))
}

fn internal(name: &str, text: &str) -> Op {
    Op::set(key(name), json(text)).in_space(Space::Internal)
}

fn count(view: &dyn View, range: &KeyRange) -> Result<usize> {
    let mut count = 0;
    for_each_page(view, Space::User, range, Projection::Values, |page| {
        count += page.len();
        Ok(true)
    })?;
    Ok(count)
}

fn conflict<T: std::fmt::Debug>(result: Result<T>) {
    assert_eq!(result.unwrap_err().code(), Code::Conflict);
}

/// Runs `body` in transactions until one commits: how many did not.
fn until_committed(engine: &Arc<dyn Engine>, body: impl Fn(&dyn Engine) -> Result<()>) -> u64 {
    let mut conflicts = 0;
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let transaction = Transaction::new(Options::default(), None);
        let inside = transaction.on("here", engine);
        match body(&*inside).and_then(|()| transaction.try_commit().unwrap_or_else(|| transaction.wait())) {
            Ok(()) => return conflicts,
            Err(error) => assert_eq!(error.code(), Code::Conflict, "{error}"),
        }
        drop(transaction.rollback());
        conflicts += 1;
        assert!(Instant::now() < deadline, "no transaction gets through");
        thread::sleep(Duration::from_micros(100 * (conflicts % 8)));
    }
}

fn hits(record: Option<&Record>) -> u64 {
    let metadata = record.and_then(|record| record.metadata.as_deref()).unwrap_or(b"0");
    std::str::from_utf8(metadata).unwrap().parse().unwrap()
}

/// Writes the value that a key has, and one hit more in its metadata.
fn hit(record: Option<&Record>) -> Op {
    Op::set("k", json("1")).with_metadata(Bytes::from((hits(record) + 1).to_string()))
}

#[test]
fn what_a_record_holds_beside_its_value_is_checked_too() {
    let server = RedisServer::start(&[]);
    let leases: Vec<_> = (0..4).map(|_| connect(server.port)).collect();
    thread::scope(|scope| {
        for lease in &leases {
            scope.spawn(move || {
                let engine = lease.engine();
                for _ in 0..5 {
                    until_committed(engine, |inside| {
                        let record = inside.try_entry("k")?;
                        inside.commit(Batch::one(hit(record.as_ref()))).map(drop)
                    });
                    // A compare-and-set by the version.
                    loop {
                        let record = engine.entry("k");
                        let check = Check::new("k", record.as_ref().map(|record| record.version));
                        match engine.commit(Batch::one(hit(record.as_ref())).with_checks([check])) {
                            Ok(_) => break,
                            Err(error) => assert_eq!(error.code(), Code::Conflict, "{error}"),
                        }
                    }
                }
            });
        }
    });
    assert_eq!(hits(leases[0].engine().entry("k").as_ref()), 40);
}

#[test]
fn a_version_covers_times_and_metadata_and_is_told() {
    let server = RedisServer::start(&[]);
    let plain = connect(server.port);
    let stamped = open(RedisOptions { timestamps: true, ..options(server.port) }).unwrap();
    let later = 4_000_000_000_000;
    let ops = [
        Op::set("k", json("1")),
        Op::set("k", json("1")).with_metadata(Bytes::from_static(b"{}")),
        Op::set("k", json("1")).with_metadata(Bytes::from_static(b"{\"a b\":1}")),
        Op::set("k", json("1")).with_metadata(Bytes::from_static(b"{}")).expiring(later),
        Op::set("k", json("1")).expiring(later),
    ];
    for engine in [plain.engine(), stamped.engine()] {
        let mut versions = Vec::new();
        for op in &ops {
            let outcomes = engine.run(Batch::one(op.clone()).reporting()).outcomes;
            let [Outcome::Set { version }] = outcomes[..] else { panic!("{outcomes:?}") };
            assert_eq!(engine.version("k"), Some(version), "{op:?}");
            assert!(!versions.contains(&version), "{op:?}");
            versions.push(version);
            let twice = engine.run(Batch::of([op.clone(), Op::add("k", 0.0), op.clone()]).reporting()).outcomes;
            let [Outcome::Set { .. }, Outcome::Added { .. }, Outcome::Set { version }] = twice[..] else {
                panic!("{twice:?}")
            };
            assert_eq!(engine.version("k"), Some(version), "{op:?}");
            let outcomes = engine.run(Batch::one(Op::add("k", 1.0)).reporting()).outcomes;
            let [Outcome::Added { version, .. }] = outcomes[..] else { panic!("{outcomes:?}") };
            assert_eq!(engine.version("k"), Some(version), "{op:?}");
        }
    }
    // A record that was made anew has another created time, and a transaction that has read the old one conflicts.
    let engine = stamped.engine();
    engine.set("k", "1");
    let view = begin(engine);
    let before = view.get(Space::User, b"k").unwrap().unwrap();
    thread::sleep(Duration::from_millis(2));
    engine.delete("k");
    engine.set("k", "1");
    assert_ne!(engine.version("k"), Some(before.version));
    conflict(read(&*view, "other"));
}

#[test]
fn reads_that_fit_move_on_with_the_store_and_others_conflict() {
    let server = RedisServer::start(&[]);
    let (ours, theirs) = (connect(server.port), connect(server.port));
    let (ours, theirs) = (ours.engine(), theirs.engine().as_ref());
    theirs.set("a", "1");
    theirs.set("b", "1");
    let view = begin(ours);
    assert_eq!(view.seq(), 0);
    assert_eq!(read(&*view, "a").unwrap(), Some(json("1")));
    assert_eq!(read(&*view, "absent").unwrap(), None);
    let before = view.seq();
    theirs.set("b", "2");
    assert_eq!(read(&*view, "b").unwrap(), Some(json("2")), "the newest state that fits");
    assert_eq!(view.seq(), before + 1);
    theirs.set("c", "1");
    theirs.set("a", "2");
    conflict(read(&*view, "c"));
    let view = begin(ours);
    assert_eq!(read(&*view, "absent").unwrap(), None);
    theirs.set("absent", "1");
    conflict(read(&*view, "c"));
    conflict(read(&*view, "absent"));
}

#[test]
fn two_keys_written_together_are_never_seen_apart() {
    let server = RedisServer::start(&[]);
    let (ours, theirs) = (connect(server.port), connect(server.port));
    let (ours, theirs) = (ours.engine(), theirs.engine().as_ref());
    theirs.run(internal("i", "1"));
    theirs.set("a", "1");
    let view = begin(ours);
    assert!(view.get(Space::Internal, b"i").unwrap().is_some());
    theirs.run([internal("i", "2"), Op::set("a", json("2"))]);
    conflict(read(&*view, "a"));
}

#[test]
fn after_a_range_any_commit_conflicts_and_until_then_its_check_holds() {
    let server = RedisServer::start(&[]);
    let (ours, theirs) = (connect(server.port), connect(server.port));
    let (ours, theirs) = (ours.engine(), theirs.engine().as_ref());
    for i in 0..50 {
        theirs.set(&format!("k{i:02}"), "1");
    }
    theirs.set("first", "1");
    let range = KeyRange::prefix("k");
    let guarded = |view: &dyn View| {
        let check = RangeCheck::new(range.clone(), view.seq());
        ours.commit(Batch::one(Op::set("out", json("1"))).with_range_checks([check]))
    };
    let view = begin(ours);
    read(&*view, "first").unwrap();
    theirs.set("other", "1");
    assert_eq!(count(&*view, &range).unwrap(), 50, "a range may come after a commit that fits");
    let some = KeyRange { start: Bound::Included(Key::from_static(b"k40")), ..range.clone() };
    assert_eq!(count(&*view, &some).unwrap(), 10);
    guarded(&*view).unwrap();
    conflict(read(&*view, "first"));

    let view = begin(ours);
    assert_eq!(count(&*view, &range).unwrap(), 50);
    theirs.set("k99", "1");
    conflict(guarded(&*view));
    conflict(count(&*view, &range));
    conflict(count(&*view, &KeyRange::prefix("none")));
}

#[test]
fn what_another_program_changed_does_not_fit() {
    let server = RedisServer::start(&[]);
    let ours = connect(server.port);
    ours.engine().set("a", "1");
    let view = begin(ours.engine());
    read(&*view, "a").unwrap();
    server.raw(&[b"SET", b"app:a", b"2"]);
    conflict(read(&*view, "a"));
}

#[test]
fn a_transaction_sees_what_was_requested_before_it() {
    let server = RedisServer::start(&[]);
    let lease = connect(server.port);
    let engine = lease.engine();
    for i in 0..2000 {
        engine.submit(
            holdfast_core::engine::Request::Commit(Batch::one(Op::set(format!("k{i}"), json("1")))),
            Box::new(|_| ()),
        );
    }
    let clear = Op::delete_range(KeyRange::prefix("k"));
    engine.submit(holdfast_core::engine::Request::Commit(Batch::one(clear)), Box::new(|_| ()));
    engine.submit(holdfast_core::engine::Request::Commit(Batch::one(Op::set("last", json("1")))), Box::new(|_| ()));
    let view = begin(engine);
    assert_eq!(read(&*view, "k1999").unwrap(), None);
    assert_eq!(read(&*view, "last").unwrap(), Some(json("1")));
}

/// Each client adds by reading and writing; two fields of one account move against each other.
#[test]
fn two_clients_add_exactly_and_their_sums_stand() {
    const EACH: u32 = 400;
    const ACCOUNTS: u32 = 5;
    let server = RedisServer::start(&[]);
    let setup = connect(server.port);
    for i in 0..ACCOUNTS {
        setup.engine().set(&format!("account/{i}"), "100");
    }
    let stop = AtomicBool::new(false);
    let (conflicts, sums) = (AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        let workers: Vec<_> = (0..2_u32)
            .map(|client| {
                let (server, conflicts) = (&server, &conflicts);
                scope.spawn(move || {
                    let lease = connect(server.port);
                    for round in 0..EACH {
                        let met = until_committed(lease.engine(), |inside| {
                            let number = |key: &str| -> Result<f64> {
                                Ok(inside.try_value(key)?.map_or(0.0, |text| text.parse().unwrap()))
                            };
                            let sum = number("counter")? + 1.0;
                            set(inside, "counter", &sum.to_string())?;
                            let (from, to) = ((round + client) % ACCOUNTS, (round * 3 + 1) % ACCOUNTS);
                            let (from, to) = (format!("account/{from}"), format!("account/{to}"));
                            if from != to {
                                let (a, b) = (number(&from)?, number(&to)?);
                                set(inside, &from, &(a - 1.0).to_string())?;
                                set(inside, &to, &(b + 1.0).to_string())?;
                            }
                            Ok(())
                        });
                        conflicts.fetch_add(met, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        let (server, stop, sums) = (&server, &stop, &sums);
        scope.spawn(move || {
            let lease = connect(server.port);
            while !stop.load(Ordering::Relaxed) {
                let view = begin(lease.engine());
                let mut sum = 0.0;
                let all =
                    for_each_page(&*view, Space::User, &KeyRange::prefix("account/"), Projection::Values, |page| {
                        for (_, item) in page {
                            if let holdfast_core::engine::Item::Value(value) = item {
                                sum += value.as_number().unwrap_or(0.0);
                            }
                        }
                        Ok(true)
                    });
                match all {
                    Ok(()) => {
                        assert_eq!(sum, 100.0 * f64::from(ACCOUNTS), "a range is of one moment");
                        sums.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(error) => assert_eq!(error.code(), Code::Conflict, "{error}"),
                }
                let view = begin(lease.engine());
                let single = (0..ACCOUNTS).map(|i| {
                    let value = read(&*view, &format!("account/{i}"))?;
                    Ok(value.and_then(|value| value.as_number()).unwrap_or(0.0))
                });
                match single.collect::<Result<Vec<f64>>>() {
                    Ok(values) => {
                        assert_eq!(values.iter().sum::<f64>(), 100.0 * f64::from(ACCOUNTS), "so are single reads");
                    }
                    Err(error) => assert_eq!(error.code(), Code::Conflict, "{error}"),
                }
            }
        });
        for worker in workers {
            worker.join().unwrap();
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(setup.engine().value("counter"), Some((2 * EACH).to_string()));
    println!(
        "2 clients, {} transactions, {} conflicts, {} sums over a range met 0 torn ones",
        2 * EACH,
        conflicts.load(Ordering::Relaxed),
        sums.load(Ordering::Relaxed)
    );
}

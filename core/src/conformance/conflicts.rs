//! Conflicts between transactions: a commit fails if a key or a range that the transaction read has changed, and for no
//! other reason.

use std::ops::Bound;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::transactions::Inside;
use super::{Fixture, open};
use crate::batch::{Batch, Op};
use crate::error::Code;
use crate::key::{Key, KeyRange};
use crate::testing::{Calls, json};

pub fn a_key_that_was_read_and_has_changed_is_a_conflict(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    engine.set("a", "1");
    for change in [Op::set("a", json("2")), Op::set("new", json("1")), Op::delete("a")] {
        engine.set("a", "1");
        engine.delete("new");
        let inside = Inside::begin(engine);
        inside.engine.value("a");
        assert!(!inside.engine.has("new"));
        inside.engine.set("sum", "1");
        engine.run(change);
        inside.conflicts();
        assert!(!engine.has("sum"));
    }
}

pub fn a_range_that_was_read_and_has_changed_is_a_conflict(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    for change in [
        Op::set("a/5", json("1")),
        Op::set("a/1", json("2")),
        Op::delete("a/1"),
        Op::delete_range(KeyRange::prefix("a/1")),
    ] {
        engine.run([Op::set("a/1", json("1")), Op::set("a/9", json("1"))]);
        engine.delete("a/5");
        let inside = Inside::begin(engine);
        assert_eq!(inside.engine.keys(&KeyRange::prefix("a/")), ["a/1", "a/9"]);
        inside.engine.set("sum", "2");
        engine.run(change);
        inside.conflicts();
    }
    assert!(!engine.has("sum"));
}

pub fn a_range_that_holds_no_key_never_conflicts(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    engine.set("a", "1");
    let inside = Inside::begin(engine);
    let (start, end) = (Bound::Included(Key::from("k02")), Bound::Excluded(Key::from("k02")));
    assert!(inside.engine.keys(&KeyRange { start, end, ..KeyRange::all() }).is_empty());
    engine.set("a", "2");
    inside.engine.set("b", "1");
    inside.commits();
}

pub fn keys_that_were_not_read_may_change(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    engine.run((0..9).map(|n| Op::set(format!("k{n}"), json("1"))).collect::<Batch>());
    let inside = Inside::begin(engine);
    inside.engine.value("k5");
    inside.engine.set("k6", "2");
    engine.set("k7", "2");
    inside.commits();
    if engine.capabilities().snapshots {
        // So may keys behind the limit of a listing.
        let inside = Inside::begin(engine);
        let first = KeyRange { limit: Some(2), ..KeyRange::all() };
        assert_eq!(inside.engine.keys(&first), ["k0", "k1"]);
        inside.engine.set("k0", "3");
        engine.set("k2", "3");
        inside.commits();
    }
    // Writes alone conflict with nothing.
    let inside = Inside::begin(engine);
    inside.engine.set("k1", "3");
    engine.set("k1", "4");
    inside.commits();
    assert_eq!(engine.value("k1").as_deref(), Some("3"));
}

/// Each reads what the other writes, so only one can commit.
pub fn write_skew_is_refused(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    engine.run([Op::set("on/1", json("true")), Op::set("on/2", json("true"))]);
    let [one, two] = [Inside::begin(engine), Inside::begin(engine)];
    for inside in [&one, &two] {
        assert_eq!(inside.engine.keys(&KeyRange::prefix("on/")).len(), 2);
    }
    assert!(one.engine.delete("on/1") && two.engine.delete("on/2"));
    one.commits();
    two.conflicts();
    assert_eq!(engine.keys(&KeyRange::prefix("on/")), ["on/2"]);
}

pub fn concurrent_transactions_lose_no_update(fixture: &dyn Fixture) {
    const THREADS: usize = 4;
    const ROUNDS: usize = 25;
    let lease = open(fixture);
    let engine = lease.engine();
    let conflicts = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let mut done = 0;
                while done < ROUNDS {
                    let inside = Inside::begin(engine);
                    let sum = inside.engine.value("sum").and_then(|sum| sum.parse::<u32>().ok()).unwrap_or(0);
                    inside.engine.set("sum", &(sum + 1).to_string());
                    match inside.commit() {
                        Ok(()) => done += 1,
                        Err(error) if error.code() == Code::Conflict => {
                            conflicts.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(error) => panic!("commit: {error}"),
                    }
                }
            });
        }
    });
    assert_eq!(engine.value("sum").as_deref(), Some((THREADS * ROUNDS).to_string().as_str()));
}

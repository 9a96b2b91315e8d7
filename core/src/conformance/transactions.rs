//! Transactions, over any engine. Where it has no snapshots, a read that does not fit the earlier ones is a CONFLICT.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::{Calls, Fixture, check, entries_of, open, owned, set};
use crate::batch::{Batch, Op};
use crate::engine::{Engine, EngineExt, Projection, Read, Request};
use crate::error::{Code, Error};
use crate::key::{KeyRange, Space};
use crate::transaction::{Options, Status, Transaction};

/// A transaction and the engine inside it.
struct Inside {
    transaction: Arc<Transaction>,
    engine: Arc<dyn Engine>,
}

impl Inside {
    fn begin(engine: &Arc<dyn Engine>) -> Self {
        let transaction = Transaction::new(Options::default(), None);
        let engine = transaction.on("here", engine);
        Inside { transaction, engine }
    }

    fn commit(&self) -> Result<(), Error> {
        self.transaction.try_commit().unwrap_or_else(|| self.transaction.wait())
    }

    fn conflicts(&self) {
        match self.commit() {
            Ok(()) => panic!("the transaction was committed"),
            Err(error) => assert_eq!(error.code(), Code::Conflict, "{error}"),
        }
        assert_eq!(self.transaction.status(), Status::RolledBack);
    }

    fn commits(&self) {
        self.commit().unwrap_or_else(|error| panic!("commit: {error}"));
        assert_eq!(self.transaction.status(), Status::Committed);
    }
}

pub fn own_writes_are_seen_inside_alone(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    engine.set("a", "1");
    engine.set("b", "1");
    let inside = Inside::begin(engine);
    inside.engine.set("a", "2");
    inside.engine.set("ab", "2");
    assert!(inside.engine.delete("b"));
    assert!(!inside.engine.delete("b"));
    assert_eq!(inside.engine.value("a").as_deref(), Some("2"));
    assert!(!inside.engine.has("b"));
    assert_eq!(inside.engine.keys(&KeyRange::all()), ["a", "ab"]);
    assert_eq!(engine.keys(&KeyRange::all()), ["a", "b"]);
    assert_eq!(engine.value("a").as_deref(), Some("1"));
    inside.commits();
    assert_eq!(engine.keys(&KeyRange::all()), ["a", "ab"]);
    assert_eq!(engine.value("a").as_deref(), Some("2"));
}

pub fn a_rolled_back_transaction_leaves_nothing(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    engine.set("a", "1");
    let inside = Inside::begin(engine);
    inside.engine.set("a", "2");
    inside.engine.run(Batch::one(Op::DeleteRange { space: Space::User, range: KeyRange::all() }));
    inside.transaction.rollback().unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(inside.transaction.status(), Status::RolledBack);
    assert_eq!(engine.value("a").as_deref(), Some("1"));
    let codes = [
        inside.transaction.rollback().err(),
        inside.commit().err(),
        inside.engine.commit(Batch::one(set("a", "3", None))).err(),
        inside.engine.wait(Request::Read(Read::Get(Space::User, owned("a")))).err(),
    ];
    for error in codes {
        assert_eq!(error.map(|error| error.code()), Some(Code::TransactionCompleted));
    }
}

pub fn a_transaction_reads_one_moment(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    engine.set("a", "1");
    engine.set("b", "1");
    let inside = Inside::begin(engine);
    assert_eq!(inside.engine.value("a").as_deref(), Some("1"));
    engine.run(Batch { ops: vec![set("a", "2", None), set("b", "2", None)], ..Batch::default() });
    let read = inside.engine.try_read(&Read::Get(Space::User, owned("b")));
    let read = read.unwrap_or_else(|| inside.engine.wait(Request::Read(Read::Get(Space::User, owned("b")))));
    if engine.capabilities().snapshots {
        assert!(read.is_ok());
        assert_eq!(inside.engine.value("b").as_deref(), Some("1"));
        // Nothing was written: it is as if it had run before the other.
        inside.commits();
    } else {
        assert_eq!(read.err().map(|error| error.code()), Some(Code::Conflict));
    }
}

pub fn a_key_that_was_read_and_has_changed_is_a_conflict(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    engine.set("a", "1");
    for change in [set("a", "2", None), set("new", "1", None), Op::Delete { space: Space::User, key: owned("a") }] {
        engine.set("a", "1");
        engine.delete("new");
        let inside = Inside::begin(engine);
        inside.engine.value("a");
        assert!(!inside.engine.has("new"));
        inside.engine.set("sum", "1");
        engine.run(Batch::one(change));
        inside.conflicts();
        assert!(!engine.has("sum"));
    }
}

pub fn a_range_that_holds_no_key_never_conflicts(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    engine.set("a", "1");
    let inside = Inside::begin(engine);
    assert!(inside.engine.keys(&span(2, 2)).is_empty());
    engine.set("a", "2");
    inside.engine.set("b", "1");
    inside.commits();
}

pub fn a_range_that_was_read_and_has_changed_is_a_conflict(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    for change in [
        set("a/5", "1", None),
        set("a/1", "2", None),
        Op::Delete { space: Space::User, key: owned("a/1") },
        Op::DeleteRange { space: Space::User, range: KeyRange::prefix(&b"a/1"[..]) },
    ] {
        engine.run(Batch { ops: vec![set("a/1", "1", None), set("a/9", "1", None)], ..Batch::default() });
        engine.delete("a/5");
        let inside = Inside::begin(engine);
        assert_eq!(inside.engine.keys(&KeyRange::prefix(&b"a/"[..])), ["a/1", "a/9"]);
        inside.engine.set("sum", "2");
        engine.run(Batch::one(change));
        inside.conflicts();
    }
    assert!(!engine.has("sum"));
}

pub fn what_was_not_read_may_change(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    engine.run(Batch { ops: (0..9).map(|n| set(&format!("k{n}"), "1", None)).collect(), ..Batch::default() });
    let inside = Inside::begin(engine);
    inside.engine.value("k5");
    inside.engine.set("k6", "2");
    engine.set("k7", "2");
    inside.commits();
    if engine.capabilities().snapshots {
        // Behind the limit of what was listed, too.
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

/// Each reads what the other writes: one of them has to give way.
pub fn write_skew_is_refused(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    engine.run(Batch { ops: vec![set("on/1", "true", None), set("on/2", "true", None)], ..Batch::default() });
    let [one, two] = [Inside::begin(engine), Inside::begin(engine)];
    for inside in [&one, &two] {
        assert_eq!(inside.engine.keys(&KeyRange::prefix(&b"on/"[..])).len(), 2);
    }
    assert!(one.engine.delete("on/1") && two.engine.delete("on/2"));
    one.commits();
    two.conflicts();
    assert_eq!(engine.keys(&KeyRange::prefix(&b"on/"[..])), ["on/2"]);
}

pub fn conditions_inside_are_of_what_is_seen_inside(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    engine.set("a", "1");
    let inside = Inside::begin(engine);
    let version = inside.engine.version("a");
    assert!(version.is_some());
    let guarded = |version, value| Batch {
        checks: vec![check("a", version)],
        ops: vec![set("a", value, None), set("b", value, None)],
        ..Batch::default()
    };
    inside.engine.run(guarded(version, "2"));
    let refused = inside.engine.commit(guarded(version, "3"));
    assert_eq!(refused.err().map(|error| error.code()), Some(Code::Conflict));
    inside.engine.run(guarded(inside.engine.version("a"), "4"));
    let add = Op::Add { space: Space::User, key: owned("a"), by: 0.5, expires_at: None, metadata: None };
    inside.engine.run(Batch::one(add));
    inside.commits();
    assert_eq!((engine.value("a").as_deref(), engine.value("b").as_deref()), (Some("4.5"), Some("4")));
}

/// A batch that fails inside a transaction leaves nothing there, and the transaction goes on.
pub fn a_batch_that_fails_inside_leaves_nothing(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    let inside = Inside::begin(engine);
    inside.engine.set("text", "\"x\"");
    let add = Op::Add { space: Space::User, key: owned("text"), by: 1.0, expires_at: None, metadata: None };
    let failed = inside.engine.commit(Batch { ops: vec![set("a", "1", None), add], ..Batch::default() });
    assert_eq!(failed.err().map(|error| error.code()), Some(Code::InvalidArgument));
    assert!(!inside.engine.has("a"));
    inside.commits();
    assert_eq!(engine.keys(&KeyRange::all()), ["text"]);
}

pub fn a_read_only_transaction_refuses_writes(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    engine.set("a", "1");
    let transaction = Transaction::new(Options { read_only: true }, None);
    let inside = transaction.on("here", engine);
    assert_eq!(inside.value("a").as_deref(), Some("1"));
    let refused = inside.commit(Batch::one(set("a", "2", None)));
    assert_eq!(refused.err().map(|error| error.code()), Some(Code::ReadOnly));
    engine.set("b", "1");
    transaction.wait().unwrap_or_else(|error| panic!("{error}"));
}

pub fn calls_are_carried_out_in_order_before_the_commit(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    engine.set("a", "0");
    let inside = Inside::begin(engine);
    let answered = Arc::new(AtomicUsize::new(0));
    for n in 0..50 {
        let add = Op::Add { space: Space::User, key: owned("a"), by: 1.0, expires_at: None, metadata: None };
        let answered = answered.clone();
        let request = if n % 5 == 0 { Request::Keys(KeyRange::all()) } else { Request::Commit(Batch::one(add)) };
        inside.engine.submit(
            request,
            Box::new(move |reply| {
                assert!(reply.is_ok());
                answered.fetch_add(1, Ordering::AcqRel);
            }),
        );
    }
    inside.transaction.wait().unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(answered.load(Ordering::Acquire), 50);
    assert_eq!(engine.value("a").as_deref(), Some("40"));
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

#[derive(Clone, Debug)]
enum Step {
    Set(usize, u8),
    Delete(usize),
    DeleteRange(usize, usize),
    Scan { start: usize, end: usize, reverse: bool, limit: Option<usize>, bytes: usize },
}

const KEYS: usize = 24;

fn name(key: usize) -> String {
    format!("k{key:02}")
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0..KEYS;
    prop_oneof![
        4 => (key.clone(), any::<u8>()).prop_map(|(key, value)| Step::Set(key, value)),
        2 => key.clone().prop_map(Step::Delete),
        1 => (key.clone(), key.clone()).prop_map(|(a, b)| Step::DeleteRange(a.min(b), a.max(b))),
        3 => (key.clone(), key, any::<bool>(), prop::option::of(0..9_usize), prop_oneof![Just(1), Just(60), Just(1 << 20)])
            .prop_map(|(a, b, reverse, limit, bytes)| Step::Scan { start: a.min(b), end: a.max(b), reverse, limit, bytes }),
    ]
}

/// What a transaction lists is what the engine held, with its own writes over it, page by page.
pub fn random_writes_over_an_engine_agree_with_a_map(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    let steps = (prop::collection::btree_set(0..KEYS, 0..KEYS), prop::collection::vec(step(), 1..40));
    let config = Config { cases: 48, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&steps, |(before, steps)| {
            engine.run(Batch::one(Op::DeleteRange { space: Space::User, range: KeyRange::all() }));
            let mut model: BTreeMap<String, String> = before.iter().map(|key| (name(*key), "0".to_owned())).collect();
            engine.run(Batch { ops: model.keys().map(|key| set(key, "0", None)).collect(), ..Batch::default() });
            let inside = Inside::begin(engine);
            for step in steps {
                match step {
                    Step::Set(key, value) => {
                        inside.engine.set(&name(key), &value.to_string());
                        model.insert(name(key), value.to_string());
                    }
                    Step::Delete(key) => {
                        prop_assert_eq!(inside.engine.delete(&name(key)), model.remove(&name(key)).is_some());
                    }
                    Step::DeleteRange(start, end) => {
                        let range = span(start, end);
                        inside.engine.run(Batch::one(Op::DeleteRange { space: Space::User, range }));
                        model.retain(|key, _| !(name(start)..name(end)).contains(key));
                    }
                    Step::Scan { start, end, reverse, limit, bytes } => {
                        let range = KeyRange { reverse, limit, ..span(start, end) };
                        let mut expected: Vec<(String, String)> = model
                            .range(name(start)..name(end))
                            .map(|(key, value)| (key.clone(), value.clone()))
                            .collect();
                        if reverse {
                            expected.reverse();
                        }
                        expected.truncate(limit.unwrap_or(usize::MAX));
                        prop_assert_eq!(by_pages(&*inside.engine.look(), &range, bytes), expected);
                    }
                }
            }
            inside.commits();
            let held = entries_of(&*engine.look(), &KeyRange::all(), Projection::Values);
            let held: BTreeMap<String, String> =
                held.into_iter().map(|(key, value)| (key, value.unwrap_or_default())).collect();
            prop_assert_eq!(held, model);
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
}

fn span(start: usize, end: usize) -> KeyRange {
    KeyRange { start: Bound::Included(owned(&name(start))), end: Bound::Excluded(owned(&name(end))), ..KeyRange::all() }
}

fn by_pages(view: &dyn crate::engine::View, range: &KeyRange, bytes: usize) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut after = None;
    let limit = range.limit.unwrap_or(usize::MAX);
    while found.len() < limit {
        let page = view
            .scan(Space::User, range, Projection::Values, after.as_deref(), bytes)
            .unwrap_or_else(|error| panic!("scan: {error}"));
        found.extend(page.entries.into_iter().map(|(key, item)| {
            let key = String::from_utf8_lossy(&key).into_owned();
            match item {
                crate::engine::Item::Value(value) => (key, super::text(value)),
                _ => panic!("not a value"),
            }
        }));
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    found.truncate(limit);
    found
}

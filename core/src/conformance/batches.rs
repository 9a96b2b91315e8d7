//! The conditional batch.

use super::{Calls, Fixture, check, open, owned, set};
use crate::batch::{Batch, MAX_BATCH_BYTES, Op, Outcome, RangeCheck};
use crate::engine::{Engine, EngineExt, Read, Reply};
use crate::error::Code;
use crate::key::{KeyRange, Space};
use crate::record::{Version, now};
use crate::value::Value;

fn add(key: &str, by: f64) -> Op {
    Op::Add { space: Space::User, key: owned(key), by, expires_at: None, metadata: None }
}

fn delete(key: &str) -> Op {
    Op::Delete { space: Space::User, key: owned(key) }
}

fn refused(engine: &dyn Engine, batch: Batch) -> Code {
    match engine.commit(batch) {
        Ok(_) => panic!("the batch was not refused"),
        Err(error) => error.code(),
    }
}

pub fn a_batch_is_whole_or_not_at_all(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = &**lease.engine();
    engine.set("a", "1");
    let batch = Batch {
        checks: vec![check("a", None)],
        ops: vec![set("a", "2", None), set("b", "2", None), delete("a")],
        ..Batch::default()
    };
    assert_eq!(refused(engine, batch), Code::Conflict);
    assert_eq!(engine.value("a").as_deref(), Some("1"));
    assert_eq!(engine.value("b"), None);
}

pub fn operations_of_a_batch_apply_in_order(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = &**lease.engine();
    engine.set("x/1", "1");
    let commit = engine.run(
        Batch {
            ops: vec![
                set("a", "1", None),
                set("a", "2", None),
                delete("b"),
                set("b", "1", None),
                set("c", "1", None),
                delete("c"),
                set("d", "10", None),
                add("d", 5.0),
                delete("d"),
                add("d", 1.0),
                Op::DeleteRange { space: Space::User, range: KeyRange::prefix(&b"x/"[..]) },
                set("x/2", "2", None),
                delete("c"),
            ],
            ..Batch::default()
        }
        .reporting(),
    );
    assert_eq!(engine.value("a").as_deref(), Some("2"));
    assert_eq!(engine.value("b").as_deref(), Some("1"));
    assert_eq!(engine.value("c"), None);
    assert_eq!(engine.value("d").as_deref(), Some("1"));
    assert_eq!(engine.keys(&KeyRange::prefix(&b"x/"[..])), ["x/2"]);
    assert_eq!(commit.outcomes.len(), 13);
    assert_eq!(commit.outcomes.get(2), Some(&Outcome::Deleted { existed: false }));
    assert_eq!(commit.outcomes.get(5), Some(&Outcome::Deleted { existed: true }));
    assert!(matches!(commit.outcomes.get(7), Some(Outcome::Added { value, .. }) if *value == 15.0));
    assert!(matches!(commit.outcomes.get(9), Some(Outcome::Added { value, .. }) if *value == 1.0));
    assert_eq!(commit.outcomes.get(12), Some(&Outcome::Deleted { existed: false }));
}

pub fn checks_compare_versions(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = &**lease.engine();
    let with =
        |version| Batch { checks: vec![check("k", version)], ops: vec![set("k", "\"new\"", None)], ..Batch::default() };
    engine.run(with(None));
    assert_eq!(refused(engine, with(None)), Code::Conflict);
    let version = engine.version("k");
    assert!(version.is_some());
    engine.set("k", "\"other\"");
    assert_eq!(refused(engine, with(version)), Code::Conflict);
    engine.run(with(engine.version("k")));
    assert_eq!(engine.value("k").as_deref(), Some("\"new\""));
    engine.delete("k");
    assert_eq!(refused(engine, with(version)), Code::Conflict);
    assert_eq!(refused(engine, with(Some(Version::of_commit(0)))), Code::Conflict);
    let outcome = engine.run(with(None).reporting()).outcomes;
    match outcome.first() {
        Some(Outcome::Set { version }) => assert_eq!(engine.version("k"), Some(*version)),
        other => panic!("{other:?}"),
    }
}

pub fn versions_change_exactly_with_value_and_expiry(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = &**lease.engine();
    engine.set("k", "1");
    let first = engine.version("k");
    assert_eq!(engine.version("k"), first, "reading changes nothing");
    engine.set("k", "2");
    let second = engine.version("k");
    assert_ne!(first, second);
    let later = now() + 1_000_000;
    engine.put("k", "2", Some(later));
    let third = engine.version("k");
    assert_ne!(second, third);
    engine.put("other", "2", None);
    assert_eq!(engine.version("k"), third, "another key changes nothing");
}

pub fn increments_are_exact_and_refuse_other_types(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = &**lease.engine();
    let step = |by| match engine.run(Batch::one(add("n", by)).reporting()).outcomes.first() {
        Some(Outcome::Added { value, .. }) => *value,
        other => panic!("{other:?}"),
    };
    assert_eq!(step(1.0), 1.0);
    assert_eq!(step(-0.9).to_bits(), (1.0_f64 - 0.9).to_bits());
    let mut expected = 1.0 - 0.9;
    for by in [0.1, 0.2, 1e21, -1e21, 3.5e-7, 9_007_199_254_740_991.0] {
        expected += by;
        assert_eq!(step(by).to_bits(), f64::to_bits(expected), "{by}");
    }
    assert_eq!(step(f64::INFINITY), f64::INFINITY);
    assert!(step(f64::NEG_INFINITY).is_nan());
    assert_eq!(engine.value("n").as_deref(), Some("{\"$number\":\"NaN\"}"));
    for text in ["\"1\"", "null", "true", "[1]", "{\"$bigint\":\"1\"}"] {
        engine.set("n", text);
        assert_eq!(refused(engine, Batch::one(add("n", 1.0))), Code::InvalidArgument, "{text}");
        assert_eq!(engine.value("n").as_deref(), Some(text));
    }
}

pub fn a_failed_increment_in_a_batch_writes_nothing(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = &**lease.engine();
    engine.set("text", "\"x\"");
    let batch = Batch { ops: vec![set("a", "1", None), add("text", 1.0), set("b", "1", None)], ..Batch::default() };
    assert_eq!(refused(engine, batch), Code::InvalidArgument);
    assert_eq!(engine.keys(&KeyRange::all()), ["text"]);
}

pub fn both_keyspaces_change_together(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = &**lease.engine();
    let pair = |checks| Batch {
        checks,
        ops: vec![
            set("doc", "1", None),
            Op::Set {
                space: Space::Internal,
                key: owned("index"),
                value: Value::json("2"),
                expires_at: None,
                metadata: None,
            },
        ],
        ..Batch::default()
    };
    assert_eq!(refused(engine, pair(vec![check("missing", Some(Version::of_commit(9)))])), Code::Conflict);
    assert!(!engine.has("doc"));
    assert!(matches!(engine.ask(Read::Has(Space::Internal, owned("index"))), Reply::Has(false)));
    engine.run(pair(vec![]));
    assert!(engine.has("doc"));
    assert!(matches!(engine.ask(Read::Has(Space::Internal, owned("index"))), Reply::Has(true)));
}

pub fn range_checks_see_later_commits(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = &**lease.engine();
    let first = engine.put("a/1", "1", None).seq;
    let guarded = |since| Batch {
        range_checks: vec![RangeCheck { space: Space::User, range: KeyRange::prefix(&b"a/"[..]), since }],
        ops: vec![set("z", "1", None)],
        ..Batch::default()
    };
    let since = engine.run(guarded(first)).seq;
    let second = engine.put("a/2", "1", None).seq;
    assert_eq!(refused(engine, guarded(since)), Code::Conflict, "an insert");
    engine.run(guarded(second));
    let seq = engine.put("q", "1", None).seq;
    assert!(engine.delete("a/1"));
    assert_eq!(refused(engine, guarded(seq)), Code::Conflict, "a delete");
}

pub fn sequence_numbers_increase(fixture: &dyn Fixture) {
    let mut last = 0;
    for _ in 0..3 {
        let lease = open(fixture);
        let engine = &**lease.engine();
        if !fixture.persistent() {
            last = 0;
        }
        for n in 0..20 {
            let seq = engine.put(&format!("k{n}"), "1", None).seq;
            assert!(seq > last, "{seq} after {last}");
            last = seq;
        }
        lease.close().unwrap_or_else(|error| panic!("{error}"));
    }
}

pub fn deleting_tells_what_existed(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = &**lease.engine();
    engine.set("a", "null");
    engine.put("gone", "1", Some(now().saturating_sub(1)));
    let ops = ["a", "b", "gone"].map(delete).to_vec();
    let outcomes = engine.run(Batch { ops, ..Batch::default() }.reporting()).outcomes;
    assert_eq!(outcomes, [true, false, false].map(|existed| Outcome::Deleted { existed }));
}

pub fn a_range_is_deleted_and_nothing_else(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = &**lease.engine();
    for key in ["p", "p/", "p/a", "p/b/c", "p0", "pp", "\u{10ffff}"] {
        engine.set(key, "1");
    }
    engine.run(Batch::one(Op::DeleteRange { space: Space::User, range: KeyRange::prefix(&b"p/"[..]) }));
    assert_eq!(engine.keys(&KeyRange::all()), ["p", "p0", "pp", "\u{10ffff}"]);
    assert!(!engine.has("p/a"));
    engine.run(Batch::one(Op::DeleteRange { space: Space::User, range: KeyRange::all() }));
    assert!(engine.keys(&KeyRange::all()).is_empty());
    engine.set("p/a", "2");
    assert_eq!(engine.value("p/a").as_deref(), Some("2"));
}

pub fn an_oversized_batch_is_refused_whole(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = &**lease.engine();
    let half = format!("\"{}\"", "x".repeat(MAX_BATCH_BYTES / 2));
    let batch = Batch { ops: vec![set("a", &half, None), set("b", &half, None)], ..Batch::default() };
    assert_eq!(refused(engine, batch), Code::ValueTooLarge);
    assert!(!engine.has("a") && !engine.has("b"));
}

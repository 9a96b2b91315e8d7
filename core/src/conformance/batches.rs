//! The conditional batch.

use super::{Fixture, close, open};
use crate::batch::{Batch, Check, MAX_BATCH_BYTES, Op, Outcome, RangeCheck};
use crate::engine::EngineExt;
use crate::error::Code;
use crate::key::{KeyRange, Space};
use crate::record::{Version, now};
use crate::testing::{Calls, code_of, json};

pub fn a_batch_is_whole_or_not_at_all(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    engine.set("a", "1");
    let batch = Batch::of([Op::set("a", json("2")), Op::set("b", json("2")), Op::delete("a")])
        .with_checks([Check::absent("a")]);
    assert_eq!(code_of(engine.commit(batch)), Some(Code::Conflict));
    assert_eq!(engine.value("a").as_deref(), Some("1"));
    assert_eq!(engine.value("b"), None);
}

pub fn operations_of_a_batch_apply_in_order(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    engine.set("x/1", "1");
    let batch = Batch::of([
        Op::set("a", json("1")),
        Op::set("a", json("2")),
        Op::delete("b"),
        Op::set("b", json("1")),
        Op::set("c", json("1")),
        Op::delete("c"),
        Op::set("d", json("10")),
        Op::add("d", 5.0),
        Op::delete("d"),
        Op::add("d", 1.0),
        Op::delete_range(KeyRange::prefix("x/")),
        Op::set("x/2", json("2")),
        Op::delete("c"),
    ]);
    let commit = engine.run(batch.reporting());
    assert_eq!(engine.value("a").as_deref(), Some("2"));
    assert_eq!(engine.value("b").as_deref(), Some("1"));
    assert_eq!(engine.value("c"), None);
    assert_eq!(engine.value("d").as_deref(), Some("1"));
    assert_eq!(engine.keys(&KeyRange::prefix("x/")), ["x/2"]);
    assert_eq!(commit.outcomes.len(), 13);
    let sum = |at: usize| match commit.outcomes.get(at) {
        Some(Outcome::Added { value, .. }) => value.to_bits(),
        other => panic!("{other:?}"),
    };
    assert_eq!(commit.outcomes.get(2), Some(&Outcome::Deleted { existed: false }));
    assert_eq!(commit.outcomes.get(5), Some(&Outcome::Deleted { existed: true }));
    assert_eq!(sum(7), 15_f64.to_bits());
    assert_eq!(sum(9), 1_f64.to_bits());
    assert_eq!(commit.outcomes.get(12), Some(&Outcome::Deleted { existed: false }));
}

pub fn checks_compare_versions(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    let with = |version| Batch::of([Op::set("k", json("\"new\""))]).with_checks([Check::new("k", version)]);
    let refusal = |version| code_of(engine.commit(with(version)));
    engine.run(with(None));
    assert_eq!(refusal(None), Some(Code::Conflict));
    let version = engine.version("k");
    assert!(version.is_some());
    engine.set("k", "\"other\"");
    assert_eq!(refusal(version), Some(Code::Conflict));
    engine.run(with(engine.version("k")));
    assert_eq!(engine.value("k").as_deref(), Some("\"new\""));
    engine.delete("k");
    assert_eq!(refusal(version), Some(Code::Conflict));
    assert_eq!(refusal(Some(Version::of_commit(0))), Some(Code::Conflict));
    let outcome = engine.run(with(None).reporting()).outcomes;
    match outcome.first() {
        Some(Outcome::Set { version }) => assert_eq!(engine.version("k"), Some(*version)),
        other => panic!("{other:?}"),
    }
}

pub fn versions_change_exactly_with_value_and_expiry(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    engine.set("k", "1");
    let first = engine.version("k");
    assert_eq!(engine.version("k"), first, "reading changes nothing");
    engine.set("k", "2");
    let second = engine.version("k");
    assert_ne!(first, second);
    let later = now() + 1_000_000;
    engine.run(Op::set("k", json("2")).expiring(later));
    let third = engine.version("k");
    assert_ne!(second, third);
    engine.set("other", "2");
    assert_eq!(engine.version("k"), third, "another key changes nothing");
}

pub fn increments_are_exact_and_refuse_other_types(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    let step = |by| engine.add("n", by);
    assert_eq!(step(1.0).to_bits(), 1_f64.to_bits());
    assert_eq!(step(-0.9).to_bits(), (1.0_f64 - 0.9).to_bits());
    let mut expected = 1.0 - 0.9;
    for by in [0.1, 0.2, 1e21, -1e21, 3.5e-7, 9_007_199_254_740_991.0] {
        expected += by;
        assert_eq!(step(by).to_bits(), f64::to_bits(expected), "{by}");
    }
    assert_eq!(step(f64::INFINITY).to_bits(), f64::INFINITY.to_bits());
    assert!(step(f64::NEG_INFINITY).is_nan());
    assert_eq!(engine.value("n").as_deref(), Some("{\"$number\":\"NaN\"}"));
    for text in ["\"1\"", "null", "true", "[1]", "{\"$bigint\":\"1\"}"] {
        engine.set("n", text);
        let refused = engine.commit(Batch::one(Op::add("n", 1.0)));
        assert_eq!(code_of(refused), Some(Code::InvalidArgument), "{text}");
        assert_eq!(engine.value("n").as_deref(), Some(text));
    }
}

pub fn whole_numbers_beyond_2_53_are_refused(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    for (held, by) in
        [("9007199254740991", 2.0), ("9007199254740992", 1.0), ("-9007199254740992", -1.0), ("1e300", 1.0)]
    {
        engine.set("n", held);
        let refused = engine.commit(Batch::one(Op::add("n", by)));
        assert_eq!(code_of(refused), Some(Code::InvalidArgument), "{held} {by}");
        assert_eq!(engine.value("n").as_deref(), Some(held));
    }
    engine.set("n", "9007199254740991");
    assert_eq!(engine.add("n", 1.0).to_bits(), 9_007_199_254_740_992_f64.to_bits());
    assert_eq!(engine.add("n", -2.0).to_bits(), 9_007_199_254_740_990_f64.to_bits());
    assert_eq!(code_of(engine.commit(Batch::one(Op::add("new", 1e16)))), Some(Code::InvalidArgument));
}

pub fn a_failed_increment_in_a_batch_writes_nothing(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    engine.set("text", "\"x\"");
    let batch = Batch::of([Op::set("a", json("1")), Op::add("text", 1.0), Op::set("b", json("1"))]);
    assert_eq!(code_of(engine.commit(batch)), Some(Code::InvalidArgument));
    assert_eq!(engine.keys(&KeyRange::all()), ["text"]);
}

pub fn both_keyspaces_change_together(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    let pair = Batch::of([Op::set("doc", json("1")), Op::set("index", json("2")).in_space(Space::Internal)]);
    let refused = pair.clone().with_checks([Check::new("missing", Version::of_commit(9))]);
    assert_eq!(code_of(engine.commit(refused)), Some(Code::Conflict));
    assert!(!engine.has("doc"));
    assert!(!engine.has_in(Space::Internal, "index"));
    engine.run(pair);
    assert!(engine.has("doc"));
    assert!(engine.has_in(Space::Internal, "index"));
}

pub fn range_checks_see_later_commits(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    let first = engine.set("a/1", "1").seq;
    let guarded = |since| {
        let unchanged = RangeCheck::new(KeyRange::prefix("a/"), since);
        Batch::of([Op::set("z", json("1"))]).with_range_checks([unchanged])
    };
    let since = engine.run(guarded(first)).seq;
    let second = engine.set("a/2", "1").seq;
    assert_eq!(code_of(engine.commit(guarded(since))), Some(Code::Conflict), "an insert");
    engine.run(guarded(second));
    let seq = engine.set("q", "1").seq;
    assert!(engine.delete("a/1"));
    assert_eq!(code_of(engine.commit(guarded(seq))), Some(Code::Conflict), "a delete");
}

pub fn sequence_numbers_increase(fixture: &dyn Fixture) {
    let mut last = 0;
    for _ in 0..3 {
        let lease = open(fixture);
        if !fixture.persistent() {
            last = 0;
        }
        for n in 0..20 {
            let seq = lease.engine().set(&format!("k{n}"), "1").seq;
            assert!(seq > last, "{seq} after {last}");
            last = seq;
        }
        close(lease);
    }
}

pub fn a_delete_reports_whether_the_key_was_there(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    engine.set("a", "null");
    engine.run(Op::set("gone", json("1")).expiring(now().saturating_sub(1)));
    let outcomes = engine.run(Batch::of(["a", "b", "gone"].map(Op::delete)).reporting()).outcomes;
    assert_eq!(outcomes, [true, false, false].map(|existed| Outcome::Deleted { existed }));
}

pub fn a_range_is_deleted_and_nothing_else(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    for key in ["p", "p/", "p/a", "p/b/c", "p0", "pp", "\u{10ffff}"] {
        engine.set(key, "1");
    }
    engine.run(Op::delete_range(KeyRange::prefix("p/")));
    assert_eq!(engine.keys(&KeyRange::all()), ["p", "p0", "pp", "\u{10ffff}"]);
    assert!(!engine.has("p/a"));
    engine.run(Op::delete_range(KeyRange::all()));
    assert!(engine.keys(&KeyRange::all()).is_empty());
    engine.set("p/a", "2");
    assert_eq!(engine.value("p/a").as_deref(), Some("2"));
}

pub fn an_empty_batch_marks_a_place_among_the_commits(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    for number in 0..3 {
        let before = engine.set("a", &number.to_string()).seq;
        let mark = engine.run(Batch::default()).seq;
        let behind = engine.set("b", &number.to_string()).seq;
        assert!(before <= mark && mark < behind, "{before} {mark} {behind}");
    }
}

pub fn an_oversized_batch_is_refused_whole(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    let half = json(format!("\"{}\"", "x".repeat(MAX_BATCH_BYTES / 2)));
    let batch = Batch::of([Op::set("a", half.clone()), Op::set("b", half)]);
    assert_eq!(code_of(engine.commit(batch)), Some(Code::ValueTooLarge));
    assert!(!engine.has("a") && !engine.has("b"));
}

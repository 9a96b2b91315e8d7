//! Intents: the writes of a transaction over several engines, stored until it is decided.

use std::ops::Bound;

use bytes::Bytes;

use super::{Fixture, close, open};
use crate::batch::{Batch, Check, IntentId, Op, RangeCheck, Role};
use crate::engine::intent::{self, Decision};
use crate::engine::{Engine, EngineExt};
use crate::error::Code;
use crate::key::{Key, KeyRange, Space};
use crate::record::now;
use crate::testing::{Calls, code_of, compact, json, keys_of, ok, text};
use crate::value::Value;

pub(super) fn id(number: u64) -> IntentId {
    IntentId { log: 0x1010, number }
}

pub(super) fn prepare(engine: &dyn Engine, number: u64, ops: impl Into<Batch>) {
    ok(engine.prepare(id(number), ops.into()));
}

/// True if the intent stood until now.
pub(super) fn resolve(engine: &dyn Engine, number: u64, decision: Decision) -> bool {
    ok(engine.resolve(id(number), decision)).is_some()
}

/// The numbers of the intents that stand.
pub(super) fn standing(engine: &dyn Engine) -> Vec<u64> {
    ok(engine.intents()).iter().map(|intent| intent.id.number).collect()
}

/// The refusal of a batch that also depends on a key that nobody touches.
pub(super) fn refusal(engine: &dyn Engine, ops: impl Into<Batch>) -> Option<Code> {
    code_of(engine.commit(ops.into().with_checks([Check::absent("untouched")])))
}

/// A write of the internal keyspace.
pub(super) fn internal(name: &'static str) -> Op {
    Op::set(name, json("\"ours\"")).in_space(Space::Internal)
}

pub(super) fn clear(prefix: &'static str) -> Op {
    Op::delete_range(KeyRange::prefix(prefix))
}

pub fn an_intent_is_seen_once_it_is_carried_out(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = &**lease.engine();
    engine.set("a", "1");
    engine.set("gone", "1");
    let before = engine.version("a");
    prepare(engine, 1, [Op::set("a", json("2")), Op::set("b", json("2")), Op::delete("gone"), internal("index")]);
    assert_eq!(standing(engine), [1]);
    assert_eq!((engine.value("a").as_deref(), engine.value("b")), (Some("1"), None));
    assert_eq!(engine.version("a"), before);
    assert_eq!(engine.keys(&KeyRange::all()), ["a", "gone"]);
    let view = engine.look();
    assert!(resolve(engine, 1, Decision::Apply));
    assert_eq!(engine.keys(&KeyRange::all()), ["a", "b"]);
    assert_eq!((engine.value("a").as_deref(), engine.value("b").as_deref()), (Some("2"), Some("2")));
    assert!(engine.has_in(Space::Internal, "index"));
    if engine.capabilities().snapshots {
        assert_eq!(keys_of(&*view, &KeyRange::all()), ["a", "gone"], "a view from before is of before");
    }
    assert!(standing(engine).is_empty());
    let writes = [Op::set("a", json("3")), Op::set("gone", json("3"))];
    assert_eq!(refusal(engine, writes), None, "its keys are free");
    assert_eq!(engine.value("a").as_deref(), Some("3"));
}

pub fn a_dropped_intent_writes_nothing_and_frees_its_keys(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = &**lease.engine();
    engine.set("a", "1");
    prepare(engine, 1, [Op::set("a", json("2")), Op::set("b", json("2")), clear("")]);
    assert!(resolve(engine, 1, Decision::Drop));
    assert_eq!(engine.keys(&KeyRange::all()), ["a"]);
    assert_eq!(engine.value("a").as_deref(), Some("1"));
    assert!(standing(engine).is_empty());
    assert_eq!(refusal(engine, [Op::set("a", json("3")), Op::set("b", json("3"))]), None);
}

pub fn an_intent_is_ended_once(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = &**lease.engine();
    assert!(!resolve(engine, 1, Decision::Apply), "there is none yet");
    prepare(engine, 1, Op::add("n", 1.0));
    assert!(resolve(engine, 1, Decision::Apply));
    for decision in [Decision::Apply, Decision::Drop] {
        assert!(!resolve(engine, 1, decision));
    }
    prepare(engine, 2, Op::add("n", 1.0));
    assert!(resolve(engine, 2, Decision::Drop));
    assert!(!resolve(engine, 2, Decision::Apply));
    assert_eq!(engine.value("n").as_deref(), Some("1"));
}

pub fn the_checks_of_an_intent_are_made_when_it_is_prepared(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = &**lease.engine();
    engine.set("read", "1");
    let version = engine.version("read");
    let since = engine.look().seq();
    engine.set("other", "1");
    let refused = |batch: Batch| code_of(engine.prepare(id(1), batch));
    let stale = Batch::of([Op::set("a", json("1"))]).with_checks([Check::absent("read")]);
    assert_eq!(refused(stale), Some(Code::Conflict));
    if engine.capabilities().snapshots {
        let range = RangeCheck::new(KeyRange::prefix("o"), since);
        let stale = Batch::of([Op::set("a", json("1"))]).with_range_checks([range]);
        assert_eq!(refused(stale), Some(Code::Conflict));
    }
    assert!(standing(engine).is_empty());
    assert_eq!(refusal(engine, Op::set("a", json("2"))), None, "what was refused holds nothing");
    let fresh = Batch::of([Op::set("a", json("3"))]).with_checks([Check::new("read", version)]);
    assert_eq!(refused(fresh), None);
    engine.set("read", "2");
    assert!(resolve(engine, 1, Decision::Apply), "what it read may change from then on");
    assert_eq!(engine.value("a").as_deref(), Some("3"));
}

pub fn intents_on_different_keys_stand_together(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = &**lease.engine();
    for number in 1..=20 {
        prepare(engine, number, Op::set(format!("k{number:02}"), json(number.to_string())));
    }
    assert_eq!(standing(engine), (1..=20).collect::<Vec<_>>());
    for number in (1..=20).rev() {
        let decision = if number % 2 == 0 { Decision::Apply } else { Decision::Drop };
        assert!(resolve(engine, number, decision));
    }
    let even: Vec<String> = (1..=10).map(|n| format!("k{:02}", 2 * n)).collect();
    assert_eq!(engine.keys(&KeyRange::all()), even);
}

pub fn ranges_and_counters_of_an_intent_apply_in_order(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = &**lease.engine();
    engine.run([("r/1", "1"), ("r/2", "1"), ("n", "40"), ("s", "1")].map(|(key, value)| Op::set(key, json(value))));
    let (start, end) = (Bound::Excluded(Key::from("r/1")), Bound::Included(Key::from("r/2")));
    prepare(
        engine,
        1,
        [
            Op::delete_range(KeyRange { start, end, ..KeyRange::all() }),
            Op::set("r/3", json("3")),
            Op::add("n", 1.0),
            Op::add("n", 1.0),
            Op::set("s", json("2")),
            Op::delete("s"),
        ],
    );
    assert!(resolve(engine, 1, Decision::Apply));
    assert_eq!(engine.keys(&KeyRange::all()), ["n", "r/1", "r/3"]);
    assert_eq!(engine.value("n").as_deref(), Some("42"));
}

pub fn an_intent_that_could_not_be_carried_out_is_refused(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = &**lease.engine();
    engine.run([Op::set("text", json("\"a\"")), Op::set("past", json("\"a\"")).expiring(now() - 1)]);
    for ops in [
        vec![Op::add("text", 1.0)],
        vec![Op::set("b", json("1")), Op::add("b", 1.0), Op::add("text", 1.0)],
        vec![Op::set("b", json("\"a\"")), Op::add("b", 1.0)],
    ] {
        assert_eq!(code_of(engine.prepare(id(1), Batch::from(ops))), Some(Code::InvalidArgument));
    }
    assert!(standing(engine).is_empty());
    let ops = [Op::add("past", 1.0), Op::set("text", json("1")), Op::add("text", 1.0), clear("b"), Op::add("b", 1.0)];
    prepare(engine, 1, ops);
    assert!(resolve(engine, 1, Decision::Apply));
    for (key, value) in [("past", "1"), ("text", "2"), ("b", "1")] {
        assert_eq!(engine.value(key).as_deref(), Some(value), "{key}");
    }
}

pub fn an_intent_keeps_values_metadata_and_expiry(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = &**lease.engine();
    let later = now() + 1_000_000;
    let metadata = Bytes::from_static(b"{\"a\":1}");
    let buffer = Value::Binary(Bytes::from_static(b"\0\xff\x01"));
    let full = Op::set("k", json("{\"\u{e9}\":[1,null]}")).expiring(later).with_metadata(metadata);
    let expired = Op::set("past", json("1")).expiring(now() - 1);
    prepare(engine, 1, [full, Op::set("b", buffer.clone()), expired]);
    assert!(resolve(engine, 1, Decision::Apply));
    let record = engine.entry("k").unwrap_or_else(|| panic!("gone"));
    assert_eq!(record.expires_at, Some(later));
    assert_eq!(record.metadata.map(|text| compact(&String::from_utf8_lossy(&text))), Some("{\"a\":1}".into()));
    assert_eq!(text(&record.value), "{\"\u{e9}\":[1,null]}");
    let buffered = engine.entry("b").unwrap_or_else(|| panic!("gone"));
    assert_eq!(buffered.value.to_text(), buffer.to_text());
    assert!(!engine.has("past"));
}

pub fn reads_go_on_while_an_intent_stands(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = &**lease.engine();
    engine.set("a", "1");
    prepare(engine, 1, [Op::set("a", json("2")), clear("")]);
    assert_eq!(engine.value("a").as_deref(), Some("1"));
    assert!(engine.has("a"));
    assert_eq!(engine.keys(&KeyRange::all()), ["a"]);
    let record = ok(engine.look().get(Space::User, b"a"));
    assert_eq!(record.map(|record| text(&record.value)).as_deref(), Some("1"));
    assert!(engine.verify(false, &mut |_, _| Ok(())).is_ok_and(|report| report.errors.is_empty()));
    assert!(resolve(engine, 1, Decision::Drop));
}

pub fn intents_survive_a_restart_and_lock_their_keys(fixture: &dyn Fixture) {
    if !fixture.persistent() {
        return;
    }
    let lease = open(fixture);
    let engine = &**lease.engine();
    engine.set("a", "1");
    prepare(engine, 1, [Op::set("a", json("2")), Op::set("b", json("2"))]);
    prepare(engine, 2, [Op::set("c", json("2")), clear("d/")]);
    close(lease);
    let lease = open(fixture);
    let engine = &**lease.engine();
    assert_eq!(standing(engine), [1, 2]);
    assert_eq!(engine.value("a").as_deref(), Some("1"));
    // Where other processes may use the store, a young intent may be one of theirs.
    let left = |code| code == Some(Code::Locked) || code == Some(Code::Conflict) && engine.capabilities().multi_process;
    for op in [Op::set("a", json("3")), Op::set("b", json("3")), clear("c"), Op::set("d/1", json("3"))] {
        assert!(left(refusal(engine, op.clone())), "{op:?}");
        assert!(left(code_of(engine.prepare(id(3), Batch::one(op)))));
    }
    assert_eq!(refusal(engine, Op::set("e", json("3"))), None);
    assert!(resolve(engine, 1, Decision::Apply));
    assert!(resolve(engine, 2, Decision::Drop));
    assert_eq!(engine.keys(&KeyRange::all()), ["a", "b", "e"]);
    let recoveries = ok(engine.stats()).counts.recoveries;
    assert!(recoveries.is_none_or(|recoveries| recoveries == 2), "{recoveries:?}");
    assert_eq!(refusal(engine, [Op::set("a", json("4")), Op::set("c", json("4"))]), None);
    close(lease);
    let lease = open(fixture);
    assert!(standing(&**lease.engine()).is_empty());
    assert_eq!(refusal(&**lease.engine(), Op::set("a", json("5"))), None);
}

/// No test of the suite: engines that keep the records of intents themselves call it.
pub fn a_damaged_intent_stops_writes_until_it_is_set_aside(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = &**lease.engine();
    engine.set("a", "1");
    prepare(engine, 1, Op::set("b", json("2")));
    let Some(Value::Binary(bytes)) = ok(engine.intents()).first().map(intent::Intent::to_value) else {
        panic!("no intent")
    };
    let mut damaged = bytes.to_vec();
    if let Some(byte) = damaged.last_mut() {
        *byte ^= 1;
    }
    let overwrite = Op::set(intent::key(id(1)), Value::Binary(damaged.into())).in_space(Space::Internal);
    // The role only lets the write pass: the store is opened again before anything else.
    engine.run(Batch { role: Role::Resolve(id(1)), ..Batch::one(overwrite) });
    close(lease);

    let lease = open(fixture);
    let engine = &**lease.engine();
    let write = |key: &'static str| code_of(engine.commit(Batch::one(Op::set(key, json("1")))));
    assert_eq!(engine.value("a").as_deref(), Some("1"), "reads go on");
    assert_eq!(write("z"), Some(Code::Corrupted), "any key may be held");
    assert_eq!(code_of(engine.intents()), Some(Code::Corrupted));
    assert_eq!(code_of(engine.resolve(id(1), Decision::Apply)), Some(Code::Corrupted));
    for repair in [false, true] {
        let report = ok(engine.verify(repair, &mut |_, _| Ok(())));
        assert_eq!(report.errors.len(), 1, "{:?}", report.errors);
        assert!(report.errors.iter().all(|error| error.code() == Code::Corrupted && error.key().is_some()));
    }
    assert!(standing(engine).is_empty());
    assert_eq!(write("z"), None);
    let report = ok(engine.verify(false, &mut |_, _| Ok(())));
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    close(lease);
    let lease = open(fixture);
    assert_eq!(code_of(lease.engine().commit(Batch::one(Op::set("b", json("1"))))), None);
}

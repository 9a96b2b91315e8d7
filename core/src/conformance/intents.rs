//! Intents: what a transaction over several engines holds until it is decided.

use std::ops::Bound;

use bytes::Bytes;

use super::{Calls, Fixture, check, open, owned, set};
use crate::batch::{Batch, IntentId, Op, RangeCheck, Role};
use crate::engine::intent::{self, Decision};
use crate::engine::{Engine, EngineExt, Read, Reply};
use crate::error::Code;
use crate::key::{KeyRange, Space};
use crate::keyspace;
use crate::record::now;
use crate::value::Value;

fn id(number: u64) -> IntentId {
    IntentId { log: 0x1010, number }
}

fn batch(ops: Vec<Op>) -> Batch {
    Batch { ops, ..Batch::default() }
}

fn add(key: &str, by: f64) -> Op {
    Op::Add { space: Space::User, key: owned(key), by, expires_at: None, metadata: None }
}

fn clear(prefix: &str) -> Op {
    Op::DeleteRange { space: Space::User, range: KeyRange::prefix(owned(prefix)) }
}

fn internal(key: &str) -> Op {
    Op::Set {
        space: Space::Internal,
        key: owned(key),
        value: Value::json("\"ours\""),
        expires_at: None,
        metadata: None,
    }
}

fn prepare(engine: &dyn Engine, number: u64, ops: Vec<Op>) {
    engine.prepare(id(number), batch(ops)).unwrap_or_else(|error| panic!("prepare: {error} ({:?})", error.cause()));
}

/// True if the intent stood until now.
fn resolve(engine: &dyn Engine, number: u64, decision: Decision) -> bool {
    let resolved = engine.resolve(id(number), decision);
    resolved.unwrap_or_else(|error| panic!("resolve: {error} ({:?})", error.cause())).is_some()
}

fn standing(engine: &dyn Engine) -> Vec<u64> {
    let intents = engine.intents().unwrap_or_else(|error| panic!("intents: {error}"));
    intents.iter().map(|intent| intent.id.number).collect()
}

/// What becomes of `ops` where the batch also depends on a key that nobody touches.
fn conditionally(engine: &dyn Engine, ops: Vec<Op>) -> Option<Code> {
    let checks = vec![check("untouched", None)];
    engine.commit(Batch { checks, ops, ..Batch::default() }).err().map(|error| error.code())
}

fn code(engine: &dyn Engine, batch: Batch) -> Option<Code> {
    engine.commit(batch).err().map(|error| error.code())
}

pub fn an_intent_is_seen_once_it_is_carried_out(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = &**lease.engine();
    engine.set("a", "1");
    engine.set("gone", "1");
    let before = engine.version("a");
    prepare(
        engine,
        1,
        vec![
            set("a", "2", None),
            set("b", "2", None),
            Op::Delete { space: Space::User, key: owned("gone") },
            internal("index"),
        ],
    );
    assert_eq!(standing(engine), [1]);
    assert_eq!((engine.value("a").as_deref(), engine.value("b")), (Some("1"), None));
    assert_eq!(engine.version("a"), before);
    assert_eq!(engine.keys(&KeyRange::all()), ["a", "gone"]);
    let view = engine.look();
    assert!(resolve(engine, 1, Decision::Apply));
    assert_eq!(engine.keys(&KeyRange::all()), ["a", "b"]);
    assert_eq!((engine.value("a").as_deref(), engine.value("b").as_deref()), (Some("2"), Some("2")));
    assert!(matches!(engine.ask(Read::Has(Space::Internal, owned("index"))), Reply::Has(true)));
    if engine.capabilities().snapshots {
        assert_eq!(super::keys_of(&*view, &KeyRange::all()), ["a", "gone"], "a view from before is of before");
    }
    assert!(standing(engine).is_empty());
    assert_eq!(conditionally(engine, vec![set("a", "3", None), set("gone", "3", None)]), None, "its keys are free");
    assert_eq!(engine.value("a").as_deref(), Some("3"));
}

pub fn a_dropped_intent_writes_nothing_and_frees_its_keys(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = &**lease.engine();
    engine.set("a", "1");
    prepare(engine, 1, vec![set("a", "2", None), set("b", "2", None), clear("")]);
    assert!(resolve(engine, 1, Decision::Drop));
    assert_eq!(engine.keys(&KeyRange::all()), ["a"]);
    assert_eq!(engine.value("a").as_deref(), Some("1"));
    assert!(standing(engine).is_empty());
    assert_eq!(conditionally(engine, vec![set("a", "3", None), set("b", "3", None)]), None);
}

pub fn an_intent_is_ended_once(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = &**lease.engine();
    assert!(!resolve(engine, 1, Decision::Apply), "there is none yet");
    prepare(engine, 1, vec![add("n", 1.0)]);
    assert!(resolve(engine, 1, Decision::Apply));
    for decision in [Decision::Apply, Decision::Drop] {
        assert!(!resolve(engine, 1, decision));
    }
    prepare(engine, 2, vec![add("n", 1.0)]);
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
    let refused = |batch| engine.prepare(id(1), batch).err().map(|error| error.code());
    let stale = Batch { checks: vec![check("read", None)], ..batch(vec![set("a", "1", None)]) };
    assert_eq!(refused(stale), Some(Code::Conflict));
    if engine.capabilities().snapshots {
        let range = RangeCheck { space: Space::User, range: KeyRange::prefix(&b"o"[..]), since };
        let stale = Batch { range_checks: vec![range], ..batch(vec![set("a", "1", None)]) };
        assert_eq!(refused(stale), Some(Code::Conflict));
    }
    assert!(standing(engine).is_empty());
    assert_eq!(conditionally(engine, vec![set("a", "2", None)]), None, "what was refused holds nothing");
    let fresh = Batch { checks: vec![check("read", version)], ..batch(vec![set("a", "3", None)]) };
    assert_eq!(refused(fresh), None);
    engine.set("read", "2");
    assert!(resolve(engine, 1, Decision::Apply), "what it read may change from then on");
    assert_eq!(engine.value("a").as_deref(), Some("3"));
}

pub fn a_conditional_batch_on_a_held_key_conflicts_and_others_go_through(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = &**lease.engine();
    engine.set("a", "1");
    engine.set("gone", "1");
    let version = engine.version("a");
    prepare(
        engine,
        1,
        vec![set("a", "2", None), add("n", 1.0), Op::Delete { space: Space::User, key: owned("gone") }, internal("x")],
    );
    for op in [set("a", "3", None), add("n", 1.0), set("gone", "3", None), internal("x")] {
        assert_eq!(conditionally(engine, vec![set("b", "3", None), op]), Some(Code::Conflict));
    }
    let delete = Op::Delete { space: Space::User, key: owned("a") };
    let guarded = Batch { checks: vec![check("a", version)], ..batch(vec![delete]) };
    assert_eq!(code(engine, guarded), Some(Code::Conflict));
    assert_eq!(engine.value("b"), None, "a refused batch writes nothing");
    let reading = Batch { checks: vec![check("a", version)], ..batch(vec![set("c", "3", None)]) };
    assert_eq!(code(engine, reading), None, "a held key may be read and checked");
    // Neither is a key of the other keyspace held, nor one that only looks alike.
    assert_eq!(conditionally(engine, vec![set("x", "3", None), set("a/b", "3", None), internal("a")]), None);
    assert!(resolve(engine, 1, Decision::Apply));
    assert_eq!((engine.value("a").as_deref(), engine.value("n").as_deref()), (Some("2"), Some("1")));
}

pub fn a_plain_write_of_a_held_key_conflicts(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = &**lease.engine();
    engine.set("a", "1");
    prepare(engine, 1, vec![set("a", "2", None), set("b", "2", None)]);
    if fixture.refuses_plain_writes() {
        for op in [set("a", "3", None), add("b", 1.0), Op::Delete { space: Space::User, key: owned("a") }, clear("a")] {
            assert_eq!(code(engine, Batch::one(op.clone())), Some(Code::Conflict));
            assert_eq!(code(engine, batch(vec![set("c", "3", None), op]).reporting()), Some(Code::Conflict));
        }
        assert_eq!((engine.value("a").as_deref(), engine.value("c")), (Some("1"), None));
        // One refused batch of a group leaves the others alone.
        let (sender, receiver) = std::sync::mpsc::channel();
        for n in 0..50_u64 {
            let sender = sender.clone();
            let key = if n % 2 == 0 { "a".to_owned() } else { format!("free{n}") };
            let request = crate::engine::Request::Commit(Batch::one(set(&key, "4", None)));
            engine.submit(request, Box::new(move |reply| sender.send((n, reply.map(drop))).unwrap_or(())));
        }
        drop(sender);
        for (n, result) in receiver {
            let expected = if n % 2 == 0 { Some(Code::Conflict) } else { None };
            assert_eq!(result.err().map(|error| error.code()), expected, "{n}");
        }
        assert_eq!(engine.keys(&KeyRange::prefix(owned("free"))).len(), 25);
    }
    assert!(resolve(engine, 1, Decision::Apply));
    assert_eq!((engine.value("a").as_deref(), engine.value("b").as_deref()), (Some("2"), Some("2")));
}

pub fn ranges_and_held_keys_exclude_each_other(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = &**lease.engine();
    engine.run(batch(vec![set("a/1", "1", None), set("b/1", "1", None), set("c/1", "1", None)]));
    prepare(engine, 1, vec![set("a/2", "2", None)]);
    prepare(engine, 2, vec![clear("b/")]);
    assert_eq!(conditionally(engine, vec![clear("a/")]), Some(Code::Conflict), "a held key, not there yet");
    assert_eq!(conditionally(engine, vec![clear("b/x")]), Some(Code::Conflict), "inside a held range");
    assert_eq!(conditionally(engine, vec![clear("")]), Some(Code::Conflict));
    assert_eq!(conditionally(engine, vec![set("b/9", "3", None)]), Some(Code::Conflict));
    assert_eq!(conditionally(engine, vec![clear("c/"), set("b", "3", None), set("b0", "3", None)]), None);
    let ours = Op::DeleteRange { space: Space::Internal, range: keyspace::models() };
    assert_eq!(conditionally(engine, vec![ours]), None);
    assert_eq!(standing(engine), [1, 2], "what clears the models' keys leaves intents alone");
    assert_eq!(engine.keys(&KeyRange::all()), ["a/1", "b", "b/1", "b0"]);
    assert!(resolve(engine, 2, Decision::Apply));
    assert!(resolve(engine, 1, Decision::Apply));
    assert_eq!(engine.keys(&KeyRange::all()), ["a/1", "a/2", "b", "b0"]);
    assert_eq!(conditionally(engine, vec![clear("")]), None);
}

pub fn a_second_intent_on_a_held_key_is_refused(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = &**lease.engine();
    prepare(engine, 1, vec![set("a", "1", None), clear("r/")]);
    for op in [set("a", "2", None), add("a", 1.0), clear("a"), set("r/1", "2", None), clear("r/1"), clear("")] {
        let refused = engine.prepare(id(2), batch(vec![set("b", "2", None), op]));
        assert_eq!(refused.err().map(|error| error.code()), Some(Code::Conflict));
    }
    assert_eq!(standing(engine), [1]);
    assert_eq!(conditionally(engine, vec![set("b", "3", None)]), None);
    assert!(resolve(engine, 1, Decision::Drop));
    prepare(engine, 2, vec![set("a", "2", None)]);
    assert!(resolve(engine, 2, Decision::Apply));
    assert_eq!(engine.value("a").as_deref(), Some("2"));
}

pub fn intents_on_different_keys_stand_together(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = &**lease.engine();
    for number in 1..=20 {
        prepare(engine, number, vec![set(&format!("k{number:02}"), &number.to_string(), None)]);
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
    engine.run(batch(vec![set("r/1", "1", None), set("r/2", "1", None), set("n", "40", None), set("s", "1", None)]));
    let some =
        KeyRange { start: Bound::Excluded(owned("r/1")), end: Bound::Included(owned("r/2")), ..KeyRange::default() };
    prepare(
        engine,
        1,
        vec![
            Op::DeleteRange { space: Space::User, range: some },
            set("r/3", "3", None),
            add("n", 1.0),
            add("n", 1.0),
            set("s", "2", None),
            Op::Delete { space: Space::User, key: owned("s") },
        ],
    );
    assert!(resolve(engine, 1, Decision::Apply));
    assert_eq!(engine.keys(&KeyRange::all()), ["n", "r/1", "r/3"]);
    assert_eq!(engine.value("n").as_deref(), Some("42"));
}

pub fn an_intent_that_could_not_be_carried_out_is_refused(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = &**lease.engine();
    engine.run(batch(vec![set("text", "\"a\"", None), set("past", "\"a\"", Some(now() - 1))]));
    for ops in [
        vec![add("text", 1.0)],
        vec![set("b", "1", None), add("b", 1.0), add("text", 1.0)],
        vec![set("b", "\"a\"", None), add("b", 1.0)],
    ] {
        let refused = engine.prepare(id(1), batch(ops)).err().map(|error| error.code());
        assert_eq!(refused, Some(Code::InvalidArgument));
    }
    assert!(standing(engine).is_empty());
    prepare(engine, 1, vec![add("past", 1.0), set("text", "1", None), add("text", 1.0), clear("b"), add("b", 1.0)]);
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
    let record = Op::Set {
        space: Space::User,
        key: owned("k"),
        value: Value::json("{\"\u{e9}\":[1,null]}"),
        expires_at: Some(later),
        metadata: Some(metadata.clone()),
    };
    let buffer = Value::Binary(Bytes::from_static(b"\0\xff\x01"));
    let plain =
        Op::Set { space: Space::User, key: owned("b"), value: buffer.clone(), expires_at: None, metadata: None };
    prepare(engine, 1, vec![record, plain, set("past", "1", Some(now() - 1))]);
    assert!(resolve(engine, 1, Decision::Apply));
    let record = engine.entry("k").unwrap_or_else(|| panic!("gone"));
    assert_eq!(record.expires_at, Some(later));
    assert_eq!(record.metadata.map(|text| super::compact(&String::from_utf8_lossy(&text))), Some("{\"a\":1}".into()));
    assert_eq!(super::text(record.value), "{\"\u{e9}\":[1,null]}");
    let buffered = engine.entry("b").unwrap_or_else(|| panic!("gone"));
    assert_eq!(buffered.value.to_text(), buffer.to_text());
    assert!(!engine.has("past"));
}

pub fn reads_go_on_while_an_intent_stands(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = &**lease.engine();
    engine.set("a", "1");
    prepare(engine, 1, vec![set("a", "2", None), clear("")]);
    assert_eq!(engine.value("a").as_deref(), Some("1"));
    assert!(engine.has("a"));
    assert_eq!(engine.keys(&KeyRange::all()), ["a"]);
    let view = engine.look();
    assert_eq!(view.get(Space::User, b"a").map(|record| record.map(|record| super::text(record.value))).ok(), {
        Some(Some("1".to_owned()))
    });
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
    prepare(engine, 1, vec![set("a", "2", None), set("b", "2", None)]);
    prepare(engine, 2, vec![set("c", "2", None), clear("d/")]);
    lease.close().unwrap_or_else(|error| panic!("{error}"));
    let lease = open(fixture);
    let engine = &**lease.engine();
    assert_eq!(standing(engine), [1, 2]);
    assert_eq!(engine.value("a").as_deref(), Some("1"));
    // Where other processes may be at it, a young intent may be one of theirs.
    let left = |code| code == Some(Code::Locked) || code == Some(Code::Conflict) && engine.capabilities().multi_process;
    for op in [set("a", "3", None), set("b", "3", None), clear("c"), set("d/1", "3", None)] {
        assert!(left(conditionally(engine, vec![op.clone()])), "{op:?}");
        assert!(left(engine.prepare(id(3), batch(vec![op])).err().map(|error| error.code())));
    }
    assert_eq!(conditionally(engine, vec![set("e", "3", None)]), None);
    assert!(resolve(engine, 1, Decision::Apply));
    assert!(resolve(engine, 2, Decision::Drop));
    assert_eq!(engine.keys(&KeyRange::all()), ["a", "b", "e"]);
    let recoveries = engine.stats().unwrap_or_else(|error| panic!("{error}")).counts.recoveries;
    assert!(recoveries.is_none_or(|recoveries| recoveries == 2), "{recoveries:?}");
    assert_eq!(conditionally(engine, vec![set("a", "4", None), set("c", "4", None)]), None);
    lease.close().unwrap_or_else(|error| panic!("{error}"));
    let lease = open(fixture);
    assert!(standing(&**lease.engine()).is_empty());
    assert_eq!(conditionally(&**lease.engine(), vec![set("a", "5", None)]), None);
}

/// For engines that keep the records of intents themselves; no case of the suite.
pub fn a_damaged_intent_stops_writes_until_it_is_set_aside(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = &**lease.engine();
    engine.set("a", "1");
    prepare(engine, 1, vec![set("b", "2", None)]);
    let intents = engine.intents().unwrap_or_else(|error| panic!("{error}"));
    let Some(Value::Binary(bytes)) = intents.first().map(intent::Intent::to_value) else { panic!("no intent") };
    let mut damaged = bytes.to_vec();
    if let Some(byte) = damaged.last_mut() {
        *byte ^= 1;
    }
    let (space, value) = (Space::Internal, Value::Binary(damaged.into()));
    // The role only lets the write pass: the store is opened again before anything else.
    let overwrite = Op::Set { space, key: intent::key(id(1)), value, expires_at: None, metadata: None };
    engine.run(Batch { role: Role::Resolve(id(1)), ..Batch::one(overwrite) });
    lease.close().unwrap_or_else(|error| panic!("{error}"));

    let lease = open(fixture);
    let engine = &**lease.engine();
    assert_eq!(engine.value("a").as_deref(), Some("1"), "reads go on");
    assert_eq!(code(engine, Batch::one(set("z", "1", None))), Some(Code::Corrupted), "any key may be held");
    assert_eq!(engine.intents().err().map(|error| error.code()), Some(Code::Corrupted));
    assert_eq!(engine.resolve(id(1), Decision::Apply).err().map(|error| error.code()), Some(Code::Corrupted));
    for repair in [false, true] {
        let report = engine.verify(repair, &mut |_, _| Ok(())).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(report.errors.len(), 1, "{:?}", report.errors);
        assert!(report.errors.iter().all(|error| error.code() == Code::Corrupted && error.key().is_some()));
    }
    assert!(standing(engine).is_empty());
    assert_eq!(code(engine, Batch::one(set("z", "1", None))), None);
    let report = engine.verify(false, &mut |_, _| Ok(())).unwrap_or_else(|error| panic!("{error}"));
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    lease.close().unwrap_or_else(|error| panic!("{error}"));
    let lease = open(fixture);
    assert_eq!(code(&**lease.engine(), Batch::one(set("b", "1", None))), None);
}

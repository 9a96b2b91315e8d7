//! Replacements of the whole content.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use super::change_log::{latest, logs, resume};
use super::transactions::Inside;
use super::watching::{Watcher, can_be_watched};
use super::{Fixture, close, open};
use crate::batch::{Batch, IntentId, Op};
use crate::engine::intent::Decision;
use crate::engine::watch;
use crate::engine::{Engine, EngineExt, Item, Projection, Read, Reply, Staged, Staging, for_each_page};
use crate::error::Code;
use crate::key::{Key, KeyRange, Space};
use crate::record::{Record, now};
use crate::testing::{Calls, code_of, json, key, keys_of, ok, text};
use crate::value::Value;

/// Begins a replacement. `None` for an engine that has none, and refuses it.
fn stage(engine: &Arc<dyn Engine>) -> Option<Box<dyn Staging>> {
    if engine.replaceable().is_none() {
        assert_eq!(code_of(engine.stage().map(|_| ())), Some(Code::NotSupported));
        return None;
    }
    Some(ok(engine.stage()))
}

fn user(name: &str, text: &str) -> Staged {
    Staged { space: Space::User, key: key(name), record: Record::bare(json(text), None) }
}

fn internal(name: &[u8], text: &str) -> Staged {
    Staged { space: Space::Internal, key: Key::copy_from_slice(name), record: Record::bare(json(text), None) }
}

/// Replaces the content by records under the users' keys.
fn replace(engine: &Arc<dyn Engine>, records: &[(&str, &str)]) -> bool {
    let Some(mut staging) = stage(engine) else { return false };
    ok(staging.write(records.iter().map(|(name, text)| user(name, text)).collect()));
    ok(staging.swap());
    true
}

/// The users' records and those of the models, without versions and the times of an engine that keeps none.
fn content(engine: &Arc<dyn Engine>) -> BTreeMap<(Space, Key), Record> {
    let view = engine.look();
    let mut found = BTreeMap::new();
    for (space, range) in [(Space::User, KeyRange::all()), (Space::Internal, crate::keyspace::models())] {
        ok(for_each_page(&*view, space, &range, Projection::Records, |page| {
            for (key, item) in page {
                let Item::Record(record) = item else { panic!("not a record") };
                found.insert((space, key), *record);
            }
            Ok(true)
        }));
    }
    found
}

pub fn a_replacement_is_the_content_at_once(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    engine.run((0..300).map(|n| Op::set(format!("k{n:03}"), json("\"old\""))).collect::<Batch>());
    engine.run(
        [Op::set(&b"\x01index"[..], json("1")), Op::set(&b"\x02index"[..], json("1"))]
            .map(|op| op.in_space(Space::Internal)),
    );
    // Reads fill the caches, which must not outlive the content.
    assert!((0..300).all(|n| engine.value(&format!("k{n:03}")).as_deref() == Some("\"old\"")));
    let before = engine.set("before", "1").seq;
    let Some(mut staging) = stage(engine) else { return };
    let later = now() + 3_600_000;
    let rich = Record {
        expires_at: Some(later),
        created_at: Some(1_000_000_000_000),
        updated_at: Some(1_500_000_000_000),
        metadata: Some("{\"by\":\"ada\"}".into()),
        ..Record::bare(json("{\"a\":[1,2]}"), None)
    };
    let expired = Record::bare(json("1"), Some(1));
    let binary = Record::bare(Value::Binary(vec![0, 1, 255].into()), None);
    let large = Record::bare(json(format!("\"{}\"", "x".repeat(300_000))), None);
    let in_user = |name: &str, record| Staged { space: Space::User, key: key(name), record };
    ok(staging.write(vec![in_user("rich", rich.clone()), in_user("binary", binary), in_user("large", large)]));
    ok(staging.write(vec![in_user("expired", expired), user("twice", "1"), internal(b"\x01index", "2")]));
    ok(staging.write((0..300).step_by(2).map(|n| user(&format!("k{n:03}"), "\"new\"")).collect()));
    ok(staging.write(vec![user("twice", "2"), user("a/b", "3"), user("ключ", "4")]));
    assert_eq!(engine.value("k000").as_deref(), Some("\"old\""));
    assert!(!engine.has("rich") && engine.has_in(Space::Internal, "\x02index"));
    engine.set("meanwhile", "1");
    let commit = ok(staging.swap());

    assert!(commit.seq > before);
    for n in 0..300 {
        let expected = (n % 2 == 0).then_some("\"new\"");
        assert_eq!(engine.value(&format!("k{n:03}")).as_deref(), expected, "k{n:03}");
    }
    assert_eq!(engine.keys(&KeyRange::all()).len(), 150 + 6);
    assert!(!engine.has("before") && !engine.has("meanwhile") && !engine.has("expired"));
    assert_eq!(engine.value("twice").as_deref(), Some("2"));
    assert_eq!(engine.value("binary"), Some(text(&Value::Binary(vec![0, 1, 255].into()))));
    assert_eq!(engine.value("large").map(|text| text.len()), Some(300_002));
    let found = engine.entry("rich").unwrap_or_else(|| panic!("it is gone"));
    assert_eq!((found.expires_at, found.metadata), (rich.expires_at, rich.metadata));
    if engine.capabilities().timestamps {
        assert_eq!((found.created_at, found.updated_at), (rich.created_at, rich.updated_at));
    }
    assert!(engine.has_in(Space::Internal, "\x01index") && !engine.has_in(Space::Internal, "\x02index"));
    assert!(engine.set("after", "1").seq > commit.seq);
    assert!(ok(engine.verify(false, &mut |_, _| Ok(()))).errors.is_empty());
    let kept = content(engine);
    if fixture.persistent() {
        close(lease);
        let lease = open(fixture);
        assert!(content(lease.engine()) == kept, "it reads otherwise after reopening");
        assert!(lease.engine().set("again", "1").seq > commit.seq);
    }
}

pub fn a_replacement_that_is_dropped_leaves_nothing(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    engine.set("k", "1");
    let Some(mut staging) = stage(engine) else { return };
    ok(staging.write((0..2000).map(|n| user(&format!("n{n}"), "1")).collect()));
    assert_eq!(code_of(engine.stage().map(|_| ())), Some(Code::Locked), "one at a time");
    drop(staging);
    assert_eq!(engine.keys(&KeyRange::all()), ["k"]);
    // The staged records are not in the next one either.
    let mut staging = ok(engine.stage());
    assert_eq!(code_of(staging.write(vec![internal(b"\0store", "1")])), Some(Code::InvalidArgument));
    assert!(staging.write(vec![user("k", "2")]).is_err(), "an error ends it");
    drop(staging);
    assert!(replace(engine, &[]));
    assert_eq!(engine.keys(&KeyRange::all()), [""; 0]);
    engine.set("k", "3");
    // A close removes what is staged.
    let mut staging = ok(engine.stage());
    ok(staging.write(vec![user("staged", "1")]));
    close(lease);
    assert!(staging.write(vec![user("staged", "2")]).is_err());
    assert!(staging.swap().is_err());
    if fixture.persistent() {
        let lease = open(fixture);
        assert_eq!(lease.engine().keys(&KeyRange::all()), ["k"]);
        assert!(replace(lease.engine(), &[("a", "1")]));
        assert_eq!(lease.engine().keys(&KeyRange::all()), ["a"]);
    }
}

pub fn a_replacement_waits_for_no_intent_and_overrides_none(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    engine.set("k", "1");
    let id = IntentId { log: 1, number: 1 };
    let Some(mut staging) = stage(engine) else { return };
    ok(staging.write(vec![user("new", "1")]));
    ok(engine.prepare(id, Batch::one(Op::set("k", json("2")))));
    assert_eq!(code_of(staging.swap()), Some(Code::Conflict));
    assert_eq!(code_of(engine.stage().map(|_| ())), Some(Code::Conflict));
    assert_eq!(engine.value("k").as_deref(), Some("1"));
    assert!(ok(engine.resolve(id, Decision::Apply)).is_some());
    assert_eq!(engine.value("k").as_deref(), Some("2"));
    assert!(replace(engine, &[("new", "1")]));
    // The keys of the content are free for the next one.
    ok(engine.prepare(id, Batch::one(Op::set("new", json("2")))));
    assert!(ok(engine.resolve(id, Decision::Apply)).is_some());
    assert_eq!(engine.value("new").as_deref(), Some("2"));
}

/// Begins a transaction in which `read` reads, replaces the content, and commits a write of another key, which must
/// fail with a conflict.
fn conflicts_across(engine: &Arc<dyn Engine>, read: impl FnOnce(&Arc<dyn Engine>)) {
    engine.run(Op::delete_range(KeyRange::all()));
    engine.run([Op::set("a", json("1")), Op::set("b", json("1"))]);
    let inside = Inside::begin(engine);
    read(&inside.engine);
    inside.engine.set("c", "1");
    replace(engine, &[("a", "2"), ("z", "1")]);
    inside.conflicts();
}

pub fn a_transaction_that_read_replaced_content_conflicts(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    if stage(engine).is_none() {
        return;
    }
    conflicts_across(engine, |inside| assert_eq!(inside.value("a").as_deref(), Some("1")));
    conflicts_across(engine, |inside| assert!(inside.has("b")));
    conflicts_across(engine, |inside| assert!(!inside.has("z")));
    conflicts_across(engine, |inside| assert_eq!(inside.keys(&KeyRange::all()), ["a", "b"]));
    assert_eq!(engine.keys(&KeyRange::all()), ["a", "z"]);
    // A version of the old content is none of the new one, and the other way round.
    engine.set("a", "7");
    let old = engine.version("a");
    replace(engine, &[("a", "8")]);
    let new = engine.version("a");
    engine.set("a", "9");
    assert!(old != new && new != engine.version("a"));
}

pub fn a_view_of_replaced_content_keeps_it_or_conflicts(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    engine.run((0..100).map(|n| Op::set(format!("k{n:02}"), json("\"old\""))).collect::<Batch>());
    let view = engine.look();
    let first = ok(view.scan(Space::User, &KeyRange::all(), Projection::Values, None, 32));
    if !replace(engine, &[("k50", "\"new\""), ("new", "1")]) {
        return;
    }
    let is_new = |record: Option<Record>| record.map(|record| text(&record.value)).as_deref() == Some("\"new\"");
    assert!(is_new(ok(engine.look().get(Space::User, b"k50"))));
    assert_eq!(keys_of(&*engine.look(), &KeyRange::all()), ["k50", "new"]);
    if !engine.capabilities().snapshots {
        return;
    }
    match view.get(Space::User, b"k50") {
        Ok(found) => assert_eq!(found.map(|record| text(&record.value)).as_deref(), Some("\"old\"")),
        Err(error) => assert_eq!(error.code(), Code::Conflict),
    }
    match view.scan(Space::User, &KeyRange::all(), Projection::Values, first.next.as_deref(), usize::MAX) {
        Ok(rest) => assert_eq!(first.entries.len() + rest.entries.len(), 100),
        Err(error) => assert_eq!(error.code(), Code::Conflict),
    }
}

pub fn watches_end_at_a_replacement_and_the_log_begins_anew(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    if !can_be_watched(engine) || stage(engine).is_none() {
        return;
    }
    let watcher = Watcher::new(engine, watch::Options::default());
    engine.set("a", "1");
    assert_eq!(watcher.told(1), [["a=1"]]);
    assert!(replace(engine, &[("b", "2")]));
    assert_eq!(watcher.error().code(), Code::PreconditionFailed);
    let next = Watcher::new(engine, watch::Options::default());
    engine.set("c", "3");
    assert_eq!(next.told(1), [["c=3"]]);
    if !logs(engine) {
        return;
    }
    let start = latest(engine);
    let logged = resume(engine, start);
    engine.set("d", "4");
    assert_eq!(logged.told(1), [["d=4"]]);
    assert!(replace(engine, &[("e", "5")]));
    assert_eq!(logged.error().code(), Code::PreconditionFailed);
    let beginning = latest(engine);
    let error = resume(engine, start).error();
    assert_eq!(error.code(), Code::PreconditionFailed, "{error}");
    engine.set("f", "6");
    assert_eq!(resume(engine, beginning).told(1), [["f=6"]]);
}

/// Where the engine has no step for a whole range, every key is of one of the two contents.
pub fn readers_see_one_content_or_the_other(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine().clone();
    let names: Vec<Key> = (0..20).map(|n| key(&format!("k{n:02}"))).collect();
    let write = |generation: u64| -> Option<()> {
        let mut staging = stage(&engine)?;
        let record = || Record::bare(json(generation.to_string()), None);
        let staged = |key: &Key| Staged { space: Space::User, key: key.clone(), record: record() };
        ok(staging.write(names.iter().map(staged).collect()));
        ok(staging.swap());
        Some(())
    };
    if write(0).is_none() {
        return;
    }
    let over = Arc::new(AtomicBool::new(false));
    let (mixed, seen) = mpsc::channel();
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let (engine, names, over, mixed) = (engine.clone(), names.clone(), over.clone(), mixed.clone());
            thread::spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let Reply::Values(values) = ok(engine.read(Read::Many(Space::User, names.clone()))) else {
                        panic!("not values")
                    };
                    let texts: Vec<Option<String>> = values.iter().map(|value| value.as_ref().map(text)).collect();
                    if texts.windows(2).any(|pair| pair[0] != pair[1]) {
                        mixed.send(texts).unwrap_or(());
                    }
                }
            })
        })
        .collect();
    for generation in 1..=20 {
        write(generation);
        assert_eq!(engine.value("k00"), Some(generation.to_string()));
    }
    over.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.join().unwrap_or_else(|_| panic!("a reader failed"));
    }
    drop(mixed);
    if engine.capabilities().atomic_clear {
        assert_eq!(seen.iter().next(), None);
    }
}

pub fn writes_beside_a_replacement_are_before_or_behind_it(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine().clone();
    if stage(&engine).is_none() {
        return;
    }
    let over = Arc::new(AtomicBool::new(false));
    let writer = {
        let (engine, over) = (engine.clone(), over.clone());
        thread::spawn(move || {
            let mut written: Vec<(u64, u64)> = Vec::new();
            for n in 0.. {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                match engine.commit(Batch::one(Op::set(key(&format!("w{n:06}")), json("1")))) {
                    Ok(commit) => written.push((n, commit.seq)),
                    Err(error) => assert!(error.code().retryable(), "{error}"),
                }
            }
            written
        })
    };
    let mut last = 0;
    for _ in 0..10 {
        let mut staging = ok(engine.stage());
        ok(staging.write(vec![user("kept", "1")]));
        last = ok(staging.swap()).seq;
    }
    over.store(true, Ordering::Relaxed);
    let written = writer.join().unwrap_or_else(|_| panic!("the writer failed"));
    let found = engine.keys(&KeyRange::prefix("w"));
    let expected: Vec<String> =
        written.iter().filter(|(_, seq)| *seq > last).map(|(n, _)| format!("w{n:06}")).collect();
    assert_eq!(found, expected, "exactly the commits behind the last replacement are there");
}

//! Engines of the user's own pass the suite, with atomic batches and without. A batch that fails in the middle is
//! undone.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests stop at a surprise"
)]

#[path = "custom/host.rs"]
mod host;
#[path = "custom/saturation.rs"]
mod saturation;

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use holdfast_core::batch::{Batch, Check, Op};
use holdfast_core::conformance::Fixture;
use holdfast_core::engine::custom::{self, PREFIX, Traits};
use holdfast_core::engine::registry::Lease;
use holdfast_core::engine::{Engine, EngineExt, Read, Reply, Request};
use holdfast_core::error::{Code, Error, Result};
use holdfast_core::key::{Key, KeyRange, Space};
use holdfast_core::transaction::{Options, Transaction};
use holdfast_core::value::Value;
use host::{Faults, MapHost, Store};

#[derive(Default)]
struct Custom {
    store: Arc<Mutex<Store>>,
    faults: Arc<Faults>,
    atomic_batch: bool,
    /// Without expiry and metadata.
    plain: bool,
}

impl Custom {
    fn new(atomic_batch: bool) -> Self {
        Custom { atomic_batch, ..Custom::default() }
    }

    fn engine(&self) -> Arc<dyn Engine> {
        let traits =
            Traits { name: "map", atomic_batch: self.atomic_batch, expiry: !self.plain, metadata: !self.plain };
        custom::open(MapHost::open(self.store.clone(), self.faults.clone(), traits))
    }

    fn held(&self) -> Vec<(Key, Value)> {
        let store = self.store.lock().unwrap();
        store.records.iter().map(|(key, record)| (key.clone(), record.value.clone())).collect()
    }
}

impl Fixture for Custom {
    fn open(&self) -> Result<Lease> {
        Ok(Lease::private(self.engine()))
    }

    fn persistent(&self) -> bool {
        true
    }
}

mod with_atomic_batches {
    use super::Custom;

    holdfast_core::conformance!(Custom::new(true));
}

mod without {
    use super::Custom;

    // Left out are the cases of transactions and intents: without atomic batches a commit needs a coordinator, which
    // prepares no intents there.
    holdfast_core::conformance!(map Custom::new(false));
    holdfast_core::conformance!(store Custom::new(false));
}

fn key(key: &str) -> Key {
    Bytes::copy_from_slice(key.as_bytes())
}

fn set(space: Space, name: &str, value: &str) -> Op {
    let value = Value::json(Bytes::copy_from_slice(value.as_bytes()));
    Op::Set { space, key: key(name), value, expires_at: None, metadata: None }
}

fn put(name: &str, value: &str) -> Op {
    set(Space::User, name, value)
}

fn batch(ops: Vec<Op>) -> Batch {
    Batch { ops, ..Batch::default() }
}

fn value(engine: &dyn Engine, name: &str) -> Result<Option<Value>> {
    match engine.wait(Request::Read(Read::Get(Space::User, key(name))))? {
        Reply::Value(value) => Ok(value),
        _ => panic!("not a value"),
    }
}

fn code<T>(result: Result<T>) -> Option<Code> {
    result.err().map(|error| error.code())
}

/// Writes, deletes and clears over what is there: five writes to the engine.
fn wide() -> Batch {
    batch(vec![
        put("a", "2"),
        put("new", "2"),
        Op::Delete { space: Space::User, key: key("b") },
        Op::DeleteRange { space: Space::User, range: KeyRange::prefix(&b"r/"[..]) },
        set(Space::Internal, "index", "2"),
    ])
}

fn filled(made: bool) -> (Custom, Arc<dyn Engine>) {
    let custom = Custom { faults: Arc::new(Faults { made, ..Faults::default() }), ..Custom::default() };
    let engine = custom.engine();
    engine
        .commit(batch(vec![put("a", "1"), put("b", "1"), put("r/1", "1"), set(Space::Internal, "index", "1")]))
        .unwrap();
    (custom, engine)
}

#[test]
fn a_batch_that_fails_at_any_write_is_taken_back() {
    for made in [false, true] {
        let (custom, engine) = filled(made);
        let before = custom.held();
        for n in 1..=5 {
            custom.faults.strike_at(n, 1);
            assert_eq!(code(engine.commit(wide())), Some(Code::NoSpace), "write {n}");
            assert_eq!(custom.held(), before, "write {n}, made all the same: {made}");
        }
        custom.faults.strike_at(6, 1);
        engine.commit(wide()).unwrap();
        assert_eq!(custom.held().len(), 3);
    }
}

#[test]
fn a_batch_that_cannot_be_taken_back_has_an_unknown_outcome_and_loses_no_more_than_it_must() {
    let (custom, engine) = filled(false);
    // The third write fails, and taking back the second.
    custom.faults.strike_at(3, 2);
    let error: Error = engine.commit(wide()).err().unwrap();
    assert_eq!(error.code(), Code::UnknownOutcome, "{error}");
    assert!(error.cause().is_some_and(|cause| cause.contains("NO_SPACE")));
    assert_eq!(value(&*engine, "a").unwrap(), Some(Value::json("1")), "the first is back, whatever became of others");
    assert_eq!(value(&*engine, "b").unwrap(), Some(Value::json("1")));
    custom.faults.strike_at(0, 0);
    engine.commit(wide()).unwrap();
    assert_eq!(value(&*engine, "new").unwrap(), Some(Value::json("2")), "it goes on");
}

#[test]
fn an_atomic_batch_that_fails_is_the_engines_own_business() {
    let custom = Custom::new(true);
    let engine = custom.engine();
    custom.faults.strike_at(1, 1);
    assert_eq!(code(engine.commit(wide())), Some(Code::NoSpace));
    assert!(custom.held().is_empty());
    engine.commit(wide()).unwrap();
    assert_eq!(custom.store.lock().unwrap().changes, 1, "one batch, one change");
}

#[test]
fn a_record_that_would_not_be_kept_whole_is_refused_before_anything_is_written() {
    for atomic_batch in [false, true] {
        let custom = Custom { atomic_batch, plain: true, ..Custom::default() };
        let engine = custom.engine();
        let record = |expires_at, metadata| {
            let (space, key, value) = (Space::User, key("k"), Value::json("1"));
            Op::Set { space, key, value, expires_at, metadata }
        };
        for op in [record(Some(u64::MAX), None), record(None, Some(Bytes::from_static(b"1")))] {
            let error = engine.commit(batch(vec![put("a", "1"), op])).err().unwrap();
            assert_eq!((error.code(), error.key(), error.engine()), (Code::NotSupported, Some("k"), Some("map")));
        }
        assert!(custom.held().is_empty());
    }
}

fn begin(engine: &Arc<dyn Engine>) -> (Arc<Transaction>, Arc<dyn Engine>) {
    let transaction = Transaction::new(Options::default(), None);
    let inside = transaction.on("here", engine);
    (transaction, inside)
}

#[test]
fn reads_of_a_transaction_go_on_over_changes_of_other_keys() {
    let engine = Custom::new(true).engine();
    engine.commit(batch(vec![put("a", "1"), put("b", "1"), put("c", "1")])).unwrap();
    let (transaction, inside) = begin(&engine);
    assert_eq!(value(&*inside, "a").unwrap(), Some(Value::json("1")));
    engine.commit(batch(vec![put("b", "2")])).unwrap();
    assert_eq!(value(&*inside, "b").unwrap(), Some(Value::json("2")), "a is as it was, so this fits");
    engine.commit(batch(vec![put("c", "2")])).unwrap();
    assert!(matches!(inside.wait(Request::Keys(KeyRange::all())), Ok(Reply::Keys(keys)) if keys.len() == 3));
    inside.commit(batch(vec![put("sum", "3")])).unwrap();
    transaction.wait().unwrap();
    assert_eq!(value(&*engine, "sum").unwrap(), Some(Value::json("3")));
}

#[test]
fn a_read_that_does_not_fit_is_a_conflict() {
    let engine = Custom::new(true).engine();
    engine.commit(batch(vec![put("a", "1"), put("b", "1")])).unwrap();
    for listed in [false, true] {
        let (_, inside) = begin(&engine);
        if listed {
            inside.wait(Request::Keys(KeyRange::prefix(&b"a"[..]))).map(drop).unwrap();
        } else {
            value(&*inside, "a").unwrap();
        }
        let changed = if listed { "b" } else { "a" };
        engine.commit(batch(vec![put(changed, if listed { "3" } else { "2" })])).unwrap();
        for _ in 0..2 {
            assert_eq!(code(value(&*inside, "b")), Some(Code::Conflict), "listed: {listed}");
        }
        assert_eq!(code(inside.wait(Request::Keys(KeyRange::all()))), (!listed).then_some(Code::Conflict));
    }
}

#[test]
fn our_keys_never_show_among_users_keys_and_cannot_be_written_as_such() {
    for atomic_batch in [false, true] {
        let custom = Custom::new(atomic_batch);
        let engine = custom.engine();
        engine.commit(batch(vec![put("a", "1"), set(Space::Internal, "index", "1")])).unwrap();
        let ours = custom.held().into_iter().map(|(key, _)| key).find(|key| key.starts_with(PREFIX)).unwrap();
        let ours = String::from_utf8(ours.to_vec()).unwrap();
        assert!(matches!(engine.wait(Request::Keys(KeyRange::all())), Ok(Reply::Keys(keys)) if keys == ["a"]));
        assert!(matches!(engine.wait(Request::Count(KeyRange::prefix(PREFIX))), Ok(Reply::Count(0))));
        assert_eq!(code(value(&*engine, &ours)), Some(Code::InvalidKey));
        let before = custom.held();
        assert_eq!(code(engine.commit(batch(vec![put("b", "1"), put(&ours, "2")]))), Some(Code::InvalidKey));
        let guarded = Check { space: Space::User, key: key(&ours), version: None };
        let guarded = Batch { checks: vec![guarded], ..batch(vec![put("b", "1")]) };
        assert_eq!(code(engine.commit(guarded)), Some(Code::InvalidKey));
        let (transaction, inside) = begin(&engine);
        assert_eq!(code(value(&*inside, &ours)), Some(Code::InvalidKey));
        inside.commit(batch(vec![put("b", "1"), put(&ours, "2")])).unwrap();
        if atomic_batch {
            assert_eq!(code(transaction.wait()), Some(Code::InvalidKey));
        }
        assert_eq!(custom.held(), before);
        engine.commit(batch(vec![Op::DeleteRange { space: Space::User, range: KeyRange::all() }])).unwrap();
        assert_eq!(custom.held().len(), 1, "clearing users' keys leaves ours");
    }
}

#[test]
fn closing_fails_the_reads_of_an_open_transaction() {
    let engine = Custom::new(true).engine();
    engine.commit(batch(vec![put("a", "1")])).unwrap();
    let (transaction, inside) = begin(&engine);
    value(&*inside, "a").unwrap();
    inside.commit(batch(vec![put("b", "1")])).unwrap();
    engine.close().unwrap();
    assert_eq!(code(value(&*inside, "x")), Some(Code::Closed));
    assert_eq!(code(transaction.wait()), Some(Code::Closed));
}

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
use holdfast_core::engine::{Engine, EngineExt, Reply, Request};
use holdfast_core::error::{Code, Error, Result};
use holdfast_core::key::{Key, KeyRange, Space};
use holdfast_core::testing::{Calls, code_of, json, key};
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

/// Writes, deletes and clears over what is there: five writes to the engine.
fn wide() -> Batch {
    Batch::of([
        Op::set("a", json("2")),
        Op::set("new", json("2")),
        Op::delete("b"),
        Op::delete_range(KeyRange::prefix("r/")),
        Op::set("index", json("2")).in_space(Space::Internal),
    ])
}

fn filled(made: bool) -> (Custom, Arc<dyn Engine>) {
    let custom = Custom { faults: Arc::new(Faults { made, ..Faults::default() }), ..Custom::default() };
    let engine = custom.engine();
    engine.run([
        Op::set("a", json("1")),
        Op::set("b", json("1")),
        Op::set("r/1", json("1")),
        Op::set("index", json("1")).in_space(Space::Internal),
    ]);
    (custom, engine)
}

#[test]
fn a_batch_that_fails_at_any_write_is_taken_back() {
    for made in [false, true] {
        let (custom, engine) = filled(made);
        let before = custom.held();
        for n in 1..=5 {
            custom.faults.strike_at(n, 1);
            assert_eq!(code_of(engine.commit(wide())), Some(Code::NoSpace), "write {n}");
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
    assert_eq!(engine.value("a").as_deref(), Some("1"), "the first is back, whatever became of others");
    assert_eq!(engine.value("b").as_deref(), Some("1"));
    custom.faults.strike_at(0, 0);
    engine.commit(wide()).unwrap();
    assert_eq!(engine.value("new").as_deref(), Some("2"), "it goes on");
}

#[test]
fn an_atomic_batch_that_fails_is_the_engines_own_business() {
    let custom = Custom::new(true);
    let engine = custom.engine();
    custom.faults.strike_at(1, 1);
    assert_eq!(code_of(engine.commit(wide())), Some(Code::NoSpace));
    assert!(custom.held().is_empty());
    engine.commit(wide()).unwrap();
    assert_eq!(custom.store.lock().unwrap().changes, 1, "one batch, one change");
}

#[test]
fn a_record_that_would_not_be_kept_whole_is_refused_before_anything_is_written() {
    for atomic_batch in [false, true] {
        let custom = Custom { atomic_batch, plain: true, ..Custom::default() };
        let engine = custom.engine();
        let set = Op::set("k", json("1"));
        for op in [set.clone().expiring(u64::MAX), set.with_metadata(Bytes::from_static(b"1"))] {
            let error = engine.commit(Batch::of([Op::set("a", json("1")), op])).err().unwrap();
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
    engine.run([Op::set("a", json("1")), Op::set("b", json("1")), Op::set("c", json("1"))]);
    let (transaction, inside) = begin(&engine);
    assert_eq!(inside.value("a").as_deref(), Some("1"));
    engine.run(Op::set("b", json("2")));
    assert_eq!(inside.value("b").as_deref(), Some("2"), "a is as it was, so this fits");
    engine.run(Op::set("c", json("2")));
    assert!(matches!(inside.wait(Request::Keys(KeyRange::all())), Ok(Reply::Keys(keys)) if keys.len() == 3));
    inside.run(Op::set("sum", json("3")));
    transaction.wait().unwrap();
    assert_eq!(engine.value("sum").as_deref(), Some("3"));
}

#[test]
fn a_read_that_does_not_fit_is_a_conflict() {
    let engine = Custom::new(true).engine();
    engine.run([Op::set("a", json("1")), Op::set("b", json("1"))]);
    for listed in [false, true] {
        let (_, inside) = begin(&engine);
        if listed {
            inside.wait(Request::Keys(KeyRange::prefix(&b"a"[..]))).map(drop).unwrap();
        } else {
            inside.value("a");
        }
        let changed = if listed { "b" } else { "a" };
        engine.run(Op::set(key(changed), json(if listed { "3" } else { "2" })));
        for _ in 0..2 {
            assert_eq!(code_of(inside.try_value("b")), Some(Code::Conflict), "listed: {listed}");
        }
        assert_eq!(code_of(inside.wait(Request::Keys(KeyRange::all()))), (!listed).then_some(Code::Conflict));
    }
}

#[test]
fn our_keys_never_show_among_users_keys_and_cannot_be_written_as_such() {
    for atomic_batch in [false, true] {
        let custom = Custom::new(atomic_batch);
        let engine = custom.engine();
        engine.run([Op::set("a", json("1")), Op::set("index", json("1")).in_space(Space::Internal)]);
        let ours = custom.held().into_iter().map(|(key, _)| key).find(|key| key.starts_with(PREFIX)).unwrap();
        let ours = String::from_utf8(ours.to_vec()).unwrap();
        assert!(matches!(engine.wait(Request::Keys(KeyRange::all())), Ok(Reply::Keys(keys)) if keys == ["a"]));
        assert!(matches!(engine.wait(Request::Count(KeyRange::prefix(PREFIX))), Ok(Reply::Count(0))));
        assert_eq!(code_of(engine.try_value(&ours)), Some(Code::InvalidKey));
        let before = custom.held();
        assert_eq!(
            code_of(engine.commit(Batch::of([Op::set("b", json("1")), Op::set(key(&ours), json("2"))]))),
            Some(Code::InvalidKey)
        );
        let guarded = Batch::one(Op::set("b", json("1"))).with_checks([Check::absent(key(&ours))]);
        assert_eq!(code_of(engine.commit(guarded)), Some(Code::InvalidKey));
        let (transaction, inside) = begin(&engine);
        assert_eq!(code_of(inside.try_value(&ours)), Some(Code::InvalidKey));
        inside.run([Op::set("b", json("1")), Op::set(key(&ours), json("2"))]);
        if atomic_batch {
            assert_eq!(code_of(transaction.wait()), Some(Code::InvalidKey));
        }
        assert_eq!(custom.held(), before);
        engine.run(Op::delete_range(KeyRange::all()));
        assert_eq!(custom.held().len(), 1, "clearing users' keys leaves ours");
    }
}

#[test]
fn closing_fails_the_reads_of_an_open_transaction() {
    let engine = Custom::new(true).engine();
    engine.run(Op::set("a", json("1")));
    let (transaction, inside) = begin(&engine);
    inside.value("a");
    inside.run(Op::set("b", json("1")));
    engine.close().unwrap();
    assert_eq!(code_of(inside.try_value("x")), Some(Code::Closed));
    assert_eq!(code_of(transaction.wait()), Some(Code::Closed));
}

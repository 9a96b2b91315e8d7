//! The memory engine passes the conformance suite, and keeps within its bound.

use holdfast_core::batch::{Batch, Commit, IntentId, Op};
use holdfast_core::conformance::Fixture;
use holdfast_core::engine::intent::Decision;
use holdfast_core::engine::memory::{Eviction, MemoryOptions, open};
use holdfast_core::engine::registry::Lease;
use holdfast_core::engine::{Engine, EngineExt, Staged};
use holdfast_core::error::{Code, Result};
use holdfast_core::key::Space;
use holdfast_core::record::Record;
use holdfast_core::testing::{Calls, code_of, key, ok};
use holdfast_core::value::Value;

struct Memory;

impl Fixture for Memory {
    fn open(&self) -> Result<Lease> {
        Ok(Lease::private(open(MemoryOptions::default())))
    }

    fn persistent(&self) -> bool {
        false
    }
}

holdfast_core::conformance!(Memory);

fn sized(name: &str, bytes: usize) -> Batch {
    Batch::one(Op::set(key(name), Value::Binary(vec![0; bytes].into())))
}

fn set(engine: &dyn Engine, name: &str, bytes: usize) -> Result<Commit> {
    engine.commit(sized(name, bytes))
}

#[test]
fn a_full_engine_refuses_writes_and_keeps_what_it_has() {
    let engine = open(MemoryOptions { max_bytes: Some(10_000), eviction: Eviction::None });
    assert!(set(&*engine, "a", 4000).is_ok());
    assert!(set(&*engine, "b", 4000).is_ok());
    assert_eq!(code_of(set(&*engine, "c", 4000)), Some(Code::NoSpace));
    assert_eq!(code_of(set(&*engine, "a", 9000)), Some(Code::NoSpace));
    assert!(engine.has("a") && engine.has("b") && !engine.has("c"));
    assert!(set(&*engine, "a", 10).is_ok());
    assert!(set(&*engine, "c", 4000).is_ok());
}

#[test]
fn an_intent_that_does_not_fit_holds_nothing_and_one_that_stands_goes_on_standing() {
    let engine = open(MemoryOptions { max_bytes: Some(10_000), eviction: Eviction::None });
    let id = IntentId { log: 1, number: 1 };
    assert_eq!(code_of(engine.prepare(id, sized("a", 20_000))), Some(Code::NoSpace));
    assert!(set(&*engine, "a", 10).is_ok());
    assert!(engine.prepare(id, sized("a", 8000)).is_ok());
    assert_eq!(code_of(set(&*engine, "b", 4000)), Some(Code::NoSpace));
    assert_eq!(code_of(set(&*engine, "a", 10)), Some(Code::Conflict));
    assert!(engine.resolve(id, Decision::Apply).is_ok_and(|commit| commit.is_some()), "it makes its own room");
    assert!(set(&*engine, "a", 10).is_ok());
}

#[test]
fn the_least_recently_used_key_goes_first() {
    let engine = open(MemoryOptions { max_bytes: Some(4 * 1350), eviction: Eviction::Lru });
    for key in ["a", "b", "c", "d"] {
        assert!(set(&*engine, key, 1000).is_ok());
    }
    assert!(engine.has("a"));
    assert!(set(&*engine, "e", 1000).is_ok());
    assert!(engine.has("a") && !engine.has("b"), "a was used, b was not");
    assert!(set(&*engine, "docs/users/1", 1000).is_ok());
    for n in 0..20 {
        assert!(set(&*engine, &format!("n{n}"), 1000).is_ok());
    }
    assert!(engine.has("docs/users/1"), "a model's key stays");
    assert!(engine.stats().is_ok_and(|stats| stats.memory_bytes.is_some_and(|bytes| bytes <= 4 * 1350)));
}

fn lru(max_bytes: u64) -> std::sync::Arc<dyn Engine> {
    open(MemoryOptions { max_bytes: Some(max_bytes), eviction: Eviction::Lru })
}

fn evictions(engine: &dyn Engine) -> Option<u64> {
    ok(engine.stats()).counts.evictions
}

#[test]
fn a_write_that_does_not_fit_alone_is_refused_and_evicts_nothing() {
    let engine = lru(10_000);
    for key in ["a", "b"] {
        assert!(set(&*engine, key, 4000).is_ok());
    }
    let halves = || Batch::of(["c", "d"].map(|name| Op::set(key(name), Value::Binary(vec![0; 6000].into()))));
    for refused in [sized("c", 11_000), sized("a", 11_000), halves()] {
        assert_eq!(code_of(engine.commit(refused)), Some(Code::NoSpace));
        assert!(["a", "b"].iter().all(|key| engine.has(key)) && !engine.has("c"));
    }
    assert_eq!(evictions(&*engine), Some(0));
    let overwritten = Batch::of([6000, 5000].map(|bytes| Op::set(key("c"), Value::Binary(vec![0; bytes].into()))));
    assert!(engine.commit(overwritten).is_ok(), "what the batch leaves is counted once");
    assert!(engine.has("b") && engine.has("c") && !engine.has("a"));
    assert_eq!(evictions(&*engine), Some(1));
}

#[test]
fn a_write_that_does_not_fit_beside_what_is_never_evicted_is_refused_and_evicts_nothing() {
    let engine = lru(10_000);
    assert!(set(&*engine, "docs/users/1", 6000).is_ok());
    assert!(set(&*engine, "a", 1000).is_ok());
    assert_eq!(code_of(set(&*engine, "b", 4000)), Some(Code::NoSpace));
    assert!(engine.has("a"));
    assert!(set(&*engine, "b", 3000).is_ok());
    assert!(!engine.has("a"));
}

#[test]
fn what_a_refused_batch_deleted_is_evicted_in_its_turn() {
    let engine = lru(10_000);
    assert!(set(&*engine, "a", 4000).is_ok());
    assert!(set(&*engine, "b", 4000).is_ok());
    // So many other keys make the engine drop the places of keys that are gone.
    let others = (0..1100).map(|n| Op::set(key(&format!("n{n}")), Value::Binary(vec![0; 10].into())));
    let batch = Batch::of([Op::delete("a"), Op::delete("b")].into_iter().chain(others));
    assert_eq!(code_of(engine.commit(batch)), Some(Code::NoSpace));
    assert!(engine.has("b") && engine.has("a"));
    assert!(set(&*engine, "c", 8000).is_ok());
    assert_eq!(evictions(&*engine), Some(2));
}

#[test]
fn memory_stays_in_bounds_when_keys_are_overwritten() {
    let engine = open(MemoryOptions { max_bytes: Some(1 << 20), eviction: Eviction::Lru });
    for n in 0..50_000 {
        assert!(set(&*engine, &format!("k{}", n % 100), 100).is_ok());
    }
    assert_eq!(engine.stats().ok().and_then(|stats| stats.keys), Some(100));
}

#[test]
fn a_replacement_keeps_within_the_bound_and_in_the_order_of_use() {
    let staged = |name: &str, bytes: usize| Staged {
        space: Space::User,
        key: key(name),
        record: Record::bare(Value::Binary(vec![0; bytes].into()), None),
    };
    let engine = open(MemoryOptions { max_bytes: Some(10_000), eviction: Eviction::Lru });
    assert!(set(&*engine, "old", 4000).is_ok());
    let mut staging = ok(engine.stage());
    assert_eq!(code_of(staging.write(vec![staged("a", 11_000)])), Some(Code::NoSpace));
    drop(staging);
    assert!(engine.has("old"));
    let mut staging = ok(engine.stage());
    ok(staging.write(vec![staged("a", 4000), staged("b", 4000)]));
    ok(staging.swap());
    assert!(engine.has("a") && engine.has("b") && !engine.has("old"));
    assert!(engine.has("a"), "it is used last");
    assert!(set(&*engine, "c", 4000).is_ok());
    assert!(engine.has("a") && !engine.has("b") && engine.has("c"));
}

//! The memory engine passes the conformance suite, and keeps within its bound.

use bytes::Bytes;
use holdfast_core::batch::{Batch, IntentId, Op};
use holdfast_core::conformance::Fixture;
use holdfast_core::engine::intent::Decision;
use holdfast_core::engine::memory::{Eviction, MemoryOptions, open};
use holdfast_core::engine::registry::Lease;
use holdfast_core::engine::{Engine, EngineExt, Read, Reply};
use holdfast_core::error::{Code, Result};
use holdfast_core::key::Space;
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

fn set(engine: &dyn Engine, key: &str, bytes: usize) -> Result<()> {
    let value = Value::Binary(Bytes::from(vec![0; bytes]));
    let key = Bytes::copy_from_slice(key.as_bytes());
    engine.commit(Batch::one(Op::Set { space: Space::User, key, value, expires_at: None, metadata: None })).map(|_| ())
}

fn has(engine: &dyn Engine, key: &str) -> bool {
    let read = Read::Has(Space::User, Bytes::copy_from_slice(key.as_bytes()));
    matches!(engine.try_read(&read), Some(Ok(Reply::Has(true))))
}

#[test]
fn a_full_engine_refuses_writes_and_keeps_what_it_has() {
    let engine = open(MemoryOptions { max_bytes: Some(10_000), eviction: Eviction::None });
    assert!(set(&*engine, "a", 4000).is_ok());
    assert!(set(&*engine, "b", 4000).is_ok());
    assert_eq!(set(&*engine, "c", 4000).err().map(|error| error.code()), Some(Code::NoSpace));
    assert_eq!(set(&*engine, "a", 9000).err().map(|error| error.code()), Some(Code::NoSpace));
    assert!(has(&*engine, "a") && has(&*engine, "b") && !has(&*engine, "c"));
    assert!(set(&*engine, "a", 10).is_ok());
    assert!(set(&*engine, "c", 4000).is_ok());
}

#[test]
fn an_intent_that_does_not_fit_holds_nothing_and_one_that_stands_goes_on_standing() {
    let engine = open(MemoryOptions { max_bytes: Some(10_000), eviction: Eviction::None });
    let id = IntentId { log: 1, number: 1 };
    let batch = |bytes: usize| {
        let value = Value::Binary(Bytes::from(vec![0; bytes]));
        let key = Bytes::from_static(b"a");
        Batch::one(Op::Set { space: Space::User, key, value, expires_at: None, metadata: None })
    };
    assert_eq!(engine.prepare(id, batch(20_000)).err().map(|error| error.code()), Some(Code::NoSpace));
    assert!(set(&*engine, "a", 10).is_ok());
    assert!(engine.prepare(id, batch(8000)).is_ok());
    assert_eq!(set(&*engine, "b", 4000).err().map(|error| error.code()), Some(Code::NoSpace));
    assert_eq!(set(&*engine, "a", 10).err().map(|error| error.code()), Some(Code::Conflict));
    assert!(engine.resolve(id, Decision::Apply).is_ok_and(|commit| commit.is_some()), "it makes its own room");
    assert!(set(&*engine, "a", 10).is_ok());
}

#[test]
fn the_least_recently_used_key_goes_first() {
    let engine = open(MemoryOptions { max_bytes: Some(4 * 1350), eviction: Eviction::Lru });
    for key in ["a", "b", "c", "d"] {
        assert!(set(&*engine, key, 1000).is_ok());
    }
    assert!(has(&*engine, "a"));
    assert!(set(&*engine, "e", 1000).is_ok());
    assert!(has(&*engine, "a") && !has(&*engine, "b"), "a was used, b was not");
    assert!(set(&*engine, "docs/users/1", 1000).is_ok());
    for n in 0..20 {
        assert!(set(&*engine, &format!("n{n}"), 1000).is_ok());
    }
    assert!(has(&*engine, "docs/users/1"), "a model's key stays");
    assert!(engine.stats().is_ok_and(|stats| stats.memory_bytes.is_some_and(|bytes| bytes <= 4 * 1350)));
}

#[test]
fn memory_stays_in_bounds_when_keys_are_overwritten() {
    let engine = open(MemoryOptions { max_bytes: Some(1 << 20), eviction: Eviction::Lru });
    for n in 0..50_000 {
        assert!(set(&*engine, &format!("k{}", n % 100), 100).is_ok());
    }
    assert_eq!(engine.stats().ok().and_then(|stats| stats.keys), Some(100));
}

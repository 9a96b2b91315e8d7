//! Short calls for the tests.

use std::time::{Duration, Instant};

use holdfast_core::engine::redis::{RedisOptions, open};
use holdfast_core::engine::registry::Lease;
use holdfast_core::engine::{Engine, EngineExt};
use holdfast_core::testing::{json, key};
use holdfast_core::{Batch, Op, Outcome, Result};

pub(crate) fn options(port: u16) -> RedisOptions {
    RedisOptions {
        port: Some(port),
        key_prefix: "app:".into(),
        connect_timeout: Duration::from_secs(2),
        command_timeout: Duration::from_secs(5),
        ..RedisOptions::default()
    }
}

pub(crate) fn connect(port: u16) -> Lease {
    open(options(port)).expect("a connection")
}

/// Writes, and may fail. Returns the number of the commit.
pub(crate) fn set(engine: &dyn Engine, name: &str, text: &str) -> Result<u64> {
    engine.commit(Batch::one(Op::set(key(name), json(text)))).map(|commit| commit.seq)
}

/// Adds, and may fail. Returns the sum.
pub(crate) fn increment(engine: &dyn Engine, name: &str, by: f64) -> Result<f64> {
    match engine.commit(Batch::one(Op::add(key(name), by)).reporting())?.outcomes.as_slice() {
        [Outcome::Added { value, .. }] => Ok(*value),
        other => panic!("an addition was asked for: {other:?}"),
    }
}

pub(crate) fn until_ok<T>(mut call: impl FnMut() -> Result<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match call() {
            Ok(value) => return value,
            Err(error) => assert!(Instant::now() < deadline, "does not recover: {error}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

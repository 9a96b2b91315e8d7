//! Short calls for the tests.

use std::time::{Duration, Instant};

use holdfast_core::engine::redis::{RedisOptions, open};
use holdfast_core::engine::registry::Lease;
use holdfast_core::engine::{Engine, EngineExt, Projection, Read, Reply, Request, for_each_page};
use holdfast_core::{Batch, Error, Key, KeyRange, Op, Outcome, Record, Result, Space, Value};

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

pub(crate) fn failure(options: RedisOptions) -> Error {
    match open(options) {
        Ok(_) => panic!("the connection must fail"),
        Err(error) => error,
    }
}

pub(crate) fn set_op(key: &str, text: &str) -> Op {
    let value = Value::json(text.to_owned());
    Op::Set { space: Space::User, key: Key::from(key.to_owned()), value, expires_at: None, metadata: None }
}

pub(crate) fn set(engine: &dyn Engine, key: &str, text: &str) -> Result<u64> {
    engine.commit(Batch::one(set_op(key, text))).map(|commit| commit.seq)
}

pub(crate) fn get(engine: &dyn Engine, key: &str) -> Result<Option<Value>> {
    match engine.wait(Request::Read(Read::Get(Space::User, Key::from(key.to_owned()))))? {
        Reply::Value(value) => Ok(value),
        _ => panic!("a value was asked for"),
    }
}

pub(crate) fn entry(engine: &dyn Engine, key: &str) -> Option<Record> {
    match engine.wait(Request::Read(Read::Entry(Space::User, Key::from(key.to_owned())))).expect("an entry") {
        Reply::Entry(record) => record,
        _ => panic!("an entry was asked for"),
    }
}

pub(crate) fn keys(engine: &dyn Engine, range: &KeyRange) -> Vec<String> {
    let mut keys = Vec::new();
    let view = engine.view().expect("a view");
    for_each_page(&*view, Space::User, range, Projection::Keys, |page| {
        keys.extend(page.into_iter().map(|(key, _)| String::from_utf8(key.to_vec()).expect("UTF-8")));
        Ok(true)
    })
    .expect("a scan");
    keys
}

pub(crate) fn add(key: &str, by: f64) -> Op {
    Op::Add { space: Space::User, key: Key::from(key.to_owned()), by, expires_at: None, metadata: None }
}

pub(crate) fn increment(engine: &dyn Engine, key: &str, by: f64) -> Result<f64> {
    match engine.commit(Batch::one(add(key, by)).reporting())?.outcomes.as_slice() {
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

//! Helpers of the sqlite engine's tests.

use std::path::Path;

use bytes::Bytes;
use holdfast_core::batch::{Batch, Op};
use holdfast_core::engine::registry::Lease;
use holdfast_core::engine::sqlite::SqliteOptions;
use holdfast_core::engine::{Durability, Engine, EngineExt, Projection, Read, Reply, Request};
use holdfast_core::error::{Code, Result};
use holdfast_core::key::{KeyRange, Space};
use holdfast_core::record::Record;
use holdfast_core::value::Value;

pub(crate) const SPECIFIED: &str = "\
    CREATE TABLE storage (key TEXT PRIMARY KEY, value TEXT NOT NULL, type TEXT NOT NULL, \
    created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, metadata TEXT); \
    CREATE INDEX idx_storage_updated ON storage(updated_at);";

pub(crate) fn set(key: &str, json: &str) -> Batch {
    Batch::one(Op::Set {
        space: Space::User,
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: Value::json(json.to_owned()),
        expires_at: None,
        metadata: None,
    })
}

pub(crate) fn get(engine: &dyn Engine, key: &str) -> Result<Option<String>> {
    match read(engine, Read::Get(Space::User, Bytes::copy_from_slice(key.as_bytes())))? {
        Reply::Value(value) => Ok(value.map(|value| String::from_utf8_lossy(&value.to_text()).into_owned())),
        _ => panic!("not a value"),
    }
}

pub(crate) fn read(engine: &dyn Engine, read: Read) -> Result<Reply> {
    engine.try_read(&read).unwrap_or_else(|| engine.wait(Request::Read(read)))
}

pub(crate) fn entry(engine: &dyn Engine, key: &str) -> Record {
    match read(engine, Read::Entry(Space::User, Bytes::copy_from_slice(key.as_bytes()))).unwrap() {
        Reply::Entry(Some(record)) => record,
        _ => panic!("no entry"),
    }
}

pub(crate) fn keys(engine: &dyn Engine) -> Vec<String> {
    let page = engine.view().unwrap().scan(Space::User, &KeyRange::all(), Projection::Keys, None, 1 << 20).unwrap();
    page.entries.iter().map(|(key, _)| String::from_utf8_lossy(key).into_owned()).collect()
}

pub(crate) fn code(result: Result<Lease>) -> Option<Code> {
    result.err().map(|error| error.code())
}

pub(crate) fn normal(path: &Path) -> SqliteOptions {
    SqliteOptions { durability: Durability::Normal, ..SqliteOptions::new(path) }
}

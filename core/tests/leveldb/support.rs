//! Helpers of the leveldb engine's tests.
use std::path::Path;

use holdfast_core::engine::leveldb::{LevelDbOptions, open};
use holdfast_core::engine::registry::Lease;
use holdfast_core::engine::{Durability, EngineExt, Projection, Read, Reply, Request, for_each_page};
use holdfast_core::{Batch, Commit, Error, Key, KeyRange, Op, Record, Result, Space, Value};

pub(crate) fn options(path: &Path) -> LevelDbOptions {
    LevelDbOptions { durability: Durability::Normal, ..LevelDbOptions::new(path) }
}

pub(crate) fn start(path: &Path) -> Lease {
    open(options(path)).unwrap()
}

/// The error of opening. `unwrap_err` does not do: a `Lease` has no `Debug`.
pub(crate) fn refused(options: LevelDbOptions) -> Error {
    match open(options) {
        Ok(_) => panic!("the store opened"),
        Err(error) => error,
    }
}

pub(crate) fn key(text: &str) -> Key {
    Key::copy_from_slice(text.as_bytes())
}

pub(crate) fn set_op(name: &str, text: &str) -> Op {
    Op::Set {
        space: Space::User,
        key: key(name),
        value: Value::json(text.as_bytes().to_vec()),
        expires_at: None,
        metadata: None,
    }
}

pub(crate) fn set(lease: &Lease, name: &str, text: &str) -> Result<Commit> {
    lease.engine().commit(Batch::one(set_op(name, text)))
}

pub(crate) fn set_until(lease: &Lease, name: &str, text: &str, expires_at: u64) -> Result<Commit> {
    lease.engine().commit(Batch::one(Op::Set {
        space: Space::User,
        key: key(name),
        value: Value::json(text.as_bytes().to_vec()),
        expires_at: Some(expires_at),
        metadata: None,
    }))
}

pub(crate) fn clear(lease: &Lease, range: KeyRange) -> Result<Commit> {
    lease.engine().commit(Batch::one(Op::DeleteRange { space: Space::User, range }))
}

pub(crate) fn entry(lease: &Lease, name: &str) -> Result<Option<Record>> {
    match lease.engine().wait(Request::Read(Read::Entry(Space::User, key(name))))? {
        Reply::Entry(record) => Ok(record),
        _ => panic!("not an entry"),
    }
}

pub(crate) fn get(lease: &Lease, name: &str) -> Option<String> {
    entry(lease, name).unwrap().map(|record| String::from_utf8(record.value.to_text().to_vec()).unwrap())
}

pub(crate) fn keys(lease: &Lease, range: &KeyRange) -> Result<Vec<String>> {
    let view = lease.engine().view()?;
    let mut keys = Vec::new();
    for_each_page(&*view, Space::User, range, Projection::Keys, |page| {
        keys.extend(page.into_iter().map(|(key, _)| String::from_utf8(key.to_vec()).unwrap()));
        Ok(true)
    })?;
    Ok(keys)
}

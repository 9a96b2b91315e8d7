//! Which store a participant is: an id of its own that it keeps, as a name or a path says little after a crash. Two
//! applications may use one folder of logs, and the same names for different stores.

use std::sync::{Arc, Weak};

use bytes::Bytes;
use parking_lot::Mutex;

use super::log::random;
use crate::batch::{Batch, Check, Op};
use crate::engine::{Engine, Read, Reply, Request, unexpected_reply};
use crate::error::{Code, Error, Result};
use crate::key::{Key, Space};
use crate::record::Record;
use crate::value::Value;

/// Where a store keeps its id: in our keyspace, among what the engines keep for themselves.
pub const KEY: &[u8] = b"\0store";

/// The ids of the stores that took part in this process.
#[derive(Default)]
pub(super) struct Stores {
    known: Mutex<Vec<(Weak<dyn Engine>, u128)>>,
}

impl Stores {
    /// The id of a store, which is given one if it has none. Blocks.
    pub fn id(&self, engine: &Arc<dyn Engine>) -> Result<u128> {
        let place = Arc::as_ptr(engine).cast::<()>();
        {
            let mut known = self.known.lock();
            // A weak reference keeps its place from being used for another engine.
            if let Some((_, id)) = known.iter().find(|(known, _)| known.as_ptr().cast::<()>() == place) {
                return Ok(*id);
            }
            known.retain(|(known, _)| known.strong_count() > 0);
        }
        let id = match id_of(&**engine)? {
            Some(id) => id,
            None => give_id(&**engine)?,
        };
        self.known.lock().push((Arc::downgrade(engine), id));
        Ok(id)
    }
}

/// The id of a store, if it ever took part in a transaction over several. Blocks.
pub(super) fn id_of(engine: &dyn Engine) -> Result<Option<u128>> {
    let Some(record) = entry(engine, Space::Internal, &Key::from_static(KEY))? else { return Ok(None) };
    let damaged = || Error::corrupted("the id of the store is damaged");
    let Value::Binary(bytes) = &record.value else { return Err(damaged()) };
    let bytes = bytes.as_ref().try_into().map_err(|_| damaged())?;
    Ok(Some(u128::from_be_bytes(bytes)))
}

fn give_id(engine: &dyn Engine) -> Result<u128> {
    let id = u128::from(random()) << 64 | u128::from(random());
    let key = Key::from_static(KEY);
    let value = Value::Binary(Bytes::copy_from_slice(&id.to_be_bytes()));
    let batch = Batch {
        checks: vec![Check { space: Space::Internal, key: key.clone(), version: None }],
        ..Batch::one(Op::Set { space: Space::Internal, key, value, expires_at: None, metadata: None })
    };
    match engine.commit(batch) {
        Ok(_) => Ok(id),
        // Another process was first.
        Err(error) if error.code() == Code::Conflict => id_of(engine)?.ok_or(error),
        Err(error) => Err(error),
    }
}

/// The record of a key, behind every write requested before. Blocks.
pub(super) fn entry(engine: &dyn Engine, space: Space, key: &Key) -> Result<Option<Record>> {
    let read = Read::Entry(space, key.clone());
    let reply = match engine.try_read(&read) {
        Some(reply) => reply?,
        None => engine.wait(Request::Read(read))?,
    };
    match reply {
        Reply::Entry(record) => Ok(record),
        _ => Err(unexpected_reply()),
    }
}

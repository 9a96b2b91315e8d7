//! The id of a store, which the store keeps. A name or a path is not enough after a crash: two applications may use one
//! folder of logs, and the same names for different stores.

use std::sync::{Arc, Weak};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::batch::{Batch, Check, Op};
use crate::engine::{Engine, EngineExt};
use crate::error::{Code, Error, Result};
use crate::key::{Key, Space};
use crate::random;
use crate::value::Value;

/// The internal key of the id, among those that the engines keep for themselves.
pub(super) use crate::keyspace::STORE_ID as KEY;

/// The ids of the stores that took part in this process.
#[derive(Default)]
pub(super) struct StoreIds {
    known: Mutex<Vec<(Weak<dyn Engine>, StoreId)>>,
}

/// The id of a store.
#[derive(Clone, Copy, Debug)]
struct StoreId {
    id: u128,
    /// The store keeps it. Else the store will get it.
    kept: bool,
}

impl StoreIds {
    /// The id of a store. A store without one gets it now, or by [`keep`](Self::keep) if `late`. Blocks.
    pub(super) fn identify(&self, engine: &Arc<dyn Engine>, late: bool) -> Result<u128> {
        let StoreId { id, kept } = self.look_up(engine)?;
        if kept || late {
            return Ok(id);
        }
        match self.keep(engine, id) {
            // Another process, or another engine on the same store, was first.
            Err(error) if error.code() == Code::Conflict => self.look_up(engine).map(|found| found.id),
            other => other.map(|()| id),
        }
    }

    fn look_up(&self, engine: &Arc<dyn Engine>) -> Result<StoreId> {
        if let Some(known) = self.find(engine) {
            return Ok(known);
        }
        let found = id_of(&**engine)?;
        let mut known = self.known.lock();
        known.retain(|(known, _)| known.strong_count() > 0);
        // Another transaction may have asked in the meantime. All of them must get one id.
        if let Some((_, identity)) = known.iter().find(|(known, _)| is_same(known, engine)) {
            return Ok(*identity);
        }
        let id = found.unwrap_or_else(|| u128::from(random::number()) << 64 | u128::from(random::number()));
        let identity = StoreId { id, kept: found.is_some() };
        known.push((Arc::downgrade(engine), identity));
        Ok(identity)
    }

    /// Has the store keep its id. CONFLICT if another process gave it another one. Blocks.
    pub(super) fn keep(&self, engine: &Arc<dyn Engine>, id: u128) -> Result<()> {
        if self.find(engine).is_some_and(|known| known.kept) {
            return Ok(());
        }
        let kept = give(&**engine, id);
        let mut known = self.known.lock();
        match kept {
            Ok(()) => {
                if let Some((_, identity)) = known.iter_mut().find(|(known, _)| is_same(known, engine)) {
                    identity.kept = true;
                }
            }
            // The store is asked again for the id that it has now.
            Err(_) => known.retain(|(known, _)| !is_same(known, engine)),
        }
        kept
    }

    fn find(&self, engine: &Arc<dyn Engine>) -> Option<StoreId> {
        let known = self.known.lock();
        known.iter().find(|(known, _)| is_same(known, engine)).map(|(_, identity)| *identity)
    }
}

/// True for the same engine. While there is a weak reference, no other engine gets its address.
fn is_same(known: &Weak<dyn Engine>, engine: &Arc<dyn Engine>) -> bool {
    known.as_ptr().cast::<()>() == Arc::as_ptr(engine).cast::<()>()
}

/// The id of a store, if it ever took part in a transaction over several engines. Blocks.
pub(super) fn id_of(engine: &dyn Engine) -> Result<Option<u128>> {
    let Some(record) = engine.record(Space::Internal, &Key::from_static(KEY))? else { return Ok(None) };
    let damaged = || Error::corrupted("the id of the store is damaged");
    let Value::Binary(bytes) = &record.value else { return Err(damaged()) };
    let bytes = bytes.as_ref().try_into().map_err(|_| damaged())?;
    Ok(Some(u128::from_be_bytes(bytes)))
}

/// Gives a store an id. CONFLICT if it has another one. Blocks.
pub(super) fn give(engine: &dyn Engine, id: u128) -> Result<()> {
    let key = Key::from_static(KEY);
    let value = Value::Binary(Bytes::copy_from_slice(&id.to_be_bytes()));
    let batch = Batch {
        checks: vec![Check { space: Space::Internal, key: key.clone(), version: None }],
        ..Batch::one(Op::Set { space: Space::Internal, key, value, expires_at: None, metadata: None })
    };
    match engine.commit(batch) {
        // Another thread may have been first.
        Err(error) if error.code() == Code::Conflict && id_of(engine)? == Some(id) => Ok(()),
        other => other.map(|_| ()),
    }
}

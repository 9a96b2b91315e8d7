//! The sweep: frees expired records and stores pending sidecars.

use super::committer::Committer;
use super::records::Records;
use super::write::Writer;
use crate::batch::{Batch, Op};
use crate::error::{Error, Result};
use crate::key::{Key, Space};
use crate::record::{Millis, Record};

/// Keys and sidecars that are read or stored at once.
const CHUNK: usize = 512;

/// Frees what expired by `now`; returns how many records that were. Stores pending sidecars once writes have paused.
pub(super) fn sweep(records: &Records, committer: &Committer, now: Millis) -> Result<u64> {
    if committer.is_read_only() || records.is_poisoned() {
        return Ok(0);
    }
    if records.sidecars().is_quiet() {
        while committer.with_writer(|writer| writer.store_sidecars(CHUNK))? {}
    }
    let mut freed = 0;
    let limit = u32::try_from(CHUNK).unwrap_or(u32::MAX);
    loop {
        let users = records.metadata().expired_users(now, limit)?;
        let internals = records.metadata().expired_internals(now, limit)?;
        let found = users.len() + internals.len();
        let users = users.into_iter().map(|key| (Space::User, key));
        let internals = internals.into_iter().map(|key| (Space::Internal, key));
        for (space, key) in users.chain(internals) {
            // A check reads an expired record as absent, so this one is made here, under the writer's lock.
            freed += u64::from(committer.with_writer(|writer| free(records, writer, space, &key, now))?);
        }
        if found < CHUNK {
            return Ok(freed);
        }
    }
}

/// Deletes `key` if it still holds a value that expired by `now`, else only a sidecar that no longer fits.
fn free(records: &Records, writer: &mut Writer, space: Space, key: &Key, now: Millis) -> Result<bool> {
    let is_expired = |record: Option<Record>| record.is_some_and(|record| record.expired(now));
    if records.get(space, key).is_ok_and(is_expired) {
        let batch = Batch::one(Op::Delete { space, key: key.clone() });
        let mut results = writer.write_group(std::slice::from_ref(&batch));
        return results.pop().unwrap_or_else(|| Err(Error::closed())).map(|_| true);
    }
    let stored = if space == Space::User { writer.metadata().sidecar(key)? } else { None };
    if stored.is_some_and(|sidecar| sidecar.expires_at.is_some_and(|at| at <= now)) {
        // Edited since, or damaged: what is in the file stays, and the sidecar that says that it expires goes.
        writer.metadata().write_sidecars(&[(key.clone(), None)])?;
        records.cache().remove(key);
    }
    Ok(false)
}

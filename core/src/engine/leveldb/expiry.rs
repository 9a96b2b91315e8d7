//! Freeing what expired. The index in the engine's column family names each expiry; a record goes only if the expiry it has now is
//! the one the index named.

use rocksdb::{ReadOptions, WriteBatch};

use super::database::Open;
use super::fault;
use super::format::{EXPIRY, Header, expiry_key, read_expiry_key};
use super::store::LevelDb;
use crate::error::Result;
use crate::key::{Key, Space};
use crate::record::Millis;

/// Entries freed under one hold of the writer's lock.
const STEP: usize = 256;

/// Frees the records that expired by `now`, a step at a time.
pub(super) fn sweep(store: &LevelDb, now: Millis) -> Result<u64> {
    let mut freed = 0;
    loop {
        let (seen, gone) = store.handle.with(|open| step(store, open, now))?;
        freed += gone;
        if seen < STEP {
            return Ok(freed);
        }
    }
}

/// One step: how many entries were due, and how many records they freed.
fn step(store: &LevelDb, open: &Open, now: Millis) -> Result<(usize, u64)> {
    let _writer = store.writer.lock();
    if store.refuses_writes().is_some() {
        return Ok((0, 0));
    }
    let engine = open.engine_family()?;
    let due = due(open, now)?;
    if due.is_empty() {
        return Ok((0, 0));
    }
    let mut batch = WriteBatch::default();
    let mut gone: Vec<(Space, &Key)> = Vec::new();
    for (at, space, key) in &due {
        let found = open.get(*space, key, &ReadOptions::default())?;
        let found = found.map_err(|error| fault::translate("sweep", &error).at_key(key))?;
        // A record that cannot be read is left for `verify` to name; its entry goes, or it would be met at each sweep.
        let expiry = found.and_then(|bytes| Header::read(&bytes).ok()?.expires_at);
        if expiry == Some(*at) {
            batch.delete_cf(open.family(*space)?, key);
            gone.push((*space, key));
        }
        batch.delete_cf(engine, expiry_key(*at, *space, key));
    }
    let written = open.db.write_opt(batch, &rocksdb::WriteOptions::default());
    for (space, key) in &gone {
        store.cache.remove(*space, key);
    }
    written.map_err(|error| store.failed_write(&error))?;
    Ok((due.len(), gone.len() as u64))
}

/// The first entries whose time has come.
fn due(open: &Open, now: Millis) -> Result<Vec<(Millis, Space, Key)>> {
    let mut options = ReadOptions::default();
    options.set_iterate_lower_bound([EXPIRY]);
    options.set_iterate_upper_bound(expiry_key(now.saturating_add(1), Space::User, b""));
    let mut entries = open.db.raw_iterator_cf_opt(open.engine_family()?, options);
    entries.seek_to_first();
    let mut due = Vec::new();
    while due.len() < STEP
        && let Some(entry) = entries.key()
    {
        if let Some((at, space, key)) = read_expiry_key(entry) {
            due.push((at, space, Key::copy_from_slice(key)));
        }
        entries.next();
    }
    entries.status().map_err(|error| fault::translate("read the expiry index", &error))?;
    Ok(due)
}

//! The sweep: frees records that expired. The expiry index names each expiry. A record is freed only if it still has
//! the expiry that the index names.

use rocksdb::{ReadOptions, WriteBatch, WriteOptions};

use super::database::{Database, OpenDatabase};
use super::fault;
use super::generation::Generation;
use super::record_cache::RecordCache;
use super::write::Writer;
use crate::error::Result;
use crate::format::leveldb::{EXPIRY, Header, expiry_key, read_expiry_key};
use crate::key::{Key, Space};
use crate::record::Millis;

/// The most entries to free under one hold of the writer's lock.
const CHUNK: usize = 256;

/// Frees the records that expired by `now`, a chunk at a time. Returns their number.
pub(super) fn sweep(database: &Database, writer: &Writer, cache: &RecordCache, now: Millis) -> Result<u64> {
    let mut total = 0;
    loop {
        let (due, freed) = database.with(|open| sweep_chunk(open, writer, cache, now))?;
        total += freed;
        if due < CHUNK {
            return Ok(total);
        }
    }
}

/// Returns how many entries of the index were due, and how many records they freed.
fn sweep_chunk(open: &OpenDatabase, writer: &Writer, cache: &RecordCache, now: Millis) -> Result<(usize, u64)> {
    let _no_writer = writer.lock();
    if writer.refusal().is_some() {
        return Ok((0, 0));
    }
    let generation = open.current();
    let index = &generation.expiry.handle;
    let due = due(open, &generation, now)?;
    if due.is_empty() {
        return Ok((0, 0));
    }
    let mut batch = WriteBatch::default();
    let mut freed: Vec<(Space, &Key)> = Vec::new();
    for (at, space, key) in &due {
        let found = open.get(&generation, *space, key, &ReadOptions::default());
        let found = found.map_err(|error| fault::translate("sweep", &error).at_key(key))?;
        // A record that cannot be read is left for `verify` to report. Its entry goes, or each sweep would meet it.
        let expiry = found.and_then(|bytes| Header::read(&bytes).ok()?.expires_at);
        if expiry == Some(*at) {
            batch.delete_cf(&generation.of(*space).handle, key);
            freed.push((*space, key));
        }
        batch.delete_cf(index, expiry_key(*at, *space, key));
    }
    let written = open.db.write_opt(batch, &WriteOptions::default());
    for (space, key) in &freed {
        cache.remove(*space, key);
    }
    written.map_err(|error| writer.failed(&error))?;
    Ok((due.len(), freed.len() as u64))
}

/// The first entries of the index that are due.
fn due(open: &OpenDatabase, generation: &Generation, now: Millis) -> Result<Vec<(Millis, Space, Key)>> {
    let mut options = ReadOptions::default();
    options.set_iterate_lower_bound([EXPIRY]);
    options.set_iterate_upper_bound(expiry_key(now.saturating_add(1), Space::User, b""));
    let mut entries = open.db.raw_iterator_cf_opt(&generation.expiry.handle, options);
    entries.seek_to_first();
    let mut due = Vec::new();
    while due.len() < CHUNK
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

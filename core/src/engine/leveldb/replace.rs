//! The replacement of the whole content: a new generation of column families in the place of the current one.
//!
//! Staged records are sorted in memory, a run at a time. Each run is written as a table, which RocksDB takes over as it
//! is. So they take neither the WAL nor memtables, and do not slow the commits of others beyond the load on the disk.
//!
//! Invariants:
//!
//! - RocksDB has synced every table, and the MANIFEST that names it, before the marker names the generation. One synced
//!   batch writes the marker, the kept keys of the engine, and the first entry of the change log: the commit point.
//! - The WAL that was written before the generation was made is synced before its first table is there. Otherwise
//!   RocksDB would not open a store whose WAL power loss has torn: it would take the tables for later than the WAL.
//! - A staged generation that the marker does not name is removed when it is dropped, or at the next opening. Once the
//!   write of the marker has failed, only the next opening knows whether it is on the disk: until then nothing is
//!   removed or written.
//! - Whatever takes a sequence number of RocksDB holds the writer's lock.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rocksdb::{IngestExternalFileOptions, ReadOptions, WaitForCompactOptions, WriteBatch, WriteOptions};

use super::database::{Database, OpenDatabase};
use super::generation::{Family, Generation};
use super::iterator::seek;
use super::open::GENERATION_KEY;
use super::options::{LevelDbOptions, NAME};
use super::overlay::WriterState;
use super::read::Reader;
use super::sorted_run::SortedRun;
use super::write::Writer;
use super::{fault, rocksdb_options};
use crate::batch::Commit;
use crate::engine::embedded::Stage;
use crate::engine::recent::Recent;
use crate::engine::{Staged, watch};
use crate::error::{Code, Error, Result};
use crate::format::leveldb::{EXPIRY, Header, encode, expiry_key};
use crate::key::Space;
use crate::keyspace::{self, outlives_replacement};
use crate::record::{Millis, now};

/// The key of the number of the generation that was staged last. Its write takes the number of the staged records.
const STAGED_KEY: &[u8] = b"staged";

/// The table that is being written. RocksDB moves it away.
const TABLE_FILE: &str = ".holdfast.staged";

/// The records that are sorted in memory at once, in bytes.
const RUN_BYTES: usize = 16 << 20;

/// With so many tables in its first level, a staged column family waits for a compaction. With more than 20, RocksDB
/// would slow every write of the store.
const MAX_FIRST_LEVEL: u64 = 12;

/// How long to wait for compactions at once, in microseconds.
const COMPACTION_WAIT: u64 = 1_000_000;

pub(super) struct LevelDbStage {
    database: Arc<Database>,
    writer: Arc<Writer>,
    options: Arc<LevelDbOptions>,
    generation: u64,
    /// The number of the commit that all records count as written by.
    seq: u64,
    user: SortedRun,
    internal: SortedRun,
    expiry: SortedRun,
}

/// Begins a replacement. It takes a number, so that no commit gives a record the versions of the staged ones.
pub(super) fn stage(
    database: &Arc<Database>,
    writer: &Arc<Writer>,
    options: &Arc<LevelDbOptions>,
) -> Result<LevelDbStage> {
    database.with(|open| {
        check(writer, &writer.lock())?;
        let generation =
            open.stage_generation(|name| rocksdb_options::column_family(options, &open.block_cache, name))?;
        let number = generation.number;
        let seq = take_number(open, writer, number).inspect_err(|_| {
            // The next opening removes the rest.
            let _ = open.drop_staged(number);
        })?;
        Ok(LevelDbStage {
            database: database.clone(),
            writer: writer.clone(),
            options: options.clone(),
            generation: number,
            seq,
            user: SortedRun::default(),
            internal: SortedRun::default(),
            expiry: SortedRun::default(),
        })
    })
}

/// Takes a number for the records of a generation, and syncs the WAL.
fn take_number(open: &OpenDatabase, writer: &Writer, generation: u64) -> Result<u64> {
    let taken = {
        let _no_writer = writer.lock();
        let written = open.db.put_cf(&open.engine.handle, STAGED_KEY, generation.to_string());
        written.map(|()| open.db.latest_sequence_number())
    };
    let seq = taken.map_err(|error| writer.failed(&error))?;
    open.db.flush_wal(true).map_err(|error| writer.failed(&error))?;
    Ok(seq)
}

/// Fails if there may be no replacement now.
fn check(writer: &Writer, state: &WriterState) -> Result<()> {
    match writer.refusal() {
        Some(error) => Err(error),
        None => state.intents.refuse_replacement(now()),
    }
}

impl Stage for LevelDbStage {
    fn write(&mut self, records: Vec<Staged>) -> Result<()> {
        let now = now();
        for mut staged in records {
            staged.fill_times(now);
            let Staged { space, key, record } = staged;
            if let Some(at) = record.expires_at {
                self.expiry.push(expiry_key(at, space, &key).into(), [].as_slice().into());
            }
            let encoded = encode(&key, &record, self.seq);
            let run = match space {
                Space::User => &mut self.user,
                Space::Internal => &mut self.internal,
            };
            run.push(encoded.shared_key(), encoded.shared_bytes());
            if self.user.bytes() + self.internal.bytes() + self.expiry.bytes() >= RUN_BYTES {
                self.write_out()?;
            }
        }
        Ok(())
    }
}

impl LevelDbStage {
    /// Hands what is in memory to RocksDB. Returns the staged generation.
    fn write_out(&mut self) -> Result<Arc<Generation>> {
        let runs = [&mut self.user, &mut self.internal, &mut self.expiry].map(std::mem::take);
        self.database.with(|open| {
            let generation = open.staged(self.generation).ok_or_else(|| Error::closed().in_engine(NAME))?;
            for (family, run) in generation.families().into_iter().zip(runs) {
                if !run.is_empty() {
                    self.add_table(open, family, run)?;
                }
            }
            Ok(generation)
        })
    }

    fn add_table(&self, open: &OpenDatabase, family: &Family, run: SortedRun) -> Result<()> {
        let failed = |error| fault::translate("stage records", &error);
        let path = self.database.path();
        // It may be another name of a table that RocksDB has taken over.
        remove_table(path)?;
        let table = table_path(path);
        let options = rocksdb_options::column_family(&self.options, &open.block_cache, &family.name);
        run.write(&table, &options).map_err(failed)?;
        let mut options = IngestExternalFileOptions::default();
        options.set_move_files(true);
        {
            let _no_writer = self.writer.lock();
            let taken = open.db.ingest_external_file_cf_opts(&family.handle, &options, vec![table]);
            taken.map_err(failed)?;
        }
        wait_for_compaction(open, family).map_err(failed)
    }
}

/// Waits until the first level of a column family has few tables. Those of sorted records lie below it at once.
fn wait_for_compaction(open: &OpenDatabase, family: &Family) -> Result<(), rocksdb::Error> {
    let mut options = WaitForCompactOptions::default();
    options.set_timeout(COMPACTION_WAIT);
    while open.db.property_int_value_cf(&family.handle, "rocksdb.num-files-at-level0")? > Some(MAX_FIRST_LEVEL) {
        match open.db.wait_for_compact(&options) {
            Ok(()) => break,
            Err(error) if error.kind() == rocksdb::ErrorKind::TimedOut => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

impl Drop for LevelDbStage {
    fn drop(&mut self) {
        // The next opening removes the rest. There is nothing to remove behind a swap.
        let _ = self.database.with(|open| {
            // First the table: RocksDB needs some space to remove the others.
            remove_table(self.database.path())?;
            open.drop_staged(self.generation)
        });
    }
}

/// Replaces the content by the staged one.
pub(super) fn swap(mut staged: LevelDbStage, reader: &Reader) -> Result<Commit> {
    let next = staged.write_out()?;
    let (database, writer) = (staged.database.clone(), staged.writer.clone());
    database.with(|open| {
        let mut state = writer.lock();
        check(&writer, &state)?;
        let now = now();
        // Two entries of the batch at least take a number each.
        let seq = open.db.latest_sequence_number() + 2;
        let mut batch = WriteBatch::default();
        batch.put_cf(&open.engine.handle, GENERATION_KEY, next.number.to_string());
        batch.delete_cf(&open.engine.handle, STAGED_KEY);
        keep_engine_keys(open, &next, &mut batch)?;
        if state.capture.logs(now) {
            begin_log(&next, seq, now, &mut batch);
        }
        if open.current().number == 0 {
            // Its column family stays.
            batch.delete_range_cf(&open.engine.handle, [EXPIRY], [EXPIRY + 1]);
        }
        let mut synced = WriteOptions::default();
        synced.set_sync(true);
        writer.counters.fsyncs.one();
        let exchanged = open.exchange(next.clone(), &reader.cache, || open.db.write_opt(batch, &synced));
        if let Err(error) = exchanged {
            open.leave_staged();
            writer.poison();
            let cause = fault::translate("write", &error);
            let message = "the replacement of the content failed on its way to the disk; close the store and open it \
                           again, then it has the old or the new content";
            return Err(Error::new(Code::UnknownOutcome, message).caused_by(&cause).in_engine(NAME));
        }
        state.recent = Recent::new(open.db.latest_sequence_number());
        Ok(Commit { seq, outcomes: Vec::new() })
    })
}

/// Copies those keys of the engine that outlive a replacement.
fn keep_engine_keys(open: &OpenDatabase, next: &Generation, batch: &mut WriteBatch) -> Result<()> {
    let current = open.current();
    let mut keys = seek(open, current.of(Space::Internal), &keyspace::engine(), ReadOptions::default());
    while let Some((key, value)) = keys.item() {
        if outlives_replacement(key) {
            batch.put_cf(&next.of(Space::Internal).handle, key, value);
            // `verify` reports a record that cannot be read.
            if let Some(at) = Header::read(value).ok().and_then(|header| header.expires_at) {
                batch.put_cf(&next.expiry.handle, expiry_key(at, Space::Internal, key), b"");
            }
        }
        keys.next();
    }
    keys.status().map_err(|error| fault::translate("read the keys of the engine", &error))
}

/// Begins the change log anew, behind commit `seq`.
fn begin_log(next: &Generation, seq: u64, now: Millis, batch: &mut WriteBatch) {
    let encoded = encode(&watch::entry_key(seq), &watch::first_entry(seq, now), seq);
    batch.put_cf(&next.of(Space::Internal).handle, encoded.key(), encoded.bytes());
}

fn table_path(folder: &Path) -> PathBuf {
    folder.join(TABLE_FILE)
}

/// Removes the table that a crash or an error has left in the folder of the store.
pub(super) fn remove_table(folder: &Path) -> Result<()> {
    let table = table_path(folder);
    match fs::remove_file(&table) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(Error::io(format_args!("cannot remove {}", table.display()), &error).in_engine(NAME))
        }
        _ => Ok(()),
    }
}

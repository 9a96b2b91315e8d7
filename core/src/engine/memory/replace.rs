//! The replacement of the whole content: other records in the place of the old ones.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::options::{Eviction, MemoryOptions};
use super::records::{Entry, Records};
use super::state::MemoryState;
use crate::batch::Commit;
use crate::engine::embedded::Stage;
use crate::engine::recent::Recent;
use crate::engine::{Staged, watch};
use crate::error::Result;
use crate::key::Space;
use crate::keyspace::{self, outlives_replacement};
use crate::record::{Millis, Record, Version, now};

pub(super) struct MemoryStage {
    records: Records,
    /// The number of the commit that all records count as written by.
    seq: u64,
    options: MemoryOptions,
}

impl Stage for MemoryStage {
    fn write(&mut self, records: Vec<Staged>) -> Result<()> {
        let now = now();
        for mut staged in records {
            staged.fill_times(now);
            let Staged { space, key, mut record } = staged;
            record.version = Version::of_commit(self.seq);
            self.records.replace(space, &key, Some(entry(record)));
        }
        self.options.check_room(self.records.bytes())
    }
}

impl MemoryState {
    /// Begins a replacement. It takes a number, so that no commit gives a record the versions of the staged ones.
    pub(super) fn stage(&mut self, now: Millis) -> Result<MemoryStage> {
        self.intents.refuse_replacement(now)?;
        self.seq += 1;
        Ok(MemoryStage { records: Records::default(), seq: self.seq, options: self.options })
    }

    /// Swaps the staged records in. Returns the old ones, whose drop takes long and needs no lock.
    pub(super) fn swap(&mut self, stage: MemoryStage, now: Millis) -> Result<(Commit, Records)> {
        self.intents.refuse_replacement(now)?;
        let mut records = stage.records;
        let seq = self.seq + 2;
        for (key, kept) in self.records.range(Space::Internal, &keyspace::engine()) {
            if outlives_replacement(key) {
                records.replace(Space::Internal, key, Some(kept.clone()));
            }
        }
        if self.capture.logs(now) {
            records.replace(Space::Internal, &watch::entry_key(seq), Some(entry(watch::first_entry(seq, now))));
        }
        self.options.check_room(records.bytes())?;
        let old = mem::replace(&mut self.records, records);
        self.seq = seq;
        self.recent = Recent::new(seq);
        if self.options.eviction == Eviction::Lru {
            self.recency.replace(self.records.map(Space::User));
        }
        Ok((Commit { seq, outcomes: Vec::new() }, old))
    }
}

fn entry(record: Record) -> Arc<Entry> {
    Arc::new(Entry { record, used: AtomicU64::new(0) })
}

//! The generations of an open store: the current one, the staged one, and those that were replaced.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};
use rocksdb::{FlushOptions, LiveFile, Options};

use super::column_families::{self, ENGINE};
use super::database::OpenDatabase;
use super::fault;
use super::generation::{Family, Generation};
use super::record_cache::RecordCache;
use crate::error::Result;
use crate::format::leveldb::EXPIRY;
use crate::key::Space;

pub(super) struct Generations {
    current: RwLock<Arc<Generation>>,
    staged: Mutex<Option<Arc<Generation>>>,
    /// Those that were replaced, but may still be read.
    replaced: Mutex<Vec<Arc<Generation>>>,
    /// The largest number that a generation ever had.
    latest: AtomicU64,
}

impl Generations {
    /// The generations of a store that has `current`, and leftovers up to number `latest`.
    pub(super) fn new(current: Generation, latest: u64) -> Self {
        Generations {
            latest: AtomicU64::new(latest.max(current.number)),
            current: RwLock::new(Arc::new(current)),
            staged: Mutex::default(),
            replaced: Mutex::default(),
        }
    }
}

impl OpenDatabase {
    /// The generation that the store reads and writes.
    pub(super) fn current(&self) -> Arc<Generation> {
        self.generations.current.read().clone()
    }

    /// Calls `call` with the current generation, which is not exchanged meanwhile.
    pub(super) fn with_current<T>(&self, call: impl FnOnce(&Arc<Generation>) -> T) -> T {
        call(&self.generations.current.read())
    }

    /// Makes the column families of a new generation, with the options that `options` gives for a name.
    pub(super) fn stage_generation(&self, options: impl Fn(&str) -> Options) -> Result<Arc<Generation>> {
        // After an error the number is not used again: RocksDB may have the column families all the same.
        let number = self.generations.latest.fetch_add(1, Ordering::Relaxed) + 1;
        let names = column_families::names(number);
        let made = names.iter().try_for_each(|name| {
            self.db.create_cf(name, &options(name)).map_err(|error| fault::translate("make a column family", &error))
        });
        let made = made.and_then(|()| {
            // SAFETY: `OpenDatabase` keeps the generation, and drops it before the database.
            unsafe { Generation::find(&self.db, number) }
        });
        match made {
            Ok(generation) => {
                let generation = Arc::new(generation);
                *self.generations.staged.lock() = Some(generation.clone());
                Ok(generation)
            }
            Err(error) => {
                for name in names.iter().filter(|name| self.db.cf_handle(name).is_some()) {
                    // The next opening removes the rest.
                    let _ = self.db.drop_cf(name);
                }
                Err(error)
            }
        }
    }

    /// The staged generation, if it has this number.
    pub(super) fn staged(&self, number: u64) -> Option<Arc<Generation>> {
        self.generations.staged.lock().clone().filter(|generation| generation.number == number)
    }

    /// Removes the staged generation, if it has this number.
    pub(super) fn drop_staged(&self, number: u64) -> Result<()> {
        let staged = self.generations.staged.lock().take_if(|generation| generation.number == number);
        staged.map_or(Ok(()), |generation| self.drop_families(&generation))
    }

    /// Forgets the staged generation, whose column families stay.
    pub(super) fn leave_staged(&self) {
        *self.generations.staged.lock() = None;
    }

    /// Calls `write`, which makes the staged generation `next` the current one on the disk. If it succeeds, exchanges
    /// the generations and clears `cache`. No view is made and no read begins meanwhile.
    pub(super) fn exchange<E>(
        &self,
        next: Arc<Generation>,
        cache: &RecordCache,
        write: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), E> {
        let mut current = self.generations.current.write();
        write()?;
        self.leave_staged();
        let mut old = next;
        cache.clear_with(|| std::mem::swap(&mut *current, &mut old));
        self.generations.replaced.lock().push(old);
        Ok(())
    }

    /// Removes those generations that were replaced and that no view and no running call has.
    pub(super) fn remove_replaced(&self) -> Result<()> {
        let unused: Vec<_> = {
            let mut replaced = self.generations.replaced.lock();
            replaced.extract_if(.., |generation| Arc::strong_count(generation) == 1).collect()
        };
        for generation in unused {
            if generation.number != 0 {
                self.drop_families(&generation)?;
            } else if !self.empty_first(&generation)? {
                self.generations.replaced.lock().push(generation);
            }
        }
        Ok(())
    }

    /// Removes the generations of these column families that are not the current one.
    pub(super) fn remove_leftovers(&self, families: &[String]) -> Result<()> {
        let current = self.current().number;
        for name in families {
            if column_families::generation_of(name).is_some_and(|number| number != 0 && number != current) {
                self.db.drop_cf(name).map_err(|error| fault::translate("remove an old column family", &error))?;
            }
        }
        if current != 0 {
            // SAFETY: `OpenDatabase` keeps the generation, and drops it before the database.
            let first = unsafe { Generation::find(&self.db, 0) }?;
            self.generations.replaced.lock().push(Arc::new(first));
        }
        self.remove_replaced()
    }

    /// Removes all column families of a generation, also where one of them fails.
    fn drop_families(&self, generation: &Generation) -> Result<()> {
        let dropped = generation.families().map(|family| self.db.drop_cf(&family.name));
        let dropped = dropped.into_iter().collect::<Result<(), _>>();
        dropped.map_err(|error| fault::translate("remove an old column family", &error))
    }

    /// Removes what is in the column families of generation 0, which nobody reads any more. False if some of it is left
    /// for a later call. Waits for nothing: a range tombstone, or a manual compaction, would make RocksDB read it all.
    fn empty_first(&self, first: &Generation) -> Result<bool> {
        if self.is_empty(first)? {
            return Ok(true);
        }
        for family in first.families() {
            // Tables below the first level can be removed as they are. The others, and memtables, are few: a flush and
            // a compaction move them down.
            let failed = |error| fault::translate("remove old tables", &error);
            self.db.set_options_cf(&family.handle, &[("level0_file_num_compaction_trigger", "1")]).map_err(failed)?;
            let mut flush = FlushOptions::default();
            flush.set_wait(false);
            self.db.flush_cf_opt(&family.handle, &flush).map_err(failed)?;
            let from: &[u8] = if family.name == ENGINE { &[EXPIRY] } else { &[] };
            let end = self.tables(family)?.into_iter().filter_map(|table| table.end_key).max();
            if let Some(end) = end.filter(|end| end.as_slice() >= from) {
                self.db.delete_file_in_range_cf(&family.handle, from, &end).map_err(failed)?;
            }
        }
        self.is_empty(first)
    }

    /// True if the keyspaces of a generation hold nothing, not even deleted records.
    fn is_empty(&self, generation: &Generation) -> Result<bool> {
        for family in [Space::User, Space::Internal].map(|space| generation.of(space)) {
            for property in ["rocksdb.num-entries-active-mem-table", "rocksdb.num-entries-imm-mem-tables"] {
                let entries = self.db.property_int_value_cf(&family.handle, property);
                if entries.map_err(|error| fault::translate("look at a column family", &error))? != Some(0) {
                    return Ok(false);
                }
            }
            if !self.tables(family)?.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn tables(&self, family: &Family) -> Result<Vec<LiveFile>> {
        let tables = self.db.live_files().map_err(|error| fault::translate("list the tables", &error))?;
        Ok(tables.into_iter().filter(|table| table.column_family_name == family.name).collect())
    }
}

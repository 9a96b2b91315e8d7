//! What a store counts from its opening on.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows. Adding orders nothing and waits for nobody.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn one(&self) {
        self.add(1);
    }

    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counters of one store.
#[derive(Debug, Default)]
pub struct Counters {
    /// Batches that took effect.
    pub commits: Counter,
    /// Batches refused with CONFLICT.
    pub conflicts: Counter,
    /// Batches that were written together with one before them. Counted instead of groups, so that a commit alone counts once.
    pub joined: Counter,
    /// Syncs asked of the system.
    pub fsyncs: Counter,
    /// Reads of single keys that the store's own cache answered.
    pub cache_hits: Counter,
    /// Those for which the medium was asked.
    pub cache_misses: Counter,
    /// What a crash left undone and was finished or dropped here.
    pub recoveries: Counter,
    /// The store is memory itself: there is no cache to hit or miss.
    pub uncached: bool,
}

impl Counters {
    /// Counts the results of batches that were written as one group.
    pub fn group<T>(&self, results: &[crate::Result<T>]) {
        let commits = results.iter().filter(|result| result.is_ok()).count() as u64;
        self.commits.add(commits);
        self.joined.add(commits.saturating_sub(1));
        let conflicts = results.iter().flat_map(|result| result.as_ref().err());
        self.conflicts.add(conflicts.filter(|error| error.code() == crate::Code::Conflict).count() as u64);
    }

    /// Counts the result of a batch written alone.
    pub fn one<T>(&self, result: &crate::Result<T>) {
        match result {
            Ok(_) => self.commits.one(),
            Err(error) if error.code() == crate::Code::Conflict => self.conflicts.one(),
            Err(_) => {}
        }
    }

    /// What was counted until now.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let Counters { commits, conflicts, joined, fsyncs, cache_hits, cache_misses, recoveries, uncached } = self;
        Counts {
            commits: Some(commits.get()),
            conflicts: Some(conflicts.get()),
            groups: Some(commits.get().saturating_sub(joined.get())),
            fsyncs: Some(fsyncs.get()),
            cache_hits: (!uncached).then(|| cache_hits.get()),
            cache_misses: (!uncached).then(|| cache_misses.get()),
            recoveries: Some(recoveries.get()),
        }
    }
}

/// What a store has counted since it was opened. What it cannot tell is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Batches that took effect; a write of one key is a batch.
    pub commits: Option<u64>,
    /// Batches refused with CONFLICT.
    pub conflicts: Option<u64>,
    /// Writes of the medium that those commits took: fewer where commits wait for one another.
    pub groups: Option<u64>,
    /// Syncs that the engine asked for.
    pub fsyncs: Option<u64>,
    /// Reads of single keys that the engine's cache answered.
    pub cache_hits: Option<u64>,
    /// Reads of single keys for which the medium was asked.
    pub cache_misses: Option<u64>,
    /// What a crash had left undone and was finished or dropped: batches, and parts of transactions over several engines.
    pub recoveries: Option<u64>,
}

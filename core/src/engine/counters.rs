//! The counters of a store, from its opening on.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows. An addition neither orders other memory accesses nor waits.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn one(&self) {
        self.add(1);
    }

    /// Adds `more`.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// The number.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counters of one store.
#[derive(Debug, Default)]
pub struct Counters {
    /// The number of batches that took effect.
    pub commits: Counter,
    /// The number of batches that were refused with `CONFLICT`.
    pub conflicts: Counter,
    /// The number of batches that were written in the group of an earlier one. Groups are commits less these, so that a
    /// commit alone takes one addition.
    pub joined: Counter,
    /// The number of syncs that the store asked the system for.
    pub fsyncs: Counter,
    /// The number of reads of single keys that the store's own cache answered.
    pub cache_hits: Counter,
    /// The number of reads of single keys that the medium answered.
    pub cache_misses: Counter,
    /// The number of batches and intents left by a crash that were finished or dropped.
    pub recoveries: Counter,
    /// The number of keys that a bounded store in memory evicted.
    pub evictions: Counter,
    /// True for a store in memory, which has no cache to hit or miss.
    pub uncached: bool,
}

impl Counters {
    /// Counts batches that were written as one group, by their results.
    pub fn group<T>(&self, results: &[crate::Result<T>]) {
        let commits = results.iter().filter(|result| result.is_ok()).count() as u64;
        self.commits.add(commits);
        self.joined.add(commits.saturating_sub(1));
        let conflicts = results.iter().filter_map(|result| result.as_ref().err());
        self.conflicts.add(conflicts.filter(|error| error.code() == crate::Code::Conflict).count() as u64);
    }

    /// Counts a batch that was written alone, by its result.
    pub fn one<T>(&self, result: &crate::Result<T>) {
        match result {
            Ok(_) => self.commits.one(),
            Err(error) if error.code() == crate::Code::Conflict => self.conflicts.one(),
            Err(_) => {}
        }
    }

    /// The numbers as they are now.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let Counters { commits, conflicts, joined, fsyncs, cache_hits, cache_misses, recoveries, evictions, uncached } =
            self;
        Counts {
            commits: Some(commits.get()),
            conflicts: Some(conflicts.get()),
            groups: Some(commits.get().saturating_sub(joined.get())),
            fsyncs: Some(fsyncs.get()),
            cache_hits: (!uncached).then(|| cache_hits.get()),
            cache_misses: (!uncached).then(|| cache_misses.get()),
            recoveries: Some(recoveries.get()),
            evictions: uncached.then(|| evictions.get()),
        }
    }
}

/// The numbers of events since a store was opened. A number that the store cannot tell is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Batches that took effect. A write of one key is a batch.
    pub commits: Option<u64>,
    /// Batches that were refused with `CONFLICT`.
    pub conflicts: Option<u64>,
    /// Groups in which these commits were written: fewer than commits where commits waited for one another.
    pub groups: Option<u64>,
    /// Syncs that the engine asked the system for.
    pub fsyncs: Option<u64>,
    /// Reads of single keys that the engine's cache answered.
    pub cache_hits: Option<u64>,
    /// Reads of single keys that the medium answered.
    pub cache_misses: Option<u64>,
    /// Batches and intents left by a crash that were finished or dropped.
    pub recoveries: Option<u64>,
    /// Keys that a bounded store in memory evicted.
    pub evictions: Option<u64>,
}

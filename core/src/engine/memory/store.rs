//! The store.

use std::sync::Arc;

use parking_lot::RwLock;

use super::write::State;
use crate::batch::{Batch, Commit};
use crate::engine::embedded::Store;
use crate::engine::watch::{Feed, Limits};
use crate::engine::{Capabilities, Counters, Embedded, Engine, Progress, Read, Reply, Report, Stats, View};
use crate::error::Result;
use crate::key::Space;
use crate::record::{Millis, now};
use crate::value::Value;

/// What happens when a bounded memory engine is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Eviction {
    /// Writes are refused with NO_SPACE.
    #[default]
    None,
    /// The least recently used keys make room. Keys of the models are never evicted.
    Lru,
}

/// Options of the memory engine.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemoryOptions {
    /// Bytes of keys, values and bookkeeping held at most; unlimited if absent.
    pub max_bytes: Option<u64>,
    pub eviction: Eviction,
}

/// Makes an empty memory engine.
#[must_use]
pub fn open(options: MemoryOptions) -> Arc<dyn Engine> {
    let feed = Arc::new(Feed::default());
    Arc::new(Embedded::new(Memory {
        state: RwLock::new(State::new(options, feed.clone())),
        counters: Counters { uncached: true, ..Counters::default() },
        feed,
        options,
    }))
}

struct Memory {
    state: RwLock<State>,
    counters: Counters,
    feed: Arc<Feed>,
    options: MemoryOptions,
}

impl Memory {
    fn answer(state: &State, read: &Read) -> Reply {
        match read {
            Read::Get(space, key) => Reply::Value(state.get(*space, key).map(|record| record.value.clone())),
            Read::Entry(space, key) => Reply::Entry(state.get(*space, key).cloned()),
            Read::Has(space, key) => Reply::Has(state.get(*space, key).is_some()),
            Read::Many(space, keys) => Reply::Values(
                keys.iter().map(|key| state.get(*space, key).map(|record| record.value.clone())).collect(),
            ),
        }
    }
}

impl Store for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::EMBEDDED
    }

    fn is_volatile(&self) -> bool {
        true
    }

    fn try_read(&self, read: &Read) -> Option<Result<Reply>> {
        let state = self.state.try_read()?;
        Some(Ok(Memory::answer(&state, read)))
    }

    fn try_get(&self, space: Space, key: &[u8]) -> Option<Result<Option<Value>>> {
        let state = self.state.try_read()?;
        Some(Ok(state.get(space, key).map(|record| record.value.clone())))
    }

    fn read(&self, read: &Read) -> Result<Reply> {
        Ok(Memory::answer(&self.state.read(), read))
    }

    fn try_write(&self, batch: &Batch) -> Option<Result<Commit>> {
        let mut state = self.state.try_write()?;
        Some(state.apply(batch, now()))
    }

    fn write_group(&self, batches: &[Batch]) -> Vec<Result<Commit>> {
        let mut state = self.state.write();
        batches.iter().map(|batch| state.apply(batch, now())).collect()
    }

    fn view(&self) -> Result<Arc<dyn View>> {
        Ok(Arc::new(self.state.read().view()))
    }

    fn try_view(&self) -> Option<Result<Arc<dyn View>>> {
        let state = self.state.try_read()?;
        Some(Ok(Arc::new(state.view())))
    }

    fn sweep(&self, now: Millis) -> Result<u64> {
        Ok(self.state.write().sweep(now))
    }

    fn feed(&self) -> &Arc<Feed> {
        &self.feed
    }

    /// The log takes a part of a bounded store.
    fn log_limits(&self) -> Limits {
        let Limits { commits, bytes } = Limits::default();
        let part = self.options.max_bytes.map_or(usize::MAX, |max| usize::try_from(max / 8).unwrap_or(usize::MAX));
        Limits { commits: commits.min(part / 512), bytes: bytes.min(part) }
    }

    fn stats(&self) -> Result<Stats> {
        Ok(self.state.read().stats())
    }

    fn counters(&self) -> &Counters {
        &self.counters
    }

    fn verify(&self, _repair: bool, progress: Progress<'_>) -> Result<Report> {
        let checked = self.state.read().stats().keys.unwrap_or(0);
        progress(checked, checked)?;
        Ok(Report { checked, errors: Vec::new() })
    }

    fn compact(&self) -> Result<()> {
        Ok(())
    }

    fn close(&self) -> Result<()> {
        self.state.write().drop_everything();
        Ok(())
    }
}

//! The store: the state behind one lock. Every call is answered on the caller's thread, unless it would wait for the
//! lock.

use std::sync::Arc;

use parking_lot::RwLock;

use super::options::MemoryOptions;
use super::replace::MemoryStage;
use super::state::MemoryState;
use crate::batch::{Batch, Commit};
use crate::engine::embedded::Store;
use crate::engine::watch::{Feed, Limits};
use crate::engine::{Capabilities, Counters, Progress, Read, Reply, Report, Stats, View};
use crate::error::Result;
use crate::key::Space;
use crate::record::{Millis, now};
use crate::value::Value;

pub(super) struct MemoryStore {
    state: RwLock<MemoryState>,
    counters: Counters,
    feed: Arc<Feed>,
    options: MemoryOptions,
}

impl MemoryStore {
    pub(super) fn new(options: MemoryOptions) -> Self {
        let feed = Arc::new(Feed::default());
        MemoryStore {
            state: RwLock::new(MemoryState::new(options, feed.clone())),
            counters: Counters { uncached: true, ..Counters::default() },
            feed,
            options,
        }
    }

    fn apply(&self, state: &mut MemoryState, batch: &Batch) -> Result<Commit> {
        let committed = state.apply(batch, now());
        self.counters.evictions.add(std::mem::take(&mut state.evicted));
        committed
    }
}

impl Store for MemoryStore {
    type Stage = MemoryStage;

    fn name(&self) -> &'static str {
        "memory"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { volatile: true, ..Capabilities::EMBEDDED }
    }

    fn try_read(&self, read: &Read) -> Option<Result<Reply>> {
        let state = self.state.try_read()?;
        Some(state.answer(read))
    }

    fn try_get(&self, space: Space, key: &[u8]) -> Option<Result<Option<Value>>> {
        let state = self.state.try_read()?;
        Some(Ok(state.get(space, key).map(|record| record.value.clone())))
    }

    fn read(&self, read: &Read) -> Result<Reply> {
        self.state.read().answer(read)
    }

    fn try_write(&self, batch: &Batch) -> Option<Result<Commit>> {
        let mut state = self.state.try_write()?;
        Some(self.apply(&mut state, batch))
    }

    fn write_group(&self, batches: &[Batch]) -> Vec<Result<Commit>> {
        let mut state = self.state.write();
        batches.iter().map(|batch| self.apply(&mut state, batch)).collect()
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

    /// The change log takes at most an eighth of a bounded store.
    fn log_limits(&self) -> Limits {
        let Limits { commits, bytes } = Limits::default();
        let share = self.options.max_bytes.map_or(usize::MAX, |max| usize::try_from(max / 8).unwrap_or(usize::MAX));
        Limits { commits: commits.min(share / 512), bytes: bytes.min(share) }
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

    fn stage(&self) -> Result<MemoryStage> {
        self.state.write().stage(now())
    }

    fn swap(&self, stage: MemoryStage) -> Result<Commit> {
        let swapped = self.state.write().swap(stage, now());
        swapped.map(|(commit, _)| commit)
    }

    fn close(&self) -> Result<()> {
        self.state.write().drop_everything();
        Ok(())
    }
}

//! The order of calls: on each key the order of submission. Waiting writes are grouped.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};

use crate::batch::Batch;
use crate::engine::{Done, Read, Request};
use crate::error::Result;
use crate::key::{Key, Space};

/// The number of batches in one group at most.
const GROUP_BATCHES: usize = 1024;
/// The size of a group, in bytes. The batch that crosses the limit is its last.
const GROUP_BYTES: usize = 16 << 20;

/// The queue, and the keys of unanswered writes and reads.
#[derive(Default)]
pub(super) struct QueueState {
    pub(super) queue: VecDeque<Queued>,
    /// True while a task works through the queue.
    pub(super) draining: bool,
    /// The number of unresolved writes of each key.
    writes: HashMap<(Space, Key), usize>,
    /// The number of unresolved writes of whole ranges.
    wide_writes: usize,
    /// The number of reads in the pool of each key.
    reads: HashMap<(Space, Key), usize>,
    /// True once the store is closed.
    pub(super) finished: bool,
}

/// A call that waits for its turn.
pub(super) enum Queued {
    Call(Request, Done),
    Alone(Alone),
}

/// A task that runs while no other call of the store does. Its result tells the caller.
pub(super) type Alone = Box<dyn FnOnce(Result<()>) -> Tell + Send>;

/// Tells a caller that its call is over.
pub(super) type Tell = Box<dyn FnOnce() + Send>;

/// The next piece of work.
pub(super) enum Work {
    Nothing,
    Writes(Vec<Batch>, Vec<Done>),
    One(Request, Done),
    Alone(Alone),
}

impl QueueState {
    pub(super) fn blocks_read(&self, read: &Read) -> bool {
        if self.wide_writes > 0 {
            return true;
        }
        match read {
            Read::Get(space, key) | Read::Entry(space, key) | Read::Has(space, key) => {
                self.writes.contains_key(&(*space, key.clone()))
            }
            Read::Many(space, keys) => keys.iter().any(|key| self.writes.contains_key(&(*space, key.clone()))),
        }
    }

    /// True if a read in the pool may still have to see the state before `batch`.
    fn blocks_write(&self, batch: &Batch) -> bool {
        !self.reads.is_empty()
            && batch.ops.iter().any(|op| match op.key() {
                Some((space, key)) => self.reads.contains_key(&(space, key.clone())),
                None => true,
            })
    }

    pub(super) fn count_writes(&mut self, batch: &Batch) {
        for op in &batch.ops {
            match op.key() {
                Some((space, key)) => *self.writes.entry((space, key.clone())).or_insert(0) += 1,
                None => self.wide_writes += 1,
            }
        }
    }

    pub(super) fn uncount_writes(&mut self, batch: &Batch) {
        for op in &batch.ops {
            match op.key() {
                Some((space, key)) => uncount(&mut self.writes, space, key),
                None => self.wide_writes -= 1,
            }
        }
    }

    pub(super) fn count_reads(&mut self, read: &Read) {
        for_each_key(read, |space, key| *self.reads.entry((space, key.clone())).or_insert(0) += 1);
    }

    pub(super) fn uncount_reads(&mut self, read: &Read) {
        for_each_key(read, |space, key| uncount(&mut self.reads, space, key));
    }

    /// Counts a task that runs alone: every later read waits for it.
    pub(super) fn count_alone(&mut self) {
        self.wide_writes += 1;
    }

    pub(super) fn uncount_alone(&mut self) {
        self.wide_writes -= 1;
    }

    /// Takes the next read, view or task, or the longest run of writes that may be written as one group.
    pub(super) fn take_work(&mut self) -> Work {
        let mut batches = Vec::new();
        let mut dones = Vec::new();
        let mut bytes = 0;
        while batches.len() < GROUP_BATCHES && bytes < GROUP_BYTES {
            match self.queue.front() {
                Some(Queued::Call(Request::Commit(batch), _)) if !self.blocks_write(batch) => {}
                Some(Queued::Call(Request::Commit(_), _)) | None => break,
                Some(Queued::Alone(_)) if !self.reads.is_empty() => break,
                Some(_) if batches.is_empty() => return self.take_one(),
                Some(_) => break,
            }
            if let Some(Queued::Call(Request::Commit(batch), done)) = self.queue.pop_front() {
                bytes += batch.size();
                batches.push(batch);
                dones.push(done);
            }
        }
        if batches.is_empty() { Work::Nothing } else { Work::Writes(batches, dones) }
    }

    fn take_one(&mut self) -> Work {
        match self.queue.pop_front() {
            Some(Queued::Call(request, done)) => Work::One(request, done),
            Some(Queued::Alone(task)) => Work::Alone(task),
            None => Work::Nothing,
        }
    }
}

fn uncount(counts: &mut HashMap<(Space, Key), usize>, space: Space, key: &Key) {
    if let Entry::Occupied(mut entry) = counts.entry((space, key.clone())) {
        *entry.get_mut() -= 1;
        if *entry.get() == 0 {
            entry.remove();
        }
    }
}

fn for_each_key(read: &Read, mut take: impl FnMut(Space, &Key)) {
    match read {
        Read::Get(space, key) | Read::Entry(space, key) | Read::Has(space, key) => take(*space, key),
        Read::Many(space, keys) => keys.iter().for_each(|key| take(*space, key)),
    }
}

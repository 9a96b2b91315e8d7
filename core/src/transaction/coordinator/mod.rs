//! Commits over several engines: intents everywhere, then the decision in the log, then the intents carried out.
//!
//! The decision is one record of the log, safe before anything is carried out; a transaction without one was not committed.
//! Whatever ends the process, each store's intents say what was meant and the log says whether. An engine without atomic
//! batches is written before the decision, and the log keeps what takes that back.

mod increments;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

use self::increments::resolve_increments;
use super::in_doubt::{self, Doubt, PreparedStore};
use super::log::folder::Folder;
use super::log::{Figures, Log, Refusal, Unfinished, count};
use super::store_id::Stores;
use super::undo::{Plan, Undo};
use super::{Coordinator, Finished, Participant};
use crate::batch::{Batch, Check, IntentId, MAX_BATCH_BYTES};
use crate::engine::intent::{self, Decision};
use crate::engine::{Durability, Engine, EngineExt};
use crate::error::{Code, Error, Result};
use crate::format::transaction_log::Entry;
use crate::key::Space;
use crate::threads::TaskGroup;

/// What an intent's batch needs beside the writes, in bytes, with room to spare.
const INTENT_BYTES: usize = 256;

/// Pauses before an intent that could not be carried out is tried again while the caller waits.
const PAUSES: [Duration; 2] =
    if cfg!(test) { [Duration::ZERO; 2] } else { [Duration::from_millis(20), Duration::from_millis(100)] };

/// The transactions of this process that need a log, which is made by the first of them.
pub struct TransactionLog {
    inner: Arc<Inner>,
}

/// What the transactions over several engines of one [`TransactionLog`] came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TransactionStats {
    /// Committed with the log.
    pub commits: u64,
    /// Not committed, whatever the reason.
    pub rollbacks: u64,
    /// Writes of the log; each carries the records of all who waited for it.
    pub writes: u64,
    /// Syncs of the log, one a write at `full`.
    pub fsyncs: u64,
    /// Log files made.
    pub logs: u64,
}

pub(super) struct Inner {
    folder: Folder,
    durability: Durability,
    current: Mutex<Current>,
    stores: Stores,
    /// Taken by whoever writes to an engine without atomic batches, from the check to the decision.
    gates: Mutex<Vec<(u128, Arc<Mutex<()>>)>>,
    tasks: TaskGroup,
    figures: Arc<Figures>,
}

#[derive(Default)]
struct Current {
    log: Option<Arc<Log>>,
    /// A sync failed: what the disk holds is not known any more, nothing further is decided.
    poisoned: Option<Error>,
}

impl TransactionLog {
    /// Keeps its logs in `folder`, which is made when the first is needed.
    #[must_use]
    pub fn new(folder: PathBuf, durability: Durability) -> Arc<Self> {
        Self::in_folder(Folder::new(folder), durability)
    }

    pub(super) fn in_folder(folder: Folder, durability: Durability) -> Arc<Self> {
        let inner = Inner {
            folder,
            durability,
            current: Mutex::default(),
            stores: Stores::default(),
            gates: Mutex::default(),
            tasks: TaskGroup::default(),
            figures: Arc::default(),
        };
        Arc::new(TransactionLog { inner: Arc::new(inner) })
    }

    #[must_use]
    pub fn stats(&self) -> TransactionStats {
        let Figures { commits, rollbacks, writes, fsyncs, logs } = &*self.inner.figures;
        TransactionStats {
            commits: commits.load(Ordering::Relaxed),
            rollbacks: rollbacks.load(Ordering::Relaxed),
            writes: writes.load(Ordering::Relaxed),
            fsyncs: fsyncs.load(Ordering::Relaxed),
            logs: logs.load(Ordering::Relaxed),
        }
    }

    /// Refuses what comes, waits for what runs, and removes the log unless recovery will need it. The engines must still be
    /// open. Idempotent. Blocks.
    pub fn close(&self) {
        self.inner.tasks.join();
        self.inner.retire();
    }
}

impl Drop for TransactionLog {
    fn drop(&mut self) {
        // What runs goes on without us; the log goes with the last of it.
        self.inner.tasks.stop();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.retire();
    }
}

impl Coordinator for TransactionLog {
    fn commit_across(&self, participants: Vec<Participant>, finished: Finished) {
        let inner = self.inner.clone();
        let mut answer = Answer(Some(finished));
        let task = move |started: Result<()>| {
            let result = started.and_then(|()| inner.run(participants));
            drop(inner);
            answer.give(result);
        };
        // A group that is closed drops the task, and the answer with it.
        self.inner.tasks.run(task);
    }
}

/// Answers in any case: with the outcome, or when it is dropped without one.
struct Answer(Option<Finished>);

impl Answer {
    fn give(&mut self, result: Result<()>) {
        if let Some(finished) = self.0.take() {
            finished(result);
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.give(Err(if thread::panicking() {
            Error::new(
                Code::UnknownOutcome,
                "the commit failed inside; the next open of the engines finishes or drops it",
            )
        } else {
            Error::new(Code::Closed, "the transaction log is closed")
        }));
    }
}

/// A participant that is written to.
struct Writer {
    name: String,
    engine: Arc<dyn Engine>,
    batch: Batch,
    store: u128,
}

impl Inner {
    fn retire(&self) {
        if let Some(log) = self.current.lock().log.take() {
            log.retire();
        }
    }

    fn run(&self, participants: Vec<Participant>) -> Result<()> {
        let (mut writers, readers) = self.sort(participants)?;
        if writers.is_empty() {
            return check(&readers);
        }
        if let [writer] = writers.as_mut_slice()
            && writer.engine.capabilities().atomic_batch
        {
            check(&readers)?;
            return writer.engine.commit(std::mem::take(&mut writer.batch)).map(|_| ());
        }
        let result = self.decide(writers, &readers);
        match &result {
            Ok(()) => count(&self.figures.commits),
            Err(error) if error.code() != Code::UnknownOutcome => count(&self.figures.rollbacks),
            Err(_) => {}
        }
        result
    }

    /// Who is written to, in the order of the stores' ids, and who was only read. A store that takes part under two names
    /// takes part once.
    fn sort(&self, participants: Vec<Participant>) -> Result<(Vec<Writer>, Vec<Participant>)> {
        let mut writers: Vec<Writer> = Vec::new();
        let mut readers = Vec::new();
        for participant in participants {
            if participant.batch.ops.is_empty() {
                readers.push(participant);
                continue;
            }
            let Participant { name, engine, batch } = participant;
            // Without snapshots any commit, that of the id among them, fails the check of a range.
            let late = !batch.range_checks.is_empty() && !engine.capabilities().snapshots;
            let store = self.stores.identify(&engine, late)?;
            match writers.iter_mut().find(|writer| writer.store == store) {
                Some(writer) => {
                    writer.batch.checks.extend(batch.checks);
                    writer.batch.range_checks.extend(batch.range_checks);
                    writer.batch.ops.extend(batch.ops);
                    writer.batch.as_of = None;
                }
                None => writers.push(Writer { name, engine, batch, store }),
            }
        }
        writers.sort_by_key(|writer| writer.store);
        Ok((writers, readers))
    }

    /// A place in the log for one transaction.
    fn begin(&self) -> Result<Unfinished> {
        let mut current = self.current.lock();
        loop {
            if let Some(log) = current.log.take() {
                if let Some(unfinished) = log.begin() {
                    current.log = Some(log);
                    return Ok(unfinished);
                }
                log.retire();
                current.poisoned = current.poisoned.take().or_else(|| log.sync_failure());
            }
            if let Some(error) = &current.poisoned {
                let message = format!(
                    "the transaction log could not be synced before, so nothing over several engines is committed any more; open \
                     the engines again once the disk is well ({})",
                    error.message()
                );
                return Err(Error::new(error.code(), message));
            }
            current.log = Some(Log::create(&self.folder, self.durability, self.figures.clone())?);
        }
    }

    fn decide(&self, writers: Vec<Writer>, readers: &[Participant]) -> Result<()> {
        let (promising, plain): (Vec<_>, Vec<_>) =
            writers.into_iter().partition(|writer| writer.engine.capabilities().atomic_batch);
        for writer in &promising {
            if writer.batch.size() > MAX_BATCH_BYTES - INTENT_BYTES {
                let message = format!("a transaction writes at most {MAX_BATCH_BYTES} bytes to an engine; split it");
                return Err(Error::new(Code::ValueTooLarge, message).in_engine(writer.engine.name()));
            }
        }
        let gates: Vec<Arc<Mutex<()>>> = plain.iter().map(|writer| self.gate(writer.store)).collect();
        let mut commit = Commit {
            inner: self,
            unfinished: Arc::new(self.begin()?),
            promised: Vec::new(),
            written: Vec::new(),
            gates: Vec::new(),
        };
        let prepared = commit.prepare(promising).and_then(|()| check(readers)).and_then(|()| {
            commit.gates = gates.iter().map(|gate| gate.lock()).collect();
            plain.into_iter().try_for_each(|writer| commit.write(writer))
        });
        match prepared {
            Err(error) => Err(commit.roll_back(error)),
            Ok(()) => commit.finish(),
        }
    }

    fn gate(&self, store: u128) -> Arc<Mutex<()>> {
        let mut gates = self.gates.lock();
        if let Some((_, gate)) = gates.iter().find(|(of, _)| *of == store) {
            return gate.clone();
        }
        let gate = Arc::new(Mutex::default());
        gates.push((store, gate.clone()));
        gate
    }
}

/// CONFLICT unless what was read still holds.
fn check(readers: &[Participant]) -> Result<()> {
    for Participant { engine, batch, .. } in readers {
        if !batch.checks.is_empty() || !batch.range_checks.is_empty() {
            engine.commit(batch.clone())?;
        }
    }
    Ok(())
}

/// A transaction on its way.
struct Commit<'a> {
    inner: &'a Inner,
    unfinished: Arc<Unfinished>,
    /// Who may hold an intent of it.
    promised: Vec<PreparedStore>,
    /// What was, or may have been, written without an intent.
    written: Vec<(Writer, u64, Undo)>,
    gates: Vec<MutexGuard<'a, ()>>,
}

impl Commit<'_> {
    fn log(&self) -> &Log {
        &self.unfinished.log
    }

    fn id(&self) -> IntentId {
        IntentId { log: self.log().id, number: self.unfinished.number }
    }

    /// Makes the intents.
    fn prepare(&mut self, writers: Vec<Writer>) -> Result<()> {
        for Writer { name, engine, batch, store } in writers {
            let mut batch = resolve_increments(&*engine, batch)?;
            // Holds unless the store takes part under another id, too, which it may until it keeps one.
            batch.checks.push(Check { space: Space::Internal, key: intent::key(self.id()), version: None });
            if !engine.capabilities().volatile {
                self.log().take_part(store, true, &name).map_err(Refusal::into_error)?;
            }
            let mut prepared = PreparedStore { name, engine, id: store, doubt: Doubt::None };
            match prepared.engine.prepare(self.id(), batch) {
                Ok(_) => {
                    let engine = prepared.engine.clone();
                    self.promised.push(prepared);
                    self.keep_id(&engine, store)?;
                }
                Err(error) => {
                    prepared.doubt = Doubt::after(&error, &*prepared.engine);
                    if prepared.doubt != Doubt::None {
                        self.promised.push(prepared);
                    }
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Has a store that takes part for the first time keep its id, now that its checks are made.
    fn keep_id(&self, engine: &Arc<dyn Engine>, id: u128) -> Result<()> {
        self.inner.stores.keep(engine, id).inspect_err(|_| {
            // The log knows it under an id it does not have: recovery must not wait for that.
            self.log().forget(id);
        })
    }

    /// Writes to an engine without atomic batches, once the log knows how to take it back.
    fn write(&mut self, mut writer: Writer) -> Result<()> {
        let batch = resolve_increments(&*writer.engine, std::mem::take(&mut writer.batch))?;
        let Batch { checks, range_checks, ops, .. } = batch;
        if !checks.is_empty() || !range_checks.is_empty() {
            writer.engine.commit(Batch { checks, range_checks, ..Batch::default() })?;
        }
        self.keep_id(&writer.engine, writer.store)?;
        let plan = Plan::new(&*writer.engine.view()?, ops)?;
        let store = self.log().take_part(writer.store, false, &writer.name).map_err(Refusal::into_error)?;
        let number = self.unfinished.number;
        let Undo { written, before } = plan.undo.clone();
        self.log().append(&Entry::Undo { number, store, written, before }).map_err(Refusal::into_error)?;
        let engine = writer.engine.clone();
        self.written.push((writer, store, plan.undo.clone()));
        plan.carry_out(&*engine)
    }

    /// Decides, and carries out.
    fn finish(mut self) -> Result<()> {
        let number = self.unfinished.number;
        match self.log().append(&Entry::Commit { number }) {
            Ok(()) => {}
            Err(Refusal::Not(error)) => return Err(self.roll_back(error)),
            Err(Refusal::Unknown(error)) => {
                self.log().keep();
                let message = "the sync of the transaction log failed, so the disk alone knows whether this transaction is committed; the \
                               next open of its engines reads it there and finishes or drops it";
                return Err(Error::new(Code::UnknownOutcome, message).caused_by(&error));
            }
        }
        self.gates.clear();
        let id = self.id();
        let mut failed = None;
        for prepared in std::mem::take(&mut self.promised) {
            if let Err(error) = patiently(|| prepared.engine.resolve(id, Decision::Apply).map(|found| found.is_some()))
            {
                let late = late(&prepared.name, &error);
                in_doubt::retry_later(&self.inner.tasks, &self.unfinished, prepared, Decision::Apply);
                failed.get_or_insert(late);
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Takes everything back because of `reason`, and gives the error for the caller.
    fn roll_back(mut self, reason: Error) -> Error {
        let mut left = None;
        for (writer, store, undo) in std::mem::take(&mut self.written).into_iter().rev() {
            let number = self.unfinished.number;
            let undone = patiently(|| undo.take_back(&*writer.engine).map(|()| true))
                .and_then(|()| self.log().append(&Entry::Undone { number, store }).map_err(Refusal::into_error));
            if let Err(error) = undone {
                self.log().keep();
                left.get_or_insert((writer.name, error));
            }
        }
        self.gates.clear();
        let id = self.id();
        for prepared in std::mem::take(&mut self.promised) {
            match prepared.engine.resolve(id, Decision::Drop) {
                Ok(Some(_)) => {}
                Ok(None) if prepared.doubt == Doubt::None => {}
                _ if prepared.doubt == Doubt::Disk => {
                    in_doubt::leave_to_opening(&self.unfinished, &prepared, Decision::Drop);
                }
                // It failed, or it may be on its way still: it is looked for again.
                _ => in_doubt::retry_later(&self.inner.tasks, &self.unfinished, prepared, Decision::Drop),
            }
        }
        match left {
            Some((name, error)) => {
                let message = format!(
                    "the transaction was not committed ({}), but what {name} had written of it could not be taken back; the next open \
                     of that engine does it",
                    reason.message()
                );
                Error::new(Code::UnknownOutcome, message).caused_by(&error)
            }
            // Without a decision nothing is carried out, whatever became of the intents.
            None if reason.code() == Code::UnknownOutcome => {
                let message = format!("the transaction was not committed: {}", reason.message());
                Error::new(Code::Connection, message).caused_by(&reason)
            }
            None => reason,
        }
    }
}

/// Tries a few times; what answers false at the first time should have been there.
fn patiently(attempt: impl Fn() -> Result<bool>) -> Result<()> {
    let mut pauses = PAUSES.iter();
    let mut first = true;
    loop {
        match attempt() {
            Ok(false) if first => return Err(Error::new(Code::Io, "what it was about to write is gone")),
            Ok(_) => return Ok(()),
            Err(error) => match pauses.next() {
                Some(pause) if error.code() != Code::Closed => thread::sleep(*pause),
                _ => return Err(error),
            },
        }
        first = false;
    }
}

fn late(name: &str, error: &Error) -> Error {
    let message = format!(
        "the transaction is committed, but {name} has not carried it out yet ({}); it will as soon as it can, at the latest when it is \
         opened again with this log",
        error.message()
    );
    Error::new(Code::UnknownOutcome, message).caused_by(error)
}

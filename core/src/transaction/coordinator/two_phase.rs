//! The two-phase commit: every engine prepares an intent, the log records the decision, and the intents are resolved.

use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use super::super::in_doubt::{self, Certainty, PreparedStore};
use super::super::log::{AppendError, LogWriter, OpenTransaction};
use super::super::participant::Participant;
use super::super::undo::{Undo, WritePlan};
use super::increments::resolve_increments;
use super::participants::{Writer, check_reads};
use super::retry::with_retries;
use super::state::CoordinatorState;
use crate::batch::{Batch, Check, IntentId, MAX_BATCH_BYTES};
use crate::engine::intent::{self, Decision};
use crate::engine::{Engine, EngineExt};
use crate::error::{Code, Error, Result};
use crate::format::transaction_log::Entry;
use crate::key::Space;

/// Bytes that the batch of an intent needs beside its writes, with room to spare.
const INTENT_BYTES: usize = 256;

/// Commits to `writers` if everything that was read still holds. Blocks.
pub(super) fn commit(state: &CoordinatorState, writers: Vec<Writer>, readers: &[Participant]) -> Result<()> {
    let (atomic, plain): (Vec<_>, Vec<_>) =
        writers.into_iter().partition(|writer| writer.engine.capabilities().atomic_batch);
    for writer in &atomic {
        if writer.batch.size() > MAX_BATCH_BYTES - INTENT_BYTES {
            let message = format!("a transaction writes at most {MAX_BATCH_BYTES} bytes to an engine; split it");
            return Err(Error::new(Code::ValueTooLarge, message).in_engine(writer.engine.name()));
        }
    }
    let locks: Vec<Arc<Mutex<()>>> = plain.iter().map(|writer| state.store_lock(writer.store)).collect();
    let mut commit = TwoPhaseCommit {
        state,
        transaction: Arc::new(state.begin()?),
        prepared: Vec::new(),
        written: Vec::new(),
        locks: Vec::new(),
    };
    let ready = commit.prepare(atomic).and_then(|()| check_reads(readers)).and_then(|()| {
        commit.locks = locks.iter().map(|lock| lock.lock()).collect();
        plain.into_iter().try_for_each(|writer| commit.write(writer))
    });
    match ready {
        Err(error) => Err(commit.roll_back(error)),
        Ok(()) => commit.decide(),
    }
}

/// A commit on its way.
struct TwoPhaseCommit<'a> {
    state: &'a CoordinatorState,
    transaction: Arc<OpenTransaction>,
    /// The stores that may hold an intent of it.
    prepared: Vec<PreparedStore>,
    /// Stores that may hold writes of it without an intent: the index of each in the log, and how to undo the writes.
    written: Vec<(Writer, u64, Undo)>,
    /// The locks of these stores.
    locks: Vec<MutexGuard<'a, ()>>,
}

impl TwoPhaseCommit<'_> {
    fn log(&self) -> &LogWriter {
        &self.transaction.log
    }

    fn id(&self) -> IntentId {
        IntentId { log: self.log().id, number: self.transaction.number }
    }

    /// Has the engines prepare their intents.
    fn prepare(&mut self, writers: Vec<Writer>) -> Result<()> {
        for Writer { name, engine, batch, store } in writers {
            let mut batch = resolve_increments(&*engine, batch)?;
            // Fails if the store takes part under another id, too, which it may until it keeps one.
            batch.checks.push(Check { space: Space::Internal, key: intent::key(self.id()), version: None });
            if !engine.capabilities().volatile {
                self.log().take_part(store, true, &name).map_err(AppendError::into_error)?;
            }
            let mut prepared = PreparedStore { name, engine, id: store, certainty: Certainty::Certain };
            match prepared.engine.prepare(self.id(), batch) {
                Ok(_) => {
                    let engine = prepared.engine.clone();
                    self.prepared.push(prepared);
                    self.keep_id(&engine, store)?;
                }
                Err(error) => {
                    prepared.certainty = Certainty::after(&error, &*prepared.engine);
                    if prepared.certainty != Certainty::Certain {
                        self.prepared.push(prepared);
                    }
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Has a store that takes part for the first time keep its id, after its checks are made.
    fn keep_id(&self, engine: &Arc<dyn Engine>, id: u128) -> Result<()> {
        self.state.store_ids.keep(engine, id).inspect_err(|_| {
            // The log has the store under an id that it does not keep. Recovery must not wait for that one.
            self.log().forget(id);
        })
    }

    /// Writes to an engine without atomic batches, after the log knows how to undo that.
    fn write(&mut self, mut writer: Writer) -> Result<()> {
        let batch = resolve_increments(&*writer.engine, std::mem::take(&mut writer.batch))?;
        let Batch { checks, range_checks, ops, .. } = batch;
        if !checks.is_empty() || !range_checks.is_empty() {
            writer.engine.commit(Batch { checks, range_checks, ..Batch::default() })?;
        }
        self.keep_id(&writer.engine, writer.store)?;
        let plan = WritePlan::new(&*writer.engine.view()?, ops)?;
        let store = self.log().take_part(writer.store, false, &writer.name).map_err(AppendError::into_error)?;
        let number = self.transaction.number;
        let Undo { written, before } = plan.undo.clone();
        self.log().append(&Entry::Undo { number, store, written, before }).map_err(AppendError::into_error)?;
        let engine = writer.engine.clone();
        self.written.push((writer, store, plan.undo.clone()));
        plan.carry_out(&*engine)
    }

    /// Records the decision, and resolves the intents.
    fn decide(mut self) -> Result<()> {
        let number = self.transaction.number;
        match self.log().append(&Entry::Commit { number }) {
            Ok(()) => {}
            Err(AppendError::NotWritten(error)) => return Err(self.roll_back(error)),
            Err(AppendError::Unknown(error)) => {
                self.log().keep();
                let message = "the sync of the transaction log failed, so the disk alone knows whether this \
                               transaction is committed; the next open of its engines reads it there and finishes \
                               or drops it";
                return Err(Error::new(Code::UnknownOutcome, message).caused_by(&error));
            }
        }
        self.locks.clear();
        let id = self.id();
        let mut failed = None;
        for prepared in std::mem::take(&mut self.prepared) {
            let apply = || prepared.engine.resolve(id, Decision::Apply).map(|found| found.is_some());
            if let Err(error) = with_retries(apply) {
                let late = not_carried_out(&prepared.name, &error);
                in_doubt::resolve_later(&self.state.tasks, &self.transaction, prepared, Decision::Apply);
                failed.get_or_insert(late);
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Undoes everything because of `reason`, and returns the error for the caller.
    fn roll_back(mut self, reason: Error) -> Error {
        let mut left = None;
        for (writer, store, undo) in std::mem::take(&mut self.written).into_iter().rev() {
            let number = self.transaction.number;
            match with_retries(|| undo.apply(&*writer.engine).map(|()| true)) {
                // If the log cannot take the entry, it takes no more transactions and is removed. It must not stay:
                // recovery would take a later write of the same value for one of this transaction.
                Ok(()) => drop(self.log().append(&Entry::Undone { number, store })),
                Err(error) => {
                    self.log().keep();
                    left.get_or_insert((writer.name, error));
                }
            }
        }
        self.locks.clear();
        let id = self.id();
        for prepared in std::mem::take(&mut self.prepared) {
            match prepared.engine.resolve(id, Decision::Drop) {
                Ok(Some(_)) => {}
                Ok(None) if prepared.certainty == Certainty::Certain => {}
                _ if prepared.certainty == Certainty::DiskFailed => {
                    in_doubt::leave_to_opening(&self.transaction, &prepared, Decision::Drop);
                }
                // This failed, or the intent may still be on its way: it is looked for again.
                _ => in_doubt::resolve_later(&self.state.tasks, &self.transaction, prepared, Decision::Drop),
            }
        }
        match left {
            Some((name, error)) => {
                let message = format!(
                    "the transaction was not committed ({}), but what {name} had written of it could not be taken \
                     back; the next open of that engine does it",
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

/// The error of a transaction that is committed, and that an engine has not carried out yet.
fn not_carried_out(name: &str, error: &Error) -> Error {
    let message = format!(
        "the transaction is committed, but {name} has not carried it out yet ({}); \
         it will as soon as it can, at the latest when it is opened again with this log",
        error.message()
    );
    Error::new(Code::UnknownOutcome, message).caused_by(error)
}

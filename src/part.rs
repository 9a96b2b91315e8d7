//! Where a transaction's view of a store takes its place: made once and used by one transaction after another, as making
//! the functions of a store costs more than a short transaction.

use std::sync::{Arc, Weak};

use holdfast_core::Batch;
use holdfast_core::batch::Commit;
use holdfast_core::engine::{Capabilities, Done, Engine, Progress, Read, Reply, Report, Request, Stats, View};
use holdfast_core::error::{Code, Error, Result};
use holdfast_core::key::Space;
use holdfast_core::transaction::{Coordinator, Finished, Options, Transaction};
use holdfast_core::value::Value;
use napi::Env;
use napi_derive::napi;
use parking_lot::Mutex;

use crate::error::thrown;
use crate::log::NativeTransactionLog;
use crate::settle::{CallId, Settled};
use crate::store::{NativeStore, Shared};

/// A store as whichever transaction sees it that entered last.
pub struct Place {
    /// Kept alive by whoever may still call.
    pub beneath: Arc<Shared>,
    owner: Mutex<Owner>,
    inside: Mutex<Option<Inside>>,
}

/// Whose transactions use the place.
#[derive(Default)]
struct Owner {
    /// What recovery will find the engine by.
    name: String,
    /// Of those that need a log, which is not kept for the place's sake.
    coordinator: Option<Weak<dyn Coordinator>>,
}

/// The transaction that entered last, and the store as it sees it.
struct Inside {
    transaction: Arc<Transaction>,
    part: Arc<dyn Engine>,
}

/// What became of a commit that was tried.
pub enum Tried {
    Committed,
    /// It has to be queued.
    Queue,
    /// It has to be queued, and before it the writes that came with it.
    QueueWrites,
}

impl Place {
    pub fn over(beneath: Arc<Shared>) -> Arc<Self> {
        Arc::new(Place { beneath, owner: Mutex::default(), inside: Mutex::default() })
    }

    /// Transactions that begin here from now on know the engine by `name`, and keep what they must log with `coordinator`.
    pub fn serve(&self, name: String, coordinator: Option<Arc<dyn Coordinator>>) {
        *self.owner.lock() = Owner { name, coordinator: coordinator.as_ref().map(Arc::downgrade) };
    }

    /// Begins a transaction, which the place's calls are those of from now on.
    pub fn begin(&self, read_only: bool) {
        let owner = self.owner.lock();
        let coordinator = owner.coordinator.as_ref().and_then(Weak::upgrade);
        let transaction = Transaction::new(Options { read_only }, coordinator);
        self.enter(&owner, transaction);
    }

    /// The same for the transaction that is in another place.
    pub fn join(&self, other: &Place) -> Result<()> {
        let transaction = other.transaction()?;
        self.enter(&self.owner.lock(), transaction);
        Ok(())
    }

    fn enter(&self, owner: &Owner, transaction: Arc<Transaction>) {
        let part = transaction.on(&owner.name, &self.beneath.engine);
        *self.inside.lock() = Some(Inside { transaction, part });
    }

    /// Commits on the caller's thread, if that can be, `writes` behind what was written before.
    pub fn try_commit(&self, writes: Option<&Batch>) -> Result<Tried> {
        let inside = self.inside.lock();
        let Inside { transaction, part } = inside.as_ref().ok_or_else(empty)?;
        match writes.map(|writes| part.try_commit(writes)) {
            Some(None) => return Ok(Tried::QueueWrites),
            Some(Some(Err(error))) => {
                // Over already, or this ends it.
                let _ = transaction.rollback();
                return Err(error);
            }
            Some(Some(Ok(_))) | None => {}
        }
        transaction.try_commit().map_or(Ok(Tried::Queue), |result| result.map(|()| Tried::Committed))
    }

    /// Commits behind the calls made before.
    pub fn commit(&self, finished: Finished) {
        match self.transaction() {
            Ok(transaction) => transaction.commit(finished),
            Err(error) => finished(Err(error)),
        }
    }

    /// Drops what was written, at once.
    pub fn rollback(&self) -> Result<()> {
        self.transaction()?.rollback()
    }

    fn transaction(&self) -> Result<Arc<Transaction>> {
        self.inside.lock().as_ref().map(|inside| inside.transaction.clone()).ok_or_else(empty)
    }

    fn part(&self) -> Result<Arc<dyn Engine>> {
        self.inside.lock().as_ref().map(|inside| inside.part.clone()).ok_or_else(empty)
    }

    fn at_once<T>(&self, call: impl FnOnce(&dyn Engine) -> Option<Result<T>>) -> Option<Result<T>> {
        self.inside.lock().as_ref().map_or_else(|| Some(Err(empty())), |inside| call(&*inside.part))
    }
}

#[napi]
impl NativeStore {
    /// Transactions that begin in this store, one for transactions, know the engine by `name` and keep what they must log in `log`.
    #[napi(catch_unwind)]
    pub fn serve(&self, name: String, log: &NativeTransactionLog) -> napi::Result<()> {
        self.shared.place()?.serve(name, log.coordinator());
        Ok(())
    }

    /// Makes the calls of this store, one for transactions, those of the transaction in another one.
    #[napi(catch_unwind)]
    pub fn join(&self, other: &NativeStore) -> napi::Result<()> {
        self.shared.place()?.join(other.shared.place()?).map_err(|error| thrown(&error))
    }

    /// Commits the transaction in this store behind the calls made before.
    #[napi(catch_unwind)]
    pub fn submit_commit(&self, env: Env, id: CallId) -> napi::Result<()> {
        let place = self.shared.place()?;
        let shared = self.shared.clone();
        shared.settler.expect(&env);
        place.commit(Box::new(move |result| shared.post(id, result.map(|()| Settled::Bool(true)))));
        Ok(())
    }
}

fn empty() -> Error {
    Error::new(Code::TransactionCompleted, "Transaction already completed")
}

impl Engine for Place {
    fn name(&self) -> &'static str {
        self.beneath.engine.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.beneath.engine.capabilities()
    }

    fn try_read(&self, read: &Read) -> Option<Result<Reply>> {
        self.at_once(|part| part.try_read(read))
    }

    fn try_get(&self, space: Space, key: &[u8]) -> Option<Result<Option<Value>>> {
        self.at_once(|part| part.try_get(space, key))
    }

    fn try_commit(&self, batch: &Batch) -> Option<Result<Commit>> {
        self.at_once(|part| part.try_commit(batch))
    }

    fn try_view(&self) -> Option<Result<Arc<dyn View>>> {
        self.at_once(|part| part.try_view())
    }

    fn submit(&self, request: Request, done: Done) {
        match self.part() {
            Ok(part) => part.submit(request, done),
            Err(error) => done(Err(error)),
        }
    }

    fn waits(&self) -> bool {
        self.beneath.engine.waits()
    }

    fn stats(&self) -> Result<Stats> {
        self.part()?.stats()
    }

    fn verify(&self, repair: bool, progress: Progress<'_>) -> Result<Report> {
        self.part()?.verify(repair, progress)
    }

    fn compact(&self) -> Result<()> {
        self.part()?.compact()
    }

    fn close(&self) -> Result<()> {
        self.part()?.close()
    }
}

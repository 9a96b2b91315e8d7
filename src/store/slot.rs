//! A reusable slot for transactions, one after another. To make the functions of a store costs more than a short
//! transaction, so a slot makes them once.

use std::sync::{Arc, Weak};

use holdfast_core::Batch;
use holdfast_core::batch::Commit;
use holdfast_core::engine::{
    Capabilities, Done, Engine, Maintained, Read, Replaceable, Reply, Request, Transactional, View, Watched,
};
use holdfast_core::error::{Code, Error, Result};
use holdfast_core::key::Space;
use holdfast_core::model::Steps;
use holdfast_core::transaction::{Coordinator, Finished, Options, Transaction};
use holdfast_core::value::Value;
use napi::Env;
use napi_derive::napi;
use parking_lot::Mutex;

use super::calls::{self, Call};
use super::hot::{self, Functions};
use super::model;
use super::share::OpenStore;
use crate::boundary::error::thrown;
use crate::boundary::settle::{CallId, Settled};
use crate::boundary::text::{Outbound, Payload, Text};
use crate::session::transaction_log::NativeTransactionLog;

/// A reusable slot: its calls go to the transaction that began in it most recently.
pub(super) struct TransactionSlot {
    /// The store on which the transactions run.
    pub beneath: Arc<OpenStore>,
    owner: Mutex<Owner>,
    inside: Mutex<Option<Inside>>,
}

/// The manager whose transactions use the slot.
#[derive(Default)]
struct Owner {
    /// The name by which recovery finds the engine.
    name: String,
    /// The transaction log, for transactions that need one. The slot does not keep it alive.
    coordinator: Option<Weak<dyn Coordinator>>,
}

/// The transaction that entered last, and its branch of the store.
struct Inside {
    transaction: Arc<Transaction>,
    branch: Arc<dyn Engine>,
}

/// The result of a commit on the caller's thread.
pub(super) enum Tried {
    Committed,
    /// The commit has to be queued.
    Queue,
    /// The writes that came with the commit have to be queued, and the commit behind them.
    QueueWrites,
}

impl TransactionSlot {
    pub(super) fn over(beneath: Arc<OpenStore>) -> Arc<Self> {
        Arc::new(TransactionSlot { beneath, owner: Mutex::default(), inside: Mutex::default() })
    }

    /// Sets the engine's name and the coordinator of the transactions that begin here from now on.
    pub(super) fn serve(&self, name: String, coordinator: Option<Arc<dyn Coordinator>>) {
        *self.owner.lock() = Owner { name, coordinator: coordinator.as_ref().map(Arc::downgrade) };
    }

    /// Begins a transaction, which gets the calls of the slot from now on.
    pub(super) fn begin(&self, read_only: bool) {
        let owner = self.owner.lock();
        let coordinator = owner.coordinator.as_ref().and_then(Weak::upgrade);
        let transaction = Transaction::new(Options { read_only }, coordinator);
        self.enter(&owner, transaction);
    }

    /// Gives the calls of the slot to the transaction in another slot.
    pub(super) fn join(&self, other: &TransactionSlot) -> Result<()> {
        let transaction = other.transaction()?;
        self.enter(&self.owner.lock(), transaction);
        Ok(())
    }

    fn enter(&self, owner: &Owner, transaction: Arc<Transaction>) {
        let branch = transaction.on(&owner.name, &self.beneath.engine);
        *self.inside.lock() = Some(Inside { transaction, branch });
    }

    /// Commits on the caller's thread if that is possible, with `writes` behind the earlier writes.
    pub(super) fn try_commit(&self, writes: Option<&Batch>) -> Result<Tried> {
        let inside = self.inside.lock();
        let Inside { transaction, branch } = inside.as_ref().ok_or_else(empty)?;
        match writes.map(|writes| branch.try_commit(writes)) {
            Some(None) => return Ok(Tried::QueueWrites),
            Some(Some(Err(error))) => {
                // The transaction is over already, or this call ends it.
                let _ = transaction.rollback();
                return Err(error);
            }
            Some(Some(Ok(_))) | None => {}
        }
        transaction.try_commit().map_or(Ok(Tried::Queue), |result| result.map(|()| Tried::Committed))
    }

    /// Commits behind the calls made before.
    pub(super) fn commit(&self, finished: Finished) {
        match self.transaction() {
            Ok(transaction) => transaction.commit(finished),
            Err(error) => finished(Err(error)),
        }
    }

    /// Drops the writes of the transaction, at once.
    pub(super) fn rollback(&self) -> Result<()> {
        self.transaction()?.rollback()
    }

    fn transaction(&self) -> Result<Arc<Transaction>> {
        self.inside.lock().as_ref().map(|inside| inside.transaction.clone()).ok_or_else(empty)
    }

    fn branch(&self) -> Result<Arc<dyn Engine>> {
        self.inside.lock().as_ref().map(|inside| inside.branch.clone()).ok_or_else(empty)
    }

    fn at_once<T>(&self, call: impl FnOnce(&dyn Engine) -> Option<Result<T>>) -> Option<Result<T>> {
        self.inside.lock().as_ref().map_or_else(|| Some(Err(empty())), |inside| call(&*inside.branch))
    }
}

/// A slot for JavaScript.
#[napi]
pub struct NativeSlot {
    store: Arc<OpenStore>,
    slot: Arc<TransactionSlot>,
    /// The calls of models in one transaction take effect in order.
    steps: Arc<Steps>,
}

impl NativeSlot {
    /// A slot for transactions on `beneath`.
    pub fn over(beneath: &Arc<OpenStore>) -> Self {
        let slot = TransactionSlot::over(beneath.clone());
        NativeSlot { store: beneath.over(slot.clone()), slot, steps: Arc::default() }
    }
}

#[napi]
impl NativeSlot {
    /// The most frequent calls: `{ tryGet, tryHas, trySet, tryDelete, begin, tryCommit, rollback }`.
    #[napi(getter)]
    pub fn hot(&self, env: Env) -> napi::Result<Functions> {
        hot::of_slot(&env, &self.store, &self.slot)
    }

    /// Sets the engine's name and the log of the transactions that begin here from now on.
    #[napi(catch_unwind)]
    pub fn serve(&self, name: String, log: &NativeTransactionLog) {
        self.slot.serve(name, log.coordinator());
    }

    /// Gives the calls of this slot to the transaction in another slot.
    #[napi(catch_unwind)]
    pub fn join(&self, other: &NativeSlot) -> napi::Result<()> {
        self.slot.join(&other.slot).map_err(|error| thrown(&error))
    }

    #[napi(catch_unwind)]
    pub fn try_call(&self, verb: u32, argument: Text) -> napi::Result<Outbound> {
        calls::try_call(&self.store, verb, argument)
    }

    #[napi(catch_unwind)]
    pub fn submit_call(&self, env: Env, id: CallId, verb: u32, argument: Text) -> napi::Result<()> {
        calls::submit_call(&self.store, &env, id, verb, argument)
    }

    #[napi(catch_unwind)]
    pub fn submit_set(
        &self,
        env: Env,
        id: CallId,
        key: Text,
        value: Payload,
        expires_at: Option<f64>,
        metadata: Option<Text>,
    ) {
        Call::set(key, value, expires_at, metadata).submit(&self.store, &env, id);
    }

    #[napi(catch_unwind)]
    pub fn try_view(&self) -> napi::Result<Outbound> {
        calls::try_view(&self.store)
    }

    #[napi(catch_unwind)]
    pub fn submit_view(&self, env: Env, id: CallId) {
        calls::submit_view(&self.store, &env, id);
    }

    /// Queues a call of a model, as a store does. It belongs to the transaction that is in the slot now.
    #[napi(catch_unwind)]
    pub fn submit_model(&self, env: Env, id: CallId, request: Text, progress: CallId) -> napi::Result<()> {
        let branch = self.slot.branch().map_err(|error| thrown(&error))?;
        model::submit(&self.store, branch, self.steps.clone(), &env, id, request, progress);
        Ok(())
    }

    /// Lets a call of a model that has not answered yet end soon, with ABORTED.
    #[napi(catch_unwind)]
    pub fn abort_model(&self, id: CallId) {
        self.store.models.abort(id);
    }

    /// Commits the transaction in this slot behind the calls made before.
    #[napi(catch_unwind)]
    pub fn submit_commit(&self, env: Env, id: CallId) {
        let store = self.store.clone();
        store.settler.expect(&env);
        self.slot.commit(Box::new(move |result| store.post(id, result.map(|()| Settled::Bool(true)))));
    }
}

fn empty() -> Error {
    Error::new(Code::TransactionCompleted, "Transaction already completed")
}

impl Engine for TransactionSlot {
    fn name(&self) -> &'static str {
        self.beneath.engine.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.beneath.engine.capabilities()
    }

    fn try_read(&self, read: &Read) -> Option<Result<Reply>> {
        self.at_once(|branch| branch.try_read(read))
    }

    fn try_get(&self, space: Space, key: &[u8]) -> Option<Result<Option<Value>>> {
        self.at_once(|branch| branch.try_get(space, key))
    }

    fn try_commit(&self, batch: &Batch) -> Option<Result<Commit>> {
        self.at_once(|branch| branch.try_commit(batch))
    }

    fn try_view(&self) -> Option<Result<Arc<dyn View>>> {
        self.at_once(|branch| branch.try_view())
    }

    fn submit(&self, request: Request, done: Done) {
        match self.branch() {
            Ok(branch) => branch.submit(request, done),
            Err(error) => done(Err(error)),
        }
    }

    fn close(&self) -> Result<()> {
        self.branch()?.close()
    }

    // A slot passes on calls of data alone. The store beneath it has the facets.
    fn transactional(&self) -> Option<&dyn Transactional> {
        None
    }

    fn watched(&self) -> Option<&dyn Watched> {
        None
    }

    fn maintained(&self) -> Option<&dyn Maintained> {
        None
    }

    fn replaceable(&self) -> Option<&dyn Replaceable> {
        None
    }
}

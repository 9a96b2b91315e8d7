//! Intents of decided transactions that their engines could not resolve yet. They are resolved in the background, or
//! when the engine is opened again in this process.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use parking_lot::Mutex;

use super::log::OpenTransaction;
use crate::batch::IntentId;
use crate::engine::intent::Decision;
use crate::engine::{Engine, EngineExt};
use crate::error::{Code, Error};
use crate::threads::TaskGroup;

/// The pauses between attempts to resolve an intent.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// How long the batch of an intent may be on its way after its answer failed to come.
const ARRIVAL: Duration = Duration::from_secs(5);

/// A store that may hold an intent.
pub(super) struct PreparedStore {
    pub name: String,
    pub engine: Arc<dyn Engine>,
    pub id: u128,
    pub certainty: Certainty,
}

/// How certain it is whether a store holds an intent, after it was asked to prepare it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Certainty {
    /// The store has answered.
    Certain,
    /// No answer came: the intent may still be on its way to a server, for [`ARRIVAL`].
    NoAnswer,
    /// The disk failed. The store shows what it held before. Its next opening shows what is on the disk.
    DiskFailed,
}

impl Certainty {
    /// The certainty after `engine.prepare` failed with `error`.
    pub(super) fn after(error: &Error, engine: &dyn Engine) -> Self {
        match error.code() {
            Code::Conflict
            | Code::Locked
            | Code::InvalidArgument
            | Code::InvalidKey
            | Code::ValueTooLarge
            | Code::NotSupported
            | Code::ReadOnly => Certainty::Certain,
            Code::UnknownOutcome | Code::Connection | Code::Timeout | Code::Closed => Certainty::NoAnswer,
            _ if engine.capabilities().volatile => Certainty::Certain,
            _ => Certainty::DiskFailed,
        }
    }
}

/// The decision about an intent in a store, and the name by which the application knows the store.
type Decisions = HashMap<(IntentId, u128), (Decision, String)>;

/// The intents in doubt of this process.
static IN_DOUBT: LazyLock<Mutex<Decisions>> = LazyLock::new(Mutex::default);

/// True if any intent is in doubt.
pub(super) fn any() -> bool {
    !IN_DOUBT.lock().is_empty()
}

/// The decision about an intent in doubt.
pub(super) fn decision(id: IntentId, store: u128) -> Option<Decision> {
    IN_DOUBT.lock().get(&(id, store)).map(|(decision, _)| *decision)
}

/// The id of a store that may hold an intent in doubt, by the name that the application knows the store by.
pub(super) fn store_of(id: IntentId, name: &str) -> Option<u128> {
    let in_doubt = IN_DOUBT.lock();
    in_doubt.iter().find(|((of, _), (_, known))| *of == id && known == name).map(|((_, store), _)| *store)
}

/// Notes that an intent is resolved.
pub(super) fn forget(id: IntentId, store: u128) {
    IN_DOUBT.lock().remove(&(id, store));
}

/// Leaves an intent to the next opening of its store, in this process or another.
pub(super) fn leave_to_opening(transaction: &OpenTransaction, store: &PreparedStore, decision: Decision) {
    transaction.log.keep();
    let id = IntentId { log: transaction.log.id, number: transaction.number };
    IN_DOUBT.lock().insert((id, store.id), (decision, store.name.clone()));
}

/// Resolves an intent in the background as soon as its store can.
pub(super) fn resolve_later(
    group: &TaskGroup,
    transaction: &Arc<OpenTransaction>,
    store: PreparedStore,
    decision: Decision,
) {
    let id = IntentId { log: transaction.log.id, number: transaction.number };
    IN_DOUBT.lock().insert((id, store.id), (decision, store.name.clone()));
    let pause = if store.certainty == Certainty::Certain { FIRST_PAUSE } else { ARRIVAL };
    Attempt { group: group.clone(), transaction: transaction.clone(), store, decision, id }.schedule(pause);
}

struct Attempt {
    group: TaskGroup,
    transaction: Arc<OpenTransaction>,
    store: PreparedStore,
    decision: Decision,
    id: IntentId,
}

impl Attempt {
    fn schedule(self, pause: Duration) {
        let group = self.group.clone();
        group.later(pause, move |last| self.run(pause, last));
    }

    fn run(self, pause: Duration, last: bool) {
        if decision(self.id, self.store.id).is_none() {
            return;
        }
        match self.store.engine.resolve(self.id, self.decision) {
            Ok(_) => forget(self.id, self.store.id),
            Err(_) if last => {
                // The next opening of the engine with this folder finds the intent and the decision.
                self.transaction.log.keep();
                forget(self.id, self.store.id);
            }
            Err(_) => self.schedule((pause * 2).min(MAX_PAUSE)),
        }
    }
}

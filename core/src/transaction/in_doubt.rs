//! Intents of decided transactions that their engines could not yet carry out or drop: tried again in the background, and
//! by the engine's next opening in this process.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use parking_lot::Mutex;

use super::log::Unfinished;
use crate::batch::IntentId;
use crate::engine::intent::Decision;
use crate::engine::{Engine, EngineExt};
use crate::error::{Code, Error};
use crate::threads::TaskGroup;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// How long an intent whose making got no answer may be on its way.
const DOUBT: Duration = Duration::from_secs(5);

/// A store that may hold an intent.
pub(super) struct PreparedStore {
    pub name: String,
    pub engine: Arc<dyn Engine>,
    pub id: u128,
    pub doubt: Doubt,
}

/// Whether an intent whose making failed may be there all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    None,
    /// No answer came: it may still be on its way to a server, for [`DOUBT`].
    NoAnswer,
    /// The disk failed. What the store shows is what it had before; what it will find on the disk is seen when it is opened again.
    Disk,
}

impl Doubt {
    /// What the error of `engine.prepare` leaves open.
    pub fn after(error: &Error, engine: &dyn Engine) -> Self {
        match error.code() {
            Code::Conflict
            | Code::Locked
            | Code::InvalidArgument
            | Code::InvalidKey
            | Code::ValueTooLarge
            | Code::NotSupported
            | Code::ReadOnly => Doubt::None,
            Code::UnknownOutcome | Code::Connection | Code::Timeout | Code::Closed => Doubt::NoAnswer,
            _ if engine.capabilities().volatile => Doubt::None,
            _ => Doubt::Disk,
        }
    }
}

/// By intent and store; with what the application calls the store.
type Decisions = HashMap<(IntentId, u128), (Decision, String)>;

/// What this process has decided and not yet seen through.
static IN_DOUBT: LazyLock<Mutex<Decisions>> = LazyLock::new(Mutex::default);

/// True if there is anything of the kind.
pub(super) fn any() -> bool {
    !IN_DOUBT.lock().is_empty()
}

/// The decision about an intent of a log that this process still writes.
pub(super) fn decision(id: IntentId, store: u128) -> Option<Decision> {
    IN_DOUBT.lock().get(&(id, store)).map(|(decision, _)| *decision)
}

/// The id that the store the application calls `name` takes part in that transaction under.
pub(super) fn store_of(id: IntentId, name: &str) -> Option<u128> {
    let in_doubt = IN_DOUBT.lock();
    in_doubt.iter().find(|((of, _), (_, known))| *of == id && known == name).map(|((_, store), _)| *store)
}

/// Notes that somebody else has seen to it.
pub(super) fn forget(id: IntentId, store: u128) {
    IN_DOUBT.lock().remove(&(id, store));
}

/// Leaves the intent of `store` to the next opening of its store, in this process or another.
pub(super) fn leave_to_opening(unfinished: &Unfinished, store: &PreparedStore, decision: Decision) {
    unfinished.log.keep();
    IN_DOUBT.lock().insert(
        (IntentId { log: unfinished.log.id, number: unfinished.number }, store.id),
        (decision, store.name.clone()),
    );
}

/// Has `store` carry out or drop its intent as soon as it can.
pub(super) fn retry_later(group: &TaskGroup, unfinished: &Arc<Unfinished>, store: PreparedStore, decision: Decision) {
    let id = IntentId { log: unfinished.log.id, number: unfinished.number };
    IN_DOUBT.lock().insert((id, store.id), (decision, store.name.clone()));
    let pause = if store.doubt == Doubt::None { FIRST_PAUSE } else { DOUBT };
    Attempt { group: group.clone(), unfinished: unfinished.clone(), store, decision, id }.schedule(pause);
}

struct Attempt {
    group: TaskGroup,
    unfinished: Arc<Unfinished>,
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
                // Recovery will find the intent and the decision: the next open of the engine with this folder.
                self.unfinished.log.keep();
                forget(self.id, self.store.id);
            }
            Err(_) => self.schedule((pause * 2).min(LONGEST_PAUSE)),
        }
    }
}

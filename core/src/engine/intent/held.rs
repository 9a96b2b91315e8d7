//! The keys that intents hold, for the commits of a store.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::{Found, Intent, id_of, prepared_ops};
use crate::batch::{Batch, IntentId, Op, Role};
use crate::engine::Counters;
use crate::error::{Code, Error, Result};
use crate::key::{Key, KeyRange, Space};
use crate::record::Millis;
use crate::value::Value;

/// After this time, in milliseconds, an intent of another process is taken for one that a crash left: its keys are
/// `LOCKED` instead of in `CONFLICT`.
const PATIENCE: Millis = 30_000;

/// The intents that stand in a store, and the keys that they hold. A clone shares them, so a store that may have to
/// take a group back keeps a clone from before it.
#[derive(Clone, Debug, Default)]
pub struct Intents {
    standing: Arc<HashMap<IntentId, Arc<Held>>>,
    /// The reason why the store may hold intents that could not be read.
    damage: Option<Error>,
    /// True if other processes may make intents in this store, too.
    shared: bool,
    counters: Arc<Counters>,
}

#[derive(Debug)]
enum Held {
    /// The record cannot be read, so it may hold any key.
    Anything(Error),
    Keys(Keys),
}

impl Held {
    /// True if another process made the intent, or this one before it crashed.
    fn was_found(&self) -> bool {
        match self {
            Held::Anything(_) => true,
            Held::Keys(keys) => keys.found.is_some(),
        }
    }
}

#[derive(Debug, Default)]
struct Keys {
    /// Single keys, by keyspace.
    single: [HashSet<Key>; 2],
    ranges: Vec<(Space, KeyRange)>,
    /// The time at which the intent was made, if another process made it, or this one before it crashed.
    found: Option<Millis>,
}

impl Keys {
    fn new(ops: &[Op], found: Option<Millis>) -> Self {
        let mut held = Keys { found, ..Keys::default() };
        for op in ops {
            match op {
                Op::DeleteRange { space, range } => held.ranges.push((*space, range.clone())),
                op => {
                    if let Some((space, key)) = op.key() {
                        held.single_mut(space).insert(key.clone());
                    }
                }
            }
        }
        held
    }

    fn single(&self, space: Space) -> &HashSet<Key> {
        let [user, internal] = &self.single;
        if space == Space::User { user } else { internal }
    }

    fn single_mut(&mut self, space: Space) -> &mut HashSet<Key> {
        let [user, internal] = &mut self.single;
        if space == Space::User { user } else { internal }
    }

    /// A held key that `op` writes. It is empty if `op` deletes a range that overlaps a held one.
    fn holds(&self, op: &Op) -> Option<Key> {
        let mut ranges = self.ranges.iter();
        match op {
            Op::DeleteRange { space, range } => {
                let key = self.single(*space).iter().find(|key| range.spans(key)).cloned();
                let mut meets = || ranges.any(|(in_space, held)| in_space == space && held.overlaps(range));
                key.or_else(|| meets().then(Key::new))
            }
            op => {
                let (space, key) = op.key()?;
                let held = self.single(space).contains(key)
                    || ranges.any(|(in_space, range)| *in_space == space && range.spans(key));
                held.then(|| key.clone())
            }
        }
    }
}

impl Intents {
    /// The intents found in a store. `shared` if other processes may have the store open.
    #[must_use]
    pub fn new(found: Found, shared: bool, counters: Arc<Counters>) -> Self {
        let mut intents = Intents { shared, counters, ..Intents::default() };
        intents.replace(found);
        intents
    }

    /// Replaces the intents by those found in the store. Those of this process stay known as its own.
    pub fn replace(&mut self, found: Found) {
        let held = |(key, value): (Key, Value)| {
            let id = id_of(&key)?;
            if let Some(known) = self.standing.get(&id) {
                return Some((id, known.clone()));
            }
            let held = match Intent::read(&key, &value) {
                Ok(intent) => Held::Keys(Keys::new(&intent.ops, Some(intent.at))),
                Err(error) => Held::Anything(error),
            };
            Some((id, Arc::new(held)))
        };
        self.standing = Arc::new(found.records.into_iter().filter_map(held).collect());
        self.damage = found.damage;
    }

    /// True if no intent stands.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.standing.is_empty() && self.damage.is_none()
    }

    /// The number of intents that stand, as far as they could be read.
    #[must_use]
    pub fn len(&self) -> usize {
        self.standing.len()
    }

    /// Refuses `batch` if it writes a key that an intent holds. A batch that ends an intent is never refused.
    ///
    /// # Errors
    ///
    /// `CONFLICT` if the intent is of a running transaction, `LOCKED` if a crash left it, `CORRUPTED` while there are
    /// intents that cannot be read.
    pub fn refuse(&self, batch: &Batch, now: Millis) -> Result<()> {
        // No two intents hold one key, so a batch that ends an intent writes no key of another one.
        if self.is_empty() || matches!(batch.role, Role::Resolve(_)) {
            return Ok(());
        }
        if let Some(damage) = &self.damage {
            return Err(damage.clone());
        }
        // A batch that prepares an intent writes one record. The writes that count are inside it.
        let prepared = if let Role::Prepare(_) = batch.role { Some(prepared_ops(batch)?) } else { None };
        let ops = prepared.as_deref().unwrap_or(&batch.ops);
        for (id, held) in &*self.standing {
            let held = match &**held {
                Held::Anything(error) => return Err(error.clone()),
                Held::Keys(held) => held,
            };
            let Some(key) = ops.iter().find_map(|op| held.holds(op)) else { continue };
            let left = held.found.is_some_and(|at| !self.shared || now.saturating_sub(at) > PATIENCE);
            return Err(if left { locked(*id, &key) } else { Error::conflict(&key) });
        }
        Ok(())
    }

    /// Refuses a replacement of the whole content while an intent holds a key.
    ///
    /// # Errors
    ///
    /// Those of [`refuse`](Intents::refuse).
    pub fn refuse_replacement(&self, now: Millis) -> Result<()> {
        let delete_all = |space| Op::delete_range(KeyRange::all()).in_space(space);
        self.refuse(&Batch::of([Space::User, Space::Internal].map(delete_all)), now)
    }

    /// Notes the effect of `batch` on the intents.
    ///
    /// # Errors
    ///
    /// `CORRUPTED` or `INVALID_ARGUMENT` if the batch prepares an intent that cannot be read.
    pub fn note(&mut self, batch: &Batch) -> Result<()> {
        match batch.role {
            Role::None => {}
            Role::Prepare(id) => {
                let held = Held::Keys(Keys::new(&prepared_ops(batch)?, None));
                Arc::make_mut(&mut self.standing).insert(id, Arc::new(held));
            }
            Role::Resolve(id) => {
                let ended = Arc::make_mut(&mut self.standing).remove(&id);
                if ended.is_some_and(|held| held.was_found()) {
                    self.counters.recoveries.one();
                }
            }
        }
        Ok(())
    }
}

/// The error for a write of `key`, which an intent of any process holds that was made at `at`.
#[must_use]
pub fn held_by(id: IntentId, at: Millis, key: &[u8], now: Millis) -> Error {
    if now.saturating_sub(at) > PATIENCE { locked(id, key) } else { Error::conflict(key) }
}

fn locked(id: IntentId, key: &[u8]) -> Error {
    Error::new(
        Code::Locked,
        format!(
            "a transaction over several engines was left unfinished and holds this key; open the store with the \
             transaction log it was made with (transactions.path, log {:016x}), which finishes it",
            id.log
        ),
    )
    .at_key(key)
}

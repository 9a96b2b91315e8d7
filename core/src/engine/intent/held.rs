//! The keys that intents hold, for whoever commits.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::{Found, Intent, id_of, prepared_ops};
use crate::batch::{Batch, IntentId, Op, Role};
use crate::engine::Counters;
use crate::error::{Code, Error, Result};
use crate::key::{Key, KeyRange, Space};
use crate::record::Millis;
use crate::value::Value;

/// After so long an intent of another process is taken for one of a crash: its keys are LOCKED, no longer in CONFLICT.
const PATIENCE: Millis = 30_000;

/// The keys that intents hold, for whoever commits. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Intents {
    standing: Arc<HashMap<IntentId, Arc<Held>>>,
    /// Set if the store may hold intents that could not be read.
    damage: Option<Error>,
    /// Other processes may make intents in this store, too.
    shared: bool,
    counters: Arc<Counters>,
}

#[derive(Debug)]
enum Held {
    /// Nobody can tell which keys.
    Anything(Error),
    Keys(Keys),
}

impl Held {
    /// True if somebody else made it.
    fn was_found(&self) -> bool {
        match self {
            Held::Anything(_) => true,
            Held::Keys(keys) => keys.found.is_some(),
        }
    }
}

#[derive(Debug, Default)]
struct Keys {
    /// By keyspace.
    single: [HashSet<Key>; 2],
    ranges: Vec<(Space, KeyRange)>,
    /// When the intent was made, if by somebody else: another process, or this one before it crashed.
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

    /// A key of `op` that is held; empty where two ranges meet.
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
    /// What was found in a store. `shared` if other processes may have the store open.
    #[must_use]
    pub fn new(found: Found, shared: bool, counters: Arc<Counters>) -> Self {
        let mut intents = Intents { shared, counters, ..Intents::default() };
        intents.replace(found);
        intents
    }

    /// Takes what was found for what stands. Those of this process stay known as its own.
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

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.standing.is_empty() && self.damage.is_none()
    }

    /// How many stand, as far as they could be read.
    #[must_use]
    pub fn len(&self) -> usize {
        self.standing.len()
    }

    /// CONFLICT if `batch` writes a key that an intent holds; LOCKED where that is left of a crash; CORRUPTED while there
    /// are intents that cannot be read. What ends an intent is never refused.
    pub fn refuse(&self, batch: &Batch, now: Millis) -> Result<()> {
        // No two intents hold one key.
        if self.is_empty() || matches!(batch.role, Role::Resolve(_)) {
            return Ok(());
        }
        if let Some(damage) = &self.damage {
            return Err(damage.clone());
        }
        // What is prepared is an intent itself, with ops of its own.
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

    /// Notes that `batch` takes effect.
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

/// Why `key` may not be written that an intent made at `at` holds, where any process may have made it.
#[must_use]
pub fn held_by(id: IntentId, at: Millis, key: &[u8], now: Millis) -> Error {
    if now.saturating_sub(at) > PATIENCE { locked(id, key) } else { Error::conflict(key) }
}

fn locked(id: IntentId, key: &[u8]) -> Error {
    Error::new(
        Code::Locked,
        format!(
            "a transaction over several engines was left unfinished and holds this key; open the store with the transaction \
             log it was made with (transactions.path, log {:016x}), which finishes it",
            id.log
        ),
    )
    .at_key(key)
}

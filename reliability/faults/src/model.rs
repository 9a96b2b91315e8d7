//! The records that a store holds, and those that it must hold after some batches of a plan.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::Bytes;
use holdfast_core::{Key, Space, Value};

use crate::plan::{Guard, Job, Plan, Write};

/// The record of one key, as far as every engine keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) value: Value,
    pub(crate) expires_at: Option<u64>,
    pub(crate) metadata: Option<Bytes>,
}

/// All records of a store, in both keyspaces.
pub(crate) type State = BTreeMap<(Space, Key), Held>;

/// Applies a batch to a map.
pub(crate) fn apply(state: &mut State, job: &Job) {
    if job.replaces {
        state.clear();
    }
    for write in &job.writes {
        match write {
            Write::Set { space, key, value, expires_at, metadata } => {
                let held = Held { value: value.clone(), expires_at: *expires_at, metadata: metadata.clone() };
                state.insert((*space, key.clone()), held);
            }
            Write::Add { space, key, by } => {
                let held = state.entry((*space, key.clone())).or_insert_with(|| Held {
                    value: Value::json("0"),
                    expires_at: None,
                    metadata: None,
                });
                let sum = held.value.as_number().unwrap_or(0.0) + by;
                held.value = Value::json(format!("{sum}"));
            }
            Write::Delete { space, key } => drop(state.remove(&(*space, key.clone()))),
            Write::DeletePrefix { space, prefix } => state.retain(|(s, key), _| s != space || !key.starts_with(prefix)),
        }
    }
}

/// A number that tells states apart.
#[must_use]
pub(crate) fn digest(state: &State) -> u64 {
    let mut hasher = DefaultHasher::new();
    for ((space, key), held) in state {
        (space, key, held.expires_at, &held.metadata).hash(&mut hasher);
        let (kind, bytes) = match &held.value {
            Value::Json(text) => (0, text),
            Value::Binary(bytes) => (1, bytes),
        };
        (kind, bytes).hash(&mut hasher);
    }
    hasher.finish()
}

/// The digests of the state after the first 0, 1, 2, … batches of a plan.
#[must_use]
pub(crate) fn prefixes(plan: &Plan) -> Vec<u64> {
    let mut state = State::new();
    let mut digests = vec![digest(&state)];
    for job in plan.jobs() {
        if !matches!(job.guard, Guard::Stale(_)) {
            apply(&mut state, job);
        }
        digests.push(digest(&state));
    }
    digests
}

//! Judges a store after a crash: compares its records with those that the workload may have left.

use std::collections::BTreeSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use holdfast_core::{Key, Space};

use crate::history::History;
use crate::model::{Held, State, apply, digest, prefixes};
use crate::plan::{Guard, Job, Plan, Write};
use crate::store::{Store, Subject};

/// The promises that a store has to keep.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    /// Every acknowledged batch is there.
    pub durable: bool,
    /// A batch is there only if every one before it is.
    pub in_order: bool,
}

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    NotOpened(String),
    /// An acknowledged batch is not there.
    Lost(String),
    /// A batch is there in part, or a value is one that nobody wrote.
    Partial(String),
    /// The store says that it is damaged, or takes no more writes.
    Damaged(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::NotOpened(why) => write!(f, "not opened: {why}"),
            Fault::Lost(why) => write!(f, "lost: {why}"),
            Fault::Partial(why) => write!(f, "partial: {why}"),
            Fault::Damaged(why) => write!(f, "damaged: {why}"),
        }
    }
}

/// Opens the store of `subject` below `root` and says what is wrong with it. With `again` it is opened once more
/// afterwards.
pub(crate) fn examine(
    subject: Subject,
    root: &Path,
    plan: &Plan,
    history: &History,
    rule: Rule,
    again: bool,
) -> Result<(), Fault> {
    catch_unwind(AssertUnwindSafe(|| open_and_judge(subject, root, plan, history, rule, again)))
        .unwrap_or_else(|_| Err(Fault::NotOpened("the store panicked".into())))
}

fn open_and_judge(
    subject: Subject,
    root: &Path,
    plan: &Plan,
    history: &History,
    rule: Rule,
    again: bool,
) -> Result<(), Fault> {
    let damaged = |what: &str, error: &holdfast_core::Error| Fault::Damaged(format!("{what}: {error}"));
    let store = Store::open(subject, root).map_err(|error| Fault::NotOpened(error.to_string()))?;
    let state = store.read().map_err(|error| damaged("read", &error))?;
    judge(plan, &state, history, rule)?;
    store.verify().map_err(|error| damaged("verify", &error))?;
    store.probe().map_err(|error| damaged("write", &error))?;
    store.close().map_err(|error| damaged("close", &error))?;
    if !again {
        return Ok(());
    }
    let store = Store::open(subject, root).map_err(|error| Fault::NotOpened(format!("the second time: {error}")))?;
    let mut second = store.read().map_err(|error| damaged("read again", &error))?;
    if second.remove(&(Space::User, Key::from_static(b"z/probe"))).is_none() {
        return Err(Fault::Lost("what was written after the crash".into()));
    }
    if second != state {
        return Err(Fault::Partial(format!("opened again it is another: {}", difference(&state, &second))));
    }
    store.close().map_err(|error| damaged("close again", &error))
}

/// Says whether `plan` may have left `state` after `history`.
pub(crate) fn judge(plan: &Plan, state: &State, history: &History, rule: Rule) -> Result<(), Fault> {
    if rule.in_order {
        let found = digest(state);
        let least = if rule.durable { history.told() } else { 0 };
        let mut lost = None;
        for (count, one) in (0..=history.asked()).zip(prefixes(plan)) {
            if one == found && count >= least {
                return Ok(());
            }
            if one == found {
                lost = Some(count);
            }
        }
        if let Some(count) = lost {
            return Err(Fault::Lost(format!("the first {count} batches are there, {least} were acknowledged")));
        }
    }
    judge_batches(plan, state, history, rule.durable)?;
    if rule.in_order {
        return Err(Fault::Partial("each batch is whole, but one is there without one before it".into()));
    }
    Ok(())
}

/// Judges which batches are there by their markers, and each key that is written alone by itself. The latest
/// replacement of the content that is there takes the place of all before it.
fn judge_batches(plan: &Plan, state: &State, history: &History, durable: bool) -> Result<(), Fault> {
    let mut expected = State::new();
    let mut alone = BTreeSet::new();
    let replaced_by = replacement_there(plan, state);
    for job in plan.jobs() {
        let Some(marker) = &job.marker else {
            alone.extend(job.writes.iter().filter_map(single_key));
            continue;
        };
        if replaced_by.is_some_and(|number| job.number < number) {
            continue;
        }
        if state.contains_key(marker) {
            if !history.begun.contains(&job.number) || matches!(job.guard, Guard::Stale(_)) {
                return Err(Fault::Partial(format!("batch {} is there and must not be", job.number)));
            }
            apply(&mut expected, job);
        } else if durable && history.acknowledged.contains(&job.number) {
            return Err(Fault::Lost(format!("batch {} was acknowledged", job.number)));
        }
    }
    let mut found = state.clone();
    found.retain(|(space, key), _| *space != Space::User || !alone.contains(key));
    expected.retain(|(space, key), _| *space != Space::User || !alone.contains(key));
    if found != expected {
        return Err(Fault::Partial(difference(&expected, &found)));
    }
    alone.into_iter().try_for_each(|key| judge_key(plan, state, history, durable, &key))
}

/// The number of the latest replacement of the content that is there.
fn replacement_there(plan: &Plan, state: &State) -> Option<u64> {
    let there = |job: &&Job| job.replaces && job.marker.as_ref().is_some_and(|marker| state.contains_key(marker));
    plan.jobs().filter(there).last().map(|job| job.number)
}

/// Judges a key that only batches of one key and replacements write.
fn judge_key(plan: &Plan, state: &State, history: &History, durable: bool, key: &Key) -> Result<(), Fault> {
    let place = (Space::User, key.clone());
    let found = state.get(&place);
    let mut allowed: Vec<(u64, Option<Held>)> = vec![(0, None)];
    let mut earlier: Vec<Option<Held>> = Vec::new();
    let replaced_by = replacement_there(plan, state);
    let writes = |job: &&Job| {
        let writes_alone = job.marker.is_none() && job.writes.iter().filter_map(single_key).any(|other| other == *key);
        writes_alone && history.begun.contains(&job.number) || Some(job.number) == replaced_by
    };
    for job in plan.jobs().filter(writes) {
        let mut after = State::new();
        apply(&mut after, job);
        let must_be = job.replaces || durable && history.acknowledged.contains(&job.number);
        if must_be {
            earlier.extend(allowed.drain(..).map(|(_, held)| held));
        }
        allowed.push((job.number, after.remove(&place)));
    }
    if allowed.iter().any(|(_, held)| held.as_ref() == found) {
        return Ok(());
    }
    let which = String::from_utf8_lossy(key);
    if earlier.iter().any(|held| held.as_ref() == found) {
        let number = allowed.first().map_or(0, |(number, _)| *number);
        return Err(Fault::Lost(format!("{which} is as it was before batch {number}, which was acknowledged")));
    }
    Err(Fault::Partial(format!("{which} holds {}", found.map_or("nothing".into(), shown))))
}

fn single_key(write: &Write) -> Option<Key> {
    match write {
        Write::Set { key, .. } | Write::Add { key, .. } | Write::Delete { key, .. } => Some(key.clone()),
        Write::DeletePrefix { .. } => None,
    }
}

/// The first key in which two states differ.
fn difference(expected: &State, found: &State) -> String {
    let keys: BTreeSet<_> = expected.keys().chain(found.keys()).collect();
    let show = |held: Option<&Held>| held.map_or_else(|| "nothing".to_owned(), shown);
    for key in keys {
        let (wanted, got) = (expected.get(key), found.get(key));
        if wanted != got {
            let name = String::from_utf8_lossy(&key.1);
            return format!("{:?} {name}: {} instead of {}", key.0, show(got), show(wanted));
        }
    }
    "nothing".into()
}

/// A value in a few letters.
fn shown(held: &Held) -> String {
    let text = held.value.to_text();
    let start = String::from_utf8_lossy(text.get(..24).unwrap_or(&text)).into_owned();
    format!("{start} ({} bytes, expires {:?}, metadata {:?})", text.len(), held.expires_at, held.metadata)
}

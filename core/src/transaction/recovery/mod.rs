//! Recovery: the opening of an engine finishes the transactions that a crash left. A transaction with a decision is
//! carried out, any other is dropped, or undone where there are no intents.
//!
//! A recovery holds the lock of a log, which the log's process held until it ended, and the lock of the folder, so that
//! two recoveries wait for each other. Every step may be made again: an intent is removed in the batch that carries it
//! out, and an undo looks at what it finds. A log stays until every store that it names has been opened.

mod orphaned_log;
mod recovered;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use self::orphaned_log::{LogWorkError, OrphanedLog};
use super::in_doubt;
use super::log::LogFolder;
use super::store_id::{give, id_of};
use crate::batch::IntentId;
use crate::engine::{Engine, EngineExt, Projection, View, for_each_page, intent};
use crate::error::{Code, Error, Result};
use crate::format::transaction_log::Entry;
use crate::key::Space;

pub use recovered::Recovered;

/// The numbers of the transactions that left an intent in the store, by the ids of their logs.
type Intents = HashMap<u64, Vec<u64>>;

/// Finishes what a crash left of transactions that wrote to `engine`, which the application calls `name`, by the logs
/// in `folder`. To be called when the engine is opened, before anything is read. Blocks.
///
/// The logs of living processes are left alone. Without a folder there is nothing to do. A log that cannot be read is
/// no error: it goes to [`problems`](Recovered::problems).
///
/// # Errors
///
/// An error of the engine.
pub fn recover(folder: &Path, name: &str, engine: &Arc<dyn Engine>) -> Result<Recovered> {
    recover_in(&LogFolder::new(folder), name, engine)
}

pub(super) fn recover_in(folder: &LogFolder, name: &str, engine: &Arc<dyn Engine>) -> Result<Recovered> {
    let mut recovered = Recovered::default();
    if engine.capabilities().volatile {
        return Ok(recovered);
    }
    match run(folder, name, engine, &mut recovered) {
        // A store that cannot be written is read as it is, with its intents.
        Err(error) if error.code() == Code::ReadOnly => Ok(recovered),
        Err(error) => Err(in_engine(&error, name)),
        Ok(()) => Ok(recovered),
    }
}

fn in_engine(error: &Error, name: &str) -> Error {
    Error::new(error.code(), format!("cannot finish the transactions that a crash left in {name}: {}", error.message()))
        .caused_by(error)
}

fn run(folder: &LogFolder, name: &str, engine: &Arc<dyn Engine>, recovered: &mut Recovered) -> Result<()> {
    let ids = match folder.ids() {
        Ok(ids) if ids.is_empty() => return Ok(()),
        Ok(ids) => ids,
        Err(error) => {
            recovered.problems.push(Error::io("cannot look for transaction logs", &error));
            return Ok(());
        }
    };
    let lock = match folder.lock_recovery() {
        Ok(lock) => lock,
        Err(error) => {
            recovered.problems.push(error);
            return Ok(());
        }
    };
    let mut logs = Vec::new();
    for id in &ids {
        match OrphanedLog::open(folder, *id) {
            Ok(log) => logs.extend(log),
            Err(error) => recovered.problems.push(error),
        }
    }
    if logs.is_empty() && !in_doubt::any() {
        return Ok(());
    }
    let mut store = id_of(&**engine)?;
    // The locks are held, so no process that lived until now can add an intent any more.
    let mut intents = Intents::new();
    if engine.capabilities().atomic_batch {
        for id in standing(&*engine.view()?)? {
            intents.entry(id.log).or_default().push(id.number);
        }
    }
    if store.is_none() {
        store = give_missing_id(engine, name, &logs, &intents)?;
    }
    resolve_in_doubt(engine, store, &intents, recovered)?;
    for mut log in logs {
        let numbers = intents.remove(&log.id).unwrap_or_default();
        match log.work(engine, store, &numbers, recovered) {
            Ok(()) => {}
            Err(LogWorkError::Engine(error)) => return Err(error),
            Err(LogWorkError::Log(error)) => recovered.problems.push(log.write_error(&error)),
        }
    }
    drop(lock);
    Ok(())
}

/// The intents that stand, readable or not.
fn standing(view: &dyn View) -> Result<Vec<IntentId>> {
    let mut ids = Vec::new();
    for_each_page(view, Space::Internal, &intent::range(), Projection::Keys, |page| {
        ids.extend(page.iter().filter_map(|(key, _)| intent::id_of(key)));
        Ok(true)
    })?;
    Ok(ids)
}

/// Gives a store with an intent the id by which the log knows it. The store has no id if its process died before it was
/// written, or if its disk failed.
fn give_missing_id(
    engine: &Arc<dyn Engine>,
    name: &str,
    logs: &[OrphanedLog],
    intents: &Intents,
) -> Result<Option<u128>> {
    let in_log = logs.iter().filter(|log| intents.contains_key(&log.id)).find_map(|log| {
        log.entries().iter().rev().find_map(|entry| match entry {
            Entry::Store { id, name: known, intents: true, .. } if known == name => Some(*id),
            _ => None,
        })
    });
    let id = in_log.or_else(|| ids(intents).find_map(|id| in_doubt::store_of(id, name)));
    if let Some(id) = id {
        give(&**engine, id)?;
    }
    Ok(id)
}

fn ids(intents: &Intents) -> impl Iterator<Item = IntentId> {
    intents.iter().flat_map(|(log, numbers)| numbers.iter().map(|number| IntentId { log: *log, number: *number }))
}

/// Resolves the intents that this process has decided about, and that the engine could not resolve before it was
/// closed.
fn resolve_in_doubt(
    engine: &Arc<dyn Engine>,
    store: Option<u128>,
    intents: &Intents,
    recovered: &mut Recovered,
) -> Result<()> {
    let Some(store) = store else { return Ok(()) };
    for id in ids(intents) {
        if let Some(decision) = in_doubt::decision(id, store)
            && recovered.resolve(engine, id, decision)?
        {
            in_doubt::forget(id, store);
        }
    }
    Ok(())
}

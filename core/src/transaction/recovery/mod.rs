//! What the opening of an engine does with transactions that a crash left: those with a decision are carried out, the
//! others dropped, or taken back where there are no intents.
//!
//! A log is worked on under its lock, which its process held until it ended, and under the folder's, so that two recoveries
//! wait for each other. Every step may be done again: an intent goes with what it wrote, in one batch, and an undo
//! looks at what it finds. The log stays until every store it names has been opened.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::in_doubt;
use super::log::folder::{Folder, LogFile};
use super::store_id::{give, id_of};
use super::undo::Undo;
use crate::batch::IntentId;
use crate::engine::intent::{self, Decision};
use crate::engine::{Engine, EngineExt, Projection, View, for_each_page};
use crate::error::{Code, Error, Result};
use crate::format::transaction_log::{self as format, Contents, Entry};
use crate::key::Space;

/// What recovery did for one engine.
#[derive(Clone, Debug, Default)]
pub struct Recovered {
    /// Intents carried out: their transactions were committed.
    pub applied: u64,
    /// Intents dropped.
    pub dropped: u64,
    /// Transactions taken back in an engine without atomic batches.
    pub undone: u64,
    /// Logs that could not be read or written, CORRUPTED ones among them. They are kept as they are, and so are the intents they
    /// decide about: the engine opens, the keys those hold are LOCKED.
    pub problems: Vec<Error>,
}

/// Finishes what a crash left of transactions that wrote to `engine`, which the application calls `name`, by the logs in
/// `folder`. To be called when the engine is opened, before anything is read. Blocks.
///
/// Logs of living processes are left alone. Where there is no folder nothing is done. Fails only if the engine does.
pub fn recover(folder: &Path, name: &str, engine: &Arc<dyn Engine>) -> Result<Recovered> {
    recover_in(&Folder::new(folder), name, engine)
}

pub(super) fn recover_in(folder: &Folder, name: &str, engine: &Arc<dyn Engine>) -> Result<Recovered> {
    let mut recovered = Recovered::default();
    if engine.capabilities().volatile {
        return Ok(recovered);
    }
    let result = run(folder, name, engine, &mut recovered).map_err(|error| at_engine(&error, name));
    match result {
        // A store that cannot be written is read as it stands, intents and all.
        Err(error) if error.code() == Code::ReadOnly => {}
        other => other?,
    }
    Ok(recovered)
}

fn at_engine(error: &Error, name: &str) -> Error {
    Error::new(error.code(), format!("cannot finish the transactions that a crash left in {name}: {}", error.message()))
        .caused_by(error)
}

fn run(folder: &Folder, name: &str, engine: &Arc<dyn Engine>, recovered: &mut Recovered) -> Result<()> {
    let ids = match folder.ids() {
        Ok(ids) if ids.is_empty() => return Ok(()),
        Ok(ids) => ids,
        Err(error) => {
            recovered.problems.push(Error::io("cannot look for transaction logs", &error));
            return Ok(());
        }
    };
    let guard = match folder.guard() {
        Ok(guard) => guard,
        Err(error) => {
            recovered.problems.push(error);
            return Ok(());
        }
    };
    let mut logs = Vec::new();
    for id in &ids {
        match Dead::take(folder, *id) {
            Ok(log) => logs.extend(log),
            Err(error) => recovered.problems.push(error),
        }
    }
    if logs.is_empty() && !in_doubt::any() {
        return Ok(());
    }
    let mut store = id_of(&**engine)?;
    // Behind the locks: no process that lived until now can add one any more.
    let mut intents: HashMap<u64, Vec<u64>> = HashMap::new();
    if engine.capabilities().atomic_batch {
        for id in standing(&*engine.view()?)? {
            intents.entry(id.log).or_default().push(id.number);
        }
    }
    if store.is_none() {
        store = adopt(engine, name, &logs, &intents)?;
    }
    settle_own(engine, store, &intents, recovered)?;
    for mut log in logs {
        let numbers = intents.remove(&log.id).unwrap_or_default();
        let worked = log.work(engine, store, &numbers, recovered);
        match worked {
            Ok(()) => {}
            Err(Trouble::Engine(error)) => return Err(error),
            Err(Trouble::Log(error)) => recovered.problems.push(log.told(&error)),
        }
    }
    drop(guard);
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

/// The id of a store that made an intent, and was not given the id that the log knows it by: its process died before, or its disk failed.
fn adopt(
    engine: &Arc<dyn Engine>,
    name: &str,
    logs: &[Dead],
    intents: &HashMap<u64, Vec<u64>>,
) -> Result<Option<u128>> {
    let dead = logs.iter().filter(|log| intents.contains_key(&log.id)).find_map(|log| {
        log.entries().iter().rev().find_map(|entry| match entry {
            Entry::Store { id, name: known, intents: true, .. } if known == name => Some(*id),
            _ => None,
        })
    });
    let id = dead.or_else(|| all(intents).find_map(|id| in_doubt::store_of(id, name)));
    if let Some(id) = id {
        give(&**engine, id)?;
    }
    Ok(id)
}

fn all(intents: &HashMap<u64, Vec<u64>>) -> impl Iterator<Item = IntentId> {
    intents.iter().flat_map(|(log, numbers)| numbers.iter().map(|number| IntentId { log: *log, number: *number }))
}

/// Sees to intents whose log this very process still writes, and which the engine failed to carry out before it was closed.
fn settle_own(
    engine: &Arc<dyn Engine>,
    store: Option<u128>,
    intents: &HashMap<u64, Vec<u64>>,
    recovered: &mut Recovered,
) -> Result<()> {
    let Some(store) = store else { return Ok(()) };
    for id in all(intents) {
        if let Some(decision) = in_doubt::decision(id, store)
            && resolve(engine, id, decision, recovered)?
        {
            in_doubt::forget(id, store);
        }
    }
    Ok(())
}

/// False if the intent is damaged: it stays, and is told of.
fn resolve(engine: &Arc<dyn Engine>, id: IntentId, decision: Decision, recovered: &mut Recovered) -> Result<bool> {
    match engine.resolve(id, decision) {
        Ok(None) => {}
        Ok(Some(_)) => match decision {
            Decision::Apply => recovered.applied += 1,
            Decision::Drop => recovered.dropped += 1,
        },
        Err(error) if error.code() == Code::Corrupted => {
            recovered.problems.push(error);
            return Ok(false);
        }
        Err(error) => return Err(error),
    }
    Ok(true)
}

enum Trouble {
    Engine(Error),
    Log(io::Error),
}

/// The log of a process that is no more.
struct Dead {
    id: u64,
    file: LogFile,
    bytes: Bytes,
    contents: Option<Contents>,
    /// Where the next frame goes, once the log is fit to be written.
    end: Option<u64>,
}

impl Dead {
    /// Locks and reads a log. `None` if its process lives, or it is gone.
    fn take(folder: &Folder, id: u64) -> Result<Option<Self>> {
        let told = |error: &io::Error| {
            Error::io(format_args!("cannot read the transaction log {}", folder.place(id).display()), error)
        };
        let Some(file) = folder.take(id).map_err(|error| told(&error))? else { return Ok(None) };
        let bytes = Bytes::from(file.read().map_err(|error| told(&error))?);
        let contents = format::read(id, &bytes).map_err(|error| {
            let message = format!(
                "the transaction log {} cannot be read: {}. It is kept as it is, and the keys of transactions it decides about stay \
                 locked; docs/formats/transaction-log.md says what can be done",
                file.path().display(),
                error.message()
            );
            Error::new(error.code(), message)
        })?;
        Ok(Some(Dead { id, file, bytes, contents, end: None }))
    }

    fn told(&self, error: &io::Error) -> Error {
        Error::io(format_args!("cannot write the transaction log {}", self.file.path().display()), error)
    }

    fn entries(&self) -> &[Entry] {
        self.contents.as_ref().map_or(&[], |contents| &contents.entries)
    }

    /// Does for `engine` what the log says, with the intents it has of this log.
    fn work(
        &mut self,
        engine: &Arc<dyn Engine>,
        store: Option<u128>,
        numbers: &[u64],
        recovered: &mut Recovered,
    ) -> Result<(), Trouble> {
        let committed: HashSet<u64> = self
            .entries()
            .iter()
            .filter_map(|entry| if let Entry::Commit { number } = entry { Some(*number) } else { None })
            .collect();
        if !numbers.is_empty() {
            self.harden().map_err(Trouble::Log)?;
        }
        let mut whole = true;
        for number in numbers {
            let decision = if committed.contains(number) { Decision::Apply } else { Decision::Drop };
            let id = IntentId { log: self.id, number: *number };
            whole &= resolve(engine, id, decision, recovered).map_err(Trouble::Engine)?;
        }
        let here = self.index_of(store);
        let undos = self.pending_undos(&committed).into_iter().rev();
        for (number, _, undo) in undos.filter(|(_, at, _)| here == Some(*at)).collect::<Vec<_>>() {
            self.harden().map_err(Trouble::Log)?;
            undo.take_back(&**engine).map_err(Trouble::Engine)?;
            recovered.undone += 1;
            if let Some(store) = here {
                self.append(Entry::Undone { number, store }).map_err(Trouble::Log)?;
            }
        }
        let left = self.left(&committed);
        if !whole {
            return Ok(());
        }
        match here {
            Some(here) if left.contains(&here) && left.len() > 1 => {
                self.append(Entry::Clean { store: here }).map_err(Trouble::Log)
            }
            here if left.iter().all(|left| Some(*left) == here) => self.file.remove().map_err(Trouble::Log),
            _ => Ok(()),
        }
    }

    fn index_of(&self, store: Option<u128>) -> Option<u64> {
        self.entries().iter().find_map(|entry| match entry {
            Entry::Store { index, id, .. } if Some(*id) == store => Some(*index),
            _ => None,
        })
    }

    /// What is still to be taken back: transaction, store and how, in the order it was written.
    fn pending_undos(&self, committed: &HashSet<u64>) -> Vec<(u64, u64, Undo)> {
        let mut pending: Vec<(u64, u64, Undo)> = Vec::new();
        for entry in self.entries() {
            match entry {
                Entry::Undo { number, store, written, before } if !committed.contains(number) => {
                    pending.push((*number, *store, Undo { written: written.clone(), before: before.clone() }));
                }
                Entry::Undone { number, store } => pending.retain(|(n, at, _)| (n, at) != (number, store)),
                _ => {}
            }
        }
        pending
    }

    /// The stores that have not been seen to yet.
    fn left(&self, committed: &HashSet<u64>) -> HashSet<u64> {
        let mut left: HashSet<u64> = self.pending_undos(committed).iter().map(|(_, store, _)| *store).collect();
        for entry in self.entries() {
            match entry {
                Entry::Store { index, intents: true, .. } => left.insert(*index),
                Entry::Clean { store } => left.remove(store),
                _ => false,
            };
        }
        left
    }

    /// Makes sure that what the log is believed to say is on disk, before anything is done by it. Its process may have died
    /// before the last frame was synced, or a sync may have failed, after which clean-looking pages were never written: so the
    /// frame is written again. What is torn behind it is cut off.
    fn harden(&mut self) -> io::Result<()> {
        let Some(contents) = &self.contents else { return Ok(()) };
        if self.end.is_some() {
            return Ok(());
        }
        if contents.end < self.bytes.len() as u64 {
            self.file.cut(contents.end)?;
        }
        let last = usize::try_from(contents.last).ok().zip(usize::try_from(contents.end).ok());
        let last = last.and_then(|(from, to)| self.bytes.get(from..to)).unwrap_or_default();
        if !last.is_empty() {
            self.file.write(contents.last, last)?;
        }
        self.file.sync()?;
        self.end = Some(contents.end);
        Ok(())
    }

    /// Appends an entry, safe from power loss.
    fn append(&mut self, entry: Entry) -> io::Result<()> {
        self.harden()?;
        let Some(at) = self.end else { return Ok(()) };
        let mut body = Vec::new();
        format::put(&mut body, &entry);
        let frame = format::frame(self.id, at, &body);
        self.file.write(at, &frame)?;
        self.file.sync()?;
        self.end = Some(at + frame.len() as u64);
        if let Some(contents) = &mut self.contents {
            contents.entries.push(entry);
        }
        Ok(())
    }
}

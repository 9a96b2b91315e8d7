//! An orphaned log: its process has ended, and stores may still need it.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;

use bytes::Bytes;

use super::super::log::{LogFile, LogFolder};
use super::super::undo::Undo;
use super::recovered::Recovered;
use crate::batch::IntentId;
use crate::engine::Engine;
use crate::engine::intent::Decision;
use crate::error::{Error, Result};
use crate::format::transaction_log::{self as format, Contents, Entry};

pub(super) struct OrphanedLog {
    pub id: u64,
    file: LogFile,
    bytes: Bytes,
    contents: Option<Contents>,
    /// The position of the next frame, after the log was [hardened](Self::harden).
    end: Option<u64>,
}

/// The reason why the work of a log failed.
pub(super) enum LogWorkError {
    /// The engine failed.
    Engine(Error),
    /// The log could not be written.
    Log(io::Error),
}

/// A write to undo, of one transaction in one store.
struct PendingUndo {
    transaction: u64,
    /// The index of the store in the log.
    store: u64,
    undo: Undo,
}

impl OrphanedLog {
    /// Locks and reads a log. `None` if its process lives, or the file is gone.
    pub(super) fn open(folder: &LogFolder, id: u64) -> Result<Option<Self>> {
        let failed = |error: &io::Error| {
            Error::io(format_args!("cannot read the transaction log {}", folder.path_of(id).display()), error)
        };
        let Some(file) = folder.open(id).map_err(|error| failed(&error))? else { return Ok(None) };
        let bytes = Bytes::from(file.read().map_err(|error| failed(&error))?);
        let contents = format::read(id, &bytes).map_err(|error| {
            let message = format!(
                "the transaction log {} cannot be read: {}. It is kept as it is, and the keys of transactions it \
                 decides about stay locked; docs/formats/transaction-log.md says what can be done",
                file.path().display(),
                error.message()
            );
            Error::new(error.code(), message)
        })?;
        Ok(Some(OrphanedLog { id, file, bytes, contents, end: None }))
    }

    /// The error of a log that could not be written.
    pub(super) fn write_error(&self, error: &io::Error) -> Error {
        Error::io(format_args!("cannot write the transaction log {}", self.file.path().display()), error)
    }

    pub(super) fn entries(&self) -> &[Entry] {
        self.contents.as_ref().map_or(&[], |contents| &contents.entries)
    }

    /// Does for `engine` what the log says. `numbers` are the transactions of this log that left an intent there.
    /// Blocks.
    pub(super) fn work(
        &mut self,
        engine: &Arc<dyn Engine>,
        store: Option<u128>,
        numbers: &[u64],
        recovered: &mut Recovered,
    ) -> Result<(), LogWorkError> {
        let committed: HashSet<u64> = self
            .entries()
            .iter()
            .filter_map(|entry| if let Entry::Commit { number } = entry { Some(*number) } else { None })
            .collect();
        if !numbers.is_empty() {
            self.harden().map_err(LogWorkError::Log)?;
        }
        let mut all_resolved = true;
        for number in numbers {
            let decision = if committed.contains(number) { Decision::Apply } else { Decision::Drop };
            let id = IntentId { log: self.id, number: *number };
            all_resolved &= recovered.resolve(engine, id, decision).map_err(LogWorkError::Engine)?;
        }
        let here = self.index_of(store);
        let undos = self.pending_undos(&committed).into_iter().rev();
        for PendingUndo { transaction, store, undo } in
            undos.filter(|undo| here == Some(undo.store)).collect::<Vec<_>>()
        {
            self.harden().map_err(LogWorkError::Log)?;
            undo.apply(&**engine).map_err(LogWorkError::Engine)?;
            recovered.undone += 1;
            self.append(Entry::Undone { number: transaction, store }).map_err(LogWorkError::Log)?;
        }
        if !all_resolved {
            return Ok(());
        }
        let left = self.stores_left(&committed);
        match here {
            Some(here) if left.contains(&here) && left.len() > 1 => {
                self.append(Entry::Clean { store: here }).map_err(LogWorkError::Log)
            }
            here if left.iter().all(|left| Some(*left) == here) => self.file.remove().map_err(LogWorkError::Log),
            _ => Ok(()),
        }
    }

    fn index_of(&self, store: Option<u128>) -> Option<u64> {
        self.entries().iter().find_map(|entry| match entry {
            Entry::Store { index, id, .. } if Some(*id) == store => Some(*index),
            _ => None,
        })
    }

    /// The writes that are still to be undone, in the order they were made.
    fn pending_undos(&self, committed: &HashSet<u64>) -> Vec<PendingUndo> {
        let mut pending: Vec<PendingUndo> = Vec::new();
        for entry in self.entries() {
            match entry {
                Entry::Undo { number, store, written, before } if !committed.contains(number) => {
                    let undo = Undo { written: written.clone(), before: before.clone() };
                    pending.push(PendingUndo { transaction: *number, store: *store, undo });
                }
                Entry::Undone { number, store } => {
                    pending.retain(|undo| (undo.transaction, undo.store) != (*number, *store));
                }
                _ => {}
            }
        }
        pending
    }

    /// The stores that still need the log.
    fn stores_left(&self, committed: &HashSet<u64>) -> HashSet<u64> {
        let mut left: HashSet<u64> = self.pending_undos(committed).iter().map(|undo| undo.store).collect();
        for entry in self.entries() {
            match entry {
                Entry::Store { index, intents: true, .. } => left.insert(*index),
                Entry::Clean { store } => left.remove(store),
                _ => false,
            };
        }
        left
    }

    /// Makes sure that the content of the log is on the disk, before anything is done by it. The process may have died
    /// before the last frame was synced. Or a sync may have failed, after which the system shows pages that it never
    /// wrote. So the last frame is written again. A torn end behind it is cut off.
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

//! What a group of batches does to the disk, and which of the ways there it needs.

use std::collections::BTreeMap;

use super::metadata::{Sidecar, WriteSet};
use super::name::FilePath;
use super::overwrite::Overwrite;
use super::records::{LONG, Shelf};
use super::staging::Changes;
use super::write::Writer;
use crate::error::Result;
use crate::key::{Key, Space};
use crate::record::{Record, Version};

/// One file to be put in place, or removed if there is no record.
pub(super) struct Move {
    pub key: Key,
    pub path: FilePath,
    pub record: Option<Record>,
    /// The written file that waits for its name.
    pub temporary: Option<String>,
    /// Set where the old file is overwritten instead.
    pub over: Option<Overwrite>,
    /// The digest of the temporary file's bytes.
    pub digest: u128,
}

/// What a group does to the disk.
#[derive(Default)]
pub(super) struct Plan {
    pub moves: Vec<Move>,
    pub entry: WriteSet,
    /// Side data that can wait.
    pub deferred: Vec<(Key, Option<Sidecar>)>,
    /// True if it needs a transaction of the database.
    pub journaled: bool,
}

impl Shelf {
    /// Plans `changes`; they need the database if `journaled`, whatever they are.
    pub fn plan(&self, writer: &Writer, changes: &Changes, journaled: bool) -> Result<Plan> {
        let mut plan = Plan { journaled, ..Plan::default() };
        for ((space, key), record) in changes {
            if *space == Space::Internal {
                plan.entry.internal.push((key.clone(), record.clone()));
                plan.journaled = true;
                continue;
            }
            let stored = self.sidecar(key)?;
            let wanted = record.as_ref().and_then(sidecar);
            if wanted != stored {
                if [&wanted, &stored].into_iter().flatten().any(matters) {
                    plan.journaled = true;
                    plan.entry.sidecars.push((key.clone(), wanted.clone()));
                } else {
                    plan.deferred.push((key.clone(), wanted.clone()));
                }
            }
            let path = match (self.path(key), record) {
                (Some(path), _) => path,
                (None, None) => continue,
                (None, Some(_)) => {
                    let name = plan.long_name(self, key);
                    let path = FilePath::new(LONG, &name);
                    plan.entry.long_names.push((key.clone(), name));
                    plan.journaled = true;
                    path
                }
            };
            if record.is_none() && self.stat(key)?.is_none() {
                self.cache.remove(key);
                continue;
            }
            plan.journaled |= writer.removals.contains(path.as_str());
            let (key, record) = (key.clone(), record.clone());
            plan.moves.push(Move::new(key, path, record));
        }
        Ok(plan)
    }
}

impl Move {
    pub fn new(key: Key, path: FilePath, record: Option<Record>) -> Self {
        Move { key, path, record, temporary: None, over: None, digest: 0 }
    }
}

impl Plan {
    /// The bytes of its values.
    pub fn weight(&self) -> usize {
        self.moves.iter().filter_map(|item| item.record.as_ref()).map(|record| record.value.len()).sum()
    }

    /// A name for a new long key that no other of this group has.
    fn long_name(&self, shelf: &Shelf, key: &Key) -> String {
        let name = shelf.long.read().name_for(key);
        let taken: BTreeMap<&str, ()> = self.entry.long_names.iter().map(|(_, name)| (name.as_str(), ())).collect();
        let mut candidate = name.clone();
        let mut number = 0;
        while taken.contains_key(candidate.as_str()) {
            number += 1;
            candidate = format!("{}-g{number}.json", name.trim_end_matches(".json"));
        }
        candidate
    }
}

/// The side data that `record` needs; `None` if its file tells everything.
fn sidecar(record: &Record) -> Option<Sidecar> {
    let created_at = record.created_at.filter(|created| Some(*created) != record.updated_at);
    let version = Version::digest(&record.value, None);
    let sidecar = Sidecar { version, expires_at: record.expires_at, metadata: record.metadata.clone(), created_at };
    (matters(&sidecar) || created_at.is_some()).then_some(sidecar)
}

/// True if the side data changes what the key is, not only when it was made.
fn matters(sidecar: &Sidecar) -> bool {
    sidecar.expires_at.is_some() || sidecar.metadata.is_some()
}

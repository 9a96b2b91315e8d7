//! The plan of a commit: the changes of the disk that a group of batches needs.

use std::collections::HashSet;

use super::change::{Failures, FileChange};
use super::layout::LONG_FOLDER;
use super::metadata::{Sidecar, WriteSet};
use super::records::Records;
use super::redo_log;
use super::staging::StagedGroup;
use super::versions::Installing;
use crate::error::Result;
use crate::format::file_name::FilePath;
use crate::key::{Key, Space};
use crate::record::{Record, Version};

/// The changes of the disk that a group of batches needs.
pub(super) struct CommitPlan {
    /// The number of the group's last commit.
    pub seq: u64,
    /// True if no batch depends on another being whole or written.
    pub independent: bool,
    pub changes: Vec<FileChange>,
    /// The rows that the group writes. The journal adds its entries.
    pub write_set: WriteSet,
    /// Sidecars that can wait.
    pub deferred: Vec<(Key, Option<Sidecar>)>,
    /// True if the group needs a transaction of the database.
    pub journaled: bool,
}

impl CommitPlan {
    /// Plans the changes of `group`. `removals` are the paths that recovery would remove: writing one needs a new
    /// journal. `full` says that commits survive power loss.
    pub(super) fn new(records: &Records, group: &StagedGroup, removals: &HashSet<String>, full: bool) -> Result<Self> {
        let StagedGroup { seq, independent, .. } = *group;
        let mut plan = CommitPlan {
            seq,
            independent,
            changes: Vec::new(),
            write_set: WriteSet::default(),
            deferred: Vec::new(),
            journaled: full && !independent,
        };
        for ((space, key), record) in &group.changes {
            match space {
                Space::User => plan.add_file(records, key, record.as_ref(), removals)?,
                Space::Internal => {
                    plan.write_set.internal.push((key.clone(), record.clone()));
                    plan.journaled = true;
                }
            }
        }
        plan.journaled |= !independent && plan.value_bytes() > redo_log::MAX_BYTES;
        if plan.journaled {
            // They cost nothing here, and a crash then does not change the versions that the change log tells.
            plan.write_set.sidecars.append(&mut plan.deferred);
        }
        Ok(plan)
    }

    fn add_file(
        &mut self,
        records: &Records,
        key: &Key,
        record: Option<&Record>,
        removals: &HashSet<String>,
    ) -> Result<()> {
        let stored = records.sidecar(key)?;
        let wanted = record.and_then(sidecar);
        if wanted != stored {
            if [&wanted, &stored].into_iter().flatten().any(is_essential) {
                self.journaled = true;
                self.write_set.sidecars.push((key.clone(), wanted));
            } else {
                self.deferred.push((key.clone(), wanted));
            }
        }
        let path = match (records.tree().path(key), record) {
            (Some(path), _) => path,
            (None, None) => return Ok(()),
            (None, Some(_)) => {
                let name = records.tree().long_names().name_for(key, &self.write_set.long_names);
                let path = FilePath::new(LONG_FOLDER, &name);
                self.write_set.long_names.push((key.clone(), name));
                self.journaled = true;
                path
            }
        };
        if record.is_none() && records.tree().stat(key)?.is_none() {
            records.cache().remove(key);
            return Ok(());
        }
        self.journaled |= removals.contains(path.as_str());
        self.changes.push(FileChange::new(key.clone(), path, record.cloned()));
        Ok(())
    }

    fn value_bytes(&self) -> usize {
        self.changes.iter().filter_map(|change| change.record.as_ref()).map(|record| record.value.len()).sum()
    }

    /// Drops the changes that failed.
    pub(super) fn retain_prepared(&mut self, failed: &Failures) {
        self.changes.retain(|change| !failed.contains_key(&change.key));
    }

    /// Keeps for the open views what is about to be overwritten.
    pub(super) fn keep_before_images(&self, records: &Records, installing: &Installing<'_>) {
        if !installing.has_views() {
            return;
        }
        let user = self.changes.iter().map(|change| (Space::User, &change.key));
        let internal = self.write_set.internal.iter().map(|(key, _)| (Space::Internal, key));
        for (space, key) in user.chain(internal) {
            // A record that cannot be read is absent from the views: nothing is left that could show it.
            let image = records.get(space, key).unwrap_or_default();
            installing.keep_before_image(self.seq, space, key.clone(), image);
        }
    }

    /// Keeps for every reader what was committed, from the change numbered `first` on, and could not be put in place.
    pub(super) fn keep_after_images(&self, first: usize, installing: &Installing<'_>) {
        for change in self.changes.iter().skip(first) {
            installing.keep_after_image(change.key.clone(), change.record.clone());
        }
    }
}

/// The sidecar that `record` needs; `None` if its file tells everything.
pub(super) fn sidecar(record: &Record) -> Option<Sidecar> {
    let created_at = record.created_at.filter(|created| Some(*created) != record.updated_at);
    let version = Version::digest(&record.value, None);
    let sidecar = Sidecar { version, expires_at: record.expires_at, metadata: record.metadata.clone(), created_at };
    (is_essential(&sidecar) || created_at.is_some()).then_some(sidecar)
}

/// True if the sidecar holds more than when the key was made.
fn is_essential(sidecar: &Sidecar) -> bool {
    sidecar.expires_at.is_some() || sidecar.metadata.is_some()
}

//! Commits through the journal: one transaction of the database holds the rows of the commit and the list of the
//! renames and removals to come. It is the commit point; if the process dies after it, the next opening carries out
//! the list. So whatever may be refused, such as space or permission, is asked for before it.

use std::collections::{BTreeSet, HashSet};

use super::change::{FileChange, Prepared};
use super::metadata::{JournalEntry, MetadataDb};
use super::plan::CommitPlan;
use super::sync::BULK;
use super::tree_writer::TreeWriter;
use crate::error::{Code, Result};

/// The journal in the database, as far as later commits have to respect it.
#[derive(Default)]
pub(super) struct Journal {
    /// Paths that recovery would remove. Writing one needs a new journal.
    removals: HashSet<String>,
    /// At `full`: folders whose renames only the journal makes durable.
    unsynced_folders: BTreeSet<String>,
}

impl Journal {
    pub(super) fn removals(&self) -> &HashSet<String> {
        &self.removals
    }

    /// Writes a group as a whole.
    ///
    /// After an error nothing is written, or the store is poisoned and the next opening finishes the group.
    pub(super) fn write(&mut self, metadata: &mut MetadataDb, tree: &TreeWriter, plan: &mut CommitPlan) -> Result<()> {
        prepare(tree, plan).inspect_err(|_| tree.remove_temporaries(&plan.changes))?;
        if tree.sync().is_full() {
            // The new journal replaces the one that vouches for these.
            self.sync(tree)?;
            self.unsynced_folders.clear();
        }
        plan.write_set.journal = plan.changes.iter().map(entry).collect();
        let installing = tree.begin_install();
        plan.keep_before_images(tree.records(), &installing);
        if tree.sync().is_full() {
            tree.records().counters().fsyncs.one();
        }
        if let Err(error) = metadata.write(&plan.write_set) {
            drop(installing);
            tree.remove_temporaries(&plan.changes);
            if error.code() == Code::Io {
                tree.records().poison();
            }
            return Err(error);
        }
        publish(tree, plan);
        self.removals.clear();
        let mut touched = BTreeSet::new();
        for (at, change) in plan.changes.iter().enumerate() {
            if let Err(error) = tree.install(change, &mut touched) {
                plan.keep_after_images(at, &installing);
                // Committed, and the next opening finishes it: nothing else may be written before.
                tree.records().poison();
                return Err(error);
            }
            if change.record.is_none() {
                self.removals.insert(change.path.as_str().to_owned());
            }
        }
        installing.finish(plan.seq);
        if tree.sync().is_full() {
            self.unsynced_folders = touched;
        }
        Ok(())
    }

    /// Syncs the folders that only the journal vouches for.
    pub(super) fn sync(&self, tree: &TreeWriter) -> Result<()> {
        tree.sync().folders(&self.unsynced_folders)
    }
}

/// Writes the temporary files and, at `full`, makes them durable.
fn prepare(tree: &TreeWriter, plan: &mut CommitPlan) -> Result<()> {
    let full = tree.sync().is_full();
    let bulk = full && plan.changes.len() >= BULK;
    let mut folders = BTreeSet::new();
    for change in &mut plan.changes {
        if change.record.is_some() {
            tree.refuse_folder(change)?;
            tree.write_temporary(change, full && !bulk)?;
            folders.insert(change.path.folder().to_owned());
        }
    }
    if bulk && tree.sync().temporaries(&plan.changes)? {
        return Ok(());
    }
    if full { tree.sync().folders_and_parents(&folders) } else { Ok(()) }
}

/// Lets readers see what the database holds now.
fn publish(tree: &TreeWriter, plan: &mut CommitPlan) {
    let records = tree.records();
    if !plan.write_set.sidecars.is_empty() {
        records.sidecars().mark_stored();
    }
    for (key, _) in &plan.write_set.sidecars {
        records.sidecars().discard(key);
        records.cache().remove(key);
    }
    for (key, name) in std::mem::take(&mut plan.write_set.long_names) {
        records.tree().long_names().insert(key, name);
    }
}

fn entry(change: &FileChange) -> JournalEntry {
    let (temporary, digest) = match &change.prepared {
        Prepared::Temporary { name, digest } => (Some(name.clone()), *digest),
        Prepared::Nothing | Prepared::InPlace(_) => (None, 0),
    };
    JournalEntry { folder: change.path.folder().to_owned(), name: change.path.name().to_owned(), temporary, digest }
}

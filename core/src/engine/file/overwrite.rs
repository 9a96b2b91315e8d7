//! Plain writes below `full`: a file is overwritten in place, and the redo log stands for it until it is whole.
//!
//! A rename over a file costs many times as much: the system then writes the new file back at once and frees the old
//! one. Whatever may be refused, such as space or permission, is asked for before the record in the redo log is
//! pending.

use std::collections::BTreeSet;
use std::io;

use super::change::{Failures, FileChange, InPlace, Prepared};
use super::layout::REDO_PATH;
use super::os::{self, Folder, Overwritable, Stamp, stamp_of};
use super::plan::CommitPlan;
use super::redo_log::RedoLog;
use super::tree_writer::TreeWriter;
use super::versions::Installing;
use crate::batch::Op;
use crate::error::Result;
use crate::key::Space;
use crate::record::Millis;

/// The largest file that is written in place.
const MAX_IN_PLACE: u64 = 64 << 10;

/// Files held open at once.
const MAX_OPEN: usize = 128;

/// Writes groups in place.
pub(super) struct Overwriter {
    redo: RedoLog,
}

/// The folder that was used last: neighbours need not look it up again.
#[derive(Default)]
struct LastFolder(Option<(String, Folder)>);

impl LastFolder {
    fn get(&mut self, tree: &TreeWriter, path: &str) -> Result<Option<Folder>> {
        if let Some((last, folder)) = &self.0
            && last == path
        {
            return Ok(Some(folder.clone()));
        }
        let folder = tree.records().tree().folder(path)?;
        self.0 = folder.clone().map(|folder| (path.to_owned(), folder));
        Ok(folder)
    }
}

impl Overwriter {
    pub(super) fn new(redo: RedoLog) -> Self {
        Overwriter { redo }
    }

    /// Writes a group, as a whole unless its batches are independent. Returns the changes that could not be made.
    ///
    /// After an error nothing is written, or the store is poisoned and the next opening finishes the group.
    pub(super) fn write<'t>(
        &mut self,
        tree: &'t TreeWriter,
        plan: &mut CommitPlan,
        installing: Option<Installing<'t>>,
    ) -> Result<Failures> {
        let mut last = LastFolder::default();
        let mut failed = prepare(tree, plan, &mut last)?;
        plan.retain_prepared(&failed);
        let whole = !plan.independent && plan.changes.len() > 1;
        let is_logged = |change: &FileChange| whole || change.is_in_place();
        let ops: Vec<Op> = plan.changes.iter().filter(|change| is_logged(change)).map(op).collect();
        let installing = installing.unwrap_or_else(|| tree.begin_install());
        plan.keep_before_images(tree.records(), &installing);
        let pending = if ops.is_empty() { None } else { Some(self.log(tree, plan, &ops)?) };
        let mut touched = BTreeSet::new();
        for at in 0..plan.changes.len() {
            let Some(change) = plan.changes.get_mut(at) else { break };
            let is_logged = is_logged(change);
            let Err(error) = carry_out(tree, change, &mut last, &mut touched) else { continue };
            if is_logged {
                plan.keep_after_images(at, &installing);
                tree.records().poison();
                return Err(error);
            }
            tree.remove_temporaries(std::slice::from_ref(change));
            failed.insert(change.key.clone(), error);
        }
        if let Some(length) = pending {
            self.redo.clear(length).map_err(|error| {
                tree.records().poison();
                tree.records().tree().fault("write", REDO_PATH, &error)
            })?;
        }
        installing.finish(plan.seq);
        Ok(failed)
    }

    /// Makes it durable that nothing is pending: after a power loss, an old record must not undo what is synced next.
    pub(super) fn sync(&self, tree: &TreeWriter) -> Result<()> {
        self.redo.sync().map_err(|error| {
            tree.records().poison();
            tree.records().tree().fault("sync", REDO_PATH, &error)
        })
    }

    /// Makes `ops` pending; after an error nothing is, and no temporary file is left.
    fn log(&mut self, tree: &TreeWriter, plan: &CommitPlan, ops: &[Op]) -> Result<usize> {
        self.redo.write(ops).map_err(|error| {
            if self.redo.clear(usize::MAX).is_err() {
                tree.records().poison();
            }
            tree.remove_temporaries(&plan.changes);
            tree.records().tree().fault("write", REDO_PATH, &error)
        })
    }
}

/// Gets each change ready to be carried out. Returns those that cannot be; in a group that is whole, one is an error.
fn prepare(tree: &TreeWriter, plan: &mut CommitPlan, last: &mut LastFolder) -> Result<Failures> {
    let mut failed = Failures::new();
    let mut open = 0;
    for at in 0..plan.changes.len() {
        let Some(change) = plan.changes.get_mut(at) else { break };
        if let Err(error) = prepare_one(tree, change, plan.independent, last, &mut open) {
            if !plan.independent {
                tree.remove_temporaries(&plan.changes);
                return Err(error);
            }
            failed.insert(change.key.clone(), error);
        }
    }
    Ok(failed)
}

/// Opens the file of `change` if it can be overwritten, else writes a temporary one.
fn prepare_one(
    tree: &TreeWriter,
    change: &mut FileChange,
    independent: bool,
    last: &mut LastFolder,
    open: &mut usize,
) -> Result<()> {
    let Some(record) = &change.record else { return Ok(()) };
    let folder = last.get(tree, change.path.folder())?;
    if let Some(file) = folder.and_then(|folder| folder.overwritable(change.path.name())) {
        let content = tree.records().tree().encode(&record.value);
        if file.fits(content.len(), MAX_IN_PLACE) {
            *open += 1;
            let file = (*open <= MAX_OPEN).then_some(file);
            change.prepared = Prepared::InPlace(InPlace { content, file });
            return Ok(());
        }
    }
    if !independent {
        tree.refuse_folder(change)?;
    }
    tree.write_temporary(change, false)
}

fn carry_out(
    tree: &TreeWriter,
    change: &mut FileChange,
    last: &mut LastFolder,
    touched: &mut BTreeSet<String>,
) -> Result<()> {
    let Prepared::InPlace(InPlace { content, file }) = &mut change.prepared else {
        return tree.install(change, touched);
    };
    let file = match file.take() {
        Some(file) => Some(file),
        None => {
            let folder = last.get(tree, change.path.folder())?;
            let file = folder.and_then(|folder| folder.overwritable(change.path.name()));
            file.filter(|file| file.fits(content.len(), MAX_IN_PLACE))
        }
    };
    let Some(file) = file else {
        // Another program has changed what lies there since.
        tree.write_temporary(change, false)?;
        return tree.install(change, touched);
    };
    let updated_at = change.record.as_ref().and_then(|record| record.updated_at);
    let stamp = overwrite(file, content, updated_at).map_err(|error| tree.fault("write", change, &error))?;
    if let Some(record) = &change.record {
        tree.records().cache().insert_written(&change.key, record, stamp);
    }
    Ok(())
}

/// Replaces the content of a file; returns its stamp.
fn overwrite(file: Overwritable, content: &[u8], updated_at: Option<Millis>) -> io::Result<Stamp> {
    let Overwritable { mut file, size, .. } = file;
    os::overwrite(&mut file, content, size)?;
    if let Some(at) = updated_at {
        os::set_modified(&file, at)?;
    }
    stamp_of(&file)
}

/// The operation that the redo log holds for `change`.
fn op(change: &FileChange) -> Op {
    let (space, key) = (Space::User, change.key.clone());
    match &change.record {
        Some(record) => Op::Set { space, key, value: record.value.clone(), expires_at: None, metadata: None },
        None => Op::Delete { space, key },
    }
}

//! Recovery: the opening for writing finishes a replacement of the content and the commits in the journal and in the
//! redo log, and removes the temporary files of writes that nobody was told of.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::Path;

use xxhash_rust::xxh3::xxh3_128;

use super::change::FileChange;
use super::cleanup::remove_temporaries;
use super::fault;
use super::layout::{LONG_FOLDER, REDO_FILE, REDO_PATH, STORE_FOLDER};
use super::metadata::{JournalEntry, MetadataDb, WriteSet};
use super::redo_log::{self, RedoLog};
use super::replacement::{finish, remove_leftovers};
use super::tree::FileTree;
use super::tree_writer::TreeWriter;
use crate::batch::Op;
use crate::error::Result;
use crate::key::Space;
use crate::record::{Record, now};

/// Finishes what a crash left. Below `full` it returns the redo log, whose path is `redo`.
pub(super) fn recover(metadata: &mut MetadataDb, tree: &TreeWriter, redo: &Path) -> Result<Option<RedoLog>> {
    let files = tree.records().tree();
    let full = tree.sync().is_full();
    let replaced = finish(metadata, tree)?;
    remove_leftovers(files)?;
    let journal = metadata.journal()?;
    let mut touched = BTreeSet::new();
    for entry in &journal {
        replay(tree, entry, &mut touched)?;
    }
    // Absent in a new store; 0 while a store is open, and after a crash; 1 after an orderly close.
    let mark = metadata.meta("clean")?;
    let clean = mark == Some(1);
    let pending = redo_log::pending(redo)?;
    let recoveries = u64::from(replaced) + u64::from(!journal.is_empty()) + u64::from(!clean && !pending.is_empty());
    tree.records().counters().recoveries.add(recoveries);
    if !clean {
        remove_temporaries(files, "")?;
        remove_temporaries(files, LONG_FOLDER)?;
        write_again(tree, pending, &mut touched)?;
    }
    if full && mark == Some(0) {
        tree.sync().tree()?;
    } else if full {
        tree.sync().folders_and_parents(&touched)?;
    }
    if !journal.is_empty() {
        metadata.write(&WriteSet::default())?;
    }
    let redo = if full {
        remove_redo_log(files)?;
        None
    } else {
        let mut redo = RedoLog::open(redo)?;
        redo.clear(usize::MAX).map_err(|error| files.fault("write", REDO_PATH, &error))?;
        Some(redo)
    };
    metadata.set_meta("clean", 0)?;
    Ok(redo)
}

/// Carries out one entry of the journal, unless that was done before the crash.
fn replay(tree: &TreeWriter, entry: &JournalEntry, touched: &mut BTreeSet<String>) -> Result<()> {
    let path = &entry.folder;
    let failed = |error: io::Error| tree.records().tree().fault("finish a batch in", path, &error);
    let Some(folder) = tree.records().tree().folder(path)? else { return Ok(()) };
    touched.insert(path.clone());
    let Some(temporary) = &entry.temporary else {
        folder.remove(&entry.name).map_err(failed)?;
        return tree.remove_empty_parents(path, touched);
    };
    // No temporary file: it was renamed before the crash.
    let Some((mut file, _)) = folder.open(temporary).map_err(failed)? else { return Ok(()) };
    let mut content = Vec::new();
    file.read_to_end(&mut content).map_err(failed)?;
    if xxh3_128(&content) != entry.digest {
        // Below `full` a power loss may tear it; the old value is better than that.
        return Ok(());
    }
    folder.rename(temporary, &folder, &entry.name).map_err(failed)
}

/// Makes the writes that the redo log holds. Folders whose names changed go to `touched`.
fn write_again(tree: &TreeWriter, ops: Vec<Op>, touched: &mut BTreeSet<String>) -> Result<()> {
    for op in ops {
        let (key, record) = match op {
            Op::Set { space: Space::User, key, value, .. } => {
                let record = Record { updated_at: Some(now()), ..Record::bare(value, None) };
                (key, Some(record))
            }
            Op::Delete { space: Space::User, key } => (key, None),
            _ => return Err(fault::foreign_redo_operation(REDO_PATH)),
        };
        let Some(path) = tree.records().tree().path(&key) else { continue };
        let mut change = FileChange::new(key, path, record);
        tree.write_temporary(&mut change, tree.sync().is_full())?;
        tree.install(&change, touched)?;
    }
    Ok(())
}

/// Removes the redo log for good: after a power loss an old one must not undo what is synced from now on.
fn remove_redo_log(tree: &FileTree) -> Result<()> {
    let failed = |error: io::Error| tree.fault("remove", REDO_PATH, &error);
    let Some(folder) = tree.folder(STORE_FOLDER)? else { return Ok(()) };
    if folder.remove(REDO_FILE).map_err(failed)? {
        folder.sync().map_err(failed)?;
    }
    Ok(())
}

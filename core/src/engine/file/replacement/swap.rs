//! The swap: the staged content becomes that of the store.

use super::leftovers::remove_staged;
use super::moves::{Kept, clear, place};
use super::stage::FileStage;
use crate::engine::file::fault;
use crate::engine::file::layout::{DATABASE_FILE, STAGED_FOLDER, STORE_FOLDER};
use crate::engine::file::metadata::{ExchangeError, Format, MetadataDb, WriteSet, exchange};
use crate::engine::file::tree_writer::TreeWriter;
use crate::engine::watch;
use crate::error::Result;
use crate::key::Key;
use crate::keyspace::{self, outlives_replacement};
use crate::record::Record;

/// Records of our own keyspace that are read at once.
const CHUNK: u32 = 1024;

/// The commit that a swap makes.
pub(crate) struct Target {
    /// Its number.
    pub seq: u64,
    /// Later commits may have numbers up to this one.
    pub reserved: u64,
    /// True if its entry begins the change log anew.
    pub logged: bool,
}

/// Puts the staged content in the place of that of the store.
///
/// After an error the old content stands. If the error is `UNKNOWN_OUTCOME`, the next opening finds the old content or
/// finishes the swap, and the store answers nothing until then.
pub(crate) fn swap(metadata: &mut MetadataDb, tree: &TreeWriter, mut stage: FileStage, target: &Target) -> Result<()> {
    let records = tree.records();
    stage.complete(&last_rows(metadata, target)?, target.reserved)?;
    let kept = Kept::find(records.tree())?;
    kept.check_writable(records.tree())?;
    sync_staged(tree)?;
    let installing = tree.begin_install();
    match exchange(metadata, records.metadata(), || commit(tree)) {
        Ok(()) => {}
        Err(ExchangeError::Old(error)) => return Err(error),
        Err(ExchangeError::OldDetached(error)) => {
            records.halt();
            return Err(error);
        }
        Err(ExchangeError::New(error)) => {
            records.halt();
            stage.commit();
            return Err(fault::replacement_unfinished(&error));
        }
    }
    let long_names = stage.commit();
    let moved = move_files(metadata, tree, Some(kept)).and_then(|()| metadata.has_sidecars());
    let any_sidecars = moved.map_err(|error| {
        records.halt();
        fault::replacement_unfinished(&error)
    })?;
    records.replace(long_names, any_sidecars);
    installing.finish_replacement(target.seq);
    Ok(())
}

/// Finishes a swap that a crash ended behind its commit point. True if there was one.
pub(crate) fn finish(metadata: &mut MetadataDb, tree: &TreeWriter) -> Result<bool> {
    if metadata.format()? == Format::Plain {
        return Ok(false);
    }
    move_files(metadata, tree, None)?;
    Ok(true)
}

/// The rows that the new database takes over, and the first entry of its change log.
fn last_rows(metadata: &MetadataDb, target: &Target) -> Result<WriteSet> {
    let mut rows: Vec<(Key, Option<Record>)> = Vec::new();
    let mut rest = keyspace::engine();
    loop {
        let found = metadata.internals(&rest, CHUNK)?;
        let Some((last, _)) = found.last() else { break };
        rest = rest.after(last);
        let kept = found.into_iter().filter(|(key, _)| outlives_replacement(key));
        rows.extend(kept.map(|(key, record)| (key, Some(record))));
    }
    if target.logged {
        // The file engine has digests for versions, and no times in this keyspace.
        let entry = Record::bare(watch::first_entry(target.seq, 0).value, None);
        rows.push((watch::entry_key(target.seq), Some(entry)));
    }
    Ok(WriteSet { internal: rows, ..WriteSet::default() })
}

/// Makes the staged files and all names of the staged content durable.
fn sync_staged(tree: &TreeWriter) -> Result<()> {
    if tree.sync().file_system()? {
        return Ok(());
    }
    tree.sync().folders(&tree.records().tree().folders_below(STAGED_FOLDER)?)
}

/// Renames the staged database over that of the store.
fn commit(tree: &TreeWriter) -> Result<(), ExchangeError> {
    let files = tree.records().tree();
    let store = STORE_FOLDER.to_owned();
    // The WAL of the old database must not come back after a power loss.
    tree.sync().folders([&store]).map_err(ExchangeError::Old)?;
    let open = |path| files.folder(path).map_err(ExchangeError::Old);
    let (Some(from), Some(to)) = (open(STAGED_FOLDER)?, open(STORE_FOLDER)?) else {
        return Err(ExchangeError::Old(fault::stage_is_gone()));
    };
    if let Err(error) = from.rename(DATABASE_FILE, &to, DATABASE_FILE) {
        let is_staged = matches!(from.stat(DATABASE_FILE), Ok(Some(_)));
        let error = files.fault("replace", DATABASE_FILE, &error);
        return Err(if is_staged { ExchangeError::Old(error) } else { ExchangeError::New(error) });
    }
    tree.sync().folders([&store]).map_err(ExchangeError::New)
}

/// Makes the moves that the format of the database asks for.
fn move_files(metadata: &mut MetadataDb, tree: &TreeWriter, kept: Option<Kept>) -> Result<()> {
    let files = tree.records().tree();
    if metadata.format()? == Format::Clearing {
        let kept = kept.map_or_else(|| Kept::find(files), Ok)?;
        tree.sync().folders(&clear(files, &kept)?)?;
        metadata.set_format(Format::Placing)?;
    }
    tree.sync().folders(&place(files)?)?;
    metadata.set_format(Format::Plain)?;
    // Empty folders are left. The next stage or opening removes what cannot be removed here.
    let _ = remove_staged(files);
    Ok(())
}

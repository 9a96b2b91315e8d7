//! Statistics, verification and compaction of a store.

use std::sync::Arc;

use super::cleanup::{is_key_folder, remove_empty_folders, remove_temporaries};
use super::committer::Committer;
use super::fault;
use super::layout::{DATABASE_FILE, REDO_FILE, STORE_FOLDER, join};
use super::os::Kind;
use super::records::Records;
use super::view::FileView;
use super::write::Writer;
use crate::engine::{Progress, Projection, Report, Stats, View, for_each_page};
use crate::error::{Code, Result};
use crate::format::file_name;
use crate::key::{Key, KeyRange, Space};

/// Sidecars looked at together.
const CHUNK: u32 = 512;

/// Counts the files of keys and their bytes, and those of the store itself.
pub(super) fn stats(records: &Arc<Records>) -> Result<Stats> {
    loop {
        match count(records) {
            // The content was replaced meanwhile.
            Err(error) if error.code() == Code::Conflict => {}
            stats => return stats,
        }
    }
}

fn count(records: &Arc<Records>) -> Result<Stats> {
    let tree = records.tree();
    let mut keys = 0;
    let mut bytes = 0;
    let view = FileView::open(records);
    for_each_page(&view, Space::User, &KeyRange::all(), Projection::Keys, |page| {
        for (key, _) in page {
            if let Some(stamp) = tree.stat(&key)? {
                keys += 1;
                bytes += stamp.size;
            }
        }
        Ok(true)
    })?;
    let mut own_bytes = 0;
    for name in [DATABASE_FILE, "store.db-wal", "store.db-shm", REDO_FILE] {
        let found = tree.folder(STORE_FOLDER)?.map(|folder| folder.stat(name)).transpose();
        if let Some((stamp, _)) = found.map_err(|error| tree.fault("look at", STORE_FOLDER, &error))?.flatten() {
            own_bytes += stamp.size;
        }
    }
    Ok(Stats {
        keys: Some(keys),
        memory_bytes: Some(records.cache().bytes()),
        disk_bytes: Some(bytes + own_bytes),
        details: vec![("fileBytes", bytes), ("databaseBytes", own_bytes)],
        ..Stats::default()
    })
}

/// Reads every file. With `repair`, moves damaged ones to the quarantine and removes stray temporary files.
pub(super) fn verify(
    records: &Arc<Records>,
    committer: &Committer,
    repair: bool,
    progress: Progress<'_>,
) -> Result<Report> {
    if repair && committer.is_read_only() {
        return Err(committer.no_writer());
    }
    let mut report = Report::default();
    let findings = records.metadata().check_integrity()?;
    report.errors.extend(findings.into_iter().map(fault::damaged_database));
    let view = FileView::open(records);
    let total = view.count(Space::User, &KeyRange::all())?;
    for_each_page(&view, Space::User, &KeyRange::all(), Projection::Keys, |page| {
        for (key, _) in page {
            report.checked += 1;
            let read = {
                let _reading = records.versions().read();
                records.load(&key)
            };
            if let Err(error) = read {
                if repair && error.code() == Code::Corrupted {
                    committer.with_writer(|writer| quarantine(writer, &key))?;
                }
                report.errors.push(error);
            }
        }
        progress(report.checked, total.max(report.checked))?;
        Ok(true)
    })?;
    find_strays(records, committer, repair, &mut report)?;
    Ok(report)
}

/// Moves the file of `key` to the quarantine, if it is still damaged.
fn quarantine(writer: &Writer, key: &Key) -> Result<()> {
    let records = writer.tree().records();
    match (records.load(key), records.tree().path(key)) {
        (Err(_), Some(path)) => writer.tree().quarantine(&path),
        _ => Ok(()),
    }
}

/// Reports what lies in the folders and belongs to no key. Another program's files stay where they are.
fn find_strays(records: &Records, committer: &Committer, repair: bool, report: &mut Report) -> Result<()> {
    let tree = records.tree();
    let mut paths = vec![String::new()];
    while let Some(path) = paths.pop() {
        // A temporary file exists only while the writer is at work.
        let _paused = committer.pause();
        let Some(folder) = tree.folder(&path)? else { continue };
        let display = |name: &str| tree.display(&join(&path, name));
        let mut temporaries = Vec::new();
        tree.list(&folder, &path, |name, kind| match kind {
            Kind::Folder if path.is_empty() && name == STORE_FOLDER => {}
            Kind::Folder if is_key_folder(&path, name) => paths.push(join(&path, name)),
            Kind::File if file_name::is_temporary(name) => temporaries.push(name.to_owned()),
            Kind::File if file_name::fits(&path, name) && file_name::file_segment(name).is_some() => {}
            Kind::File | Kind::Folder | Kind::Other => report.errors.push(fault::foreign_name(display(name))),
        })?;
        for name in temporaries {
            if repair {
                folder.remove(&name).map_err(|error| tree.fault("remove from", &path, &error))?;
            }
            report.errors.push(fault::stray_temporary(display(&name)));
        }
    }
    Ok(())
}

/// Removes empty folders, stray temporary files and what the database holds of keys that are gone.
pub(super) fn compact(committer: &Committer) -> Result<()> {
    committer.with_writer(|writer| {
        let records = writer.tree().records().clone();
        let tree = records.tree();
        records.check_writable()?;
        remove_temporaries(tree, "")?;
        remove_empty_folders(tree, "")?;
        writer.store_all_sidecars()?;
        let mut after = Key::new();
        loop {
            let keys = writer.metadata().sidecar_keys(&after, CHUNK)?;
            let Some(last) = keys.last() else { break };
            after = last.clone();
            let gone: Vec<_> = without_file(&records, keys)?.into_iter().map(|key| (key, None)).collect();
            writer.metadata().write_sidecars(&gone)?;
        }
        let gone = without_file(&records, tree.long_names().keys(&KeyRange::all()))?;
        writer.metadata().remove_long_names(&gone)?;
        for key in &gone {
            tree.long_names().remove(key);
        }
        writer.metadata().vacuum()
    })
}

/// The keys that have no file.
fn without_file(records: &Records, keys: Vec<Key>) -> Result<Vec<Key>> {
    let mut gone = Vec::new();
    for key in keys {
        if records.tree().stat(&key)?.is_none() {
            gone.push(key);
        }
    }
    Ok(gone)
}

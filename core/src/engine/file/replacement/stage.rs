//! The content that is staged.

use std::io;
use std::sync::Arc;

use super::leftovers::remove_staged;
use crate::engine::Staged;
use crate::engine::embedded::Stage;
use crate::engine::file::layout::{DATABASE_FILE, LongNames, STAGED_FOLDER, STAGED_LONG, STAGED_TREE, join};
use crate::engine::file::metadata::{MetadataDb, WriteSet};
use crate::engine::file::os::{self, Folder};
use crate::engine::file::plan::sidecar;
use crate::engine::file::records::Records;
use crate::error::{Error, Result};
use crate::format::file_name;
use crate::key::{Key, Space};
use crate::record::{Record, now};

/// A tree of files and a database beside those of the store.
pub(crate) struct FileStage {
    records: Arc<Records>,
    /// `None` once it is complete.
    metadata: Option<MetadataDb>,
    long_names: LongNames,
    /// The folder that was written last, by its path: neighbours need not look it up again.
    last: Option<(String, Folder)>,
    /// Each file is synced as it is written, because the file system cannot be synced as a whole.
    sync_each: bool,
    /// The staged files belong to the store: the drop leaves them alone.
    committed: bool,
}

impl FileStage {
    /// Begins an empty content. Nothing is staged. `full` says that commits survive power loss.
    pub(crate) fn begin(records: Arc<Records>, full: bool) -> Result<Self> {
        let tree = records.tree();
        tree.make_folder(STAGED_TREE, &mut Vec::new()).map_err(|error| tree.fault("make", STAGED_TREE, &error))?;
        let sync_each = full && !tree.can_sync_file_system();
        let path = tree.full_path(STAGED_FOLDER).join(DATABASE_FILE);
        let long_names = LongNames::default();
        let mut stage = FileStage { records, metadata: None, long_names, last: None, sync_each, committed: false };
        // Behind this, a failure drops the stage, which removes the folder.
        stage.metadata = Some(MetadataDb::create_staged(&path)?);
        Ok(stage)
    }

    /// Writes the last rows of the database, and makes all that is staged durable but for the files.
    pub(super) fn complete(&mut self, last: &WriteSet, seq: u64) -> Result<()> {
        self.last = None;
        self.metadata.take().ok_or_else(Error::closed)?.finish_staged(last, seq)
    }

    /// Says that the staged files belong to the store from now on. Returns the names of the long ones.
    pub(super) fn commit(&mut self) -> LongNames {
        self.committed = true;
        std::mem::take(&mut self.long_names)
    }

    /// Writes the file of `key`. What the database holds of it goes to `rows`.
    fn write_file(&mut self, key: &Key, record: &Record, rows: &mut WriteSet) -> Result<()> {
        let (folder, name) = match file_name::path_of(key) {
            Some(path) if path.folder().is_empty() => (STAGED_TREE.to_owned(), path.name().to_owned()),
            Some(path) => (join(STAGED_TREE, path.folder()), path.name().to_owned()),
            None => (STAGED_LONG.to_owned(), self.long_name(key, rows)),
        };
        let failed = |error: io::Error| {
            let name = join(&folder, &name);
            self.records.tree().fault("write", &name, &error).at_key(key)
        };
        let open = match self.last.take() {
            Some((path, open)) if path == folder => open,
            _ => self.records.tree().make_folder(&folder, &mut Vec::new()).map_err(failed)?,
        };
        let mut is_new = true;
        let mut file = match open.create(&name) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                is_new = false;
                open.remove(&name).and_then(|_| open.create(&name)).map_err(failed)?
            }
            file => file.map_err(failed)?,
        };
        os::write(&mut file, &self.records.tree().encode(&record.value)).map_err(failed)?;
        if let Some(at) = record.updated_at {
            os::set_modified(&file, at).map_err(failed)?;
        }
        if self.sync_each {
            self.records.counters().fsyncs.one();
            os::sync(&file).map_err(failed)?;
        }
        let sidecar = sidecar(record);
        if sidecar.is_some() || !is_new {
            rows.sidecars.push((key.clone(), sidecar));
        }
        self.last = Some((folder, open));
        Ok(())
    }

    /// The name of the file of a long key.
    fn long_name(&self, key: &Key, rows: &mut WriteSet) -> String {
        if let Some(path) = self.long_names.path(key) {
            return path.name().to_owned();
        }
        let name = self.long_names.name_for(key, &[]);
        self.long_names.insert(key.clone(), name.clone());
        rows.long_names.push((key.clone(), name.clone()));
        name
    }
}

impl Stage for FileStage {
    fn write(&mut self, records: Vec<Staged>) -> Result<()> {
        let now = now();
        let mut rows = WriteSet::default();
        for mut staged in records {
            staged.fill_times(now);
            let Staged { space, key, record } = staged;
            match space {
                Space::User => self.write_file(&key, &record, &mut rows)?,
                Space::Internal => rows.internal.push((key, Some(record))),
            }
        }
        self.metadata.as_mut().ok_or_else(Error::closed)?.write(&rows)
    }
}

impl Drop for FileStage {
    fn drop(&mut self) {
        if !self.committed {
            drop(self.metadata.take());
            self.last = None;
            // The next stage or the next opening removes the rest.
            let _ = remove_staged(self.records.tree());
        }
    }
}

//! Opening a store: its folder, its lock, its database, and the parts over them.

use std::fs::DirBuilder;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::committer::Committer;
use super::fault;
use super::layout::{DATABASE_FILE, LOCK_FILE, LongNames, REDO_FILE, STORE_FOLDER};
use super::metadata::{Format, MetadataDb, MetadataReader};
use super::options::FileOptions;
use super::os::Root;
use super::overwrite::Overwriter;
use super::process_lock::ProcessLock;
use super::records::Records;
use super::recover::recover;
use super::redo_log;
use super::store::FileStore;
use super::tree::FileTree;
use super::tree_writer::TreeWriter;
use super::versions::{InstallRight, Versions};
use super::view::FileView;
use super::write::Writer;
use crate::engine::Durability;
use crate::engine::intent::{Found, Intents};
use crate::engine::watch::{Capture, Feed};
use crate::error::Result;
use crate::keyspace::CHANGE_LOG;

/// Opens the store in `base`, a folder that exists.
pub(super) fn open(base: &Path, options: &FileOptions) -> Result<FileStore> {
    let root = Root::open(base).map_err(|error| fault::io("open", base.display(), &error))?;
    if options.read_only { open_read_only(base, root, options) } else { open_for_writing(base, root, options) }
}

fn open_read_only(base: &Path, root: Root, options: &FileOptions) -> Result<FileStore> {
    let folder = base.join(STORE_FOLDER);
    let lock = ProcessLock::shared(&folder.join(LOCK_FILE), Duration::from_millis(options.lock_timeout))?;
    let metadata = MetadataDb::open_read_only(&folder.join(DATABASE_FILE))?;
    if metadata.format()? != Format::Plain {
        return Err(fault::unfinished_replacement());
    }
    let pending = metadata.meta("clean")? != Some(1) && !redo_log::pending(&folder.join(REDO_FILE))?.is_empty();
    if pending || !metadata.journal()?.is_empty() {
        return Err(fault::unfinished_batch());
    }
    let stored = Stored::read(&metadata)?;
    let (records, _right) = stored.into_records(root, base, options, metadata);
    let committer = Committer::new(records.clone(), None, false);
    Ok(FileStore::new(records, committer, Arc::default(), lock))
}

fn open_for_writing(base: &Path, root: Root, options: &FileOptions) -> Result<FileStore> {
    let folder = base.join(STORE_FOLDER);
    let full = options.durability == Durability::Full;
    let sync = |path: &str| {
        let synced = root.folder(path).and_then(|folder| folder.map_or(Ok(()), |folder| folder.sync()));
        synced.map_err(|error| fault::io("sync", base.join(path).display(), &error))
    };
    make_private(&folder)?;
    // Also where the folder was there before: the process that made it may have died before its sync.
    if full && !folder.join(DATABASE_FILE).exists() {
        sync("")?;
    }
    let lock = ProcessLock::exclusive(&folder.join(LOCK_FILE), Duration::from_millis(options.lock_timeout))?;
    let mut metadata = MetadataDb::open(&folder.join(DATABASE_FILE), options.durability)?;
    if full {
        // SQLite syncs the name of its WAL, and ignores an error of that.
        sync(STORE_FOLDER)?;
    }
    let stored = Stored::read(&metadata)?;
    let seq = stored.seq;
    let reader = MetadataDb::open(&folder.join(DATABASE_FILE), options.durability)?;
    let (records, right) = stored.into_records(root, base, options, reader);
    let tree = TreeWriter::new(records.clone(), right, full);
    let overwriter = recover(&mut metadata, &tree, &folder.join(REDO_FILE))?.map(Overwriter::new);
    let feed = Arc::<Feed>::default();
    let capture = Capture::new(feed.clone(), metadata.internal(CHANGE_LOG)?.as_ref());
    let found = Found::in_view(&FileView::open(&records))?;
    let intents = Intents::new(found, false, records.counters().clone());
    let writer = Writer::new(metadata, tree, overwriter, intents, capture, seq, lock);
    let committer = Committer::new(records.clone(), Some(writer), !full);
    Ok(FileStore::new(records, committer, feed, None))
}

/// The values in the database that the parts start from.
struct Stored {
    long_names: LongNames,
    any_sidecars: bool,
    /// No commit has a greater number.
    seq: u64,
}

impl Stored {
    fn read(metadata: &MetadataDb) -> Result<Self> {
        Ok(Stored {
            long_names: LongNames::new(metadata.long_names()?),
            any_sidecars: metadata.has_sidecars()?,
            seq: metadata.meta("seq")?.unwrap_or(0),
        })
    }

    fn into_records(
        self,
        root: Root,
        base: &Path,
        options: &FileOptions,
        reader: MetadataDb,
    ) -> (Arc<Records>, InstallRight) {
        let tree = FileTree::new(root, base, options.encoding, self.long_names);
        let (versions, right) = Versions::new(self.seq);
        (Arc::new(Records::new(tree, MetadataReader::new(reader), versions, self.any_sidecars)), right)
    }
}

/// Makes the store's own folder, for its owner alone.
fn make_private(path: &Path) -> Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    match builder.create(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(fault::io("make", path.display(), &error)),
        Err(_) => match std::fs::symlink_metadata(path) {
            Ok(metadata) if metadata.is_dir() => Ok(()),
            Ok(_) => Err(fault::not_a_folder(path)),
            Err(error) => Err(fault::io("look at", path.display(), &error)),
        },
    }
}

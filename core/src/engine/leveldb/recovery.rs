//! Cuts off what power loss left at the end of a WAL or a MANIFEST, where RocksDB would not open the store because of
//! it.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;

use super::options::{LevelDbOptions, NAME};
use super::{manifest, wal};
use crate::engine::Durability;
use crate::error::{Error, Result};

/// Cuts a WAL that RocksDB would read for ever where it is no longer whole. Fails with CORRUPTED if that is damage.
pub(super) fn cut_endless_wal(options: &LevelDbOptions) -> Result<()> {
    let path = &options.path;
    let failed = |error| Error::io(format_args!("cannot read the log in {}", path.display()), &error).in_engine(NAME);
    let Some((file, end)) = wal::find_endless(path).map_err(failed)? else { return Ok(()) };
    let is_damage = options.durability == Durability::Full && !wal::ends_torn(path).map_err(failed)?;
    if is_damage || options.read_only {
        let message = format!("the log {} is not whole; restore a backup, nothing was changed", file.display());
        return Err(Error::corrupted(message).in_engine(NAME));
    }
    cut(&file, end).map_err(failed)
}

/// Cuts off the torn last record of the MANIFEST. Fails with CORRUPTED for a damaged one that RocksDB would read for
/// ever.
pub(super) fn cut_torn_manifest(options: &LevelDbOptions) -> Result<()> {
    let path = &options.path;
    let failed =
        |error| Error::io(format_args!("cannot read the manifest in {}", path.display()), &error).in_engine(NAME);
    let message = match manifest::inspect(path).map_err(failed)? {
        manifest::Condition::Sound => return Ok(()),
        manifest::Condition::Torn(file, end) if !options.read_only => return cut(&file, end).map_err(failed),
        manifest::Condition::Torn(file, _) => {
            format!("power loss cut {} off; open the store for writing once, which mends it", file.display())
        }
        manifest::Condition::Endless(file) => {
            format!("the manifest {} is not whole; restore a backup, nothing was changed", file.display())
        }
    };
    Err(Error::corrupted(message).in_engine(NAME))
}

fn cut(file: &Path, end: u64) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(file)?;
    file.set_len(end)?;
    file.sync_all()
}

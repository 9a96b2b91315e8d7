//! The exchange of the database: another file takes its place, under the connections that have it open.

use std::io::ErrorKind;
use std::path::Path;

use super::db::MetadataDb;
use super::reader::MetadataReader;
use crate::engine::file::fault;
use crate::error::Error;

/// The failure of an exchange.
pub(crate) enum ExchangeError {
    /// The old database is in its place, and open.
    Old(Error),
    /// The old database is in its place, and cannot be opened again.
    OldDetached(Error),
    /// The new database may be in its place.
    New(Error),
}

/// Closes the database, has `rename` put another file in its place, and opens that one. Calls of the reader wait.
///
/// `rename` says whether its error left the old file in its place.
pub(crate) fn exchange(
    writer: &mut MetadataDb,
    reader: &MetadataReader,
    rename: impl FnOnce() -> Result<(), ExchangeError>,
) -> Result<(), ExchangeError> {
    let exchanged = reader.change(|reader| {
        let renamed = close(writer, reader).map_err(ExchangeError::Old).and_then(|()| rename());
        let attached = writer.attach().and_then(|()| reader.attach());
        match (renamed, attached) {
            (Ok(()), Err(error)) => Err(ExchangeError::New(error)),
            (Err(ExchangeError::Old(error)), Err(_)) => Err(ExchangeError::OldDetached(error)),
            (renamed, _) => renamed,
        }
    });
    exchanged.unwrap_or_else(|closed| Err(ExchangeError::Old(closed)))
}

/// Closes both connections. No WAL is left: SQLite would take it for one of the new file.
fn close(writer: &mut MetadataDb, reader: &mut MetadataDb) -> Result<(), Error> {
    writer.checkpoint()?;
    reader.detach()?;
    writer.detach()?;
    let Some(path) = writer.path() else { return Ok(()) };
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    match std::fs::metadata(Path::new(&wal)) {
        Ok(metadata) if metadata.len() > 0 => Err(fault::busy_database()),
        Err(error) if error.kind() != ErrorKind::NotFound => Err(fault::io("look for", "store.db-wal", &error)),
        _ => Ok(()),
    }
}

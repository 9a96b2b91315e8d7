//! How a database is opened: looked at first, changed only once it is known to be ours.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::SqliteOptions;
use super::cached_reader::Inline;
use super::connection::{Access, Connection};
use super::in_memory::MemoryStore;
use super::reader_pool::{Opening, Readers};
use super::schema;
use super::store::FileStore;
use super::write::{Setting, Writer};
use crate::engine::path::{not_writable, prepare_folder, refuse_asar};
use crate::engine::registry::{self, Lease, StoreId};
use crate::engine::watch::Feed;
use crate::engine::{Durability, Embedded, Engine};
use crate::error::{Code, Error, Result};

const ENGINE: &str = "sqlite";

/// Kilobytes of page cache of the writing connection.
const WRITER_CACHE_KB: u32 = 8192;

/// Opens a database, or shares the store that this process has open on the same file and table. Blocks.
pub fn open(options: SqliteOptions) -> Result<Lease> {
    open_any(options).map_err(|error| error.in_engine(ENGINE).during("connect"))
}

fn open_any(options: SqliteOptions) -> Result<Lease> {
    schema::check_table_name(&options.table_name)?;
    if options.path.as_os_str() == ":memory:" {
        return Ok(Lease::private(Arc::new(Embedded::new(MemoryStore::open(&options)?))));
    }
    let path = find_or_make(&options)?;
    // SQLite does not tell table names apart by case.
    let id = StoreId::of(ENGINE, &path, options.table_name.to_ascii_lowercase())?;
    let agreed = format!(
        "{} {} {} {} {:?}",
        options.pool_size, options.busy_timeout, options.read_only, options.index_updated_at, options.durability
    );
    registry::open(id, &agreed, move || {
        let store = if options.read_only { open_read_only(&path, &options)? } else { open_writable(&path, &options)? };
        Ok(Arc::new(Embedded::new(store)) as Arc<dyn Engine>)
    })
}

/// The absolute path of the file, which is made if it may be.
fn find_or_make(options: &SqliteOptions) -> Result<PathBuf> {
    /// Held while a new file is open, as closing it would drop the locks of a connection to it.
    static MAKING: Mutex<()> = Mutex::new(());
    let path = std::path::absolute(&options.path).map_err(|error| {
        Error::new(Code::InvalidArgument, format!("{} is not a path", options.path.display())).caused_by(&error)
    })?;
    refuse_asar(&path, ENGINE)?;
    let _making = MAKING.lock();
    let missing = match fs::metadata(&path) {
        Ok(metadata) if metadata.is_dir() => {
            return Err(Error::new(
                Code::InvalidArgument,
                format!("{} is a folder; the sqlite engine needs the path of a file", path.display()),
            ));
        }
        Ok(_) => return Ok(path),
        Err(error) => error,
    };
    let can_be_made = missing.kind() == io::ErrorKind::NotFound && !options.read_only;
    let Some(folder) = path.parent() else { return Err(cannot_open(&path, &missing)) };
    if options.read_only && missing.kind() == io::ErrorKind::NotFound {
        return Err(cannot_open(&path, &missing));
    }
    prepare_folder(folder, ENGINE, options.read_only)?;
    if !can_be_made {
        return Err(cannot_open(&path, &missing));
    }
    make_file(&path, folder).map_err(|error| cannot_open(&path, &error))?;
    Ok(path)
}

/// Makes an empty file for its owner alone, whose name survives power loss.
fn make_file(path: &Path, folder: &Path) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(file) => file.sync_all()?,
        // Another process was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        Err(error) => return Err(error),
    }
    if cfg!(unix) { fs::File::open(folder)?.sync_all() } else { Ok(()) }
}

fn cannot_open(path: &Path, error: &io::Error) -> Error {
    let failed = Error::io(format_args!("cannot open {}", path.display()), error);
    if error.kind() == io::ErrorKind::PermissionDenied {
        return not_writable(path);
    }
    failed
}

fn open_writable(path: &Path, options: &SqliteOptions) -> Result<FileStore> {
    let table = options.table_name.as_str();
    let mut connection = Connection::open(Some(path), Access::Write, options.verbose.clone())?;
    connection.set_busy_timeout(options.busy_timeout);
    if connection.is_read_only() {
        return Err(not_writable(path));
    }
    schema::inspect(&mut connection, table).map_err(|error| match error.code() {
        // The WAL needs a place too.
        Code::Io | Code::ReadOnly if cannot_write_beside(path).is_some() => not_writable(path),
        _ => error,
    })?;
    connection.run(&format!("PRAGMA cache_size = -{WRITER_CACHE_KB}"), "cannot open the database")?;
    configure(&mut connection, options.durability, options.busy_timeout)?;
    let sql = Arc::new(schema::sql(table));
    connection.use_tables(sql.clone());
    // Two processes may make the tables at the same time: look again under the lock.
    connection.run("BEGIN IMMEDIATE", "cannot open the database")?;
    let found = schema::inspect(&mut connection, table)?;
    schema::complete(&mut connection, table, &found, options.index_updated_at)?;
    connection.run("COMMIT", "cannot make the tables")?;
    connection.map_wal_index();
    // SQLite syncs the name of its log, and ignores an error of that; without the log a database that was being checkpointed is damaged.
    if let Some(folder) = path.parent().filter(|_| cfg!(unix)) {
        fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| cannot_open(path, &error))?;
    }

    let opening = Opening {
        path: path.to_owned(),
        access: Access::Write,
        sql,
        verbose: options.verbose.clone(),
        busy_timeout: options.busy_timeout,
    };
    let inline = Arc::new(inline(&opening)?);
    let feed = Arc::new(Feed::default());
    let setting = Setting {
        inline: Some(inline.clone()),
        counters: inline.counters().clone(),
        busy_timeout: options.busy_timeout,
        shared: true,
        syncs: options.durability == Durability::Full,
        keeps_rows: !schema::has_triggers(&mut connection)?,
    };
    let writer = Writer::new(connection, setting, feed.clone());
    let readers = Readers::new(opening, options.pool_size.max(1), inline.clone());
    Ok(FileStore::new(Some(writer), inline, readers, options.durability, feed))
}

/// WAL, and the sync that the durability asks for. Checkpoints are ours to time.
fn configure(connection: &mut Connection, durability: Durability, busy_timeout: u64) -> Result<()> {
    let what = "cannot set the database up";
    let mode = patiently(busy_timeout, || connection.ask("PRAGMA journal_mode = WAL", what))?.unwrap_or_default();
    if !mode.eq_ignore_ascii_case("wal") {
        return Err(Error::new(
            Code::NotSupported,
            "this file system has no shared memory, which SQLite's WAL mode needs; use a local disk",
        ));
    }
    let synchronous = if durability == Durability::Full { "FULL" } else { "NORMAL" };
    connection.run(&format!("PRAGMA synchronous = {synchronous}"), what)?;
    connection.run("PRAGMA wal_autocheckpoint = 0", what)?;
    // Bounds the WAL file once a checkpoint could empty it.
    connection.run("PRAGMA journal_size_limit = 33554432", what)?;
    if durability == Durability::Full {
        // Only macOS knows these: there fsync alone does not reach the medium.
        connection.run("PRAGMA fullfsync = ON", what)?;
        connection.run("PRAGMA checkpoint_fullfsync = ON", what)?;
    }
    Ok(())
}

/// Tries again for `busy_timeout` milliseconds what SQLite refuses at once, although told to wait: two connections that turn a new
/// database into one with a WAL both hold the lock that the other one waits for.
fn patiently<T>(busy_timeout: u64, mut work: impl FnMut() -> Result<T>) -> Result<T> {
    let (start, timeout) = (Instant::now(), Duration::from_millis(busy_timeout));
    let mut pause = Duration::from_millis(1);
    loop {
        match work() {
            Err(error) if error.code() == Code::Timeout && start.elapsed() < timeout => {
                thread::sleep(pause.min(timeout.saturating_sub(start.elapsed())));
                pause = (pause * 2).min(Duration::from_millis(50));
            }
            result => return result,
        }
    }
}

/// Inline reads never wait: what is busy is left to the pool.
fn inline(opening: &Opening) -> Result<Inline> {
    let mut connection = opening.reader()?;
    connection.ask_int(&format!("SELECT count(*) FROM {} WHERE 0", opening.sql.user), "cannot open the database")?;
    connection.set_busy_timeout(0);
    if opening.access != Access::Immutable
        && connection.ask("PRAGMA journal_mode", "cannot open the database")?.is_some_and(|mode| mode == "wal")
    {
        connection.map_wal_index();
    }
    Ok(Inline::new(connection))
}

fn open_read_only(path: &Path, options: &SqliteOptions) -> Result<FileStore> {
    let look = |access| {
        let mut connection = Connection::open(Some(path), access, options.verbose.clone())?;
        connection.set_busy_timeout(options.busy_timeout);
        schema::inspect(&mut connection, &options.table_name)
    };
    let (access, found) = match look(Access::Read) {
        Ok(found) => (Access::Read, found),
        Err(error) if cannot_write_beside(path) == Some(io::ErrorKind::ReadOnlyFilesystem) => match has_wal(path) {
            // Whoever ignores it reads an older state.
            true => return Err(error),
            false => (Access::Immutable, look(Access::Immutable)?),
        },
        Err(error) => return Err(error),
    };
    let opening = Opening {
        path: path.to_owned(),
        access,
        sql: Arc::new(schema::read_only_sql(&options.table_name, &found)),
        verbose: options.verbose.clone(),
        busy_timeout: options.busy_timeout,
    };
    let inline = Arc::new(inline(&opening)?);
    let readers = Readers::new(opening, options.pool_size.max(1), inline.clone());
    Ok(FileStore::new(None, inline, readers, options.durability, Arc::default()))
}

/// Why no file can be made beside `path`, if none can. Found by trying: the kernel's answer is the only sure one.
fn cannot_write_beside(path: &Path) -> Option<io::ErrorKind> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!("-probe-{}", std::process::id()));
    let probe = path.with_file_name(name);
    match fs::OpenOptions::new().write(true).create_new(true).open(&probe) {
        Ok(_) => {
            // The name is ours; that it is left over is no reason to fail.
            let _ = fs::remove_file(&probe);
            None
        }
        Err(error) => Some(error.kind()),
    }
}

fn has_wal(path: &Path) -> bool {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    fs::metadata(name).is_ok_and(|metadata| metadata.len() > 0)
}

//! A connection to a database, with its prepared statements.

use std::ffi::{CStr, CString};
use std::os::raw::c_int;
use std::path::Path;
use std::ptr;
use std::sync::Arc;

use rusqlite::ffi;

use super::fault;
use super::other_copies::SoleCopy;
use super::sql::{Query, Sql};
use super::statement::Statement;
use super::wal_index::{WalIndex, WalIndexHeader};
use super::wal_preallocation::WalPreallocation;
use crate::error::{Code, Error, Result};

/// Receives the text of each statement that is run, with placeholders where the values go.
pub type Verbose = Arc<dyn Fn(&str) + Send + Sync>;

/// How a connection is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Write,
    Read,
    /// Nobody can write to the medium, so there is nothing to lock.
    Immutable,
}

/// How far a checkpoint goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CheckpointMode {
    /// As far as readers let it, beside writers.
    Passive,
    /// To the end of the WAL, which the next commit starts anew. Nobody writes meanwhile.
    Restart,
    /// As `Restart`, and it cuts the file to nothing.
    Truncate,
}

/// A connection to a database. `&mut` makes sure that one thread at a time uses it.
pub(super) struct Connection {
    db: *mut ffi::sqlite3,
    sql: Arc<Sql>,
    verbose: Option<Verbose>,
    statements: Vec<*mut ffi::sqlite3_stmt>,
    wal_index: Option<WalIndex>,
    /// Given back once the database is closed.
    _sole_copy: Option<Arc<SoleCopy>>,
}

// SAFETY: SQLite is built threadsafe; a connection opened NOMUTEX may move between threads as long as one thread uses
// it at a time. The type is not `Sync`, and its statements and mapping are used through it alone.
unsafe impl Send for Connection {}

impl Connection {
    /// Opens the database at `path`, which exists and is absolute, or a private one in memory.
    pub(super) fn open(path: Option<&Path>, access: Access, verbose: Option<Verbose>) -> Result<Self> {
        let sole_copy = path.map(SoleCopy::of).transpose()?;
        let name = match path {
            Some(path) => file_name(path, access)?,
            None => c":memory:".to_owned(),
        };
        let mode = match access {
            Access::Write => ffi::SQLITE_OPEN_READWRITE,
            Access::Read => ffi::SQLITE_OPEN_READONLY,
            Access::Immutable => ffi::SQLITE_OPEN_READONLY | ffi::SQLITE_OPEN_URI,
        };
        let flags = mode | ffi::SQLITE_OPEN_NOMUTEX | ffi::SQLITE_OPEN_PRIVATECACHE | ffi::SQLITE_OPEN_EXRESCODE;
        let mut db = ptr::null_mut();
        // SAFETY: the name ends in NUL; `db` receives the connection, which is closed even where opening failed.
        let rc = unsafe { ffi::sqlite3_open_v2(name.as_ptr(), &raw mut db, flags, ptr::null()) };
        let connection = Connection {
            db,
            sql: Arc::new(Sql::default()),
            verbose,
            statements: Vec::new(),
            wal_index: None,
            _sole_copy: sole_copy,
        };
        if rc != ffi::SQLITE_OK {
            return Err(fault::error(db, rc, "cannot open the database"));
        }
        connection.harden();
        Ok(connection)
    }

    /// Replaces the statements by those of a store's tables.
    pub(super) fn use_tables(&mut self, sql: Arc<Sql>) {
        self.finalize();
        self.statements = vec![ptr::null_mut(); Sql::COUNT];
        self.sql = sql;
    }

    fn harden(&self) {
        for (option, value) in [
            (ffi::SQLITE_DBCONFIG_DEFENSIVE, 1),
            (ffi::SQLITE_DBCONFIG_DQS_DML, 0),
            (ffi::SQLITE_DBCONFIG_DQS_DDL, 0),
            (ffi::SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0),
            (ffi::SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0),
        ] {
            // SAFETY: each of these options takes an int and a pointer that may be null.
            unsafe { ffi::sqlite3_db_config(self.db, option, value as c_int, ptr::null_mut::<c_int>()) };
        }
    }

    /// The statements in use.
    pub(super) fn sql(&self) -> &Sql {
        &self.sql
    }

    /// How long a statement waits for other connections, in milliseconds.
    pub(super) fn set_busy_timeout(&self, milliseconds: u64) {
        let milliseconds = c_int::try_from(milliseconds).unwrap_or(c_int::MAX);
        // SAFETY: the connection is open.
        unsafe { ffi::sqlite3_busy_timeout(self.db, milliseconds) };
    }

    /// A statement of the store's tables. It is prepared once.
    pub(super) fn query(&mut self, query: Query, what: &'static str) -> Result<Statement<'_>> {
        let at = query.index();
        let mut raw = self.statements.get(at).copied().unwrap_or(ptr::null_mut());
        if raw.is_null() {
            let text = self.sql.text(query);
            raw = self.prepare(&text, ffi::SQLITE_PREPARE_PERSISTENT, what)?;
            if let Some(slot) = self.statements.get_mut(at) {
                *slot = raw;
            }
        }
        if let Some(verbose) = &self.verbose {
            // SAFETY: the statement is alive, and its text with it.
            let text = unsafe { CStr::from_ptr(ffi::sqlite3_sql(raw)) };
            verbose(&text.to_string_lossy());
        }
        Ok(Statement::new(raw, false, what))
    }

    /// Prepares a statement for one run.
    pub(super) fn once(&mut self, text: &str, what: &'static str) -> Result<Statement<'_>> {
        let raw = self.prepare(text, 0, what)?;
        if let Some(verbose) = &self.verbose {
            verbose(text);
        }
        Ok(Statement::new(raw, true, what))
    }

    /// Prepares a statement and runs it to its end.
    pub(super) fn run(&mut self, text: &str, what: &'static str) -> Result<()> {
        self.once(text, what)?.run()
    }

    /// The first column of the first row, as text.
    pub(super) fn ask(&mut self, text: &str, what: &'static str) -> Result<Option<String>> {
        let mut statement = self.once(text, what)?;
        if !statement.step()? {
            return Ok(None);
        }
        let answer = statement.text(0);
        // A statement that changes something commits behind its last row, and fails there if it could not.
        statement.run()?;
        Ok(Some(answer))
    }

    /// The first column of the first row, as a number.
    pub(super) fn ask_int(&mut self, text: &str, what: &'static str) -> Result<u64> {
        let mut statement = self.once(text, what)?;
        if !statement.step()? {
            return Ok(0);
        }
        let answer = statement.int(0).unwrap_or(0);
        statement.run()?;
        Ok(answer)
    }

    fn prepare(&self, text: &str, flags: u32, what: &'static str) -> Result<*mut ffi::sqlite3_stmt> {
        let mut raw = ptr::null_mut();
        let len = c_int::try_from(text.len()).map_err(|_| Error::new(Code::InvalidArgument, "SQL is too long"))?;
        // SAFETY: `text` is `len` bytes of UTF-8; `raw` receives the statement.
        let rc = unsafe {
            ffi::sqlite3_prepare_v3(self.db, text.as_ptr().cast(), len, flags, &raw mut raw, ptr::null_mut())
        };
        if rc == ffi::SQLITE_OK && !raw.is_null() { Ok(raw) } else { Err(fault::error(self.db, rc, what)) }
    }

    /// The extended result code of the latest call.
    pub(super) fn last_code(&self) -> c_int {
        // SAFETY: the connection is open.
        unsafe { ffi::sqlite3_extended_errcode(self.db) }
    }

    /// The number of rows that the latest statement wrote or deleted.
    pub(super) fn changes(&self) -> u64 {
        // SAFETY: the connection is open.
        u64::try_from(unsafe { ffi::sqlite3_changes64(self.db) }).unwrap_or(0)
    }

    /// True while a transaction is open.
    pub(super) fn in_transaction(&self) -> bool {
        // SAFETY: the connection is open.
        unsafe { ffi::sqlite3_get_autocommit(self.db) == 0 }
    }

    /// Ends an open transaction without its writes. Where that fails, SQLite has ended it already.
    pub(super) fn roll_back(&mut self) {
        if self.in_transaction()
            && let Ok(mut statement) = self.query(Query::Rollback, "cannot roll back")
        {
            let _ = statement.run();
        }
    }

    /// True if the system does not let the file be written.
    pub(super) fn is_read_only(&self) -> bool {
        // SAFETY: the connection is open.
        unsafe { ffi::sqlite3_db_readonly(self.db, c"main".as_ptr()) == 1 }
    }

    /// Maps the WAL index of a connection in WAL mode that has read its database.
    pub(super) fn map_wal_index(&mut self) {
        // SAFETY: the connection is open, and keeps the result for itself.
        self.wal_index = unsafe { WalIndex::map(self.db) };
    }

    /// The header of the WAL index, or `None` where it is not known.
    pub(super) fn header(&self) -> Option<WalIndexHeader> {
        self.wal_index.as_ref()?.read()
    }

    /// Allocates room in the WAL behind the frames of `header`. At `most` frames the WAL starts anew. To be called
    /// inside a write transaction.
    pub(super) fn preallocate_wal(&mut self, preallocation: &mut WalPreallocation, header: WalIndexHeader, most: u32) {
        // SAFETY: the connection is open, used by this thread, and holds the write lock.
        unsafe { preallocation.allocate(self.db, header, most) };
    }

    /// Writes the WAL back into the database. True if no frame is left. TIMEOUT if another connection checkpoints, or
    /// keeps `mode` from its end for longer than the busy timeout.
    pub(super) fn checkpoint(&self, mode: CheckpointMode) -> Result<bool> {
        let mode = match mode {
            CheckpointMode::Passive => ffi::SQLITE_CHECKPOINT_PASSIVE,
            CheckpointMode::Restart => ffi::SQLITE_CHECKPOINT_RESTART,
            CheckpointMode::Truncate => ffi::SQLITE_CHECKPOINT_TRUNCATE,
        };
        let (mut frames, mut written_back) = (-1, -1);
        // SAFETY: the connection is open, and the two counters are numbers of this frame.
        let rc = unsafe {
            ffi::sqlite3_wal_checkpoint_v2(self.db, ptr::null(), mode, &raw mut frames, &raw mut written_back)
        };
        if rc == ffi::SQLITE_OK {
            Ok(frames == written_back)
        } else {
            Err(fault::error(self.db, rc, "cannot write the WAL back"))
        }
    }

    /// A copy of a whole database in memory.
    pub(super) fn copy_in_memory(&self) -> Result<Connection> {
        let mut copy = Connection::open(None, Access::Write, self.verbose.clone())?;
        copy.use_tables(self.sql.clone());
        // SAFETY: both connections are open and used by this thread alone until the backup is finished.
        let rc = unsafe {
            let backup = ffi::sqlite3_backup_init(copy.db, c"main".as_ptr(), self.db, c"main".as_ptr());
            if backup.is_null() {
                ffi::sqlite3_extended_errcode(copy.db)
            } else {
                ffi::sqlite3_backup_step(backup, -1);
                ffi::sqlite3_backup_finish(backup)
            }
        };
        if rc == ffi::SQLITE_OK { Ok(copy) } else { Err(fault::error(copy.db, rc, "cannot copy the database")) }
    }

    fn finalize(&mut self) {
        for raw in self.statements.drain(..) {
            // SAFETY: each is a statement of this connection, or null, and no `Statement` borrows it now.
            unsafe { ffi::sqlite3_finalize(raw) };
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.wal_index = None;
        self.finalize();
        // SAFETY: no statement is left, so this closes at once.
        unsafe { ffi::sqlite3_close(self.db) };
    }
}

fn file_name(path: &Path, access: Access) -> Result<CString> {
    #[cfg(unix)]
    let bytes = std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str());
    #[cfg(not(unix))]
    let bytes = path.to_str().ok_or_else(|| not_a_path(path))?.as_bytes();
    let name = match access {
        Access::Immutable => {
            let mut uri = b"file:".to_vec();
            for &byte in bytes {
                if byte.is_ascii_alphanumeric() || b"/._-".contains(&byte) {
                    uri.push(byte);
                } else {
                    uri.extend_from_slice(format!("%{byte:02x}").as_bytes());
                }
            }
            uri.extend_from_slice(b"?immutable=1");
            uri
        }
        Access::Write | Access::Read => bytes.to_vec(),
    };
    CString::new(name).map_err(|_| not_a_path(path))
}

fn not_a_path(path: &Path) -> Error {
    Error::new(Code::InvalidArgument, format!("{} is not a path", path.display()))
}

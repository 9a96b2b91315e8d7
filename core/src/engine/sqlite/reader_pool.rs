//! The pool of reading connections.

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;

use super::connection::{Access, Connection, Verbose};
use super::sql::Sql;
use crate::error::{Code, Error, Result};

/// At most this many connections are in use at once. Each has two file handles and a page cache.
const MAX_CONNECTIONS: usize = 128;

/// Kilobytes of page cache of a reading connection.
const READER_CACHE_KB: u32 = 2048;

/// How a store's connections are opened.
pub(super) struct ConnectionOptions {
    /// The name of the store's table.
    pub table: String,
    pub path: PathBuf,
    pub access: Access,
    pub sql: Arc<Sql>,
    pub verbose: Option<Verbose>,
    pub busy_timeout: u64,
}

impl ConnectionOptions {
    /// Opens a connection that only reads.
    pub(super) fn open_reader(&self) -> Result<Connection> {
        let access = if self.access == Access::Immutable { Access::Immutable } else { Access::Read };
        let mut connection = Connection::open(Some(&self.path), access, self.verbose.clone())?;
        connection.use_tables(self.sql.clone());
        connection.set_busy_timeout(self.busy_timeout);
        connection.run(&format!("PRAGMA cache_size = -{READER_CACHE_KB}"), "cannot open a reader")?;
        Ok(connection)
    }
}

pub(super) struct ReaderPool {
    options: ConnectionOptions,
    /// The number of idle connections to keep.
    keep: usize,
    connections: Mutex<Connections>,
}

#[derive(Default)]
struct Connections {
    idle: Vec<Connection>,
    in_use: usize,
    closed: bool,
}

impl ReaderPool {
    /// A pool that keeps `keep` idle connections.
    pub(super) fn new(options: ConnectionOptions, keep: usize) -> Self {
        ReaderPool { options, keep, connections: Mutex::default() }
    }

    pub(super) fn options(&self) -> &ConnectionOptions {
        &self.options
    }

    /// Lends a connection to `call`.
    pub(super) fn with<T>(&self, call: impl FnOnce(&mut Connection) -> Result<T>) -> Result<T> {
        let mut connection = self.take()?;
        let result = call(&mut connection);
        self.give_back(connection);
        result
    }

    /// Takes an idle connection, or opens one. Fails with `NO_SPACE` while [`MAX_CONNECTIONS`] are in use.
    pub(super) fn take(&self) -> Result<Connection> {
        {
            let mut connections = self.connections.lock();
            if connections.in_use >= MAX_CONNECTIONS {
                return Err(Error::new(
                    Code::NoSpace,
                    format!("{MAX_CONNECTIONS} snapshots, iterators and reads are open on this database; close some"),
                ));
            }
            connections.in_use += 1;
            if let Some(connection) = connections.idle.pop() {
                return Ok(connection);
            }
        }
        let opened = self.options.open_reader();
        if opened.is_err() {
            self.connections.lock().in_use -= 1;
        }
        opened
    }

    /// Takes an idle connection without a wait, if there is one.
    pub(super) fn try_take(&self) -> Option<Connection> {
        let mut connections = self.connections.try_lock()?;
        let connection = connections.idle.pop()?;
        connections.in_use += 1;
        Some(connection)
    }

    /// Ends the transaction of a connection that was taken, and keeps or closes it.
    pub(super) fn give_back(&self, mut connection: Connection) {
        connection.roll_back();
        connection.set_busy_timeout(self.options.busy_timeout);
        let mut connections = self.connections.lock();
        connections.in_use = connections.in_use.saturating_sub(1);
        if !connections.closed && connections.idle.len() < self.keep && !connection.in_transaction() {
            connections.idle.push(connection);
        } else {
            drop(connections);
            drop(connection);
        }
    }

    /// Closes the idle connections now, and the others as they come back.
    pub(super) fn close(&self) {
        let idle = {
            let mut connections = self.connections.lock();
            connections.closed = true;
            std::mem::take(&mut connections.idle)
        };
        drop(idle);
    }
}

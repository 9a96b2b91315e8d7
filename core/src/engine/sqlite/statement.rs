//! One run of a prepared statement: bind parameters, step, read columns.

use std::marker::PhantomData;
use std::os::raw::c_int;

use rusqlite::ffi;

use super::fault;
use crate::error::{Code, Error, Result};
use crate::key::Space;

/// A statement in use. It borrows its connection, so one thread steps one statement at a time.
pub(super) struct Statement<'c> {
    raw: *mut ffi::sqlite3_stmt,
    /// Prepared for one run: the connection does not keep it.
    once: bool,
    what: &'static str,
    /// Bound values outlive the statement, so SQLite need not copy them.
    bound: PhantomData<&'c [u8]>,
}

impl<'c> Statement<'c> {
    /// Wraps `raw`, an idle statement of a connection that is borrowed for `'c`.
    pub(super) fn new(raw: *mut ffi::sqlite3_stmt, once: bool, what: &'static str) -> Self {
        Statement { raw, once, what, bound: PhantomData }
    }

    pub(super) fn bind_key(&mut self, at: c_int, space: Space, key: &'c [u8]) -> Result<()> {
        match space {
            Space::User => self.bind_text(at, key),
            Space::Internal => self.bind_blob(at, key),
        }
    }

    /// Binds UTF-8 text, NUL characters included.
    pub(super) fn bind_text(&mut self, at: c_int, text: &'c [u8]) -> Result<()> {
        let len = length(text)?;
        // SAFETY: `text` outlives the binding, which `drop` clears; SQLite reads `len` bytes of it.
        let rc = unsafe { ffi::sqlite3_bind_text(self.raw, at, text.as_ptr().cast(), len, ffi::SQLITE_STATIC()) };
        self.check(rc)
    }

    pub(super) fn bind_blob(&mut self, at: c_int, bytes: &'c [u8]) -> Result<()> {
        let len = length(bytes)?;
        // SAFETY: as for text. The pointer of an empty slice is not null, so this binds an empty blob.
        let rc = unsafe { ffi::sqlite3_bind_blob(self.raw, at, bytes.as_ptr().cast(), len, ffi::SQLITE_STATIC()) };
        self.check(rc)
    }

    pub(super) fn bind_int(&mut self, at: c_int, number: u64) -> Result<()> {
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        // SAFETY: the statement is alive and idle.
        let rc = unsafe { ffi::sqlite3_bind_int64(self.raw, at, number) };
        self.check(rc)
    }

    /// Binds a number, or leaves the parameter NULL.
    pub(super) fn bind_optional(&mut self, at: c_int, number: Option<u64>) -> Result<()> {
        match number {
            Some(number) => self.bind_int(at, number),
            None => Ok(()),
        }
    }

    /// Moves to the next row. False behind the last one.
    pub(super) fn step(&mut self) -> Result<bool> {
        // SAFETY: the statement is alive, and its connection is borrowed by this thread.
        match unsafe { ffi::sqlite3_step(self.raw) } {
            ffi::SQLITE_ROW => Ok(true),
            ffi::SQLITE_DONE => Ok(false),
            rc => Err(self.fault(rc)),
        }
    }

    /// Runs the statement to its end, and reads no row.
    pub(super) fn run(&mut self) -> Result<()> {
        while self.step()? {}
        Ok(())
    }

    /// The bytes of a text or blob column, a number as text; empty for NULL.
    pub(super) fn bytes(&self, column: c_int) -> &[u8] {
        // SAFETY: the pointer is good until the next step or reset, for which `&mut self` is needed. The length is
        // asked for after the pointer, as SQLite's manual orders it.
        unsafe {
            let data = ffi::sqlite3_column_blob(self.raw, column).cast::<u8>();
            let len = usize::try_from(ffi::sqlite3_column_bytes(self.raw, column)).unwrap_or(0);
            if data.is_null() || len == 0 { &[] } else { std::slice::from_raw_parts(data, len) }
        }
    }

    /// An integer column; `None` for NULL. A negative number, which we never write, is 0.
    pub(super) fn int(&self, column: c_int) -> Option<u64> {
        if self.kind(column) == ffi::SQLITE_NULL {
            return None;
        }
        // SAFETY: the statement is alive and on a row.
        let number = unsafe { ffi::sqlite3_column_int64(self.raw, column) };
        Some(u64::try_from(number).unwrap_or(0))
    }

    /// SQLite's storage class of a column.
    pub(super) fn kind(&self, column: c_int) -> c_int {
        // SAFETY: the statement is alive.
        unsafe { ffi::sqlite3_column_type(self.raw, column) }
    }

    pub(super) fn text(&self, column: c_int) -> String {
        String::from_utf8_lossy(self.bytes(column)).into_owned()
    }

    fn check(&self, rc: c_int) -> Result<()> {
        if rc == ffi::SQLITE_OK { Ok(()) } else { Err(self.fault(rc)) }
    }

    fn fault(&self, rc: c_int) -> Error {
        // SAFETY: the statement is alive, and so is its connection.
        let db = unsafe { ffi::sqlite3_db_handle(self.raw) };
        fault::error(db, rc, self.what)
    }
}

impl Drop for Statement<'_> {
    fn drop(&mut self) {
        // SAFETY: the statement is alive; it is finalised only here, and only if nobody else keeps it. The result of a
        // reset repeats that of the last step, which was told already.
        unsafe {
            if self.once {
                ffi::sqlite3_finalize(self.raw);
            } else {
                ffi::sqlite3_reset(self.raw);
                ffi::sqlite3_clear_bindings(self.raw);
            }
        }
    }
}

fn length(bytes: &[u8]) -> Result<c_int> {
    c_int::try_from(bytes.len())
        .map_err(|_| Error::new(Code::ValueTooLarge, "SQLite holds at most 1,000,000,000 bytes in a column"))
}

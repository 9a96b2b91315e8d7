//! The writes of one transaction of the database.

use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::rows::{Sidecar, integer};
use crate::key::Key;
use crate::record::Record;
use crate::value::Value;

/// One file of a batch: rename `temporary` to `name`, or remove `name` if there is none.
#[derive(Clone, Debug)]
pub(crate) struct JournalEntry {
    pub folder: String,
    pub name: String,
    pub temporary: Option<String>,
    /// XXH3-128 of the temporary file's bytes.
    pub digest: u128,
}

/// The writes of one transaction. `None` removes the row of a key.
#[derive(Default)]
pub(crate) struct WriteSet {
    pub internal: Vec<(Key, Option<Record>)>,
    pub sidecars: Vec<(Key, Option<Sidecar>)>,
    pub long_names: Vec<(Key, String)>,
    /// Replaces the journal: the files of what it held are in place.
    pub journal: Vec<JournalEntry>,
}

impl WriteSet {
    /// Writes everything in one transaction.
    pub(crate) fn apply(&self, db: &mut Connection) -> rusqlite::Result<()> {
        let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        tx.prepare_cached("DELETE FROM journal")?.execute([])?;
        for (key, record) in &self.internal {
            write_internal(&tx, key, record.as_ref())?;
        }
        for (key, sidecar) in &self.sidecars {
            write_sidecar(&tx, key, sidecar.as_ref())?;
        }
        for (key, name) in &self.long_names {
            tx.prepare_cached("REPLACE INTO long VALUES (?, ?)")?.execute(params![key.as_ref(), name])?;
        }
        for JournalEntry { folder, name, temporary, digest } in &self.journal {
            let sql = "INSERT INTO journal (folder, name, temporary, digest) VALUES (?, ?, ?, ?)";
            let digest = digest.to_le_bytes();
            tx.prepare_cached(sql)?.execute(params![folder, name, temporary, digest.as_slice()])?;
        }
        tx.commit()
    }
}

fn write_internal(tx: &Transaction<'_>, key: &Key, record: Option<&Record>) -> rusqlite::Result<()> {
    let Some(record) = record else {
        return tx.prepare_cached("DELETE FROM internal WHERE key = ?")?.execute([key.as_ref()]).map(drop);
    };
    let (binary, value) = match &record.value {
        Value::Json(text) => (false, text),
        Value::Binary(bytes) => (true, bytes),
    };
    let row = params![
        key.as_ref(),
        binary,
        value.as_ref(),
        record.expires_at.map(integer),
        record.metadata.as_deref(),
        record.created_at.map(integer),
        record.updated_at.map(integer),
    ];
    tx.prepare_cached("REPLACE INTO internal VALUES (?, ?, ?, ?, ?, ?, ?)")?.execute(row).map(drop)
}

fn write_sidecar(tx: &Transaction<'_>, key: &Key, sidecar: Option<&Sidecar>) -> rusqlite::Result<()> {
    let Some(sidecar) = sidecar else {
        return tx.prepare_cached("DELETE FROM sidecar WHERE key = ?")?.execute([key.as_ref()]).map(drop);
    };
    let row = params![
        key.as_ref(),
        sidecar.version.to_string(),
        sidecar.expires_at.map(integer),
        sidecar.metadata.as_deref(),
        sidecar.created_at.map(integer),
    ];
    tx.prepare_cached("REPLACE INTO sidecar VALUES (?, ?, ?, ?, ?)")?.execute(row).map(drop)
}

//! The tables of a content that is staged. Their names contain a `$`, so they are no other store's.

use super::connection::Connection;
use crate::error::{Error, Result};
use crate::key::Space;
use crate::keyspace::{CHANGE_LOG_ENTRY, ENGINE};

const CANNOT_STAGE: &str = "cannot make the tables of a replacement";
const CANNOT_SWAP: &str = "cannot replace the tables";

/// Both keyspaces.
const SPACES: [Space; 2] = [Space::User, Space::Internal];

/// True if the database has staged tables.
pub(super) fn exist(connection: &mut Connection) -> Result<bool> {
    let names = SPACES.map(|space| literal(connection.sql().staged_table(space)));
    let count = format!("SELECT count(*) FROM sqlite_schema WHERE name IN ({}, {})", names[0], names[1]);
    Ok(connection.ask_int(&count, "cannot read the schema")? > 0)
}

/// Makes empty staged tables, like those of the store: they may have columns of another program.
pub(super) fn make(connection: &mut Connection) -> Result<()> {
    remove(connection)?;
    for space in SPACES {
        let sql = connection.sql();
        let (table, staged) = (literal(sql.table(space)), sql.staged_table(space).to_owned());
        // No table name of ours contains a parenthesis, so the columns begin at the first one.
        let columns = format!(
            "SELECT substr(sql, instr(sql, '(')) FROM sqlite_schema WHERE type = 'table' AND lower(name) = lower({table})"
        );
        let columns = connection.ask(&columns, CANNOT_STAGE)?.unwrap_or_default();
        connection.run(&format!("CREATE TABLE {staged} {columns}"), CANNOT_STAGE)?;
    }
    Ok(())
}

/// Removes the staged tables, if there are any.
pub(super) fn remove(connection: &mut Connection) -> Result<()> {
    for space in SPACES {
        let drop = format!("DROP TABLE IF EXISTS {}", connection.sql().staged_table(space));
        connection.run(&drop, "cannot remove the tables of a replacement")?;
    }
    Ok(())
}

/// Copies the engine's own keys, which a replacement leaves alone, except the entries of the change log.
pub(super) fn keep_engine_keys(connection: &mut Connection) -> Result<()> {
    let sql = connection.sql();
    let copy = format!(
        "INSERT OR REPLACE INTO {} SELECT * FROM {} WHERE key < ?1 AND substr(key, 1, ?2) <> ?3",
        sql.staged_table(Space::Internal),
        sql.table(Space::Internal)
    );
    let mut statement = connection.once(&copy, CANNOT_SWAP)?;
    statement.bind_blob(1, &[ENGINE + 1])?;
    statement.bind_int(2, CHANGE_LOG_ENTRY.len() as u64)?;
    statement.bind_blob(3, CHANGE_LOG_ENTRY)?;
    statement.run()
}

/// Gives the staged tables the names of the store's, and the indexes and triggers of these. The caller runs this in one
/// transaction.
pub(super) fn swap(connection: &mut Connection) -> Result<()> {
    // Views of another program may name the table that is missing for a moment.
    connection.run("PRAGMA legacy_alter_table = ON", CANNOT_SWAP)?;
    for space in SPACES {
        let (table, staged) =
            (connection.sql().table(space).to_owned(), connection.sql().staged_table(space).to_owned());
        let beside = beside(connection, &table)?;
        connection.run(&format!("DROP TABLE {table}"), CANNOT_SWAP)?;
        connection.run(&format!("ALTER TABLE {staged} RENAME TO {table}"), CANNOT_SWAP)?;
        for create in beside {
            connection.run(&create, CANNOT_SWAP)?;
        }
    }
    Ok(())
}

/// The statements that made the indexes and triggers of a table.
fn beside(connection: &mut Connection, table: &str) -> Result<Vec<String>> {
    let select = format!(
        "SELECT sql FROM sqlite_schema WHERE type IN ('index', 'trigger') AND sql IS NOT NULL \
         AND lower(tbl_name) = lower({}) ORDER BY rowid",
        literal(table)
    );
    let mut statement = connection.once(&select, "cannot read the schema")?;
    let mut found = Vec::new();
    while statement.step()? {
        found.push(
            String::from_utf8(statement.bytes(0).to_vec()).map_err(|_| Error::corrupted("the schema is no text"))?,
        );
    }
    Ok(found)
}

/// The text literal of a quoted name, which contains no quote.
fn literal(quoted: &str) -> String {
    format!("'{}'", quoted.trim_matches('"'))
}

//! The tables of a store: found, checked, made, and upgraded to what this version needs.
//!
//! `docs/formats/sqlite.md` describes them.

use super::connection::Connection;
use super::sql::Sql;
use crate::error::{Code, Error, Result};

/// The version of the tables' layout that this code writes. A database of a later one is not touched.
const FORMAT: u64 = 1;

/// The specification's columns.
const COLUMNS: [&str; 6] = ["key", "value", "type", "created_at", "updated_at", "metadata"];

/// The tables and columns of a store that a database has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    user: bool,
    version: bool,
    expires_at: bool,
    internal: bool,
    meta: bool,
    /// The column `intents` of the counters. Stores made before transactions over several engines lack it.
    intents: bool,
}

/// The suffixes to a store's table name that make the names of the tables beside it.
const SUFFIXES: [&str; 3] = ["_internal", "_meta", "_damaged"];

/// Fails with `INVALID_ARGUMENT` unless `name` is an identifier that needs no escaping. It must not be one of SQLite's
/// own, nor may it name a table beside another store's.
pub(super) fn check_table_name(name: &str) -> Result<()> {
    let mut chars = name.chars();
    let starts = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    let word = chars.all(|c| c.is_ascii_alphanumeric() || c == '_');
    let reserved = name.get(..7).is_some_and(|head| head.eq_ignore_ascii_case("sqlite_"));
    let beside = SUFFIXES.iter().any(|suffix| name.to_ascii_lowercase().ends_with(suffix));
    if starts && word && name.len() <= 63 && !reserved && !beside {
        return Ok(());
    }
    Err(Error::new(
        Code::InvalidArgument,
        "tableName must be a letter or _, then up to 62 letters, digits or _; it must not start with \
         sqlite_, nor end with _internal, _meta or _damaged",
    ))
}

/// Looks at a database without changing it. Fails with CORRUPTED if it is no database, with `UNSUPPORTED_FORMAT` if its
/// tables are not ours to use.
pub(super) fn inspect(connection: &mut Connection, table: &str) -> Result<Found> {
    let what = "cannot read the schema";
    let encoding = connection.ask("PRAGMA encoding", what)?.unwrap_or_default();
    let user = columns(connection, table)?;
    let internal = columns(connection, &format!("{table}_internal"))?;
    let meta = columns(connection, &format!("{table}_meta"))?;
    if !encoding.eq_ignore_ascii_case("UTF-8") {
        return Err(unsupported(format!(
            "the database is encoded in {encoding}, where keys have another order; copy it into one in UTF-8 \
             (sqlite3 old .dump | sqlite3 new)"
        )));
    }
    if let Some(columns) = &user {
        check_user_table(connection, table, columns)?;
    }
    for (columns, name, needed) in [(&internal, "internal", "expires_at"), (&meta, "meta", "format")] {
        if columns.as_ref().is_some_and(|columns| !has(columns, needed)) {
            return Err(unsupported(format!(
                "the table {table}_{name} belongs to another program; choose another tableName"
            )));
        }
    }
    if meta.is_some() {
        let format = connection.ask_int(&format!("SELECT format FROM \"{table}_meta\""), what)?;
        if format > FORMAT {
            return Err(unsupported(format!(
                "the store has format {format}, this version reads formats up to {FORMAT}; use a newer version"
            )));
        }
    }
    let has_user = |name| user.as_ref().is_some_and(|columns| has(columns, name));
    Ok(Found {
        user: user.is_some(),
        version: has_user("version"),
        expires_at: has_user("expires_at"),
        internal: internal.is_some(),
        meta: meta.is_some(),
        intents: meta.is_some_and(|columns| has(&columns, "intents")),
    })
}

/// True if another program's trigger may change what is written.
pub(super) fn has_triggers(connection: &mut Connection) -> Result<bool> {
    let count = "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger'";
    Ok(connection.ask_int(count, "cannot read the schema")? > 0)
}

/// A column and its place in the primary key, 0 if it has none.
type Column = (String, u64);

fn columns(connection: &mut Connection, table: &str) -> Result<Option<Vec<Column>>> {
    let mut statement = connection.once(&format!("PRAGMA table_info(\"{table}\")"), "cannot read the schema")?;
    let mut columns = Vec::new();
    while statement.step()? {
        columns.push((statement.text(1), statement.int(5).unwrap_or(0)));
    }
    Ok((!columns.is_empty()).then_some(columns))
}

fn has(columns: &[Column], name: &str) -> bool {
    columns.iter().any(|(column, _)| column.eq_ignore_ascii_case(name))
}

fn check_user_table(connection: &mut Connection, table: &str, columns: &[Column]) -> Result<()> {
    let key_alone = columns.iter().all(|(name, place)| (*place == 1) == name.eq_ignore_ascii_case("key"));
    let complete = COLUMNS.iter().all(|name| has(columns, name));
    // The text of CREATE TABLE is the only place that names the collation of a column.
    let declared = connection
        .ask(
            &format!("SELECT sql FROM sqlite_schema WHERE type = 'table' AND lower(name) = lower('{table}')"),
            "cannot read the schema",
        )?
        .unwrap_or_default();
    if complete && key_alone && !declared.is_empty() && !declared.to_ascii_uppercase().contains("COLLATE") {
        return Ok(());
    }
    Err(unsupported(format!(
        "the table {table} is not one of key-value records (key TEXT PRIMARY KEY, value, type, created_at, updated_at, \
         metadata); choose another tableName"
    )))
}

fn unsupported(message: String) -> Error {
    Error::new(Code::UnsupportedFormat, message)
}

/// Makes the tables, columns and indexes that are missing. The caller runs this in one transaction.
pub(super) fn complete(connection: &mut Connection, table: &str, found: &Found, index_updated_at: bool) -> Result<()> {
    let what = "cannot make the tables";
    if found.user {
        for (name, present) in [("version", found.version), ("expires_at", found.expires_at)] {
            if !present {
                connection.run(&format!("ALTER TABLE \"{table}\" ADD COLUMN {name} INTEGER"), what)?;
            }
        }
    } else {
        connection.run(
            &format!(
                "CREATE TABLE \"{table}\" (key TEXT PRIMARY KEY, value TEXT NOT NULL, type TEXT NOT NULL, \
                 created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, metadata TEXT, version INTEGER, \
                 expires_at INTEGER)"
            ),
            what,
        )?;
    }
    if !found.internal {
        connection.run(
            &format!(
                "CREATE TABLE \"{table}_internal\" (key BLOB PRIMARY KEY, value BLOB NOT NULL, type TEXT NOT NULL, \
                 created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, metadata TEXT, version INTEGER, \
                 expires_at INTEGER) WITHOUT ROWID"
            ),
            what,
        )?;
    }
    for part in ["", "_internal"] {
        connection.run(
            &format!(
                "CREATE INDEX IF NOT EXISTS \"idx_{table}{part}_expires\" ON \"{table}{part}\" (expires_at) \
                 WHERE expires_at IS NOT NULL"
            ),
            what,
        )?;
    }
    if index_updated_at {
        connection
            .run(&format!("CREATE INDEX IF NOT EXISTS \"idx_{table}_updated\" ON \"{table}\" (updated_at)"), what)?;
    }
    if !found.meta {
        connection.run(
            &format!(
                "CREATE TABLE \"{table}_meta\" (id INTEGER PRIMARY KEY CHECK (id = 0), format INTEGER NOT NULL, \
                 seq INTEGER NOT NULL, deleted_user INTEGER NOT NULL, deleted_internal INTEGER NOT NULL, \
                 intents INTEGER NOT NULL DEFAULT 0)"
            ),
            what,
        )?;
        connection.run(&format!("INSERT INTO \"{table}_meta\" VALUES (0, {FORMAT}, 0, 0, 0, 0)"), what)?;
    } else if !found.intents {
        connection.run(&format!("ALTER TABLE \"{table}_meta\" ADD COLUMN intents INTEGER NOT NULL DEFAULT 0"), what)?;
    }
    Ok(())
}

/// The tables of a store that lacks none.
pub(super) fn sql(table: &str) -> Sql {
    Sql {
        user: format!("\"{table}\""),
        internal: format!("\"{table}_internal\""),
        meta: format!("\"{table}_meta\""),
        staged: [format!("\"{table}$staged\""), format!("\"{table}$staged_internal\"")],
    }
}

/// The tables of a store that is only read. A table that it lacks reads as empty, a column as NULL.
pub(super) fn read_only_sql(table: &str, found: &Found) -> Sql {
    let empty = "(SELECT NULL AS key, NULL AS value, NULL AS type, NULL AS created_at, NULL AS updated_at, \
                 NULL AS metadata, NULL AS version, NULL AS expires_at WHERE 0)";
    let full = sql(table);
    let column = |present, name: &str| if present { name.to_owned() } else { format!("NULL AS {name}") };
    Sql {
        user: if !found.user {
            empty.into()
        } else if found.version && found.expires_at {
            full.user
        } else {
            format!(
                "(SELECT key, value, type, created_at, updated_at, metadata, {}, {} FROM \"{table}\")",
                column(found.version, "version"),
                column(found.expires_at, "expires_at")
            )
        },
        internal: if found.internal { full.internal } else { empty.into() },
        meta: match (found.meta, found.intents) {
            (true, true) => full.meta,
            (true, false) => format!("(SELECT seq, deleted_user, deleted_internal, 0 AS intents FROM {})", full.meta),
            (false, _) => "(SELECT 0 AS seq, 0 AS deleted_user, 0 AS deleted_internal, 0 AS intents)".into(),
        },
        staged: full.staged,
    }
}

#[cfg(test)]
mod tests {
    use super::check_table_name;

    #[test]
    fn only_plain_identifiers_are_table_names() {
        for good in ["storage", "_", "A1_b", &"x".repeat(63)] {
            assert!(check_table_name(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "1a",
            "a-b",
            "a\"b",
            "a; DROP TABLE b",
            "sqlite_x",
            "SQLite_x",
            "é",
            "a b",
            "a\0",
            "storage_internal",
            "x_META",
            "x_damaged",
            &"x".repeat(64),
        ] {
            assert!(check_table_name(bad).is_err(), "{bad}");
        }
    }
}

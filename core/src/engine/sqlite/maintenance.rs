//! Verification, repair, figures and compaction of a whole database.

use std::path::Path;

use super::connection::Connection;
use super::database_file::{size, wal_path};
use super::read;
use super::row;
use super::sql::{End, Query, Shape, Span};
use crate::engine::{Progress, Report, Stats};
use crate::error::{Error, Result};
use crate::key::Space;

/// Progress is reported once for so many rows.
const STRIDE: u64 = 1000;

/// Where a damaged row lies: its key as SQLite holds it.
pub(super) type Damaged = (Space, Vec<u8>);

/// Runs SQLite's own check of the file, then reads each row of both tables, all in one transaction.
pub(super) fn verify(connection: &mut Connection, progress: Progress<'_>) -> Result<(Report, Vec<Damaged>)> {
    read::in_transaction(connection, |connection| {
        let mut report = Report::default();
        check_file(connection, &mut report)?;
        let mut damaged = Vec::new();
        let mut total = 0;
        for space in [Space::User, Space::Internal] {
            let table = connection.sql().table(space).to_owned();
            total += connection.ask_int(&format!("SELECT count(*) FROM {table}"), "cannot count the records")?;
        }
        for space in [Space::User, Space::Internal] {
            let whole =
                Query::Span(Span::Records, space, Shape { start_excluded: false, end: End::None, reverse: false });
            let mut rows = connection.query(whole, "cannot read")?;
            rows.bind_key(1, space, b"")?;
            while rows.step()? {
                report.checked += 1;
                if report.checked.is_multiple_of(STRIDE) {
                    progress(report.checked, total.max(report.checked))?;
                }
                let problem = match row::key(&rows, space) {
                    Some(_) => row::record(&rows).err(),
                    None => Some(Error::corrupted("the key column is not UTF-8 text").at_key(rows.bytes(0))),
                };
                if let Some(problem) = problem {
                    report.errors.push(problem);
                    damaged.push((space, rows.bytes(0).to_vec()));
                }
            }
        }
        progress(report.checked, report.checked)?;
        Ok((report, damaged))
    })
}

fn check_file(connection: &mut Connection, report: &mut Report) -> Result<()> {
    let mut lines = connection.once("PRAGMA integrity_check(100)", "cannot check the file")?;
    while lines.step()? {
        let line = lines.text(0);
        if line != "ok" {
            report.errors.push(Error::corrupted(line));
        }
    }
    Ok(())
}

/// Moves damaged rows, as they are, into a table beside theirs.
pub(super) fn set_aside(connection: &mut Connection, damaged: &[Damaged]) -> Result<()> {
    let what = "cannot set damaged rows aside";
    for (space, key) in damaged {
        let table = connection.sql().table(*space).to_owned();
        let aside = format!("{}_damaged\"", table.trim_end_matches('"'));
        connection.run(&format!("CREATE TABLE IF NOT EXISTS {aside} AS SELECT * FROM {table} WHERE 0"), what)?;
        for text in [
            format!("INSERT INTO {aside} SELECT * FROM {table} WHERE CAST(key AS BLOB) = ?1"),
            format!("DELETE FROM {table} WHERE CAST(key AS BLOB) = ?1"),
        ] {
            let mut statement = connection.once(&text, what)?;
            statement.bind_blob(1, key)?;
            statement.run()?;
        }
    }
    Ok(())
}

/// The figures of a database, of its files too if it has a `path`.
pub(super) fn stats(connection: &mut Connection, path: Option<&Path>) -> Result<Stats> {
    let what = "cannot read the figures";
    let user = connection.sql().user.clone();
    let keys = connection.ask_int(&format!("SELECT count(*) FROM {user}"), what)?;
    let pages = connection.ask_int("PRAGMA page_count", what)?;
    let free = connection.ask_int("PRAGMA freelist_count", what)?;
    let page = connection.ask_int("PRAGMA page_size", what)?;
    let mut details = vec![("pages", pages), ("freePages", free), ("pageBytes", page)];
    let mut disk_bytes = None;
    if let Some(path) = path {
        let (file, wal) = (size(path), size(&wal_path(path)));
        details.push(("fileBytes", file));
        details.push(("walBytes", wal));
        disk_bytes = Some(file + wal);
    }
    Ok(Stats { keys: Some(keys), disk_bytes, details, ..Stats::default() })
}

/// Rewrites the database without free pages.
pub(super) fn compact(connection: &mut Connection) -> Result<()> {
    connection.run("VACUUM", "cannot compact")
}

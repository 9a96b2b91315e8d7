//! Times single calls of the sqlite engine, beside the same on a two-column table made by hand.
//!
//! ```text
//! node scripts/with-env.mjs cargo bench -p holdfast-core --bench sqlite_calls
//! ```

#![allow(clippy::print_stdout, clippy::cast_precision_loss, reason = "a program for the terminal")]

use std::sync::mpsc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use holdfast_core::engine::sqlite::{SqliteOptions, open};
use holdfast_core::engine::{Durability, PAGE_BYTES, Projection, Read, Request, for_each_page};
use holdfast_core::{Batch, Engine, EngineExt, KeyRange, Op, Result, Space, Value};

const KEYS: usize = 20_000;
const IN_FLIGHT: usize = 500;

fn key(n: usize) -> Bytes {
    Bytes::from(format!("user-{n:08}"))
}

/// The `n`th key in an order that jumps about, as callers do.
fn jump(n: usize) -> usize {
    n.wrapping_mul(7919) % KEYS
}

fn set(n: usize, round: usize) -> Op {
    let text = format!(
        "{{\"id\":{n},\"name\":\"Customer {n}\",\"email\":\"c{n}@example.com\",\"city\":\"Lisbon\",\"score\":57.3,\
         \"active\":true,\"visits\":{round},\"note\":\"nnnnnnnnnnnnnnnnnnnnn\"}}"
    );
    Op::Set { space: Space::User, key: key(n), value: Value::json(text), expires_at: None, metadata: None }
}

fn report(what: &str, elapsed: Duration, operations: usize) {
    let micros = elapsed.as_secs_f64() * 1e6 / operations as f64;
    println!("{what:<28} {micros:>8.2} us");
}

fn many(engine: &dyn Engine, round: usize) -> Result<()> {
    for first in (0..KEYS).step_by(IN_FLIGHT) {
        let (sender, receiver) = mpsc::channel();
        let mut waiting = 0;
        for n in first..first + IN_FLIGHT {
            let batch = Batch::one(set(jump(n), round));
            match engine.try_commit(&batch) {
                Some(result) => drop(result?),
                None => {
                    waiting += 1;
                    let sender = sender.clone();
                    engine.submit(Request::Commit(batch), Box::new(move |reply| drop(sender.send(reply.map(drop)))));
                }
            }
        }
        for _ in 0..waiting {
            receiver.recv().unwrap_or_else(|_| Err(holdfast_core::Error::closed()))?;
        }
    }
    Ok(())
}

/// The same over the two-column table that a user would make by hand, in this process, one call after another.
fn peer(connection: &rusqlite::Connection, round: usize) -> rusqlite::Result<()> {
    let write = |n: usize, round: usize, statement: &mut rusqlite::Statement<'_>| {
        let Op::Set { key, value, .. } = set(n, round) else { return Ok(0) };
        let (key, value) = (String::from_utf8_lossy(&key).into_owned(), value.to_text());
        statement.execute((key, String::from_utf8_lossy(&value)))
    };
    let mut upsert =
        connection.prepare("INSERT INTO kv VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value")?;
    if round == 1 {
        for n in 0..KEYS {
            write(n, 0, &mut upsert)?;
        }
    }
    let start = Instant::now();
    for n in 0..KEYS {
        write(jump(n), round, &mut upsert)?;
    }
    report("peer: autocommit", start.elapsed(), KEYS);
    let start = Instant::now();
    for first in (0..KEYS).step_by(IN_FLIGHT) {
        connection.execute_batch("BEGIN")?;
        for n in first..first + IN_FLIGHT {
            write(jump(n), round + 10, &mut upsert)?;
        }
        connection.execute_batch("COMMIT")?;
    }
    report("peer: transactions of 500", start.elapsed(), KEYS);
    let mut select = connection.prepare("SELECT value FROM kv WHERE key = ?")?;
    let start = Instant::now();
    for n in 0..KEYS {
        let key = String::from_utf8_lossy(&key(jump(n))).into_owned();
        select.query_row([key], |row| row.get::<_, String>(0))?;
    }
    report("peer: get", start.elapsed(), KEYS);
    let mut version = connection.prepare("PRAGMA data_version")?;
    let start = Instant::now();
    for _ in 0..KEYS {
        version.query_row([], |row| row.get::<_, i64>(0))?;
    }
    report("peer: PRAGMA data_version", start.elapsed(), KEYS);
    let mut all = connection.prepare("SELECT key, value FROM kv ORDER BY key")?;
    let start = Instant::now();
    let mut bytes = 0;
    let mut rows = all.query([])?;
    while let Some(row) = rows.next()? {
        bytes += row.get::<_, String>(0)?.len() + row.get::<_, String>(1)?.len();
    }
    report(&format!("peer: scan ({bytes} bytes)"), start.elapsed(), KEYS);
    Ok(())
}

fn open_peer(path: &std::path::Path) -> rusqlite::Result<rusqlite::Connection> {
    let connection = rusqlite::Connection::open(path)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
         CREATE TABLE kv (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
    )?;
    Ok(connection)
}

fn main() -> Result<()> {
    let folder = std::env::temp_dir().join(format!("holdfast-sqlite-calls-{}", std::process::id()));
    let mut options = SqliteOptions::new(folder.join("store.db"));
    options.durability = Durability::Normal;
    let lease = open(options)?;
    let engine = &**lease.engine();
    for first in (0..KEYS).step_by(IN_FLIGHT) {
        let ops = (first..first + IN_FLIGHT).map(|n| set(n, 0)).collect();
        engine.commit(Batch { ops, ..Batch::default() })?;
    }
    let by_hand = |error: rusqlite::Error| holdfast_core::Error::corrupted(error.to_string());
    let other = open_peer(&folder.join("peer.db")).map_err(by_hand)?;
    for round in 1..=3 {
        peer(&other, round).map_err(by_hand)?;
        let start = Instant::now();
        many(engine, round)?;
        report("set, 500 in flight", start.elapsed(), KEYS);

        let start = Instant::now();
        for n in 0..KEYS {
            engine.commit(Batch::one(set(jump(n), round + 10)))?;
        }
        report("set, one by one", start.elapsed(), KEYS);

        let start = Instant::now();
        for first in (0..KEYS).step_by(IN_FLIGHT) {
            let ops = (first..first + IN_FLIGHT).map(|n| set(jump(n), round + 20)).collect();
            engine.commit(Batch { ops, ..Batch::default() })?;
        }
        report("batch of 500, a record", start.elapsed(), KEYS);

        for what in ["get, first time", "get, again"] {
            let start = Instant::now();
            for n in 0..KEYS {
                let read = Read::Get(Space::User, key(jump(n)));
                match engine.try_read(&read) {
                    Some(reply) => drop(reply?),
                    None => drop(engine.wait(Request::Read(read))?),
                }
            }
            report(what, start.elapsed(), KEYS);
        }

        for what in [Projection::Keys, Projection::Values, Projection::Records] {
            let start = Instant::now();
            let view = engine.view()?;
            let mut seen = 0;
            for_each_page(&*view, Space::User, &KeyRange::all(), what, |page| {
                seen += page.len();
                Ok(true)
            })?;
            report(&format!("scan {what:?}, pages of {}k", PAGE_BYTES >> 10), start.elapsed(), seen);
        }
    }
    lease.close()?;
    let _ = std::fs::remove_dir_all(folder);
    Ok(())
}

//! Times replacements of the whole content against the same records in batches of 1,000, engine by engine.
//!
//! ```text
//! node scripts/with-env.mjs cargo bench -p holdfast-core --bench replacement
//! node scripts/with-env.mjs cargo bench -p holdfast-core --bench replacement -- full 200000 redis://127.0.0.1:6379
//! ```
//!
//! The arguments are a durability (`full`, `normal`, `none`), the number of records, and the URL of a server for redis.
//! It prints the records of a second, and the ratio of the times: below 1 the replacement is faster.

#![allow(clippy::print_stdout, clippy::cast_precision_loss, reason = "a program for the terminal")]

use std::time::{Duration, Instant};

use holdfast_core::engine::registry::Lease;
use holdfast_core::engine::{Durability, Engine, EngineExt, Staged, file, leveldb, memory, redis, sqlite};
use holdfast_core::record::Record;
use holdfast_core::{Batch, Key, KeyRange, Op, Result, Space, Value};

const PIECE: usize = 1000;

/// Rounds of each engine. The median counts.
const ROUNDS: usize = 3;

fn main() -> Result<()> {
    // cargo adds `--bench` to the arguments.
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    let durability = match args.next().as_deref() {
        Some("full") => Durability::Full,
        Some("none") => Durability::None,
        _ => Durability::Normal,
    };
    let records = args.next().and_then(|text| text.parse().ok()).unwrap_or(200_000);
    let folder = std::env::temp_dir().join("holdfast-replacement");
    let _ = std::fs::remove_dir_all(&folder);
    let mut leases = vec![
        ("memory", Lease::private(memory::open(memory::MemoryOptions::default()))),
        (
            "sqlite",
            sqlite::open(sqlite::SqliteOptions { durability, ..sqlite::SqliteOptions::new(folder.join("a.db")) })?,
        ),
        (
            "leveldb",
            leveldb::open(leveldb::LevelDbOptions { durability, ..leveldb::LevelDbOptions::new(folder.join("l")) })?,
        ),
        ("file", file::open(file::FileOptions { durability, ..file::FileOptions::new(folder.join("f")) })?),
    ];
    if let Some(url) = args.next() {
        leases.push(("redis", redis::open(redis::RedisOptions { url: Some(url), ..redis::RedisOptions::default() })?));
    }
    for (name, lease) in leases {
        // A file a record: fewer are enough.
        let records = if name == "file" { records / 10 } else { records };
        time(name, &**lease.engine(), records)?;
        lease.close()?;
    }
    let _ = std::fs::remove_dir_all(&folder);
    Ok(())
}

fn time(name: &str, engine: &dyn Engine, records: usize) -> Result<()> {
    let (mut batches, mut staged) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        engine.commit(Batch::one(Op::delete_range(KeyRange::all())))?;
        let start = Instant::now();
        for piece in (0..records).collect::<Vec<_>>().chunks(PIECE) {
            engine.commit(piece.iter().map(|at| Op::set(key(*at), value(*at))).collect())?;
        }
        batches.push(start.elapsed());
        let start = Instant::now();
        let mut staging = engine.stage()?;
        for piece in (0..records).collect::<Vec<_>>().chunks(PIECE) {
            let staged =
                |at: &usize| Staged { space: Space::User, key: key(*at), record: Record::bare(value(*at), None) };
            staging.write(piece.iter().map(staged).collect())?;
        }
        staging.swap()?;
        staged.push(start.elapsed());
    }
    let (batches, staged) = (median(batches), median(staged));
    let rate = |time: Duration| records as f64 / time.as_secs_f64() / 1000.0;
    let ratio = staged.as_secs_f64() / batches.as_secs_f64();
    println!("{name:8} batches {:7.0} k/s  replacement {:7.0} k/s  ratio {ratio:.2}", rate(batches), rate(staged));
    Ok(())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn key(at: usize) -> Key {
    Key::from(format!("key-{at:07}"))
}

fn value(at: usize) -> Value {
    Value::json(format!("{{\"id\":{at},\"text\":\"{}\"}}", "x".repeat(120)))
}

//! Times single calls of the leveldb engine at each durability, over 20,000 records of 150 bytes.
//!
//! ```text
//! node scripts/with-env.mjs cargo bench -p holdfast-core --bench leveldb_calls
//! ```

#![allow(
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a program for the terminal"
)]

use std::hint::black_box;
use std::sync::mpsc;
use std::time::Instant;

use holdfast_core::engine::leveldb::{LevelDbOptions, open};
use holdfast_core::engine::registry::Lease;
use holdfast_core::engine::{Durability, EngineExt, PAGE_BYTES, Projection, Read, Request};
use holdfast_core::{Batch, Key, KeyRange, Op, Result, Space, Value};

const RECORDS: usize = 20_000;

fn main() -> Result<()> {
    let folder = std::env::temp_dir().join(format!("holdfast-leveldb-calls-{}", std::process::id()));
    for durability in [Durability::None, Durability::Normal, Durability::Full] {
        let path = folder.join(format!("{durability:?}"));
        println!("\n{durability:?}");
        measure(&path, durability)?;
    }
    std::fs::remove_dir_all(&folder).map_err(|error| holdfast_core::Error::io("cannot clean up", &error))
}

fn options(path: &std::path::Path, durability: Durability) -> LevelDbOptions {
    LevelDbOptions { durability, ..LevelDbOptions::new(path) }
}

fn measure(path: &std::path::Path, durability: Durability) -> Result<()> {
    let lease = open(options(path, durability))?;
    let keys: Vec<Key> = (0..RECORDS).map(|n| Key::from(format!("key:{:06}", n * 7919 % RECORDS))).collect();
    if durability == Durability::Full {
        time("set, one after another", 1000, |n| lease.engine().commit(set(&keys, n)).map(drop))?;
    } else {
        time("set, new", RECORDS, |n| inline(&lease, &set(&keys, n)))?;
        for _ in 0..3 {
            time("set, over another", RECORDS, |n| inline(&lease, &set(&keys, n)))?;
        }
        time("batch of 500, a key", RECORDS, |n| {
            if n.is_multiple_of(500) {
                let ops = (n..n + 500).flat_map(|n| set(&keys, n).ops).collect();
                inline(&lease, &Batch { ops, ..Batch::default() })?;
            }
            Ok(())
        })?;
    }
    time("set, 500 in flight", RECORDS, |n| {
        if n.is_multiple_of(500) {
            let (sender, receiver) = mpsc::channel();
            for n in n..n + 500 {
                let sender = sender.clone();
                lease.engine().submit(
                    Request::Commit(set(&keys, n)),
                    Box::new(move |reply| {
                        let _ = sender.send(reply.map(drop));
                    }),
                );
            }
            for reply in receiver.iter().take(500) {
                reply?;
            }
        }
        Ok(())
    })?;
    read(&lease, &keys, "get, cached record")?;
    scan(&lease, "scan, from the memtable, an entry")?;
    lease.engine().compact()?;
    lease.close()?;

    let lease = open(options(path, durability))?;
    let start = Instant::now();
    for key in &keys {
        black_box(lease.engine().wait(Request::Read(Read::Get(Space::User, key.clone())))?);
        if start.elapsed().as_millis() > 20 {
            break;
        }
    }
    scan(&lease, "scan, from tables, an entry")?;
    scan(&lease, "scan, from tables, an entry")?;
    let mut incomplete = 0;
    time("get, first read", RECORDS, |n| {
        incomplete += usize::from(lease.engine().try_read(&Read::Get(Space::User, keys[n].clone())).is_none());
        Ok(())
    })?;
    println!("{:>40}  {incomplete}", "of them not in memory");
    time("get, absent", RECORDS, |n| {
        let key = Key::from(format!("absent:{n}"));
        black_box(lease.engine().try_read(&Read::Get(Space::User, key)));
        Ok(())
    })?;
    lease.close()
}

fn read(lease: &Lease, keys: &[Key], what: &str) -> Result<()> {
    let reads: Vec<Read> = keys.iter().map(|key| Read::Get(Space::User, key.clone())).collect();
    for _ in 0..2 {
        time(what, RECORDS, |n| {
            if let Some(reply) = lease.engine().try_read(&reads[n]) {
                black_box(reply?);
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn scan(lease: &Lease, what: &str) -> Result<()> {
    let view = lease.engine().view()?;
    let start = Instant::now();
    let (mut entries, mut after) = (0, None::<Key>);
    loop {
        let page = view.scan(Space::User, &KeyRange::all(), Projection::Values, after.as_deref(), PAGE_BYTES)?;
        entries += black_box(page.entries).len();
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    println!("{what:>40}  {:.3} us ({entries})", start.elapsed().as_secs_f64() * 1e6 / entries.max(1) as f64);
    Ok(())
}

fn set(keys: &[Key], n: usize) -> Batch {
    let text = format!("{{\"n\":{n},\"text\":\"{}\"}}", "x".repeat(130));
    Batch::one(Op::Set {
        space: Space::User,
        key: keys[n % keys.len()].clone(),
        value: Value::json(text),
        expires_at: None,
        metadata: None,
    })
}

fn inline(lease: &Lease, batch: &Batch) -> Result<()> {
    match lease.engine().try_commit(batch) {
        Some(commit) => commit.map(drop),
        None => lease.engine().commit(batch.clone()).map(drop),
    }
}

fn time(what: &str, calls: usize, mut call: impl FnMut(usize) -> Result<()>) -> Result<()> {
    let start = Instant::now();
    for n in 0..calls {
        call(n)?;
    }
    println!("{what:>40}  {:.3} us", start.elapsed().as_secs_f64() * 1e6 / calls as f64);
    Ok(())
}

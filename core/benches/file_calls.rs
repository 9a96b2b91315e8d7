//! Times single calls of the file engine: create, set, get, sets in flight, batches, listings.
//!
//! ```text
//! node scripts/with-env.mjs cargo bench -p holdfast-core --bench file_calls
//! node scripts/with-env.mjs cargo bench -p holdfast-core --bench file_calls -- FOLDER full
//! ```
//!
//! FOLDER is emptied first and removed at the end. `full` syncs each commit, on a tenth of the keys.

use std::path::PathBuf;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use holdfast_core::engine::file::{FileOptions, open};
use holdfast_core::engine::{Durability, EngineExt, Projection, Read, Request, for_each_page};
use holdfast_core::{Batch, Key, KeyRange, Op, Result, Space, Value};

const KEYS: usize = 20_000;

/// Requests in flight.
const FLIGHT: usize = 500;

fn main() -> Result<()> {
    // cargo adds `--bench` to the arguments.
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    let base = args.next().map_or_else(|| std::env::temp_dir().join("holdfast-file-calls"), PathBuf::from);
    let full = args.next().is_some_and(|level| level == "full");
    let durability = if full { Durability::Full } else { Durability::None };
    let keys = if full { KEYS / 10 } else { KEYS };
    let _ = std::fs::remove_dir_all(&base);
    let lease = open(FileOptions { durability, ..FileOptions::new(&base) })?;
    let engine = lease.engine();
    let write = |at: usize, round: usize| {
        let text = format!("{{\"id\":{at},\"round\":{round},\"text\":\"{}\"}}", "x".repeat(110));
        let key = Key::from(format!("key-{at:06}"));
        Batch::one(Op::Set { space: Space::User, key, value: Value::json(text), expires_at: None, metadata: None })
    };
    for round in 0..3 {
        let start = Instant::now();
        for at in 0..keys {
            engine.commit(write(at, round))?;
        }
        tell(if round == 0 { "create one" } else { "set one" }, start, keys);
        let start = Instant::now();
        for at in 0..keys {
            if engine.try_read(&read(at)).is_none() {
                engine.wait(Request::Read(read(at)))?;
            }
        }
        tell("get one", start, keys);
        std::thread::sleep(Duration::from_millis(100));
        let start = Instant::now();
        for at in 0..keys {
            if engine.try_read(&read(at)).is_none() {
                engine.wait(Request::Read(read(at)))?;
            }
        }
        tell("get one, settled", start, keys);
        let (sender, receiver) = mpsc::channel();
        let start = Instant::now();
        for at in 0..keys {
            let batch = write(at, round + 100);
            if engine.try_commit(&batch).is_none() {
                let sender = sender.clone();
                engine.submit(
                    Request::Commit(batch),
                    Box::new(move |reply| {
                        let _ = sender.send(reply.map(drop));
                    }),
                );
            } else {
                let _ = sender.send(Ok(()));
            }
            if at >= FLIGHT {
                receive(&receiver)?;
            }
        }
        for _ in 0..FLIGHT.min(keys) {
            receive(&receiver)?;
        }
        tell("set many", start, keys);
        let start = Instant::now();
        for first in (0..keys).step_by(FLIGHT) {
            let ops = (first..first + FLIGHT).flat_map(|at| write(at, round + 200).ops).collect();
            engine.commit(Batch { ops, ..Batch::default() })?;
        }
        tell("setMany of 500", start, keys);
        for what in [Projection::Keys, Projection::Values] {
            let start = Instant::now();
            let mut count = 0;
            for_each_page(&*engine.view()?, Space::User, &KeyRange::all(), what, |page| {
                count += page.len();
                Ok(true)
            })?;
            tell(if what == Projection::Keys { "keys" } else { "iterate" }, start, count);
        }
    }
    lease.close()?;
    let _ = std::fs::remove_dir_all(&base);
    Ok(())
}

fn read(at: usize) -> Read {
    Read::Get(Space::User, Key::from(format!("key-{at:06}")))
}

fn receive(receiver: &mpsc::Receiver<Result<()>>) -> Result<()> {
    receiver.recv().unwrap_or(Ok(()))
}

#[allow(clippy::print_stdout, reason = "a benchmark prints its figures")]
fn tell(what: &str, start: Instant, count: usize) {
    let micros = start.elapsed().as_secs_f64() * 1e6;
    println!("{what:<18} {:>9.2} us", micros / f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
}

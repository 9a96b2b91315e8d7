//! Times single calls of the redis engine against a server that is already running. Writes keys `speed:…`.
//!
//! ```text
//! node scripts/with-env.mjs cargo bench -p holdfast-core --bench redis_calls -- redis://127.0.0.1:6379
//! ```

#![allow(clippy::print_stdout, clippy::cast_precision_loss, reason = "a program for the terminal")]

use std::sync::mpsc;
use std::time::Instant;

use holdfast_core::engine::redis::{RedisOptions, open};
use holdfast_core::engine::{Engine, EngineExt, Read, Request};
use holdfast_core::{Batch, Key, Op, Result, Space, Value};

const MANY: usize = 500;
const ROUNDS: usize = 200;

fn key(i: usize) -> Key {
    Key::from(format!("speed:{i}"))
}

fn set(i: usize) -> Op {
    let text = format!(r#"{{"id":{i},"name":"{}","tags":["a","b"],"active":true}}"#, "x".repeat(100));
    Op::Set { space: Space::User, key: key(i), value: Value::json(text), expires_at: None, metadata: None }
}

/// Microseconds a call.
fn time(name: &str, calls: usize, mut run: impl FnMut() -> Result<()>) -> Result<()> {
    run()?;
    let mut best = f64::MAX;
    for _ in 0..5 {
        let start = Instant::now();
        run()?;
        best = best.min(start.elapsed().as_secs_f64() * 1e6 / calls as f64);
    }
    println!("{name:<12} {best:9.2} us");
    Ok(())
}

/// Submits `MANY` requests at once, again and again, and waits for all answers of each.
fn flood(engine: &dyn Engine, request: impl Fn(usize) -> Request) -> Result<()> {
    for _ in 0..ROUNDS {
        let (sender, receiver) = mpsc::channel();
        for i in 0..MANY {
            let sender = sender.clone();
            engine.submit(request(i), Box::new(move |reply| drop(sender.send(reply.map(drop)))));
        }
        drop(sender);
        receiver.iter().collect::<Result<()>>()?;
    }
    Ok(())
}

fn main() -> Result<()> {
    // cargo adds `--bench` to the arguments.
    let given = std::env::args().skip(1).find(|arg| arg != "--bench");
    let url = given.unwrap_or_else(|| "redis://127.0.0.1:6379".into());
    let lease = open(RedisOptions { url: Some(url), ..RedisOptions::default() })?;
    let engine = lease.engine().as_ref();
    engine.commit(Batch { ops: (0..MANY).map(set).collect(), ..Batch::default() })?;
    let one = 5000;
    time("get one", one, || {
        (0..one).try_for_each(|i| engine.wait(Request::Read(Read::Get(Space::User, key(i % MANY)))).map(drop))
    })?;
    time("get many", MANY * ROUNDS, || flood(engine, |i| Request::Read(Read::Get(Space::User, key(i)))))?;
    time("set one", one, || {
        (0..one).try_for_each(|i| engine.wait(Request::Commit(Batch::one(set(i % MANY)))).map(drop))
    })?;
    time("set many", MANY * ROUNDS, || flood(engine, |i| Request::Commit(Batch::one(set(i)))))?;
    time("setMany", MANY * ROUNDS, || {
        (0..ROUNDS)
            .try_for_each(|_| engine.commit(Batch { ops: (0..MANY).map(set).collect(), ..Batch::default() }).map(drop))
    })?;
    time("getMany", MANY * ROUNDS, || {
        (0..ROUNDS).try_for_each(|_| {
            engine.wait(Request::Read(Read::Many(Space::User, (0..MANY).map(key).collect()))).map(drop)
        })
    })?;
    time("increment", one, || {
        (0..one).try_for_each(|_| {
            let op = Op::Add {
                space: Space::User,
                key: Key::from_static(b"speed:n"),
                by: 1.0,
                expires_at: None,
                metadata: None,
            };
            engine.wait(Request::Commit(Batch::one(op).reporting())).map(drop)
        })
    })?;
    lease.close()
}

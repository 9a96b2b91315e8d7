//! A server that has lost its latest commits. Their numbers do not come again, so whoever has seen them is told.

use crate::calls::{connect, options, set, until_ok};
use crate::proxy::{PASS, Proxy};
use crate::redis_server::RedisServer;
use holdfast_core::engine::redis::{RedisOptions, open};
use holdfast_core::engine::watch::{Logged, Options};
use holdfast_core::engine::{Engine, EngineExt};
use holdfast_core::testing::{Calls, Watcher};
use holdfast_core::{Code, KeyRange, Result, Space};

fn logged(engine: &dyn Engine, since: u64) -> Result<Logged> {
    engine.logged(since, 1 << 20)
}

/// The numbers of the commits behind `since`.
fn behind(engine: &dyn Engine, since: u64) -> Vec<u64> {
    logged(engine, since).unwrap().commits.iter().map(|commit| commit.seq).collect()
}

fn is_lost(result: Result<Logged>) {
    let error = result.map(|logged| logged.through).unwrap_err();
    assert_eq!(error.code(), Code::PreconditionFailed, "{error}");
}

fn write(engine: &dyn Engine, count: usize) -> Vec<u64> {
    (0..count).map(|n| until_ok(|| set(engine, "n", &n.to_string()))).collect()
}

/// Commits are kept by the server, then others are lost, and others follow.
fn lose(args: &[&str], options: impl Fn(u16) -> RedisOptions) {
    let mut server = RedisServer::start(args);
    let lease = open(options(server.port)).unwrap();
    let engine = lease.engine().as_ref();
    logged(engine, set(engine, "n", "0").unwrap()).unwrap();
    let kept = write(engine, 10);
    assert_eq!(server.raw(&[b"SAVE"]), b"+OK\r\n");
    let lost = write(engine, 10);
    server.crash_and_restart();
    for since in [lost[0], lost[9]] {
        is_lost(until_ok(|| match logged(engine, since) {
            Err(error) if error.code() == Code::Connection => Err(error),
            other => Ok(other),
        }));
    }
    let later = write(engine, 30);
    assert!(later[0] > lost[9], "no number comes again");
    for since in &lost {
        is_lost(logged(engine, *since));
    }
    // What both have seen goes on.
    assert_eq!(behind(engine, kept[9]), later);
    assert_eq!(behind(engine, kept[4]), [&kept[5..], &later].concat());
    assert_eq!(behind(engine, later[3]), later[4..]);
    let other = open(options(server.port)).unwrap();
    let more = write(other.engine().as_ref(), 1);
    assert_eq!(behind(engine, later[29]), more);
}

#[test]
fn a_restart_with_an_older_file_is_told() {
    lose(&[], options);
}

#[test]
fn a_server_that_does_not_tell_its_process_is_watched_by_connections() {
    lose(&["--user", "quiet", "on", ">pw", "~*", "+@all", "-info"], |port| {
        let (username, password) = (Some("quiet".into()), Some("pw".into()));
        RedisOptions { username, password, ..options(port) }
    });
}

#[test]
fn a_clean_restart_loses_nothing() {
    let mut server = RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let lease = connect(server.port);
    let engine = lease.engine().as_ref();
    let start = set(engine, "n", "0").unwrap();
    logged(engine, start).unwrap();
    let mut commits = Vec::new();
    for _ in 0..3 {
        commits.extend(write(engine, 5));
        server.crash_and_restart();
        assert_eq!(until_ok(|| logged(engine, start)).commits.len(), commits.len());
    }
    commits.extend(write(engine, 5));
    assert!(commits.is_sorted_by(|a, b| a < b));
    assert_eq!(behind(engine, start), commits);
    for (at, since) in commits.iter().enumerate() {
        assert_eq!(behind(engine, *since), commits[at + 1..], "behind commit {at}");
    }
}

#[test]
fn a_replica_that_lagged_is_told() {
    let (primary, replica) = (RedisServer::start(&[]), RedisServer::start(&[]));
    let proxy = Proxy::to(primary.port);
    let lease = connect(proxy.port);
    let engine = lease.engine().as_ref();
    logged(engine, set(engine, "n", "0").unwrap()).unwrap();
    let kept = write(engine, 10);
    replica.raw(&[b"REPLICAOF", b"127.0.0.1", primary.port.to_string().as_bytes()]);
    let newest = kept[9].to_string();
    until_ok(|| {
        let there = replica.raw(&[b"GET", b"app:\xffholdfast:seq"]);
        if String::from_utf8_lossy(&there).contains(&newest) { Ok(()) } else { Err(holdfast_core::Error::closed()) }
    });
    replica.raw(&[b"REPLICAOF", b"NO", b"ONE"]);
    let lost = write(engine, 5);
    proxy.lead_to(replica.port);
    proxy.cut_all();
    proxy.set(PASS);
    let newer = write(engine, 10);
    for since in &lost {
        is_lost(logged(engine, *since));
    }
    assert_eq!(behind(engine, kept[9]), newer);
}

#[test]
fn a_deletion_of_everything_is_told() {
    let server = RedisServer::start(&[]);
    let (lease, other) = (connect(server.port), connect(server.port));
    let engine = lease.engine();
    logged(engine.as_ref(), set(engine.as_ref(), "n", "0").unwrap()).unwrap();
    let lost = write(engine.as_ref(), 10);
    let watcher = Watcher::new(engine, Options::default());
    engine.set("n", "10");
    assert_eq!(watcher.told(1), [["n=10"]]);
    let (keys, range) = (engine.try_begin().unwrap().unwrap(), engine.try_begin().unwrap().unwrap());
    assert!(keys.get(Space::User, b"n").unwrap().is_some());
    assert_eq!(range.count(Space::User, &KeyRange::all()).unwrap(), 1);
    server.raw(&[b"FLUSHALL"]);
    let later = write(other.engine().as_ref(), 30);
    assert!(later[0] > lost[9], "no number comes again");
    for since in &lost {
        is_lost(logged(engine.as_ref(), *since));
    }
    let error = watcher.error();
    assert_eq!(error.code(), Code::PreconditionFailed, "{error}");
    for view in [keys, range] {
        assert_eq!(view.get(Space::User, b"other").unwrap_err().code(), Code::Conflict);
    }
    let again = Watcher::new(engine, Options::default());
    engine.set("n", "11");
    assert_eq!(again.told(1), [["n=11"]]);
}

//! Users of the server who may not run every command.

use bytes::Bytes;

use crate::calls::{increment, options, set};
use crate::redis_server::{RedisServer, documented_user};
use holdfast_core::engine::redis::{RedisOptions, open};
use holdfast_core::engine::registry::Lease;
use holdfast_core::engine::{Engine, EngineExt};
use holdfast_core::testing::{Calls, error_of, json};
use holdfast_core::{Batch, Check, Code, Error, Op};

/// Gives the user `app` of the server these rights, beside every command and key.
fn allow(server: &RedisServer, rights: &[&str]) {
    let mut command = vec!["ACL", "SETUSER", "app", "reset", "on", ">pw", "~*", "+@all"];
    command.extend(rights);
    let command: Vec<&[u8]> = command.iter().map(|word| word.as_bytes()).collect();
    assert_eq!(server.raw(&command), b"+OK\r\n", "{rights:?}");
}

fn connect(server: &RedisServer) -> Lease {
    let (username, password) = (Some("app".into()), Some("pw".into()));
    open(RedisOptions { username, password, ..options(server.port) }).unwrap()
}

fn refused(result: Result<u64, Error>, command: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.code(), Code::Io, "{command}: {error}");
    assert!(error.message().contains(command), "{command}: {error}");
}

/// Every kind of commit, none of which may be carried out in part.
fn attempts(engine: &dyn Engine) -> Vec<Result<u64, Error>> {
    let metadata = |key: &'static str| Op::set(key, json("2")).with_metadata(Bytes::from_static(b"{}"));
    let ops = [
        vec![Op::set("x", json("2")), Op::delete("gone")],
        vec![Op::set("x", json("2")).expiring(4_000_000_000_000), Op::add("n", 1.0)],
        vec![metadata("x"), Op::set("x", json("2")).in_space(holdfast_core::Space::Internal)],
        vec![Op::set("x", json("2")), Op::delete("x").in_space(holdfast_core::Space::Internal)],
    ];
    let mut results: Vec<_> = ops.into_iter().map(|ops| engine.commit(Batch::of(ops)).map(|done| done.seq)).collect();
    results.push(increment(engine, "n", 1.0).map(|_| 0));
    let checked = Batch::one(Op::set("x", json("2"))).with_checks([Check::absent("y")]);
    results.push(engine.commit(checked).map(|done| done.seq));
    results
}

#[test]
fn a_commit_is_not_begun_that_cannot_be_finished() {
    let server = RedisServer::start(&[]);
    for command in ["unlink", "hset", "incrby", "set", "pexpire", "hdel", "zadd", "exists", "pexpiretime", "time"] {
        allow(&server, &[]);
        let lease = connect(&server);
        lease.engine().set("gone", "1");
        lease.close().unwrap();
        allow(&server, &[&format!("-{command}")]);
        let lease = connect(&server);
        let before = server.raw(&[b"DBSIZE"]);
        for result in attempts(lease.engine().as_ref()) {
            refused(result, &command.to_uppercase());
        }
        assert_eq!(server.raw(&[b"DBSIZE"]), before, "{command}: nothing was written");
        assert_eq!(server.raw(&[b"GET", b"app:x"]), b"$-1\r\n", "{command}");
    }
    for rights in [&["-get"][..], &["resetkeys", "~other:*"]] {
        allow(&server, rights);
        let (username, password) = (Some("app".into()), Some("pw".into()));
        let error = error_of(open(RedisOptions { username, password, ..options(server.port) }));
        assert_eq!((error.code(), error.key()), (Code::Io, None), "{error}");
        assert!(error.message().contains("ACL"), "{error}");
    }
    allow(&server, &["resetkeys", "%R~app:*"]);
    let lease = connect(&server);
    assert_eq!(lease.engine().value("gone").as_deref(), Some("1"), "a user who only reads may read");
    refused(set(lease.engine().as_ref(), "x", "1"), "ACL");
}

#[test]
fn rights_that_are_changed_while_connected_count() {
    let server = RedisServer::start(&[]);
    allow(&server, &[]);
    let lease = connect(&server);
    let engine = lease.engine().as_ref();
    engine.set("gone", "1");
    // The server refuses the last of the commands.
    allow(&server, &["-unlink"]);
    let batch = || Batch::of([Op::set("x", json("1")), Op::delete("gone")]);
    let error = engine.commit(batch()).unwrap_err();
    assert_eq!(error.code(), Code::UnknownOutcome, "{error}");
    assert_eq!(engine.value("x").as_deref(), Some("1"), "a part was written");
    // By now the client has asked what is missing.
    engine.value("x");
    refused(engine.commit(batch()).map(|done| done.seq), "UNLINK");
    allow(&server, &["-hset"]);
    // This call is the one that finds out.
    drop(set(engine, "y", "1"));
    engine.value("x");
    refused(increment(engine, "n", 1.0).map(|_| 0), "HSET");
    allow(&server, &[]);
    drop(set(engine, "y", "1"));
    engine.value("x");
    assert_eq!(increment(engine, "n", 1.0).unwrap(), 1.0);
    engine.run(batch());
    assert_eq!(engine.value("gone"), None);
}

#[test]
fn a_command_that_is_refused_first_leaves_nothing() {
    let server = RedisServer::start(&[]);
    allow(&server, &[]);
    let lease = connect(&server);
    let engine = lease.engine().as_ref();
    engine.set("x", "1");
    for ours in ["seq", "values", "companions"] {
        let name = [b"app:\xffholdfast:", ours.as_bytes()].concat();
        server.raw(&[b"DEL", &name]);
        server.raw(&[b"LPUSH", &name, b"foreign"]);
        let internal = Op::set("i", json("1")).in_space(holdfast_core::Space::Internal);
        let batch = Batch::of([internal, Op::set("x", json("2")).with_metadata(Bytes::from_static(b"{}"))]);
        let error = engine.commit(batch).unwrap_err();
        assert_ne!(error.code(), Code::UnknownOutcome, "{ours}: {error}");
        assert_eq!(engine.value("x").as_deref(), Some("1"), "{ours}: nothing was written");
        server.raw(&[b"DEL", &name]);
    }
}

#[test]
fn a_replacement_is_not_begun_that_cannot_be_finished() {
    let server = RedisServer::start(&[]);
    for command in ["ltrim", "rename", "rpush", "hrandfield", "lindex"] {
        allow(&server, &[&format!("-{command}")]);
        let lease = connect(&server);
        let error = lease.engine().stage().err().expect("refused");
        assert_eq!(error.code(), Code::Io, "{error}");
        assert!(error.message().contains(&command.to_uppercase()), "{error}");
        lease.engine().set("x", "1");
    }
}

#[test]
fn the_documented_rights_are_enough_to_connect_to_any_database() {
    let server = RedisServer::start(&[]);
    let user = documented_user(&server, "app:");
    for db in [None, Some(0), Some(3)] {
        let lease = open(RedisOptions { db, ..user(options(server.port)) }).unwrap();
        lease.engine().set("x", "1");
        assert_eq!(lease.engine().value("x").as_deref(), Some("1"));
    }
    // Without `select` the first database is there.
    server.raw(&[b"ACL", b"SETUSER", b"shop", b"-select"]);
    let lease = open(user(options(server.port))).unwrap();
    lease.engine().set("x", "1");
    let error = open(RedisOptions { db: Some(3), ..user(options(server.port)) }).err().expect("refused");
    assert!(error.message().contains("ACL"), "{error}");
}

//! Intents among several clients, and beside programs that know nothing of them.
use std::time::Duration;

use crate::calls::{connect, options, set};
use crate::redis_server::RedisServer;
use holdfast_core::batch::IntentId;
use holdfast_core::engine::intent::Decision;
use holdfast_core::engine::redis::{RedisOptions, open};
use holdfast_core::testing::{Calls, json};
use holdfast_core::{Batch, Code, EngineExt, KeyRange, Op};

const ID: IntentId = IntentId { log: 0xfeed, number: 7 };

#[test]
fn what_one_client_holds_no_other_writes() {
    let server = RedisServer::start(&[]);
    let (ours, theirs) = (connect(server.port), connect(server.port));
    let (ours, theirs) = (ours.engine().as_ref(), theirs.engine().as_ref());
    theirs.set("range/1", "1");
    let range = Op::delete_range(KeyRange::prefix("range/"));
    ours.prepare(ID, Batch::of([Op::set("a", json("2")), range])).unwrap();
    for key in ["a", "range/1", "range/new"] {
        assert_eq!(set(theirs, key, "3").unwrap_err().code(), Code::Conflict, "{key}");
    }
    theirs.set("b", "3");
    assert!(theirs.resolve(ID, Decision::Apply).unwrap().is_some(), "anybody with the log may end it");
    assert!(ours.resolve(ID, Decision::Apply).unwrap().is_none());
    assert_eq!((ours.value("a").as_deref(), ours.value("range/1")), (Some("2"), None));
    for hash in ["held", "ranges"] {
        let name = [b"app:\xffholdfast:", hash.as_bytes()].concat();
        assert_eq!(server.raw(&[b"EXISTS", &name]), b":0\r\n", "{hash} is gone with the last intent");
    }
    theirs.set("a", "3");
}

#[test]
fn an_intent_left_by_a_crash_locks_its_keys_after_a_while() {
    let server = RedisServer::start(&[]);
    let lease = connect(server.port);
    let engine = lease.engine().as_ref();
    engine.prepare(ID, Batch::one(Op::set("a", json("2")))).unwrap();
    assert_eq!(set(engine, "a", "3").unwrap_err().code(), Code::Conflict);
    // As if it had been made long ago.
    let mark = format!("{:016x}-{:016x} {:013} -", ID.log, ID.number, 1);
    server.raw(&[b"HSET", b"app:\xffholdfast:held", b"ua", mark.as_bytes()]);
    let error = set(engine, "a", "3").unwrap_err();
    assert_eq!((error.code(), error.key()), (Code::Locked, Some("a")));
    assert!(error.message().contains("000000000000feed"), "it names the log: {error}");
    assert!(engine.resolve(ID, Decision::Drop).unwrap().is_some());
    engine.set("a", "3");
}

#[test]
fn what_another_program_wrote_meanwhile_is_not_overwritten() {
    let server = RedisServer::start(&[]);
    let lease = connect(server.port);
    let engine = lease.engine().as_ref();
    for key in ["a", "b", "c"] {
        engine.set(key, "1");
    }
    let ops = [Op::set("a", json("2")), Op::set("b", json("2")), Op::delete("c")];
    engine.prepare(ID, Batch::of(ops)).unwrap();
    server.raw(&[b"SET", b"app:a", b"\"newer\""]);
    server.raw(&[b"SET", b"app:c", b"\"newer\""]);
    assert!(engine.resolve(ID, Decision::Apply).unwrap().is_some());
    assert_eq!(engine.value("a").as_deref(), Some("\"newer\""));
    assert_eq!(engine.value("b").as_deref(), Some("2"));
    assert_eq!(engine.value("c").as_deref(), Some("\"newer\""));
}

#[test]
fn a_batch_of_more_parts_than_a_command_may_have_is_written_and_refused_as_one() {
    let server = RedisServer::start(&[]);
    let lease = open(RedisOptions { command_timeout: Duration::from_secs(60), ..options(server.port) }).unwrap();
    let engine = lease.engine().as_ref();
    let batch = || Batch::of((0..400_000).map(|i| Op::set(format!("k{i}"), json("1"))));
    engine.prepare(ID, Batch::one(Op::set("k1", json("2")))).unwrap();
    assert_eq!(engine.commit(batch()).unwrap_err().code(), Code::Conflict);
    assert_eq!(engine.value("k0"), None);
    assert!(engine.resolve(ID, Decision::Drop).unwrap().is_some());
    engine.run(batch());
    assert_eq!(engine.value("k0").as_deref(), Some("1"));
    assert_eq!(engine.value("k399999").as_deref(), Some("1"));
}

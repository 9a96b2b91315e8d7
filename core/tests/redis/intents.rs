//! Intents among several clients, and beside programs that know nothing of them.
use std::time::Duration;

use crate::calls::{connect, get, options, set, set_op};
use crate::redis_server::RedisServer;
use holdfast_core::batch::IntentId;
use holdfast_core::engine::intent::Decision;
use holdfast_core::engine::redis::{RedisOptions, open};
use holdfast_core::testing::json;
use holdfast_core::{Batch, Code, EngineExt, Key, KeyRange, Op, Space};

const ID: IntentId = IntentId { log: 0xfeed, number: 7 };

fn batch(ops: Vec<Op>) -> Batch {
    Batch { ops, ..Batch::default() }
}

#[test]
fn what_one_client_holds_no_other_writes() {
    let server = RedisServer::start(&[]);
    let (ours, theirs) = (connect(server.port), connect(server.port));
    let (ours, theirs) = (ours.engine().as_ref(), theirs.engine().as_ref());
    set(theirs, "range/1", "1").unwrap();
    let range = Op::DeleteRange { space: Space::User, range: KeyRange::prefix(&b"range/"[..]) };
    ours.prepare(ID, batch(vec![set_op("a", "2"), range])).unwrap();
    for key in ["a", "range/1", "range/new"] {
        assert_eq!(set(theirs, key, "3").unwrap_err().code(), Code::Conflict, "{key}");
    }
    set(theirs, "b", "3").unwrap();
    assert!(theirs.resolve(ID, Decision::Apply).unwrap().is_some(), "anybody with the log may end it");
    assert!(ours.resolve(ID, Decision::Apply).unwrap().is_none());
    assert_eq!((get(ours, "a").unwrap(), get(ours, "range/1").unwrap()), (Some(json("2")), None));
    for hash in ["held", "ranges"] {
        let name = [b"app:\xffholdfast:", hash.as_bytes()].concat();
        assert_eq!(server.raw(&[b"EXISTS", &name]), b":0\r\n", "{hash} is gone with the last intent");
    }
    set(theirs, "a", "3").unwrap();
}

#[test]
fn an_intent_left_by_a_crash_locks_its_keys_after_a_while() {
    let server = RedisServer::start(&[]);
    let lease = connect(server.port);
    let engine = lease.engine().as_ref();
    engine.prepare(ID, batch(vec![set_op("a", "2")])).unwrap();
    assert_eq!(set(engine, "a", "3").unwrap_err().code(), Code::Conflict);
    // As if it had been made long ago.
    let mark = format!("{:016x}-{:016x} {:013} -", ID.log, ID.number, 1);
    server.raw(&[b"HSET", b"app:\xffholdfast:held", b"ua", mark.as_bytes()]);
    let error = set(engine, "a", "3").unwrap_err();
    assert_eq!((error.code(), error.key()), (Code::Locked, Some("a")));
    assert!(error.message().contains("000000000000feed"), "it names the log: {error}");
    assert!(engine.resolve(ID, Decision::Drop).unwrap().is_some());
    set(engine, "a", "3").unwrap();
}

#[test]
fn what_another_program_wrote_meanwhile_is_not_overwritten() {
    let server = RedisServer::start(&[]);
    let lease = connect(server.port);
    let engine = lease.engine().as_ref();
    for key in ["a", "b", "c"] {
        set(engine, key, "1").unwrap();
    }
    let delete = Op::Delete { space: Space::User, key: Key::from_static(b"c") };
    engine.prepare(ID, batch(vec![set_op("a", "2"), set_op("b", "2"), delete])).unwrap();
    server.raw(&[b"SET", b"app:a", b"\"newer\""]);
    server.raw(&[b"SET", b"app:c", b"\"newer\""]);
    assert!(engine.resolve(ID, Decision::Apply).unwrap().is_some());
    assert_eq!(get(engine, "a").unwrap(), Some(json("\"newer\"")));
    assert_eq!(get(engine, "b").unwrap(), Some(json("2")));
    assert_eq!(get(engine, "c").unwrap(), Some(json("\"newer\"")));
}

#[test]
fn a_batch_of_more_parts_than_a_command_may_have_is_written_and_refused_as_one() {
    let server = RedisServer::start(&[]);
    let lease = open(RedisOptions { command_timeout: Duration::from_secs(60), ..options(server.port) }).unwrap();
    let engine = lease.engine().as_ref();
    let ops = || (0..400_000).map(|i| set_op(&format!("k{i}"), "1")).collect::<Vec<_>>();
    engine.prepare(ID, batch(vec![set_op("k1", "2")])).unwrap();
    assert_eq!(engine.commit(batch(ops())).unwrap_err().code(), Code::Conflict);
    assert_eq!(get(engine, "k0").unwrap(), None);
    assert!(engine.resolve(ID, Decision::Drop).unwrap().is_some());
    engine.commit(batch(ops())).unwrap();
    assert_eq!((get(engine, "k0").unwrap(), get(engine, "k399999").unwrap()), (Some(json("1")), Some(json("1"))));
}

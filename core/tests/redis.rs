//! What is particular to the redis engine: other clients of the server, connections that fail, TLS.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests stop at a surprise"
)]

mod support {
    pub mod proxy;
    pub mod redis_server;
}

use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use holdfast_core::engine::redis::{RedisOptions, TlsOptions, open};
use holdfast_core::engine::registry::Lease;
use holdfast_core::engine::{Engine, Item, Projection, Read, Reply, Request, for_each_page};
use holdfast_core::{
    Batch, Check, Code, Error, Key, KeyRange, Op, Outcome, RangeCheck, Record, Result, Space, Value, Version,
};
use support::proxy::{CUT_REPLIES, DROP_REPLIES, HOLD, PASS, Proxy, REFUSE, RELEASE};
use support::redis_server::{RedisServer, free_port};

fn options(port: u16) -> RedisOptions {
    RedisOptions {
        port: Some(port),
        key_prefix: "app:".into(),
        connect_timeout: Duration::from_secs(2),
        command_timeout: Duration::from_secs(5),
        ..RedisOptions::default()
    }
}

fn connect(port: u16) -> Lease {
    open(options(port)).expect("a connection")
}

fn failure(options: RedisOptions) -> Error {
    match open(options) {
        Ok(_) => panic!("the connection must fail"),
        Err(error) => error,
    }
}

fn set_op(key: &str, text: &str) -> Op {
    let value = Value::json(text.to_owned());
    Op::Set { space: Space::User, key: Key::from(key.to_owned()), value, expires_at: None, metadata: None }
}

fn set(engine: &dyn Engine, key: &str, text: &str) -> Result<u64> {
    engine.commit(Batch::one(set_op(key, text))).map(|commit| commit.seq)
}

fn get(engine: &dyn Engine, key: &str) -> Result<Option<Value>> {
    match engine.wait(Request::Read(Read::Get(Space::User, Key::from(key.to_owned()))))? {
        Reply::Value(value) => Ok(value),
        _ => panic!("a value was asked for"),
    }
}

fn entry(engine: &dyn Engine, key: &str) -> Option<Record> {
    match engine.wait(Request::Read(Read::Entry(Space::User, Key::from(key.to_owned())))).expect("an entry") {
        Reply::Entry(record) => record,
        _ => panic!("an entry was asked for"),
    }
}

fn json(text: &str) -> Option<Value> {
    Some(Value::json(text.to_owned()))
}

fn keys(engine: &dyn Engine, range: &KeyRange) -> Vec<String> {
    let mut keys = Vec::new();
    let view = engine.view().expect("a view");
    for_each_page(&*view, Space::User, range, Projection::Keys, |page| {
        keys.extend(page.into_iter().map(|(key, _)| String::from_utf8(key.to_vec()).expect("UTF-8")));
        Ok(true)
    })
    .expect("a scan");
    keys
}

fn add(key: &str, by: f64) -> Op {
    Op::Add { space: Space::User, key: Key::from(key.to_owned()), by, expires_at: None, metadata: None }
}

fn increment(engine: &dyn Engine, key: &str, by: f64) -> Result<f64> {
    match engine.commit(Batch::one(add(key, by)).reporting())?.outcomes.as_slice() {
        [Outcome::Added { value, .. }] => Ok(*value),
        other => panic!("an addition was asked for: {other:?}"),
    }
}

fn until_ok<T>(mut call: impl FnMut() -> Result<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match call() {
            Ok(value) => return value,
            Err(error) => assert!(Instant::now() < deadline, "does not recover: {error}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn other_clients_read_what_was_written_and_their_writes_are_read() {
    let server = RedisServer::start(&[]);
    let lease = connect(server.port);
    let engine = lease.engine().as_ref();
    set(engine, "user:1", r#"{"name":"Ann"}"#).unwrap();
    assert_eq!(server.raw(&[b"GET", b"app:user:1"]), b"$14\r\n{\"name\":\"Ann\"}\r\n");
    let binary = Value::Binary(Bytes::from_static(&[1, 2]));
    let op = Op::Set { space: Space::User, key: "b".into(), value: binary.clone(), expires_at: None, metadata: None };
    engine.commit(Batch::one(op)).unwrap();
    assert_eq!(server.raw(&[b"GET", b"app:b"]), b"$18\r\n{\"$binary\":\"AQI=\"}\r\n");
    assert_eq!(get(engine, "b").unwrap(), Some(binary));

    server.raw(&[b"SET", b"app:theirs", b"[1, 2]"]);
    assert_eq!(get(engine, "theirs").unwrap(), json("[1, 2]"));
    let before = entry(engine, "theirs").unwrap();
    server.raw(&[b"PEXPIREAT", b"app:theirs", b"4000000000000"]);
    let after = entry(engine, "theirs").unwrap();
    assert_eq!((before.expires_at, after.expires_at), (None, Some(4_000_000_000_000)));
    assert_ne!(before.version, after.version);
    assert_eq!(entry(engine, "theirs").unwrap().version, after.version, "the version of an expiring key is stable");
    server.raw(&[b"DEL", b"app:user:1"]);
    assert_eq!(get(engine, "user:1").unwrap(), None);
}

#[test]
fn what_is_no_json_or_no_string_is_corrupted_and_named() {
    let server = RedisServer::start(&[]);
    let lease = connect(server.port);
    let engine = lease.engine().as_ref();
    server.raw(&[b"SET", b"app:text", b"not json"]);
    server.raw(&[b"RPUSH", b"app:list", b"1"]);
    set(engine, "good", "1").unwrap();
    for key in ["text", "list"] {
        let many = Read::Many(Space::User, vec!["good".into(), "absent".into(), key.to_owned().into()]);
        for read in [Read::Get(Space::User, key.into()), Read::Entry(Space::User, key.into()), many] {
            let Err(error) = engine.wait(Request::Read(read.clone())) else { panic!("{read:?} must fail") };
            assert_eq!(
                (error.code(), error.key(), error.engine()),
                (Code::Corrupted, Some(key), Some("redis")),
                "{read:?}"
            );
            assert!(!format!("{error:?}").contains("not json"), "no stored value is shown");
        }
    }
    let report = engine.verify(false, &mut |_, _| Ok(())).unwrap();
    let mut damaged: Vec<&str> = report.errors.iter().filter_map(Error::key).collect();
    damaged.sort_unstable();
    assert_eq!(damaged, ["list", "text"]);
    engine.verify(true, &mut |_, _| Ok(())).unwrap();
    assert_eq!(keys(engine, &KeyRange::all()), ["good"], "repair sets damaged keys aside");
    assert!(engine.verify(false, &mut |_, _| Ok(())).unwrap().errors.is_empty());
    set(engine, "list", "2").unwrap();
    assert_eq!(get(engine, "list").unwrap(), json("2"));
}

#[test]
fn a_password_is_never_shown() {
    let server = RedisServer::start(&["--requirepass", "correct-horse"]);
    let shown = |error: &Error| format!("{error} {error:?} {:?} {}", error.cause(), error.message());
    for (options, what) in [
        (RedisOptions { password: Some("battery-staple".into()), ..options(server.port) }, "wrong"),
        (
            RedisOptions {
                username: Some("u".into()),
                password: Some("battery-staple".into()),
                ..options(server.port)
            },
            "user",
        ),
        (options(server.port), "none"),
    ] {
        let error = failure(options);
        assert_eq!(error.code(), Code::Connection, "{what}: {error}");
        assert!(!shown(&error).contains("staple"), "{error:?}");
        assert!(error.message().contains("password"), "{error}");
    }
    let url = format!("redis://:battery-staple@127.0.0.1:{}/0", server.port);
    let wrong = RedisOptions { url: Some(url), ..RedisOptions::default() };
    assert!(!format!("{wrong:?}").contains("staple"));
    assert!(!shown(&failure(wrong)).contains("staple"));
    let url = format!("redis://:correct-horse@127.0.0.1:{}/1", server.port);
    let lease = open(RedisOptions { url: Some(url), ..RedisOptions::default() }).unwrap();
    set(lease.engine().as_ref(), "k", "1").unwrap();
}

#[test]
fn a_port_nobody_listens_on_fails_fast() {
    let start = Instant::now();
    let error = failure(options(free_port()));
    assert_eq!(error.code(), Code::Connection);
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[test]
fn a_server_that_never_greets_fails_after_the_connect_timeout() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let start = Instant::now();
    let error = failure(RedisOptions { connect_timeout: Duration::from_millis(200), ..options(port) });
    assert_eq!(error.code(), Code::Connection);
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}

#[test]
fn a_write_whose_reply_is_lost_has_an_unknown_outcome() {
    let server = RedisServer::start(&[]);
    let proxy = Proxy::to(server.port);
    let lease = connect(proxy.port);
    let engine = lease.engine().as_ref();
    set(engine, "k", "1").unwrap();
    proxy.set(CUT_REPLIES);
    assert_eq!(set(engine, "k", "2").unwrap_err().code(), Code::UnknownOutcome);
    proxy.set(PASS);
    assert_eq!(until_ok(|| get(engine, "k")), json("2"), "it was applied, this time");
    proxy.set(CUT_REPLIES);
    let error = get(engine, "k").unwrap_err();
    assert_eq!(error.code(), Code::Connection);
    proxy.set(PASS);
    until_ok(|| increment(engine, "n", 1.0));
    proxy.set(CUT_REPLIES);
    assert_eq!(increment(engine, "n", 1.0).unwrap_err().code(), Code::UnknownOutcome);
    proxy.set(PASS);
    assert_eq!(until_ok(|| get(engine, "n")), json("2"), "an increment is never sent twice");
}

#[test]
fn a_call_during_an_outage_waits_and_then_says_connection() {
    let server = RedisServer::start(&[]);
    let proxy = Proxy::to(server.port);
    let lease = open(RedisOptions { connect_timeout: Duration::from_millis(400), ..options(proxy.port) }).unwrap();
    let engine = lease.engine().as_ref();
    set(engine, "k", "1").unwrap();
    proxy.set(REFUSE);
    std::thread::sleep(Duration::from_millis(150));
    let start = Instant::now();
    assert_eq!(set(engine, "k", "2").unwrap_err().code(), Code::Connection);
    assert!(start.elapsed() >= Duration::from_millis(300) && start.elapsed() < Duration::from_secs(2));
    let engine = lease.engine().clone();
    let waiting = std::thread::spawn(move || set(engine.as_ref(), "k", "3"));
    std::thread::sleep(Duration::from_millis(50));
    proxy.set(PASS);
    let outcome = waiting.join().unwrap();
    assert!(outcome.is_ok() || outcome.unwrap_err().code() == Code::Connection);
    until_ok(|| set(lease.engine().as_ref(), "k", "4"));
}

#[test]
fn a_server_that_hangs_times_out_and_is_used_again_when_it_wakes() {
    let server = RedisServer::start(&[]);
    let lease = open(RedisOptions { command_timeout: Duration::from_millis(300), ..options(server.port) }).unwrap();
    let engine = lease.engine().as_ref();
    set(engine, "k", "\"old\"").unwrap();
    server.freeze();
    let start = Instant::now();
    assert_eq!(get(engine, "k").unwrap_err().code(), Code::Timeout);
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    server.thaw();
    assert_eq!(until_ok(|| get(engine, "k")), json("\"old\""));
    server.freeze();
    assert_eq!(set(engine, "k", "\"late\"").unwrap_err().code(), Code::UnknownOutcome);
    server.thaw();
    until_ok(|| set(engine, "k", "\"new\""));
}

#[test]
fn a_write_given_up_does_not_arrive_after_a_newer_one() {
    let server = RedisServer::start(&[]);
    let proxy = Proxy::to(server.port);
    let lease = open(RedisOptions { command_timeout: Duration::from_millis(200), ..options(proxy.port) }).unwrap();
    let engine = lease.engine().as_ref();
    set(engine, "k", "\"first\"").unwrap();
    proxy.set(HOLD);
    assert_eq!(set(engine, "k", "\"late\"").unwrap_err().code(), Code::UnknownOutcome);
    proxy.set(PASS);
    until_ok(|| set(engine, "k", "\"new\""));
    proxy.set(RELEASE);
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(get(engine, "k").unwrap(), json("\"new\""));
}

#[test]
fn closing_during_an_outage_ends_and_answers_what_waits() {
    let mut server = RedisServer::start(&[]);
    let lease = open(RedisOptions { connect_timeout: Duration::from_millis(300), ..options(server.port) }).unwrap();
    server.kill();
    let engine = lease.engine().clone();
    let (sender, receiver) = mpsc::channel();
    for _ in 0..100 {
        let sender = sender.clone();
        let request = Request::Commit(Batch::one(set_op("k", "1")));
        engine.submit(request, Box::new(move |reply| sender.send(reply.map(drop).unwrap_err().code()).unwrap()));
    }
    drop(sender);
    let start = Instant::now();
    lease.close().unwrap();
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    let codes: Vec<Code> = receiver.iter().collect();
    assert_eq!(codes.len(), 100);
    assert!(codes.iter().all(|code| matches!(code, Code::Connection | Code::UnknownOutcome)), "{codes:?}");
}

#[test]
fn an_engine_let_go_without_closing_answers_what_is_under_way_and_disconnects() {
    let server = RedisServer::start(&[]);
    let clients = || String::from_utf8(server.raw(&[b"CLIENT", b"LIST"])).unwrap().matches("id=").count();
    let alone = clients();
    let lease = connect(server.port);
    assert_eq!(clients(), alone + 1);
    server.freeze();
    let (sender, receiver) = mpsc::channel();
    let done = move |reply: Result<Reply>| sender.send(reply.map(drop).unwrap_err().code()).unwrap();
    lease.engine().submit(Request::Commit(Batch::one(set_op("k", "1"))), Box::new(done));
    drop(lease);
    assert_eq!(receiver.recv_timeout(Duration::from_secs(1)), Ok(Code::UnknownOutcome));
    server.thaw();
    until_ok(|| if clients() == alone { Ok(()) } else { Err(Error::closed()) });
}

#[test]
fn a_crashed_server_is_found_again_and_has_its_script_again() {
    let mut server = RedisServer::start(&[]);
    let lease = connect(server.port);
    let engine = lease.engine().as_ref();
    assert_eq!(increment(engine, "n", 1.0).unwrap(), 1.0);
    server.crash_and_restart();
    assert_eq!(until_ok(|| increment(engine, "n", 1.0)), 1.0);
    server.raw(&[b"SCRIPT", b"FLUSH"]);
    assert_eq!(increment(engine, "n", 1.0).unwrap(), 2.0);
}

#[test]
fn ten_thousand_calls_under_way_never_get_each_others_replies() {
    let server = RedisServer::start(&[]);
    let proxy = Proxy::to(server.port);
    let lease = open(RedisOptions { command_timeout: Duration::from_millis(200), ..options(proxy.port) }).unwrap();
    let engine = lease.engine();
    let ops = (0..1000).map(|i| set_op(&format!("k{i}"), &i.to_string())).collect();
    engine.commit(Batch { ops, ..Batch::default() }).unwrap();
    let (sender, receiver) = mpsc::channel();
    let total = 10_000;
    let meddling = std::thread::spawn(move || {
        for mode in [DROP_REPLIES, PASS, CUT_REPLIES, PASS, DROP_REPLIES, PASS] {
            proxy.set(mode);
            std::thread::sleep(Duration::from_millis(60));
        }
        proxy
    });
    for i in 0..total {
        let sender = sender.clone();
        let key = Key::from(format!("k{}", i % 1000));
        let done = move |reply: Result<Reply>| drop(sender.send((i, reply)));
        engine.submit(Request::Read(Read::Get(Space::User, key)), Box::new(done));
        if i % 20 == 0 {
            std::thread::sleep(Duration::from_micros(500));
        }
    }
    drop(sender);
    let mut answered = vec![0u32; total];
    let (mut good, mut lost) = (0, 0);
    for (i, reply) in receiver {
        answered[i] += 1;
        match reply {
            Ok(Reply::Value(value)) => {
                assert_eq!(value, json(&(i % 1000).to_string()));
                good += 1;
            }
            Ok(_) => panic!("a reply of another kind"),
            Err(error) => {
                assert!(matches!(error.code(), Code::Timeout | Code::Connection), "{error}");
                lost += 1;
            }
        }
    }
    drop(meddling.join().unwrap());
    assert!(answered.iter().all(|count| *count == 1), "each call is answered once");
    assert!(good > 0 && lost > 0, "{good} answered, {lost} lost");
}

#[test]
fn patterns_and_prefixes_are_taken_literally_by_the_server() {
    let server = RedisServer::start(&[]);
    let lease = open(RedisOptions { key_prefix: "a*[x]?\\:".into(), ..options(server.port) }).unwrap();
    let engine = lease.engine().as_ref();
    server.raw(&[b"SET", b"aa[x]b\\:foreign", b"1"]);
    server.raw(&[b"SET", b"ax?:foreign", b"1"]);
    let mut names = vec!["*", "[a]", "a\0b", "line\nbreak", "\\", "caf\u{e9}", "plain", "pla*n", "{tag}", "\u{10ffff}"];
    for name in &names {
        set(engine, name, "1").unwrap();
    }
    names.sort_unstable();
    assert_eq!(keys(engine, &KeyRange::all()), names);
    assert_eq!(keys(engine, &KeyRange::glob("pla\\*n")), ["pla*n"]);
    assert_eq!(keys(engine, &KeyRange::glob("pl?[!-~]*")), ["pla*n", "plain"]);
    let start = Instant::now();
    set(engine, &"a".repeat(4000), "1").unwrap();
    assert!(keys(engine, &KeyRange::glob(&format!("{}b", "a*".repeat(1000)))).is_empty());
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!(get(engine, "a\0b").unwrap(), json("1"));
    let clear = Op::DeleteRange { space: Space::User, range: KeyRange::prefix(&b"pla"[..]) };
    engine.commit(Batch::one(clear)).unwrap();
    assert!(!keys(engine, &KeyRange::all()).iter().any(|key| key.starts_with("pla")));
    engine.commit(Batch::one(Op::DeleteRange { space: Space::User, range: KeyRange::all() })).unwrap();
    assert!(keys(engine, &KeyRange::all()).is_empty());
    assert_eq!(server.raw(&[b"EXISTS", b"aa[x]b\\:foreign", b"ax?:foreign"]), b":2\r\n");
}

#[test]
fn a_clear_comes_before_what_is_written_after_it() {
    let server = RedisServer::start(&[]);
    let lease = connect(server.port);
    let engine = lease.engine();
    let ops = (0..3000).map(|i| set_op(&format!("k{i}"), "1")).collect();
    engine.commit(Batch { ops, ..Batch::default() }).unwrap();
    let (sender, receiver) = mpsc::channel();
    let submit = |batch: Batch| {
        let sender = sender.clone();
        engine.submit(Request::Commit(batch), Box::new(move |reply| drop(sender.send(reply.map(drop)))));
    };
    submit(Batch::one(set_op("before", "1")));
    submit(Batch::one(Op::DeleteRange { space: Space::User, range: KeyRange::all() }));
    submit(Batch::one(set_op("after", "1")));
    submit(Batch {
        ops: vec![
            set_op("gone", "1"),
            Op::DeleteRange { space: Space::User, range: KeyRange::prefix(&b"g"[..]) },
            set_op("last", "2"),
        ],
        ..Batch::default()
    });
    drop(sender);
    assert_eq!(receiver.iter().filter(|reply| reply.is_ok()).count(), 4);
    assert_eq!(keys(engine.as_ref(), &KeyRange::all()), ["after", "last"]);
}

#[test]
fn two_engines_count_exactly() {
    let server = RedisServer::start(&[]);
    let leases = Arc::new([connect(server.port), connect(server.port)]);
    let threads: Vec<_> = (0..4)
        .map(|i| {
            let leases = leases.clone();
            std::thread::spawn(move || {
                for _ in 0..500 {
                    increment(leases[i % 2].engine().as_ref(), "n", 1.0).unwrap();
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(get(leases[0].engine().as_ref(), "n").unwrap(), json("2000"));
    assert_eq!(server.raw(&[b"GET", b"app:\xffholdfast:seq"]), b"$4\r\n2000\r\n", "every commit counts once");
}

#[test]
fn sums_are_written_as_javascript_prints_them() {
    let server = RedisServer::start(&[]);
    let lease = connect(server.port);
    let engine = lease.engine().as_ref();
    let numbers = [
        0.1,
        0.2,
        1e21,
        -1e21,
        1e-7,
        1.5e-9,
        0.000_001,
        123_456.789,
        5e-324,
        f64::MAX,
        9_007_199_254_740_993.0,
        1e20,
        123_456_789_012_345_680_000.0,
        -0.0,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
        100.0,
        -1.5,
        2.5e-8,
        1e300,
    ];
    for a in numbers {
        for b in numbers {
            let start = Value::from_number(a);
            let op = Op::Set { space: Space::User, key: "n".into(), value: start, expires_at: None, metadata: None };
            engine.commit(Batch::one(op)).unwrap();
            let outcome = engine.commit(Batch::one(add("n", b)).reporting()).unwrap().outcomes;
            let Some(Outcome::Added { value, version }) = outcome.first() else { panic!("{outcome:?}") };
            let same = value.to_bits() == (a + b).to_bits() || (value.is_nan() && (a + b).is_nan());
            assert!(same, "{a} + {b} = {value}");
            let record = entry(engine, "n").unwrap();
            assert_eq!(record.value, Value::from_number(a + b), "{a} + {b}");
            assert_eq!(record.version, *version);
        }
    }
    set(engine, "text", "\"1\"").unwrap();
    let error = increment(engine, "text", 1.0).unwrap_err();
    assert_eq!((error.code(), error.key()), (Code::InvalidArgument, Some("text")));
}

#[test]
fn conditions_are_checked_in_one_step() {
    let server = RedisServer::start(&[]);
    let lease = connect(server.port);
    let engine = lease.engine().as_ref();
    let guarded = |key: &str, version: Option<Version>, text: &str| Batch {
        checks: vec![Check { space: Space::User, key: key.to_owned().into(), version }],
        ..Batch::one(set_op(key, text)).reporting()
    };
    let outcomes = engine.commit(guarded("k", None, "1")).unwrap().outcomes;
    let [Outcome::Set { version }] = outcomes.as_slice() else { panic!("{outcomes:?}") };
    assert_eq!(entry(engine, "k").unwrap().version, *version);
    let error = engine.commit(guarded("k", None, "2")).unwrap_err();
    assert_eq!((error.code(), error.key()), (Code::Conflict, Some("k")));
    let seq = engine.commit(guarded("k", Some(*version), "2")).unwrap().seq;
    server.raw(&[b"SET", b"app:k", b"3"]);
    assert_eq!(engine.commit(guarded("k", Some(*version), "4")).unwrap_err().code(), Code::Conflict);

    let ranged = |since| Batch {
        range_checks: vec![RangeCheck { space: Space::User, range: KeyRange::all(), since }],
        ..Batch::one(set_op("r", "1"))
    };
    let next = engine.commit(ranged(seq)).unwrap().seq;
    assert_eq!(next, seq + 1);
    assert_eq!(engine.commit(ranged(seq)).unwrap_err().code(), Code::Conflict);
    let failing = Batch {
        ops: vec![set_op("half", "1"), add("half", 1.0), set_op("s", "\"\""), add("s", 1.0)],
        ..Batch::default()
    };
    assert_eq!(engine.commit(failing).unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(get(engine, "half").unwrap(), None, "a batch that fails leaves nothing");
}

#[test]
fn metadata_is_believed_while_it_fits_its_value() {
    let server = RedisServer::start(&[]);
    let lease = connect(server.port);
    let engine = lease.engine().as_ref();
    let with_metadata = |text: &str, expires_at| {
        let metadata = Some(Bytes::from_static(b"{\"tag\": \"a b\"}"));
        Op::Set { space: Space::User, key: "k".into(), value: Value::json(text.to_owned()), expires_at, metadata }
    };
    engine.commit(Batch::one(with_metadata("1", Some(4_000_000_000_000)))).unwrap();
    let first = entry(engine, "k").unwrap();
    assert_eq!(first.metadata.as_deref(), Some(&b"{\"tag\": \"a b\"}"[..]));
    assert!(first.created_at.is_some() && first.updated_at.is_some());
    increment(engine, "k", 1.0).unwrap();
    let sum = entry(engine, "k").unwrap();
    assert_eq!((sum.metadata, sum.expires_at, sum.created_at), (first.metadata, first.expires_at, first.created_at));
    server.raw(&[b"SET", b"app:k", b"9", b"KEEPTTL"]);
    assert_eq!(entry(engine, "k").unwrap().metadata, None, "written by another client");
    engine.commit(Batch::one(with_metadata("5", None))).unwrap();
    set(engine, "k", "5").unwrap();
    assert_eq!(entry(engine, "k").unwrap().metadata, None, "a plain write replaces the record whole");

    let stamped = open(RedisOptions { timestamps: true, ..options(server.port) }).unwrap();
    set(stamped.engine().as_ref(), "t", "1").unwrap();
    let record = entry(stamped.engine().as_ref(), "t").unwrap();
    set(stamped.engine().as_ref(), "t", "2").unwrap();
    let again = entry(stamped.engine().as_ref(), "t").unwrap();
    assert!(record.created_at.is_some());
    assert_eq!(again.created_at, record.created_at);

    server.raw(&[b"DEL", b"app:t", b"app:k"]);
    engine.compact().unwrap();
    assert_eq!(server.raw(&[b"EXISTS", b"app:\xffholdfast:companions"]), b":0\r\n", "orphans are removed");
}

#[test]
fn the_internal_keyspace_is_ordered_and_unlisted() {
    let server = RedisServer::start(&[]);
    let lease = connect(server.port);
    let engine = lease.engine().as_ref();
    let internal = |key: &[u8], value: Value| Op::Set {
        space: Space::Internal,
        key: Key::copy_from_slice(key),
        value,
        expires_at: None,
        metadata: None,
    };
    let names: Vec<Vec<u8>> =
        vec![vec![], vec![0], vec![0, 255], b"a".to_vec(), b"a\xff".to_vec(), b"b".to_vec(), vec![255]];
    let ops = names.iter().rev().map(|name| internal(name, Value::Binary(name.clone().into()))).collect();
    engine.commit(Batch { ops, ..Batch::default() }).unwrap();
    let scan = |range: &KeyRange| {
        let mut found = Vec::new();
        for_each_page(&*engine.view().unwrap(), Space::Internal, range, Projection::Values, |page| {
            for (key, item) in page {
                let Item::Value(Value::Binary(value)) = item else { panic!("{item:?}") };
                assert_eq!(key, value);
                found.push(key.to_vec());
            }
            Ok(true)
        })
        .unwrap();
        found
    };
    assert_eq!(scan(&KeyRange::all()), names);
    let reversed = scan(&KeyRange { reverse: true, ..KeyRange::all() });
    assert_eq!(reversed, names.iter().rev().cloned().collect::<Vec<_>>());
    assert_eq!(scan(&KeyRange::prefix(&b"a"[..])), names[3..5]);
    assert!(keys(engine, &KeyRange::all()).is_empty());
    let range = KeyRange::prefix(&b"a"[..]);
    let ops = vec![
        internal(b"a3", Value::json("1")),
        Op::DeleteRange { space: Space::Internal, range },
        internal(b"a4", Value::Binary(Bytes::from_static(b"a4"))),
    ];
    engine.commit(Batch { ops, ..Batch::default() }).unwrap();
    assert_eq!(scan(&KeyRange::prefix(&b"a"[..])), [b"a4".to_vec()]);
    let Reply::Value(value) = engine.wait(Request::Read(Read::Get(Space::Internal, "a4".into()))).unwrap() else {
        panic!("a value was asked for")
    };
    assert_eq!(value, Some(Value::Binary(Bytes::from_static(b"a4"))));
    assert!(engine.verify(false, &mut |_, _| Ok(())).unwrap().errors.is_empty());
}

#[test]
fn a_full_server_says_no_space_and_still_reads() {
    let server = RedisServer::start(&["--maxmemory", "1", "--maxmemory-policy", "noeviction"]);
    let lease = connect(server.port);
    let engine = lease.engine().as_ref();
    assert_eq!(set(engine, "k", "1").unwrap_err().code(), Code::NoSpace);
    assert_eq!(increment(engine, "n", 1.0).unwrap_err().code(), Code::NoSpace);
    assert_eq!(get(engine, "k").unwrap(), None);
}

#[test]
fn closing_answers_everything_and_refuses_what_comes() {
    let server = RedisServer::start(&[]);
    let lease = connect(server.port);
    let engine = lease.engine().clone();
    let (sender, receiver) = mpsc::channel();
    for i in 0..2000 {
        let sender = sender.clone();
        let done = move |reply: Result<Reply>| drop(sender.send(reply.map(drop)));
        engine.submit(Request::Commit(Batch::one(set_op(&format!("k{i}"), "1"))), Box::new(done));
    }
    drop(sender);
    let view = engine.view().unwrap();
    lease.close().unwrap();
    let error = view.scan(Space::User, &KeyRange::all(), Projection::Keys, None, 1000).unwrap_err();
    assert_eq!(error.code(), Code::Closed);
    assert_eq!(receiver.iter().filter(Result::is_ok).count(), 2000);
    assert_eq!(get(engine.as_ref(), "k1").unwrap_err().code(), Code::Closed);
    engine.close().unwrap();
}

#[test]
fn tls_trusts_the_given_authority_and_nobody_else() {
    let key = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (certificate, secret) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let pem = key.cert.pem();
    std::fs::write(&certificate, &pem).unwrap();
    std::fs::write(&secret, key.signing_key.serialize_pem()).unwrap();
    let port = free_port();
    let (certificate, secret) = (certificate.to_str().unwrap(), secret.to_str().unwrap());
    let tls_port = port.to_string();
    let args =
        ["--tls-port", &tls_port, "--tls-cert-file", certificate, "--tls-key-file", secret, "--tls-auth-clients", "no"];
    let _server = RedisServer::start(&args);
    let with = |tls: TlsOptions| RedisOptions {
        url: Some(format!("rediss://localhost:{port}")),
        port: None,
        tls: Some(tls),
        ..options(port)
    };
    let lease = open(with(TlsOptions { ca: Some(pem.into_bytes()), ..TlsOptions::default() })).unwrap();
    let engine = lease.engine().as_ref();
    let large = format!("\"{}\"", "x".repeat(3 << 20));
    set(engine, "large", &large).unwrap();
    assert_eq!(get(engine, "large").unwrap(), json(&large));
    for i in 0..200 {
        set(engine, &format!("k{i}"), "1").unwrap();
    }
    assert_eq!(keys(engine, &KeyRange::prefix(&b"k"[..])).len(), 200);
    let error = failure(with(TlsOptions::default()));
    assert_eq!(error.code(), Code::Connection, "{error}");
    assert!(open(with(TlsOptions { insecure: true, ..TlsOptions::default() })).is_ok());
}

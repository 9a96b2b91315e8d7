//! A server that is away, or that has become a replica. No test measures time: where a wait must be short, all timeouts
//! are long, so that a wait for one of them would end the test.

use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::calls::{connect, options, set, until_ok};
use crate::proxy::{HOLD, PASS, Proxy, REFUSE};
use crate::redis_server::RedisServer;
use holdfast_core::engine::redis::{Availability, RedisOptions, open};
use holdfast_core::engine::registry::Lease;
use holdfast_core::engine::watch::Options;
use holdfast_core::engine::{Read, Reply, Request};
use holdfast_core::testing::{Calls, Watcher, json, key, submit};
use holdfast_core::{Batch, Code, KeyRange, Op, Result, Space};

const LONG: Duration = Duration::from_secs(3600);

/// A call that must end although every timeout is long.
fn soon<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || drop(sender.send(call())));
    receiver.recv_timeout(Duration::from_secs(60)).expect("it waits for a timeout")
}

/// An engine, and what its listener is told.
fn listened(options: RedisOptions) -> (Lease, Receiver<Availability>) {
    let (sender, told) = mpsc::channel();
    let sender = Mutex::new(sender);
    let listener = move |event: &Availability| drop(sender.lock().unwrap().send(event.clone()));
    (open(RedisOptions { listener: Some(Arc::new(listener)), ..options }).unwrap(), told)
}

fn is_down(told: &Receiver<Availability>) {
    match told.recv_timeout(Duration::from_secs(60)) {
        Ok(Availability::Down(error)) => assert_eq!((error.code(), error.engine()), (Code::Connection, Some("redis"))),
        other => panic!("{other:?}"),
    }
}

fn is_up(told: &Receiver<Availability>) {
    let event = told.recv_timeout(Duration::from_secs(60));
    assert!(matches!(event, Ok(Availability::Up)), "{event:?}");
}

fn requests() -> Vec<Request> {
    let clear = || Request::Commit(Batch::one(Op::delete_range(KeyRange::prefix("x"))));
    (0..16)
        .flat_map(|n| match n % 4 {
            0 => vec![Request::Keys(KeyRange::all()), Request::Read(Read::Get(Space::User, key("k")))],
            1 => vec![Request::Count(KeyRange::all()), Request::Commit(Batch::one(Op::set("k", json("1"))))],
            2 => vec![clear(), Request::View],
            _ => vec![Request::Keys(KeyRange::prefix("k"))],
        })
        .collect()
}

fn code(receiver: &Receiver<Result<Reply>>) -> Option<Code> {
    receiver.recv().expect("each call is answered").err().map(|error| error.code())
}

#[test]
fn calls_made_together_wait_together() {
    let mut server = RedisServer::start(&[]);
    let (lease, told) = listened(RedisOptions { connect_timeout: Duration::from_millis(700), ..options(server.port) });
    let engine = lease.engine().as_ref();
    engine.keys(&KeyRange::all());
    server.kill();
    is_down(&told);
    let receivers: Vec<_> = requests().into_iter().map(|request| submit(engine, request)).collect();
    assert_eq!(code(&receivers[0]), Some(Code::Connection));
    // A call that began to wait only now would find the server.
    server.start_again();
    for (place, receiver) in receivers.iter().enumerate().skip(1) {
        assert_eq!(code(receiver), Some(Code::Connection), "call {place}");
    }
    is_up(&told);
    engine.set("k", "1");
    assert_eq!(engine.keys(&KeyRange::all()), ["k"]);
}

#[test]
fn a_scan_waits_for_its_own_connection_only() {
    let server = RedisServer::start(&[]);
    let proxy = Proxy::to(server.port);
    let lease = open(RedisOptions { connect_timeout: Duration::from_millis(700), ..options(proxy.port) }).unwrap();
    let engine = lease.engine().as_ref();
    engine.set("k", "1");
    // The connection for scans is not there yet, and no new one is accepted.
    server.raw(&[b"CONFIG", b"SET", b"maxclients", b"1"]);
    let receivers: Vec<_> = (0..16).map(|_| submit(engine, Request::Keys(KeyRange::all()))).collect();
    let error = receivers[0].recv().unwrap().err().expect("no connection");
    assert_eq!(error.code(), Code::Connection);
    assert!(error.message().contains("maxclients"), "what the server said is told: {error}");
    for receiver in &receivers[1..] {
        assert_eq!(code(receiver), Some(Code::Connection));
    }
    assert_eq!(engine.value("k").as_deref(), Some("1"));
}

#[test]
fn what_the_server_says_before_it_hangs_up_is_told() {
    let server = RedisServer::start(&["--maxclients", "1"]);
    let _one = connect(server.port);
    let error = open(options(server.port)).err().expect("there is no room");
    assert_eq!(error.code(), Code::Connection);
    assert!(error.message().contains("maxclients"), "{error}");
    assert_eq!(error.message().matches("redis at").count(), 1, "{error}");
}

#[test]
fn a_message_has_its_text_once() {
    let mut server = RedisServer::start(&[]);
    let (lease, told) = listened(RedisOptions { connect_timeout: Duration::from_millis(200), ..options(server.port) });
    server.kill();
    is_down(&told);
    let error = set(lease.engine().as_ref(), "k", "1").unwrap_err();
    assert_eq!(error.message().matches("no connection").count(), 1, "{error}");
}

#[test]
fn every_loss_and_every_new_connection_is_told_once() {
    let mut server = RedisServer::start(&[]);
    let proxy = Proxy::to(server.port);
    let (lease, told) = listened(options(proxy.port));
    lease.engine().set("k", "1");
    for _ in 0..3 {
        proxy.set(REFUSE);
        is_down(&told);
        proxy.set(PASS);
        is_up(&told);
        until_ok(|| set(lease.engine().as_ref(), "k", "1"));
    }
    server.crash_and_restart();
    is_down(&told);
    is_up(&told);
    assert_eq!(until_ok(|| lease.engine().try_value("k")), None);
    lease.close().unwrap();
    assert!(told.recv().is_err(), "a close is no loss");
}

#[test]
fn closing_ends_though_the_server_is_gone() {
    for watched in [false, true] {
        let server = RedisServer::start(&[]);
        let proxy = Proxy::to(server.port);
        let patient = RedisOptions { connect_timeout: LONG, command_timeout: LONG, ..options(proxy.port) };
        let (lease, told) = listened(patient);
        let engine = lease.engine().clone();
        engine.set("k", "1");
        engine.keys(&KeyRange::all());
        let watcher = watched.then(|| Watcher::new(&engine, Options::default()));
        proxy.set(REFUSE);
        is_down(&told);
        // Connections are accepted from now on, and nothing is answered.
        proxy.set(HOLD);
        let waiting: Vec<_> = requests().into_iter().map(|request| submit(engine.as_ref(), request)).collect();
        soon(move || lease.close()).unwrap();
        for receiver in &waiting {
            let code = soon_answered(receiver);
            assert!(matches!(code, Some(Code::Connection | Code::Closed)), "{code:?}");
        }
        drop(watcher);
    }
}

fn soon_answered(receiver: &Receiver<Result<Reply>>) -> Option<Code> {
    receiver.recv_timeout(Duration::from_secs(60)).expect("answered").err().map(|error| error.code())
}

#[test]
fn closing_an_idle_engine_does_not_wait_for_a_server_that_hangs() {
    let server = RedisServer::start(&[]);
    let patient = RedisOptions { connect_timeout: LONG, command_timeout: LONG, ..options(server.port) };
    let lease = open(patient).unwrap();
    let engine = lease.engine().clone();
    engine.keys(&KeyRange::all());
    let watcher = Watcher::new(&engine, Options::default());
    engine.set("k", "1");
    assert_eq!(watcher.told(1), [["k=1"]]);
    server.freeze();
    // The question about the latest commit is in flight and gets no answer: only that is waited for, a short time.
    let closing = std::thread::spawn(move || lease.close());
    let error = watcher.error();
    assert_eq!(error.code(), Code::Closed);
    server.thaw();
    closing.join().unwrap().unwrap();
}

/// Makes a server a replica of nothing. It refuses writes and answers reads.
fn demote(server: &RedisServer) {
    assert_eq!(server.raw(&[b"REPLICAOF", b"127.0.0.1", b"1"]), b"+OK\r\n");
}

#[test]
fn a_server_that_has_become_a_replica_is_left_for_the_new_primary() {
    let (before, after) = (RedisServer::start(&[]), RedisServer::start(&[]));
    let proxy = Proxy::to(before.port);
    let (lease, told) = listened(options(proxy.port));
    let engine = lease.engine().as_ref();
    engine.set("k", "1");
    demote(&before);
    proxy.lead_to(after.port);
    let writes =
        |name: &'static str, text: &str| submit(engine, Request::Commit(Batch::one(Op::set(name, json(text)))));
    let first = writes("a", "2");
    let read = submit(engine, Request::Read(Read::Get(Space::User, key("a"))));
    let checked = submit(engine, Request::Commit(Batch::one(Op::add("a", 1.0))));
    let last = writes("b", "3");
    for receiver in [first, checked, last] {
        assert_eq!(code(&receiver), None);
    }
    let Ok(Reply::Value(Some(value))) = read.recv().unwrap() else { panic!("a value is there") };
    assert_eq!(value, json("2"));
    assert_eq!((engine.value("a").as_deref(), engine.value("b").as_deref()), (Some("3"), Some("3")));
    assert_eq!(engine.value("k"), None, "this is the other server");
    assert_eq!(after.raw(&[b"GET", b"app:a"]), b"$1\r\n3\r\n");
    is_down(&told);
    is_up(&told);
}

#[test]
fn a_replica_refuses_writes_until_it_is_a_primary() {
    let server = RedisServer::start(&[]);
    let lease = connect(server.port);
    let engine = lease.engine().as_ref();
    engine.set("k", "1");
    demote(&server);
    for _ in 0..3 {
        assert_eq!(set(engine, "k", "2").unwrap_err().code(), Code::ReadOnly);
        assert_eq!(engine.value("k").as_deref(), Some("1"), "reads go on");
    }
    server.raw(&[b"REPLICAOF", b"NO", b"ONE"]);
    engine.set("k", "2");
    assert_eq!(engine.value("k").as_deref(), Some("2"));
}

//! Calls take effect in the order in which they were made, also when the server has forgotten the script that commits.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::calls::{connect, options, set};
use crate::redis_server::RedisServer;
use holdfast_core::engine::redis::{RedisOptions, open};
use holdfast_core::engine::{Engine, Read, Reply, Request};
use holdfast_core::testing::{Calls, json, key, submit, text};
use holdfast_core::{Batch, Check, Code, Commit, Op, Outcome, Record, Result, Space};

/// The answers to requests that were all made before the first answer came, in the order of the requests.
fn together(engine: &dyn Engine, requests: Vec<Request>) -> Vec<Result<Reply>> {
    let receivers: Vec<_> = requests.into_iter().map(|request| submit(engine, request)).collect();
    receivers.into_iter().map(|receiver| receiver.recv().expect("each call is answered")).collect()
}

fn write(name: &str, text: &str) -> Request {
    Request::Commit(Batch::one(Op::set(key(name), json(text))))
}

fn read(name: &str) -> Request {
    Request::Read(Read::Get(Space::User, key(name)))
}

fn shown(reply: &Result<Reply>) -> String {
    match reply {
        Ok(Reply::Value(Some(value)) | Reply::Entry(Some(Record { value, .. }))) => text(value),
        Ok(Reply::Values(values)) => values.iter().flatten().map(text).collect(),
        Ok(Reply::Commit(Commit { outcomes, .. })) => match outcomes[..] {
            [Outcome::Added { value, .. }] => value.to_string(),
            _ => panic!("not an addition"),
        },
        Ok(_) => panic!("not a value"),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_read_sees_the_write_before_it_when_the_script_is_forgotten() {
    let server = RedisServer::start(&[]);
    let lease = connect(server.port);
    let engine = lease.engine().as_ref();
    for round in 0..50 {
        set(engine, "k", "\"old\"").unwrap();
        server.raw(&[b"SCRIPT", b"FLUSH"]);
        let new = format!("\"{round}\"");
        let many = Request::Read(Read::Many(Space::User, vec![key("k")]));
        let entry = Request::Read(Read::Entry(Space::User, key("k")));
        let add = Request::Commit(Batch::one(Op::add("n", 1.0)).reporting());
        let answers = together(
            engine,
            vec![read("k"), write("k", &new), read("k"), many, add, entry, write("k", "\"last\""), read("k")],
        );
        assert_eq!(shown(&answers[0]), "\"old\"");
        assert_eq!(shown(&answers[2]), new);
        assert_eq!(shown(&answers[3]), new);
        assert_eq!(shown(&answers[4]), (round + 1).to_string());
        assert_eq!(shown(&answers[5]), new);
        assert_eq!(shown(&answers[7]), "\"last\"");
    }
}

#[test]
fn writes_keep_their_order_while_others_flush_and_load_the_script() {
    let server = RedisServer::start(&[]);
    let lease = connect(server.port);
    let engine = lease.engine().as_ref();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                server.raw(&[b"SCRIPT", b"FLUSH"]);
            }
        });
        for _ in 0..2 {
            // Clients that bring the script back.
            scope.spawn(|| {
                let other = connect(server.port);
                while !over.load(Ordering::Relaxed) {
                    other.engine().set("other", "1");
                }
            });
        }
        for round in 0..400 {
            let absent = || Batch::one(Op::set("k", json("0"))).with_checks([Check::absent("k")]);
            let mut requests = Vec::new();
            for n in 0..20 {
                let name = if n % 7 == 6 { "with metadata" } else { "k" };
                requests.push(write(name, &n.to_string()));
                if n % 5 == 4 {
                    requests.push(Request::Commit(absent()));
                    requests.push(read("k"));
                }
            }
            let mut last = 0;
            for (place, answer) in together(engine, requests).into_iter().enumerate() {
                match answer {
                    Ok(Reply::Commit(commit)) => {
                        assert!(commit.seq > last, "round {round}, call {place}: {} behind {last}", commit.seq);
                        last = commit.seq;
                    }
                    Ok(_) => {}
                    Err(error) => assert_eq!(error.code(), Code::Conflict, "{error}"),
                }
            }
            assert_eq!(engine.value("k").as_deref(), Some("19"), "round {round}");
        }
        over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_user_who_may_not_load_scripts_has_the_same_order() {
    let server = RedisServer::start(&[]);
    server.raw(&[b"ACL", b"SETUSER", b"app", b"on", b">pw", b"~*", b"&*", b"+@all", b"-script|load"]);
    let (username, password) = (Some("app".into()), Some("pw".into()));
    let lease = open(RedisOptions { username, password, ..options(server.port) }).unwrap();
    let engine = lease.engine().as_ref();
    for round in 0..20 {
        server.raw(&[b"SCRIPT", b"FLUSH"]);
        let new = round.to_string();
        let answers = together(engine, vec![write("k", &new), read("k")]);
        assert_eq!(shown(&answers[1]), new);
    }
}

#[test]
fn a_full_server_refuses_calls_in_flight_together() {
    let server = RedisServer::start(&["--maxmemory", "1", "--maxmemory-policy", "noeviction"]);
    let lease = connect(server.port);
    let engine = lease.engine().as_ref();
    let requests =
        (0..300).map(|n| if n % 3 == 0 { read("k") } else { Request::Commit(Batch::one(Op::add("n", 1.0))) });
    for (place, answer) in together(engine, requests.collect()).into_iter().enumerate() {
        match answer {
            Ok(Reply::Value(None)) => {}
            Err(error) => assert_eq!(error.code(), Code::NoSpace, "call {place}: {error}"),
            Ok(_) => panic!("call {place} was carried out"),
        }
    }
}

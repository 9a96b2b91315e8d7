//! Data on the server, as this engine and other clients write and read it.
use crate::calls::{connect, increment, options, set};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::redis_server::RedisServer;
use bytes::Bytes;
use holdfast_core::engine::redis::{RedisOptions, open};
use holdfast_core::engine::{EngineExt, Item, Projection, Read, Reply, Request, for_each_page};
use holdfast_core::testing::{Calls, json};
use holdfast_core::{Batch, Check, Code, Error, Key, KeyRange, Op, Outcome, RangeCheck, Space, Value, Version};

#[test]
fn other_clients_read_what_was_written_and_their_writes_are_read() {
    let server = RedisServer::start(&[]);
    let lease = connect(server.port);
    let engine = lease.engine().as_ref();
    engine.set("user:1", r#"{"name":"Ann"}"#);
    assert_eq!(server.raw(&[b"GET", b"app:user:1"]), b"$14\r\n{\"name\":\"Ann\"}\r\n");
    let binary = Value::Binary(Bytes::from_static(&[1, 2]));
    engine.run(Op::set("b", binary.clone()));
    assert_eq!(server.raw(&[b"GET", b"app:b"]), b"$18\r\n{\"$binary\":\"AQI=\"}\r\n");
    assert_eq!(engine.entry("b").unwrap().value, binary);

    server.raw(&[b"SET", b"app:theirs", b"[1, 2]"]);
    let before = engine.entry("theirs").unwrap();
    assert_eq!(before.value, json("[1, 2]"));
    server.raw(&[b"PEXPIREAT", b"app:theirs", b"4000000000000"]);
    let after = engine.entry("theirs").unwrap();
    assert_eq!((before.expires_at, after.expires_at), (None, Some(4_000_000_000_000)));
    assert_ne!(before.version, after.version);
    assert_eq!(engine.entry("theirs").unwrap().version, after.version, "the version of an expiring key is stable");
    server.raw(&[b"DEL", b"app:user:1"]);
    assert_eq!(engine.value("user:1"), None);
}

#[test]
fn what_is_no_json_or_no_string_is_corrupted_and_named() {
    let server = RedisServer::start(&[]);
    let lease = connect(server.port);
    let engine = lease.engine().as_ref();
    server.raw(&[b"SET", b"app:text", b"not json"]);
    server.raw(&[b"RPUSH", b"app:list", b"1"]);
    engine.set("good", "1");
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
    assert_eq!(engine.keys(&KeyRange::all()), ["good"], "repair sets damaged keys aside");
    assert!(engine.verify(false, &mut |_, _| Ok(())).unwrap().errors.is_empty());
    engine.set("list", "2");
    assert_eq!(engine.value("list").as_deref(), Some("2"));
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
        engine.set(name, "1");
    }
    names.sort_unstable();
    assert_eq!(engine.keys(&KeyRange::all()), names);
    assert_eq!(engine.keys(&KeyRange::glob("pla\\*n")), ["pla*n"]);
    assert_eq!(engine.keys(&KeyRange::glob("pl?[!-~]*")), ["pla*n", "plain"]);
    let start = Instant::now();
    engine.set(&"a".repeat(4000), "1");
    assert!(engine.keys(&KeyRange::glob(&format!("{}b", "a*".repeat(1000)))).is_empty());
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!(engine.value("a\0b").as_deref(), Some("1"));
    engine.run(Op::delete_range(KeyRange::prefix("pla")));
    assert!(!engine.keys(&KeyRange::all()).iter().any(|key| key.starts_with("pla")));
    engine.run(Op::delete_range(KeyRange::all()));
    assert!(engine.keys(&KeyRange::all()).is_empty());
    assert_eq!(server.raw(&[b"EXISTS", b"aa[x]b\\:foreign", b"ax?:foreign"]), b":2\r\n");
}

#[test]
fn a_clear_comes_before_what_is_written_after_it() {
    let server = RedisServer::start(&[]);
    let lease = connect(server.port);
    let engine = lease.engine();
    engine.run(Batch::of((0..3000).map(|i| Op::set(format!("k{i}"), json("1")))));
    let (sender, receiver) = mpsc::channel();
    let submit = |batch: Batch| {
        let sender = sender.clone();
        engine.submit(Request::Commit(batch), Box::new(move |reply| drop(sender.send(reply.map(drop)))));
    };
    submit(Batch::one(Op::set("before", json("1"))));
    submit(Batch::one(Op::delete_range(KeyRange::all())));
    submit(Batch::one(Op::set("after", json("1"))));
    submit(Batch::of([
        Op::set("gone", json("1")),
        Op::delete_range(KeyRange::prefix("g")),
        Op::set("last", json("2")),
    ]));
    drop(sender);
    assert_eq!(receiver.iter().flatten().count(), 4);
    assert_eq!(engine.keys(&KeyRange::all()), ["after", "last"]);
}

#[test]
fn two_engines_count_exactly() {
    let server = RedisServer::start(&[]);
    let leases = Arc::new([connect(server.port), connect(server.port)]);
    let before = leases[0].engine().set("other", "1").seq;
    let threads: Vec<_> = (0..4)
        .map(|i| {
            let leases = leases.clone();
            std::thread::spawn(move || {
                for _ in 0..500 {
                    leases[i % 2].engine().add("n", 1.0);
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(leases[0].engine().value("n").as_deref(), Some("2000"));
    assert_eq!(leases[1].engine().set("other", "2").seq, before + 2001, "every commit counts once");
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
            engine.run(Op::set("n", Value::from_number(a)));
            if is_beyond_exact(a, b) {
                let refused = engine.commit(Batch::one(Op::add("n", b))).unwrap_err();
                assert_eq!(refused.code(), Code::InvalidArgument, "{a} + {b}");
                assert_eq!(engine.entry("n").unwrap().value, Value::from_number(a));
                continue;
            }
            let outcome = engine.commit(Batch::one(Op::add("n", b)).reporting()).unwrap().outcomes;
            let Some(Outcome::Added { value, version }) = outcome.first() else { panic!("{outcome:?}") };
            let same = value.to_bits() == (a + b).to_bits() || (value.is_nan() && (a + b).is_nan());
            assert!(same, "{a} + {b} = {value}");
            let record = engine.entry("n").unwrap();
            assert_eq!(record.value, Value::from_number(a + b), "{a} + {b}");
            assert_eq!(record.version, *version);
        }
    }
    engine.set("text", "\"1\"");
    let error = increment(engine, "text", 1.0).unwrap_err();
    assert_eq!((error.code(), error.key()), (Code::InvalidArgument, Some("text")));
}

/// True if both are whole numbers whose exact sum is beyond 2^53.
#[allow(clippy::float_cmp, reason = "the sum is exact or it is not")]
fn is_beyond_exact(a: f64, b: f64) -> bool {
    const MAX: f64 = 9_007_199_254_740_992.0;
    let sum = a + b;
    let whole = a.fract() == 0.0 && b.fract() == 0.0;
    whole && (sum.abs() > MAX || sum.abs() == MAX && (sum - a != b || sum - b != a))
}

#[test]
fn conditions_are_checked_in_one_step() {
    let server = RedisServer::start(&[]);
    let lease = connect(server.port);
    let engine = lease.engine().as_ref();
    let guarded = |version: Option<Version>, text: &str| {
        Batch::one(Op::set("k", json(text))).with_checks([Check::new("k", version)]).reporting()
    };
    let outcomes = engine.commit(guarded(None, "1")).unwrap().outcomes;
    let [Outcome::Set { version }] = outcomes.as_slice() else { panic!("{outcomes:?}") };
    assert_eq!(engine.entry("k").unwrap().version, *version);
    let error = engine.commit(guarded(None, "2")).unwrap_err();
    assert_eq!((error.code(), error.key()), (Code::Conflict, Some("k")));
    let seq = engine.commit(guarded(Some(*version), "2")).unwrap().seq;
    server.raw(&[b"SET", b"app:k", b"3"]);
    assert_eq!(engine.commit(guarded(Some(*version), "4")).unwrap_err().code(), Code::Conflict);

    let ranged =
        |since| Batch::one(Op::set("r", json("1"))).with_range_checks([RangeCheck::new(KeyRange::all(), since)]);
    let next = engine.commit(ranged(seq)).unwrap().seq;
    assert_eq!(next, seq + 1);
    assert_eq!(engine.commit(ranged(seq)).unwrap_err().code(), Code::Conflict);
    let failing =
        Batch::of([Op::set("half", json("1")), Op::add("half", 1.0), Op::set("s", json("\"\"")), Op::add("s", 1.0)]);
    assert_eq!(engine.commit(failing).unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(engine.value("half"), None, "a batch that fails leaves nothing");
}

#[test]
fn metadata_is_believed_while_it_fits_its_value() {
    let server = RedisServer::start(&[]);
    let lease = connect(server.port);
    let engine = lease.engine().as_ref();
    let with_metadata = |text: &str, expires_at| {
        Op::set("k", json(text)).expiring(expires_at).with_metadata(Bytes::from_static(b"{\"tag\": \"a b\"}"))
    };
    engine.run(with_metadata("1", Some(4_000_000_000_000)));
    let first = engine.entry("k").unwrap();
    assert_eq!(first.metadata.as_deref(), Some(&b"{\"tag\": \"a b\"}"[..]));
    assert!(first.created_at.is_some() && first.updated_at.is_some());
    engine.add("k", 1.0);
    let sum = engine.entry("k").unwrap();
    assert_eq!((sum.metadata, sum.expires_at, sum.created_at), (first.metadata, first.expires_at, first.created_at));
    server.raw(&[b"SET", b"app:k", b"9", b"KEEPTTL"]);
    assert_eq!(engine.entry("k").unwrap().metadata, None, "written by another client");
    engine.run(with_metadata("5", None));
    engine.set("k", "5");
    assert_eq!(engine.entry("k").unwrap().metadata, None, "a plain write replaces the record whole");

    let stamped = open(RedisOptions { timestamps: true, ..options(server.port) }).unwrap();
    stamped.engine().set("t", "1");
    let record = stamped.engine().entry("t").unwrap();
    stamped.engine().set("t", "2");
    let again = stamped.engine().entry("t").unwrap();
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
    let internal = |key: &[u8], value| Op::set(Key::copy_from_slice(key), value).in_space(Space::Internal);
    let names: Vec<Vec<u8>> =
        vec![vec![], vec![0], vec![0, 255], b"a".to_vec(), b"a\xff".to_vec(), b"b".to_vec(), vec![255]];
    let binary = |name: &Vec<u8>| internal(name, Value::Binary(name.clone().into()));
    engine.run(Batch::of(names.iter().rev().map(binary)));
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
    assert_eq!(scan(&KeyRange::prefix("a")), names[3..5]);
    assert!(engine.keys(&KeyRange::all()).is_empty());
    engine.run([
        internal(b"a3", json("1")),
        Op::delete_range(KeyRange::prefix("a")).in_space(Space::Internal),
        internal(b"a4", Value::Binary(Bytes::from_static(b"a4"))),
    ]);
    assert_eq!(scan(&KeyRange::prefix("a")), [b"a4".to_vec()]);
    let Reply::Value(value) = engine.read(Read::Get(Space::Internal, "a4".into())).unwrap() else {
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
    assert_eq!(engine.value("k"), None);
}

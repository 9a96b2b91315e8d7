//! Replacements of the content: what a crash or a fault leaves of them, and which are refused.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::calls::{connect, options, set, until_ok};
use crate::proxy::Proxy;
use crate::redis_server::RedisServer;
use holdfast_core::batch::IntentId;
use holdfast_core::engine::intent::Decision;
use holdfast_core::engine::redis::{RedisOptions, open};
use holdfast_core::engine::registry::Lease;
use holdfast_core::engine::{Engine, EngineExt, Item, Projection, Staged, Staging, for_each_page};
use holdfast_core::testing::{Calls, error_of, json};
use holdfast_core::transaction::{self, Transaction};
use holdfast_core::{Batch, Code, Key, KeyRange, Op, Record, Result, Space, Value};

pub(crate) fn ours(name: &str) -> Vec<u8> {
    [b"app:\xffholdfast:", name.as_bytes()].concat()
}

pub(crate) fn user(name: &str, text: &str) -> Staged {
    let record = Record::bare(Value::json(text.to_owned()), None);
    Staged { space: Space::User, key: Key::from(name.to_owned()), record }
}

fn internal(name: &str, text: &str) -> Staged {
    Staged { space: Space::Internal, ..user(name, text) }
}

/// The text, expiry and metadata of every record that a replacement replaces.
type Content = BTreeMap<(Space, Key), (Vec<u8>, Option<u64>, Option<Vec<u8>>)>;

pub(crate) fn content(engine: &dyn Engine) -> Content {
    let view = engine.view().unwrap();
    let models = KeyRange { start: std::ops::Bound::Included(Key::from_static(b"\x01")), ..KeyRange::all() };
    let mut found = Content::new();
    for (space, range) in [(Space::User, KeyRange::all()), (Space::Internal, models)] {
        for_each_page(&*view, space, &range, Projection::Records, |page| {
            for (key, item) in page {
                let Item::Record(record) = item else { panic!("not a record") };
                let metadata = record.metadata.map(|metadata| metadata.to_vec());
                found.insert((space, key), (record.value.to_text().to_vec(), record.expires_at, metadata));
            }
            Ok(true)
        })
        .unwrap();
    }
    found
}

/// What a replacement stages that `content` gives back.
pub(crate) fn expected(records: &[Staged]) -> Content {
    let entry = |Staged { space, key, record }: &Staged| {
        let metadata = record.metadata.as_ref().map(|metadata| metadata.to_vec());
        ((*space, key.clone()), (record.value.to_text().to_vec(), record.expires_at, metadata))
    };
    records.iter().map(entry).collect()
}

/// Records of every kind: plain ones, some with an expiry, some with metadata, and internal ones.
pub(crate) fn records(generation: &str, count: usize) -> Vec<Staged> {
    let mut records = Vec::new();
    for n in 0..count {
        let mut staged =
            user(&format!("{}/{n:05}", if n % 2 == 0 { "both" } else { generation }), &format!("\"{generation}\""));
        staged.record.expires_at = (n % 7 == 0).then_some(4_000_000_000_000);
        staged.record.metadata = (n % 11 == 0).then(|| format!("{{\"of\":\"{generation}\"}}").into());
        records.push(staged);
        if n % 5 == 0 {
            records
                .push(internal(&format!("\x01{}/{n}", if n % 2 == 0 { "both" } else { generation }), &n.to_string()));
        }
    }
    records
}

pub(crate) fn stage(engine: &dyn Engine, records: &[Staged]) -> Result<Box<dyn Staging>> {
    // The first one makes another connection, which may take a hasty client too long.
    let mut staging = match engine.stage() {
        Err(error) if error.code() == Code::Connection => until_ok(|| engine.stage()),
        result => result?,
    };
    for part in records.chunks(1000) {
        staging.write(part.to_vec())?;
    }
    Ok(staging)
}

pub(crate) fn replace(engine: &dyn Engine, records: &[Staged]) -> Result<u64> {
    stage(engine, records)?.swap().map(|commit| commit.seq)
}

fn exists(server: &RedisServer, name: &str) -> bool {
    server.raw(&[b"EXISTS", &ours(name)]) == b":1\r\n"
}

/// Nothing of a replacement is left on the server.
pub(crate) fn is_clean(server: &RedisServer) {
    let script = b"return #redis.call('KEYS', ARGV[1]) + redis.call('EXISTS', KEYS[1], KEYS[2])";
    let [marker, ranges, staged] = ["replacement", "ranges", "stag*"].map(ours);
    let left = server.raw(&[b"EVAL", script, b"2", &marker, &ranges, &staged]);
    assert_eq!(left, b":0\r\n", "names are left");
}

/// As if the client that stages had been gone for long.
fn forget_stager(server: &RedisServer) {
    server.raw(&[b"DEL", &ours("stager")]);
}

/// A client that soon gives up a lost connection.
fn hasty(port: u16) -> Lease {
    until_ok(|| open(RedisOptions { connect_timeout: Duration::from_millis(60), ..options(port) }))
}

/// Stages over a connection that is cut for good after `bytes` more, as if the client had crashed. Returns the result
/// of the swap.
fn swap_and_crash(server: &RedisServer, records: &[Staged], bytes: u32) -> Result<u64> {
    let proxy = Proxy::to(server.port);
    let lease = hasty(proxy.port);
    let staging = stage(lease.engine().as_ref(), records).unwrap();
    proxy.cut_for_good();
    proxy.cut_requests_after(bytes);
    staging.swap().map(|commit| commit.seq)
}

#[test]
fn a_crash_at_any_step_leaves_one_content_or_the_other() {
    let server = RedisServer::start(&[]);
    let (old, new) = (records("old", 1500), records("new", 1500));
    let (mut kept, mut replaced) = (0, 0);
    for bytes in (0..).step_by(5000) {
        let before = connect(server.port);
        let engine = before.engine().as_ref();
        replace(engine, &old).unwrap();
        set(engine, "old/one", "1").unwrap();
        let is_old = content(engine);
        before.close().unwrap();

        let result = swap_and_crash(&server, &new, bytes);
        forget_stager(&server);
        let after = connect(server.port);
        let engine = after.engine().as_ref();
        let found = content(engine);
        match &result {
            Ok(_) => assert!(found == expected(&new), "{bytes}: the swap was over"),
            Err(error) if error.code() == Code::UnknownOutcome => {
                assert!(found == is_old || found == expected(&new), "{bytes}: a mixture");
            }
            Err(error) => {
                assert_eq!(error.code(), Code::Connection, "{error}");
                assert!(found == is_old, "{bytes}: {error}, but it was replaced");
            }
        }
        if found == is_old {
            kept += 1;
        } else {
            replaced += 1;
        }
        is_clean(&server);
        set(engine, "old/one", "2").unwrap();
        assert!(engine.verify(false, &mut |_, _| Ok(())).unwrap().errors.is_empty());
        if result.is_ok() {
            break;
        }
    }
    println!("{} connections cut: {kept} kept the old content, {replaced} have the new", kept + replaced);
    assert!(kept > 0 && replaced > 5, "{kept} kept, {replaced} replaced");
}

#[test]
fn a_lost_connection_does_not_stop_a_swap() {
    let server = RedisServer::start(&[]);
    let proxy = Proxy::to(server.port);
    let lease = connect(proxy.port);
    let engine = lease.engine().as_ref();
    let mut reconnects = 0;
    for round in 0..24_u32 {
        let new = records(&format!("g{round}"), 800);
        let staging = stage(engine, &new).unwrap();
        if round % 2 == 0 {
            proxy.cut_requests_after(round * 1500);
        } else {
            proxy.cut_replies_after(round * 40);
        }
        let seq = staging.swap().unwrap().seq;
        assert!(content(engine) == expected(&new), "round {round}");
        assert_eq!(set(engine, "after", "1").unwrap(), seq + 1, "the numbers follow each other");
        is_clean(&server);
        reconnects = engine.stats().unwrap().details.iter().find(|(name, _)| *name == "reconnects").unwrap().1;
    }
    assert!(reconnects > 12, "{reconnects} connections were lost");
}

#[test]
fn a_crash_of_the_server_leaves_one_content_or_the_other() {
    let mut server = RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let (old, new) = (records("old", 4000), records("new", 4000));
    for round in 0..8 {
        let lease = hasty(server.port);
        let engine = lease.engine().clone();
        replace(engine.as_ref(), &old).unwrap();
        let staging = stage(engine.as_ref(), &new).unwrap();
        let swapping = thread::spawn(move || staging.swap().map(|commit| commit.seq));
        thread::sleep(Duration::from_millis(2 + round * 5));
        server.kill();
        let result = swapping.join().unwrap();
        server.start_again();
        forget_stager(&server);
        let after = connect(server.port);
        let found = content(after.engine().as_ref());
        let is_new = found == expected(&new);
        assert!(is_new || found == expected(&old), "round {round}: a mixture after {result:?}");
        match result {
            Ok(_) => assert!(is_new, "round {round}"),
            Err(error) if error.code() == Code::UnknownOutcome => {}
            Err(error) => assert!(!is_new, "round {round}: {error}"),
        }
        is_clean(&server);
    }
}

#[test]
fn the_next_commit_or_transaction_of_any_client_finishes_what_a_crash_interrupted() {
    let server = RedisServer::start(&[]);
    let (old, new) = (records("old", 1500), records("new", 4000));
    // The phases in which a commit, or a transaction, has met the replacement.
    let mut met = [String::new(), String::new()];
    for (round, bytes) in (0..).step_by(4000).enumerate() {
        let lease = connect(server.port);
        let engine = lease.engine();
        replace(engine.as_ref(), &old).unwrap();
        let reads = round % 2 == 0;
        let inside = Inside::begin(engine);
        if reads {
            assert!(inside.engine.value("old/00001").is_some());
        }
        match swap_and_crash(&server, &new, bytes) {
            Ok(_) => break,
            Err(error) => assert!(matches!(error.code(), Code::UnknownOutcome | Code::Connection), "{error}"),
        }
        forget_stager(&server);
        let marker = String::from_utf8(server.raw(&[b"GET", &ours("replacement")])).unwrap();
        let Some(phase) = marker.split(' ').nth(2) else { continue };
        met[usize::from(reads)].push_str(phase);
        if reads {
            let error = inside.engine.try_value("new/00001").unwrap_err();
            assert_eq!(error.code(), Code::Conflict, "it has read what was replaced");
        } else {
            let error = set(engine.as_ref(), "k", "1").unwrap_err();
            assert_eq!(error.code(), Code::Conflict);
            assert!(error.message().contains("being replaced"), "{error}");
            assert_eq!(engine.value("k"), None, "this call has waited");
        }
        is_clean(&server);
        assert!(content(engine.as_ref()) == expected(&new), "{bytes}");
        set(engine.as_ref(), "k", "1").unwrap();
        let id = IntentId { log: 1, number: 1 };
        engine.prepare(id, Batch::one(Op::set("k", json("2")))).unwrap();
        assert!(engine.resolve(id, Decision::Apply).unwrap().is_some());
    }
    assert!(met.iter().all(|phases| phases.contains('d') && phases.contains('w')), "{met:?}");
}

#[test]
fn another_client_stages_only_when_a_stager_is_gone() {
    let server = RedisServer::start(&[]);
    let (ours, theirs) = (connect(server.port), connect(server.port));
    set(ours.engine().as_ref(), "k", "1").unwrap();
    let mut staging = stage(ours.engine().as_ref(), &records("ours", 3000)).unwrap();
    let error = theirs.engine().stage().map(drop).unwrap_err();
    assert_eq!(error.code(), Code::Locked, "{error}");
    // An opening removes nothing of a stager that is alive.
    connect(server.port).close().unwrap();
    staging.write(vec![user("more", "1")]).unwrap();

    forget_stager(&server);
    let their_staging = stage(theirs.engine().as_ref(), &[user("theirs", "1")]).unwrap();
    let error = staging.write(vec![user("more", "2")]).unwrap_err();
    assert_eq!(error.code(), Code::Conflict, "{error}");
    drop(staging);
    their_staging.swap().unwrap();
    assert_eq!(ours.engine().keys(&KeyRange::all()), ["theirs"]);

    let staging = stage(ours.engine().as_ref(), &[internal("\x01a", "1")]).unwrap();
    forget_stager(&server);
    let theirs = stage(theirs.engine().as_ref(), &[]).unwrap();
    assert_eq!(staging.swap().unwrap_err().code(), Code::Conflict);
    drop(theirs);
    assert_eq!(ours.engine().keys(&KeyRange::all()), ["theirs"]);
    is_clean(&server);
}

#[test]
fn a_stager_stays_alive_between_its_calls() {
    let server = RedisServer::start(&[]);
    let lease = connect(server.port);
    let staging = lease.engine().stage().unwrap();
    server.raw(&[b"PEXPIRE", &ours("stager"), b"3900"]);
    thread::sleep(Duration::from_millis(4200));
    assert!(exists(&server, "stager"), "it has said so in time");
    drop(staging);
    is_clean(&server);
}

#[test]
fn what_a_crash_left_of_a_staging_is_removed_by_the_next_open_or_stage() {
    let server = RedisServer::start(&[]);
    for opens in [true, false] {
        let watching = connect(server.port);
        let proxy = Proxy::to(server.port);
        let lease = hasty(proxy.port);
        let mut staging = stage(lease.engine().as_ref(), &records("new", 3000)).unwrap();
        proxy.cut_for_good();
        proxy.cut_requests_after(100_000);
        let error = staging.write(records("more", 3000)).unwrap_err();
        assert_eq!(error.code(), Code::Connection, "nothing is unknown: {error}");
        drop(staging);
        drop(lease);
        assert!(exists(&server, "staged:names"));
        forget_stager(&server);
        if opens {
            connect(server.port).close().unwrap();
        } else {
            drop(watching.engine().stage().unwrap());
        }
        is_clean(&server);
    }
}

#[test]
fn a_swap_without_all_that_was_staged_is_refused() {
    let server = RedisServer::start(&[]);
    let lease = connect(server.port);
    let engine = lease.engine();
    engine.set("k", "1");
    for (command, name) in [("RPOP", "chunks:"), ("ZPOPMIN", "names")] {
        let mut staging = engine.stage().unwrap();
        staging.write(vec![user("a", "1"), internal("\u{1}a", "1")]).unwrap();
        let id = server.raw(&[b"GET", &ours("staging")]);
        let id = if name == "names" { &[][..] } else { &id[id.len() - 18..id.len() - 2] };
        server.raw(&[command.as_bytes(), &[&ours("staged:"), name.as_bytes(), id].concat()]);
        let error = staging.swap().unwrap_err();
        assert_eq!(error.code(), Code::Conflict, "{name}: {error}");
        assert_eq!(engine.keys(&KeyRange::all()), ["k"]);
        is_clean(&server);
    }
}

#[test]
fn a_record_that_expires_before_the_swap_leaves_nothing() {
    let server = RedisServer::start(&[]);
    let lease = connect(server.port);
    let mut staging = lease.engine().stage().unwrap();
    let mut record = Record::bare(Value::json("1"), Some(1));
    record.metadata = Some("{}".into());
    staging.write(vec![Staged { record, ..user("gone", "1") }, user("a", "1")]).unwrap();
    staging.swap().unwrap();
    assert_eq!(lease.engine().keys(&KeyRange::all()), ["a"]);
    assert_eq!(server.raw(&[b"EXISTS", &ours("companions")]), b":0\r\n");
}

#[test]
fn what_the_first_release_has_begun_is_finished() {
    let server = RedisServer::start(&[]);
    let lease = connect(server.port);
    set(lease.engine().as_ref(), "old", "1").unwrap();
    let store = Op::set(&b"\0store"[..], Value::json("7")).in_space(Space::Internal);
    lease
        .engine()
        .commit(Batch::of([store, Op::set(&b"\x01old"[..], Value::json("1")).in_space(Space::Internal)]))
        .unwrap();
    lease.close().unwrap();
    let id = b"00000000000000ab";
    let mark = b"0000000000000000-0000000000000000 0000000000001 ";
    let chunk = b"\xdd\0\0\0\x02\xdd\0\0\0\x02\xdb\0\0\0\x05app:a\xdb\0\0\0\x011\
        \xdd\0\0\0\x04\xdb\0\0\0\x05app:b\xdb\0\0\0\x012\xdb\0\0\0\x0d4000000000000\xdb\0\0\0\0";
    server.raw(&[b"SET", &ours("seq"), b"41"]);
    server.raw(&[b"SET", &ours("replacement"), b"1 00000000000000ab d 41 1"]);
    server.raw(&[b"RPUSH", &[&ours("staged:chunks:")[..], id].concat(), chunk]);
    server.raw(&[b"ZADD", &ours("staged:names"), b"0", b"\x01new"]);
    server.raw(&[b"HSET", &ours("staged:values"), b"\x01new", b"3"]);
    for (number, space) in [(b"1", b"u"), (b"2", b"i")] {
        let range = [&mark[..], space, b"1:-+"].concat();
        server.raw(&[b"HSET", &ours("ranges"), &[&mark[..], number].concat(), &range]);
    }
    let lease = connect(server.port);
    let engine = lease.engine().as_ref();
    assert_eq!(engine.keys(&KeyRange::all()), ["a", "b"]);
    assert_eq!((engine.value("a").as_deref(), engine.value("b").as_deref()), (Some("1"), Some("2")));
    let view = engine.view().unwrap();
    let there = |name: &[u8]| view.get(Space::Internal, name).unwrap().is_some();
    assert!(there(b"\x01new") && there(b"\0store") && !there(b"\x01old"));
    assert_eq!(set(engine, "c", "1").unwrap(), 43);
    assert_eq!(server.raw(&[b"GET", &ours("replaced")]), b"$21\r\n00000000000000ab 42 0\r\n");
    is_clean(&server);
}

#[test]
fn a_replacement_of_a_newer_version_is_refused_clearly() {
    let server = RedisServer::start(&[]);
    let lease = connect(server.port);
    set(lease.engine().as_ref(), "k", "1").unwrap();
    server.raw(&[b"SET", &ours("replacement"), b"2 00000000000000ab d 41 1"]);
    let error = error_of(open(options(server.port)));
    assert_eq!((error.code(), error.engine()), (Code::UnsupportedFormat, Some("redis")), "{error}");
    let inside = Inside::begin(lease.engine());
    assert_eq!(inside.engine.try_value("k").unwrap_err().code(), Code::UnsupportedFormat);
    assert_eq!(lease.engine().stage().map(drop).unwrap_err().code(), Code::UnsupportedFormat);
    assert_eq!(server.raw(&[b"GET", b"app:k"]), b"$1\r\n1\r\n", "nothing was changed");
    server.raw(&[b"DEL", &ours("replacement")]);
    connect(server.port).close().unwrap();
}

#[test]
fn a_full_server_refuses_records_but_not_the_steps_behind_the_commit_point() {
    let server = RedisServer::start(&["--maxmemory-policy", "noeviction"]);
    let limit = |bytes: &[u8]| server.raw(&[b"CONFIG", b"SET", b"maxmemory", bytes]);
    let lease = connect(server.port);
    let engine = lease.engine().as_ref();
    replace(engine, &records("old", 500)).unwrap();
    let old = content(engine);
    let mut staging = engine.stage().unwrap();
    staging.write(records("new", 500)).unwrap();
    limit(b"1");
    assert_eq!(staging.write(records("more", 500)).unwrap_err().code(), Code::NoSpace);
    is_clean(&server);
    drop(staging);
    limit(b"0");
    let staging = stage(engine, &records("new", 500)).unwrap();
    limit(b"1");
    assert_eq!(staging.swap().unwrap_err().code(), Code::NoSpace);
    is_clean(&server);
    limit(b"0");
    assert!(content(engine) == old);

    let new = records("new", 3000);
    swap_and_crash(&server, &new, 9000).unwrap_err();
    assert!(exists(&server, "replacement"));
    limit(b"1");
    let again = connect(server.port);
    is_clean(&server);
    assert_eq!(set(again.engine().as_ref(), "k", "1").unwrap_err().code(), Code::NoSpace);
    limit(b"0");
    assert!(content(again.engine().as_ref()) == expected(&new));
    set(again.engine().as_ref(), "k", "1").unwrap();
}

#[test]
fn a_replica_is_not_replaced() {
    let server = RedisServer::start(&[]);
    let lease = connect(server.port);
    let engine = lease.engine().as_ref();
    set(engine, "k", "1").unwrap();
    server.raw(&[b"REPLICAOF", b"127.0.0.1", b"1"]);
    assert_eq!(engine.stage().map(drop).unwrap_err().code(), Code::ReadOnly);
    server.raw(&[b"REPLICAOF", b"NO", b"ONE"]);
    let staging = stage(engine, &[user("new", "1")]).unwrap();
    server.raw(&[b"REPLICAOF", b"127.0.0.1", b"1"]);
    assert_eq!(staging.swap().unwrap_err().code(), Code::ReadOnly);
    assert_eq!(connect(server.port).engine().value("k").as_deref(), Some("1"));
    server.raw(&[b"REPLICAOF", b"NO", b"ONE"]);
    until_ok(|| set(engine, "k", "2"));
    forget_stager(&server);
    connect(server.port).close().unwrap();
    is_clean(&server);
}

/// A transaction over one engine.
pub(crate) struct Inside {
    _transaction: Arc<Transaction>,
    pub(crate) engine: Arc<dyn Engine>,
}

impl Inside {
    pub(crate) fn begin(engine: &Arc<dyn Engine>) -> Self {
        let transaction = Transaction::new(transaction::Options::default(), None);
        let engine = transaction.on("here", engine);
        Inside { _transaction: transaction, engine }
    }
}

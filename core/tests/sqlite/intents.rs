//! Intents that several processes make on one database.

use std::io::{BufRead, BufReader, Lines, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use super::processes::{another_process, given_path};
use super::support::normal;
use holdfast_core::batch::{Batch, IntentId, Op, Role};
use holdfast_core::engine::intent::{self, Decision, Intent};
use holdfast_core::engine::sqlite::{SqliteOptions, open};
use holdfast_core::engine::{Engine, EngineExt};
use holdfast_core::error::Code;
use holdfast_core::key::KeyRange;
use holdfast_core::record::now;
use holdfast_core::testing::{Calls, code_of, json, key};
use rusqlite::Connection;

const THEIRS: IntentId = IntentId { log: 7, number: 1 };
const OWN: IntentId = IntentId { log: 8, number: 1 };

/// Makes an intent that says it was made a minute ago.
fn prepare_long_ago(engine: &dyn Engine, id: IntentId, batch: Batch) {
    let value = Intent { id, at: now() - 60_000, ops: batch.ops }.to_value();
    let prepared = intent::prepare(id, Batch::default());
    let mut ops = prepared.ops.clone();
    if let [Op::Set { value: stored, .. }] = ops.as_mut_slice() {
        *stored = value;
    }
    assert_eq!(prepared.role, Role::Prepare(id));
    engine.commit(Batch { ops, ..prepared }).unwrap();
}

/// The code with which a write of the key `name` fails, if it fails.
fn write(engine: &dyn Engine, name: &str) -> Option<Code> {
    code_of(engine.commit(Batch::one(Op::set(key(name), json("\"later\"")))))
}

/// Another process, which obeys orders to make and resolve intents.
struct Other {
    child: Child,
    orders: ChildStdin,
    said: Lines<BufReader<ChildStdout>>,
}

impl Other {
    fn start(path: &Path) -> Self {
        let mut command = another_process("intents::does_what_it_is_told", path);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (orders, said) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()).lines());
        Other { child, orders, said }
    }

    /// Gives an order and waits until it is carried out.
    fn tell(&mut self, order: &str) {
        writeln!(self.orders, "{order}").unwrap();
        let done = format!("done {order}");
        assert!(self.said.any(|line| line.unwrap().ends_with(&done)), "{order} failed");
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// The other process. It reads orders from its standard input.
#[test]
fn does_what_it_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let lease = open(normal(&given_path(&folder))).unwrap();
    let engine = &**lease.engine();
    let obey = |order: &str| match order {
        "prepare" => drop(engine.prepare(THEIRS, Batch::one(Op::set("held", json("\"intended\"")))).unwrap()),
        "prepare long ago" => prepare_long_ago(engine, THEIRS, Batch::one(Op::set("held", json("\"intended\"")))),
        "apply" => assert!(engine.resolve(THEIRS, Decision::Apply).unwrap().is_some()),
        "write" => drop(engine.set("written", "1")),
        order => panic!("no order {order}"),
    };
    if std::env::var_os("HOLDFAST_TEST_DATABASE").is_none() {
        ["prepare", "write", "apply"].into_iter().for_each(obey);
        assert_eq!(engine.value("held").as_deref(), Some("\"intended\""));
        return;
    }
    for order in std::io::stdin().lines() {
        let order = order.unwrap();
        obey(&order);
        // In one write: the harness writes to the same place.
        std::io::stdout().write_all(format!("done {order}\n").as_bytes()).unwrap();
    }
}

#[test]
fn the_intent_of_another_process_holds_its_keys_until_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shared.db");
    for options in [normal(&path), SqliteOptions::new(&path)] {
        let lease = open(options).unwrap();
        let engine = &**lease.engine();
        for n in 0..200 {
            // Some on this thread and some in the queue, so that both have seen the database before.
            engine.set("mine", &n.to_string());
        }
        let mut other = Other::start(&path);
        other.tell("prepare");
        for _ in 0..100 {
            assert_eq!(write(engine, "held"), Some(Code::Conflict), "a young intent of a living process");
            assert_eq!(write(engine, "mine"), None);
        }
        assert_eq!(code_of(engine.prepare(OWN, Batch::one(Op::set("held", json("1"))))), Some(Code::Conflict));
        other.tell("apply");
        assert_eq!(engine.value("held").as_deref(), Some("\"intended\""));
        assert_eq!(write(engine, "held"), None);
        assert_eq!(engine.value("held").as_deref(), Some("\"later\""));
        other.kill();
        lease.close().unwrap();
    }
}

#[test]
fn what_a_killed_process_intended_is_locked_until_it_is_ended_here() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shared.db");
    let lease = open(normal(&path)).unwrap();
    let engine = &**lease.engine();
    assert_eq!(write(engine, "held"), None);
    let mut other = Other::start(&path);
    other.tell("prepare");
    other.kill();
    assert_eq!(write(engine, "held"), Some(Code::Conflict), "it might still live");
    assert!(engine.resolve(THEIRS, Decision::Drop).unwrap().is_some());
    assert_eq!(write(engine, "held"), None);

    let mut other = Other::start(&path);
    other.tell("prepare long ago");
    other.kill();
    let error = engine.commit(Batch::one(Op::set("held", json("1")))).unwrap_err();
    assert_eq!(error.code(), Code::Locked);
    assert!(error.message().contains("0000000000000007"), "it names the log: {error}");
    assert_eq!(engine.value("held").as_deref(), Some("\"later\""), "reads go on");
    assert!(engine.resolve(THEIRS, Decision::Apply).unwrap().is_some());
    assert_eq!(engine.value("held").as_deref(), Some("\"intended\""));
    assert_eq!(write(engine, "held"), None);
}

#[test]
fn own_intents_stay_own_while_others_come_and_go() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shared.db");
    let lease = open(normal(&path)).unwrap();
    let engine = &**lease.engine();
    prepare_long_ago(engine, OWN, Batch::one(Op::set("own", json("\"intended\""))));
    let mut other = Other::start(&path);
    for order in ["prepare", "write"] {
        other.tell(order);
        assert_eq!(write(engine, "own"), Some(Code::Conflict), "not left of a crash");
        assert_eq!(write(engine, "held"), Some(Code::Conflict));
    }
    other.tell("apply");
    assert_eq!((write(engine, "own"), write(engine, "held")), (Some(Code::Conflict), None));
    assert!(engine.resolve(OWN, Decision::Apply).unwrap().is_some());
    assert_eq!(engine.value("own").as_deref(), Some("\"intended\""));
    other.kill();
}

#[test]
fn a_store_made_before_intents_gets_what_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old.db");
    let lease = open(normal(&path)).unwrap();
    lease.engine().set("k", "1");
    let seq = lease.engine().view().unwrap().seq();
    lease.close().unwrap();
    let theirs = Connection::open(&path).unwrap();
    theirs.execute_batch("ALTER TABLE storage_meta DROP COLUMN intents").unwrap();
    drop(theirs);

    let lease = open(SqliteOptions { read_only: true, ..normal(&path) }).unwrap();
    assert_eq!(lease.engine().view().unwrap().seq(), seq);
    assert_eq!(lease.engine().keys(&KeyRange::all()), ["k"]);
    lease.close().unwrap();
    let lease = open(normal(&path)).unwrap();
    let engine = &**lease.engine();
    engine.prepare(OWN, Batch::one(Op::set("k", json("2")))).unwrap();
    assert_eq!(write(engine, "k"), Some(Code::Conflict));
    assert!(engine.resolve(OWN, Decision::Apply).unwrap().is_some());
    assert_eq!(engine.value("k").as_deref(), Some("2"));
    lease.close().unwrap();
    assert_eq!(code_of(open(normal(&path))), None);
}

#[test]
fn an_intent_that_fails_to_be_carried_out_still_stands() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("refusing.db");
    let lease = open(normal(&path)).unwrap();
    let engine = &**lease.engine();
    let theirs = Connection::open(&path).unwrap();
    let refuse =
        "CREATE TRIGGER refuse BEFORE INSERT ON storage WHEN NEW.key = 'k' BEGIN SELECT RAISE(ABORT, 'no'); END";
    engine.prepare(OWN, Batch::one(Op::set("k", json("1")))).unwrap();
    theirs.execute_batch(refuse).unwrap();
    assert!(engine.resolve(OWN, Decision::Apply).is_err());
    theirs.execute_batch("DROP TRIGGER refuse").unwrap();
    assert_eq!(write(engine, "k"), Some(Code::Conflict));
    assert!(engine.resolve(OWN, Decision::Apply).unwrap().is_some());
    assert_eq!(engine.value("k").as_deref(), Some("1"));
    // An intent that fails to be made holds nothing.
    theirs.execute_batch(&refuse.replace("storage", "storage_internal").replace("= 'k'", "IS NOT NULL")).unwrap();
    assert!(engine.prepare(OWN, Batch::one(Op::set("k", json("2")))).is_err());
    theirs.execute_batch("DROP TRIGGER refuse").unwrap();
    assert_eq!(write(engine, "k"), None);
}

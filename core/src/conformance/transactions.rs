//! Transactions over any engine: a transaction sees one moment and its own writes, and nobody else sees these before it
//! commits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Fixture, open};
use crate::batch::{Batch, Check, Op};
use crate::engine::{Engine, EngineExt, Read, Request};
use crate::error::{Code, Result};
use crate::key::{Key, KeyRange, Space};
use crate::testing::{Calls, code_of, error_of, json, ok};
use crate::transaction::{Options, Status, Transaction};

/// A transaction, and an engine as it sees it.
pub(super) struct Inside {
    transaction: Arc<Transaction>,
    pub engine: Arc<dyn Engine>,
}

impl Inside {
    pub(super) fn begin(engine: &Arc<dyn Engine>) -> Self {
        let transaction = Transaction::new(Options::default(), None);
        let engine = transaction.on("here", engine);
        Inside { transaction, engine }
    }

    pub(super) fn commit(&self) -> Result<()> {
        self.transaction.try_commit().unwrap_or_else(|| self.transaction.wait())
    }

    /// Commits, which must fail with a conflict.
    pub(super) fn conflicts(&self) {
        let error = error_of(self.commit());
        assert_eq!(error.code(), Code::Conflict, "{error}");
        assert_eq!(self.transaction.status(), Status::RolledBack);
    }

    /// Commits, which must succeed.
    pub(super) fn commits(&self) {
        ok(self.commit());
        assert_eq!(self.transaction.status(), Status::Committed);
    }
}

pub fn own_writes_are_seen_inside_alone(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    engine.set("a", "1");
    engine.set("b", "1");
    let inside = Inside::begin(engine);
    inside.engine.set("a", "2");
    inside.engine.set("ab", "2");
    assert!(inside.engine.delete("b"));
    assert!(!inside.engine.delete("b"));
    assert_eq!(inside.engine.value("a").as_deref(), Some("2"));
    assert!(!inside.engine.has("b"));
    assert_eq!(inside.engine.keys(&KeyRange::all()), ["a", "ab"]);
    assert_eq!(engine.keys(&KeyRange::all()), ["a", "b"]);
    assert_eq!(engine.value("a").as_deref(), Some("1"));
    inside.commits();
    assert_eq!(engine.keys(&KeyRange::all()), ["a", "ab"]);
    assert_eq!(engine.value("a").as_deref(), Some("2"));
}

pub fn a_rolled_back_transaction_leaves_nothing(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    engine.set("a", "1");
    let inside = Inside::begin(engine);
    inside.engine.set("a", "2");
    inside.engine.run(Op::delete_range(KeyRange::all()));
    ok(inside.transaction.rollback());
    assert_eq!(inside.transaction.status(), Status::RolledBack);
    assert_eq!(engine.value("a").as_deref(), Some("1"));
    let codes = [
        code_of(inside.transaction.rollback()),
        code_of(inside.commit()),
        code_of(inside.engine.commit(Batch::one(Op::set("a", json("3"))))),
        code_of(inside.engine.wait(Request::Read(Read::Get(Space::User, Key::from("a"))))),
    ];
    assert_eq!(codes, [Some(Code::TransactionCompleted); 4]);
}

/// Where the engine has no snapshots, a read that does not fit the earlier ones fails.
pub fn a_transaction_reads_one_moment(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    engine.set("a", "1");
    engine.set("b", "1");
    let inside = Inside::begin(engine);
    assert_eq!(inside.engine.value("a").as_deref(), Some("1"));
    engine.run([Op::set("a", json("2")), Op::set("b", json("2"))]);
    let read = inside.engine.read(Read::Get(Space::User, Key::from("b")));
    if engine.capabilities().snapshots {
        assert!(read.is_ok());
        assert_eq!(inside.engine.value("b").as_deref(), Some("1"));
        // It wrote nothing, so it is as if it had run before the other commit.
        inside.commits();
    } else {
        assert_eq!(code_of(read), Some(Code::Conflict));
    }
}

pub fn conditions_inside_are_checked_against_the_state_inside(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    engine.set("a", "1");
    let inside = Inside::begin(engine);
    let version = inside.engine.version("a");
    assert!(version.is_some());
    let guarded = |version, value| {
        Batch::of([Op::set("a", json(value)), Op::set("b", json(value))]).with_checks([Check::new("a", version)])
    };
    inside.engine.run(guarded(version, "2"));
    let refused = inside.engine.commit(guarded(version, "3"));
    assert_eq!(code_of(refused), Some(Code::Conflict));
    inside.engine.run(guarded(inside.engine.version("a"), "4"));
    inside.engine.run(Op::add("a", 0.5));
    inside.commits();
    assert_eq!((engine.value("a").as_deref(), engine.value("b").as_deref()), (Some("4.5"), Some("4")));
}

/// The transaction goes on after it.
pub fn a_batch_that_fails_inside_leaves_nothing(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    let inside = Inside::begin(engine);
    inside.engine.set("text", "\"x\"");
    let failed = inside.engine.commit(Batch::of([Op::set("a", json("1")), Op::add("text", 1.0)]));
    assert_eq!(code_of(failed), Some(Code::InvalidArgument));
    assert!(!inside.engine.has("a"));
    inside.commits();
    assert_eq!(engine.keys(&KeyRange::all()), ["text"]);
}

pub fn a_read_only_transaction_refuses_writes(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    engine.set("a", "1");
    let transaction = Transaction::new(Options { read_only: true }, None);
    let inside = transaction.on("here", engine);
    assert_eq!(inside.value("a").as_deref(), Some("1"));
    let refused = inside.commit(Batch::one(Op::set("a", json("2"))));
    assert_eq!(code_of(refused), Some(Code::ReadOnly));
    engine.set("b", "1");
    ok(transaction.wait());
}

pub fn calls_are_carried_out_in_order_before_the_commit(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    engine.set("a", "0");
    let inside = Inside::begin(engine);
    let answered = Arc::new(AtomicUsize::new(0));
    for n in 0..50 {
        let add = Request::Commit(Batch::one(Op::add("a", 1.0)));
        let answered = answered.clone();
        inside.engine.submit(
            if n % 5 == 0 { Request::Keys(KeyRange::all()) } else { add },
            Box::new(move |reply| {
                assert!(reply.is_ok());
                answered.fetch_add(1, Ordering::AcqRel);
            }),
        );
    }
    ok(inside.transaction.wait());
    assert_eq!(answered.load(Ordering::Acquire), 50);
    assert_eq!(engine.value("a").as_deref(), Some("40"));
}

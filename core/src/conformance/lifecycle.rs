//! Opening, closing, sharing.
use std::sync::mpsc;

use super::{Calls, Fixture, open, owned, set};
use crate::batch::{Batch, Op};
use crate::engine::{EngineExt, Read, Request};
use crate::error::Code;
use crate::key::{KeyRange, Space};
use crate::record::now;
use crate::value::Value;

pub fn what_was_committed_is_there_after_reopening(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let later = now() + 1_000_000;
    let engine = &**lease.engine();
    for key in super::keys::awkward() {
        engine.put(&key, "{\"a\":[1,\"x\"]}", None);
    }
    engine.put("expiring", "2", Some(later));
    engine.run(Batch::one(Op::Set {
        space: Space::Internal,
        key: owned("index"),
        value: Value::json("3"),
        expires_at: None,
        metadata: None,
    }));
    engine.delete("a/b");
    let keys = engine.keys(&KeyRange::all());
    let version = engine.version("expiring");
    lease.close().unwrap_or_else(|error| panic!("{error}"));
    if !fixture.persistent() {
        return;
    }
    let lease = open(fixture);
    let engine = &**lease.engine();
    assert_eq!(engine.keys(&KeyRange::all()), keys);
    assert_eq!(engine.value("..").as_deref(), Some("{\"a\":[1,\"x\"]}"));
    let record = engine.entry("expiring").unwrap_or_else(|| panic!("gone"));
    assert_eq!((record.expires_at, Some(record.version)), (Some(later), version));
    assert!(!engine.has("a/b"));
    assert!(matches!(engine.ask(Read::Has(Space::Internal, owned("index"))), crate::engine::Reply::Has(true)));
}

pub fn calls_after_close_are_refused(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine().clone();
    engine.set("k", "1");
    lease.close().unwrap_or_else(|error| panic!("{error}"));
    let read = Read::Get(Space::User, owned("k"));
    let refused = match engine.try_read(&read) {
        Some(result) => result.err(),
        None => engine.wait(Request::Read(read)).err(),
    };
    assert_eq!(refused.map(|error| error.code()), Some(Code::Closed));
    let refused = engine.commit(Batch::one(set("k", "2", None))).err();
    assert_eq!(refused.map(|error| error.code()), Some(Code::Closed));
    assert_eq!(engine.view().err().map(|error| error.code()), Some(Code::Closed));
    assert!(engine.close().is_ok(), "closing twice is no error");
}

pub fn close_finishes_what_was_submitted(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let (sender, receiver) = mpsc::channel();
    for n in 0..200 {
        let sender = sender.clone();
        let request = Request::Commit(Batch::one(set(&format!("k{n:03}"), "1", None)));
        lease.engine().submit(request, Box::new(move |reply| sender.send(reply.is_ok()).unwrap_or(())));
    }
    drop(sender);
    lease.close().unwrap_or_else(|error| panic!("{error}"));
    let answers: Vec<bool> = receiver.iter().collect();
    assert_eq!(answers.len(), 200, "done is called once for each");
    assert!(answers.iter().all(|ok| *ok), "what was submitted before close is finished");
    if fixture.persistent() {
        assert_eq!(open(fixture).engine().keys(&KeyRange::all()).len(), 200);
    }
}

pub fn two_leases_share_one_store(fixture: &dyn Fixture) {
    if !fixture.persistent() {
        return;
    }
    let first = open(fixture);
    let second = open(fixture);
    first.engine().set("k", "1");
    assert_eq!(second.engine().value("k").as_deref(), Some("1"));
    first.close().unwrap_or_else(|error| panic!("{error}"));
    second.engine().set("k", "2");
    assert_eq!(second.engine().value("k").as_deref(), Some("2"));
}

pub fn verify_finds_nothing_wrong(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = &**lease.engine();
    for key in super::keys::awkward() {
        engine.set(&key, "1");
    }
    let mut told = 0;
    let report = engine.verify(false, &mut |done, total| {
        assert!(done <= total);
        told += 1;
        Ok(())
    });
    let report = report.unwrap_or_else(|error| panic!("{error}"));
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert!(report.checked >= super::keys::awkward().len() as u64);
    assert!(told > 0, "progress is told");
    let stats = engine.stats().unwrap_or_else(|error| panic!("{error}"));
    assert!(stats.keys.is_none_or(|keys| keys > 0));
    engine.compact().unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(engine.keys(&KeyRange::all()).len(), super::keys::awkward().len());
}

pub fn what_happens_is_counted(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = &**lease.engine();
    let counts = || engine.stats().unwrap_or_else(|error| panic!("{error}")).counts;
    let before = counts();
    assert!(before.commits.is_none_or(|commits| commits == 0), "{before:?}");
    for n in 0..3 {
        engine.set("k", &n.to_string());
    }
    let refused = Batch { checks: vec![super::check("k", None)], ..Batch::one(set("k", "9", None)) };
    assert_eq!(engine.commit(refused).err().map(|error| error.code()), Some(Code::Conflict));
    let (sender, receiver) = mpsc::channel();
    for n in 0..200 {
        let sender = sender.clone();
        let request = Request::Commit(Batch::one(set(&format!("k{n:03}"), "1", None)));
        engine.submit(request, Box::new(move |reply| sender.send(reply.is_ok()).unwrap_or(())));
    }
    drop(sender);
    assert!(receiver.iter().all(|ok| ok));
    for _ in 0..2 {
        assert!(engine.value("k").is_some());
    }
    let now = counts();
    assert!(now.commits.is_none_or(|commits| commits == 203), "{now:?}");
    assert!(now.conflicts.is_none_or(|conflicts| conflicts == 1), "{now:?}");
    assert!(now.groups.is_none_or(|groups| groups >= 1 && Some(groups) <= now.commits), "{now:?}");
    assert!(now.cache_hits.is_none_or(|hits| hits + now.cache_misses.unwrap_or(0) >= 2), "{now:?}");
    assert!(now.recoveries.is_none_or(|recoveries| recoveries == 0), "{now:?}");
}

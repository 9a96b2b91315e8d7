//! Opening, closing, sharing, maintenance.

use std::sync::mpsc;

use super::keys::awkward;
use super::{Fixture, close, open};
use crate::batch::{Batch, Check, Op};
use crate::engine::{Engine, EngineExt, Read, Request};
use crate::error::Code;
use crate::key::{Key, KeyRange, Space};
use crate::record::now;
use crate::testing::{Calls, code_of, json, ok};

pub fn committed_records_are_there_after_reopening(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let later = now() + 1_000_000;
    let engine = lease.engine();
    for key in awkward() {
        engine.set(&key, "{\"a\":[1,\"x\"]}");
    }
    engine.run(Op::set("expiring", json("2")).expiring(later));
    engine.run(Op::set("index", json("3")).in_space(Space::Internal));
    engine.delete("a/b");
    let keys = engine.keys(&KeyRange::all());
    let version = engine.version("expiring");
    close(lease);
    if !fixture.persistent() {
        return;
    }
    let lease = open(fixture);
    let engine = lease.engine();
    assert_eq!(engine.keys(&KeyRange::all()), keys);
    assert_eq!(engine.value("..").as_deref(), Some("{\"a\":[1,\"x\"]}"));
    let record = engine.entry("expiring").unwrap_or_else(|| panic!("gone"));
    assert_eq!((record.expires_at, Some(record.version)), (Some(later), version));
    assert!(!engine.has("a/b"));
    assert!(engine.has_in(Space::Internal, "index"));
}

pub fn calls_after_close_are_refused(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine().clone();
    engine.set("k", "1");
    close(lease);
    let read = engine.read(Read::Get(Space::User, Key::from("k")));
    assert_eq!(code_of(read), Some(Code::Closed));
    let write = engine.commit(Batch::one(Op::set("k", json("2"))));
    assert_eq!(code_of(write), Some(Code::Closed));
    assert_eq!(code_of(engine.view()), Some(Code::Closed));
    assert!(engine.close().is_ok(), "closing twice is no error");
}

pub fn close_finishes_submitted_calls(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let answers = submit_writes(&**lease.engine(), 200);
    close(lease);
    let answers: Vec<bool> = answers.iter().collect();
    assert_eq!(answers.len(), 200, "done is called once for each");
    assert!(answers.iter().all(|ok| *ok), "what was submitted before close is finished");
    if fixture.persistent() {
        assert_eq!(open(fixture).engine().keys(&KeyRange::all()).len(), 200);
    }
}

/// Submits writes of the keys `k000` and on. The receiver tells of each whether it succeeded.
fn submit_writes(engine: &dyn Engine, count: usize) -> mpsc::Receiver<bool> {
    let (sender, receiver) = mpsc::channel();
    for n in 0..count {
        let sender = sender.clone();
        let request = Request::Commit(Batch::one(Op::set(format!("k{n:03}"), json("1"))));
        engine.submit(request, Box::new(move |reply| sender.send(reply.is_ok()).unwrap_or(())));
    }
    receiver
}

pub fn two_leases_share_one_store(fixture: &dyn Fixture) {
    if !fixture.persistent() {
        return;
    }
    let first = open(fixture);
    let second = open(fixture);
    first.engine().set("k", "1");
    assert_eq!(second.engine().value("k").as_deref(), Some("1"));
    close(first);
    second.engine().set("k", "2");
    assert_eq!(second.engine().value("k").as_deref(), Some("2"));
}

pub fn verify_finds_nothing_wrong(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    for key in awkward() {
        engine.set(&key, "1");
    }
    let mut told = 0;
    let report = ok(engine.verify(false, &mut |done, total| {
        assert!(done <= total);
        told += 1;
        Ok(())
    }));
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert!(report.checked >= awkward().len() as u64);
    assert!(told > 0, "progress is told");
    assert!(ok(engine.stats()).keys.is_none_or(|keys| keys > 0));
    ok(engine.compact());
    assert_eq!(engine.keys(&KeyRange::all()).len(), awkward().len());
}

pub fn commits_conflicts_and_cache_hits_are_counted(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    let counts = || ok(engine.stats()).counts;
    let before = counts();
    assert!(before.commits.is_none_or(|commits| commits == 0), "{before:?}");
    for n in 0..3 {
        engine.set("k", &n.to_string());
    }
    let refused = Batch::of([Op::set("k", json("9"))]).with_checks([Check::absent("k")]);
    assert_eq!(code_of(engine.commit(refused)), Some(Code::Conflict));
    assert!(submit_writes(&**engine, 200).iter().all(|ok| ok));
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

//! The change log: a watch resumes from it behind any commit that it still holds.

use std::sync::Arc;

use super::watching::{Watcher, can_be_watched};
use super::{Fixture, close, open};
use crate::batch::Op;
use crate::engine::watch::{Cursor, Limits, Options, Taken, Watching, trim};
use crate::engine::{Engine, EngineExt};
use crate::error::Code;
use crate::key::KeyRange;
use crate::testing::{Calls, json, ok};

/// True if the engine has a change log.
pub(super) fn logs(engine: &Arc<dyn Engine>) -> bool {
    can_be_watched(engine) && engine.stats().is_ok_and(|stats| stats.commit.is_some())
}

/// The number of the latest commit.
pub(super) fn latest(engine: &Arc<dyn Engine>) -> u64 {
    ok(engine.stats()).commit.unwrap_or(0)
}

/// A watch that begins behind a commit.
pub(super) fn resume(engine: &Arc<dyn Engine>, since: u64) -> Watcher {
    resume_at(engine, Cursor::behind(since))
}

fn resume_at(engine: &Arc<dyn Engine>, since: Cursor) -> Watcher {
    Watcher::new(engine, Options { since: Some(since), ..Options::default() })
}

pub fn a_watch_resumes_from_the_log(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    if !logs(engine) {
        return;
    }
    engine.set("early", "0");
    assert_eq!(ok(engine.stats()).log_floor, None, "nobody has asked for the log");
    let start = latest(engine);
    let since = |since| Options { since: Some(Cursor::behind(since)), max_commits: 2, ..Options::default() };
    let first = Watcher::new(engine, since(start));
    assert!(matches!(first.watch().take(1), Taken::Log));
    first.watch().read_log();
    for number in 0..20 {
        engine.run([Op::set("k", json(number.to_string())), Op::set(format!("k{number:02}"), json("1"))]);
    }
    engine.delete("k00");
    engine.run(Op::delete_range(KeyRange::prefix("k1")));
    drop(first);
    let second = Watcher::new(engine, since(start));
    let commits = ok(second.next(22));
    let told: Vec<Vec<String>> =
        commits.iter().map(|commit| commit.changes.iter().map(Watcher::shown).collect()).collect();
    for (number, changes) in told.iter().take(20).enumerate() {
        let k = if number == 19 { "k=19" } else { "k=?" };
        let gone = number == 0 || number >= 10;
        assert_eq!(changes[..], [k.to_owned(), format!("k{number:02}={}", if gone { "?" } else { "1" })]);
    }
    assert_eq!(told[20], ["-k00"]);
    assert!(told[21][0].starts_with("clear"), "{:?}", told[21]);
    // From the middle, and on into what is told.
    let third = Watcher::new(engine, since(commits[10].seq));
    assert_eq!(ok(third.next(11)), commits[11..]);
    engine.set("live", "1");
    assert_eq!(third.told(1), [["live=1"]]);
    assert!(engine.stats().is_ok_and(|stats| stats.log_floor.is_some_and(|floor| floor <= start)));
}

pub fn a_watch_resumes_inside_a_commit(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    if !logs(engine) {
        return;
    }
    engine.set("old", "0");
    let watcher = resume(engine, latest(engine));
    engine.run([Op::set("a", json("1")), Op::set("b", json("2")), Op::delete("old"), Op::set("c", json("3"))]);
    engine.set("last", "1");
    let commit = ok(watcher.next(1)).remove(0);
    let whole = ["a=1", "b=2", "-old", "c=3"];
    assert_eq!(commit.changes.iter().map(Watcher::shown).collect::<Vec<_>>(), whole);
    for (at, cursor) in commit.cursors.iter().enumerate() {
        let rest = &whole[at + 1..];
        let resumed = resume_at(engine, *cursor);
        if !rest.is_empty() {
            assert_eq!(resumed.told(1), [rest], "{cursor}");
        }
        assert_eq!(resumed.told(1), [["last=1"]], "{cursor}");
    }
    // A place in the middle is the same one for a watch of other keys.
    let range = KeyRange::prefix("c");
    let since = Some(commit.cursors[1]);
    assert_eq!(Watcher::new(engine, Options { range, since, ..Options::default() }).told(1), [["c=3"]]);
    let next = Cursor::parse(&format!("{}.1", latest(engine) + 1));
    assert_eq!(resume_at(engine, ok(next)).error().code(), Code::InvalidArgument);
}

pub fn no_commit_falls_between_log_and_live(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    if !logs(engine) {
        return;
    }
    let start = latest(engine);
    let first = resume(engine, start);
    engine.set("n", "0");
    assert_eq!(first.told(1), [["n=0"]]);
    let writer = {
        let engine = engine.clone();
        std::thread::spawn(move || {
            for number in 1..=300 {
                engine.set("n", &number.to_string());
            }
        })
    };
    // Each begins somewhere in the middle of the writing.
    for _ in 0..5 {
        let watcher = Watcher::new(
            engine,
            Options { since: Some(Cursor::behind(start)), max_commits: 10_000, ..Options::default() },
        );
        let commits = ok(watcher.next(301));
        assert!(commits.windows(2).all(|pair| pair[0].seq < pair[1].seq), "a commit is told twice or out of order");
        assert_eq!(commits.last().map(|commit| Watcher::shown(&commit.changes[0])), Some("n=300".to_owned()));
    }
    writer.join().unwrap_or_else(|_| panic!("the writer failed"));
}

pub fn a_since_outside_the_log_is_refused(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    if !logs(engine) {
        return;
    }
    for number in 0..5 {
        engine.set("n", &number.to_string());
    }
    let error = resume(engine, 0).error();
    assert_eq!(error.code(), Code::PreconditionFailed);
    let floor = ok(engine.stats()).log_floor.unwrap_or_else(|| panic!("the log is off"));
    assert!(error.message().contains(&format!("since: {floor}")), "{error}");
    let resumed = resume(engine, floor);
    engine.set("n", "5");
    assert_eq!(resumed.told(1), [["n=5"]]);
    assert_eq!(resume(engine, u64::MAX / 2).error().code(), Code::InvalidArgument);
}

pub fn the_log_survives_reopening(fixture: &dyn Fixture) {
    if !fixture.persistent() {
        return;
    }
    let lease = open(fixture);
    if !logs(lease.engine()) {
        return;
    }
    let start = latest(lease.engine());
    let watcher = resume(lease.engine(), start);
    lease.engine().set("a", "1");
    assert_eq!(watcher.told(1), [["a=1"]]);
    lease.engine().set("b", "2");
    close(lease);
    let lease = open(fixture);
    lease.engine().set("c", "3");
    assert_eq!(resume(lease.engine(), start).told(3), [["a=1"], ["b=2"], ["c=3"]]);
}

pub fn the_log_is_trimmed_from_its_beginning(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    // A server that keeps the log trims it, too.
    if !logs(engine) || engine.capabilities().watch == Watching::Shared && !engine.capabilities().snapshots {
        return;
    }
    let watcher = resume(engine, latest(engine));
    for number in 0..50 {
        engine.set("n", &number.to_string());
    }
    let commits = ok(watcher.next(50));
    let within = |commits| Limits { commits, bytes: usize::MAX };
    assert!(trim(&*engine.look(), within(60)).is_ok_and(|batch| batch.is_none()));
    trim_to(engine, within(10));
    let floor = ok(engine.stats()).log_floor.unwrap_or(0);
    // The store's own maintenance may have counted a commit or two among the ten.
    let kept: Vec<u64> = commits.iter().map(|commit| commit.seq).filter(|seq| *seq > floor).collect();
    assert!((7..=10).contains(&kept.len()), "{floor}");
    let resumed = ok(resume(engine, floor).next(kept.len()));
    assert_eq!(resumed.iter().map(|commit| commit.seq).collect::<Vec<_>>(), kept);
    assert_eq!(resume(engine, commits[30].seq).error().code(), Code::PreconditionFailed);
    // The latest entry stays, so that the log always has a floor.
    trim_to(engine, within(0));
    let floor = engine.stats().ok().and_then(|stats| stats.log_floor);
    let last = Watcher::new(engine, Options { since: floor.map(Cursor::behind), ..Options::default() });
    engine.set("m", "1");
    let mut told = last.told(1);
    if told == [["n=49"]] {
        // The latest entry was a user's, and not one of the store's maintenance.
        told = last.told(1);
    }
    assert_eq!(told, [["m=1"]]);
}

/// Trims the log, which must be longer.
fn trim_to(engine: &Arc<dyn Engine>, limits: Limits) {
    let batch = ok(trim(&*engine.look(), limits));
    engine.run(batch.unwrap_or_else(|| panic!("nothing to trim")));
}

//! Watching: what is committed is told, in order, whole, and nothing else.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;

use super::{Calls, Fixture, open, owned, set, text};
use crate::batch::{Batch, Op};
use crate::engine::watch::{Change, CommitEvent, Options, Taken, Watch, Watching};
use crate::engine::{Engine, EngineExt};
use crate::error::{Code, Error};
use crate::key::{Key, KeyRange, Space};
use crate::value::Value;

/// A watch that can be waited for. What should not be so fails the test.
pub struct Watcher {
    watch: Watch,
    woken: mpsc::Receiver<()>,
}

/// How long the slowest machine may take to tell of a commit.
const PATIENCE: Duration = Duration::from_secs(20);

impl Watcher {
    /// Watches, and waits until the watch has begun.
    pub fn new(engine: &Arc<dyn Engine>, options: Options) -> Self {
        let (sender, woken) = mpsc::channel();
        let watch = Watch::open(engine, options, Box::new(move || sender.send(()).unwrap_or(())));
        let watcher = Watcher { watch: watch.unwrap_or_else(|error| panic!("cannot watch: {error}")), woken };
        while !watcher.watch.has_begun() {
            watcher.wait();
        }
        watcher
    }

    fn wait(&self) {
        self.woken.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("nothing was told"));
    }

    /// The next commits, `count` of them, or why there are no more.
    pub fn next(&self, count: usize) -> Result<Vec<CommitEvent>, Error> {
        let mut commits = Vec::new();
        while commits.len() < count {
            match self.watch.take(count - commits.len()) {
                Taken::Commits(more) => commits.extend(more),
                Taken::Log => self.watch.read_log(),
                Taken::Nothing => self.wait(),
                Taken::Ended(error) => return Err(error),
            }
        }
        Ok(commits)
    }

    /// Why it ended, or ends.
    pub fn error(&self) -> Error {
        match self.next(usize::MAX) {
            Ok(_) => panic!("the watch goes on"),
            Err(error) => error,
        }
    }

    fn told(&self, count: usize) -> Vec<Vec<String>> {
        let commits = self.next(count).unwrap_or_else(|error| panic!("the watch ended: {error}"));
        commits.iter().map(|commit| commit.changes.iter().map(shown).collect()).collect()
    }
}

fn shown(change: &Change) -> String {
    let key = |key: &Key| String::from_utf8_lossy(key).into_owned();
    match change {
        Change::Set { key: k, value, .. } => {
            format!("{}={}", key(k), value.clone().map_or_else(|| "?".to_owned(), text))
        }
        Change::Delete { key: k } => format!("-{}", key(k)),
        Change::Clear { range } => format!("clear {:?} {:?}", range.start, range.end),
    }
}

const ALL: &str = "clear Unbounded Unbounded";

fn delete(key: &str) -> Op {
    Op::Delete { space: Space::User, key: owned(key) }
}

fn batch(ops: Vec<Op>) -> Batch {
    Batch { ops, ..Batch::default() }
}

fn watched(engine: &Arc<dyn Engine>) -> bool {
    if engine.capabilities().watch == Watching::None {
        let refused = Watch::open(engine, Options::default(), Box::new(|| {}));
        assert!(refused.is_err_and(|error| error.code() == Code::NotSupported));
        return false;
    }
    true
}

/// True if the engine has a change log.
fn logs(engine: &Arc<dyn Engine>) -> bool {
    watched(engine) && engine.stats().is_ok_and(|stats| stats.commit.is_some())
}

pub fn commits_are_told_in_order_and_whole(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    if !watched(engine) {
        return;
    }
    engine.set("before", "0");
    let watcher = Watcher::new(engine, Options::default());
    let first = engine.put("a", "1", None);
    engine.run(batch(vec![set("b", "2", None), delete("before"), set("c", "[3]", None)]));
    engine.run(Batch::one(Op::Add { space: Space::User, key: owned("n"), by: 2.5, expires_at: None, metadata: None }));
    engine.set("a", "null");
    let commits = watcher.next(1).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(commits[0].seq, first.seq);
    match &commits[0].changes[..] {
        [Change::Set { version, .. }] => {
            let fits = first.outcomes == [crate::batch::Outcome::Set { version: *version }];
            assert!(fits, "{version} is not the version of {first:?}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(watcher.told(3), [vec!["b=2", "-before", "c=[3]"], vec!["n=2.5"], vec!["a=null"]]);
}

pub fn what_fails_or_is_ours_is_not_told(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    if !watched(engine) {
        return;
    }
    engine.set("text", "\"t\"");
    let watcher = Watcher::new(engine, Options::default());
    let add = Op::Add { space: Space::User, key: owned("text"), by: 1.0, expires_at: None, metadata: None };
    assert!(engine.commit(batch(vec![set("x", "1", None), add])).is_err());
    let conflict =
        Batch { checks: vec![super::check("x", engine.version("text"))], ..batch(vec![set("x", "1", None)]) };
    assert!(engine.commit(conflict).is_err());
    let internal = |key: &'static [u8]| Op::Set {
        space: Space::Internal,
        key: Key::from_static(key),
        value: Value::Binary(Bytes::from_static(b"x")),
        expires_at: None,
        metadata: None,
    };
    engine.run(Batch::one(internal(b"index")));
    engine.run(batch(vec![internal(b"index2"), set("y", "1", None)]));
    assert_eq!(watcher.told(1), [["y=1"]]);
}

pub fn a_watch_tells_only_its_keys(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    if !watched(engine) {
        return;
    }
    let mut range = KeyRange::prefix(&b"users/"[..]);
    range.set_pattern("users/?:*");
    range.except = vec![owned("users/9")];
    let watcher = Watcher::new(engine, Options { range, ..Options::default() });
    engine.set("other", "1");
    engine.run(batch(vec![set("users/1:a", "1", None), set("users/12:a", "2", None), set("users/9:a", "3", None)]));
    engine.set("users/2:\u{e9}", "4");
    assert_eq!(watcher.told(2), [["users/1:a=1"], ["users/2:\u{e9}=4"]]);
}

pub fn one_key_has_one_change_a_commit(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    if !watched(engine) {
        return;
    }
    engine.set("a", "0");
    let watcher = Watcher::new(engine, Options::default());
    engine.run(batch(vec![set("a", "1", None), set("b", "1", None), set("a", "2", None)]));
    engine.run(batch(vec![delete("a"), set("a", "3", None)]));
    assert_eq!(watcher.told(2), [vec!["b=1", "a=2"], vec!["a=3"]]);
}

pub fn a_deleted_range_is_told_as_what_it_was(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    if !watched(engine) {
        return;
    }
    let range = |prefix: &'static [u8]| Op::DeleteRange { space: Space::User, range: KeyRange::prefix(prefix) };
    let everything = Op::DeleteRange { space: Space::User, range: KeyRange::all() };
    engine.run(batch(vec![set("a/1", "1", None), set("a/b/1", "1", None), set("c", "1", None)]));
    let all = Watcher::new(engine, Options::default());
    let folder = Watcher::new(engine, Options { range: KeyRange::prefix(&b"a/"[..]), ..Options::default() });
    engine.run(Batch::one(range(b"z/")));
    engine.run(Batch::one(range(b"a/b/")));
    engine.run(batch(vec![set("a/2", "1", None), range(b"a/"), set("a/3", "1", None)]));
    engine.run(Batch::one(everything));
    let part = |from: &str, to: &str| format!("clear Included(b\"{from}\") Excluded(b\"{to}\")");
    let after = |clear: String| vec![clear, "a/3=1".to_owned()];
    let all_told = [vec![part("a/b/", "a/b0")], after(part("a/", "a0")), vec![ALL.to_owned()]];
    assert_eq!(all.told(3), all_told, "a range that held nothing is not told");
    assert_eq!(folder.told(3), [vec![part("a/b/", "a/b0")], after(ALL.to_owned()), vec![ALL.to_owned()]]);
}

pub fn deletes_of_absent_keys_are_not_told(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    if !watched(engine) {
        return;
    }
    let watcher = Watcher::new(engine, Options::default());
    engine.delete("absent");
    engine.run(batch(vec![delete("absent"), set("a", "1", None)]));
    engine.run(Batch::one(delete("a")));
    assert_eq!(watcher.told(2), [["a=1"], ["-a"]]);
}

pub fn a_slow_consumer_ends_with_an_error(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    if !watched(engine) {
        return;
    }
    let watcher = Watcher::new(engine, Options { max_commits: 3, ..Options::default() });
    let small = Watcher::new(engine, Options { max_bytes: 300, ..Options::default() });
    for number in 0..10 {
        engine.set("k", &format!("\"{}\"", number.to_string().repeat(100)));
    }
    let told = watcher.next(3).unwrap_or_else(|error| panic!("{error}"));
    let error = watcher.error();
    assert_eq!(error.code(), Code::NoSpace);
    let last = told.last().map_or(0, |commit| commit.seq);
    assert!(error.message().contains(&format!("since: {last}")), "{error}");
    assert_eq!(small.next(1).map(|commits| commits.len()).ok(), Some(1));
    assert_eq!(small.error().code(), Code::NoSpace);
}

pub fn a_dropped_watch_is_told_nothing(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    if !watched(engine) {
        return;
    }
    let stays = Watcher::new(engine, Options::default());
    let goes = Watcher::new(engine, Options::default());
    goes.watch.close(Error::closed());
    assert_eq!(goes.error().code(), Code::Closed);
    drop(goes);
    engine.set("a", "1");
    assert_eq!(stays.told(1), [["a=1"]]);
}

pub fn close_ends_a_watch(fixture: &dyn Fixture) {
    let lease = open(fixture);
    if !watched(lease.engine()) {
        return;
    }
    let watcher = Watcher::new(lease.engine(), Options::default());
    lease.engine().set("a", "1");
    lease.close().unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(watcher.told(1), [["a=1"]], "what was told before is there");
    assert_eq!(watcher.error().code(), Code::Closed);
}

pub fn concurrent_commits_are_told_once_and_in_order(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    if !watched(engine) {
        return;
    }
    let watcher = Watcher::new(engine, Options { max_commits: 10_000, ..Options::default() });
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let engine = engine.clone();
            std::thread::spawn(move || {
                for number in 0..100 {
                    engine.run(batch(vec![
                        set(&format!("t{thread}"), &number.to_string(), None),
                        set(&format!("u{thread}"), &number.to_string(), None),
                    ]));
                }
            })
        })
        .collect();
    let commits = watcher.next(400).unwrap_or_else(|error| panic!("{error}"));
    threads.into_iter().for_each(|thread| thread.join().unwrap_or_else(|_| panic!("a thread failed")));
    assert!(commits.windows(2).all(|pair| pair[0].seq < pair[1].seq), "commits are not in order");
    for thread in 0..4 {
        let told: Vec<Vec<String>> = commits
            .iter()
            .map(|commit| commit.changes.iter().map(shown).collect::<Vec<_>>())
            .filter(|changes| changes[0].starts_with(&format!("t{thread}=")))
            .collect();
        let expected: Vec<_> =
            (0..100).map(|number| vec![format!("t{thread}={number}"), format!("u{thread}={number}")]).collect();
        assert_eq!(told, expected);
    }
}

pub fn a_watch_resumes_from_the_log(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    if !logs(engine) {
        return;
    }
    engine.set("early", "0");
    let stats = engine.stats().unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(stats.log_floor, None, "nobody has asked for the log");
    let start = stats.commit.unwrap_or(0);
    let since = |since| Options { since: Some(since), max_commits: 2, ..Options::default() };
    let first = Watcher::new(engine, since(start));
    assert!(matches!(first.watch.take(1), Taken::Log));
    first.watch.read_log();
    for number in 0..20 {
        engine.run(batch(vec![set("k", &number.to_string(), None), set(&format!("k{number:02}"), "1", None)]));
    }
    engine.delete("k00");
    engine.run(Batch::one(Op::DeleteRange { space: Space::User, range: KeyRange::prefix(&b"k1"[..]) }));
    drop(first);
    let second = Watcher::new(engine, since(start));
    let commits = second.next(22).unwrap_or_else(|error| panic!("{error}"));
    let told: Vec<Vec<String>> = commits.iter().map(|commit| commit.changes.iter().map(shown).collect()).collect();
    for (number, changes) in told.iter().take(20).enumerate() {
        let k = if number == 19 { "k=19" } else { "k=?" };
        let gone = number == 0 || number >= 10;
        assert_eq!(changes[..], [k.to_owned(), format!("k{number:02}={}", if gone { "?" } else { "1" })]);
    }
    assert_eq!(told[20], ["-k00"]);
    assert!(told[21][0].starts_with("clear"), "{:?}", told[21]);
    // From the middle, and on into what is told.
    let third = Watcher::new(engine, since(commits[10].seq));
    let rest = third.next(11).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(rest, commits[11..]);
    engine.set("live", "1");
    assert_eq!(third.told(1), [["live=1"]]);
    assert!(engine.stats().is_ok_and(|stats| stats.log_floor.is_some_and(|floor| floor <= start)));
}

pub fn no_commit_falls_between_log_and_live(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    if !logs(engine) {
        return;
    }
    let start = engine.stats().ok().and_then(|stats| stats.commit).unwrap_or(0);
    let first = Watcher::new(engine, Options { since: Some(start), ..Options::default() });
    engine.set("n", "0");
    assert_eq!(first.told(1), [["n=0"]]);
    let writer = {
        let engine = engine.clone();
        std::thread::spawn(move || (1..=300).for_each(|number| engine.set("n", &number.to_string())))
    };
    // Each begins somewhere in the middle of the writing.
    for _ in 0..5 {
        let watcher = Watcher::new(engine, Options { since: Some(start), max_commits: 10_000, ..Options::default() });
        let commits = watcher.next(301).unwrap_or_else(|error| panic!("{error}"));
        assert!(commits.windows(2).all(|pair| pair[0].seq < pair[1].seq), "a commit is told twice or out of order");
        assert_eq!(commits.last().map(|commit| shown(&commit.changes[0])), Some("n=300".to_owned()));
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
    let since = |since| Watcher::new(engine, Options { since: Some(since), ..Options::default() });
    let error = since(0).error();
    assert_eq!(error.code(), Code::PreconditionFailed);
    let floor = engine.stats().ok().and_then(|stats| stats.log_floor).unwrap_or_else(|| panic!("the log is off"));
    assert!(error.message().contains(&format!("since: {floor}")), "{error}");
    let resumed = since(floor);
    engine.set("n", "5");
    assert_eq!(resumed.told(1), [["n=5"]]);
    assert_eq!(since(u64::MAX / 2).error().code(), Code::InvalidArgument);
}

pub fn the_log_survives_reopening(fixture: &dyn Fixture) {
    if !fixture.persistent() {
        return;
    }
    let lease = open(fixture);
    if !logs(lease.engine()) {
        return;
    }
    let start = lease.engine().stats().ok().and_then(|stats| stats.commit).unwrap_or(0);
    let watcher = Watcher::new(lease.engine(), Options { since: Some(start), ..Options::default() });
    lease.engine().set("a", "1");
    assert_eq!(watcher.told(1), [["a=1"]]);
    lease.engine().set("b", "2");
    lease.close().unwrap_or_else(|error| panic!("{error}"));
    let lease = open(fixture);
    lease.engine().set("c", "3");
    let watcher = Watcher::new(lease.engine(), Options { since: Some(start), ..Options::default() });
    assert_eq!(watcher.told(3), [["a=1"], ["b=2"], ["c=3"]]);
}

pub fn the_log_is_trimmed_from_its_beginning(fixture: &dyn Fixture) {
    use crate::engine::watch::{Limits, trim};
    let lease = open(fixture);
    let engine = lease.engine();
    // Where a server keeps the log, it trims it.
    if !logs(engine) || engine.capabilities().watch == Watching::Shared && !engine.capabilities().snapshots {
        return;
    }
    let start = engine.stats().ok().and_then(|stats| stats.commit).unwrap_or(0);
    let watcher = Watcher::new(engine, Options { since: Some(start), ..Options::default() });
    for number in 0..50 {
        engine.set("n", &number.to_string());
    }
    let commits = watcher.next(50).unwrap_or_else(|error| panic!("{error}"));
    let within = |commits| Limits { commits, bytes: usize::MAX };
    assert!(trim(&*engine.look(), within(60)).is_ok_and(|batch| batch.is_none()));
    let batch = trim(&*engine.look(), within(10)).unwrap_or_else(|error| panic!("{error}"));
    engine.run(batch.unwrap_or_else(|| panic!("nothing to trim")));
    let floor = engine.stats().ok().and_then(|stats| stats.log_floor).unwrap_or(0);
    // The store's own upkeep may have counted a commit or two among the ten.
    let kept: Vec<u64> = commits.iter().map(|commit| commit.seq).filter(|seq| *seq > floor).collect();
    assert!((7..=10).contains(&kept.len()), "{floor}");
    let resumed = Watcher::new(engine, Options { since: Some(floor), ..Options::default() });
    let resumed = resumed.next(kept.len()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(resumed.iter().map(|commit| commit.seq).collect::<Vec<_>>(), kept);
    let early = Watcher::new(engine, Options { since: Some(commits[30].seq), ..Options::default() });
    assert_eq!(early.error().code(), Code::PreconditionFailed);
    // The latest entry stays, so that the log always has a floor.
    let batch = trim(&*engine.look(), within(0)).unwrap_or_else(|error| panic!("{error}"));
    engine.run(batch.unwrap_or_else(|| panic!("nothing to trim")));
    let floor = engine.stats().ok().and_then(|stats| stats.log_floor);
    let last = Watcher::new(engine, Options { since: floor, ..Options::default() });
    engine.set("m", "1");
    let mut told = last.told(1);
    if told == [["n=49"]] {
        // The latest entry was a user's, and not one of the store's upkeep.
        told = last.told(1);
    }
    assert_eq!(told, [["m=1"]]);
}

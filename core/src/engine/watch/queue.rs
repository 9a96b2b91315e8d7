//! One watch: what it matches of the log and of what is told, in one bounded queue.
//!
//! It subscribes first and reads the log then, so that nothing falls between the two. While it reads the log, what is told
//! waits in `live`; more than fits there is dropped and read from the log instead.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Change, CommitEvent, Interval, Subscriber, Subscription};
use crate::engine::{Engine, EngineExt};
use crate::error::{Code, Error, Result};
use crate::key::KeyRange;
use crate::value::Value;

/// Bytes of keys and values read from the log at once.
const PAGE_BYTES: usize = 1 << 20;

/// What a watch tells.
#[derive(Clone, Debug)]
pub struct Options {
    /// Of which keys; its direction and limit mean nothing.
    pub range: KeyRange,
    /// The commit behind which it begins: over the change log, which is switched on. `None`: now.
    pub since: Option<u64>,
    /// Commits that may wait for the consumer.
    pub max_commits: usize,
    /// Bytes of keys and values that may.
    pub max_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options { range: KeyRange::all(), since: None, max_commits: 1024, max_bytes: 16 << 20 }
    }
}

/// Called when a watch has something to take. It must not block, nor call the watch.
pub type Wake = Box<dyn Fn() + Send + Sync>;

/// What [`Watch::take`] found.
#[derive(Debug)]
pub enum Taken {
    /// Commits, at least one. A [`Change::Clear`] without bounds means everything the watch matches.
    Commits(Vec<CommitEvent>),
    /// Nothing yet; `wake` will be called.
    Nothing,
    /// [`Watch::read_log`] has to go on.
    Log,
    /// The watch is over.
    Ended(Error),
}

/// A watch of one consumer. Dropping it ends it.
pub struct Watch {
    engine: Arc<dyn Engine>,
    shared: Arc<Shared>,
    subscription: Mutex<Option<Subscription>>,
}

struct Shared {
    options: Options,
    wake: Wake,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    begun: bool,
    /// Where reading the log stands; `None` if all comes from what is told.
    log: Option<u64>,
    /// What was told while the log is read.
    live: Queue,
    /// The commit up to which the log was read before the watch went live. An engine may tell earlier ones late.
    logged_through: Option<u64>,
    /// Something told was dropped: the log has to be read again up to now.
    dropped: bool,
    /// For the consumer.
    ready: Queue,
    ended: Option<Error>,
    /// The last commit the consumer was given, or the queue took.
    last: Option<u64>,
}

#[derive(Default)]
struct Queue {
    commits: VecDeque<CommitEvent>,
    bytes: usize,
}

impl Watch {
    /// Begins to watch. What is committed after this call is told, on an engine in this process.
    pub fn open(engine: &Arc<dyn Engine>, options: Options, wake: Wake) -> Result<Self> {
        let state = State { log: options.since, last: options.since, ..State::default() };
        let shared = Arc::new(Shared { options, wake, state: Mutex::new(state) });
        let logs = shared.options.since.is_some();
        let subscription = engine.subscribe(shared.clone())?;
        if logs {
            engine.start_log();
        }
        Ok(Watch { engine: engine.clone(), shared, subscription: Mutex::new(Some(subscription)) })
    }

    /// True once everything committed from now on is told.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.shared.state.lock().begun
    }

    /// Takes up to `max` commits. Never blocks.
    #[must_use]
    pub fn take(&self, max: usize) -> Taken {
        let mut state = self.shared.state.lock();
        if !state.ready.commits.is_empty() {
            let count = max.clamp(1, state.ready.commits.len());
            let commits: Vec<CommitEvent> = state.ready.commits.drain(..count).collect();
            state.ready.bytes -= commits.iter().map(size).sum::<usize>();
            return Taken::Commits(commits);
        }
        if let Some(error) = &state.ended {
            return Taken::Ended(error.clone());
        }
        if state.begun && state.log.is_some() { Taken::Log } else { Taken::Nothing }
    }

    /// Reads on in the log; an error ends the watch. Blocks.
    pub fn read_log(&self) {
        let since = {
            let mut state = self.shared.state.lock();
            if std::mem::take(&mut state.dropped) {
                state.live = Queue::default();
            }
            state.log
        };
        let Some(since) = since else { return };
        let logged = self.engine.logged(since, PAGE_BYTES);
        let mut state = self.shared.state.lock();
        let state = &mut *state;
        match logged {
            Ok(logged) => {
                for commit in &logged.commits {
                    if let Some(commit) = matching(commit, &self.shared.options.range) {
                        state.ready.push(commit);
                    }
                }
                state.log = Some(logged.through);
                state.last = Some(logged.through);
                if !logged.more && !state.dropped {
                    state.log = None;
                    state.logged_through = Some(logged.through);
                    for commit in std::mem::take(&mut state.live).commits {
                        if commit.seq > logged.through {
                            state.last = Some(commit.seq);
                            state.ready.push(commit);
                        }
                    }
                }
            }
            Err(error) => {
                state.ended.get_or_insert(error);
            }
        }
    }

    /// Ends the watch and frees what it holds.
    pub fn close(&self, error: Error) {
        let subscription = self.subscription.lock().take();
        let mut state = self.shared.state.lock();
        state.ended.get_or_insert(error);
        state.live = Queue::default();
        state.ready = Queue::default();
        drop(state);
        drop(subscription);
        (self.shared.wake)();
    }
}

impl Subscriber for Shared {
    fn begun(&self) {
        self.state.lock().begun = true;
        (self.wake)();
    }

    fn on_commit(&self, event: &Arc<CommitEvent>) {
        let Some(commit) = matching(event, &self.options.range) else { return };
        let mut state = self.state.lock();
        if state.ended.is_some() {
            return;
        }
        let Options { max_commits, max_bytes, .. } = self.options;
        if state.log.is_some() {
            if !state.dropped && !state.live.takes(&commit, max_commits, max_bytes) {
                state.dropped = true;
            }
            if state.dropped {
                state.live = Queue::default();
            } else {
                state.live.push(commit);
            }
            return;
        }
        if let Some(through) = state.logged_through {
            if commit.seq <= through {
                return;
            }
            state.logged_through = None;
        }
        if state.ready.takes(&commit, max_commits, max_bytes) {
            state.last = Some(commit.seq);
            state.ready.push(commit);
        } else {
            let waiting = state.ready.commits.len();
            state.ended = Some(overflow(waiting, state.last));
        }
        let wakes = state.ended.is_some() || state.ready.commits.len() == 1;
        drop(state);
        if wakes {
            (self.wake)();
        }
    }

    fn ended(&self, error: Error) {
        self.state.lock().ended.get_or_insert(error);
        (self.wake)();
    }
}

impl Queue {
    /// True if one more commit fits: an empty queue takes any.
    fn takes(&self, commit: &CommitEvent, max_commits: usize, max_bytes: usize) -> bool {
        self.commits.is_empty() || (self.commits.len() < max_commits && self.bytes + size(commit) <= max_bytes)
    }

    fn push(&mut self, commit: CommitEvent) {
        self.bytes += size(&commit);
        self.commits.push_back(commit);
    }
}

fn overflow(waiting: usize, last: Option<u64>) -> Error {
    let resume = match last {
        Some(last) => format!("resume with since: {last} (the change log must be on: see since)"),
        None => "watch with since, to resume over the change log".to_owned(),
    };
    Error::new(
        Code::NoSpace,
        format!(
            "the watch was not read fast enough: {waiting} commits wait, and no more may; take them faster, raise maxQueue, or {resume}"
        ),
    )
}

/// Bytes of keys and values, and a little for each change.
fn size(commit: &CommitEvent) -> usize {
    let of = |change: &Change| match change {
        Change::Set { key, value, .. } => key.len() + value.as_ref().map_or(0, Value::len),
        Change::Delete { key } => key.len(),
        Change::Clear { .. } => 0,
    };
    commit.changes.iter().map(|change| 64 + of(change)).sum()
}

/// What `range` has of a commit; `None` if nothing.
fn matching(event: &CommitEvent, range: &KeyRange) -> Option<CommitEvent> {
    let mut changes: Vec<Change> = Vec::new();
    for (at, change) in event.changes.iter().enumerate() {
        match change {
            Change::Set { key, .. } | Change::Delete { key } => {
                if range.contains(key) {
                    changes.push(change.clone());
                }
            }
            Change::Clear { range: cleared } => {
                if whole_behind(event, at, range) {
                    // The intervals between exceptions go together: one change says so.
                    let whole = Interval { start: std::ops::Bound::Unbounded, end: std::ops::Bound::Unbounded };
                    let told = Change::Clear { range: whole };
                    if changes.last() != Some(&told) {
                        changes.push(told);
                    }
                } else if let Some(range) = within(cleared, range) {
                    changes.push(Change::Clear { range });
                }
            }
        }
    }
    (!changes.is_empty()).then_some(CommitEvent { seq: event.seq, changes })
}

/// True if the run of clears around `at` leaves nothing of `range`.
fn whole_behind(event: &CommitEvent, at: usize, range: &KeyRange) -> bool {
    let clears = |change: &&Change| matches!(change, Change::Clear { .. });
    let before = event.changes.iter().take(at).rev().take_while(clears);
    let run: Vec<&Interval> = before
        .chain(event.changes.iter().skip(at).take_while(clears))
        .filter_map(|change| if let Change::Clear { range } = change { Some(range) } else { None })
        .collect();
    range.intervals().iter().all(|part| run.iter().any(|cleared| covers(cleared, part)))
}

/// True if every key of `part` lies in `cleared`.
fn covers(cleared: &Interval, part: &KeyRange) -> bool {
    let mut narrowed = part.clone();
    narrowed.raise_start(cleared.start.clone());
    narrowed.lower_end(cleared.end.clone());
    narrowed.start == part.start && narrowed.end == part.end
}

/// What of `cleared` lies in the interval of `range`; its own bounds are left out.
fn within(cleared: &Interval, range: &KeyRange) -> Option<Interval> {
    let mut both = KeyRange { start: range.start.clone(), end: range.end.clone(), ..KeyRange::default() };
    both.raise_start(cleared.start.clone());
    both.lower_end(cleared.end.clone());
    if both.is_empty() {
        return None;
    }
    let mut interval = Interval::from(&both);
    if interval.start == range.start {
        interval.start = std::ops::Bound::Unbounded;
    }
    if interval.end == range.end {
        interval.end = std::ops::Bound::Unbounded;
    }
    Some(interval)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Key;
    use std::ops::Bound;

    fn clear(range: &KeyRange) -> Change {
        Change::Clear { range: Interval::from(range) }
    }

    fn told(changes: Vec<Change>, range: &KeyRange) -> Vec<Change> {
        matching(&CommitEvent { seq: 1, changes }, range).map_or_else(Vec::new, |event| event.changes)
    }

    fn whole() -> Change {
        Change::Clear { range: Interval { start: Bound::Unbounded, end: Bound::Unbounded } }
    }

    #[test]
    fn a_commit_that_the_log_gave_is_not_told_again_when_the_engine_tells_it_late() {
        let state = State { logged_through: Some(5), ..State::default() };
        let shared = Shared { options: Options::default(), wake: Box::new(|| {}), state: Mutex::new(state) };
        for seq in [4, 5, 6, 2] {
            shared.on_commit(&Arc::new(CommitEvent { seq, changes: vec![whole()] }));
        }
        // Once the engine has caught up, a smaller number is news: the counter of a server may have gone back.
        let told: Vec<u64> = shared.state.lock().ready.commits.iter().map(|commit| commit.seq).collect();
        assert_eq!(told, [6, 2]);
    }

    #[test]
    fn a_clear_that_leaves_nothing_has_no_bounds() {
        let folder = KeyRange::prefix(&b"a/"[..]);
        assert_eq!(told(vec![clear(&KeyRange::all())], &folder), [whole()]);
        assert_eq!(told(vec![clear(&folder)], &folder), [whole()]);
        assert_eq!(told(vec![clear(&folder)], &KeyRange::glob("a/x*")), [whole()]);
    }

    #[test]
    fn a_clear_of_a_part_tells_which() {
        let part = KeyRange::prefix(&b"a/b"[..]);
        assert_eq!(told(vec![clear(&part)], &KeyRange::prefix(&b"a/"[..])), [clear(&part)]);
        let mut tail = KeyRange::all();
        tail.raise_start(Bound::Included(Key::from_static(b"a/m")));
        let rest = Interval { start: Bound::Included(Key::from_static(b"a/m")), end: Bound::Unbounded };
        assert_eq!(told(vec![clear(&tail)], &KeyRange::prefix(&b"a/"[..])), [Change::Clear { range: rest }]);
        assert!(told(vec![clear(&KeyRange::prefix(&b"b"[..]))], &KeyRange::prefix(&b"a/"[..])).is_empty());
    }

    #[test]
    fn clears_between_exceptions_are_one() {
        let mut range = KeyRange::all();
        range.except = vec![Key::from_static(b"d/"), Key::from_static(b"o/")];
        let clears = range.intervals().iter().map(clear).collect();
        assert_eq!(told(clears, &range), [whole()]);
    }
}

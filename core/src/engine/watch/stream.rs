//! One watch: a bounded stream of the commits from the change log and of those that are told live.
//!
//! A watch subscribes first and reads the log then, so that no commit falls between the two. While it reads the log,
//! live commits wait in a queue of their own. If they do not fit there, they are dropped, and read from the log
//! instead.

use std::sync::Arc;

use parking_lot::Mutex;

use super::filter::matching;
use super::queue::EventQueue;
use super::{CommitEvent, Cursor, Logged, Subscriber, Subscription, WatchedCommit, ahead_of_the_store};
use crate::engine::{Engine, EngineExt};
use crate::error::{Code, Error, Result};
use crate::key::KeyRange;

/// The size of the keys and values read from the log at once, in bytes.
const PAGE_BYTES: usize = 1 << 20;

/// The options of a watch.
#[derive(Clone, Debug)]
pub struct Options {
    /// The keys to watch. The direction and the limit of the range mean nothing.
    pub range: KeyRange,
    /// The place behind which the watch begins. The change log is switched on for it. `None` begins now.
    pub since: Option<Cursor>,
    /// The number of commits that may wait for the consumer; 1024 by default.
    pub max_commits: usize,
    /// The size of the keys and values that may wait for the consumer, in bytes; 16 MiB by default.
    pub max_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options { range: KeyRange::all(), since: None, max_commits: 1024, max_bytes: 16 << 20 }
    }
}

/// The callback of a watch that has something to take. It must not block, nor call the watch.
pub type Wake = Box<dyn Fn() + Send + Sync>;

/// The result of [`Watch::take`].
#[derive(Debug)]
pub enum Taken {
    /// Commits, at least one. A [`Change::Clear`](super::Change::Clear) without bounds clears all keys of the watch.
    Commits(Vec<WatchedCommit>),
    /// Nothing yet. The watch calls its [`Wake`] once there is something.
    Nothing,
    /// Nothing before [`Watch::read_log`] is called.
    Log,
    /// Nothing any more: the watch has ended with this error.
    Ended(Error),
}

/// The result of [`Watch::beginning`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// The watch has not begun yet. It calls its [`Wake`] then.
    Waiting,
    /// [`Watch::read_log`] has to be called.
    Log,
    /// Every commit from now on is told, and so is what the change log holds behind `since`.
    Done,
}

/// A watch of one consumer. It ends when it is dropped. [`watch`](super) has an example.
pub struct Watch {
    engine: Arc<dyn Engine>,
    shared: Arc<SharedWatch>,
    subscription: Mutex<Option<Subscription>>,
}

/// The part of a watch that the engine calls.
struct SharedWatch {
    options: Options,
    wake: Wake,
    state: Mutex<WatchState>,
}

#[derive(Default)]
struct WatchState {
    begun: bool,
    /// True once the log was found to reach back to `since`.
    resumed: bool,
    /// The commit up to which the log was read; `None` once all commits are told live.
    log: Option<u64>,
    /// The live commits that wait until the log is read.
    live: EventQueue,
    /// The commit up to which the log was read before the watch went live. An engine may tell earlier ones late.
    logged_through: Option<u64>,
    /// True if live commits were dropped, so that the log has to be read once more.
    dropped: bool,
    /// The commits for the consumer.
    ready: EventQueue,
    ended: Option<Error>,
    /// The number of the last commit that went to `ready`.
    last: Option<u64>,
}

impl Watch {
    /// Begins to watch. Every commit that this process requests after this call is told.
    ///
    /// # Errors
    ///
    /// `NOT_SUPPORTED` if the engine cannot be watched, `CLOSED` if it is closed.
    pub fn open(engine: &Arc<dyn Engine>, options: Options, wake: Wake) -> Result<Self> {
        let since = options.since.map(Cursor::commit);
        let state = WatchState { log: since, last: since, ..WatchState::default() };
        let shared = Arc::new(SharedWatch { options, wake, state: Mutex::new(state) });
        let subscription = engine.subscribe(shared.clone())?;
        if since.is_some() {
            engine.start_log();
        }
        Ok(Watch { engine: engine.clone(), shared, subscription: Mutex::new(Some(subscription)) })
    }

    /// True once every commit from now on is told.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.shared.state.lock().begun
    }

    /// How far the watch has got with its beginning.
    ///
    /// # Errors
    ///
    /// The error that ended the watch before it had begun.
    pub fn beginning(&self) -> Result<Beginning> {
        let state = self.shared.state.lock();
        match &state.ended {
            _ if state.begun && (state.resumed || self.shared.options.since.is_none()) => Ok(Beginning::Done),
            Some(error) => Err(error.clone()),
            None => Ok(if state.begun { Beginning::Log } else { Beginning::Waiting }),
        }
    }

    /// Takes up to `max` commits, and at least one if there is one. Never blocks.
    #[must_use]
    pub fn take(&self, max: usize) -> Taken {
        let mut state = self.shared.state.lock();
        let commits = state.ready.take(max);
        if !commits.is_empty() {
            return Taken::Commits(commits);
        }
        if let Some(error) = &state.ended {
            return Taken::Ended(error.clone());
        }
        if state.begun && state.log.is_some() { Taken::Log } else { Taken::Nothing }
    }

    /// Reads the next page of the change log. An error ends the watch. Blocks.
    pub fn read_log(&self) {
        let since = {
            let mut state = self.shared.state.lock();
            if std::mem::take(&mut state.dropped) {
                state.live = EventQueue::default();
            }
            state.log
        };
        let Some(since) = since else { return };
        let logged = self.engine.logged(since, PAGE_BYTES).and_then(|logged| self.check(logged));
        let mut state = self.shared.state.lock();
        let state = &mut *state;
        match logged {
            Ok(logged) => {
                state.resumed = true;
                for commit in &logged.commits {
                    if let Some(commit) = matching(commit, &self.shared.options.range, self.shared.options.since) {
                        state.ready.push(commit);
                    }
                }
                state.log = Some(logged.through);
                state.last = Some(logged.through);
                if !logged.more && !state.dropped {
                    state.log = None;
                    state.logged_through = Some(logged.through);
                    for commit in state.live.take_all() {
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

    /// Refuses the end of a log that has not reached the commit inside which the watch begins.
    fn check(&self, logged: Logged) -> Result<Logged> {
        match self.shared.options.since.map(Cursor::reaches) {
            Some(seq) if !logged.more && seq > logged.through => Err(ahead_of_the_store(seq, logged.through)),
            _ => Ok(logged),
        }
    }

    /// Ends the watch with `error`, and frees the commits that it holds.
    pub fn close(&self, error: Error) {
        let subscription = self.subscription.lock().take();
        let mut state = self.shared.state.lock();
        state.ended.get_or_insert(error);
        state.live = EventQueue::default();
        state.ready = EventQueue::default();
        drop(state);
        drop(subscription);
        (self.shared.wake)();
    }
}

impl Subscriber for SharedWatch {
    fn begun(&self) {
        self.state.lock().begun = true;
        (self.wake)();
    }

    fn on_commit(&self, event: &Arc<CommitEvent>) {
        let Some(commit) = matching(event, &self.options.range, None) else { return };
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
                state.live = EventQueue::default();
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
            state.ended = Some(overflow(state.ready.len(), state.last));
        }
        let wakes = state.ended.is_some() || state.ready.len() == 1;
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

fn overflow(waiting: usize, last: Option<u64>) -> Error {
    let resume = match last {
        Some(last) => format!("resume with since: {last} (the change log must be on: see since)"),
        None => "watch with since, to resume over the change log".to_owned(),
    };
    Error::new(
        Code::NoSpace,
        format!(
            "the watch was not read fast enough: {waiting} commits wait, and no more may; take them faster, raise \
             maxQueue, or {resume}"
        ),
    )
}

#[cfg(test)]
mod tests {
    use std::ops::Bound;

    use super::*;
    use crate::engine::watch::{Change, Interval};

    #[test]
    fn a_commit_that_the_log_gave_is_not_told_again_when_the_engine_tells_it_late() {
        let state = WatchState { logged_through: Some(5), ..WatchState::default() };
        let shared = SharedWatch { options: Options::default(), wake: Box::new(|| {}), state: Mutex::new(state) };
        let whole = Change::Clear { range: Interval { start: Bound::Unbounded, end: Bound::Unbounded } };
        for seq in [4, 5, 6, 2] {
            shared.on_commit(&Arc::new(CommitEvent { seq, changes: vec![whole.clone()] }));
        }
        // Once the engine has caught up, a smaller number is news: the counter of a server may have gone back.
        let told: Vec<u64> = shared.state.lock().ready.take_all().iter().map(|commit| commit.seq).collect();
        assert_eq!(told, [6, 2]);
    }
}

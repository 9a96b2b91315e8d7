use std::sync::{Arc, mpsc};
use std::time::Duration;

use super::{ok, text};
use crate::engine::Engine;
use crate::engine::watch::{Change, Options, Taken, Watch, WatchedCommit};
use crate::error::{Error, Result};
use crate::key::Key;

/// The time in which the slowest machine tells of a commit.
const PATIENCE: Duration = Duration::from_secs(20);

/// A watch that a test can wait for.
pub struct Watcher {
    watch: Watch,
    woken: mpsc::Receiver<()>,
}

impl Watcher {
    /// Begins to watch, and waits until every later commit is told.
    #[must_use]
    pub fn new(engine: &Arc<dyn Engine>, options: Options) -> Self {
        let watcher = Watcher::at_once(engine, options);
        while !watcher.watch.has_begun() {
            watcher.wait();
        }
        watcher
    }

    /// Begins to watch, and does not wait.
    #[must_use]
    pub fn at_once(engine: &Arc<dyn Engine>, options: Options) -> Self {
        let (sender, woken) = mpsc::channel();
        let watch = ok(Watch::open(engine, options, Box::new(move || sender.send(()).unwrap_or(()))));
        Watcher { watch, woken }
    }

    /// The watch itself.
    #[must_use]
    pub fn watch(&self) -> &Watch {
        &self.watch
    }

    /// The next `count` commits.
    ///
    /// # Errors
    ///
    /// The error that ended the watch before.
    pub fn next(&self, count: usize) -> Result<Vec<WatchedCommit>> {
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

    /// The changes of the next `count` commits, each as [`shown`](Watcher::shown).
    #[must_use]
    pub fn told(&self, count: usize) -> Vec<Vec<String>> {
        ok(self.next(count)).iter().map(|commit| commit.changes.iter().map(Watcher::shown).collect()).collect()
    }

    /// The error that ends the watch. Commits before it are dropped.
    #[must_use]
    pub fn error(&self) -> Error {
        match self.next(usize::MAX) {
            Ok(_) => panic!("the watch goes on"),
            Err(error) => error,
        }
    }

    /// A change as a text: `key=value`, `key=?` for a value that is not there any more, `-key`, or `clear` and the
    /// bounds.
    #[must_use]
    pub fn shown(change: &Change) -> String {
        let name = |key: &Key| String::from_utf8_lossy(key).into_owned();
        match change {
            Change::Set { key, value, .. } => {
                format!("{}={}", name(key), value.as_ref().map_or_else(|| "?".to_owned(), text))
            }
            Change::Delete { key } => format!("-{}", name(key)),
            Change::Clear { range } => format!("clear {:?} {:?}", range.start, range.end),
        }
    }

    fn wait(&self) {
        self.woken.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("nothing was told"));
    }
}

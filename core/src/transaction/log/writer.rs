//! One log: a file of decisions that many threads append to, each write and sync shared by all who wait for one.
//!
//! Frames are written one after another, each synced (at `full`) before the next: only the last can be torn.

#[cfg(test)]
pub(crate) mod fault_injector;
pub(super) mod folder;

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Condvar, Mutex};

use self::folder::{Folder, LogFile};
use crate::engine::Durability;
use crate::error::{Code, Error, Result};
use crate::format::transaction_log::{self as format, Entry};

/// A log longer than this takes no new transactions: the next one makes a new log, and this one goes with the last of
/// its own.
const FULL: u64 = if cfg!(test) { 2 << 10 } else { 1 << 20 };

/// Bytes that wait to be written at most, so that a frame stays far below its limit of 4 GiB.
const MOST_PENDING: usize = 512 << 20;

/// What this process did, for `stats`.
#[derive(Debug, Default)]
pub(super) struct Figures {
    pub commits: AtomicU64,
    pub rollbacks: AtomicU64,
    pub writes: AtomicU64,
    pub fsyncs: AtomicU64,
    pub logs: AtomicU64,
}

/// Adds one to a figure.
pub(super) fn count(figure: &AtomicU64) {
    figure.fetch_add(1, Ordering::Relaxed);
}

/// A log that this process writes.
pub(super) struct Log {
    pub id: u64,
    file: LogFile,
    durability: Durability,
    figures: Arc<Figures>,
    state: Mutex<State>,
    written: Condvar,
    next: AtomicU64,
}

#[derive(Default)]
struct State {
    /// Entries that wait for the next frame.
    pending: Vec<u8>,
    /// The number of the frame they will be in.
    frame: u64,
    writing: bool,
    end: u64,
    failed: Option<Failed>,
    /// The stores that take part, by their ids: index, and the frame that says so.
    stores: HashMap<u128, (u64, u64)>,
    forgotten: u64,
    unfinished: usize,
    /// Takes no new transactions.
    retired: bool,
    /// Something in it is left to recovery.
    kept: bool,
}

#[derive(Clone)]
struct Failed {
    frame: u64,
    /// Whether that frame is on disk cannot be known.
    unknown: bool,
    error: Error,
}

/// Why an entry is not in the log.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It certainly is not.
    Not(Error),
    /// The disk may hold it or not: its sync failed.
    Unknown(Error),
}

impl Refusal {
    pub fn into_error(self) -> Error {
        match self {
            Refusal::Not(error) | Refusal::Unknown(error) => error,
        }
    }
}

/// A number that nobody guesses and nobody else has.
pub(super) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

impl Log {
    /// Makes a log in `folder`, which is made, too. Its header is safe whatever the durability: a log whose name
    /// vanished would leave its intents without anyone to decide about them.
    pub fn create(folder: &Folder, durability: Durability, figures: Arc<Figures>) -> Result<Arc<Self>> {
        let failed = |error| Error::io("cannot make a transaction log", &error);
        folder.make().map_err(failed)?;
        for _ in 0..100 {
            let id = random();
            let Some(file) = folder.create(id).map_err(failed)? else { continue };
            let made = file.write(0, &format::header(id)).and_then(|()| file.sync()).and_then(|()| folder.sync());
            if let Err(error) = made {
                // Without a header it is nothing to anybody; recovery removes it if we cannot.
                let _ = file.remove();
                return Err(failed(error));
            }
            count(&figures.logs);
            let state = State { end: format::HEADER as u64, ..State::default() };
            return Ok(Arc::new(Log {
                id,
                file,
                durability,
                figures,
                state: Mutex::new(state),
                written: Condvar::new(),
                next: AtomicU64::new(1),
            }));
        }
        Err(Error::new(Code::Io, "cannot make a transaction log: every name is taken"))
    }

    /// Begins a transaction; `None` if the log takes no more. The log stays until it is dropped.
    pub fn begin(self: &Arc<Self>) -> Option<Unfinished> {
        let mut state = self.state.lock();
        if state.retired || state.failed.is_some() || state.end >= FULL {
            return None;
        }
        state.unfinished += 1;
        drop(state);
        Some(Unfinished { log: self.clone(), number: self.next.fetch_add(1, Ordering::Relaxed) })
    }

    /// What went wrong, if a sync did: nothing more can be decided.
    pub fn sync_failure(&self) -> Option<Error> {
        self.state.lock().failed.as_ref().filter(|failed| failed.unknown).map(|failed| failed.error.clone())
    }

    /// Sees to it that the store takes part, and gives its index. Waits until that is safe.
    pub fn take_part(&self, id: u128, intents: bool, name: &str) -> Result<u64, Refusal> {
        let mut state = self.state.lock();
        let (index, frame) = match state.stores.get(&id) {
            Some(found) => *found,
            None => {
                let index = state.stores.len() as u64 + state.forgotten;
                format::put(&mut state.pending, &Entry::Store { index, id, intents, name: name.to_owned() });
                let frame = state.frame;
                state.stores.insert(id, (index, frame));
                (index, frame)
            }
        };
        drop(state);
        self.wait(frame)?;
        Ok(index)
    }

    /// Says that no store of that id takes part; the next frame carries it.
    pub fn forget(&self, id: u128) {
        let mut state = self.state.lock();
        if let Some((index, _)) = state.stores.remove(&id) {
            // A later store must not get its index.
            state.forgotten += 1;
            format::put(&mut state.pending, &Entry::Clean { store: index });
        }
    }

    /// Appends an entry, and waits until it is safe.
    pub fn append(&self, entry: &Entry) -> Result<(), Refusal> {
        let mut state = self.state.lock();
        while state.writing && state.pending.len() > MOST_PENDING {
            self.written.wait(&mut state);
        }
        format::put(&mut state.pending, entry);
        let frame = state.frame;
        drop(state);
        self.wait(frame)
    }

    /// Waits until frame `frame` is safe; whoever comes first writes it for all who wait.
    fn wait(&self, frame: u64) -> Result<(), Refusal> {
        let mut state = self.state.lock();
        loop {
            if let Some(failed) = &state.failed
                && frame >= failed.frame
            {
                let error = failed.error.clone();
                return Err(if failed.unknown && frame == failed.frame {
                    Refusal::Unknown(error)
                } else {
                    Refusal::Not(error)
                });
            }
            if state.frame > frame && !(state.writing && state.frame == frame + 1) {
                return Ok(());
            }
            if state.writing {
                self.written.wait(&mut state);
                continue;
            }
            let body = std::mem::take(&mut state.pending);
            let at = state.end;
            state.frame += 1;
            state.writing = true;
            drop(state);
            let result = self.write(at, &body);
            state = self.state.lock();
            state.writing = false;
            match result {
                Ok(end) => state.end = end,
                Err(Refusal::Not(error)) => state.failed = Some(Failed { frame, unknown: false, error }),
                Err(Refusal::Unknown(error)) => state.failed = Some(Failed { frame, unknown: true, error }),
            }
            self.written.notify_all();
        }
    }

    fn write(&self, at: u64, body: &[u8]) -> Result<u64, Refusal> {
        let frame = format::frame(self.id, at, body);
        let what = || format!("cannot write the transaction log {}", self.file.path().display());
        if let Err(error) = self.file.write(at, &frame) {
            // What is not whole is nothing: a frame ends with its checksum. Cutting off its beginning is tidiness.
            let _ = self.file.cut(at);
            return Err(Refusal::Not(Error::io(what(), &error)));
        }
        count(&self.figures.writes);
        if self.durability == Durability::Full {
            count(&self.figures.fsyncs);
            self.file.sync().map_err(|error| Refusal::Unknown(Error::io(what(), &error)))?;
        }
        Ok(at + frame.len() as u64)
    }

    /// Takes no new transactions; the file goes with the last of those it has.
    pub fn retire(&self) {
        let mut state = self.state.lock();
        if !std::mem::replace(&mut state.retired, true) {
            self.remove_if_over(&state);
        }
    }

    /// Leaves something to recovery: the file stays.
    pub fn keep(&self) {
        self.state.lock().kept = true;
    }

    fn finish(&self) {
        let mut state = self.state.lock();
        state.unfinished -= 1;
        self.remove_if_over(&state);
    }

    fn remove_if_over(&self, state: &State) {
        if state.retired && state.unfinished == 0 && !state.kept {
            // Nothing in it is needed; what stays behind the next recovery removes.
            let _ = self.file.remove();
        }
    }
}

/// A transaction that the log still answers for.
pub(super) struct Unfinished {
    pub log: Arc<Log>,
    pub number: u64,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Nobody saw to its intents.
            self.log.keep();
        }
        self.log.finish();
    }
}

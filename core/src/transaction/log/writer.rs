//! A log file that this process writes: many threads append to it, and each write and sync serves all who wait for one.
//!
//! Frames are written one after another, each synced (at `full`) before the next one: only the last can be torn.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Condvar, Mutex};

use super::folder::{LogFile, LogFolder};
use super::stats::{TransactionCounters, count};
use crate::engine::Durability;
use crate::error::{Code, Error, Result};
use crate::format::transaction_log::{self as format, Entry};
use crate::random;

/// A longer log takes no new transactions: the next one makes a new log, and this one is removed after its last
/// transaction.
const MAX_BYTES: u64 = if cfg!(test) { 2 << 10 } else { 1 << 20 };

/// Bytes that wait to be written at most, so that a frame stays far below its limit of 4 GiB.
const MAX_PENDING: usize = 512 << 20;

pub(crate) struct LogWriter {
    pub id: u64,
    file: LogFile,
    durability: Durability,
    counters: Arc<TransactionCounters>,
    state: Mutex<LogState>,
    written: Condvar,
    next: AtomicU64,
}

#[derive(Default)]
struct LogState {
    /// Entries that wait for the next frame.
    pending: Vec<u8>,
    /// The number of the next frame.
    frame: u64,
    /// A frame is being written.
    writing: bool,
    /// The position of the next frame.
    end: u64,
    failed: Option<FailedFrame>,
    /// The stores that take part, by their ids: the index of each, and the number of the frame that says so.
    stores: HashMap<u128, (u64, u64)>,
    forgotten: u64,
    /// How many transactions the log still answers for.
    open: usize,
    /// It takes no new transactions.
    retired: bool,
    /// Recovery will need it: the file stays.
    kept: bool,
}

#[derive(Clone)]
struct FailedFrame {
    frame: u64,
    /// Nobody knows whether the frame is on the disk.
    unknown: bool,
    error: Error,
}

/// The reason why an entry is not in the log.
#[derive(Debug)]
pub(crate) enum AppendError {
    /// It certainly is not.
    NotWritten(Error),
    /// The disk may hold it: its sync failed.
    Unknown(Error),
}

impl AppendError {
    pub(crate) fn into_error(self) -> Error {
        match self {
            AppendError::NotWritten(error) | AppendError::Unknown(error) => error,
        }
    }
}

impl LogWriter {
    /// Makes a log in `folder`, which is made, too. Its header is synced at any durability: without a log, nobody could
    /// decide about its intents.
    pub(crate) fn create(
        folder: &LogFolder,
        durability: Durability,
        counters: Arc<TransactionCounters>,
    ) -> Result<Arc<Self>> {
        let failed = |error| Error::io("cannot make a transaction log", &error);
        folder.make().map_err(failed)?;
        for _ in 0..100 {
            let id = random::number();
            let Some(file) = folder.create(id).map_err(failed)? else { continue };
            let made = file.write(0, &format::header(id)).and_then(|()| file.sync()).and_then(|()| folder.sync());
            if let Err(error) = made {
                // A file without a header means nothing. If it cannot be removed here, recovery removes it.
                let _ = file.remove();
                return Err(failed(error));
            }
            count(&counters.logs);
            let state = LogState { end: format::HEADER as u64, ..LogState::default() };
            return Ok(Arc::new(LogWriter {
                id,
                file,
                durability,
                counters,
                state: Mutex::new(state),
                written: Condvar::new(),
                next: AtomicU64::new(1),
            }));
        }
        Err(Error::new(Code::Io, "cannot make a transaction log: every name is taken"))
    }

    /// Begins a transaction; `None` if the log takes no more. The log stays until the transaction is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> Option<OpenTransaction> {
        let mut state = self.state.lock();
        if state.retired || state.failed.is_some() || state.end >= MAX_BYTES {
            return None;
        }
        state.open += 1;
        drop(state);
        Some(OpenTransaction { log: self.clone(), number: self.next.fetch_add(1, Ordering::Relaxed) })
    }

    /// The error of a sync that failed: nothing more can be decided.
    pub(crate) fn sync_failure(&self) -> Option<Error> {
        self.state.lock().failed.as_ref().filter(|failed| failed.unknown).map(|failed| failed.error.clone())
    }

    /// Notes that a store takes part, and returns its index. Waits until the note is safe.
    pub(crate) fn take_part(&self, id: u128, intents: bool, name: &str) -> Result<u64, AppendError> {
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

    /// Notes, with the next frame, that no store of that id takes part.
    pub(crate) fn forget(&self, id: u128) {
        let mut state = self.state.lock();
        if let Some((index, _)) = state.stores.remove(&id) {
            // A later store must not get its index.
            state.forgotten += 1;
            format::put(&mut state.pending, &Entry::Clean { store: index });
        }
    }

    /// Appends an entry, and waits until it is safe.
    pub(crate) fn append(&self, entry: &Entry) -> Result<(), AppendError> {
        let mut state = self.state.lock();
        while state.writing && state.pending.len() > MAX_PENDING {
            self.written.wait(&mut state);
        }
        format::put(&mut state.pending, entry);
        let frame = state.frame;
        drop(state);
        self.wait(frame)
    }

    /// Waits until a frame is safe. The first who waits writes it for all.
    fn wait(&self, frame: u64) -> Result<(), AppendError> {
        let mut state = self.state.lock();
        loop {
            if let Some(failed) = &state.failed
                && frame >= failed.frame
            {
                let error = failed.error.clone();
                return Err(if failed.unknown && frame == failed.frame {
                    AppendError::Unknown(error)
                } else {
                    AppendError::NotWritten(error)
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
                Err(AppendError::NotWritten(error)) => {
                    state.failed = Some(FailedFrame { frame, unknown: false, error });
                }
                Err(AppendError::Unknown(error)) => state.failed = Some(FailedFrame { frame, unknown: true, error }),
            }
            self.written.notify_all();
        }
    }

    fn write(&self, at: u64, body: &[u8]) -> Result<u64, AppendError> {
        let frame = format::frame(self.id, at, body);
        let message = || format!("cannot write the transaction log {}", self.file.path().display());
        if let Err(error) = self.file.write(at, &frame) {
            // A part of a frame means nothing: a frame ends with its checksum. So the cut may fail.
            let _ = self.file.cut(at);
            return Err(AppendError::NotWritten(Error::io(message(), &error)));
        }
        count(&self.counters.writes);
        if self.durability == Durability::Full {
            count(&self.counters.fsyncs);
            self.file.sync().map_err(|error| AppendError::Unknown(Error::io(message(), &error)))?;
        }
        Ok(at + frame.len() as u64)
    }

    /// Takes no new transactions. The file is removed after the last transaction.
    pub(crate) fn retire(&self) {
        let mut state = self.state.lock();
        if !std::mem::replace(&mut state.retired, true) {
            self.remove_if_over(&state);
        }
    }

    /// Leaves something to recovery: the file stays.
    pub(crate) fn keep(&self) {
        self.state.lock().kept = true;
    }

    fn end_transaction(&self) {
        let mut state = self.state.lock();
        state.open -= 1;
        self.remove_if_over(&state);
    }

    fn remove_if_over(&self, state: &LogState) {
        if state.retired && state.open == 0 && !state.kept {
            // Nobody needs the file. If it cannot be removed here, the next recovery removes it.
            let _ = self.file.remove();
        }
    }
}

/// A transaction that the log still answers for.
pub(crate) struct OpenTransaction {
    pub log: Arc<LogWriter>,
    pub number: u64,
}

impl Drop for OpenTransaction {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Nobody has resolved its intents.
            self.log.keep();
        }
        self.log.end_transaction();
    }
}

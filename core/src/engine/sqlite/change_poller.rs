//! Change notification across processes: while somebody watches the store, a thread polls for commits of other
//! processes.
//!
//! The change log must be on for that. It costs every write something, and a watch must not leave it on. So the thread
//! switches it on for a minute at a time, and renews that. Commits of other processes are found in two places: by a
//! commit of this process, before it is made, and by the thread. Both hold the writer's lock, so that commits are told
//! in order.

use std::slice;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::foreign_commits::with_view;
use super::options::NAME;
use super::write::{OnBusy, Writer};
use crate::engine::watch::{self, Feed};
use crate::error::{Code, Error, Result};
use crate::record::{Millis, now};

/// How often the thread polls. Where nobody has committed, that is a read of shared memory.
const INTERVAL: Duration = Duration::from_millis(50);

/// For how long the change log is switched on at a time, in milliseconds, and how often that is renewed.
const LOG_LEASE: Millis = 60_000;
const RENEWAL: Duration = Duration::from_secs(20);

pub(super) struct ChangePoller {
    writer: Arc<Mutex<Option<Writer>>>,
    feed: Arc<Feed>,
    /// Set while the thread runs.
    runs: Arc<AtomicBool>,
}

impl ChangePoller {
    pub(super) fn new(writer: Arc<Mutex<Option<Writer>>>, feed: Arc<Feed>) -> Self {
        feed.hold();
        ChangePoller { writer, feed, runs: Arc::default() }
    }

    /// Starts the thread unless it runs. The subscriber is there before this call; the thread ends after the last one.
    pub(super) fn start(&self) -> Result<()> {
        if self.runs.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        let (writer, feed, runs) = (self.writer.clone(), self.feed.clone(), self.runs.clone());
        let thread = thread::Builder::new().name("holdfast-follow".into()).spawn(move || run(&writer, &feed, &runs));
        thread.map(drop).map_err(|error| {
            self.runs.store(false, Ordering::SeqCst);
            Error::io("cannot start a thread", &error)
        })
    }
}

fn run(writer: &Mutex<Option<Writer>>, feed: &Feed, runs: &AtomicBool) {
    let mut renewed: Option<Instant> = None;
    loop {
        let polled = {
            let mut guard = writer.lock();
            let Some(writer) = guard.as_mut() else { return runs.store(false, Ordering::SeqCst) };
            if !feed.is_watched() {
                // A subscriber subscribes first and starts a thread then. Either it sees no thread, or it is seen here.
                runs.store(false, Ordering::SeqCst);
                if feed.hold() {
                    writer.foreign_commits().stop();
                    return;
                }
                if runs.swap(true, Ordering::SeqCst) {
                    return;
                }
            }
            if !writer.foreign_commits().are_followed() || renewed.is_none_or(|at| at.elapsed() > RENEWAL) {
                follow(writer, now().saturating_add(LOG_LEASE)).map(|()| renewed = Some(Instant::now()))
            } else {
                writer.poll_foreign_commits()
            }
        };
        match polled {
            Ok(()) => feed.begin(),
            // Another process writes, or has the database for itself. Subscribers that have begun miss nothing if the
            // next round comes late: the log has what was committed. Those that wait are told, as a caller that writes.
            Err(error) if error.code() == Code::Timeout && renewed.is_some() => {}
            Err(error) => {
                if let Some(writer) = writer.lock().as_mut() {
                    writer.foreign_commits().stop();
                }
                feed.end(&error.in_engine(NAME), false);
                renewed = None;
            }
        }
        thread::sleep(INTERVAL);
    }
}

/// Has the change log on until `until`, and follows other processes from now on unless it does already.
fn follow(writer: &mut Writer, until: Millis) -> Result<()> {
    loop {
        let batch = with_view(writer.connection(), |view| watch::switch_on(view, Some(until)))?;
        let Some(batch) = batch else { break };
        let written = writer.write_group(slice::from_ref(&batch), OnBusy::Wait);
        match written.and_then(|mut results| results.pop()) {
            Some(Err(error)) if error.code() != Code::Conflict => return Err(error),
            _ => {}
        }
    }
    writer.poll_foreign_commits()?;
    if !writer.foreign_commits().are_followed() {
        let seq = with_view(writer.connection(), |view| Ok(view.seq()))?;
        writer.foreign_commits().follow_from(seq);
    }
    Ok(())
}

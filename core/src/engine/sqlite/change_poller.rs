//! Following other processes: while somebody watches, their commits are read from the change log and told.
//!
//! Whoever watches has the log on, for a minute at a time, which the follower renews: the log costs writes something, and
//! a watch must not leave it on. Commits are found in two places, both under the writer's lock, so that they are told in
//! order: by a commit of this process, before it is made, and by the follower, which looks every [`INTERVAL`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::connection::Connection;
use super::read;
use super::write::Writer;
use crate::engine::watch::{self, Feed};
use crate::engine::{Page, Projection, View};
use crate::error::{Code, Error, Result};
use crate::key::{KeyRange, Space};
use crate::record::{Millis, Record, now};

/// How often commits of other processes are looked for. A look is a read of shared memory where nobody has committed.
const INTERVAL: Duration = Duration::from_millis(50);

/// For how long the log is on at a time, in milliseconds, and how often that is renewed.
const LEASE: Millis = 60_000;
const RENEWAL: Duration = Duration::from_secs(20);

/// Follows other processes while the store is watched.
pub(super) struct Follower {
    writer: Arc<Mutex<Option<Writer>>>,
    feed: Arc<Feed>,
    /// Its thread runs.
    runs: Arc<AtomicBool>,
}

impl Follower {
    pub fn new(writer: Arc<Mutex<Option<Writer>>>, feed: Arc<Feed>) -> Self {
        feed.hold();
        Follower { writer, feed, runs: Arc::default() }
    }

    /// Starts the thread unless it runs, for a subscriber that is there already. It ends after the last one.
    pub fn start(&self) -> Result<()> {
        if self.runs.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        let (writer, feed, runs) = (self.writer.clone(), self.feed.clone(), self.runs.clone());
        let thread = thread::Builder::new().name("holdfast-follow".into()).spawn(move || follow(&writer, &feed, &runs));
        thread.map(drop).map_err(|error| {
            self.runs.store(false, Ordering::SeqCst);
            Error::io("cannot start a thread", &error)
        })
    }
}

fn follow(writer: &Mutex<Option<Writer>>, feed: &Feed, runs: &AtomicBool) {
    let mut renewed: Option<Instant> = None;
    loop {
        let looked = {
            let mut guard = writer.lock();
            let Some(writer) = guard.as_mut() else { return runs.store(false, Ordering::SeqCst) };
            if !feed.is_watched() {
                // Whoever subscribes does so first and starts a thread then: either it sees none, or it is seen here.
                runs.store(false, Ordering::SeqCst);
                if feed.hold() {
                    writer.stop_following();
                    return;
                }
                if runs.swap(true, Ordering::SeqCst) {
                    return;
                }
            }
            if writer.following().is_none() || renewed.is_none_or(|at| at.elapsed() > RENEWAL) {
                writer.lease_log(now().saturating_add(LEASE)).map(|()| renewed = Some(Instant::now()))
            } else {
                writer.look()
            }
        };
        match looked {
            Ok(()) => feed.begin(),
            // Another process writes, or somebody has the database for himself: the next round.
            Err(error) if error.code() == Code::Timeout => {}
            Err(error) => {
                if let Some(writer) = writer.lock().as_mut() {
                    writer.stop_following();
                }
                feed.end(&error.in_engine("sqlite"), false);
                renewed = None;
            }
        }
        thread::sleep(INTERVAL);
    }
}

impl Writer {
    /// Has the log on until `until`, and follows other processes from this moment on unless it does.
    fn lease_log(&mut self, until: Millis) -> Result<()> {
        loop {
            let batch = self.at_a_moment(|view| watch::switch_on(view, Some(until)))?;
            let Some(batch) = batch else { break };
            match self
                .write_group(std::slice::from_ref(&batch), super::write::Patience::Wait)
                .and_then(|mut done| done.pop())
            {
                Some(Err(error)) if error.code() != Code::Conflict => return Err(error),
                _ => {}
            }
        }
        self.look()?;
        if self.following().is_none() {
            let seq = self.at_a_moment(|view| Ok(view.seq()))?;
            self.follow_from(seq);
        }
        Ok(())
    }

    /// Tells of what other processes have committed since the last look.
    fn look(&mut self) -> Result<()> {
        let header = self.connection().header();
        if self.following().is_none() || (header.is_some() && header == self.looked_at()) {
            return Ok(());
        }
        self.tell_foreign()?;
        self.note_look(header);
        Ok(())
    }

    /// Reads the log behind what was told last, in the transaction that is open or one of its own, and tells it.
    pub(super) fn tell_foreign(&mut self) -> Result<()> {
        let Some(since) = self.following() else { return Ok(()) };
        let logged = self.at_a_moment(|view| {
            if view.seq() == since { Ok(None) } else { watch::page(view, since, usize::MAX).map(Some) }
        })?;
        if let Some(logged) = logged {
            let events: Vec<_> = logged.commits.into_iter().filter(|commit| !commit.changes.is_empty()).collect();
            self.feed().publish(&events.into_iter().map(Arc::new).collect::<Vec<_>>());
            self.follow_from(logged.through);
        }
        Ok(())
    }

    fn at_a_moment<T>(&mut self, run: impl FnOnce(&dyn View) -> Result<T>) -> Result<T> {
        read::at_one_moment(self.connection(), |connection| {
            let seq = read::seq(connection)?;
            run(&Moment { connection: Mutex::new(connection), seq })
        })
    }
}

/// The database as a connection sees it now.
struct Moment<'c> {
    connection: Mutex<&'c mut Connection>,
    seq: u64,
}

impl View for Moment<'_> {
    fn seq(&self) -> u64 {
        self.seq
    }

    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Record>> {
        Ok(read::record(&mut self.connection.lock(), space, key)?.filter(|record| !record.has_expired()))
    }

    fn scan(
        &self,
        space: Space,
        range: &KeyRange,
        what: Projection,
        after: Option<&[u8]>,
        max_bytes: usize,
    ) -> Result<Page> {
        read::scan(&mut self.connection.lock(), space, range, what, after, max_bytes)
    }
}

//! Follows the feed: while somebody watches, a thread reads it over a connection of its own and tells each commit,
//! whichever client made it. Nothing is left out: after a gap every subscription ends with CONNECTION.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use redis::{Pipeline, Value as RespValue};

use super::fault::{closed, unexpected};
use super::feed_subscriber::FeedSubscriber;
use super::link::{CLOSE_PATIENCE, Connection, Effect, Established, Link, establish};
use super::options::{NAME, Settings};
use super::reply::{array, commit_number, exec_items};
use super::stream::{self, Step, StreamReader};
use crate::engine::watch::{Feed, Subscriber, Subscription, content_replaced};
use crate::error::{Code, Error, Result};
use crate::format::redis::{Layout, log_place, skipped_numbers};

/// For so many milliseconds the server writes the feed before it has to be asked again, which happens this often.
const LEASE: u64 = 60_000;
const RENEWAL: Duration = Duration::from_secs(20);

/// How long the server waits for the next commit before it answers that there was none.
const WAIT: Duration = Duration::from_millis(WAIT_MILLIS);
const WAIT_MILLIS: u64 = 2000;

/// Entries read at once.
const PAGE_ENTRIES: usize = 512;

/// The subscribers of one store, and the thread that follows the feed for them.
pub(super) struct FeedFollower {
    settings: Settings,
    layout: Layout,
    feed: Arc<Feed>,
    current: Mutex<Option<FollowerThread>>,
}

struct FollowerThread {
    state: Arc<FollowerState>,
    handle: JoinHandle<()>,
    /// Its sender is dropped when the thread ends.
    ended: mpsc::Receiver<()>,
}

#[derive(Default)]
struct FollowerState {
    /// The thread has to end, and to tell the commits up to `through` before.
    ends: AtomicBool,
    through: AtomicU64,
    connection: Mutex<Option<Arc<Connection>>>,
    /// The id of its connection at the server.
    client: Mutex<Option<String>>,
    /// The thread tells nothing more. A new subscriber of a running thread holds this lock.
    over: Mutex<bool>,
}

impl FeedFollower {
    pub(super) fn new(settings: &Settings) -> Self {
        let feed = Arc::new(Feed::default());
        feed.hold();
        let layout = Layout::new(&settings.key_prefix);
        FeedFollower { settings: settings.clone(), layout, feed, current: Mutex::default() }
    }

    /// Tells `subscriber` of the commits behind those that `link` was given before. Never blocks.
    pub(super) fn subscribe(&self, subscriber: Arc<dyn Subscriber>, link: &Link) -> Result<Subscription> {
        let subscriber = Arc::new(FeedSubscriber::new(subscriber));
        let mut current = self.current.lock();
        let running = current.as_ref().map(|running| running.state.clone());
        let running = running.as_ref().map(|running| running.over.lock());
        let over = running.as_ref().is_none_or(|over| **over);
        if over {
            // New subscribers begin when the new thread follows.
            self.feed.hold();
        }
        let subscription = self.feed.subscribe(subscriber.clone());
        let (first, opened) = mpsc::channel();
        drop(running);
        if over {
            let state = Arc::new(FollowerState::default());
            let (settings, layout, feed, theirs) =
                (self.settings.clone(), self.layout.clone(), self.feed.clone(), state.clone());
            let (ends, ended) = mpsc::channel();
            let run = move || {
                let _ends: mpsc::Sender<()> = ends;
                if let Err(error) = (FeedReader { settings, layout, feed: &feed, state: &theirs }).run(&opened) {
                    let mut over = theirs.over.lock();
                    // A close tells the end itself.
                    if *over || theirs.ends.load(Ordering::SeqCst) {
                        return;
                    }
                    feed.end(&error.in_engine(NAME), false);
                    *over = true;
                }
            };
            let handle = thread::Builder::new().name("holdfast-redis-feed".into()).spawn(run);
            let handle = handle.map_err(|error| Error::io("cannot start a thread", &error))?;
            *current = Some(FollowerThread { state, handle, ended });
        }
        let on_reply = move |reply: Result<Vec<RespValue>>| {
            let behind = reply.map_err(|error| lost(&error)).and_then(|mut replies| stream::opened(replies.pop()));
            let behind = behind.map(|opened| opened.seq);
            // A thread that follows already does not ask.
            drop(first.send(behind.clone()));
            subscriber.opened(behind);
        };
        // Sent again, it would give a later commit, so that those in between were not told.
        link.submit_commands(&open(&self.layout), Effect::Write, Box::new(on_reply));
        Ok(subscription)
    }

    /// Ends all subscriptions, because commit `seq` of this engine has replaced the content. Later ones begin behind
    /// it.
    pub(super) fn replaced(&self, seq: u64) {
        if let Some(running) = &*self.current.lock() {
            let mut over = running.state.over.lock();
            if !*over {
                self.feed.end(&content_replaced(seq).in_engine(NAME), false);
                *over = true;
            }
        }
    }

    /// Tells what `link` has committed until now, and ends all subscriptions with CLOSED. Blocks.
    pub(super) fn close(&self, link: &Link) {
        let running = self.current.lock().take();
        if let Some(FollowerThread { state, handle, ended }) = running {
            let through = if self.feed.is_watched() { self.latest_commit(link) } else { None };
            state.through.store(through.unwrap_or(0), Ordering::SeqCst);
            state.ends.store(true, Ordering::SeqCst);
            match (through, state.client.lock().clone()) {
                (Some(_), Some(client)) => {
                    let mut pipe = redis::pipe();
                    pipe.cmd("CLIENT").arg("UNBLOCK").arg(client);
                    // If this fails, the thread wakes by itself.
                    link.submit_commands(&pipe, Effect::Read, Box::new(drop));
                }
                (Some(_), None) => {}
                // There is nothing to tell, or the server is gone.
                (None, _) => state.connection.lock().iter().for_each(|connection| connection.shut()),
            }
            // A thread that connects to a server that is gone ends later.
            let patience = if through.is_some() { Duration::MAX } else { CLOSE_PATIENCE };
            let own = handle.thread().id() == thread::current().id();
            if !own && ended.recv_timeout(patience) == Err(mpsc::RecvTimeoutError::Disconnected) {
                // A panic was told already.
                drop(handle.join());
            }
        }
        self.feed.end(&closed(), true);
    }

    /// The number of the latest commit, if the server answers soon. Blocks.
    fn latest_commit(&self, link: &Link) -> Option<u64> {
        let mut pipe = redis::pipe();
        pipe.cmd("GET").arg(&self.layout.seq);
        let replies = link.begin_call(&pipe, Effect::Read).wait_for(CLOSE_PATIENCE)?;
        commit_number(replies.ok()?.pop()).ok()
    }
}

/// Reads the feed over one connection, from its beginning to its end.
struct FeedReader<'a> {
    settings: Settings,
    layout: Layout,
    feed: &'a Feed,
    state: &'a FollowerState,
}

impl FeedReader<'_> {
    /// Follows the feed behind the commit that `opened` gives.
    fn run(&self, opened: &mpsc::Receiver<Result<u64>>) -> Result<()> {
        let Established { connection, identity, .. } = establish(&self.settings, self.settings.connect_timeout)?;
        *self.state.client.lock() = identity.map(|identity| identity.id().to_owned());
        *self.state.connection.lock() = Some(connection.clone());
        let mut reader = StreamReader::behind(opened.recv().unwrap_or_else(|_| Err(closed()))?);
        let mut renewed = Instant::now();
        if !self.unless_over(Feed::begin) {
            return Ok(());
        }
        loop {
            let ends = self.state.ends.load(Ordering::SeqCst);
            if ends && reader.at >= self.state.through.load(Ordering::SeqCst) {
                return Ok(());
            }
            if renewed.elapsed() > RENEWAL {
                stream::opened(self.ask(&connection, &open(&self.layout))?.pop())?;
                renewed = Instant::now();
            }
            let mut pipe = redis::pipe();
            pipe.cmd("XREAD").arg("COUNT").arg(PAGE_ENTRIES);
            if !ends {
                pipe.arg("BLOCK").arg(WAIT_MILLIS);
            }
            pipe.arg("STREAMS").arg(&self.layout.feed).arg(reader.position());
            let entries = stream::entries(self.ask(&connection, &pipe)?.pop())?;
            if entries.is_empty() {
                let mut over = self.state.over.lock();
                if *over || !self.feed.is_watched() {
                    *over = true;
                    return Ok(());
                }
                drop(over);
                self.check(&connection, &reader)?;
                continue;
            }
            let mut commits = Vec::new();
            for entry in entries {
                match reader.take(entry)? {
                    Step::Incomplete => {}
                    Step::Complete(commit) => commits.push(commit),
                    Step::Gap(_) => return Err(self.reason_of_gap(&connection, &reader)),
                    Step::Replaced(seq) => return Err(content_replaced(seq)),
                    Step::Lost => return Err(stream::lost_commits(reader.at)),
                }
            }
            let events = stream::with_values(&self.layout, commits, |pipe| self.ask(&connection, pipe))?;
            let events: Vec<_> = events.into_iter().map(Arc::new).collect();
            if !self.unless_over(|feed| feed.publish(&events)) {
                return Ok(());
            }
        }
    }

    /// Tells the subscribers something by `tell`, unless they are those of a later thread: false.
    fn unless_over(&self, tell: impl FnOnce(&Feed)) -> bool {
        let over = self.state.over.lock();
        if !*over {
            tell(self.feed);
        }
        !*over
    }

    fn ask(&self, connection: &Connection, pipe: &Pipeline) -> Result<Vec<RespValue>> {
        let deadline = Instant::now() + WAIT + self.settings.command_timeout;
        connection.round_trip(pipe, deadline).map_err(|error| connection_lost().caused_by(&error.kind()))
    }

    /// `PRECONDITION_FAILED` if the server has lost the commit at which the reader stands, else CONNECTION.
    fn reason_of_gap(&self, connection: &Connection, reader: &StreamReader) -> Error {
        let mut pipe = redis::pipe();
        pipe.cmd("GET").arg(&self.layout.epoch);
        let epoch = match self.ask(connection, &pipe) {
            Ok(mut replies) => replies.pop(),
            Err(error) => return error,
        };
        let is_lost = match epoch {
            Some(RespValue::BulkString(epoch)) => {
                skipped_numbers(&epoch).is_some_and(|(last, first)| last < reader.at && reader.at < first)
            }
            // Everything was deleted, and nothing was committed since.
            _ => true,
        };
        if is_lost { stream::lost_commits(reader.at) } else { gap() }
    }

    /// An error if the feed is gone, or a commit is missing from it.
    fn check(&self, connection: &Connection, reader: &StreamReader) -> Result<()> {
        let mut pipe = redis::pipe();
        pipe.cmd("MULTI").cmd("GET").arg(&self.layout.seq);
        pipe.cmd("XREVRANGE").arg(&self.layout.feed).arg("+").arg("-").arg("COUNT").arg(1).cmd("EXEC");
        let mut items = exec_items(self.ask(connection, &pipe)?)?.into_iter();
        let seq = commit_number(items.next())?;
        let Some(last) = array(items.next())?.pop() else { return Err(self.reason_of_gap(connection, reader)) };
        let Some(RespValue::BulkString(id)) = array(Some(last))?.into_iter().next() else { return Err(unexpected()) };
        let (commit, _) = log_place(&id).ok_or_else(unexpected)?;
        if commit != seq || seq < reader.at { Err(self.reason_of_gap(connection, reader)) } else { Ok(()) }
    }
}

fn open(layout: &Layout) -> Pipeline {
    stream::open(layout, &layout.feed, Some(LEASE))
}

fn connection_lost() -> Error {
    Error::new(Code::Connection, "the connection over which commits are told was lost")
}

/// A subscription whose beginning is unknown has not begun.
fn lost(error: &Error) -> Error {
    if error.code() == Code::UnknownOutcome { connection_lost() } else { error.clone() }
}

/// The error `CONNECTION`: a commit is missing.
pub(super) fn gap() -> Error {
    Error::new(
        Code::Connection,
        "what was committed cannot be told without a gap: \
         the feed was deleted, or read too slowly; watch again (since)",
    )
}

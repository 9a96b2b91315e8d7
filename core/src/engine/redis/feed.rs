//! Following the feed: while somebody watches, a thread reads it over a connection of its own and tells of each commit, whichever client
//! made it. Nothing is left out: what does not follow the commit before it ends every subscription with CONNECTION.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use redis::{Pipeline, Value as Answer};

use super::delete_range::{counter, counter_of};
use super::fault::{ENGINE, unexpected};
use super::layout::Layout;
use super::link::Link;
use super::link::connection::SharedWire;
use super::link::handshake::{self, establish};
use super::options::Settings;
use super::read::{array, inside};
use super::stream::{self, Reader, Step};
use crate::engine::watch::{Feed, Subscriber, Subscription};
use crate::error::{Code, Error, Result};

/// For how long the feed is written at a time, in milliseconds, and how often that is renewed.
const LEASE: u64 = 60_000;
const RENEWAL: Duration = Duration::from_secs(20);

/// How long the server waits for the next commit before it answers that there was none.
const WAIT: Duration = Duration::from_secs(2);

/// Commits read at once.
const AT_ONCE: usize = 512;

/// Who watches one store, and the thread that follows it for them.
pub struct Follower {
    settings: Settings,
    layout: Layout,
    feed: Arc<Feed>,
    current: Mutex<Option<Running>>,
}

struct Running {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    /// The thread is to end: with what was committed up to here, if that is not zero.
    ends: AtomicBool,
    through: AtomicU64,
    /// Its connection, as the server knows it.
    client: Mutex<Option<String>>,
    /// The thread tells of nothing more. Whoever subscribes to a running one does so under this lock.
    over: Mutex<bool>,
}

impl Follower {
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let feed = Arc::new(Feed::default());
        feed.hold();
        let layout = Layout::new(&settings.key_prefix);
        Follower { settings: settings.clone(), layout, feed, current: Mutex::default() }
    }

    /// Tells `subscriber` of commits, once the server was asked for them.
    pub fn subscribe(&self, subscriber: Arc<dyn Subscriber>) -> Result<Subscription> {
        let mut current = self.current.lock();
        let running = current.as_ref().map(|running| running.shared.clone());
        let running = running.as_ref().map(|running| running.over.lock());
        let over = running.as_ref().is_none_or(|over| **over);
        if over {
            // Whoever subscribes now begins once the new thread follows.
            self.feed.hold();
        }
        let subscription = self.feed.subscribe(subscriber);
        drop(running);
        if over {
            let shared = Arc::new(Shared::default());
            let (settings, layout, feed, theirs) =
                (self.settings.clone(), self.layout.clone(), self.feed.clone(), shared.clone());
            let run = move || {
                if let Err(error) = (Follow { settings, layout, feed: &feed, shared: &theirs }).run() {
                    let mut over = theirs.over.lock();
                    feed.end(&error.in_engine(ENGINE), false);
                    *over = true;
                }
            };
            let thread = thread::Builder::new().name("holdfast-redis-feed".into()).spawn(run);
            let thread = thread.map_err(|error| Error::io("cannot start a thread", &error))?;
            *current = Some(Running { shared, thread });
        }
        Ok(subscription)
    }

    /// Tells of what `link` has committed until now, and ends all subscriptions with CLOSED.
    pub fn close(&self, link: &Link) {
        let running = self.current.lock().take();
        if let Some(Running { shared, thread }) = running {
            let through = if self.feed.is_watched() { counter(link, &self.layout).unwrap_or(0) } else { 0 };
            shared.through.store(through, Ordering::SeqCst);
            shared.ends.store(true, Ordering::SeqCst);
            if let Some(client) = shared.client.lock().clone() {
                let mut pipe = redis::pipe();
                pipe.cmd("CLIENT").arg("UNBLOCK").arg(client);
                // Else it wakes by itself.
                drop(link.call(&pipe, false));
            }
            if thread.thread().id() != thread::current().id() {
                // A panic was told already.
                drop(thread.join());
            }
        }
        self.feed.end(&super::closed(), true);
    }
}

/// One following, from its connection to its end.
struct Follow<'a> {
    settings: Settings,
    layout: Layout,
    feed: &'a Feed,
    shared: &'a Shared,
}

impl Follow<'_> {
    fn run(&self) -> Result<()> {
        let established = establish(&self.settings, self.settings.connect_timeout)?;
        let wire = established.wire;
        *self.shared.client.lock() = established.identity.map(|identity| identity.id().to_owned());
        let opened = stream::opened(self.ask(&wire, &self.open())?.pop())?;
        let mut reader = Reader::behind(opened.seq);
        let mut renewed = Instant::now();
        self.feed.begin();
        loop {
            let ends = self.shared.ends.load(Ordering::SeqCst);
            if ends && reader.at >= self.shared.through.load(Ordering::SeqCst) {
                return Ok(());
            }
            if renewed.elapsed() > RENEWAL {
                stream::opened(self.ask(&wire, &self.open())?.pop())?;
                renewed = Instant::now();
            }
            let mut pipe = redis::pipe();
            pipe.cmd("XREAD").arg("COUNT").arg(AT_ONCE);
            if !ends {
                pipe.arg("BLOCK").arg(WAIT.as_millis() as u64);
            }
            pipe.arg("STREAMS").arg(&self.layout.feed).arg(reader.place());
            let entries = stream::entries(self.ask(&wire, &pipe)?.pop())?;
            if entries.is_empty() {
                let mut over = self.shared.over.lock();
                if !self.feed.is_watched() {
                    *over = true;
                    return Ok(());
                }
                drop(over);
                self.check(&wire, &reader)?;
                continue;
            }
            let mut commits = Vec::new();
            for entry in entries {
                match reader.take(entry)? {
                    Step::Part => {}
                    Step::Whole(commit) => commits.push(commit),
                    Step::Gap(_) => return Err(gap()),
                }
            }
            let events = stream::with_values(&self.layout, commits, |pipe| self.ask(&wire, pipe))?;
            self.feed.publish(&events.into_iter().map(Arc::new).collect::<Vec<_>>());
        }
    }

    fn open(&self) -> Pipeline {
        stream::open(&self.layout, &self.layout.feed, Some(LEASE))
    }

    fn ask(&self, wire: &SharedWire, pipe: &Pipeline) -> Result<Vec<Answer>> {
        let deadline = Instant::now() + WAIT + self.settings.command_timeout;
        handshake::ask(wire, pipe, deadline).map_err(|error| {
            Error::new(Code::Connection, "the connection over which commits are told was lost").caused_by(&error.kind())
        })
    }

    /// CONNECTION if the feed is gone, or lacks a commit.
    fn check(&self, wire: &SharedWire, reader: &Reader) -> Result<()> {
        let mut pipe = redis::pipe();
        pipe.cmd("MULTI").cmd("GET").arg(&self.layout.seq);
        pipe.cmd("XREVRANGE").arg(&self.layout.feed).arg("+").arg("-").arg("COUNT").arg(1).cmd("EXEC");
        let mut items = inside(self.ask(wire, &pipe)?)?.into_iter();
        let seq = counter_of(items.next())?;
        let Some(last) = array(items.next())?.pop() else { return Err(gap()) };
        let Some(Answer::BulkString(id)) = array(Some(last))?.into_iter().next() else { return Err(unexpected()) };
        let (commit, _) = super::layout::log_place(&id).ok_or_else(unexpected)?;
        if commit != seq || seq < reader.at { Err(gap()) } else { Ok(()) }
    }
}

fn gap() -> Error {
    Error::new(
        Code::Connection,
        "what was committed cannot be told without a gap: the feed was deleted, or read too slowly; watch again (since)",
    )
}

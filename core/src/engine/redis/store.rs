//! The store on a server as an [`Engine`] with its facets.

use std::sync::Arc;

use super::dispatch::Dispatch;
use super::feed::FeedFollower;
use super::options::{NAME, Settings};
use super::replacement::{Replacements, Stages, recover};
use super::view::RedisView;
use super::{change_log, maintenance};
use crate::batch::{Batch, Commit, IntentId};
use crate::engine::intent::{self, Decision, Intent};
use crate::engine::watch::{Logged, Subscriber, Subscription, Watching};
use crate::engine::{
    Capabilities, Done, Engine, EngineExt, Maintained, Progress, Read, Replaceable, Reply, Report, Request, Stats,
    Transactional, View, Watched,
};
use crate::error::Result;
use crate::key::Space;
use crate::value::Value;

pub(super) struct RedisStore {
    dispatch: Arc<Dispatch>,
    feed: Arc<FeedFollower>,
    replacements: Arc<Replacements>,
    /// Records keep created and updated times.
    timestamps: bool,
}

impl RedisStore {
    /// Connects. Blocks.
    pub(super) fn open(settings: &Settings) -> Result<Self> {
        let dispatch = Arc::new(Dispatch::open(settings)?);
        recover(&dispatch.link, &dispatch.layout).map_err(|error| error.in_engine(NAME))?;
        let feed = Arc::new(FeedFollower::new(settings));
        let timestamps = settings.timestamps;
        let replacements =
            Replacements { dispatch: dispatch.clone(), feed: feed.clone(), stages: Stages::default(), timestamps };
        Ok(RedisStore { dispatch, feed, replacements: Arc::new(replacements), timestamps })
    }

    /// Makes a call that is not queued.
    fn running<T>(&self, call: impl FnOnce(&Dispatch) -> Result<T>) -> Result<T> {
        self.dispatch.queue.check_open()?;
        call(&self.dispatch).map_err(|error| error.in_engine(NAME))
    }
}

impl Engine for RedisStore {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            snapshots: false,
            atomic_batch: true,
            atomic_clear: false,
            timestamps: self.timestamps,
            watch: Watching::Shared,
            multi_process: true,
            sync: false,
            volatile: false,
            waits_for_javascript: false,
        }
    }

    fn try_read(&self, _read: &Read) -> Option<Result<Reply>> {
        None
    }

    fn try_get(&self, _space: Space, _key: &[u8]) -> Option<Result<Option<Value>>> {
        None
    }

    fn try_commit(&self, _batch: &Batch) -> Option<Result<Commit>> {
        None
    }

    fn try_view(&self) -> Option<Result<Arc<dyn View>>> {
        None
    }

    fn submit(&self, request: Request, done: Done) {
        let done: Done = Box::new(move |result| done(result.map_err(|error| error.in_engine(NAME))));
        self.dispatch.submit(request, done);
    }

    fn close(&self) -> Result<()> {
        self.dispatch.link.hurry();
        self.dispatch.pool.hurry();
        self.dispatch.queue.close();
        self.replacements.stages.end();
        self.feed.close(&self.dispatch.link);
        self.dispatch.link.close();
        self.dispatch.pool.close();
        Ok(())
    }

    fn transactional(&self) -> Option<&dyn Transactional> {
        Some(self)
    }

    fn watched(&self) -> Option<&dyn Watched> {
        Some(self)
    }

    fn maintained(&self) -> Option<&dyn Maintained> {
        Some(self)
    }

    fn replaceable(&self) -> Option<&dyn Replaceable> {
        Some(&self.replacements)
    }
}

impl Transactional for RedisStore {
    fn try_begin(&self) -> Option<Result<Arc<dyn View>>> {
        let Dispatch { link, queue, layout, .. } = &*self.dispatch;
        if let Err(error) = queue.check_open() {
            return Some(Err(error));
        }
        Some(Ok(Arc::new(RedisView::of_transaction(link.clone(), queue.clone(), layout.clone()))))
    }

    fn prepare(&self, id: IntentId, batch: Batch) -> Result<Commit> {
        intent::commit_intent(self, id, batch)
    }

    fn resolve(&self, id: IntentId, decision: Decision) -> Result<Option<Commit>> {
        intent::resolve(self, id, decision)
    }

    fn intents(&self) -> Result<Vec<Intent>> {
        intent::standing(&*self.view()?)
    }
}

impl Watched for RedisStore {
    fn subscribe(&self, subscriber: Arc<dyn Subscriber>) -> Result<Subscription> {
        self.running(|dispatch| self.feed.subscribe(subscriber, &dispatch.link))
    }

    fn start_log(&self) {
        change_log::start(&self.dispatch.link, &self.dispatch.layout);
    }

    fn logged(&self, since: u64, max_bytes: usize) -> Result<Logged> {
        self.running(|dispatch| change_log::logged(&dispatch.link, &dispatch.layout, since, max_bytes))
    }
}

impl Maintained for RedisStore {
    fn stats(&self) -> Result<Stats> {
        self.running(|Dispatch { link, pool, layout, .. }| {
            let mut stats = maintenance::stats(&*pool.link()?, layout)?;
            let (seq, floor) = change_log::bounds(&*pool.link()?, layout)?;
            stats.commit = Some(seq);
            stats.log_floor = floor;
            stats.counts = link.counts();
            stats.details.push(("reconnects", link.reconnects()));
            Ok(stats)
        })
    }

    fn verify(&self, repair: bool, progress: Progress<'_>) -> Result<Report> {
        let verify =
            |dispatch: &Dispatch| maintenance::verify(&*dispatch.pool.link()?, &dispatch.layout, repair, progress);
        let mut report = self.running(verify)?;
        intent::verify(self, repair, &mut report)?;
        Ok(report)
    }

    fn compact(&self) -> Result<()> {
        self.running(|dispatch| maintenance::compact(&*dispatch.pool.link()?, &dispatch.layout))
    }
}

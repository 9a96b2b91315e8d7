//! The facets of an engine in this process.

use std::sync::Arc;

use super::{Embedded, Store};
use crate::batch::{Batch, Commit, IntentId};
use crate::engine::intent::{self, Decision, Intent};
use crate::engine::watch::{self, Logged, Subscriber, Subscription, Watching};
use crate::engine::{Engine, EngineExt, Maintained, Progress, Report, Request, Stats, Transactional, View, Watched};
use crate::error::{Code, Result};

impl<S: Store> Transactional for Embedded<S> {
    fn try_begin(&self) -> Option<Result<Arc<dyn View>>> {
        self.try_view()
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

impl<S: Store> Watched for Embedded<S> {
    fn subscribe(&self, subscriber: Arc<dyn Subscriber>) -> Result<Subscription> {
        self.check_open()?;
        let store = &self.dispatch.store;
        if store.capabilities().watch == Watching::None {
            return Err(watch::not_watchable(self));
        }
        let subscription = store.feed().subscribe(subscriber);
        store.watched().map_err(|error| self.name_it(error))?;
        Ok(subscription)
    }

    fn start_log(&self) {
        // `CONFLICT` means that it is on.
        self.submit(Request::Commit(watch::switch_on_if_off()), Box::new(|_| {}));
    }

    fn logged(&self, since: u64, max_bytes: usize) -> Result<Logged> {
        loop {
            let view = self.view()?;
            let Some(batch) = watch::switch_on(&*view, None).map_err(|error| self.name_it(error))? else {
                return watch::page(&*view, since, max_bytes).map_err(|error| self.name_it(error));
            };
            match self.commit(batch) {
                Err(error) if error.code() != Code::Conflict => return Err(error),
                Ok(_) | Err(_) => {}
            }
        }
    }
}

impl<S: Store> Maintained for Embedded<S> {
    fn stats(&self) -> Result<Stats> {
        self.dispatch.running(|store| {
            let mut stats = store.stats()?;
            stats.counts = store.counters().counts();
            let view = store.view()?;
            stats.commit = Some(view.seq());
            stats.log_floor = watch::floor(&*view)?;
            Ok(stats)
        })
    }

    fn verify(&self, repair: bool, progress: Progress<'_>) -> Result<Report> {
        let mut report = self.dispatch.running(|store| store.verify(repair, progress))?;
        intent::verify(self, repair, &mut report)?;
        Ok(report)
    }

    fn compact(&self) -> Result<()> {
        self.dispatch.running(Store::compact)
    }
}

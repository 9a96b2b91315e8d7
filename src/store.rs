//! One open store, as the facade sees it.

use std::sync::{Arc, Weak};

use bytes::Bytes;
use holdfast_core::batch::{Batch, Op, Outcome};
use holdfast_core::engine::registry::Lease;
use holdfast_core::engine::watch::{Watch, Watching};
use holdfast_core::engine::{Engine, EngineExt, Read, Reply, Request, View, unexpected_reply};
use holdfast_core::error::{Error, Result};
use holdfast_core::key::{Key, Space};
use holdfast_core::threads::{self, guarded};
use holdfast_core::value::Value;
use napi::Env;
use napi_derive::napi;
use parking_lot::Mutex;

use crate::error::thrown;
use crate::settle::{CallId, Settled, Settler};
use crate::slot::TransactionSlot;
use crate::text::{Outbound, Payload, Text};
use crate::view::NativeView;
use crate::wire;

/// An engine and this environment's share of it.
pub struct Shared {
    pub engine: Arc<dyn Engine>,
    lease: Mutex<Option<Lease>>,
    pub settler: Arc<Settler>,
    /// The watches of this environment, ended with its share.
    watches: Mutex<Vec<Weak<Watch>>>,
    /// What a store of transactions is: a place over another store.
    pub slot: Option<Arc<TransactionSlot>>,
    /// What was found and done for transactions that a crash had left, as JSON.
    recovered: Option<String>,
}

impl Shared {
    pub fn new(lease: Lease, recovered: Option<String>, settler: Arc<Settler>) -> Arc<Self> {
        let shared = Arc::new(Shared {
            engine: lease.engine().clone(),
            lease: Mutex::new(Some(lease)),
            settler: settler.clone(),
            watches: Mutex::default(),
            slot: None,
            recovered,
        });
        settler.adopt(&shared);
        shared
    }

    /// A store for transactions on `beneath`. It has no share of its own.
    pub fn of_transactions(beneath: &Arc<Shared>) -> Arc<Self> {
        let slot = TransactionSlot::over(beneath.clone());
        let settler = beneath.settler.clone();
        Arc::new(Shared {
            engine: slot.clone(),
            lease: Mutex::new(None),
            settler,
            watches: Mutex::default(),
            slot: Some(slot),
            recovered: None,
        })
    }

    /// Gives the share back; the last one closes the store. Blocks.
    pub fn release(&self) -> Result<()> {
        let lease = self.lease.lock().take();
        let watches = std::mem::take(&mut *self.watches.lock());
        for watch in watches.iter().filter_map(Weak::upgrade) {
            watch.close(Error::closed().in_engine(self.engine.name()));
        }
        lease.map_or(Ok(()), Lease::close)
    }

    /// Remembers a watch, to end it with the share.
    pub fn adopt(&self, watch: &Arc<Watch>) {
        let mut watches = self.watches.lock();
        if watches.len() == watches.capacity() {
            watches.retain(|watch| watch.strong_count() > 0);
        }
        watches.push(Arc::downgrade(watch));
    }

    /// Runs `task`, which reads from a view, in the tier whose tasks may wait for as much as the engine does.
    pub fn spawn(&self, task: impl FnOnce(Result<()>) + Send + 'static) {
        if self.engine.capabilities().waits_for_javascript {
            threads::waiting(task);
        } else {
            threads::disk(task);
        }
    }

    /// Calls `run` with a view that sees every write requested before, on a pool thread.
    pub fn with_view(
        self: &Arc<Self>,
        id: CallId,
        run: impl FnOnce(Arc<dyn View>, &Arc<Shared>) -> Result<Settled> + Send + 'static,
    ) {
        let shared = self.clone();
        let on_view = move |view: Result<Arc<dyn View>>| match view {
            Ok(view) => shared.clone().spawn(move |started| {
                let settled = started.and_then(|()| guarded(|| run(view, &shared)));
                shared.post(id, settled.map_err(|error| shared.name_it(error)));
            }),
            Err(error) => shared.post(id, Err(error)),
        };
        match self.engine.try_view() {
            Some(view) => on_view(view),
            None => self.engine.submit(
                Request::View,
                Box::new(move |reply| {
                    on_view(reply.and_then(|reply| match reply {
                        Reply::View(view) => Ok(view),
                        _ => Err(unexpected_reply()),
                    }));
                }),
            ),
        }
    }

    /// Names the engine in an error that does not yet.
    pub fn name_it(&self, error: Error) -> Error {
        error.in_engine(self.engine.name())
    }

    /// The slot that a store for transactions is.
    pub fn slot(&self) -> napi::Result<&TransactionSlot> {
        self.slot.as_deref().ok_or_else(|| napi::Error::from_reason("expected a store for transactions"))
    }

    pub fn post(&self, id: CallId, settled: Result<Settled>) {
        self.settler.post(id, settled.unwrap_or_else(|error| Settled::Failed(Box::new(error))));
    }
}

/// An open store.
#[napi]
pub struct NativeStore {
    pub(crate) shared: Arc<Shared>,
}

impl NativeStore {
    fn submit(&self, env: &Env, id: CallId, request: Request, settle: fn(Reply) -> Result<Settled>) {
        let shared = self.shared.clone();
        shared.settler.expect(env);
        self.shared.engine.submit(request, Box::new(move |reply| shared.post(id, reply.and_then(settle))));
    }

    fn read(&self, env: &Env, id: CallId, read: Read) {
        self.submit(env, id, Request::Read(read), settle_reply);
    }

    /// Runs a call that may take long and wait for other tasks.
    fn long(&self, env: &Env, id: CallId, call: impl FnOnce(&Arc<Shared>) -> Result<Settled> + Send + 'static) {
        self.shared.settler.expect(env);
        let shared = self.shared.clone();
        threads::model(move |started| {
            let settled = started.and_then(|()| guarded(|| call(&shared)));
            shared.post(id, settled.map_err(|error| shared.name_it(error)));
        });
    }
}

/// How each reply looks to the facade.
pub fn settle_reply(reply: Reply) -> Result<Settled> {
    Ok(match reply {
        Reply::Value(None) | Reply::Entry(None) => Settled::Null,
        Reply::Value(Some(Value::Json(text))) => Settled::Text(text),
        Reply::Value(Some(Value::Binary(bytes))) => Settled::Buffer(bytes),
        Reply::Entry(Some(record)) => Settled::Text(wire::entry_json(&record)),
        Reply::Has(has) => Settled::Bool(has),
        Reply::Values(values) => Settled::Text(wire::values_json(&values)),
        Reply::Keys(keys) => Settled::Text(wire::keys_json(&keys)),
        #[allow(clippy::cast_precision_loss)] // No store holds 2^53 keys.
        Reply::Count(count) => Settled::Number(count as f64),
        Reply::Commit(commit) => Settled::Text(wire::commit_json(&commit)),
        Reply::View(_) => return Err(unexpected_reply()),
    })
}

fn settle_done(_: Reply) -> Result<Settled> {
    Ok(Settled::Bool(true))
}

pub fn settle_deleted(reply: Reply) -> Result<Settled> {
    match reply {
        Reply::Commit(commit) => {
            Ok(Settled::Bool(matches!(commit.outcomes.first(), Some(Outcome::Deleted { existed: true }))))
        }
        _ => Err(unexpected_reply()),
    }
}

pub fn set(key: Text, value: Payload, expires_at: Option<f64>, metadata: Option<Text>) -> Batch {
    Batch::one(Op::Set {
        space: Space::User,
        key: key.0,
        value: match value {
            Payload::Text(text) => Value::Json(text),
            Payload::Buffer(bytes) => Value::Binary(bytes),
        },
        expires_at: expires_at.map(wire::millis),
        metadata: metadata.map(|metadata| metadata.0),
    })
}

pub fn delete(key: Text) -> Batch {
    Batch::one(Op::Delete { space: Space::User, key: key.0 }).reporting()
}

fn user(key: Text) -> (Space, Key) {
    (Space::User, key.0)
}

/// What an inline call gives: `undefined` where the engine says to queue it. The type is always written out: behind an
/// alias napi-rs does not see a `Result`, and would return an error instead of throwing it.
pub fn inline(result: Option<Result<Settled>>) -> napi::Result<Outbound> {
    match result {
        None => Ok(Outbound(Settled::Undefined)),
        Some(Ok(settled)) => Ok(Outbound(settled)),
        Some(Err(error)) => Err(thrown(&error)),
    }
}

#[napi]
impl NativeStore {
    /// JSON: what the engine can do.
    #[napi(getter)]
    pub fn capabilities(&self) -> String {
        let can = self.shared.engine.capabilities();
        serde_json::json!({
            "snapshots": can.snapshots,
            "atomicBatch": can.atomic_batch,
            "atomicClear": can.atomic_clear,
            "timestamps": can.timestamps,
            "watch": match can.watch {
                Watching::None => "none",
                Watching::Process => "process",
                Watching::Shared => "shared",
            },
            "multiProcess": can.multi_process,
            "sync": can.sync,
        })
        .to_string()
    }

    /// A store whose calls go to whichever transaction has entered it last.
    #[napi(catch_unwind)]
    pub fn for_transactions(&self) -> NativeStore {
        NativeStore { shared: Shared::of_transactions(&self.shared) }
    }

    /// JSON of what was found and done, when the store was opened, for transactions that a crash had left.
    #[napi(getter)]
    pub fn recovered(&self) -> Option<String> {
        self.shared.recovered.clone()
    }

    /// `{ tryGet, tryHas, trySet, tryDelete }`: the calls that are made most, without the cost of a method.
    #[napi(getter)]
    pub fn hot(&self, env: Env) -> napi::Result<crate::hot::Hot> {
        crate::hot::functions(&env, &self.shared)
    }

    #[napi(catch_unwind)]
    pub fn try_entry(&self, key: Text) -> napi::Result<Outbound> {
        let (space, key) = user(key);
        inline(self.shared.engine.try_read(&Read::Entry(space, key)).map(|reply| reply.and_then(settle_reply)))
    }

    #[napi(catch_unwind)]
    pub fn try_get_many(&self, keys: Text) -> napi::Result<Outbound> {
        let keys = wire::keys(&keys.0).map_err(|error| thrown(&error))?;
        inline(self.shared.engine.try_read(&Read::Many(Space::User, keys)).map(|reply| reply.and_then(settle_reply)))
    }

    #[napi(catch_unwind)]
    pub fn try_batch(&self, ops: Text, report: bool) -> napi::Result<Outbound> {
        let batch = wire::batch(&ops.0, report).map_err(|error| thrown(&error))?;
        inline(self.shared.engine.try_commit(&batch).map(|commit| commit.map(Reply::Commit).and_then(settle_reply)))
    }

    #[napi(catch_unwind)]
    pub fn submit_get(&self, env: Env, id: CallId, key: Text) {
        let (space, key) = user(key);
        self.read(&env, id, Read::Get(space, key));
    }

    #[napi(catch_unwind)]
    pub fn submit_has(&self, env: Env, id: CallId, key: Text) {
        let (space, key) = user(key);
        self.read(&env, id, Read::Has(space, key));
    }

    #[napi(catch_unwind)]
    pub fn submit_entry(&self, env: Env, id: CallId, key: Text) {
        let (space, key) = user(key);
        self.read(&env, id, Read::Entry(space, key));
    }

    #[napi(catch_unwind)]
    pub fn submit_get_many(&self, env: Env, id: CallId, keys: Text) -> napi::Result<()> {
        let keys = wire::keys(&keys.0).map_err(|error| thrown(&error))?;
        self.read(&env, id, Read::Many(Space::User, keys));
        Ok(())
    }

    #[napi(catch_unwind)]
    pub fn submit_set(
        &self,
        env: Env,
        id: CallId,
        key: Text,
        value: Payload,
        expires_at: Option<f64>,
        metadata: Option<Text>,
    ) {
        self.submit(&env, id, Request::Commit(set(key, value, expires_at, metadata)), settle_done);
    }

    #[napi(catch_unwind)]
    pub fn submit_delete(&self, env: Env, id: CallId, key: Text) {
        self.submit(&env, id, Request::Commit(delete(key)), settle_deleted);
    }

    #[napi(catch_unwind)]
    pub fn submit_batch(&self, env: Env, id: CallId, ops: Text, report: bool) -> napi::Result<()> {
        let batch = wire::batch(&ops.0, report).map_err(|error| thrown(&error))?;
        self.submit(&env, id, Request::Commit(batch), settle_reply);
        Ok(())
    }

    #[napi(catch_unwind)]
    pub fn submit_keys(&self, env: Env, id: CallId, range: Text) -> napi::Result<()> {
        let range = wire::range(&range.0).map_err(|error| thrown(&error))?;
        self.submit(&env, id, Request::Keys(range), settle_reply);
        Ok(())
    }

    #[napi(catch_unwind)]
    pub fn submit_count(&self, env: Env, id: CallId, range: Text) -> napi::Result<()> {
        let range = wire::range(&range.0).map_err(|error| thrown(&error))?;
        self.submit(&env, id, Request::Count(range), settle_reply);
        Ok(())
    }

    #[napi(catch_unwind)]
    pub fn submit_view(&self, env: Env, id: CallId) {
        self.shared.settler.expect(&env);
        self.shared.with_view(id, |view, shared| Ok(Settled::View(NativeView::new(view, shared.clone()))));
    }

    /// A view at once, or `undefined`: queue it.
    #[napi(catch_unwind)]
    pub fn try_view(&self) -> napi::Result<Outbound> {
        let view = self.shared.engine.try_view();
        inline(view.map(|view| view.map(|view| Settled::View(NativeView::new(view, self.shared.clone())))))
    }

    #[napi(catch_unwind)]
    pub fn submit_stats(&self, env: Env, id: CallId) {
        self.long(&env, id, |shared| {
            let stats = shared.engine.stats()?;
            let mut json = serde_json::Map::new();
            json.insert("keys".into(), stats.keys.into());
            json.insert("memoryBytes".into(), stats.memory_bytes.into());
            json.insert("diskBytes".into(), stats.disk_bytes.into());
            let counts = stats.counts;
            json.insert(
                "counters".into(),
                serde_json::json!({
                    "commits": counts.commits,
                    "conflicts": counts.conflicts,
                    "groups": counts.groups,
                    "fsyncs": counts.fsyncs,
                    "cacheHits": counts.cache_hits,
                    "cacheMisses": counts.cache_misses,
                    "recoveries": counts.recoveries,
                }),
            );
            json.insert("commit".into(), stats.commit.into());
            json.insert("logFloor".into(), stats.log_floor.into());
            let details = stats.details.into_iter().map(|(name, figure)| (name.to_owned(), figure.into())).collect();
            json.insert("details".into(), serde_json::Value::Object(details));
            Ok(Settled::Text(serde_json::Value::Object(json).to_string().into()))
        });
    }

    /// `progress` is the id that news of the progress come under; 0 for none.
    #[napi(catch_unwind)]
    pub fn submit_verify(&self, env: Env, id: CallId, repair: bool, progress: CallId) {
        self.long(&env, id, move |shared| {
            let mut tell = |done: u64, total: u64| {
                if progress > 0 {
                    let news = format!("{{\"done\":{done},\"total\":{total}}}");
                    shared.settler.post(progress, Settled::Progress(news));
                }
                Ok(())
            };
            let report = shared.engine.verify(repair, &mut tell)?;
            let errors: Vec<String> = report.errors.iter().map(crate::error::to_json).collect();
            let json = format!("{{\"checked\":{},\"errors\":[{}]}}", report.checked, errors.join(","));
            Ok(Settled::Text(Bytes::from(json)))
        });
    }

    #[napi(catch_unwind)]
    pub fn submit_compact(&self, env: Env, id: CallId) {
        self.long(&env, id, |shared| shared.engine.compact().map(|()| Settled::Undefined));
    }

    /// Finishes what runs and gives the store back.
    #[napi(catch_unwind)]
    pub fn submit_close(&self, env: Env, id: CallId) {
        self.long(&env, id, |shared| shared.release().map(|()| Settled::Undefined));
    }

    #[napi(catch_unwind)]
    pub fn get_sync(&self, key: Text) -> napi::Result<Outbound> {
        let (space, key) = user(key);
        self.read_sync(Read::Get(space, key))
    }

    #[napi(catch_unwind)]
    pub fn has_sync(&self, key: Text) -> napi::Result<Outbound> {
        let (space, key) = user(key);
        self.read_sync(Read::Has(space, key))
    }

    #[napi(catch_unwind)]
    pub fn set_sync(
        &self,
        key: Text,
        value: Payload,
        expires_at: Option<f64>,
        metadata: Option<Text>,
    ) -> napi::Result<Outbound> {
        let commit = self.shared.engine.commit(set(key, value, expires_at, metadata));
        inline(Some(commit.map(|_| Settled::Bool(true))))
    }

    #[napi(catch_unwind)]
    pub fn delete_sync(&self, key: Text) -> napi::Result<Outbound> {
        let commit = self.shared.engine.commit(delete(key));
        inline(Some(commit.map(Reply::Commit).and_then(settle_deleted)))
    }

    fn read_sync(&self, read: Read) -> napi::Result<Outbound> {
        let reply = match self.shared.engine.try_read(&read) {
            Some(reply) => reply,
            None => self.shared.engine.wait(Request::Read(read)),
        };
        inline(Some(reply.and_then(settle_reply)))
    }
}

/// Gives the share of a store nobody in JavaScript holds any more back, off the JavaScript thread.
impl Drop for NativeStore {
    fn drop(&mut self) {
        let shared = self.shared.clone();
        if shared.lease.lock().is_some() {
            threads::model(move |_| {
                // Nobody is left to be told of an error.
                let _ = shared.release();
            });
        }
    }
}

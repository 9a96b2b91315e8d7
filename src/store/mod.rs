//! Open stores, and the calls that JavaScript makes on them.

mod calls;
mod hot;
mod model;
mod progress;
mod share;
mod slot;
mod view;
mod watch;

use std::sync::Arc;

use holdfast_core::engine::EngineExt;
use holdfast_core::error::{Code, Error, Result};
use holdfast_core::model::{Control, Progress};
use holdfast_core::threads::{self, guarded};
use napi::Env;
use napi_derive::napi;

use self::calls::{Call, inline};
use self::hot::Functions;
pub(crate) use self::share::OpenStore;
use self::slot::NativeSlot;
use crate::boundary::error::thrown;
use crate::boundary::settle::{CallId, Settled};
use crate::boundary::text::{Outbound, Payload, Text};
use crate::wire;

/// An open store.
#[napi]
pub struct NativeStore {
    store: Arc<OpenStore>,
}

impl NativeStore {
    pub fn new(store: Arc<OpenStore>) -> Self {
        NativeStore { store }
    }

    /// Runs a call that may take long, and may wait for other tasks.
    fn long(&self, env: &Env, id: CallId, call: impl FnOnce(&Arc<OpenStore>) -> Result<Settled> + Send + 'static) {
        self.store.settler.expect(env);
        let store = self.store.clone();
        threads::model(move |started| {
            let settled = started.and_then(|()| guarded(|| call(&store)));
            store.post(id, settled.map_err(|error| store.name_it(error)));
        });
    }
}

#[napi]
impl NativeStore {
    /// The abilities of the engine, as JSON.
    #[napi(getter)]
    pub fn capabilities(&self) -> String {
        wire::capabilities_json(self.store.engine.capabilities())
    }

    /// The outcome of the recovery of transactions that a crash had left, as JSON.
    #[napi(getter)]
    pub fn recovered(&self) -> Option<String> {
        self.store.recovered.clone()
    }

    /// The most frequent calls, without the cost of a method: `{ tryGet, tryHas, trySet, tryDelete }`.
    #[napi(getter)]
    pub fn hot(&self, env: Env) -> napi::Result<Functions> {
        hot::of_store(&env, &self.store)
    }

    /// A slot in which one transaction after another begins.
    #[napi(catch_unwind)]
    pub fn slot(&self) -> NativeSlot {
        NativeSlot::over(&self.store)
    }

    /// Makes a call at once, or returns `undefined` if it has to be submitted.
    #[napi(catch_unwind)]
    pub fn try_call(&self, verb: u32, argument: Text) -> napi::Result<Outbound> {
        calls::try_call(&self.store, verb, argument)
    }

    #[napi(catch_unwind)]
    pub fn submit_call(&self, env: Env, id: CallId, verb: u32, argument: Text) -> napi::Result<()> {
        calls::submit_call(&self.store, &env, id, verb, argument)
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
        Call::set(key, value, expires_at, metadata).submit(&self.store, &env, id);
    }

    /// Makes a call on this thread. Blocks.
    #[napi(catch_unwind)]
    pub fn call_sync(&self, verb: u32, argument: Text) -> napi::Result<Outbound> {
        inline(Some(Call::new(verb, argument).and_then(|call| call.wait(&*self.store.engine))))
    }

    #[napi(catch_unwind)]
    pub fn set_sync(
        &self,
        key: Text,
        value: Payload,
        expires_at: Option<f64>,
        metadata: Option<Text>,
    ) -> napi::Result<Outbound> {
        inline(Some(Call::set(key, value, expires_at, metadata).wait(&*self.store.engine)))
    }

    /// Makes a view at once, or returns `undefined` if the call has to be submitted.
    #[napi(catch_unwind)]
    pub fn try_view(&self) -> napi::Result<Outbound> {
        calls::try_view(&self.store)
    }

    #[napi(catch_unwind)]
    pub fn submit_view(&self, env: Env, id: CallId) {
        calls::submit_view(&self.store, &env, id);
    }

    /// Queues a call of a model, whose request is JSON text. Settles with a text, or with a `NativeModelCall`. News of
    /// its progress come under the id `progress`, and in the end an empty text; 0 asks for none.
    #[napi(catch_unwind)]
    pub fn submit_model(&self, env: Env, id: CallId, request: Text, progress: CallId) {
        let engine = self.store.engine.clone();
        model::submit(&self.store, engine, Arc::default(), &env, id, request, progress);
    }

    /// Lets a call of a model that has not answered yet end soon, with ABORTED.
    #[napi(catch_unwind)]
    pub fn abort_model(&self, id: CallId) {
        self.store.models.abort(id);
    }

    /// Queues a call that may take long: `stats`, `compact`, `close`, `verify`, or `repair`, which is `verify` with
    /// repair. News of the progress of a check come under the id `progress`, and in the end an empty text; 0 asks for
    /// none.
    #[napi(catch_unwind)]
    pub fn submit_maintenance(&self, env: Env, id: CallId, verb: String, progress: CallId) -> napi::Result<()> {
        match verb.as_str() {
            "stats" => {
                self.long(&env, id, |store| store.engine.stats().map(|stats| Settled::Text(wire::stats_json(stats))));
            }
            "compact" => self.long(&env, id, |store| store.engine.compact().map(|()| Settled::Undefined)),
            "close" => self.long(&env, id, |store| store.release().map(|()| Settled::Undefined)),
            "verify" | "repair" => {
                let control = progress::control(&self.store.settler, progress);
                self.long(&env, id, move |store| verify(store, verb == "repair", &control));
            }
            _ => {
                let unknown = Error::new(Code::NotSupported, format!("the addon has no call {verb}"));
                return Err(thrown(&unknown));
            }
        }
        Ok(())
    }
}

fn verify(store: &OpenStore, repair: bool, control: &Control) -> Result<Settled> {
    let mut tell = |done: u64, total: u64| {
        control.report(Progress { phase: "verify", done, total: Some(total), bytes: None });
        Ok(())
    };
    let report = store.engine.verify(repair, &mut tell)?;
    Ok(Settled::Text(wire::report_json(&report)))
}

/// Gives back the share of a store that JavaScript does not hold any more, on another thread.
impl Drop for NativeStore {
    fn drop(&mut self) {
        let store = self.store.clone();
        if store.is_held() {
            threads::model(move |_| {
                // There is no caller left for an error.
                let _ = store.release();
            });
        }
    }
}

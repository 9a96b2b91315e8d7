//! A snapshot, and the pages of its scans.

use std::sync::Arc;

use holdfast_core::engine::{Projection, View};
use holdfast_core::error::{Error, Result};
use holdfast_core::key::Space;
use holdfast_core::threads::{self, guarded};
use napi::Env;
use napi_derive::napi;
use parking_lot::Mutex;

use super::calls::Call;
use super::share::OpenStore;
use crate::boundary::error::thrown;
use crate::boundary::settle::{CallId, Settled};
use crate::boundary::text::Text;
use crate::wire;

/// A snapshot of a store. Every iterator reads from one.
#[napi]
pub struct NativeView {
    view: Mutex<Option<Arc<dyn View>>>,
    store: Arc<OpenStore>,
}

impl NativeView {
    pub fn new(view: Arc<dyn View>, store: Arc<OpenStore>) -> Self {
        NativeView { view: Mutex::new(Some(view)), store }
    }

    fn run(&self, env: &Env, id: CallId, call: impl FnOnce(&dyn View) -> Result<Settled> + Send + 'static) {
        self.store.settler.expect(env);
        let store = self.store.clone();
        let Some(view) = self.view.lock().clone() else {
            return store.post(id, Err(Error::closed().in_engine(store.engine.name())));
        };
        let spawner = store.clone();
        spawner.spawn(move |started| {
            let settled = started.and_then(|()| guarded(|| call(&*view))).map_err(|error| store.name_it(error));
            // Before the call settles, so that a snapshot that is closed behind it is gone.
            drop(view);
            store.post(id, settled);
        });
    }
}

#[napi]
impl NativeView {
    /// Queues a read of single keys, `keys` or `count`.
    #[napi(catch_unwind)]
    pub fn submit_call(&self, env: Env, id: CallId, verb: u32, argument: Text) -> napi::Result<()> {
        let call = Call::new(verb, argument).map_err(|error| thrown(&error))?;
        self.run(&env, id, move |view| call.read_from(view));
        Ok(())
    }

    /// Queues a read of a page of `what` ('keys', 'entries' or 'values') behind `after`, of about `maxBytes` bytes.
    #[napi(catch_unwind)]
    pub fn submit_page(
        &self,
        env: Env,
        id: CallId,
        range: Text,
        what: String,
        after: Option<Text>,
        max_bytes: u32,
    ) -> napi::Result<()> {
        let range = wire::range(&range.0).map_err(|error| thrown(&error))?;
        self.run(&env, id, move |view| {
            let projection = if what == "keys" { Projection::Keys } else { Projection::Values };
            let after = after.as_ref().map(|after| after.0.as_ref());
            let page = view.scan(Space::User, &range, projection, after, max_bytes as usize)?;
            Ok(Settled::Text(wire::page_json(&page, projection, what == "values")))
        });
        Ok(())
    }

    /// Gives the snapshot back. Calls that run finish.
    #[napi(catch_unwind)]
    pub fn close(&self) {
        let view = self.view.lock().take();
        if let Some(view) = view {
            // The drop of the last reference may close a database.
            threads::disk(move |_| drop(view));
        }
    }
}

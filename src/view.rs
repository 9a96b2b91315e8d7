//! A snapshot, and the pages of its scans.

use std::sync::Arc;

use holdfast_core::engine::{Projection, Request, View, list};
use holdfast_core::error::{Error, Result};
use holdfast_core::key::Space;
use holdfast_core::threads::{self, guarded};
use holdfast_core::value::Value;
use napi::Env;
use napi_derive::napi;
use parking_lot::Mutex;

use crate::error::thrown;
use crate::settle::{CallId, Settled};
use crate::store::{Shared, settle_reply};
use crate::text::Text;
use crate::wire;

/// A snapshot of a store; also what every iterator reads from.
#[napi]
pub struct NativeView {
    view: Mutex<Option<Arc<dyn View>>>,
    shared: Arc<Shared>,
}

impl NativeView {
    pub fn new(view: Arc<dyn View>, shared: Arc<Shared>) -> Self {
        NativeView { view: Mutex::new(Some(view)), shared }
    }

    fn run(&self, env: &Env, id: CallId, call: impl FnOnce(&dyn View) -> Result<Settled> + Send + 'static) {
        self.shared.settler.expect(env);
        let shared = self.shared.clone();
        let Some(view) = self.view.lock().clone() else {
            return shared.post(id, Err(Error::closed().in_engine(shared.engine.name())));
        };
        let spawner = shared.clone();
        spawner.spawn(move |started| {
            let settled = started.and_then(|()| guarded(|| call(&*view))).map_err(|error| shared.name_it(error));
            // Before the call settles, so that a snapshot closed after it is really gone.
            drop(view);
            shared.post(id, settled);
        });
    }
}

#[napi]
impl NativeView {
    #[napi(catch_unwind)]
    pub fn submit_get(&self, env: Env, id: CallId, key: Text) {
        self.run(&env, id, move |view| {
            Ok(match view.get(Space::User, &key.0)?.map(|record| record.value) {
                None => Settled::Null,
                Some(Value::Json(text)) => Settled::Text(text),
                Some(Value::Binary(bytes)) => Settled::Buffer(bytes),
            })
        });
    }

    #[napi(catch_unwind)]
    pub fn submit_has(&self, env: Env, id: CallId, key: Text) {
        self.run(&env, id, move |view| Ok(Settled::Bool(view.get(Space::User, &key.0)?.is_some())));
    }

    #[napi(catch_unwind)]
    pub fn submit_entry(&self, env: Env, id: CallId, key: Text) {
        self.run(&env, id, move |view| {
            let record = view.get(Space::User, &key.0)?;
            Ok(record.map_or(Settled::Null, |record| Settled::Text(wire::entry_json(&record))))
        });
    }

    #[napi(catch_unwind)]
    pub fn submit_get_many(&self, env: Env, id: CallId, keys: Text) -> napi::Result<()> {
        let keys = wire::keys(&keys.0).map_err(|error| thrown(&error))?;
        self.run(&env, id, move |view| {
            let values: Result<Vec<Option<Value>>> =
                keys.iter().map(|key| Ok(view.get(Space::User, key)?.map(|record| record.value))).collect();
            Ok(Settled::Text(wire::values_json(&values?)))
        });
        Ok(())
    }

    #[napi(catch_unwind)]
    pub fn submit_keys(&self, env: Env, id: CallId, range: Text) -> napi::Result<()> {
        let range = wire::range(&range.0).map_err(|error| thrown(&error))?;
        self.run(&env, id, move |view| list(view, &Request::Keys(range)).and_then(settle_reply));
        Ok(())
    }

    #[napi(catch_unwind)]
    pub fn submit_count(&self, env: Env, id: CallId, range: Text) -> napi::Result<()> {
        let range = wire::range(&range.0).map_err(|error| thrown(&error))?;
        self.run(&env, id, move |view| list(view, &Request::Count(range)).and_then(settle_reply));
        Ok(())
    }

    /// A page of `what` ('keys', 'entries' or 'values') behind `after`, of about `maxBytes`.
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

    /// Lets the snapshot go. Calls that run finish.
    #[napi(catch_unwind)]
    pub fn close(&self) {
        let view = self.view.lock().take();
        if let Some(view) = view {
            // The last reference may have a database to close behind it.
            threads::disk(move |_| drop(view));
        }
    }
}

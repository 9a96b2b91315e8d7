//! Engines written in JavaScript: a call of the core goes to the facade as news, and the facade answers it with a call
//! of its own.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock, Weak};

use bytes::Bytes;
use holdfast_core::engine::custom::{self, Answer, Answered, Call, Host, OnAnswer, Traits};
use holdfast_core::engine::registry::Lease;
use holdfast_core::error::{Code, Error, Result};
use holdfast_core::record::Record;
use napi::Env;
use napi_derive::napi;
use parking_lot::Mutex;
use serde_json::Value as Json;

use crate::boundary::error::thrown;
use crate::boundary::settle::{CallId, Leaving, Resident, Settled, Settler};
use crate::boundary::text::{Payload, Text, fits_a_string};
use crate::session::transaction_log::Recovery;
use crate::session::{open_queued, recovered};
use crate::wire;

/// The calls of one engine that JavaScript has not answered.
pub(crate) struct JsHost {
    traits: Traits,
    listener: CallId,
    settler: Arc<Settler>,
    pending: Mutex<Pending>,
}

#[derive(Default)]
struct Pending {
    calls: HashMap<u32, OnAnswer>,
    last: u32,
    closed: bool,
}

impl Host for JsHost {
    fn traits(&self) -> Traits {
        self.traits
    }

    fn call(&self, call: Call, answer: OnAnswer) {
        let id = {
            let mut pending = self.pending.lock();
            if pending.closed {
                drop(pending);
                return answer(Err(Error::closed()));
            }
            pending.last = pending.last.wrapping_add(1);
            let id = pending.last;
            pending.calls.insert(id, answer);
            id
        };
        let text = wire::call_json(id, &call);
        if fits_a_string(&text) {
            self.settler.post(self.listener, Settled::Progress(text));
        } else {
            let message = "these writes together are longer than a string of JavaScript can be; write less at a time";
            self.answer(id, Err(Error::new(Code::ValueTooLarge, message)));
        }
    }

    fn close(&self) {
        let calls = {
            let mut pending = self.pending.lock();
            pending.closed = true;
            std::mem::take(&mut pending.calls)
        };
        for answer in calls.into_values() {
            answer(Err(Error::closed()));
        }
    }
}

impl Resident for JsHost {
    fn leave(&self) {
        self.close();
    }
}

impl JsHost {
    /// Answers a call, unless a close has answered it.
    fn answer(&self, id: u32, answered: Result<Answered>) {
        let waiting = self.pending.lock().calls.remove(&id);
        if let Some(waiting) = waiting {
            waiting(answered);
        }
    }
}

/// An engine that JavaScript carries out.
#[napi]
pub struct NativeHost {
    host: Arc<JsHost>,
    settler: Arc<Settler>,
}

impl NativeHost {
    pub fn new(listener: CallId, traits: &Bytes, settler: Arc<Settler>) -> Result<Self> {
        let json: Json = serde_json::from_slice(traits)
            .map_err(|_| Error::new(Code::InvalidArgument, "the facade sent malformed traits"))?;
        let flag = |name: &str| json.get(name).and_then(Json::as_bool).unwrap_or(false);
        let traits = Traits {
            name: interned(json.get("name").and_then(Json::as_str).unwrap_or("custom")),
            atomic_batch: flag("atomicBatch"),
            expiry: flag("expiry"),
            metadata: flag("metadata"),
        };
        let host = Arc::new(JsHost { traits, listener, settler: settler.clone(), pending: Mutex::default() });
        settler.adopt(Leaving::First, Arc::downgrade(&host) as Weak<dyn Resident>);
        Ok(NativeHost { host, settler })
    }

    fn answered(&self, id: u32, answer: Answer, changes: f64) {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number below 2^53")]
        let changes = changes as u64;
        self.host.answer(id, Ok(Answered { answer, changes }));
    }
}

#[napi]
impl NativeHost {
    /// Opens the engine, once. Settles with a store, after the transactions that a crash left in it are finished.
    #[napi(catch_unwind)]
    pub fn open(&self, env: Env, id: CallId, recovery: Option<Vec<String>>) {
        self.settler.expect(&env);
        let host = self.host.clone();
        let recovery = recovery.and_then(Recovery::new);
        // The end of the environment does not wait for this opening, which may itself wait for JavaScript.
        open_queued(id, self.settler.clone(), None, move || {
            recovered(Lease::private(custom::open(host)), recovery.as_ref())
        });
    }

    /// Answers a call that has no result.
    #[napi(catch_unwind)]
    pub fn done(&self, id: u32, changes: f64) {
        self.answered(id, Answer::Done, changes);
    }

    /// Answers with the record of a key, or without a value if the key is absent.
    #[napi(catch_unwind)]
    pub fn record(
        &self,
        id: u32,
        changes: f64,
        value: Option<Payload>,
        expires_at: Option<f64>,
        metadata: Option<Text>,
    ) {
        let record = value.map(|value| {
            let bare = Record::bare(value.into_value(), expires_at.map(wire::millis));
            Record { metadata: metadata.map(|metadata| metadata.0), ..bare }
        });
        self.answered(id, Answer::Record(record), changes);
    }

    /// Answers with keys, in the text form of the facade.
    #[napi(catch_unwind)]
    pub fn keys(&self, id: u32, changes: f64, keys: Text) -> napi::Result<()> {
        let keys = wire::keys(&keys.0).map_err(|error| thrown(&error))?;
        self.answered(id, Answer::Keys(keys), changes);
        Ok(())
    }

    /// Answers with an error: `{ code, message, key?, cause? }` as JSON.
    #[napi(catch_unwind)]
    pub fn fail(&self, id: u32, error: Text) {
        self.host.answer(id, Err(error_of(&error.0)));
    }
}

fn error_of(text: &Bytes) -> Error {
    let json: Json = serde_json::from_slice(text).unwrap_or(Json::Null);
    let text = |name: &str| json.get(name).and_then(Json::as_str);
    let code = text("code").and_then(Code::from_name).unwrap_or(Code::Io);
    let mut error = Error::new(code, text("message").unwrap_or("the engine failed without saying why"));
    if let Some(key) = text("key") {
        error = error.at_key(key.as_bytes());
    }
    match text("cause") {
        Some(cause) => error.caused_by(&cause),
        None => error,
    }
}

/// The same name with a static lifetime, as errors carry it. The memory is never freed: an application has few names
/// for its engines.
fn interned(name: &str) -> &'static str {
    static NAMES: LazyLock<Mutex<HashSet<&'static str>>> = LazyLock::new(Mutex::default);
    let mut names = NAMES.lock();
    if let Some(known) = names.get(name) {
        return known;
    }
    let name: &'static str = Box::leak(name.to_owned().into_boxed_str());
    names.insert(name);
    name
}

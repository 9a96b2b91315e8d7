//! Calls of models. A call settles with a text, or with a [`NativeModelCall`] that JavaScript pulls or pushes.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use holdfast_core::engine::Engine;
use holdfast_core::error::{Error, Result};
use holdfast_core::model::{Call, Done, Reply, Steps};
use napi::Env;
use napi_derive::napi;
use parking_lot::Mutex;

use super::progress;
use super::share::OpenStore;
use crate::boundary::settle::{CallId, Settled};
use crate::boundary::text::{Chunk, Text};

/// The calls of models on one store that are not over. They end with the environment's share of the store.
#[derive(Default)]
pub struct ModelCalls {
    calls: Mutex<Calls>,
}

#[derive(Default)]
struct Calls {
    /// The calls that have not answered, by their id.
    starting: HashMap<CallId, Arc<Call>>,
    open: Vec<Weak<Call>>,
}

impl ModelCalls {
    /// Lets a call that has not answered end soon. Does nothing for another id.
    pub fn abort(&self, id: CallId) {
        if let Some(call) = self.calls.lock().starting.get(&id) {
            call.abort();
        }
    }

    /// Ends every call. May block, though not until steps under way are over.
    pub fn close(&self, why: &Error) {
        let Calls { starting, open } = std::mem::take(&mut *self.calls.lock());
        for call in starting.into_values().chain(open.iter().filter_map(Weak::upgrade)) {
            call.close_now(why.clone());
        }
    }

    fn begin(&self, id: CallId, call: Arc<Call>) {
        self.calls.lock().starting.insert(id, call);
    }

    /// Notes that a call has answered. `call` is one that goes on as a stream.
    fn answered(&self, id: CallId, call: Option<&Arc<Call>>) {
        let mut calls = self.calls.lock();
        calls.starting.remove(&id);
        if let Some(call) = call {
            if calls.open.len() == calls.open.capacity() {
                calls.open.retain(|call| call.strong_count() > 0);
            }
            calls.open.push(Arc::downgrade(call));
        }
    }
}

/// Starts a call of a model on `engine`. Its progress comes under the id `news`.
pub(crate) fn submit(
    store: &Arc<OpenStore>,
    engine: Arc<dyn Engine>,
    steps: Arc<Steps>,
    env: &Env,
    id: CallId,
    request: Text,
    news: CallId,
) {
    store.settler.expect(env);
    let call = Call::new(engine.name(), progress::control(&store.settler, news), steps);
    store.models.begin(id, call.clone());
    let (to, started) = (store.clone(), call.clone());
    let done = move |reply: Result<Reply>| {
        let streams = matches!(reply, Ok(Reply::Stream));
        to.models.answered(id, streams.then_some(&started));
        let settled = reply.map(|reply| match reply {
            Reply::Stream => Settled::Object(Box::new(NativeModelCall { call: started, store: to.clone() })),
            reply => settle(reply),
        });
        to.post(id, settled);
    };
    call.start(engine, request.0, Box::new(done));
}

fn settle(reply: Reply) -> Settled {
    match reply {
        Reply::Text(text) => Settled::Text(text),
        Reply::Bytes(bytes) => Settled::Buffer(bytes),
        Reply::Nothing => Settled::Null,
        Reply::Stream => Settled::Bool(true),
    }
}

/// A call of a model whose answer is a stream. Its calls are carried out one at a time, in order.
#[napi]
pub struct NativeModelCall {
    call: Arc<Call>,
    store: Arc<OpenStore>,
}

impl NativeModelCall {
    fn run(&self, env: &Env, id: CallId, step: impl FnOnce(&Arc<Call>, Done)) {
        self.store.settler.expect(env);
        let store = self.store.clone();
        step(&self.call, Box::new(move |reply| store.post(id, reply.map(settle))));
    }
}

#[napi]
impl NativeModelCall {
    /// Queues a pull of the next page, a text, or of the next bytes, a Buffer, of about `maxBytes` bytes. `null` at the
    /// end.
    #[napi(catch_unwind)]
    pub fn submit_next(&self, env: Env, id: CallId, max_bytes: u32) {
        self.run(&env, id, |call, done| call.next(max_bytes as usize, done));
    }

    /// Queues a push of bytes, which are copied. Settles with `null` once there is room for the next ones.
    #[napi(catch_unwind)]
    pub fn submit_write(&self, env: Env, id: CallId, chunk: Chunk) {
        self.run(&env, id, |call, done| call.write(chunk.0, done));
    }

    /// Queues the end of the stream. Settles with the answer, a text, or with `true` if that is a stream to be pulled.
    #[napi(catch_unwind)]
    pub fn submit_finish(&self, env: Env, id: CallId) {
        self.run(&env, id, Call::finish);
    }

    /// Lets the call under way end soon, and every later one at once, with ABORTED.
    #[napi(catch_unwind)]
    pub fn abort(&self) {
        self.call.abort();
    }

    /// Gives up whatever the call holds: the call under way ends soon. Settles when nothing of it is left.
    #[napi(catch_unwind)]
    pub fn submit_close(&self, env: Env, id: CallId) {
        self.store.settler.expect(&env);
        let store = self.store.clone();
        self.call.close(Error::closed(), move || store.post(id, Ok(Settled::Undefined)));
    }
}

/// Gives up a call that JavaScript does not hold any more, on another thread.
impl Drop for NativeModelCall {
    fn drop(&mut self) {
        if !self.call.is_over() {
            self.call.close(Error::closed(), || ());
        }
    }
}

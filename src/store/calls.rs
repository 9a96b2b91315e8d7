//! The calls of data, the same for a store, a slot of transactions and a snapshot. A verb and the text of its argument
//! become a request, and the reply becomes a JavaScript value.

use std::sync::Arc;

use bytes::Bytes;
use holdfast_core::batch::{Batch, Op, Outcome};
use holdfast_core::engine::{Engine, EngineExt, Read, Reply, Request, View, list, unexpected_reply};
use holdfast_core::error::{Code, Error, Result};
use holdfast_core::key::Space;
use holdfast_core::value::Value;
use napi::Env;

use super::share::OpenStore;
use super::view::NativeView;
use crate::boundary::error::thrown;
use crate::boundary::settle::{CallId, Settled};
use crate::boundary::text::{Outbound, Payload, Text};
use crate::wire;

/// A request, and the function that turns its reply into a JavaScript value.
pub(super) struct Call {
    request: Request,
    settle: fn(Reply) -> Result<Settled>,
}

impl Call {
    /// The call of a verb. `VERBS` of `ts/native/interface.ts` has the numbers.
    pub(super) fn new(verb: u32, argument: Text) -> Result<Self> {
        let space = Space::User;
        let request = match verb {
            0 => Request::Read(Read::Get(space, argument.0)),
            1 => Request::Read(Read::Has(space, argument.0)),
            2 => Request::Read(Read::Entry(space, argument.0)),
            3 => Request::Read(Read::Many(space, wire::keys(&argument.0)?)),
            4 => Request::Keys(wire::range(&argument.0)?),
            5 => Request::Count(wire::range(&argument.0)?),
            6 => return Ok(Call { request: Request::Commit(delete(argument)), settle: settle_deleted }),
            7 => Request::Commit(wire::batch(&argument.0, true)?),
            8 => Request::Commit(wire::batch(&argument.0, false)?),
            _ => return Err(Error::new(Code::NotSupported, format!("the addon has no call {verb}"))),
        };
        Ok(Call { request, settle })
    }

    /// The call that writes one value.
    pub(super) fn set(key: Text, value: Payload, expires_at: Option<f64>, metadata: Option<Text>) -> Self {
        Call { request: Request::Commit(set(key, value, expires_at, metadata)), settle: settle_done }
    }

    /// Answers at once. `None` if the call has to be submitted.
    pub(super) fn at_once(self, engine: &dyn Engine) -> Option<Result<Settled>> {
        let reply = match &self.request {
            Request::Read(read) => engine.try_read(read)?,
            Request::Commit(batch) => engine.try_commit(batch)?.map(Reply::Commit),
            Request::Keys(_) | Request::Count(_) | Request::View => return None,
        };
        Some(reply.and_then(self.settle))
    }

    /// Queues the call, which settles under `id`.
    pub(super) fn submit(self, store: &Arc<OpenStore>, env: &Env, id: CallId) {
        let Call { request, settle } = self;
        store.settler.expect(env);
        let to = store.clone();
        store.engine.submit(request, Box::new(move |reply| to.post(id, reply.and_then(settle))));
    }

    /// Answers on the caller's thread. Blocks.
    pub(super) fn wait(self, engine: &dyn Engine) -> Result<Settled> {
        let at_once = match &self.request {
            Request::Read(read) => engine.try_read(read),
            Request::Commit(batch) => engine.try_commit(batch).map(|commit| commit.map(Reply::Commit)),
            Request::Keys(_) | Request::Count(_) | Request::View => None,
        };
        at_once.unwrap_or_else(|| engine.wait(self.request)).and_then(self.settle)
    }

    /// Answers a read from a view. Blocks.
    pub(super) fn read_from(self, view: &dyn View) -> Result<Settled> {
        let reply = match &self.request {
            Request::Read(read) => read.answer(|space, key| view.get(space, key))?,
            Request::Keys(_) | Request::Count(_) => list(view, &self.request)?,
            Request::Commit(_) | Request::View => return Err(unexpected_reply()),
        };
        (self.settle)(reply)
    }
}

/// Returns the result of an inline call, or `undefined` if the call has to be submitted. The type is always written
/// out: napi-rs does not see a `Result` behind an alias, and would return an error instead of throwing it.
pub(super) fn inline(result: Option<Result<Settled>>) -> napi::Result<Outbound> {
    match result {
        None => Ok(Outbound(Settled::Undefined)),
        Some(Ok(settled)) => Ok(Outbound(settled)),
        Some(Err(error)) => Err(thrown(&error)),
    }
}

/// Tries a call on the JavaScript thread.
pub(super) fn try_call(store: &OpenStore, verb: u32, argument: Text) -> napi::Result<Outbound> {
    let call = Call::new(verb, argument).map_err(|error| thrown(&error))?;
    inline(call.at_once(&*store.engine))
}

/// Queues a call.
pub(super) fn submit_call(
    store: &Arc<OpenStore>,
    env: &Env,
    id: CallId,
    verb: u32,
    argument: Text,
) -> napi::Result<()> {
    Call::new(verb, argument).map_err(|error| thrown(&error))?.submit(store, env, id);
    Ok(())
}

/// Makes a view at once, or returns `undefined` if the call has to be submitted.
pub(super) fn try_view(store: &Arc<OpenStore>) -> napi::Result<Outbound> {
    let view = store.engine.try_view();
    inline(view.map(|view| view.map(|view| settled_view(view, store))))
}

/// Queues a call that makes a view.
pub(super) fn submit_view(store: &Arc<OpenStore>, env: &Env, id: CallId) {
    store.settler.expect(env);
    store.with_view(id, |view, store| Ok(settled_view(view, store)));
}

fn settled_view(view: Arc<dyn View>, store: &Arc<OpenStore>) -> Settled {
    Settled::Object(Box::new(NativeView::new(view, store.clone())))
}

/// The JavaScript value of a reply.
pub(super) fn settle(reply: Reply) -> Result<Settled> {
    Ok(match reply {
        Reply::Value(value) => settle_value(value),
        Reply::Entry(None) => Settled::Null,
        Reply::Entry(Some(record)) => Settled::Text(wire::entry_json(&record)),
        Reply::Has(has) => Settled::Bool(has),
        Reply::Values(values) => settle_pieces(wire::values_json(&values)),
        Reply::Keys(keys) => settle_pieces(wire::keys_json(&keys)),
        #[allow(clippy::cast_precision_loss, reason = "no store holds 2^53 keys")]
        Reply::Count(count) => Settled::Number(count as f64),
        Reply::Commit(commit) => Settled::Text(wire::commit_json(&commit)),
        Reply::View(_) => return Err(unexpected_reply()),
    })
}

fn settle_pieces(mut pieces: Vec<Bytes>) -> Settled {
    match pieces.pop() {
        Some(text) if pieces.is_empty() => Settled::Text(text),
        last => {
            pieces.extend(last);
            Settled::Pieces(pieces)
        }
    }
}

/// The JavaScript value of a stored value.
pub(super) fn settle_value(value: Option<Value>) -> Settled {
    match value {
        None => Settled::Null,
        Some(Value::Json(text)) => Settled::Text(text),
        Some(Value::Binary(bytes)) => Settled::Buffer(bytes),
    }
}

#[allow(clippy::unnecessary_wraps, reason = "one of the functions of `Call::settle`")]
fn settle_done(_: Reply) -> Result<Settled> {
    Ok(Settled::Bool(true))
}

/// The JavaScript value of a delete: true if the key was there.
pub(super) fn settle_deleted(reply: Reply) -> Result<Settled> {
    match reply {
        Reply::Commit(commit) => {
            Ok(Settled::Bool(matches!(commit.outcomes.first(), Some(Outcome::Deleted { existed: true }))))
        }
        _ => Err(unexpected_reply()),
    }
}

/// The batch that writes one value.
pub(super) fn set(key: Text, value: Payload, expires_at: Option<f64>, metadata: Option<Text>) -> Batch {
    Batch::one(Op::Set {
        space: Space::User,
        key: key.0,
        value: value.into_value(),
        expires_at: expires_at.map(wire::millis),
        metadata: metadata.map(|metadata| metadata.0),
    })
}

/// The batch that deletes one key, and reports whether it was there.
pub(super) fn delete(key: Text) -> Batch {
    Batch::one(Op::Delete { space: Space::User, key: key.0 }).reporting()
}

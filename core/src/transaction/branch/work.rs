//! Works through the queue of a branch, in order, on a thread of the tier of transactions.

use std::sync::Arc;

use super::edit::edit;
use super::state::BranchInner;
use crate::engine::{Reply, Request, View, list, unexpected_reply};
use crate::error::Result;
use crate::threads::{self, guarded};

/// Starts to work through the queue once there is a view of the engine. Never blocks.
pub(super) fn start(inner: &Arc<BranchInner>) {
    let base = inner.own.lock().try_base(&*inner.engine);
    match base {
        Some(base) => work(inner, base.map(|_| ())),
        None => {
            let waiting = inner.clone();
            inner.engine.submit(
                Request::View,
                Box::new(move |reply| {
                    let base = reply.and_then(|reply| match reply {
                        Reply::View(base) => Ok(base),
                        _ => Err(unexpected_reply()),
                    });
                    work(&waiting, base.map(|base| waiting.own.lock().base = Some(base)));
                }),
            );
        }
    }
}

/// Answers the queued calls, or refuses them with the error of `ready`.
fn work(inner: &Arc<BranchInner>, ready: Result<()>) {
    let inner = inner.clone();
    threads::waiting(move |started| {
        let ready = started.and(ready);
        while let Some((request, done)) = inner.queue.next() {
            let answer = ready.clone().and_then(|()| guarded(|| answer(&inner, request)));
            done(answer.map_err(|error| inner.name_it(error)));
        }
    });
}

/// Answers a call. May block.
fn answer(inner: &BranchInner, request: Request) -> Result<Reply> {
    inner.state.check_running()?;
    let mut own = inner.own.lock();
    if let Request::Commit(batch) = &request {
        let commit = edit(inner, &mut own, batch, true).unwrap_or_else(|| Err(unexpected_reply()));
        return commit.map(Reply::Commit);
    }
    let base = own.base.clone().ok_or_else(unexpected_reply)?;
    let view = inner.view(&own, base);
    drop(own);
    match request {
        Request::Read(read) => read.answer(|space, key| view.get(space, key)),
        Request::View => Ok(Reply::View(Arc::new(view))),
        request => list(&view, &request),
    }
}

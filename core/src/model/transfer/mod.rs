//! Export and import: records of an engine to a stream of bytes and back.
//!
//! The one format is JSON Lines ([`json_lines`](crate::format::json_lines)). An export reads one view. An import
//! commits bounded batches, so it is no atomic step on an engine; on a transaction it takes effect with the commit.

mod export;
mod import;
mod lines;
mod refusals;
mod request;

use std::sync::Arc;

use super::answer::Answer;
use super::control::Control;
use crate::engine::Engine;
use crate::error::Result;

pub use request::Request;

pub(super) fn start(engine: &Arc<dyn Engine>, request: Request, control: &Arc<Control>) -> Result<Answer> {
    match request {
        Request::Export(request) => export::start(&**engine, request, control.clone()),
        Request::Import(request) => import::start(engine.clone(), request, control.clone()),
    }
}

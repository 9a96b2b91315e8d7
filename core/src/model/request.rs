//! The requests of all models, as they cross from JavaScript.

use std::sync::Arc;

use serde::Deserialize;

use super::answer::Answer;
use super::control::Control;
use super::{consumer, transfer};
use crate::engine::Engine;
use crate::error::{Code, Error, Result};

/// The models by their names: `{"transfer":{…}}`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Request {
    Transfer(transfer::Request),
    Consumer(consumer::Request),
}

/// Carries out a request: JSON text that names a model, its call and the arguments. Blocks.
///
/// # Errors
///
/// `INVALID_ARGUMENT` if the text is no request of a model. Otherwise those of the call.
///
/// # Examples
///
/// ```
/// use holdfast_core::Code;
/// use holdfast_core::engine::memory::{self, MemoryOptions};
/// use holdfast_core::model::{Answer, Control, start};
///
/// let engine = memory::open(MemoryOptions::default());
/// let request = br#"{"transfer":{"export":{"format":"jsonl","prefix":"users/"}}}"#;
/// assert!(matches!(start(&engine, request, &Control::new(None))?, Answer::Bytes(_)));
///
/// let unknown = start(&engine, br#"{"transfer":{"copy":{}}}"#, &Control::new(None));
/// assert_eq!(unknown.err().map(|error| error.code()), Some(Code::InvalidArgument));
/// # Ok::<(), holdfast_core::Error>(())
/// ```
pub fn start(engine: &Arc<dyn Engine>, request: &[u8], control: &Arc<Control>) -> Result<Answer> {
    // The parser's own message quotes the text, which may hold a value of the user's.
    let request = serde_json::from_slice(request).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        Error::new(Code::InvalidArgument, format!("no model has a request like this one (at {place})"))
    })?;
    match request {
        Request::Transfer(request) => transfer::start(engine, request, control),
        Request::Consumer(request) => consumer::start(&**engine, request),
    }
}

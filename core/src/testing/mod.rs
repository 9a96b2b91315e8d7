//! Helpers that tests of engines share. They need the feature `conformance`.
//!
//! Each of them fails the test, by a panic, where a test would not go on anyway: [`Calls`] reads and writes in one
//! short call, [`TempStore`] is a store in a temporary folder, [`Watcher`] waits for the commits that a watch tells.
//!
//! # Examples
//!
//! ```
//! use holdfast_core::engine::{EngineExt, memory};
//! use holdfast_core::testing::{Calls, code_of, json};
//! use holdfast_core::{Batch, Check, Code, Op};
//!
//! let engine = memory::open(memory::MemoryOptions::default());
//! engine.run([Op::set("a", json("1")), Op::add("n", 2.0)]);
//! assert_eq!(engine.value("n").as_deref(), Some("2"));
//!
//! let batch = Batch::of([Op::delete("a")]).with_checks([Check::absent("a")]);
//! assert_eq!(code_of(engine.commit(batch)), Some(Code::Conflict));
//! ```

#![allow(clippy::panic, clippy::missing_panics_doc, reason = "a test fails by panicking")]

mod calls;
mod temp_store;
mod watcher;

use std::sync::mpsc;

use bytes::Bytes;

use crate::engine::{Engine, Item, Projection, Reply, Request, View, for_each_page};
use crate::error::{Code, Error, Result};
use crate::key::{Key, KeyRange, Space};
use crate::value::Value;

pub use calls::Calls;
pub use temp_store::TempStore;
pub use watcher::Watcher;

/// A key of its own from a text that does not live as long.
#[must_use]
pub fn key(text: &str) -> Key {
    Key::copy_from_slice(text.as_bytes())
}

/// A value from JSON text, which is not checked.
#[must_use]
pub fn json(text: impl AsRef<str>) -> Value {
    Value::json(Bytes::copy_from_slice(text.as_ref().as_bytes()))
}

/// The text of a value without white space between its tokens: engines may lay JSON out differently.
#[must_use]
pub fn text(value: &Value) -> String {
    compact(&String::from_utf8_lossy(&value.to_text()))
}

/// JSON text without white space between its tokens.
#[must_use]
pub fn compact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut in_string, mut escaped) = (false, false);
    for c in text.chars() {
        if in_string {
            in_string = escaped || c != '"';
            escaped = !escaped && c == '\\';
        } else if c.is_ascii_whitespace() {
            continue;
        } else {
            in_string = c == '"';
        }
        out.push(c);
    }
    out
}

/// The code of the error; `None` for a success.
#[must_use]
pub fn code_of<T>(result: Result<T>) -> Option<Code> {
    result.err().map(|error| error.code())
}

/// The error of a call that must fail. Unlike `unwrap_err` it takes a [`Lease`](crate::engine::registry::Lease), which
/// has no text to show.
#[must_use]
pub fn error_of<T>(result: Result<T>) -> Error {
    match result {
        Ok(_) => panic!("the call succeeded"),
        Err(error) => error,
    }
}

/// The value of a success. A failure fails the test, with the error and its cause.
pub fn ok<T>(result: Result<T>) -> T {
    result.unwrap_or_else(|error| panic!("{error} ({:?})", error.cause()))
}

/// Submits a request without waiting for it. The receiver gets the answer.
#[must_use]
pub fn submit(engine: &dyn Engine, request: Request) -> mpsc::Receiver<Result<Reply>> {
    let (sender, receiver) = mpsc::channel();
    engine.submit(request, Box::new(move |reply| sender.send(reply).unwrap_or(())));
    receiver
}

/// The user keys of `range` in a view, in its order.
#[must_use]
pub fn keys_of(view: &dyn View, range: &KeyRange) -> Vec<String> {
    entries_of(view, range, Projection::Keys).into_iter().map(|(key, _)| key).collect()
}

/// The user keys of `range` in a view, in its order, each with the [`text`] of its value if `what` asks for values.
#[must_use]
pub fn entries_of(view: &dyn View, range: &KeyRange, what: Projection) -> Vec<(String, Option<String>)> {
    let mut entries = Vec::new();
    let scanned = for_each_page(view, Space::User, range, what, |page| {
        entries.extend(page.into_iter().map(|(key, item)| {
            let key = String::from_utf8(key.to_vec()).unwrap_or_else(|_| panic!("a user key is not UTF-8"));
            let value = match item {
                Item::Key => None,
                Item::Value(value) => Some(text(&value)),
                Item::Record(record) => Some(text(&record.value)),
            };
            (key, value)
        }));
        Ok(true)
    });
    ok(scanned);
    entries
}

//! The models: what the library offers above keys and values.
//!
//! A call of a model is blocking code over an [`Engine`], which may be the branch of a transaction. Its request is JSON
//! text that [`request`](self) decodes, and its [`Answer`] is one text or a stream:
//!
//! | answer | its user |
//! |---|---|
//! | [`Answer::Text`] | has everything |
//! | [`Answer::Pages`], [`Answer::Bytes`] | pulls a [`Source`], page by page |
//! | [`Answer::Sink`] | pushes chunks into a [`Sink`], and finishes it |
//!
//! A stream does nothing between two calls and holds no thread then, so a thousand open streams cost memory alone. The
//! one who pulls or pushes sets the pace.
//!
//! [`start`] runs a request on the caller's thread. [`Call`] runs it on threads of the library: its steps run one after
//! another, a panic becomes an error, and it can be aborted and closed at any time.
//!
//! To add a model, give it a folder with a `request.rs`, and a line in each of the two tables of `request.rs`.

mod answer;
mod call;
pub mod consumer;
mod control;
mod request;
mod steps;
pub mod transfer;

pub use answer::{Answer, Sink, Source};
pub use call::{Call, Done, Reply};
pub use control::{Control, Listener, Progress};
pub use request::start;
pub use steps::Steps;

#[cfg(doc)]
use crate::engine::Engine;

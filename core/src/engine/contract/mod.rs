//! The contract of an engine.
//!
//! [`Engine`] is the small core that every engine implements in full. It has no default methods, so a wrapper forwards
//! every call or does not compile. An ability that some engines lack is a facet, which an engine hands out if it has
//! it:
//!
//! | facet | what it adds | which engines lack it |
//! |---|---|---|
//! | [`Transactional`] | views for transactions, write intents | a transaction's own branch |
//! | [`Watched`] | subscriptions, the change log | engines of the user's own, branches |
//! | [`Maintained`] | stats, verify, compact | branches |
//! | [`Replaceable`] | replacement of the whole content | engines of the user's own, branches |
//!
//! [`EngineExt`] is for the callers of an engine. It waits for answers, and it calls a facet or fails with
//! `NOT_SUPPORTED`.

mod capabilities;
mod engine;
mod ext;
mod maintained;
mod replaceable;
mod request;
mod transactional;
mod view;
mod watched;

pub use capabilities::{Capabilities, Durability};
pub use engine::Engine;
pub use ext::EngineExt;
pub use maintained::{Maintained, Progress, Report, Stats};
pub use replaceable::{Replaceable, Staged, Staging};
pub use request::{Done, Found, Read, Reply, Request, unexpected_reply};
pub use transactional::Transactional;
pub use view::{Gathering, Item, PAGE_BYTES, Page, Projection, View, count_by_pages, for_each_page, list};
pub use watched::Watched;

pub(crate) use request::value_of;

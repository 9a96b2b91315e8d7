//! The contract of an engine, the engines, and the parts that they share.
//!
//! [`contract`] describes the traits. An engine that runs in this process implements [`embedded::Store`], and
//! [`Embedded`] makes an [`Engine`] of it. The engine of a user's own, written in JavaScript or otherwise, implements
//! [`custom::Host`].

pub mod apply;
pub mod contract;
pub mod counters;
#[allow(missing_docs, unreachable_pub, clippy::pedantic, reason = "not clean yet")]
pub mod custom;
pub mod embedded;
#[cfg(feature = "file")]
#[allow(missing_docs, unreachable_pub, clippy::pedantic, reason = "not clean yet")]
pub mod file;
pub(crate) mod increment;
pub mod intent;
#[cfg(feature = "leveldb")]
#[allow(missing_docs, unreachable_pub, clippy::pedantic, reason = "not clean yet")]
pub mod leveldb;
#[allow(missing_docs, unreachable_pub, clippy::pedantic, reason = "not clean yet")]
pub mod memory;
#[cfg(any(feature = "file", feature = "sqlite"))]
#[allow(missing_docs, unreachable_pub, clippy::pedantic, reason = "not clean yet")]
mod pace;
pub mod path;
#[cfg(any(feature = "file", feature = "leveldb"))]
mod process;
pub mod recent;
#[cfg(feature = "redis")]
#[allow(missing_docs, unreachable_pub, clippy::pedantic, reason = "not clean yet")]
pub mod redis;
pub mod registry;
#[cfg(feature = "sqlite")]
#[allow(missing_docs, unreachable_pub, clippy::pedantic, reason = "not clean yet")]
pub mod sqlite;
mod sweep;
pub mod watch;

pub use contract::{
    Capabilities, Done, Durability, Engine, EngineExt, Gathering, Item, Maintained, PAGE_BYTES, Page, Progress,
    Projection, Read, Reply, Report, Request, Stats, Transactional, View, Watched, count_by_pages, for_each_page, list,
    unexpected_reply,
};
pub use counters::{Counters, Counts};
pub use embedded::Embedded;

pub(crate) use contract::value_of;

//! The contract of an engine, the engines, and the parts that they share.
//!
//! [`contract`] describes the traits. An engine that runs in this process implements [`embedded::Store`], and
//! [`Embedded`] makes an [`Engine`] of it. The engine of a user's own, written in JavaScript or otherwise, implements
//! [`custom::Host`].

pub mod apply;
pub mod contract;
pub mod counters;
pub mod custom;
pub mod embedded;
#[cfg(feature = "file")]
pub mod file;
pub(crate) mod increment;
pub mod intent;
#[cfg(feature = "leveldb")]
pub mod leveldb;
pub mod memory;
#[cfg(any(feature = "file", feature = "sqlite"))]
mod pace;
pub mod path;
#[cfg(any(feature = "file", feature = "leveldb"))]
mod process;
pub mod recent;
#[cfg(feature = "redis")]
pub mod redis;
pub mod registry;
#[cfg(feature = "sqlite")]
pub mod sqlite;
mod sweep;
pub mod watch;

pub use contract::{
    Capabilities, Done, Durability, Engine, EngineExt, Found, Gathering, Item, Maintained, PAGE_BYTES, Page, Progress,
    Projection, Read, Replaceable, Reply, Report, Request, Staged, Staging, Stats, Transactional, View, Watched,
    count_by_pages, for_each_page, list, unexpected_reply,
};
pub use counters::{Counters, Counts};
pub use embedded::Embedded;
pub use sweep::set_clock;

pub(crate) use contract::value_of;

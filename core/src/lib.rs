//! Holdfast's storage library: one ordered, transactional key-value contract over several engines.
//!
//! Everything stands on one call, an atomic conditional [`Batch`], and on ordered reads over a
//! [`View`](engine::View). `ARCHITECTURE.md` in the repository tells the whole story.

pub mod batch;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod engine;
pub mod error;
pub mod format;
pub mod glob;
pub mod key;
pub mod keyspace;
pub mod record;
#[cfg(feature = "conformance")]
pub mod testing;
pub mod threads;
pub mod transaction;
pub mod value;

pub use batch::{Batch, Check, Commit, Op, Outcome, RangeCheck};
pub use engine::{Engine, EngineExt};
pub use error::{Code, Error, Result};
pub use key::{Key, KeyRange, Space};
pub use record::{Record, Version};
pub use value::Value;

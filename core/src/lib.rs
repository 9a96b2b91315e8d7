//! The storage library of Holdfast: one ordered, transactional key-value contract over several engines.
//!
//! An engine commits an atomic, conditional [`Batch`] and answers ordered reads over a [`View`](engine::View).
//! Everything else is built of these two. `ARCHITECTURE.md` in the repository describes the whole.
//!
//! # Examples
//!
//! ```
//! use holdfast_core::engine::memory::{self, MemoryOptions};
//! use holdfast_core::{Batch, EngineExt, KeyRange, Op, Space, Value};
//!
//! let engine = memory::open(MemoryOptions::default());
//! engine.commit(Batch::of([
//!     Op::set("users/ada", Value::json(r#"{"name":"Ada"}"#)),
//!     Op::set("users/bob", Value::json(r#"{"name":"Bob"}"#)),
//! ]))?;
//!
//! let view = engine.view()?;
//! assert_eq!(view.count(Space::User, &KeyRange::prefix("users/"))?, 2);
//! # Ok::<(), holdfast_core::Error>(())
//! ```
//!
//! # Features
//!
//! `file`, `leveldb`, `sqlite` and `redis` build the engine of that name. All are on by default. The memory engine and
//! engines of the user's own ([`engine::custom`]) are always there. `conformance` builds the conformance suite and the
//! helpers of tests.

pub mod batch;
pub mod clock;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod engine;
pub mod error;
pub mod format;
pub mod glob;
pub mod key;
pub mod keyspace;
pub mod model;
mod random;
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

//! Intents: the writes of a transaction over several engines, stored on each engine until the transaction is decided.
//!
//! An intent is a record of the internal keyspace, so it is as durable as any commit. While it stands, no other batch
//! writes its keys, so the writes of a later decision overwrite nothing newer. `docs/formats/intent.md` describes the
//! record.
//!
//! # Examples
//!
//! ```
//! use holdfast_core::batch::IntentId;
//! use holdfast_core::engine::intent::Decision;
//! use holdfast_core::engine::{EngineExt, memory};
//! use holdfast_core::{Batch, Code, Op, Value};
//!
//! let engine = memory::open(memory::MemoryOptions::default());
//! let id = IntentId { log: 1, number: 1 };
//! engine.prepare(id, Batch::one(Op::set("k", Value::json("1"))))?;
//!
//! let other = engine.commit(Batch::one(Op::delete("k")));
//! assert_eq!(other.err().map(|error| error.code()), Some(Code::Conflict));
//!
//! assert!(engine.resolve(id, Decision::Apply)?.is_some());
//! assert!(engine.intents()?.is_empty());
//! # Ok::<(), holdfast_core::Error>(())
//! ```

mod found;
mod held;
mod increments;
mod record;

use super::{Engine, EngineExt, Report, View};
use crate::batch::{Batch, Check, Commit, IntentId, Op, Role};
use crate::error::{Code, Result};
use crate::key::{Key, Space};
use crate::keyspace;
use crate::record::{Record, now};

pub use found::Found;
pub use held::{Intents, held_by};
pub use increments::check_increments;
pub(super) use increments::prepared_ops;
pub(crate) use record::id_of;
pub use record::{Intent, key, range};

/// The decision of a transaction log about an intent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The transaction was committed, so the intent is carried out.
    Apply,
    /// The transaction was rolled back, so the intent is removed.
    Drop,
}

/// Turns `batch` into the batch that stores its writes as an intent, with the same checks.
#[must_use]
pub fn prepare(id: IntentId, batch: Batch) -> Batch {
    let intent = Intent { id, at: now(), ops: batch.ops };
    Batch {
        checks: batch.checks,
        range_checks: batch.range_checks,
        ops: vec![Op::set(key(id), intent.to_value()).in_space(Space::Internal)],
        report: false,
        as_of: batch.as_of,
        role: Role::Prepare(id),
    }
}

/// Stores the writes of `batch` as an intent: [`Transactional::prepare`](super::Transactional::prepare) for engines
/// with atomic batches. Blocks.
///
/// # Errors
///
/// Those of [`EngineExt::commit`].
pub fn commit_intent<E: Engine + ?Sized>(engine: &E, id: IntentId, batch: Batch) -> Result<Commit> {
    batch.check_size()?;
    engine.commit(prepare(id, batch))
}

/// Ends an intent: [`Transactional::resolve`](super::Transactional::resolve) for engines with atomic batches. `None` if
/// the intent does not stand any more. An intent that cannot be read can be dropped. Blocks.
///
/// # Errors
///
/// `CORRUPTED` if the intent is to be carried out and cannot be read, or an error of [`EngineExt::commit`].
pub fn resolve<E: Engine + ?Sized>(engine: &E, id: IntentId, decision: Decision) -> Result<Option<Commit>> {
    let key = key(id);
    let Some(Record { value, version, .. }) = engine.view()?.get(Space::Internal, &key)? else { return Ok(None) };
    let mut ops = match decision {
        Decision::Apply => Intent::read(&key, &value)?.ops,
        Decision::Drop => Vec::new(),
    };
    ops.push(Op::delete(key.clone()).in_space(Space::Internal));
    let checks = vec![Check::new(key, version).in_space(Space::Internal)];
    match engine.commit(Batch { checks, ops, role: Role::Resolve(id), ..Batch::default() }) {
        Ok(commit) => Ok(Some(commit)),
        Err(error) if error.code() == Code::Conflict => Ok(None),
        Err(error) => Err(error),
    }
}

/// The intents that stand in a view, in the order of their ids.
///
/// # Errors
///
/// `CORRUPTED` if one cannot be read, or an error of the view.
pub fn standing<V: View + ?Sized>(view: &V) -> Result<Vec<Intent>> {
    let found = Found::in_view(view)?;
    match found.damage {
        Some(error) => Err(error),
        None => found.records.iter().map(|(key, value)| Intent::read(key, value)).collect(),
    }
}

/// Adds an error to `report` for each intent that cannot be read. With `repair`, sets such an intent aside, so that it
/// holds no key any more. Blocks.
///
/// # Errors
///
/// An error of the medium.
pub fn verify<E: Engine + ?Sized>(engine: &E, repair: bool, report: &mut Report) -> Result<()> {
    let view = engine.view()?;
    // The engine's own check reports damage that keeps the records from being read.
    for (key, value) in Found::in_view(&*view)?.records {
        let Err(error) = Intent::read(&key, &value) else { continue };
        report.errors.push(error.in_engine(engine.name()));
        if repair {
            let aside = Key::from([keyspace::ASIDE, &key].concat());
            let role = id_of(&key).map_or(Role::None, Role::Resolve);
            let ops = [Op::set(aside, value), Op::delete(key)].map(|op| op.in_space(Space::Internal));
            engine.commit(Batch { role, ..Batch::of(ops) })?;
        }
    }
    Ok(())
}

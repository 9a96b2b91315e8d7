//! Engines without atomic batches: their writes are made one by one, and can be undone.

use std::collections::BTreeMap;

use crate::batch::{Batch, Check, Op};
use crate::engine::{Engine, EngineExt, Projection, View, for_each_page};
use crate::error::{Code, Error, Result};
use crate::key::{Key, Space};
use crate::record::{Record, Version};

/// Bytes that a transaction may replace in such an engine. The log keeps them until the transaction is over.
const MAX_REPLACED: usize = 256 << 20;

/// The writes of a transaction to such an engine, each key once.
#[derive(Clone, Debug, Default)]
pub(super) struct WritePlan {
    pub undo: Undo,
    /// The versions that the keys had before.
    versions: Vec<Option<Version>>,
}

/// How to undo writes: the operations that were made, and those that restore the same keys in the same order.
#[derive(Clone, Debug, Default)]
pub(super) struct Undo {
    pub written: Vec<Op>,
    pub before: Vec<Op>,
}

impl WritePlan {
    /// Plans the effect of `ops`, which hold no additions.
    pub(super) fn new(view: &dyn View, ops: Vec<Op>) -> Result<Self> {
        let mut after: BTreeMap<(Space, Key), Op> = BTreeMap::new();
        let delete = |space: Space, key: Key| ((space, key.clone()), Op::Delete { space, key });
        for op in ops {
            if let Some((space, key)) = op.key() {
                after.insert((space, key.clone()), op);
            } else if let Op::DeleteRange { space, range } = op {
                let own: Vec<Key> = after
                    .keys()
                    .filter(|(in_space, key)| *in_space == space && range.spans(key))
                    .map(|(_, key)| key.clone())
                    .collect();
                after.extend(own.into_iter().map(|key| delete(space, key)));
                for_each_page(view, space, &range, Projection::Keys, |page| {
                    after.extend(page.into_iter().map(|(key, _)| delete(space, key)));
                    Ok(true)
                })?;
            }
        }
        let mut plan = WritePlan::default();
        let mut bytes = 0_usize;
        for ((space, key), op) in after {
            let found = view.get(space, &key)?;
            let version = found.as_ref().map(|record| record.version);
            let before = restoring(space, key, found);
            bytes = bytes.saturating_add(before.size());
            if bytes > MAX_REPLACED {
                return Err(Error::new(
                    Code::ValueTooLarge,
                    format!(
                        "a transaction may replace {MAX_REPLACED} bytes in an engine without atomic batches; split it"
                    ),
                ));
            }
            plan.undo.written.push(op);
            plan.undo.before.push(before);
            plan.versions.push(version);
        }
        Ok(plan)
    }

    /// Makes the writes one by one. CONFLICT for a key that has changed since the plan was made. Blocks.
    pub(super) fn carry_out(&self, engine: &dyn Engine) -> Result<()> {
        for (op, version) in self.undo.written.iter().zip(&self.versions) {
            write_if(engine, *version, op)?;
        }
        Ok(())
    }
}

impl Undo {
    /// Restores each key that still holds what was written, the last one first. A key that holds something newer stays
    /// as it is. This is right however often it is done, and however many of the writes were made. Blocks.
    pub(super) fn apply(&self, engine: &dyn Engine) -> Result<()> {
        for (written, before) in self.written.iter().zip(&self.before).rev() {
            let Some((space, key)) = written.key() else { continue };
            let found = engine.record(space, key)?;
            if !holds(found.as_ref(), written) || holds(found.as_ref(), before) {
                continue;
            }
            match write_if(engine, found.map(|record| record.version), before) {
                // Somebody wrote the key in this moment: that value is newer.
                Err(error) if error.code() == Code::Conflict => {}
                other => other?,
            }
        }
        Ok(())
    }
}

/// Makes one write if the key still has that version.
fn write_if(engine: &dyn Engine, version: Option<Version>, op: &Op) -> Result<()> {
    let Some((space, key)) = op.key() else { return Ok(()) };
    let check = Check { space, key: key.clone(), version };
    engine.commit(Batch { checks: vec![check], ..Batch::one(op.clone()) }).map(|_| ())
}

fn restoring(space: Space, key: Key, found: Option<Record>) -> Op {
    match found {
        Some(Record { value, expires_at, metadata, .. }) => Op::Set { space, key, value, expires_at, metadata },
        None => Op::Delete { space, key },
    }
}

/// True if `found` is what `op` leaves in the key.
fn holds(found: Option<&Record>, op: &Op) -> bool {
    match (op, found) {
        (Op::Set { value, expires_at, .. }, Some(found)) => found.value == *value && found.expires_at == *expires_at,
        (Op::Set { expires_at, .. }, None) => expires_at.is_some_and(|at| at <= crate::record::now()),
        (_, found) => found.is_none(),
    }
}

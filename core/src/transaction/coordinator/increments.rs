//! Resolves increments before an intent is prepared: the addition to a counter becomes a write of the sum, guarded by
//! the version that the sum was computed from. A decided batch can then be applied whatever the keys hold, and applied
//! twice.

use std::collections::HashMap;

use crate::batch::{Batch, Check, Op};
use crate::engine::increment::add;
use crate::engine::{Engine, EngineExt, View};
use crate::error::Result;
use crate::key::{Key, KeyRange, Space};
use crate::record::Record;
use crate::value::Value;

/// Replaces the additions of `batch` by writes of their sums. Blocks.
pub(super) fn resolve_increments(engine: &dyn Engine, mut batch: Batch) -> Result<Batch> {
    if !batch.ops.iter().any(|op| matches!(op, Op::Add { .. })) {
        return Ok(batch);
    }
    let view = engine.view()?;
    let mut resolver = Resolver { view: &*view, own: HashMap::new(), cleared: Vec::new(), checks: Vec::new() };
    let ops = std::mem::take(&mut batch.ops);
    batch.ops = ops.into_iter().map(|op| resolver.pass(op)).collect::<Result<_>>()?;
    let Resolver { checks, .. } = resolver;
    for check in checks {
        let known = batch.checks.iter().any(|known| known.space == check.space && known.key == check.key);
        if !known {
            batch.checks.push(check);
        }
    }
    Ok(batch)
}

/// The effect of the operations so far.
struct Resolver<'a> {
    view: &'a dyn View,
    own: HashMap<(Space, Key), Option<Record>>,
    cleared: Vec<(Space, KeyRange)>,
    checks: Vec<Check>,
}

impl Resolver<'_> {
    fn pass(&mut self, op: Op) -> Result<Op> {
        let op = match op {
            Op::Add { space, key, by, expires_at, metadata } => {
                let old = self.get(space, &key)?;
                let value = Value::from_number(add(&key, old.as_ref(), by)?);
                let expires_at = expires_at.or(old.as_ref().and_then(|old| old.expires_at));
                let metadata = metadata.or_else(|| old.and_then(|old| old.metadata));
                Op::Set { space, key, value, expires_at, metadata }
            }
            op => op,
        };
        match &op {
            Op::Set { space, key, value, expires_at, metadata } => {
                let mut record = Record::bare(value.clone(), *expires_at);
                record.metadata.clone_from(metadata);
                self.own.insert((*space, key.clone()), Some(record));
            }
            Op::DeleteRange { space, range } => {
                self.own.retain(|(in_space, key), _| in_space != space || !range.spans(key));
                self.cleared.push((*space, range.clone()));
            }
            op => {
                if let Some((space, key)) = op.key() {
                    self.own.insert((space, key.clone()), None);
                }
            }
        }
        Ok(op)
    }

    fn get(&mut self, space: Space, key: &Key) -> Result<Option<Record>> {
        if let Some(own) = self.own.get(&(space, key.clone())) {
            return Ok(own.clone().filter(|record| !record.has_expired()));
        }
        if self.cleared.iter().any(|(in_space, range)| *in_space == space && range.spans(key)) {
            return Ok(None);
        }
        let found = self.view.get(space, key)?;
        let version = found.as_ref().map(|record| record.version);
        self.checks.push(Check { space, key: key.clone(), version });
        Ok(found)
    }
}

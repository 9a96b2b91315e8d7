use super::record::Intent;
use crate::batch::{Batch, Op, Role};
use crate::engine::increment::number;
use crate::error::{Code, Error, Result};
use crate::key::{Key, Space};
use crate::record::{Millis, Record};
use crate::value::Value;

/// The writes inside a batch that [`prepare`](super::prepare) made.
pub(in crate::engine) fn prepared_ops(batch: &Batch) -> Result<Vec<Op>> {
    match batch.ops.as_slice() {
        [Op::Set { key, value, .. }] => Ok(Intent::read(key, value)?.ops),
        _ => Err(Error::new(Code::InvalidArgument, "an intent is written alone")),
    }
}

/// Checks the additions of a batch that prepares an intent. An intent must not fail once it is decided, so each
/// addition must be to a number already. `get` reads the records of the store.
///
/// # Errors
///
/// `INVALID_ARGUMENT` for an addition to another type, or the error of `get`.
pub fn check_increments(
    batch: &Batch,
    now: Millis,
    mut get: impl FnMut(Space, &Key) -> Result<Option<Record>>,
) -> Result<()> {
    if !matches!(batch.role, Role::Prepare(_)) {
        return Ok(());
    }
    let ops = prepared_ops(batch)?;
    for (at, op) in ops.iter().enumerate() {
        let Op::Add { space, key, .. } = op else { continue };
        let earlier = ops.iter().take(at).rev().find_map(|earlier| match earlier {
            Op::DeleteRange { space: in_space, range } => (in_space == space && range.spans(key)).then_some(None),
            Op::Delete { .. } => (earlier.key() == op.key()).then_some(None),
            // This loop has checked it.
            Op::Add { .. } => (earlier.key() == op.key()).then(|| Some(Value::from_number(0.0))),
            Op::Set { value, expires_at, .. } => {
                let live = expires_at.is_none_or(|at| at > now);
                (earlier.key() == op.key()).then(|| live.then(|| value.clone()))
            }
        });
        let found = match earlier {
            Some(value) => value.map(|value| Record::bare(value, None)),
            None => get(*space, key)?.filter(|record| !record.expired(now)),
        };
        number(key, found.as_ref())?;
    }
    Ok(())
}

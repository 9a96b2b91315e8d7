//! What the reply of the script that commits says of each batch.

use redis::Value as Answer;

use super::fault::{ENGINE, applied_unknown, not_a_number, refused, unexpected};
use super::layout::{held_by, version, version_of_write};
use super::write::{Work, key_of_row};
use crate::batch::{Commit, Op, Outcome};
use crate::engine::intent;
use crate::error::{Code, Error, Result};
use crate::key::Space;
use crate::record::{Version, now};
use crate::value::Value;

/// What a reply begins with.
const BATCHES: i64 = 0;
const BLIND: i64 = 1;
/// Kept by the server instead of a reply that is too long to keep.
const APPLIED: i64 = 2;

/// What a batch begins with that was not written.
const CHECK_FAILED: i64 = 0;
const NO_NUMBER: i64 = -1;
const HELD: i64 = -2;

/// The result of each of `works`.
pub fn results(works: &[Work], reply: Answer) -> Vec<Result<Commit>> {
    let all = |error: Error| works.iter().map(|_| Err(error.clone())).collect();
    let mut items = match reply {
        Answer::Array(items) => items.into_iter(),
        Answer::ServerError(text) => return all(refused(&text)),
        _ => return all(unexpected()),
    };
    match items.next() {
        Some(Answer::Int(BLIND)) => {
            let Some(Answer::Int(last)) = items.next() else { return all(unexpected()) };
            let first = u64::try_from(last).unwrap_or(0).saturating_sub(works.len() as u64) + 1;
            (first..)
                .zip(works)
                .map(|(seq, work)| Ok(Commit { seq, outcomes: outcomes(work, &mut items, true)? }))
                .collect()
        }
        Some(Answer::Int(BATCHES)) => works
            .iter()
            .map(|work| match items.next() {
                Some(Answer::Array(items)) => result(work, items),
                _ => Err(unexpected()),
            })
            .collect(),
        Some(Answer::Int(APPLIED)) => all(applied_unknown()),
        _ => all(unexpected()),
    }
}

fn result(work: &Work, items: Vec<Answer>) -> Result<Commit> {
    let mut items = items.into_iter();
    let Some(Answer::Int(first)) = items.next() else { return Err(unexpected()) };
    // A commit number is positive but where nothing was ever committed, which no row goes with.
    if first <= 0
        && let Some(row) = items.next()
    {
        let row = if let Answer::Int(row) = row { usize::try_from(row).unwrap_or(0) } else { 0 };
        return Err(failure(work, first, row, items.next()));
    }
    let seq = u64::try_from(first).map_err(|_| unexpected())?;
    Ok(Commit { seq, outcomes: outcomes(work, &mut items, false)? })
}

/// Why a batch was not written.
fn failure(work: &Work, why: i64, row: usize, more: Option<Answer>) -> Error {
    let key = key_of_row(work, row);
    let conflict = || match &key {
        Some(key) => Error::conflict(key),
        None => Error::new(Code::Conflict, "a key of a range may have changed or is about to"),
    };
    let error = match (why, more) {
        (CHECK_FAILED, _) => conflict(),
        (NO_NUMBER, _) => not_a_number(),
        (HELD, Some(Answer::BulkString(by))) => match held_by(&by) {
            Some((id, at)) => intent::held_by(id, at, key.as_deref().unwrap_or_default(), now()),
            None => conflict(),
        },
        _ => unexpected(),
    };
    match &key {
        Some(key) => error.at_key(key).in_engine(ENGINE),
        None => error.in_engine(ENGINE),
    }
}

/// What the operations of a batch did. Items of operations that nobody asked about are passed over.
fn outcomes(work: &Work, items: &mut dyn Iterator<Item = Answer>, blind: bool) -> Result<Vec<Outcome>> {
    let batch = &work.batch;
    let mut outcomes = Vec::new();
    for op in &batch.ops {
        let outcome = match op {
            Op::Set { .. } if !batch.report => continue,
            Op::Set { space, value, expires_at, metadata, .. } => {
                let version = version_of_write(*space, value, *expires_at, metadata.as_ref()).ok_or_else(unexpected)?;
                Outcome::Set { version }
            }
            Op::Add { space, .. } => added(*space, items.next(), items.next())?,
            Op::Delete { space, .. } => {
                let told = batch.report || (*space == Space::Internal && !blind);
                Outcome::Deleted { existed: told && matches!(items.next(), Some(Answer::Int(count)) if count > 0) }
            }
            Op::DeleteRange { .. } => Outcome::Cleared,
        };
        if batch.report {
            outcomes.push(outcome);
        }
    }
    Ok(outcomes)
}

/// The sum and the version of an addition: for a user key its text and expiry, else its text and version.
fn added(space: Space, text: Option<Answer>, more: Option<Answer>) -> Result<Outcome> {
    let (Some(Answer::BulkString(text)), Some(Answer::BulkString(more))) = (text, more) else {
        return Err(unexpected());
    };
    let more = std::str::from_utf8(&more).map_err(|_| unexpected())?;
    let version = match space {
        Space::User if more.is_empty() => version(&text, None),
        Space::User => version(&text, Some(more.parse().map_err(|_| unexpected())?)),
        Space::Internal => Version::parse(more),
    };
    let value = Value::Json(text.into()).as_number().ok_or_else(unexpected)?;
    Ok(Outcome::Added { value, version: version.ok_or_else(unexpected)? })
}

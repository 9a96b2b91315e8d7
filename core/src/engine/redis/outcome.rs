//! The outcome of each batch, from the reply of the script that commits.

use redis::Value as RespValue;

use super::fault::{applied_in_part, applied_unknown, refused, replacing, unexpected};
use super::options::NAME;
use super::pending_write::PendingWrite;
use super::reply::text;
use super::rows::key_of_row;
use crate::batch::{Commit, IntentId, Op, Outcome};
use crate::engine::increment::{beyond, not_a_number};
use crate::engine::intent;
use crate::error::{Code, Error, Result};
use crate::format::redis::{REPLACEMENT, held_by, version_of_write};
use crate::key::Space;
use crate::record::{Millis, Version, now};
use crate::value::Value;

/// The first item of a reply.
const BATCHES: i64 = 0;
const BLIND: i64 = 1;
/// The server kept this instead of a reply that was too long to keep.
const APPLIED: i64 = 2;
const OUT_OF_ORDER: i64 = 3;
const IN_PART: i64 = 4;

/// The first item of a batch that was refused.
const CHECK_FAILED: i64 = 0;
const NO_NUMBER: i64 = -1;
const HELD: i64 = -2;
const BEYOND: i64 = -3;

/// The result of each of `writes`. `stamps`: records keep times. `met_replacement` becomes true if one was refused
/// because the content is being replaced.
pub(super) fn results(
    writes: &[PendingWrite],
    reply: RespValue,
    stamps: bool,
    met_replacement: &mut bool,
) -> Vec<Result<Commit>> {
    let all = |error: Error| writes.iter().map(|_| Err(error.clone())).collect();
    let mut items = match reply {
        RespValue::Array(items) => items.into_iter(),
        RespValue::ServerError(error) => return all(refused(&error)),
        _ => return all(unexpected()),
    };
    match items.next() {
        Some(RespValue::Int(BLIND)) => {
            let Some(RespValue::Int(last)) = items.next() else { return all(unexpected()) };
            let first = u64::try_from(last).unwrap_or(0).saturating_sub(writes.len() as u64) + 1;
            (first..)
                .zip(writes)
                .map(|(seq, write)| Ok(Commit { seq, outcomes: outcomes(write, &mut items, true, stamps)? }))
                .collect()
        }
        Some(RespValue::Int(BATCHES)) => writes
            .iter()
            .map(|write| match items.next() {
                Some(RespValue::Array(items)) => result(write, items, stamps, met_replacement),
                _ => Err(unexpected()),
            })
            .collect(),
        Some(RespValue::Int(APPLIED)) => all(applied_unknown()),
        Some(RespValue::Int(IN_PART)) => all(applied_in_part(items.next().as_ref().and_then(text).unwrap_or_default())),
        _ => all(unexpected()),
    }
}

/// True if nothing was done, because the call ahead was not carried out.
pub(super) fn is_out_of_order(reply: &RespValue) -> bool {
    matches!(reply, RespValue::Array(items) if items.first() == Some(&RespValue::Int(OUT_OF_ORDER)))
}

fn result(write: &PendingWrite, items: Vec<RespValue>, stamps: bool, met_replacement: &mut bool) -> Result<Commit> {
    let mut items = items.into_iter();
    let first = match items.next() {
        Some(RespValue::Int(reason)) => reason,
        Some(seq) => {
            let seq = text(&seq).and_then(|seq| seq.parse().ok()).ok_or_else(unexpected)?;
            return Ok(Commit { seq, outcomes: outcomes(write, &mut items, false, stamps)? });
        }
        None => return Err(unexpected()),
    };
    if let Some(row) = items.next() {
        let row = if let RespValue::Int(row) = row { usize::try_from(row).unwrap_or(0) } else { 0 };
        let holder = match items.next() {
            Some(RespValue::BulkString(mark)) => held_by(&mark),
            _ => None,
        };
        if first == HELD && holder.is_some_and(|(id, _)| id == REPLACEMENT) {
            *met_replacement = true;
            return Err(replacing());
        }
        return Err(refusal(write, first, row, holder));
    }
    Err(unexpected())
}

/// The error of a batch that was refused because of `row`.
fn refusal(write: &PendingWrite, reason: i64, row: usize, holder: Option<(IntentId, Millis)>) -> Error {
    let key = key_of_row(write, row);
    let conflict = || match &key {
        Some(key) => Error::conflict(key),
        None => Error::new(Code::Conflict, "a key of a range may have changed or is about to"),
    };
    let error = match (reason, holder) {
        (CHECK_FAILED, _) | (HELD, None) => conflict(),
        (NO_NUMBER, _) => not_a_number(),
        (BEYOND, _) => beyond(),
        (HELD, Some((id, at))) => intent::held_by(id, at, key.as_deref().unwrap_or_default(), now()),
        _ => unexpected(),
    };
    match &key {
        Some(key) => error.at_key(key).in_engine(NAME),
        None => error.in_engine(NAME),
    }
}

/// The outcomes of the operations of a batch. The items of a batch that reports nothing are skipped.
fn outcomes(
    write: &PendingWrite,
    items: &mut dyn Iterator<Item = RespValue>,
    blind: bool,
    stamps: bool,
) -> Result<Vec<Outcome>> {
    let batch = &write.batch;
    let mut outcomes = Vec::new();
    for op in &batch.ops {
        let outcome = match op {
            Op::Set { .. } if !batch.report => {
                if tells_version(op, stamps) {
                    items.next();
                }
                continue;
            }
            Op::Set { space, value, expires_at, metadata, .. } => {
                // The server knows the times that it has kept.
                let told = tells_version(op, stamps).then(|| items.next().as_ref().and_then(told_version)).flatten();
                let version = told.or_else(|| version_of_write(*space, value, *expires_at, metadata.as_ref()));
                Outcome::Set { version: version.ok_or_else(unexpected)? }
            }
            Op::Add { .. } => added(items.next(), items.next())?,
            Op::Delete { space, .. } => {
                let has_item = batch.report || (*space == Space::Internal && !blind);
                let existed = has_item && matches!(items.next(), Some(RespValue::Int(count)) if count > 0);
                Outcome::Deleted { existed }
            }
            Op::DeleteRange { .. } => Outcome::Cleared,
        };
        if batch.report {
            outcomes.push(outcome);
        }
    }
    Ok(outcomes)
}

/// True if the reply has the version of the record that a set leaves: the record has a companion.
fn tells_version(op: &Op, stamps: bool) -> bool {
    matches!(op, Op::Set { space: Space::User, metadata, .. } if stamps || metadata.is_some())
}

/// A version in a reply. A record that had expired when it was written has none.
fn told_version(item: &RespValue) -> Option<Version> {
    Version::parse(text(item)?)
}

/// The sum and the version of an addition.
fn added(sum: Option<RespValue>, version: Option<RespValue>) -> Result<Outcome> {
    let (Some(RespValue::BulkString(sum)), Some(version)) = (sum, version) else { return Err(unexpected()) };
    let value = Value::Json(sum.into()).as_number().ok_or_else(unexpected)?;
    // A sum that has expired already has no version.
    let version =
        told_version(&version).or_else(|| version_of_write(Space::User, &Value::from_number(value), None, None));
    Ok(Outcome::Added { value, version: version.ok_or_else(unexpected)? })
}

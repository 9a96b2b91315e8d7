//! Intents: what a transaction over several engines will write to this one, committed before it is decided.
//!
//! An intent is a record of our own keyspace, so it is as durable as any commit. While it stands, no other batch
//! writes its keys: what is decided later overwrites nothing newer. `docs/formats/intent.md` describes the record.

mod held;

use bytes::Bytes;
use xxhash_rust::xxh3::Xxh3;

use super::increment::add;
use super::{Engine, EngineExt, Item, PAGE_BYTES, Page, Projection, Report, View};
use crate::batch::{Batch, Check, Commit, IntentId, Op, Role, codec};
use crate::error::{Code, Error, Result};
use crate::key::{Key, KeyRange, Space};
use crate::keyspace;
use crate::record::{Millis, Record, now};
use crate::value::Value;

pub use held::{Intents, held_by};

/// What a log decides about an intent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The transaction was committed: what it intended is written.
    Apply,
    /// It was not: nothing is written.
    Drop,
}

/// Where the record of an intent lies.
#[must_use]
pub fn key(id: IntentId) -> Key {
    let mut key = keyspace::INTENT.to_vec();
    key.extend_from_slice(&id.log.to_be_bytes());
    key.extend_from_slice(&id.number.to_be_bytes());
    key.into()
}

/// The keys of all intents.
#[must_use]
pub fn range() -> KeyRange {
    KeyRange::prefix(keyspace::INTENT)
}

/// The id of the intent whose record lies under `key`.
pub(crate) fn id_of(key: &[u8]) -> Option<IntentId> {
    let (log, number) = key.strip_prefix(keyspace::INTENT)?.split_at_checked(8)?;
    Some(IntentId {
        log: u64::from_be_bytes(log.try_into().ok()?),
        number: u64::from_be_bytes(number.try_into().ok()?),
    })
}

/// An intent as it is stored.
#[derive(Clone, Debug)]
pub struct Intent {
    pub id: IntentId,
    /// When it was made.
    pub at: Millis,
    pub ops: Vec<Op>,
}

impl Intent {
    /// Reads a stored intent. CORRUPTED if it is none, UNSUPPORTED_FORMAT if a newer version wrote it.
    pub fn read(key: &[u8], value: &Value) -> Result<Self> {
        let found = id_of(key).and_then(|id| {
            let Value::Binary(bytes) = value else { return None };
            let (sum, content) = bytes.split_first_chunk::<8>()?;
            let at = u64::from_le_bytes(*content.first_chunk::<8>()?);
            (u64::from_le_bytes(*sum) == checksum(key, content)).then(|| (id, at, bytes.slice(16..)))
        });
        let Some((id, at, ops)) = found else {
            return Err(Error::corrupted(
                "the record of an unfinished transaction over several engines is damaged; \
                 verify with repair sets it aside",
            )
            .at_key(key));
        };
        Ok(Intent { id, at, ops: codec::decode(&ops).map_err(|error| error.at_key(key))? })
    }

    /// The record of the intent.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut content = self.at.to_le_bytes().to_vec();
        content.extend_from_slice(&codec::encode(&self.ops));
        let mut bytes = checksum(&key(self.id), &content).to_le_bytes().to_vec();
        bytes.append(&mut content);
        Value::Binary(Bytes::from(bytes))
    }
}

/// Over the key too: a record under another key is another transaction's.
fn checksum(key: &[u8], content: &[u8]) -> u64 {
    let mut hasher = Xxh3::new();
    hasher.update(key);
    hasher.update(content);
    hasher.digest()
}

/// The batch that makes `batch` an intent, if its checks hold.
#[must_use]
pub fn prepare(id: IntentId, batch: Batch) -> Batch {
    let intent = Intent { id, at: now(), ops: batch.ops };
    let record =
        Op::Set { space: Space::Internal, key: key(id), value: intent.to_value(), expires_at: None, metadata: None };
    Batch {
        checks: batch.checks,
        range_checks: batch.range_checks,
        ops: vec![record],
        report: false,
        as_of: batch.as_of,
        role: Role::Prepare(id),
    }
}

/// Commits a batch as an intent. Blocks.
pub fn commit_intent<E: Engine + ?Sized>(engine: &E, id: IntentId, batch: Batch) -> Result<Commit> {
    batch.check_size()?;
    engine.commit(prepare(id, batch))
}

/// Ends an intent. `None` if it does not stand any more: somebody has ended it. What cannot be read can be dropped. Blocks.
pub fn resolve<E: Engine + ?Sized>(engine: &E, id: IntentId, decision: Decision) -> Result<Option<Commit>> {
    let key = key(id);
    let Some(Record { value, version, .. }) = engine.view()?.get(Space::Internal, &key)? else { return Ok(None) };
    let mut ops = match decision {
        Decision::Apply => Intent::read(&key, &value)?.ops,
        Decision::Drop => Vec::new(),
    };
    ops.push(Op::Delete { space: Space::Internal, key: key.clone() });
    let checks = vec![Check { space: Space::Internal, key, version: Some(version) }];
    match engine.commit(Batch { checks, ops, role: Role::Resolve(id), ..Batch::default() }) {
        Ok(commit) => Ok(Some(commit)),
        Err(error) if error.code() == Code::Conflict => Ok(None),
        Err(error) => Err(error),
    }
}

/// The records of intents as a store holds them.
#[derive(Debug, Default)]
pub struct Found {
    records: Vec<(Key, Value)>,
    /// Why there may be more than could be read.
    damage: Option<Error>,
}

impl Found {
    /// Reads the records by pages of [`range`], each behind the key it is called with. Damage does not fail it.
    pub fn read(mut scan: impl FnMut(&KeyRange, Option<&[u8]>) -> Result<Page>) -> Result<Self> {
        let range = range();
        let mut found = Found::default();
        let mut after: Option<Key> = None;
        loop {
            let page = match scan(&range, after.as_deref()) {
                Ok(page) => page,
                Err(error) if error.code() == Code::Corrupted => {
                    found.damage = Some(error);
                    return Ok(found);
                }
                Err(error) => return Err(error),
            };
            found.records.extend(page.entries.into_iter().filter_map(|(key, item)| match item {
                Item::Value(value) => Some((key, value)),
                Item::Key | Item::Record(_) => None,
            }));
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(found),
            }
        }
    }

    /// The records in a view.
    pub fn in_view<V: View + ?Sized>(view: &V) -> Result<Self> {
        Found::read(|range, after| view.scan(Space::Internal, range, Projection::Values, after, PAGE_BYTES))
    }
}

/// The intents that stand in a view, in the order of their ids. CORRUPTED if one cannot be read.
pub fn standing<V: View + ?Sized>(view: &V) -> Result<Vec<Intent>> {
    let found = Found::in_view(view)?;
    match found.damage {
        Some(error) => Err(error),
        None => found.records.iter().map(|(key, value)| Intent::read(key, value)).collect(),
    }
}

/// Reports each intent that cannot be read; with `repair`, sets it aside, so that it holds nothing any more. Blocks.
pub fn verify<E: Engine + ?Sized>(engine: &E, repair: bool, report: &mut Report) -> Result<()> {
    let view = engine.view()?;
    // What keeps the records from being read is told by the engine's own check.
    for (key, value) in Found::in_view(&*view)?.records {
        let Err(error) = Intent::read(&key, &value) else { continue };
        report.errors.push(error.in_engine(engine.name()));
        if repair {
            let aside = Key::from([keyspace::ASIDE, &key].concat());
            engine.commit(Batch {
                ops: vec![
                    Op::Set { space: Space::Internal, key: aside, value, expires_at: None, metadata: None },
                    Op::Delete { space: Space::Internal, key: key.clone() },
                ],
                role: id_of(&key).map_or(Role::None, Role::Resolve),
                ..Batch::default()
            })?;
        }
    }
    Ok(())
}

/// The operations inside a batch made by [`prepare`].
pub(super) fn prepared_ops(batch: &Batch) -> Result<Vec<Op>> {
    match batch.ops.as_slice() {
        [Op::Set { key, value, .. }] => Ok(Intent::read(key, value)?.ops),
        _ => Err(Error::new(Code::InvalidArgument, "an intent is written alone")),
    }
}

/// INVALID_ARGUMENT if `batch` prepares an increment of what is no number, found by `get`: once it is decided an intent must
/// not fail.
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
            // Checked before this one.
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
        add(key, found.as_ref(), 0.0)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: IntentId = IntentId { log: 0x0102_0304_0506_0708, number: 9 };

    fn intent() -> Intent {
        Intent {
            id: ID,
            at: 1_700_000_000_000,
            ops: vec![Op::Delete { space: Space::User, key: Key::from_static(b"k") }],
        }
    }

    #[test]
    fn the_record_is_that_of_the_first_release() {
        assert_eq!(&key(ID)[..], b"\0intent/\x01\x02\x03\x04\x05\x06\x07\x08\0\0\0\0\0\0\0\x09");
        let Value::Binary(bytes) = intent().to_value() else { panic!("not bytes") };
        assert_eq!(bytes[..8], *b"\xe2:9A\xc5U\xfc\xe0");
        assert_eq!(bytes[8..], *b"\0\x68\xe5\xcf\x8b\x01\0\0\x01\x02\x01k");
    }

    #[test]
    fn a_record_under_the_key_of_another_is_damaged() {
        let other = key(IntentId { number: 10, ..ID });
        let code = Intent::read(&other, &intent().to_value()).err().map(|error| error.code());
        assert_eq!(code, Some(Code::Corrupted));
        assert!(Intent::read(&key(ID), &intent().to_value()).is_ok());
    }
}

//! The bytes of an event: an entry of the change log, or a message to other processes.
//!
//! `docs/formats/log.md` describes the layout. Integers are LEB128 varints.

use bytes::Bytes;

use super::{Change, CommitEvent, Interval};
use crate::error::{Code, Error, Result};
use crate::format::parts::{Reader, put_bound, put_bytes, put_varint};
use crate::record::Version;
use crate::value::Value;

/// The first byte. Another byte is a newer format.
const FORMAT: u8 = 1;

const SET: u8 = 0;
const DELETE: u8 = 1;
const CLEAR: u8 = 2;
const KIND: u8 = 0x0f;
/// The bit of a set whose value follows.
const HAS_VALUE: u8 = 0x40;
/// The bit of a set whose value is binary.
const BINARY: u8 = 0x10;

/// Writes an event, with its values only if `values`.
#[must_use]
pub fn encode(event: &CommitEvent, values: bool) -> Vec<u8> {
    let mut out = vec![FORMAT];
    put_varint(&mut out, event.seq);
    for change in &event.changes {
        match change {
            Change::Set { key, version, value } => {
                let value = value.as_ref().filter(|_| values);
                let flags = match value {
                    None => 0,
                    Some(Value::Json(_)) => HAS_VALUE,
                    Some(Value::Binary(_)) => HAS_VALUE | BINARY,
                };
                out.push(SET | flags);
                put_bytes(&mut out, key);
                put_bytes(&mut out, version.to_string().as_bytes());
                if let Some(Value::Json(bytes) | Value::Binary(bytes)) = value {
                    put_bytes(&mut out, bytes);
                }
            }
            Change::Delete { key } => {
                out.push(DELETE);
                put_bytes(&mut out, key);
            }
            Change::Clear { range } => {
                out.push(CLEAR);
                put_bound(&mut out, &range.start);
                put_bound(&mut out, &range.end);
            }
        }
    }
    out
}

/// Reads the bytes of an event.
///
/// # Errors
///
/// `UNSUPPORTED_FORMAT` for a newer format, `CORRUPTED` for other bytes that [`encode`] did not write.
pub fn decode(bytes: &Bytes) -> Result<CommitEvent> {
    match bytes.first() {
        Some(&FORMAT) => {}
        Some(_) => {
            let message = "an entry of the change log has a newer format; use the version of holdfast that wrote it";
            return Err(Error::new(Code::UnsupportedFormat, message));
        }
        None => return Err(Error::corrupted("an entry of the change log is empty")),
    }
    let mut reader = Reader::new(bytes);
    reader.byte();
    let damaged = |at: usize| Error::corrupted(format!("an entry of the change log is damaged at byte {at}"));
    let seq = reader.varint().ok_or_else(|| damaged(reader.at()))?;
    let mut changes = Vec::new();
    while !reader.is_at_end() {
        changes.push(read_change(&mut reader).ok_or_else(|| damaged(reader.at()))?);
    }
    Ok(CommitEvent { seq, changes })
}

fn read_change(reader: &mut Reader<'_>) -> Option<Change> {
    let first = reader.byte()?;
    match first & KIND {
        SET => {
            let key = reader.slice()?;
            let version = Version::parse(std::str::from_utf8(&reader.slice()?).ok()?)?;
            let value = match (first & HAS_VALUE != 0, first & BINARY != 0) {
                (false, _) => None,
                (true, false) => Some(Value::Json(reader.slice()?)),
                (true, true) => Some(Value::Binary(reader.slice()?)),
            };
            Some(Change::Set { key, version, value })
        }
        DELETE => Some(Change::Delete { key: reader.slice()? }),
        CLEAR => Some(Change::Clear { range: Interval { start: reader.bound()?, end: reader.bound()? } }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Bound;

    use super::*;
    use crate::key::Key;
    use proptest::prelude::*;

    fn bytes() -> impl Strategy<Value = Bytes> {
        prop::collection::vec(any::<u8>(), 0..200).prop_map(Bytes::from)
    }

    fn change() -> impl Strategy<Value = Change> {
        let bound = || {
            prop_oneof![Just(Bound::Unbounded), bytes().prop_map(Bound::Included), bytes().prop_map(Bound::Excluded)]
        };
        let value = prop_oneof![
            Just(None),
            bytes().prop_map(|bytes| Some(Value::Json(bytes))),
            bytes().prop_map(|bytes| Some(Value::Binary(bytes))),
        ];
        prop_oneof![
            (bytes(), any::<u64>(), value).prop_map(|(key, seq, value)| Change::Set {
                key,
                version: Version::of_commit(seq),
                value
            }),
            bytes().prop_map(|key| Change::Delete { key }),
            (bound(), bound()).prop_map(|(start, end)| Change::Clear { range: Interval { start, end } }),
        ]
    }

    proptest! {
        #[test]
        fn an_event_comes_back(seq: u64, changes in prop::collection::vec(change(), 0..10)) {
            let event = CommitEvent { seq, changes };
            prop_assert_eq!(decode(&encode(&event, true).into()).unwrap(), event);
        }

        #[test]
        fn any_bytes_are_an_event_or_refused(bytes in bytes()) {
            let mut with_format = vec![FORMAT];
            with_format.extend_from_slice(&bytes);
            for bytes in [bytes, Bytes::from(with_format)] {
                if let Ok(event) = decode(&bytes) {
                    prop_assert_eq!(decode(&encode(&event, true).into()).unwrap(), event);
                }
            }
        }
    }

    #[test]
    fn without_values_only_versions_are_kept() {
        let set = |value| Change::Set { key: Key::from_static(b"k"), version: Version::of_commit(7), value };
        let event = CommitEvent { seq: 7, changes: vec![set(Some(Value::json("1")))] };
        let kept = decode(&encode(&event, false).into()).unwrap();
        assert_eq!(kept, CommitEvent { seq: 7, changes: vec![set(None)] });
    }
}

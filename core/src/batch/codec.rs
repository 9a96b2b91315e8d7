//! The bytes of operations, for batches that must survive a crash before they are carried out. Checks have no bytes:
//! they were made before the bytes were written. A deleted range is an interval: a transaction has put deletions of
//! keys in the place of any other.
//!
//! `docs/formats/batch.md` describes the layout. All integers are LEB128 varints.
//!
//! # Examples
//!
//! ```
//! use holdfast_core::Op;
//! use holdfast_core::batch::codec::{decode, encode};
//!
//! let bytes = encode(&[Op::delete("a"), Op::add("n", 1.0)]);
//! assert_eq!(decode(&bytes.into())?.len(), 2);
//! # Ok::<(), holdfast_core::Error>(())
//! ```

use bytes::Bytes;

use super::Op;
use crate::error::{Code, Error, Result};
use crate::format::parts::{Reader, put_bound, put_bytes, put_varint};
use crate::key::{KeyRange, Space};
use crate::value::Value;

/// The first byte. Another byte is a newer format.
const FORMAT: u8 = 1;

const SET: u8 = 0;
const ADD: u8 = 1;
const DELETE: u8 = 2;
const DELETE_RANGE: u8 = 3;

/// The bit of an operation on [`Space::Internal`], in its first byte.
const INTERNAL: u8 = 0x80;
const HAS_EXPIRY: u8 = 0x40;
const HAS_METADATA: u8 = 0x20;
const BINARY: u8 = 0x10;
const KIND: u8 = 0x0f;

/// Writes operations.
#[must_use]
pub fn encode(ops: &[Op]) -> Vec<u8> {
    let mut out = vec![FORMAT];
    for op in ops {
        match op {
            Op::Set { space, key, value, expires_at, metadata } => {
                let (binary, payload) = match value {
                    Value::Json(text) => (0, text),
                    Value::Binary(bytes) => (BINARY, bytes),
                };
                out.push(SET | binary | flags(*space, expires_at.is_some(), metadata.is_some()));
                put_bytes(&mut out, key);
                put_bytes(&mut out, payload);
                put_options(&mut out, *expires_at, metadata.as_ref());
            }
            Op::Add { space, key, by, expires_at, metadata } => {
                out.push(ADD | flags(*space, expires_at.is_some(), metadata.is_some()));
                put_bytes(&mut out, key);
                out.extend_from_slice(&by.to_le_bytes());
                put_options(&mut out, *expires_at, metadata.as_ref());
            }
            Op::Delete { space, key } => {
                out.push(DELETE | flags(*space, false, false));
                put_bytes(&mut out, key);
            }
            Op::DeleteRange { space, range } => {
                out.push(DELETE_RANGE | flags(*space, false, false));
                put_bound(&mut out, &range.start);
                put_bound(&mut out, &range.end);
            }
        }
    }
    out
}

fn flags(space: Space, expiry: bool, metadata: bool) -> u8 {
    (if space == Space::Internal { INTERNAL } else { 0 })
        | (if expiry { HAS_EXPIRY } else { 0 })
        | (if metadata { HAS_METADATA } else { 0 })
}

fn put_options(out: &mut Vec<u8>, expires_at: Option<u64>, metadata: Option<&Bytes>) {
    if let Some(at) = expires_at {
        put_varint(out, at);
    }
    if let Some(metadata) = metadata {
        put_bytes(out, metadata);
    }
}

/// Reads operations.
///
/// # Errors
///
/// `UNSUPPORTED_FORMAT` for a newer format, `CORRUPTED` for other bytes that [`encode`] did not write.
pub fn decode(bytes: &Bytes) -> Result<Vec<Op>> {
    match bytes.first() {
        Some(&FORMAT) => {}
        Some(_) => {
            return Err(Error::new(
                Code::UnsupportedFormat,
                "a stored batch has a newer format; open it with the version of holdfast that wrote it",
            ));
        }
        None => return Err(Error::corrupted("a stored batch is empty")),
    }
    let mut reader = Reader::new(bytes);
    reader.byte();
    let mut ops = Vec::new();
    while !reader.is_at_end() {
        let damaged = |at| Error::corrupted(format!("a stored batch is damaged at byte {at}"));
        ops.push(read_op(&mut reader).ok_or_else(|| damaged(reader.at()))?);
    }
    Ok(ops)
}

fn read_op(reader: &mut Reader<'_>) -> Option<Op> {
    let first = reader.byte()?;
    let space = if first & INTERNAL == 0 { Space::User } else { Space::Internal };
    match first & KIND {
        SET => {
            let (key, payload) = (reader.slice()?, reader.slice()?);
            let value = if first & BINARY == 0 { Value::Json(payload) } else { Value::Binary(payload) };
            let (expires_at, metadata) = read_options(reader, first)?;
            Some(Op::Set { space, key, value, expires_at, metadata })
        }
        ADD => {
            let key = reader.slice()?;
            let by = f64::from_le_bytes(reader.take(8)?.as_ref().try_into().ok()?);
            let (expires_at, metadata) = read_options(reader, first)?;
            Some(Op::Add { space, key, by, expires_at, metadata })
        }
        DELETE => Some(Op::Delete { space, key: reader.slice()? }),
        DELETE_RANGE => {
            let (start, end) = (reader.bound()?, reader.bound()?);
            Some(Op::DeleteRange { space, range: KeyRange { start, end, ..KeyRange::all() } })
        }
        _ => None,
    }
}

fn read_options(reader: &mut Reader<'_>, first: u8) -> Option<(Option<u64>, Option<Bytes>)> {
    let expires_at = if first & HAS_EXPIRY == 0 { None } else { Some(reader.varint()?) };
    let metadata = if first & HAS_METADATA == 0 { None } else { Some(reader.slice()?) };
    Some((expires_at, metadata))
}

#[cfg(test)]
mod tests {
    use std::ops::Bound;

    use super::*;
    use proptest::prelude::*;

    fn bytes() -> impl Strategy<Value = Bytes> {
        prop::collection::vec(any::<u8>(), 0..200).prop_map(Bytes::from)
    }

    fn op() -> impl Strategy<Value = Op> {
        let space = prop_oneof![Just(Space::User), Just(Space::Internal)];
        let bound = || {
            prop_oneof![Just(Bound::Unbounded), bytes().prop_map(Bound::Included), bytes().prop_map(Bound::Excluded)]
        };
        let options = || (prop::option::of(any::<u64>()), prop::option::of(bytes()));
        prop_oneof![
            (space.clone(), bytes(), bytes(), any::<bool>(), options()).prop_map(
                |(space, key, payload, binary, (expires_at, metadata))| {
                    let value = if binary { Value::Binary(payload) } else { Value::Json(payload) };
                    Op::Set { space, key, value, expires_at, metadata }
                }
            ),
            (space.clone(), bytes(), -1e300..1e300_f64, options())
                .prop_map(|(space, key, by, (expires_at, metadata))| Op::Add { space, key, by, expires_at, metadata }),
            (space.clone(), bytes()).prop_map(|(space, key)| Op::Delete { space, key }),
            (space, bound(), bound()).prop_map(|(space, start, end)| Op::DeleteRange {
                space,
                range: KeyRange { start, end, ..KeyRange::all() }
            }),
        ]
    }

    #[test]
    fn the_bytes_are_those_of_the_first_release() {
        let ops = [
            Op::set("k", Value::json("1")).expiring(300).with_metadata(Bytes::from_static(b"{}")),
            Op::delete(&b"\xff"[..]).in_space(Space::Internal),
            Op::delete_range(KeyRange::prefix("p")),
        ];
        assert_eq!(encode(&ops), b"\x01\x60\x01k\x011\xac\x02\x02{}\x82\x01\xff\x03\x01\x01p\x02\x01q");
    }

    #[test]
    fn another_format_is_not_guessed_at() {
        assert_eq!(decode(&Bytes::from_static(b"\x02")).err().map(|error| error.code()), Some(Code::UnsupportedFormat));
        assert_eq!(decode(&Bytes::new()).err().map(|error| error.code()), Some(Code::Corrupted));
    }

    proptest! {
        #[test]
        fn operations_come_back(ops in prop::collection::vec(op(), 0..8)) {
            let decoded = decode(&encode(&ops).into()).unwrap();
            prop_assert_eq!(format!("{decoded:?}"), format!("{ops:?}"));
        }

        #[test]
        fn a_cut_or_flipped_batch_never_panics(
            ops in prop::collection::vec(op(), 1..4),
            at in any::<prop::sample::Index>(),
            flip in 1_u8..,
        ) {
            let mut bytes = encode(&ops);
            let at = at.index(bytes.len());
            let _ = decode(&Bytes::copy_from_slice(&bytes[..at]));
            bytes[at] ^= flip;
            let _ = decode(&bytes.into());
        }
    }
}

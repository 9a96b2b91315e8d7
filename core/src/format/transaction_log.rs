//! The log of transactions over several engines: a header, then frames of entries, each frame one write.
//!
//! `docs/formats/transaction-log.md` describes the bytes. A frame is checksummed with the log's id and its own place, so
//! neither bytes of another file nor of another place pass for it.

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::batch::{Op, codec};
use crate::error::{Code, Error, Result};
use crate::format::parts::{Reader, put_bytes, put_varint};

const MAGIC: &[u8; 8] = b"HFTXLOG\0";

const FORMAT: u32 = 1;

/// Bytes of the header.
pub const HEADER: usize = 28;

/// Bytes of a frame beside its body: length and its check before, checksum behind.
pub const FRAME: usize = 16;

const STORE: u8 = 1;
const COMMIT: u8 = 2;
const UNDO: u8 = 3;
const UNDONE: u8 = 4;
const CLEAN: u8 = 5;

/// One thing that was logged.
#[derive(Clone, Debug)]
pub enum Entry {
    /// From here on the store takes part, under `index`: written before anything of a transaction is in it.
    Store {
        index: u64,
        /// The store's own id, which it keeps wherever it is moved.
        id: u128,
        /// It keeps intents; else it is undone by what the log says.
        intents: bool,
        /// What the application calls it.
        name: String,
    },
    /// The decision: what transaction `number` intends is to be carried out.
    Commit { number: u64 },
    /// How to take back what transaction `number` is about to write to a store: the same keys in the same order.
    Undo { number: u64, store: u64, written: Vec<Op>, before: Vec<Op> },
    /// It was taken back.
    Undone { number: u64, store: u64 },
    /// By recovery: no intent of this log stands in the store any more.
    Clean { store: u64 },
}

/// What a log says.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    pub entries: Vec<Entry>,
    /// Where the last whole frame begins; the end of the header if there is none.
    pub last: u64,
    /// Where the whole frames end. What lies behind was never acknowledged.
    pub end: u64,
}

/// The first bytes of log `id`.
#[must_use]
pub fn header(id: u64) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.extend_from_slice(&FORMAT.to_le_bytes());
    out.extend_from_slice(&id.to_le_bytes());
    let sum = xxh3_64_with_seed(&out, 0);
    out.extend_from_slice(&sum.to_le_bytes());
    out
}

/// Appends an entry to the body of a frame.
pub fn put(out: &mut Vec<u8>, entry: &Entry) {
    match entry {
        Entry::Store { index, id, intents, name } => {
            out.push(STORE);
            put_varint(out, *index);
            out.extend_from_slice(&id.to_be_bytes());
            out.push(u8::from(*intents));
            put_bytes(out, name.as_bytes());
        }
        Entry::Commit { number } => {
            out.push(COMMIT);
            put_varint(out, *number);
        }
        Entry::Undo { number, store, written, before } => {
            out.push(UNDO);
            put_varint(out, *number);
            put_varint(out, *store);
            put_bytes(out, &codec::encode(written));
            put_bytes(out, &codec::encode(before));
        }
        Entry::Undone { number, store } => {
            out.push(UNDONE);
            put_varint(out, *number);
            put_varint(out, *store);
        }
        Entry::Clean { store } => {
            out.push(CLEAN);
            put_varint(out, *store);
        }
    }
}

/// The frame of `body` at byte `at` of log `id`. A body is shorter than 4 GiB.
#[must_use]
pub fn frame(id: u64, at: u64, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes();
    let seed = seed(id, at);
    let mut out = Vec::with_capacity(body.len() + FRAME);
    out.extend_from_slice(&length);
    out.extend_from_slice(&length_check(length, seed));
    out.extend_from_slice(body);
    out.extend_from_slice(&xxh3_64_with_seed(body, seed).to_le_bytes());
    out
}

fn seed(id: u64, at: u64) -> u64 {
    // The odd constant keeps small places from cancelling out against ids that differ little.
    id ^ at.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn length_check(length: [u8; 4], seed: u64) -> [u8; 4] {
    let [a, b, c, d, ..] = xxh3_64_with_seed(&length, seed).to_le_bytes();
    [a, b, c, d]
}

/// Reads log `id`. `None` if it ends before its header does: nothing was ever entrusted to it.
///
/// CORRUPTED for damage that is no torn end, UNSUPPORTED_FORMAT for a newer format; the message names the byte.
pub fn read(id: u64, bytes: &Bytes) -> Result<Option<Contents>> {
    if !check_header(id, bytes)? {
        return Ok(None);
    }
    let mut at = HEADER;
    let mut contents = Contents { last: HEADER as u64, end: HEADER as u64, ..Contents::default() };
    while let Some(body) = frame_at(id, bytes, at) {
        let mut reader = Reader::new(&body);
        while !reader.is_at_end() {
            let entry = read_entry(&mut reader).map_err(|error| damaged_entry(&error, at))?;
            contents.entries.push(entry);
        }
        contents.last = at as u64;
        at += body.len() + FRAME;
        contents.end = at as u64;
    }
    // Each frame is whole on disk before the next is written: one behind a broken one tells of damage, not of a crash.
    match (at + 1..bytes.len()).find(|later| frame_at(id, bytes, *later).is_some()) {
        Some(_) => Err(Error::corrupted(format!("it is damaged at byte {at}, in its middle"))),
        None => Ok(Some(contents)),
    }
}

fn damaged_entry(error: &Error, at: usize) -> Error {
    Error::new(error.code(), format!("the frame at byte {at} does not hold what it should: {}", error.message()))
}

/// True if a whole header of log `id` is there, false if the file ends before it could be.
fn check_header(id: u64, bytes: &Bytes) -> Result<bool> {
    let expected = header(id);
    match bytes.get(..HEADER) {
        Some(found) if found == expected.as_slice() => return Ok(true),
        // A file of this size without frames: the header itself did not reach the disk.
        Some(_) if bytes.len() > HEADER => {}
        _ => return Ok(false),
    }
    let format = bytes.strip_prefix(MAGIC).and_then(|rest| rest.first_chunk::<4>()).map(|at| u32::from_le_bytes(*at));
    let newer = format.is_some_and(|format| format > FORMAT);
    Err(if newer {
        Error::new(Code::UnsupportedFormat, "it has a newer format; open it with the version of holdfast that wrote it")
    } else {
        Error::corrupted("its header is damaged, or it is the log of another id")
    })
}

/// The body of the frame at byte `at`, if there is a whole one.
fn frame_at(id: u64, bytes: &Bytes, at: usize) -> Option<Bytes> {
    let seed = seed(id, at as u64);
    let rest = bytes.get(at..)?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (check, rest) = rest.split_first_chunk::<4>()?;
    if *check != length_check(*length, seed) {
        return None;
    }
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let sum = rest.get(length..)?.first_chunk::<8>()?;
    let body = rest.get(..length)?;
    (xxh3_64_with_seed(body, seed) == u64::from_le_bytes(*sum)).then(|| bytes.slice_ref(body))
}

fn read_entry(reader: &mut Reader<'_>) -> Result<Entry> {
    let damaged = || Error::corrupted("it is cut short");
    let kind = reader.byte().ok_or_else(damaged)?;
    Ok(match kind {
        STORE => {
            let index = reader.varint().ok_or_else(damaged)?;
            let id = reader.take(16).and_then(|id| id.as_ref().try_into().ok()).ok_or_else(damaged)?;
            let intents = reader.byte().ok_or_else(damaged)? != 0;
            let name = reader.slice().ok_or_else(damaged)?;
            let name = String::from_utf8_lossy(&name).into_owned();
            Entry::Store { index, id: u128::from_be_bytes(id), intents, name }
        }
        COMMIT => Entry::Commit { number: reader.varint().ok_or_else(damaged)? },
        UNDO => {
            let (number, store) = reader.varint().zip(reader.varint()).ok_or_else(damaged)?;
            let (written, before) = reader.slice().zip(reader.slice()).ok_or_else(damaged)?;
            Entry::Undo { number, store, written: codec::decode(&written)?, before: codec::decode(&before)? }
        }
        UNDONE => {
            let (number, store) = reader.varint().zip(reader.varint()).ok_or_else(damaged)?;
            Entry::Undone { number, store }
        }
        CLEAN => Entry::Clean { store: reader.varint().ok_or_else(damaged)? },
        _ => {
            return Err(Error::new(
                Code::UnsupportedFormat,
                "an entry is of a newer kind; open it with the version of holdfast that wrote it",
            ));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{Key, Space};
    use crate::value::Value;

    const ID: u64 = 0x0123_4567_89ab_cdef;

    fn entries() -> Vec<Entry> {
        let key = || Key::from_static(b"k");
        let set = Op::Set { space: Space::User, key: key(), value: Value::json("1"), expires_at: None, metadata: None };
        vec![
            Entry::Store { index: 0, id: 0x0a0b, intents: true, name: "sqlite".into() },
            Entry::Undo {
                number: 300,
                store: 1,
                written: vec![set],
                before: vec![Op::Delete { space: Space::User, key: key() }],
            },
            Entry::Commit { number: 7 },
            Entry::Undone { number: 300, store: 1 },
            Entry::Clean { store: 0 },
        ]
    }

    /// A log of one frame an entry, and where each frame begins.
    fn log(entries: &[Entry]) -> (Vec<u8>, Vec<usize>) {
        let mut bytes = header(ID);
        let mut places = Vec::new();
        for entry in entries {
            places.push(bytes.len());
            let mut body = Vec::new();
            put(&mut body, entry);
            bytes.extend_from_slice(&frame(ID, bytes.len() as u64, &body));
        }
        (bytes, places)
    }

    fn text(entries: &[Entry]) -> String {
        format!("{entries:?}")
    }

    #[test]
    fn the_bytes_are_those_of_the_first_release() {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(hex(&header(ID)), "484654584c4f470001000000efcdab89674523013a0e29c43f24c42a");
        let bodies: Vec<String> = entries()
            .iter()
            .map(|entry| {
                let mut body = Vec::new();
                put(&mut body, entry);
                hex(&body)
            })
            .collect();
        assert_eq!(
            bodies,
            [
                "010000000000000000000000000000000a0b010673716c697465",
                "03ac0201060100016b0131040102016b",
                "0207",
                "04ac0201",
                "0500",
            ]
        );
        assert_eq!(hex(&frame(ID, 28, &[2, 7])), "02000000e7978b6f0207757a959f1593aeb0");
    }

    #[test]
    fn entries_come_back() {
        let (bytes, places) = log(&entries());
        let contents = read(ID, &bytes.clone().into()).unwrap().unwrap();
        assert_eq!(text(&contents.entries), text(&entries()));
        assert_eq!(contents.end, bytes.len() as u64);
        assert_eq!(Some(contents.last), places.last().map(|place| *place as u64));
    }

    #[test]
    fn a_log_cut_anywhere_says_what_was_whole() {
        let (bytes, places) = log(&entries());
        for cut in 0..bytes.len() {
            let contents = read(ID, &Bytes::copy_from_slice(&bytes[..cut])).unwrap();
            let Some(contents) = contents else {
                assert!(cut < HEADER, "cut at {cut}");
                continue;
            };
            let whole = places.iter().filter(|place| **place < cut).count();
            let whole = if places.contains(&cut) { whole } else { whole.saturating_sub(1) };
            assert_eq!(text(&contents.entries), text(&entries()[..whole]), "cut at {cut}");
        }
    }

    #[test]
    fn a_byte_changed_anywhere_is_a_torn_end_or_damage_but_never_another_entry() {
        let (bytes, places) = log(&entries());
        let last = *places.last().unwrap();
        for at in 0..bytes.len() {
            for flip in [1, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[at] ^= flip;
                let found = read(ID, &changed.into());
                if at < last {
                    let code = found.err().map(|error| error.code());
                    assert!(
                        code == Some(Code::Corrupted) || (8..12).contains(&at) && code == Some(Code::UnsupportedFormat),
                        "byte {at}: {code:?}"
                    );
                } else {
                    let contents = found.unwrap().unwrap();
                    assert_eq!(text(&contents.entries), text(&entries()[..places.len() - 1]), "byte {at}");
                }
            }
        }
    }

    #[test]
    fn bytes_of_another_log_or_place_are_nothing() {
        let (bytes, places) = log(&entries());
        assert_eq!(read(ID + 1, &bytes.clone().into()).err().map(|error| error.code()), Some(Code::Corrupted));
        let mut moved = header(ID);
        moved.extend_from_slice(&bytes[places[1]..]);
        let contents = read(ID, &moved.into()).unwrap().unwrap();
        assert!(contents.entries.is_empty());
    }

    #[test]
    fn a_header_that_never_reached_the_disk_is_no_damage() {
        assert!(read(ID, &Bytes::from_static(&[0; HEADER])).unwrap().is_none());
        assert!(read(ID, &Bytes::new()).unwrap().is_none());
        assert!(read(ID, &Bytes::from_static(&[0; HEADER + 1])).is_err());
    }
}

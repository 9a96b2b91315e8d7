//! The log of transactions over several engines: a header, then frames of entries. Each frame is one write.
//!
//! `docs/formats/transaction-log.md` describes the bytes. The checksum of a frame covers the id of the log and the
//! place of the frame, so neither bytes of another file nor bytes of another place pass for it.

mod entry;
mod frame;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use self::entry::read_entries;
use self::frame::frame_at;
use crate::error::{Code, Error, Result};

pub use entry::{Entry, put};
pub use frame::{FRAME, frame};

const MAGIC: &[u8; 8] = b"HFTXLOG\0";

const FORMAT: u32 = 1;

/// The size of the header, in bytes.
pub const HEADER: usize = 28;

/// The entries of a log, and the places of its frames.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// The entries of all whole frames, in order.
    pub entries: Vec<Entry>,
    /// The place of the last whole frame, in bytes; the end of the header if there is none.
    pub last: u64,
    /// The end of the whole frames, in bytes. Bytes behind it were never acknowledged.
    pub end: u64,
}

/// The header of log `id`.
#[must_use]
pub fn header(id: u64) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.extend_from_slice(&FORMAT.to_le_bytes());
    out.extend_from_slice(&id.to_le_bytes());
    let sum = xxh3_64_with_seed(&out, 0);
    out.extend_from_slice(&sum.to_le_bytes());
    out
}

/// Reads log `id`. `None` if the file ends before the header does: then no entry was ever acknowledged.
///
/// # Errors
///
/// `CORRUPTED` for damage that is no torn end, `UNSUPPORTED_FORMAT` for a newer format. The message names the byte.
pub fn read(id: u64, bytes: &Bytes) -> Result<Option<Contents>> {
    if !check_header(id, bytes)? {
        return Ok(None);
    }
    let mut at = HEADER;
    let mut contents = Contents { last: HEADER as u64, end: HEADER as u64, ..Contents::default() };
    while let Some(body) = frame_at(id, bytes, at) {
        contents.entries.extend(read_entries(&body).map_err(|error| damaged_entry(&error, at))?);
        contents.last = at as u64;
        at += body.len() + FRAME;
        contents.end = at as u64;
    }
    // Each frame is whole on disk before the next one is written. A frame behind a broken one means damage, not a
    // crash.
    match (at + 1..bytes.len()).find(|later| frame_at(id, bytes, *later).is_some()) {
        Some(_) => Err(Error::corrupted(format!("it is damaged at byte {at}, in its middle"))),
        None => Ok(Some(contents)),
    }
}

fn damaged_entry(error: &Error, at: usize) -> Error {
    Error::new(error.code(), format!("the frame at byte {at} does not hold what it should: {}", error.message()))
}

/// True if the whole header of log `id` is there. False if the file ends before it.
fn check_header(id: u64, bytes: &Bytes) -> Result<bool> {
    let expected = header(id);
    match bytes.get(..HEADER) {
        Some(found) if found == expected.as_slice() => return Ok(true),
        // In a file without frames, the header itself did not reach the disk.
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

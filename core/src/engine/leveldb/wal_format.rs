//! RocksDB's log format, in which a WAL and a MANIFEST are written: how far the bytes of such a file are whole.
//!
//! A file is a sequence of blocks, a record a sequence of fragments. No fragment crosses the end of a block.
//!
//! Source: <https://github.com/facebook/rocksdb/wiki/Write-Ahead-Log-File-Format>.

use super::crc32c::crc32c;

pub(super) const BLOCK_BYTES: usize = 32 << 10;
/// Checksum, length, type.
pub(super) const HEADER_BYTES: usize = 7;

/// A fragment that is a whole record.
pub(super) const FULL: u8 = 1;
/// The first fragment of a record, one in its middle, and its last.
pub(super) const FIRST: u8 = 2;
pub(super) const MIDDLE: u8 = 3;
pub(super) const LAST: u8 = 4;

/// How far a file is whole and in order; the length of the file where it is whole.
pub(super) struct WholeUntil {
    /// Where the first record begins that is not whole.
    pub record: usize,
    /// Where the first fragment begins that is not whole, inside of that record.
    pub fragment: usize,
}

pub(super) fn whole_until(file: &[u8]) -> WholeUntil {
    let mut at = 0;
    let mut record = 0;
    let mut inside = false;
    while at < file.len() {
        if BLOCK_BYTES - at % BLOCK_BYTES < HEADER_BYTES {
            at += BLOCK_BYTES - at % BLOCK_BYTES;
            continue;
        }
        if !inside {
            record = at;
        }
        let Some((kind, length)) = fragment(file, at) else { return WholeUntil { record, fragment: at } };
        let in_order = match kind {
            MIDDLE | LAST => inside,
            _ => !inside,
        };
        if !in_order {
            return WholeUntil { record, fragment: at };
        }
        inside = matches!(kind, FIRST | MIDDLE);
        at += length;
    }
    if inside {
        // The record's last fragments are missing altogether.
        WholeUntil { record, fragment: file.len().saturating_sub(1) }
    } else {
        WholeUntil { record: file.len(), fragment: file.len() }
    }
}

/// True if a record begins behind `end`: anywhere in the same block, or where a later block is read from.
pub(super) fn begins_behind(file: &[u8], end: usize) -> bool {
    // The type is looked at first: a checksum at each byte takes seconds.
    let begins = |at: usize| {
        matches!(file.get(at + HEADER_BYTES - 1), Some(&(FULL | FIRST)))
            && matches!(fragment(file, at), Some((FULL | FIRST, _)))
    };
    let next = (end / BLOCK_BYTES + 1).saturating_mul(BLOCK_BYTES);
    if (end.saturating_add(1)..next.min(file.len())).any(begins) || (end == 0 && begins(0)) {
        return true;
    }
    (next..file.len()).step_by(BLOCK_BYTES).any(|block| {
        let mut at = block;
        while let Some((kind, length)) = fragment(file, at) {
            if matches!(kind, FULL | FIRST) {
                return true;
            }
            at += length;
        }
        false
    })
}

/// True if RocksDB would read `file` for ever. RocksDB 11.8 does not pass over the header of a fragment of a recycled
/// log (`ReadPhysicalRecord` in `db/log_reader.cc`). Old bytes behind a torn end may look like one.
pub(super) fn is_endless(file: &[u8]) -> bool {
    (0..file.len()).step_by(BLOCK_BYTES).any(|block| reaches_recycled(file, block))
}

/// True if the fragments of a block, their checksums unchecked, lead to one of a recycled log.
fn reaches_recycled(file: &[u8], block: usize) -> bool {
    let mut at = block;
    let end = block.saturating_add(BLOCK_BYTES).min(file.len());
    while let Some((header, _)) = file.get(at..end).and_then(|rest| rest.split_first_chunk::<HEADER_BYTES>()) {
        let [.., l0, l1, kind] = *header;
        if matches!(kind, 5..=8 | 11 | 131) {
            return true;
        }
        at += HEADER_BYTES + usize::from(u16::from_le_bytes([l0, l1]));
    }
    false
}

/// The type and the length, header included, of the fragment at `at`, if it is whole.
fn fragment(file: &[u8], at: usize) -> Option<(u8, usize)> {
    let (header, rest) = file.get(at..)?.split_first_chunk::<HEADER_BYTES>()?;
    let [c0, c1, c2, c3, l0, l1, kind] = *header;
    let length = usize::from(u16::from_le_bytes([l0, l1]));
    if kind == 0 || at % BLOCK_BYTES + HEADER_BYTES + length > BLOCK_BYTES {
        return None;
    }
    let sum = crc32c(&[kind], rest.get(..length)?);
    (u32::from_le_bytes([c0, c1, c2, c3]) == masked(sum)).then_some((kind, HEADER_BYTES + length))
}

/// A checksum as RocksDB stores it.
fn masked(sum: u32) -> u32 {
    sum.rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;

    /// A file of records of these lengths, as RocksDB lays them out.
    pub(crate) fn file_of(lengths: &[usize]) -> Vec<u8> {
        let mut file: Vec<u8> = Vec::new();
        for (number, length) in lengths.iter().enumerate() {
            let mut left = *length;
            let mut first = true;
            while first || left > 0 {
                let room = BLOCK_BYTES - file.len() % BLOCK_BYTES;
                if room < HEADER_BYTES {
                    file.resize(file.len() + room, 0);
                    continue;
                }
                let piece = left.min(room - HEADER_BYTES);
                let last = piece == left;
                let kind = match (first, last) {
                    (true, true) => FULL,
                    (true, false) => FIRST,
                    (false, true) => LAST,
                    (false, false) => MIDDLE,
                };
                let body = vec![u8::try_from(number + 65).unwrap(); piece];
                file.extend(masked(crc32c(&[kind], &body)).to_le_bytes());
                file.extend(u16::try_from(piece).unwrap().to_le_bytes());
                file.push(kind);
                file.extend(body);
                left -= piece;
                first = false;
            }
        }
        file
    }
}

//! The end of RocksDB's write-ahead log: cut off by a crash, or damaged?
//!
//! RocksDB tells a record that stops at the end of the file from damage, but not one of which the disk took some sectors and not others, as
//! power loss leaves it. Where every group is synced before the next is written, such a record is the last: whatever begins behind a record that
//! is not whole was written after it was synced, and so says that it is damaged.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A log is made of blocks; a record is cut into fragments, none of which crosses the end of a block.
const BLOCK: usize = 32 << 10;
/// What a disk writes whole or not at all.
const SECTOR: usize = 512;
/// Checksum, length, type.
const HEADER: usize = 7;
/// A fragment that is a whole record, and the first of several.
const WHOLE: u8 = 1;
const FIRST: u8 = 2;
/// One in the middle of a record, and its last.
const MIDDLE: u8 = 3;
const LAST: u8 = 4;

/// True if nothing begins behind the first place in the logs of the store in `path` that is not whole.
pub(super) fn ends_torn(path: &Path) -> io::Result<bool> {
    let mut torn = false;
    for log in logs(path)? {
        let bytes = fs::read(log)?;
        let end = if torn { 0 } else { whole_until(&bytes) };
        torn |= end < bytes.len();
        if torn && begins_behind(&bytes, end) {
            return Ok(false);
        }
    }
    Ok(torn)
}

/// The log in whose bytes RocksDB would go round for ever, and how far it is whole. RocksDB 11.8 does not pass over a header of a kind that
/// only logs used again have (`ReadPhysicalRecord` in `db/log_reader.cc`), which old bytes behind a torn end may look like.
pub(super) fn endless(path: &Path) -> io::Result<Option<(PathBuf, u64)>> {
    for log in logs(path)? {
        let bytes = fs::read(&log)?;
        if (0..bytes.len()).step_by(BLOCK).any(|block| has_used_again(&bytes, block)) {
            return Ok(Some((log, whole_until(&bytes) as u64)));
        }
    }
    Ok(None)
}

/// What is the matter with a manifest.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Manifest {
    /// Nothing, or something that RocksDB tells.
    Sound,
    /// Power loss left its last record in pieces; it is whole up to here. RocksDB had not synced the record, so nothing that it says had been relied on.
    Torn(PathBuf, u64),
    /// It is damaged, and RocksDB would read it for ever.
    Endless(PathBuf),
}

/// Looks at the manifest that `CURRENT` names. A last record that has all its sectors is damaged, not torn, and so is one behind which another begins.
pub(super) fn manifest(path: &Path) -> io::Result<Manifest> {
    let Some(current) = found(fs::read_to_string(path.join("CURRENT")))? else { return Ok(Manifest::Sound) };
    let manifest = path.join(current.trim_end());
    let Some(bytes) = found(fs::read(&manifest))? else { return Ok(Manifest::Sound) };
    let (start, end) = whole(&bytes);
    if end >= bytes.len() {
        return Ok(Manifest::Sound);
    }
    if (has_hole(&bytes, start) || is_no_header(&bytes, end)) && !begins_behind(&bytes, end) {
        return Ok(Manifest::Torn(manifest, start as u64));
    }
    let endless = (0..bytes.len()).step_by(BLOCK).any(|block| has_used_again(&bytes, block));
    Ok(if endless { Manifest::Endless(manifest) } else { Manifest::Sound })
}

/// True if what lies at `at` is nothing that was ever the header of a fragment, not even one with a bit changed: its type is none, and its length leads
/// out of the file.
fn is_no_header(log: &[u8], at: usize) -> bool {
    let Some((header, rest)) = log.get(at..).and_then(|rest| rest.split_first_chunk::<HEADER>()) else { return false };
    let [.., l0, l1, kind] = *header;
    !(WHOLE..=LAST).contains(&kind) && usize::from(u16::from_le_bytes([l0, l1])) > rest.len()
}

fn found<T>(read: io::Result<T>) -> io::Result<Option<T>> {
    match read {
        // What is missing, or is no text, is for the opening to tell.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::InvalidData | io::ErrorKind::IsADirectory
            ) =>
        {
            Ok(None)
        }
        read => read.map(Some),
    }
}

/// True if a sector from `start` on holds nothing, as one that was never written.
fn has_hole(log: &[u8], start: usize) -> bool {
    let first = start.next_multiple_of(SECTOR);
    log.get(first..).is_some_and(|rest| rest.chunks(SECTOR).any(|sector| sector.iter().all(|byte| *byte == 0)))
}

/// True if the fragments of a block, their checksums unchecked, come to one of a log used again.
fn has_used_again(log: &[u8], block: usize) -> bool {
    let mut at = block;
    let end = block.saturating_add(BLOCK).min(log.len());
    while let Some((header, _)) = log.get(at..end).and_then(|rest| rest.split_first_chunk::<HEADER>()) {
        let [.., l0, l1, kind] = *header;
        if matches!(kind, 5..=8 | 11 | 131) {
            return true;
        }
        at += HEADER + usize::from(u16::from_le_bytes([l0, l1]));
    }
    false
}

/// The logs in the order they were written.
fn logs(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut logs = Vec::new();
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        let number = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".log")?.parse::<u64>().ok());
        logs.extend(number.map(|number| (number, path)));
    }
    logs.sort();
    Ok(logs.into_iter().map(|(_, path)| path).collect())
}

/// How far the fragments of a log are whole and in their order.
fn whole_until(log: &[u8]) -> usize {
    whole(log).1
}

/// How far the records of a log are whole, and how far their fragments: a fragment may be so and its record not.
fn whole(log: &[u8]) -> (usize, usize) {
    let mut at = 0;
    let mut start = 0;
    let mut inside = false;
    while at < log.len() {
        if BLOCK - at % BLOCK < HEADER {
            at += BLOCK - at % BLOCK;
            continue;
        }
        if !inside {
            start = at;
        }
        let Some((kind, length)) = fragment(log, at) else { return (start, at) };
        let fits = match kind {
            MIDDLE | LAST => inside,
            _ => !inside,
        };
        if !fits {
            return (start, at);
        }
        inside = matches!(kind, FIRST | MIDDLE);
        at += length;
    }
    // A record whose end is missing altogether.
    if inside { (start, log.len().saturating_sub(1)) } else { (log.len(), log.len()) }
}

/// True if a record begins somewhere behind `end`: anywhere in the block there, or where a later block is read from.
fn begins_behind(log: &[u8], end: usize) -> bool {
    // The type is looked at first: a checksum at each byte takes seconds.
    let begins = |at: usize| {
        matches!(log.get(at + HEADER - 1), Some(&(WHOLE | FIRST)))
            && matches!(fragment(log, at), Some((WHOLE | FIRST, _)))
    };
    let next = (end / BLOCK + 1).saturating_mul(BLOCK);
    if (end.saturating_add(1)..next.min(log.len())).any(begins) || (end == 0 && begins(0)) {
        return true;
    }
    (next..log.len()).step_by(BLOCK).any(|block| {
        let mut at = block;
        while let Some((kind, length)) = fragment(log, at) {
            if matches!(kind, WHOLE | FIRST) {
                return true;
            }
            at += length;
        }
        false
    })
}

/// The type and length, header included, of the fragment at `at`, if it is whole.
fn fragment(log: &[u8], at: usize) -> Option<(u8, usize)> {
    let (header, rest) = log.get(at..)?.split_first_chunk::<HEADER>()?;
    let [c0, c1, c2, c3, l0, l1, kind] = *header;
    let length = usize::from(u16::from_le_bytes([l0, l1]));
    if kind == 0 || at % BLOCK + HEADER + length > BLOCK {
        return None;
    }
    let sum = crc32c(&[kind], rest.get(..length)?);
    (u32::from_le_bytes([c0, c1, c2, c3]) == masked(sum)).then_some((kind, HEADER + length))
}

/// As RocksDB stores a checksum.
fn masked(sum: u32) -> u32 {
    sum.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// What each byte does to a CRC-32C.
#[allow(clippy::indexing_slicing)] // The compiler runs it: out of bounds would be an error of the build.
const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut sum = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            sum = (sum >> 1) ^ (0x82f6_3b78 * (sum & 1));
            bit += 1;
        }
        table[byte] = sum;
        byte += 1;
    }
    table
};

/// CRC-32C (Castagnoli) of two pieces, byte by byte: it is asked for once, after a crash.
fn crc32c(first: &[u8], second: &[u8]) -> u32 {
    let step = |sum: u32, byte: &u8| {
        let [low, ..] = sum.to_le_bytes();
        (sum >> 8) ^ TABLE.get(usize::from(low ^ byte)).copied().unwrap_or(0)
    };
    !first.iter().chain(second).fold(!0, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log of records of these lengths, as RocksDB lays them out.
    fn log(lengths: &[usize]) -> Vec<u8> {
        let mut log: Vec<u8> = Vec::new();
        for (number, length) in lengths.iter().enumerate() {
            let mut left = *length;
            let mut first = true;
            while first || left > 0 {
                let room = BLOCK - log.len() % BLOCK;
                if room < HEADER {
                    log.resize(log.len() + room, 0);
                    continue;
                }
                let piece = left.min(room - HEADER);
                let last = piece == left;
                let kind = match (first, last) {
                    (true, true) => WHOLE,
                    (true, false) => FIRST,
                    (false, true) => LAST,
                    (false, false) => MIDDLE,
                };
                let body = vec![u8::try_from(number + 65).unwrap(); piece];
                log.extend(masked(crc32c(&[kind], &body)).to_le_bytes());
                log.extend(u16::try_from(piece).unwrap().to_le_bytes());
                log.push(kind);
                log.extend(body);
                left -= piece;
                first = false;
            }
        }
        log
    }

    fn torn(logs: &[&[u8]]) -> bool {
        let dir = tempfile::tempdir().unwrap();
        for (number, log) in logs.iter().enumerate() {
            fs::write(dir.path().join(format!("{:06}.log", number + 9)), log).unwrap();
        }
        ends_torn(dir.path()).unwrap()
    }

    #[test]
    fn the_checksum_is_castagnolis() {
        assert_eq!(crc32c(b"1234", b"56789"), 0xe306_9283);
    }

    #[test]
    fn a_last_record_with_any_hole_is_torn_and_an_earlier_one_is_damaged() {
        let log = log(&[600, 700, 100_000]);
        let third = 600 + 700 + 2 * HEADER;
        assert!(!torn(&[&log]), "whole");
        for at in (0..log.len() - 512).step_by(512) {
            let mut holed = log.clone();
            holed[at..at + 512].fill(0);
            // One that reaches over the beginning of the last record hides that there is one.
            assert_eq!(torn(&[&holed]), at + 512 > third, "a hole at {at}");
        }
        assert!(torn(&[&log[..log.len() - 1]]) && torn(&[&log[..third + 40_000]]));
    }

    #[test]
    fn a_manifest_is_torn_where_sectors_of_its_last_record_are_missing_and_damaged_anywhere_else() {
        let whole = log(&[600, 700, 5000]);
        let last = 600 + 700 + 2 * HEADER;
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("CURRENT"), "MANIFEST-000004\n").unwrap();
        let found = |bytes: &[u8]| {
            fs::write(dir.path().join("MANIFEST-000004"), bytes).unwrap();
            match manifest(dir.path()).unwrap() {
                Manifest::Torn(_, end) => Some(usize::try_from(end).unwrap()),
                Manifest::Sound | Manifest::Endless(_) => None,
            }
        };
        assert_eq!(found(&whole), None);
        for at in (0..whole.len() - SECTOR).step_by(SECTOR) {
            let mut holed = whole.clone();
            holed[at..at + SECTOR].fill(0);
            let torn = at + SECTOR > last;
            assert_eq!(found(&holed).is_some(), torn, "a hole at {at}");
            if at > last {
                assert_eq!(found(&holed), Some(last));
            }
            let mut flipped = whole.clone();
            flipped[at + 9] ^= 1;
            assert_eq!(found(&flipped), None, "a flipped bit at {at}");
        }
        // Old bytes in place of the last record; and a damaged header that RocksDB would never pass.
        let junk = [0x1c, 0x9f, 0x6a, 0x0b, 0x69, 0xbc, 0x0b].repeat(15);
        assert_eq!(found(&[&whole[..last], &junk].concat()), Some(last));
        let mut used_again = whole.clone();
        used_again[last + 6] = 11;
        assert_eq!(found(&used_again), None);
        assert!(matches!(manifest(dir.path()).unwrap(), Manifest::Endless(_)));
    }

    #[test]
    fn a_header_that_rocksdb_would_never_pass_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("000009.log");
        let mut log = log(&[100, 200]);
        fs::write(&path, &log).unwrap();
        assert_eq!(endless(dir.path()).unwrap(), None);
        let whole = log.len() as u64;
        log.extend([1, 2, 3, 4, 5, 0, 6, 0, 0, 0, 0, 0, 0]);
        fs::write(&path, &log).unwrap();
        assert_eq!(endless(dir.path()).unwrap(), Some((path, whole)));
    }

    #[test]
    fn a_hole_in_a_log_before_one_that_holds_records_is_damage() {
        let one = log(&[100, 100]);
        let mut holed = one.clone();
        holed[150] ^= 1;
        assert!(torn(&[&one, &holed]) && torn(&[&holed, &[]]));
        assert!(!torn(&[&holed, &one]));
    }
}

//! The end of RocksDB's MANIFEST: torn by power loss, or damaged?

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::wal_format::{FULL, HEADER_BYTES, LAST, begins_behind, is_endless, whole_until};

/// The bytes that a disk writes whole or not at all.
const SECTOR_BYTES: usize = 512;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// Whole, or damaged in a way that RocksDB reports.
    Sound,
    /// Power loss left pieces of its last record. The file is whole up to this length. RocksDB had not synced the
    /// record, so nothing relied on it.
    Torn(PathBuf, u64),
    /// Damaged, and RocksDB would read it for ever.
    Endless(PathBuf),
}

/// Looks at the MANIFEST that `CURRENT` names. It is damaged, not torn, if its last record has all its sectors, or if
/// another record begins behind it.
pub(super) fn inspect(path: &Path) -> io::Result<Condition> {
    let Some(current) = if_readable(fs::read_to_string(path.join("CURRENT")))? else { return Ok(Condition::Sound) };
    let manifest = path.join(current.trim_end());
    let Some(bytes) = if_readable(fs::read(&manifest))? else { return Ok(Condition::Sound) };
    let whole = whole_until(&bytes);
    let end = whole.fragment;
    if end >= bytes.len() {
        return Ok(Condition::Sound);
    }
    if (has_hole(&bytes, whole.record) || is_no_header(&bytes, end)) && !begins_behind(&bytes, end) {
        return Ok(Condition::Torn(manifest, whole.record as u64));
    }
    Ok(if is_endless(&bytes) { Condition::Endless(manifest) } else { Condition::Sound })
}

/// `None` for what is missing or is no text: RocksDB reports it when it opens the store.
fn if_readable<T>(read: io::Result<T>) -> io::Result<Option<T>> {
    use io::ErrorKind::{InvalidData, IsADirectory, NotFound};
    match read {
        Err(error) if matches!(error.kind(), NotFound | InvalidData | IsADirectory) => Ok(None),
        read => read.map(Some),
    }
}

/// True if a sector from `start` on holds zeros alone, as one that was never written.
fn has_hole(file: &[u8], start: usize) -> bool {
    let first = start.next_multiple_of(SECTOR_BYTES);
    file.get(first..).is_some_and(|rest| rest.chunks(SECTOR_BYTES).any(|sector| sector.iter().all(|byte| *byte == 0)))
}

/// True if the bytes at `at` never were the header of a fragment, not even of one with a changed bit: the type is
/// unknown, and the length leads out of the file.
fn is_no_header(file: &[u8], at: usize) -> bool {
    let header = file.get(at..).and_then(|rest| rest.split_first_chunk::<HEADER_BYTES>());
    let Some((header, rest)) = header else { return false };
    let [.., l0, l1, kind] = *header;
    !(FULL..=LAST).contains(&kind) && usize::from(u16::from_le_bytes([l0, l1])) > rest.len()
}

#[cfg(test)]
mod tests {
    use super::super::wal_format::testing::file_of;
    use super::*;

    #[test]
    fn a_manifest_is_torn_where_sectors_of_its_last_record_are_missing_and_damaged_anywhere_else() {
        let whole = file_of(&[600, 700, 5000]);
        let last = 600 + 700 + 2 * HEADER_BYTES;
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("CURRENT"), "MANIFEST-000004\n").unwrap();
        let found = |bytes: &[u8]| {
            fs::write(dir.path().join("MANIFEST-000004"), bytes).unwrap();
            match inspect(dir.path()).unwrap() {
                Condition::Torn(_, end) => Some(usize::try_from(end).unwrap()),
                Condition::Sound | Condition::Endless(_) => None,
            }
        };
        assert_eq!(found(&whole), None);
        for at in (0..whole.len() - SECTOR_BYTES).step_by(SECTOR_BYTES) {
            let mut holed = whole.clone();
            holed[at..at + SECTOR_BYTES].fill(0);
            let torn = at + SECTOR_BYTES > last;
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
        let mut recycled = whole.clone();
        recycled[last + 6] = 11;
        assert_eq!(found(&recycled), None);
        assert!(matches!(inspect(dir.path()).unwrap(), Condition::Endless(_)));
    }
}

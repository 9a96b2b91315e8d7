//! The end of RocksDB's WAL: torn by a crash, or damaged?
//!
//! RocksDB tells a record that stops at the end of the file from damage. It does not tell a record of which the disk
//! wrote some sectors and not others, as power loss leaves it. Where every group is synced before the next is written,
//! such a record is the last one. A record that begins behind a place that is not whole was written after that place
//! was synced, so the place is damaged.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::wal_format::{begins_behind, is_endless, whole_until};

/// True if the WAL of the store in `path` is not whole, and no record begins behind the first place that is not.
pub(super) fn ends_torn(path: &Path) -> io::Result<bool> {
    let mut torn = false;
    for file in files(path)? {
        let bytes = fs::read(file)?;
        let end = if torn { 0 } else { whole_until(&bytes).fragment };
        torn |= end < bytes.len();
        if torn && begins_behind(&bytes, end) {
            return Ok(false);
        }
    }
    Ok(torn)
}

/// The file of the WAL that RocksDB would read for ever, and how far it is whole.
pub(super) fn find_endless(path: &Path) -> io::Result<Option<(PathBuf, u64)>> {
    for file in files(path)? {
        let bytes = fs::read(&file)?;
        if is_endless(&bytes) {
            return Ok(Some((file, whole_until(&bytes).fragment as u64)));
        }
    }
    Ok(None)
}

/// The files of the WAL in the order they were written.
fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        let number = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".log")?.parse::<u64>().ok());
        files.extend(number.map(|number| (number, path)));
    }
    files.sort();
    Ok(files.into_iter().map(|(_, path)| path).collect())
}

#[cfg(test)]
mod tests {
    use super::super::wal_format::HEADER_BYTES;
    use super::super::wal_format::testing::file_of;
    use super::*;

    fn torn(files: &[&[u8]]) -> bool {
        let dir = tempfile::tempdir().unwrap();
        for (number, file) in files.iter().enumerate() {
            fs::write(dir.path().join(format!("{:06}.log", number + 9)), file).unwrap();
        }
        ends_torn(dir.path()).unwrap()
    }

    #[test]
    fn a_last_record_with_any_hole_is_torn_and_an_earlier_one_is_damaged() {
        let file = file_of(&[600, 700, 100_000]);
        let third = 600 + 700 + 2 * HEADER_BYTES;
        assert!(!torn(&[&file]), "whole");
        for at in (0..file.len() - 512).step_by(512) {
            let mut holed = file.clone();
            holed[at..at + 512].fill(0);
            // A hole that reaches over the beginning of the last record hides that there is one.
            assert_eq!(torn(&[&holed]), at + 512 > third, "a hole at {at}");
        }
        assert!(torn(&[&file[..file.len() - 1]]) && torn(&[&file[..third + 40_000]]));
    }

    #[test]
    fn a_header_that_rocksdb_would_never_pass_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("000009.log");
        let mut file = file_of(&[100, 200]);
        fs::write(&path, &file).unwrap();
        assert_eq!(find_endless(dir.path()).unwrap(), None);
        let whole = file.len() as u64;
        file.extend([1, 2, 3, 4, 5, 0, 6, 0, 0, 0, 0, 0, 0]);
        fs::write(&path, &file).unwrap();
        assert_eq!(find_endless(dir.path()).unwrap(), Some((path, whole)));
    }

    #[test]
    fn a_hole_in_a_log_before_one_that_holds_records_is_damage() {
        let one = file_of(&[100, 100]);
        let mut holed = one.clone();
        holed[150] ^= 1;
        assert!(torn(&[&one, &holed]) && torn(&[&holed, &[]]));
        assert!(!torn(&[&holed, &one]));
    }
}

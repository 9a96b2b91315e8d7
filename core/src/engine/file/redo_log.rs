//! `.holdfast/redo`, the redo log of writes in place: one record of the operations being carried out. A crash in the
//! middle of them leaves torn files, and the next opening writes them again from here.
//!
//! The record is pending from before the first file is touched until after the last one is whole. Only then is the
//! caller told. So a record that is itself torn belongs to writes that nobody was told of and that touched no file.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_128;

use super::{fault, os};
use crate::batch::{Op, codec};
use crate::error::Result;

/// The beginning of the file; the last two bytes number the format.
const MAGIC: &[u8; 8] = b"HFredo01";

/// Magic, length of the operations (0 if nothing is pending), XXH3-128 of them.
const HEADER: usize = 32;

/// The most bytes of values in a record. A larger batch goes through the database, which writes its values once.
pub(super) const MAX_BYTES: usize = 4 << 20;

/// A file longer than this is cut to nothing when its record is cleared.
const MAX_KEPT: usize = 1 << 20;

pub(super) struct RedoLog {
    file: File,
}

impl RedoLog {
    /// Opens the file for writing, making it where there is none.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        let file = options.open(path).map_err(|error| fault::io("open", path.display(), &error))?;
        Ok(RedoLog { file })
    }

    /// Makes `ops` pending and returns the length of the record. After an error the caller has to
    /// [`clear`](Self::clear); only if that fails too may something be pending.
    pub(super) fn write(&mut self, ops: &[Op]) -> std::io::Result<usize> {
        let body = codec::encode(ops);
        let mut record = Vec::with_capacity(HEADER + body.len());
        record.extend_from_slice(MAGIC);
        record.extend_from_slice(&(body.len() as u64).to_le_bytes());
        record.extend_from_slice(&xxh3_128(&body).to_le_bytes());
        record.extend_from_slice(&body);
        self.file.seek(SeekFrom::Start(0))?;
        os::write(&mut self.file, &record)?;
        Ok(record.len())
    }

    /// Makes nothing pending. `length` is that of the record, as [`write`](Self::write) returned it.
    pub(super) fn clear(&mut self, length: usize) -> std::io::Result<()> {
        if length > MAX_KEPT {
            os::step()?;
            return self.file.set_len(0);
        }
        self.file.seek(SeekFrom::Start(MAGIC.len() as u64))?;
        os::write(&mut self.file, &[0; 8])
    }

    /// Makes it durable that nothing is pending.
    pub(super) fn sync(&self) -> std::io::Result<()> {
        os::sync(&self.file)
    }
}

/// The pending operations in the file at `path`, if there are any.
///
/// `UNSUPPORTED_FORMAT` if a newer version wrote them.
pub(super) fn pending(path: &Path) -> Result<Vec<Op>> {
    let mut bytes = Vec::new();
    match File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(fault::io("read", path.display(), &error)),
    }
    decode(&bytes.into()).map_err(|error| fault::in_file(path.display(), &error))
}

fn decode(bytes: &Bytes) -> Result<Vec<Op>> {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() else { return Ok(Vec::new()) };
    let (magic, header) = header.split_at(MAGIC.len());
    let (length, digest) = header.split_at(8);
    if magic != MAGIC {
        let ours = MAGIC.len() - 2;
        if magic.get(..ours) == MAGIC.get(..ours) {
            return Err(fault::newer_redo_log());
        }
        return Ok(Vec::new());
    }
    let length = length.try_into().map_or(0, u64::from_le_bytes);
    let body = usize::try_from(length).ok().and_then(|length| rest.get(..length)).unwrap_or_default();
    if body.is_empty() || digest != xxh3_128(body).to_le_bytes() {
        return Ok(Vec::new());
    }
    codec::decode(&bytes.slice_ref(body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;
    use crate::key::{Key, Space};
    use crate::value::Value;

    fn ops() -> Vec<Op> {
        let key = Key::from_static(b"a");
        let value = Value::json("\"b\"");
        vec![Op::Set { space: Space::User, key, value, expires_at: None, metadata: None }]
    }

    #[test]
    fn a_record_is_pending_until_it_is_cleared() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("redo");
        assert!(pending(&path).unwrap().is_empty());
        let mut log = RedoLog::open(&path).unwrap();
        for cleared in [1, MAX_KEPT + 1] {
            log.write(&ops()).unwrap();
            assert_eq!(format!("{:?}", pending(&path).unwrap()), format!("{:?}", ops()));
            log.clear(cleared).unwrap();
            assert!(pending(&path).unwrap().is_empty());
        }
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 0, "a large one is cut");
    }

    #[test]
    fn a_cut_or_changed_record_is_not_carried_out_and_a_newer_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("redo");
        RedoLog::open(&path).unwrap().write(&ops()).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for length in 0..whole.len() {
            assert!(decode(&Bytes::copy_from_slice(&whole[..length])).unwrap().is_empty(), "{length}");
        }
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            match decode(&changed.into()) {
                Ok(ops) => assert!(ops.is_empty(), "{at}"),
                Err(error) => assert!(error.code() == Code::UnsupportedFormat && (6..8).contains(&at), "{at}: {error}"),
            }
        }
    }
}

//! `.holdfast/redo`: one record of writes that are being made in place. A crash in the middle of them leaves
//! torn files, and the next opening makes them again from here.
//!
//! The record is pending from before the first file is touched until after the last one is whole. Only then is
//! a caller told, so a record that is itself torn belongs to writes nobody was told of, none of them begun.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_128;

use super::os;
use crate::batch::{Op, codec};
use crate::error::{Code, Error, Result};

/// The beginning of the file; the last two bytes number the format.
const MAGIC: &[u8; 8] = b"HFredo01";

/// Magic, length of the operations (0 if nothing is pending), XXH3-128 of them.
const HEADER: usize = 32;

/// A file longer than this is cut once its record is done with.
const KEEP: usize = 1 << 20;

pub(super) struct Redo {
    file: File,
}

impl Redo {
    /// Opens the file for writing, making it where there is none.
    pub fn open(path: &Path) -> Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        let file =
            options.open(path).map_err(|error| Error::io(format_args!("cannot open {}", path.display()), &error))?;
        Ok(Redo { file })
    }

    /// Makes `ops` pending. After an error nothing is, unless [`clear`](Self::clear) then fails too.
    pub fn write(&mut self, ops: &[Op]) -> std::io::Result<usize> {
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

    /// Says that nothing is pending. `length` is what [`write`](Self::write) answered.
    pub fn clear(&mut self, length: usize) -> std::io::Result<()> {
        if length > KEEP {
            os::step()?;
            return self.file.set_len(0);
        }
        self.file.seek(SeekFrom::Start(MAGIC.len() as u64))?;
        os::write(&mut self.file, &[0; 8])
    }
}

/// The pending operations in the file at `path`, if there are any.
///
/// UNSUPPORTED_FORMAT if a newer version wrote them.
pub(super) fn pending(path: &Path) -> Result<Vec<Op>> {
    let mut bytes = Vec::new();
    match File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io(format_args!("cannot read {}", path.display()), &error)),
    }
    decode(&bytes.into()).map_err(|error| {
        let message = format!("{}: {}", path.display(), error.message());
        Error::new(error.code(), message)
    })
}

fn decode(bytes: &Bytes) -> Result<Vec<Op>> {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() else { return Ok(Vec::new()) };
    let (magic, header) = header.split_at(MAGIC.len());
    let (length, digest) = header.split_at(8);
    if magic != MAGIC {
        let ours = MAGIC.len() - 2;
        if magic.get(..ours) == MAGIC.get(..ours) {
            return Err(Error::new(Code::UnsupportedFormat, "a newer version wrote it; open the store with that one"));
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
        let mut redo = Redo::open(&path).unwrap();
        for cleared in [1, KEEP + 1] {
            redo.write(&ops()).unwrap();
            assert_eq!(format!("{:?}", pending(&path).unwrap()), format!("{:?}", ops()));
            redo.clear(cleared).unwrap();
            assert!(pending(&path).unwrap().is_empty());
        }
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 0, "a large one is cut");
    }

    #[test]
    fn a_cut_or_changed_record_is_not_carried_out_and_a_newer_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("redo");
        Redo::open(&path).unwrap().write(&ops()).unwrap();
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

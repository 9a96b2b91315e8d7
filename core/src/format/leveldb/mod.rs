//! The bytes of a record of the leveldb engine: a small header in front of the payload. `docs/formats/leveldb.md`
//! describes them, and the golden tests below keep them from changing.

mod expiry_index;

use std::sync::Arc;

use bytes::{BufMut, Bytes};

use crate::error::{Code, Error, Result};
use crate::key::Key;
use crate::record::{Millis, Record, Version};
use crate::value::Value;

pub use expiry_index::{EXPIRY, expiry_key, read_expiry_key};

/// The number of the layout. A reader refuses any other.
pub const FORMAT: u8 = 1;

const BINARY: u8 = 1;
const CREATED_AT: u8 = 1 << 1;
const EXPIRES_AT: u8 = 1 << 2;
const METADATA: u8 = 1 << 3;
const KNOWN: u8 = BINARY | CREATED_AT | EXPIRES_AT | METADATA;

/// The longest header without metadata, in bytes.
const MAX_HEADER: usize = 2 + 4 * 8 + 4;

/// A record in its stored form. The bytes, the key and the value of the record share one allocation of their own, so
/// none of them keeps a larger buffer of the caller alive.
pub struct Encoded {
    /// The stored bytes, then the key.
    whole: Bytes,
    key_at: usize,
    /// The record.
    pub record: Arc<Record>,
}

impl Encoded {
    /// The stored bytes of the record.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.whole.get(..self.key_at).unwrap_or_default()
    }

    /// The stored bytes of the record, which share the allocation.
    #[must_use]
    pub fn shared_bytes(&self) -> Bytes {
        self.whole.slice(..self.key_at)
    }

    /// The key of the record.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        self.whole.get(self.key_at..).unwrap_or_default()
    }

    /// The key of the record, which shares the allocation.
    #[must_use]
    pub fn shared_key(&self) -> Key {
        self.whole.slice(self.key_at..)
    }
}

/// Encodes `record`, which commit `seq` writes.
#[must_use]
pub fn encode(key: &[u8], record: &Record, seq: u64) -> Encoded {
    let updated_at = record.updated_at.unwrap_or(0);
    let created_at = record.created_at.filter(|created_at| *created_at != updated_at);
    let (kind, payload) = match &record.value {
        Value::Json(text) => (0, text),
        Value::Binary(bytes) => (BINARY, bytes),
    };
    let metadata_len = record.metadata.as_ref().map_or(0, Bytes::len);
    let mut out = Vec::with_capacity(MAX_HEADER + metadata_len + payload.len() + key.len());
    out.put_u8(FORMAT);
    out.put_u8(
        kind | flag(created_at.is_some(), CREATED_AT)
            | flag(record.expires_at.is_some(), EXPIRES_AT)
            | flag(record.metadata.is_some(), METADATA),
    );
    out.put_u64_le(seq);
    out.put_u64_le(updated_at);
    if let Some(at) = created_at {
        out.put_u64_le(at);
    }
    if let Some(at) = record.expires_at {
        out.put_u64_le(at);
    }
    let mut metadata = 0..0;
    if let Some(text) = &record.metadata {
        // A batch is bounded far below 4 GiB.
        out.put_u32_le(u32::try_from(text.len()).unwrap_or(u32::MAX));
        metadata = out.len()..out.len() + text.len();
        out.put_slice(text);
    }
    let payload_at = out.len();
    out.put_slice(payload);
    let end = out.len();
    out.put_slice(key);
    let whole = Bytes::from(out);
    let payload = whole.slice(payload_at..end);
    let record = Record {
        value: if kind == BINARY { Value::Binary(payload) } else { Value::Json(payload) },
        version: Version::of_commit(seq),
        expires_at: record.expires_at,
        created_at: record.created_at.or(Some(updated_at)),
        updated_at: Some(updated_at),
        metadata: record.metadata.as_ref().map(|_| whole.slice(metadata)),
    };
    Encoded { whole, key_at: end, record: Arc::new(record) }
}

fn flag(on: bool, flag: u8) -> u8 {
    if on { flag } else { 0 }
}

/// The header of a stored record.
pub struct Header {
    binary: bool,
    seq: u64,
    updated_at: Millis,
    created_at: Millis,
    /// The expiry of the record.
    pub expires_at: Option<Millis>,
    /// The place of the metadata, `start..end`.
    metadata: Option<(usize, usize)>,
    payload: usize,
}

impl Header {
    /// Reads the header of a stored record.
    ///
    /// # Errors
    ///
    /// `CORRUPTED` if the bytes have no header, `UNSUPPORTED_FORMAT` for a newer layout.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader { bytes, at: 0 };
        let header = (|| {
            let [format, flags] = reader.take::<2>()?;
            if format != FORMAT || flags & !KNOWN != 0 {
                return Some(Err(format));
            }
            let seq = u64::from_le_bytes(reader.take()?);
            let updated_at = u64::from_le_bytes(reader.take()?);
            let created_at = if flags & CREATED_AT == 0 { updated_at } else { u64::from_le_bytes(reader.take()?) };
            let expires_at = if flags & EXPIRES_AT == 0 { None } else { Some(u64::from_le_bytes(reader.take()?)) };
            let metadata = if flags & METADATA != 0 {
                let len = usize::try_from(u32::from_le_bytes(reader.take()?)).ok()?;
                let start = reader.at;
                reader.skip(len)?;
                Some((start, reader.at))
            } else {
                None
            };
            let payload = reader.at;
            Some(Ok(Header { binary: flags & BINARY != 0, seq, updated_at, created_at, expires_at, metadata, payload }))
        })();
        match header {
            Some(Ok(header)) => Ok(header),
            Some(Err(format)) if format > FORMAT => Err(Error::new(
                Code::UnsupportedFormat,
                format!("the record has format {format}, this version reads format {FORMAT}; use a newer version"),
            )),
            _ => Err(Error::corrupted("the record has no header of ours")),
        }
    }

    /// The value. `bytes` are all the bytes of the record.
    #[must_use]
    pub fn value(&self, bytes: &Bytes) -> Value {
        let payload = bytes.slice(self.payload..);
        if self.binary { Value::Binary(payload) } else { Value::Json(payload) }
    }

    /// The record. `bytes` are all the bytes of the record.
    #[must_use]
    pub fn record(&self, bytes: &Bytes) -> Record {
        Record {
            value: self.value(bytes),
            version: Version::of_commit(self.seq),
            expires_at: self.expires_at,
            created_at: Some(self.created_at),
            updated_at: Some(self.updated_at),
            metadata: self.metadata.map(|(start, end)| bytes.slice(start..end)),
        }
    }
}

/// Decodes a stored record.
///
/// # Errors
///
/// Those of [`Header::read`].
pub fn decode(bytes: &Bytes) -> Result<Record> {
    Ok(Header::read(bytes)?.record(bytes))
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let taken = self.bytes.get(self.at..)?.first_chunk::<N>()?;
        self.at += N;
        Some(*taken)
    }

    fn skip(&mut self, len: usize) -> Option<()> {
        self.bytes.get(self.at..)?.get(..len)?;
        self.at += len;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SHORT: &[u8] = b"\x01\x00\x2a\0\0\0\0\0\0\0\x10\x27\0\0\0\0\0\0{\"a\":1}";
    const FULL: &[u8] = b"\x01\x0f\x2a\0\0\0\0\0\0\0\x10\x27\0\0\0\0\0\0\x88\x13\0\0\0\0\0\0\x20\x4e\0\0\0\0\0\0\
        \x02\0\0\0{}\x00\xff";

    fn short() -> Record {
        Record {
            value: Value::json(&b"{\"a\":1}"[..]),
            version: Version::of_commit(42),
            expires_at: None,
            created_at: Some(10_000),
            updated_at: Some(10_000),
            metadata: None,
        }
    }

    fn full() -> Record {
        Record {
            value: Value::Binary(Bytes::from_static(b"\x00\xff")),
            version: Version::of_commit(42),
            expires_at: Some(20_000),
            created_at: Some(5_000),
            updated_at: Some(10_000),
            metadata: Some(Bytes::from_static(b"{}")),
        }
    }

    #[test]
    fn records_have_the_documented_bytes() {
        for (record, bytes) in [(short(), SHORT), (full(), FULL)] {
            let encoded = encode(b"key", &record, 42);
            assert_eq!(encoded.bytes(), bytes);
            assert_eq!(*encoded.record, record);
            assert_eq!(encoded.key(), b"key");
            assert_eq!(encoded.shared_key(), &b"key"[..]);
            assert_eq!(decode(&Bytes::from_static(bytes)).unwrap(), record);
        }
    }

    #[test]
    fn other_bytes_are_corrupted_and_a_newer_record_is_unsupported() {
        for broken in [&b""[..], b"\x01", b"\0\0", b"\x01\x80\0", &FULL[..30], b"{\"a\":1}"] {
            let code = decode(&Bytes::copy_from_slice(broken)).unwrap_err().code();
            assert!(matches!(code, Code::Corrupted | Code::UnsupportedFormat), "{broken:?}");
        }
        let mut newer = SHORT.to_vec();
        newer[0] = 2;
        assert_eq!(decode(&newer.into()).unwrap_err().code(), Code::UnsupportedFormat);
        let mut cut = FULL.to_vec();
        cut[34] = 200;
        assert_eq!(decode(&cut.into()).unwrap_err().code(), Code::Corrupted);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = decode(&Bytes::from(bytes));
        }
    }
}

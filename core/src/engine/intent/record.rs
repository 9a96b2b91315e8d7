use bytes::Bytes;
use xxhash_rust::xxh3::Xxh3;

use crate::batch::{IntentId, Op, codec};
use crate::error::{Error, Result};
use crate::key::{Key, KeyRange};
use crate::keyspace;
use crate::record::Millis;
use crate::value::Value;

/// The key of the record of an intent.
#[must_use]
pub fn key(id: IntentId) -> Key {
    let mut key = keyspace::INTENT.to_vec();
    key.extend_from_slice(&id.log.to_be_bytes());
    key.extend_from_slice(&id.number.to_be_bytes());
    key.into()
}

/// The range of the records of all intents.
#[must_use]
pub fn range() -> KeyRange {
    KeyRange::prefix(keyspace::INTENT)
}

/// The id of the intent whose record lies under `key`.
pub(crate) fn id_of(key: &[u8]) -> Option<IntentId> {
    let (log, number) = key.strip_prefix(keyspace::INTENT)?.split_at_checked(8)?;
    Some(IntentId {
        log: u64::from_be_bytes(log.try_into().ok()?),
        number: u64::from_be_bytes(number.try_into().ok()?),
    })
}

/// The writes of a transaction to this store, as they are stored until the transaction is decided.
///
/// # Examples
///
/// ```
/// use holdfast_core::Op;
/// use holdfast_core::batch::IntentId;
/// use holdfast_core::engine::intent::{Intent, key};
///
/// let id = IntentId { log: 1, number: 2 };
/// let intent = Intent { id, at: 1_700_000_000_000, ops: vec![Op::delete("k")] };
/// let read = Intent::read(&key(id), &intent.to_value())?;
/// assert_eq!((read.id, read.ops.len()), (id, 1));
/// # Ok::<(), holdfast_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Intent {
    /// The id of the intent.
    pub id: IntentId,
    /// The time at which it was made.
    pub at: Millis,
    /// The writes, in order.
    pub ops: Vec<Op>,
}

impl Intent {
    /// Reads a stored intent.
    ///
    /// # Errors
    ///
    /// `CORRUPTED` if the record is no intent of that key, `UNSUPPORTED_FORMAT` if a newer version wrote it.
    pub fn read(key: &[u8], value: &Value) -> Result<Self> {
        let found = id_of(key).and_then(|id| {
            let Value::Binary(bytes) = value else { return None };
            let (sum, content) = bytes.split_first_chunk::<8>()?;
            let at = u64::from_le_bytes(*content.first_chunk::<8>()?);
            (u64::from_le_bytes(*sum) == checksum(key, content)).then(|| (id, at, bytes.slice(16..)))
        });
        let Some((id, at, ops)) = found else {
            return Err(Error::corrupted(
                "the record of an unfinished transaction over several engines is damaged; \
                 verify with repair sets it aside",
            )
            .at_key(key));
        };
        Ok(Intent { id, at, ops: codec::decode(&ops).map_err(|error| error.at_key(key))? })
    }

    /// The value of the record.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut content = self.at.to_le_bytes().to_vec();
        content.extend_from_slice(&codec::encode(&self.ops));
        let mut bytes = checksum(&key(self.id), &content).to_le_bytes().to_vec();
        bytes.append(&mut content);
        Value::Binary(Bytes::from(bytes))
    }
}

/// The checksum covers the key, too: a record under the key of another intent is damage.
fn checksum(key: &[u8], content: &[u8]) -> u64 {
    let mut hasher = Xxh3::new();
    hasher.update(key);
    hasher.update(content);
    hasher.digest()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    const ID: IntentId = IntentId { log: 0x0102_0304_0506_0708, number: 9 };

    fn intent() -> Intent {
        Intent { id: ID, at: 1_700_000_000_000, ops: vec![Op::delete("k")] }
    }

    #[test]
    fn the_record_is_that_of_the_first_release() {
        assert_eq!(&key(ID)[..], b"\0intent/\x01\x02\x03\x04\x05\x06\x07\x08\0\0\0\0\0\0\0\x09");
        let Value::Binary(bytes) = intent().to_value() else { panic!("not bytes") };
        assert_eq!(bytes[..8], *b"\xe2:9A\xc5U\xfc\xe0");
        assert_eq!(bytes[8..], *b"\0\x68\xe5\xcf\x8b\x01\0\0\x01\x02\x01k");
    }

    #[test]
    fn a_record_under_the_key_of_another_is_damaged() {
        let other = key(IntentId { number: 10, ..ID });
        let code = Intent::read(&other, &intent().to_value()).err().map(|error| error.code());
        assert_eq!(code, Some(Code::Corrupted));
        assert!(Intent::read(&key(ID), &intent().to_value()).is_ok());
    }
}

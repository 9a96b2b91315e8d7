//! Stored batches and intents, and the text of versions.

use bytes::Bytes;
use holdfast_core::batch::IntentId;
use holdfast_core::batch::codec::{decode, encode};
use holdfast_core::engine::intent::{self, Intent};
use holdfast_core::{Value, Version};

/// Any bytes as a stored batch: refused, or operations whose own bytes give the same operations.
pub fn batch(bytes: &[u8]) {
    let Ok(ops) = decode(&Bytes::copy_from_slice(bytes)) else { return };
    let written = encode(&ops);
    let again = decode(&Bytes::from(written.clone())).unwrap();
    assert_eq!(format!("{again:?}"), format!("{ops:?}"));
    assert_eq!(encode(&again), written);
}

/// Any bytes as the record of an intent: refused, or the record of that key. An intent is read from its own record, and
/// from no other.
pub fn intent(bytes: &[u8]) {
    let bytes = Bytes::copy_from_slice(bytes);
    let key = intent::key(IntentId { log: 1, number: 2 });
    for cut in [0, 16, 24] {
        let Some((name, content)) = bytes.split_at_checked(cut) else { break };
        let value = Value::Binary(Bytes::copy_from_slice(content));
        for key in [name, &key] {
            if let Ok(found) = Intent::read(key, &value) {
                assert_eq!(intent::key(found.id), key);
                assert_eq!(format!("{:?}", Intent::read(key, &found.to_value()).unwrap()), format!("{found:?}"));
            }
        }
    }
    let Ok(ops) = decode(&bytes) else { return };
    let intended = Intent { id: IntentId { log: 1, number: 2 }, at: bytes.len() as u64, ops };
    let value = intended.to_value();
    assert_eq!(format!("{:?}", Intent::read(&key, &value).unwrap()), format!("{intended:?}"));
    assert!(Intent::read(&intent::key(IntentId { log: 2, number: 1 }), &value).is_err());
    let Value::Binary(stored) = value else { panic!("an intent is bytes") };
    let at = bytes.iter().map(|byte| usize::from(*byte)).sum::<usize>() % stored.len();
    let mut damaged = stored.to_vec();
    damaged[at] ^= 0x10;
    assert!(Intent::read(&key, &Value::Binary(damaged.into())).is_err());
    assert!(Intent::read(&key, &Value::Binary(stored.slice(..at))).is_err());
}

/// Any text as a version: refused, or the same when it is printed. The version of any record is read from its text.
pub fn version(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Some(version) = Version::parse(text)
    {
        assert_eq!(version.to_string(), text);
        if let Some(seq) = version.seq() {
            assert_eq!(Version::of_commit(seq), version);
        }
    }
    let Some((seq, rest)) = bytes.split_first_chunk::<8>() else { return };
    let seq = u64::from_le_bytes(*seq);
    let value = Value::Binary(Bytes::copy_from_slice(rest));
    let digest = Version::digest(&value, Some(seq));
    for version in [Version::of_commit(seq), digest, Version::digest(&value, None)] {
        assert_eq!(Version::parse(&version.to_string()), Some(version));
    }
    assert_eq!(Version::of_commit(seq).seq(), Some(seq));
    assert_eq!(digest.seq(), None);
}

//! Stored batches, and the text of versions.

use bytes::Bytes;
use holdfast_core::batch::codec::{decode, encode};
use holdfast_core::{Value, Version};

/// Any bytes as a stored batch: refused, or operations that come back from their own bytes.
pub fn batch(bytes: &[u8]) {
    let Ok(ops) = decode(&Bytes::copy_from_slice(bytes)) else { return };
    let written = encode(&ops);
    let again = decode(&Bytes::from(written.clone())).unwrap();
    assert_eq!(format!("{again:?}"), format!("{ops:?}"));
    assert_eq!(encode(&again), written);
}

/// Any text as a version: refused, or printed as it was; any record's version reads back.
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

//! The texts on a Redis server.

use bytes::Bytes;
use holdfast_core::Space;
use holdfast_core::format::redis::{
    Companion, Layout, Touched, held_by, internal_record, internal_text, kept_reply, log_entry, log_place,
    skipped_numbers, user_record, version_of_write,
};

/// Any bytes as a user's text, a companion, a name or an internal record: refused, or the same when it is written
/// again.
pub fn redis(bytes: &[u8]) {
    let text = Bytes::copy_from_slice(bytes);
    if let Some(companion) = Companion::parse(bytes) {
        assert!(!companion.digest.contains(' '));
    }
    let (name, rest) = bytes.split_at(bytes.len().min(4));
    for prefix in ["", "app:"] {
        if let Some(key) = Layout::new(prefix).user_key(&text) {
            assert_eq!([prefix.as_bytes(), &key[..]].concat(), bytes);
        }
    }
    if let Ok(record) = user_record(b"key", text.clone(), Some(1 << 40), Some(rest)) {
        assert!(record.version.seq().is_none());
        assert_eq!(record.metadata, None, "{name:?} is no digest");
    }
    for touched in log_entry(&text).into_iter().flatten() {
        let (Touched::Set(key, ..) | Touched::Deleted(key)) = touched else { continue };
        assert!(key.len() < bytes.len(), "a key is a part of its entry");
    }
    drop((log_place(bytes), skipped_numbers(bytes), kept_reply(bytes), held_by(bytes)));
    let Ok(record) = internal_record(b"key", text) else { return };
    let written = internal_text(&record.value, record.expires_at, record.metadata.as_ref());
    let again = internal_record(b"key", written).unwrap();
    assert_eq!((&again.value, again.expires_at, &again.metadata), (&record.value, record.expires_at, &record.metadata));
    let version = version_of_write(Space::Internal, &record.value, record.expires_at, record.metadata.as_ref());
    assert_eq!(version, Some(again.version));
}

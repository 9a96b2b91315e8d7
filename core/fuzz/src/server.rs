//! What a Redis server sends, and what lies on it.

use bytes::Bytes;
use holdfast_core::Space;
use holdfast_core::format::redis::{Companion, Layout, internal_record, internal_text, user_record, version_of_write};
use holdfast_core::format::resp::{Parser, Resp, pack};

/// Any bytes as a server's replies: the same replies, and the same end, however they are cut.
pub fn resp(bytes: &[u8]) {
    let Some((size, bytes)) = bytes.split_first() else { return };
    // Where a line ends is looked for in what has arrived, so a longer one is refused earlier in pieces.
    let bytes = &bytes[..bytes.len().min(32 << 10)];
    let whole = replies(bytes, bytes.len().max(1));
    assert_eq!(replies(bytes, usize::from(*size % 16) + 1), whole);

    let mut command = Vec::new();
    let parts: Vec<&[u8]> = bytes.split(|byte| *byte == b' ').take(64).collect();
    pack(&mut command, &parts);
    let bulks = parts.iter().map(|part| Resp::Bulk(Bytes::copy_from_slice(part))).collect();
    assert_eq!(replies(&command, command.len()), (vec![Resp::Array(bulks)], true));
}

fn replies(bytes: &[u8], size: usize) -> (Vec<Resp>, bool) {
    let mut parser = Parser::default();
    let mut replies = Vec::new();
    for piece in bytes.chunks(size) {
        parser.feed(piece);
        loop {
            match parser.next() {
                Ok(Some(reply)) => replies.push(reply),
                Ok(None) => break,
                Err(_) => return (replies, false),
            }
        }
    }
    (replies, true)
}

/// Any bytes as a user's text, a companion, a name or a record of our own: refused, or the same after being written again.
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
    let Ok(record) = internal_record(b"key", text) else { return };
    let written = internal_text(&record.value, record.expires_at, record.metadata.as_ref());
    let again = internal_record(b"key", written).unwrap();
    assert_eq!((&again.value, again.expires_at, &again.metadata), (&record.value, record.expires_at, &record.metadata));
    let version = version_of_write(Space::Internal, &record.value, record.expires_at, record.metadata.as_ref());
    assert_eq!(version, Some(again.version));
}

use bytes::BufMut;

use crate::key::Space;
use crate::record::Millis;

/// The first byte of the keys of the expiry index.
pub const EXPIRY: u8 = b'x';

/// The key of an entry of the expiry index: time, keyspace, key. The index is in the order of time.
#[must_use]
pub fn expiry_key(at: Millis, space: Space, key: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(10 + key.len());
    out.put_u8(EXPIRY);
    out.put_u64(at);
    out.put_u8(match space {
        Space::User => 0,
        Space::Internal => 1,
    });
    out.put_slice(key);
    out
}

/// Reads the key of an entry of the expiry index; `None` for another key.
#[must_use]
pub fn read_expiry_key(bytes: &[u8]) -> Option<(Millis, Space, &[u8])> {
    let (head, key) = bytes.split_first_chunk::<10>()?;
    let [EXPIRY, at @ .., space] = *head else { return None };
    let space = match space {
        0 => Space::User,
        1 => Space::Internal,
        _ => return None,
    };
    Some((u64::from_be_bytes(at), space, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expiry_entries_have_the_documented_bytes_and_sort_by_time() {
        assert_eq!(expiry_key(256, Space::Internal, b"k"), b"x\0\0\0\0\0\0\x01\0\x01k");
        assert!(expiry_key(255, Space::Internal, b"z") < expiry_key(256, Space::User, b"a"));
        assert_eq!(read_expiry_key(b"x\0\0\0\0\0\0\x01\0\x01k"), Some((256, Space::Internal, &b"k"[..])));
        for broken in [&b"x"[..], b"format", b"x\0\0\0\0\0\0\x01\0\x02k", b"y\0\0\0\0\0\0\x01\0\x01k"] {
            assert_eq!(read_expiry_key(broken), None);
        }
    }
}

//! Encodes both keyspaces into the one that the engine has. Internal keys become text that keeps their order.

use crate::error::{Code, Error, Result};
use crate::key::{Key, Space};

/// Stored keys that start with this belong to the library. The wrapper of an engine hides them from its listings.
pub const PREFIX: &[u8] = b".holdfast~";

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// The key that the engine stores. `INVALID_KEY` for a user key that would be one of ours.
pub(super) fn encode(space: Space, key: &[u8]) -> Result<Key> {
    match space {
        Space::User if key.starts_with(PREFIX) => {
            let message = format!("keys that start with {} belong to the library", String::from_utf8_lossy(PREFIX));
            Err(Error::new(Code::InvalidKey, message).at_key(key))
        }
        Space::User => Ok(Key::copy_from_slice(key)),
        Space::Internal => {
            let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0');
            let digits = key.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]);
            Ok(PREFIX.iter().copied().chain(digits).collect())
        }
    }
}

/// The key of a stored one, if it belongs to `space`.
pub(super) fn decode(space: Space, stored: &Key) -> Option<Key> {
    match (space, stored.strip_prefix(PREFIX)) {
        (Space::User, None) => Some(stored.clone()),
        (Space::Internal, Some(digits)) if digits.len() % 2 == 0 => {
            let nibble =
                |digit: &u8| DIGITS.iter().position(|known| known == digit).and_then(|at| u8::try_from(at).ok());
            digits.chunks(2).map(|pair| Some((nibble(pair.first()?)? << 4) | nibble(pair.last()?)?)).collect()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_keys_keep_bytes_and_order_and_keep_the_keyspaces_apart() {
        let keys: [&[u8]; 5] = [b"", b"\0", b"\0\xff", b"a", b"\xff"];
        let stored = keys.map(|key| encode(Space::Internal, key).unwrap());
        assert!(stored.is_sorted());
        for (key, stored) in keys.iter().zip(&stored) {
            assert_eq!(decode(Space::Internal, stored).as_deref(), Some(*key));
            assert_eq!(decode(Space::User, stored), None);
        }
        for user in ["a/b", ".holdfast/store.db", ".holdfast"] {
            let user = Key::from_static(user.as_bytes());
            assert_eq!(decode(Space::User, &encode(Space::User, &user).unwrap()), Some(user.clone()));
            assert_eq!(decode(Space::Internal, &user), None);
        }
        for other in [".holdfast~0x", ".holdfast~0", ".holdfast~A0"] {
            assert_eq!(decode(Space::Internal, &Key::from_static(other.as_bytes())), None, "{other}");
            assert_eq!(encode(Space::User, other.as_bytes()).err().map(|error| error.code()), Some(Code::InvalidKey));
        }
    }
}

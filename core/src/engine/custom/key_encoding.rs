//! What the keys of our keyspace are called in an engine that has only one: text, in the same order.

use crate::error::{Code, Error, Result};
use crate::key::{Key, Space};

/// Keys that start with this belong to the library. An engine's wrapper hides them from its listings.
pub const PREFIX: &[u8] = b".holdfast~";

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// The name of a key. INVALID_KEY for a user's key that would be one of ours.
pub(super) fn name(space: Space, key: &[u8]) -> Result<Key> {
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

/// The key of a name, if it is one of `space`.
pub(super) fn key_in(space: Space, name: &Key) -> Option<Key> {
    match (space, name.strip_prefix(PREFIX)) {
        (Space::User, None) => Some(name.clone()),
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
    fn names_keep_bytes_and_order_and_keep_the_keyspaces_apart() {
        let keys: [&[u8]; 5] = [b"", b"\0", b"\0\xff", b"a", b"\xff"];
        let names = keys.map(|key| name(Space::Internal, key).unwrap());
        assert!(names.is_sorted());
        for (key, name) in keys.iter().zip(&names) {
            assert_eq!(key_in(Space::Internal, name).as_deref(), Some(*key));
            assert_eq!(key_in(Space::User, name), None);
        }
        for user in ["a/b", ".holdfast/store.db", ".holdfast"] {
            let user = Key::from_static(user.as_bytes());
            assert_eq!(key_in(Space::User, &name(Space::User, &user).unwrap()), Some(user.clone()));
            assert_eq!(key_in(Space::Internal, &user), None);
        }
        for other in [".holdfast~0x", ".holdfast~0", ".holdfast~A0"] {
            assert_eq!(key_in(Space::Internal, &Key::from_static(other.as_bytes())), None, "{other}");
            assert_eq!(name(Space::User, other.as_bytes()).err().map(|error| error.code()), Some(Code::InvalidKey));
        }
    }
}

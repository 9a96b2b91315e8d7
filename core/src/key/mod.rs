//! Keys, the two keyspaces, and ranges of keys.

mod range;

use bytes::Bytes;

use crate::error::{Code, Error, Result};

pub use range::KeyRange;

/// A key: UTF-8 in the user's keyspace, any bytes in the internal one. Keys are ordered by their bytes. A clone shares
/// the bytes.
///
/// # Examples
///
/// ```
/// use holdfast_core::Key;
///
/// assert!(Key::from("a") < Key::from("a/b"));
/// assert_eq!(Key::from(format!("users/{}", 7)), Key::from_static(b"users/7"));
/// ```
pub type Key = Bytes;

/// The limit of a user's key: 4096 bytes of UTF-8.
pub const MAX_KEY_BYTES: usize = 4096;

/// A keyspace of an engine. Each has the same keys apart from the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Space {
    /// The user's records. Other tools can read them.
    User,
    /// The records that the library keeps for itself: indexes, manifests, markers. [`keyspace`](crate::keyspace) lists
    /// them.
    Internal,
}

/// Checks a user's key: it has 1 to [`MAX_KEY_BYTES`] bytes.
///
/// # Errors
///
/// `INVALID_KEY` if the key is empty or too long.
///
/// # Examples
///
/// ```
/// use holdfast_core::key::check_key;
///
/// assert!(check_key("users/ada").is_ok());
/// assert!(check_key("").is_err());
/// assert!(check_key(&"x".repeat(5000)).is_err());
/// ```
pub fn check_key(key: &str) -> Result<()> {
    if key.is_empty() {
        return Err(Error::new(Code::InvalidKey, "a key must not be empty"));
    }
    if key.len() > MAX_KEY_BYTES {
        return Err(Error::new(
            Code::InvalidKey,
            format!("a key is at most {MAX_KEY_BYTES} UTF-8 bytes, this one has {}", key.len()),
        ));
    }
    Ok(())
}

/// The first key behind all keys that start with `prefix`; `None` if no key lies behind them.
///
/// # Examples
///
/// ```
/// use holdfast_core::key::prefix_end;
///
/// assert_eq!(prefix_end(b"a/").as_deref(), Some(&b"a0"[..]));
/// assert_eq!(prefix_end(b"\xff"), None);
/// ```
#[must_use]
pub fn prefix_end(prefix: &[u8]) -> Option<Key> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return Some(end.into());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_end_carries_over_trailing_ff() {
        assert_eq!(prefix_end(b"a\xff\xff").as_deref(), Some(&b"b"[..]));
        assert_eq!(prefix_end(b"\xff"), None);
    }
}

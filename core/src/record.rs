//! A stored record and its version.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use xxhash_rust::xxh3::Xxh3;

use crate::value::Value;

/// Milliseconds since 1970-01-01T00:00:00Z, as JavaScript counts them.
pub type Millis = u64;

/// The current time.
#[must_use]
pub fn now() -> Millis {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
}

/// What a key holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub value: Value,
    pub version: Version,
    /// From this moment on the key is absent.
    pub expires_at: Option<Millis>,
    pub created_at: Option<Millis>,
    pub updated_at: Option<Millis>,
    /// The user's metadata as JSON text.
    pub metadata: Option<Bytes>,
}

impl Record {
    /// A record of a value alone, as an engine without metadata of its own reads it.
    #[must_use]
    pub fn bare(value: Value, expires_at: Option<Millis>) -> Self {
        let version = Version::digest(&value, expires_at);
        Record { value, version, expires_at, created_at: None, updated_at: None, metadata: None }
    }

    /// True if the record is absent by the clock, which is asked only where there is an expiry.
    #[must_use]
    pub fn has_expired(&self) -> bool {
        self.expires_at.is_some_and(|at| at <= now())
    }

    /// True if the record is absent at `now`.
    #[must_use]
    pub fn expired(&self, now: Millis) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }
}

/// Tells two states of a key apart: equal versions mean equal value and expiry. Opaque to users.
///
/// Engines that keep a sequence number a record use it; the others digest value and expiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Version(u128);

/// Set in digests, so that they never equal a sequence number.
const DIGEST: u128 = 1 << 127;

/// Set in the versions of what a transaction has not committed yet.
const PENDING: u128 = 1 << 64;

impl Version {
    /// The version of a record written by commit `seq`.
    #[must_use]
    pub fn of_commit(seq: u64) -> Self {
        Version(seq.into())
    }

    /// The version of a record inside a transaction, written by its batch number `edit`. It holds there alone.
    #[must_use]
    pub fn pending(edit: u64) -> Self {
        Version(PENDING | u128::from(edit))
    }

    /// The version of a record that carries no sequence number: XXH3-128 of value and expiry.
    #[must_use]
    pub fn digest(value: &Value, expires_at: Option<Millis>) -> Self {
        let mut hasher = Xxh3::new();
        match value {
            Value::Json(text) => {
                hasher.update(b"j");
                hasher.update(text);
            }
            Value::Binary(bytes) => {
                hasher.update(b"b");
                hasher.update(bytes);
            }
        }
        if let Some(at) = expires_at {
            hasher.update(&at.to_le_bytes());
            hasher.update(b"x");
        }
        Version(hasher.digest128() | DIGEST)
    }

    /// The commit that wrote the record, where the engine keeps it.
    #[must_use]
    pub fn seq(self) -> Option<u64> {
        u64::try_from(self.0).ok()
    }

    /// Reads the text form; `None` for a text that no version has.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let version = Version(u128::from_str_radix(text, 16).ok()?);
        (version.to_string() == text).then_some(version)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_form_is_canonical() {
        let version = Version::of_commit(255);
        assert_eq!(version.to_string(), "ff");
        assert_eq!(Version::parse("ff"), Some(version));
        for other in ["", "FF", "0ff", "+ff", "xyz", &"f".repeat(33)] {
            assert_eq!(Version::parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_digest_depends_on_value_kind_and_expiry_and_is_no_seq() {
        let json = Value::json("\"a\"");
        let binary = Value::Binary(Bytes::from_static(b"\"a\""));
        let digest = Version::digest(&json, None);
        assert_ne!(digest, Version::digest(&binary, None));
        assert_ne!(digest, Version::digest(&json, Some(1)));
        assert_eq!(digest, Version::digest(&Value::json("\"a\""), None));
        assert_eq!(digest.seq(), None);
    }
}

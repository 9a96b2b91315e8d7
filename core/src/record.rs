//! A stored record and its version.

use std::fmt;

use bytes::Bytes;
use xxhash_rust::xxh3::Xxh3;

pub use crate::clock::now;
use crate::value::Value;

/// Milliseconds since 1970-01-01T00:00:00Z, as JavaScript counts them.
pub type Millis = u64;

/// A value with everything that is stored beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The value.
    pub value: Value,
    /// The version, for conditions on the key.
    pub version: Version,
    /// The time from which on the key is absent; `None` for never.
    pub expires_at: Option<Millis>,
    /// The time of the write that made the key; `None` where the engine keeps no times.
    pub created_at: Option<Millis>,
    /// The time of the latest write; `None` where the engine keeps no times.
    pub updated_at: Option<Millis>,
    /// The user's metadata as JSON text.
    pub metadata: Option<Bytes>,
}

impl Record {
    /// A record of a value and an expiry alone, with the [digest](Version::digest) of both as its version.
    #[must_use]
    pub fn bare(value: Value, expires_at: Option<Millis>) -> Self {
        let version = Version::digest(&value, expires_at);
        Record { value, version, expires_at, created_at: None, updated_at: None, metadata: None }
    }

    /// The version of a record without the number of a commit: XXH3-128 of all that it holds.
    #[must_use]
    pub fn digest(&self) -> Version {
        let mut hasher = hasher(&self.value, self.expires_at);
        for (tag, time) in [(b"c", self.created_at), (b"u", self.updated_at)] {
            if let Some(at) = time {
                hasher.update(&at.to_le_bytes());
                hasher.update(tag);
            }
        }
        if let Some(metadata) = &self.metadata {
            hasher.update(metadata);
            hasher.update(b"m");
        }
        Version(hasher.digest128() | DIGEST)
    }

    /// True if the record has expired by now. The clock is asked only for a record with an expiry.
    #[must_use]
    pub fn has_expired(&self) -> bool {
        self.expires_at.is_some_and(|at| at <= now())
    }

    /// True if the record has expired at `now`.
    #[must_use]
    pub fn expired(&self, now: Millis) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }
}

/// The version of a record: two records of a key with equal versions have equal values, expiries and metadata. Opaque
/// to users.
///
/// An engine that stores the number of the commit with each record uses that number. Other engines use a
/// [digest](Record::digest) of what a record holds, so a record that is written again with all the same has the same
/// version again.
///
/// # Examples
///
/// ```
/// use holdfast_core::{Value, Version};
///
/// let version = Version::of_commit(255);
/// assert_eq!(version.to_string(), "ff");
/// assert_eq!(Version::parse("ff"), Some(version));
/// assert_ne!(Version::digest(&Value::json("1"), None), Version::digest(&Value::json("2"), None));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Version(u128);

/// The bit that is set in digests: no digest equals the number of a commit.
const DIGEST: u128 = 1 << 127;

/// The bit that is set in the versions of writes that a transaction has not committed.
const PENDING: u128 = 1 << 64;

impl Version {
    /// The version of a record written by commit `seq`.
    #[must_use]
    pub fn of_commit(seq: u64) -> Self {
        Version(seq.into())
    }

    /// The version of a record that batch number `edit` of a transaction wrote. It is valid inside the transaction
    /// only.
    #[must_use]
    pub fn pending(edit: u64) -> Self {
        Version(PENDING | u128::from(edit))
    }

    /// XXH3-128 of value and expiry: the [digest](Record::digest) of a [bare](Record::bare) record.
    #[must_use]
    pub fn digest(value: &Value, expires_at: Option<Millis>) -> Self {
        Version(hasher(value, expires_at).digest128() | DIGEST)
    }

    /// The number of the commit that wrote the record; `None` for a digest.
    #[must_use]
    pub fn seq(self) -> Option<u64> {
        u64::try_from(self.0).ok()
    }

    /// Reads the text form: lower-case hexadecimal digits without leading zeros. `None` for another text.
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

fn hasher(value: &Value, expires_at: Option<Millis>) -> Xxh3 {
    let mut hasher = Xxh3::new();
    let (tag, content) = match value {
        Value::Json(text) => (b"j", text),
        Value::Binary(bytes) => (b"b", bytes),
    };
    hasher.update(tag);
    hasher.update(content);
    if let Some(at) = expires_at {
        hasher.update(&at.to_le_bytes());
        hasher.update(b"x");
    }
    hasher
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

    #[test]
    fn the_digest_of_a_record_depends_on_all_that_it_holds() {
        let bare = Record::bare(Value::json("1"), None);
        let metadata = Some(Bytes::from_static(b"1"));
        let records = [
            bare.clone(),
            Record { expires_at: Some(1), ..bare.clone() },
            Record { created_at: Some(1), ..bare.clone() },
            Record { updated_at: Some(1), ..bare.clone() },
            Record { metadata, ..bare.clone() },
        ];
        let digests: std::collections::HashSet<_> = records.iter().map(Record::digest).collect();
        assert_eq!(digests.len(), records.len());
        assert_eq!(bare.digest(), bare.version);
    }
}

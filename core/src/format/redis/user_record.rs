use bytes::Bytes;

use super::no_version;
use crate::error::Result;
use crate::record::{Millis, Record, Version};
use crate::value::Value;

/// The version of a record without a companion: the first bits of SHA-1 over the stored text and, behind a NUL, the
/// expiry. No text holds a NUL. A script on the server can compute the version, so it checks a condition and writes in
/// one step.
#[must_use]
pub fn version(text: &[u8], expires_at: Option<Millis>) -> Option<Version> {
    Version::parse(&digest(text, expires_at))
}

/// The text form of [`version`].
#[must_use]
pub fn digest(text: &[u8], expires_at: Option<Millis>) -> String {
    match expires_at {
        Some(at) => sha(&[text, b"\0", at.to_string().as_bytes()]),
        None => sha(&[text]),
    }
}

/// The text form of the version of a record with a companion. `rest` is the text of the companion behind its digest.
fn digest_with(text: &[u8], expires_at: Option<Millis>, rest: &[u8]) -> String {
    let expiry = expires_at.map(|at| at.to_string()).unwrap_or_default();
    sha(&[text, b"\0", expiry.as_bytes(), b"\0", rest])
}

fn sha(pieces: &[&[u8]]) -> String {
    let mut sha = sha1_smol::Sha1::new();
    for piece in pieces {
        sha.update(piece);
    }
    let hex = sha.digest().to_string();
    format!("8{}", hex.get(..31).unwrap_or_default())
}

/// An expiry within the limits of the server: positive, and far from an overflow.
#[must_use]
pub fn expiry(at: Millis) -> Millis {
    at.clamp(1, 1 << 52)
}

/// The record of a user's key from its text, its expiry and its companion.
///
/// # Errors
///
/// Those of [`user_value`].
pub fn user_record(key: &[u8], text: Bytes, expires_at: Option<Millis>, companion: Option<&[u8]>) -> Result<Record> {
    let digest = digest(&text, expires_at);
    let rest = companion.and_then(|companion| companion.strip_prefix(digest.as_bytes())?.strip_prefix(b" "));
    let companion = companion.filter(|_| rest.is_some()).and_then(Companion::parse);
    let version = rest.map_or(digest, |rest| digest_with(&text, expires_at, rest));
    let version = Version::parse(&version).ok_or_else(no_version)?;
    let value = user_value(key, text)?;
    let (created_at, updated_at, metadata) =
        companion.map(|companion| (companion.created_at, companion.updated_at, companion.metadata)).unwrap_or_default();
    Ok(Record { value, version, expires_at, created_at, updated_at, metadata })
}

/// The value of a user's key from its text, which any client may have written.
///
/// # Errors
///
/// `CORRUPTED` unless the text is well-formed JSON.
pub fn user_value(key: &[u8], text: Bytes) -> Result<Value> {
    Value::from_text(text).map_err(|error| error.at_key(key))
}

/// The times and the metadata of a user's key: the text `digest created updated metadata`, with `-` for none. It counts
/// only while the digest is that of the key's value and expiry.
#[derive(Debug, PartialEq)]
pub struct Companion {
    /// The [`digest`] of the value and expiry to which the companion belongs.
    pub digest: String,
    /// The time of the write that made the key.
    pub created_at: Option<Millis>,
    /// The time of the latest write.
    pub updated_at: Option<Millis>,
    /// The user's metadata as JSON text.
    pub metadata: Option<Bytes>,
}

impl Companion {
    /// Reads the text; `None` if it has fewer than four fields.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut fields = text.splitn(4, |byte| *byte == b' ');
        let mut field = || fields.next();
        let digest = String::from_utf8(field()?.to_vec()).ok()?;
        let millis = |text: &[u8]| std::str::from_utf8(text).ok()?.parse().ok();
        let (created, updated, metadata) = (field()?, field()?, field()?);
        Some(Companion {
            digest,
            created_at: millis(created),
            updated_at: millis(updated),
            metadata: (metadata != b"-").then(|| Bytes::copy_from_slice(metadata)),
        })
    }

    /// The text.
    #[must_use]
    pub fn to_text(&self) -> Vec<u8> {
        let millis = |at: Option<Millis>| at.map_or_else(|| "-".to_owned(), |at| at.to_string());
        let mut text = format!("{} {} {} ", self.digest, millis(self.created_at), millis(self.updated_at)).into_bytes();
        text.extend_from_slice(self.metadata.as_deref().unwrap_or(b"-"));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_companion_is_read_whatever_its_metadata_holds() {
        let companion = Companion::parse(b"8ab 12 - {\"a\": \"b c\"}").unwrap();
        assert_eq!(companion.digest, "8ab");
        assert_eq!((companion.created_at, companion.updated_at), (Some(12), None));
        assert_eq!(companion.metadata.as_deref(), Some(&b"{\"a\": \"b c\"}"[..]));
        assert_eq!(companion.to_text(), b"8ab 12 - {\"a\": \"b c\"}");
        assert_eq!(Companion { metadata: None, ..companion }.to_text(), b"8ab 12 - -");
        assert_eq!(Companion::parse(b"8ab 12"), None);
    }

    #[test]
    fn the_version_covers_what_the_companion_holds() {
        let text = Bytes::from_static(b"1");
        let read = |expires_at, companion: &str| {
            let record = user_record(b"k", text.clone(), expires_at, Some(companion.as_bytes())).unwrap();
            record.version.to_string()
        };
        let plain = digest(&text, None);
        assert_eq!(read(None, ""), plain);
        assert_eq!(read(None, "8ab 1 2 {}"), plain, "it was written for another value");
        let of = |rest: &str| read(None, &format!("{plain} {rest}"));
        assert_eq!(of("1 2 {}"), "862e99c2e1f0b2b6e4d778ae7c427874");
        let versions = [of("1 2 {}"), of("3 2 {}"), of("1 3 {}"), of("1 2 -"), plain.clone()];
        for (at, version) in versions.iter().enumerate() {
            assert!(!versions[at + 1..].contains(version));
        }
        let expiring = digest(&text, Some(5));
        assert_ne!(read(Some(5), &format!("{expiring} 1 2 {{}}")), of("1 2 {}"));
    }
}

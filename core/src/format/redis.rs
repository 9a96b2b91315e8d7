//! Where things lie on the server. `docs/formats/redis.md` describes it for readers.
//!
//! A user key is the key prefix and the key. Our own names have a byte after the prefix that UTF-8 never has,
//! so no user key can be one of them.

use std::ops::Bound;

use bytes::Bytes;

use crate::batch::IntentId;
use crate::error::{Code, Error, Result};
use crate::key::{Key, Space};
use crate::record::{Millis, Record, Version};
use crate::value::Value;

/// What stands between the key prefix and the names of our own.
const OURS: &[u8] = b"\xffholdfast:";

/// The names of one store.
#[derive(Clone, Debug)]
pub struct Layout {
    pub prefix: Vec<u8>,
    /// A counter: the number of the latest commit.
    pub seq: Vec<u8>,
    /// A hash: the times and metadata of user keys.
    pub companions: Vec<u8>,
    /// A sorted set, every score 0: the names of the internal keyspace.
    pub names: Vec<u8>,
    /// A hash: the values of the internal keyspace.
    pub values: Vec<u8>,
    /// What `verify` puts damaged keys under.
    pub damaged: Vec<u8>,
    /// A hash: which keys the intents of undecided transactions hold. Gone while there are none.
    pub held: Vec<u8>,
    /// A hash: the ranges they hold.
    pub ranges: Vec<u8>,
    /// A stream: what each commit touched. Gone unless somebody asked for it.
    pub log: Vec<u8>,
    /// A stream: the latest commits with small values. Gone while nobody watches.
    pub feed: Vec<u8>,
}

impl Layout {
    #[must_use]
    pub fn new(key_prefix: &str) -> Self {
        let ours = |name: &[u8]| [key_prefix.as_bytes(), OURS, name].concat();
        Layout {
            prefix: key_prefix.as_bytes().to_vec(),
            seq: ours(b"seq"),
            companions: ours(b"companions"),
            names: ours(b"names"),
            values: ours(b"values"),
            damaged: ours(b"damaged:"),
            held: ours(b"held"),
            ranges: ours(b"ranges"),
            log: ours(b"log"),
            feed: ours(b"feed"),
        }
    }

    /// A hash: the replies to the latest commits of one connection.
    #[must_use]
    pub fn client(&self, id: u64) -> Vec<u8> {
        [&self.prefix, OURS, format!("client:{id:016x}").as_bytes()].concat()
    }

    /// What a user key is called on the server.
    #[must_use]
    pub fn name<'a>(&'a self, key: &'a [u8]) -> Name<'a> {
        Name { prefix: &self.prefix, key }
    }

    /// The user key of a name on the server; `None` for what is not of this store's user keyspace.
    #[must_use]
    pub fn user_key(&self, name: &Bytes) -> Option<Key> {
        let key = name.strip_prefix(self.prefix.as_slice())?;
        (!key.is_empty() && key.len() <= crate::key::MAX_KEY_BYTES && std::str::from_utf8(key).is_ok())
            .then(|| name.slice_ref(key))
    }
}

/// The name of a user key on the server, as one argument.
pub struct Name<'a> {
    pub prefix: &'a [u8],
    pub key: &'a [u8],
}

/// The version of a record: the first bits of SHA-1 over the stored text, and the expiry behind a NUL, which no
/// text holds. The server's scripts can compute it, which lets a condition be checked in one step.
#[must_use]
pub fn version(text: &[u8], expires_at: Option<Millis>) -> Option<Version> {
    Version::parse(&digest(text, expires_at))
}

/// The text form of [`version`].
#[must_use]
pub fn digest(text: &[u8], expires_at: Option<Millis>) -> String {
    let mut sha = sha1_smol::Sha1::new();
    sha.update(text);
    if let Some(at) = expires_at {
        sha.update(b"\0");
        sha.update(at.to_string().as_bytes());
    }
    let hex = sha.digest().to_string();
    format!("8{}", hex.get(..31).unwrap_or_default())
}

/// An expiry as the server takes it: positive, and far from overflowing.
#[must_use]
pub fn expiry(at: Millis) -> Millis {
    at.clamp(1, 1 << 52)
}

/// Cannot happen: a digest is a version.
fn no_version() -> Error {
    Error::new(Code::Io, "a digest is no version")
}

/// The record of a user key from its text, expiry and companion.
pub fn user_record(key: &[u8], text: Bytes, expires_at: Option<Millis>, companion: Option<&[u8]>) -> Result<Record> {
    let digest = digest(&text, expires_at);
    let version = Version::parse(&digest).ok_or_else(no_version)?;
    let value = user_value(key, text)?;
    let companion = companion.and_then(Companion::parse).filter(|companion| companion.digest == digest);
    let (created_at, updated_at, metadata) =
        companion.map(|companion| (companion.created_at, companion.updated_at, companion.metadata)).unwrap_or_default();
    Ok(Record { value, version, expires_at, created_at, updated_at, metadata })
}

/// The value of a user key from its text, which any client may have written.
pub fn user_value(key: &[u8], text: Bytes) -> Result<Value> {
    Value::from_text(text).map_err(|error| error.at_key(key))
}

/// Times and metadata of a user key: `digest created updated metadata`, one space between, `-` for none. It
/// counts only while the digest is that of the key's value and expiry.
#[derive(Debug, PartialEq)]
pub struct Companion {
    pub digest: String,
    pub created_at: Option<Millis>,
    pub updated_at: Option<Millis>,
    pub metadata: Option<Bytes>,
}

impl Companion {
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
}

/// What an intent is called where a key says who holds it.
#[must_use]
pub fn intent_name(id: IntentId) -> String {
    format!("{:016x}-{:016x}", id.log, id.number)
}

/// What stands in the hash of held keys before the version a key had: the intent, and when it was made.
#[must_use]
pub fn held_mark(id: IntentId, at: Millis) -> String {
    format!("{} {at:013} ", intent_name(id))
}

/// Who holds a key, and since when, from what the hash of held keys says.
#[must_use]
pub fn held_by(text: &[u8]) -> Option<(IntentId, Millis)> {
    let text = std::str::from_utf8(text).ok()?;
    let mut fields = text.split(' ');
    let (log, number) = fields.next()?.split_once('-')?;
    let hex = |text| u64::from_str_radix(text, 16).ok();
    Some((IntentId { log: hex(log)?, number: hex(number)? }, fields.next()?.parse().ok()?))
}

/// A reply that the server kept for a client: the number of the call, then the reply as JSON, whose strings hold no byte beyond
/// ASCII. `None` for anything else.
#[must_use]
pub fn kept_reply(text: &[u8]) -> Option<(u64, serde_json::Value)> {
    let space = text.iter().position(|byte| *byte == b' ')?;
    let number = std::str::from_utf8(text.get(..space)?).ok()?.parse().ok()?;
    Some((number, serde_json::from_slice(text.get(space + 1..)?).ok()?))
}

/// The place of an entry in the log: its commit, and which part of it.
#[must_use]
pub fn log_place(id: &[u8]) -> Option<(u64, u64)> {
    let (commit, part) = std::str::from_utf8(id).ok()?.split_once('-')?;
    Some((commit.parse().ok()?, part.parse().ok()?))
}

/// What an entry of a stream says of one user key, or of a range.
#[derive(Clone, Debug, PartialEq)]
pub enum Touched {
    Set(Key, Version, Option<Bytes>),
    Deleted(Key),
    Cleared(Bound<Key>, Bound<Key>),
}

/// What an entry of a stream tells of. `None` for a text that is none.
#[must_use]
pub fn log_entry(text: &Bytes) -> Option<Vec<Touched>> {
    let mut touched = Vec::new();
    let mut rest: &[u8] = text;
    while let Some((kind, after)) = rest.split_first() {
        rest = after;
        touched.push(match kind {
            b's' | b'v' => {
                let (version, after) = rest.split_at_checked(32)?;
                rest = after;
                let version = Version::parse(std::str::from_utf8(version).ok()?)?;
                let key = counted(text, &mut rest)?;
                let value = if *kind == b'v' { Some(counted(text, &mut rest)?) } else { None };
                Touched::Set(key, version, value)
            }
            b'd' => Touched::Deleted(counted(text, &mut rest)?),
            b'c' => Touched::Cleared(end(&counted(text, &mut rest)?)?, end(&counted(text, &mut rest)?)?),
            _ => return None,
        });
    }
    Some(touched)
}

/// A piece behind its length and a colon.
fn counted(text: &Bytes, rest: &mut &[u8]) -> Option<Bytes> {
    let colon = rest.iter().position(|byte| *byte == b':')?;
    let length: usize = std::str::from_utf8(rest.get(..colon)?).ok()?.parse().ok()?;
    let (piece, after) = rest.get(colon + 1..)?.split_at_checked(length)?;
    *rest = after;
    Some(text.slice_ref(piece))
}

/// An end of a range as ZRANGE BYLEX takes it.
fn end(text: &Bytes) -> Option<Bound<Key>> {
    match text.first()? {
        b'-' | b'+' if text.len() == 1 => Some(Bound::Unbounded),
        b'[' => Some(Bound::Included(text.slice(1..))),
        b'(' => Some(Bound::Excluded(text.slice(1..))),
        _ => None,
    }
}

/// A record of the internal keyspace as the hash holds it: bare JSON text; or, with a Buffer, an expiry or
/// metadata, `\x01`, `j` or `b`, expiry, a space, length of the metadata, a space, metadata, value.
#[must_use]
pub fn internal_text(value: &Value, expires_at: Option<Millis>, metadata: Option<&Bytes>) -> Bytes {
    let (kind, payload) = match value {
        Value::Json(text) if expires_at.is_none() && metadata.is_none() => return text.clone(),
        Value::Json(text) => ('j', text),
        Value::Binary(bytes) => ('b', bytes),
    };
    let expiry = expires_at.map(|at| at.to_string()).unwrap_or_default();
    let metadata = metadata.map(Bytes::as_ref).unwrap_or_default();
    let mut text = format!("\u{1}{kind}{expiry} {} ", metadata.len()).into_bytes();
    text.extend_from_slice(metadata);
    text.extend_from_slice(payload);
    text.into()
}

/// The record of an internal key, expired or not.
pub fn internal_record(space_key: &[u8], text: Bytes) -> Result<Record> {
    let version = version(&text, None).ok_or_else(no_version)?;
    let bare = Record { value: Value::Json(text.clone()), version, ..Record::bare(Value::json(""), None) };
    if !text.starts_with(b"\x01") {
        return match crate::value::validate(&text) {
            Ok(()) => Ok(bare),
            Err(error) => Err(error.at_key(space_key)),
        };
    }
    let damaged = || Error::corrupted("a record of the store's own is damaged").at_key(space_key);
    let kind = text.get(1).copied().ok_or_else(damaged)?;
    let header = text.get(2..).ok_or_else(damaged)?;
    let mut fields = header.splitn(3, |byte| *byte == b' ');
    let number = |field: Option<&[u8]>| -> Option<String> { String::from_utf8(field?.to_vec()).ok() };
    let expiry = number(fields.next()).ok_or_else(damaged)?;
    let length: usize = number(fields.next()).and_then(|text| text.parse().ok()).ok_or_else(damaged)?;
    let rest = fields.next().ok_or_else(damaged)?;
    let (metadata, payload) = rest.split_at_checked(length).ok_or_else(damaged)?;
    let expires_at = if expiry.is_empty() { None } else { Some(expiry.parse().map_err(|_| damaged())?) };
    let value = match kind {
        b'b' => Value::Binary(text.slice_ref(payload)),
        b'j' => {
            crate::value::validate(payload).map_err(|error| error.at_key(space_key))?;
            Value::Json(text.slice_ref(payload))
        }
        _ => return Err(damaged()),
    };
    let metadata = (!metadata.is_empty()).then(|| text.slice_ref(metadata));
    Ok(Record { value, expires_at, metadata, ..bare })
}

/// The version a write leaves behind.
#[must_use]
pub fn version_of_write(
    space: Space,
    value: &Value,
    expires_at: Option<Millis>,
    metadata: Option<&Bytes>,
) -> Option<Version> {
    match space {
        Space::User => version(&value.to_text(), expires_at.map(expiry)),
        Space::Internal => version(&internal_text(value, expires_at, metadata), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_user_key_is_a_name_of_ours() {
        let layout = Layout::new("app:");
        for name in [
            &layout.seq,
            &layout.companions,
            &layout.names,
            &layout.values,
            &layout.damaged,
            &layout.held,
            &layout.ranges,
            &layout.log,
            &layout.client(7),
        ] {
            assert_eq!(layout.user_key(&Bytes::from(name.clone())), None);
            assert_eq!(Layout::new("").user_key(&Bytes::from(name.clone())), None);
        }
        assert_eq!(layout.user_key(&Bytes::from_static(b"app:k")).as_deref(), Some(&b"k"[..]));
        assert_eq!(layout.user_key(&Bytes::from_static(b"app:")), None);
        assert_eq!(layout.user_key(&Bytes::from_static(b"other")), None);
    }

    #[test]
    fn internal_records_come_back() {
        let json = Value::json("{\"a\":1}");
        let binary = Value::Binary(Bytes::from_static(b"\x00\x01 x"));
        let metadata = Bytes::from_static(b"{\"m\":\" \"}");
        for value in [json, binary] {
            for expires_at in [None, Some(1_800_000_000_000)] {
                for metadata in [None, Some(metadata.clone())] {
                    let text = internal_text(&value, expires_at, metadata.as_ref());
                    let record = internal_record(b"k", text).unwrap();
                    assert_eq!(
                        (record.value, record.expires_at, record.metadata),
                        (value.clone(), expires_at, metadata)
                    );
                }
            }
        }
        for damaged in ["", "{", "\u{1}", "\u{1}j", "\u{1}j 9 {}", "\u{1}jx 0 {}", "\u{1}q 0 {}", "\u{1}j 0 {"] {
            assert!(internal_record(b"k", Bytes::from(damaged)).is_err(), "{damaged:?}");
        }
    }

    #[test]
    fn who_holds_a_key_comes_back() {
        let id = IntentId { log: 0xabc, number: u64::MAX };
        let text = held_mark(id, 1_800_000_000_000) + "8ab";
        assert_eq!(&text[48..], "8ab", "the script cuts here");
        assert_eq!(&text[..33], intent_name(id), "and here");
        assert_eq!(held_by(text.as_bytes()), Some((id, 1_800_000_000_000)));
        for other in ["", "x", "1-2", "1-2 x", "12 3"] {
            assert_eq!(held_by(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn log_entries_come_back() {
        let version = digest(b"1", None);
        let text = Bytes::from(format!("s{version}5:a:b:cd1:xv{version}2:\u{e9}3:1:2c1:-3:(b:"));
        let version = Version::parse(&version).unwrap();
        let key = |text: &str| Key::from(text.to_owned());
        let found = log_entry(&text).unwrap();
        assert_eq!(
            found,
            [
                Touched::Set(key("a:b:c"), version, None),
                Touched::Deleted(key("x")),
                Touched::Set(key("\u{e9}"), version, Some(key("1:2"))),
                Touched::Cleared(Bound::Unbounded, Bound::Excluded(key("b:"))),
            ]
        );
        assert_eq!(log_entry(&Bytes::new()), Some(Vec::new()));
        for other in ["x", "s", "s12", "d", "d1", "d9:a", "d:a", "d1:ax", &format!("s{version}"), "c1:-", "c1:x1:+"] {
            assert_eq!(log_entry(&Bytes::from(other.to_owned())), None, "{other}");
        }
        assert_eq!(log_place(b"17-2"), Some((17, 2)));
        assert_eq!(log_place(b"17"), None);
    }

    #[test]
    fn kept_replies_come_back() {
        let (number, reply) = kept_reply(b"17 [0,[4,1,\"2.5\"]]").unwrap();
        assert_eq!((number, reply.to_string().as_str()), (17, "[0,[4,1,\"2.5\"]]"));
        for other in ["", "17", "x []", "17 ", "17 [", "-1 []"] {
            assert!(kept_reply(other.as_bytes()).is_none(), "{other}");
        }
    }

    #[test]
    fn a_companion_is_read_whatever_its_metadata_holds() {
        let companion = Companion::parse(b"8ab 12 - {\"a\": \"b c\"}").unwrap();
        assert_eq!(companion.digest, "8ab");
        assert_eq!((companion.created_at, companion.updated_at), (Some(12), None));
        assert_eq!(companion.metadata.as_deref(), Some(&b"{\"a\": \"b c\"}"[..]));
        assert_eq!(Companion::parse(b"8ab 12"), None);
    }
}

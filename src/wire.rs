//! The text forms of batches, ranges, pages and records. `ts/native/interface.ts` describes them.

use std::ops::Bound;

use bytes::{BufMut, Bytes, BytesMut};
use holdfast_core::batch::{Batch, Check, Commit, Op, Outcome};
use holdfast_core::engine::{Item, Page, Projection};
use holdfast_core::error::{Code, Error, Result};
use holdfast_core::key::{Key, KeyRange, Space};
use holdfast_core::keyspace;
use holdfast_core::record::{Millis, Record, Version};
use holdfast_core::value::{Value, decode_base64, quote_into};
use serde_json::Value as Json;

fn malformed() -> Error {
    Error::new(Code::InvalidArgument, "the facade sent a malformed request")
}

/// The fields of a request, each closed by a NUL.
struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    fn new(text: &'a Bytes) -> Self {
        Fields { rest: text }
    }

    fn take(&mut self) -> Result<&'a [u8]> {
        let end = memchr::memchr(0, self.rest).ok_or_else(malformed)?;
        let (field, rest) = self.rest.split_at(end);
        self.rest = rest.get(1..).unwrap_or_default();
        Ok(field)
    }

    /// A key: `\x01` followed by `0` or `1` stands for a NUL or a `\x01`.
    fn key(&mut self) -> Result<Key> {
        let field = self.take()?;
        if memchr::memchr(1, field).is_none() {
            return Ok(Bytes::copy_from_slice(field));
        }
        let mut key = Vec::with_capacity(field.len());
        let mut bytes = field.iter();
        while let Some(&byte) = bytes.next() {
            key.push(match byte {
                1 => bytes.next().map_or(1, |escaped| escaped.wrapping_sub(b'0')),
                byte => byte,
            });
        }
        Ok(key.into())
    }

    /// A copy of its own: a value must not keep the whole request in memory.
    fn bytes(&mut self) -> Result<Bytes> {
        Ok(Bytes::copy_from_slice(self.take()?))
    }

    fn text(&mut self) -> Result<&'a str> {
        std::str::from_utf8(self.take()?).map_err(|_| malformed())
    }
}

/// Keys, each closed by a NUL.
pub fn keys(text: &Bytes) -> Result<Vec<Key>> {
    let mut fields = Fields::new(text);
    let mut keys = Vec::new();
    while !fields.rest.is_empty() {
        keys.push(fields.key()?);
    }
    Ok(keys)
}

/// The operations and checks of a batch.
pub fn batch(text: &Bytes, report: bool) -> Result<Batch> {
    let mut fields = Fields::new(text);
    let mut batch = Batch { report, ..Batch::default() };
    while let Some((&kind, rest)) = fields.rest.split_first() {
        fields.rest = rest;
        let space = Space::User;
        match kind {
            b'S' | b'B' | b'T' | b'U' => {
                let key = fields.key()?;
                let value = if matches!(kind, b'S' | b'T') {
                    Value::Json(fields.bytes()?)
                } else {
                    Value::Binary(decode_base64(fields.take()?).ok_or_else(malformed)?.into())
                };
                let (expires_at, metadata) =
                    if matches!(kind, b'T' | b'U') { set_options(fields.take()?)? } else { (None, None) };
                batch.ops.push(Op::Set { space, key, value, expires_at, metadata });
            }
            b'D' => batch.ops.push(Op::Delete { space, key: fields.key()? }),
            b'A' | b'I' => {
                let key = fields.key()?;
                let by = number(fields.text()?)?;
                let (expires_at, metadata) = if kind == b'I' { set_options(fields.take()?)? } else { (None, None) };
                batch.ops.push(Op::Add { space, key, by, expires_at, metadata });
            }
            b'C' => {
                let key = fields.key()?;
                let version = match fields.text()? {
                    "" => None,
                    // A text that is no version of ours is the version of nothing: the check fails.
                    text => Some(Version::parse(text).unwrap_or_else(|| Version::of_commit(0))),
                };
                batch.checks.push(Check { space, key, version });
            }
            b'R' => {
                let range = range(fields.take()?)?;
                batch.ops.extend(range.intervals().into_iter().map(|range| Op::DeleteRange { space, range }));
            }
            b'X' => {
                fields.take()?;
                for (space, range) in [(Space::User, KeyRange::all()), (Space::Internal, keyspace::models())] {
                    batch.ops.push(Op::DeleteRange { space, range });
                }
            }
            _ => return Err(malformed()),
        }
    }
    Ok(batch)
}

fn number(text: &str) -> Result<f64> {
    match text {
        "NaN" => Ok(f64::NAN),
        "Infinity" => Ok(f64::INFINITY),
        "-Infinity" => Ok(f64::NEG_INFINITY),
        text => text.parse().map_err(|_| malformed()),
    }
}

/// `{"expiresAt":n,"metadata":…}`.
fn set_options(text: &[u8]) -> Result<(Option<Millis>, Option<Bytes>)> {
    let options: Json = serde_json::from_slice(text).map_err(|_| malformed())?;
    let expires_at = options.get("expiresAt").and_then(Json::as_f64).map(millis);
    let metadata = match options.get("metadata") {
        None | Some(Json::Null) => None,
        Some(Json::String(text)) => Some(Bytes::from(text.clone())),
        Some(_) => return Err(malformed()),
    };
    Ok((expires_at, metadata))
}

/// A JavaScript time; what lies before 1970 has expired.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub fn millis(number: f64) -> Millis {
    number.max(0.0) as Millis
}

/// A range as the facade writes it.
pub fn range(json: &[u8]) -> Result<KeyRange> {
    let json: Json = serde_json::from_slice(json).map_err(|_| malformed())?;
    let mut range = KeyRange::all();
    let text = |name: &str| json.get(name).and_then(Json::as_str);
    let key = |name: &str| text(name).map(|text| Key::copy_from_slice(text.as_bytes()));
    if let Some(prefix) = key("prefix") {
        range.narrow_to_prefix(&prefix);
    }
    if let Some(bound) = key("gt") {
        range.raise_start(Bound::Excluded(bound));
    }
    if let Some(bound) = key("gte") {
        range.raise_start(Bound::Included(bound));
    }
    if let Some(bound) = key("lt") {
        range.lower_end(Bound::Excluded(bound));
    }
    if let Some(bound) = key("lte") {
        range.lower_end(Bound::Included(bound));
    }
    if let Some(pattern) = text("pattern") {
        range.set_pattern(pattern);
    }
    if let Some(Json::Array(prefixes)) = json.get("except") {
        range.except =
            prefixes.iter().filter_map(Json::as_str).map(|prefix| Key::copy_from_slice(prefix.as_bytes())).collect();
    }
    range.reverse = json.get("reverse").and_then(Json::as_bool).unwrap_or(false);
    range.limit = json.get("limit").and_then(Json::as_u64).map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(range)
}

fn quote_key(key: &[u8], out: &mut BytesMut) {
    quote_into(&String::from_utf8_lossy(key), out);
}

/// `["key",…]`.
pub fn keys_json<'a>(keys: impl IntoIterator<Item = &'a Key>) -> Bytes {
    let mut out = BytesMut::from(&b"["[..]);
    let mut first = true;
    for key in keys {
        if !std::mem::take(&mut first) {
            out.put_u8(b',');
        }
        quote_key(key, &mut out);
    }
    out.put_u8(b']');
    out.freeze()
}

/// `[value,null,…]`.
pub fn values_json(values: &[Option<Value>]) -> Bytes {
    let mut out =
        BytesMut::with_capacity(2 + values.iter().map(|value| 5 + value.as_ref().map_or(0, Value::len)).sum::<usize>());
    out.put_u8(b'[');
    for (at, value) in values.iter().enumerate() {
        if at > 0 {
            out.put_u8(b',');
        }
        match value {
            Some(value) => value.write_text(&mut out),
            None => out.put_slice(b"null"),
        }
    }
    out.put_u8(b']');
    out.freeze()
}

/// `[next|null, k1, v1, …]`, keys or values alone where only they are asked for.
pub fn page_json(page: &Page, what: Projection, values_only: bool) -> Bytes {
    let size: usize = page
        .entries
        .iter()
        .map(|(key, item)| key.len() + 8 + if let Item::Value(value) = item { value.len() } else { 0 })
        .sum();
    let mut out = BytesMut::with_capacity(size + 64);
    out.put_u8(b'[');
    match &page.next {
        Some(next) => quote_key(next, &mut out),
        None => out.put_slice(b"null"),
    }
    for (key, item) in &page.entries {
        if !values_only || what == Projection::Keys {
            out.put_u8(b',');
            quote_key(key, &mut out);
        }
        if let Item::Value(value) = item {
            out.put_u8(b',');
            value.write_text(&mut out);
        }
    }
    out.put_u8(b']');
    out.freeze()
}

/// A record with everything known about it.
pub fn entry_json(record: &Record) -> Bytes {
    let mut out = BytesMut::from(&b"{\"value\":"[..]);
    record.value.write_text(&mut out);
    out.put_slice(format!(",\"version\":\"{}\"", record.version).as_bytes());
    for (name, at) in
        [("createdAt", record.created_at), ("updatedAt", record.updated_at), ("expiresAt", record.expires_at)]
    {
        let at = at.map_or_else(|| "null".to_owned(), |at| at.to_string());
        out.put_slice(format!(",\"{name}\":{at}").as_bytes());
    }
    out.put_slice(b",\"metadata\":");
    out.put_slice(record.metadata.as_deref().unwrap_or(b"null"));
    out.put_u8(b'}');
    out.freeze()
}

/// `{"seq":n,"outcomes":[…]}`.
pub fn commit_json(commit: &Commit) -> Bytes {
    let mut out = BytesMut::from(format!("{{\"seq\":{},\"outcomes\":[", commit.seq).as_bytes());
    for (at, outcome) in commit.outcomes.iter().enumerate() {
        if at > 0 {
            out.put_u8(b',');
        }
        let json = match outcome {
            Outcome::Set { version } => format!("{{\"version\":\"{version}\"}}"),
            Outcome::Added { value, version } => {
                let value = Value::from_number(*value).to_text();
                format!("{{\"value\":{},\"version\":\"{version}\"}}", String::from_utf8_lossy(&value))
            }
            Outcome::Deleted { existed } => format!("{{\"existed\":{existed}}}"),
            Outcome::Cleared => "{}".to_owned(),
        };
        out.put_slice(json.as_bytes());
    }
    out.put_slice(b"]}");
    out.freeze()
}

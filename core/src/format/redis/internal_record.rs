use bytes::Bytes;

use super::no_version;
use super::user_record::version;
use crate::error::{Error, Result};
use crate::record::{Millis, Record};
use crate::value::{Value, validate};

/// The text of a record of the internal keyspace.
///
/// A JSON value without expiry and metadata is its own text. Any other record is `\x01`, `j` for JSON or `b` for a
/// Buffer, the expiry, a space, the length of the metadata, a space, the metadata, the value.
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

/// The record of an internal key from its text, expired or not.
///
/// # Errors
///
/// `CORRUPTED` if the text is not a record.
pub fn internal_record(space_key: &[u8], text: Bytes) -> Result<Record> {
    let version = version(&text, None).ok_or_else(no_version)?;
    let record = |value, expires_at, metadata| Record {
        value,
        version,
        expires_at,
        created_at: None,
        updated_at: None,
        metadata,
    };
    if !text.starts_with(b"\x01") {
        return match validate(&text) {
            Ok(()) => Ok(record(Value::Json(text), None, None)),
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
            validate(payload).map_err(|error| error.at_key(space_key))?;
            Value::Json(text.slice_ref(payload))
        }
        _ => return Err(damaged()),
    };
    let metadata = (!metadata.is_empty()).then(|| text.slice_ref(metadata));
    Ok(record(value, expires_at, metadata))
}

#[cfg(test)]
mod tests {
    use super::*;

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
}

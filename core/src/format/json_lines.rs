//! Records as JSON Lines: each record is a JSON object on a line of its own. `docs/formats/json-lines.md` describes it.

use std::borrow::Cow;
use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::{Code, Error, Result};
use crate::key::check_key;
use crate::record::{Millis, Record};
use crate::value::{Value, compact, quote_into, unquote};

/// A record that a line holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The key, which is checked.
    pub key: String,
    /// The value.
    pub value: Value,
    /// The time from which on the key is absent; `None` for never.
    pub expires_at: Option<Millis>,
    /// The user's metadata as JSON text.
    pub metadata: Option<Bytes>,
}

/// The latest moment that a JavaScript `Date` can hold.
const LATEST: f64 = 8.64e15;

/// Appends the line of a record, with its end.
///
/// # Examples
///
/// ```
/// use bytes::BytesMut;
/// use holdfast_core::format::json_lines;
/// use holdfast_core::{Record, Value};
///
/// let mut out = BytesMut::new();
/// json_lines::write(b"a", &Record::bare(Value::json("[1, 2]"), Some(7)), &mut out);
/// assert_eq!(out, "{\"key\":\"a\",\"value\":[1,2],\"expiresAt\":7}\n");
/// assert_eq!(json_lines::read(&out)?.expires_at, Some(7));
/// # Ok::<(), holdfast_core::Error>(())
/// ```
pub fn write(key: &[u8], record: &Record, out: &mut BytesMut) {
    out.put_slice(b"{\"key\":");
    quote_into(&String::from_utf8_lossy(key), out);
    out.put_slice(b",\"value\":");
    match &record.value {
        // Where others may write, a value may lie on several lines.
        Value::Json(text) => out.put_slice(&compact(text.clone())),
        binary @ Value::Binary(_) => binary.write_text(out),
    }
    if let Some(at) = record.expires_at {
        out.put_slice(format!(",\"expiresAt\":{at}").as_bytes());
    }
    if let Some(metadata) = &record.metadata {
        out.put_slice(b",\"metadata\":");
        out.put_slice(&compact(metadata.clone()));
    }
    out.put_slice(b"}\n");
}

/// Reads a line, with or without its end.
///
/// # Errors
///
/// `INVALID_ARGUMENT` for what is no object of these fields, `INVALID_KEY` for a string that is no key. The error has
/// the key if the line has one, and never a value.
pub fn read(line: &[u8]) -> Result<Line> {
    let text = std::str::from_utf8(line).map_err(|_| refused("the line is not UTF-8"))?;
    let fields = Fields::read(text)?;
    let key = fields.key.ok_or_else(|| refused("the line has no field key"))?.get();
    if !key.starts_with('"') {
        return Err(refused("the field key must be a string"));
    }
    let Some(key) = unquote(key.as_bytes()) else {
        return Err(Error::new(Code::InvalidKey, "the key has a lone surrogate, which has no UTF-8 form"));
    };
    check_key(&key)?;
    fields.rest(&key).map_err(|error| error.at_key(key.as_bytes())).map(|(value, expires_at, metadata)| Line {
        key,
        value,
        expires_at,
        metadata,
    })
}

fn refused(message: &str) -> Error {
    Error::new(Code::InvalidArgument, message)
}

/// The texts of the fields of a line.
#[derive(Default)]
struct Fields<'a> {
    key: Option<&'a RawValue>,
    value: Option<&'a RawValue>,
    expires_at: Option<&'a RawValue>,
    metadata: Option<&'a RawValue>,
    /// The fault of the fields.
    fault: Option<&'static str>,
}

impl<'a> Fields<'a> {
    fn read(text: &'a str) -> Result<Self> {
        let mut parser = serde_json::Deserializer::from_str(text);
        // The parser's own message quotes the text.
        let fields = parser.deserialize_any(FieldsVisitor).and_then(|fields| parser.end().map(|()| fields));
        let fields = fields.map_err(|error| {
            if error.is_data() {
                refused("the line is not a JSON object")
            } else {
                refused(&format!("the line is not JSON: unexpected text at byte {}", error.column()))
            }
        })?;
        fields.fault.map_or(Ok(fields), |fault| Err(refused(fault)))
    }

    fn rest(&self, key: &str) -> Result<(Value, Option<Millis>, Option<Bytes>)> {
        debug_assert!(!key.is_empty());
        let value = self.value.ok_or_else(|| refused("the line has no field value"))?;
        let value = Value::from_text(compact(bytes_of(value)))?;
        let expires_at = given(self.expires_at).map(expiry).transpose()?;
        Ok((value, expires_at, given(self.metadata).map(|metadata| compact(bytes_of(metadata)))))
    }
}

/// A copy, because a record must not keep the bytes around its line in memory.
fn bytes_of(text: &RawValue) -> Bytes {
    Bytes::copy_from_slice(text.get().as_bytes())
}

/// A field that is null counts as absent.
fn given(field: Option<&RawValue>) -> Option<&RawValue> {
    field.filter(|text| text.get() != "null")
}

/// A moment, as the option `expiresAt` of `set` takes it.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number from 0 to LATEST")]
fn expiry(text: &RawValue) -> Result<Millis> {
    match serde_json::from_str::<f64>(text.get()) {
        Ok(at) => Ok(at.ceil().clamp(0.0, LATEST) as Millis),
        Err(_) => Err(refused("the field expiresAt must be a number")),
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
        let mut fields = Fields::default();
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            let field = match &*name {
                "key" => &mut fields.key,
                "value" => &mut fields.value,
                "expiresAt" => &mut fields.expires_at,
                "metadata" => &mut fields.metadata,
                _ => {
                    fields.fault = Some("the line has a field other than key, value, expiresAt and metadata");
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            if field.replace(map.next_value()?).is_some() {
                fields.fault = Some("the line has a field twice");
            }
        }
        Ok(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::code_of;

    fn line(key: &str, record: &Record) -> String {
        let mut out = BytesMut::new();
        write(key.as_bytes(), record, &mut out);
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn the_lines_are_those_of_the_documentation() {
        let plain = Record::bare(Value::json("{\"name\":\"Ada\"}"), None);
        assert_eq!(line("users/ada", &plain), "{\"key\":\"users/ada\",\"value\":{\"name\":\"Ada\"}}\n");
        let whole = Record {
            metadata: Some(Bytes::from_static(b"{\"by\":[1]}")),
            ..Record::bare(Value::Binary(Bytes::from_static(&[1, 2])), Some(1_790_000_000_000))
        };
        assert_eq!(
            line("a\n\"\u{e9}", &whole),
            "{\"key\":\"a\\n\\\"\u{e9}\",\"value\":{\"$binary\":\"AQI=\"},\"expiresAt\":1790000000000,\
             \"metadata\":{\"by\":[1]}}\n"
        );
    }

    #[test]
    fn a_record_lies_on_one_line_whatever_its_layout() {
        let laid_out = Record {
            metadata: Some(Bytes::from_static(b"[\n  1\n]")),
            ..Record::bare(Value::json("{\r\n  \"a b\": \"c \\n d\"\n}"), None)
        };
        assert_eq!(line("k", &laid_out), "{\"key\":\"k\",\"value\":{\"a b\":\"c \\n d\"},\"metadata\":[1]}\n");
    }

    #[test]
    fn fields_are_read_in_any_order_and_layout() {
        let read =
            read(b" { \"metadata\" : null,\"expiresAt\":1.5,\"v\\u0061lue\": [ 1 ] , \"key\":\"\\u0061\" }\r").unwrap();
        let expected = Line { key: "a".into(), value: Value::json("[1]"), expires_at: Some(2), metadata: None };
        assert_eq!(read, expected);
    }

    #[test]
    fn moments_are_those_that_set_takes() {
        for (text, expiry) in [("-1", Some(0)), ("1e300", Some(8_640_000_000_000_000)), ("null", None)] {
            let line = format!("{{\"key\":\"a\",\"value\":1,\"expiresAt\":{text}}}");
            assert_eq!(read(line.as_bytes()).unwrap().expires_at, expiry, "{text}");
        }
    }

    #[test]
    fn what_is_no_record_is_refused_without_its_text() {
        let long = format!("{{\"key\":\"{}\",\"value\":1}}", "secret".repeat(1000));
        for (text, code, says) in [
            ("secret", Code::InvalidArgument, "not JSON"),
            ("{\"key\":\"a\",\"value\":\"secret}", Code::InvalidArgument, "not JSON"),
            ("{\"key\":\"a\",\"value\":1} secret", Code::InvalidArgument, "not JSON"),
            ("[\"secret\"]", Code::InvalidArgument, "not a JSON object"),
            ("\"secret\"", Code::InvalidArgument, "not a JSON object"),
            ("{}", Code::InvalidArgument, "no field key"),
            ("{\"key\":7,\"value\":1}", Code::InvalidArgument, "must be a string"),
            ("{\"key\":\"a\"}", Code::InvalidArgument, "no field value"),
            ("{\"key\":\"a\",\"value\":1,\"secret\":1}", Code::InvalidArgument, "other than"),
            ("{\"key\":\"a\",\"key\":\"b\",\"value\":1}", Code::InvalidArgument, "twice"),
            ("{\"key\":\"a\",\"value\":1,\"expiresAt\":\"secret\"}", Code::InvalidArgument, "must be a number"),
            ("{\"key\":\"a\",\"value\":1,\"expiresAt\":1e999}", Code::InvalidArgument, "must be a number"),
            ("{\"key\":\"\",\"value\":1}", Code::InvalidKey, "empty"),
            ("{\"key\":\"\\ud800\",\"value\":1}", Code::InvalidKey, "lone surrogate"),
            (&long, Code::InvalidKey, "4096"),
        ] {
            let error = read(text.as_bytes()).unwrap_err();
            assert_eq!(error.code(), code, "{text}");
            assert!(error.message().contains(says), "{error} for {text}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        assert_eq!(code_of(read(b"{\"key\":\"\xff\",\"value\":1}")), Some(Code::InvalidArgument));
    }

    #[test]
    fn a_refusal_has_the_key_that_the_line_has() {
        let error = read(b"{\"key\":\"a\",\"value\":1,\"expiresAt\":true}").unwrap_err();
        assert_eq!(error.key(), Some("a"));
    }

    #[test]
    fn a_value_of_any_depth_is_read_without_the_stack() {
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        let line = format!("{{\"key\":\"a\",\"value\":{deep}}}");
        assert_eq!(read(line.as_bytes()).unwrap().value, Value::json(deep));
    }
}

//! A value as the two columns `type` and `value` of the specification: people can read such a table, and a table that
//! the specification's own code wrote is understood.

use bytes::{BufMut, Bytes, BytesMut};

use super::{Value, json, tag, validate};
use crate::error::{Error, Result};

/// The type of a value as the `type` column of the specification names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean,
    /// A number. The `value` column may hold `NaN`, `Infinity`, `-Infinity` or `-0`.
    Number,
    /// A string, whose `value` column holds the text without quotes and escapes.
    String,
    /// A date, whose `value` column holds the text of `Date.prototype.toISOString`.
    Date,
    /// A Buffer, whose `value` column holds raw bytes or base64.
    Buffer,
    /// Anything else, as JSON text.
    Json,
}

impl Kind {
    /// The name in the `type` column.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Null => "null",
            Kind::Boolean => "boolean",
            Kind::Number => "number",
            Kind::String => "string",
            Kind::Date => "date",
            Kind::Buffer => "buffer",
            Kind::Json => "json",
        }
    }

    /// The type that a column names. The specification reads an unknown name as JSON.
    #[must_use]
    pub fn from_column(text: &str) -> Self {
        match text {
            "null" => Kind::Null,
            "boolean" => Kind::Boolean,
            "number" => Kind::Number,
            "string" => Kind::String,
            "date" => Kind::Date,
            "buffer" => Kind::Buffer,
            _ => Kind::Json,
        }
    }
}

impl Value {
    /// The `type` and `value` columns. A Buffer becomes its raw bytes.
    #[must_use]
    pub fn to_column(&self) -> (Kind, Bytes) {
        let text = match self {
            Value::Binary(bytes) => return (Kind::Buffer, bytes.clone()),
            Value::Json(text) => text,
        };
        match text.first() {
            // The text of another program may end in spaces, which these two types do not allow.
            Some(b'n') => (Kind::Null, text.slice_ref(text.trim_ascii_end())),
            Some(b't' | b'f') => (Kind::Boolean, text.slice_ref(text.trim_ascii_end())),
            Some(b'-' | b'0'..=b'9') => (Kind::Number, text.clone()),
            Some(b'"') => match plain_string(text) {
                Some(string) => (Kind::String, string),
                None => (Kind::Json, text.clone()),
            },
            Some(b'{') => match tag::date(text) {
                Some(iso) => (Kind::Date, text.slice_ref(iso.as_bytes())),
                None => match tag::number(text) {
                    Some(_) => (Kind::Number, Bytes::from(special_number(text))),
                    None => (Kind::Json, text.clone()),
                },
            },
            _ => (Kind::Json, text.clone()),
        }
    }

    /// The value of the two columns. A Buffer is base64.
    ///
    /// # Errors
    ///
    /// `CORRUPTED` if the text is not of the type.
    pub fn from_column(kind: Kind, text: Bytes) -> Result<Self> {
        let misfit = || Error::corrupted(format!("the value is not a {}", kind.as_str()));
        match kind {
            Kind::Json => Value::from_text(text),
            Kind::Null if text.as_ref() == b"null" => Ok(Value::Json(text)),
            Kind::Boolean if text.as_ref() == b"true" || text.as_ref() == b"false" => Ok(Value::Json(text)),
            Kind::Null | Kind::Boolean => Err(misfit()),
            // A number keeps its digits. JavaScript reads the JSON number -0 as 0, so that one becomes a tag.
            Kind::Number if text.as_ref() != b"-0" && is_json_number(&text) => Ok(Value::Json(text)),
            Kind::Number => {
                let number = std::str::from_utf8(&text).ok().and_then(|text| text.trim().parse::<f64>().ok());
                number.map(Value::from_number).ok_or_else(misfit)
            }
            Kind::String => {
                let string = std::str::from_utf8(&text).map_err(|_| misfit())?;
                let mut quoted = BytesMut::with_capacity(string.len() + 2);
                json::quote_into(string, &mut quoted);
                Ok(Value::Json(quoted.freeze()))
            }
            Kind::Date => {
                let mut tagged = BytesMut::with_capacity(text.len() + 12);
                tagged.put_slice(b"{\"$date\":\"");
                tagged.put_slice(&text);
                tagged.put_slice(b"\"}");
                let tagged = tagged.freeze();
                tag::date(&tagged).ok_or_else(misfit)?;
                Ok(Value::Json(tagged))
            }
            Kind::Buffer => tag::decode_base64(&text).map(|bytes| Value::Binary(bytes.into())).ok_or_else(misfit),
        }
    }
}

/// The text of a JSON string. A string without escapes is not copied.
fn plain_string(text: &Bytes) -> Option<Bytes> {
    let inside = text.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if memchr::memchr(b'\\', inside).is_none() {
        return Some(text.slice_ref(inside));
    }
    json::unquote(text).map(Bytes::from)
}

fn is_json_number(text: &[u8]) -> bool {
    matches!(text.first(), Some(b'-' | b'0'..=b'9')) && validate(text).is_ok()
}

fn special_number(text: &[u8]) -> &'static [u8] {
    match tag::number(text) {
        Some(number) if number.is_nan() => b"NaN",
        Some(0.0) => b"-0",
        Some(number) if number > 0.0 => b"Infinity",
        _ => b"-Infinity",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_comes_back_from_its_columns() {
        for (text, kind, column) in [
            ("null", Kind::Null, "null"),
            ("true", Kind::Boolean, "true"),
            ("1.5", Kind::Number, "1.5"),
            ("{\"$number\":\"NaN\"}", Kind::Number, "NaN"),
            ("{\"$number\":\"-0\"}", Kind::Number, "-0"),
            ("{\"$number\":\"-Infinity\"}", Kind::Number, "-Infinity"),
            ("\"a\\n\\\"b\"", Kind::String, "a\n\"b"),
            ("\"plain\"", Kind::String, "plain"),
            ("\"\"", Kind::String, ""),
            ("\"\\ud800\"", Kind::Json, "\"\\ud800\""),
            ("{\"$date\":\"2026-01-02T03:04:05.678Z\"}", Kind::Date, "2026-01-02T03:04:05.678Z"),
            ("{\"a\":1}", Kind::Json, "{\"a\":1}"),
            ("{\"$bigint\":\"1\"}", Kind::Json, "{\"$bigint\":\"1\"}"),
        ] {
            let value = Value::json(text);
            let (found, stored) = value.to_column();
            assert_eq!((found, stored.as_ref()), (kind, column.as_bytes()), "{text}");
            assert_eq!(Value::from_column(kind, stored).unwrap(), value, "{text}");
        }
    }

    #[test]
    fn text_that_another_program_ended_in_spaces_comes_back_as_its_value() {
        for (text, value) in [("null\n", "null"), ("true \r\n", "true"), ("false\t", "false")] {
            let (kind, column) = Value::from_text(text.into()).unwrap().to_column();
            assert_eq!(Value::from_column(kind, column).unwrap(), Value::json(value));
        }
    }

    #[test]
    fn a_row_of_the_specifications_own_code_is_understood() {
        let read = |kind, text: &'static str| Value::from_column(kind, text.into());
        assert_eq!(read(Kind::Buffer, "AQI=").unwrap(), Value::Binary(Bytes::from_static(&[1, 2])));
        assert_eq!(read(Kind::Number, "Infinity").unwrap(), Value::from_number(f64::INFINITY));
        for (kind, text) in [
            (Kind::Null, "0"),
            (Kind::Boolean, "1"),
            (Kind::Number, "x"),
            (Kind::Date, "today"),
            (Kind::Json, "{"),
            (Kind::Buffer, "*"),
        ] {
            assert!(read(kind, text).is_err(), "{kind:?} {text}");
        }
    }
}

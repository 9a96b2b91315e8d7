//! Values: one JSON text for every type, or raw bytes for a Buffer that is a whole value.
//!
//! A type that JSON does not have is an object with one key, a tag, such as `{"$date":"2026-01-02T03:04:05.678Z"}`.
//! `docs/formats/value.md` describes the tags.

mod column;
mod json;
mod tag;
mod validate;

use bytes::{BufMut, Bytes, BytesMut};

pub use column::Kind;
pub use json::{compact, indent, quote_into, unquote};
pub use tag::{decode_base64, encode_base64};
pub use validate::validate;

/// A value as every engine stores it.
///
/// # Examples
///
/// ```
/// use holdfast_core::Value;
///
/// let value = Value::from_text(r#"{"$binary":"AQI="}"#.into())?;
/// assert_eq!(value, Value::Binary(vec![1, 2].into()));
/// assert!(Value::from_text("{".into()).is_err());
/// assert_eq!(Value::from_number(0.5), Value::json("0.5"));
/// # Ok::<(), holdfast_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Well-formed JSON text in UTF-8. An engine whose files others may write checks the text as it reads it.
    Json(Bytes),
    /// The bytes of a Buffer that is a whole value. A Buffer inside a value is a tag of the JSON text.
    Binary(Bytes),
}

impl Value {
    /// A value from text that the library made itself, so that it is known to be well-formed JSON.
    #[must_use]
    pub fn json(text: impl Into<Bytes>) -> Self {
        Value::Json(text.into())
    }

    /// A value from text that another program may have written.
    ///
    /// A text that is one `{"$binary": …}` tag becomes [`Value::Binary`]: a Buffer reads the same from an engine that
    /// stores it raw and from one that stores it as text.
    ///
    /// # Errors
    ///
    /// `CORRUPTED` unless the text is well-formed JSON.
    pub fn from_text(text: Bytes) -> crate::Result<Self> {
        validate(&text)?;
        Ok(match tag::top_level_binary(&text) {
            Some(bytes) => Value::Binary(bytes.into()),
            None => Value::Json(text),
        })
    }

    /// The JSON text. A Buffer becomes a `{"$binary": …}` tag.
    #[must_use]
    pub fn to_text(&self) -> Bytes {
        match self {
            Value::Json(text) => text.clone(),
            Value::Binary(bytes) => {
                let mut text = BytesMut::new();
                tag::write_binary(bytes, &mut text);
                text.freeze()
            }
        }
    }

    /// Appends the [text](Value::to_text) to `out`.
    pub fn write_text(&self, out: &mut impl BufMut) {
        match self {
            Value::Json(text) => out.put_slice(text),
            Value::Binary(bytes) => tag::write_binary(bytes, out),
        }
    }

    /// The size of the JSON text or of the Buffer, in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Value::Json(bytes) | Value::Binary(bytes) => bytes.len(),
        }
    }

    /// A value that shares no bytes with this one, so that it does not keep a larger buffer alive.
    #[must_use]
    pub fn copied(&self) -> Self {
        match self {
            Value::Json(text) => Value::Json(Bytes::copy_from_slice(text)),
            Value::Binary(bytes) => Value::Binary(Bytes::copy_from_slice(bytes)),
        }
    }

    /// True for an empty Buffer. A JSON text is never empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number, if the value is one: a JSON number or a `$number` tag.
    #[must_use]
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Value::Json(text) => tag::number(text),
            Value::Binary(_) => None,
        }
    }

    /// The value of a JavaScript number. NaN, the infinities and -0 become `$number` tags.
    #[must_use]
    pub fn from_number(number: f64) -> Self {
        Value::Json(tag::number_text(number).into())
    }
}

//! The document value: one JSON text for every type, or raw bytes for a top-level Buffer.
//!
//! `docs/formats/value.md` describes the tags (`{"$date": …}`) that carry what JSON cannot.

mod column;
mod json;
mod tag;

use bytes::{BufMut, Bytes, BytesMut};

pub use column::Kind;
pub use json::{indent, quote_into, unquote, validate};
pub use tag::{decode_base64, encode_base64};

/// A value as every engine stores it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Well-formed JSON text in UTF-8. Engines whose files others may write check it on reading.
    Json(Bytes),
    /// A top-level Buffer.
    Binary(Bytes),
}

impl Value {
    /// Text of our own making, known to be well-formed JSON.
    #[must_use]
    pub fn json(text: impl Into<Bytes>) -> Self {
        Value::Json(text.into())
    }

    /// Text that another program may have written: CORRUPTED unless it is well-formed JSON.
    ///
    /// A lone `{"$binary": …}` becomes [`Value::Binary`], so that a Buffer reads the same
    /// whether the engine kept it raw or as text.
    pub fn from_text(text: Bytes) -> crate::Result<Self> {
        validate(&text)?;
        Ok(match tag::top_level_binary(&text) {
            Some(bytes) => Value::Binary(bytes.into()),
            None => Value::Json(text),
        })
    }

    /// The JSON text, a Buffer as its `{"$binary": …}` tag.
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

    /// Appends the JSON text to `out`.
    pub fn write_text(&self, out: &mut impl BufMut) {
        match self {
            Value::Json(text) => out.put_slice(text),
            Value::Binary(bytes) => tag::write_binary(bytes, out),
        }
    }

    /// The stored size in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Value::Json(bytes) | Value::Binary(bytes) => bytes.len(),
        }
    }

    /// The same with bytes of its own, for what outlives the call or the page it came with.
    #[must_use]
    pub fn copied(&self) -> Self {
        match self {
            Value::Json(text) => Value::Json(Bytes::copy_from_slice(text)),
            Value::Binary(bytes) => Value::Binary(Bytes::copy_from_slice(bytes)),
        }
    }

    /// True for an empty Buffer; a JSON text is never empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number this value is, if it is one.
    #[must_use]
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Value::Json(text) => tag::number(text),
            Value::Binary(_) => None,
        }
    }

    /// The value of a JavaScript number, NaN, the infinities and -0 as their tags.
    #[must_use]
    pub fn from_number(number: f64) -> Self {
        Value::Json(tag::number_text(number).into())
    }
}

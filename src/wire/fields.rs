//! The fields of a request.

use bytes::Bytes;
use holdfast_core::error::{Code, Error, Result};
use holdfast_core::key::Key;
use holdfast_core::record::Millis;

/// The error for a request that the facade cannot have written.
pub(super) fn malformed() -> Error {
    Error::new(Code::InvalidArgument, "the facade sent a malformed request")
}

/// The fields of a request. A NUL ends each of them.
pub(super) struct Fields<'a> {
    pub rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) fn new(text: &'a Bytes) -> Self {
        Fields { rest: text }
    }

    pub(super) fn take(&mut self) -> Result<&'a [u8]> {
        let end = memchr::memchr(0, self.rest).ok_or_else(malformed)?;
        let (field, rest) = self.rest.split_at(end);
        self.rest = rest.get(1..).unwrap_or_default();
        Ok(field)
    }

    /// A key, in which `\x01` and `0` or `1` stand for a NUL or a `\x01`.
    pub(super) fn key(&mut self) -> Result<Key> {
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

    /// A copy of a field, because a value must not keep the whole request in memory.
    pub(super) fn bytes(&mut self) -> Result<Bytes> {
        Ok(Bytes::copy_from_slice(self.take()?))
    }

    pub(super) fn text(&mut self) -> Result<&'a str> {
        std::str::from_utf8(self.take()?).map_err(|_| malformed())
    }
}

/// Keys. A NUL ends each of them.
pub(crate) fn keys(text: &Bytes) -> Result<Vec<Key>> {
    let mut fields = Fields::new(text);
    let mut keys = Vec::new();
    while !fields.rest.is_empty() {
        keys.push(fields.key()?);
    }
    Ok(keys)
}

/// A JavaScript time. Times before 1970 become 0.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
pub(crate) fn millis(number: f64) -> Millis {
    number.max(0.0) as Millis
}

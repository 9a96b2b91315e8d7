//! The content of a record's file: indented JSON in the encoding of the options.

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::value::{self, Value};

/// The encoding of the text of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Encoding {
    /// UTF-8. It is written without a byte order mark, and read with or without one.
    #[default]
    Utf8,
    /// UTF-16 with the low byte first. It is written without a byte order mark, and read with or without one.
    Utf16Le,
}

/// The bytes of a file that holds `value`.
#[must_use]
pub fn encode(value: &Value, encoding: Encoding) -> Vec<u8> {
    let text = value::indent(&value.to_text());
    match encoding {
        Encoding::Utf8 => text,
        Encoding::Utf16Le => String::from_utf8_lossy(&text).encode_utf16().flat_map(u16::to_le_bytes).collect(),
    }
}

/// The value that the bytes of a file hold, as compact text.
///
/// # Errors
///
/// `CORRUPTED` if they hold none.
pub fn decode(bytes: Vec<u8>, encoding: Encoding) -> Result<Value> {
    if bytes.is_empty() {
        return Err(Error::corrupted("the file is empty, as a power loss leaves one"));
    }
    let text = match encoding {
        _ if bytes.starts_with(&[0xff, 0xfe]) => from_utf16(bytes.get(2..).unwrap_or_default())?,
        Encoding::Utf16Le => from_utf16(&bytes)?,
        Encoding::Utf8 if bytes.starts_with(&[0xef, 0xbb, 0xbf]) => bytes.get(3..).unwrap_or_default().to_vec(),
        Encoding::Utf8 => bytes,
    };
    Ok(match Value::from_text(Bytes::from(text))? {
        Value::Json(text) => Value::Json(value::compact(text)),
        Value::Binary(bytes) => Value::Binary(bytes),
    })
}

fn from_utf16(bytes: &[u8]) -> Result<Vec<u8>> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let text = char::decode_utf16(pairs.iter().map(|pair| u16::from_le_bytes(*pair))).collect::<Result<String, _>>();
    match text {
        Ok(text) if rest.is_empty() => Ok(text.into_bytes()),
        _ => Err(Error::corrupted("the file is not UTF-16LE text; does the encoding option fit?")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_comes_back_in_either_encoding() {
        for text in ["null", "\"a \\\" \\\\\"", "{\"a b\":[1,2,{\"c\":\" x \"}],\"\u{e9}\u{1f600}\":{}}", "[]"] {
            for encoding in [Encoding::Utf8, Encoding::Utf16Le] {
                let value = Value::json(text);
                assert_eq!(decode(encode(&value, encoding), encoding).unwrap(), value, "{text}");
            }
        }
        let binary = Value::Binary(Bytes::from_static(&[0, 255]));
        assert_eq!(decode(encode(&binary, Encoding::Utf8), Encoding::Utf8).unwrap(), binary);
    }

    #[test]
    fn the_file_is_two_space_indented_json() {
        assert_eq!(encode(&Value::json("{\"a\":[1]}"), Encoding::Utf8), b"{\n  \"a\": [\n    1\n  ]\n}");
        assert_eq!(encode(&Value::json("1"), Encoding::Utf16Le), b"1\0");
    }

    #[test]
    fn a_byte_order_mark_and_any_layout_are_read() {
        for bytes in [&b"\xff\xfe1\0"[..], b"\xef\xbb\xbf1", b" 1\r\n"] {
            assert_eq!(decode(bytes.to_vec(), Encoding::Utf8).unwrap(), Value::json("1"));
        }
    }

    #[test]
    fn what_is_no_value_is_corrupted() {
        for (bytes, encoding) in [
            (&b""[..], Encoding::Utf8),
            (b"{", Encoding::Utf8),
            (b"\0\0\0", Encoding::Utf8),
            (b"1\0 ", Encoding::Utf16Le),
            (b"\0\xd8", Encoding::Utf16Le),
            (b"\xff\xfe", Encoding::Utf8),
        ] {
            let error = decode(bytes.to_vec(), encoding).unwrap_err();
            assert_eq!(error.code(), crate::Code::Corrupted);
        }
    }
}

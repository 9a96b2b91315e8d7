//! The tags that Rust reads itself: `$binary`, `$date`, `$number`. An object is a tag only in its exact shape: one key,
//! and a value of the right type.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::BufMut;

/// Standard base64 with padding (RFC 4648, section 4).
#[must_use]
pub fn encode_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The bytes of standard base64 with padding; `None` for another text.
#[must_use]
pub fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// Appends `{"$binary":"…"}`.
pub(super) fn write_binary(bytes: &[u8], out: &mut impl BufMut) {
    out.put_slice(b"{\"$binary\":\"");
    out.put_slice(STANDARD.encode(bytes).as_bytes());
    out.put_slice(b"\"}");
}

/// The bytes of a text that is one `{"$binary": …}` tag.
pub(super) fn top_level_binary(text: &[u8]) -> Option<Vec<u8>> {
    decode_base64(tag_content(text, b"$binary")?)
}

/// The ISO date of a text that is one `{"$date": …}` tag.
pub(super) fn date(text: &[u8]) -> Option<&str> {
    let iso = std::str::from_utf8(tag_content(text, b"$date")?).ok()?;
    is_iso_date(iso).then_some(iso)
}

/// True for the shape that `Date.prototype.toISOString` gives. Whether the day exists is left to JavaScript.
fn is_iso_date(text: &str) -> bool {
    let year = match text.as_bytes().first() {
        Some(b'+' | b'-') => 7,
        _ => 4,
    };
    let rest = b"-dd-ddTdd:dd:dd.dddZ";
    let bytes = text.as_bytes();
    bytes.len() == year + rest.len()
        && bytes.iter().take(year).skip(usize::from(year == 7)).all(u8::is_ascii_digit)
        && bytes.iter().skip(year).zip(rest).all(|(byte, shape)| match shape {
            b'd' => byte.is_ascii_digit(),
            shape => byte == shape,
        })
}

/// The number of a JSON text that is a number or a `$number` tag.
pub(super) fn number(text: &[u8]) -> Option<f64> {
    let trimmed = text.trim_ascii();
    match trimmed.first()? {
        b'-' | b'0'..=b'9' => std::str::from_utf8(trimmed).ok()?.parse().ok(),
        _ => match tag_content(trimmed, b"$number")? {
            b"NaN" => Some(f64::NAN),
            b"Infinity" => Some(f64::INFINITY),
            b"-Infinity" => Some(f64::NEG_INFINITY),
            b"-0" => Some(-0.0),
            _ => None,
        },
    }
}

/// The text of a number, as JavaScript prints it, or its tag.
pub(super) fn number_text(number: f64) -> String {
    if number.is_nan() {
        r#"{"$number":"NaN"}"#.into()
    } else if number.is_infinite() {
        if number > 0.0 { r#"{"$number":"Infinity"}"# } else { r#"{"$number":"-Infinity"}"# }.into()
    } else if number == 0.0 {
        if number.is_sign_negative() { r#"{"$number":"-0"}"# } else { "0" }.into()
    } else if number.abs() >= 1e21 || number.abs() < 1e-6 {
        // Rust prints the shortest digits, too. Only the sign of the exponent differs.
        let text = format!("{number:e}");
        match text.split_once('e') {
            Some((digits, exponent)) if !exponent.starts_with('-') => format!("{digits}e+{exponent}"),
            _ => text,
        }
    } else {
        format!("{number}")
    }
}

/// The content of the string in `{"name":"content"}`, if it has no escapes. Spaces are allowed between tokens.
fn tag_content<'a>(text: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let inside = text.trim_ascii().strip_prefix(b"{")?.strip_suffix(b"}")?.trim_ascii();
    let after_name = inside.strip_prefix(b"\"")?.strip_prefix(name)?.strip_prefix(b"\"")?;
    let value = after_name.trim_ascii_start().strip_prefix(b":")?.trim_ascii();
    let content = value.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    (memchr::memchr2(b'"', b'\\', content).is_none()).then_some(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_counts_only_in_its_exact_shape() {
        assert_eq!(top_level_binary(b"{ \"$binary\" : \"AQI=\" }"), Some(vec![1, 2]));
        for other in [
            "{\"$binary\":\"AQI\"}",
            "{\"$binary\":1}",
            "{\"$binary\":\"\",\"a\":\"\"}",
            "[]",
            "{\"$binary\":\"AQI=\"",
            "{}",
        ] {
            assert_eq!(top_level_binary(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn dates_have_the_shape_of_to_iso_string() {
        assert!(date(b"{\"$date\":\"2026-01-02T03:04:05.678Z\"}").is_some());
        assert!(date(b"{\"$date\":\"-271821-04-20T00:00:00.000Z\"}").is_some());
        assert!(date(b"{\"$date\":\"2026-01-02\"}").is_none());
    }

    #[test]
    fn numbers_print_as_javascript_prints_them() {
        for (number, text) in [
            (0.0, "0"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1e21, "1e+21"),
            (123_456_789_012_345_680_000.0, "123456789012345680000"),
            (1e-7, "1e-7"),
            (1.5e-9, "1.5e-9"),
            (0.000_001, "0.000001"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (-0.0, "{\"$number\":\"-0\"}"),
            (f64::INFINITY, "{\"$number\":\"Infinity\"}"),
        ] {
            assert_eq!(number_text(number), text);
            assert_eq!(super::number(text.as_bytes()).map(f64::to_bits), Some(number.to_bits()));
        }
        assert!(super::number(b"{\"$number\":\"NaN\"}").is_some_and(f64::is_nan));
        assert_eq!(super::number(b"\"1\""), None);
        assert_eq!(super::number(b"{\"$number\":\"1\"}"), None);
    }
}

//! Values as JSON text and as columns.

use bytes::Bytes;
use holdfast_core::Value;
use holdfast_core::value::{Kind, decode_base64, encode_base64, indent, quote_into, unquote, validate};

const KINDS: [Kind; 7] = [Kind::Null, Kind::Boolean, Kind::Number, Kind::String, Kind::Date, Kind::Buffer, Kind::Json];

/// Any bytes as the text of a value: another parser agrees whether it is well-formed, and no form of it loses anything.
pub fn value(bytes: &[u8]) {
    let laid_out = indent(bytes);
    assert_eq!(decode_base64(encode_base64(bytes).as_bytes()).as_deref(), Some(bytes));
    let Ok(text) = std::str::from_utf8(bytes) else {
        assert!(validate(bytes).is_err());
        return;
    };
    let mut quoted = Vec::new();
    quote_into(text, &mut quoted);
    assert_eq!(unquote(&quoted).as_deref(), Some(text));

    let well_formed = validate(bytes).is_ok();
    assert_eq!(well_formed, serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok());
    let read = Value::from_text(Bytes::copy_from_slice(bytes));
    assert_eq!(read.is_ok(), well_formed);
    let Ok(read) = read else { return };
    assert!(validate(&laid_out).is_ok());
    assert_eq!(indent(&laid_out), laid_out);
    assert_eq!(Value::from_text(read.to_text()).unwrap(), read);

    let (kind, stored) = read.to_column();
    assert_eq!(Kind::from_column(kind.as_str()), kind);
    let back = match &read {
        // SQLite stores a Buffer as a blob, so nothing reads its column as text.
        Value::Binary(_) => Value::Binary(stored),
        Value::Json(_) => Value::from_column(kind, stored).unwrap(),
    };
    assert!(same(&read, &back), "{read:?} came back as {back:?}");
    if let Some(number) = read.as_number() {
        let back = Value::from_number(number).as_number().unwrap();
        assert!(number.to_bits() == back.to_bits() || number.is_nan() && back.is_nan());
    }
}

/// Any bytes in the `value` column beside any type: `CORRUPTED`, or a well-formed value whose own columns give it
/// again.
pub fn column(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    let kind = KINDS[usize::from(*first) % KINDS.len()];
    let Ok(read) = Value::from_column(kind, Bytes::copy_from_slice(rest)) else { return };
    validate(&read.to_text()).unwrap();
    let Value::Json(_) = &read else { return };
    let (kind, stored) = read.to_column();
    let back = Value::from_column(kind, stored).unwrap();
    assert!(same(&read, &back), "{read:?} came back as {back:?}");
}

/// True for the same value, in any layout, with any escapes and any digits.
fn same(a: &Value, b: &Value) -> bool {
    if let (Some(a), Some(b)) = (a.as_number(), b.as_number()) {
        return a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
    }
    let (a, b) = (a.to_text(), b.to_text());
    match (unquote(&a), unquote(&b)) {
        (Some(a), Some(b)) => a == b,
        _ => indent(&a) == indent(&b),
    }
}

//! The layout of JSON text: indents and quotes it without a tree.

use bytes::{BufMut, Bytes};

/// Lays out well-formed JSON as `JSON.stringify(value, null, 2)` does.
#[must_use]
pub fn indent(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + text.len() / 4);
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if in_string {
            out.push(byte);
            match byte {
                b'\\' => out.extend(bytes.next()),
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b' ' | b'\n' | b'\r' | b'\t' => {}
            b'"' => {
                in_string = true;
                out.push(byte);
            }
            b'{' | b'[' => {
                out.push(byte);
                while bytes.next_if(|next| matches!(next, b' ' | b'\n' | b'\r' | b'\t')).is_some() {}
                if let Some(close) = bytes.next_if(|next| matches!(next, b'}' | b']')) {
                    out.push(close);
                } else {
                    depth += 1;
                    new_line(&mut out, depth);
                }
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut out, depth);
                out.push(byte);
            }
            b',' => {
                out.push(byte);
                new_line(&mut out, depth);
            }
            b':' => out.extend_from_slice(b": "),
            _ => out.push(byte),
        }
    }
    out
}

/// Well-formed JSON without white space between its tokens: on one line, and the same for every layout.
#[must_use]
pub fn compact(text: Bytes) -> Bytes {
    if !text.iter().any(u8::is_ascii_whitespace) {
        return text;
    }
    let mut out = Vec::with_capacity(text.len());
    let mut in_string = false;
    let mut escaped = false;
    for byte in text {
        if in_string {
            out.push(byte);
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
        } else if !byte.is_ascii_whitespace() {
            in_string = byte == b'"';
            out.push(byte);
        }
    }
    out.into()
}

fn new_line(out: &mut Vec<u8>, depth: usize) {
    out.push(b'\n');
    out.resize(out.len() + 2 * depth, b' ');
}

/// Appends `text` as a JSON string.
pub fn quote_into(text: &str, out: &mut impl BufMut) {
    out.put_u8(b'"');
    let mut plain = text.as_bytes();
    while let Some(at) = plain.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)) {
        let (head, tail) = plain.split_at(at);
        out.put_slice(head);
        let Some((&byte, rest)) = tail.split_first() else { break };
        match byte {
            b'"' => out.put_slice(b"\\\""),
            b'\\' => out.put_slice(b"\\\\"),
            b'\n' => out.put_slice(b"\\n"),
            b'\r' => out.put_slice(b"\\r"),
            b'\t' => out.put_slice(b"\\t"),
            0x08 => out.put_slice(b"\\b"),
            0x0c => out.put_slice(b"\\f"),
            byte => out.put_slice(format!("\\u{byte:04x}").as_bytes()),
        }
        plain = rest;
    }
    out.put_slice(plain);
    out.put_u8(b'"');
}

/// The text of a JSON string. `None` for another value, and for a string with a lone surrogate, which UTF-8 does not
/// have.
#[must_use]
pub fn unquote(json: &[u8]) -> Option<String> {
    serde_json::from_slice(json).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tree() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            ".*".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                prop::collection::btree_map(".*", inner, 0..4)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn indenting_is_that_of_the_reference(tree in tree()) {
            let text = tree.to_string();
            let expected = serde_json::to_string_pretty(&tree).unwrap();
            prop_assert_eq!(String::from_utf8(indent(text.as_bytes())).unwrap(), expected.clone());
            prop_assert_eq!(String::from_utf8(indent(expected.as_bytes())).unwrap(), expected.clone());
            prop_assert_eq!(String::from_utf8(compact(expected.into()).to_vec()).unwrap(), text);
        }

        #[test]
        fn quoting_round_trips(text in any::<String>()) {
            let mut json = Vec::new();
            quote_into(&text, &mut json);
            let expected = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(expected.as_bytes(), &json[..]);
            prop_assert_eq!(unquote(&json), Some(text));
        }

        #[test]
        fn no_bytes_make_the_layout_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = indent(&bytes);
        }
    }
}

//! JSON as text: checking, indenting and quoting without ever building a tree or recursing.
//!
//! Source: RFC 8259.

use bytes::BufMut;

use crate::error::{Error, Result};

/// Checks that `text` is one well-formed JSON value in UTF-8, else CORRUPTED with the offset.
pub fn validate(text: &[u8]) -> Result<()> {
    if std::str::from_utf8(text).is_err() {
        return Err(Error::corrupted("the value is not UTF-8 text"));
    }
    let mut scanner = Scanner { text, at: 0, nesting: Vec::new() };
    match scanner.value() {
        Some(()) => Ok(()),
        None => Err(Error::corrupted(format!("the value is not JSON: unexpected text at byte {}", scanner.at))),
    }
}

/// What encloses the scanner's position.
#[derive(Clone, Copy, PartialEq)]
enum Nest {
    Array,
    Object,
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    nesting: Vec<Nest>,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn accept(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.accept(byte).then_some(())
    }

    /// The whole text: one value, its nesting kept in a list instead of on the stack.
    fn value(&mut self) -> Option<()> {
        loop {
            self.space();
            let opened = match self.peek()? {
                b'{' => self.open(Nest::Object, b'}')?,
                b'[' => self.open(Nest::Array, b']')?,
                _ => {
                    self.scalar()?;
                    false
                }
            };
            if opened {
                continue;
            }
            if !self.after_value()? {
                return (self.at == self.text.len()).then_some(());
            }
        }
    }

    /// Enters an array or object; false if it was empty and is over already.
    fn open(&mut self, nest: Nest, close: u8) -> Option<bool> {
        self.at += 1;
        self.space();
        if self.accept(close) {
            return Some(false);
        }
        self.nesting.push(nest);
        if nest == Nest::Object {
            self.name()?;
        }
        Some(true)
    }

    fn name(&mut self) -> Option<()> {
        self.space();
        self.string()?;
        self.space();
        self.expect(b':')
    }

    /// Moves over what follows a value; true if another value must come.
    fn after_value(&mut self) -> Option<bool> {
        loop {
            self.space();
            match self.nesting.last() {
                None => return Some(false),
                Some(Nest::Array) => {
                    if self.accept(b',') {
                        return Some(true);
                    }
                    self.expect(b']')?;
                }
                Some(Nest::Object) => {
                    if self.accept(b',') {
                        self.name()?;
                        return Some(true);
                    }
                    self.expect(b'}')?;
                }
            }
            self.nesting.pop();
        }
    }

    fn scalar(&mut self) -> Option<()> {
        match self.peek()? {
            b'"' => self.string(),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => self.number(),
        }
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        let found = self.text.get(self.at..)?.starts_with(word);
        self.at += if found { word.len() } else { 0 };
        found.then_some(())
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    fn number(&mut self) -> Option<()> {
        self.accept(b'-');
        if !self.accept(b'0') {
            self.digits()?;
        }
        if self.accept(b'.') {
            self.digits()?;
        }
        if self.accept(b'e') || self.accept(b'E') {
            if !self.accept(b'+') {
                self.accept(b'-');
            }
            self.digits()?;
        }
        Some(())
    }

    fn string(&mut self) -> Option<()> {
        self.expect(b'"')?;
        loop {
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Some(());
                }
                b'\\' => {
                    self.at += 1;
                    match self.peek()? {
                        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.at += 1,
                        b'u' => {
                            let digits = self.text.get(self.at + 1..self.at + 5)?;
                            if !digits.iter().all(u8::is_ascii_hexdigit) {
                                return None;
                            }
                            self.at += 5;
                        }
                        _ => return None,
                    }
                }
                0..=0x1f => return None,
                _ => self.at += 1,
            }
        }
    }
}

/// Lays `text`, well-formed JSON, out as `JSON.stringify(value, null, 2)` does.
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

/// The text of a JSON string, or `None` if it is none or holds a lone surrogate, which UTF-8 cannot.
#[must_use]
pub fn unquote(json: &[u8]) -> Option<String> {
    serde_json::from_slice(json).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn validity_is_that_of_rfc_8259() {
        for good in
            ["0", "-0", "1.5e+3", "\"\\u12aF\"", " [ ] ", "{\"a\":[1,{\"b\":null}]}", "[[],{}]", "true", "\"\\ud800\""]
        {
            assert!(validate(good.as_bytes()).is_ok(), "{good}");
        }
        for bad in [
            "",
            " ",
            "01",
            "1.",
            ".5",
            "+1",
            "1e",
            "nul",
            "[1,]",
            "{\"a\"}",
            "{\"a\":1,}",
            "{a:1}",
            "[1 2]",
            "1 2",
            "\"\t\"",
            "\"\\x\"",
            "\"",
            "]",
            "[}",
            "{\"a\":1]",
            "NaN",
        ] {
            assert!(validate(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(validate(b"\"\xff\"").is_err());
    }

    #[test]
    fn nesting_of_any_depth_is_checked_without_the_stack() {
        let deep = "[".repeat(1_000_000) + &"]".repeat(1_000_000);
        assert!(validate(deep.as_bytes()).is_ok());
        assert!(validate(&deep.as_bytes()[1..]).is_err());
    }

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
            prop_assert_eq!(String::from_utf8(indent(expected.as_bytes())).unwrap(), expected);
        }

        #[test]
        fn validity_agrees_with_the_reference_parser(text in "[\\[\\]{}:,\"\\\\u0-9a-f.eE+ntrl \\-]{0,24}") {
            let reference = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
            prop_assert_eq!(validate(text.as_bytes()).is_ok(), reference, "{}", text);
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
        fn no_bytes_make_the_checker_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = validate(&bytes);
            let _ = indent(&bytes);
        }
    }
}

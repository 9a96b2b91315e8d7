//! The check of JSON text, without a tree and without recursion.
//!
//! Source: RFC 8259.

use crate::error::{Error, Result};

/// Checks that `text` is one well-formed JSON value in UTF-8. It may be nested to any depth.
///
/// # Errors
///
/// `CORRUPTED` if it is not. The message names the byte.
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

/// The kind of the array or object around the scanner's position.
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

    /// Reads the whole text as one value. A list holds its nesting, not the stack.
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

    /// Enters an array or object. False if it is empty, so that it is over already.
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

    /// Moves over the tokens behind a value. True if another value must come.
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

    proptest! {
        #[test]
        fn validity_agrees_with_the_reference_parser(text in "[\\[\\]{}:,\"\\\\u0-9a-f.eE+ntrl \\-]{0,24}") {
            let reference = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
            prop_assert_eq!(validate(text.as_bytes()).is_ok(), reference, "{}", text);
        }

        #[test]
        fn no_bytes_make_the_check_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = validate(&bytes);
        }
    }
}

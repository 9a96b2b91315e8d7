//! Cuts chunks of any size into lines, in bounded memory.

use bytes::{Buf as _, Bytes, BytesMut};

/// The lines of a stream.
pub(super) struct Lines {
    /// The rest of the latest chunk.
    rest: Bytes,
    /// The beginning of a line whose end has not come yet.
    held: BytesMut,
    /// The line grew too long. The rest of it is passed over.
    passing: bool,
    /// The number of the latest line, from 1 on.
    number: u64,
    max_bytes: usize,
}

/// A line without its newline.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Line(Bytes),
    TooLong,
}

impl Lines {
    /// A line longer than `max_bytes` is not held.
    pub(super) fn new(max_bytes: usize) -> Self {
        Lines { rest: Bytes::new(), held: BytesMut::new(), passing: false, number: 0, max_bytes }
    }

    /// Takes a chunk. The lines of the chunk before have been taken.
    pub(super) fn feed(&mut self, chunk: Bytes) {
        self.rest = chunk;
    }

    /// The next line that is complete, and its number.
    pub(super) fn next(&mut self) -> Option<(u64, Found)> {
        let Some(end) = memchr::memchr(b'\n', &self.rest) else {
            let rest = std::mem::take(&mut self.rest);
            self.hold(&rest);
            return None;
        };
        let line = self.rest.split_to(end);
        self.rest.advance(1);
        Some(self.complete(line))
    }

    /// The line behind the last newline; `None` if there is nothing behind it.
    pub(super) fn last(&mut self) -> Option<(u64, Found)> {
        (self.passing || !self.held.is_empty()).then(|| self.complete(Bytes::new()))
    }

    fn hold(&mut self, piece: &[u8]) {
        if self.passing || self.held.len() + piece.len() > self.max_bytes {
            self.passing = true;
            self.held = BytesMut::new();
        } else {
            self.held.extend_from_slice(piece);
        }
    }

    fn complete(&mut self, end: Bytes) -> (u64, Found) {
        self.number += 1;
        let whole = self.held.is_empty() && !self.passing && end.len() <= self.max_bytes;
        let line = if whole {
            end
        } else {
            self.hold(&end);
            self.held.split().freeze()
        };
        let found = if std::mem::take(&mut self.passing) { Found::TooLong } else { Found::Line(line) };
        (self.number, found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cut(chunks: &[&[u8]], max_bytes: usize) -> Vec<(u64, Found)> {
        let mut lines = Lines::new(max_bytes);
        let mut found = Vec::new();
        for chunk in chunks {
            lines.feed(Bytes::copy_from_slice(chunk));
            while let Some(line) = lines.next() {
                found.push(line);
            }
            assert!(lines.held.len() <= max_bytes);
        }
        found.extend(lines.last());
        found
    }

    #[test]
    fn a_line_that_is_too_long_is_told_and_not_held() {
        let found = cut(&[b"abcdef\nab", b"cdefghi", b"j\nabc\nabcd"], 3);
        let kinds: Vec<_> = found.iter().map(|(number, found)| (*number, *found != Found::TooLong)).collect();
        assert_eq!(kinds, [(1, false), (2, false), (3, true), (4, false)]);
    }

    proptest! {
        #[test]
        fn lines_do_not_depend_on_the_chunks(text in "[ab\n]{0,40}", cuts in prop::collection::vec(0..40_usize, 0..6)) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().filter(|at| *at <= bytes.len()).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|ends| &bytes[ends[0]..ends[1]]).collect();
            let mut expected: Vec<&str> = text.split('\n').collect();
            if expected.last() == Some(&"") {
                expected.pop();
            }
            let expected: Vec<(u64, Found)> = (1..)
                .zip(expected)
                .map(|(number, line)| match line.len() {
                    0..=8 => (number, Found::Line(Bytes::copy_from_slice(line.as_bytes()))),
                    _ => (number, Found::TooLong),
                })
                .collect();
            prop_assert_eq!(cut(&chunks, 8), expected);
        }
    }
}

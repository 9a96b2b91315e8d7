//! The texts and bytes of a replacement of the whole content.

use crate::batch::IntentId;
use crate::error::{Code, Error, Result};

use super::layout::Name;

/// The intent that holds both keyspaces while the content is replaced. No transaction log has the id 0.
pub const REPLACEMENT: IntentId = IntentId { log: 0, number: 0 };

/// The marker of a replacement: the text `1 id phase commit left`. It is set at the commit point, and removed with the
/// last step. `1` is the format of the marker and of the chunks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker {
    /// The id of the replacement.
    pub id: String,
    /// The phase of the replacement.
    pub phase: Phase,
}

/// A phase of a replacement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The old user keys are being deleted (`d`).
    Deleting,
    /// The new content is being written (`w`).
    Writing,
}

impl Marker {
    /// Reads the text.
    ///
    /// # Errors
    ///
    /// `UNSUPPORTED_FORMAT` if a newer version wrote it.
    pub fn parse(text: &[u8]) -> Result<Self> {
        let newer = || {
            let message = "a newer version of holdfast is replacing the content of this store; open the store with it";
            Error::new(Code::UnsupportedFormat, message)
        };
        let text = std::str::from_utf8(text).map_err(|_| newer())?;
        let mut fields = text.split(' ');
        match (fields.next(), fields.next(), fields.next()) {
            (Some("1"), Some(id), Some("d")) => Ok(Marker { id: id.to_owned(), phase: Phase::Deleting }),
            (Some("1"), Some(id), Some("w")) => Ok(Marker { id: id.to_owned(), phase: Phase::Writing }),
            _ => Err(newer()),
        }
    }
}

/// The latest replacement that is over: the text `id commit lost`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// The id of the replacement.
    pub id: String,
    /// The number of its commit.
    pub seq: u64,
    /// The number of its chunks that another program has removed before they were written.
    pub lost: u64,
}

impl Replaced {
    /// Reads the text; `None` for another text.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut fields = std::str::from_utf8(text).ok()?.split(' ');
        let id = fields.next()?.to_owned();
        Some(Replaced { id, seq: fields.next()?.parse().ok()?, lost: fields.next()?.parse().ok()? })
    }
}

/// Some user records in order, as `MessagePack`: an array of runs. Each run is an array of strings. In turn, a run
/// holds plain records (name and text of each), or others (name, text, expiry and companion of each, empty for none).
#[derive(Debug, Default)]
pub struct Chunk {
    /// The runs that are complete.
    bytes: Vec<u8>,
    runs: u32,
    /// The run that grows.
    run: Vec<u8>,
    strings: u32,
}

const ARRAY: u8 = 0xdd;
const STRING: u8 = 0xdb;

impl Chunk {
    /// About how many bytes the chunk has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len() + self.run.len()
    }

    /// True if the chunk holds no records.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.runs == 0 && self.strings == 0
    }

    /// Adds a record without expiry, times and metadata.
    pub fn push_plain(&mut self, name: &Name<'_>, text: &[u8]) {
        if self.runs % 2 == 1 {
            self.end_run();
        }
        self.push_strings(&[&[name.prefix, name.key], &[text]]);
    }

    /// Adds a record. Its expiry and its companion are empty if it has none.
    pub fn push(&mut self, name: &Name<'_>, text: &[u8], expiry: &str, companion: &[u8]) {
        if self.runs.is_multiple_of(2) {
            self.end_run();
        }
        self.push_strings(&[&[name.prefix, name.key], &[text], &[expiry.as_bytes()], &[companion]]);
    }

    /// The bytes of the chunk.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.end_run();
        let mut bytes = header(ARRAY, self.runs).to_vec();
        bytes.append(&mut self.bytes);
        bytes
    }

    fn push_strings(&mut self, strings: &[&[&[u8]]]) {
        for pieces in strings {
            let length = pieces.iter().map(|piece| piece.len()).sum::<usize>();
            self.run.extend_from_slice(&header(STRING, u32::try_from(length).unwrap_or(u32::MAX)));
            pieces.iter().for_each(|piece| self.run.extend_from_slice(piece));
            self.strings += 1;
        }
    }

    fn end_run(&mut self) {
        self.bytes.extend_from_slice(&header(ARRAY, self.strings));
        self.bytes.append(&mut self.run);
        self.runs += 1;
        self.strings = 0;
    }
}

fn header(kind: u8, count: u32) -> [u8; 5] {
    let [a, b, c, d] = count.to_be_bytes();
    [kind, a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::redis::Layout;

    #[test]
    fn a_marker_comes_back_and_a_newer_one_is_refused() {
        let marker = Marker::parse(b"1 00000000000000ab d 17 3").unwrap();
        assert_eq!(marker, Marker { id: "00000000000000ab".into(), phase: Phase::Deleting });
        assert_eq!(Marker::parse(b"1 ab w 17 0").unwrap().phase, Phase::Writing);
        for other in ["", "2 ab w 17 0", "1 ab x 17 0", "1 ab", "\u{e9}"] {
            assert_eq!(Marker::parse(other.as_bytes()).unwrap_err().code(), Code::UnsupportedFormat, "{other}");
        }
        assert_eq!(Replaced::parse(b"ab 18 0"), Some(Replaced { id: "ab".into(), seq: 18, lost: 0 }));
        assert_eq!(Replaced::parse(b"ab 18"), None);
    }

    #[test]
    fn a_chunk_has_the_bytes_of_the_first_release() {
        let layout = Layout::new("p:");
        let mut chunk = Chunk::default();
        assert!(chunk.is_empty());
        chunk.push(&layout.name(b"a"), b"1", "1800000000000", b"");
        chunk.push_plain(&layout.name(b"b"), b"2");
        chunk.push_plain(&layout.name(b"c"), b"3");
        chunk.push(&layout.name(b"d"), b"4", "", b"8ab - - {}");
        assert!(!chunk.is_empty());
        let text = |text: &str| [&header(STRING, u32::try_from(text.len()).unwrap())[..], text.as_bytes()].concat();
        let run = |texts: &[&str]| {
            let strings: Vec<u8> = texts.iter().flat_map(|piece| text(piece)).collect();
            [&header(ARRAY, u32::try_from(texts.len()).unwrap())[..], &strings].concat()
        };
        let expected = [
            b"\xdd\0\0\0\x04".to_vec(),
            b"\xdd\0\0\0\0".to_vec(),
            run(&["p:a", "1", "1800000000000", ""]),
            b"\xdd\0\0\0\x04\xdb\0\0\0\x03p:b\xdb\0\0\0\x012\xdb\0\0\0\x03p:c\xdb\0\0\0\x013".to_vec(),
            run(&["p:d", "4", "", "8ab - - {}"]),
        ];
        assert_eq!(chunk.finish(), expected.concat());
        assert_eq!(Chunk::default().finish(), b"\xdd\0\0\0\x01\xdd\0\0\0\0");
    }
}

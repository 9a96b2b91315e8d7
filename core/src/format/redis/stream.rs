use std::ops::Bound;

use bytes::Bytes;

use crate::key::Key;
use crate::record::Version;

/// The number of the commit of an entry, and the number of the part of that commit, from the id of the entry.
#[must_use]
pub fn log_place(id: &[u8]) -> Option<(u64, u64)> {
    let (commit, part) = std::str::from_utf8(id).ok()?.split_once('-')?;
    Some((commit.parse().ok()?, part.parse().ok()?))
}

/// The latest commit number before an epoch, and the one at which the epoch began. No commit has a number between them.
#[must_use]
pub fn skipped_numbers(epoch: &[u8]) -> Option<(u64, u64)> {
    let mut words = std::str::from_utf8(epoch).ok()?.splitn(3, ' ').skip(1);
    let first = words.next()?.parse().ok()?;
    Some((words.next()?.parse().ok()?, first))
}

/// The change of one user's key or range in an entry of a stream.
#[derive(Clone, Debug, PartialEq)]
pub enum Touched {
    /// A key was written: its version, and the text of its value if the stream has values and it is small.
    Set(Key, Version, Option<Bytes>),
    /// A key was deleted.
    Deleted(Key),
    /// A range was deleted.
    Cleared(Bound<Key>, Bound<Key>),
}

/// The changes in the text of an entry; `None` for another text.
#[must_use]
pub fn log_entry(text: &Bytes) -> Option<Vec<Touched>> {
    let mut touched = Vec::new();
    let mut rest: &[u8] = text;
    while let Some((kind, after)) = rest.split_first() {
        rest = after;
        touched.push(match kind {
            b's' | b'v' => {
                let (version, after) = rest.split_at_checked(32)?;
                rest = after;
                let version = Version::parse(std::str::from_utf8(version).ok()?)?;
                let key = counted(text, &mut rest)?;
                let value = if *kind == b'v' { Some(counted(text, &mut rest)?) } else { None };
                Touched::Set(key, version, value)
            }
            b'd' => Touched::Deleted(counted(text, &mut rest)?),
            b'c' => Touched::Cleared(end(&counted(text, &mut rest)?)?, end(&counted(text, &mut rest)?)?),
            _ => return None,
        });
    }
    Some(touched)
}

/// Takes a piece behind its length and a colon.
fn counted(text: &Bytes, rest: &mut &[u8]) -> Option<Bytes> {
    let colon = rest.iter().position(|byte| *byte == b':')?;
    let length: usize = std::str::from_utf8(rest.get(..colon)?).ok()?.parse().ok()?;
    let (piece, after) = rest.get(colon + 1..)?.split_at_checked(length)?;
    *rest = after;
    Some(text.slice_ref(piece))
}

/// An end of a range, in the form of the command `ZRANGE` with `BYLEX`.
fn end(text: &Bytes) -> Option<Bound<Key>> {
    match text.first()? {
        b'-' | b'+' if text.len() == 1 => Some(Bound::Unbounded),
        b'[' => Some(Bound::Included(text.slice(1..))),
        b'(' => Some(Bound::Excluded(text.slice(1..))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::redis::digest;

    #[test]
    fn log_entries_come_back() {
        let version = digest(b"1", None);
        let text = Bytes::from(format!("s{version}5:a:b:cd1:xv{version}2:\u{e9}3:1:2c1:-3:(b:"));
        let version = Version::parse(&version).unwrap();
        let key = |text: &str| Key::from(text.to_owned());
        let found = log_entry(&text).unwrap();
        assert_eq!(
            found,
            [
                Touched::Set(key("a:b:c"), version, None),
                Touched::Deleted(key("x")),
                Touched::Set(key("\u{e9}"), version, Some(key("1:2"))),
                Touched::Cleared(Bound::Unbounded, Bound::Excluded(key("b:"))),
            ]
        );
        assert_eq!(log_entry(&Bytes::new()), Some(Vec::new()));
        for other in ["x", "s", "s12", "d", "d1", "d9:a", "d:a", "d1:ax", &format!("s{version}"), "c1:-", "c1:x1:+"] {
            assert_eq!(log_entry(&Bytes::from(other.to_owned())), None, "{other}");
        }
        assert_eq!(log_place(b"17-2"), Some((17, 2)));
        assert_eq!(log_place(b"17"), None);
        assert_eq!(skipped_numbers(b"4c9 90 17"), Some((17, 90)));
        assert_eq!(skipped_numbers(b" 90 17"), Some((17, 90)));
        assert_eq!(skipped_numbers(b"4c9 90"), None);
    }
}

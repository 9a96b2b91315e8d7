//! A place in the changes of a store, which a consumer keeps to resume from it.
//!
//! The text of a cursor is a commit number, or a commit number, a point and the number of changes of that commit that
//! lie before the cursor: `17`, `17.3`. Users keep it as an opaque text.

use std::fmt;

use crate::error::{Code, Error, Result};

/// A place in the changes of a store: behind a commit, or behind some of the changes of one.
///
/// # Examples
///
/// ```
/// use holdfast_core::engine::watch::Cursor;
///
/// let inside = Cursor::parse("17.3")?;
/// assert!(Cursor::behind(16) < inside && inside < Cursor::behind(17));
/// assert_eq!(inside.to_string(), "17.3");
/// # Ok::<(), holdfast_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// The last commit that lies before the cursor with all of its changes.
    commit: u64,
    /// The number of changes of the next commit that lie before the cursor, too.
    changes: u64,
}

impl Cursor {
    /// The cursor behind all changes of commit `seq`.
    #[must_use]
    pub const fn behind(seq: u64) -> Self {
        Cursor { commit: seq, changes: 0 }
    }

    /// The cursor behind the first `changes` changes of commit `seq`.
    pub(super) fn within(seq: u64, changes: u64) -> Self {
        Cursor { commit: seq.saturating_sub(1), changes }
    }

    /// The last commit of which every change lies before the cursor.
    #[must_use]
    pub fn commit(self) -> u64 {
        self.commit
    }

    /// The last commit of which some change lies before the cursor: a store that gave the cursor has it.
    pub(super) fn reaches(self) -> u64 {
        if self.changes == 0 { self.commit } else { self.commit.saturating_add(1) }
    }

    /// Reads the text of a cursor.
    ///
    /// # Errors
    ///
    /// `INVALID_ARGUMENT` for any other text.
    pub fn parse(text: &str) -> Result<Self> {
        let number = |text: &str| {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse::<u64>().ok().filter(|_| digits)
        };
        let cursor = match text.split_once('.') {
            None => number(text).map(Cursor::behind),
            Some((seq, changes)) => match (number(seq), number(changes)) {
                (Some(seq @ 1..), Some(changes @ 1..)) => Some(Cursor::within(seq, changes)),
                _ => None,
            },
        };
        cursor.ok_or_else(|| {
            let message = "since is no cursor; pass the cursor of an event, or a commit number";
            Error::new(Code::InvalidArgument, message)
        })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seq = self.reaches();
        if self.changes == 0 { write!(f, "{seq}") } else { write!(f, "{seq}.{}", self.changes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_cursor_comes_back(seq in 1_u64.., changes: u64) {
            for cursor in [Cursor::behind(seq), Cursor::within(seq, changes)] {
                prop_assert_eq!(Cursor::parse(&cursor.to_string()).unwrap(), cursor);
            }
        }

        #[test]
        fn any_text_is_a_cursor_or_refused(text in "[0-9.+ ]{0,24}") {
            match Cursor::parse(&text) {
                Ok(cursor) => prop_assert_eq!(Cursor::parse(&cursor.to_string()).unwrap(), cursor),
                Err(error) => prop_assert_eq!(error.code(), Code::InvalidArgument),
            }
        }
    }

    #[test]
    fn cursors_are_in_the_order_of_what_they_name() {
        let texts = ["0", "1.1", "1.2", "1.10", "1", "2.1", "2"];
        let cursors: Vec<Cursor> = texts.iter().map(|text| Cursor::parse(text).unwrap()).collect();
        assert!(cursors.is_sorted());
        for text in ["", ".", "1.", ".1", "1.0", "0.1", "+1", "1.1.1", "-1", "1e3", "99999999999999999999"] {
            assert_eq!(Cursor::parse(text).unwrap_err().code(), Code::InvalidArgument, "{text}");
        }
    }
}

//! One step of a random run.

use std::ops::Bound;

use proptest::prelude::*;

use crate::key::{Key, KeyRange};

#[derive(Clone, Debug)]
pub(super) enum Step {
    Commit { writes: Vec<Write>, check: Option<Guard> },
    Get(usize),
    Scan { range: Span, what: usize },
    Snapshot,
    ReadSnapshot,
    DropSnapshot,
    Reopen,
}

#[derive(Clone, Debug)]
pub(super) enum Write {
    Set { key: usize, value: usize, expiry: Expiry },
    Add { key: usize, by: i8 },
    Delete(usize),
    DeleteRange(Span),
}

/// A check of a batch, which holds or does not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guard {
    pub key: usize,
    pub holds: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Expiry {
    Never,
    Past,
    Future,
}

#[derive(Clone, Debug)]
pub(super) struct Span {
    start: Option<(usize, bool)>,
    end: Option<(usize, bool)>,
    pattern: Option<usize>,
    reverse: bool,
    limit: Option<usize>,
}

const KEYS: [&str; 16] = [
    "a",
    "a/b",
    "a/b/c",
    "a/",
    "A",
    "b",
    "ba",
    "b*",
    "\u{e9}",
    "e\u{301}",
    "..",
    "__proto__",
    "n\nl",
    "n\0l",
    "z",
    "a0",
];
const VALUES: [&str; 8] =
    ["1", "-2.5", "\"text\"", "null", "{\"a\":[1,{\"b\":\"x,y\"}]}", "[]", "{\"$number\":\"-0\"}", "true"];
const PATTERNS: [&str; 6] = ["*", "a*", "*b*", "?", "[ab]*", "a/b"];

pub(super) fn key_of(at: usize) -> &'static str {
    KEYS.get(at).copied().unwrap_or("a")
}

pub(super) fn value_of(at: usize) -> &'static str {
    VALUES.get(at).copied().unwrap_or("0")
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let key = 0..KEYS.len();
    let bound = || prop::option::of((0..KEYS.len(), any::<bool>()));
    let span = (bound(), bound(), prop::option::of(0..PATTERNS.len()), any::<bool>(), prop::option::of(0..6_usize))
        .prop_map(|(start, end, pattern, reverse, limit)| Span { start, end, pattern, reverse, limit });
    let expiry = prop_oneof![5 => Just(Expiry::Never), 1 => Just(Expiry::Past), 1 => Just(Expiry::Future)];
    let write = prop_oneof![
        6 => (key.clone(), 0..VALUES.len(), expiry).prop_map(|(key, value, expiry)| Write::Set { key, value, expiry }),
        2 => (key.clone(), any::<i8>()).prop_map(|(key, by)| Write::Add { key, by }),
        3 => key.clone().prop_map(Write::Delete),
        1 => span.clone().prop_map(Write::DeleteRange),
    ];
    let guard = (key.clone(), any::<bool>()).prop_map(|(key, holds)| Guard { key, holds });
    prop_oneof![
        8 => (prop::collection::vec(write, 1..5), prop::option::of(guard))
            .prop_map(|(writes, check)| Step::Commit { writes, check }),
        4 => key.prop_map(Step::Get),
        4 => (span, 0..3_usize).prop_map(|(range, what)| Step::Scan { range, what }),
        1 => Just(Step::Snapshot),
        2 => Just(Step::ReadSnapshot),
        1 => Just(Step::DropSnapshot),
        1 => Just(Step::Reopen),
    ]
}

impl Span {
    pub(super) const ALL: Span = Span { start: None, end: None, pattern: None, reverse: false, limit: None };

    pub(super) fn range(&self) -> KeyRange {
        let bound = |bound: Option<(usize, bool)>| match bound {
            None => Bound::Unbounded,
            Some((key, true)) => Bound::Included(Key::from(key_of(key))),
            Some((key, false)) => Bound::Excluded(Key::from(key_of(key))),
        };
        let mut range = KeyRange { start: bound(self.start), end: bound(self.end), ..KeyRange::all() };
        if let Some(pattern) = self.pattern.and_then(|at| PATTERNS.get(at)) {
            range.set_pattern(pattern);
        }
        range.reverse = self.reverse;
        range.limit = self.limit;
        range
    }
}

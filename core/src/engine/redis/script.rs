//! Scripts that run on the server.

use std::ops::Bound;
use std::sync::LazyLock;

use redis::Pipeline;

use crate::key::{Key, KeyRange};

/// A script that the server keeps.
pub(super) struct Script {
    pub source: &'static str,
    /// The name under which the server keeps it.
    pub sha: LazyLock<String>,
}

/// The script that commits: one chunk, kept in five files.
const COMMIT_SOURCE: &str = concat!(
    include_str!("numbers.lua"),
    include_str!("commit/state.lua"),
    include_str!("commit/intents.lua"),
    include_str!("commit/changes.lua"),
    include_str!("commit/rows.lua"),
);

pub(super) static COMMIT: Script =
    Script { source: COMMIT_SOURCE, sha: LazyLock::new(|| sha1_smol::Sha1::from(COMMIT_SOURCE).digest().to_string()) };

/// The ends of a range as ZRANGE BYLEX takes them.
#[must_use]
pub(super) fn lex_bounds(range: &KeyRange) -> (Vec<u8>, Vec<u8>) {
    let end = |bound: &Bound<Key>, open: &[u8]| match bound {
        Bound::Unbounded => open.to_vec(),
        Bound::Included(key) => [b"[", key.as_ref()].concat(),
        Bound::Excluded(key) => [b"(", key.as_ref()].concat(),
    };
    (end(&range.start, b"-"), end(&range.end, b"+"))
}

/// A call of a script that the server does not keep.
#[must_use]
pub(super) fn run_once(source: &str, keys: &[&[u8]], args: &[&[u8]]) -> Pipeline {
    let mut pipe = redis::pipe();
    pipe.cmd("EVAL").arg(source).arg(keys.len()).arg(keys).arg(args);
    pipe
}

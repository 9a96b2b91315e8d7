//! Moving a cursor past commits that a watch would not tell.

use super::Cursor;
use super::filter::matching;
use crate::engine::{Engine, EngineExt};
use crate::error::Result;
use crate::key::KeyRange;

/// The size of the keys and values read from the log at once, in bytes.
const PAGE_BYTES: usize = 1 << 20;

/// Moves a cursor ahead of the commits behind it that change nothing in `range`, and counts the commits that lie behind
/// it then. The log is trimmed from its beginning, so a cursor that waits for rare changes would be lost. Blocks.
///
/// # Errors
///
/// Those of [`Watched::logged`](crate::engine::Watched::logged).
pub fn pass_unmatched<E: Engine + ?Sized>(engine: &E, range: &KeyRange, since: Cursor) -> Result<(Cursor, u64)> {
    let mut at = since;
    loop {
        let logged = engine.logged(at.commit(), PAGE_BYTES)?;
        let told = |commit: &&_| matching(commit, range, Some(since)).is_some();
        let found = logged.commits.iter().find(told);
        at = at.max(Cursor::behind(found.map_or(logged.through, |commit| commit.seq.saturating_sub(1))));
        if found.is_some() || !logged.more {
            return Ok((at, logged.latest.saturating_sub(at.commit())));
        }
    }
}

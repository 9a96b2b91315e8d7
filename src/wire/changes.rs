//! The changes that a watch tells.

use std::ops::Bound;

use bytes::{BufMut, Bytes, BytesMut};
use holdfast_core::engine::watch::{Change, Interval, WatchedCommit};
use holdfast_core::key::{Key, prefix_end};

use super::results::quote_key;

/// `[[commit, [cursor, …], [0, key, version, value] | [1, key, version] | [2, key] | [3, bounds | null], …], …]`: for
/// each change its cursor, then the changes: a set with its value, a set without it, a delete, a cleared interval.
pub(crate) fn commits_json(commits: &[WatchedCommit]) -> Bytes {
    let mut out = BytesMut::with_capacity(64 * commits.len());
    out.put_u8(b'[');
    for (at, commit) in commits.iter().enumerate() {
        if at > 0 {
            out.put_u8(b',');
        }
        out.put_slice(format!("[{},[", commit.seq).as_bytes());
        for (at, cursor) in commit.cursors.iter().enumerate() {
            out.put_slice(format!("{}\"{cursor}\"", if at > 0 { "," } else { "" }).as_bytes());
        }
        out.put_u8(b']');
        for change in &commit.changes {
            out.put_u8(b',');
            match change {
                Change::Set { key, version, value } => {
                    out.put_slice(if value.is_some() { b"[0," } else { b"[1," });
                    quote_key(key, &mut out);
                    out.put_slice(format!(",\"{version}\"").as_bytes());
                    if let Some(value) = value {
                        out.put_u8(b',');
                        value.write_text(&mut out);
                    }
                }
                Change::Delete { key } => {
                    out.put_slice(b"[2,");
                    quote_key(key, &mut out);
                }
                Change::Clear { range } => {
                    out.put_slice(b"[3,");
                    bounds_json(range, &mut out);
                }
            }
            out.put_u8(b']');
        }
        out.put_u8(b']');
    }
    out.put_u8(b']');
    out.freeze()
}

/// `null` for all keys, `[["prefix", …]]` for a folder, else a list of the bounds.
fn bounds_json(interval: &Interval, out: &mut BytesMut) {
    let mut bounds: Vec<(&str, &Key)> = Vec::new();
    match (&interval.start, &interval.end) {
        (Bound::Unbounded, Bound::Unbounded) => return out.put_slice(b"null"),
        (Bound::Included(start), Bound::Excluded(end)) if prefix_end(start).as_ref() == Some(end) => {
            bounds.push(("prefix", start));
        }
        (start, end) => {
            match start {
                Bound::Included(key) => bounds.push(("gte", key)),
                Bound::Excluded(key) => bounds.push(("gt", key)),
                Bound::Unbounded => {}
            }
            match end {
                Bound::Included(key) => bounds.push(("lte", key)),
                Bound::Excluded(key) => bounds.push(("lt", key)),
                Bound::Unbounded => {}
            }
        }
    }
    out.put_u8(b'[');
    for (at, (name, key)) in bounds.into_iter().enumerate() {
        out.put_slice(if at > 0 { b",[\"" } else { b"[\"" });
        out.put_slice(name.as_bytes());
        out.put_slice(b"\",");
        quote_key(key, out);
        out.put_u8(b']');
    }
    out.put_u8(b']');
}

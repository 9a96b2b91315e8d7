//! The rows of a batch: each check and each operation as the script that commits reads it, a letter and its arguments.
//! `commit/state.lua` lists the letters.

use super::arguments::Arguments;
use super::pending_write::PendingWrite;
use super::script::lex_bounds;
use crate::batch::{Batch, Check, Op, RangeCheck, Role};
use crate::format::redis::{Layout, expiry, held_mark, internal_text};
use crate::key::{Key, KeyRange, Space};
use crate::record::now;
use crate::value::Value;

/// The rows of a call, and the names of the user keys that they touch.
pub(super) struct Rows<'a> {
    layout: &'a Layout,
    pub keys: Arguments,
    pub arguments: Arguments,
}

impl<'a> Rows<'a> {
    /// No rows, with room for about `bytes`.
    pub(super) fn with_capacity(layout: &'a Layout, bytes: usize) -> Self {
        Rows { layout, keys: Arguments::default(), arguments: Arguments::with_capacity(bytes) }
    }

    /// Appends the rows of a batch. [`key_of_row`] depends on their order.
    pub(super) fn push(&mut self, PendingWrite { batch, intended, incremented, ranges, .. }: &PendingWrite) {
        for Check { space, key, version } in &batch.checks {
            self.key_row(*space, ["c", "C"], key);
            match version {
                Some(version) => self.arguments.push(version.to_string()),
                None => self.arguments.push(""),
            }
        }
        for RangeCheck { since, .. } in &batch.range_checks {
            self.arguments.push("R");
            self.arguments.push_number(*since);
        }
        if let Role::Prepare(id) = batch.role {
            let mark = held_mark(id, now());
            for op in intended {
                let increments = op.key().is_some_and(|(space, key)| incremented.contains(&(space, key.clone())));
                self.intended_row(&mark, op, increments);
            }
        }
        for range in ranges {
            self.range_row("G", Space::User, range);
        }
        for (index, op) in batch.ops.iter().enumerate() {
            self.op_row(batch, index, op);
        }
    }

    /// Begins a row: its letter for the keyspace, and the key where the keyspace has it.
    fn key_row(&mut self, space: Space, [user, internal]: [&str; 2], key: &[u8]) {
        match space {
            Space::User => {
                self.arguments.push(user);
                self.keys.push_joined(&self.layout.prefix, key);
            }
            Space::Internal => {
                self.arguments.push(internal);
                self.arguments.push(key);
            }
        }
    }

    fn range_row(&mut self, letter: &str, space: Space, range: &KeyRange) {
        let (low, high) = lex_bounds(range);
        self.arguments.push(letter);
        self.arguments.push(if space == Space::User { "u" } else { "i" });
        self.arguments.push(low);
        self.arguments.push(high);
    }

    /// A row for a key or a range that an intent holds. `increments`: the key must hold a number, or nothing.
    fn intended_row(&mut self, mark: &str, op: &Op, increments: bool) {
        match op {
            Op::DeleteRange { range, .. } if range.is_empty() => {}
            Op::DeleteRange { space, range } => {
                self.range_row("Q", *space, range);
                self.arguments.push(mark);
            }
            Op::Set { space, key, .. } | Op::Add { space, key, .. } | Op::Delete { space, key } => {
                self.key_row(*space, ["h", "H"], key);
                self.arguments.push(mark);
                self.arguments.push(if increments { "a" } else { "" });
            }
        }
    }

    fn op_row(&mut self, batch: &Batch, index: usize, op: &Op) {
        match op {
            Op::Set { space: Space::User, key, value, expires_at, metadata } => {
                let letter = match (expires_at, metadata) {
                    (_, Some(_)) => "m",
                    (Some(_), None) => "x",
                    (None, None) => "s",
                };
                self.key_row(Space::User, [letter, ""], key);
                self.arguments.push(&value.to_text()[..]);
                if metadata.is_some() || expires_at.is_some() {
                    self.push_expiry(*expires_at);
                }
                if let Some(metadata) = metadata {
                    self.arguments.push(metadata);
                }
            }
            Op::Set { space, key, value, expires_at, metadata } => {
                self.key_row(*space, ["", "i"], key);
                self.arguments.push(&internal_text(value, *expires_at, metadata.as_ref())[..]);
            }
            Op::Add { space, key, by, expires_at, metadata } => {
                self.key_row(*space, ["a", "A"], key);
                self.arguments.push(&Value::from_number(*by).to_text()[..]);
                self.push_expiry(*expires_at);
                self.arguments.push(metadata.as_deref().unwrap_or_default());
            }
            Op::Delete { space, key } => self.key_row(*space, [if batch.report { "D" } else { "d" }, "r"], key),
            Op::DeleteRange { range, .. } if range.is_empty() => {}
            Op::DeleteRange { range, .. } => {
                let (low, high) = lex_bounds(range);
                self.arguments.push("L");
                self.arguments.push(low);
                self.arguments.push(high);
                let before = batch.ops.get(..index).unwrap_or_default();
                let written: Vec<&Key> = before
                    .iter()
                    .filter_map(Op::key)
                    .filter(|(space, key)| *space == Space::Internal && range.contains(key))
                    .map(|(_, key)| key)
                    .collect();
                self.arguments.push_number(written.len() as u64);
                for key in written {
                    self.arguments.push(key);
                }
            }
        }
    }

    fn push_expiry(&mut self, at: Option<u64>) {
        match at {
            Some(at) => self.arguments.push_number(expiry(at)),
            None => self.arguments.push(""),
        }
    }
}

/// The key of a row of a batch. Rows are counted from one, in the order of [`Rows::push`].
pub(super) fn key_of_row(PendingWrite { batch, intended, ranges, .. }: &PendingWrite, row: usize) -> Option<Key> {
    let checks = batch.checks.iter().map(|check| Some(check.key.clone()));
    let range_checks = std::iter::repeat_n(None, batch.range_checks.len());
    let keys_of = |op: &'_ Op| op.key().map(|(_, key)| key.clone());
    // Empty ranges have no row.
    let has_row = |op: &&Op| !matches!(op, Op::DeleteRange { range, .. } if range.is_empty());
    let intended = intended.iter().filter(has_row).map(keys_of);
    let deleted_ranges = std::iter::repeat_n(None, ranges.len());
    let ops = batch.ops.iter().filter(has_row).map(keys_of);
    let mut rows = checks.chain(range_checks).chain(intended).chain(deleted_ranges).chain(ops);
    rows.nth(row.checked_sub(1)?)?
}

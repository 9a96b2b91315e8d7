//! Batches as a call of the script that commits. Batches that only write go several at once: each is whole because the script is.

use std::fmt::Write;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use super::arguments::Parts;
use super::layout::{Layout, expiry, held_mark, intent_name, internal_text};
use super::script::{COMMIT, lex_bounds};
use crate::batch::{Batch, Check, Op, RangeCheck, Role};
use crate::engine::Done;
use crate::engine::intent::{check_increments, prepared_ops};
use crate::error::Result;
use crate::key::{Key, KeyRange, Space};
use crate::record::now;
use crate::value::Value;

/// The server refuses a command of more arguments than about a million.
const MAX_ARGS: usize = 1_000_000;
/// Arguments packed into one where there are more.
const PACKED: usize = 50_000;
/// How many of its latest calls a client can ask for.
pub const SLOTS: u64 = 1024;

/// A batch on its way to the server.
pub struct Work {
    pub batch: Batch,
    /// What the intent is to write that the batch prepares.
    pub intended: Vec<Op>,
    /// Keys that must hold a number for it, or nothing.
    pub numbers: Vec<(Space, Key)>,
    /// Ranges of user keys of which it deletes what is there: no intent may hold any of them.
    pub ranges: Vec<KeyRange>,
    pub done: Done,
}

impl Work {
    /// `batch` must delete no range of user keys. Without a result, `done` was told why: an intent that cannot be read, or not
    /// be carried out.
    pub fn new(batch: Batch, done: Done) -> Option<Self> {
        let mut numbers = Vec::new();
        let checked = check_increments(&batch, now(), |space, key| {
            numbers.push((space, key.clone()));
            Ok(None)
        });
        let intended = match batch.role {
            Role::Prepare(_) => checked.and_then(|()| prepared_ops(&batch)),
            Role::None | Role::Resolve(_) => Ok(Vec::new()),
        };
        match intended {
            Ok(intended) => Some(Work { batch, intended, numbers, ranges: Vec::new(), done }),
            Err(error) => {
                done(Err(error));
                None
            }
        }
    }
}

/// Packs calls for one store and one client, which numbers them.
pub struct Commits {
    layout: Layout,
    stamped: bool,
    /// Where the server keeps the replies of this client.
    client: Vec<u8>,
    calls: AtomicU64,
}

impl Commits {
    #[must_use]
    pub fn new(layout: Layout, stamped: bool) -> Self {
        let client = layout.client(RandomState::new().build_hasher().finish());
        Commits { layout, stamped, client, calls: AtomicU64::new(0) }
    }

    /// Where the server keeps the replies of this client.
    #[must_use]
    pub fn client(&self) -> &[u8] {
        &self.client
    }

    /// True if a batch can go with others: it writes keys and needs to know nothing of what they hold.
    #[must_use]
    pub fn is_blind(&self, Work { batch, ranges, .. }: &Work) -> bool {
        batch.checks.is_empty()
            && batch.range_checks.is_empty()
            && batch.role == Role::None
            && ranges.is_empty()
            && !batch.ops.is_empty()
            && batch.ops.iter().all(|op| match op {
                Op::Set { space: Space::User, metadata, .. } => metadata.is_none() && !self.stamped,
                Op::Set { .. } => true,
                Op::Delete { space, .. } => *space == Space::User || !batch.report,
                Op::Add { .. } | Op::DeleteRange { .. } => false,
            })
    }

    /// Appends the call that carries `works` out, by the script's source if `by_source`: the number of the call.
    pub fn pack(&self, works: &[Work], by_source: bool, bytes: &mut Vec<u8>) -> u64 {
        let number = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let size = works.iter().map(|work| work.batch.size() + 24 * work.batch.ops.len()).sum::<usize>();
        let mut rows = Rows { layout: &self.layout, keys: Parts::default(), rows: Parts::with_capacity(size + 32) };
        for work in works {
            rows.batch(work);
        }
        let Rows { keys, rows, .. } = rows;
        let many = keys.len() + rows.len() > MAX_ARGS;
        let blind = works.iter().all(|work| self.is_blind(work));
        let mut modes = String::new();
        for (letter, set) in [('b', blind), ('s', self.stamped), ('p', many)] {
            modes.extend(set.then_some(letter));
        }
        let mut call = Parts::with_capacity(256);
        call.push(if by_source { "EVAL" } else { "EVALSHA" });
        call.push(if by_source { COMMIT.source } else { COMMIT.sha.as_str() });
        let layout = &self.layout;
        call.number(9 + if many { 0 } else { keys.len() as u64 });
        for name in [&layout.seq, &layout.companions, &layout.names, &layout.values] {
            call.push(name);
        }
        for name in [&layout.held, &layout.ranges, &layout.log, &layout.feed] {
            call.push(name);
        }
        call.push(&self.client);
        if !many {
            call.append(&keys);
        }
        call.number(layout.prefix.len() as u64);
        call.number(now());
        call.push(&modes);
        call.number(number);
        call.number(number % SLOTS);
        call.number(works.len() as u64);
        call.push(sizes(works));
        match works.first().map(|work| &work.batch.role) {
            Some(Role::Resolve(id)) => call.push(intent_name(*id)),
            _ => call.push(""),
        }
        if many {
            keys.packed(PACKED).iter().for_each(|part| call.push(part));
            call.push("");
            rows.packed(PACKED).iter().for_each(|part| call.push(part));
        } else {
            call.append(&rows);
        }
        call.write_command(bytes);
        number
    }
}

/// Keys and rows of a call, while they are put together.
struct Rows<'a> {
    layout: &'a Layout,
    keys: Parts,
    rows: Parts,
}

impl Rows<'_> {
    /// The letter of a row for the keyspace, and the key where it belongs.
    fn row(&mut self, space: Space, [user, internal]: [&str; 2], key: &[u8]) {
        match space {
            Space::User => {
                self.rows.push(user);
                self.keys.join(&self.layout.prefix, key);
            }
            Space::Internal => {
                self.rows.push(internal);
                self.rows.push(key);
            }
        }
    }

    fn expiry(&mut self, at: Option<u64>) {
        match at {
            Some(at) => self.rows.number(expiry(at)),
            None => self.rows.push(""),
        }
    }

    fn batch(&mut self, Work { batch, intended, numbers, ranges, .. }: &Work) {
        for Check { space, key, version } in &batch.checks {
            self.row(*space, ["c", "C"], key);
            match version {
                Some(version) => self.rows.push(version.to_string()),
                None => self.rows.push(""),
            }
        }
        for RangeCheck { since, .. } in &batch.range_checks {
            self.rows.push("R");
            self.rows.number(*since);
        }
        if let Role::Prepare(id) = batch.role {
            let mark = held_mark(id, now());
            for op in intended {
                let counts = op.key().is_some_and(|(space, key)| numbers.contains(&(space, key.clone())));
                self.intended(&mark, op, counts);
            }
        }
        for range in ranges {
            self.range("G", Space::User, range);
        }
        for (index, op) in batch.ops.iter().enumerate() {
            self.op(batch, index, op);
        }
    }

    fn range(&mut self, letter: &str, space: Space, range: &KeyRange) {
        let (low, high) = lex_bounds(range);
        self.rows.push(letter);
        self.rows.push(if space == Space::User { "u" } else { "i" });
        self.rows.push(low);
        self.rows.push(high);
    }

    /// What an intent is to hold. `counts`: only if it is a number, or absent.
    fn intended(&mut self, mark: &str, op: &Op, counts: bool) {
        match op {
            Op::DeleteRange { range, .. } if range.is_empty() => {}
            Op::DeleteRange { space, range } => {
                self.range("Q", *space, range);
                self.rows.push(mark);
            }
            Op::Set { space, key, .. } | Op::Add { space, key, .. } | Op::Delete { space, key } => {
                self.row(*space, ["h", "H"], key);
                self.rows.push(mark);
                self.rows.push(if counts { "a" } else { "" });
            }
        }
    }

    fn op(&mut self, batch: &Batch, index: usize, op: &Op) {
        match op {
            Op::Set { space: Space::User, key, value, expires_at, metadata } => {
                let letter = match (expires_at, metadata) {
                    (_, Some(_)) => "m",
                    (Some(_), None) => "x",
                    (None, None) => "s",
                };
                self.row(Space::User, [letter, ""], key);
                self.rows.push(&value.to_text()[..]);
                if metadata.is_some() || expires_at.is_some() {
                    self.expiry(*expires_at);
                }
                if let Some(metadata) = metadata {
                    self.rows.push(metadata);
                }
            }
            Op::Set { space, key, value, expires_at, metadata } => {
                self.row(*space, ["", "i"], key);
                self.rows.push(&internal_text(value, *expires_at, metadata.as_ref())[..]);
            }
            Op::Add { space, key, by, expires_at, metadata } => {
                self.row(*space, ["a", "A"], key);
                self.rows.push(&Value::from_number(*by).to_text()[..]);
                self.expiry(*expires_at);
                self.rows.push(metadata.as_deref().unwrap_or_default());
            }
            Op::Delete { space, key } => self.row(*space, [if batch.report { "D" } else { "d" }, "r"], key),
            Op::DeleteRange { range, .. } if range.is_empty() => {}
            Op::DeleteRange { range, .. } => {
                let (low, high) = lex_bounds(range);
                self.rows.push("L");
                self.rows.push(low);
                self.rows.push(high);
                let before = batch.ops.get(..index).unwrap_or_default();
                let written: Vec<&Key> = before
                    .iter()
                    .filter_map(Op::key)
                    .filter(|(space, key)| *space == Space::Internal && range.contains(key))
                    .map(|(_, key)| key)
                    .collect();
                self.rows.number(written.len() as u64);
                written.iter().for_each(|key| self.rows.push(key));
            }
        }
    }
}

/// How many rows each of several batches has, where one has another number than one.
fn sizes(works: &[Work]) -> String {
    let mut text = String::new();
    if works.len() > 1 && works.iter().any(|work| work.batch.ops.len() != 1) {
        for work in works {
            // It is written to memory, which cannot fail.
            let _ = write!(text, "{},", work.batch.ops.len());
        }
    }
    text
}

/// The key of a row of a batch, counted from one, as [`Rows::batch`] makes them.
#[must_use]
pub fn key_of_row(Work { batch, intended, ranges, .. }: &Work, row: usize) -> Option<Key> {
    let checks = batch.checks.iter().map(|check| Some(check.key.clone()));
    let none = std::iter::repeat_n(None, batch.range_checks.len());
    let keys_of = |op: &'_ Op| op.key().map(|(_, key)| key.clone());
    // Empty ranges have no row.
    let has_row = |op: &&Op| !matches!(op, Op::DeleteRange { range, .. } if range.is_empty());
    let intended = intended.iter().filter(has_row).map(keys_of);
    let ops = batch.ops.iter().filter(has_row).map(keys_of);
    let mut rows = checks.chain(none).chain(intended).chain(std::iter::repeat_n(None, ranges.len())).chain(ops);
    rows.nth(row.checked_sub(1)?)?
}

/// The answer to each of `works`, in their order.
pub fn answer(works: Vec<Work>, results: impl Iterator<Item = Result<crate::batch::Commit>>) {
    for (work, result) in works.into_iter().zip(results) {
        super::link::call::guarded(|| (work.done)(result.map(crate::engine::Reply::Commit)));
    }
}

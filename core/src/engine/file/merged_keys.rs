//! The keys of a range that a view may hold, merged in order from the places where they are kept.

use std::collections::HashMap;

use super::records::Records;
use super::versions::{Reading, ViewId};
use super::walk::{Listings, Walk};
use crate::error::Result;
use crate::key::{Key, KeyRange, Space};
use crate::record::Record;

/// Records of our own keyspace that are read at once.
const CHUNK: u32 = 256;

/// A merge of three ordered sources: files or rows, long keys, old versions.
pub(super) struct MergedKeys<'a> {
    records: &'a Records,
    reading: &'a Reading<'a>,
    view: ViewId,
    space: Space,
    range: &'a KeyRange,
    /// A source of the user's keyspace only.
    walk: Option<Walk<'a>>,
    listings: &'a mut Listings,
    /// A source of our own keyspace only.
    rows: Rows,
    heads: [Head; 3],
}

/// Rows of our own keyspace, read in chunks.
#[derive(Default)]
struct Rows {
    chunk: std::vec::IntoIter<(Key, Record)>,
    /// The rows whose keys are in a head.
    in_head: HashMap<Key, Record>,
    exhausted: bool,
}

/// The next key of one source.
#[derive(Clone)]
enum Head {
    Unknown,
    Known(Option<Key>),
}

impl<'a> MergedKeys<'a> {
    pub(super) fn new(
        records: &'a Records,
        reading: &'a Reading<'a>,
        view: ViewId,
        (space, range): (Space, &'a KeyRange),
        listings: &'a mut Listings,
    ) -> Result<Self> {
        let walk = match space {
            Space::User => Some(Walk::new(records.tree(), range, listings)?),
            Space::Internal => None,
        };
        let heads = [Head::Unknown, Head::Unknown, Head::Unknown];
        Ok(MergedKeys { records, reading, view, space, range, walk, listings, rows: Rows::default(), heads })
    }

    /// The next key, with its record where that was read from a row.
    pub(super) fn next(&mut self) -> Result<Option<(Key, Option<Record>)>> {
        let mut best: Option<Key> = None;
        for at in 0..self.heads.len() {
            let head = self.head(at)?;
            best = match (best, head) {
                (Some(best), Some(head)) => Some(if self.range.reverse { best.max(head) } else { best.min(head) }),
                (best, head) => best.or(head),
            };
        }
        let Some(best) = best else { return Ok(None) };
        for at in 0..self.heads.len() {
            if matches!(self.heads.get(at), Some(Head::Known(Some(key))) if *key == best) {
                let next = self.fetch(at, Some(&best))?;
                self.set_head(at, next);
            }
        }
        let row = self.rows.in_head.remove(&best);
        Ok(Some((best, row)))
    }

    fn head(&mut self, at: usize) -> Result<Option<Key>> {
        if let Some(Head::Known(key)) = self.heads.get(at) {
            return Ok(key.clone());
        }
        let key = self.fetch(at, None)?;
        self.set_head(at, key.clone());
        Ok(key)
    }

    fn set_head(&mut self, at: usize, key: Option<Key>) {
        if let Some(head) = self.heads.get_mut(at) {
            *head = Head::Known(key);
        }
    }

    /// The key of source `at` behind `last`.
    fn fetch(&mut self, at: usize, last: Option<&Key>) -> Result<Option<Key>> {
        let rest = |range: &KeyRange| last.map_or_else(|| range.clone(), |last| range.after(last));
        match (at, &mut self.walk) {
            (0, Some(walk)) => walk.next(self.listings),
            (0, None) => self.next_row(last),
            (1, Some(_)) => Ok(self.records.tree().long_names().next(&rest(self.range))),
            (1, None) => Ok(None),
            _ => Ok(self.reading.next_key(self.view, self.space, &rest(self.range))),
        }
    }

    fn next_row(&mut self, last: Option<&Key>) -> Result<Option<Key>> {
        let rows = &mut self.rows;
        if rows.chunk.len() == 0 && !rows.exhausted {
            let rest = last.map_or_else(|| self.range.clone(), |last| self.range.after(last));
            if rest.is_empty() {
                return Ok(None);
            }
            let chunk = self.records.metadata().internals(&rest, CHUNK)?;
            rows.exhausted = !u32::try_from(chunk.len()).is_ok_and(|rows| rows == CHUNK);
            rows.chunk = chunk.into_iter();
        }
        let Some((key, record)) = rows.chunk.next() else { return Ok(None) };
        rows.in_head.insert(key.clone(), record);
        Ok(Some(key))
    }
}

use super::record::range;
use crate::engine::{Item, PAGE_BYTES, Page, Projection, View};
use crate::error::{Code, Error, Result};
use crate::key::{Key, KeyRange, Space};
use crate::value::Value;

/// The records of intents that a store holds.
#[derive(Debug, Default)]
pub struct Found {
    pub(super) records: Vec<(Key, Value)>,
    /// The reason why there may be more records than could be read.
    pub(super) damage: Option<Error>,
}

impl Found {
    /// Reads the records with `scan`, which gives a page of a range behind a key. Damage does not fail the call: it is
    /// kept beside the records that could be read.
    ///
    /// # Errors
    ///
    /// An error of `scan` other than `CORRUPTED`.
    pub fn read(mut scan: impl FnMut(&KeyRange, Option<&[u8]>) -> Result<Page>) -> Result<Self> {
        let range = range();
        let mut found = Found::default();
        let mut after: Option<Key> = None;
        loop {
            let page = match scan(&range, after.as_deref()) {
                Ok(page) => page,
                Err(error) if error.code() == Code::Corrupted => {
                    found.damage = Some(error);
                    return Ok(found);
                }
                Err(error) => return Err(error),
            };
            found.records.extend(page.entries.into_iter().filter_map(|(key, item)| match item {
                Item::Value(value) => Some((key, value)),
                Item::Key | Item::Record(_) => None,
            }));
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(found),
            }
        }
    }

    /// Reads the records in a view, as [`read`](Found::read) does.
    ///
    /// # Errors
    ///
    /// An error of the view other than `CORRUPTED`.
    pub fn in_view<V: View + ?Sized>(view: &V) -> Result<Self> {
        Found::read(|range, after| view.scan(Space::Internal, range, Projection::Values, after, PAGE_BYTES))
    }
}

//! A page of a scan. All its keys and values lie in one buffer: one allocation a page instead of several an entry.

use std::ops::Range;

use bytes::Bytes;

use super::fault;
use super::iterator::RawIterator;
use super::options::NAME;
use crate::engine::{Gathering, Item, Page, Projection};
use crate::error::Result;
use crate::format::leveldb::Header;
use crate::key::{Key, KeyRange};
use crate::record::Millis;

/// A page passes over at most this many keys, so that a page of a sparse pattern stays short.
const MAX_STEPS: usize = 65_536;
/// Bytes of a page's buffer at first.
const MAX_RESERVED_BYTES: usize = 256 << 10;

/// Where the parts of an entry lie in the page's buffer.
struct EntrySpan {
    key: Range<usize>,
    value: Range<usize>,
    /// `None` in a page of keys.
    header: Option<Header>,
}

/// Reads the entries of `range` from where `keys` stands, until they hold about `max_bytes`.
pub(super) fn read_page(
    keys: &mut RawIterator<'_>,
    range: &KeyRange,
    what: Projection,
    max_bytes: usize,
    now: Millis,
) -> Result<Page> {
    let mut buffer: Vec<u8> = Vec::new();
    let mut spans: Vec<EntrySpan> = Vec::new();
    let mut bytes = 0;
    let mut next: Option<Key> = None;
    let unfiltered = range.is_interval();
    let mut damage = None;
    for step in 0.. {
        let Some((key, value)) = keys.item() else {
            damage = keys.status().err().map(|error| fault::translate("read a range", &error));
            break;
        };
        let mut full = step + 1 >= MAX_STEPS;
        if unfiltered || range.selects(key) {
            let header = match Header::read(value) {
                Ok(header) => Some(header),
                // Its key is known, whatever the record is.
                Err(_) if what == Projection::Keys => None,
                Err(error) => {
                    damage = Some(error.at_key(key).in_engine(NAME));
                    break;
                }
            };
            let expires_at = header.as_ref().and_then(|header| header.expires_at);
            if expires_at.is_none_or(|at| at > now) {
                if buffer.capacity() == 0 {
                    buffer.reserve(max_bytes.min(MAX_RESERVED_BYTES) + key.len() + value.len());
                }
                let key_at = buffer.len();
                buffer.extend_from_slice(key);
                let value_at = buffer.len();
                if what == Projection::Keys {
                    bytes += Gathering::entry_bytes(key.len(), 0);
                    spans.push(EntrySpan { key: key_at..value_at, value: 0..0, header: None });
                } else {
                    buffer.extend_from_slice(value);
                    bytes += Gathering::entry_bytes(key.len(), value.len());
                    let value = value_at..buffer.len();
                    spans.push(EntrySpan { key: key_at..value_at, value, header });
                }
                full |= bytes >= max_bytes || range.limit.is_some_and(|limit| spans.len() >= limit);
            }
        }
        if full {
            next = Some(Key::copy_from_slice(key));
            break;
        }
        if range.reverse { keys.prev() } else { keys.next() }
    }
    if let Some(damage) = damage {
        // The next page begins with the error.
        let last = spans.last().and_then(|last| buffer.get(last.key.clone()));
        next = Some(last.map(Key::copy_from_slice).ok_or(damage)?);
    }
    let buffer = Bytes::from(buffer);
    let entries = spans.into_iter().map(|span| entry(&buffer, span, what)).collect();
    Ok(Page { entries, next })
}

fn entry(buffer: &Bytes, span: EntrySpan, what: Projection) -> (Key, Item) {
    let item = match span.header {
        None => Item::Key,
        Some(header) => {
            let stored = buffer.slice(span.value);
            match what {
                Projection::Keys => Item::Key,
                Projection::Values => Item::Value(header.value(&stored)),
                Projection::Records => Item::Record(Box::new(header.record(&stored))),
            }
        }
    };
    (buffer.slice(span.key), item)
}

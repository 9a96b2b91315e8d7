//! Finds user keys by SCAN. The server gets a literal prefix, never a pattern of the user.

use std::ops::Bound;

use bytes::Bytes;
use redis::Value as RespValue;

use super::link::{Effect, Link};
use super::reply::scan_page;
use crate::error::Result;
use crate::format::redis::Layout;
use crate::key::{Key, KeyRange, prefix_end};

/// How many keys the server looks at for one page.
const PAGE_KEYS: u32 = 1000;

/// Gives the user keys in `range` to `take`, page by page, in no order. A key may come twice. A key that is there from
/// the beginning to the end is not missed. Blocks.
pub(super) fn for_each(
    link: &Link,
    layout: &Layout,
    range: &KeyRange,
    mut take: impl FnMut(Vec<Key>) -> Result<()>,
) -> Result<()> {
    let pattern = pattern(layout, range);
    let mut cursor: Vec<u8> = b"0".to_vec();
    loop {
        let mut pipe = redis::pipe();
        pipe.cmd("SCAN").arg(&cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(PAGE_KEYS);
        let (names, next) = scan_page(link.call(&pipe, Effect::Read)?.pop())?;
        let keys: Vec<Key> = names
            .into_iter()
            .filter_map(|name| match name {
                RespValue::BulkString(name) => layout.user_key(&Bytes::from(name)),
                _ => None,
            })
            .filter(|key| range.contains(key))
            .collect();
        if !keys.is_empty() {
            take(keys)?;
        }
        if next == b"0" {
            return Ok(());
        }
        cursor = next;
    }
}

/// The user keys in `range`, in order, each once. All of them are in memory at once. Blocks.
pub(super) fn sorted(link: &Link, layout: &Layout, range: &KeyRange) -> Result<Vec<Key>> {
    let mut found = Vec::new();
    for_each(link, layout, range, |keys| {
        found.extend(keys);
        Ok(())
    })?;
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// A pattern for the names that start as every key of `range` does. Its glob characters are escaped.
fn pattern(layout: &Layout, range: &KeyRange) -> Vec<u8> {
    let mut pattern = Vec::new();
    for byte in layout.prefix.iter().chain(common_prefix(range)) {
        if matches!(byte, b'*' | b'?' | b'[' | b']' | b'\\' | b'^' | b'-') {
            pattern.push(b'\\');
        }
        pattern.push(*byte);
    }
    pattern.push(b'*');
    pattern
}

/// The longest prefix that every key of the interval has.
fn common_prefix(range: &KeyRange) -> &[u8] {
    let (Bound::Included(start) | Bound::Excluded(start), Bound::Included(end) | Bound::Excluded(end)) =
        (&range.start, &range.end)
    else {
        return &[];
    };
    if matches!(&range.end, Bound::Excluded(end) if prefix_end(start).as_ref() == Some(end)) {
        return start;
    }
    let common = start.iter().zip(end).take_while(|(a, b)| a == b).count();
    start.get(..common).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_gets_an_escaped_literal_prefix() {
        let layout = Layout::new("a*[b]\\?");
        let shown = |range| String::from_utf8(pattern(&layout, &range)).unwrap();
        assert_eq!(shown(KeyRange::all()), "a\\*\\[b\\]\\\\\\?*");
        assert_eq!(shown(KeyRange::prefix(&b"u:"[..])), "a\\*\\[b\\]\\\\\\?u:*");
        let plain = Layout::new("");
        assert_eq!(pattern(&plain, &KeyRange::glob("x?[a-z]*")), b"x*");
        assert_eq!(pattern(&plain, &KeyRange::glob("one")), b"one*");
        let mut range = KeyRange::all();
        range.raise_start(Bound::Included(Key::from_static(b"user:1")));
        range.lower_end(Bound::Included(Key::from_static(b"user:7")));
        assert_eq!(pattern(&plain, &range), b"user:*");
    }
}

//! A walk over the keys on disk, in the order of their bytes.
//!
//! Invariant: within a folder, files by their segment and folders by their segment with a slash behind it sort as the
//! keys below them do, because no segment holds a slash. So a depth-first walk over sorted folders is ordered, and it
//! holds no more than the listings of the folders it is in.

use std::collections::HashMap;
use std::ops::Bound;
use std::sync::Arc;

use super::layout::join;
use super::os::Kind;
use super::tree::FileTree;
use crate::error::Result;
use crate::format::file_name;
use crate::key::{Key, KeyRange, prefix_end};

/// Listings that a walk keeps at most, beside those of the folders it is in.
const MAX_LISTINGS: usize = 256;

/// The entries of a folder: segments in order, those of folders with a slash behind them.
type Listing = Arc<Vec<Box<str>>>;

/// Listings by folder, kept over the pages of one scan.
pub(super) type Listings = HashMap<String, Listing>;

/// A walk over the keys of a range, in its direction.
pub(super) struct Walk<'a> {
    tree: &'a FileTree,
    range: &'a KeyRange,
    stack: Vec<Level>,
}

struct Level {
    folder: String,
    /// The beginning of every key in the folder.
    prefix: String,
    listing: Listing,
    /// Entries from here on, or before here in reverse, are still to come.
    at: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn new(tree: &'a FileTree, range: &'a KeyRange, listings: &mut Listings) -> Result<Self> {
        let mut walk = Walk { tree, range, stack: Vec::new() };
        if !range.is_empty() {
            walk.enter(String::new(), String::new(), listings)?;
        }
        Ok(walk)
    }

    /// The next key of the interval.
    pub(super) fn next(&mut self, listings: &mut Listings) -> Result<Option<Key>> {
        while let Some(level) = self.stack.last_mut() {
            let entry = if self.range.reverse {
                level.at.checked_sub(1).and_then(|at| level.listing.get(at))
            } else {
                level.listing.get(level.at)
            };
            let Some(entry) = entry else {
                self.stack.pop();
                continue;
            };
            let key = format!("{}{entry}", level.prefix);
            let is_folder = entry.ends_with('/');
            if is_past(self.range, &key, is_folder) {
                self.stack.pop();
                continue;
            }
            let folder = is_folder.then(|| folder_path(&level.folder, entry));
            level.at = if self.range.reverse { level.at - 1 } else { level.at + 1 };
            match folder {
                Some(folder) => self.enter(folder, key, listings)?,
                None => return Ok(Some(key.into())),
            }
        }
        Ok(None)
    }

    fn enter(&mut self, folder: String, prefix: String, listings: &mut Listings) -> Result<()> {
        let listing = match listings.get(&folder) {
            Some(listing) => listing.clone(),
            None => {
                let listing = Arc::new(list(self.tree, &folder)?);
                if listings.len() >= MAX_LISTINGS {
                    listings.retain(|path, _| folder.starts_with(path.as_str()));
                }
                listings.insert(folder.clone(), listing.clone());
                listing
            }
        };
        // The first entry that reaches into the range.
        let mut key = prefix.clone();
        let at = listing.partition_point(|entry| {
            key.truncate(prefix.len());
            key.push_str(entry);
            let (bytes, is_folder) = (key.as_bytes(), entry.ends_with('/'));
            if self.range.reverse {
                match &self.range.end {
                    Bound::Unbounded => true,
                    Bound::Included(end) => bytes <= end.as_ref(),
                    Bound::Excluded(end) => bytes < end.as_ref(),
                }
            } else {
                match &self.range.start {
                    Bound::Unbounded => false,
                    Bound::Included(start) => !reaches(bytes, is_folder, start, true),
                    Bound::Excluded(start) => !reaches(bytes, is_folder, start, false),
                }
            }
        });
        self.stack.push(Level { folder, prefix, listing, at });
        Ok(())
    }
}

/// True if the entry, and so every later one of its folder, lies behind the range.
fn is_past(range: &KeyRange, key: &str, is_folder: bool) -> bool {
    let key = key.as_bytes();
    if range.reverse {
        match &range.start {
            Bound::Unbounded => false,
            Bound::Included(start) => !reaches(key, is_folder, start, true),
            Bound::Excluded(start) => !reaches(key, is_folder, start, false),
        }
    } else {
        match &range.end {
            Bound::Unbounded => false,
            Bound::Included(end) => key > end.as_ref(),
            Bound::Excluded(end) => key >= end.as_ref(),
        }
    }
}

/// True if the entry's last key is at or behind `start`.
fn reaches(key: &[u8], is_folder: bool, start: &[u8], included: bool) -> bool {
    if is_folder {
        return prefix_end(key).is_none_or(|end| end.as_ref() > start);
    }
    key > start || (included && key == start)
}

/// The path of the folder that an entry of `folder` stands for.
fn folder_path(folder: &str, entry: &str) -> String {
    // The entry, which ends with a slash, is a key whose file lies in the folder of that segment.
    let path = file_name::path_of(entry.as_bytes());
    join(folder, path.as_ref().map_or("", |path| path.folder()))
}

/// The entries of a folder that are keys, or may hold some.
fn list(tree: &FileTree, path: &str) -> Result<Vec<Box<str>>> {
    let mut entries: Vec<Box<str>> = Vec::new();
    let Some(folder) = tree.folder(path)? else { return Ok(entries) };
    tree.list(&folder, path, |name, kind| {
        let segment = match kind {
            Kind::File if file_name::fits(path, name) => file_name::file_segment(name),
            Kind::Folder if file_name::fits(path, name) => file_name::folder_segment(name).map(|name| name + "/"),
            _ => None,
        };
        entries.extend(segment.map(String::into_boxed_str));
    })?;
    entries.sort_unstable();
    Ok(entries)
}

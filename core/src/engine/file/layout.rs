//! Names below the base folder that are the store's own, and the names of files of long keys.
//!
//! The file name of a key never starts with a dot, so these names are no key's. `docs/formats/file.md` lists them.

use std::collections::{BTreeMap, HashSet};

use parking_lot::RwLock;
use xxhash_rust::xxh3::xxh3_128;

use crate::format::file_name::FilePath;
use crate::key::{Key, KeyRange};

/// The folder of everything here.
pub(super) const STORE_FOLDER: &str = ".holdfast";

/// The folder of files whose keys are too long for a path of their own.
pub(super) const LONG_FOLDER: &str = ".holdfast/long";

/// The folder of damaged files that `verify` has moved away.
pub(super) const QUARANTINE_FOLDER: &str = ".holdfast/quarantine";

/// The folder of a content that is staged to replace that of the store.
pub(super) const STAGED_FOLDER: &str = ".holdfast/staged";

/// The staged files: those of keys that have a path of their own, and those of long keys.
pub(super) const STAGED_TREE: &str = ".holdfast/staged/tree";
pub(super) const STAGED_LONG: &str = ".holdfast/staged/long";

/// The folder of files and folders that a replacement has moved away, to be deleted.
pub(super) const REPLACED_FOLDER: &str = ".holdfast/replaced";

/// The redo log.
pub(super) const REDO_PATH: &str = ".holdfast/redo";

/// File names in [`STORE_FOLDER`].
pub(super) const REDO_FILE: &str = "redo";
pub(super) const LOCK_FILE: &str = "lock";
pub(super) const DATABASE_FILE: &str = "store.db";

/// The name of [`LONG_FOLDER`] in [`STORE_FOLDER`], and of [`STAGED_LONG`] in [`STAGED_FOLDER`].
pub(super) const LONG_NAME: &str = "long";

/// The path of `name` in `folder`; the base folder is "".
pub(super) fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// The file names of long keys, as the database holds them.
#[derive(Default)]
pub(super) struct LongNames {
    names: RwLock<Names>,
}

#[derive(Default)]
struct Names {
    by_key: BTreeMap<Key, String>,
    taken: HashSet<String>,
}

impl LongNames {
    pub(super) fn new(entries: Vec<(Key, String)>) -> Self {
        let names = LongNames::default();
        for (key, name) in entries {
            names.insert(key, name);
        }
        names
    }

    /// Replaces all names by those of `other`.
    pub(super) fn replace(&self, other: LongNames) {
        *self.names.write() = other.names.into_inner();
    }

    pub(super) fn insert(&self, key: Key, name: String) {
        let mut names = self.names.write();
        names.taken.insert(name.clone());
        names.by_key.insert(key, name);
    }

    pub(super) fn remove(&self, key: &[u8]) {
        let mut names = self.names.write();
        if let Some(name) = names.by_key.remove(key) {
            names.taken.remove(&name);
        }
    }

    /// The path of the file of `key`, if the key has a name.
    pub(super) fn path(&self, key: &[u8]) -> Option<FilePath> {
        self.names.read().by_key.get(key).map(|name| FilePath::new(LONG_FOLDER, name))
    }

    /// The name that a new key gets: its hash, and a number where the store or `pending` has that name for another key.
    pub(super) fn name_for(&self, key: &[u8], pending: &[(Key, String)]) -> String {
        let hash = xxh3_128(key);
        let mut stem = format!("{hash:032x}");
        let mut number = 1;
        {
            let names = self.names.read();
            while names.taken.contains(&format!("{stem}.json")) {
                stem = format!("{hash:032x}-{number}");
                number += 1;
            }
        }
        let mut name = format!("{stem}.json");
        let mut number = 1;
        while pending.iter().any(|(_, taken)| *taken == name) {
            name = format!("{stem}-g{number}.json");
            number += 1;
        }
        name
    }

    /// The next key of `range`, in its direction. Its file need not exist.
    pub(super) fn next(&self, range: &KeyRange) -> Option<Key> {
        if range.is_empty() {
            return None;
        }
        let names = self.names.read();
        let bounds = (range.start.as_ref().map(AsRef::<[u8]>::as_ref), range.end.as_ref().map(AsRef::<[u8]>::as_ref));
        let mut keys = names.by_key.range::<[u8], _>(bounds);
        let next = if range.reverse { keys.next_back() } else { keys.next() };
        next.map(|(key, _)| key.clone())
    }

    /// The keys that `range` contains. Their files need not exist.
    pub(super) fn keys(&self, range: &KeyRange) -> Vec<Key> {
        self.names.read().by_key.keys().filter(|key| range.contains(key)).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_taken_is_numbered() {
        let key = Key::from_static(b"k");
        let names = LongNames::default();
        let first = names.name_for(&key, &[]);
        let in_group = names.name_for(&key, &[(key.clone(), first.clone())]);
        assert_eq!(in_group, first.replace(".json", "-g1.json"));
        names.insert(key.clone(), first.clone());
        assert_eq!(names.name_for(&key, &[]), first.replace(".json", "-1.json"));
        names.remove(&key);
        assert_eq!(names.name_for(&key, &[]), first);
        assert_eq!(names.path(&key), None);
    }
}

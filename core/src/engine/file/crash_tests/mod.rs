//! The process dies at each change of the disk in turn; what is found afterwards is all or nothing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

mod groups;
mod histories;
mod recovery;
mod replacements;

use std::collections::BTreeMap;
use std::path::Path;

use super::FileOptions;
use super::open::open as open_store;
use super::os::failpoints;
use super::store::FileStore;
use crate::batch::{Batch, Op};
use crate::engine::embedded::Store;
use crate::engine::{Durability, Item, Projection, for_each_page};
use crate::key::{Key, KeyRange, Space};
use crate::value::Value;

type Contents = BTreeMap<(Space, Key), (Value, Option<u64>)>;

fn open(path: &Path, durability: Durability) -> FileStore {
    open_store(path, &FileOptions { durability, ..FileOptions::new(path) }).unwrap()
}

/// Everything in the store.
fn state(store: &FileStore) -> Contents {
    let view = store.view().unwrap();
    let mut state = Contents::new();
    for space in [Space::User, Space::Internal] {
        for_each_page(&*view, space, &KeyRange::all(), Projection::Records, |page| {
            for (key, item) in page {
                let Item::Record(record) = item else { panic!("not a record") };
                state.insert((space, key), (record.value, record.expires_at));
            }
            Ok(true)
        })
        .unwrap();
    }
    state
}

fn set(space: Space, key: &str, text: &str, expires_at: Option<u64>) -> Op {
    Op::Set {
        space,
        key: Key::copy_from_slice(key.as_bytes()),
        value: Value::json(text.to_owned()),
        expires_at,
        metadata: None,
    }
}

fn delete(key: &str) -> Op {
    Op::Delete { space: Space::User, key: Key::copy_from_slice(key.as_bytes()) }
}

fn batch(ops: Vec<Op>) -> Batch {
    Batch { ops, ..Batch::default() }
}

/// Runs `group` on a store that holds `before`, dying at the n-th change for every n, and checks what the next
/// opening finds with `is_right`.
fn die_everywhere(durability: Durability, before: &[Batch], group: &[Batch], is_right: impl Fn(&Contents) -> bool) {
    for steps in 0.. {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path(), durability);
        for batch in before {
            store.write_group(std::slice::from_ref(batch)).remove(0).unwrap();
        }
        failpoints::set(Some(steps));
        let results = store.write_group(group);
        let died = failpoints::reached();
        let seen = state(&store);
        assert!(is_right(&seen), "the same handle after {steps} steps at {durability:?}: {seen:?}");
        drop(store);
        failpoints::set(None);
        let store = open(dir.path(), durability);
        let found = state(&store);
        assert!(is_right(&found), "after {steps} steps at {durability:?}: {found:?}");
        assert!(leftovers(dir.path()).is_empty(), "after {steps} steps: {:?}", leftovers(dir.path()));
        die_while_recovering(durability, before, group, steps, &is_right);
        if !died {
            assert!(results.iter().all(Result::is_ok), "{results:?}");
            assert!(steps > 2, "the test reaches the middle of a commit");
            return;
        }
        if results.iter().all(Result::is_ok) {
            assert_eq!(found, after(before, group), "after {steps} steps: what was acknowledged is there");
        }
    }
}

/// Dies at the change numbered `steps`, then at every change of the next opening: the one after that is right.
fn die_while_recovering(
    durability: Durability,
    before: &[Batch],
    group: &[Batch],
    steps: u64,
    is_right: impl Fn(&Contents) -> bool,
) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), durability);
    for batch in before {
        store.write_group(std::slice::from_ref(batch)).remove(0).unwrap();
    }
    failpoints::set(Some(steps));
    store.write_group(group);
    failpoints::set(None);
    drop(store);
    for steps in 0.. {
        let copy = tempfile::tempdir().unwrap();
        copy_all(dir.path(), copy.path());
        failpoints::set(Some(steps));
        drop(open_store(copy.path(), &FileOptions { durability, ..FileOptions::new(copy.path()) }));
        let died = failpoints::reached();
        failpoints::set(None);
        let found = state(&open(copy.path(), durability));
        assert!(is_right(&found), "after {steps} steps of recovery at {durability:?}: {found:?}");
        if !died {
            return;
        }
    }
}

fn copy_all(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            std::fs::create_dir(&to).unwrap();
            copy_all(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// The contents of a store after all these sets and deletes of single keys.
fn after(before: &[Batch], group: &[Batch]) -> Contents {
    let mut state = Contents::new();
    for op in before.iter().chain(group).flat_map(|batch| &batch.ops) {
        match op {
            Op::Set { space, key, value, expires_at, .. } => {
                state.insert((*space, key.clone()), (value.clone(), *expires_at));
            }
            Op::Delete { space, key } => drop(state.remove(&(*space, key.clone()))),
            _ => panic!("neither a set nor a delete"),
        }
    }
    state
}

/// Temporary files below `path`.
fn leftovers(path: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(leftovers(&path));
        } else if path.file_name().unwrap().to_string_lossy().starts_with(".tmp-") {
            found.push(path);
        }
    }
    found
}

const BELOW_FULL: [Durability; 2] = [Durability::None, Durability::Normal];

/// A JSON string of that many letters.
fn text(letter: &str, length: usize) -> String {
    format!("\"{}\"", letter.repeat(length))
}

//! The process dies at each change of the disk in turn; what is found afterwards is all or nothing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;

use super::FileOptions;
use super::os::fuse;
use super::shelf::Shelf;
use super::view::FileView;
use crate::batch::{Batch, Op};
use crate::engine::{Durability, Item, Projection, for_each_page};
use crate::key::{Key, KeyRange, Space};
use crate::record::now;
use crate::value::Value;

type State = BTreeMap<(Space, Key), (Value, Option<u64>)>;

fn open(path: &Path, durability: Durability) -> Arc<Shelf> {
    Shelf::open(path, &FileOptions { durability, ..FileOptions::new(path) }).unwrap()
}

/// Everything in the store.
fn state(shelf: &Arc<Shelf>) -> State {
    let view = FileView::open(shelf);
    let mut state = State::new();
    for space in [Space::User, Space::Internal] {
        for_each_page(&view, space, &KeyRange::all(), Projection::Records, |page| {
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
fn die_everywhere(durability: Durability, before: &[Batch], group: &[Batch], is_right: impl Fn(&State) -> bool) {
    for steps in 0.. {
        let dir = tempfile::tempdir().unwrap();
        let shelf = open(dir.path(), durability);
        for batch in before {
            shelf.commit(std::slice::from_ref(batch)).remove(0).unwrap();
        }
        fuse::set(Some(steps));
        let results = shelf.commit(group);
        let died = fuse::burnt();
        drop(shelf);
        fuse::set(None);
        let shelf = open(dir.path(), durability);
        let found = state(&shelf);
        assert!(is_right(&found), "after {steps} steps at {durability:?}: {found:?}");
        assert!(leftovers(dir.path()).is_empty(), "after {steps} steps: {:?}", leftovers(dir.path()));
        if !died {
            assert!(results.iter().all(Result::is_ok), "{results:?}");
            assert!(steps > 2, "the test reaches the middle of a commit");
            return;
        }
        // Dying while recovering changes nothing about it.
        drop(shelf);
    }
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

#[test]
fn a_batch_over_both_keyspaces_is_whole_or_absent_wherever_the_process_dies() {
    let at = now() + 60_000;
    let long = "L".repeat(300);
    let before = [batch(vec![
        set(Space::User, "a", "\"old\"", None),
        set(Space::User, "b/c", "\"old\"", Some(at)),
        set(Space::Internal, "i", "\"old\"", None),
    ])];
    let group = [batch(vec![
        set(Space::User, "a", "\"new\"", Some(at)),
        delete("b/c"),
        set(Space::User, "d/e/f", "\"new\"", None),
        set(Space::User, &long, "\"new\"", None),
        set(Space::Internal, "i", "\"new\"", None),
    ])];
    let state = |ops: &[Op]| -> State {
        ops.iter()
            .filter_map(|op| match op {
                Op::Set { space, key, value, expires_at, .. } => {
                    Some(((*space, key.clone()), (value.clone(), *expires_at)))
                }
                _ => None,
            })
            .collect()
    };
    let (old, new) = (state(&before[0].ops), state(&group[0].ops));
    for durability in [Durability::Full, Durability::Normal] {
        die_everywhere(durability, &before, &group, |found| *found == old || *found == new);
    }
}

#[test]
fn a_plain_write_is_the_old_value_or_the_new_wherever_the_process_dies() {
    let before = [batch(vec![set(Space::User, "a/b", "\"old\"", None)])];
    let group = [batch(vec![set(Space::User, "a/b", "\"new\"", None)])];
    for durability in [Durability::Full, Durability::Normal] {
        die_everywhere(durability, &before, &group, |found| {
            let value = &found.get(&(Space::User, Key::from_static(b"a/b"))).unwrap().0;
            [Value::json("\"old\""), Value::json("\"new\"")].contains(value)
        });
    }
}

#[test]
fn a_write_after_a_batch_that_deleted_its_key_is_never_undone_by_recovery() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = open(dir.path(), Durability::Normal);
    let commit = |ops| shelf.commit(&[batch(ops)]).remove(0).unwrap();
    commit(vec![set(Space::User, "a", "1", None), set(Space::User, "b", "1", None)]);
    commit(vec![delete("a"), set(Space::User, "b", "2", None)]);
    commit(vec![set(Space::User, "a", "3", None)]);
    drop(shelf);
    let found = state(&open(dir.path(), Durability::Normal));
    assert_eq!(found.get(&(Space::User, Key::from_static(b"a"))).unwrap().0, Value::json("3"));
}

#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<(u8, Option<u8>, bool)>),
    Restart,
    Crash(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let write = (0..12_u8, proptest::option::of(any::<u8>()), any::<bool>());
    prop_oneof![
        6 => prop::collection::vec(write.clone(), 1..2).prop_map(Step::Commit),
        4 => prop::collection::vec(write, 1..6).prop_map(Step::Commit),
        1 => Just(Step::Restart),
        1 => (0..30_u64).prop_map(Step::Crash),
    ]
}

const KEYS: [&str; 12] = ["a", "A", "a/b", "a/b/c", "a/", "..", "x.json", "x.json/y", "b", "con", "b/\u{e9}", "c"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_history_with_restarts_and_crashes_leaves_what_a_map_holds(
        steps in prop::collection::vec(step(), 1..24),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let at = now() + 600_000;
        let mut shelf = open(dir.path(), Durability::Normal);
        let mut model = State::new();
        let mut fuse_at = None;
        for step in steps {
            match step {
                Step::Restart => {
                    shelf.close().unwrap();
                    drop(shelf);
                    shelf = open(dir.path(), Durability::Normal);
                }
                Step::Crash(steps) => fuse_at = Some(steps),
                Step::Commit(writes) => {
                    let mut after = model.clone();
                    let mut ops = Vec::new();
                    for (key, value, internal) in writes {
                        let key = KEYS[usize::from(key)];
                        let id = |space| (space, Key::from_static(key.as_bytes()));
                        let Some(value) = value else {
                            ops.push(delete(key));
                            after.remove(&id(Space::User));
                            continue;
                        };
                        let space = if internal && value % 4 == 0 { Space::Internal } else { Space::User };
                        let expires_at = (value % 3 == 0).then_some(at);
                        ops.push(set(space, key, &value.to_string(), expires_at));
                        after.insert(id(space), (Value::json(value.to_string()), expires_at));
                    }
                    fuse::set(fuse_at);
                    let result = shelf.commit(&[batch(ops)]).remove(0);
                    let died = fuse::burnt();
                    fuse::set(None);
                    if fuse_at.take().is_some() && died {
                        drop(shelf);
                        shelf = open(dir.path(), Durability::Normal);
                        let found = state(&shelf);
                        prop_assert!(found == model || found == after, "{:?} is neither {:?} nor {:?}", found, model, after);
                        model = found;
                    } else {
                        prop_assert!(result.is_ok(), "{:?}", result);
                        model = after;
                    }
                }
            }
            prop_assert_eq!(&state(&shelf), &model);
        }
    }
}

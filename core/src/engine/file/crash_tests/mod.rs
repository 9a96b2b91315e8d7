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
use super::os::failpoints;
use super::records::Shelf;
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
            shelf.write_group(std::slice::from_ref(batch)).remove(0).unwrap();
        }
        failpoints::set(Some(steps));
        let results = shelf.write_group(group);
        let died = failpoints::reached();
        let seen = state(&shelf);
        assert!(is_right(&seen), "the same handle after {steps} steps at {durability:?}: {seen:?}");
        drop(shelf);
        failpoints::set(None);
        let shelf = open(dir.path(), durability);
        let found = state(&shelf);
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
    is_right: impl Fn(&State) -> bool,
) {
    let dir = tempfile::tempdir().unwrap();
    let shelf = open(dir.path(), durability);
    for batch in before {
        shelf.write_group(std::slice::from_ref(batch)).remove(0).unwrap();
    }
    failpoints::set(Some(steps));
    shelf.write_group(group);
    failpoints::set(None);
    drop(shelf);
    for steps in 0.. {
        let copy = tempfile::tempdir().unwrap();
        copy_all(dir.path(), copy.path());
        failpoints::set(Some(steps));
        drop(Shelf::open(copy.path(), &FileOptions { durability, ..FileOptions::new(copy.path()) }));
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

/// What the store holds once all these sets and deletes of single keys are done.
fn after(before: &[Batch], group: &[Batch]) -> State {
    let mut state = State::new();
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
    for durability in [Durability::Full, Durability::Normal, Durability::None] {
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
    let commit = |ops| shelf.write_group(&[batch(ops)]).remove(0).unwrap();
    commit(vec![set(Space::User, "a", "1", None), set(Space::User, "b", "1", None)]);
    commit(vec![delete("a"), set(Space::User, "b", "2", None)]);
    commit(vec![set(Space::User, "a", "3", None)]);
    drop(shelf);
    let found = state(&open(dir.path(), Durability::Normal));
    assert_eq!(found.get(&(Space::User, Key::from_static(b"a"))).unwrap().0, Value::json("3"));
}

const BELOW_FULL: [Durability; 2] = [Durability::None, Durability::Normal];

/// A JSON string of that many letters.
fn text(letter: &str, length: usize) -> String {
    format!("\"{}\"", letter.repeat(length))
}

#[test]
fn a_batch_over_plain_keys_is_whole_or_absent_wherever_the_process_dies() {
    let user = |key: &str, text: &str| set(Space::User, key, text, None);
    let before = [batch(vec![
        user("same", &text("o", 100)),
        user("shrinks", &text("o", 9000)),
        user("grows", &text("o", 10)),
        user("folder/huge", &text("o", 100_000)),
        user("folder/goes", &text("o", 10)),
        user("stays", &text("o", 10)),
    ])];
    let group = [batch(vec![
        user("same", &text("n", 100)),
        user("shrinks", &text("n", 10)),
        user("grows", &text("n", 9000)),
        user("folder/huge", &text("n", 10)),
        user("new/one", &text("n", 10)),
        delete("folder/goes"),
    ])];
    let (old, new) = (after(&before, &[]), after(&before, &group));
    for durability in BELOW_FULL {
        die_everywhere(durability, &before, &group, |found| *found == old || *found == new);
    }
}

#[test]
fn a_group_of_batches_is_each_batch_whole_or_absent_wherever_the_process_dies() {
    let user = |key: &str, text: &str| batch(vec![set(Space::User, key, text, None)]);
    let keys = ["a", "b", "c"];
    let before = keys.map(|key| user(key, "\"before\""));
    let value = |found: &State, key: &str| {
        found.get(&(Space::User, Key::copy_from_slice(key.as_bytes()))).map(|(value, _)| value.to_text().to_vec())
    };
    let singles = keys.map(|key| user(key, "\"x\""));
    let pairs = [
        batch(vec![set(Space::User, "a", "\"x\"", None), set(Space::User, "b", "\"x\"", None)]),
        batch(vec![delete("c"), set(Space::User, "d", "\"x\"", None)]),
    ];
    for durability in BELOW_FULL {
        die_everywhere(durability, &before, &singles, |found| {
            keys.iter().all(|key| {
                let value = value(found, key);
                value.as_deref() == Some(b"\"before\"") || value.as_deref() == Some(b"\"x\"")
            })
        });
        die_everywhere(durability, &before, &pairs, |found| {
            value(found, "a") == value(found, "b") && value(found, "c").is_some() == value(found, "d").is_none()
        });
    }
}

#[test]
fn what_was_pending_never_undoes_a_later_write_through_the_database() {
    for durability in BELOW_FULL {
        let dir = tempfile::tempdir().unwrap();
        let shelf = open(dir.path(), durability);
        let commit = |ops| shelf.write_group(&[batch(ops)]).remove(0).unwrap();
        let at = Some(now() + 60_000);
        commit(vec![set(Space::User, "a", "1", None), set(Space::User, "b", "1", None)]);
        commit(vec![set(Space::User, "a", "2", None), set(Space::User, "b", "2", None)]);
        commit(vec![set(Space::User, "a", "3", at), set(Space::Internal, "i", "3", None)]);
        drop(shelf);
        let found = state(&open(dir.path(), durability));
        assert_eq!(found.get(&(Space::User, Key::from_static(b"a"))).unwrap(), &(Value::json("3"), at));
        assert_eq!(found.get(&(Space::User, Key::from_static(b"b"))).unwrap(), &(Value::json("2"), None));
    }
}

/// A store that died with its files torn and its redo record pending.
fn torn() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let shelf = open(dir.path(), Durability::Normal);
    let both = |text: &str| batch(vec![set(Space::User, "a", text, None), set(Space::User, "b", text, None)]);
    shelf.write_group(&[both(&text("o", 100))]).remove(0).unwrap();
    failpoints::set(Some(1));
    shelf.write_group(&[both(&text("n", 100))]).remove(0).unwrap_err();
    failpoints::set(None);
    dir
}

#[test]
fn a_store_with_writes_pending_is_finished_by_the_next_opening_for_writing_only() {
    let dir = torn();
    let read_only = FileOptions { read_only: true, ..FileOptions::new(dir.path()) };
    assert_eq!(Shelf::open(dir.path(), &read_only).err().map(|error| error.code()), Some(crate::Code::ReadOnly));
    let found = state(&open(dir.path(), Durability::Full));
    assert!(found.values().all(|(value, _)| *value == Value::json(text("n", 100))), "{found:?}");
    assert!(!dir.path().join(super::REDO).exists(), "an old record must not undo what is synced from now on");
}

#[test]
fn a_store_that_could_not_finish_a_write_takes_no_more_until_it_is_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = open(dir.path(), Durability::None);
    let write = |text: &str| shelf.write_group(&[batch(vec![set(Space::User, "a", text, None)])]).remove(0);
    write("1").unwrap();
    failpoints::set(Some(1));
    write("2").unwrap_err();
    failpoints::set(None);
    assert_eq!(write("3").unwrap_err().code(), crate::Code::Io);
    drop(shelf);
    let found = state(&open(dir.path(), Durability::None));
    assert_eq!(found.get(&(Space::User, Key::from_static(b"a"))).unwrap().0, Value::json("2"));
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
        let mut dies_at = None;
        for step in steps {
            match step {
                Step::Restart => {
                    shelf.close().unwrap();
                    drop(shelf);
                    shelf = open(dir.path(), Durability::Normal);
                }
                Step::Crash(steps) => dies_at = Some(steps),
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
                        // Some outgrow their blocks.
                        let text = if value % 5 == 0 { text("v", usize::from(value) * 80) } else { value.to_string() };
                        ops.push(set(space, key, &text, expires_at));
                        after.insert(id(space), (Value::json(text), expires_at));
                    }
                    failpoints::set(dies_at);
                    let result = shelf.write_group(&[batch(ops)]).remove(0);
                    let died = failpoints::reached();
                    failpoints::set(None);
                    if dies_at.take().is_some() && died {
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

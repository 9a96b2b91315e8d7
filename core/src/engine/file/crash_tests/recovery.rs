//! Stores that a crash left, opened again.

use super::*;
use crate::engine::file::layout::REDO_PATH;
use crate::record::now;

#[test]
fn a_write_after_a_batch_that_deleted_its_key_is_never_undone_by_recovery() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), Durability::Normal);
    let commit = |ops| store.write_group(&[batch(ops)]).remove(0).unwrap();
    commit(vec![set(Space::User, "a", "1", None), set(Space::User, "b", "1", None)]);
    commit(vec![delete("a"), set(Space::User, "b", "2", None)]);
    commit(vec![set(Space::User, "a", "3", None)]);
    drop(store);
    let found = state(&open(dir.path(), Durability::Normal));
    assert_eq!(found.get(&(Space::User, Key::from_static(b"a"))).unwrap().0, Value::json("3"));
}

#[test]
fn what_was_pending_never_undoes_a_later_write_through_the_database() {
    for durability in BELOW_FULL {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path(), durability);
        let commit = |ops| store.write_group(&[batch(ops)]).remove(0).unwrap();
        let at = Some(now() + 60_000);
        commit(vec![set(Space::User, "a", "1", None), set(Space::User, "b", "1", None)]);
        commit(vec![set(Space::User, "a", "2", None), set(Space::User, "b", "2", None)]);
        commit(vec![set(Space::User, "a", "3", at), set(Space::Internal, "i", "3", None)]);
        drop(store);
        let found = state(&open(dir.path(), durability));
        assert_eq!(found.get(&(Space::User, Key::from_static(b"a"))).unwrap(), &(Value::json("3"), at));
        assert_eq!(found.get(&(Space::User, Key::from_static(b"b"))).unwrap(), &(Value::json("2"), None));
    }
}

/// A store that died with its files torn and its redo record pending.
fn torn() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), Durability::Normal);
    let both = |text: &str| batch(vec![set(Space::User, "a", text, None), set(Space::User, "b", text, None)]);
    store.write_group(&[both(&text("o", 100))]).remove(0).unwrap();
    failpoints::set(Some(1));
    store.write_group(&[both(&text("n", 100))]).remove(0).unwrap_err();
    failpoints::set(None);
    dir
}

#[test]
fn a_store_with_writes_pending_is_finished_by_the_next_opening_for_writing_only() {
    let dir = torn();
    let read_only = FileOptions { read_only: true, ..FileOptions::new(dir.path()) };
    assert_eq!(open_store(dir.path(), &read_only).err().map(|error| error.code()), Some(crate::Code::ReadOnly));
    let found = state(&open(dir.path(), Durability::Full));
    assert!(found.values().all(|(value, _)| *value == Value::json(text("n", 100))), "{found:?}");
    assert!(!dir.path().join(REDO_PATH).exists(), "an old record must not undo what is synced from now on");
}

#[test]
fn a_store_that_could_not_finish_a_write_takes_no_more_until_it_is_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), Durability::None);
    let write = |text: &str| store.write_group(&[batch(vec![set(Space::User, "a", text, None)])]).remove(0);
    write("1").unwrap();
    failpoints::set(Some(1));
    write("2").unwrap_err();
    failpoints::set(None);
    assert_eq!(write("3").unwrap_err().code(), crate::Code::Io);
    drop(store);
    let found = state(&open(dir.path(), Durability::None));
    assert_eq!(found.get(&(Space::User, Key::from_static(b"a"))).unwrap().0, Value::json("2"));
}

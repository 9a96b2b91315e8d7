//! A replacement of the content, with the process dying, or the system failing, at each change of the disk.

use std::fs;

use super::*;
use crate::engine::embedded::Stage;
use crate::engine::watch::{entry_key, switch_on_if_off};
use crate::engine::{Read, Reply, Staged};
use crate::error::{Code, Result};
use crate::keyspace::CHANGE_LOG_ENTRY;
use crate::record::Record;

const STORE_ID: &str = "\0store";
const CHANGE_LOG: &str = "\0log";
const LATER: u64 = 4_000_000_000_000;

/// Files of other programs, in folders of keys and apart from them.
const FOREIGN: [&str; 5] = ["README", ".git/head", "b/notes.txt", "b/Folder/x", "only/deep/Notes.json"];

/// A folder, in memory if that can be: the tests sync some ten thousand times.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn long() -> String {
    "L".repeat(300)
}

fn old() -> Vec<(Space, String, &'static str, Option<u64>)> {
    let keys = ["a", "same", "b/goes", "b/same", "c/d/e", "C/D", "only/deep/x"];
    let user = keys.map(|key| (Space::User, key.to_owned(), "\"old\"", None));
    let mut all = user.to_vec();
    all.push((Space::User, "expires".to_owned(), "\"old\"", Some(LATER)));
    all.push((Space::User, long(), "\"old\"", None));
    all.push((Space::Internal, "\u{1}model".to_owned(), "\"old\"", None));
    all.push((Space::Internal, "\u{1}goes".to_owned(), "\"old\"", None));
    all
}

fn new() -> Vec<(Space, String, &'static str, Option<u64>)> {
    let keys = ["same", "b/same", "b/comes/x", "c/d/e", "c/f", "z", "only/deep/y"];
    let user = keys.map(|key| (Space::User, key.to_owned(), "\"new\"", None));
    let mut all = user.to_vec();
    all.push((Space::User, "a".to_owned(), "\"new\"", Some(LATER)));
    all.push((Space::User, long() + "2", "\"new\"", None));
    all.push((Space::User, long() + "3", "\"new\"", Some(LATER)));
    all.push((Space::Internal, "\u{1}model".to_owned(), "\"new\"", None));
    all
}

/// The content of a store that has these records.
fn contents(records: Vec<(Space, String, &'static str, Option<u64>)>) -> Contents {
    let engine = [STORE_ID, CHANGE_LOG].map(|key| (Space::Internal, key.to_owned(), "1", None));
    let all = records.into_iter().chain(engine);
    all.map(|(space, key, text, expires_at)| ((space, Key::from(key)), (Value::json(text), expires_at))).collect()
}

fn staged(records: Vec<(Space, String, &'static str, Option<u64>)>) -> Vec<Staged> {
    let staged = |(space, key, text, expires_at)| Staged {
        space,
        key: Key::from(key),
        record: Record::bare(Value::json(text), expires_at),
    };
    records.into_iter().map(staged).collect()
}

/// A store with the old content, which logs its changes.
fn filled(path: &Path, durability: Durability) -> FileStore {
    let store = open(path, durability);
    let commit = |ops| store.write_group(&[batch(ops)]).remove(0).unwrap();
    commit(vec![set(Space::Internal, STORE_ID, "1", None)]);
    store.write_group(&[switch_on_if_off()]).remove(0).unwrap();
    for (space, key, text, expires_at) in old() {
        commit(vec![set(space, &key, text, expires_at)]);
    }
    for name in FOREIGN {
        fs::create_dir_all(path.join(name).parent().unwrap()).unwrap();
        fs::write(path.join(name), name).unwrap();
    }
    store
}

/// Stages the new content in two calls, the first of which writes a key twice, and swaps it in.
fn replace(store: &FileStore) -> Result<u64> {
    let mut stage = store.stage()?;
    let mut first = staged(new());
    let last = first.split_off(5);
    first.push(Staged { record: Record::bare(Value::json("1"), Some(1)), ..first[0].clone() });
    first.push(first[0].clone());
    stage.write(first)?;
    stage.write(last)?;
    store.swap(stage).map(|commit| commit.seq)
}

/// The content without the entries of the change log, and how many of these there are.
fn look(store: &FileStore) -> (Contents, usize) {
    let mut found = state(store);
    let all = found.len();
    found.retain(|(space, key), _| *space == Space::User || !key.starts_with(CHANGE_LOG_ENTRY));
    let entries = all - found.len();
    (found, entries)
}

fn entry(store: &FileStore, space: Space, key: &Key) -> Result<Option<Record>> {
    match store.read(&Read::Entry(space, key.clone()))? {
        Reply::Entry(record) => Ok(record),
        _ => panic!("not an entry"),
    }
}

/// Checks that the store at `path` opens with one of the contents, whole, and says which.
fn check_opened(path: &Path, durability: Durability, context: &str) -> bool {
    let store = open(path, durability);
    let (found, entries) = look(&store);
    let is_new = found == contents(new());
    assert!(is_new || found == contents(old()), "{context}: {found:?}");
    assert_eq!(entries == 1, is_new, "{context}: the change log begins anew");
    for name in FOREIGN {
        assert_eq!(fs::read_to_string(path.join(name)).ok().as_deref(), Some(name), "{context}");
    }
    let known = ["lock", "store.db", "store.db-wal", "store.db-shm", "redo", "long"];
    for entry in fs::read_dir(path.join(".holdfast")).unwrap() {
        let name = entry.unwrap().file_name();
        assert!(known.iter().any(|known| name == *known), "{context}: {name:?} is left");
    }
    assert!(leftovers(path).is_empty(), "{context}: {:?}", leftovers(path));
    assert_eq!(store.verify(false, &mut |_, _| Ok(())).unwrap().errors.len(), 5, "{context}: the foreign names alone");
    is_new
}

#[test]
fn a_replacement_is_the_old_content_or_the_new_wherever_the_process_dies() {
    for durability in [Durability::Full, Durability::Normal] {
        let (mut olds, mut news) = (0, 0);
        for steps in 0.. {
            let dir = folder();
            let store = filled(dir.path(), durability);
            failpoints::set(Some(steps));
            let result = replace(&store);
            let died = failpoints::reached();
            // The process is gone without a word to SQLite.
            let image = folder();
            copy_all(dir.path(), image.path());
            drop(store);
            failpoints::set(None);
            let context = format!("dead after {steps} steps at {durability:?}");
            // Before the commit point there is little for an opening to do: some of these deaths will do.
            let is_new = match steps % 8 == 0 || result.is_ok() || unknown(&result) {
                true => die_while_opening(image.path(), durability, &context),
                false => check_opened(image.path(), durability, &context),
            };
            *(if is_new { &mut news } else { &mut olds }) += 1;
            assert_eq!(check_opened(dir.path(), durability, &context), is_new, "{context}");
            assert!(result.is_err() || is_new, "{context}: what was acknowledged is there");
            if !died {
                result.unwrap();
                break;
            }
        }
        assert!(olds > 20 && news > 20, "the test reaches both sides of the commit point: {olds}, {news}");
    }
}

fn unknown(result: &Result<u64>) -> bool {
    result.as_ref().is_err_and(|error| error.code() == Code::UnknownOutcome)
}

/// Dies at each change of an opening; the one after that finds one content. Says which.
fn die_while_opening(path: &Path, durability: Durability, context: &str) -> bool {
    let mut found = None;
    for steps in 0.. {
        let copy = folder();
        copy_all(path, copy.path());
        failpoints::set(Some(steps));
        let opened = open_store(copy.path(), &FileOptions { durability, ..FileOptions::new(copy.path()) });
        let died = failpoints::reached();
        let image = folder();
        copy_all(copy.path(), image.path());
        drop(opened);
        failpoints::set(None);
        let context = format!("{context}, and after {steps} of the opening");
        let is_new = check_opened(image.path(), durability, &context);
        assert_eq!(*found.get_or_insert(is_new), is_new, "{context}");
        if !died {
            return is_new;
        }
    }
    false
}

#[test]
fn a_replacement_in_which_a_call_fails_is_made_or_not_and_shows_no_mix() {
    for durability in [Durability::Full, Durability::Normal] {
        let (mut unknown, mut repeated) = (0, 0);
        for steps in 0.. {
            let dir = folder();
            let store = filled(dir.path(), durability);
            let view = store.view().unwrap();
            failpoints::fail_one(steps);
            let result = replace(&store);
            let failed = failpoints::reached();
            failpoints::set(None);
            let context = format!("failed at step {steps} at {durability:?}: {result:?}");
            let code = result.as_ref().err().map(crate::Error::code);
            let key = Key::from_static(b"same");
            match code {
                Some(Code::UnknownOutcome) => {
                    unknown += 1;
                    assert_eq!(entry(&store, Space::User, &key).unwrap_err().code(), Code::Io, "{context}");
                    assert_eq!(entry(&store, Space::Internal, &key).unwrap_err().code(), Code::Io, "{context}");
                    assert_eq!(view.get(Space::User, &key).unwrap_err().code(), Code::Io, "{context}");
                }
                Some(_) => {
                    assert_eq!(look(&store).0, contents(old()), "{context}");
                    assert!(view.get(Space::User, &key).unwrap().is_some(), "{context}");
                }
                None => {
                    assert_eq!(look(&store).0, contents(new()), "{context}");
                    assert_eq!(view.get(Space::User, &key).unwrap_err().code(), Code::Conflict, "{context}");
                }
            }
            drop(view);
            // Unless a sync failed, or the old content could not be opened again, the next one is made.
            let again = code.is_some() && replace(&store).is_ok();
            store.close().unwrap();
            drop(store);
            let is_new = check_opened(dir.path(), durability, &context);
            assert!(code == Some(Code::UnknownOutcome) || is_new == (again || code.is_none()), "{context}");
            repeated += u32::from(again);
            if !failed {
                result.unwrap();
                break;
            }
        }
        assert!(unknown > 5 && repeated > 20, "the test reaches both sides: {unknown}, {repeated}");
    }
}

#[test]
fn a_store_that_was_replaced_goes_on_as_any_other() {
    for durability in [Durability::Full, Durability::Normal] {
        let dir = folder();
        let store = filled(dir.path(), durability);
        let seq = replace(&store).unwrap();
        let write = |text| store.write_group(&[batch(vec![set(Space::User, &long(), text, Some(LATER))])]).remove(0);
        assert_eq!(write("1").unwrap().seq, seq + 1);
        let entry = entry(&store, Space::Internal, &entry_key(seq + 1)).unwrap();
        assert!(entry.is_some(), "commits are logged on");
        // Sidecars of the old content that were pending would change the new one.
        store.sweep(1).unwrap();
        store.sweep(1).unwrap();
        drop(store);
        let store = open(dir.path(), durability);
        let mut expected = contents(new());
        expected.insert((Space::User, Key::from(long())), (Value::json("1"), Some(LATER)));
        assert_eq!(look(&store).0, expected);
        assert!(store.write_group(&[batch(vec![delete("z")])]).remove(0).unwrap().seq > seq + 1);
    }
}

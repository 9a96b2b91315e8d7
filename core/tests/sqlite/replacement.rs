//! Replacements of the whole content, beside other programs and other processes.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use holdfast_core::engine::sqlite::{SqliteOptions, open};
use holdfast_core::engine::watch::Options;
use holdfast_core::engine::{Engine, EngineExt, Staged};
use holdfast_core::error::Code;
use holdfast_core::key::{Key, Space};
use holdfast_core::record::Record;
use holdfast_core::testing::{Calls, Watcher, code_of, json, key};
use rusqlite::Connection;

use super::processes::{another_process, given_path};
use super::support::{SPECIFIED, normal};

fn staged(name: &str, text: &str) -> Staged {
    Staged { space: Space::User, key: key(name), record: Record::bare(json(text), None) }
}

fn replace(engine: &dyn Engine, records: &[(&str, &str)]) {
    let mut staging = engine.stage().unwrap();
    staging.write(records.iter().map(|(name, text)| staged(name, text)).collect()).unwrap();
    staging.swap().unwrap();
}

/// The names of all tables, indexes, triggers and views.
fn schema(path: &Path) -> Vec<String> {
    let database = Connection::open(path).unwrap();
    let mut names = database.prepare("SELECT name FROM sqlite_schema ORDER BY name").unwrap();
    names.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn the_columns_indexes_triggers_and_views_of_other_programs_stay() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let theirs = Connection::open(&path).unwrap();
    theirs.execute_batch(SPECIFIED).unwrap();
    theirs
        .execute_batch(
            "ALTER TABLE storage ADD COLUMN note TEXT DEFAULT 'none';
             CREATE INDEX notes ON storage (note) WHERE note IS NOT NULL;
             CREATE TABLE audit (key TEXT);
             CREATE TRIGGER audited AFTER INSERT ON storage BEGIN INSERT INTO audit VALUES (new.key); END;
             CREATE VIEW texts AS SELECT key, value FROM storage;",
        )
        .unwrap();
    drop(theirs);
    let lease = open(normal(&path)).unwrap();
    let engine = &**lease.engine();
    engine.set("old", "1");
    let before = schema(&path);
    replace(engine, &[("new", "\"text\"")]);
    assert_eq!(schema(&path), before);
    let theirs = Connection::open(&path).unwrap();
    let value: String = theirs.query_row("SELECT value FROM texts", [], |row| row.get(0)).unwrap();
    let note: String = theirs
        .query_row("SELECT note FROM storage INDEXED BY notes WHERE note IS NOT NULL", [], |row| row.get(0))
        .unwrap();
    assert_eq!((value.as_str(), note.as_str()), ("text", "none"));
    engine.set("later", "1");
    let audited: i64 =
        theirs.query_row("SELECT count(*) FROM audit WHERE key = 'later'", [], |row| row.get(0)).unwrap();
    assert_eq!(audited, 1);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "the database, its WAL and the WAL index");
    drop(theirs);
    lease.close().unwrap();
    let lease = open(normal(&path)).unwrap();
    assert_eq!(lease.engine().value("new").as_deref(), Some("\"text\""));
}

#[test]
fn two_stores_of_one_database_do_not_disturb_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let other = SqliteOptions { table_name: "other".into(), ..normal(&path) };
    let (first, second) = (open(normal(&path)).unwrap(), open(other).unwrap());
    second.engine().set("k", "1");
    let mut staging = second.engine().stage().unwrap();
    staging.write(vec![staged("theirs", "1")]).unwrap();
    replace(&**first.engine(), &[("mine", "1")]);
    staging.swap().unwrap();
    assert!(first.engine().has("mine") && !first.engine().has("theirs"));
    assert!(second.engine().has("theirs") && !second.engine().has("k"));
}

#[test]
fn stages_until_it_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let path = given_path(&folder);
    let lease = open(normal(&path)).unwrap();
    let mut staging = lease.engine().stage().unwrap();
    staging.write((0..5000).map(|n| staged(&format!("staged/{n}"), "1")).collect()).unwrap();
    if std::env::var_os("HOLDFAST_TEST_DATABASE").is_some() {
        fs::write(path.with_extension("ready"), "").unwrap();
        thread::sleep(Duration::from_secs(600));
    }
}

/// Another process, which has staged a content and is about to be killed.
fn process_that_stages(path: &Path) -> Child {
    let mut child =
        another_process("replacement::stages_until_it_is_killed", path).stdout(Stdio::null()).spawn().unwrap();
    while !path.with_extension("ready").exists() {
        assert_eq!(child.try_wait().unwrap(), None, "the other process failed");
        thread::sleep(Duration::from_millis(10));
    }
    child
}

#[test]
fn a_replacement_of_another_process_is_left_alone_until_that_process_has_died() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let lease = open(normal(&path)).unwrap();
    lease.engine().set("k", "1");
    lease.close().unwrap();
    let mut child = process_that_stages(&path);
    let is_staged = || schema(&path).contains(&"storage$staged".to_owned());
    let lease = open(normal(&path)).unwrap();
    assert!(is_staged());
    assert_eq!(code_of(lease.engine().stage().map(|_| ())), Some(Code::Locked));
    assert_eq!(lease.engine().value("k").as_deref(), Some("1"), "writing and reading go on");
    lease.engine().set("k", "2");
    child.kill().unwrap();
    child.wait().unwrap();
    // Whoever is next removes it: the next replacement, or the next open.
    drop(lease.engine().stage().unwrap());
    assert!(!is_staged());
    fs::remove_file(path.with_extension("ready")).unwrap();
    lease.close().unwrap();
    let mut child = process_that_stages(&path);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(is_staged());
    let lease = open(normal(&path)).unwrap();
    assert!(!is_staged());
    assert_eq!(lease.engine().value("k").as_deref(), Some("2"));
    lease.close().unwrap();
    fs::remove_file(path.with_extension("ready")).unwrap();
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["store.db"], "no lock file is left");
}

#[test]
fn replaces_the_content() {
    let folder = tempfile::tempdir().unwrap();
    let lease = open(normal(&given_path(&folder))).unwrap();
    replace(&**lease.engine(), &[("k", "\"theirs\"")]);
    lease.close().unwrap();
}

#[test]
fn caches_watches_and_transactions_notice_the_replacement_of_another_process() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let lease = open(normal(&path)).unwrap();
    let engine = lease.engine();
    engine.set("k", "\"ours\"");
    engine.set("gone", "1");
    assert_eq!(engine.value("k").as_deref(), Some("\"ours\""));
    let version = engine.version("k");
    let watcher = Watcher::new(engine, Options::default());
    let view = engine.look();
    assert!(another_process("replacement::replaces_the_content", &path).status().unwrap().success());
    assert_eq!(watcher.error().code(), Code::PreconditionFailed);
    assert_eq!(engine.value("k").as_deref(), Some("\"theirs\""));
    assert!(!engine.has("gone"));
    assert_ne!(engine.version("k"), version);
    assert!(view.get(Space::User, b"gone").unwrap().is_some(), "a view of before is one moment");
    let next = Watcher::new(engine, Options::default());
    engine.set("k", "1");
    assert_eq!(next.told(1), [["k=1"]]);
}

#[test]
fn a_store_that_is_read_only_cannot_be_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    open(normal(&path)).unwrap().close().unwrap();
    let lease = open(SqliteOptions { read_only: true, ..normal(&path) }).unwrap();
    assert_eq!(code_of(lease.engine().stage().map(|_| ())), Some(Code::ReadOnly));
}

#[test]
fn two_hundred_thousand_records_are_replaced_beside_readers_and_writers() {
    const RECORDS: usize = 200_000;
    let folder = tempfile::tempdir().unwrap();
    let lease = open(normal(&folder.path().join("store.db"))).unwrap();
    let engine = lease.engine().clone();
    let mut staging = engine.stage().unwrap();
    let record = |n: usize| Staged {
        space: Space::User,
        key: Key::from(format!("k{n:06}")),
        record: Record::bare(json(format!("{{\"n\":{n},\"text\":\"{}\"}}", "x".repeat(100))), None),
    };
    for chunk in 0..RECORDS / 10_000 {
        staging.write((chunk * 10_000..(chunk + 1) * 10_000).map(record).collect()).unwrap();
        engine.set("beside", &chunk.to_string());
        assert_eq!(engine.value("beside"), Some(chunk.to_string()));
    }
    staging.swap().unwrap();
    assert_eq!(engine.stats().unwrap().keys, Some(RECORDS as u64));
    assert!(!engine.has("beside"));
    for n in [0, 1, RECORDS / 2, RECORDS - 1] {
        assert!(engine.value(&format!("k{n:06}")).is_some_and(|text| text.contains(&format!("\"n\":{n},"))));
    }
    assert!(engine.verify(false, &mut |_, _| Ok(())).unwrap().errors.is_empty());
}

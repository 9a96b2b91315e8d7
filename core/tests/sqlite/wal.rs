//! The size of the database and of its WAL.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::database;
use super::support::normal;
use holdfast_core::EngineExt;
use holdfast_core::batch::Op;
use holdfast_core::engine::sqlite::{SqliteOptions, open};
use holdfast_core::engine::{Engine, Staged};
use holdfast_core::key::{KeyRange, Space};
use holdfast_core::record::Record;
use holdfast_core::testing::{Calls, json, key};
use rusqlite::Connection;

#[test]
fn compacting_gives_space_back() {
    let file = database();
    let lease = file.lease();
    let engine = lease.engine();
    let text = format!("\"{}\"", "x".repeat(1 << 20));
    for n in 0..8 {
        engine.set(&format!("k{n}"), &text);
    }
    engine.set("kept", "1");
    engine.run(Op::delete_range(KeyRange::prefix("k")));
    engine.set("kept", "1");
    engine.compact().unwrap();
    assert!(engine.stats().unwrap().disk_bytes.unwrap() < 200_000);
    assert_eq!(engine.value("kept").as_deref(), Some("1"));
}

#[test]
fn at_full_the_wal_has_room_ahead_of_its_frames_and_is_read_as_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.db");
    let wal = folder.path().join("data.db-wal");
    let store = open(SqliteOptions::new(&path)).unwrap();
    store.engine().set("first", "1");
    store.engine().set("second", "2");
    let size = || std::fs::metadata(&wal).unwrap().len();
    let ahead = size();
    assert!(ahead > 1 << 20, "{ahead} bytes");
    for number in 0..19 {
        store.engine().set(&format!("k{number}"), &number.to_string());
    }
    assert_eq!(size(), ahead, "nothing grows while there is room");
    store.engine().set("large", &format!("{:?}", "x".repeat(3 << 20)));
    assert!(size() > 3 << 20);

    // What a crash leaves: the files as they are now, opened by SQLite alone and by the engine.
    for (name, ours) in [("by-sqlite", false), ("by-us", true)] {
        let copy = folder.path().join(name);
        std::fs::copy(&path, &copy).unwrap();
        std::fs::copy(&wal, folder.path().join(format!("{name}-wal"))).unwrap();
        if ours {
            let copy = open(SqliteOptions::new(&copy)).unwrap();
            assert_eq!(copy.engine().keys(&KeyRange::all()).len(), 22);
            assert!(copy.engine().verify(false, &mut |_, _| Ok(())).unwrap().errors.is_empty());
            copy.close().unwrap();
        } else {
            let database = Connection::open(&copy).unwrap();
            let count: i64 = database.query_row("SELECT count(*) FROM storage", [], |row| row.get(0)).unwrap();
            assert_eq!(count, 22);
            let check: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
            assert_eq!(check, "ok");
        }
    }
    store.engine().compact().unwrap();
    store.engine().set("last", "1");
    assert!(size() < 1 << 20, "what was cut is not written over before a sync");
    store.engine().set("last", "2");
    assert!(size() > 1 << 20, "room is made anew");
    store.close().unwrap();
    assert!(!wal.exists());

    let store = open(normal(&path)).unwrap();
    store.engine().set("first", "2");
    assert!(size() < 1 << 20, "below full nothing is synced, and nothing is written for it");
    store.close().unwrap();
}

/// Writes so many values of 1 MiB over the same few keys. SQLite writes no page that is as it was, so they differ.
fn write_mebibytes(engine: &dyn Engine, count: usize) {
    static WRITTEN: AtomicUsize = AtomicUsize::new(0);
    for _ in 0..count {
        let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
        engine.set(&format!("k{}", number % 4), &format!("{:?}", format!("{number:08}").repeat(1 << 17)));
    }
}

fn wal_bytes(folder: &Path) -> u64 {
    std::fs::metadata(folder.join("data.db-wal")).unwrap().len()
}

#[test]
fn the_wal_gets_short_once_the_last_view_has_closed() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(normal(&folder.path().join("data.db"))).unwrap();
    let engine = store.engine();
    write_mebibytes(&**engine, 4);
    let view = engine.view().unwrap();
    write_mebibytes(&**engine, 120);
    assert!(wal_bytes(folder.path()) > 100 << 20, "the view keeps it");
    drop(view);
    // A sweep comes each second.
    let is_short = (0..1500).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        wal_bytes(folder.path()) < 40 << 20
    });
    assert!(is_short, "{} bytes", wal_bytes(folder.path()));
    store.close().unwrap();
}

/// Writes 800 MiB over a few keys while a thread runs `read` over and over. The WAL must not have grown by all of them.
fn write_beside(folder: &Path, engine: &dyn Engine, mut read: impl FnMut() + Send) {
    let stop = AtomicBool::new(false);
    let largest = std::thread::scope(|scope| {
        let stop = &stop;
        scope.spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                read();
            }
        });
        let mut largest = 0;
        for _ in 0..100 {
            write_mebibytes(engine, 8);
            largest = wal_bytes(folder).max(largest);
        }
        stop.store(true, Ordering::Relaxed);
        largest
    });
    assert!(largest < 400 << 20, "{largest} bytes");
}

#[test]
fn short_readers_of_others_of_which_there_is_always_one_do_not_keep_the_wal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.db");
    let store = open(normal(&path)).unwrap();
    let engine = &**store.engine();
    write_mebibytes(engine, 4);
    let connections = [(); 2].map(|()| Connection::open(&path).unwrap());
    let mut turns = 0;
    write_beside(folder.path(), engine, move || {
        let [next, last] = [turns % 2, (turns + 1) % 2].map(|at| &connections[at]);
        next.execute_batch("BEGIN; SELECT count(*) FROM storage").unwrap();
        std::thread::sleep(Duration::from_millis(2));
        if turns > 0 {
            last.execute_batch("COMMIT").unwrap();
        }
        turns += 1;
    });
    store.close().unwrap();
}

#[test]
fn compacting_beside_a_view_succeeds_and_gives_space_back_once_it_has_closed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.db");
    let store = open(SqliteOptions { busy_timeout: 600_000, ..normal(&path) }).unwrap();
    let engine = store.engine();
    write_mebibytes(&**engine, 4);
    engine.set("stays", "1");
    let view = engine.view().unwrap();
    engine.run(Op::delete_range(KeyRange::prefix("k")));
    engine.compact().unwrap();
    assert_eq!(view.count(Space::User, &KeyRange::all()).unwrap(), 5);
    engine.set("stays", "2");
    drop(view);
    while engine.stats().unwrap().disk_bytes.unwrap() > 200_000 {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(engine.value("stays").as_deref(), Some("2"));
    store.close().unwrap();
}

#[test]
fn a_replacement_that_is_staged_is_written_back_as_it_grows() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(normal(&folder.path().join("data.db"))).unwrap();
    let engine = store.engine();
    let value = json(format!("{:?}", "x".repeat(1 << 20)));
    let mut staging = engine.replaceable().unwrap().stage().unwrap();
    for number in 0..120 {
        let record = Record::bare(value.clone(), None);
        staging.write(vec![Staged { space: Space::User, key: key(&number.to_string()), record }]).unwrap();
    }
    let largest = wal_bytes(folder.path());
    assert!(largest < 60 << 20, "{largest} bytes");
    staging.swap().unwrap();
    assert_eq!(engine.keys(&KeyRange::all()).len(), 120);
    store.close().unwrap();
}

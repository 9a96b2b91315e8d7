//! The size of the database and of its WAL.
use super::database;
use super::support::normal;
use holdfast_core::EngineExt;
use holdfast_core::batch::Op;
use holdfast_core::engine::sqlite::{SqliteOptions, open};
use holdfast_core::key::KeyRange;
use holdfast_core::testing::Calls;
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

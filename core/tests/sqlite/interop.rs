//! What other programs see, and what views, options and upkeep do.
use holdfast_core::EngineExt;
use std::sync::Arc;

use super::File;
use super::support::{SPECIFIED, entry, get, keys, normal, set};
use holdfast_core::batch::{Batch, Op};
use holdfast_core::conformance::Fixture;
use holdfast_core::engine::View;
use holdfast_core::engine::sqlite::{SqliteOptions, open};
use holdfast_core::error::Code;
use holdfast_core::key::{KeyRange, Space};
use holdfast_core::value::Value;
use parking_lot::Mutex;
use rusqlite::Connection;

#[test]
fn a_database_of_the_specifications_own_schema_is_used_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spec.db");
    let theirs = Connection::open(&path).unwrap();
    theirs.execute_batch(SPECIFIED).unwrap();
    theirs
        .execute_batch(
            "INSERT INTO storage VALUES ('s', 'plain \"text\"', 'string', 5, 6, NULL), ('n', '1.5', 'number', 5, 6, NULL), \
             ('d', '2026-01-02T03:04:05.678Z', 'date', 5, 6, NULL), ('b', 'AQI=', 'buffer', 5, 6, NULL), \
             ('j', '{\"a\":[1]}', 'json', 5, 6, NULL)",
        )
        .unwrap();
    let lease = open(SqliteOptions::new(&path)).unwrap();
    let engine = &**lease.engine();
    for (key, text) in [
        ("s", "\"plain \\\"text\\\"\""),
        ("n", "1.5"),
        ("d", "{\"$date\":\"2026-01-02T03:04:05.678Z\"}"),
        ("b", "{\"$binary\":\"AQI=\"}"),
        ("j", "{\"a\":[1]}"),
    ] {
        assert_eq!(get(engine, key).unwrap().as_deref(), Some(text));
    }
    let old = entry(engine, "s");
    assert_eq!((old.created_at, old.updated_at, old.version.seq()), (Some(5), Some(6), None));
    engine.commit(set("s", "\"new\"")).unwrap();
    let new = entry(engine, "s");
    assert_eq!(new.created_at, Some(5));
    assert!(new.updated_at > Some(6) && new.version.seq().is_some());
    assert_eq!(keys(engine), ["b", "d", "j", "n", "s"]);

    // The specification's own statement still works, and what it writes is seen at once.
    theirs
        .execute(
            "INSERT OR REPLACE INTO storage (key, value, type, created_at, updated_at, metadata) \
             VALUES ('s', 'theirs', 'string', 7, 8, NULL)",
            [],
        )
        .unwrap();
    assert_eq!(get(engine, "s").unwrap().as_deref(), Some("\"theirs\""));
    assert_ne!(entry(engine, "s").version, new.version);
}

#[test]
fn the_six_columns_are_what_other_programs_expect() {
    let file = File::new();
    let lease = file.open().unwrap();
    let engine = &**lease.engine();
    engine.commit(set("text", "\"a\\nb\"")).unwrap();
    engine.commit(set("flag", "true")).unwrap();
    engine.commit(set("list", "[1,2]")).unwrap();
    let theirs = Connection::open(file.0.path().join("data/store.db")).unwrap();
    let mut statement =
        theirs.prepare("SELECT key, value, type, created_at, updated_at, metadata FROM storage ORDER BY key").unwrap();
    let rows: Vec<(String, String, String, Option<String>)> = statement
        .query_map([], |row| {
            assert!(row.get::<_, i64>(3)? > 1_700_000_000_000 && row.get::<_, i64>(4)? > 1_700_000_000_000);
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(5)?))
        })
        .unwrap()
        .map(|row| row.unwrap())
        .collect();
    let row = |key: &str, value: &str, kind: &str| (key.into(), value.into(), kind.into(), None);
    assert_eq!(rows, [row("flag", "true", "boolean"), row("list", "[1,2]", "json"), row("text", "a\nb", "string")]);
}

#[test]
fn a_held_view_blocks_no_writer_and_outlives_the_store() {
    let file = File::new();
    let lease = file.open().unwrap();
    lease.engine().commit(set("k", "1")).unwrap();
    let view = lease.engine().view().unwrap();
    for n in 2..50 {
        lease.engine().commit(set("k", &n.to_string())).unwrap();
    }
    lease.close().unwrap();
    let again = file.open().unwrap();
    assert_eq!(get(&**again.engine(), "k").unwrap().as_deref(), Some("49"));
    again.engine().commit(set("k", "50")).unwrap();
    let seen = view.get(Space::User, b"k").unwrap().map(|record| record.value);
    assert_eq!(seen, Some(Value::json("1")));
}

#[test]
fn views_of_too_many_moments_are_refused_and_give_their_connections_back() {
    let file = File::new();
    let lease = file.open().unwrap();
    let engine = lease.engine();
    let mut views = Vec::new();
    let refused = loop {
        engine.commit(set("k", &views.len().to_string())).unwrap();
        match engine.view() {
            Ok(view) => views.push(view),
            Err(error) => break error,
        }
    };
    assert_eq!((refused.code(), views.len()), (Code::NoSpace, 128));
    for (number, view) in views.iter().enumerate() {
        let seen = view.get(Space::User, b"k").unwrap().map(|record| record.value);
        assert_eq!(seen, Some(Value::json(number.to_string())));
    }
    views.clear();
    assert!(engine.view().is_ok());
}

#[test]
fn views_of_one_moment_share_a_connection_and_outlive_each_other() {
    let file = File::new();
    let lease = file.open().unwrap();
    let engine = lease.engine();
    let read = |view: &dyn View| view.get(Space::User, b"k").unwrap().map(|record| record.value);
    for number in 0..4 {
        engine.commit(set("k", &number.to_string())).unwrap();
        let mut views: Vec<_> = (0..1000).map(|_| engine.view().unwrap()).collect();
        engine.commit(set("k", "\"later\"")).unwrap();
        let last = views.pop().unwrap();
        for view in views {
            assert_eq!(read(&*view), Some(Value::json(number.to_string())));
        }
        assert_eq!(read(&*last), Some(Value::json(number.to_string())));
        assert_eq!(read(&*engine.view().unwrap()), Some(Value::json("\"later\"")));
    }
}

#[test]
fn verbose_shows_statements_and_never_values() {
    let folder = tempfile::tempdir().unwrap();
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = seen.clone();
    let mut options = normal(&folder.path().join("verbose.db"));
    options.verbose = Some(Arc::new(move |sql| log.lock().push(sql.to_owned())));
    let lease = open(options).unwrap();
    lease.engine().commit(set("secret-key", "\"secret-value\"")).unwrap();
    assert!(get(&**lease.engine(), "secret-key").unwrap().is_some());
    let seen = seen.lock();
    assert!(seen.iter().any(|sql| sql.starts_with("INSERT INTO \"storage\"") && sql.contains("?1")));
    assert!(seen.iter().any(|sql| sql.starts_with("SELECT") && sql.contains("key = ?1")));
    assert!(!seen.iter().any(|sql| sql.contains("secret")));
}

#[test]
fn tables_of_one_file_are_stores_of_their_own_whatever_the_case_of_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let table = |name: &str| {
        let options = SqliteOptions { table_name: name.into(), ..normal(&folder.path().join("two.db")) };
        open(options).unwrap()
    };
    let (a, b, same) = (table("a"), table("b"), table("A"));
    a.engine().commit(set("k", "1")).unwrap();
    assert_eq!(get(&**b.engine(), "k").unwrap(), None);
    assert!(Arc::ptr_eq(a.engine(), same.engine()));
}

#[test]
fn compacting_gives_space_back() {
    let file = File::new();
    let lease = file.open().unwrap();
    let engine = &**lease.engine();
    let text = format!("\"{}\"", "x".repeat(1 << 20));
    for n in 0..8 {
        engine.commit(set(&format!("k{n}"), &text)).unwrap();
    }
    let all = Op::DeleteRange { space: Space::User, range: KeyRange::prefix(&b"k"[..]) };
    engine.commit(set("kept", "1")).unwrap();
    engine.commit(Batch::one(all)).unwrap();
    engine.commit(set("kept", "1")).unwrap();
    engine.compact().unwrap();
    assert!(engine.stats().unwrap().disk_bytes.unwrap() < 200_000);
    assert_eq!(get(engine, "kept").unwrap().as_deref(), Some("1"));
}

#[test]
fn at_full_the_wal_has_room_ahead_of_its_frames_and_is_read_as_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.db");
    let wal = folder.path().join("data.db-wal");
    let store = open(SqliteOptions::new(&path)).unwrap();
    store.engine().commit(set("first", "1")).unwrap();
    store.engine().commit(set("second", "2")).unwrap();
    let size = || std::fs::metadata(&wal).unwrap().len();
    let ahead = size();
    assert!(ahead > 1 << 20, "{ahead} bytes");
    for number in 0..19 {
        store.engine().commit(set(&format!("k{number}"), &number.to_string())).unwrap();
    }
    assert_eq!(size(), ahead, "nothing grows while there is room");
    store.engine().commit(set("large", &format!("{:?}", "x".repeat(3 << 20)))).unwrap();
    assert!(size() > 3 << 20);

    // What a crash leaves: the files as they are now, opened by SQLite alone and by the engine.
    for (name, ours) in [("by-sqlite", false), ("by-us", true)] {
        let copy = folder.path().join(name);
        std::fs::copy(&path, &copy).unwrap();
        std::fs::copy(&wal, folder.path().join(format!("{name}-wal"))).unwrap();
        if ours {
            let copy = open(SqliteOptions::new(&copy)).unwrap();
            assert_eq!(keys(&**copy.engine()).len(), 22);
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
    store.engine().commit(set("last", "1")).unwrap();
    assert!(size() < 1 << 20, "what was cut is not written over before a sync");
    store.engine().commit(set("last", "2")).unwrap();
    assert!(size() > 1 << 20, "room is made anew");
    store.close().unwrap();
    assert!(!wal.exists());

    let store = open(normal(&path)).unwrap();
    store.engine().commit(set("first", "2")).unwrap();
    assert!(size() < 1 << 20, "below full nothing is synced, and nothing is written for it");
    store.close().unwrap();
}

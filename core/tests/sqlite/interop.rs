//! What other programs write is read, and what the engine writes is what they expect.
use super::database;
use super::support::SPECIFIED;
use holdfast_core::engine::sqlite::{SqliteOptions, open};
use holdfast_core::key::KeyRange;
use holdfast_core::testing::Calls;
use rusqlite::Connection;

#[test]
fn a_database_of_the_specifications_own_schema_is_used_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spec.db");
    let theirs = Connection::open(&path).unwrap();
    theirs.execute_batch(SPECIFIED).unwrap();
    theirs
        .execute_batch(
            "INSERT INTO storage VALUES ('s', 'plain \"text\"', 'string', 5, 6, NULL), \
             ('n', '1.5', 'number', 5, 6, NULL), ('d', '2026-01-02T03:04:05.678Z', 'date', 5, 6, NULL), \
             ('b', 'AQI=', 'buffer', 5, 6, NULL), \
             ('j', '{\"a\":[1]}', 'json', 5, 6, NULL)",
        )
        .unwrap();
    drop(theirs);
    let lease = open(SqliteOptions::new(&path)).unwrap();
    let engine = lease.engine();
    for (key, text) in [
        ("s", "\"plain \\\"text\\\"\""),
        ("n", "1.5"),
        ("d", "{\"$date\":\"2026-01-02T03:04:05.678Z\"}"),
        ("b", "{\"$binary\":\"AQI=\"}"),
        ("j", "{\"a\":[1]}"),
    ] {
        assert_eq!(engine.value(key).as_deref(), Some(text));
    }
    let old = engine.entry("s").unwrap();
    assert_eq!((old.created_at, old.updated_at, old.version.seq()), (Some(5), Some(6), None));
    engine.set("s", "\"new\"");
    let new = engine.entry("s").unwrap();
    assert_eq!(new.created_at, Some(5));
    assert!(new.updated_at > Some(6) && new.version.seq().is_some());
    assert_eq!(engine.keys(&KeyRange::all()), ["b", "d", "j", "n", "s"]);

    // The specification's own statement still works, and what it writes is seen at once.
    let theirs = Connection::open(&path).unwrap();
    theirs
        .execute(
            "INSERT OR REPLACE INTO storage (key, value, type, created_at, updated_at, metadata) \
             VALUES ('s', 'theirs', 'string', 7, 8, NULL)",
            [],
        )
        .unwrap();
    assert_eq!(engine.value("s").as_deref(), Some("\"theirs\""));
    assert_ne!(engine.entry("s").unwrap().version, new.version);
}

#[test]
fn the_six_columns_are_what_other_programs_expect() {
    let file = database();
    let lease = file.lease();
    let engine = lease.engine();
    engine.set("text", "\"a\\nb\"");
    engine.set("flag", "true");
    engine.set("list", "[1,2]");
    let theirs = Connection::open(file.path().join("data/store.db")).unwrap();
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

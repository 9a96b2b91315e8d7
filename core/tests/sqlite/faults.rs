//! Files that are no database, that are damaged, or that may not be used.
use std::fs;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::database;
use super::support::{SPECIFIED, normal};
use holdfast_core::EngineExt;
use holdfast_core::batch::{Batch, Op};
use holdfast_core::engine::sqlite::{SqliteOptions, open};
use holdfast_core::engine::watch::{Options, Watch};
use holdfast_core::engine::{Projection, for_each_page};
use holdfast_core::error::Code;
use holdfast_core::key::{KeyRange, Space};
use holdfast_core::testing::{Calls, Watcher, code_of, json, key};
use rusqlite::Connection;

#[test]
fn what_is_no_database_of_ours_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let made = |name: &str, sql: &str| Connection::open(path(name)).unwrap().execute_batch(sql).unwrap();
    fs::write(path("text"), "not a database at all, but long enough to be looked at".repeat(40)).unwrap();
    fs::write(path("short"), "a few bytes").unwrap();
    made("utf16", "PRAGMA encoding = 'UTF-16'; CREATE TABLE t (a)");
    made("other", "CREATE TABLE storage (id INTEGER PRIMARY KEY, body TEXT)");
    made(
        "nocase",
        "CREATE TABLE storage (key TEXT PRIMARY KEY COLLATE NOCASE, value TEXT, type TEXT, created_at INTEGER, \
         updated_at INTEGER, metadata TEXT)",
    );
    open(SqliteOptions::new(path("newer"))).unwrap().close().unwrap();
    made("newer", "UPDATE storage_meta SET format = 2");
    for (name, expected) in [
        ("text", Code::Corrupted),
        ("short", Code::Corrupted),
        ("utf16", Code::UnsupportedFormat),
        ("other", Code::UnsupportedFormat),
        ("nocase", Code::UnsupportedFormat),
        ("newer", Code::UnsupportedFormat),
    ] {
        let before = fs::read(path(name)).unwrap();
        assert_eq!(code_of(open(SqliteOptions::new(path(name)))), Some(expected), "{name}");
        assert_eq!(fs::read(path(name)).unwrap(), before, "{name} was changed");
    }
}

#[test]
fn a_damaged_database_is_told_and_left_as_it_is() {
    let file = database();
    let path = file.path().join("data/store.db");
    let lease = file.lease();
    let value = json(format!("\"{}\"", "v".repeat(200)));
    lease.engine().run(Batch::of((0..2000).map(|n| Op::set(format!("key{n:05}"), value.clone()))));
    lease.close().unwrap();
    let whole = fs::read(&path).unwrap();

    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let truncated = open(SqliteOptions::new(&path))
        .map(|lease| lease.engine().view().and_then(|view| view.count(Space::User, &KeyRange::all())));
    let told = code_of(truncated.and_then(|count| count));
    assert_eq!(told, Some(Code::Corrupted));
    assert_eq!(fs::metadata(&path).unwrap().len(), whole.len() as u64 / 2);

    let mut damaged = whole.clone();
    let page = 4096 * 40;
    damaged[page..page + 4096].fill(0xA5);
    fs::write(&path, &damaged).unwrap();
    let lease = file.lease();
    let report = lease.engine().verify(false, &mut |_, _| Ok(()));
    assert!(
        report.as_ref().map_or_else(|error| error.code() == Code::Corrupted, |report| !report.errors.is_empty()),
        "{report:?}"
    );
    drop(report);
    lease.close().unwrap();
    assert_eq!(fs::read(&path).unwrap()[page..page + 4096], damaged[page..page + 4096]);
}

#[test]
fn a_row_that_is_not_of_its_type_is_told_by_key_and_set_aside_on_demand() {
    let file = database();
    let lease = file.lease();
    let engine = lease.engine();
    engine.set("good", "1");
    let theirs = Connection::open(file.path().join("data/store.db")).unwrap();
    theirs
        .execute_batch(
            "INSERT INTO storage VALUES ('bad', '{', 'json', 0, 0, NULL, NULL, NULL); \
             INSERT INTO storage VALUES (CAST(x'ff' AS TEXT), '1', 'number', 0, 0, NULL, NULL, NULL)",
        )
        .unwrap();
    let error = engine.try_value("bad").unwrap_err();
    assert_eq!((error.code(), error.key()), (Code::Corrupted, Some("bad")));
    assert_eq!(engine.value("good").as_deref(), Some("1"));
    let report = engine.verify(true, &mut |_, _| Ok(())).unwrap();
    assert_eq!(report.errors.len(), 2, "{report:?}");
    assert!(report.errors.iter().any(|error| error.key() == Some("bad")));
    assert_eq!(engine.keys(&KeyRange::all()), ["good"]);
    assert!(engine.verify(false, &mut |_, _| Ok(())).unwrap().errors.is_empty());
    let aside: i64 = theirs.query_row("SELECT count(*) FROM storage_damaged", [], |row| row.get(0)).unwrap();
    assert_eq!(aside, 2);
}

#[test]
fn a_row_that_is_not_of_its_type_is_gone_after_a_delete_or_a_set() {
    let file = database();
    let lease = file.lease();
    let engine = lease.engine();
    engine.set("good", "1");
    let theirs = Connection::open(file.path().join("data/store.db")).unwrap();
    let rows = [
        "INSERT INTO storage VALUES ('bad', '{', 'json', 0, 0, NULL, NULL, NULL)",
        "INSERT INTO storage VALUES ('bad', '1', 'number', 0, 0, '{', NULL, NULL)",
    ];
    for row in rows {
        theirs.execute_batch(row).unwrap();
        assert_eq!(engine.try_entry("bad").unwrap_err().code(), Code::Corrupted);
        assert!(engine.delete("bad"), "it was there");
        assert!(!engine.has("bad"));
        theirs.execute_batch(row).unwrap();
        engine.set("bad", "2");
        assert_eq!(engine.value("bad").as_deref(), Some("2"));
        theirs.execute_batch("DELETE FROM storage WHERE key = 'bad'").unwrap();
    }
    assert_eq!(engine.keys(&KeyRange::all()), ["good"]);
}

#[test]
fn a_scan_gives_all_before_a_damaged_row_and_goes_on_behind_it() {
    let file = database();
    let lease = file.lease();
    let engine = lease.engine();
    for key in ["a", "b", "d"] {
        engine.set(key, "1");
    }
    let theirs = Connection::open(file.path().join("data/store.db")).unwrap();
    theirs.execute_batch("INSERT INTO storage VALUES ('c', '{', 'json', 0, 0, NULL, NULL, NULL)").unwrap();
    let view = engine.look();
    for what in [Projection::Values, Projection::Records] {
        let read = |range: KeyRange| {
            let mut found = Vec::new();
            let result = for_each_page(&*view, Space::User, &range, what, |page| {
                found.extend(page.into_iter().map(|(key, _)| key));
                Ok(true)
            });
            (found, result.err().map(|error| (error.code(), error.key().map(str::to_owned))))
        };
        let damage = Some((Code::Corrupted, Some("c".to_owned())));
        assert_eq!(read(KeyRange::all()), (vec![key("a"), key("b")], damage.clone()));
        let reverse = KeyRange { reverse: true, ..KeyRange::all() };
        assert_eq!(read(reverse), (vec![key("d")], damage));
        assert_eq!(read(KeyRange::all().after(b"c")), (vec![key("d")], None));
    }
}

#[test]
fn all_that_a_row_of_another_program_holds_belongs_to_its_version() {
    let file = database();
    let lease = file.lease();
    let engine = lease.engine();
    let theirs = Connection::open(file.path().join("data/store.db")).unwrap();
    let mut versions = Vec::new();
    for row in ["0, 0, NULL", "0, 0, '1'", "0, 0, '2'", "0, 1, '2'", "1, 1, '2'"] {
        let sql = format!("INSERT OR REPLACE INTO storage VALUES ('k', '1', 'number', {row}, NULL, NULL)");
        theirs.execute_batch(&sql).unwrap();
        let version = engine.version("k").unwrap();
        assert!(!versions.contains(&version), "{row}");
        versions.push(version);
    }
}

#[test]
fn a_path_that_cannot_be_a_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    assert_eq!(code_of(open(SqliteOptions::new(path))), Some(Code::InvalidArgument));
    fs::write(path.join("app.asar"), "x").unwrap();
    assert_eq!(code_of(open(SqliteOptions::new(path.join("app.asar/store.db")))), Some(Code::InvalidArgument));
    for name in ["a\"b", "x; DROP TABLE y", "sqlite_master", ""] {
        let options = SqliteOptions { table_name: name.into(), ..SqliteOptions::new(path.join("t.db")) };
        assert_eq!(code_of(open(options)), Some(Code::InvalidArgument), "{name}");
    }
    assert!(!path.join("t.db").exists());
    let missing = SqliteOptions { read_only: true, ..SqliteOptions::new(path.join("none/t.db")) };
    assert_eq!(code_of(open(missing)), Some(Code::Io));
    assert!(!path.join("none").exists());
}

#[test]
fn waiting_for_another_writer_ends_in_a_timeout() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("busy.db");
    let lease = open(SqliteOptions { busy_timeout: 100, ..normal(&path) }).unwrap();
    let theirs = Connection::open(&path).unwrap();
    theirs.execute_batch("BEGIN IMMEDIATE").unwrap();
    let start = Instant::now();
    let error = lease.engine().commit(Batch::one(Op::set("k", json("1")))).unwrap_err();
    assert_eq!(error.code(), Code::Timeout);
    assert!(start.elapsed() >= Duration::from_millis(90));
    theirs.execute_batch("COMMIT").unwrap();
    lease.engine().set("k", "2");
    assert_eq!(lease.engine().value("k").as_deref(), Some("2"));
}

#[test]
fn a_watch_that_cannot_begin_beside_another_writer_ends_in_a_timeout() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("busy.db");
    let lease = open(SqliteOptions { busy_timeout: 100, ..normal(&path) }).unwrap();
    let theirs = Connection::open(&path).unwrap();
    theirs.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (wake, woken) = mpsc::channel();
    let watch = Watch::open(lease.engine(), Options::default(), Box::new(move || wake.send(()).unwrap_or(()))).unwrap();
    let error = loop {
        match watch.beginning() {
            Ok(_) => woken.recv_timeout(Duration::from_secs(20)).unwrap(),
            Err(error) => break error,
        }
    };
    assert_eq!(error.code(), Code::Timeout);
    theirs.execute_batch("COMMIT").unwrap();
    let again = Watcher::new(lease.engine(), Options::default());
    lease.engine().set("k", "2");
    assert_eq!(again.told(1), [["k=2"]]);
}

#[test]
fn a_store_opened_read_only_reads_and_refuses_writes() {
    let file = database();
    let path = file.path().join("data/store.db");
    let lease = file.lease();
    lease.engine().set("k", "1");
    lease.close().unwrap();
    let before = fs::read(&path).unwrap();
    let lease = open(SqliteOptions { read_only: true, ..SqliteOptions::new(&path) }).unwrap();
    assert_eq!(lease.engine().value("k").as_deref(), Some("1"));
    assert_eq!(lease.engine().commit(Batch::one(Op::set("k", json("2")))).unwrap_err().code(), Code::ReadOnly);
    lease.close().unwrap();
    assert_eq!(fs::read(&path).unwrap(), before);

    // A database made by the specification's own code lacks our columns and tables. It stays so.
    let path = file.path().join("spec.db");
    Connection::open(&path).unwrap().execute_batch(SPECIFIED).unwrap();
    let lease = open(SqliteOptions { read_only: true, ..SqliteOptions::new(&path) }).unwrap();
    assert_eq!(lease.engine().value("k"), None);
    let view = lease.engine().view().unwrap();
    assert_eq!((view.seq(), view.count(Space::Internal, &KeyRange::all()).unwrap()), (0, 0));
}

#[cfg(unix)]
#[test]
fn a_new_database_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let file = database();
    let lease = file.lease();
    lease.engine().set("k", "1");
    let mode = |name: &str| fs::metadata(file.path().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("data"), mode("data/store.db"), mode("data/store.db-wal")), (0o700, 0o600, 0o600));
}

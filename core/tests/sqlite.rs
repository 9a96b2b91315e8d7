//! The SQLite engine passes the suite, on a file and in memory; what is its own is tested below.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use holdfast_core::conformance::Fixture;
use holdfast_core::engine::registry::Lease;
use holdfast_core::engine::sqlite::{SqliteOptions, open};
use holdfast_core::error::Result;
use tempfile::TempDir;

struct File(TempDir);

impl File {
    fn new() -> Self {
        File(tempfile::tempdir().unwrap())
    }
}

impl Fixture for File {
    fn open(&self) -> Result<Lease> {
        open(SqliteOptions::new(self.0.path().join("data/store.db")))
    }

    fn persistent(&self) -> bool {
        true
    }
}

holdfast_core::conformance!(File::new());

mod in_memory {
    use super::*;

    struct Memory;

    impl Fixture for Memory {
        fn open(&self) -> Result<Lease> {
            open(SqliteOptions::new(":memory:"))
        }

        fn persistent(&self) -> bool {
            false
        }
    }

    holdfast_core::conformance!(Memory);
}

mod own {
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::process::{Child, Command};
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use bytes::Bytes;
    use holdfast_core::batch::{Batch, Op, RangeCheck};
    use holdfast_core::engine::{Durability, Engine, Projection, Read, Reply, Request};
    use holdfast_core::error::Code;
    use holdfast_core::key::{KeyRange, Space};
    use holdfast_core::record::Record;
    use holdfast_core::value::Value;
    use parking_lot::Mutex;
    use rusqlite::Connection;

    use super::*;

    const SPECIFIED: &str = "CREATE TABLE storage (key TEXT PRIMARY KEY, value TEXT NOT NULL, type TEXT NOT NULL, \
        created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, metadata TEXT); \
        CREATE INDEX idx_storage_updated ON storage(updated_at);";

    fn set(key: &str, json: &str) -> Batch {
        Batch::one(Op::Set {
            space: Space::User,
            key: Bytes::copy_from_slice(key.as_bytes()),
            value: Value::json(json.to_owned()),
            expires_at: None,
            metadata: None,
        })
    }

    fn read(engine: &dyn Engine, read: Read) -> Result<Reply> {
        engine.try_read(&read).unwrap_or_else(|| engine.wait(Request::Read(read)))
    }

    fn get(engine: &dyn Engine, key: &str) -> Result<Option<String>> {
        match read(engine, Read::Get(Space::User, Bytes::copy_from_slice(key.as_bytes())))? {
            Reply::Value(value) => Ok(value.map(|value| String::from_utf8_lossy(&value.to_text()).into_owned())),
            _ => panic!("not a value"),
        }
    }

    fn entry(engine: &dyn Engine, key: &str) -> Record {
        match read(engine, Read::Entry(Space::User, Bytes::copy_from_slice(key.as_bytes()))).unwrap() {
            Reply::Entry(Some(record)) => record,
            _ => panic!("no entry"),
        }
    }

    fn keys(engine: &dyn Engine) -> Vec<String> {
        let page = engine.view().unwrap().scan(Space::User, &KeyRange::all(), Projection::Keys, None, 1 << 20).unwrap();
        page.entries.iter().map(|(key, _)| String::from_utf8_lossy(key).into_owned()).collect()
    }

    fn code(result: Result<Lease>) -> Option<Code> {
        result.err().map(|error| error.code())
    }

    fn normal(path: &Path) -> SqliteOptions {
        SqliteOptions { durability: Durability::Normal, ..SqliteOptions::new(path) }
    }

    /// This test binary again, running `test` alone as another process with `path`.
    fn spawn(test: &str, path: &Path) -> Child {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &format!("own::{test}"), "--nocapture"])
            .env("HOLDFAST_TEST_DATABASE", path)
            .spawn()
            .unwrap()
    }

    /// The path a parent gave; a child's work is a test of its own on a database of its own otherwise.
    fn given_path(folder: &TempDir) -> PathBuf {
        std::env::var_os("HOLDFAST_TEST_DATABASE").map_or_else(|| folder.path().join("own.db"), PathBuf::from)
    }

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
        let mut statement = theirs
            .prepare("SELECT key, value, type, created_at, updated_at, metadata FROM storage ORDER BY key")
            .unwrap();
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
    fn a_cached_read_sees_every_commit_of_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shared.db");
        let lease = open(normal(&path)).unwrap();
        let engine = &**lease.engine();
        let theirs = Connection::open(&path).unwrap();
        for n in 0..500 {
            if n % 3 == 0 {
                engine.commit(set("k", &n.to_string())).unwrap();
            } else {
                theirs
                    .execute(
                        "INSERT OR REPLACE INTO storage VALUES ('k', ?1, 'number', 0, 0, NULL, NULL, NULL)",
                        [n.to_string()],
                    )
                    .unwrap();
            }
            for _ in 0..3 {
                assert_eq!(get(engine, "k").unwrap(), Some(n.to_string()));
            }
        }
        assert!(engine.stats().unwrap().details.contains(&("cachedRows", 1)), "the cache was never used");
        theirs.execute("DELETE FROM storage", []).unwrap();
        assert_eq!(get(engine, "k").unwrap(), None);
    }

    #[test]
    fn counts_a_thousand_times() {
        let folder = tempfile::tempdir().unwrap();
        let lease = open(normal(&given_path(&folder))).unwrap();
        let count = Op::Add {
            space: Space::User,
            key: Bytes::from_static(b"counter"),
            by: 1.0,
            expires_at: None,
            metadata: None,
        };
        for n in 0..1000 {
            let before: u64 = get(&**lease.engine(), "counter").unwrap().map_or(0, |text| text.parse().unwrap());
            assert!(before >= n);
            lease.engine().commit(Batch::one(count.clone())).unwrap();
        }
        lease.close().unwrap();
    }

    #[test]
    fn two_processes_count_exactly() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("counter.db");
        let mut children: Vec<Child> = (0..2).map(|_| spawn("counts_a_thousand_times", &path)).collect();
        for child in &mut children {
            assert!(child.wait().unwrap().success());
        }
        let lease = open(normal(&path)).unwrap();
        assert_eq!(get(&**lease.engine(), "counter").unwrap().as_deref(), Some("2000"));
    }

    #[test]
    fn deletes_a_key() {
        let folder = tempfile::tempdir().unwrap();
        let lease = open(normal(&given_path(&folder))).unwrap();
        let delete = Op::Delete { space: Space::User, key: Bytes::from_static(b"b/1") };
        assert!(lease.engine().commit(Batch::one(delete)).unwrap().seq > 0);
    }

    #[test]
    fn a_range_check_sees_the_deletion_of_another_process() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ranges.db");
        let lease = open(normal(&path)).unwrap();
        let engine = &**lease.engine();
        engine.commit(set("b/1", "1")).unwrap();
        engine.commit(set("c", "1")).unwrap();
        let since = engine.view().unwrap().seq();
        let guarded = |key: &str, since| Batch {
            range_checks: vec![RangeCheck { space: Space::User, range: KeyRange::prefix(&b"b/"[..]), since }],
            ..set(key, "2")
        };
        engine.commit(guarded("x", since)).unwrap();
        let since = engine.view().unwrap().seq();
        assert!(spawn("deletes_a_key", &path).wait().unwrap().success());
        assert_eq!(engine.commit(guarded("x", since)).err().map(|error| error.code()), Some(Code::Conflict));
        let since = engine.view().unwrap().seq();
        engine.commit(set("c", "3")).unwrap();
        engine.commit(guarded("x", since)).unwrap();
    }

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
            "CREATE TABLE storage (key TEXT PRIMARY KEY COLLATE NOCASE, value TEXT, type TEXT, created_at INTEGER, updated_at INTEGER, metadata TEXT)",
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
            assert_eq!(code(open(SqliteOptions::new(path(name)))), Some(expected), "{name}");
            assert_eq!(fs::read(path(name)).unwrap(), before, "{name} was changed");
        }
    }

    #[test]
    fn a_damaged_database_is_told_and_left_as_it_is() {
        let file = File::new();
        let path = file.0.path().join("data/store.db");
        let lease = file.open().unwrap();
        let ops =
            (0..2000).map(|n| set(&format!("key{n:05}"), &format!("\"{}\"", "v".repeat(200))).ops.remove(0)).collect();
        lease.engine().commit(Batch { ops, ..Batch::default() }).unwrap();
        lease.close().unwrap();
        let whole = fs::read(&path).unwrap();

        fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        let truncated = open(SqliteOptions::new(&path))
            .map(|lease| lease.engine().view().and_then(|view| view.count(Space::User, &KeyRange::all())));
        let told = truncated.and_then(|count| count).err().map(|error| error.code());
        assert_eq!(told, Some(Code::Corrupted));
        assert_eq!(fs::metadata(&path).unwrap().len(), whole.len() as u64 / 2);

        let mut damaged = whole.clone();
        let page = 4096 * 40;
        damaged[page..page + 4096].fill(0xA5);
        fs::write(&path, &damaged).unwrap();
        let lease = file.open().unwrap();
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
        let file = File::new();
        let lease = file.open().unwrap();
        let engine = &**lease.engine();
        engine.commit(set("good", "1")).unwrap();
        let theirs = Connection::open(file.0.path().join("data/store.db")).unwrap();
        theirs
            .execute_batch(
                "INSERT INTO storage VALUES ('bad', '{', 'json', 0, 0, NULL, NULL, NULL); \
                 INSERT INTO storage VALUES (CAST(x'ff' AS TEXT), '1', 'number', 0, 0, NULL, NULL, NULL)",
            )
            .unwrap();
        let error = get(engine, "bad").unwrap_err();
        assert_eq!((error.code(), error.key()), (Code::Corrupted, Some("bad")));
        assert_eq!(get(engine, "good").unwrap().as_deref(), Some("1"));
        let report = engine.verify(true, &mut |_, _| Ok(())).unwrap();
        assert_eq!(report.errors.len(), 2, "{report:?}");
        assert!(report.errors.iter().any(|error| error.key() == Some("bad")));
        assert_eq!(keys(engine), ["good"]);
        assert!(engine.verify(false, &mut |_, _| Ok(())).unwrap().errors.is_empty());
        let aside: i64 = theirs.query_row("SELECT count(*) FROM storage_damaged", [], |row| row.get(0)).unwrap();
        assert_eq!(aside, 2);
    }

    #[test]
    fn a_path_that_cannot_be_a_database_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        assert_eq!(code(open(SqliteOptions::new(path))), Some(Code::InvalidArgument));
        fs::write(path.join("app.asar"), "x").unwrap();
        assert_eq!(code(open(SqliteOptions::new(path.join("app.asar/store.db")))), Some(Code::InvalidArgument));
        for name in ["a\"b", "x; DROP TABLE y", "sqlite_master", ""] {
            let options = SqliteOptions { table_name: name.into(), ..SqliteOptions::new(path.join("t.db")) };
            assert_eq!(code(open(options)), Some(Code::InvalidArgument), "{name}");
        }
        assert!(!path.join("t.db").exists());
        let missing = SqliteOptions { read_only: true, ..SqliteOptions::new(path.join("none/t.db")) };
        assert_eq!(code(open(missing)), Some(Code::Io));
        assert!(!path.join("none").exists());
    }

    #[cfg(unix)]
    #[test]
    fn a_new_database_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        let file = File::new();
        let lease = file.open().unwrap();
        lease.engine().commit(set("k", "1")).unwrap();
        let mode = |name: &str| fs::metadata(file.0.path().join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("data"), mode("data/store.db"), mode("data/store.db-wal")), (0o700, 0o600, 0o600));
    }

    #[test]
    fn waiting_for_another_writer_ends_in_a_timeout() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("busy.db");
        let lease = open(SqliteOptions { busy_timeout: 100, ..normal(&path) }).unwrap();
        let theirs = Connection::open(&path).unwrap();
        theirs.execute_batch("BEGIN IMMEDIATE").unwrap();
        let start = Instant::now();
        let error = lease.engine().commit(set("k", "1")).unwrap_err();
        assert_eq!(error.code(), Code::Timeout);
        assert!(start.elapsed() >= Duration::from_millis(90));
        theirs.execute_batch("COMMIT").unwrap();
        lease.engine().commit(set("k", "2")).unwrap();
        assert_eq!(get(&**lease.engine(), "k").unwrap().as_deref(), Some("2"));
    }

    #[test]
    fn a_store_opened_read_only_reads_and_refuses_writes() {
        let file = File::new();
        let path = file.0.path().join("data/store.db");
        let lease = file.open().unwrap();
        lease.engine().commit(set("k", "1")).unwrap();
        lease.close().unwrap();
        let before = fs::read(&path).unwrap();
        let lease = open(SqliteOptions { read_only: true, ..SqliteOptions::new(&path) }).unwrap();
        assert_eq!(get(&**lease.engine(), "k").unwrap().as_deref(), Some("1"));
        assert_eq!(lease.engine().commit(set("k", "2")).unwrap_err().code(), Code::ReadOnly);
        lease.close().unwrap();
        assert_eq!(fs::read(&path).unwrap(), before);

        // One by the specification's own code lacks our columns and tables, and stays so.
        let path = file.0.path().join("spec.db");
        Connection::open(&path).unwrap().execute_batch(SPECIFIED).unwrap();
        let lease = open(SqliteOptions { read_only: true, ..SqliteOptions::new(&path) }).unwrap();
        assert_eq!(get(&**lease.engine(), "k").unwrap(), None);
        let view = lease.engine().view().unwrap();
        assert_eq!((view.seq(), view.count(Space::Internal, &KeyRange::all()).unwrap()), (0, 0));
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
    fn too_many_views_are_refused_and_give_their_connections_back() {
        let file = File::new();
        let lease = file.open().unwrap();
        let mut views = Vec::new();
        let refused = loop {
            match lease.engine().view() {
                Ok(view) => views.push(view),
                Err(error) => break error,
            }
        };
        assert_eq!((refused.code(), views.len()), (Code::NoSpace, 128));
        views.clear();
        assert!(lease.engine().view().is_ok());
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

    /// Runs `test` in another process with a small memory disk of its own mounted at `folder`.
    #[cfg(target_os = "linux")]
    fn on_a_small_disk(test: &str, folder: &Path) {
        let script = "mount -t tmpfs -o size=2m tmpfs \"$1\" && exec \"$2\" --exact \"own::$3\" --nocapture";
        let status = Command::new("unshare")
            .args(["-rm", "sh", "-c", script, "sh"])
            .arg(folder)
            .arg(std::env::current_exe().unwrap())
            .arg(test)
            .env("HOLDFAST_TEST_DATABASE", folder.join("store.db"))
            .status()
            .unwrap();
        assert!(status.success(), "this test needs unshare(1) and user namespaces");
    }

    /// Fills the disk where the parent gave a small one, else writes what fits.
    #[test]
    fn writes_until_full() {
        let folder = tempfile::tempdir().unwrap();
        let small = std::env::var_os("HOLDFAST_TEST_DATABASE").is_some();
        let lease = open(SqliteOptions::new(given_path(&folder))).unwrap();
        let engine = &**lease.engine();
        let text = format!("\"{}\"", "x".repeat(100_000));
        let mut written = Vec::new();
        let mut refused = None;
        for n in 0..40 {
            match engine.commit(set(&format!("k{n:02}"), &text)) {
                Ok(_) => written.push(format!("k{n:02}")),
                Err(error) => {
                    refused = Some(error.code());
                    break;
                }
            }
        }
        assert_eq!(refused, small.then_some(Code::NoSpace));
        assert!(!written.is_empty());
        assert_eq!(keys(engine), written);
        assert_eq!(get(engine, "k00").unwrap(), Some(text.clone()));
        lease.close().ok();
        let lease = open(SqliteOptions::new(given_path(&folder))).unwrap();
        assert_eq!(keys(&**lease.engine()), written);
        assert!(lease.engine().verify(false, &mut |_, _| Ok(())).unwrap().errors.is_empty());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_refuses_the_write_and_loses_nothing() {
        on_a_small_disk("writes_until_full", tempfile::tempdir().unwrap().path());
    }

    /// Makes the disk read-only where the parent gave a small one.
    #[test]
    fn reads_a_medium_that_cannot_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let small = std::env::var_os("HOLDFAST_TEST_DATABASE").is_some();
        let path = given_path(&folder);
        let lease = open(SqliteOptions::new(&path)).unwrap();
        lease.engine().commit(set("k", "1")).unwrap();
        lease.close().unwrap();
        if small {
            let medium = path.parent().unwrap();
            assert!(Command::new("mount").args(["-o", "remount,ro"]).arg(medium).status().unwrap().success());
            assert_eq!(code(open(SqliteOptions::new(&path))), Some(Code::ReadOnly));
            assert_eq!(code(open(SqliteOptions::new(medium.join("new.db")))), Some(Code::ReadOnly));
        }
        let lease = open(SqliteOptions { read_only: true, ..SqliteOptions::new(&path) }).unwrap();
        assert_eq!(get(&**lease.engine(), "k").unwrap().as_deref(), Some("1"));
        assert_eq!(keys(&**lease.engine()), ["k"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_read_only_medium_is_told_unless_asked_for() {
        on_a_small_disk("reads_a_medium_that_cannot_be_written", tempfile::tempdir().unwrap().path());
    }
}

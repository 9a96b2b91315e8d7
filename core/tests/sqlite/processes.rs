//! Several processes on one database, and disks that are full or cannot be written.
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use super::support::normal;
use holdfast_core::EngineExt;
use holdfast_core::batch::{Batch, Op, RangeCheck};
use holdfast_core::engine::sqlite::{SqliteOptions, open};
use holdfast_core::error::Code;
use holdfast_core::key::KeyRange;
use holdfast_core::testing::{Calls, code_of, json};
use rusqlite::Connection;
use tempfile::TempDir;

fn spawn(test: &str, path: &Path) -> Child {
    another_process(&format!("processes::{test}"), path).spawn().unwrap()
}

/// This test binary again, as another process that runs `test` alone on `path`.
pub(crate) fn another_process(test: &str, path: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env("HOLDFAST_TEST_DATABASE", path);
    command
}

/// The path that the parent process gave. Without a parent, the test runs by itself, on a database of its own.
pub(crate) fn given_path(folder: &TempDir) -> PathBuf {
    std::env::var_os("HOLDFAST_TEST_DATABASE").map_or_else(|| folder.path().join("own.db"), PathBuf::from)
}

/// Runs `test` in another process, with a small memory disk mounted at `folder`.
#[cfg(target_os = "linux")]
fn on_a_small_disk(test: &str, folder: &Path) {
    let script = "mount -t tmpfs -o size=2m tmpfs \"$1\" && exec \"$2\" --exact \"processes::$3\" --nocapture";
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

#[test]
fn a_cached_read_sees_every_commit_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shared.db");
    let lease = open(normal(&path)).unwrap();
    let engine = lease.engine();
    let theirs = Connection::open(&path).unwrap();
    for n in 0..500 {
        if n % 3 == 0 {
            engine.set("k", &n.to_string());
        } else {
            theirs
                .execute(
                    "INSERT OR REPLACE INTO storage VALUES ('k', ?1, 'number', 0, 0, NULL, NULL, NULL)",
                    [n.to_string()],
                )
                .unwrap();
        }
        for _ in 0..3 {
            assert_eq!(engine.value("k"), Some(n.to_string()));
        }
    }
    assert!(engine.stats().unwrap().details.contains(&("cachedRows", 1)), "the cache was never used");
    theirs.execute("DELETE FROM storage", []).unwrap();
    assert_eq!(engine.value("k"), None);
}

#[test]
fn counts_a_thousand_times() {
    let folder = tempfile::tempdir().unwrap();
    let lease = open(normal(&given_path(&folder))).unwrap();
    for n in 0..1000 {
        let before: u64 = lease.engine().value("counter").map_or(0, |text| text.parse().unwrap());
        assert!(before >= n);
        lease.engine().run(Op::add("counter", 1.0));
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
    assert_eq!(lease.engine().value("counter").as_deref(), Some("2000"));
}

#[test]
fn deletes_a_key() {
    let folder = tempfile::tempdir().unwrap();
    let lease = open(normal(&given_path(&folder))).unwrap();
    assert!(lease.engine().run(Op::delete("b/1")).seq > 0);
}

#[test]
fn several_processes_make_one_database() {
    let folder = tempfile::tempdir().unwrap();
    for n in 0..8 {
        let path = folder.path().join(format!("new-{n}.db"));
        let children: Vec<Child> = (0..6).map(|_| spawn("deletes_a_key", &path)).collect();
        for mut child in children {
            assert!(child.wait().unwrap().success());
        }
    }
}

#[test]
fn a_range_check_sees_the_deletion_of_another_process() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ranges.db");
    let lease = open(normal(&path)).unwrap();
    let engine = lease.engine();
    engine.set("b/1", "1");
    engine.set("c", "1");
    let since = engine.view().unwrap().seq();
    let guarded =
        |since| Batch::one(Op::set("x", json("2"))).with_range_checks([RangeCheck::new(KeyRange::prefix("b/"), since)]);
    engine.run(guarded(since));
    let since = engine.view().unwrap().seq();
    assert!(spawn("deletes_a_key", &path).wait().unwrap().success());
    assert_eq!(code_of(engine.commit(guarded(since))), Some(Code::Conflict));
    let since = engine.view().unwrap().seq();
    engine.set("c", "3");
    engine.run(guarded(since));
}

/// Fills the disk if the parent gave a small one, else writes what fits.
#[test]
fn writes_until_full() {
    let folder = tempfile::tempdir().unwrap();
    let small = std::env::var_os("HOLDFAST_TEST_DATABASE").is_some();
    let lease = open(SqliteOptions::new(given_path(&folder))).unwrap();
    let engine = lease.engine();
    let text = format!("\"{}\"", "x".repeat(100_000));
    let mut written = Vec::new();
    let mut refused = None;
    for n in 0..40 {
        match engine.commit(Batch::one(Op::set(format!("k{n:02}"), json(&text)))) {
            Ok(_) => written.push(format!("k{n:02}")),
            Err(error) => {
                refused = Some(error.code());
                break;
            }
        }
    }
    assert_eq!(refused, small.then_some(Code::NoSpace));
    assert!(!written.is_empty());
    assert_eq!(engine.keys(&KeyRange::all()), written);
    assert_eq!(engine.value("k00"), Some(text.clone()));
    lease.close().ok();
    let lease = open(SqliteOptions::new(given_path(&folder))).unwrap();
    assert_eq!(lease.engine().keys(&KeyRange::all()), written);
    assert!(lease.engine().verify(false, &mut |_, _| Ok(())).unwrap().errors.is_empty());
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_refuses_the_write_and_loses_nothing() {
    on_a_small_disk("writes_until_full", tempfile::tempdir().unwrap().path());
}

/// Makes the disk read-only if the parent gave a small one.
#[test]
fn reads_a_medium_that_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let small = std::env::var_os("HOLDFAST_TEST_DATABASE").is_some();
    let path = given_path(&folder);
    let lease = open(SqliteOptions::new(&path)).unwrap();
    lease.engine().set("k", "1");
    lease.close().unwrap();
    if small {
        let medium = path.parent().unwrap();
        assert!(Command::new("mount").args(["-o", "remount,ro"]).arg(medium).status().unwrap().success());
        assert_eq!(code_of(open(SqliteOptions::new(&path))), Some(Code::ReadOnly));
        assert_eq!(code_of(open(SqliteOptions::new(medium.join("new.db")))), Some(Code::ReadOnly));
    }
    let lease = open(SqliteOptions { read_only: true, ..SqliteOptions::new(&path) }).unwrap();
    assert_eq!(lease.engine().value("k").as_deref(), Some("1"));
    assert_eq!(lease.engine().keys(&KeyRange::all()), ["k"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_read_only_medium_is_told_unless_asked_for() {
    on_a_small_disk("reads_a_medium_that_cannot_be_written", tempfile::tempdir().unwrap().path());
}

//! Replacements in which a system call fails, the process dies, or the disk is full: afterwards the store has the old
//! content or the new one. This test program runs itself again as the other process, under a library that counts
//! the system calls.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use holdfast_core::engine::leveldb::{LevelDbOptions, open};
use holdfast_core::engine::registry::Lease;
use holdfast_core::engine::{Durability, Staged};
use holdfast_core::testing::{Calls, json, key};
use holdfast_core::{Batch, Code, EngineExt, Error, KeyRange, Op, Space, Value};

use super::replacement::{families, families_of, replace, staged};
use super::roles::{self, Stage, said, this_program};
use super::support::*;

const STAGE: Stage = Stage { test: "replacement_faults::role", disk: "24m" };

/// The file with an order for the library: what to do, and at which call that changes a file.
const ORDER: &str = "HOLDFAST_TEST_ORDER";

/// A library that is loaded before the system's. While the file of the order exists, it counts calls that change files.
/// At the ordered one it kills the process, or the call fails: once, or with all later ones for want of space. It says
/// in the file that it did. A sync that does not fail is left out, because only power loss would tell.
const COUNTING_CALLS: &str = r#"
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/syscall.h>
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int running, count, at;
static char what;
static int fails(int needs_space) {
  const char *file = getenv("HOLDFAST_TEST_ORDER");
  if (!file) return 0;
  pthread_mutex_lock(&lock);
  int failed = 0;
  if (syscall(SYS_faccessat, AT_FDCWD, file, F_OK) != 0) running = 0;
  else {
    if (!running) {
      char text[32] = {0};
      int fd = syscall(SYS_openat, AT_FDCWD, file, O_RDONLY, 0);
      syscall(SYS_read, fd, text, sizeof text - 1);
      syscall(SYS_close, fd);
      sscanf(text, "%c %d", &what, &at);
      running = 1;
      count = 0;
    }
    count++;
    failed = what == 'f' ? count == at : what == 's' && count >= at && needs_space;
    if (count == at) {
      if (what == 'k') syscall(SYS_kill, getpid(), SIGKILL);
      int fd = syscall(SYS_openat, AT_FDCWD, file, O_WRONLY | O_APPEND, 0);
      syscall(SYS_write, fd, " done", 5);
      syscall(SYS_close, fd);
    }
    errno = what == 's' ? ENOSPC : EIO;
  }
  pthread_mutex_unlock(&lock);
  return failed;
}
int fsync(int fd) { return fails(0) ? -1 : 0; }
int fdatasync(int fd) { return fails(0) ? -1 : 0; }
ssize_t write(int fd, const void *p, size_t n) { return fd > 2 && fails(1) ? -1 : syscall(SYS_write, fd, p, n); }
ssize_t pwrite(int fd, const void *p, size_t n, off_t at) {
  return fails(1) ? -1 : syscall(SYS_pwrite64, fd, p, n, at);
}
ssize_t pwrite64(int fd, const void *p, size_t n, off_t at) { return pwrite(fd, p, n, at); }
int rename(const char *a, const char *b) { return fails(0) ? -1 : syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, 0); }
int link(const char *a, const char *b) { return fails(1) ? -1 : syscall(SYS_linkat, AT_FDCWD, a, AT_FDCWD, b, 0); }
int unlink(const char *a) {
  const char *file = getenv("HOLDFAST_TEST_ORDER");
  return (!file || strcmp(a, file)) && fails(0) ? -1 : syscall(SYS_unlinkat, AT_FDCWD, a, 0);
}
int ftruncate(int fd, off_t n) { return fails(1) ? -1 : syscall(SYS_ftruncate, fd, n); }
int ftruncate64(int fd, off_t n) { return ftruncate(fd, n); }
"#;

/// Compiles the library into `folder`. Returns this program, which loads it.
fn counting_program(folder: &Path) -> impl Fn() -> Command {
    let (source, library) = (folder.join("calls.c"), folder.join("calls.so"));
    if !library.exists() {
        fs::write(&source, COUNTING_CALLS).unwrap();
        let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status();
        assert!(built.expect("this test needs a C compiler named cc").success());
    }
    let order = folder.join("order");
    move || {
        let mut command = this_program();
        command.env("LD_PRELOAD", &library).env(ORDER, &order);
        command
    }
}

fn order() -> PathBuf {
    PathBuf::from(std::env::var_os(ORDER).unwrap())
}

/// Gives the order. The file is whole at once, because the library reads it at the next call.
fn give(order: &Path, text: &str) {
    let pending = order.with_extension("pending");
    fs::write(&pending, text).unwrap();
    fs::rename(&pending, order).unwrap();
}

fn at(path: &Path, durability: Durability) -> Lease {
    open(LevelDbOptions { durability, ..options(path) }).unwrap()
}

const KEPT: &[u8] = b"\0store";
const RECORDS: usize = 60;

fn content(text: &str) -> Vec<Staged> {
    (0..RECORDS).map(|n| staged(&format!("k{n:02}"), text)).collect()
}

/// A store with the old content, and a key of the engine.
fn prepare(path: &Path, durability: Durability, replaced_before: bool) {
    let lease = at(path, durability);
    let ops = (0..RECORDS).map(|n| Op::set(key(&format!("k{n:02}")), json("\"old\""))).collect();
    lease.engine().commit(Batch { ops, ..Batch::default() }).unwrap();
    let kept = Op::set(KEPT, Value::json("7")).in_space(Space::Internal);
    lease.engine().commit(Batch::one(kept)).unwrap();
    if replaced_before {
        replace(&lease, content("\"old\""));
    }
    lease.close().unwrap();
}

/// A copy of a closed store.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

fn stage_and_swap(lease: &Lease) -> Result<u64, Error> {
    let mut staging = lease.engine().stage()?;
    staging.write(content("\"new\""))?;
    Ok(staging.swap()?.seq)
}

/// The one text that all records have.
fn whole(lease: &Lease) -> String {
    let found = lease.engine().keys(&KeyRange::prefix("k"));
    assert_eq!(found.len(), RECORDS);
    let first = lease.engine().value(&found[0]).unwrap();
    assert!(found.iter().all(|name| lease.engine().value(name).as_ref() == Some(&first)), "old and new records");
    let kept = lease.engine().view().unwrap().get(Space::Internal, KEPT).unwrap();
    assert_eq!(kept.map(|record| record.value.to_text().to_vec()).as_deref(), Some(&b"7"[..]));
    first
}

/// Opens the store, which must be whole, replaceable, and have nothing left of what failed. Returns its text.
fn check(path: &Path, durability: Durability) -> String {
    let lease = at(path, durability);
    let text = whole(&lease);
    assert!(lease.engine().verify(false, &mut |_, _| Ok(())).unwrap().errors.is_empty());
    lease.close().unwrap();
    let found = families(path);
    let numbers =
        found.iter().filter_map(|name| name.strip_prefix("user.")).map(|number| number.parse::<u64>().unwrap());
    let expected =
        numbers.max().map_or_else(|| vec!["default".into(), "engine".into(), "internal".into()], families_of);
    assert_eq!(found, expected);
    assert!(!path.join(".holdfast.staged").exists());
    text
}

#[test]
fn role() {
    let Some((role, path)) = roles::given() else { return };
    let (role, durability) = match role.split_once(" at ").unwrap() {
        (role, "full") => (role, Durability::Full),
        (role, _) => (role, Durability::None),
    };
    match role {
        "killed" => {
            let lease = at(&path, durability);
            let order = order();
            give(&order, &fs::read_to_string(order.with_extension("next")).unwrap());
            let swapped = stage_and_swap(&lease);
            let _ = fs::remove_file(&order);
            println!("said {}", swapped.map_or_else(|error| error.code().as_str().to_owned(), |_| "swapped".into()));
        }
        "failing" | "full disk" => failing(&path, durability, if role == "failing" { 'f' } else { 's' }),
        "opening" => {
            at(&path, durability).close().unwrap();
            println!("said opened");
        }
        "fill" => fill(&path, durability),
        other => panic!("no role {other}"),
    }
}

/// Lets each system call fail in its turn, in a store whose content was replaced before, and in one where it was not.
fn failing(path: &Path, durability: Durability, how: char) {
    for replaced_before in [false, true] {
        let prepared = path.join(format!("{how}{replaced_before}"));
        prepare(&prepared, durability, replaced_before);
        let copied = path.join("copy");
        for call in 1.. {
            copy(&prepared, &copied);
            let done = fail_at(&copied, durability, how, call);
            fs::remove_dir_all(&copied).unwrap();
            if !done {
                break;
            }
        }
    }
}

/// Lets one system call fail. False if there were fewer.
fn fail_at(path: &Path, durability: Durability, how: char, call: u64) -> bool {
    let order = order();
    let lease = at(path, durability);
    give(&order, &format!("{how} {call}"));
    let swapped = stage_and_swap(&lease);
    let done = fs::read_to_string(&order).unwrap().contains("done");
    fs::remove_file(&order).unwrap();
    let code = swapped.as_ref().err().map(Error::code);
    assert!(!matches!(code, Some(Code::Corrupted | Code::InvalidArgument)), "call {call}: {swapped:?}");
    assert!(done || swapped.is_ok(), "call {call}: {swapped:?}");
    assert_eq!(whole(&lease), if swapped.is_ok() { "\"new\"" } else { "\"old\"" }, "call {call}");
    let again = lease.engine().commit(Batch::one(Op::set("after", json("1"))));
    if code == Some(Code::UnknownOutcome) {
        assert!(again.is_err(), "a commit could be lost");
    }
    let _ = lease.close();
    let found = check(path, durability);
    match code {
        None => assert_eq!(found, "\"new\"", "call {call}"),
        Some(Code::UnknownOutcome) => {}
        Some(code) => assert_eq!(found, "\"old\"", "call {call}: {code:?}"),
    }
    if again.is_ok() {
        assert_eq!(at(path, durability).engine().value("after").as_deref(), Some("1"), "call {call}");
    }
    println!("said {}", code.map_or("swapped", |code| code.as_str()));
    done
}

#[test]
fn a_system_call_that_fails_leaves_the_old_content_or_the_new_one() {
    let root = tempfile::tempdir().unwrap();
    let program = counting_program(root.path());
    let mut unknown = 0;
    for role in ["failing at full", "failing at none", "full disk at full"] {
        let outcomes = said(STAGE.start(&mut program(), role, &root.path().join(role)));
        let count = |outcome: &str| outcomes.iter().filter(|other| *other == outcome).count();
        assert!(count("swapped") > 1, "{role}: {outcomes:?}");
        assert!(count(if role.starts_with("full") { "NO_SPACE" } else { "IO" }) > 20, "{role}: {outcomes:?}");
        unknown += count("UNKNOWN_OUTCOME");
    }
    // The write of the marker is one of the calls.
    assert!(unknown > 0);
}

#[test]
fn a_process_killed_at_any_system_call_leaves_the_old_content_or_the_new_one() {
    let root = tempfile::tempdir().unwrap();
    let program = counting_program(root.path());
    for role in ["killed at full", "killed at none"] {
        let durability = if role.ends_with("full") { Durability::Full } else { Durability::None };
        let (mut old, mut new) = (0, 0);
        for replaced_before in [false, true] {
            let prepared = root.path().join(format!("{durability:?} {replaced_before}"));
            prepare(&prepared, durability, replaced_before);
            let path = root.path().join("copy");
            for call in 1.. {
                copy(&prepared, &path);
                fs::write(root.path().join("order.next"), format!("k {call}")).unwrap();
                let survived = STAGE.start(&mut program(), role, &path).wait().unwrap().success();
                let _ = fs::remove_file(root.path().join("order"));
                match check(&path, durability).as_str() {
                    "\"old\"" => old += 1,
                    "\"new\"" => new += 1,
                    other => panic!("{other}"),
                }
                fs::remove_dir_all(&path).unwrap();
                if survived {
                    break;
                }
            }
        }
        assert!(old > 80 && new > 1, "{role}: {old} times old, {new} times new");
    }
}

/// The opening that removes the old content is killed again and again.
#[test]
fn an_opening_killed_at_any_system_call_is_made_up_for_by_the_next() {
    let root = tempfile::tempdir().unwrap();
    let program = counting_program(root.path());
    for replaced_before in [false, true] {
        let prepared = root.path().join(format!("{replaced_before}"));
        prepare(&prepared, Durability::Full, replaced_before);
        let lease = at(&prepared, Durability::Full);
        // The view keeps the sweep from removing the old content.
        let view = lease.engine().view().unwrap();
        stage_and_swap(&lease).unwrap();
        lease.close().unwrap();
        drop(view);
        let path = root.path().join("copy");
        let mut call = 0;
        loop {
            call += 1;
            copy(&prepared, &path);
            fs::write(root.path().join("order"), format!("k {call}")).unwrap();
            let opened = STAGE.start(&mut program(), "opening at full", &path).wait().unwrap().success();
            fs::remove_file(root.path().join("order")).unwrap();
            assert_eq!(check(&path, Durability::Full), "\"new\"", "call {call}");
            fs::remove_dir_all(&path).unwrap();
            if opened {
                break;
            }
        }
        assert!(call > 20, "{call}");
    }
}

fn fill(path: &Path, durability: Durability) {
    let store = path.join("store");
    let lease = at(&store, durability);
    lease.engine().set("old", "1");
    let mut staging = lease.engine().stage().unwrap();
    // Text that no compression makes small.
    let mut seed = 1_u64;
    let mut noise = || {
        let words = (0..4000).map(|_| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            format!("{seed:016x}")
        });
        format!("\"{}\"", words.collect::<String>())
    };
    let error = (0..1000).find_map(|n| staging.write(vec![staged(&format!("n{n}"), &noise())]).err()).unwrap();
    println!("said {}", error.code().as_str());
    assert!(staging.write(Vec::new()).is_err() && staging.swap().is_err());
    lease.engine().set("after", "1");
    replace(&lease, vec![staged("new", "1")]);
    assert_eq!(lease.engine().keys(&KeyRange::all()), ["new"]);
    lease.close().unwrap();
    assert_eq!(at(&store, durability).engine().keys(&KeyRange::all()), ["new"]);
}

#[test]
fn a_replacement_that_does_not_fit_on_the_disk_does_no_harm() {
    let root = tempfile::tempdir().unwrap();
    assert_eq!(STAGE.on_a_small_disk("fill at full", root.path()), ["NO_SPACE"]);
}

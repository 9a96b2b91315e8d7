//! Other processes: locks, sudden death, full and read-only disks, a disk that fails to sync. This test program runs
//! itself again as the other process, which runs `role`.
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use holdfast_core::engine::Durability;
use holdfast_core::engine::leveldb::{LevelDbOptions, open};
use holdfast_core::testing::{Calls, error_of, json};
use holdfast_core::{Batch, Code, EngineExt, KeyRange, Op};

use super::roles::{self, Stage, said, this_program};
use super::support::*;

const STAGE: Stage = Stage { test: "processes::role", disk: "8m" };

#[test]
fn role() {
    let Some((role, path)) = roles::given() else { return };
    match role.as_str() {
        "open" => match open(options(&path)) {
            Ok(_) => println!("said opened"),
            Err(error) => println!("said {}", error.code().as_str()),
        },
        "hold" => {
            let _lease = start(&path);
            println!("said opened");
            std::thread::sleep(Duration::from_secs(600));
        }
        "write at full" | "write at normal" | "write at none" => {
            let durability = match role.as_str() {
                "write at full" => Durability::Full,
                "write at normal" => Durability::Normal,
                _ => Durability::None,
            };
            let lease = open(LevelDbOptions { durability, ..options(&path) }).unwrap();
            let filler = format!("\"{}\"", "x".repeat(5000));
            for n in 0.. {
                let ops = vec![
                    Op::set("n", json(n.to_string())),
                    Op::set(format!("f{}", n % 50), json(&filler)),
                    Op::set("m", json(n.to_string())),
                ];
                lease.engine().run(ops);
                println!("said {n}");
            }
        }
        "fill" => fill(&path),
        "read-only" => read_only_medium(&path),
        "fail-sync" => fail_sync(&path),
        other => panic!("no role {other}"),
    }
}

#[test]
fn a_second_process_is_locked_out_until_the_first_is_gone() {
    let root = tempfile::tempdir().unwrap();
    let lease = start(root.path());
    assert_eq!(said(STAGE.start(&mut this_program(), "open", root.path())), ["LOCKED"]);
    lease.close().unwrap();
    assert_eq!(said(STAGE.start(&mut this_program(), "open", root.path())), ["opened"]);

    let mut holder = STAGE.start(&mut this_program(), "hold", root.path());
    let mut lines = BufReader::new(holder.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "said opened"));
    let error = error_of(open(options(root.path())));
    assert_eq!(error.code(), Code::Locked);
    assert!(error.code().retryable());
    let readers = LevelDbOptions { read_only: true, ..options(root.path()) };
    assert_eq!(error_of(open(readers)).code(), Code::Locked);
    let start = Instant::now();
    assert_eq!(error_of(open(LevelDbOptions { lock_timeout: 200, ..options(root.path()) })).code(), Code::Locked);
    assert!(start.elapsed() >= Duration::from_millis(200));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| open(LevelDbOptions { lock_timeout: 20_000, ..options(root.path()) }).map(drop));
        std::thread::sleep(Duration::from_millis(100));
        holder.kill().unwrap();
        holder.wait().unwrap();
        waiting.join().unwrap().unwrap();
    });
}

#[test]
fn a_killed_process_never_leaves_half_a_batch_and_above_none_loses_nothing_acknowledged() {
    for role in ["write at full", "write at normal", "write at none"] {
        let root = tempfile::tempdir().unwrap();
        for round in 1..4 {
            let mut writer = STAGE.start(&mut this_program(), role, root.path());
            let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines();
            let mut acknowledged = None;
            for line in lines.by_ref() {
                let line = line.unwrap();
                if let Some(n) = line.strip_prefix("said ") {
                    acknowledged = Some(n.parse::<u64>().unwrap());
                }
                if acknowledged >= Some(round * 400) {
                    break;
                }
            }
            writer.kill().unwrap();
            writer.wait().unwrap();
            let acknowledged =
                lines.filter_map(|line| line.ok()?.strip_prefix("said ")?.parse().ok()).last().or(acknowledged);
            let lease = start(root.path());
            let (n, m) = (lease.engine().value("n"), lease.engine().value("m"));
            assert_eq!(n, m, "half a batch after {role}");
            if role != "write at none" {
                assert!(n.unwrap().parse::<u64>().ok() >= acknowledged);
            }
            assert!(lease.engine().verify(false, &mut |_, _| Ok(())).unwrap().errors.is_empty());
        }
    }
}

fn fill(path: &Path) {
    for durability in [Durability::Full, Durability::None] {
        let path = path.join(format!("{durability:?}"));
        let ballast = path.with_extension("ballast");
        std::fs::write(&ballast, vec![1; 2 << 20]).unwrap();
        let lease = open(LevelDbOptions { durability, ..options(&path) }).unwrap();
        let value = format!("\"{}\"", "x".repeat(50_000));
        let mut written = 0;
        let error = loop {
            match lease.engine().commit(Batch::one(Op::set(format!("k{written:04}"), json(&value)))) {
                Ok(_) => written += 1,
                Err(error) => break error,
            }
            assert!(written < 1000);
        };
        println!("said {}", error.code().as_str());
        // Every acknowledged record is still read.
        assert_eq!(lease.engine().value("k0000").as_ref(), Some(&value));
        assert_eq!(lease.engine().keys(&KeyRange::all()).len(), written);
        let _ = lease.close();
        std::fs::remove_file(&ballast).unwrap();
        let lease = open(LevelDbOptions { durability, ..options(&path) }).unwrap();
        if durability == Durability::Full {
            assert_eq!(lease.engine().keys(&KeyRange::all()).len(), written);
        }
        lease.engine().set("after", "1");
        lease.close().unwrap();
        std::fs::remove_dir_all(&path).unwrap();
    }
}

#[test]
fn a_full_disk_says_so_and_loses_nothing_acknowledged() {
    let root = tempfile::tempdir().unwrap();
    assert_eq!(STAGE.on_a_small_disk("fill", root.path()), ["NO_SPACE", "NO_SPACE"]);
}

fn read_only_medium(path: &Path) {
    let store = path.join("store");
    start(&store).engine().set("a", "1");
    let remounted = Command::new("mount").args(["-o", "remount,bind,ro"]).arg(path).status().unwrap();
    assert!(remounted.success());
    for path in [store.clone(), path.join("new")] {
        println!("said {}", error_of(open(options(&path))).code().as_str());
    }
    let lease = open(LevelDbOptions { read_only: true, ..options(&store) }).unwrap();
    println!("said {}", lease.engine().value("a").unwrap());
}

#[test]
fn a_read_only_medium_is_told_at_opening_and_can_be_read() {
    let root = tempfile::tempdir().unwrap();
    assert_eq!(STAGE.on_a_small_disk("read-only", root.path()), ["READ_ONLY", "READ_ONLY", "1"]);
}

/// A library that is loaded before the system's. Its syncs fail while a file exists.
const FAILING_SYNC: &str = r#"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/syscall.h>
static int fails(void) { const char *f = getenv("HOLDFAST_TEST_FAIL"); return f && access(f, F_OK) == 0; }
int fsync(int fd) { if (fails()) { errno = EIO; return -1; } return syscall(SYS_fsync, fd); }
int fdatasync(int fd) { if (fails()) { errno = EIO; return -1; } return syscall(SYS_fdatasync, fd); }
"#;

fn fail_sync(path: &Path) {
    let lease = open(LevelDbOptions { durability: Durability::Full, ..options(path) }).unwrap();
    lease.engine().set("a", "1");
    let marker = PathBuf::from(std::env::var_os("HOLDFAST_TEST_FAIL").unwrap());
    std::fs::write(&marker, "").unwrap();
    println!("said {}", lease.engine().commit(Batch::one(Op::set("b", json("1")))).unwrap_err().code().as_str());
    std::fs::remove_file(&marker).unwrap();
    let error = lease.engine().commit(Batch::one(Op::set("c", json("1")))).unwrap_err();
    println!("said {}", error.code().as_str());
    assert!(error.message().contains("refused"), "{error}");
    assert_eq!(lease.engine().value("a").as_deref(), Some("1"), "reads go on");
    assert_eq!(lease.engine().keys(&KeyRange::prefix("a")), ["a"]);
    let _ = lease.close();
    let lease = open(LevelDbOptions { durability: Durability::Full, ..options(path) }).unwrap();
    lease.engine().set("c", "1");
    println!("said {}", lease.engine().value("a").unwrap());
}

#[cfg(target_os = "linux")]
#[test]
fn after_a_failed_sync_writes_are_refused_and_reads_go_on() {
    let root = tempfile::tempdir().unwrap();
    let (source, library) = (root.path().join("sync.c"), root.path().join("sync.so"));
    std::fs::write(&source, FAILING_SYNC).unwrap();
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status();
    assert!(built.expect("this test needs a C compiler named cc").success());
    let mut command = this_program();
    command.env("LD_PRELOAD", &library).env("HOLDFAST_TEST_FAIL", root.path().join("fail"));
    assert_eq!(said(STAGE.start(&mut command, "fail-sync", &root.path().join("store"))), ["IO", "IO", "1"]);
}

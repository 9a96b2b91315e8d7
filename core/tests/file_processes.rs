//! The file engine and the world around it: other processes, sudden death, full and read-only disks. This test program
//! runs itself again as the other process; `role` is what that one does.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

#[path = "shared/roles.rs"]
mod roles;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Command;

use holdfast_core::engine::file::{FileOptions, open};
use holdfast_core::engine::{Durability, EngineExt};
use holdfast_core::testing::{Calls, error_of, json};
use holdfast_core::{Batch, Code, Op};

use roles::{Stage, said, this_program};

const STAGE: Stage = Stage { test: "role", disk: "4m" };

fn options(path: &Path) -> FileOptions {
    FileOptions { durability: Durability::Normal, ..FileOptions::new(path) }
}

#[test]
fn role() {
    let Some((role, path)) = roles::given() else { return };
    match role.as_str() {
        "open" => match open(options(&path)) {
            Ok(_) => println!("said opened"),
            Err(error) => println!("said {}", error.code().as_str()),
        },
        "write" => {
            let lease = open(options(&path)).unwrap();
            for n in 0_u64.. {
                let number = spread(n);
                lease.engine().run([Op::set("x/first", json(&number)), Op::set("last", json(&number))]);
                lease.engine().set("plain", &number);
                println!("said {n}");
            }
        }
        "fill" => fill(&path),
        "read-only" => read_only_medium(&path),
        other => panic!("no role {other}"),
    }
}

#[test]
fn a_second_process_is_locked_out_until_the_first_is_gone() {
    let root = tempfile::tempdir().unwrap();
    let lease = open(options(root.path())).unwrap();
    assert_eq!(said(STAGE.start(&mut this_program(), "open", root.path())), ["LOCKED"]);
    lease.close().unwrap();
    assert_eq!(said(STAGE.start(&mut this_program(), "open", root.path())), ["opened"]);
}

#[test]
fn a_killed_process_leaves_whole_batches_and_all_it_was_told_of() {
    for _ in 0..5 {
        let root = tempfile::tempdir().unwrap();
        let mut child = STAGE.start(&mut this_program(), "write", root.path());
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut told = 0;
        while told < 40 {
            if let Some(number) = lines.next().unwrap().unwrap().strip_prefix("said ") {
                told = number.parse().unwrap();
            }
        }
        let error = error_of(open(FileOptions { lock_timeout: 20, ..options(root.path()) }));
        assert_eq!(error.code(), Code::Locked);
        assert!(error.message().contains(&child.id().to_string()), "the message names the holder: {error}");
        child.kill().unwrap();
        child.wait().unwrap();
        let numbers = lines.map_while(std::result::Result::ok);
        let told = numbers.filter_map(|line| line.strip_prefix("said ")?.parse().ok()).max().unwrap_or(told);
        let lease = open(options(root.path())).unwrap();
        let number = |name| {
            let text = lease.engine().value(name).unwrap();
            let number = text.trim_start_matches('[').split([',', ']']).next().unwrap().parse::<u64>().unwrap();
            assert_eq!(text, spread(number), "a torn value");
            number
        };
        let (first, last, plain) = (number("x/first"), number("last"), number("plain"));
        assert_eq!(first, last, "half a batch");
        assert!(first >= told && plain >= told, "{first} and {plain}, told of {told}");
        let report = lease.engine().verify(false, &mut |_, _| Ok(())).unwrap();
        assert!(report.errors.is_empty(), "{:?}", report.errors);
    }
}

/// A value that tells its number all over, each as long as it likes.
fn spread(number: u64) -> String {
    let numbers = vec![number.to_string(); usize::try_from(number * 977 % 4000).unwrap() + 1];
    format!("[{}]", numbers.join(","))
}

fn fill(path: &Path) {
    for durability in [Durability::Full, Durability::Normal] {
        let store = path.join("store");
        let lease = open(FileOptions { durability, ..options(&store) }).unwrap();
        lease.engine().set("a/k", "\"old\"");
        let ballast = path.join("ballast");
        let large = format!("\"{}\"", "x".repeat(1 << 20));
        std::fs::write(&ballast, vec![1; 3 << 20]).unwrap();
        let one = lease.engine().commit(Batch::one(Op::set("a/k", json(&large)))).unwrap_err();
        println!("said {}", one.code().as_str());
        let batch = lease
            .engine()
            .commit(Batch::of([Op::set("b", json("1")), Op::set("a/k", json(&large)), Op::set("c", json("1"))]))
            .unwrap_err();
        println!("said {}", batch.code().as_str());
        assert_eq!(lease.engine().value("a/k").as_deref(), Some("\"old\""));
        assert_eq!((lease.engine().value("b"), lease.engine().value("c")), (None, None));
        std::fs::remove_file(&ballast).unwrap();
        lease.engine().run([Op::set("b", json("1")), Op::set("a/k", json(&large))]);
        let report = lease.engine().verify(false, &mut |_, _| Ok(())).unwrap();
        assert!(report.errors.is_empty(), "{:?}", report.errors);
        lease.close().unwrap();
        std::fs::remove_dir_all(&store).unwrap();
    }
}

#[test]
fn a_full_disk_says_so_and_leaves_the_old_value() {
    let root = tempfile::tempdir().unwrap();
    assert_eq!(STAGE.on_a_small_disk("fill", root.path()), ["NO_SPACE"; 4]);
}

fn read_only_medium(path: &Path) {
    let store = path.join("store");
    let lease = open(options(&store)).unwrap();
    lease.engine().run([Op::set("a", json("1")), Op::set("b", json("1"))]);
    lease.close().unwrap();
    let remounted = Command::new("mount").args(["-o", "remount,bind,ro"]).arg(path).status().unwrap();
    assert!(remounted.success());
    for path in [store.clone(), path.join("new")] {
        println!("said {}", error_of(open(options(&path))).code().as_str());
    }
    let lease = open(FileOptions { read_only: true, ..options(&store) }).unwrap();
    println!("said {}", lease.engine().value("a").unwrap());
}

#[test]
fn a_read_only_medium_is_told_at_opening_and_can_be_read() {
    let root = tempfile::tempdir().unwrap();
    assert_eq!(STAGE.on_a_small_disk("read-only", root.path()), ["READ_ONLY", "READ_ONLY", "1"]);
}

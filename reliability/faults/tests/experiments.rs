//! A short run of each experiment, and of each with a defect that it must find.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop at the first surprise")]

use std::process::{Command, Output};

/// Runs the program: its exit status and what it printed.
fn run(args: &[&str]) -> (bool, String) {
    let Output { status, stdout, stderr } =
        Command::new(env!("CARGO_BIN_EXE_reliability")).args(args).output().unwrap();
    assert_ne!(status.code(), Some(2), "{}", String::from_utf8_lossy(&stderr));
    (status.success(), String::from_utf8(stdout).unwrap())
}

/// The sum of a column, in the last line of the table.
fn total(table: &str, column: &str) -> u64 {
    let rows: Vec<&str> = table.lines().collect();
    let of = |row: &str| row.len().checked_sub(16).map_or(0, |length| length / 14);
    let header = rows.get(1).unwrap();
    let at = (0..of(header)).find(|at| header[16 + at * 14..30 + at * 14].trim() == column);
    let sums = rows.iter().find(|row| row.starts_with("total")).unwrap();
    let at = at.unwrap_or_else(|| panic!("no column {column} in {table}"));
    sums[16 + at * 14..30 + at * 14].trim().parse().unwrap()
}

fn assert_kept(args: &[&str], column: &str, least: u64) {
    let (kept, table) = run(args);
    assert!(kept, "{table}");
    assert!(total(&table, column) >= least, "{table}");
}

#[test]
fn what_is_promised_of_kill_9_holds_at_points_all_over_a_workload() {
    assert_kept(&["kill", "--points", "8", "--seed", "7"], "killed", 80);
}

#[test]
fn what_is_promised_of_power_loss_holds_on_disks_of_all_kinds() {
    assert_kept(&["power", "--points", "60", "--seed", "7"], "cases", 480);
}

#[test]
fn calls_that_fail_are_told_and_lose_nothing() {
    assert_kept(&["io", "--points", "4", "--batches", "8", "--seed", "7", "--engine", "file,sqlite"], "told", 20);
}

#[test]
fn an_engine_that_acknowledges_too_early_is_found_by_kill_9() {
    let (kept, table) = run(&["kill", "--points", "40", "--hasty", "--engine", "sqlite", "--level", "normal"]);
    assert!(!kept && total(&table, "lost") > 0, "{table}");
}

#[test]
fn syncs_that_do_nothing_are_found_by_power_loss() {
    let (kept, table) = run(&["power", "--points", "60", "--lying", "--level", "full"]);
    assert!(!kept && total(&table, "lost") > 50, "{table}");
}

//! `kill -9` from outside: strace sends the signal at the n-th call of one kind. No part of this crate is in between.

use std::fs;
use std::process::{Command, Stdio};

use crate::Outcome;
use crate::history::History;
use crate::judge::examine;
use crate::kill;
use crate::lab::{Lab, Script};
use crate::report::Report;

/// Calls at which the signal is sent, one kind a run.
const CALLS: [&str; 9] =
    ["pwrite64", "write", "fdatasync", "fsync", "rename", "renameat", "unlinkat", "ftruncate", "openat"];

/// True if strace is installed and may be used.
#[must_use]
pub(crate) fn is_there() -> bool {
    let tried = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).stderr(Stdio::null()).status();
    tried.is_ok_and(|status| status.success())
}

/// Kills `script` at calls of each kind: those in this process's `share`, at most `points` in all.
pub(crate) fn run(script: &Script, points: usize, share: (usize, usize), report: &mut Report) -> Outcome<()> {
    let lab = Lab::new()?;
    let each = points.div_ceil(CALLS.len());
    for call in CALLS {
        // The first calls come close together; later ones need not all be met.
        let mut number = 1 + share.0;
        for _ in 0..each.div_ceil(share.1) {
            if !one(&lab, script, call, number, report)? {
                break;
            }
            number += share.1 * (1 + number / 8);
        }
    }
    Ok(())
}

/// True if the call was reached.
fn one(lab: &Lab, script: &Script, call: &str, number: usize, report: &mut Report) -> Outcome<bool> {
    let disk = lab.empty_disk()?;
    let workload = lab.workload(script)?;
    let said = disk.with_file_name("lines");
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}")]);
    command.args(["-e", &format!("inject={call}:signal=KILL:when={number}")]);
    command.arg(workload.get_program()).args(workload.get_args());
    command.stdin(Stdio::null()).stdout(fs::File::create(&said)?).stderr(Stdio::null());
    let status = command.status()?;
    let mut history = History::default();
    // The last line may be cut short.
    let text = fs::read(&said)?;
    history.hear(text.get(..text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1)).unwrap_or_default());
    if status.success() {
        return Ok(false);
    }
    report.count(script.subject, "strace", 1);
    let case = format!("seed {} strace {call} {number}", script.seed);
    for wrong in history.wrong.iter().chain(&history.errors) {
        report.wrong(script.subject, &format!("{case}: {wrong}"));
    }
    let found = examine(script.subject, &disk, &script.plan(), &history, kill::rule(script), number.is_multiple_of(4));
    report.judged(script.subject, &case, found);
    Ok(true)
}

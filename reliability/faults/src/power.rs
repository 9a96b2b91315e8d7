//! Power loss: a recorded workload is cut off anywhere, and the disks that may be left then are opened.

use crate::Outcome;
use crate::disk::{Change, Disk, Harm, Recorder};
use crate::history::History;
use crate::judge::{Rule, examine};
use crate::kill;
use crate::lab::{Lab, Script};
use crate::random::Random;
use crate::report::Report;
use crate::store::Level;
use crate::trace::{self, Call, Ending, Verdict};

/// The promises after power loss: all acknowledged batches at `full`.
fn rule(script: &Script) -> Rule {
    Rule { durable: script.subject.level == Level::Full, in_order: kill::rule(script).in_order }
}

/// Records `script`. With `lying`, syncs are answered and not made: a defect that the experiment must find.
fn record(lab: &Lab, script: &Script, lying: bool) -> Outcome<Vec<Change>> {
    let disk = lab.empty_disk()?;
    let policy = |call: &Call| if lying && call.is_sync() { Verdict::Answer(0) } else { Verdict::Go };
    let mut recorder = Recorder::new(&disk, policy)?;
    let ending = trace::run(&mut lab.workload(script)?, &disk, &mut recorder)?;
    let mut history = History::default();
    for change in &recorder.changes {
        if let Change::Said(line) = change {
            history.hear(line);
        }
    }
    if ending != Ending::Exited(0) || !history.finished || recorder.trouble.is_some() {
        let said = (history.wrong, history.errors, recorder.trouble, lab.complaint());
        return Err(format!("{}: the recorded workload ended with {ending:?}: {said:?}", script.subject).into());
    }
    if lying {
        recorder.changes.retain(|change| !matches!(change, Change::Sync { .. } | Change::SyncAll));
    }
    Ok(recorder.changes)
}

/// Records `script` once and tries `cases` disks.
pub(crate) fn run(script: &Script, cases: usize, lying: bool, report: &mut Report) -> Outcome<()> {
    let lab = Lab::new()?;
    let changes = record(&lab, script, lying)?;
    report.count(script.subject, "recordings", 1);
    report.count(
        script.subject,
        "changes",
        changes.iter().filter(|change| !matches!(change, Change::Said(_))).count() as u64,
    );
    let mut random = Random::of(script.seed, 3);
    let mut points: Vec<usize> = (0..cases).map(|_| point(&changes, &mut random)).collect();
    points.sort_unstable();
    let (plan, mut disk, mut history, mut at) = (script.plan(), Disk::new(), History::default(), 0);
    let root = lab.disk()?;
    for (case, point) in points.into_iter().enumerate() {
        for change in changes.get(at..point).unwrap_or_default() {
            disk.take(change);
            if let Change::Said(line) = change {
                history.hear(line);
            }
        }
        at = at.max(point);
        let mut random = Random::of(script.seed, 1000 + case as u64);
        let harm = Harm::any(&mut random);
        disk.lose_power(harm, &mut random).build(&root)?;
        let found = examine(script.subject, &root, &plan, &history, rule(script), case.is_multiple_of(8));
        report.judged(script.subject, &format!("seed {} case {case} after {point} changes", script.seed), found);
    }
    Ok(())
}

/// The place where the power goes: anywhere, or right after something was acknowledged.
fn point(changes: &[Change], random: &mut Random) -> usize {
    let mut point = usize::try_from(random.below(changes.len() as u64 + 1)).unwrap_or(0);
    if random.chance(40) {
        let told = |change: &Change| matches!(change, Change::Said(line) if line.starts_with(b"acknowledged"));
        while point < changes.len() && !changes.get(point.wrapping_sub(1)).is_some_and(told) {
            point += 1;
        }
    }
    point
}

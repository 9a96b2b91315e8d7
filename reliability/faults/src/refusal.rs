//! I/O errors: the n-th system call fails, for n from 0 until the workload ends before its n-th call.

use crate::Outcome;
use crate::disk::{Change, Disk, Harm, Recorder};
use crate::history::History;
use crate::judge::{Rule, examine};
use crate::lab::{Lab, Script};
use crate::random::Random;
use crate::report::Report;
use crate::store::Level;
use crate::trace::{self, Call, Ending, Verdict};

/// A way in which calls fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A write or a sync, or any other change, with EIO: once.
    Broken,
    /// A call that needs space, with ENOSPC: once.
    Full,
    /// The same, from then on until the workload ends.
    FullForGood,
}

impl Refusal {
    pub(crate) const ALL: [Refusal; 3] = [Refusal::Broken, Refusal::Full, Refusal::FullForGood];

    fn concerns(self, call: &Call) -> bool {
        match self {
            Refusal::Broken => !matches!(call, Call::Said(_)),
            _ => matches!(call, Call::Write { .. } | Call::Open { .. } | Call::MakeFolder { .. } | Call::Grow { .. }),
        }
    }

    fn answer(self) -> Verdict {
        let error = if self == Refusal::Broken { libc::EIO } else { libc::ENOSPC };
        Verdict::Answer(-i64::from(error))
    }
}

/// Runs `script` once for each call in this process's share, at most about `points` of them.
pub(crate) fn run(
    script: &Script,
    refusal: Refusal,
    points: usize,
    share: (usize, usize),
    report: &mut Report,
) -> Outcome<()> {
    let lab = Lab::new()?;
    let (all, _) = one(&lab, script, refusal, u64::MAX, report)?;
    let stride = (all / (points.max(1) as u64)).max(1);
    let mut number = stride * share.0 as u64;
    loop {
        let (_, reached) = one(&lab, script, refusal, number, report)?;
        // The number of calls differs a little from run to run: go on until one run gets through.
        if !reached {
            return Ok(());
        }
        number += stride * share.1 as u64;
    }
}

/// One run in which the call `number` fails. Answers with the number of calls there were, and whether it failed.
fn one(lab: &Lab, script: &Script, refusal: Refusal, number: u64, report: &mut Report) -> Outcome<(u64, bool)> {
    let subject = script.subject;
    let disk = lab.empty_disk()?;
    let (mut seen, mut failed) = (0, None);
    let policy = |call: &Call| {
        if !refusal.concerns(call) {
            return Verdict::Go;
        }
        let this = seen;
        seen += 1;
        let fails = this == number || (this > number && refusal == Refusal::FullForGood);
        if !fails {
            return Verdict::Go;
        }
        failed.get_or_insert_with(|| call.label());
        refusal.answer()
    };
    let mut recorder = Recorder::new(&disk, policy)?;
    let ending = trace::run(&mut lab.workload(script)?, &disk, &mut recorder)?;
    let (changes, trouble) = (recorder.changes, recorder.trouble);
    let mut history = History::default();
    let mut model = Disk::new();
    for change in &changes {
        model.take(change);
        if let Change::Said(line) = change {
            history.hear(line);
        }
    }
    let case = format!("seed {} {refusal:?} call {number} ({})", script.seed, failed.as_deref().unwrap_or("none"));
    if ending != Ending::Exited(0) {
        report.wrong(subject, &format!("{case}: ended with {ending:?}: {}", lab.complaint()));
    }
    for wrong in history.wrong.iter().chain(&trouble) {
        report.wrong(subject, &format!("{case}: {wrong}"));
    }
    if ending == Ending::Hung {
        return Ok((seen, true));
    }
    if failed.is_none() {
        if let Some(error) = history.errors.first() {
            report.wrong(subject, &format!("{case}: {error}"));
        }
        return Ok((seen, false));
    }
    if !history.finished && history.errors.is_empty() {
        report.wrong(subject, &format!("{case}: the workload ended early and said nothing"));
    }
    report.count(subject, if history.errors.is_empty() { "no matter" } else { "told" }, 1);
    let plan = script.plan();
    let rule = Rule { durable: true, in_order: false };
    report.judged(subject, &case, examine(subject, &disk, &plan, &history, rule, number.is_multiple_of(4)));
    if subject.level == Level::Full && refusal == Refusal::Broken {
        // A batch that was acknowledged although a sync failed must be on the disk by another.
        let mut random = Random::of(script.seed, 5000 + number);
        for _ in 0..2 {
            let harm = Harm::any(&mut random);
            model.lose_power(harm, &mut random).build(&disk)?;
            let found = examine(subject, &disk, &plan, &history, rule, false);
            report.count(subject, "power", 1);
            report.judged(subject, &format!("{case}, then power loss"), found);
        }
    }
    Ok((seen, true))
}

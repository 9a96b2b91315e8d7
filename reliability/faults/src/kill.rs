//! `kill -9` at every change of the disk: before each call, and in the middle of each write.

use std::path::Path;

use crate::Outcome;
use crate::history::History;
use crate::judge::{Rule, examine};
use crate::lab::{Lab, Script};
use crate::random::Random;
use crate::report::Report;
use crate::store::{Kind, Level};
use crate::trace::{self, Call, Ending, Observer, Verdict};

/// Where a program is killed: at the call of this number, counted from 0.
#[derive(Clone, Copy, Debug)]
struct Point {
    call: u64,
    midway: bool,
}

/// Kills at a point, or never, and listens.
struct Killer {
    point: Option<Point>,
    seen: u64,
    /// Which of the calls are writes that can be cut in two.
    writes: Vec<bool>,
    at: Option<(&'static str, String)>,
    history: History,
    trouble: Option<String>,
}

impl Killer {
    fn new(point: Option<Point>) -> Self {
        Killer { point, seen: 0, writes: Vec::new(), at: None, history: History::default(), trouble: None }
    }
}

impl Observer for Killer {
    fn before(&mut self, call: &Call) -> Verdict {
        match call {
            Call::Said(_) => return Verdict::Go,
            Call::Unknown(what) => drop(self.trouble.get_or_insert_with(|| what.clone())),
            _ => {}
        }
        let number = self.seen;
        self.seen += 1;
        self.writes.push(matches!(call, Call::Write { data, .. } if data.len() > 1));
        let Some(point) = self.point.filter(|point| point.call == number) else { return Verdict::Go };
        self.at = Some((call.name(), call.label()));
        if point.midway { Verdict::KillMidway } else { Verdict::Kill }
    }

    fn after(&mut self, call: Call, _: i64) {
        if let Call::Said(line) = call {
            self.history.hear(&line);
        }
    }
}

/// The promises of a killed store: all acknowledged batches unless its durability is `none`.
#[must_use]
pub(crate) fn rule(script: &Script) -> Rule {
    Rule {
        durable: script.subject.level != Level::None,
        // The file engine writes batches of one key on their own, within a group too; all others are in the order of
        // one log.
        in_order: !matches!(script.subject.kind, Kind::File | Kind::Transactions),
    }
}

/// Runs `script` once to its end, then once for each crash point in this process's `share`, at most `points` in all.
pub(crate) fn run(script: &Script, points: usize, share: (usize, usize), report: &mut Report) -> Outcome<()> {
    let lab = Lab::new()?;
    let subject = script.subject;
    let disk = lab.empty_disk()?;
    let mut whole = Killer::new(None);
    let ending = trace::run(&mut lab.workload(script)?, &disk, &mut whole)?;
    if ending != Ending::Exited(0) || !whole.history.finished || whole.trouble.is_some() {
        let said = (&whole.history.wrong, &whole.history.errors, whole.trouble, lab.complaint());
        return Err(format!("{subject}: the workload ended with {ending:?} undisturbed: {said:?}").into());
    }
    let plan = script.plan();
    report.judged(subject, "undisturbed", examine(subject, &disk, &plan, &whole.history, rule(script), true));
    let mut all = Vec::new();
    for (call, is_write) in (0..).zip(&whole.writes) {
        all.push(Point { call, midway: false });
        if *is_write {
            all.push(Point { call, midway: true });
        }
    }
    let chosen = all.len().min(points).max(1);
    let mut random = Random::of(script.seed, 2 + share.0 as u64);
    for at in (0..chosen).filter(|at| at % share.1 == share.0) {
        let Some(point) = all.get(at * all.len() / chosen) else { continue };
        // Now and then the next opening is killed too, somewhere in its recovery.
        let twice = random.chance(25).then(|| random.below(40));
        one(&lab, script, *point, twice, report)?;
    }
    Ok(())
}

fn one(lab: &Lab, script: &Script, point: Point, twice: Option<u64>, report: &mut Report) -> Outcome<()> {
    let subject = script.subject;
    let disk = lab.empty_disk()?;
    let mut killer = Killer::new(Some(point));
    let ending = trace::run(&mut lab.workload(script)?, &disk, &mut killer)?;
    let (kind, label) = killer.at.clone().unwrap_or(("end", "end".into()));
    let midway = if point.midway { " midway" } else { "" };
    let case = format!("seed {} call {} ({label}){midway}", script.seed, point.call);
    if !killer.history.wrong.is_empty() || !killer.history.errors.is_empty() {
        report.wrong(subject, &format!("{case}: {:?} {:?}", killer.history.wrong, killer.history.errors));
    }
    match ending {
        Ending::Signalled(libc::SIGKILL) => {
            report.count(subject, "killed", 1);
            report.count(subject, "midway", u64::from(point.midway));
            report.count(subject, kind, 1);
        }
        // Threads ran in another order than the first time, and the call was not reached.
        Ending::Exited(0) => report.count(subject, "not reached", 1),
        other => report.wrong(subject, &format!("{case}: ended with {other:?}: {}", lab.complaint())),
    }
    if let Some(call) = twice {
        again(lab, script, &disk, call, report)?;
    }
    let found = examine(subject, &disk, &script.plan(), &killer.history, rule(script), point.call.is_multiple_of(4));
    report.judged(subject, &case, found);
    Ok(())
}

/// Opens the store, and is killed at one of the calls that this makes.
fn again(lab: &Lab, script: &Script, disk: &Path, call: u64, report: &mut Report) -> Outcome<()> {
    let mut killer = Killer::new(Some(Point { call, midway: false }));
    let ending = trace::run(&mut lab.reopening(script)?, disk, &mut killer)?;
    match ending {
        Ending::Signalled(libc::SIGKILL) => report.count(script.subject, "twice", 1),
        Ending::Exited(0) if killer.history.errors.is_empty() => {}
        other => {
            let said = (killer.history.errors, lab.complaint());
            report.wrong(script.subject, &format!("opening after a kill ended with {other:?}: {said:?}"));
        }
    }
    Ok(())
}

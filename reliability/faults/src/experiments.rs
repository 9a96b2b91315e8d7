//! The experiments: each is cut into shares, one for each process, and their figures make one table.

use std::time::Instant;

use crate::refusal::{self, Refusal};
use crate::report::{Report, share};
use crate::store::{Kind, Level, Subject};
use crate::{Options, Outcome, kill, power, strace};

const KILL: &[&str] = &["killed", "midway", "twice", "strace", "lost", "partial", "not opened", "damaged", "wrong"];
const POWER: &[&str] = &["recordings", "changes", "cases", "lost", "partial", "not opened", "damaged", "wrong"];
const IO: &[&str] = &["cases", "told", "no matter", "power", "lost", "partial", "not opened", "damaged", "wrong"];
/// Points of each engine and durability at which strace kills, at most.
const STRACE: usize = 90;
/// Disks that are tried of one recording.
const CASES: usize = 250;

/// Runs the experiment that the options name. False if it found a fault.
pub(crate) fn run(options: &Options) -> Outcome<bool> {
    let columns = match options.command.as_str() {
        "kill" => KILL,
        "power" => POWER,
        "io" => IO,
        other => return Err(format!("{other:?} is no command: kill, power or io").into()),
    };
    let Some(part) = options.share else {
        let start = Instant::now();
        let args: Vec<String> = std::env::args().skip(1).collect();
        let report = share(&args, options.jobs)?;
        println!("{} (seed {}, {:.0} s)", options.command, options.seed, start.elapsed().as_secs_f64());
        println!("{}", report.table(columns, options.shown));
        if report.total("strace is missing") > 0 {
            println!("strace is missing: nothing was killed from outside (Debian: apt-get install strace)");
        }
        return Ok(report.faults.is_empty());
    };
    let mut report = Report::default();
    match options.command.as_str() {
        "kill" => {
            let outside = strace::is_there();
            for subject in options.subjects(|_| true) {
                let script = options.script(subject, options.seed, 40);
                kill::run(&script, options.points, part, &mut report)?;
                if outside {
                    strace::run(&script, options.points.min(STRACE), part, &mut report)?;
                } else {
                    report.count(subject, "strace is missing", 1);
                }
            }
        }
        "power" => {
            for subject in options.subjects(survives_power_loss) {
                powers(options, subject, part, &mut report)?;
            }
        }
        _ => {
            for subject in options.subjects(|subject| subject.level != Level::None) {
                let mut script = options.script(subject, options.seed, 16);
                script.manner.persist = true;
                for refusal in Refusal::ALL {
                    refusal::run(&script, refusal, options.points, part, &mut report)?;
                }
            }
        }
    }
    print!("{}", report.lines());
    Ok(true)
}

/// The file engine promises nothing of power loss below `full`.
fn survives_power_loss(subject: Subject) -> bool {
    !has_files(subject) || subject.level == Level::Full
}

fn has_files(subject: Subject) -> bool {
    matches!(subject.kind, Kind::File | Kind::Transactions)
}

fn powers(options: &Options, subject: Subject, part: (usize, usize), report: &mut Report) -> Outcome<()> {
    // The writes of SQLite and RocksDB are there to compare.
    let by_default = if has_files(subject) { 10_000 } else { 2_000 };
    let wanted = if options.points == usize::MAX { by_default } else { options.points };
    let recordings = wanted.div_ceil(CASES);
    for number in (0..recordings).filter(|number| number % part.1 == part.0) {
        let cases = CASES.min(wanted - number * CASES);
        let script = options.script(subject, options.seed + number as u64, 40);
        power::run(&script, cases, options.lying, report)?;
    }
    Ok(())
}

//! Runs an experiment and prints its figures ([`USAGE`]). The other commands are the programs that experiments run.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program's figures")]

use std::path::PathBuf;
use std::process::ExitCode;

use holdfast_reliability::Outcome;
use holdfast_reliability::lab::Script;
use holdfast_reliability::store::{Kind, Level, Subject};
use holdfast_reliability::workload::{self, Manner};

const USAGE: &str = "\
npm run reliability -- kill|power|io [options]

  --engine E,..  file, sqlite, leveldb, transactions
  --level L,..   full, normal, none
  --seed N       of the workload (1)
  --batches N    of one workload
  --points N     crash points, failing calls or cases of each engine and durability at most; all unless given
  --jobs N       at one time (the processors)
  --shown N      faults printed, all are counted (20)
  --hasty, --lying   defects that must be found: acknowledging too early, syncs that do nothing
  --help";

struct Options {
    help: bool,
    command: String,
    engines: Vec<String>,
    levels: Vec<String>,
    subject: Option<Subject>,
    disk: PathBuf,
    seed: u64,
    batches: Option<u64>,
    points: usize,
    jobs: usize,
    share: Option<(usize, usize)>,
    /// Faults printed; all are counted.
    shown: usize,
    lying: bool,
    manner: Manner,
}

fn options() -> Outcome<Options> {
    let mut args = std::env::args().skip(1);
    let mut options = Options {
        help: false,
        command: args.next().unwrap_or_default(),
        engines: Vec::new(),
        levels: Vec::new(),
        subject: None,
        disk: PathBuf::new(),
        seed: 1,
        batches: None,
        points: usize::MAX,
        jobs: std::thread::available_parallelism().map_or(2, usize::from),
        share: None,
        shown: 20,
        lying: false,
        manner: Manner::default(),
    };
    let list = |text: String| text.split(',').map(str::to_owned).collect();
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--engine" => options.engines = list(value()?),
            "--level" => options.levels = list(value()?),
            "--subject" => options.subject = Some(value()?.parse()?),
            "--disk" => options.disk = value()?.into(),
            "--seed" => options.seed = value()?.parse()?,
            "--batches" => options.batches = Some(value()?.parse()?),
            "--points" => options.points = value()?.parse()?,
            "--jobs" => options.jobs = value()?.parse::<usize>()?.max(1),
            "--share" => {
                let value = value()?;
                let (part, of) = value.split_once('/').ok_or("--share takes PART/OF")?;
                options.share = Some((part.parse()?, of.parse()?));
            }
            "--shown" => options.shown = value()?.parse()?,
            "--help" => options.help = true,
            "--lying" => options.lying = true,
            "--hasty" => options.manner.hasty = true,
            "--persist" => options.manner.persist = true,
            other => return Err(format!("{other} is no option").into()),
        }
    }
    Ok(options)
}

impl Options {
    /// The engines and durabilities asked for, those of the command where none are.
    fn subjects(&self, of_command: impl Fn(Subject) -> bool) -> Vec<Subject> {
        let chosen = |names: &[String], name: &str| names.is_empty() || names.iter().any(|other| other == name);
        let all =
            Kind::ALL.iter().flat_map(|kind| Level::ALL.iter().map(|level| Subject { kind: *kind, level: *level }));
        all.filter(|subject| {
            chosen(&self.engines, subject.kind.name()) && chosen(&self.levels, &subject.level.to_string())
        })
        .filter(|subject| !self.levels.is_empty() || of_command(*subject))
        .collect()
    }

    fn script(&self, subject: Subject, seed: u64, batches: u64) -> Script {
        Script { subject, seed, batches: self.batches.unwrap_or(batches), manner: self.manner }
    }
}

fn main() -> ExitCode {
    match options().and_then(|options| run(&options)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn run(options: &Options) -> Outcome<bool> {
    match (options.command.as_str(), options.subject) {
        _ if options.help => {
            println!("{USAGE}");
            Ok(true)
        }
        ("workload", Some(subject)) => {
            let script = options.script(subject, options.seed, 1);
            workload::run(subject, &options.disk, &script.plan(), options.manner);
            Ok(true)
        }
        ("reopen", Some(subject)) => {
            workload::reopen(subject, &options.disk);
            Ok(true)
        }
        _ => experiments::run(options),
    }
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
mod experiments {
    pub fn run(_: &super::Options) -> super::Outcome<bool> {
        println!("not run: calls of the system are watched on Linux x64 only");
        Ok(true)
    }
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod experiments {
    use std::time::Instant;

    use holdfast_reliability::refusal::{self, Refusal};
    use holdfast_reliability::report::{Report, share};
    use holdfast_reliability::{kill, power, strace};

    use super::{Kind, Level, Options, Outcome, Subject};

    const KILL: &[&str] = &["killed", "midway", "twice", "strace", "lost", "partial", "not opened", "damaged", "wrong"];
    const POWER: &[&str] = &["recordings", "changes", "cases", "lost", "partial", "not opened", "damaged", "wrong"];
    const IO: &[&str] = &["cases", "told", "no matter", "power", "lost", "partial", "not opened", "damaged", "wrong"];
    /// Points of each engine and durability at which strace kills, at most.
    const STRACE: usize = 90;
    /// Disks that are tried of one recording.
    const CASES: usize = 250;

    pub fn run(options: &Options) -> Outcome<bool> {
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
        // What SQLite and RocksDB write is there to compare.
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
}

//! Shows what stores keep after crashes: `kill -9` at every change of the disk, power loss, and failing system calls.
//!
//! A workload (`plan`, `workload`) runs as a program of its own and says which batches were acknowledged (`history`).
//! `trace` stands between it and the kernel. Afterwards the store is opened and compared with a model (`judge`,
//! `model`). `docs/reliability.md` states the rules.
//!
//! The program runs an experiment and prints its figures ([`USAGE`]). Its other commands are the programs that
//! experiments run.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program's figures")]
#![cfg_attr(
    not(all(target_os = "linux", target_arch = "x86_64")),
    allow(dead_code, reason = "calls of the system are watched on Linux x64 only")
)]

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod disk;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod experiments;
mod history;
mod judge;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod kill;
mod lab;
mod model;
mod plan;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod power;
mod random;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod refusal;
mod report;
mod store;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod strace;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod trace;
mod workload;

use std::path::PathBuf;
use std::process::ExitCode;

use lab::Script;
use store::{Kind, Level, Subject};
use workload::Manner;

/// The result of a step of an experiment.
type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

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
        #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
        _ => experiments::run(options),
        #[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
        _ => {
            println!("not run: calls of the system are watched on Linux x64 only");
            Ok(true)
        }
    }
}

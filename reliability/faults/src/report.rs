//! The figures of a run, by subject, gathered from the processes that share it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::Outcome;
use crate::judge::Fault;
use crate::store::Subject;

/// Counts under names, and faults in words.
#[derive(Default)]
pub(crate) struct Report {
    counts: BTreeMap<Subject, BTreeMap<String, u64>>,
    pub faults: Vec<String>,
}

impl Report {
    pub(crate) fn count(&mut self, subject: Subject, what: &str, by: u64) {
        *self.counts.entry(subject).or_default().entry(what.to_owned()).or_default() += by;
    }

    /// Counts the findings of one case, which `case` describes.
    pub(crate) fn judged(&mut self, subject: Subject, case: &str, found: Result<(), Fault>) {
        self.count(subject, "cases", 1);
        let Err(fault) = found else { return };
        let column = match &fault {
            Fault::NotOpened(_) => "not opened",
            Fault::Lost(_) => "lost",
            Fault::Partial(_) => "partial",
            Fault::Damaged(_) => "damaged",
        };
        self.count(subject, column, 1);
        self.faults.push(format!("{subject} {case}: {fault}"));
    }

    /// Counts something that has no other column.
    pub(crate) fn wrong(&mut self, subject: Subject, what: &str) {
        self.count(subject, "wrong", 1);
        self.faults.push(format!("{subject} {what}"));
    }

    #[must_use]
    pub(crate) fn total(&self, what: &str) -> u64 {
        self.counts.values().filter_map(|counts| counts.get(what)).sum()
    }

    /// The figures as lines that another process reads.
    #[must_use]
    pub(crate) fn lines(&self) -> String {
        let mut text = String::new();
        for (subject, counts) in &self.counts {
            for (what, count) in counts {
                text.push_str(&format!("count\t{subject}\t{what}\t{count}\n"));
            }
        }
        for fault in &self.faults {
            text.push_str(&format!("fault\t{}\n", fault.replace('\n', " ")));
        }
        text
    }

    fn take(&mut self, line: &str) {
        let parts: Vec<&str> = line.split('\t').collect();
        match parts.as_slice() {
            ["count", subject, what, count] => {
                if let (Ok(subject), Ok(count)) = (subject.parse(), count.parse()) {
                    self.count(subject, what, count);
                }
            }
            ["fault", what] => self.faults.push((*what).to_owned()),
            _ => self.faults.push(format!("a worker said: {line}")),
        }
    }

    /// A table with these columns, and the first `shown` faults.
    #[must_use]
    pub(crate) fn table(&self, columns: &[&str], shown: usize) -> String {
        let mut text = format!("{:<16}", "");
        for column in columns {
            text.push_str(&format!("{column:>14}"));
        }
        for (subject, counts) in &self.counts {
            text.push_str(&format!("\n{:<16}", subject.to_string()));
            for column in columns {
                text.push_str(&format!("{:>14}", counts.get(*column).copied().unwrap_or(0)));
            }
        }
        text.push_str(&format!("\n{:<16}", "total"));
        for column in columns {
            text.push_str(&format!("{:>14}", self.total(column)));
        }
        for fault in self.faults.iter().take(shown) {
            text.push_str(&format!("\n  {fault}"));
        }
        if self.faults.len() > shown {
            text.push_str(&format!("\n  and {} more", self.faults.len() - shown));
        }
        text
    }
}

/// Runs this program with `args` in `jobs` processes, each doing its share, and adds their figures up.
pub(crate) fn share(args: &[String], jobs: usize) -> Outcome<Report> {
    let mut workers = Vec::new();
    for job in 0..jobs {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(args).args(["--share", &format!("{job}/{jobs}")]).stdout(Stdio::piped());
        workers.push(command.spawn()?);
    }
    let mut report = Report::default();
    for worker in &mut workers {
        let Some(output) = worker.stdout.take() else { continue };
        for line in BufReader::new(output).lines() {
            report.take(&line?);
        }
    }
    for mut worker in workers {
        let status = worker.wait()?;
        if !status.success() {
            report.faults.push(format!("a worker ended with {status}"));
        }
    }
    Ok(report)
}

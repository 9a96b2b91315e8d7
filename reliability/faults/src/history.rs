//! The events that a workload said before it ended. Each is one line, written by one system call: its place among the
//! changes of the disk is known.

use std::collections::BTreeSet;
use std::io::{self, Write};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A batch is about to be requested.
    Begun(u64),
    /// A batch was acknowledged.
    Acknowledged(u64),
    /// A batch ended with an error.
    Failed(u64),
    /// A batch whose condition does not hold was refused, as it must be.
    Refused(u64),
    /// Everything is done.
    Finished,
}

/// The events so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    pub begun: BTreeSet<u64>,
    pub acknowledged: BTreeSet<u64>,
    pub failed: BTreeSet<u64>,
    pub finished: bool,
    /// Lines that must never be said: an error where there may be none, a wrong answer.
    pub wrong: Vec<String>,
    /// Errors that were told, with their codes.
    pub errors: Vec<String>,
}

impl History {
    pub(crate) fn note(&mut self, event: Event) {
        match event {
            Event::Begun(number) => drop(self.begun.insert(number)),
            Event::Acknowledged(number) => drop(self.acknowledged.insert(number)),
            Event::Failed(number) => drop(self.failed.insert(number)),
            Event::Refused(_) => {}
            Event::Finished => self.finished = true,
        }
    }

    /// Reads lines of a workload.
    pub(crate) fn hear(&mut self, text: &[u8]) {
        for line in String::from_utf8_lossy(text).lines() {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            let number = rest.split(' ').next().unwrap_or_default().parse().unwrap_or(u64::MAX);
            match word {
                "begun" => self.note(Event::Begun(number)),
                "acknowledged" => self.note(Event::Acknowledged(number)),
                "failed" => {
                    self.note(Event::Failed(number));
                    self.errors.push(rest.to_owned());
                }
                "error" => self.errors.push(rest.to_owned()),
                "refused" => self.note(Event::Refused(number)),
                "finished" => self.note(Event::Finished),
                _ => self.wrong.push(line.to_owned()),
            }
        }
    }

    /// One behind the last batch that was acknowledged.
    #[must_use]
    pub(crate) fn told(&self) -> u64 {
        self.acknowledged.last().map_or(0, |last| last + 1)
    }

    /// One behind the last batch that was requested.
    #[must_use]
    pub(crate) fn asked(&self) -> u64 {
        self.begun.last().map_or(0, |last| last + 1)
    }
}

/// Says one line, by one system call.
pub(crate) fn say(line: &str) {
    let mut out = io::stdout().lock();
    // The listener is gone only when this process is about to be killed.
    let _ = out.write_all(format!("{line}\n").as_bytes()).and_then(|()| out.flush());
}

/// Says an event.
pub(crate) fn tell(event: Event) {
    match event {
        Event::Begun(number) => say(&format!("begun {number}")),
        Event::Acknowledged(number) => say(&format!("acknowledged {number}")),
        Event::Failed(number) => say(&format!("failed {number}")),
        Event::Refused(number) => say(&format!("refused {number}")),
        Event::Finished => say("finished"),
    }
}

//! The program that is killed, loses power and gets errors: runs a plan on a store and says what was acknowledged.

use std::path::Path;
use std::sync::mpsc;

use holdfast_core::engine::{Reply, Staging};
use holdfast_core::{Code, Error, Result};

use crate::history::{Event, History, say, tell};
use crate::judge::{self, Rule};
use crate::plan::{Guard, Job, Plan, Step};
use crate::store::{Kind, Store, Subject};

/// The manner of a workload.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Manner {
    /// Goes on after an error, and looks after each whether the same handle still reads what it must.
    pub persist: bool,
    /// Acknowledges before it commits: a defect that the experiments must find.
    pub hasty: bool,
}

struct Run<'a> {
    subject: Subject,
    root: &'a Path,
    manner: Manner,
    plan: &'a Plan,
    history: History,
    store: Option<Store>,
}

/// Runs `plan` on the store of `subject` below `root`.
pub(crate) fn run(subject: Subject, root: &Path, plan: &Plan, manner: Manner) {
    let mut run = Run { subject, root, manner, plan, history: History::default(), store: None };
    for step in &plan.steps {
        if !run.step(step) {
            // Why was said before.
            return;
        }
    }
    if run.close() {
        tell(Event::Finished);
    }
}

/// Opens the store of `subject` below `root` and closes it again.
pub(crate) fn reopen(subject: Subject, root: &Path) {
    match Store::open(subject, root).and_then(Store::close) {
        Ok(()) => tell(Event::Finished),
        Err(error) => say(&format!("error {error}")),
    }
}

impl Run<'_> {
    fn note(&mut self, event: Event) {
        self.history.note(event);
        tell(event);
    }

    /// False if the workload ends here.
    fn step(&mut self, step: &Step) -> bool {
        if self.store.is_none() && !self.open() {
            return false;
        }
        match step {
            Step::One(job) => self.one(job),
            Step::Burst(jobs) => self.burst(jobs),
            Step::Replace(job) => self.replace(job),
            Step::Abandon(job) => match self.store.as_ref().map(|store| store.stage(job)) {
                Some(Err(error)) => self.failed(None, &error),
                _ => true,
            },
            Step::Compact => match self.store.as_ref().map(Store::compact) {
                Some(Err(error)) => self.failed(None, &error),
                _ => true,
            },
            Step::Reopen => self.close(),
        }
    }

    /// Opens the store; where going on is asked for, a second time after an error.
    fn open(&mut self) -> bool {
        for _ in 0..2 {
            match Store::open(self.subject, self.root) {
                Ok(store) => {
                    self.store = Some(store);
                    return true;
                }
                Err(error) => {
                    say(&format!("error {error}"));
                    if !self.manner.persist {
                        return false;
                    }
                }
            }
        }
        false
    }

    fn close(&mut self) -> bool {
        match self.store.take().map(Store::close) {
            Some(Err(error)) => {
                say(&format!("error {error}"));
                self.manner.persist
            }
            _ => true,
        }
    }

    fn one(&mut self, job: &Job) -> bool {
        let Some(store) = &self.store else { return false };
        let batch = match store.batch(job) {
            Ok(batch) => batch,
            Err(error) => return self.failed(None, &error),
        };
        tell(Event::Begun(job.number));
        if self.manner.hasty {
            tell(Event::Acknowledged(job.number));
        }
        let result = store.commit(batch);
        self.history.note(Event::Begun(job.number));
        self.settle(job, result)
    }

    fn replace(&mut self, job: &Job) -> bool {
        let Some(store) = &self.store else { return false };
        tell(Event::Begun(job.number));
        if self.manner.hasty {
            tell(Event::Acknowledged(job.number));
        }
        let result = store.stage(job).and_then(Staging::swap).map(drop);
        self.history.note(Event::Begun(job.number));
        let is_unknown = matches!(&result, Err(error) if error.code() == Code::UnknownOutcome);
        if is_unknown && self.manner.persist {
            // Only the next opening knows which content there is. The handle promises nothing until then.
            self.close();
            if !self.open() {
                return false;
            }
        }
        self.settle(job, result)
    }

    fn settle(&mut self, job: &Job, result: Result<()>) -> bool {
        let stale = matches!(job.guard, Guard::Stale(_));
        match result {
            Ok(()) if stale => {
                say(&format!("wrong: batch {} was taken though its condition does not hold", job.number));
                false
            }
            Ok(()) => {
                self.note(Event::Acknowledged(job.number));
                true
            }
            Err(error) if stale && error.code() == Code::Conflict => {
                self.note(Event::Refused(job.number));
                true
            }
            Err(error) => self.failed(Some(job.number), &error),
        }
    }

    fn burst(&mut self, jobs: &[Job]) -> bool {
        let (sender, receiver) = mpsc::channel();
        let Some(store) = &self.store else { return false };
        for job in jobs {
            let batch = match store.batch(job) {
                Ok(batch) => batch,
                Err(error) => return self.failed(None, &error),
            };
            let (number, sender) = (job.number, sender.clone());
            tell(Event::Begun(number));
            if self.manner.hasty {
                tell(Event::Acknowledged(number));
            }
            self.history.note(Event::Begun(number));
            let done = Box::new(move |reply: Result<Reply>| {
                if reply.is_ok() {
                    tell(Event::Acknowledged(number));
                }
                // The receiver waits for every batch.
                let _ = sender.send((number, reply.err()));
            });
            store.submit(batch, done);
        }
        drop(sender);
        let results: Vec<(u64, Option<Error>)> = receiver.iter().collect();
        for (number, error) in &results {
            match error {
                None => self.history.note(Event::Acknowledged(*number)),
                Some(_) => self.history.note(Event::Failed(*number)),
            }
        }
        results.into_iter().all(|(number, error)| error.is_none_or(|error| self.failed(Some(number), &error)))
    }

    /// Tells an error, and whether the same handle still reads what it must.
    fn failed(&mut self, number: Option<u64>, error: &Error) -> bool {
        match number {
            None => say(&format!("error {error}")),
            Some(number) => {
                self.history.note(Event::Failed(number));
                say(&format!("failed {number} {error}"));
            }
        }
        if !self.manner.persist {
            return false;
        }
        let Some(store) = &self.store else { return true };
        match store.read() {
            // Readers of several engines may see one before the other, until the next opening has finished what an
            // error left (docs/transactions.md, "Several engines").
            Ok(_) if self.subject.kind == Kind::Transactions => {}
            Ok(state) => {
                if let Err(fault) =
                    judge::judge(self.plan, &state, &self.history, Rule { durable: true, in_order: false })
                {
                    say(&format!("wrong: after an error the handle reads what it must not: {fault}"));
                }
            }
            Err(error) => say(&format!("wrong: after an error nothing can be read: {error}")),
        }
        true
    }
}

//! Random operations, on the engine and on an ordered map, must agree: batches, checks, increments, ranges, snapshots,
//! expiry and restarts.

mod step;

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use self::step::{Expiry, Guard, Span, Step, Write, key_of, step, value_of};
use super::{Fixture, close, open};
use crate::batch::{Batch, Check, Commit, Op, Outcome};
use crate::engine::registry::Lease;
use crate::engine::{EngineExt, Projection, View};
use crate::error::{Code, Error};
use crate::key::{KeyRange, Space};
use crate::record::{Millis, Version, now};
use crate::testing::{Calls, compact, entries_of, json};
use crate::value::Value;

type Model = BTreeMap<String, (String, Option<Millis>)>;

pub fn random_operations_agree_with_an_ordered_map(fixture: &dyn Fixture) {
    let config = Config { cases: 48, failure_persistence: None, max_shrink_iters: 400, ..Config::default() };
    let steps = prop::collection::vec(step(), 1..60);
    let outcome = TestRunner::new(config).run(&steps, |steps| run(fixture, &steps));
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

struct Run<'a> {
    fixture: &'a dyn Fixture,
    lease: Option<Lease>,
    model: Model,
    snapshots: Vec<(Arc<dyn View>, Model)>,
}

fn run(fixture: &dyn Fixture, steps: &[Step]) -> Result<(), TestCaseError> {
    let lease = open(fixture);
    lease.engine().run(Op::delete_range(KeyRange::all()));
    let mut run = Run { fixture, lease: Some(lease), model: Model::new(), snapshots: Vec::new() };
    for step in steps {
        run.step(step)?;
    }
    Ok(())
}

impl Run<'_> {
    fn lease(&self) -> &Lease {
        self.lease.as_ref().unwrap_or_else(|| panic!("the store is open between steps"))
    }

    fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match step {
            Step::Commit { writes, check } => self.commit(writes, *check)?,
            Step::Get(key) => {
                let key = key_of(*key);
                let expected = self.model.get(key).map(|(value, _)| value.clone());
                prop_assert_eq!(self.lease().engine().value(key), expected.clone());
                prop_assert_eq!(self.lease().engine().has(key), expected.is_some());
                let entry = self.lease().engine().entry(key);
                prop_assert_eq!(entry.and_then(|r| r.expires_at), self.model.get(key).and_then(|(_, at)| *at));
            }
            Step::Scan { range, what } => {
                let view = self.lease().engine().look();
                compare(&*view, &self.model, range, *what)?;
            }
            Step::Snapshot => {
                let view = self.lease().engine().look();
                self.snapshots.push((view, self.model.clone()));
            }
            Step::ReadSnapshot => {
                if self.lease().engine().capabilities().snapshots {
                    for (view, model) in &self.snapshots {
                        compare(&**view, model, &Span::ALL, 1)?;
                    }
                }
            }
            Step::DropSnapshot => {
                self.snapshots.pop();
            }
            Step::Reopen => {
                if self.fixture.persistent() {
                    self.snapshots.clear();
                    if let Some(lease) = self.lease.take() {
                        close(lease);
                    }
                    self.lease = Some(open(self.fixture));
                }
            }
        }
        Ok(())
    }

    fn commit(&mut self, writes: &[Write], check: Option<Guard>) -> Result<(), TestCaseError> {
        let engine = self.lease().engine();
        let mut expected = Expected::of(&self.model);
        let mut batch = Batch::default().reporting();
        if let Some(Guard { key, holds }) = check {
            let version = engine.version(key_of(key));
            let stale = if version.is_none() { Some(Version::of_commit(0)) } else { None };
            batch.checks.push(Check::new(key_of(key), if holds { version } else { stale }));
            if !holds {
                expected.outcome = Err(Code::Conflict);
            }
        }
        batch.ops.extend(writes.iter().map(|write| expected.write(write)));
        let committed = engine.commit(batch);
        if let Some(model) = expected.agrees_with(committed)? {
            self.model = model;
        }
        Ok(())
    }
}

/// The outcome of a batch as the map has it.
struct Expected {
    model: Model,
    outcome: Result<(), Code>,
    /// The sum for each operation that is an addition.
    sums: Vec<Option<f64>>,
}

impl Expected {
    fn of(model: &Model) -> Self {
        Expected { model: model.clone(), outcome: Ok(()), sums: Vec::new() }
    }

    /// Makes a write on the map. Returns the operation for the engine.
    fn write(&mut self, write: &Write) -> Op {
        let mut sum = None;
        let op = match write {
            Write::Set { key, value, expiry } => {
                let expires_at = match expiry {
                    Expiry::Never => None,
                    Expiry::Past => Some(1),
                    Expiry::Future => Some(now() + 10_000_000),
                };
                let (key, value) = (key_of(*key), value_of(*value));
                if matches!(expiry, Expiry::Past) {
                    self.model.remove(key);
                } else {
                    self.model.insert(key.to_owned(), (compact(value), expires_at));
                }
                Op::set(key, json(value)).expiring(expires_at)
            }
            Write::Add { key, by } => {
                let (key, by) = (key_of(*key), f64::from(*by));
                sum = self.add(key, by);
                Op::add(key, by)
            }
            Write::Delete(key) => {
                self.model.remove(key_of(*key));
                Op::delete(key_of(*key))
            }
            Write::DeleteRange(span) => {
                let range = span.range();
                let mut gone: Vec<String> =
                    self.model.keys().filter(|key| range.contains(key.as_bytes())).cloned().collect();
                if range.reverse {
                    gone.reverse();
                }
                for key in gone.iter().take(range.limit.unwrap_or(usize::MAX)) {
                    self.model.remove(key);
                }
                Op::delete_range(range)
            }
        };
        self.sums.push(sum);
        op
    }

    /// Adds to a number of the map; `None` if the key holds another type.
    fn add(&mut self, key: &str, by: f64) -> Option<f64> {
        let (sum, expires_at) = match self.model.get(key) {
            None => (by, None),
            Some((text, expires_at)) => {
                let Some(number) = json(text).as_number() else {
                    self.outcome = self.outcome.and(Err(Code::InvalidArgument));
                    return None;
                };
                (number + by, *expires_at)
            }
        };
        let text = Value::from_number(sum).to_text();
        self.model.insert(key.to_owned(), (String::from_utf8_lossy(&text).into_owned(), expires_at));
        Some(sum)
    }

    /// Compares with what the engine did. Returns the map after a batch that took effect.
    fn agrees_with(self, committed: Result<Commit, Error>) -> Result<Option<Model>, TestCaseError> {
        match (committed, self.outcome) {
            (Ok(commit), Ok(())) => {
                for (found, sum) in commit.outcomes.iter().zip(self.sums) {
                    if let (Outcome::Added { value, .. }, Some(sum)) = (found, sum) {
                        prop_assert_eq!(value.to_bits(), f64::to_bits(sum));
                    }
                }
                return Ok(Some(self.model));
            }
            (Err(error), Err(code)) => prop_assert_eq!(error.code(), code),
            (Ok(_), Err(code)) => prop_assert!(false, "committed, expected {:?}", code),
            (Err(error), Ok(())) => prop_assert!(false, "refused: {}", error),
        }
        Ok(None)
    }
}

fn compare(view: &dyn View, model: &Model, span: &Span, what: usize) -> Result<(), TestCaseError> {
    let range = span.range();
    let mut expected: Vec<(String, Option<String>)> = model
        .iter()
        .filter(|(key, _)| range.contains(key.as_bytes()))
        .map(|(key, (value, _))| (key.clone(), (what > 0).then(|| value.clone())))
        .collect();
    if range.reverse {
        expected.reverse();
    }
    expected.truncate(range.limit.unwrap_or(usize::MAX));
    let projection = match what {
        0 => Projection::Keys,
        1 => Projection::Values,
        _ => Projection::Records,
    };
    prop_assert_eq!(entries_of(view, &range, projection), expected.clone());
    prop_assert_eq!(view.count(Space::User, &range).ok(), Some(expected.len() as u64));
    Ok(())
}

//! Random operations, on the engine and on an ordered map, must agree: batches, checks, increments, ranges,
//! snapshots, expiry and restarts.
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use super::{Calls, Fixture, check, compact, entries_of, open, owned, set};
use crate::batch::{Batch, Op, Outcome};
use crate::engine::registry::Lease;
use crate::engine::{EngineExt, Projection, View};
use crate::error::Code;
use crate::key::{KeyRange, Space};
use crate::record::{Millis, now};

#[derive(Clone, Debug)]
enum Step {
    Commit { ops: Vec<Write>, checked: Option<(usize, bool)> },
    Get(usize),
    Scan { range: Span, what: usize },
    Snapshot,
    ReadSnapshot,
    DropSnapshot,
    Reopen,
}

#[derive(Clone, Debug)]
enum Write {
    Set { key: usize, value: usize, expiry: Expiry },
    Add { key: usize, by: i8 },
    Delete(usize),
    DeleteRange(Span),
}

#[derive(Clone, Copy, Debug)]
enum Expiry {
    Never,
    Past,
    Future,
}

#[derive(Clone, Debug)]
struct Span {
    start: Option<(usize, bool)>,
    end: Option<(usize, bool)>,
    pattern: Option<usize>,
    reverse: bool,
    limit: Option<usize>,
}

const KEYS: [&str; 16] = [
    "a",
    "a/b",
    "a/b/c",
    "a/",
    "A",
    "b",
    "ba",
    "b*",
    "\u{e9}",
    "e\u{301}",
    "..",
    "__proto__",
    "n\nl",
    "n\0l",
    "z",
    "a0",
];
const VALUES: [&str; 8] =
    ["1", "-2.5", "\"text\"", "null", "{\"a\":[1,{\"b\":\"x,y\"}]}", "[]", "{\"$number\":\"-0\"}", "true"];
const PATTERNS: [&str; 6] = ["*", "a*", "*b*", "?", "[ab]*", "a/b"];

fn step() -> impl Strategy<Value = Step> {
    let key = 0..KEYS.len();
    let bound = || prop::option::of((0..KEYS.len(), any::<bool>()));
    let span = (bound(), bound(), prop::option::of(0..PATTERNS.len()), any::<bool>(), prop::option::of(0..6_usize))
        .prop_map(|(start, end, pattern, reverse, limit)| Span { start, end, pattern, reverse, limit });
    let expiry = prop_oneof![5 => Just(Expiry::Never), 1 => Just(Expiry::Past), 1 => Just(Expiry::Future)];
    let write = prop_oneof![
        6 => (key.clone(), 0..VALUES.len(), expiry).prop_map(|(key, value, expiry)| Write::Set { key, value, expiry }),
        2 => (key.clone(), any::<i8>()).prop_map(|(key, by)| Write::Add { key, by }),
        3 => key.clone().prop_map(Write::Delete),
        1 => span.clone().prop_map(Write::DeleteRange),
    ];
    prop_oneof![
        8 => (prop::collection::vec(write, 1..5), prop::option::of((key.clone(), any::<bool>())))
            .prop_map(|(ops, checked)| Step::Commit { ops, checked }),
        4 => key.prop_map(Step::Get),
        4 => (span, 0..3_usize).prop_map(|(range, what)| Step::Scan { range, what }),
        1 => Just(Step::Snapshot),
        2 => Just(Step::ReadSnapshot),
        1 => Just(Step::DropSnapshot),
        1 => Just(Step::Reopen),
    ]
}

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
    lease.engine().run(Batch::one(Op::DeleteRange { space: Space::User, range: KeyRange::all() }));
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
            Step::Commit { ops, checked } => self.commit(ops, *checked)?,
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
                        lease.close().unwrap_or_else(|error| panic!("{error}"));
                    }
                    self.lease = Some(open(self.fixture));
                }
            }
        }
        Ok(())
    }

    fn commit(&mut self, writes: &[Write], checked: Option<(usize, bool)>) -> Result<(), TestCaseError> {
        let engine = &**self.lease().engine();
        let later = now() + 10_000_000;
        let mut batch = Batch::default().reporting();
        let mut expected = self.model.clone();
        let mut outcome = Ok(());
        if let Some((key, right)) = checked {
            let version = engine.version(key_of(key));
            let stale = if version.is_none() { Some(crate::Version::of_commit(0)) } else { None };
            batch.checks.push(check(key_of(key), if right { version } else { stale }));
            if !right {
                outcome = Err(Code::Conflict);
            }
        }
        let mut sums = Vec::new();
        for write in writes {
            match write {
                Write::Set { key, value, expiry } => {
                    let at = match expiry {
                        Expiry::Never => None,
                        Expiry::Past => Some(1),
                        Expiry::Future => Some(later),
                    };
                    let value = VALUES.get(*value).copied().unwrap_or("0");
                    batch.ops.push(set(key_of(*key), value, at));
                    if matches!(expiry, Expiry::Past) {
                        expected.remove(key_of(*key));
                    } else {
                        expected.insert(key_of(*key).to_owned(), (compact(value), at));
                    }
                    sums.push(None);
                }
                Write::Add { key, by } => {
                    let by = f64::from(*by);
                    let key = key_of(*key);
                    batch.ops.push(Op::Add {
                        space: Space::User,
                        key: owned(key),
                        by,
                        expires_at: None,
                        metadata: None,
                    });
                    let old = expected.get(key).cloned().unwrap_or(("0".to_owned(), None));
                    match crate::Value::json(old.0).as_number() {
                        Some(number) => {
                            let sum = if expected.contains_key(key) { number + by } else { by };
                            let text = crate::Value::from_number(sum).to_text();
                            expected.insert(key.to_owned(), (String::from_utf8_lossy(&text).into_owned(), old.1));
                            sums.push(Some(sum));
                        }
                        None => {
                            outcome = outcome.and(Err(Code::InvalidArgument));
                            sums.push(None);
                        }
                    }
                }
                Write::Delete(key) => {
                    batch.ops.push(Op::Delete { space: Space::User, key: owned(key_of(*key)) });
                    expected.remove(key_of(*key));
                    sums.push(None);
                }
                Write::DeleteRange(span) => {
                    let mut range = span.range();
                    (range.pattern, range.limit, range.reverse) = (None, None, false);
                    expected.retain(|key, _| !range.contains(key.as_bytes()));
                    batch.ops.push(Op::DeleteRange { space: Space::User, range });
                    sums.push(None);
                }
            }
        }
        match (engine.commit(batch), outcome) {
            (Ok(commit), Ok(())) => {
                for (found, sum) in commit.outcomes.iter().zip(sums) {
                    if let (Outcome::Added { value, .. }, Some(sum)) = (found, sum) {
                        prop_assert_eq!(value.to_bits(), f64::to_bits(sum));
                    }
                }
                self.model = expected;
            }
            (Err(error), Err(code)) => prop_assert_eq!(error.code(), code),
            (Ok(_), Err(code)) => prop_assert!(false, "committed, expected {:?}", code),
            (Err(error), Ok(())) => prop_assert!(false, "refused: {}", error),
        }
        Ok(())
    }
}

fn key_of(at: usize) -> &'static str {
    KEYS.get(at).copied().unwrap_or("a")
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

impl Span {
    const ALL: Span = Span { start: None, end: None, pattern: None, reverse: false, limit: None };

    fn range(&self) -> KeyRange {
        let bound = |bound: Option<(usize, bool)>| match bound {
            None => Bound::Unbounded,
            Some((key, true)) => Bound::Included(owned(key_of(key))),
            Some((key, false)) => Bound::Excluded(owned(key_of(key))),
        };
        let mut range = KeyRange { start: bound(self.start), end: bound(self.end), ..KeyRange::all() };
        if let Some(pattern) = self.pattern.and_then(|at| PATTERNS.get(at)) {
            range.set_pattern(pattern);
        }
        range.reverse = self.reverse;
        range.limit = self.limit;
        range
    }
}

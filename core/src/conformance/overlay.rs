//! The writes of a transaction over those of its engine, against an ordered map.

use std::collections::BTreeMap;
use std::ops::Bound;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use super::transactions::Inside;
use super::{Fixture, open};
use crate::batch::{Batch, Op};
use crate::engine::{Item, Projection, View};
use crate::key::{Key, KeyRange, Space};
use crate::testing::{Calls, entries_of, json, ok, text};

#[derive(Clone, Debug)]
enum Step {
    Set(usize, u8),
    Delete(usize),
    DeleteRange(usize, usize),
    Scan { start: usize, end: usize, reverse: bool, limit: Option<usize>, bytes: usize },
}

const KEYS: usize = 24;

fn name(key: usize) -> String {
    format!("k{key:02}")
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0..KEYS;
    let bytes = prop_oneof![Just(1), Just(60), Just(1 << 20)];
    prop_oneof![
        4 => (key.clone(), any::<u8>()).prop_map(|(key, value)| Step::Set(key, value)),
        2 => key.clone().prop_map(Step::Delete),
        1 => (key.clone(), key.clone()).prop_map(|(a, b)| Step::DeleteRange(a.min(b), a.max(b))),
        3 => (key.clone(), key, any::<bool>(), prop::option::of(0..9_usize), bytes).prop_map(
            |(a, b, reverse, limit, bytes)| Step::Scan { start: a.min(b), end: a.max(b), reverse, limit, bytes }
        ),
    ]
}

type Model = BTreeMap<String, String>;

/// A transaction lists the keys of the engine with its own writes over them, page by page.
pub fn random_writes_over_an_engine_agree_with_a_map(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    let steps = (prop::collection::btree_set(0..KEYS, 0..KEYS), prop::collection::vec(step(), 1..40));
    let config = Config { cases: 48, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&steps, |(before, steps)| {
        engine.run(Op::delete_range(KeyRange::all()));
        let mut model: Model = before.iter().map(|key| (name(*key), "0".to_owned())).collect();
        engine.run(model.keys().map(|key| Op::set(key.clone(), json("0"))).collect::<Batch>());
        let inside = Inside::begin(engine);
        for step in steps {
            run(&inside, &mut model, &step)?;
        }
        inside.commits();
        let held = entries_of(&*engine.look(), &KeyRange::all(), Projection::Values);
        let held: Model = held.into_iter().map(|(key, value)| (key, value.unwrap_or_default())).collect();
        prop_assert_eq!(held, model);
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

fn run(inside: &Inside, model: &mut Model, step: &Step) -> Result<(), TestCaseError> {
    match *step {
        Step::Set(key, value) => {
            inside.engine.set(&name(key), &value.to_string());
            model.insert(name(key), value.to_string());
        }
        Step::Delete(key) => {
            prop_assert_eq!(inside.engine.delete(&name(key)), model.remove(&name(key)).is_some());
        }
        Step::DeleteRange(start, end) => {
            inside.engine.run(Op::delete_range(span(start, end)));
            model.retain(|key, _| !(name(start)..name(end)).contains(key));
        }
        Step::Scan { start, end, reverse, limit, bytes } => {
            let range = KeyRange { reverse, limit, ..span(start, end) };
            let mut expected: Vec<(String, String)> =
                model.range(name(start)..name(end)).map(|(key, value)| (key.clone(), value.clone())).collect();
            if reverse {
                expected.reverse();
            }
            expected.truncate(limit.unwrap_or(usize::MAX));
            prop_assert_eq!(by_pages(&*inside.engine.look(), &range, bytes), expected);
        }
    }
    Ok(())
}

fn span(start: usize, end: usize) -> KeyRange {
    let (start, end) = (Bound::Included(Key::from(name(start))), Bound::Excluded(Key::from(name(end))));
    KeyRange { start, end, ..KeyRange::all() }
}

fn by_pages(view: &dyn View, range: &KeyRange, bytes: usize) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut after = None;
    let limit = range.limit.unwrap_or(usize::MAX);
    while found.len() < limit {
        let page = ok(view.scan(Space::User, range, Projection::Values, after.as_deref(), bytes));
        found.extend(page.entries.into_iter().map(|(key, item)| {
            let Item::Value(value) = item else { panic!("not a value") };
            (String::from_utf8_lossy(&key).into_owned(), text(&value))
        }));
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    found.truncate(limit);
    found
}

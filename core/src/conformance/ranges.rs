//! Ranges, patterns, pages, counts.

use std::ops::Bound;

use super::{Fixture, open};
use crate::batch::{Batch, Op};
use crate::engine::{Engine, Projection};
use crate::key::{Key, KeyRange, Space};
use crate::testing::{Calls, entries_of, json, keys_of, ok};

fn fill(engine: &dyn Engine, keys: &[&'static str]) {
    engine.run(keys.iter().map(|key| Op::set(*key, json("1"))).collect::<Batch>());
}

pub fn bounds_prefixes_and_directions_hold(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = &**lease.engine();
    fill(engine, &["a", "b", "b/", "b/1", "b/2", "b0", "c", "d"]);
    let range = |start, end| KeyRange { start, end, ..KeyRange::all() };
    let (b, c) = (Key::from("b"), Key::from("c"));
    let from_b = || Bound::Included(b.clone());
    for (range, expected) in [
        (range(from_b(), Bound::Excluded(c.clone())), vec!["b", "b/", "b/1", "b/2", "b0"]),
        (range(Bound::Excluded(b.clone()), Bound::Included(c.clone())), vec!["b/", "b/1", "b/2", "b0", "c"]),
        (range(Bound::Unbounded, Bound::Included(b.clone())), vec!["a", "b"]),
        (range(Bound::Excluded(c.clone()), Bound::Unbounded), vec!["d"]),
        (range(Bound::Included(c.clone()), Bound::Included(b.clone())), vec![]),
        (range(Bound::Excluded(b.clone()), Bound::Excluded(b.clone())), vec![]),
        (KeyRange::prefix("b/"), vec!["b/", "b/1", "b/2"]),
        (KeyRange { limit: Some(2), ..KeyRange::prefix("b/") }, vec!["b/", "b/1"]),
        (KeyRange { limit: Some(2), reverse: true, ..KeyRange::prefix("b/") }, vec!["b/2", "b/1"]),
        (KeyRange { limit: Some(0), ..KeyRange::all() }, vec![]),
        (KeyRange { except: vec![Key::from("b/"), Key::from("d")], ..KeyRange::all() }, vec!["a", "b", "b0", "c"]),
    ] {
        assert_eq!(engine.keys(&range), expected, "{range:?}");
    }
}

pub fn patterns_hold(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = &**lease.engine();
    fill(
        engine,
        &[
            "user:1",
            "user:2",
            "user:10",
            "user:a*",
            "user:\u{e9}",
            "User:1",
            "user%1",
            "user_1",
            "a/b/c",
            "a[1]",
            "a\\b",
            "^x",
        ],
    );
    for (pattern, expected) in [
        ("*", 12),
        ("user:*", 5),
        ("user:?", 3),
        ("user:[0-9]", 2),
        ("user:[^0-9]", 1),
        ("user:a\\*", 1),
        ("user%*", 1),
        ("user_1", 1),
        ("a*c", 1),
        ("a\\[1\\]", 1),
        ("a\\\\b", 1),
        ("[\\^]x", 1),
        ("*1*", 6),
        ("", 0),
        ("[", 0),
        ("nothing*", 0),
    ] {
        let found = engine.keys(&KeyRange::glob(pattern));
        assert_eq!(found.len(), expected, "{pattern}: {found:?}");
    }
    assert_eq!(engine.keys(&KeyRange::glob(&("*a".repeat(1000) + "b"))).len(), 0);
}

pub fn pages_resume_where_they_ended(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = &**lease.engine();
    let keys: Vec<String> = (0..500).map(|n| format!("k{n:04}")).collect();
    engine.run(keys.iter().map(|key| Op::set(key.clone(), json(format!("\"{key}\"")))).collect::<Batch>());
    let view = engine.look();
    for reverse in [false, true] {
        let range = KeyRange { reverse, ..KeyRange::glob("k*[02468]") };
        let mut found: Vec<String> = Vec::new();
        let mut after = None;
        loop {
            let page = ok(view.scan(Space::User, &range, Projection::Values, after.as_deref(), 64));
            assert!(page.entries.len() <= 20, "a page of 64 bytes has {} entries", page.entries.len());
            found.extend(page.entries.iter().map(|(key, _)| String::from_utf8_lossy(key).into_owned()));
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        let mut expected: Vec<String> = keys.iter().step_by(2).cloned().collect();
        if reverse {
            expected.reverse();
        }
        assert_eq!(found, expected);
    }
    let entries = entries_of(&*view, &KeyRange::all(), Projection::Values);
    assert!(entries.iter().all(|(key, value)| value.as_deref() == Some(format!("\"{key}\"").as_str())));
    let records = entries_of(&*view, &KeyRange::all(), Projection::Records);
    assert_eq!(entries, records);
}

pub fn counting_agrees_with_listing(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = &**lease.engine();
    fill(engine, &["a", "b/1", "b/2", "c"]);
    let view = engine.look();
    for range in [
        KeyRange::all(),
        KeyRange::prefix("b/"),
        KeyRange::glob("*1"),
        KeyRange { limit: Some(3), ..KeyRange::all() },
        KeyRange { except: vec![Key::from("b/")], ..KeyRange::all() },
    ] {
        let count = ok(view.count(Space::User, &range));
        assert_eq!(count, keys_of(&*view, &range).len() as u64, "{range:?}");
    }
}

//! Order: calls on one key take effect as they were submitted.

use std::sync::mpsc;

use super::{Fixture, open};
use crate::batch::{Batch, Op};
use crate::engine::{Read, Reply, Request};
use crate::error::Result;
use crate::key::{Key, KeyRange, Space};
use crate::testing::{Calls, json, keys_of, ok, submit, text};

fn answer(receiver: &mpsc::Receiver<Result<Reply>>) -> Reply {
    ok(receiver.recv().unwrap_or_else(|closed| panic!("done was never called: {closed}")))
}

fn get(key: &'static str) -> Request {
    Request::Read(Read::Get(Space::User, Key::from(key)))
}

fn write(key: impl Into<Key>, value: u32) -> Request {
    Request::Commit(Batch::one(Op::set(key, json(value.to_string()))))
}

fn number(reply: Reply) -> Option<u32> {
    match reply {
        Reply::Value(value) => value.and_then(|value| text(&value).parse().ok()),
        _ => panic!("not a value"),
    }
}

pub fn a_read_sees_the_write_submitted_before_it(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = &**lease.engine();
    for round in 0..200 {
        let writes: Vec<_> = (0..5).map(|n| submit(engine, write("k", round * 10 + n))).collect();
        let read = submit(engine, get("k"));
        let after = submit(engine, write("k", round * 10 + 9));
        let both = Read::Many(Space::User, vec![Key::from("k"), Key::from("x")]);
        let many = submit(engine, Request::Read(both));
        assert_eq!(number(answer(&read)), Some(round * 10 + 4));
        match answer(&many) {
            Reply::Values(values) => {
                let first = values.first().and_then(Option::as_ref).map(text);
                assert_eq!(first, Some((round * 10 + 9).to_string()));
            }
            _ => panic!("not values"),
        }
        writes.iter().chain([&after]).for_each(|write| drop(answer(write)));
    }
}

pub fn a_write_does_not_overtake_an_earlier_read(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = &**lease.engine();
    engine.set("k", "0");
    for round in 1..300 {
        let read = submit(engine, get("k"));
        let write = submit(engine, write("k", round));
        assert_eq!(number(answer(&read)), Some(round - 1));
        answer(&write);
    }
}

pub fn concurrent_increments_are_all_counted(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let engine = lease.engine().clone();
            std::thread::spawn(move || (0..250).map(|_| engine.add("n", 1.0).to_bits()).collect::<Vec<u64>>())
        })
        .collect();
    let mut seen: Vec<u64> =
        threads.into_iter().flat_map(|thread| thread.join().unwrap_or_else(|_| panic!("a thread failed"))).collect();
    assert_eq!(lease.engine().value("n").as_deref(), Some("1000"));
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 1000, "each increment saw a number of its own");
}

pub fn a_listing_sees_what_was_submitted_before_it_and_nothing_later(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = &**lease.engine();
    for round in 0..20 {
        let writes: Vec<_> = (0..50).map(|n| submit(engine, write(format!("k{n:02}"), round))).collect();
        let keys = submit(engine, Request::Keys(KeyRange::all()));
        let count = submit(engine, Request::Count(KeyRange::prefix("k1")));
        let clear = submit(engine, Request::Commit(Batch::one(Op::delete_range(KeyRange::all()))));
        let empty = submit(engine, Request::Keys(KeyRange::all()));
        assert!(matches!(answer(&keys), Reply::Keys(keys) if keys.len() == 50));
        assert!(matches!(answer(&count), Reply::Count(10)));
        assert!(matches!(answer(&empty), Reply::Keys(keys) if keys.is_empty()));
        writes.iter().chain([&clear]).for_each(|write| drop(answer(write)));
    }
}

pub fn a_view_sees_what_was_submitted_before_it(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = &**lease.engine();
    for round in 0..50 {
        let (earlier, later) = (format!("k{round:03}"), format!("z{round:03}"));
        let before = submit(engine, write(earlier.clone(), round));
        let view = submit(engine, Request::View);
        let after = submit(engine, write(later.clone(), round));
        let Reply::View(view) = answer(&view) else { panic!("not a view") };
        assert!(keys_of(&*view, &KeyRange::all()).contains(&earlier));
        if engine.capabilities().snapshots {
            assert!(!keys_of(&*view, &KeyRange::all()).contains(&later));
        }
        answer(&before);
        answer(&after);
    }
}

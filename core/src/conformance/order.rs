//! Order: calls take effect as they were submitted, key by key.

use std::sync::Arc;
use std::sync::mpsc;

use super::{Calls, Fixture, open, owned, set, text};
use crate::batch::{Batch, Op, Outcome};
use crate::engine::{Engine, Read, Reply, Request};
use crate::error::Result;
use crate::key::{KeyRange, Space};

/// Submits without waiting; the receiver gets the answer.
fn submit(engine: &dyn Engine, request: Request) -> mpsc::Receiver<Result<Reply>> {
    let (sender, receiver) = mpsc::channel();
    engine.submit(request, Box::new(move |reply| sender.send(reply).unwrap_or(())));
    receiver
}

fn answer(receiver: &mpsc::Receiver<Result<Reply>>) -> Reply {
    match receiver.recv() {
        Ok(Ok(reply)) => reply,
        Ok(Err(error)) => panic!("{error}"),
        Err(_) => panic!("done was never called"),
    }
}

fn get(key: &str) -> Request {
    Request::Read(Read::Get(Space::User, owned(key)))
}

fn write(key: &str, value: u32) -> Request {
    Request::Commit(Batch::one(set(key, &value.to_string(), None)))
}

fn number(reply: Reply) -> Option<u32> {
    match reply {
        Reply::Value(value) => value.map(text).and_then(|text| text.parse().ok()),
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
        let many = submit(engine, Request::Read(Read::Many(Space::User, vec![owned("k"), owned("x")])));
        assert_eq!(number(answer(&read)), Some(round * 10 + 4));
        match answer(&many) {
            Reply::Values(values) => {
                let first = values.into_iter().next().flatten().map(text);
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
    let engine: Arc<dyn Engine> = lease.engine().clone();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let engine = engine.clone();
            std::thread::spawn(move || {
                let mut seen = Vec::new();
                for _ in 0..250 {
                    let op = Op::Add { space: Space::User, key: owned("n"), by: 1.0, expires_at: None, metadata: None };
                    match engine.run(Batch::one(op).reporting()).outcomes.first() {
                        Some(Outcome::Added { value, .. }) => seen.push(value.to_bits()),
                        other => panic!("{other:?}"),
                    }
                }
                seen
            })
        })
        .collect();
    let mut seen: Vec<u64> =
        threads.into_iter().flat_map(|thread| thread.join().unwrap_or_else(|_| panic!("a thread failed"))).collect();
    assert_eq!(engine.value("n").as_deref(), Some("1000"));
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 1000, "each increment saw a number of its own");
}

pub fn a_listing_sees_what_was_submitted_before_it_and_nothing_later(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = &**lease.engine();
    for round in 0..20 {
        let writes: Vec<_> = (0..50).map(|n| submit(engine, write(&format!("k{n:02}"), round))).collect();
        let keys = submit(engine, Request::Keys(KeyRange::all()));
        let count = submit(engine, Request::Count(KeyRange::prefix(&b"k1"[..])));
        let clear = Batch::one(Op::DeleteRange { space: Space::User, range: KeyRange::all() });
        let clear = submit(engine, Request::Commit(clear));
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
        let key = format!("k{round:03}");
        let before = submit(engine, write(&key, round));
        let view = submit(engine, Request::View);
        let after = submit(engine, write(&format!("z{round:03}"), round));
        let view = match answer(&view) {
            Reply::View(view) => view,
            _ => panic!("not a view"),
        };
        assert!(super::keys_of(&*view, &KeyRange::all()).contains(&key));
        if engine.capabilities().snapshots {
            assert!(!super::keys_of(&*view, &KeyRange::all()).contains(&format!("z{round:03}")));
        }
        answer(&before);
        answer(&after);
    }
}

//! Views and their pages: what they see, and for how long.

use std::sync::Arc;

use holdfast_core::engine::{Engine, EngineExt, PAGE_BYTES, Projection};
use holdfast_core::testing::{Calls, json};
use holdfast_core::{Batch, Code, KeyRange, Op, RangeCheck, Space, Value};

use super::support::*;

#[test]
fn a_view_stands_between_the_commits_around_it() {
    let root = tempfile::tempdir().unwrap();
    let lease = start(root.path());
    let before = lease.engine().set("a", "1");
    let view = lease.engine().view().unwrap();
    let after = lease.engine().run([Op::set("a", json("2")), Op::set("b", json("2"))]);
    assert!(before.seq <= view.seq() && view.seq() < after.seq);
    assert_eq!(view.get(Space::User, b"a").unwrap().unwrap().value, Value::json("1"));
    assert!(view.get(Space::User, b"b").unwrap().is_none());
    let guarded =
        |since| Batch::of([Op::set("c", json("1"))]).with_range_checks([RangeCheck::new(KeyRange::prefix("b"), since)]);
    assert_eq!(lease.engine().commit(guarded(view.seq())).unwrap_err().code(), Code::Conflict);
    let view = lease.engine().view().unwrap();
    lease.engine().commit(guarded(view.seq())).unwrap();
}

#[test]
fn views_outlive_the_store_and_say_closed() {
    let root = tempfile::tempdir().unwrap();
    let lease = start(root.path());
    lease.engine().set("a", "1");
    let view = lease.engine().view().unwrap();
    let engine: Arc<dyn Engine> = lease.engine().clone();
    lease.close().unwrap();
    assert_eq!(view.get(Space::User, b"a").unwrap_err().code(), Code::Closed);
    let page = view.scan(Space::User, &KeyRange::all(), Projection::Keys, None, PAGE_BYTES);
    assert_eq!(page.unwrap_err().code(), Code::Closed);
    assert_eq!(engine.commit(Batch::one(Op::set("a", json("2")))).unwrap_err().code(), Code::Closed);
    let again = start(root.path());
    assert_eq!(again.engine().value("a").as_deref(), Some("1"));
    drop(view);
    assert_eq!(again.engine().value("a").as_deref(), Some("1"));
}

#[test]
fn readers_beside_a_writer_see_pages_of_one_moment() {
    let root = tempfile::tempdir().unwrap();
    let lease = start(root.path());
    let all = |round: usize| Batch::of((0..200).map(|n| Op::set(format!("k{n:03}"), json(round.to_string()))));
    lease.engine().commit(all(0)).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| (1..200).for_each(|round| drop(lease.engine().commit(all(round)).unwrap())));
        for _ in 0..200 {
            let view = lease.engine().view().unwrap();
            let mut seen = Vec::new();
            let range = KeyRange::all();
            holdfast_core::engine::for_each_page(&*view, Space::User, &range, Projection::Values, |page| {
                seen.extend(page.into_iter().map(|(_, item)| format!("{item:?}")));
                Ok(true)
            })
            .unwrap();
            assert_eq!(seen.len(), 200);
            assert!(seen.iter().all(|value| *value == seen[0]), "a view mixes two commits");
            // The cache must show what the writer wrote, never what a reader read before.
            let first = lease.engine().value("k000").unwrap().parse::<usize>().unwrap();
            let second = lease.engine().value("k000").unwrap().parse::<usize>().unwrap();
            assert!(second >= first);
        }
    });
    assert_eq!(lease.engine().value("k199").as_deref(), Some("199"));
}

#[test]
fn pages_resume_in_both_directions() {
    let root = tempfile::tempdir().unwrap();
    let lease = start(root.path());
    lease.engine().run(Batch::of((0..1000).map(|n| Op::set(format!("k{n:04}"), json("1")))));
    let view = lease.engine().view().unwrap();
    for reverse in [false, true] {
        let mut range = KeyRange::glob("k?[13579]*");
        range.reverse = reverse;
        let (mut seen, mut after) = (Vec::new(), None::<holdfast_core::Key>);
        loop {
            let page = view.scan(Space::User, &range, Projection::Keys, after.as_deref(), 100).unwrap();
            assert!(page.entries.len() <= 5);
            seen.extend(page.entries.into_iter().map(|(key, _)| key));
            let Some(next) = page.next else { break };
            after = Some(next);
        }
        assert_eq!(seen.len(), 500);
        assert!(seen.windows(2).all(|pair| (pair[0] < pair[1]) != reverse));
    }
}

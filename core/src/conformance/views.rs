//! Views.

use super::{Fixture, open};
use crate::batch::{Batch, Op};
use crate::engine::Projection;
use crate::key::{KeyRange, Space};
use crate::testing::{Calls, entries_of, json, keys_of, ok, text};

/// Where the engine has no snapshots, a view only has to read on while others write.
pub fn a_view_is_one_moment(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    engine.run((0..100).map(|n| Op::set(format!("k{n:02}"), json("\"old\""))).collect::<Batch>());
    let view = engine.look();
    let first = ok(view.scan(Space::User, &KeyRange::all(), Projection::Values, None, 32));
    engine.set("k50", "\"new\"");
    engine.set("k50a", "\"new\"");
    assert!(engine.delete("k60"));
    engine.run(Op::delete_range(KeyRange::prefix("k9")));
    let rest = ok(view.scan(Space::User, &KeyRange::all(), Projection::Values, first.next.as_deref(), usize::MAX));
    if !engine.capabilities().snapshots {
        assert!(!rest.entries.is_empty());
        return;
    }
    let entries = entries_of(&*view, &KeyRange::all(), Projection::Values);
    assert_eq!(entries.len(), 100);
    assert!(entries.iter().all(|(_, value)| value.as_deref() == Some("\"old\"")));
    assert_eq!(first.entries.len() + rest.entries.len(), 100);
    let get = |key: &str| ok(view.get(Space::User, key.as_bytes()));
    assert_eq!(get("k50").map(|record| text(&record.value)).as_deref(), Some("\"old\""));
    assert!(get("k60").is_some() && get("k95").is_some() && get("k50a").is_none());
    assert_eq!(keys_of(&*engine.look(), &KeyRange::all()).len(), 90);
}

pub fn views_are_independent_and_may_outlive_writes(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    let snapshots = engine.capabilities().snapshots;
    let mut views = Vec::new();
    for n in 0..4_usize {
        engine.set(&format!("k{n}"), "1");
        views.push((n + 1, engine.look()));
    }
    engine.run(Op::delete_range(KeyRange::all()));
    engine.set("new", "1");
    // Dropped out of order: an engine that pins versions must not let go of the wrong ones.
    for at in [1, 2, 0, 0] {
        let (expected, view) = views.remove(at);
        let found = keys_of(&*view, &KeyRange::all()).len();
        assert!(!snapshots || found == expected, "{found} keys, not {expected}");
    }
    assert_eq!(engine.keys(&KeyRange::all()), ["new"]);
}

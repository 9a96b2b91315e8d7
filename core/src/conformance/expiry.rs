//! Expiry: an expired key is absent at once. A sweep frees it later, and never a newer value.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{Fixture, open};
use crate::batch::{Batch, Check, Op};
use crate::engine::{Read, Reply};
use crate::key::{Key, KeyRange, Space};
use crate::record::now;
use crate::testing::{Calls, json, keys_of, ok};

pub fn an_expired_key_is_absent_at_once(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    let soon = now() + 1500;
    engine.run(Op::set("soon", json("1")).expiring(soon));
    engine.run(Op::set("later", json("1")).expiring(now() + 1_000_000));
    engine.run(Op::set("past", json("1")).expiring(now().saturating_sub(5)));
    engine.run(Op::set("ancient", json("1")).expiring(0));
    assert!(!engine.has("past") && !engine.has("ancient"));
    assert_eq!(engine.entry("soon").and_then(|record| record.expires_at), Some(soon));
    assert_eq!(engine.keys(&KeyRange::all()), ["later", "soon"]);
    while now() <= soon {
        sleep(Duration::from_millis(5));
    }
    assert_eq!(engine.value("soon"), None);
    assert!(!engine.has("soon"));
    assert!(engine.entry("soon").is_none());
    match ok(engine.read(Read::Many(Space::User, vec![Key::from("soon"), Key::from("later")]))) {
        Reply::Values(values) => assert_eq!(values.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true]),
        _ => panic!("not values"),
    }
    let view = engine.look();
    assert_eq!(keys_of(&*view, &KeyRange::all()), ["later"]);
    assert_eq!(view.count(Space::User, &KeyRange::all()).ok(), Some(1));
    assert!(matches!(view.get(Space::User, b"soon"), Ok(None)));
    assert!(!engine.delete("soon"));
}

pub fn an_expired_key_counts_as_absent_in_checks(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    engine.run(Op::set("k", json("5")).expiring(now().saturating_sub(1)));
    engine.run(Batch::of([Op::set("k", json("1"))]).with_checks([Check::absent("k")]));
    assert_eq!(engine.value("k").as_deref(), Some("1"));
    engine.run(Op::set("n", json("5")).expiring(now().saturating_sub(1)));
    assert_eq!(engine.add("n", 2.0).to_bits(), 2_f64.to_bits());
    assert_eq!(engine.entry("n").and_then(|record| record.expires_at), None);
}

pub fn a_limited_deletion_does_not_count_expired_keys(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    let past = now().saturating_sub(1000);
    engine.run(Op::set("a", json("1")).expiring(past));
    for key in ["c", "d", "e"] {
        engine.set(key, "1");
    }
    let two = KeyRange { limit: Some(2), ..KeyRange::all() };
    // The batch itself writes a key that has expired.
    let first = Op::set("b", json("1")).expiring(past);
    engine.run(Batch::of([first, Op::DeleteRange { space: Space::User, range: two }]));
    assert_eq!(engine.keys(&KeyRange::all()), ["e"]);
}

pub fn a_sweep_never_deletes_a_newer_value(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    let start = Instant::now();
    let mut n = 0_u32;
    // Sweeps come once a second: rewrite over two of them.
    while start.elapsed() < Duration::from_millis(2300) {
        engine.run(Op::set("k", json("\"old\"")).expiring(now() + 1));
        sleep(Duration::from_millis(2));
        n += 1;
        engine.set("k", &n.to_string());
        assert_eq!(engine.value("k"), Some(n.to_string()));
        sleep(Duration::from_millis(20));
        assert_eq!(engine.value("k"), Some(n.to_string()));
    }
}

pub fn increments_keep_the_expiry(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    let later = now() + 1_000_000;
    engine.run(Op::set("n", json("1")).expiring(later));
    let add = |expires_at: Option<u64>| {
        engine.run(Op::add("n", 1.0).expiring(expires_at));
        engine.entry("n").and_then(|record| record.expires_at)
    };
    assert_eq!(add(None), Some(later));
    assert_eq!(add(Some(later + 1000)), Some(later + 1000));
    assert_eq!(engine.value("n").as_deref(), Some("3"));
}

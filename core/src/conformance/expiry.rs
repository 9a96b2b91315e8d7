//! Expiry: absent at once, freed in time, never at the cost of a newer value.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{Calls, Fixture, check, open, owned, set};
use crate::batch::{Batch, Op, Outcome};
use crate::engine::{Read, Reply};
use crate::key::{KeyRange, Space};
use crate::record::now;

pub fn an_expired_key_is_absent_at_once(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = &**lease.engine();
    let soon = now() + 1500;
    engine.put("soon", "1", Some(soon));
    engine.put("later", "1", Some(now() + 1_000_000));
    engine.put("past", "1", Some(now().saturating_sub(5)));
    engine.put("ancient", "1", Some(0));
    assert!(!engine.has("past") && !engine.has("ancient"));
    assert_eq!(engine.entry("soon").and_then(|record| record.expires_at), Some(soon));
    assert_eq!(engine.keys(&KeyRange::all()), ["later", "soon"]);
    while now() <= soon {
        sleep(Duration::from_millis(5));
    }
    assert_eq!(engine.value("soon"), None);
    assert!(!engine.has("soon"));
    assert!(engine.entry("soon").is_none());
    match engine.ask(Read::Many(Space::User, vec![owned("soon"), owned("later")])) {
        Reply::Values(values) => assert_eq!(values.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true]),
        _ => panic!("not values"),
    }
    let view = engine.look();
    assert_eq!(super::keys_of(&*view, &KeyRange::all()), ["later"]);
    assert_eq!(view.count(Space::User, &KeyRange::all()).ok(), Some(1));
    assert!(matches!(view.get(Space::User, b"soon"), Ok(None)));
    assert!(!engine.delete("soon"));
}

pub fn an_expired_key_counts_as_absent_in_checks(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = &**lease.engine();
    engine.put("k", "5", Some(now().saturating_sub(1)));
    engine.run(Batch { checks: vec![check("k", None)], ops: vec![set("k", "1", None)], ..Batch::default() });
    assert_eq!(engine.value("k").as_deref(), Some("1"));
    engine.put("n", "5", Some(now().saturating_sub(1)));
    let add = Op::Add { space: Space::User, key: owned("n"), by: 2.0, expires_at: None, metadata: None };
    let commit = engine.run(Batch::one(add).reporting());
    assert!(matches!(commit.outcomes.first(), Some(Outcome::Added { value, .. }) if *value == 2.0));
    assert_eq!(engine.entry("n").and_then(|record| record.expires_at), None);
}

pub fn a_sweep_never_deletes_a_newer_value(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = &**lease.engine();
    let start = Instant::now();
    let mut n = 0_u32;
    // Sweeps come once a second: rewrite over two of them.
    while start.elapsed() < Duration::from_millis(2300) {
        engine.put("k", "\"old\"", Some(now() + 1));
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
    let engine = &**lease.engine();
    let later = now() + 1_000_000;
    engine.put("n", "1", Some(later));
    let add = |expires_at| {
        engine.run(Batch::one(Op::Add { space: Space::User, key: owned("n"), by: 1.0, expires_at, metadata: None }));
        engine.entry("n").and_then(|record| record.expires_at)
    };
    assert_eq!(add(None), Some(later));
    assert_eq!(add(Some(later + 1000)), Some(later + 1000));
    assert_eq!(engine.value("n").as_deref(), Some("3"));
}

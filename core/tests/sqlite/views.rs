//! Views: what they see, the connections that they share, and how many there may be.
use super::database;
use holdfast_core::EngineExt;
use holdfast_core::engine::View;
use holdfast_core::error::Code;
use holdfast_core::key::Space;
use holdfast_core::testing::Calls;
use holdfast_core::value::Value;

#[test]
fn a_held_view_blocks_no_writer_and_outlives_the_store() {
    let file = database();
    let lease = file.lease();
    lease.engine().set("k", "1");
    let view = lease.engine().view().unwrap();
    for n in 2..50 {
        lease.engine().set("k", &n.to_string());
    }
    lease.close().unwrap();
    let again = file.lease();
    assert_eq!(again.engine().value("k").as_deref(), Some("49"));
    again.engine().set("k", "50");
    let seen = view.get(Space::User, b"k").unwrap().map(|record| record.value);
    assert_eq!(seen, Some(Value::json("1")));
}

#[test]
fn views_of_too_many_moments_are_refused_and_give_their_connections_back() {
    let file = database();
    let lease = file.lease();
    let engine = lease.engine();
    let mut views = Vec::new();
    let refused = loop {
        engine.set("k", &views.len().to_string());
        match engine.view() {
            Ok(view) => views.push(view),
            Err(error) => break error,
        }
    };
    assert_eq!((refused.code(), views.len()), (Code::NoSpace, 128));
    for (number, view) in views.iter().enumerate() {
        let seen = view.get(Space::User, b"k").unwrap().map(|record| record.value);
        assert_eq!(seen, Some(Value::json(number.to_string())));
    }
    views.clear();
    assert!(engine.view().is_ok());
}

#[test]
fn views_of_one_moment_share_a_connection_and_outlive_each_other() {
    let file = database();
    let lease = file.lease();
    let engine = lease.engine();
    let read = |view: &dyn View| view.get(Space::User, b"k").unwrap().map(|record| record.value);
    for number in 0..4 {
        engine.set("k", &number.to_string());
        let mut views: Vec<_> = (0..1000).map(|_| engine.view().unwrap()).collect();
        engine.set("k", "\"later\"");
        let last = views.pop().unwrap();
        for view in views {
            assert_eq!(read(&*view), Some(Value::json(number.to_string())));
        }
        assert_eq!(read(&*last), Some(Value::json(number.to_string())));
        assert_eq!(read(&*engine.view().unwrap()), Some(Value::json("\"later\"")));
    }
}

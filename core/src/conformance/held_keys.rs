//! The keys that an intent holds: nobody else writes them while it stands.

use super::intents::{clear, id, internal, prepare, refusal, resolve, standing};
use super::{Fixture, open};
use crate::batch::{Batch, Check, Op};
use crate::engine::intent::Decision;
use crate::engine::{Engine, EngineExt, Request};
use crate::error::Code;
use crate::key::{KeyRange, Space};
use crate::keyspace;
use crate::testing::{Calls, code_of, json};

fn code(engine: &dyn Engine, batch: impl Into<Batch>) -> Option<Code> {
    code_of(engine.commit(batch.into()))
}

pub fn a_conditional_batch_on_a_held_key_conflicts_and_others_go_through(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = &**lease.engine();
    engine.set("a", "1");
    engine.set("gone", "1");
    let version = engine.version("a");
    prepare(engine, 1, [Op::set("a", json("2")), Op::add("n", 1.0), Op::delete("gone"), internal("x")]);
    for op in [Op::set("a", json("3")), Op::add("n", 1.0), Op::set("gone", json("3")), internal("x")] {
        assert_eq!(refusal(engine, [Op::set("b", json("3")), op]), Some(Code::Conflict));
    }
    let guarded = |op| Batch::one(op).with_checks([Check::new("a", version)]);
    assert_eq!(code(engine, guarded(Op::delete("a"))), Some(Code::Conflict));
    assert_eq!(engine.value("b"), None, "a refused batch writes nothing");
    assert_eq!(code(engine, guarded(Op::set("c", json("3")))), None, "a held key may be read and checked");
    // Neither a key of the other keyspace is held, nor one that only looks alike.
    let free = [Op::set("x", json("3")), Op::set("a/b", json("3")), internal("a")];
    assert_eq!(refusal(engine, free), None);
    assert!(resolve(engine, 1, Decision::Apply));
    assert_eq!((engine.value("a").as_deref(), engine.value("n").as_deref()), (Some("2"), Some("1")));
}

pub fn a_plain_write_of_a_held_key_conflicts(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = &**lease.engine();
    engine.set("a", "1");
    prepare(engine, 1, [Op::set("a", json("2")), Op::set("b", json("2"))]);
    if fixture.refuses_plain_writes() {
        for op in [Op::set("a", json("3")), Op::add("b", 1.0), Op::delete("a"), clear("a")] {
            assert_eq!(code(engine, op.clone()), Some(Code::Conflict));
            let reporting = Batch::of([Op::set("c", json("3")), op]).reporting();
            assert_eq!(code(engine, reporting), Some(Code::Conflict));
        }
        assert_eq!((engine.value("a").as_deref(), engine.value("c")), (Some("1"), None));
        one_refused_batch_of_a_group_leaves_the_others_alone(engine);
    }
    assert!(resolve(engine, 1, Decision::Apply));
    assert_eq!((engine.value("a").as_deref(), engine.value("b").as_deref()), (Some("2"), Some("2")));
}

fn one_refused_batch_of_a_group_leaves_the_others_alone(engine: &dyn Engine) {
    let (sender, receiver) = std::sync::mpsc::channel();
    for n in 0..50_u64 {
        let sender = sender.clone();
        let key = if n % 2 == 0 { "a".to_owned() } else { format!("free{n}") };
        let request = Request::Commit(Batch::one(Op::set(key, json("4"))));
        engine.submit(request, Box::new(move |reply| sender.send((n, reply.map(drop))).unwrap_or(())));
    }
    drop(sender);
    for (n, result) in receiver {
        let expected = if n % 2 == 0 { Some(Code::Conflict) } else { None };
        assert_eq!(code_of(result), expected, "{n}");
    }
    assert_eq!(engine.keys(&KeyRange::prefix("free")).len(), 25);
}

pub fn ranges_and_held_keys_exclude_each_other(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = &**lease.engine();
    engine.run(["a/1", "b/1", "c/1"].map(|key| Op::set(key, json("1"))));
    prepare(engine, 1, Op::set("a/2", json("2")));
    prepare(engine, 2, clear("b/"));
    assert_eq!(refusal(engine, clear("a/")), Some(Code::Conflict), "a held key, not there yet");
    assert_eq!(refusal(engine, clear("b/x")), Some(Code::Conflict), "inside a held range");
    assert_eq!(refusal(engine, clear("")), Some(Code::Conflict));
    assert_eq!(refusal(engine, Op::set("b/9", json("3"))), Some(Code::Conflict));
    assert_eq!(refusal(engine, [clear("c/"), Op::set("b", json("3")), Op::set("b0", json("3"))]), None);
    assert_eq!(refusal(engine, Op::delete_range(keyspace::models()).in_space(Space::Internal)), None);
    assert_eq!(standing(engine), [1, 2], "what clears the models' keys leaves intents alone");
    assert_eq!(engine.keys(&KeyRange::all()), ["a/1", "b", "b/1", "b0"]);
    assert!(resolve(engine, 2, Decision::Apply));
    assert!(resolve(engine, 1, Decision::Apply));
    assert_eq!(engine.keys(&KeyRange::all()), ["a/1", "a/2", "b", "b0"]);
    assert_eq!(refusal(engine, clear("")), None);
}

pub fn a_second_intent_on_a_held_key_is_refused(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = &**lease.engine();
    prepare(engine, 1, [Op::set("a", json("1")), clear("r/")]);
    for op in
        [Op::set("a", json("2")), Op::add("a", 1.0), clear("a"), Op::set("r/1", json("2")), clear("r/1"), clear("")]
    {
        let refused = engine.prepare(id(2), Batch::of([Op::set("b", json("2")), op]));
        assert_eq!(code_of(refused), Some(Code::Conflict));
    }
    assert_eq!(standing(engine), [1]);
    assert_eq!(refusal(engine, Op::set("b", json("3"))), None);
    assert!(resolve(engine, 1, Decision::Drop));
    prepare(engine, 2, Op::set("a", json("2")));
    assert!(resolve(engine, 2, Decision::Apply));
    assert_eq!(engine.value("a").as_deref(), Some("2"));
}

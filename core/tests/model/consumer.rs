//! The names and cursors of durable consumers, on every engine that has a change log.

use std::sync::Arc;

use holdfast_core::engine::{Engine, EngineExt};
use holdfast_core::error::{Code, Result};
use holdfast_core::key::Space;
use holdfast_core::keyspace::CONSUMER;
use holdfast_core::model::Reply;
use holdfast_core::testing::{Calls, code_of, ok};
use holdfast_core::{Batch, KeyRange, Op, Value};
use serde_json::{Value as Json, json};

use super::support::{Asked, Engines, custom};

/// Makes a request, whose answer is one text.
fn ask(engine: &Arc<dyn Engine>, request: &Json) -> Result<Json> {
    let (_, reply) = Asked::start(engine, &json!({ "consumer": request }).to_string());
    match reply? {
        Reply::Text(text) => Ok(serde_json::from_slice(&text).unwrap()),
        other => panic!("{other:?}"),
    }
}

fn claim(engine: &Arc<dyn Engine>, token: &str, dead: Option<(&str, u64)>) -> Json {
    let dead = dead.map(|(token, beat)| json!({ "token": token, "beat": beat }));
    ok(ask(
        engine,
        &json!({ "claim": { "name": "mail", "token": token, "host": "here", "pid": 1, "timeout": 9, "dead": dead } }),
    ))
}

fn keep(engine: &Arc<dyn Engine>, token: &str, cursor: Option<&str>) -> Json {
    ok(ask(engine, &json!({ "keep": { "name": "mail", "token": token, "cursor": cursor } })))
}

fn release(engine: &Arc<dyn Engine>, token: &str, forget: bool) -> Json {
    ok(ask(engine, &json!({ "release": { "name": "mail", "token": token, "forget": forget } })))
}

fn on_each(test: impl Fn(&str, &Arc<dyn Engine>)) {
    let engines = Engines::open();
    for (name, lease) in engines.each.iter().filter(|(name, _)| *name != "custom") {
        test(name, lease.engine());
    }
}

#[test]
fn of_two_consumers_of_a_name_one_is_at_work() {
    on_each(|name, engine| {
        let (one, two) = (format!("{name}-1"), format!("{name}-2"));
        assert_eq!(claim(engine, &one, None), json!({ "cursor": null, "holder": null }));
        let found = claim(engine, &two, None);
        assert_eq!(
            found["holder"],
            json!({ "token": one, "beat": 0, "host": "here", "pid": 1, "timeout": 9, "own": true }),
            "{name}"
        );
        assert_eq!(keep(engine, &one, Some("5.2")), true);
        assert_eq!(keep(engine, &two, Some("9")), false, "{name}");
        assert_eq!(claim(engine, &two, None)["holder"]["beat"], 1);
        assert_eq!(release(engine, &one, false), true);
        assert_eq!(claim(engine, &two, None), json!({ "cursor": "5.2", "holder": null }), "{name}");
        assert_eq!(keep(engine, &one, Some("9")), false);
        assert_eq!(release(engine, &one, false), false, "{name}: the name is another one's");
        assert_eq!(keep(engine, &two, None), true);
        release(engine, &two, false);
    });
}

#[test]
fn a_holder_that_was_taken_for_dead_writes_no_more() {
    on_each(|name, engine| {
        let (one, two) = (format!("{name}-a"), format!("{name}-b"));
        claim(engine, &one, None);
        keep(engine, &one, Some("1"));
        // The sign is an old one: the holder has given another since.
        assert_eq!(claim(engine, &two, Some((&one, 0)))["holder"]["token"], *one, "{name}");
        assert_eq!(claim(engine, &two, Some((&one, 1))), json!({ "cursor": "1", "holder": null }), "{name}");
        assert_eq!(keep(engine, &one, Some("2")), false, "{name}");
        assert_eq!(keep(engine, &one, None), false, "{name}");
        assert_eq!(keep(engine, &two, Some("3")), true);
        release(engine, &two, false);
    });
}

#[test]
fn a_holder_of_another_process_is_dead_where_no_other_process_can_be() {
    on_each(|name, engine| {
        let holder =
            json!({ "process": "other", "token": "theirs", "host": "there", "pid": 7, "timeout": 9, "beat": 3 });
        let text = json!({ "cursor": "4", "holder": holder }).to_string();
        let set = Op::set([CONSUMER, b"mail"].concat(), Value::json(text)).in_space(Space::Internal);
        engine.run(set);
        let mine = format!("{name}-mine");
        let found = claim(engine, &mine, None);
        if engine.capabilities().multi_process {
            let seen = json!({ "token": "theirs", "beat": 3, "host": "there", "pid": 7, "timeout": 9, "own": false });
            assert_eq!(found, json!({ "cursor": "4", "holder": seen }), "{name}");
            assert_eq!(claim(engine, &mine, Some(("theirs", 3)))["holder"], Json::Null, "{name}");
        } else {
            assert_eq!(found, json!({ "cursor": "4", "holder": null }), "{name}");
        }
        release(engine, &mine, false);
    });
}

#[test]
fn clear_keeps_a_cursor_and_forget_removes_it() {
    on_each(|name, engine| {
        let token = format!("{name}-f");
        claim(engine, &token, None);
        keep(engine, &token, Some("1"));
        engine.run(Op::delete_range(KeyRange::all()));
        engine.run(Op::delete_range(holdfast_core::keyspace::models()).in_space(Space::Internal));
        release(engine, &token, false);
        assert_eq!(claim(engine, &token, None)["cursor"], "1", "{name}");
        assert_eq!(release(engine, &token, true), true);
        assert_eq!(claim(engine, &token, None)["cursor"], Json::Null, "{name}");
        release(engine, &token, true);
        assert!(!engine.has_in(Space::Internal, "\0consumer/mail"), "{name}");
    });
}

#[test]
fn a_cursor_passes_commits_that_do_not_match() {
    on_each(|name, engine| {
        engine.start_log();
        let start = engine.run(Batch::default()).seq;
        let advance = |cursor: &str| ok(ask(engine, &json!({ "advance": { "cursor": cursor, "pattern": "mail:*" } })));
        for number in 0..5 {
            engine.set("other", &number.to_string());
        }
        let passed = advance(&start.to_string());
        let latest = ok(engine.stats()).commit.unwrap();
        assert_eq!(passed, json!({ "cursor": latest.to_string(), "lag": 0 }), "{name}");
        let seq = engine.run([Op::set("mail:1", Value::json("1")), Op::set("mail:2", Value::json("1"))]).seq;
        engine.set("other", "9");
        let lag = ok(engine.stats()).commit.unwrap() - seq + 1;
        let before = json!({ "cursor": (seq - 1).to_string(), "lag": lag });
        assert_eq!(advance(&start.to_string()), before, "{name}");
        let inside = format!("{seq}.1");
        assert_eq!(advance(&inside), json!({ "cursor": inside, "lag": lag }), "{name}: the rest of the commit is left");
        assert_eq!(advance(&format!("{seq}.2"))["lag"], 0, "{name}: nothing of the commit is left");
        assert_eq!(
            code_of(ask(engine, &json!({ "advance": { "cursor": "x", "pattern": "*" } }))),
            Some(Code::InvalidArgument)
        );
    });
}

#[test]
fn a_damaged_record_is_told() {
    on_each(|name, engine| {
        let set = Op::set([CONSUMER, b"bad"].concat(), Value::json("{\"cursor\":7}")).in_space(Space::Internal);
        engine.run(set);
        let request = json!({ "claim": { "name": "bad", "token": "t", "host": "h", "pid": 1, "timeout": 9 } });
        assert_eq!(code_of(ask(engine, &request)), Some(Code::Corrupted), "{name}");
    });
}

#[test]
fn an_engine_without_a_change_log_has_no_consumers() {
    let request = json!({ "claim": { "name": "mail", "token": "t", "host": "h", "pid": 1, "timeout": 9 } });
    assert_eq!(code_of(ask(&custom(true), &request)), Some(Code::NotSupported));
}

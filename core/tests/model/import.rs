//! What an import takes, refuses and leaves.

use std::sync::Arc;

use holdfast_core::EngineExt as _;
use holdfast_core::engine::memory::{self, Eviction, MemoryOptions};
use holdfast_core::engine::{self, Engine, Request};
use holdfast_core::error::Code;
use holdfast_core::key::KeyRange;
use holdfast_core::model::Reply;
use holdfast_core::testing::{Calls, code_of, ok};
use serde_json::{Value as Json, json};

use super::support::{Asked, Engines, IMPORT, custom, export, import, memory};

/// Numbers of lines and codes of what was refused.
fn refused(outcome: &Json) -> Vec<(u64, &str)> {
    let refused = outcome["refused"].as_array().unwrap();
    refused.iter().map(|line| (line["line"].as_u64().unwrap(), line["code"].as_str().unwrap())).collect()
}

fn count(engine: &Arc<dyn Engine>) -> u64 {
    match ok(engine.wait(Request::Count(KeyRange::all()))) {
        engine::Reply::Count(count) => count,
        _ => panic!("not a count"),
    }
}

fn numbered(from: u64, to: u64) -> String {
    (from..to).map(|n| format!("{{\"key\":\"k{n:07}\",\"value\":{n}}}\n")).collect()
}

#[test]
fn each_kind_of_line_has_its_answer() {
    let lines = [
        &b"\xef\xbb\xbf{\"key\":\"bom\",\"value\":1}\r\n"[..], // 1
        b"\n",
        b" \t\r\n",
        b"{\"key\":\"a\",\"value\":1\n", // 4
        b"{\"key\":\"a\",\"value\":\"\xff\"}\n",
        b"\xef\xbb\xbf{\"key\":\"a\",\"value\":1}\n",
        b"{\"key\":\"docs/a\",\"value\":1}\n", // 7
        b"{\"key\":\"\",\"value\":1}\n",
        b"{\"key\":\"\\ud800\",\"value\":1}\n",
        b"{\"key\":1,\"value\":1}\n", // 10
        b"{\"key\":\"a\"}\n",
        b"{\"key\":\"a\",\"value\":1,\"other\":1}\n",
        b"{\"key\":\"a\",\"value\":1,\"expiresAt\":\"soon\"}\n", // 13
        b"[]\n",
        b"{\"key\":\"twice\",\"value\":1}\n",
        b"{\"key\":\"twice\",\"value\":2}\n", // 16
        b"{\"key\":\"long\",\"value\":\"xxxxxxxxxxxxxxxxxxxx\"}\n",
        b"{\"key\":\"noted\",\"value\":1,\"metadata\":\"xxxxxxxxxxxxxxxxxxxx\"}\n",
        b"{\"key\":\"last\",\"value\":\"\\ud800\"}", // 19, without an end
    ]
    .concat();
    let request = r#"{"transfer":{"import":{"format":"jsonl","maxValueBytes":20}}}"#;
    for chunk in [1, 7, lines.len()] {
        let engine = memory();
        let call = Asked::open(&engine, request);
        for piece in lines.chunks(chunk) {
            assert_eq!(ok(call.write(piece)), Reply::Nothing);
        }
        let outcome = super::support::outcome(&call);
        assert_eq!(outcome["imported"], 4);
        let (argument, key, large) = ("INVALID_ARGUMENT", "INVALID_KEY", "VALUE_TOO_LARGE");
        let expected = [
            (4, argument),
            (5, argument),
            (6, argument),
            (7, key),
            (8, key),
            (9, key),
            (10, argument),
            (11, argument),
            (12, argument),
            (13, argument),
            (14, argument),
            (17, large),
            (18, large),
        ];
        assert_eq!(refused(&outcome), expected);
        let bad = outcome["refused"].as_array().unwrap();
        assert_eq!(bad[3]["key"], "docs/a");
        assert_eq!(bad[4]["key"], Json::Null);
        assert_eq!(bad[9]["key"], "a");
        assert_eq!(
            export(&engine),
            "{\"key\":\"bom\",\"value\":1}\n{\"key\":\"last\",\"value\":\"\\ud800\"}\n{\"key\":\"twice\",\"value\":2}\n"
        );
    }
}

#[test]
fn a_line_longer_than_any_record_is_passed_over() {
    let engine = memory();
    let request = r#"{"transfer":{"import":{"format":"jsonl","maxValueBytes":10}}}"#;
    let long = format!("{{\"key\":\"long\",\"value\":\"{}\"}}\n{{\"key\":\"b\",\"value\":1}}\n", "x".repeat(1 << 20));
    let outcome = import(&engine, request, long.as_bytes());
    assert_eq!(refused(&outcome), [(1, "VALUE_TOO_LARGE")]);
    assert_eq!(outcome["refused"][0].get("key"), None);
    assert_eq!(engine.keys(&KeyRange::all()), ["b"]);
}

#[test]
fn a_prefix_is_put_in_front_of_every_key() {
    let engine = memory();
    let request = |prefix: &str| {
        json!({ "transfer": { "import": { "format": "jsonl", "maxValueBytes": 99, "prefix": prefix } } }).to_string()
    };
    let lines = b"{\"key\":\"a/1\",\"value\":1}\n{\"key\":\"docs/1\",\"value\":1}\n";
    assert_eq!(import(&engine, &request("p/"), lines)["imported"], 2);
    assert_eq!(engine.keys(&KeyRange::all()), ["p/a/1", "p/docs/1"]);
    assert_eq!(refused(&import(&engine, &request("docs/"), lines)), [(1, "INVALID_KEY"), (2, "INVALID_KEY")]);
    let long = "x".repeat(4095);
    assert_eq!(refused(&import(&engine, &request(&long), lines)), [(1, "INVALID_KEY"), (2, "INVALID_KEY")]);
}

#[test]
fn what_an_engine_does_not_keep_is_refused_alone() {
    let lines = b"{\"key\":\"a\",\"value\":1}\n{\"key\":\"b\",\"value\":1,\"metadata\":1}\n\
        {\"key\":\"c\",\"value\":1,\"expiresAt\":9000000000000}\n{\"key\":\".holdfast~00\",\"value\":1}\n\
        {\"key\":\"d\",\"value\":1}\n";
    let engine = custom(false);
    let outcome = import(&engine, IMPORT, lines);
    assert_eq!(refused(&outcome), [(2, "NOT_SUPPORTED"), (3, "NOT_SUPPORTED"), (4, "INVALID_KEY")]);
    assert_eq!(outcome["refused"][0]["key"], "b");
    assert_eq!(engine.keys(&KeyRange::all()), ["a", "d"]);
}

#[test]
fn a_failure_of_the_engine_ends_the_import_and_tells_what_is_there() {
    let engine = memory::open(MemoryOptions { max_bytes: Some(1_000_000), eviction: Eviction::None });
    let call = Asked::open(&engine, IMPORT);
    let failed = (0..).find_map(|n| call.write(numbered(n * 1000, (n + 1) * 1000).as_bytes()).err()).unwrap();
    assert_eq!(failed.code(), Code::NoSpace);
    assert_eq!(code_of(call.finish()), Some(Code::NoSpace), "the call is over");
    let told = call.told();
    assert_eq!(told.last(), Some(&None));
    assert_eq!(told[told.len() - 2].unwrap().done, count(&engine));
}

#[test]
fn batches_are_committed_on_the_way_and_stay_when_the_import_is_given_up() {
    for (name, lease) in &Engines::open().each {
        let engine = lease.engine();
        let call = Asked::open(engine, IMPORT);
        for n in 0..10 {
            ok(call.write(numbered(n * 500, (n + 1) * 500).as_bytes()));
        }
        let there = count(engine);
        assert!((4000..=5000).contains(&there), "{name}: {there} of 5000 are there");
        call.call.abort();
        assert_eq!(code_of(call.write(numbered(5000, 9000).as_bytes())), Some(Code::Aborted), "{name}");
        assert_eq!(count(engine), there, "{name}: nothing comes behind the abort");
        let told = call.told();
        assert_eq!(told.last(), Some(&None), "{name}");
        assert_eq!(told[told.len() - 2].unwrap().done, there, "{name}: everything that is there was told");
    }
}

#[test]
fn an_import_that_is_closed_writes_nothing_more() {
    let engine = memory();
    let call = Asked::open(&engine, IMPORT);
    ok(call.write(numbered(0, 10).as_bytes()));
    call.call.close_now(holdfast_core::Error::closed());
    assert_eq!(count(&engine), 0);
    assert_eq!(code_of(call.finish()), Some(Code::Closed));
    assert_eq!(call.told(), [None]);
}

//! Exports and imports over every engine and in transactions.

use std::sync::Arc;

use holdfast_core::engine::Engine;
use holdfast_core::error::Code;
use holdfast_core::key::KeyRange;
use holdfast_core::record::now;
use holdfast_core::testing::{Calls, code_of, ok};
use holdfast_core::transaction::{Options, Transaction};
use serde_json::json;

use super::support::{Asked, EXPORT, Engines, IMPORT, export, import, memory};

/// A line of each type of value, in the order of the keys.
fn lines_of_every_type() -> String {
    let values = [
        "null",
        "true",
        "0",
        "-1.5",
        "1e+21",
        "\"\"",
        "\"456\"",
        "\"a\\n\\\"b\\\"\u{1f600}\"",
        "[1,[2,[]]]",
        "{\"__proto__\":{\"a\":[null]}}",
        "{\"$date\":\"2026-01-02T03:04:05.678Z\"}",
        "{\"$binary\":\"AQI=\"}",
        "[{\"$binary\":\"AQI=\"}]",
        "{\"$number\":\"NaN\"}",
        "{\"$bigint\":\"-123\"}",
        "{\"$map\":[[1,2]]}",
        "{\"$escape\":{\"$date\":1}}",
    ];
    let later = now() + 1_000_000;
    let mut lines = String::new();
    for (at, value) in values.iter().enumerate() {
        lines += &format!("{{\"key\":\"k/{at:03}\",\"value\":{value}");
        if at % 3 == 1 {
            lines += &format!(",\"expiresAt\":{later}");
        }
        if at % 4 == 1 {
            lines += ",\"metadata\":{\"by\":[1,\"x y\"]}";
        }
        lines += "}\n";
    }
    lines + "{\"key\":\"z \\n\\\"\u{e9}\",\"value\":1}\n"
}

fn keys(engine: &Arc<dyn Engine>) -> Vec<String> {
    engine.keys(&KeyRange::all())
}

#[test]
fn every_record_goes_from_every_engine_to_every_engine() {
    let lines = lines_of_every_type();
    let engines = Engines::open();
    for (name, lease) in &engines.each {
        let outcome = import(lease.engine(), IMPORT, lines.as_bytes());
        assert_eq!(outcome, json!({ "imported": 18, "refusedCount": 0, "refused": [] }), "{name}");
        assert_eq!(export(lease.engine()), lines, "{name}");
    }
}

#[test]
fn an_export_has_the_keys_of_its_prefix_outside_the_folders_of_the_models() {
    let engine = memory();
    for key in ["docs/a/1", "docs", "u/a", "u/b", "v"] {
        engine.set(key, "1");
    }
    assert_eq!(export(&engine).lines().count(), 4);
    for (prefix, count) in [("u/", 2), ("docs/a", 0), ("nothing", 0)] {
        let request = json!({ "transfer": { "export": { "format": "jsonl", "prefix": prefix } } });
        let lines = ok(Asked::open(&engine, &request.to_string()).rest(1 << 20));
        assert_eq!(lines.iter().filter(|byte| **byte == b'\n').count(), count, "{prefix}");
    }
}

#[test]
fn an_export_is_one_moment_where_the_engine_has_snapshots() {
    let engines = Engines::open();
    for (name, lease) in &engines.each {
        let engine = lease.engine();
        for n in 0..100 {
            engine.set(&format!("k{n:02}"), "\"before\"");
        }
        let call = Asked::open(engine, EXPORT);
        let mut lines = match ok(call.next(10)) {
            holdfast_core::model::Reply::Bytes(first) => first.to_vec(),
            other => panic!("{other:?}"),
        };
        engine.set("k99", "\"after\"");
        engine.delete("k98");
        lines.extend(ok(call.rest(1000)));
        let lines = String::from_utf8(lines).unwrap();
        if engine.capabilities().snapshots {
            assert_eq!(lines.matches("before").count(), 100, "{name}");
        } else {
            assert!(lines.matches("before").count() >= 98, "{name}");
        }
    }
}

#[test]
fn a_record_larger_than_a_piece_comes_in_several() {
    let engine = memory();
    let text = format!("\"{}\"", "x".repeat(1 << 20));
    engine.set("a", &text);
    engine.set("b", "1");
    let call = Asked::open(&engine, EXPORT);
    let lines = ok(call.rest(1000));
    assert_eq!(lines.len(), format!("{{\"key\":\"a\",\"value\":{text}}}\n{{\"key\":\"b\",\"value\":1}}\n").len());
}

#[test]
fn calls_in_a_transaction_see_it_and_end_with_it() {
    let engines = Engines::open();
    for (name, lease) in &engines.each {
        let engine = lease.engine();
        engine.set("a", "1");
        let transaction = Transaction::new(Options::default(), None);
        let branch = transaction.on(name, engine);
        branch.set("b", "2");
        import(&branch, IMPORT, b"{\"key\":\"c\",\"value\":3}\n");
        assert_eq!(export(&branch).lines().count(), 3, "{name}");
        assert_eq!(keys(engine), ["a"], "{name}: the import waits for the commit");

        let open = Asked::open(&branch, EXPORT);
        let sink = Asked::open(&branch, IMPORT);
        ok(sink.write(b"{\"key\":\"d\",\"value\":4}\n"));
        ok(transaction.wait());
        assert_eq!(keys(engine), ["a", "b", "c"], "{name}");
        assert_eq!(code_of(open.next(10)), Some(Code::TransactionCompleted), "{name}");
        assert_eq!(code_of(sink.finish()), Some(Code::TransactionCompleted), "{name}");
        assert_eq!(keys(engine), ["a", "b", "c"], "{name}");
    }
}

#[test]
fn an_import_into_a_transaction_that_is_rolled_back_leaves_nothing() {
    let engine = memory();
    let transaction = Transaction::new(Options::default(), None);
    let branch = transaction.on("memory", &engine);
    import(&branch, IMPORT, b"{\"key\":\"c\",\"value\":3}\n");
    ok(transaction.rollback());
    assert!(keys(&engine).is_empty());
}

#[test]
fn a_transaction_that_exported_conflicts_with_what_was_written_since() {
    let engine = memory();
    engine.set("a", "1");
    let transaction = Transaction::new(Options::default(), None);
    let branch = transaction.on("memory", &engine);
    export(&branch);
    branch.set("out", "1");
    engine.set("later", "1");
    assert_eq!(code_of(transaction.wait()), Some(Code::Conflict));
}

#[test]
fn a_closed_engine_refuses_the_steps_of_its_calls() {
    for (name, lease) in Engines::open().each {
        let engine = lease.engine().clone();
        let sink = Asked::open(&engine, IMPORT);
        ok(lease.close());
        let written = sink.write(b"{\"key\":\"c\",\"value\":3}\n").and_then(|_| sink.finish());
        assert_eq!(code_of(written), Some(Code::Closed), "{name}");
        assert_eq!(code_of(Asked::start(&engine, EXPORT).1), Some(Code::Closed), "{name}");
    }
}

#[test]
fn what_is_no_request_is_refused() {
    let engine = memory();
    for request in [
        "",
        "{",
        "null",
        "\"transfer\"",
        "{\"transfer\":1}",
        "{\"backup\":{}}",
        "{\"transfer\":{\"export\":{}}}",
        "{\"transfer\":{\"export\":{\"format\":7}}}",
        "{\"transfer\":{\"export\":{\"format\":\"jsonl\",\"secret\":1}}}",
        "{\"transfer\":{\"export\":{\"format\":\"jsonl\",\"format\":\"jsonl\"}}}",
        "{\"transfer\":{\"export\":{\"format\":\"jsonl\"},\"import\":{}}}",
        "{\"transfer\":{\"import\":{\"format\":\"jsonl\"}}}",
        "{\"transfer\":{\"import\":{\"format\":\"jsonl\",\"maxValueBytes\":-1}}}",
        "{\"transfer\":{\"import\":{\"format\":\"jsonl\",\"maxValueBytes\":1.5}}}",
    ] {
        let (asked, reply) = Asked::start(&engine, request);
        let error = reply.unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument, "{request}");
        assert!(!error.message().contains("secret"), "{error}");
        assert_eq!(asked.told(), [None], "the call is over");
    }
    let (_, other) = Asked::start(&engine, "{\"transfer\":{\"export\":{\"format\":\"csv\"}}}");
    let error = other.unwrap_err();
    assert_eq!(error.code(), Code::NotSupported);
    assert!(error.message().contains("'jsonl'"), "{error}");
}

//! Values and what is kept with them.

use bytes::Bytes;

use super::{Fixture, open};
use crate::batch::Op;
use crate::engine::{Read, Reply};
use crate::key::{Key, Space};
use crate::record::now;
use crate::testing::{Calls, compact, json, ok};
use crate::value::Value;

pub fn every_value_comes_back_as_it_went_in(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    let texts = [
        "null",
        "true",
        "false",
        "0",
        "-1",
        "1.5",
        "1e+21",
        "5e-324",
        "12345678901234567890",
        "\"\"",
        "\"a\"",
        "\"null\"",
        "\"456\"",
        "\"a\\nb\"",
        "\"\\u0000\"",
        "\"\\ud800\"",
        "\"\u{1f600}\"",
        "\"{\\\"a\\\":1}\"",
        "[]",
        "{}",
        "[1,[2,[3,[]]]]",
        "{\"a\":{\"b\":[null,true,\"x\"]}}",
        "{\"__proto__\":1}",
        "{\"a\":\"{[,:]}\\\\\\\"\"}",
        "{\"$date\":\"2026-01-02T03:04:05.678Z\"}",
        "{\"$number\":\"NaN\"}",
        "{\"$number\":\"-0\"}",
        "{\"$bigint\":\"123\"}",
        "{\"$map\":[[1,2]]}",
        "{\"$date\":\"not a date\"}",
        "{\"$escape\":{\"$date\":1}}",
        "[{\"$binary\":\"AQI=\"}]",
        "{\"\u{e9}\":\"e\u{301}\"}",
        "\"\u{2028}\"",
    ];
    for (at, text) in texts.iter().enumerate() {
        engine.set(&format!("k{at}"), text);
    }
    for (at, text) in texts.iter().enumerate() {
        assert_eq!(engine.value(&format!("k{at}")).as_deref(), Some(compact(text).as_str()));
    }
    for bytes in [&b""[..], b"\x00", b"\"a\"", b"\xff\xfe\x00", b"null"] {
        let value = Value::Binary(Bytes::copy_from_slice(bytes));
        engine.run(Op::set("b", value.clone()));
        match ok(engine.read(Read::Get(Space::User, Key::from("b")))) {
            Reply::Value(found) => assert_eq!(found, Some(value)),
            _ => panic!("not a value"),
        }
    }
}

pub fn a_large_value_comes_back(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    let text = format!("\"{}\"", "0123456789abcdef".repeat(512 << 10));
    engine.set("large", &text);
    assert!(engine.value("large").as_deref() == Some(text.as_str()));
    engine.set("large", "1");
    assert_eq!(engine.value("large").as_deref(), Some("1"));
}

pub fn an_overwritten_record_keeps_nothing_of_the_old_one(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    let metadata = Bytes::from_static(b"{\"a\":1}");
    engine.run(Op::set("k", json("1")).expiring(now() + 60_000).with_metadata(metadata));
    engine.run(Op::set("k", json("2")));
    let record = engine.entry("k").unwrap_or_else(|| panic!("gone"));
    assert_eq!((record.expires_at, record.metadata), (None, None));
    assert_eq!(record.value, Value::json("2"));
}

pub fn metadata_comes_back(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    let before = now();
    let metadata = Bytes::from_static(b"{\"type\":\"x\",\"__proto__\":1}");
    engine.run(Op::set("k", json("{\"a\":[1,2]}")).with_metadata(metadata.clone()));
    let record = engine.entry("k").unwrap_or_else(|| panic!("gone"));
    assert_eq!(record.metadata, Some(metadata));
    let created = record.created_at.unwrap_or_else(|| panic!("a key set with metadata has times"));
    assert!((before..=now()).contains(&created));
    if engine.capabilities().timestamps {
        engine.set("plain", "1");
        let first = engine.entry("plain").unwrap_or_else(|| panic!("gone"));
        std::thread::sleep(std::time::Duration::from_millis(15));
        engine.set("plain", "2");
        let second = engine.entry("plain").unwrap_or_else(|| panic!("gone"));
        assert_eq!(first.created_at, second.created_at, "created once");
        assert!(second.updated_at > first.updated_at, "updated twice");
    }
}

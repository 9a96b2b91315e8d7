//! Keys: every allowed key is one, and they have an order.

use super::{Fixture, open};
use crate::batch::{Batch, Op};
use crate::engine::{Projection, Read, Reply};
use crate::key::{Key, KeyRange, MAX_KEY_BYTES, Space};
use crate::testing::{Calls, ok};
use crate::value::Value;

/// Short keys that careless engines mix up, refuse or let escape.
#[rustfmt::skip]
const AWKWARD: &[&str] = &[
    "a", "a/b", "A", "a/", "/a", "a//b", "/", "//", ".", "..", "../x", "x", "....//x", "./a", "a/.", "a/..", "con",
    "CON", "nul.txt", "aux/b", "com1", "a.", "a ", " a", " ", "a.json", "a.json/b", "a.tmp", "a:b", "a*b", "a?b",
    "a[b]", "a\\b", "a%b", "a_b", "%", "%41", "%2e%2e", "a|b", "a<b", "a>b", "a\"b", "a'b", "a;b", "~", "~a", "-",
    "--", "_", "__proto__", "constructor", "toString", "a\nb", "a\rb", "a\tb", "a\0b", "\0", "\u{1}", "\u{7f}",
    "\u{e9}", "e\u{301}", "\u{c5}", "\u{212b}", "\u{df}", "ss", "\u{130}", "i", "I", "\u{131}", "\u{1f600}",
    "\u{1f600}/\u{1f601}", "\u{fffd}", "\u{ffff}", "\u{10ffff}", "\u{feff}", "\u{200d}", "\u{202e}abc", ".holdfast",
    ".holdfast/lock", ".holdfast/store.db", "storage", "docs", "docsx", "key", "1", "01", "1.0", "{a}", "{a}b",
    "a{b}c", "$a", "#a", "@a", "&a", "=a", "+a", ",a", "holdfast", "\u{1}0", "\u{1}1",
];

/// Keys that careless engines mix up, refuse or let escape, the longest ones included.
pub(super) fn awkward() -> Vec<String> {
    let mut keys: Vec<String> = AWKWARD.iter().map(ToString::to_string).collect();
    keys.push("k".repeat(MAX_KEY_BYTES));
    keys.push("\u{e9}".repeat(MAX_KEY_BYTES / 2));
    keys.push("A/".repeat(MAX_KEY_BYTES / 2 - 1) + "b");
    keys.push("\0".repeat(MAX_KEY_BYTES));
    keys.push("x".repeat(250));
    keys.push("x".repeat(250) + "/y");
    keys
}

pub fn every_allowed_key_is_a_key_of_its_own(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    let keys = awkward();
    for (at, key) in keys.iter().enumerate() {
        assert!(!engine.has(key), "{key:?} is there before it was set");
        engine.set(key, &at.to_string());
    }
    for (at, key) in keys.iter().enumerate() {
        assert_eq!(engine.value(key), Some(at.to_string()), "{key:?}");
    }
    let mut sorted = keys.clone();
    sorted.sort_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
    assert_eq!(engine.keys(&KeyRange::all()), sorted);
    for (at, key) in keys.iter().enumerate() {
        assert!(engine.delete(key), "{key:?}");
        assert!(!engine.has(key), "{key:?}");
        if let Some(next) = keys.get(at + 1) {
            assert!(engine.has(next), "{next:?} went with {key:?}");
        }
    }
    assert!(engine.keys(&KeyRange::all()).is_empty());
}

pub fn keys_are_ordered_by_their_bytes(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    let mut keys =
        vec!["b", "a/b", "a", "a.b", "a-b", "A", "ab", "a/", "a0", "\u{e9}", "z", "a\0", "\u{ffff}", "\u{10000}"];
    for key in &keys {
        engine.set(key, "1");
    }
    keys.sort_unstable();
    assert_eq!(engine.keys(&KeyRange::all()), keys);
    let backwards = KeyRange { reverse: true, ..KeyRange::all() };
    keys.reverse();
    assert_eq!(engine.keys(&backwards), keys);
}

pub fn internal_keys_are_any_bytes_and_never_seen_by_users(fixture: &dyn Fixture) {
    let lease = open(fixture);
    let engine = lease.engine();
    let names: Vec<Key> = [&b"\x00"[..], b"\x00\xff", b"a", b"\xff\xfe"].map(Key::from_static).to_vec();
    let write = |name: &Key| Op::set(name.clone(), Value::Binary(name.clone())).in_space(Space::Internal);
    engine.run(names.iter().map(write).collect::<Batch>());
    assert!(engine.keys(&KeyRange::all()).is_empty());
    assert!(!engine.has("a"));
    for name in &names {
        match ok(engine.read(Read::Get(Space::Internal, name.clone()))) {
            Reply::Value(value) => assert_eq!(value, Some(Value::Binary(name.clone()))),
            _ => panic!("not a value"),
        }
    }
    let page = ok(engine.look().scan(Space::Internal, &KeyRange::all(), Projection::Keys, None, usize::MAX));
    let found: Vec<Key> = page.entries.into_iter().map(|(key, _)| key).collect();
    assert_eq!(found, names);
    engine.run(Op::delete_range(KeyRange::all()));
    assert!(engine.has_in(Space::Internal, "a"));
}

//! The properties that hold for any bytes, tried on the same few thousand inputs each time. Fuzzing looks for
//! exceptions to the same properties.

#![allow(clippy::panic, reason = "a test fails by panicking")]

#[path = "../fuzz/src/lib.rs"]
mod properties;

use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};

/// Tries a property on inputs made of `words`, which the reader knows, and of other bytes.
fn holds_for_any_bytes(words: &'static [&'static str], property: fn(&[u8])) {
    let config = ProptestConfig {
        cases: 3_000,
        rng_seed: RngSeed::Fixed(0x00c0_ffee),
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let word = prop_oneof![
        8 => prop::sample::select(words).prop_map(|word| word.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 1..9),
        1 => "\\PC{1,4}".prop_map(String::into_bytes),
    ];
    let input = prop::collection::vec(word, 0..10).prop_map(|words| words.concat());
    let outcome = TestRunner::new(config).run(&input, |bytes| {
        property(&bytes);
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

macro_rules! properties {
    ($($test:ident: $property:ident of $words:expr;)*) => {
        $(
            #[test]
            fn $test() {
                holds_for_any_bytes(&$words, properties::$property);
            }
        )*
    };
}

properties! {
    any_text_is_refused_or_a_value: value of [
        "{", "}", "[", "]", ",", ":", "\"", "\"a\"", "\\u00e9", "\\ud800", "\\", "null", "true", "0", "-0", "1.5e3",
        "1e999", " ", "\n", "{\"$binary\":\"AQI=\"}", "{\"$date\":\"2026-01-02T03:04:05.678Z\"}",
        "{\"$number\":\"NaN\"}", "{\"$number\" : \"-0\"}",
    ];
    any_column_is_refused_or_a_value: column of [
        "\0", "\u{1}", "\u{2}", "\u{3}", "\u{4}", "\u{5}", "\u{6}", "null", "true", "-0", "1e999", "NaN", "inf",
        "-Infinity", "0.0", " ", "2026-01-02T03:04:05.678Z", "AQI=", "\"", "\\", "{\"a\":1}", "{\"$number\":\"-0\"}",
        "[]",
    ];
    any_bytes_are_refused_or_a_batch: batch of [
        "\u{1}", "\u{0}", "\u{2}", "\u{3}", "\u{4}", "\u{1}\u{2}\u{1}k", "\u{1}\u{0}\u{1}k\u{1}v",
        "\u{60}\u{1}k\u{1}v\u{7}\u{0}",
    ];
    any_bytes_are_refused_or_an_intent: intent of [
        "\u{1}", "\u{2}", "\u{1}\u{2}\u{1}k", "\u{1}\u{0}\u{1}k\u{1}v", "\0\0\0\0\0\0\0\u{1}\0\0\0\0\0\0\0\u{2}",
        "\0intent/",
    ];
    globs_match_what_their_definition_says: glob of [
        "*", "?", "[", "]", "^", "-", "\\", "a", "b", "\u{e9}", "[a-c]", "[^b]", "\0", "\0ab",
    ];
    versions_have_one_text_each: version of ["0", "1", "f", "8", "F", "+", "-", "0000000", "ffffffffffffffff", " "];
    ranges_hold_what_all_their_bounds_allow: range of [
        "\n", "\0", "\u{1}", "\u{2}", "\u{3}", "\u{4}", "\u{5}", "\u{6}", "a", "b", "a/", "\n\u{5}a", "\n\0a",
    ];
    any_bytes_are_refused_or_a_record_of_leveldb: leveldb of [
        "\u{1}\0", "\u{1}\u{f}", "\u{1}\u{8}", "\u{1}\u{4}", "\0\0\0\0\0\0\0\0", "\u{1}\0\0\0\0\0\0\0", "\u{2}\0\0\0",
        "{}", "x", "x\0\0\0\0\0\0\0\u{1}\0",
    ];
    keys_and_paths_belong_to_each_other: file_name of [
        "a", "A", "/", ".", "..", "%", "%2e", "%2E", ".json", "con", "com1", "nul.", "%63on", "\u{e9}", "e\u{301}", " ",
        ":", "\0", ".tmp-0123456789abcdef",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ];
    any_file_is_refused_or_a_value: file_text of [
        "{", "}", "[", "]", "\"a b\"", "1", " ", "\n", ":", ",", "1\0", " \0", "\"\0", "a\0", "{\0", "}\0",
        "{\"$binary\":\"AQI=\"}", "\u{feff}",
    ];
    any_bytes_are_refused_or_a_record_of_redis: redis of [
        "\u{1}", "\u{1}j", "\u{1}b", " ", "0 ", "12 ", "2 {}", "{}", "null", "app:", "8abc", "-", "1",
    ];
    any_bytes_are_refused_or_a_request_of_a_model: model_request of [
        "{", "}", "\"transfer\":", "\"export\":", "\"import\":", "\"format\":\"jsonl\"", ",", "\"prefix\":\"a\"",
        "\"maxValueBytes\":9", "{\"transfer\":{\"export\":{\"format\":\"jsonl\"", "}}}", "null", "-1", "1e999", "[",
        "]", "{\"transfer\":{\"import\":{\"format\":\"jsonl\",\"maxValueBytes\":18446744073709551615",
        "\"csv\"", "{\"consumer\":{\"advance\":{\"pattern\":\"[\",\"cursor\":\"", "0\"}}}", "9.9\"}}}",
        "{\"consumer\":{\"claim\":{\"name\":\"\",\"host\":\"\",\"pid\":0,\"timeout\":0,\"token\":\"a\"",
        "{\"consumer\":{\"keep\":{\"name\":\"\",\"token\":\"a\"", ",\"cursor\":\"7\"",
        "{\"consumer\":{\"release\":{\"name\":\"\",\"token\":\"a\"", ",\"forget\":true",
    ];
    any_bytes_are_refused_or_a_line: json_line of [
        "{\"key\":\"a\",\"value\":", "1", "}", "{", ",\"expiresAt\":", ",\"metadata\":", "null", "\"\\ud800\"", "1e999",
        "-0.5", "{\"$binary\":\"AQI=\"}", "[ 1 ,\"\\n\"]", " ", "\n", "\u{feff}", ",\"\\u006bey\":\"b\"", "\"x\"",
        "{\"value\":1,\"key\":\"\"", ",\"other\":2",
    ];
    an_import_does_not_depend_on_its_chunks: import of [
        "\u{1}", "\u{7}", "\n", "\r\n", "{\"key\":\"a\",\"value\":1}", "{\"key\":\"b\",\"value\":\"", "\"}",
        ",\"metadata\":[ 1 ]}", "{\"key\":\"docs/a\",\"value\":1}", "\u{feff}", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "{\"key\":\"c\",\"value\":{ \"$date\" : 1}", "}\n", ",\"expiresAt\":9e12}\n",
    ];
    any_bytes_are_refused_or_a_transaction_log: transaction_log of [
        "HFTXLOG\0", "\u{1}\0\0\0", "\u{2}\u{7}", "\u{5}\0", "\u{4}\u{1}\0", "\u{3}\u{1}\0", "\u{6}\u{1}\0\u{1}k\u{1}1",
        "\u{4}\u{1}\u{2}\u{1}k", "\u{1}\u{0}0123456789abcdef\u{1}\u{1}a",
        "\u{3}\u{1}\0\u{4}\u{1}\u{2}\u{1}k\u{4}\u{1}\u{2}\u{1}k", "\0\0\0\0",
    ];
}

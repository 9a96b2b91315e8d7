//! One table of every key that the library keeps for itself.
//!
//! An engine has two keyspaces. Users' keys are UTF-8. The models own some folders there, so that other tools can read
//! their records. Keys of the internal keyspace ([`Space::Internal`](crate::Space)) are any bytes:
//!
//! | key | owner | value |
//! |---|---|---|
//! | `\0intent/` log id (u64) number (u64) | `engine::intent` | a write intent of a transaction over several engines |
//! | `\0aside` and the key before | `engine::intent` | a damaged intent that `verify` with repair set aside |
//! | `\0log` | `engine::watch` | the flag of the change log, which is on until the flag expires |
//! | `\0log/` commit number (u64) | `engine::watch` | the changes of one commit |
//! | `\0consumer/` name | `model::consumer` | the cursor of a durable consumer, and who is at work |
//! | `\0store` | `transaction::store_id` | the id of the store (u128), by which transactions know it |
//! | first byte 1 and up | the models | indexes, manifests, markers |
//!
//! Integers are big-endian. `docs/formats/` describes the values. Keys whose first byte is 0 belong to the engine:
//! `clear` leaves them alone, and so does a replacement of the content, except that the change log begins anew.

use std::ops::Bound;

use crate::key::{Key, KeyRange};

/// The first byte of the keys that an engine keeps for itself. The keys of the models start with a greater one.
pub const ENGINE: u8 = 0;

/// The prefix of write intents.
pub const INTENT: &[u8] = b"\0intent/";

/// The prefix of intents that were set aside.
pub const ASIDE: &[u8] = b"\0aside";

/// The key of the change log's flag.
pub const CHANGE_LOG: &[u8] = b"\0log";

/// The prefix of the change log's entries.
pub const CHANGE_LOG_ENTRY: &[u8] = b"\0log/";

/// The prefix of durable consumers.
pub const CONSUMER: &[u8] = b"\0consumer/";

/// The key of the store's id.
pub const STORE_ID: &[u8] = b"\0store";

/// The keys and prefixes of the engines, each with the module that owns it.
pub const TABLE: &[(&[u8], &str)] = &[
    (INTENT, "engine::intent"),
    (ASIDE, "engine::intent"),
    (CHANGE_LOG, "engine::watch"),
    (CHANGE_LOG_ENTRY, "engine::watch"),
    (CONSUMER, "model::consumer"),
    (STORE_ID, "transaction::store_id"),
];

/// The folders of users' keys that belong to models.
///
/// Raw writes there are refused. The memory engine evicts no key of them, because a document without its index entry
/// would be worse than a full store. The test `the_facade_has_the_same_tables` in `core/tests/facade.rs` writes
/// `ts/range/model-folders.ts` from this table.
pub const MODEL_FOLDERS: [&str; 3] = ["docs/", "graphs/", "objects/"];

/// The folder of a model in which a user's key lies; `None` for all other keys.
#[must_use]
pub fn model_folder(key: &[u8]) -> Option<&'static str> {
    MODEL_FOLDERS.into_iter().find(|folder| key.starts_with(folder.as_bytes()))
}

/// The range of the engine's keys in the internal keyspace.
#[must_use]
pub fn engine() -> KeyRange {
    KeyRange { end: Bound::Excluded(Key::from_static(&[ENGINE + 1])), ..KeyRange::all() }
}

/// True if a replacement of the content keeps an internal key: those of the engine, but not the change log's entries.
#[must_use]
pub fn outlives_replacement(key: &[u8]) -> bool {
    key.first().is_none_or(|first| *first == ENGINE) && !key.starts_with(CHANGE_LOG_ENTRY)
}

/// The range of the models' keys in the internal keyspace. `clear` deletes no others there.
#[must_use]
pub fn models() -> KeyRange {
    KeyRange { start: Bound::Included(Key::from_static(&[ENGINE + 1])), ..KeyRange::all() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engines_own_keys_are_apart_from_those_of_the_models() {
        for (key, owner) in TABLE {
            assert_eq!(key.first(), Some(&ENGINE), "{owner}");
            assert!(!models().spans(key), "{owner}");
        }
        assert!(models().spans(b"\x01"));
    }

    #[test]
    fn no_key_of_the_table_can_be_taken_for_another() {
        for (at, (key, _)) in TABLE.iter().enumerate() {
            for (other, owner) in &TABLE[at + 1..] {
                assert_ne!(key, other, "{owner}");
                // The flag of the change log is the start of its entries' prefix; every other pair differs.
                assert!(*key == CHANGE_LOG || !other.starts_with(key), "{owner}");
            }
        }
    }

    #[test]
    fn a_key_lies_in_the_folder_it_starts_with() {
        assert_eq!(model_folder(b"docs/users/1"), Some("docs/"));
        assert_eq!(model_folder(b"docs"), None);
        assert_eq!(model_folder(b"my/docs/1"), None);
    }
}

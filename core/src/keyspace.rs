//! Every key that the library keeps for itself, in one table.
//!
//! An engine has two keyspaces. Users' keys are UTF-8; the models own some folders there, so that other tools can read what they
//! store. Our own keyspace ([`Space::Internal`](crate::Space)) holds any bytes:
//!
//! | key | owner | value |
//! |---|---|---|
//! | `\0intent/` log id (u64) number (u64) | `engine::intent` | a write intent of a transaction over several engines |
//! | `\0aside` and the key it had | `engine::intent` | a damaged intent that `verify` with repair set aside |
//! | `\0log` | `engine::watch` | the flag that switches the change log on; its expiry says until when |
//! | `\0log/` commit number (u64) | `engine::watch` | the changes of one commit |
//! | `\0store` | `transaction::store_id` | the id of the store (u128), by which transactions know it |
//! | first byte 1 and up | the models | indexes, manifests, markers |
//!
//! Integers are big-endian. `docs/formats/` describes the values. Keys whose first byte is 0 belong to the engine: `clear` and
//! a replacement of the content leave them alone.

use std::ops::Bound;

use crate::key::{Key, KeyRange};

/// The first byte of the keys that an engine keeps for itself. Those of the models start with a greater one.
pub const ENGINE: u8 = 0;

/// Write intents lie under this prefix.
pub const INTENT: &[u8] = b"\0intent/";

/// Intents that were set aside lie under this prefix.
pub const ASIDE: &[u8] = b"\0aside";

/// The flag of the change log.
pub const CHANGE_LOG: &[u8] = b"\0log";

/// The entries of the change log lie under this prefix.
pub const CHANGE_LOG_ENTRY: &[u8] = b"\0log/";

/// The id of the store.
pub const STORE_ID: &[u8] = b"\0store";

/// The engines' own keys, each with its owner.
pub const TABLE: &[(&[u8], &str)] = &[
    (INTENT, "engine::intent"),
    (ASIDE, "engine::intent"),
    (CHANGE_LOG, "engine::watch"),
    (CHANGE_LOG_ENTRY, "engine::watch"),
    (STORE_ID, "transaction::store_id"),
];

/// The folders of users' keys that belong to models. Raw writes there are refused, and the memory engine evicts nothing of
/// them: a document without its index entry would be worse than a full store. `ts/range/model-folders.ts` is written from this
/// table, by the test `the_facade_has_the_same_tables` in `core/tests/facade.rs`.
pub const MODEL_FOLDERS: [&str; 3] = ["docs/", "graphs/", "objects/"];

/// The folder of a model that a user key lies in.
#[must_use]
pub fn model_folder(key: &[u8]) -> Option<&'static str> {
    MODEL_FOLDERS.into_iter().find(|folder| key.starts_with(folder.as_bytes()))
}

/// The keys of our keyspace that belong to models: `clear` deletes no others.
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

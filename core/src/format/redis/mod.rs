//! The names and texts of the redis engine on its server. `docs/formats/redis.md` describes them.
//!
//! The name of a user's key is the key prefix and the key. A name of the library's own has a byte behind the prefix
//! that UTF-8 never has, so no user's key has such a name.

mod held;
mod internal_record;
mod layout;
mod replacement;
mod stream;
mod user_record;

use bytes::Bytes;

use crate::error::{Code, Error};
use crate::key::Space;
use crate::record::{Millis, Version};
use crate::value::Value;

pub use held::{held_by, held_mark, intent_name};
pub use internal_record::{internal_record, internal_text};
pub use layout::{Layout, Name, StagedNames};
pub use replacement::{Chunk, Marker, Phase, REPLACEMENT, Replaced};
pub use stream::{Touched, log_entry, log_place, skipped_numbers};
pub use user_record::{Companion, digest, expiry, user_record, user_value, version};

/// A reply that the server kept for a client: the number of the call, then the reply as JSON, whose strings hold no
/// byte beyond ASCII. `None` for another text.
#[must_use]
pub fn kept_reply(text: &[u8]) -> Option<(u64, serde_json::Value)> {
    let space = text.iter().position(|byte| *byte == b' ')?;
    let number = std::str::from_utf8(text.get(..space)?).ok()?.parse().ok()?;
    Some((number, serde_json::from_slice(text.get(space + 1..)?).ok()?))
}

/// The version of the record behind a write that leaves no companion.
#[must_use]
pub fn version_of_write(
    space: Space,
    value: &Value,
    expires_at: Option<Millis>,
    metadata: Option<&Bytes>,
) -> Option<Version> {
    match space {
        Space::User => version(&value.to_text(), expires_at.map(expiry)),
        Space::Internal => version(&internal_text(value, expires_at, metadata), None),
    }
}

/// The error for a digest that is no version, which cannot happen.
fn no_version() -> Error {
    Error::new(Code::Io, "a digest is no version")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_replies_come_back() {
        let (number, reply) = kept_reply(b"17 [0,[4,1,\"2.5\"]]").unwrap();
        assert_eq!((number, reply.to_string().as_str()), (17, "[0,[4,1,\"2.5\"]]"));
        for other in ["", "17", "x []", "17 ", "17 [", "-1 []"] {
            assert!(kept_reply(other.as_bytes()).is_none(), "{other}");
        }
    }
}

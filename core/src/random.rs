//! Numbers that nobody can guess, and that no other process has.

use std::hash::{BuildHasher, Hasher, RandomState};

pub(crate) fn number() -> u64 {
    RandomState::new().build_hasher().finish()
}

use crate::key::{Key, KeyRange, Space};
use crate::record::Version;

/// A condition on one key: it holds if the key has this version now.
///
/// An expired record counts as absent.
///
/// # Examples
///
/// ```
/// use holdfast_core::engine::{EngineExt, memory};
/// use holdfast_core::{Batch, Check, Op, Space, Value};
///
/// let engine = memory::open(memory::MemoryOptions::default());
/// engine.commit(Batch::one(Op::set("k", Value::json("1"))))?;
///
/// let read = engine.view()?.get(Space::User, b"k")?.map(|record| record.version);
/// let swap = Batch::of([Op::set("k", Value::json("2"))]).with_checks([Check::new("k", read)]);
/// engine.commit(swap)?;
/// # Ok::<(), holdfast_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Check {
    /// The keyspace of the key.
    pub space: Space,
    /// The key.
    pub key: Key,
    /// The version that the key must have; `None` if it must be absent.
    pub version: Option<Version>,
}

impl Check {
    /// Holds if a user's key has `version`; with `None`, if it is absent.
    #[must_use]
    pub fn new(key: impl Into<Key>, version: impl Into<Option<Version>>) -> Self {
        Check { space: Space::User, key: key.into(), version: version.into() }
    }

    /// Holds if a user's key is absent.
    #[must_use]
    pub fn absent(key: impl Into<Key>) -> Self {
        Check::new(key, None)
    }

    /// Moves the condition to another keyspace.
    #[must_use]
    pub fn in_space(self, space: Space) -> Self {
        Check { space, ..self }
    }
}

/// A condition on a range: it holds if no commit after `since` touched a key of the range.
///
/// An engine remembers a bounded number of commits. A `since` before them counts as a change.
#[derive(Clone, Debug)]
pub struct RangeCheck {
    /// The keyspace of the keys.
    pub space: Space,
    /// The range. Its direction and its limit mean nothing.
    pub range: KeyRange,
    /// The number of the commit at which the range was read.
    pub since: u64,
}

impl RangeCheck {
    /// Holds if no commit after `since` touched a user's key of `range`.
    #[must_use]
    pub fn new(range: KeyRange, since: u64) -> Self {
        RangeCheck { space: Space::User, range, since }
    }

    /// Moves the condition to another keyspace.
    #[must_use]
    pub fn in_space(self, space: Space) -> Self {
        RangeCheck { space, ..self }
    }
}

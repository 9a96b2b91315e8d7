use bytes::Bytes;

use crate::key::{Key, KeyRange, Space};
use crate::record::Millis;
use crate::value::Value;

/// One write of a [`Batch`](super::Batch).
///
/// # Examples
///
/// ```
/// use holdfast_core::record::now;
/// use holdfast_core::{Op, Space, Value};
///
/// let session = Op::set("sessions/1", Value::json("{}")).expiring(now() + 60_000);
/// let index = Op::set("by-name/ada", Value::json("1")).in_space(Space::Internal);
/// assert_eq!(session.key().map(|(space, _)| space), Some(Space::User));
/// assert_eq!(index.key().map(|(space, _)| space), Some(Space::Internal));
/// ```
#[derive(Clone, Debug)]
pub enum Op {
    /// Writes a whole record. Nothing of an earlier record stays, neither its expiry nor its metadata.
    Set {
        /// The keyspace of the key.
        space: Space,
        /// The key of the record.
        key: Key,
        /// The value of the record.
        value: Value,
        /// The time from which on the key is absent; `None` for never.
        expires_at: Option<Millis>,
        /// The user's metadata as JSON text.
        metadata: Option<Bytes>,
    },
    /// Adds to a number. An absent key counts as 0.
    ///
    /// The batch fails with `INVALID_ARGUMENT` if the key holds another type.
    Add {
        /// The keyspace of the key.
        space: Space,
        /// The key of the number.
        key: Key,
        /// The amount to add; the sum is that of two JavaScript numbers.
        by: f64,
        /// The new expiry; `None` keeps the one that the key has.
        expires_at: Option<Millis>,
        /// The new metadata; `None` keeps what the key has.
        metadata: Option<Bytes>,
    },
    /// Deletes one key. It is no error if the key is absent.
    Delete {
        /// The keyspace of the key.
        space: Space,
        /// The key to delete.
        key: Key,
    },
    /// Deletes the keys of a range. An interval goes at once; a range with a pattern, exceptions or a limit goes key by
    /// key.
    DeleteRange {
        /// The keyspace of the keys.
        space: Space,
        /// The range. [`KeyRange::intervals`] splits one at its exceptions.
        range: KeyRange,
    },
}

impl Op {
    /// Writes `value` under a user's key, without expiry or metadata.
    #[must_use]
    pub fn set(key: impl Into<Key>, value: Value) -> Self {
        Op::Set { space: Space::User, key: key.into(), value, expires_at: None, metadata: None }
    }

    /// Adds `by` to the number under a user's key, whose expiry and metadata stay.
    #[must_use]
    pub fn add(key: impl Into<Key>, by: f64) -> Self {
        Op::Add { space: Space::User, key: key.into(), by, expires_at: None, metadata: None }
    }

    /// Deletes a user's key.
    #[must_use]
    pub fn delete(key: impl Into<Key>) -> Self {
        Op::Delete { space: Space::User, key: key.into() }
    }

    /// Deletes the users' keys of a range.
    #[must_use]
    pub fn delete_range(range: KeyRange) -> Self {
        Op::DeleteRange { space: Space::User, range }
    }

    /// Moves the operation to another keyspace.
    #[must_use]
    pub fn in_space(mut self, to: Space) -> Self {
        match &mut self {
            Op::Set { space, .. }
            | Op::Add { space, .. }
            | Op::Delete { space, .. }
            | Op::DeleteRange { space, .. } => {
                *space = to;
            }
        }
        self
    }

    /// Sets the time from which on the key is absent, in milliseconds since 1970. A delete has no expiry, and stays as
    /// it is.
    #[must_use]
    pub fn expiring(mut self, at: impl Into<Option<Millis>>) -> Self {
        if let Op::Set { expires_at, .. } | Op::Add { expires_at, .. } = &mut self {
            *expires_at = at.into();
        }
        self
    }

    /// Sets the metadata, which is JSON text. A delete has no metadata, and stays as it is.
    #[must_use]
    pub fn with_metadata(mut self, text: impl Into<Option<Bytes>>) -> Self {
        if let Op::Set { metadata, .. } | Op::Add { metadata, .. } = &mut self {
            *metadata = text.into();
        }
        self
    }

    /// The key, unless the operation is of a range.
    #[must_use]
    pub fn key(&self) -> Option<(Space, &Key)> {
        match self {
            Op::Set { space, key, .. } | Op::Add { space, key, .. } | Op::Delete { space, key } => Some((*space, key)),
            Op::DeleteRange { .. } => None,
        }
    }

    /// The size of key, value and metadata, in bytes. A range counts as 0.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Op::Set { key, value, metadata, .. } => key.len() + value.len() + metadata.as_ref().map_or(0, Bytes::len),
            Op::Add { key, metadata, .. } => key.len() + metadata.as_ref().map_or(0, Bytes::len),
            Op::Delete { key, .. } => key.len(),
            Op::DeleteRange { .. } => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constructed_operation_has_every_field_that_was_named() {
        let metadata = Bytes::from_static(b"{}");
        let set = Op::set("k", Value::json("1")).in_space(Space::Internal).expiring(7).with_metadata(metadata.clone());
        let Op::Set { space, key, value, expires_at, metadata: found } = set else { panic!("not a set") };
        assert_eq!((space, key, value), (Space::Internal, Key::from_static(b"k"), Value::json("1")));
        assert_eq!((expires_at, found), (Some(7), Some(metadata.clone())));
        let add = Op::add("n", 2.5).expiring(Some(8)).with_metadata(metadata.clone());
        let Op::Add { space, by, expires_at, metadata: found, .. } = add else { panic!("not an addition") };
        assert_eq!((space, by.to_bits()), (Space::User, 2.5_f64.to_bits()));
        assert_eq!((expires_at, found), (Some(8), Some(metadata)));
    }

    #[test]
    fn a_delete_has_neither_expiry_nor_metadata() {
        let delete = Op::delete("k").expiring(7).with_metadata(Bytes::from_static(b"{}")).in_space(Space::Internal);
        assert!(matches!(delete, Op::Delete { space: Space::Internal, .. }));
        let range = Op::delete_range(KeyRange::prefix("k")).in_space(Space::Internal);
        assert!(matches!(range, Op::DeleteRange { space: Space::Internal, .. }));
    }
}

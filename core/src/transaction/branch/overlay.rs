//! The overlay: the writes of a transaction to one engine, over what it reads there. Its maps are persistent, so a copy
//! copies their roots alone.

use std::ops::Bound;
use std::sync::Arc;

use imbl::OrdMap;

use crate::batch::Op;
use crate::key::{Key, KeyRange, Space};
use crate::record::Record;

/// A key in the transaction's own writes.
pub(super) enum Found<'a> {
    /// It was written.
    Record(&'a Arc<Record>),
    /// It was deleted, alone or with a range.
    Absent,
    /// It was not touched: the engine has it.
    Beneath,
}

type Written = OrdMap<Key, Option<Arc<Record>>>;

#[derive(Clone, Default)]
pub(super) struct Layer {
    /// The latest write of each key; `None` is a delete. A write is newer than every deleted range it lies in.
    written: Written,
    /// Deleted ranges.
    deleted: Arc<Vec<KeyRange>>,
}

#[derive(Clone, Default)]
pub(super) struct Overlay {
    user: Layer,
    internal: Layer,
}

impl Overlay {
    pub(super) fn layer(&self, space: Space) -> &Layer {
        match space {
            Space::User => &self.user,
            Space::Internal => &self.internal,
        }
    }

    pub(super) fn layer_mut(&mut self, space: Space) -> &mut Layer {
        match space {
            Space::User => &mut self.user,
            Space::Internal => &mut self.internal,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.user.is_empty() && self.internal.is_empty()
    }

    /// All writes as the operations of a batch.
    pub(super) fn into_ops(self) -> Vec<Op> {
        let mut ops = Vec::with_capacity(self.user.written.len() + self.internal.written.len());
        for (space, layer) in [(Space::User, self.user), (Space::Internal, self.internal)] {
            ops.extend(layer.deleted.iter().map(|range| Op::DeleteRange { space, range: range.clone() }));
            ops.extend(layer.written.iter().map(|(key, slot)| match slot {
                None => Op::Delete { space, key: key.clone() },
                Some(record) => Op::Set {
                    space,
                    key: key.clone(),
                    value: record.value.clone(),
                    expires_at: record.expires_at,
                    metadata: record.metadata.clone(),
                },
            }));
        }
        ops
    }
}

impl Layer {
    pub(super) fn is_empty(&self) -> bool {
        self.written.is_empty() && self.deleted.is_empty()
    }

    pub(super) fn find(&self, key: &[u8]) -> Found<'_> {
        match self.written.get(key) {
            Some(Some(record)) => Found::Record(record),
            Some(None) => Found::Absent,
            None if self.deleted.iter().any(|range| range.spans(key)) => Found::Absent,
            None => Found::Beneath,
        }
    }

    /// The live record that the transaction wrote; `None` if it did not touch the key.
    pub(super) fn get(&self, key: &[u8]) -> Option<Option<Record>> {
        match self.find(key) {
            Found::Record(record) => Some((!record.has_expired()).then(|| (**record).clone())),
            Found::Absent => Some(None),
            Found::Beneath => None,
        }
    }

    pub(super) fn put(&mut self, key: Key, record: Record) {
        self.written.insert(key, Some(Arc::new(record)));
    }

    pub(super) fn remove(&mut self, key: Key) {
        self.written.insert(key, None);
    }

    pub(super) fn remove_range(&mut self, range: &KeyRange) {
        let gone: Vec<Key> = self.within(range).map(|(key, _)| key.clone()).collect();
        for key in gone {
            self.written.remove(&key);
        }
        Arc::make_mut(&mut self.deleted).push(range.clone());
    }

    /// The writes in the interval of `range`, in its direction.
    pub(super) fn within<'a>(
        &'a self,
        range: &'a KeyRange,
    ) -> Box<dyn Iterator<Item = (&'a Key, Option<&'a Record>)> + 'a> {
        if range.is_empty() {
            return Box::new(std::iter::empty());
        }
        let bound = |bound: &'a Bound<Key>| bound.as_ref().map(AsRef::<[u8]>::as_ref);
        let slots = self.written.range::<_, [u8]>((bound(&range.start), bound(&range.end)));
        let slots = slots.map(|(key, slot)| (key, slot.as_deref()));
        if range.reverse { Box::new(slots.rev()) } else { Box::new(slots) }
    }
}

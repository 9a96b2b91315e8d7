//! What open views still need: the records that later commits overwrote.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::key::{Key, KeyRange, Space};
use crate::record::Record;

/// What a key held before a commit; `None` if it was absent.
type Image = Option<Record>;

/// Later than every commit.
const DECIDED: u64 = u64::MAX;

#[derive(Default)]
pub(super) struct Moments {
    next: u64,
    /// Open views with the commit each stands at.
    views: BTreeMap<u64, u64>,
    /// By key, in the order of the commits that overwrote it.
    images: BTreeMap<(Space, Key), Vec<(u64, Image)>>,
}

impl Moments {
    /// Opens a view at commit `seq`; what it returns names the view.
    pub fn open(&mut self, seq: u64) -> u64 {
        self.next += 1;
        self.views.insert(self.next, seq);
        self.next
    }

    pub fn close(&mut self, view: u64) {
        self.views.remove(&view);
        let oldest = self.views.values().min().copied().unwrap_or(DECIDED - 1);
        self.images.retain(|_, images| {
            images.retain(|(seq, _)| *seq > oldest);
            !images.is_empty()
        });
    }

    /// Notes what a commit decided of a key whose file could not be put in place: every view from that commit on sees it, until the store is
    /// opened again and has finished it.
    pub fn decide(&mut self, key: Key, image: Image) {
        self.images.entry((Space::User, key)).or_default().push((DECIDED, image));
    }

    /// What was decided of a key whose file could not be put in place.
    pub fn decided(&self, key: &Key) -> Option<&Image> {
        self.image(DECIDED - 1, Space::User, key)
    }

    /// True if a commit must keep what it overwrites.
    pub fn any(&self) -> bool {
        !self.views.is_empty()
    }

    /// Keeps what `key` held before commit `seq`.
    pub fn keep(&mut self, seq: u64, space: Space, key: Key, image: Image) {
        self.images.entry((space, key)).or_default().push((seq, image));
    }

    /// What `key` held at commit `seq`, if a later commit overwrote it.
    pub fn image(&self, seq: u64, space: Space, key: &Key) -> Option<&Image> {
        self.images.get(&(space, key.clone()))?.iter().find(|(later, _)| *later > seq).map(|(_, image)| image)
    }

    /// The next key of `range`, in its direction, that was there at commit `seq` and overwritten since.
    pub fn next(&self, seq: u64, space: Space, range: &KeyRange) -> Option<Key> {
        let low = match (&range.start, space) {
            (Bound::Included(key), space) => Bound::Included((space, key.clone())),
            (Bound::Excluded(key), space) => Bound::Excluded((space, key.clone())),
            (Bound::Unbounded, space) => Bound::Included((space, Key::new())),
        };
        let high = match (&range.end, space) {
            (Bound::Included(key), space) => Bound::Included((space, key.clone())),
            (Bound::Excluded(key), space) => Bound::Excluded((space, key.clone())),
            (Bound::Unbounded, Space::User) => Bound::Excluded((Space::Internal, Key::new())),
            (Bound::Unbounded, Space::Internal) => Bound::Unbounded,
        };
        if range.is_empty() {
            return None;
        }
        let mut images = self.images.range((low, high));
        let was_there = |images: &[(u64, Image)]| {
            images.iter().find(|(later, _)| *later > seq).is_some_and(|(_, image)| image.is_some())
        };
        let found = if range.reverse {
            images.rfind(|(_, images)| was_there(images))
        } else {
            images.find(|(_, images)| was_there(images))
        };
        found.map(|((_, key), _)| key.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;

    fn record(text: &'static str) -> Record {
        Record::bare(Value::json(text), None)
    }

    #[test]
    fn a_view_sees_the_first_image_after_it() {
        let mut moments = Moments::default();
        let key = Key::from_static(b"k");
        moments.open(5);
        moments.keep(6, Space::User, key.clone(), Some(record("1")));
        moments.keep(7, Space::User, key.clone(), Some(record("2")));
        assert_eq!(moments.image(5, Space::User, &key), Some(&Some(record("1"))));
        assert_eq!(moments.image(6, Space::User, &key), Some(&Some(record("2"))));
        assert_eq!(moments.image(7, Space::User, &key), None);
        assert_eq!(moments.image(5, Space::Internal, &key), None);
    }

    #[test]
    fn what_was_decided_outlives_the_views_and_yields_to_what_they_saw() {
        let mut moments = Moments::default();
        let key = Key::from_static(b"k");
        let old = moments.open(5);
        moments.keep(6, Space::User, key.clone(), None);
        moments.decide(key.clone(), Some(record("2")));
        assert_eq!(moments.image(5, Space::User, &key), Some(&None));
        assert_eq!(moments.image(6, Space::User, &key), Some(&Some(record("2"))));
        moments.close(old);
        assert_eq!(moments.decided(&key), Some(&Some(record("2"))));
    }

    #[test]
    fn images_go_with_the_views_that_need_them() {
        let mut moments = Moments::default();
        let key = Key::from_static(b"k");
        let old = moments.open(5);
        let new = moments.open(6);
        moments.keep(6, Space::User, key.clone(), None);
        moments.close(old);
        assert!(moments.images.is_empty());
        moments.keep(7, Space::User, key, None);
        moments.close(new);
        assert!(moments.images.is_empty() && !moments.any());
    }
}

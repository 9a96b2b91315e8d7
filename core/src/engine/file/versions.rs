//! Multi-version concurrency control: the number of the latest commit, the lock that makes several files one moment,
//! and the old versions that open views still need.
//!
//! Two locks, in this order. The lock of the files is held for reading by whoever looks at several files as one moment
//! ([`Reading`]), and for writing while a commit puts its files in place ([`Installing`]). The lock of the old versions
//! is private; each call holds it for itself and calls nothing else meanwhile.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::fault;
use crate::error::Result;
use crate::key::{Key, KeyRange, Space};
use crate::record::Record;

/// The record of a key at one time; `None` if it was absent.
type Image = Option<Record>;

/// Later than every commit.
const AFTER_ALL: u64 = u64::MAX;

pub(super) struct Versions {
    /// The number of the latest commit.
    seq: AtomicU64,
    /// The commit that replaced the whole content last.
    replaced: AtomicU64,
    files: RwLock<()>,
    old: Mutex<OldVersions>,
}

/// The right to put files in place. There is one for each store, and only the owner of the writer's lock has it: so the
/// writer's lock is always taken before that of the files.
pub(super) struct InstallRight(());

/// An open view.
#[derive(Clone, Copy)]
pub(super) struct ViewId {
    id: u64,
    seq: u64,
}

impl ViewId {
    /// The commit that the view stands at.
    pub(super) fn seq(self) -> u64 {
        self.seq
    }
}

impl Versions {
    /// The versions of a store that stands at commit `seq`.
    pub(super) fn new(seq: u64) -> (Self, InstallRight) {
        let (files, old) = (RwLock::new(()), Mutex::default());
        let versions = Versions { seq: AtomicU64::new(seq), replaced: AtomicU64::new(0), files, old };
        (versions, InstallRight(()))
    }

    pub(super) fn seq(&self) -> u64 {
        self.seq.load(Ordering::Acquire)
    }

    /// Waits until no commit puts files in place.
    pub(super) fn read(&self) -> Reading<'_> {
        Reading { versions: self, _files: self.files.read() }
    }

    /// The same without waiting.
    pub(super) fn try_read(&self) -> Option<Reading<'_>> {
        Some(Reading { versions: self, _files: self.files.try_read()? })
    }

    /// Waits until nobody reads several files as one moment.
    pub(super) fn begin_install(&self, _right: &InstallRight) -> Installing<'_> {
        Installing { versions: self, _files: self.files.write() }
    }

    /// The same without waiting.
    pub(super) fn try_begin_install(&self, _right: &InstallRight) -> Option<Installing<'_>> {
        Some(Installing { versions: self, _files: self.files.try_write()? })
    }

    /// The record that the last commit left in `key`, if it could not put the file in place.
    pub(super) fn after_image(&self, key: &Key) -> Option<Image> {
        self.old.lock().image(AFTER_ALL - 1, Space::User, key).cloned()
    }

    pub(super) fn close_view(&self, view: ViewId) {
        self.old.lock().close(view.id);
    }
}

/// While this is held no commit puts a file in place.
pub(super) struct Reading<'a> {
    versions: &'a Versions,
    _files: RwLockReadGuard<'a, ()>,
}

impl Reading<'_> {
    /// Opens a view of this moment.
    pub(super) fn open_view(&self) -> ViewId {
        let seq = self.versions.seq();
        ViewId { id: self.versions.old.lock().open(seq), seq }
    }

    /// CONFLICT if the content of the view's moment was replaced.
    pub(super) fn check_view(&self, view: ViewId) -> Result<()> {
        if view.seq < self.versions.replaced.load(Ordering::Acquire) { Err(fault::content_replaced()) } else { Ok(()) }
    }

    /// The record of `key` at the view's moment, if a later commit overwrote it.
    pub(super) fn image(&self, view: ViewId, space: Space, key: &Key) -> Option<Image> {
        self.versions.old.lock().image(view.seq, space, key).cloned()
    }

    /// The next key of `range`, in its direction, that was there at the view's moment and overwritten since.
    pub(super) fn next_key(&self, view: ViewId, space: Space, range: &KeyRange) -> Option<Key> {
        self.versions.old.lock().next(view.seq, space, range)
    }
}

/// While this is held a commit puts its files in place, and nobody reads several files as one moment.
pub(super) struct Installing<'a> {
    versions: &'a Versions,
    _files: RwLockWriteGuard<'a, ()>,
}

impl Installing<'_> {
    /// True if the commit must keep what it overwrites.
    pub(super) fn has_views(&self) -> bool {
        !self.versions.old.lock().views.is_empty()
    }

    /// Keeps the record of `key` before commit `seq`, for the views that are still open.
    pub(super) fn keep_before_image(&self, seq: u64, space: Space, key: Key, image: Image) {
        let mut old = self.versions.old.lock();
        if !old.views.is_empty() {
            old.keep(seq, space, key, image);
        }
    }

    /// Keeps the record that the commit left in a user key whose file could not be put in place. Every view from this
    /// commit on reads it, until the store is opened again and the file is in place.
    pub(super) fn keep_after_image(&self, key: Key, image: Image) {
        self.versions.old.lock().keep(AFTER_ALL, Space::User, key, image);
    }

    /// Makes `seq` the number of the latest commit.
    pub(super) fn finish(self, seq: u64) {
        self.versions.seq.store(seq, Ordering::Release);
    }

    /// Makes `seq` the number of the latest commit, which replaced the whole content. Earlier views show nothing more.
    pub(super) fn finish_replacement(self, seq: u64) {
        self.versions.old.lock().images.clear();
        self.versions.replaced.store(seq, Ordering::Release);
        self.finish(seq);
    }
}

#[derive(Default)]
struct OldVersions {
    last_view: u64,
    /// Open views with the commit that each stands at.
    views: BTreeMap<u64, u64>,
    /// By key, in the order of the commits that overwrote it.
    images: BTreeMap<(Space, Key), Vec<(u64, Image)>>,
}

impl OldVersions {
    /// Opens a view at commit `seq`; returns its id.
    fn open(&mut self, seq: u64) -> u64 {
        self.last_view += 1;
        self.views.insert(self.last_view, seq);
        self.last_view
    }

    /// Closes a view. Images that no other view needs go.
    fn close(&mut self, view: u64) {
        self.views.remove(&view);
        let oldest = self.views.values().min().copied().unwrap_or(AFTER_ALL - 1);
        self.images.retain(|_, images| {
            images.retain(|(seq, _)| *seq > oldest);
            !images.is_empty()
        });
    }

    fn keep(&mut self, seq: u64, space: Space, key: Key, image: Image) {
        self.images.entry((space, key)).or_default().push((seq, image));
    }

    /// The record of `key` at commit `seq`, if a later commit overwrote it.
    fn image(&self, seq: u64, space: Space, key: &Key) -> Option<&Image> {
        first_after(seq, self.images.get(&(space, key.clone()))?)
    }

    fn next(&self, seq: u64, space: Space, range: &KeyRange) -> Option<Key> {
        if range.is_empty() {
            return None;
        }
        let low = match &range.start {
            Bound::Included(key) => Bound::Included((space, key.clone())),
            Bound::Excluded(key) => Bound::Excluded((space, key.clone())),
            Bound::Unbounded => Bound::Included((space, Key::new())),
        };
        let high = match (&range.end, space) {
            (Bound::Included(key), space) => Bound::Included((space, key.clone())),
            (Bound::Excluded(key), space) => Bound::Excluded((space, key.clone())),
            (Bound::Unbounded, Space::User) => Bound::Excluded((Space::Internal, Key::new())),
            (Bound::Unbounded, Space::Internal) => Bound::Unbounded,
        };
        let mut images = self.images.range((low, high));
        let was_there = |images: &[(u64, Image)]| first_after(seq, images).is_some_and(Option::is_some);
        let found = if range.reverse {
            images.rfind(|(_, images)| was_there(images))
        } else {
            images.find(|(_, images)| was_there(images))
        };
        found.map(|((_, key), _)| key.clone())
    }
}

/// The image that the first commit after `seq` overwrote.
fn first_after(seq: u64, images: &[(u64, Image)]) -> Option<&Image> {
    images.iter().find(|(later, _)| *later > seq).map(|(_, image)| image)
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
        let mut versions = OldVersions::default();
        let key = Key::from_static(b"k");
        versions.open(5);
        versions.keep(6, Space::User, key.clone(), Some(record("1")));
        versions.keep(7, Space::User, key.clone(), Some(record("2")));
        assert_eq!(versions.image(5, Space::User, &key), Some(&Some(record("1"))));
        assert_eq!(versions.image(6, Space::User, &key), Some(&Some(record("2"))));
        assert_eq!(versions.image(7, Space::User, &key), None);
        assert_eq!(versions.image(5, Space::Internal, &key), None);
    }

    #[test]
    fn what_was_decided_outlives_the_views_and_yields_to_what_they_saw() {
        let (versions, right) = Versions::new(5);
        let key = Key::from_static(b"k");
        let old = versions.read().open_view();
        let installing = versions.begin_install(&right);
        installing.keep_before_image(6, Space::User, key.clone(), None);
        installing.keep_after_image(key.clone(), Some(record("2")));
        installing.finish(6);
        let new = versions.read().open_view();
        assert_eq!(versions.read().image(old, Space::User, &key), Some(None));
        assert_eq!(versions.read().image(new, Space::User, &key), Some(Some(record("2"))));
        versions.close_view(old);
        assert_eq!(versions.after_image(&key), Some(Some(record("2"))));
    }

    #[test]
    fn images_go_with_the_views_that_need_them() {
        let mut versions = OldVersions::default();
        let key = Key::from_static(b"k");
        let old = versions.open(5);
        let new = versions.open(6);
        versions.keep(6, Space::User, key.clone(), None);
        versions.close(old);
        assert!(versions.images.is_empty());
        versions.keep(7, Space::User, key, None);
        versions.close(new);
        assert!(versions.images.is_empty() && versions.views.is_empty());
    }
}

//! A model of a disk: what may be left on it after power loss.
//!
//! Everything that was synced is there. Each other change may be there or not, independently of those before and after
//! it:
//!
//! - A write is there sector by sector (512 bytes), each independently; the length of a file may be there without its
//!   bytes, which then are zeros or the old content of those blocks. Bytes that were not written do not change
//!   (SQLite's "powersafe overwrite", <https://www.sqlite.org/psow.html>, on which SQLite relies as it is built here).
//! - A change of a name (made, removed, renamed) is durable once its folder was synced. Before, any subset of these
//!   changes may be there that keeps the order of the changes of one name. A rename takes effect as one: every file
//!   system that Pillai et al. looked into does so but ext2 ("All File Systems Are Not Created Equal", OSDI 2014,
//!   table 1). It is durable once the folder of its new name was synced.
//! - Syncing a file makes its bytes and its length durable, not its name (fsync(2)). RocksDB's manifest is an
//!   exception: its sync makes its name durable too, as on ext4, XFS, btrfs and F2FS (Mohan et al., "Finding
//!   Crash-Consistency Bugs with Bounded Black-Box Crash Testing", OSDI 2018), because RocksDB renames `CURRENT` to
//!   name a manifest before it syncs the folder that holds both.
//! - After a sync that failed the system takes the bytes that it did not write for written (Rebello et al., "Can
//!   Applications Recover from fsync Failures?", ATC 2020): a later sync that succeeds does not cover them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsString;

use super::file::{Edit, File};
use super::tree::Tree;
use super::{Change, Id, Place, ROOT};
use crate::random::Random;

/// The disk as it is, and the part of it that is durable.
#[derive(Clone, Default)]
pub(crate) struct Disk {
    files: HashMap<Id, File>,
    /// The names that are durable.
    folders: HashMap<Id, BTreeMap<OsString, Id>>,
    /// Changes of names that are not, in order.
    names: Vec<NameChange>,
}

#[derive(Clone)]
struct NameChange {
    /// The folder whose sync makes it durable.
    folder: Id,
    sets: Vec<(Place, Option<Id>)>,
}

/// How much is lost in one case.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Harm {
    /// Percent of the changes of names, and of bytes, that are kept.
    names: u64,
    pub(super) data: u64,
    /// Percent of the kept writes that are torn.
    pub(super) torn: u64,
    /// Percent of the lost writes whose length is kept, and of those with old bytes in them.
    pub(super) length: u64,
    pub(super) junk: u64,
}

impl Harm {
    /// Anything between losing all that is not synced and losing nothing.
    pub(crate) fn any(random: &mut Random) -> Self {
        let percent = [0, 0, 15, 50, 85, 100];
        Harm {
            names: random.pick(&percent),
            data: random.pick(&percent),
            torn: random.pick(&[0, 30, 100]),
            length: random.pick(&[0, 50, 100]),
            junk: random.pick(&[0, 0, 50]),
        }
    }
}

impl Disk {
    /// An empty disk.
    #[must_use]
    pub(crate) fn new() -> Self {
        Disk { folders: HashMap::from([(ROOT, BTreeMap::new())]), ..Disk::default() }
    }

    /// Applies one recorded change.
    pub(crate) fn take(&mut self, change: &Change) {
        match change {
            Change::MakeFile { at, id } => {
                self.files.insert(*id, File::default());
                self.rename(at.0, vec![(at.clone(), Some(*id))]);
            }
            Change::MakeFolder { at, id } => {
                self.folders.insert(*id, BTreeMap::new());
                self.rename(at.0, vec![(at.clone(), Some(*id))]);
            }
            Change::Write { id, offset, data } => {
                self.edit(*id, Edit::Write { offset: *offset, data: data.clone() });
            }
            Change::Resize { id, size } => self.edit(*id, Edit::Resize(*size)),
            Change::Grow { id, size } => self.edit(*id, Edit::Grow(*size)),
            Change::Zero { id, offset, length } => self.edit(*id, Edit::Zero { offset: *offset, length: *length }),
            Change::Rename { from, to } => {
                let id = self.current(from);
                self.rename(to.0, vec![(from.clone(), None), (to.clone(), id)]);
            }
            Change::Link { to, id } => self.rename(to.0, vec![(to.clone(), Some(*id))]),
            Change::Remove { at } => self.rename(at.0, vec![(at.clone(), None)]),
            Change::Sync { id } if self.folders.contains_key(id) => self.sync_names(|change| change.folder == *id),
            Change::Sync { id } => {
                self.sync_names(|change| match change.sets.as_slice() {
                    [((_, name), Some(made))] => made == id && name.as_encoded_bytes().starts_with(b"MANIFEST-"),
                    _ => false,
                });
                if let Some(file) = self.files.get_mut(id) {
                    file.sync();
                }
            }
            Change::SyncAll => {
                self.sync_names(|_| true);
                self.files.values_mut().for_each(File::sync);
            }
            // A folder's names stay as they were: not durable.
            Change::SyncFailed { id: Some(id) } => {
                if let Some(file) = self.files.get_mut(id) {
                    file.forget();
                }
            }
            Change::SyncFailed { id: None } => self.files.values_mut().for_each(File::forget),
            Change::Said(_) => {}
        }
    }

    fn rename(&mut self, folder: Id, sets: Vec<(Place, Option<Id>)>) {
        self.names.push(NameChange { folder, sets });
    }

    fn edit(&mut self, id: Id, edit: Edit) {
        self.files.entry(id).or_default().edit(edit);
    }

    /// The file or folder that a name stands for now.
    fn current(&self, place: &Place) -> Option<Id> {
        let latest = self.names.iter().rev().flat_map(|change| change.sets.iter().rev()).find(|(at, _)| at == place);
        match latest {
            Some((_, id)) => *id,
            None => self.folders.get(&place.0)?.get(&place.1).copied(),
        }
    }

    /// Makes changes of names durable, with all earlier changes of the same names.
    fn sync_names(&mut self, is_synced: impl Fn(&NameChange) -> bool) {
        let mut forced: HashSet<Place> = HashSet::new();
        let mut durable = vec![false; self.names.len()];
        for (change, durable) in self.names.iter().zip(&mut durable).rev() {
            *durable = is_synced(change) || change.sets.iter().any(|(place, _)| forced.contains(place));
            if *durable {
                forced.extend(change.sets.iter().map(|(place, _)| place.clone()));
            }
        }
        let changes = std::mem::take(&mut self.names);
        for (change, durable) in changes.into_iter().zip(durable) {
            if durable {
                set_names(&mut self.folders, &change);
            } else {
                self.names.push(change);
            }
        }
    }

    /// A disk that may be left if the power goes now.
    #[must_use]
    pub(crate) fn lose_power(&self, harm: Harm, random: &mut Random) -> Tree {
        let mut folders = self.folders.clone();
        let mut gone: HashSet<&Place> = HashSet::new();
        for change in &self.names {
            let held_back = change.sets.iter().any(|(place, _)| gone.contains(place));
            if !held_back && random.chance(harm.names) {
                set_names(&mut folders, change);
            } else {
                gone.extend(change.sets.iter().map(|(place, _)| place));
            }
        }
        let mut files = HashMap::new();
        let mut ids: Vec<Id> = folders.values().flat_map(|names| names.values().copied()).collect();
        ids.sort_unstable();
        ids.dedup();
        for id in ids {
            if let Some(file) = self.files.get(&id) {
                files.insert(id, file.lose_power(harm, random));
            }
        }
        Tree { folders, files }
    }
}

fn set_names(folders: &mut HashMap<Id, BTreeMap<OsString, Id>>, change: &NameChange) {
    for ((folder, name), id) in &change.sets {
        let Some(names) = folders.get_mut(folder) else { continue };
        match id {
            Some(id) => drop(names.insert(name.clone(), *id)),
            None => drop(names.remove(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    const ALL: Harm = Harm { names: 0, data: 0, torn: 0, length: 0, junk: 0 };
    const NOTHING: Harm = Harm { names: 100, data: 100, torn: 0, length: 0, junk: 0 };

    fn place(name: &str) -> Place {
        (ROOT, name.into())
    }

    fn write(text: &'static str) -> Change {
        Change::Write { id: 1, offset: 0, data: Bytes::from_static(text.as_bytes()) }
    }

    fn left(changes: &[Change], harm: Harm) -> BTreeMap<OsString, Vec<u8>> {
        let mut disk = Disk::new();
        for change in changes {
            disk.take(change);
        }
        let tree = disk.lose_power(harm, &mut Random::of(1, 0));
        let names = tree.folders[&ROOT].iter();
        names.map(|(name, id)| (name.clone(), tree.files[id].clone())).collect()
    }

    #[test]
    fn a_synced_file_without_a_synced_name_is_lost_and_the_other_way_round_empty() {
        let make = Change::MakeFile { at: place("a"), id: 1 };
        let sync = |id| Change::Sync { id };
        assert!(left(&[make.clone(), write("x"), sync(1)], ALL).is_empty());
        assert_eq!(left(&[make.clone(), sync(ROOT), write("x")], ALL)[&OsString::from("a")], b"");
        assert_eq!(left(&[make.clone(), write("x"), sync(1), sync(ROOT)], ALL)[&OsString::from("a")], b"x");
        assert_eq!(left(&[make, write("x")], NOTHING)[&OsString::from("a")], b"x");
    }

    #[test]
    fn a_rename_is_whole_and_needs_the_sync_of_its_folder() {
        let before = [Change::MakeFile { at: place("a"), id: 1 }, write("x"), Change::SyncAll];
        let rename = Change::Rename { from: place("a"), to: place("b") };
        let mut changes = before.to_vec();
        changes.push(rename);
        assert!(left(&changes, ALL).contains_key(&OsString::from("a")));
        changes.push(Change::Sync { id: ROOT });
        let left = left(&changes, ALL);
        assert!(left.len() == 1 && left[&OsString::from("b")] == b"x");
    }

    #[test]
    fn what_a_failed_sync_left_is_not_covered_by_the_next() {
        let before = [Change::MakeFile { at: place("a"), id: 1 }, Change::SyncAll, write("xx")];
        let mut changes = before.to_vec();
        changes.extend([Change::SyncFailed { id: Some(1) }, Change::Sync { id: 1 }]);
        assert_eq!(left(&changes, ALL)[&OsString::from("a")], b"");
        changes.extend([Change::Write { id: 1, offset: 1, data: Bytes::from_static(b"y") }, Change::Sync { id: 1 }]);
        assert_eq!(left(&changes, ALL)[&OsString::from("a")], b"\0y");
    }

    #[test]
    fn a_torn_write_is_old_or_new_in_each_sector() {
        let old = vec![b'o'; 2048];
        let data = Bytes::from(vec![b'n'; 2048]);
        let make = Change::MakeFile { at: place("a"), id: 1 };
        let full = Change::Write { id: 1, offset: 0, data: Bytes::from(old) };
        let changes = [make, full, Change::SyncAll, Change::Write { id: 1, offset: 0, data }];
        let found = left(&changes, Harm { torn: 100, ..NOTHING });
        let sectors: Vec<_> = found[&OsString::from("a")].chunks(512).map(<[u8]>::to_vec).collect();
        assert!(sectors.iter().all(|sector| sector.iter().all(|byte| byte == &sector[0])));
        assert!(sectors.iter().any(|sector| sector[0] == b'o') && sectors.iter().any(|sector| sector[0] == b'n'));
    }
}

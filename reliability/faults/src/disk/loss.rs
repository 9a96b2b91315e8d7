//! What may be left on a disk after power loss.
//!
//! What was synced is there. Of the rest each change may be there or not, whatever came before or after it:
//!
//! - A write is there sector by sector (512 bytes), each independently; the length of a file may be there without its bytes, which then are
//!   zeros or what lay in those blocks before. Bytes that were not written do not change (SQLite's "powersafe overwrite",
//!   <https://www.sqlite.org/psow.html>, on which SQLite relies as it is built here).
//! - A name that was made, removed or renamed is so once its folder was synced. Before, any subset of these changes may be there that keeps the
//!   order of the changes of one name. A rename takes effect as one: every file system that Pillai et al. looked into does so but ext2
//!   ("All File Systems Are Not Created Equal", OSDI 2014, table 1). It is durable once the folder of its new name was synced.
//! - Syncing a file makes its bytes and its length durable, not its name (fsync(2) says so). For RocksDB's manifest alone the name it was made
//!   under too, as ext4, XFS, btrfs and F2FS do it (Mohan et al., "Finding Crash-Consistency Bugs with Bounded Black-Box Crash Testing", OSDI 2018):
//!   it renames `CURRENT` to name a manifest before it syncs the folder that holds both.
//! - After a sync that failed the system takes what was to be written for written (Rebello et al., "Can Applications Recover from fsync Failures?",
//!   ATC 2020): a later sync that succeeds does not cover it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;

use bytes::Bytes;

use super::{Change, Id, Place, ROOT};
use crate::random::Random;

const SECTOR: u64 = 512;

/// The disk as it is, and what of it is durable.
#[derive(Clone, Default)]
pub struct Disk {
    files: HashMap<Id, File>,
    /// The names that are durable.
    folders: HashMap<Id, BTreeMap<OsString, Id>>,
    /// Changes of names that are not, in order.
    names: Vec<NameChange>,
}

#[derive(Clone, Default)]
struct File {
    durable: Vec<u8>,
    /// Changes since, in order.
    pending: Vec<Pending>,
}

#[derive(Clone)]
struct Pending {
    edit: Edit,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Dirty,
    /// Lost to a failed sync, as far as the system knows; perhaps there all the same.
    Forgotten,
    /// There, but something before it is not known to be.
    Durable,
}

#[derive(Clone)]
enum Edit {
    Write { offset: u64, data: Bytes },
    Resize(u64),
    Grow(u64),
    Zero { offset: u64, length: u64 },
}

#[derive(Clone)]
struct NameChange {
    /// The folder whose sync makes it durable.
    folder: Id,
    sets: Vec<(Place, Option<Id>)>,
}

/// How much is lost in one case.
#[derive(Clone, Copy, Debug)]
pub struct Harm {
    /// Percent of the changes of names, and of bytes, that are kept.
    names: u64,
    data: u64,
    /// Percent of the kept writes that are torn.
    torn: u64,
    /// Percent of the lost writes whose length is kept, and of those with old bytes in them.
    length: u64,
    junk: u64,
}

/// What is found after power loss.
pub struct Tree {
    folders: HashMap<Id, BTreeMap<OsString, Id>>,
    files: HashMap<Id, Vec<u8>>,
}

impl Harm {
    /// Anything between losing all that is not synced and losing nothing.
    pub fn any(random: &mut Random) -> Self {
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
    pub fn new() -> Self {
        Disk { folders: HashMap::from([(ROOT, BTreeMap::new())]), ..Disk::default() }
    }

    /// Takes one recorded change in.
    pub fn take(&mut self, change: &Change) {
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
        self.files.entry(id).or_default().pending.push(Pending { edit, state: State::Dirty });
    }

    /// What a name stands for now.
    fn current(&self, place: &Place) -> Option<Id> {
        let latest = self.names.iter().rev().flat_map(|change| change.sets.iter().rev()).find(|(at, _)| at == place);
        match latest {
            Some((_, id)) => *id,
            None => self.folders.get(&place.0)?.get(&place.1).copied(),
        }
    }

    /// Makes changes of names durable, and what was done before to a name among them.
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

    /// What is left when the power goes now.
    #[must_use]
    pub fn lose_power(&self, harm: Harm, random: &mut Random) -> Tree {
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

impl File {
    fn sync(&mut self) {
        for pending in &mut self.pending {
            if pending.state == State::Dirty {
                pending.state = State::Durable;
            }
        }
        let known = self.pending.iter().take_while(|pending| pending.state == State::Durable).count();
        for pending in self.pending.drain(..known) {
            pending.edit.apply(&mut self.durable);
        }
    }

    fn forget(&mut self) {
        for pending in &mut self.pending {
            if pending.state == State::Dirty {
                pending.state = State::Forgotten;
            }
        }
    }

    fn lose_power(&self, harm: Harm, random: &mut Random) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        for Pending { edit, state } in &self.pending {
            if *state == State::Durable {
                edit.apply(&mut bytes);
            } else if random.chance(harm.data) {
                edit.apply_torn(&mut bytes, harm, random);
            } else {
                edit.leave_length(&mut bytes, harm, random);
            }
        }
        bytes
    }
}

impl Edit {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Edit::Write { offset, data } => put(bytes, *offset, data),
            Edit::Resize(size) => bytes.resize(usize::try_from(*size).unwrap_or(0), 0),
            Edit::Grow(size) => grow(bytes, *size),
            Edit::Zero { offset, length } => {
                let end = offset.saturating_add(*length).min(bytes.len() as u64);
                let range = usize::try_from(*offset).unwrap_or(usize::MAX)..usize::try_from(end).unwrap_or(0);
                if let Some(hole) = bytes.get_mut(range) {
                    hole.fill(0);
                }
            }
        }
    }

    /// As it may be once the disk has taken some sectors of it.
    fn apply_torn(&self, bytes: &mut Vec<u8>, harm: Harm, random: &mut Random) {
        let Edit::Write { offset, data } = self else { return self.apply(bytes) };
        if !random.chance(harm.torn) {
            return self.apply(bytes);
        }
        let whole = offset + data.len() as u64;
        if random.chance(50) {
            grow(bytes, whole);
        }
        let mut at = *offset;
        while at < whole {
            let end = ((at / SECTOR + 1) * SECTOR).min(whole);
            let (from, to) = (at - offset, end - offset);
            let piece = usize::try_from(from).unwrap_or(0)..usize::try_from(to).unwrap_or(0);
            if random.chance(50) {
                put(bytes, at, data.get(piece).unwrap_or_default());
            }
            at = end;
        }
    }

    /// The length a lost write may leave, with zeros or old bytes in it.
    fn leave_length(&self, bytes: &mut Vec<u8>, harm: Harm, random: &mut Random) {
        let Edit::Write { offset, data } = self else { return };
        if !random.chance(harm.length) {
            return;
        }
        let from = bytes.len();
        grow(bytes, offset + data.len() as u64);
        if random.chance(harm.junk) {
            for byte in bytes.get_mut(from..).unwrap_or_default() {
                *byte = u8::try_from(random.number() & 0xff).unwrap_or(0);
            }
        }
    }
}

fn grow(bytes: &mut Vec<u8>, size: u64) {
    let size = usize::try_from(size).unwrap_or(0);
    if bytes.len() < size {
        bytes.resize(size, 0);
    }
}

fn put(bytes: &mut Vec<u8>, offset: u64, data: &[u8]) {
    grow(bytes, offset + data.len() as u64);
    let start = usize::try_from(offset).unwrap_or(usize::MAX);
    if let Some(place) = bytes.get_mut(start..).and_then(|rest| rest.get_mut(..data.len())) {
        place.copy_from_slice(data);
    }
}

impl Tree {
    /// Builds it in `root`, a folder that does not exist or may go.
    pub fn build(&self, root: &Path) -> io::Result<()> {
        if root.exists() {
            fs::remove_dir_all(root)?;
        }
        self.folder(ROOT, root)
    }

    fn folder(&self, id: Id, path: &Path) -> io::Result<()> {
        fs::create_dir(path)?;
        for (name, id) in self.folders.get(&id).into_iter().flatten() {
            let path = path.join(name);
            match self.files.get(id) {
                Some(bytes) => fs::write(path, bytes)?,
                None => self.folder(*id, &path)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
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
        changes.iter().for_each(|change| disk.take(change));
        let tree = disk.lose_power(harm, &mut Random::new(1));
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
        let sectors: Vec<_> = found[&OsString::from("a")].chunks(512).map(|sector| sector.to_vec()).collect();
        assert!(sectors.iter().all(|sector| sector.iter().all(|byte| byte == &sector[0])));
        assert!(sectors.iter().any(|sector| sector[0] == b'o') && sectors.iter().any(|sector| sector[0] == b'n'));
    }
}

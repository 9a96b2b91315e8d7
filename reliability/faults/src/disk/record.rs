//! Records every change of the disk that a traced program makes, in order.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::{Change, Id, Place, ROOT};
use crate::trace::{Call, Observer, Verdict};

/// Decides on each call of a program that is recorded.
pub(crate) trait Policy {
    fn decide(&mut self, call: &Call) -> Verdict;
}

/// Lets everything pass.
impl Policy for () {
    fn decide(&mut self, _: &Call) -> Verdict {
        Verdict::Go
    }
}

impl<F: FnMut(&Call) -> Verdict> Policy for F {
    fn decide(&mut self, call: &Call) -> Verdict {
        self(call)
    }
}

pub(crate) struct Recorder<P> {
    root: PathBuf,
    policy: P,
    /// Where each inode is, as long as it has a name or is open.
    inodes: HashMap<u64, Id>,
    folders: HashMap<Id, BTreeMap<OsString, Id>>,
    next: Id,
    pub changes: Vec<Change>,
    /// Why the record is incomplete, if it is.
    pub trouble: Option<String>,
}

impl<P: Policy> Recorder<P> {
    /// A record of the changes in `root`, an empty folder.
    pub(crate) fn new(root: &Path, policy: P) -> std::io::Result<Self> {
        use std::os::unix::fs::MetadataExt;
        let inodes = HashMap::from([(root.metadata()?.ino(), ROOT)]);
        let folders = HashMap::from([(ROOT, BTreeMap::new())]);
        let (root, next) = (root.to_path_buf(), ROOT + 1);
        Ok(Recorder { root, policy, inodes, folders, next, changes: Vec::new(), trouble: None })
    }

    fn place(&self, path: &Path) -> Option<Place> {
        let mut folder = ROOT;
        let mut parts = path.strip_prefix(&self.root).ok()?.components();
        let name = parts.next_back()?.as_os_str().to_owned();
        for part in parts {
            folder = *self.folders.get(&folder)?.get(part.as_os_str())?;
        }
        Some((folder, name))
    }

    fn at(&self, place: &Place) -> Option<Id> {
        self.folders.get(&place.0)?.get(&place.1).copied()
    }

    fn name(&mut self, place: &Place, id: Option<Id>) {
        let folder = self.folders.entry(place.0).or_default();
        match id {
            Some(id) => drop(folder.insert(place.1.clone(), id)),
            None => drop(folder.remove(&place.1)),
        }
    }

    fn new_id(&mut self, inode: u64) -> Id {
        let id = self.next;
        self.next += 1;
        self.inodes.insert(inode, id);
        id
    }

    /// The change that `call` made; `None` where a file is not known.
    fn change(&mut self, call: Call) -> Option<Change> {
        let id = |inode: u64| self.inodes.get(&inode).copied();
        Some(match call {
            Call::Open { path, existed: false, inode, .. } => {
                let at = self.place(&path)?;
                let id = self.new_id(inode);
                self.name(&at, Some(id));
                Change::MakeFile { at, id }
            }
            Call::Open { path, .. } => Change::Resize { id: self.at(&self.place(&path)?)?, size: 0 },
            Call::Write { inode, offset, data, .. } => {
                Change::Write { id: id(inode)?, offset: offset?, data: Bytes::from(data) }
            }
            Call::Resize { inode, size } => Change::Resize { id: id(inode)?, size },
            Call::Grow { inode, size } => Change::Grow { id: id(inode)?, size },
            Call::Zero { inode, offset, length } => Change::Zero { id: id(inode)?, offset, length },
            Call::Sync { inode, .. } => Change::Sync { id: id(inode)? },
            Call::SyncAll => Change::SyncAll,
            Call::Rename { from, to } => {
                let (from, to) = (self.place(&from)?, self.place(&to)?);
                let id = self.at(&from)?;
                self.name(&from, None);
                self.name(&to, Some(id));
                Change::Rename { from, to }
            }
            Call::Link { from, to } => {
                let to = self.place(&to)?;
                let id = self.at(&self.place(&from)?)?;
                self.name(&to, Some(id));
                Change::Link { to, id }
            }
            Call::Remove { path } => {
                let at = self.place(&path)?;
                self.name(&at, None);
                Change::Remove { at }
            }
            Call::MakeFolder { path, inode } => {
                let at = self.place(&path)?;
                let id = self.new_id(inode);
                self.folders.insert(id, BTreeMap::new());
                self.name(&at, Some(id));
                Change::MakeFolder { at, id }
            }
            Call::Said(line) => Change::Said(Bytes::from(line)),
            Call::Unknown(_) => return None,
        })
    }
}

impl<P: Policy> Observer for Recorder<P> {
    fn before(&mut self, call: &Call) -> Verdict {
        if let Call::Unknown(what) = call {
            self.trouble.get_or_insert_with(|| what.clone());
        }
        self.policy.decide(call)
    }

    fn after(&mut self, call: Call, result: i64) {
        if result < 0 {
            match call {
                Call::Sync { inode, .. } => {
                    let id = self.inodes.get(&inode).copied();
                    self.changes.push(Change::SyncFailed { id });
                }
                Call::SyncAll => self.changes.push(Change::SyncFailed { id: None }),
                _ => {}
            }
            return;
        }
        let shown = format!("{call:?}");
        match self.change(call) {
            Some(change) => self.changes.push(change),
            None => {
                let shown: String = shown.chars().take(200).collect();
                self.trouble.get_or_insert(format!("a change of an unknown file: {shown}"));
            }
        }
    }
}

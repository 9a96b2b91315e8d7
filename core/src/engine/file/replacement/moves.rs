//! The moves of a replacement. Each may be made again after a crash.

use std::collections::BTreeSet;
use std::io::{self, Read as _};

use crate::engine::file::cleanup::is_key_folder;
use crate::engine::file::fault;
use crate::engine::file::layout::{
    LONG_FOLDER, LONG_NAME, REPLACED_FOLDER, STAGED_FOLDER, STAGED_TREE, STORE_FOLDER, join,
};
use crate::engine::file::os::{self, Folder, Kind};
use crate::engine::file::tree::FileTree;
use crate::error::Result;
use crate::format::file_name::{self, TEMPORARY};

/// The folders that stay in their places: those in which something lies that is no key's, and their parents.
pub(super) struct Kept(BTreeSet<String>);

impl Kept {
    /// Looks through the whole tree. An error if something that stays is in the way of a staged file or folder.
    pub(super) fn find(tree: &FileTree) -> Result<Self> {
        let mut kept = BTreeSet::new();
        let mut paths = vec![String::new()];
        while let Some(path) = paths.pop() {
            let Some(folder) = tree.folder(&path)? else { continue };
            let mut foreign = Vec::new();
            tree.list(&folder, &path, |name, kind| match kind {
                Kind::Folder if path.is_empty() && name == STORE_FOLDER => {}
                Kind::Folder if is_key_folder(&path, name) => paths.push(join(&path, name)),
                Kind::File if is_file_of_ours(&path, name) => {}
                _ => foreign.push((name.to_owned(), kind)),
            })?;
            if foreign.is_empty() {
                continue;
            }
            if let Some(staged) = tree.folder(&staged(&path))? {
                for (name, kind) in &foreign {
                    let found = stat(tree, &staged, &path, name)?;
                    if found == Some(Kind::Folder) || (found.is_some() && *kind == Kind::Folder) {
                        return Err(fault::in_the_way(tree.display(&join(&path, name))));
                    }
                }
            }
            let mut parent = path.as_str();
            while kept.insert(parent.to_owned()) {
                parent = parent.rsplit_once('/').map_or("", |(parent, _)| parent);
            }
        }
        Ok(Kept(kept))
    }

    /// An error unless files can be made and removed in the folders that stay.
    pub(super) fn check_writable(&self, tree: &FileTree) -> Result<()> {
        let name = format!("{TEMPORARY}{:016x}", 0);
        for path in self.0.iter().map(String::as_str).chain([""]) {
            let Some(folder) = tree.folder(path)? else { continue };
            let tried = folder.remove(&name).and_then(|_| folder.create(&name)).and_then(|_| folder.remove(&name));
            tried.map_err(|error| tree.fault("write in", path, &error))?;
        }
        Ok(())
    }
}

/// Moves the files of the old content away, but for those that staged ones will replace. Returns the folders whose
/// names changed.
pub(super) fn clear(tree: &FileTree, kept: &Kept) -> Result<BTreeSet<String>> {
    let replaced = make_folder(tree, REPLACED_FOLDER)?;
    let touched = BTreeSet::from([STORE_FOLDER.to_owned(), REPLACED_FOLDER.to_owned()]);
    let mut clearing = Clearing { tree, kept, replaced, number: 0, touched };
    clearing.folder("")?;
    if let Some(store) = tree.folder(STORE_FOLDER)?
        && stat(tree, &store, STORE_FOLDER, LONG_NAME)? == Some(Kind::Folder)
    {
        clearing.move_away(&store, LONG_NAME).map_err(|error| tree.fault("move away", LONG_FOLDER, &error))?;
    }
    Ok(clearing.touched)
}

struct Clearing<'a> {
    tree: &'a FileTree,
    kept: &'a Kept,
    /// The folder into which folders are moved.
    replaced: Folder,
    /// The name that the next one gets, if it is free.
    number: u64,
    touched: BTreeSet<String>,
}

impl Clearing<'_> {
    /// Removes the files in a folder that stays, and moves its folders away.
    fn folder(&mut self, path: &str) -> Result<()> {
        let Some(folder) = self.tree.folder(path)? else { return Ok(()) };
        let (mut files, mut folders) = (Vec::new(), Vec::new());
        self.tree.list(&folder, path, |name, kind| match kind {
            Kind::Folder if is_key_folder(path, name) => folders.push(name.to_owned()),
            Kind::File if is_file_of_ours(path, name) => files.push(name.to_owned()),
            _ => {}
        })?;
        self.touched.insert(path.to_owned());
        let staged = self.tree.folder(&staged(path))?;
        for name in files {
            let is_replaced = match &staged {
                Some(staged) => stat(self.tree, staged, path, &name)?.is_some(),
                None => false,
            };
            if !is_replaced {
                folder.remove(&name).map_err(|error| self.tree.fault("remove from", path, &error))?;
            }
        }
        for name in folders {
            let inner = join(path, &name);
            // It cannot be moved if it is another file system's, or if a program has a file of it open on Windows.
            if self.kept.0.contains(&inner) || self.move_away(&folder, &name).is_err() {
                self.folder(&inner)?;
                folder.remove_folder(&name).map_err(|error| self.tree.fault("remove the folder", &inner, &error))?;
            }
        }
        Ok(())
    }

    fn move_away(&mut self, from: &Folder, name: &str) -> io::Result<()> {
        while self.replaced.stat(&self.number.to_string())?.is_some() {
            self.number += 1;
        }
        from.rename(name, &self.replaced, &self.number.to_string())
    }
}

/// Moves the staged files to their places. Returns the folders whose names changed.
pub(super) fn place(tree: &FileTree) -> Result<BTreeSet<String>> {
    let mut placing = Placing { tree, touched: BTreeSet::from([STORE_FOLDER.to_owned(), STAGED_FOLDER.to_owned()]) };
    placing.folder(STAGED_TREE, "")?;
    if let Some(staged) = tree.folder(STAGED_FOLDER)?
        && stat(tree, &staged, STAGED_FOLDER, LONG_NAME)? == Some(Kind::Folder)
    {
        placing.inner_folder((&staged, STAGED_FOLDER), (&make_folder(tree, STORE_FOLDER)?, STORE_FOLDER), LONG_NAME)?;
    }
    Ok(placing.touched)
}

struct Placing<'a> {
    tree: &'a FileTree,
    touched: BTreeSet<String>,
}

impl Placing<'_> {
    /// Moves what lies in the folder `from` into the folder `to`.
    fn folder(&mut self, from: &str, to: &str) -> Result<()> {
        let Some(source) = self.tree.folder(from)? else { return Ok(()) };
        let target = make_folder(self.tree, to)?;
        self.touched.extend([from.to_owned(), to.to_owned()]);
        let mut entries = Vec::new();
        self.tree.list(&source, from, |name, kind| entries.push((name.to_owned(), kind)))?;
        for (name, kind) in entries {
            if kind == Kind::Folder {
                self.inner_folder((&source, from), (&target, to), &name)?;
                continue;
            }
            let moved = match source.rename(&name, &target, &name) {
                Err(error) if error.kind() == io::ErrorKind::CrossesDevices => copy(&source, &target, &name),
                moved => moved,
            };
            moved.map_err(|error| self.tree.fault("replace", &join(to, &name), &error))?;
        }
        Ok(())
    }

    /// Moves the folder `name` from one folder into another, or what lies in it if there is such a folder already.
    fn inner_folder(&mut self, from: (&Folder, &str), to: (&Folder, &str), name: &str) -> Result<()> {
        let found = stat(self.tree, to.0, to.1, name)?;
        if found.is_none() && from.0.rename(name, to.0, name).is_ok() {
            return Ok(());
        }
        let inner = join(from.1, name);
        self.folder(&inner, &join(to.1, name))?;
        from.0.remove_folder(name).map(drop).map_err(|error| self.tree.fault("remove the folder", &inner, &error))
    }
}

/// Moves a file to another file system.
fn copy(from: &Folder, to: &Folder, name: &str) -> io::Result<()> {
    let Some((mut file, stamp)) = from.open(name)? else { return Err(io::ErrorKind::NotFound.into()) };
    let mut content = Vec::new();
    file.read_to_end(&mut content)?;
    let temporary = format!("{TEMPORARY}{:016x}", 0);
    to.remove(&temporary)?;
    let mut copy = to.create(&temporary)?;
    os::write(&mut copy, &content)?;
    os::set_modified(&copy, stamp.millis())?;
    os::sync(&copy)?;
    to.rename(&temporary, to, name)?;
    to.sync()?;
    from.remove(name).map(drop)
}

/// The staged folder for the folder `path`.
fn staged(path: &str) -> String {
    if path.is_empty() { STAGED_TREE.to_owned() } else { join(STAGED_TREE, path) }
}

/// True for the name of a key's file in the folder `path`, and for that of a temporary file.
fn is_file_of_ours(path: &str, name: &str) -> bool {
    file_name::is_temporary(name) || (file_name::fits(path, name) && file_name::file_segment(name).is_some())
}

fn make_folder(tree: &FileTree, path: &str) -> Result<Folder> {
    tree.make_folder(path, &mut Vec::new()).map_err(|error| tree.fault("make", path, &error))
}

fn stat(tree: &FileTree, folder: &Folder, path: &str, name: &str) -> Result<Option<Kind>> {
    let found = folder.stat(name).map_err(|error| tree.fault("look at", &join(path, name), &error))?;
    Ok(found.map(|(_, kind)| kind))
}

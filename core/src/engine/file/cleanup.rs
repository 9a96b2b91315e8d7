//! Removal of what takes room and belongs to no record: temporary files and empty folders.

use std::io;

use super::layout::{QUARANTINE_FOLDER, join};
use super::os::{Folder, Kind};
use super::tree::FileTree;
use crate::error::Result;
use crate::format::file_name;

/// Removes the temporary files in the folder `path` and below, except in the store's own folder.
pub(super) fn remove_temporaries(tree: &FileTree, path: &str) -> Result<()> {
    for path in tree.folders_below(path)? {
        let Some(folder) = tree.folder(&path)? else { continue };
        let mut found = Vec::new();
        tree.list(&folder, &path, |name, kind| {
            if kind == Kind::File && file_name::is_temporary(name) {
                found.push(name.to_owned());
            }
        })?;
        for name in found {
            folder.remove(&name).map_err(|error| tree.fault("remove from", &path, &error))?;
        }
    }
    Ok(())
}

/// Removes the empty folders below `path` that keys may have. The depth is bounded by the length of a path.
pub(super) fn remove_empty_folders(tree: &FileTree, path: &str) -> Result<()> {
    let Some(folder) = tree.folder(path)? else { return Ok(()) };
    let mut below = Vec::new();
    tree.list(&folder, path, |name, kind| {
        if kind == Kind::Folder && is_key_folder(path, name) {
            below.push(name.to_owned());
        }
    })?;
    for name in below {
        let inner = join(path, &name);
        remove_empty_folders(tree, &inner)?;
        folder.remove_folder(&name).map_err(|error| tree.fault("remove the folder", &inner, &error))?;
    }
    Ok(())
}

/// Moves the file or folder `name` in `folder`, the folder at `path`, to the quarantine, where it gets a free name.
pub(super) fn set_aside(tree: &FileTree, folder: &Folder, path: &str, name: &str) -> Result<()> {
    let failed = |error: io::Error| tree.fault("set aside", &join(path, name), &error);
    let quarantine = tree.make_folder(QUARANTINE_FOLDER, &mut Vec::new()).map_err(failed)?;
    let (stem, ending) = name.strip_suffix(".json").map_or((name, ""), |stem| (stem, ".json"));
    let mut free = name.to_owned();
    let mut number = 0;
    while quarantine.stat(&free).map_err(failed)?.is_some() {
        number += 1;
        free = format!("{stem}-{number}{ending}");
    }
    folder.rename(name, &quarantine, &free).map_err(failed)
}

/// True if keys may have a folder `name` in the folder `path`.
pub(super) fn is_key_folder(path: &str, name: &str) -> bool {
    file_name::fits(path, name) && file_name::folder_segment(name).is_some()
}

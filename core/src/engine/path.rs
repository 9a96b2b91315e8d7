//! The folder of a store: made with its parents, private to its owner, never inside an asar archive.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Code, Error, Result};

/// Makes sure that the folder of a store exists. Unless `read_only`, it is made with its parents, all of mode 0700.
///
/// # Errors
///
/// `INVALID_ARGUMENT` if `path` is empty, cannot be a folder or lies inside an asar archive; else an error of the
/// system.
pub fn prepare_folder(path: &Path, engine: &'static str, read_only: bool) -> Result<()> {
    if path.as_os_str().is_empty() {
        return Err(Error::new(Code::InvalidArgument, "the path of a store must not be empty").in_engine(engine));
    }
    refuse_asar(path, engine)?;
    let missing = missing_folders(path);
    if read_only || missing.is_empty() {
        return match fs::metadata(path) {
            // A process that made an empty folder may have died before it synced the name.
            Ok(metadata) if metadata.is_dir() && !read_only && entries(path, 1) == 0 => {
                sync_names(path, &missing).map_err(|error| cannot("make", path, engine, &error))
            }
            Ok(metadata) if metadata.is_dir() => Ok(()),
            Ok(_) => Err(not_a_folder(path, engine)),
            Err(error) => Err(cannot("open", path, engine, &error)),
        };
    }
    make_private(path).map_err(|error| cannot("make", path, engine, &error))
}

/// Makes a folder with its parents, all of mode 0700. Their names survive a loss of power.
///
/// # Errors
///
/// An error of the system.
pub fn make_private(path: &Path) -> io::Result<()> {
    let missing = missing_folders(path);
    make_folders(path)?;
    sync_names(path, &missing)
}

/// Syncs the names of `path` and of the folders around it that hold nothing else, so that they survive a loss of power:
/// this call may have made them, or an earlier one that failed. A parent that this call did not make need not be
/// readable.
fn sync_names(path: &Path, made: &[PathBuf]) -> io::Result<()> {
    for folder in path.ancestors() {
        if let Some(parent) = folder.parent()
            && let Err(error) = sync_folder(if parent.as_os_str().is_empty() { Path::new(".") } else { parent })
        {
            use io::ErrorKind::{InvalidInput, PermissionDenied, ReadOnlyFilesystem, Unsupported};
            let foreign = matches!(error.kind(), InvalidInput | PermissionDenied | ReadOnlyFilesystem | Unsupported);
            if !foreign || made.iter().any(|made| made == folder) {
                return Err(error);
            }
        }
        if folder.parent().is_none_or(|parent| entries(parent, 2) > 1) {
            break;
        }
    }
    Ok(())
}

/// The number of entries in a folder, counted up to `most`. `most` if the folder cannot be read.
fn entries(path: &Path, most: usize) -> usize {
    fs::read_dir(path).map_or(most, |entries| entries.take(most).count())
}

/// Refuses a path inside an asar archive, which is one read-only file for every program but Electron's `fs`.
///
/// # Errors
///
/// `INVALID_ARGUMENT`.
pub fn refuse_asar(path: &Path, engine: &'static str) -> Result<()> {
    for part in path.ancestors() {
        let is_asar = part.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("asar"));
        if is_asar && part.is_file() {
            return Err(Error::new(
                Code::InvalidArgument,
                format!(
                    "{} lies inside the asar archive {}; use a folder outside, such as app.getPath('userData')",
                    path.display(),
                    part.display()
                ),
            )
            .in_engine(engine));
        }
    }
    Ok(())
}

/// The folders of `path` that do not exist, the innermost first.
fn missing_folders(path: &Path) -> Vec<PathBuf> {
    path.ancestors()
        .take_while(|part| !part.as_os_str().is_empty())
        .take_while(|part| matches!(fs::symlink_metadata(part), Err(error) if error.kind() == io::ErrorKind::NotFound))
        .map(Path::to_path_buf)
        .collect()
}

fn make_folders(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(path)
}

/// Syncs a folder, so that the names in it survive a loss of power. Only Unix can sync a folder.
///
/// # Errors
///
/// An error of the system.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        fs::File::open(folder)?.sync_all()?;
    }
    Ok(())
}

fn cannot(verb: &str, path: &Path, engine: &'static str, error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => not_a_folder(path, engine),
        io::ErrorKind::InvalidInput => {
            Error::new(Code::InvalidArgument, format!("{} is not a path", path.display())).in_engine(engine)
        }
        io::ErrorKind::PermissionDenied if verb == "make" => not_writable(path).in_engine(engine),
        _ => Error::io(format_args!("cannot {verb} the folder {}", path.display()), error).in_engine(engine),
    }
}

/// The error `READ_ONLY` for a path that this user may not write.
#[must_use]
pub fn not_writable(path: &Path) -> Error {
    Error::new(
        Code::ReadOnly,
        format!("{} cannot be written; open it with readOnly, or make it writable", path.display()),
    )
}

fn not_a_folder(path: &Path, engine: &'static str) -> Error {
    Error::new(
        Code::InvalidArgument,
        format!("{} is a file, or lies below one; the {engine} engine needs a folder", path.display()),
    )
    .in_engine(engine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_made_with_their_parents_for_their_owner_alone() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a/b/c");
        prepare_folder(&path, "file", false).unwrap();
        prepare_folder(&path, "file", false).unwrap();
        assert!(path.is_dir());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            for folder in [&path, &root.path().join("a")] {
                assert_eq!(fs::metadata(folder).unwrap().permissions().mode() & 0o777, 0o700);
            }
        }
    }

    #[test]
    fn what_cannot_be_a_folder_is_an_invalid_argument() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("file");
        fs::write(&file, "x").unwrap();
        for path in [file.clone(), file.join("below"), PathBuf::new(), PathBuf::from("a\0b")] {
            let error = prepare_folder(&path, "file", false).unwrap_err();
            assert_eq!(error.code(), Code::InvalidArgument, "{}: {error}", path.display());
        }
        assert_eq!(fs::read(&file).unwrap(), b"x");
    }

    #[test]
    fn a_read_only_store_must_exist() {
        let root = tempfile::tempdir().unwrap();
        let error = prepare_folder(&root.path().join("none"), "file", true).unwrap_err();
        assert_eq!(error.code(), Code::Io);
        assert!(!root.path().join("none").exists());
    }

    #[test]
    fn an_asar_archive_is_refused_and_a_folder_of_that_name_is_not() {
        let root = tempfile::tempdir().unwrap();
        let archive = root.path().join("app.asar");
        fs::write(&archive, "x").unwrap();
        for path in [archive.clone(), archive.join("data")] {
            let error = refuse_asar(&path, "file").unwrap_err();
            assert_eq!(error.code(), Code::InvalidArgument);
            assert!(error.message().contains("asar"), "{error}");
        }
        fs::create_dir(root.path().join("folder.asar")).unwrap();
        refuse_asar(&root.path().join("folder.asar/data"), "file").unwrap();
    }
}

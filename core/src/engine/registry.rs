//! The stores that this process has open: one for each path, shared by every thread and environment.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use parking_lot::{Condvar, Mutex};

use super::Engine;
use crate::error::{Code, Error, Result};

/// The identity of a store. Two paths with the same identity are one store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StoreId {
    engine: &'static str,
    place: Place,
    /// The part of the place that is the store, such as the name of a table.
    part: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Place {
    #[cfg(unix)]
    Inode { device: u64, inode: u64 },
    #[cfg_attr(unix, allow(dead_code))]
    Path(PathBuf),
}

impl StoreId {
    /// The identity of the store of `engine` at `path`, a file or folder that exists. `part` names the store among
    /// several at one path.
    ///
    /// # Errors
    ///
    /// `IO` if the path does not exist or cannot be looked at.
    pub fn of(engine: &'static str, path: &Path, part: impl Into<String>) -> Result<Self> {
        let failed = |error| Error::io(format_args!("cannot look at {}", path.display()), &error).in_engine(engine);
        #[cfg(unix)]
        let place = {
            use std::os::unix::fs::MetadataExt;
            let metadata = fs::metadata(path).map_err(failed)?;
            Place::Inode { device: metadata.dev(), inode: metadata.ino() }
        };
        #[cfg(not(unix))]
        let place = Place::Path(fs::canonicalize(path).map_err(failed)?);
        Ok(StoreId { engine, place, part: part.into() })
    }
}

enum Slot {
    /// A thread opens or closes the store.
    Busy,
    Open {
        engine: Arc<dyn Engine>,
        options: String,
        users: usize,
    },
}

#[derive(Default)]
struct Registry {
    slots: Mutex<HashMap<StoreId, Slot>>,
    changed: Condvar,
}

static REGISTRY: LazyLock<Registry> = LazyLock::new(Registry::default);

/// The share that one user has of an open store. The store is closed when the last share is given back.
///
/// A lease that is dropped is given back, too, but an error of the close is lost. A [private](Lease::private) store is
/// closed by [`close`](Lease::close) alone.
///
/// # Examples
///
/// ```
/// use holdfast_core::engine::memory::{self, MemoryOptions};
/// use holdfast_core::engine::registry::Lease;
/// use holdfast_core::{Code, EngineExt};
///
/// let lease = Lease::private(memory::open(MemoryOptions::default()));
/// let engine = lease.engine().clone();
/// lease.close()?;
/// assert_eq!(engine.view().err().map(|error| error.code()), Some(Code::Closed));
/// # Ok::<(), holdfast_core::Error>(())
/// ```
pub struct Lease {
    engine: Arc<dyn Engine>,
    id: Option<StoreId>,
}

impl Lease {
    /// The only share of a store that nobody else can name, such as one in memory.
    #[must_use]
    pub fn private(engine: Arc<dyn Engine>) -> Self {
        Lease { engine, id: None }
    }

    /// The open store.
    #[must_use]
    pub fn engine(&self) -> &Arc<dyn Engine> {
        &self.engine
    }

    /// Gives the share back, and closes the store if it was the last. Blocks.
    ///
    /// # Errors
    ///
    /// The error of the close. The share is given back all the same.
    pub fn close(mut self) -> Result<()> {
        self.give_back()
    }

    fn give_back(&mut self) -> Result<()> {
        let Some(id) = self.id.take() else { return self.engine.close() };
        {
            let mut slots = REGISTRY.slots.lock();
            match slots.get_mut(&id) {
                Some(Slot::Open { users, .. }) if *users > 1 => {
                    *users -= 1;
                    return Ok(());
                }
                _ => slots.insert(id.clone(), Slot::Busy),
            };
        }
        let closed = self.engine.close();
        REGISTRY.slots.lock().remove(&id);
        REGISTRY.changed.notify_all();
        closed
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.id.is_some() {
            // `close` returns the error. A dropped lease has nobody to return it to.
            let _ = self.give_back();
        }
    }
}

/// Gives a share of the store of `id`: of the one that this process has open, or of a new one that `open` opens. Blocks
/// while another thread opens or closes it.
///
/// # Errors
///
/// `INVALID_ARGUMENT` if the store is open with other `options`, which it names if they are `name=value`, separated by
/// commas; or the error of `open`.
pub fn open(id: StoreId, options: &str, open: impl FnOnce() -> Result<Arc<dyn Engine>>) -> Result<Lease> {
    let mut slots = REGISTRY.slots.lock();
    loop {
        match slots.get_mut(&id) {
            Some(Slot::Busy) => REGISTRY.changed.wait(&mut slots),
            Some(Slot::Open { engine, options: theirs, users }) => {
                if theirs != options {
                    return Err(Error::new(
                        Code::InvalidArgument,
                        format!(
                            "this store is already open in this process with other options{}; use the same options, or \
                             close it first",
                            differences(theirs, options)
                        ),
                    )
                    .in_engine(id.engine));
                }
                *users += 1;
                return Ok(Lease { engine: engine.clone(), id: Some(id) });
            }
            None => break,
        }
    }
    slots.insert(id.clone(), Slot::Busy);
    drop(slots);
    // It frees the slot if `open` fails or panics.
    let mut opening = Opening { id: Some(id) };
    let engine = open()?;
    let mut slots = REGISTRY.slots.lock();
    let Some(id) = opening.id.take() else { return Ok(Lease::private(engine)) };
    slots.insert(id.clone(), Slot::Open { engine: engine.clone(), options: options.to_owned(), users: 1 });
    REGISTRY.changed.notify_all();
    Ok(Lease { engine, id: Some(id) })
}

/// Names the options that differ, each of which is `name=value`, separated by commas.
fn differences(theirs: &str, ours: &str) -> String {
    let differing: Vec<String> = theirs
        .split(',')
        .zip(ours.split(','))
        .filter_map(|(theirs, ours)| {
            let ((name, theirs), (_, ours)) = (theirs.split_once('=')?, ours.split_once('=')?);
            let (theirs, ours) = (theirs.to_lowercase(), ours.to_lowercase());
            (theirs != ours).then(|| format!("{name} is {theirs} there and {ours} here"))
        })
        .collect();
    if differing.is_empty() { String::new() } else { format!(" ({})", differing.join(", ")) }
}

struct Opening {
    id: Option<StoreId>,
}

impl Drop for Opening {
    fn drop(&mut self) {
        if let Some(id) = self.id.take() {
            REGISTRY.slots.lock().remove(&id);
            REGISTRY.changed.notify_all();
        }
    }
}

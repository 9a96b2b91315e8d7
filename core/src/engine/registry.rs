//! One path, one store: what this process has open, shared by every thread and environment.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use once_cell::sync::Lazy;
use parking_lot::{Condvar, Mutex};

use super::Engine;
use crate::error::{Code, Error, Result};

/// What makes two paths the same store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StoreId {
    engine: &'static str,
    place: Place,
    /// The part of the place the store is, a table name for instance.
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
    /// The store of `engine` at `path`, a file or folder that exists.
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
    /// Being opened or closed by some thread.
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

static REGISTRY: Lazy<Registry> = Lazy::new(Registry::default);

/// One user's share of an open store. The last one to go closes it.
pub struct Lease {
    engine: Arc<dyn Engine>,
    id: Option<StoreId>,
}

impl Lease {
    /// A store that nobody else can name, such as one in memory.
    #[must_use]
    pub fn private(engine: Arc<dyn Engine>) -> Self {
        Lease { engine, id: None }
    }

    /// The open store.
    #[must_use]
    pub fn engine(&self) -> &Arc<dyn Engine> {
        &self.engine
    }

    /// Gives the share back; closes the store if it was the last. Blocks.
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
            // Closing reports to `close`; a dropped lease has nobody to report to.
            let _ = self.give_back();
        }
    }
}

/// The store of `id`: the one this process has open, if its `options` agree, else what `open` opens.
///
/// INVALID_ARGUMENT where the options differ. Blocks while another thread opens or closes it.
pub fn open(id: StoreId, options: &str, open: impl FnOnce() -> Result<Arc<dyn Engine>>) -> Result<Lease> {
    let mut slots = REGISTRY.slots.lock();
    loop {
        match slots.get_mut(&id) {
            Some(Slot::Busy) => REGISTRY.changed.wait(&mut slots),
            Some(Slot::Open { engine, options: theirs, users }) => {
                if theirs != options {
                    return Err(Error::new(
                        Code::InvalidArgument,
                        "this store is already open in this process with other options; use the same options, or close it first",
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
    // Frees the slot if `open` panics.
    let mut opening = Opening { id: Some(id) };
    let engine = open()?;
    let mut slots = REGISTRY.slots.lock();
    let Some(id) = opening.id.take() else { return Ok(Lease::private(engine)) };
    slots.insert(id.clone(), Slot::Open { engine: engine.clone(), options: options.to_owned(), users: 1 });
    REGISTRY.changed.notify_all();
    Ok(Lease { engine, id: Some(id) })
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

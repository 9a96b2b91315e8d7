use std::path::Path;

use tempfile::TempDir;

use super::ok;
use crate::conformance::Fixture;
use crate::engine::registry::Lease;
use crate::error::Result;

type Open = Box<dyn Fn(&Path) -> Result<Lease> + Send + Sync>;

/// A store in a temporary folder, which goes with it: for single tests, and as a fixture of the conformance suite.
///
/// # Examples
///
/// ```
/// use holdfast_core::testing::{Calls, TempStore};
/// # #[cfg(feature = "sqlite")] {
/// use holdfast_core::engine::sqlite::{SqliteOptions, open};
///
/// let store = TempStore::new(|folder| open(SqliteOptions::new(folder.join("a.db"))));
/// store.lease().engine().set("k", "1");
/// assert_eq!(store.lease().engine().value("k").as_deref(), Some("1"));
/// # }
/// ```
pub struct TempStore {
    folder: TempDir,
    open: Open,
}

impl TempStore {
    /// A store that `open` opens in a folder of its own, the same one each time.
    #[must_use]
    pub fn new(open: impl Fn(&Path) -> Result<Lease> + Send + Sync + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("no temporary folder: {error}"));
        TempStore { folder, open: Box::new(open) }
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Opens the store, or fails the test.
    #[must_use]
    pub fn lease(&self) -> Lease {
        ok(self.open())
    }
}

impl Fixture for TempStore {
    fn open(&self) -> Result<Lease> {
        (self.open)(self.folder.path())
    }

    fn persistent(&self) -> bool {
        true
    }
}

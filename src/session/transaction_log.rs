//! The transaction logs of the process, and the recovery from them when an engine opens.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Weak};

use holdfast_core::engine::{Durability, Engine};
use holdfast_core::error::Result;
use holdfast_core::threads;
use holdfast_core::transaction::recovery::{self, Recovered};
use holdfast_core::transaction::{Coordinator, TransactionLog};
use napi_derive::napi;
use parking_lot::Mutex;
use serde_json::json;

use super::options;

type Logs = HashMap<(PathBuf, Durability), Weak<TransactionLog>>;

/// The logs that this process writes. Managers with the same folder share a log, and its syncs.
static LOGS: LazyLock<Mutex<Logs>> = LazyLock::new(Mutex::default);

/// One manager's share of a log. The first transaction that needs the log makes its file.
#[napi]
pub struct NativeTransactionLog {
    log: Mutex<Option<Arc<TransactionLog>>>,
}

impl NativeTransactionLog {
    pub fn open(folder: String, durability: &str) -> Self {
        let durability = options::durability(Some(durability));
        let mut logs = LOGS.lock();
        logs.retain(|_, log| log.strong_count() > 0);
        let place = (PathBuf::from(folder), durability);
        let log = logs.get(&place).and_then(Weak::upgrade).unwrap_or_else(|| {
            let log = TransactionLog::new(place.0.clone(), durability);
            logs.insert(place, Arc::downgrade(&log));
            log
        });
        NativeTransactionLog { log: Mutex::new(Some(log)) }
    }

    pub fn coordinator(&self) -> Option<Arc<dyn Coordinator>> {
        self.log.lock().clone().map(|log| log as Arc<dyn Coordinator>)
    }
}

#[napi]
impl NativeTransactionLog {
    /// The figures of the log as JSON: `{ commits, rollbacks, writes, fsyncs, logs }`, of all managers that share it.
    #[napi(catch_unwind)]
    pub fn stats(&self) -> String {
        let stats = self.log.lock().as_ref().map(|log| log.stats()).unwrap_or_default();
        json!({
            "commits": stats.commits,
            "rollbacks": stats.rollbacks,
            "writes": stats.writes,
            "fsyncs": stats.fsyncs,
            "logs": stats.logs,
        })
        .to_string()
    }

    /// Gives the share back. Transactions that run go on, and the log ends with the last of them.
    #[napi(catch_unwind)]
    pub fn close(&self) {
        let log = self.log.lock().take();
        // The drop of the last share may remove a file.
        threads::disk(move |_| drop(log));
    }
}

/// The folder of the logs that may name an engine, and the application's name of the engine.
pub(crate) struct Recovery {
    pub folder: PathBuf,
    pub name: String,
}

impl Recovery {
    /// Reads a pair of a folder and a name; `None` for another list.
    pub(crate) fn new(place: Vec<String>) -> Option<Self> {
        let [folder, name] = <[String; 2]>::try_from(place).ok()?;
        Some(Recovery { folder: folder.into(), name })
    }

    /// Finishes the transactions that a crash left. Returns JSON: `{ applied, dropped, undone, problems }`. Blocks.
    pub(crate) fn run(&self, engine: &Arc<dyn Engine>) -> Result<String> {
        let Recovered { applied, dropped, undone, problems } = recovery::recover(&self.folder, &self.name, engine)?;
        let problems: Vec<String> = problems.iter().map(crate::boundary::error::to_json).collect();
        let problems = problems.join(",");
        Ok(format!("{{\"applied\":{applied},\"dropped\":{dropped},\"undone\":{undone},\"problems\":[{problems}]}}"))
    }
}

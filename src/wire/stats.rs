//! The abilities of an engine, its statistics, and the report of a check.

use bytes::Bytes;
use holdfast_core::engine::watch::Watching;
use holdfast_core::engine::{Capabilities, Report, Stats};
use serde_json::{Map, Value as Json, json};

use crate::boundary::error::to_json;

/// `{ snapshots, atomicBatch, atomicClear, timestamps, watch, multiProcess, sync }`.
pub(crate) fn capabilities_json(can: Capabilities) -> String {
    let watch = match can.watch {
        Watching::None => "none",
        Watching::Process => "process",
        Watching::Shared => "shared",
    };
    json!({
        "snapshots": can.snapshots,
        "atomicBatch": can.atomic_batch,
        "atomicClear": can.atomic_clear,
        "timestamps": can.timestamps,
        "watch": watch,
        "multiProcess": can.multi_process,
        "sync": can.sync,
    })
    .to_string()
}

/// `{ keys, memoryBytes, diskBytes, counters, commit, logFloor, details }`, with `null` for unknown figures.
pub(crate) fn stats_json(stats: Stats) -> Bytes {
    let counts = stats.counts;
    let details: Map<String, Json> =
        stats.details.into_iter().map(|(name, figure)| (name.to_owned(), figure.into())).collect();
    let json = json!({
        "keys": stats.keys,
        "memoryBytes": stats.memory_bytes,
        "diskBytes": stats.disk_bytes,
        "counters": {
            "commits": counts.commits,
            "conflicts": counts.conflicts,
            "groups": counts.groups,
            "fsyncs": counts.fsyncs,
            "cacheHits": counts.cache_hits,
            "cacheMisses": counts.cache_misses,
            "recoveries": counts.recoveries,
            "evictions": counts.evictions,
        },
        "commit": stats.commit,
        "logFloor": stats.log_floor,
        "details": details,
    });
    json.to_string().into()
}

/// `{ checked, errors }`.
pub(crate) fn report_json(report: &Report) -> Bytes {
    let errors: Vec<String> = report.errors.iter().map(to_json).collect();
    format!("{{\"checked\":{},\"errors\":[{}]}}", report.checked, errors.join(",")).into()
}

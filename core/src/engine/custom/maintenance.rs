//! Maintenance: verification. The engine has no figures and nothing to compact.

use super::client::HostClient;
use crate::engine::{Progress, Report};
use crate::error::{Code, Result};
use crate::key::Space;

/// Reads every record. It repairs nothing, because only the engine knows how it stores its data. Blocks.
pub(super) fn verify(client: &HostClient, progress: Progress<'_>) -> Result<Report> {
    let mut all = Vec::new();
    for space in [Space::User, Space::Internal] {
        let (keys, _) = client.keys(space, false)?;
        all.extend(keys.into_iter().map(|key| (space, key)));
    }
    let mut report = Report::default();
    for (space, key) in &all {
        match client.get(*space, key, false) {
            Err(error) if error.code() == Code::Corrupted => report.errors.push(error.at_key(key)),
            other => drop(other?),
        }
        report.checked += 1;
        progress(report.checked, all.len() as u64)?;
    }
    Ok(report)
}

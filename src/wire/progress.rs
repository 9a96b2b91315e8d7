//! The progress of calls of models.

use holdfast_core::model::Progress;
use serde_json::json;

/// `{"phase":…,"done":n,"total":n|null,"bytes":n|null}`.
pub(crate) fn progress_json(progress: &Progress) -> String {
    let Progress { phase, done, total, bytes } = progress;
    json!({ "phase": phase, "done": done, "total": total, "bytes": bytes }).to_string()
}

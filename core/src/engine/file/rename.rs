//! Plain writes at `full`: each file is replaced by a rename, which is atomic and durable by itself.

use std::collections::BTreeSet;

use super::change::Failures;
use super::plan::CommitPlan;
use super::sync::BULK;
use super::tree_writer::TreeWriter;
use crate::error::Result;

/// Writes a group whose batches are independent. Returns the changes that could not be made.
pub(super) fn write(tree: &TreeWriter, plan: &mut CommitPlan) -> Result<Failures> {
    let mut failed = Failures::new();
    let bulk = plan.changes.len() >= BULK;
    for change in &mut plan.changes {
        if let Err(error) = tree.write_temporary(change, !bulk) {
            failed.insert(change.key.clone(), error);
        }
    }
    plan.retain_prepared(&failed);
    if bulk {
        tree.sync().temporaries(&plan.changes).inspect_err(|_| tree.remove_temporaries(&plan.changes))?;
    }
    let installing = tree.begin_install();
    plan.keep_before_images(tree.records(), &installing);
    let mut touched = BTreeSet::new();
    for change in &plan.changes {
        if let Err(error) = tree.install(change, &mut touched) {
            tree.remove_temporaries(std::slice::from_ref(change));
            failed.insert(change.key.clone(), error);
        }
    }
    installing.finish(plan.seq);
    if !(touched.len() >= BULK && tree.sync().file_system()?) {
        tree.sync().folders_and_parents(&touched)?;
    }
    Ok(failed)
}

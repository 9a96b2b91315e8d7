//! The participants of a commit: those that are written to, and those that were only read.

use std::sync::Arc;

use super::super::participant::Participant;
use super::super::store_id::StoreIds;
use crate::batch::Batch;
use crate::engine::{Engine, EngineExt};
use crate::error::Result;

/// A participant that is written to.
pub(super) struct Writer {
    pub name: String,
    pub engine: Arc<dyn Engine>,
    pub batch: Batch,
    /// The id of the store.
    pub store: u128,
}

/// The writers in the order of their stores' ids, and the readers. A store that takes part under two names is one
/// writer.
pub(super) fn sort(store_ids: &StoreIds, participants: Vec<Participant>) -> Result<(Vec<Writer>, Vec<Participant>)> {
    let mut writers: Vec<Writer> = Vec::new();
    let mut readers = Vec::new();
    for participant in participants {
        if !participant.writes() {
            readers.push(participant);
            continue;
        }
        let Participant { name, engine, batch } = participant;
        // Without snapshots any commit fails the check of a range, also the one that gives the store its id.
        let late = !batch.range_checks.is_empty() && !engine.capabilities().snapshots;
        let store = store_ids.identify(&engine, late)?;
        match writers.iter_mut().find(|writer| writer.store == store) {
            Some(writer) => {
                writer.batch.checks.extend(batch.checks);
                writer.batch.range_checks.extend(batch.range_checks);
                writer.batch.ops.extend(batch.ops);
                writer.batch.as_of = None;
            }
            None => writers.push(Writer { name, engine, batch, store }),
        }
    }
    writers.sort_by_key(|writer| writer.store);
    Ok((writers, readers))
}

/// CONFLICT unless everything that was read still holds. Blocks.
pub(super) fn check_reads(readers: &[Participant]) -> Result<()> {
    for Participant { engine, batch, .. } in readers {
        if !batch.checks.is_empty() || !batch.range_checks.is_empty() {
            engine.commit(batch.clone())?;
        }
    }
    Ok(())
}

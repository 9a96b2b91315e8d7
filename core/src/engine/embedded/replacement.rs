//! The replacement of the whole content. The queue keeps the staged content, so that a close can remove it.

use std::sync::Arc;

use parking_lot::Mutex;

use super::dispatch::Dispatch;
use super::{Embedded, Stage, Store};
use crate::batch::Commit;
use crate::engine::{Replaceable, Staged, Staging, watch};
use crate::error::{Code, Error, Result};

/// The place of the staged content. A store has one at a time.
pub(super) struct Stages<T>(Mutex<StagesState<T>>);

struct StagesState<T> {
    /// The number of the latest replacement.
    number: u64,
    staged: Slot<T>,
}

enum Slot<T> {
    Free,
    /// A replacement is being begun, or its content is being swapped in.
    Taken,
    Staged(T),
}

impl<T> Default for Stages<T> {
    fn default() -> Self {
        Stages(Mutex::new(StagesState { number: 0, staged: Slot::Free }))
    }
}

impl<T> Stages<T> {
    /// Takes the place for a new replacement. Returns its number.
    fn begin(&self) -> Result<u64> {
        let mut state = self.0.lock();
        if !matches!(state.staged, Slot::Free) {
            let message = "another replacement of the content is under way; wait for it, or end it first";
            return Err(Error::new(Code::Locked, message));
        }
        state.number += 1;
        state.staged = Slot::Taken;
        Ok(state.number)
    }

    /// Puts the content of replacement `number` into its place, or frees the place.
    fn put(&self, number: u64, staged: Option<T>) {
        let mut state = self.0.lock();
        if state.number == number {
            state.staged = staged.map_or(Slot::Free, Slot::Staged);
        }
    }

    /// Takes the content of replacement `number`, which keeps its place. `None` if it has ended.
    fn take(&self, number: u64) -> Option<T> {
        let mut state = self.0.lock();
        if state.number != number {
            return None;
        }
        match std::mem::replace(&mut state.staged, Slot::Taken) {
            Slot::Staged(staged) => Some(staged),
            Slot::Free => {
                state.staged = Slot::Free;
                None
            }
            Slot::Taken => None,
        }
    }

    /// Ends the replacement that is staged, because the store is closed. No call on it runs.
    pub(super) fn end(&self) {
        let staged = {
            let mut state = self.0.lock();
            state.number += 1;
            std::mem::replace(&mut state.staged, Slot::Free)
        };
        drop(staged);
    }
}

impl<S: Store> Replaceable for Embedded<S> {
    fn stage(&self) -> Result<Box<dyn Staging>> {
        let dispatch = self.dispatch.clone();
        let number = dispatch.stages.begin().map_err(|error| self.name_it(error))?;
        // Its drop frees the place.
        let staging = EmbeddedStaging { dispatch, number };
        staging.dispatch.running(|store| {
            staging.dispatch.stages.put(number, Some(store.stage()?));
            Ok(())
        })?;
        Ok(Box::new(staging))
    }
}

struct EmbeddedStaging<S: Store> {
    dispatch: Arc<Dispatch<S>>,
    number: u64,
}

impl<S: Store> EmbeddedStaging<S> {
    fn take(&self) -> Result<S::Stage> {
        self.dispatch.stages.take(self.number).ok_or_else(|| {
            Error::new(Code::Closed, "this replacement of the content has ended: an earlier call on it failed")
        })
    }
}

impl<S: Store> Staging for EmbeddedStaging<S> {
    fn write(&mut self, records: Vec<Staged>) -> Result<()> {
        self.dispatch.running(|_| {
            // If this fails, the content is dropped, which removes it.
            let mut stage = self.take()?;
            records.iter().try_for_each(Staged::check)?;
            stage.write(records)?;
            self.dispatch.stages.put(self.number, Some(stage));
            Ok(())
        })
    }

    fn swap(self: Box<Self>) -> Result<Commit> {
        let dispatch = self.dispatch.clone();
        dispatch.alone(move |store| {
            let stage = self.take()?;
            let result = store.swap(stage);
            store.counters().one(&result);
            let commit = result?;
            store.feed().end(&watch::content_replaced(commit.seq), false);
            Ok(commit)
        })
    }
}

impl<S: Store> Drop for EmbeddedStaging<S> {
    fn drop(&mut self) {
        // If the store is closed, its close has removed the content.
        let _ = self.dispatch.running(|_| {
            drop(self.dispatch.stages.take(self.number));
            Ok(())
        });
        self.dispatch.stages.put(self.number, None);
    }
}

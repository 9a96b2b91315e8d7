//! The replacement of the whole content. `docs/formats/redis.md` describes the names on the server.
//!
//! Invariants:
//!
//! - Staged records are in no user key, and nothing reads them but the steps of a replacement.
//! - The marker is set in one step with a held range over every key. While it stands, the script that commits refuses
//!   each write of every client, and no intent and no other replacement begins.
//! - Behind the commit point nothing can fail for good. Each step is one script that looks at the marker first. So any
//!   client can make the next step, again after a crash, and a step that comes late does nothing.
//! - Plain reads see both contents while the steps run. Reads of transactions finish the replacement first, and so do
//!   the opening of a store and the next request behind a commit that was refused.
//!
//! | file | what is in it |
//! |---|---|
//! | `stage.rs`, `begin_staging.lua`, `stage_records.lua`, `stay_alive.lua`, `remove_staged.lua` | the staged content |
//! | `swap.rs`, `begin_swap.lua` | the commit point |
//! | `finish.rs`, `delete_old.lua`, `write_new.lua` | the steps behind it |

mod finish;
mod stage;
mod swap;

use std::sync::Arc;

use parking_lot::Mutex;

use self::stage::Stage;
use super::dispatch::Dispatch;
use super::feed::FeedFollower;
use super::options::NAME;
use crate::batch::Commit;
use crate::engine::{Replaceable, Staged, Staging};
use crate::error::{Code, Error, Result};

pub(super) use finish::{finish, recover};

/// The place of the content that this engine has staged. Its lock is held during each call, so a close waits for them.
#[derive(Default)]
pub(super) struct Stages(Mutex<StagesState>);

#[derive(Default)]
struct StagesState {
    /// The number of the latest replacement.
    number: u64,
    stage: Option<Stage>,
}

impl Stages {
    /// Removes what is staged, because the engine is being closed. Blocks.
    pub(super) fn end(&self) {
        self.0.lock().stage = None;
    }
}

/// The facet of an engine.
pub(super) struct Replacements {
    pub dispatch: Arc<Dispatch>,
    pub feed: Arc<FeedFollower>,
    pub stages: Stages,
    /// Records keep created and updated times.
    pub timestamps: bool,
}

impl Replaceable for Arc<Replacements> {
    fn stage(&self) -> Result<Box<dyn Staging>> {
        let locked = || {
            let message = "another replacement of the content is under way; wait for it, or end it first";
            Error::new(Code::Locked, message).in_engine(NAME)
        };
        let mut stages = self.stages.0.try_lock().ok_or_else(locked)?;
        self.dispatch.queue.check_open()?;
        if stages.stage.is_some() {
            return Err(locked());
        }
        let Dispatch { pool, layout, .. } = &*self.dispatch;
        let stage = pool.link().and_then(|link| Stage::begin(link, layout, self.timestamps));
        stages.stage = Some(stage.map_err(|error| error.in_engine(NAME))?);
        stages.number += 1;
        Ok(Box::new(RedisStaging { replacements: self.clone(), number: stages.number }))
    }
}

struct RedisStaging {
    replacements: Arc<Replacements>,
    number: u64,
}

impl RedisStaging {
    /// Takes the staged content. It is removed if this call does not put it back.
    fn take(&self, stages: &mut StagesState) -> Result<Stage> {
        self.replacements.dispatch.queue.check_open()?;
        let stage = if stages.number == self.number { stages.stage.take() } else { None };
        stage.ok_or_else(|| {
            let message = "this replacement of the content has ended: an earlier call on it failed";
            Error::new(Code::Closed, message).in_engine(NAME)
        })
    }
}

impl Staging for RedisStaging {
    fn write(&mut self, records: Vec<Staged>) -> Result<()> {
        let mut stages = self.replacements.stages.0.lock();
        let mut stage = self.take(&mut stages)?;
        stage.write(records).map_err(|error| error.in_engine(NAME))?;
        stages.stage = Some(stage);
        Ok(())
    }

    fn swap(self: Box<Self>) -> Result<Commit> {
        let Replacements { dispatch, feed, stages, .. } = &*self.replacements;
        let _alone = dispatch.alone()?;
        let mut stages = stages.0.lock();
        let stage = self.take(&mut stages)?;
        let result = swap::swap(&dispatch.link, &dispatch.layout, &stage).map_err(|error| error.in_engine(NAME));
        dispatch.link.count(&result);
        if let Ok(commit) = &result {
            feed.replaced(commit.seq);
        }
        result
    }
}

impl Drop for RedisStaging {
    fn drop(&mut self) {
        let mut stages = self.replacements.stages.0.lock();
        if stages.number == self.number {
            stages.stage = None;
        }
    }
}

/// The error of a replacement whose staged content another client has removed.
fn gone() -> Error {
    let message = "the staged content is gone: another process took it for one that a crash left; stage it again";
    Error::new(Code::Conflict, message).in_engine(NAME)
}

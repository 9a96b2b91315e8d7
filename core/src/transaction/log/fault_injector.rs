//! Stops the world at a step of the logs or of a store, for tests, and keeps what was done until then.

use std::io;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;

use super::folder::Step;

/// What happens at the chosen step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fault {
    #[default]
    Nothing,
    /// It fails, and everything after it: the process died.
    Death(u64),
    /// It alone fails.
    Failure(u64),
}

#[derive(Debug, Default)]
pub(crate) struct Fuse {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    fault: Fault,
    steps: u64,
    struck: bool,
    /// The step of the fault was noted.
    over: bool,
    done: Vec<Step>,
    sync_takes: Duration,
}

impl Fuse {
    pub fn new(fault: Fault) -> Self {
        Fuse { state: Mutex::new(State { fault, ..State::default() }) }
    }

    /// True once the fault took place.
    pub fn struck(&self) -> bool {
        self.state.lock().struck
    }

    /// True once the process died.
    pub fn dead(&self) -> bool {
        let state = self.state.lock();
        state.struck && matches!(state.fault, Fault::Death(_))
    }

    /// Lets `fault` take place, counting from now on.
    pub fn arm(&self, fault: Fault) {
        let mut state = self.state.lock();
        (state.fault, state.steps, state.struck, state.over) = (fault, 0, false, false);
    }

    /// Makes a disk whose syncs take a while.
    pub fn slow_down(&self, sync_takes: Duration) {
        self.state.lock().sync_takes = sync_takes;
    }

    /// The changes of the disk that took place, in order.
    pub fn done(&self) -> Vec<Step> {
        self.state.lock().done.clone()
    }

    /// A change of the disk.
    pub fn step(&self, step: Step) -> io::Result<()> {
        let mut state = self.state.lock();
        if let Err(error) = state.pass() {
            // It may have been on its way all the same; a sync that failed has seen to nothing.
            if !matches!(step, Step::Sync(_) | Step::SyncFolder) && state.is_the_last() {
                state.done.push(step);
            }
            return Err(error);
        }
        let takes = if matches!(step, Step::Sync(_)) { state.sync_takes } else { Duration::ZERO };
        state.done.push(step);
        drop(state);
        thread::sleep(takes);
        Ok(())
    }

    /// Any other step.
    pub fn pass(&self) -> io::Result<()> {
        self.state.lock().pass()
    }
}

impl State {
    /// True for the very step that the process died at, and false for those after it.
    fn is_the_last(&mut self) -> bool {
        !std::mem::replace(&mut self.over, true)
    }

    fn pass(&mut self) -> io::Result<()> {
        let at = self.steps;
        let strikes = match self.fault {
            Fault::Nothing => false,
            Fault::Death(step) => at >= step,
            Fault::Failure(step) => at == step,
        };
        self.struck |= strikes;
        // The dead count no further steps.
        if !(strikes && matches!(self.fault, Fault::Death(_))) {
            self.steps += 1;
        }
        if strikes { Err(io::Error::other("the world stopped here")) } else { Ok(()) }
    }
}

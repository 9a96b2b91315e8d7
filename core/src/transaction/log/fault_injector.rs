//! For tests: makes a step of a log or of a store fail, and records the steps that took place.

use std::io;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;

use super::step::Step;

/// The fault that takes place at a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fault {
    #[default]
    Nothing,
    /// The step fails, and every later one: the process died.
    Death(u64),
    /// Only this step fails.
    Failure(u64),
}

#[derive(Debug, Default)]
pub(crate) struct FaultInjector {
    state: Mutex<InjectorState>,
}

#[derive(Debug, Default)]
struct InjectorState {
    fault: Fault,
    steps: u64,
    struck: bool,
    /// The step that failed was recorded.
    recorded: bool,
    done: Vec<Step>,
    sync_takes: Duration,
}

impl FaultInjector {
    pub(crate) fn new(fault: Fault) -> Self {
        FaultInjector { state: Mutex::new(InjectorState { fault, ..InjectorState::default() }) }
    }

    /// True after the fault took place.
    pub(crate) fn struck(&self) -> bool {
        self.state.lock().struck
    }

    /// True after the process died.
    pub(crate) fn dead(&self) -> bool {
        let state = self.state.lock();
        state.struck && matches!(state.fault, Fault::Death(_))
    }

    /// Lets `fault` take place; steps are counted from now on.
    pub(crate) fn arm(&self, fault: Fault) {
        let mut state = self.state.lock();
        (state.fault, state.steps, state.struck, state.recorded) = (fault, 0, false, false);
    }

    /// Makes each sync of a log take so long.
    pub(crate) fn slow_down(&self, sync_takes: Duration) {
        self.state.lock().sync_takes = sync_takes;
    }

    /// The changes of the disk that took place, in order.
    pub(crate) fn done(&self) -> Vec<Step> {
        self.state.lock().done.clone()
    }

    /// A change of the disk.
    pub(crate) fn step(&self, step: Step) -> io::Result<()> {
        let mut state = self.state.lock();
        if let Err(error) = state.pass() {
            // The disk may have made the change that failed. A sync that failed has done nothing.
            if !matches!(step, Step::Sync(_) | Step::SyncFolder) && state.records_failure() {
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

    /// A step that is no change of the disk.
    pub(crate) fn pass(&self) -> io::Result<()> {
        self.state.lock().pass()
    }
}

impl InjectorState {
    /// True for the step that fails, and false for those after it.
    fn records_failure(&mut self) -> bool {
        !std::mem::replace(&mut self.recorded, true)
    }

    fn pass(&mut self) -> io::Result<()> {
        let at = self.steps;
        let strikes = match self.fault {
            Fault::Nothing => false,
            Fault::Death(step) => at >= step,
            Fault::Failure(step) => at == step,
        };
        self.struck |= strikes;
        // A dead process makes no further steps.
        if !(strikes && matches!(self.fault, Fault::Death(_))) {
            self.steps += 1;
        }
        if strikes { Err(io::Error::other("a fault of the test")) } else { Ok(()) }
    }
}

//! Progress and abort of one call.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::error::{Code, Error, Result};

/// How far a long call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The work, such as `export`.
    pub phase: &'static str,
    /// The number of records done.
    pub done: u64,
    /// The number of records in all; `None` if it is not known.
    pub total: Option<u64>,
    /// The number of bytes done; `None` if they are not counted.
    pub bytes: Option<u64>,
}

/// Hears of the progress of a call. `None` comes once, as the last: the call is over. It must not block.
pub type Listener = Box<dyn FnMut(Option<Progress>) + Send>;

/// The time between two reports, so that a fast call does not flood its listener.
const INTERVAL: Duration = Duration::from_millis(100);

/// The means to follow a call and to stop it, from any thread.
///
/// # Examples
///
/// ```
/// use std::sync::mpsc;
///
/// use holdfast_core::Code;
/// use holdfast_core::model::{Control, Progress};
///
/// let (sender, receiver) = mpsc::channel();
/// let control = Control::new(Some(Box::new(move |progress| sender.send(progress).unwrap())));
/// for done in 1..=1000 {
///     control.report(Progress { phase: "count", done, total: Some(1000), bytes: None });
/// }
/// control.abort();
/// assert_eq!(control.check().unwrap_err().code(), Code::Aborted);
///
/// drop(control);
/// let told: Vec<_> = receiver.iter().collect();
/// assert_eq!(told[told.len() - 2].map(|progress| progress.done), Some(1000), "the latest report always arrives");
/// assert_eq!(told.last(), Some(&None));
/// ```
#[derive(Default)]
pub struct Control {
    stopped: OnceLock<Error>,
    told: Mutex<Told>,
}

#[derive(Default)]
struct Told {
    /// `None` once the call is over.
    listener: Option<Listener>,
    /// The latest report, if it was held back.
    latest: Option<Progress>,
    throttle: Throttle,
}

impl Control {
    /// The control of a new call.
    #[must_use]
    pub fn new(listener: Option<Listener>) -> Arc<Self> {
        Arc::new(Control {
            stopped: OnceLock::new(),
            told: Mutex::new(Told { listener, latest: None, throttle: Throttle::default() }),
        })
    }

    /// Lets the call end with `ABORTED`. Never blocks.
    pub fn abort(&self) {
        self.stop(Error::new(Code::Aborted, "the call was aborted"));
    }

    /// Lets the call end with `error`, unless it was stopped before. Never blocks.
    pub fn stop(&self, error: Error) {
        // The first reason counts.
        let _ = self.stopped.set(error);
    }

    /// Blocking code calls this wherever it may end.
    ///
    /// # Errors
    ///
    /// The error with which the call was stopped.
    pub fn check(&self) -> Result<()> {
        self.stopped.get().map_or(Ok(()), |error| Err(error.clone()))
    }

    /// Reports progress, or holds it back until the next report or the end of the call.
    pub fn report(&self, progress: Progress) {
        let mut told = self.told.lock();
        let Told { listener: Some(listener), latest, throttle } = &mut *told else { return };
        if throttle.admits(Instant::now()) {
            *latest = None;
            listener(Some(progress));
        } else {
            *latest = Some(progress);
        }
    }

    /// Tells the report that was held back, and that the call is over.
    pub(super) fn end(&self) {
        let mut told = self.told.lock();
        let Some(mut listener) = told.listener.take() else { return };
        if let Some(progress) = told.latest.take() {
            listener(Some(progress));
        }
        listener(None);
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.end();
    }
}

/// Lets one event pass in each interval.
#[derive(Default)]
struct Throttle {
    passed: Option<Instant>,
}

impl Throttle {
    fn admits(&mut self, now: Instant) -> bool {
        let admitted = self.passed.is_none_or(|passed| now.saturating_duration_since(passed) >= INTERVAL);
        if admitted {
            self.passed = Some(now);
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_event_an_interval_passes() {
        let began = Instant::now();
        let mut throttle = Throttle::default();
        let admitted = (0..1000).filter(|n| throttle.admits(began + INTERVAL * *n / 100)).count();
        assert_eq!(admitted, 10);
    }

    #[test]
    fn the_first_reason_to_stop_counts() {
        let control = Control::new(None);
        assert!(control.check().is_ok());
        control.stop(Error::closed());
        control.abort();
        assert_eq!(control.check().unwrap_err().code(), Code::Closed);
    }

    #[test]
    fn nothing_is_told_behind_the_end() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = told.clone();
        let control = Control::new(Some(Box::new(move |progress| heard.lock().push(progress))));
        let progress = Progress { phase: "test", done: 1, total: None, bytes: None };
        control.end();
        control.report(progress);
        control.end();
        drop(control);
        assert_eq!(*told.lock(), [None]);
    }
}

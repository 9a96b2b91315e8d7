//! Calls whose streams count, wait and panic.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;

use super::super::answer::Source;
use super::super::control::{Control, Progress};
use super::super::steps::Steps;
use super::{Call, Done, Reply, State, Stream};
use crate::error::{Code, Error, Result};

const SOON: Duration = Duration::from_secs(60);

/// A source that counts, and does what the test says.
struct Counting {
    at: usize,
    panics_at: usize,
    control: Arc<Control>,
    dropped: Arc<AtomicBool>,
    /// The step waits until it is stopped.
    waits: Option<mpsc::Sender<()>>,
}

impl Source for Counting {
    fn next(&mut self, _max_bytes: usize) -> Result<Option<Bytes>> {
        self.at += 1;
        assert!(self.at != self.panics_at, "a defect");
        if let Some(waits) = &self.waits {
            waits.send(()).unwrap();
            while self.control.check().is_ok() {
                std::thread::yield_now();
            }
        }
        self.control.check()?;
        self.control.report(Progress { phase: "count", done: self.at as u64, total: None, bytes: None });
        Ok(Some(self.at.to_string().into()))
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        self.dropped.store(true, Ordering::SeqCst);
    }
}

struct Test {
    call: Arc<Call>,
    dropped: Arc<AtomicBool>,
    told: Arc<Mutex<Vec<Option<u64>>>>,
}

impl Test {
    /// A call whose answer is a stream already.
    fn new(panics_at: usize, waits: Option<mpsc::Sender<()>>) -> Self {
        let (dropped, told) = (Arc::<AtomicBool>::default(), Arc::<Mutex<Vec<Option<u64>>>>::default());
        let heard = told.clone();
        let listener = move |progress: Option<Progress>| heard.lock().push(progress.map(|progress| progress.done));
        let control = Control::new(Some(Box::new(listener)));
        let source = Counting { at: 0, panics_at, control: control.clone(), dropped: dropped.clone(), waits };
        let call = Call::new("test", control, Arc::default());
        *call.state.lock() = State::Open(Stream::Pages(Box::new(source)));
        Test { call, dropped, told }
    }

    fn next(&self) -> mpsc::Receiver<Result<Reply>> {
        asked(|done| self.call.next(1, done))
    }

    /// The stream is gone, and the listener knows, once.
    fn is_gone(&self) {
        assert!(self.dropped.load(Ordering::SeqCst), "the stream is held");
        assert!(self.call.is_over());
        assert_eq!(self.told.lock().iter().filter(|told| told.is_none()).count(), 1);
        assert_eq!(self.told.lock().last(), Some(&None));
    }
}

fn asked(step: impl FnOnce(Done)) -> mpsc::Receiver<Result<Reply>> {
    let (sender, receiver) = mpsc::channel();
    step(Box::new(move |reply| sender.send(reply).unwrap()));
    receiver
}

fn code(reply: &mpsc::Receiver<Result<Reply>>) -> Option<Code> {
    reply.recv_timeout(SOON).unwrap().err().map(|error| error.code())
}

#[test]
fn steps_that_are_asked_for_at_once_run_in_order() {
    let test = Test::new(0, None);
    let replies: Vec<_> = (1..=200).map(|n| (n, test.next())).collect();
    for (n, reply) in replies {
        assert_eq!(reply.recv_timeout(SOON).unwrap().unwrap(), Reply::Text(n.to_string().into()));
    }
}

#[test]
fn a_panic_is_an_error_that_ends_the_call() {
    let test = Test::new(3, None);
    let codes: Vec<_> = (0..5).map(|_| test.next()).collect::<Vec<_>>().iter().map(code).collect();
    assert_eq!(codes, [None, None, Some(Code::Io), Some(Code::Io), Some(Code::Io)]);
    test.is_gone();
    assert!(test.told.lock().contains(&Some(2)), "the latest report comes before the end");
}

#[test]
fn a_call_that_waits_is_closed_at_once_and_once() {
    let test = Test::new(0, None);
    assert_eq!(code(&test.next()), None);
    for _ in 0..3 {
        let (sender, receiver) = mpsc::channel();
        test.call.close(Error::closed(), move || sender.send(()).unwrap());
        receiver.recv_timeout(SOON).unwrap();
        test.is_gone();
    }
    test.call.close_now(Error::closed());
    test.call.abort();
    assert_eq!(code(&test.next()), Some(Code::Closed));
    assert_eq!(code(&asked(|done| test.call.write(Bytes::new(), done))), Some(Code::Closed));
    assert_eq!(code(&asked(|done| test.call.finish(done))), Some(Code::Closed));
    test.is_gone();
}

#[test]
fn a_step_under_way_ends_when_the_call_is_stopped() {
    for close in [false, true] {
        let (waits, waiting) = mpsc::channel();
        let test = Test::new(0, Some(waits));
        let reply = test.next();
        let queued = test.next();
        waiting.recv_timeout(SOON).unwrap();
        assert!(!test.call.is_over());
        if close {
            test.call.close(Error::closed(), || ());
        } else {
            test.call.abort();
        }
        let expected = if close { Code::Closed } else { Code::Aborted };
        assert_eq!(code(&reply), Some(expected));
        assert_eq!(code(&queued), Some(expected));
        test.is_gone();
    }
}

#[test]
fn a_finished_call_is_over() {
    let test = Test::new(0, None);
    let reply = asked(|done| test.call.finish(done));
    assert_eq!(reply.recv_timeout(SOON).unwrap().unwrap(), Reply::Text("null".into()));
    test.is_gone();
    assert_eq!(code(&test.next()), Some(Code::Closed));
}

#[test]
fn a_step_of_the_wrong_kind_ends_the_call() {
    let test = Test::new(0, None);
    assert_eq!(code(&asked(|done| test.call.write(Bytes::new(), done))), Some(Code::InvalidArgument));
    test.is_gone();
}

#[test]
fn calls_that_share_their_steps_take_effect_in_order() {
    let steps = Arc::<Steps>::default();
    let running = Arc::<AtomicUsize>::default();
    let (sender, receiver) = mpsc::channel();
    for n in 0..100 {
        let (running, sender) = (running.clone(), sender.clone());
        steps.run(move |_| {
            assert_eq!(running.fetch_add(1, Ordering::SeqCst), 0);
            std::thread::yield_now();
            running.fetch_sub(1, Ordering::SeqCst);
            sender.send(n).unwrap();
        });
    }
    let order: Vec<u32> = (0..100).map(|_| receiver.recv_timeout(SOON).unwrap()).collect();
    assert_eq!(order, (0..100).collect::<Vec<_>>());
}

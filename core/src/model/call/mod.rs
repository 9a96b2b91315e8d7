//! A call of a model on threads of the library.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::answer::{Answer, Sink, Source};
use super::control::Control;
use super::request;
use super::steps::Steps;
use crate::engine::Engine;
use crate::error::{Code, Error, Result};
use crate::threads::guarded;

/// The reply of a step of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A JSON text: the whole answer, or a page.
    Text(Bytes),
    /// A piece of a stream of bytes.
    Bytes(Bytes),
    /// Nothing: the chunk was taken, or the stream is at its end.
    Nothing,
    /// The answer is a stream, which the next steps pull or push.
    Stream,
}

/// Receives the result of a step, exactly once, on any thread. It must not block.
pub type Done = Box<dyn FnOnce(Result<Reply>) + Send>;

/// A call of a model. Its steps run in order, each on a thread of the tier [`model`](crate::threads::model), and no
/// thread is held between them.
///
/// The first error ends the call. Every later step gets that error.
///
/// # Examples
///
/// ```
/// use std::sync::{Arc, mpsc};
///
/// use holdfast_core::engine::memory::{self, MemoryOptions};
/// use holdfast_core::model::{Call, Control, Reply, Steps};
/// use holdfast_core::{Batch, EngineExt, Op, Value};
///
/// let engine = memory::open(MemoryOptions::default());
/// engine.commit(Batch::one(Op::set("a", Value::json("1"))))?;
///
/// let call = Call::new(engine.name(), Control::new(None), Arc::new(Steps::default()));
/// let (sender, receiver) = mpsc::channel();
/// let done = || {
///     let sender = sender.clone();
///     Box::new(move |reply| sender.send(reply).unwrap())
/// };
/// call.start(engine, r#"{"transfer":{"export":{"format":"jsonl"}}}"#.into(), done());
/// assert_eq!(receiver.recv().unwrap()?, Reply::Stream);
/// call.next(1 << 10, done());
/// assert_eq!(receiver.recv().unwrap()?, Reply::Bytes("{\"key\":\"a\",\"value\":1}\n".into()));
/// call.next(1 << 10, done());
/// assert_eq!(receiver.recv().unwrap()?, Reply::Nothing);
/// call.finish(done());
/// assert_eq!(receiver.recv().unwrap()?, Reply::Text(r#"{"exported":1}"#.into()));
/// # Ok::<(), holdfast_core::Error>(())
/// ```
pub struct Call {
    engine: &'static str,
    control: Arc<Control>,
    steps: Arc<Steps>,
    state: Mutex<State>,
}

enum State {
    /// The start or another step is under way, and has the stream.
    Running,
    Open(Stream),
    Over(Error),
}

enum Stream {
    Pages(Box<dyn Source>),
    Bytes(Box<dyn Source>),
    Sink(Box<dyn Sink>),
}

/// The result of a step: the stream, unless it is over, and the reply.
type Left = (Option<Stream>, Reply);

impl Call {
    /// A call on the engine of that name, which has to be started.
    #[must_use]
    pub fn new(engine: &'static str, control: Arc<Control>, steps: Arc<Steps>) -> Arc<Self> {
        Arc::new(Call { engine, control, steps, state: Mutex::new(State::Running) })
    }

    /// Answers a request. Called once, before every other step.
    pub fn start(self: &Arc<Self>, engine: Arc<dyn Engine>, request: Bytes, done: Done) {
        let call = self.clone();
        self.steps.run(move |started| {
            let left = call.guard(started, || request::start(&engine, &request, &call.control).map(answered));
            // The last user of an engine may close it.
            drop(engine);
            done(call.leave(left));
        });
    }

    /// Pulls the next page or piece, of about `max_bytes` bytes. [`Reply::Nothing`] at the end.
    pub fn next(self: &Arc<Self>, max_bytes: usize, done: Done) {
        self.step(done, move |mut stream| {
            let next = match &mut stream {
                Stream::Pages(source) => source.next(max_bytes)?.map(Reply::Text),
                Stream::Bytes(source) => source.next(max_bytes)?.map(Reply::Bytes),
                Stream::Sink(_) => return Err(misused("takes bytes and gives none")),
            };
            Ok((Some(stream), next.unwrap_or(Reply::Nothing)))
        });
    }

    /// Pushes a piece. The reply comes once there is room for the next one.
    pub fn write(self: &Arc<Self>, chunk: Bytes, done: Done) {
        self.step(done, move |mut stream| {
            let Stream::Sink(sink) = &mut stream else { return Err(misused("gives and takes no bytes")) };
            sink.write(chunk)?;
            Ok((Some(stream), Reply::Nothing))
        });
    }

    /// Ends the stream: everything was pushed, or pulled. The answer is a text, or another stream.
    pub fn finish(self: &Arc<Self>, done: Done) {
        self.step(done, |stream| {
            let answer = match stream {
                Stream::Pages(source) | Stream::Bytes(source) => source.finish(),
                Stream::Sink(sink) => sink.finish(),
            };
            answer.map(answered)
        });
    }

    /// Lets the step under way end soon, and every later one at once, with `ABORTED`. Never blocks.
    pub fn abort(&self) {
        self.control.abort();
    }

    /// Ends the call with `why`, unless it is over: a step under way ends soon. `done` is called when nothing of the
    /// call is left, and must not block. Never blocks.
    pub fn close(self: &Arc<Self>, why: Error, done: impl FnOnce() + Send + 'static) {
        self.control.stop(why.clone());
        let call = self.clone();
        self.steps.run(move |_| {
            // A stream may panic as it is dropped. Nobody could be told more than that it is gone.
            let _ = guarded(|| {
                call.close_now(why);
                Ok(())
            });
            done();
        });
    }

    /// Ends the call as [`close`](Call::close) does. What it holds is dropped here, which may block, or by the step
    /// under way.
    pub fn close_now(&self, why: Error) {
        self.control.stop(why.clone());
        let mut state = self.state.lock();
        if matches!(*state, State::Open(_)) {
            // The lock is held meanwhile: a second close that returns behind the first leaves nothing, either.
            *state = State::Over(why);
            drop(state);
            self.control.end();
        }
    }

    /// True if the call holds nothing any more. False if that cannot be told at once.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.state.try_lock().is_some_and(|state| matches!(*state, State::Over(_)))
    }

    fn step(self: &Arc<Self>, done: Done, run: impl FnOnce(Stream) -> Result<Left> + Send + 'static) {
        let call = self.clone();
        self.steps.run(move |started| {
            let stream = match std::mem::replace(&mut *call.state.lock(), State::Running) {
                State::Open(stream) => Ok(stream),
                State::Over(error) => Err(error),
                State::Running => Err(misused("was not started")),
            };
            let left = call.guard(started, || run(stream?));
            done(call.leave(left));
        });
    }

    fn guard(&self, started: Result<()>, run: impl FnOnce() -> Result<Left>) -> Result<Left> {
        started?;
        guarded(|| {
            self.control.check()?;
            run()
        })
    }

    /// Notes what a step left, and gives its reply.
    fn leave(&self, left: Result<Left>) -> Result<Reply> {
        let (stream, reply) = match left {
            Ok((stream, reply)) => (stream, Ok(reply)),
            Err(error) => (None, Err(error.in_engine(self.engine))),
        };
        let mut state = self.state.lock();
        *state = match (stream, self.control.check(), &reply) {
            (Some(stream), Ok(()), _) => State::Open(stream),
            (_, Err(stopped), Ok(_)) => State::Over(stopped),
            (_, _, Err(error)) => State::Over(error.clone()),
            (None, Ok(()), Ok(_)) => State::Over(ended()),
        };
        let over = matches!(*state, State::Over(_));
        drop(state);
        if over {
            self.control.end();
        }
        reply
    }
}

fn answered(answer: Answer) -> Left {
    let stream = match answer {
        Answer::Text(text) => return (None, Reply::Text(text)),
        Answer::Pages(source) => Stream::Pages(source),
        Answer::Bytes(source) => Stream::Bytes(source),
        Answer::Sink(sink) => Stream::Sink(sink),
    };
    (Some(stream), Reply::Stream)
}

fn ended() -> Error {
    Error::new(Code::Closed, "the call is over")
}

fn misused(how: &str) -> Error {
    Error::new(Code::InvalidArgument, format!("this call of a model {how}"))
}

#[cfg(test)]
mod tests;

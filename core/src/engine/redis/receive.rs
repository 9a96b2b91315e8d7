//! The receiving thread of a connection: it gives replies to their callers, notices a server that hangs, and
//! connects again.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::time::{Duration, Instant};

use redis::Value as Answer;

use super::fault::Loss;
use super::handshake::{Established, Identity, establish};
use super::link::{Settle, Shared, refuse, settle, tick};
use super::replies::Replies;
use super::wire::SharedWire;
use crate::error::Result;

/// The longest pause between two attempts to connect.
const MAX_PAUSE: Duration = Duration::from_secs(2);
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// Bytes received at once.
const BUFFER: usize = 64 << 10;

/// Serves one connection after the other until the link is closed.
pub(super) fn run(shared: &Shared, first: SharedWire, identity: Option<Identity>) {
    let mut connection = Some((first, identity));
    while let Some((wire, identity)) = connection {
        let loss = serve(shared, &wire);
        wire.shut();
        give_up(shared, &wire, loss);
        connection = connect_again(shared, identity.as_ref());
    }
    refuse_the_rest(shared);
}

/// Receives until the connection is of no more use.
fn serve(shared: &Shared, wire: &SharedWire) -> Loss {
    if wire.set_receive_timeout(tick(&shared.settings)).is_err() {
        return Loss::Cut;
    }
    let mut buffer = vec![0; BUFFER];
    let mut replies = Replies::default();
    let mut arrived = Vec::new();
    let mut answers = Vec::new();
    loop {
        let mut end = None;
        let mut take = |bytes: &[u8]| {
            if replies.feed(bytes, &mut arrived).is_err() {
                end = Some(Loss::Garbled);
            }
        };
        match wire.receive(&mut buffer, &mut take) {
            Ok(true) => {}
            Ok(false) => return Loss::Cut,
            Err(error) => match error.kind() {
                io::ErrorKind::Interrupted => continue,
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {}
                _ => return Loss::Cut,
            },
        }
        let end = if arrived.is_empty() {
            end.or_else(|| is_late(shared).then_some(Loss::Late))
        } else {
            end.or(assign(shared, &mut arrived, &mut answers))
        };
        for (done, replies) in answers.drain(..) {
            settle(done, replies);
        }
        if let Some(loss) = end {
            return loss;
        }
    }
}

type Settled = (Settle, Result<Vec<Answer>>);

/// Gives each reply to the call it belongs to.
fn assign(shared: &Shared, arrived: &mut Vec<Answer>, answers: &mut Vec<Settled>) -> Option<Loss> {
    let mut state = shared.state.lock();
    for reply in arrived.drain(..) {
        let Some(flight) = state.flights.front_mut() else {
            // A reply that nobody asked for: which call the next one belongs to cannot be known.
            return Some(Loss::Garbled);
        };
        flight.replies.push(reply);
        flight.missing -= 1;
        if flight.missing == 0
            && let Some(flight) = state.flights.pop_front()
        {
            answers.push((flight.settle, Ok(flight.replies)));
        }
    }
    if state.closing && state.idle() {
        shared.quiet.notify_all();
    }
    None
}

/// True if the call that is answered next has waited too long.
fn is_late(shared: &Shared) -> bool {
    let state = shared.state.lock();
    let timeout = shared.settings.command_timeout;
    state.flights.front().is_some_and(|flight| flight.since.elapsed() >= timeout)
}

/// Settles what was under way on a lost connection.
fn give_up(shared: &Shared, wire: &SharedWire, loss: Loss) {
    let mut state = shared.state.lock();
    state.wire = None;
    let flights = std::mem::take(&mut state.flights);
    let sent = wire.sent();
    shared.work.notify_one();
    drop(state);
    for flight in flights {
        // A transaction or command whose end never left was not carried out.
        let error = if flight.end > sent { Loss::of_unsent() } else { loss.of_sent(flight.write) };
        settle(flight.settle, Err(error));
    }
    shared.quiet.notify_all();
}

/// Tries until there is a connection; `None` once the link is closed.
fn connect_again(shared: &Shared, before: Option<&Identity>) -> Option<(SharedWire, Option<Identity>)> {
    let mut pause = FIRST_PAUSE;
    loop {
        if shared.state.lock().closed {
            return None;
        }
        let established = establish(&shared.settings, before);
        let mut state = shared.state.lock();
        if state.closed {
            return None;
        }
        match established {
            Ok(Established { wire, identity }) => {
                state.put = wire.sent();
                state.wire = Some(wire.clone());
                state.failure = None;
                shared.work.notify_one();
                return Some((wire, identity));
            }
            Err(error) => {
                state.failure = Some(error);
                let until = Instant::now() + jitter(pause);
                while !state.closed && !shared.quiet.wait_until(&mut state, until).timed_out() {}
                pause = (pause * 2).min(MAX_PAUSE);
            }
        }
    }
}

/// Between half of `pause` and all of it, so that many clients do not return at once.
fn jitter(pause: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish() % 1000;
    pause / 2 + pause.mul_f64(random as f64 / 2000.0)
}

fn refuse_the_rest(shared: &Shared) {
    let queue = std::mem::take(&mut shared.state.lock().queue);
    for call in queue {
        refuse(call.what, super::closed());
    }
}

//! The receiving thread of a connection: it gives replies to their callers, notices a server that hangs, and
//! connects again.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use redis::Value as Answer;

use super::super::fault::Loss;
use super::call::{Flight, Settle, refuse, settle};
use super::connection::SharedWire;
use super::handshake::{self, Established, Identity, Kill, establish};
use super::lost_reply::{self, Doubt};
use super::reply_parser::Replies;
use super::{Shared, tick};
use crate::error::{Error, Result};

/// The longest pause between two attempts to connect.
const MAX_PAUSE: Duration = Duration::from_secs(2);
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// The longest while somebody waits to be told what became of a commit.
const DOUBT_PAUSE: Duration = Duration::from_millis(100);
/// The least time an attempt to connect is given.
const MIN_PATIENCE: Duration = Duration::from_millis(50);
/// Bytes received at once.
const BUFFER: usize = 64 << 10;

/// Serves one connection after the other until the link is closed.
pub(super) fn run(shared: &Shared, first: SharedWire, identity: Option<Identity>) {
    let mut connection = Some((first, identity));
    while let Some((wire, identity)) = connection {
        let loss = serve(shared, &wire);
        wire.shut();
        let doubts = give_up(shared, &wire, loss);
        connection = connect_again(shared, identity.as_ref(), doubts);
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
        if let Answer::Push { .. } = reply {
            // It belongs to no call.
            continue;
        }
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
    if state.wants_sending() {
        shared.work.notify_one();
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

/// Settles what was under way on a lost connection, but for commits that the next one can ask about.
fn give_up(shared: &Shared, wire: &SharedWire, loss: Loss) -> Vec<Doubt> {
    let mut state = shared.state.lock();
    state.wire = None;
    let flights = std::mem::take(&mut state.flights);
    let sent = wire.sent();
    let arrived = |flight: &Flight| flight.end <= sent;
    state.doubts = flights.iter().filter(|flight| arrived(flight) && flight.write && flight.number.is_some()).count();
    shared.work.notify_one();
    drop(state);
    let until = Instant::now() + shared.settings.command_timeout;
    let mut doubts = Vec::new();
    for flight in flights {
        match flight.number {
            // A command whose end never left was not carried out.
            _ if !arrived(&flight) => settle(flight.settle, Err(Loss::of_unsent())),
            Some(number) if flight.write => doubts.push(Doubt { number, settle: flight.settle, loss, until }),
            _ => settle(flight.settle, Err(loss.of_sent(flight.write))),
        }
    }
    shared.quiet.notify_all();
    doubts
}

/// Tries until there is a connection; `None` once the link is closed. What became of `doubts` is asked before it is used.
fn connect_again(
    shared: &Shared,
    before: Option<&Identity>,
    mut doubts: Vec<Doubt>,
) -> Option<(SharedWire, Option<Identity>)> {
    let mut pause = FIRST_PAUSE;
    loop {
        if shared.state.lock().closed {
            give_up_doubts(shared, &mut doubts);
            return None;
        }
        // Nobody in doubt waits longer than the command timeout for an attempt to fail.
        let patience = doubts.first().map_or(shared.settings.connect_timeout, |doubt| {
            let left = doubt.until.saturating_duration_since(Instant::now());
            left.clamp(MIN_PATIENCE, shared.settings.connect_timeout.max(MIN_PATIENCE))
        });
        let established =
            establish(&shared.settings, patience).and_then(|established| ask(shared, before, established, &mut doubts));
        let now = Instant::now();
        if doubts.first().is_some_and(|doubt| doubt.until <= now) {
            give_up_doubts(shared, &mut doubts);
        }
        let mut state = shared.state.lock();
        if state.closed {
            drop(state);
            give_up_doubts(shared, &mut doubts);
            return None;
        }
        match established {
            Ok(Established { wire, identity }) => {
                state.put = wire.sent();
                state.wire = Some(wire.clone());
                state.failure = None;
                shared.reconnects.one();
                shared.work.notify_one();
                return Some((wire, identity));
            }
            Err(error) => {
                state.failure = Some(error);
                if state.closing && !doubts.is_empty() {
                    // Whoever closes waits for them, and the server is not there.
                    drop(state);
                    give_up_doubts(shared, &mut doubts);
                    continue;
                }
                let until = Instant::now() + jitter(pause);
                while !state.closed && !shared.quiet.wait_until(&mut state, until).timed_out() {}
                pause = (pause * 2).min(if doubts.is_empty() { MAX_PAUSE } else { DOUBT_PAUSE });
            }
        }
    }
}

/// Sees to it that nothing sent before is carried out any more, and tells what became of `doubts`.
fn ask(
    shared: &Shared,
    before: Option<&Identity>,
    established: Established,
    doubts: &mut Vec<Doubt>,
) -> Result<Established> {
    let proof = shared.proof.load(Ordering::Relaxed);
    let mut pipe = redis::pipe();
    let kills = handshake::pack_kill(&mut pipe, before, established.identity.as_ref());
    if !doubts.is_empty() {
        lost_reply::pack_question(&mut pipe, shared.commits.client(), doubts, proof);
    }
    if pipe.is_empty() {
        return Ok(established);
    }
    let deadline = doubts.first().map_or(Instant::now() + shared.settings.connect_timeout, |doubt| doubt.until);
    let mut replies = handshake::ask(&established.wire, &pipe, deadline)
        .map_err(|error| Error::io("asking what became of the last connection", &error))?
        .into_iter();
    let killed = kills != Kill::Nothing && matches!(replies.next(), Some(Answer::Int(_)));
    let answer = replies.next();
    resolved(shared, doubts, |doubts| lost_reply::tell(doubts, proof, killed && kills == Kill::SameProcess, answer));
    Ok(established)
}

/// Settles `doubts` by `tell`.
fn resolved(shared: &Shared, doubts: &mut Vec<Doubt>, tell: impl FnOnce(Vec<Doubt>)) {
    if doubts.is_empty() {
        return;
    }
    tell(std::mem::take(doubts));
    shared.state.lock().doubts = 0;
    shared.quiet.notify_all();
}

/// Nobody is told more than that the outcome is unknown.
fn give_up_doubts(shared: &Shared, doubts: &mut Vec<Doubt>) {
    resolved(shared, doubts, |doubts| doubts.into_iter().for_each(Doubt::give_up));
}

/// Between half of `pause` and all of it, so that many clients do not return at once.
fn jitter(pause: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish() % 1000;
    pause / 2 + pause.mul_f64(random as f64 / 2000.0)
}

fn refuse_the_rest(shared: &Shared) {
    let queue = std::mem::take(&mut shared.state.lock().queue);
    for call in queue {
        refuse(call.what, super::super::closed());
    }
}

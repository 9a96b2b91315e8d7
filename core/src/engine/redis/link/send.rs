//! The sending thread: packs what has gathered while others were under way, and sends it at once.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use parking_lot::MutexGuard;
use redis::{ServerErrorKind, Value as Answer};

use super::super::fault::{Loss, unreachable};
use super::super::outcome::results;
use super::super::write::{Work, answer};
use super::call::{Call, Flight, Settle, What, refuse, settle};
use super::{Shared, State};
use crate::error::Result;

/// Calls and bytes sent at once at most, but for the call that crosses the line.
const GATHER_CALLS: usize = 1024;
const GATHER_BYTES: usize = 1 << 20;

/// While this many calls are under way, small batches gather until there are so many: one call of the script costs the server as much as
/// twenty rows of it.
const BUSY: usize = 2;
const GATHER_BATCHES: usize = 64;

impl Shared {
    /// The sending thread: takes what has gathered, again and again.
    pub fn send_gathered(&self) {
        let mut state = self.state.lock();
        loop {
            state.told = false;
            if state.closed {
                return;
            }
            let Some(wire) = state.wire.clone() else {
                self.give_up_old_calls(&mut state);
                continue;
            };
            if state.queue.is_empty() {
                self.quiet.notify_all();
                self.work.wait(&mut state);
                continue;
            }
            if state.gathers() {
                state.gathering = true;
                self.work.wait(&mut state);
                state.gathering = false;
                continue;
            }
            let calls = take_calls(&mut state.queue);
            let from = state.put;
            state.sending = true;
            drop(state);
            let (bytes, flights) = self.pack(calls, from);
            state = self.state.lock();
            if !state.wire.as_ref().is_some_and(|now| Arc::ptr_eq(now, &wire)) {
                state.sending = false;
                drop(state);
                for flight in flights {
                    settle(flight.settle, Err(Loss::of_unsent()));
                }
                state = self.state.lock();
                continue;
            }
            state.put += bytes.len() as u64;
            state.flights.extend(flights);
            drop(state);
            if wire.send(&bytes).is_err() {
                wire.shut();
            }
            state = self.state.lock();
            state.sending = false;
        }
    }

    /// Without a connection: fails the calls that have waited too long, or waits until the next one has.
    fn give_up_old_calls(&self, state: &mut MutexGuard<'_, State>) {
        let now = Instant::now();
        let patience = self.settings.connect_timeout;
        let mut old = Vec::new();
        while state.queue.front().is_some_and(|call| call.since + patience <= now) {
            old.extend(state.queue.pop_front());
        }
        if old.is_empty() {
            match state.queue.front().map(|call| call.since + patience) {
                Some(deadline) => {
                    self.work.wait_until(state, deadline);
                }
                None => {
                    self.quiet.notify_all();
                    self.work.wait(state);
                }
            }
            return;
        }
        let error = unreachable(&self.settings.address, state.failure.as_ref());
        MutexGuard::unlocked(state, || {
            for call in old {
                refuse(call.what, error.clone());
            }
        });
    }

    /// The bytes of `calls` and what to expect for them, from position `end` of the stream on.
    pub fn pack(&self, calls: Vec<Call>, mut end: u64) -> (Vec<u8>, Vec<Flight>) {
        let mut bytes = Vec::with_capacity(calls.iter().map(|call| call.what.size()).sum::<usize>() + 64);
        let mut flights = Vec::with_capacity(calls.len());
        let mut blind: Vec<Work> = Vec::new();
        let since = Instant::now();
        let mut calls = calls.into_iter().peekable();
        while let Some(call) = calls.next() {
            let from = bytes.len();
            let (missing, write, number, settle) = match call.what {
                What::Commit { work, again } => {
                    let next = calls.peek();
                    let alone = again || !self.commits.is_blind(&work);
                    blind.push(work);
                    if !alone
                        && let Some(Call { what: What::Commit { work, again: false }, .. }) = next
                        && self.commits.is_blind(work)
                    {
                        continue;
                    }
                    let works = std::mem::take(&mut blind);
                    let number = self.commits.pack(&works, again, &mut bytes);
                    let write = works.iter().any(|work| !work.batch.ops.is_empty());
                    (1, write, Some(number), self.settle_commits(works, number))
                }
                What::Packed { bytes: packed, replies, write, settle } => {
                    bytes.extend_from_slice(&packed);
                    (replies, write, None, settle)
                }
            };
            end += (bytes.len() - from) as u64;
            flights.push(Flight { end, missing, replies: Vec::with_capacity(missing), since, write, number, settle });
        }
        (bytes, flights)
    }

    /// What to do with the reply to a call that commits.
    fn settle_commits(&self, works: Vec<Work>, number: u64) -> Settle {
        let me = self.me.clone();
        Box::new(move |replies| match replies.map(|mut replies| replies.pop()) {
            Err(error) => {
                let errors = std::iter::repeat_with(|| Err(error.clone()));
                answer(works, errors);
            }
            // Nothing was done yet, and the source says it all again.
            Ok(Some(Answer::ServerError(text))) if text.kind() == Some(ServerErrorKind::NoScript) => match me.upgrade()
            {
                Some(shared) => shared.submit_again(works),
                None => answer(works, std::iter::repeat_with(|| Err(super::super::closed()))),
            },
            Ok(reply) => {
                let results = results(&works, reply.unwrap_or_default());
                let kept = |(work, result): (&Work, &Result<_>)| result.is_ok() && !work.batch.ops.is_empty();
                if let Some(shared) = me.upgrade() {
                    shared.counters.group(&results);
                    if works.iter().zip(&results).any(kept) {
                        shared.proof.fetch_max(number, Ordering::Relaxed);
                    }
                }
                answer(works, results.into_iter());
            }
        })
    }

    /// Queues commits before all others, in their order.
    fn submit_again(&self, works: Vec<Work>) {
        let mut state = self.state.lock();
        if state.closed {
            drop(state);
            return answer(works, std::iter::repeat_with(|| Err(super::super::closed())));
        }
        let again = |call: &&Call| matches!(call.what, What::Commit { again: true, .. });
        let place = state.queue.iter().take_while(again).count();
        for (place, work) in (place..).zip(works) {
            let call = Call { what: What::Commit { work, again: true }, since: Instant::now() };
            state.queue.insert(place, call);
        }
        if !state.sending && !state.told {
            state.told = true;
            self.work.notify_one();
        }
    }
}

impl State {
    /// True if more batches may join those that gather.
    pub fn has_room(&self) -> bool {
        self.queue.len() < GATHER_BATCHES
    }

    /// True if the sending thread has gathered for long enough, now that replies have come.
    pub fn wants_sending(&self) -> bool {
        self.gathering && self.flights.len() < BUSY
    }

    /// True if what is queued may wait: the server has enough to do, and what comes can go with it in one call.
    fn gathers(&self) -> bool {
        self.flights.len() >= BUSY && self.has_room() && self.queue.iter().all(|call| call.what.gathers())
    }
}

fn take_calls(queue: &mut VecDeque<Call>) -> Vec<Call> {
    let mut bytes = 0;
    let mut count = 0;
    while count < GATHER_CALLS
        && bytes < GATHER_BYTES
        && let Some(call) = queue.get(count)
    {
        bytes += call.what.size();
        count += 1;
    }
    queue.drain(..count).collect()
}

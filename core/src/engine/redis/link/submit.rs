//! The way of a call from its caller: sent at once where nothing is in flight, else queued for the sending thread.

use std::time::Instant;

use super::super::fault::closed;
use super::call::{CallBody, Effect, OnReply, QueuedCall};
use super::rights::{self, COMMIT_COMMANDS};
use super::send;
use super::state::LinkInner;

/// A caller sends a call of at most this many bytes itself: a socket with an empty buffer takes them at once.
const DIRECT: usize = 4 << 10;

impl LinkInner {
    /// Sends or queues a call that was made at `since`. Never waits for the server.
    pub(super) fn submit(&self, body: CallBody, since: Instant) {
        let call = QueuedCall { body, since };
        let mut state = self.state.lock();
        if state.closing {
            drop(state);
            return call.body.refuse(closed());
        }
        if let Some(error) = &state.no_commits
            && matches!(call.body, CallBody::Commit { .. })
        {
            let error = error.clone();
            drop(state);
            call.body.refuse(error);
            return self.ask_for_rights();
        }
        if call.body.size() <= DIRECT
            && state.queue.is_empty()
            && state.in_flight.is_empty()
            && !state.sending
            && let Some(connection) = state.connection.clone()
        {
            let (bytes, in_flight) = send::encode(self, vec![call], state.end, None);
            state.add_in_flight(&bytes, in_flight);
            // The lock is kept, so that no other bytes come in between.
            if connection.send(&bytes).is_err() {
                // The receiving thread sees the end, and answers what was in flight.
                connection.shut();
            }
            return;
        }
        if state.connection.is_none() {
            let patience = self.patience(&state, since);
            state.next_expiry = state.next_expiry.map(|next| next.min(patience));
        }
        let waits = state.gathering && call.body.gathers() && state.has_room();
        state.queue.push_back(call);
        if !waits {
            self.wake_sender(&mut state);
        }
    }

    /// Asks the server what the user may do now: its rights may have been changed since the handshake.
    pub(super) fn ask_for_rights(&self) {
        if std::mem::replace(&mut self.state.lock().asks_for_rights, true) {
            return;
        }
        let me = self.me.clone();
        let on_reply: OnReply = Box::new(move |replies| {
            let Some(inner) = me.upgrade() else { return };
            let mut state = inner.state.lock();
            state.asks_for_rights = false;
            if let Ok(mut replies) = replies {
                state.no_commits = rights::refusal(replies.pop());
            }
        });
        let question = rights::question(self.encoder.layout(), COMMIT_COMMANDS);
        self.submit(CallBody::commands(&question, Effect::Read, on_reply), Instant::now());
    }
}

//! The suite every engine must pass: engines of this crate and engines by others.
//!
//! ```text
//! struct Mine { folder: tempfile::TempDir }
//! impl holdfast_core::conformance::Fixture for Mine { /* open the store in the folder */ }
//! holdfast_core::conformance!(Mine::new());
//! ```
//!
//! What an engine's [`Capabilities`](crate::engine::Capabilities) deny is asserted to be denied or is checked in
//! its weaker form; nothing is left out silently.

// A suite says that an engine is wrong by panicking, as any test does.
#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

pub mod batches;
pub mod expiry;
pub mod intents;
pub mod keys;
pub mod lifecycle;
pub mod model;
pub mod order;
pub mod ranges;
pub mod transactions;
pub mod values;
pub mod views;
pub mod watching;

use bytes::Bytes;

use crate::batch::{Batch, Check, Commit, Op, Outcome};
use crate::engine::registry::Lease;
use crate::engine::{Engine, EngineExt, Item, Projection, Read, Reply, Request, View, for_each_page};
use crate::error::Result;
use crate::key::{Key, KeyRange, Space};
use crate::record::{Millis, Record, Version};
use crate::value::Value;

/// A store the suite may fill. Each test gets one of its own, empty.
pub trait Fixture: Send + Sync {
    /// Opens the store, the same one each time.
    fn open(&self) -> Result<Lease>;

    /// True if what was written is there again after the last lease was closed.
    fn persistent(&self) -> bool;

    /// False where a write without conditions is never refused: on a key that an undecided transaction holds it counts as
    /// made before what the transaction writes there.
    fn refuses_plain_writes(&self) -> bool {
        true
    }
}

/// Defines one `#[test]` a case, each with a fixture made by `$make`: all of them, or a group, `map` (what any ordered map
/// with views does), `store` (what outlives a lease) or `promises` (intents, the log, transactions).
#[macro_export]
macro_rules! conformance {
    (map $make:expr) => {
        $crate::conformance!(@ $make;
            keys::every_allowed_key_is_a_key_of_its_own,
            keys::keys_are_ordered_by_their_bytes,
            keys::internal_keys_are_any_bytes_and_never_seen_by_users,
            values::every_value_comes_back_as_it_went_in,
            values::a_large_value_comes_back,
            values::an_overwritten_record_keeps_nothing_of_the_old_one,
            values::metadata_comes_back,
            ranges::bounds_prefixes_and_directions_hold,
            ranges::patterns_hold,
            ranges::pages_resume_where_they_ended,
            ranges::counting_agrees_with_listing,
            batches::a_batch_is_whole_or_not_at_all,
            batches::operations_of_a_batch_apply_in_order,
            batches::checks_compare_versions,
            batches::increments_are_exact_and_refuse_other_types,
            batches::a_failed_increment_in_a_batch_writes_nothing,
            batches::both_keyspaces_change_together,
            batches::range_checks_see_later_commits,
            batches::deleting_tells_what_existed,
            batches::a_range_is_deleted_and_nothing_else,
            expiry::an_expired_key_is_absent_at_once,
            expiry::an_expired_key_counts_as_absent_in_checks,
            expiry::increments_keep_the_expiry,
            order::a_read_sees_the_write_submitted_before_it,
            order::a_write_does_not_overtake_an_earlier_read,
            order::concurrent_increments_are_all_counted,
            order::a_listing_sees_what_was_submitted_before_it_and_nothing_later,
            order::a_view_sees_what_was_submitted_before_it,
            views::a_view_is_one_moment,
            views::views_are_independent_and_may_outlive_writes,
            model::random_operations_agree_with_an_ordered_map,
        );
    };
    (store $make:expr) => {
        $crate::conformance!(@ $make;
            batches::versions_change_exactly_with_value_and_expiry,
            batches::sequence_numbers_increase,
            batches::an_oversized_batch_is_refused_whole,
            expiry::a_sweep_never_deletes_a_newer_value,
            lifecycle::what_was_committed_is_there_after_reopening,
            lifecycle::calls_after_close_are_refused,
            lifecycle::close_finishes_what_was_submitted,
            lifecycle::two_leases_share_one_store,
            lifecycle::verify_finds_nothing_wrong,
        );
    };
    (promises $make:expr) => {
        $crate::conformance!(@ $make;
            intents::an_intent_is_seen_once_it_is_carried_out,
            intents::a_dropped_intent_writes_nothing_and_frees_its_keys,
            intents::an_intent_is_ended_once,
            intents::the_checks_of_an_intent_are_made_when_it_is_prepared,
            intents::a_conditional_batch_on_a_held_key_conflicts_and_others_go_through,
            intents::a_plain_write_of_a_held_key_conflicts,
            intents::ranges_and_held_keys_exclude_each_other,
            intents::a_second_intent_on_a_held_key_is_refused,
            intents::intents_on_different_keys_stand_together,
            intents::ranges_and_counters_of_an_intent_apply_in_order,
            intents::an_intent_that_could_not_be_carried_out_is_refused,
            intents::an_intent_keeps_values_metadata_and_expiry,
            intents::reads_go_on_while_an_intent_stands,
            intents::intents_survive_a_restart_and_lock_their_keys,
            lifecycle::what_happens_is_counted,
            watching::commits_are_told_in_order_and_whole,
            watching::what_fails_or_is_ours_is_not_told,
            watching::a_watch_tells_only_its_keys,
            watching::one_key_has_one_change_a_commit,
            watching::a_deleted_range_is_told_as_what_it_was,
            watching::deletes_of_absent_keys_are_not_told,
            watching::a_slow_consumer_ends_with_an_error,
            watching::a_dropped_watch_is_told_nothing,
            watching::close_ends_a_watch,
            watching::concurrent_commits_are_told_once_and_in_order,
            watching::a_watch_resumes_from_the_log,
            watching::no_commit_falls_between_log_and_live,
            watching::a_since_outside_the_log_is_refused,
            watching::the_log_survives_reopening,
            watching::the_log_is_trimmed_from_its_beginning,
            transactions::own_writes_are_seen_inside_alone,
            transactions::a_rolled_back_transaction_leaves_nothing,
            transactions::a_transaction_reads_one_moment,
            transactions::a_key_that_was_read_and_has_changed_is_a_conflict,
            transactions::a_range_that_was_read_and_has_changed_is_a_conflict,
            transactions::a_range_that_holds_no_key_never_conflicts,
            transactions::what_was_not_read_may_change,
            transactions::write_skew_is_refused,
            transactions::conditions_inside_are_of_what_is_seen_inside,
            transactions::a_batch_that_fails_inside_leaves_nothing,
            transactions::a_read_only_transaction_refuses_writes,
            transactions::calls_are_carried_out_in_order_before_the_commit,
            transactions::concurrent_transactions_lose_no_update,
            transactions::random_writes_over_an_engine_agree_with_a_map,
        );
    };
    (@ $make:expr; $($module:ident :: $case:ident),* $(,)?) => {
        $(
            #[test]
            fn $case() {
                $crate::conformance::$module::$case(&$make);
            }
        )*
    };
    ($make:expr) => {
        $crate::conformance!(map $make);
        $crate::conformance!(store $make);
        $crate::conformance!(promises $make);
    };
}

/// Opens the fixture's store or fails the test.
pub(crate) fn open(fixture: &dyn Fixture) -> Lease {
    fixture.open().unwrap_or_else(|error| panic!("cannot open: {error} ({:?})", error.cause()))
}

/// Short calls for the cases, each failing the test on an error.
pub(crate) trait Calls: Engine {
    fn set(&self, key: &str, value: &str) {
        self.put(key, value, None);
    }

    fn put(&self, key: &str, value: &str, expires_at: Option<Millis>) -> Commit {
        self.run(Batch::one(set(key, value, expires_at)).reporting())
    }

    fn run(&self, batch: Batch) -> Commit {
        self.commit(batch).unwrap_or_else(|error| panic!("commit: {error} ({:?})", error.cause()))
    }

    fn ask(&self, read: Read) -> Reply {
        let reply = self.try_read(&read).unwrap_or_else(|| self.wait(Request::Read(read)));
        reply.unwrap_or_else(|error| panic!("read: {error} ({:?})", error.cause()))
    }

    fn value(&self, key: &str) -> Option<String> {
        match self.ask(Read::Get(Space::User, owned(key))) {
            Reply::Value(value) => value.map(text),
            _ => panic!("not a value"),
        }
    }

    fn has(&self, key: &str) -> bool {
        matches!(self.ask(Read::Has(Space::User, owned(key))), Reply::Has(true))
    }

    fn entry(&self, key: &str) -> Option<Record> {
        match self.ask(Read::Entry(Space::User, owned(key))) {
            Reply::Entry(record) => record,
            _ => panic!("not an entry"),
        }
    }

    fn version(&self, key: &str) -> Option<Version> {
        self.entry(key).map(|record| record.version)
    }

    fn delete(&self, key: &str) -> bool {
        let commit = self.run(Batch::one(Op::Delete { space: Space::User, key: owned(key) }).reporting());
        commit.outcomes == [Outcome::Deleted { existed: true }]
    }

    fn look(&self) -> std::sync::Arc<dyn View> {
        self.view().unwrap_or_else(|error| panic!("view: {error}"))
    }

    fn keys(&self, range: &KeyRange) -> Vec<String> {
        keys_of(&*self.look(), range)
    }
}

impl<E: Engine + ?Sized> Calls for E {}

pub(crate) fn owned(key: &str) -> Key {
    Bytes::copy_from_slice(key.as_bytes())
}

pub(crate) fn set(key: &str, value: &str, expires_at: Option<Millis>) -> Op {
    Op::Set {
        space: Space::User,
        key: owned(key),
        value: Value::json(Bytes::copy_from_slice(value.as_bytes())),
        expires_at,
        metadata: None,
    }
}

pub(crate) fn check(key: &str, version: Option<Version>) -> Check {
    Check { space: Space::User, key: owned(key), version }
}

/// The value as compact text: engines may lay JSON out differently.
pub(crate) fn text(value: Value) -> String {
    let text = String::from_utf8_lossy(&value.to_text()).into_owned();
    compact(&text)
}

/// JSON without the space between tokens.
pub(crate) fn compact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut in_string, mut escaped) = (false, false);
    for c in text.chars() {
        if in_string {
            in_string = escaped || c != '"';
            escaped = !escaped && c == '\\';
        } else if c.is_ascii_whitespace() {
            continue;
        } else {
            in_string = c == '"';
        }
        out.push(c);
    }
    out
}

pub(crate) fn keys_of(view: &dyn View, range: &KeyRange) -> Vec<String> {
    entries_of(view, range, Projection::Keys).into_iter().map(|(key, _)| key).collect()
}

pub(crate) fn entries_of(view: &dyn View, range: &KeyRange, what: Projection) -> Vec<(String, Option<String>)> {
    let mut entries = Vec::new();
    for_each_page(view, Space::User, range, what, |page| {
        entries.extend(page.into_iter().map(|(key, item)| {
            let key = String::from_utf8(key.to_vec()).unwrap_or_else(|_| panic!("a user key is not UTF-8"));
            let value = match item {
                Item::Key => None,
                Item::Value(value) => Some(text(value)),
                Item::Record(record) => Some(text(record.value)),
            };
            (key, value)
        }));
        Ok(true)
    })
    .unwrap_or_else(|error| panic!("scan: {error}"));
    entries
}

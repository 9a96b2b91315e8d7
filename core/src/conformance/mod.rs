//! The suite that every engine passes: the engines of this crate, and engines by others. It needs the feature
//! `conformance`.
//!
//! A test program has a [`Fixture`], and [`conformance!`](crate::conformance!) defines the tests:
//!
//! ```
//! use holdfast_core::conformance::Fixture;
//! use holdfast_core::engine::memory::{self, MemoryOptions};
//! use holdfast_core::engine::registry::Lease;
//!
//! struct Memory;
//!
//! impl Fixture for Memory {
//!     fn open(&self) -> holdfast_core::Result<Lease> {
//!         Ok(Lease::private(memory::open(MemoryOptions::default())))
//!     }
//!
//!     fn persistent(&self) -> bool {
//!         false
//!     }
//! }
//!
//! holdfast_core::conformance!(Memory);
//! ```
//!
//! A store in a folder needs no fixture of its own: [`TempStore`](crate::testing::TempStore) is one.
//!
//! Where the [`Capabilities`](crate::engine::Capabilities) of an engine deny an ability, the test of it checks that the
//! engine refuses, or checks the weaker promise. No test is left out.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a test fails by panicking"
)]
#![allow(missing_docs, reason = "a test is named after the behaviour that it shows")]

pub mod batches;
pub mod change_log;
pub mod conflicts;
pub mod expiry;
pub mod held_keys;
pub mod intents;
pub mod keys;
pub mod lifecycle;
pub mod model;
pub mod order;
pub mod overlay;
pub mod ranges;
pub mod replacement;
pub mod transactions;
pub mod values;
pub mod views;
pub mod watching;

use crate::engine::registry::Lease;
use crate::error::Result;
use crate::testing::ok;

/// A store that the suite may fill. Each test gets an empty one of its own.
pub trait Fixture: Send + Sync {
    /// Opens the store, the same one each time.
    ///
    /// # Errors
    ///
    /// The error of the opening, which fails the test.
    fn open(&self) -> Result<Lease>;

    /// True if the records are there again after the last lease was closed and the store was opened anew.
    fn persistent(&self) -> bool;

    /// False if the engine never refuses a write without conditions. On a key that an undecided transaction holds, such
    /// a write counts as made before the write of the transaction.
    fn refuses_plain_writes(&self) -> bool {
        true
    }
}

/// Defines one `#[test]` for each case of the suite. The expression makes the fixture of each.
///
/// A word before the expression selects a group: `map` (the behaviour of an ordered map with views), `store` (the
/// behaviour that outlives a lease), `promises` (intents, watches, the change log, transactions,
/// replacements).
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
            batches::whole_numbers_beyond_2_53_are_refused,
            batches::a_failed_increment_in_a_batch_writes_nothing,
            batches::both_keyspaces_change_together,
            batches::range_checks_see_later_commits,
            batches::a_delete_reports_whether_the_key_was_there,
            batches::a_range_is_deleted_and_nothing_else,
            expiry::an_expired_key_is_absent_at_once,
            expiry::an_expired_key_counts_as_absent_in_checks,
            expiry::a_limited_deletion_does_not_count_expired_keys,
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
            batches::an_empty_batch_marks_a_place_among_the_commits,
            batches::an_oversized_batch_is_refused_whole,
            expiry::a_sweep_never_deletes_a_newer_value,
            lifecycle::committed_records_are_there_after_reopening,
            lifecycle::calls_after_close_are_refused,
            lifecycle::close_finishes_submitted_calls,
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
            held_keys::a_conditional_batch_on_a_held_key_conflicts_and_others_go_through,
            held_keys::a_plain_write_of_a_held_key_conflicts,
            held_keys::ranges_and_held_keys_exclude_each_other,
            held_keys::a_second_intent_on_a_held_key_is_refused,
            intents::intents_on_different_keys_stand_together,
            intents::ranges_and_counters_of_an_intent_apply_in_order,
            intents::an_intent_that_could_not_be_carried_out_is_refused,
            intents::an_intent_keeps_values_metadata_and_expiry,
            intents::reads_go_on_while_an_intent_stands,
            intents::intents_survive_a_restart_and_lock_their_keys,
            lifecycle::commits_conflicts_and_cache_hits_are_counted,
            watching::commits_are_told_in_order_and_whole,
            watching::what_is_requested_behind_the_call_is_told,
            watching::failed_batches_and_internal_keys_are_not_told,
            watching::a_watch_tells_only_its_keys,
            watching::one_key_has_one_change_a_commit,
            watching::a_deleted_range_is_told_as_an_interval,
            watching::deletes_of_absent_keys_are_not_told,
            watching::a_slow_consumer_ends_with_an_error,
            watching::a_dropped_watch_is_told_nothing,
            watching::close_ends_a_watch,
            watching::concurrent_commits_are_told_once_and_in_order,
            change_log::a_watch_resumes_from_the_log,
            change_log::no_commit_falls_between_log_and_live,
            change_log::a_watch_resumes_inside_a_commit,
            change_log::a_since_outside_the_log_is_refused,
            change_log::the_log_survives_reopening,
            change_log::the_log_is_trimmed_from_its_beginning,
            transactions::own_writes_are_seen_inside_alone,
            transactions::a_rolled_back_transaction_leaves_nothing,
            transactions::a_transaction_reads_one_moment,
            conflicts::a_key_that_was_read_and_has_changed_is_a_conflict,
            conflicts::a_range_that_was_read_and_has_changed_is_a_conflict,
            conflicts::a_range_that_holds_no_key_never_conflicts,
            conflicts::keys_that_were_not_read_may_change,
            conflicts::write_skew_is_refused,
            transactions::conditions_inside_are_checked_against_the_state_inside,
            transactions::a_batch_that_fails_inside_leaves_nothing,
            transactions::a_read_only_transaction_refuses_writes,
            transactions::calls_are_carried_out_in_order_before_the_commit,
            conflicts::concurrent_transactions_lose_no_update,
            overlay::random_writes_over_an_engine_agree_with_a_map,
            replacement::a_replacement_is_the_content_at_once,
            replacement::a_replacement_that_is_dropped_leaves_nothing,
            replacement::a_replacement_waits_for_no_intent_and_overrides_none,
            replacement::a_transaction_that_read_replaced_content_conflicts,
            replacement::a_view_of_replaced_content_keeps_it_or_conflicts,
            replacement::watches_end_at_a_replacement_and_the_log_begins_anew,
            replacement::readers_see_one_content_or_the_other,
            replacement::writes_beside_a_replacement_are_before_or_behind_it,
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

/// Opens the store of a fixture, or fails the test.
fn open(fixture: &dyn Fixture) -> Lease {
    ok(fixture.open())
}

/// Gives a lease back, or fails the test.
fn close(lease: Lease) {
    ok(lease.close());
}

//! The inside of a transaction is an engine: it passes the suite, too.

use holdfast_core::conformance::Fixture;
use holdfast_core::engine::memory;
use holdfast_core::engine::registry::Lease;
use holdfast_core::error::Result;
use holdfast_core::transaction::{Options, Transaction};

struct Inside;

impl Fixture for Inside {
    fn open(&self) -> Result<Lease> {
        let transaction = Transaction::new(Options::default(), None);
        Ok(Lease::private(transaction.on("memory", &memory::open(Default::default()))))
    }

    fn persistent(&self) -> bool {
        false
    }
}

// Left out: what a transaction has no part in (closing, sharing, verifying) and what belongs to its commit (durability, the limit
// of a batch, the version a record gets, sweeping).
holdfast_core::conformance!(@ Inside;
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

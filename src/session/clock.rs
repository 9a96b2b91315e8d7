//! The clock of the process.

use holdfast_core::clock;
use holdfast_core::engine;
use napi_derive::napi;

/// The time by which records are stamped and expire, in milliseconds since 1970.
#[napi(catch_unwind)]
#[allow(clippy::cast_precision_loss, reason = "no clock tells a time beyond 2^53")]
pub(crate) fn now() -> f64 {
    clock::now() as f64
}

/// The time of the system's clock, in milliseconds since 1970.
#[napi(catch_unwind)]
#[allow(clippy::cast_precision_loss, reason = "no clock tells a time beyond 2^53")]
pub(crate) fn system_now() -> f64 {
    clock::system() as f64
}

/// Sets the time for every store of the process. Without one, the system tells it. Blocks if the time goes back, until
/// the stores have freed what had expired.
#[napi(catch_unwind)]
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the facade gives whole numbers from 0 on")]
pub(crate) fn set_clock(time: Option<f64>) {
    engine::set_clock(time.map(|time| time as u64));
}

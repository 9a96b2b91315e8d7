//! The Node addon: converts arguments, dispatches to `holdfast-core`, settles queued calls. No logic.
//!
//! Dependencies point one way: `session` opens stores and hosts, `store` and `host` make calls, `wire` reads and writes their
//! text forms, `boundary` converts.

#![cfg_attr(test, allow(dead_code))] // What JavaScript calls is registered outside of tests only.

mod boundary;
mod host;
mod session;
mod store;
mod wire;

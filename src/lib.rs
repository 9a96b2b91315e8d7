//! The Node addon: converts arguments, calls `holdfast-core`, and settles queued calls. It has no logic of its own.
//!
//! Dependencies point one way: `session` opens stores and hosts, `store` and `host` make calls, `wire` reads and writes
//! their text forms, `boundary` converts.

#![allow(clippy::needless_pass_by_value, reason = "napi hands arguments over by value")]
#![allow(clippy::trivially_copy_pass_by_ref, reason = "the calls of napi take `&Env`")]
#![cfg_attr(test, allow(dead_code, reason = "functions for JavaScript are registered outside of tests only"))]

mod boundary;
mod host;
mod session;
mod store;
mod wire;

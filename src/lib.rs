//! The Node addon: converts arguments, dispatches to `holdfast-core`, settles what was queued. No logic.

#![cfg_attr(test, allow(dead_code))] // What JavaScript calls is registered outside of tests only.

mod custom;
mod error;
mod hot;
mod log;
mod options;
mod session;
mod settle;
mod slot;
mod store;
mod text;
mod view;
mod watch;
mod wire;

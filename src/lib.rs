//! The Node addon: converts arguments, dispatches to `holdfast-core`, settles what was queued. No logic.

mod error;
mod hot;
mod options;
mod session;
mod settle;
mod store;
mod text;
mod view;
mod wire;

//! What a store keeps of a consumer. `docs/formats/consumers.md` describes the text.

use serde::{Deserialize, Serialize};

use crate::engine::{Engine, EngineExt};
use crate::error::{Error, Result};
use crate::key::{Key, Space};
use crate::keyspace::CONSUMER;
use crate::record::Version;
use crate::value::Value;

/// The stored state of a consumer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    /// The place up to which everything is done; `None` if the consumer has never begun.
    pub(super) cursor: Option<String>,
    pub(super) holder: Option<Holder>,
}

/// The consumer at work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Holder {
    pub(super) process: String,
    pub(super) token: String,
    pub(super) host: String,
    pub(super) pid: u32,
    pub(super) timeout: u64,
    pub(super) beat: u64,
}

/// The key of the record.
pub(super) fn key_of(name: &str) -> Key {
    [CONSUMER, name.as_bytes()].concat().into()
}

/// The state of a consumer, with the version of its record. Blocks.
pub(super) fn read(engine: &dyn Engine, name: &str) -> Result<(State, Option<Version>)> {
    let Some(record) = engine.record(Space::Internal, &key_of(name))? else { return Ok((State::default(), None)) };
    let Value::Json(text) = &record.value else { return Err(damaged(name)) };
    Ok((decode(text).ok_or_else(|| damaged(name))?, Some(record.version)))
}

/// The state in a record's text.
pub(super) fn decode(text: &[u8]) -> Option<State> {
    serde_json::from_slice(text).ok()
}

pub(super) fn encode(state: &State) -> Result<Value> {
    let text = serde_json::to_vec(state).map_err(|_| Error::corrupted("the state of a consumer is no JSON"))?;
    Ok(Value::Json(text.into()))
}

fn damaged(name: &str) -> Error {
    Error::corrupted(format!("what the store keeps of the consumer {name} is damaged"))
}

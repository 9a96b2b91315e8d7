//! Makes the calls of a host and waits for their answers.

use std::sync::{Arc, mpsc};

use parking_lot::Mutex;

use super::host::{Answer, Answered, Call, Host, Traits};
use super::key_encoding;
use crate::engine::intent::{Found, Intents};
use crate::engine::{Item, Page, unexpected_reply};
use crate::error::{Error, Result};
use crate::key::{Key, Space};
use crate::record::{Record, Version};
use crate::threads::guarded;

pub(super) struct HostClient {
    host: Arc<dyn Host>,
    pub traits: Traits,
    /// The write intents that stand. Only the commit that runs changes them.
    pub intents: Mutex<KnownIntents>,
}

#[derive(Default)]
pub(super) struct KnownIntents {
    pub intents: Intents,
    /// They were read from the engine, and are certainly right.
    pub certain: bool,
}

impl HostClient {
    pub(super) fn new(host: Arc<dyn Host>) -> Self {
        HostClient { traits: host.traits(), host, intents: Mutex::default() }
    }

    /// Makes a call and waits for its answer. Blocks.
    pub(super) fn call(&self, call: Call) -> Result<Answered> {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.host.call(
            call,
            Box::new(move |answered| {
                // The receiver waits below.
                let _ = sender.send(answered);
            }),
        );
        // A host that drops a call without an answer is gone.
        receiver.recv().unwrap_or_else(|_| Err(Error::closed()))
    }

    /// The live record of a key, and the number of changes it was read at. Blocks.
    pub(super) fn get(&self, space: Space, key: &[u8], inside: bool) -> Result<(Option<Record>, u64)> {
        let answered = self.call(Call::Get { key: key_encoding::encode(space, key)?, inside })?;
        let Answer::Record(record) = answered.answer else { return Err(unexpected_reply()) };
        let record = record.filter(|record| !record.has_expired()).map(|record| {
            let version = version(&record);
            Record { version, ..record }
        });
        Ok((record, answered.changes))
    }

    /// Every key of a keyspace, in order, and the number of changes they were listed at. Blocks.
    pub(super) fn keys(&self, space: Space, inside: bool) -> Result<(Vec<Key>, u64)> {
        let answered = self.call(Call::Keys { inside })?;
        let Answer::Keys(stored) = answered.answer else { return Err(unexpected_reply()) };
        let mut keys: Vec<Key> = stored.into_iter().filter_map(|key| key_encoding::decode(space, &key)).collect();
        keys.sort_unstable();
        keys.dedup();
        Ok((keys, answered.changes))
    }

    /// Makes the calls of `run` in one step: until its end the engine answers nobody else. `run` gets the number of
    /// changes that the engine had made at the beginning. Blocks.
    pub(super) fn in_step<T>(&self, run: impl FnOnce(u64) -> Result<T>) -> Result<T> {
        let begun = self.call(Call::Begin)?;
        let result = guarded(|| run(begun.changes));
        // An engine that fails here is closed. The next call tells that; the writes of the step stand.
        let _ = self.call(Call::End { kept: result.is_ok() });
        result
    }

    /// The write intents that stand. Read inside a step, where they are not known. Blocks.
    pub(super) fn standing_intents(&self) -> Result<Intents> {
        let mut known = self.intents.lock();
        if !known.certain {
            known.intents.replace(Found::read(|range, _| {
                let mut page = Page::default();
                for key in self.keys(Space::Internal, true)?.0.into_iter().filter(|key| range.contains(key)) {
                    if let (Some(record), _) = self.get(Space::Internal, &key, true)? {
                        page.entries.push((key, Item::Value(record.value)));
                    }
                }
                Ok(page)
            })?);
            known.certain = true;
        }
        Ok(known.intents.clone())
    }

    /// Closes the host.
    pub(super) fn close(&self) {
        self.host.close();
    }
}

/// The version of a record of a custom engine, which gives no times.
pub(super) fn version(record: &Record) -> Version {
    Record { created_at: None, updated_at: None, ..record.clone() }.digest()
}

//! An engine of the user's own: a map. A thread makes its calls one at a time, and answers each when it is made.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;

use holdfast_core::engine::custom::{Answer, Answered, Call, Host, OnAnswer, Traits, Write};
use holdfast_core::error::{Code, Error, Result};
use holdfast_core::key::Key;
use holdfast_core::record::{Record, now};

/// The records, whichever host is open.
#[derive(Default)]
pub(crate) struct Store {
    pub records: BTreeMap<Key, Record>,
    pub changes: u64,
}

/// Decides which writes fail.
#[derive(Default)]
pub(crate) struct Faults {
    /// The number of the write that fails, from now on; 0: none.
    pub after: AtomicUsize,
    /// How many writes fail from that one on.
    pub times: AtomicUsize,
    /// A write that fails is made all the same.
    pub made: bool,
}

impl Faults {
    /// True if the write that is being made fails.
    fn strike(&self) -> bool {
        let counted = |left: usize| left.checked_sub(1);
        match self.after.load(Ordering::Acquire) {
            0 => false,
            1 => self.times.fetch_update(Ordering::AcqRel, Ordering::Acquire, counted).is_ok(),
            _ => self.after.fetch_sub(1, Ordering::AcqRel) == 0,
        }
    }

    /// The `n`-th write from now on fails, and those after it, `times` in all.
    pub(crate) fn strike_at(&self, n: usize, times: usize) {
        self.times.store(times, Ordering::Release);
        self.after.store(n, Ordering::Release);
    }
}

type Sent = (Call, OnAnswer);

pub(crate) struct MapHost {
    traits: Traits,
    calls: Mutex<Option<Sender<Sent>>>,
}

impl MapHost {
    pub(crate) fn open(store: Arc<Mutex<Store>>, faults: Arc<Faults>, traits: Traits) -> Arc<Self> {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || Worker { store, faults }.work(&receiver));
        Arc::new(MapHost { traits, calls: Mutex::new(Some(sender)) })
    }
}

impl Host for MapHost {
    fn traits(&self) -> Traits {
        self.traits
    }

    fn call(&self, call: Call, answer: OnAnswer) {
        let refused = match &*self.calls.lock().unwrap() {
            Some(calls) => calls.send((call, answer)).err().map(|unsent| unsent.0.1),
            None => Some(answer),
        };
        if let Some(answer) = refused {
            answer(Err(Error::closed()));
        }
    }

    fn close(&self) {
        *self.calls.lock().unwrap() = None;
    }
}

struct Worker {
    store: Arc<Mutex<Store>>,
    faults: Arc<Faults>,
}

impl Worker {
    fn work(&self, calls: &Receiver<Sent>) {
        // Calls from outside that wait for the end of the step.
        let mut held: VecDeque<Sent> = VecDeque::new();
        let mut in_step = false;
        loop {
            let next = if in_step { None } else { held.pop_front() };
            let Some((call, answer)) = next.or_else(|| calls.recv().ok()) else { break };
            let inside = match &call {
                Call::Begin => false,
                Call::Get { inside, .. } | Call::Keys { inside } => *inside,
                Call::End { .. } | Call::Write(_) | Call::Batch(_) => true,
            };
            assert!(in_step || !inside, "{call:?} outside of a step");
            if in_step && !inside {
                held.push_back((call, answer));
                continue;
            }
            match call {
                Call::Begin => in_step = true,
                Call::End { .. } => in_step = false,
                _ => {}
            }
            answer(self.make(call));
        }
        for (_, answer) in held {
            answer(Err(Error::closed()));
        }
    }

    fn make(&self, call: Call) -> Result<Answered> {
        let mut store = self.store.lock().unwrap();
        let answer = match call {
            Call::Begin | Call::End { .. } => Answer::Done,
            Call::Get { key, .. } => Answer::Record(store.records.get(&key).cloned()),
            Call::Keys { .. } => {
                let live = store.records.iter().filter(|(_, record)| !record.has_expired());
                Answer::Keys(live.map(|(key, _)| key.clone()).rev().collect())
            }
            Call::Write(write) => {
                let failed = self.faults.strike();
                if !failed || self.faults.made {
                    store.write(write);
                    store.changes += 1;
                }
                if failed {
                    return Err(Error::new(Code::NoSpace, "the map is full"));
                }
                Answer::Done
            }
            Call::Batch(writes) => {
                if self.faults.strike() {
                    return Err(Error::new(Code::NoSpace, "the map is full"));
                }
                for write in writes {
                    store.write(write);
                }
                store.changes += 1;
                Answer::Done
            }
        };
        Ok(Answered { answer, changes: store.changes })
    }
}

impl Store {
    fn write(&mut self, write: Write) {
        match write {
            Write::Set { key, value, expires_at, metadata } => {
                let at = Some(now());
                let created_at = self.records.get(&key).map_or(at, |old| old.created_at);
                let record = Record { metadata, created_at, updated_at: at, ..Record::bare(value, expires_at) };
                self.records.insert(key, record);
            }
            Write::Delete { key } => {
                self.records.remove(&key);
            }
        }
    }
}

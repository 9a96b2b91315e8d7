use bytes::Bytes;

use crate::batch::{Op, codec};
use crate::error::{Code, Error, Result};
use crate::format::parts::{Reader, put_bytes, put_varint};

const STORE: u8 = 1;
const COMMIT: u8 = 2;
const UNDO: u8 = 3;
const UNDONE: u8 = 4;
const CLEAN: u8 = 5;

/// An entry of the log.
#[derive(Clone, Debug)]
pub enum Entry {
    /// From here on a store takes part in the log's transactions. It is written before any other entry about the store.
    Store {
        /// The number of the store in the log.
        index: u64,
        /// The id that the store keeps wherever it is moved.
        id: u128,
        /// True if the store keeps intents; else `Undo` entries say how to take back its writes.
        intents: bool,
        /// The name that the application gives the store.
        name: String,
    },
    /// The decision of a transaction: its intents are carried out.
    Commit {
        /// The number of the transaction.
        number: u64,
    },
    /// The writes that a transaction is about to make in a store, and the writes that take them back.
    Undo {
        /// The number of the transaction.
        number: u64,
        /// The number of the store.
        store: u64,
        /// The writes.
        written: Vec<Op>,
        /// The writes that take them back, of the same keys in the same order.
        before: Vec<Op>,
    },
    /// The writes of a transaction in a store were taken back.
    Undone {
        /// The number of the transaction.
        number: u64,
        /// The number of the store.
        store: u64,
    },
    /// By recovery: no intent of this log stands in a store any more.
    Clean {
        /// The number of the store.
        store: u64,
    },
}

/// Appends an entry to the body of a frame.
pub fn put(out: &mut Vec<u8>, entry: &Entry) {
    match entry {
        Entry::Store { index, id, intents, name } => {
            out.push(STORE);
            put_varint(out, *index);
            out.extend_from_slice(&id.to_be_bytes());
            out.push(u8::from(*intents));
            put_bytes(out, name.as_bytes());
        }
        Entry::Commit { number } => {
            out.push(COMMIT);
            put_varint(out, *number);
        }
        Entry::Undo { number, store, written, before } => {
            out.push(UNDO);
            put_varint(out, *number);
            put_varint(out, *store);
            put_bytes(out, &codec::encode(written));
            put_bytes(out, &codec::encode(before));
        }
        Entry::Undone { number, store } => {
            out.push(UNDONE);
            put_varint(out, *number);
            put_varint(out, *store);
        }
        Entry::Clean { store } => {
            out.push(CLEAN);
            put_varint(out, *store);
        }
    }
}

/// Reads the entries of a frame, whose body is `body`.
pub(super) fn read_entries(body: &Bytes) -> Result<Vec<Entry>> {
    let mut reader = Reader::new(body);
    let mut entries = Vec::new();
    while !reader.is_at_end() {
        entries.push(read_entry(&mut reader)?);
    }
    Ok(entries)
}

fn read_entry(reader: &mut Reader<'_>) -> Result<Entry> {
    let damaged = || Error::corrupted("it is cut short");
    let kind = reader.byte().ok_or_else(damaged)?;
    Ok(match kind {
        STORE => {
            let index = reader.varint().ok_or_else(damaged)?;
            let id = reader.take(16).and_then(|id| id.as_ref().try_into().ok()).ok_or_else(damaged)?;
            let intents = reader.byte().ok_or_else(damaged)? != 0;
            let name = reader.slice().ok_or_else(damaged)?;
            let name = String::from_utf8_lossy(&name).into_owned();
            Entry::Store { index, id: u128::from_be_bytes(id), intents, name }
        }
        COMMIT => Entry::Commit { number: reader.varint().ok_or_else(damaged)? },
        UNDO => {
            let (number, store) = reader.varint().zip(reader.varint()).ok_or_else(damaged)?;
            let (written, before) = reader.slice().zip(reader.slice()).ok_or_else(damaged)?;
            Entry::Undo { number, store, written: codec::decode(&written)?, before: codec::decode(&before)? }
        }
        UNDONE => {
            let (number, store) = reader.varint().zip(reader.varint()).ok_or_else(damaged)?;
            Entry::Undone { number, store }
        }
        CLEAN => Entry::Clean { store: reader.varint().ok_or_else(damaged)? },
        _ => {
            return Err(Error::new(
                Code::UnsupportedFormat,
                "an entry is of a newer kind; open it with the version of holdfast that wrote it",
            ));
        }
    })
}

use std::sync::Arc;

use bytes::Bytes;

use super::lines::{Found, Lines};
use super::refusals::Refusals;
use super::request::{Format, Import as Request};
use crate::batch::{Batch, MAX_BATCH_BYTES, Op};
use crate::engine::{Engine, EngineExt};
use crate::error::{Code, Error, Result};
use crate::format::json_lines::{self, Line};
use crate::key::{Key, Space, check_key};
use crate::keyspace;
use crate::model::{Answer, Control, Progress, Sink};

/// The size of a batch, in bytes: large enough that its sync does not count, and small enough to bound memory.
const BATCH_BYTES: usize = 1 << 20;

/// The number of records of a batch. An engine that writes one by one is held up for no longer.
const BATCH_RECORDS: usize = 1000;

/// Imports records, a batch at a time. A line that is no record, or that the engine refuses, is noted and left out.
///
/// Records that were committed before the stream ends early stay. The latest progress tells how many records that are.
pub(super) fn start(engine: Arc<dyn Engine>, request: Request, control: Arc<Control>) -> Result<Answer> {
    let Format::JsonLines = request.format()?;
    let max_value_bytes = request.max_value_bytes.min(MAX_BATCH_BYTES);
    Ok(Answer::Sink(Box::new(Import {
        engine,
        prefix: request.prefix,
        max_value_bytes,
        // A Buffer grows by a third as base64. Key, names and metadata come on top.
        lines: Lines::new(3 * max_value_bytes + (64 << 10)),
        batch: Vec::new(),
        batch_bytes: 0,
        imported: 0,
        refusals: Refusals::default(),
        bytes: 0,
        control,
    })))
}

struct Import {
    engine: Arc<dyn Engine>,
    prefix: String,
    max_value_bytes: usize,
    lines: Lines,
    /// The writes that are not committed yet, each with the number of its line.
    batch: Vec<(u64, Op)>,
    batch_bytes: usize,
    imported: u64,
    refusals: Refusals,
    bytes: u64,
    control: Arc<Control>,
}

impl Import {
    fn take(&mut self, number: u64, found: Found) -> Result<()> {
        let line = match found {
            Found::Line(line) => line,
            Found::TooLong => {
                let message =
                    format!("the line is longer than any record with a value of {} bytes", self.max_value_bytes);
                self.refusals.note(number, &Error::new(Code::ValueTooLarge, message));
                return Ok(());
            }
        };
        let text = if number == 1 { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&line) } else { &line };
        if text.trim_ascii().is_empty() {
            return Ok(());
        }
        match json_lines::read(text).and_then(|line| self.op(line)) {
            Ok(op) => {
                self.batch_bytes += op.size();
                self.batch.push((number, op));
            }
            Err(error) => self.refusals.note(number, &error),
        }
        if self.batch_bytes >= BATCH_BYTES || self.batch.len() >= BATCH_RECORDS { self.commit() } else { Ok(()) }
    }

    /// The write of a record, which is what `set` takes, too.
    fn op(&self, line: Line) -> Result<Op> {
        let key = if self.prefix.is_empty() { line.key } else { format!("{}{}", self.prefix, line.key) };
        check_key(&key)?;
        if let Some(folder) = keyspace::model_folder(key.as_bytes()) {
            let message = format!("keys under {folder} belong to a model and are written through it");
            return Err(Error::new(Code::InvalidKey, message).at_key(key.as_bytes()));
        }
        for (size, what) in [(line.value.len(), "value"), (line.metadata.as_ref().map_or(0, Bytes::len), "metadata")] {
            if size > self.max_value_bytes {
                let limit = self.max_value_bytes;
                let message = format!("the encoded {what} is {size} bytes, over the limit of {limit} bytes");
                return Err(Error::new(Code::ValueTooLarge, message).at_key(key.as_bytes()));
            }
        }
        let Line { value, expires_at, metadata, .. } = line;
        Ok(Op::Set { space: Space::User, key: Key::from(key), value, expires_at, metadata })
    }

    /// Commits the batch. If the engine refuses it because of a record, commits the records one by one.
    fn commit(&mut self) -> Result<()> {
        self.control.check()?;
        self.batch_bytes = 0;
        let (numbers, ops): (Vec<u64>, Vec<Op>) = std::mem::take(&mut self.batch).into_iter().unzip();
        if ops.is_empty() {
            return Ok(());
        }
        let count = ops.len() as u64;
        let committed = match self.engine.commit(Batch::of(ops.iter().cloned())) {
            Err(error) if concerns_a_record(&error) => self.commit_each(numbers, ops),
            committed => committed.map(|_| self.imported += count),
        };
        let (done, bytes) = (self.imported, Some(self.bytes));
        self.control.report(Progress { phase: "import", done, total: None, bytes });
        committed
    }

    fn commit_each(&mut self, numbers: Vec<u64>, ops: Vec<Op>) -> Result<()> {
        for (number, op) in numbers.into_iter().zip(ops) {
            self.control.check()?;
            let key = op.key().map(|(_, key)| key.clone()).unwrap_or_default();
            match self.engine.commit(Batch::one(op)) {
                Ok(_) => self.imported += 1,
                Err(error) if concerns_a_record(&error) => self.refusals.note(number, &error.at_key(&key)),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// True if the engine may take other records all the same.
fn concerns_a_record(error: &Error) -> bool {
    matches!(
        error.code(),
        Code::Conflict
            | Code::InvalidArgument
            | Code::InvalidKey
            | Code::Locked
            | Code::NotSupported
            | Code::UnsupportedValue
            | Code::ValueTooLarge
    )
}

impl Sink for Import {
    fn write(&mut self, chunk: Bytes) -> Result<()> {
        self.bytes += chunk.len() as u64;
        self.lines.feed(chunk);
        while let Some((number, found)) = self.lines.next() {
            self.take(number, found)?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Answer> {
        if let Some((number, found)) = self.lines.last() {
            self.take(number, found)?;
        }
        self.commit()?;
        Ok(Answer::Pages(Box::new(self.refusals.into_pages(self.imported))))
    }
}

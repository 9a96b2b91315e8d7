use bytes::Bytes;

use crate::error::Result;

/// The answer to a request of a model.
pub enum Answer {
    /// One JSON text.
    Text(Bytes),
    /// Pages, each of them one JSON text.
    Pages(Box<dyn Source>),
    /// Bytes out.
    Bytes(Box<dyn Source>),
    /// Bytes in.
    Sink(Box<dyn Sink>),
}

/// A stream that is pulled. Between two calls it does nothing and holds no thread.
///
/// Its drop ends it, and may block.
pub trait Source: Send {
    /// The next page or piece, of about `max_bytes` bytes; `None` at the end. Blocks.
    ///
    /// # Errors
    ///
    /// Those of the engine, or the error with which the call was stopped. The stream is over then.
    fn next(&mut self, max_bytes: usize) -> Result<Option<Bytes>>;

    /// The answer of a stream that was pulled to its end, such as a count. Blocks.
    ///
    /// # Errors
    ///
    /// Those of [`next`](Source::next).
    fn finish(self: Box<Self>) -> Result<Answer> {
        Ok(Answer::Text(Bytes::from_static(b"null")))
    }
}

/// A stream that takes what is pushed. Between two calls it does nothing and holds no thread.
///
/// Its drop gives up the call, and may block. Each request says what it leaves then.
pub trait Sink: Send {
    /// Takes a piece of any size. Blocks until there is room for the next one.
    ///
    /// # Errors
    ///
    /// Those of the engine, or the error with which the call was stopped. The stream is over then.
    fn write(&mut self, chunk: Bytes) -> Result<()>;

    /// Takes the end of the stream. Blocks.
    ///
    /// # Errors
    ///
    /// Those of [`write`](Sink::write).
    fn finish(self: Box<Self>) -> Result<Answer>;
}

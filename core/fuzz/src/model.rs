//! Requests of models, and what an import reads.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use holdfast_core::engine::Engine;
use holdfast_core::engine::memory::{self, MemoryOptions};
use holdfast_core::format::json_lines;
use holdfast_core::model::{Answer, Control, Source, start};
use holdfast_core::{Code, Record};

const EXPORT: &[u8] = br#"{"transfer":{"export":{"format":"jsonl"}}}"#;
const IMPORT: &[u8] = br#"{"transfer":{"import":{"format":"jsonl","maxValueBytes":32}}}"#;

/// Any bytes as a request of a model: refused, or an answer.
pub fn model_request(bytes: &[u8]) {
    match answer(&empty(), bytes) {
        Ok(Answer::Text(_)) => {}
        Ok(Answer::Pages(mut source) | Answer::Bytes(mut source)) => {
            source.next(64).unwrap();
        }
        Ok(Answer::Sink(mut sink)) => sink.write(Bytes::from_static(b"\n")).unwrap(),
        Err(code) => {
            let refused = matches!(code, Code::InvalidArgument | Code::NotSupported | Code::PreconditionFailed);
            assert!(refused, "{code:?}");
        }
    }
}

/// Any bytes as a line of JSON Lines: refused, or a record whose own line gives it again.
pub fn json_line(bytes: &[u8]) {
    let line = match json_lines::read(bytes) {
        Ok(line) => line,
        Err(error) => {
            assert!(matches!(error.code(), Code::InvalidArgument | Code::InvalidKey), "{error}");
            return;
        }
    };
    let record = Record { metadata: line.metadata.clone(), ..Record::bare(line.value.clone(), line.expires_at) };
    let mut written = BytesMut::new();
    json_lines::write(line.key.as_bytes(), &record, &mut written);
    assert_eq!(written.iter().filter(|byte| **byte == b'\n').count(), 1);
    assert_eq!(json_lines::read(&written).unwrap(), line);
}

/// Any bytes as the source of an import: how they are cut into chunks changes nothing, and what an export of the result
/// gives is taken whole.
pub fn import(bytes: &[u8]) {
    let Some((size, bytes)) = bytes.split_first() else { return };
    let (engine, other) = (empty(), empty());
    let outcome = imported(&engine, bytes.chunks(usize::from(*size).max(1)));
    assert_eq!(imported(&other, std::iter::once(bytes)), outcome);
    let lines = exported(&engine);
    assert_eq!(exported(&other), lines);

    let again = empty();
    let outcome = imported(&again, std::iter::once(&lines[..]));
    assert!(outcome.ends_with("\"refusedCount\":0,\"refused\":[]}"), "{outcome}");
    assert_eq!(exported(&again), lines);
}

fn empty() -> Arc<dyn Engine> {
    memory::open(MemoryOptions::default())
}

fn answer(engine: &Arc<dyn Engine>, request: &[u8]) -> Result<Answer, Code> {
    start(engine, request, &Control::new(None)).map_err(|error| error.code())
}

fn imported<'a>(engine: &Arc<dyn Engine>, chunks: impl Iterator<Item = &'a [u8]>) -> String {
    let Ok(Answer::Sink(mut sink)) = answer(engine, IMPORT) else { panic!("not a sink") };
    for chunk in chunks {
        sink.write(Bytes::copy_from_slice(chunk)).unwrap();
    }
    let Ok(Answer::Pages(pages)) = sink.finish() else { panic!("not pages") };
    String::from_utf8(all(pages)).unwrap()
}

fn exported(engine: &Arc<dyn Engine>) -> Vec<u8> {
    let Ok(Answer::Bytes(source)) = answer(engine, EXPORT) else { panic!("not a source") };
    all(source)
}

fn all(mut source: Box<dyn Source>) -> Vec<u8> {
    std::iter::from_fn(|| source.next(1 << 16).unwrap()).flatten().collect()
}

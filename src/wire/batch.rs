//! Batches, and their outcomes.

use bytes::{BufMut, Bytes, BytesMut};
use holdfast_core::batch::{Batch, Check, Commit, Op, Outcome};
use holdfast_core::error::Result;
use holdfast_core::key::{KeyRange, Space};
use holdfast_core::keyspace;
use holdfast_core::record::{Millis, Version};
use holdfast_core::value::{Value, decode_base64};
use serde_json::Value as Json;

use super::fields::{Fields, malformed, millis};
use super::range::range;

/// The operations and checks of a batch.
pub(crate) fn batch(text: &Bytes, report: bool) -> Result<Batch> {
    let mut fields = Fields::new(text);
    let mut batch = Batch { report, ..Batch::default() };
    while let Some((&kind, rest)) = fields.rest.split_first() {
        fields.rest = rest;
        let space = Space::User;
        match kind {
            b'S' | b'B' | b'T' | b'U' => {
                let key = fields.key()?;
                let value = if matches!(kind, b'S' | b'T') {
                    Value::Json(fields.bytes()?)
                } else {
                    Value::Binary(decode_base64(fields.take()?).ok_or_else(malformed)?.into())
                };
                let (expires_at, metadata) =
                    if matches!(kind, b'T' | b'U') { set_options(fields.take()?)? } else { (None, None) };
                batch.ops.push(Op::Set { space, key, value, expires_at, metadata });
            }
            b'D' => batch.ops.push(Op::Delete { space, key: fields.key()? }),
            b'A' | b'I' => {
                let key = fields.key()?;
                let by = number(fields.text()?)?;
                let (expires_at, metadata) = if kind == b'I' { set_options(fields.take()?)? } else { (None, None) };
                batch.ops.push(Op::Add { space, key, by, expires_at, metadata });
            }
            b'C' => {
                let key = fields.key()?;
                let version = match fields.text()? {
                    "" => None,
                    // No record has the version of another text, so the check fails.
                    text => Some(Version::parse(text).unwrap_or_else(|| Version::of_commit(0))),
                };
                batch.checks.push(Check { space, key, version });
            }
            b'R' => {
                let range = range(fields.take()?)?;
                if range.pattern.is_none() && range.limit.is_none() {
                    batch.ops.extend(range.intervals().into_iter().map(|range| Op::DeleteRange { space, range }));
                } else {
                    batch.ops.push(Op::DeleteRange { space, range });
                }
            }
            b'X' => {
                fields.take()?;
                for (space, range) in [(Space::User, KeyRange::all()), (Space::Internal, keyspace::models())] {
                    batch.ops.push(Op::DeleteRange { space, range });
                }
            }
            _ => return Err(malformed()),
        }
    }
    Ok(batch)
}

fn number(text: &str) -> Result<f64> {
    match text {
        "NaN" => Ok(f64::NAN),
        "Infinity" => Ok(f64::INFINITY),
        "-Infinity" => Ok(f64::NEG_INFINITY),
        text => text.parse().map_err(|_| malformed()),
    }
}

/// `{"expiresAt":n,"metadata":…}`.
fn set_options(text: &[u8]) -> Result<(Option<Millis>, Option<Bytes>)> {
    let options: Json = serde_json::from_slice(text).map_err(|_| malformed())?;
    let expires_at = options.get("expiresAt").and_then(Json::as_f64).map(millis);
    let metadata = match options.get("metadata") {
        None | Some(Json::Null) => None,
        Some(Json::String(text)) => Some(Bytes::from(text.clone())),
        Some(_) => return Err(malformed()),
    };
    Ok((expires_at, metadata))
}

/// `{"seq":n,"outcomes":[…]}`.
pub(crate) fn commit_json(commit: &Commit) -> Bytes {
    let mut out = BytesMut::from(format!("{{\"seq\":{},\"outcomes\":[", commit.seq).as_bytes());
    for (at, outcome) in commit.outcomes.iter().enumerate() {
        if at > 0 {
            out.put_u8(b',');
        }
        let json = match outcome {
            Outcome::Set { version } => format!("{{\"version\":\"{version}\"}}"),
            Outcome::Added { value, version } => {
                let value = Value::from_number(*value).to_text();
                format!("{{\"value\":{},\"version\":\"{version}\"}}", String::from_utf8_lossy(&value))
            }
            Outcome::Deleted { existed } => format!("{{\"existed\":{existed}}}"),
            Outcome::Cleared => "{}".to_owned(),
        };
        out.put_slice(json.as_bytes());
    }
    out.put_slice(b"]}");
    out.freeze()
}

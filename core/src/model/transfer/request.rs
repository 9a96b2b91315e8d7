use serde::Deserialize;

use crate::error::{Code, Error, Result};

/// A request of the model `transfer`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Request {
    /// Gives records as bytes.
    Export(Export),
    /// Writes the records that the bytes are.
    Import(Import),
}

/// The arguments of an export.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Export {
    format: String,
    /// Only keys that start with this text.
    #[serde(default)]
    pub(super) prefix: String,
}

/// The arguments of an import.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Import {
    format: String,
    /// Is put in front of every key.
    #[serde(default)]
    pub(super) prefix: String,
    /// The limit of the encoded size of a value, in bytes, and of that of its metadata.
    pub(super) max_value_bytes: usize,
}

/// A format of an export or import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    JsonLines,
}

impl Export {
    pub(super) fn format(&self) -> Result<Format> {
        format(&self.format, "export")
    }
}

impl Import {
    pub(super) fn format(&self) -> Result<Format> {
        format(&self.format, "import")
    }
}

fn format(name: &str, call: &'static str) -> Result<Format> {
    match name {
        "jsonl" => Ok(Format::JsonLines),
        _ => Err(Error::new(Code::NotSupported, format!("There is no such format of {call}; there is 'jsonl'"))),
    }
}

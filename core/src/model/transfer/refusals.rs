//! The records that an import refused.

use bytes::{BufMut, Bytes, BytesMut};

use crate::error::{Code, Error, Result};
use crate::model::Source;
use crate::value::quote_into;

/// The number of refusals that are kept. The others are counted.
const KEPT: usize = 1000;

/// The lines that an import refused, in their order.
#[derive(Default)]
pub(super) struct Refusals {
    count: u64,
    kept: Vec<Refusal>,
}

struct Refusal {
    line: u64,
    key: Option<String>,
    code: Code,
    message: String,
}

impl Refusals {
    /// Notes why a line was refused.
    pub(super) fn note(&mut self, line: u64, error: &Error) {
        self.count += 1;
        if self.kept.len() < KEPT {
            let key = error.key().map(ToOwned::to_owned);
            self.kept.push(Refusal { line, key, code: error.code(), message: error.message().to_owned() });
        }
    }

    /// The outcome of an import in pages, each of them `{"imported":n,"refusedCount":n,"refused":[…]}`. At least one
    /// page comes.
    pub(super) fn into_pages(self, imported: u64) -> impl Source + 'static {
        Pages {
            head: format!("{{\"imported\":{imported},\"refusedCount\":{},\"refused\":[", self.count),
            left: self.kept,
            at: Some(0),
        }
    }
}

struct Pages {
    head: String,
    left: Vec<Refusal>,
    /// The next refusal; `None` behind the last page.
    at: Option<usize>,
}

impl Source for Pages {
    fn next(&mut self, max_bytes: usize) -> Result<Option<Bytes>> {
        let Some(mut at) = self.at else { return Ok(None) };
        let mut page = BytesMut::from(self.head.as_bytes());
        let start = page.len();
        while let Some(refusal) = self.left.get(at)
            && (page.len() == start || page.len() < max_bytes)
        {
            if page.len() > start {
                page.put_u8(b',');
            }
            refusal.write(&mut page);
            at += 1;
        }
        self.at = (at < self.left.len()).then_some(at);
        page.put_slice(b"]}");
        Ok(Some(page.freeze()))
    }
}

impl Refusal {
    fn write(&self, out: &mut BytesMut) {
        out.put_slice(format!("{{\"line\":{}", self.line).as_bytes());
        if let Some(key) = &self.key {
            out.put_slice(b",\"key\":");
            quote_into(key, out);
        }
        out.put_slice(format!(",\"code\":\"{}\",\"message\":", self.code.as_str()).as_bytes());
        quote_into(&self.message, out);
        out.put_u8(b'}');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(refused: u64, max_bytes: usize) -> Vec<serde_json::Value> {
        let mut refusals = Refusals::default();
        for line in 1..=refused {
            refusals.note(line, &Error::new(Code::InvalidKey, "a \"reason\"").at_key(b"k"));
        }
        let mut source = refusals.into_pages(7);
        std::iter::from_fn(|| source.next(max_bytes).unwrap())
            .map(|page| serde_json::from_slice(&page).unwrap())
            .collect()
    }

    #[test]
    fn an_import_without_refusals_has_one_page() {
        assert_eq!(pages(0, 10), [serde_json::json!({ "imported": 7, "refusedCount": 0, "refused": [] })]);
    }

    #[test]
    fn a_thousand_refusals_are_kept_and_all_are_counted() {
        let pages = pages(1234, 1000);
        assert!(pages.len() > 10);
        let lines: Vec<u64> = pages
            .iter()
            .flat_map(|page| page["refused"].as_array().unwrap())
            .map(|refusal| refusal["line"].as_u64().unwrap())
            .collect();
        assert_eq!(lines, (1..=1000).collect::<Vec<_>>());
        for page in &pages {
            assert_eq!(page["refusedCount"], 1234);
        }
        let first = serde_json::json!({ "line": 1, "key": "k", "code": "INVALID_KEY", "message": "a \"reason\"" });
        assert_eq!(pages[0]["refused"][0], first);
    }
}

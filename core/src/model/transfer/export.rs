use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::request::{Export as Request, Format};
use crate::engine::{Engine, EngineExt, Item, PAGE_BYTES, Projection, View};
use crate::error::Result;
use crate::format::json_lines;
use crate::key::{Key, KeyRange, Space};
use crate::keyspace::MODEL_FOLDERS;
use crate::model::{Answer, Control, Progress, Source};

/// Exports the users' keys outside the folders of the models.
pub(super) fn start(engine: &dyn Engine, request: Request, control: Arc<Control>) -> Result<Answer> {
    let Format::JsonLines = request.format()?;
    let mut range = KeyRange::prefix(request.prefix);
    range.except = MODEL_FOLDERS.map(Key::from).to_vec();
    Ok(Answer::Bytes(Box::new(Export {
        view: engine.view()?,
        range,
        place: Place::Behind(None),
        ready: BytesMut::new(),
        exported: 0,
        bytes: 0,
        control,
    })))
}

struct Export {
    view: Arc<dyn View>,
    range: KeyRange,
    place: Place,
    /// Lines that were not pulled yet: at most those of one page of the view, and what one call pulls.
    ready: BytesMut,
    exported: u64,
    bytes: u64,
    control: Arc<Control>,
}

/// How far the view was read.
enum Place {
    /// The next page is the one behind this key.
    Behind(Option<Key>),
    End,
}

impl Export {
    /// Reads a page, and makes lines of it.
    fn read(&mut self, after: Option<&Key>) -> Result<()> {
        self.control.check()?;
        let after = after.map(AsRef::as_ref);
        let page = self.view.scan(Space::User, &self.range, Projection::Records, after, PAGE_BYTES)?;
        let before = self.ready.len();
        for (key, item) in page.entries {
            if let Item::Record(record) = item {
                json_lines::write(&key, &record, &mut self.ready);
                self.exported += 1;
            }
        }
        self.bytes += (self.ready.len() - before) as u64;
        self.place = page.next.map_or(Place::End, |next| Place::Behind(Some(next)));
        let (done, bytes) = (self.exported, Some(self.bytes));
        self.control.report(Progress { phase: "export", done, total: None, bytes });
        Ok(())
    }
}

impl Source for Export {
    fn next(&mut self, max_bytes: usize) -> Result<Option<Bytes>> {
        let max_bytes = max_bytes.max(1);
        while self.ready.len() < max_bytes
            && let Place::Behind(after) = &self.place
        {
            let after = after.clone();
            self.read(after.as_ref())?;
        }
        let piece = self.ready.split_to(self.ready.len().min(max_bytes)).freeze();
        Ok((!piece.is_empty()).then_some(piece))
    }

    fn finish(self: Box<Self>) -> Result<Answer> {
        Ok(Answer::Text(format!("{{\"exported\":{}}}", self.exported).into()))
    }
}

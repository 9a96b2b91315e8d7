//! The progress of long calls.

use std::sync::Arc;

use holdfast_core::model::{Control, Listener, Progress};

use crate::boundary::settle::{CallId, Settled, Settler};
use crate::wire;

/// The control of a call whose progress comes under `id`, and in the end an empty text: the id may belong to another
/// call behind it. 0 asks for no progress.
pub(crate) fn control(settler: &Arc<Settler>, id: CallId) -> Arc<Control> {
    let settler = settler.clone();
    Control::new((id > 0).then(|| {
        Box::new(move |progress: Option<Progress>| {
            let news = progress.map_or_else(String::new, |progress| wire::progress_json(&progress));
            settler.post(id, Settled::Progress(news));
        }) as Listener
    }))
}

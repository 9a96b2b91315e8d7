//! Writes below `full`: a plain file is overwritten in place, the redo record standing for it until it is whole.
//!
//! A rename over a file costs many times as much: the system then writes the new file back at once and frees the
//! old one. Anything that may be refused (space, permission) is asked for before the record is pending.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::sync::atomic::Ordering;

use parking_lot::RwLockWriteGuard;

use super::os::{self, Folder, stamp_of};
use super::plan::{Move, Plan};
use super::records::Shelf;
use super::text;
use super::write::Writer;
use crate::batch::Op;
use crate::error::{Error, Result};
use crate::key::{Key, Space};
use crate::record::{Record, now};

/// The largest file written in place.
const MAX_IN_PLACE: u64 = 64 << 10;

/// Files held open at once.
const MAX_OPEN: usize = 128;

/// The most a redo record holds; a larger batch goes through the database, its values written once.
pub(super) const MAX_REDO: usize = 4 << 20;

/// A file about to be overwritten.
pub(super) struct Overwrite {
    content: Vec<u8>,
    /// None where too many are open already.
    file: Option<(File, u64)>,
}

/// The folder used last, so that neighbours do not look it up again.
#[derive(Default)]
struct Nearby(Option<(String, Folder)>);

impl Nearby {
    fn folder(&mut self, shelf: &Shelf, path: &str) -> Result<Option<Folder>> {
        if let Some((at, folder)) = &self.0
            && at == path
        {
            return Ok(Some(folder.clone()));
        }
        let folder = shelf.folder(path)?;
        self.0 = folder.clone().map(|folder| (path.to_owned(), folder));
        Ok(folder)
    }
}

impl Shelf {
    /// Writes a group, whole unless its batches stand `alone`. Answers with the keys that could not be written.
    ///
    /// After an error nothing is written, or no further write is taken until the next opening has finished it.
    pub fn write_over(
        &self,
        writer: &mut Writer,
        plan: &mut Plan,
        seq: u64,
        alone: bool,
        files: Option<RwLockWriteGuard<'_, ()>>,
    ) -> Result<HashMap<Key, Error>> {
        let mut failed = HashMap::new();
        let mut nearby = Nearby::default();
        let mut open = 0;
        for at in 0..plan.moves.len() {
            let Some(item) = plan.moves.get_mut(at) else { break };
            if let Err(error) = self.make_ready(item, alone, &mut nearby, &mut open) {
                if !alone {
                    self.drop_temporaries(&plan.moves);
                    return Err(error);
                }
                failed.insert(item.key.clone(), error);
            }
        }
        plan.moves.retain(|item| !failed.contains_key(&item.key));
        let whole = !alone && plan.moves.len() > 1;
        let guarded = |item: &Move| whole || item.over.is_some();
        let ops: Vec<Op> = plan.moves.iter().filter(|item| guarded(item)).map(op).collect();
        let files = files.unwrap_or_else(|| self.files.write());
        self.keep_images(plan, seq);
        let pending = if ops.is_empty() { None } else { Some(self.write_redo(writer, plan, &ops)?) };
        let mut touched = BTreeSet::new();
        for at in 0..plan.moves.len() {
            let Some(item) = plan.moves.get_mut(at) else { break };
            let guarded = guarded(item);
            let Err(error) = self.carry_out(item, &mut nearby, &mut touched) else { continue };
            if guarded {
                self.show_decided(plan.moves.get(at..).unwrap_or_default());
                self.poison();
                return Err(error);
            }
            self.drop_temporaries(std::slice::from_ref(item));
            failed.insert(item.key.clone(), error);
        }
        if let (Some(length), Some(redo)) = (pending, &mut writer.redo) {
            redo.clear(length).map_err(|error| {
                self.poison();
                self.io("write", super::REDO, &error)
            })?;
        }
        self.seq.store(seq, Ordering::Release);
        drop(files);
        Ok(failed)
    }

    /// Opens the file of `item` if it can be overwritten, else writes a temporary one.
    fn make_ready(&self, item: &mut Move, alone: bool, nearby: &mut Nearby, open: &mut usize) -> Result<()> {
        let Some(record) = &item.record else { return Ok(()) };
        let folder = nearby.folder(self, item.path.folder())?;
        if let Some(found) = folder.and_then(|folder| folder.overwritable(item.path.name())) {
            let content = text::encode(&record.value, self.encoding);
            if found.fits(content.len(), MAX_IN_PLACE) {
                *open += 1;
                let file = (*open <= MAX_OPEN).then_some((found.file, found.size));
                item.over = Some(Overwrite { content, file });
                return Ok(());
            }
        }
        if !alone {
            self.refuse_folder(item)?;
        }
        self.write_temporary(item, false)
    }

    /// Makes `ops` pending; after an error nothing is, and no temporary file is left.
    fn write_redo(&self, writer: &mut Writer, plan: &Plan, ops: &[Op]) -> Result<usize> {
        let Some(redo) = &mut writer.redo else { return Err(Error::closed()) };
        redo.write(ops).map_err(|error| {
            if redo.clear(usize::MAX).is_err() {
                self.poison();
            }
            self.drop_temporaries(&plan.moves);
            self.io("write", super::REDO, &error)
        })
    }

    fn carry_out(&self, item: &mut Move, nearby: &mut Nearby, touched: &mut BTreeSet<String>) -> Result<()> {
        let (Some(over), Some(record)) = (item.over.take(), item.record.clone()) else {
            return self.place(item, touched);
        };
        let open = |folder: Folder| {
            let found = folder.overwritable(item.path.name())?;
            found.fits(over.content.len(), MAX_IN_PLACE).then_some((found.file, found.size))
        };
        let file = match over.file {
            Some(file) => Some(file),
            None => nearby.folder(self, item.path.folder())?.and_then(open),
        };
        let Some((mut file, size)) = file else {
            // Another program has changed what lies there since.
            self.write_temporary(item, false)?;
            return self.place(item, touched);
        };
        let write = || {
            os::overwrite(&mut file, &over.content, size)?;
            if let Some(at) = record.updated_at {
                os::set_modified(&file, at)?;
            }
            stamp_of(&file)
        };
        let written: std::io::Result<_> = { write }();
        let stamp = written.map_err(|error| self.io("write", item.path.as_str(), &error).at_key(&item.key))?;
        self.remember(item, &record, stamp);
        Ok(())
    }

    /// Carries out what a crash left pending. Folders whose names changed go to `touched`.
    pub fn redo(&self, ops: Vec<Op>, sync: bool, touched: &mut BTreeSet<String>) -> Result<()> {
        for op in ops {
            let (key, record) = match op {
                Op::Set { space: Space::User, key, value, .. } => {
                    let record = Record { updated_at: Some(now()), ..Record::bare(value, None) };
                    (key, Some(record))
                }
                Op::Delete { space: Space::User, key } => (key, None),
                _ => return Err(Error::corrupted(format!("{} holds what no write puts there", super::REDO))),
            };
            let Some(path) = self.path(&key) else { continue };
            let mut item = Move::new(key, path, record);
            self.write_temporary(&mut item, sync)?;
            self.place(&item, touched)?;
        }
        Ok(())
    }
}

/// What the redo record says of `item`.
fn op(item: &Move) -> Op {
    let (space, key) = (Space::User, item.key.clone());
    match &item.record {
        Some(record) => Op::Set { space, key, value: record.value.clone(), expires_at: None, metadata: None },
        None => Op::Delete { space, key },
    }
}

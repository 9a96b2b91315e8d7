//! The bytes of one file: those that are durable, and the changes since that may be lost.

use bytes::Bytes;

use super::loss::Harm;
use crate::random::Random;

const SECTOR: u64 = 512;

/// A file, as long as the disk has power.
#[derive(Clone, Default)]
pub(super) struct File {
    durable: Vec<u8>,
    /// Changes since, in order.
    pending: Vec<Pending>,
}

#[derive(Clone)]
struct Pending {
    edit: Edit,
    state: EditState,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum EditState {
    Dirty,
    /// Lost to a failed sync, as far as the system knows; perhaps there all the same.
    Forgotten,
    /// There, but something before it is not known to be.
    Durable,
}

/// A change of a file's bytes or of its length.
#[derive(Clone)]
pub(super) enum Edit {
    Write { offset: u64, data: Bytes },
    Resize(u64),
    Grow(u64),
    Zero { offset: u64, length: u64 },
}

impl File {
    /// Makes a change that is not durable yet.
    pub(super) fn edit(&mut self, edit: Edit) {
        self.pending.push(Pending { edit, state: EditState::Dirty });
    }

    /// Makes all changes durable, but for those that a failed sync has lost.
    pub(super) fn sync(&mut self) {
        for pending in &mut self.pending {
            if pending.state == EditState::Dirty {
                pending.state = EditState::Durable;
            }
        }
        let known = self.pending.iter().take_while(|pending| pending.state == EditState::Durable).count();
        for pending in self.pending.drain(..known) {
            pending.edit.apply(&mut self.durable);
        }
    }

    /// Loses the changes that are not durable to a failed sync.
    pub(super) fn forget(&mut self) {
        for pending in &mut self.pending {
            if pending.state == EditState::Dirty {
                pending.state = EditState::Forgotten;
            }
        }
    }

    /// Bytes that may be left if the power goes now.
    pub(super) fn lose_power(&self, harm: Harm, random: &mut Random) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        for Pending { edit, state } in &self.pending {
            if *state == EditState::Durable {
                edit.apply(&mut bytes);
            } else if random.chance(harm.data) {
                edit.apply_torn(&mut bytes, harm, random);
            } else {
                edit.leave_length(&mut bytes, harm, random);
            }
        }
        bytes
    }
}

impl Edit {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Edit::Write { offset, data } => put(bytes, *offset, data),
            Edit::Resize(size) => bytes.resize(usize::try_from(*size).unwrap_or(0), 0),
            Edit::Grow(size) => grow(bytes, *size),
            Edit::Zero { offset, length } => {
                let end = offset.saturating_add(*length).min(bytes.len() as u64);
                let range = usize::try_from(*offset).unwrap_or(usize::MAX)..usize::try_from(end).unwrap_or(0);
                if let Some(hole) = bytes.get_mut(range) {
                    hole.fill(0);
                }
            }
        }
    }

    /// Applies a write, perhaps only some of its sectors.
    fn apply_torn(&self, bytes: &mut Vec<u8>, harm: Harm, random: &mut Random) {
        let Edit::Write { offset, data } = self else { return self.apply(bytes) };
        if !random.chance(harm.torn) {
            return self.apply(bytes);
        }
        let whole = offset + data.len() as u64;
        if random.chance(50) {
            grow(bytes, whole);
        }
        let mut at = *offset;
        while at < whole {
            let end = ((at / SECTOR + 1) * SECTOR).min(whole);
            let (from, to) = (at - offset, end - offset);
            let piece = usize::try_from(from).unwrap_or(0)..usize::try_from(to).unwrap_or(0);
            if random.chance(50) {
                put(bytes, at, data.get(piece).unwrap_or_default());
            }
            at = end;
        }
    }

    /// Leaves the length of a lost write, perhaps, with zeros or old bytes in it.
    fn leave_length(&self, bytes: &mut Vec<u8>, harm: Harm, random: &mut Random) {
        let Edit::Write { offset, data } = self else { return };
        if !random.chance(harm.length) {
            return;
        }
        let from = bytes.len();
        grow(bytes, offset + data.len() as u64);
        if random.chance(harm.junk) {
            for byte in bytes.get_mut(from..).unwrap_or_default() {
                *byte = u8::try_from(random.number() & 0xff).unwrap_or(0);
            }
        }
    }
}

fn grow(bytes: &mut Vec<u8>, size: u64) {
    let size = usize::try_from(size).unwrap_or(0);
    if bytes.len() < size {
        bytes.resize(size, 0);
    }
}

fn put(bytes: &mut Vec<u8>, offset: u64, data: &[u8]) {
    grow(bytes, offset + data.len() as u64);
    let start = usize::try_from(offset).unwrap_or(usize::MAX);
    if let Some(place) = bytes.get_mut(start..).and_then(|rest| rest.get_mut(..data.len())) {
        place.copy_from_slice(data);
    }
}

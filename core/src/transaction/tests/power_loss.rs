//! The power fails at each step. A change that was not synced is on the disk, or not, or in pieces, in any order. At
//! `full` no acknowledged commit is lost, and every commit is whole.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::super::log::Step;
use super::super::log::fault_injector::{Fault, FaultInjector};
use super::copy;
use super::crashes::{WORLDS, World};
use crate::engine::Durability;
use crate::error::{Code, Error, Result};

/// Random numbers that decide what a disk does: `SplitMix64`.
pub(super) struct Chance(pub u64);

impl Chance {
    pub(super) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    pub(super) fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.draw() % n as u64).unwrap()
    }

    pub(super) fn one_in(&mut self, n: u64) -> bool {
        self.draw().is_multiple_of(n)
    }
}

/// Bytes that a disk writes as one.
const SECTOR: usize = 64;

#[derive(Clone, Debug, Default)]
struct OnDisk {
    synced: Vec<u8>,
    unsynced: Vec<Step>,
    name_is_safe: bool,
    removed: bool,
}

/// The files of the logs, and the parts of them that the disk must keep.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    files: BTreeMap<String, OnDisk>,
}

impl Disk {
    pub(super) fn after(steps: &[Step]) -> Self {
        let mut disk = Disk::default();
        for step in steps {
            disk.pass(step);
        }
        disk
    }

    fn pass(&mut self, step: &Step) {
        match step {
            Step::MakeFolder => {}
            Step::Create(name) => {
                self.files.insert(name.clone(), OnDisk::default());
            }
            Step::Write(name, ..) | Step::Cut(name, _) => {
                self.files.entry(name.clone()).or_default().unsynced.push(step.clone());
            }
            Step::Sync(name) => {
                let file = self.files.entry(name.clone()).or_default();
                for step in std::mem::take(&mut file.unsynced) {
                    change(&mut file.synced, &step, |_| true);
                }
            }
            Step::Remove(name) => {
                self.files.entry(name.clone()).or_default().removed = true;
            }
            Step::SyncFolder => {
                self.files.retain(|_, file| !file.removed);
                self.files.values_mut().for_each(|file| file.name_is_safe = true);
            }
        }
    }

    /// Lays out one of the states in which the disk may be found.
    pub(super) fn lay_out(&self, path: &Path, chance: &mut Chance) {
        for (name, file) in &self.files {
            if (file.removed || !file.name_is_safe) && chance.one_in(2) {
                continue;
            }
            let mut content = file.synced.clone();
            for step in &file.unsynced {
                match chance.draw() % 3 {
                    0 => {}
                    1 => change(&mut content, step, |_| true),
                    _ => {
                        let mask = chance.draw();
                        change(&mut content, step, |sector| mask >> (sector % 64) & 1 == 1);
                    }
                }
            }
            std::fs::write(path.join(name), content).unwrap();
        }
    }
}

fn change(content: &mut Vec<u8>, step: &Step, reached: impl Fn(usize) -> bool) {
    match step {
        Step::Write(_, at, bytes) => {
            let at = usize::try_from(*at).unwrap();
            content.resize(content.len().max(at + bytes.len()), 0);
            for (n, byte) in bytes.iter().enumerate().filter(|(n, _)| reached((at + n) / SECTOR)) {
                content[at + n] = *byte;
            }
        }
        Step::Cut(_, end) => content.resize(usize::try_from(*end).unwrap(), 0),
        _ => {}
    }
}

/// The client of a process that died was told of success before the death, or of nothing.
pub(super) fn told_before_death(result: Result<()>) -> Result<()> {
    result.map_err(|error| Error::new(Code::UnknownOutcome, error.message()))
}

#[test]
fn at_full_power_loss_at_any_step_leaves_all_or_nothing() {
    const STATES: u64 = 45;
    let (mut cases, mut chance) = (0, Chance(0x0070_6f77_6572));
    for kinds in WORLDS {
        for step in 0.. {
            let world = World::new(kinds);
            let faults = Arc::new(FaultInjector::new(Fault::Death(step)));
            let results = world.run(Durability::Full, &faults);
            let disk = Disk::after(&faults.done());
            let results: Vec<_> = results.into_iter().map(told_before_death).collect();
            for state in 0..STATES {
                let found = World {
                    logs: tempfile::tempdir().unwrap(),
                    stores: world.stores.iter().map(|(kind, store)| (*kind, copy(store))).collect(),
                };
                disk.lay_out(found.logs.path(), &mut chance);
                found.check(&results, &format!("power lost at step {step}, state {state} of {disk:?}"));
                cases += 1;
            }
            if !faults.struck() {
                break;
            }
        }
    }
    println!("{cases} states after power loss");
    assert!(cases > 10_000, "{cases}");
}

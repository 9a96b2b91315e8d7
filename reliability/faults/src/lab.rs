//! The place of experiments: a folder in memory, and the workload's program in it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::plan::Plan;
use crate::store::Subject;
use crate::workload::Manner;

/// One experiment after another in one folder.
pub(crate) struct Lab {
    folder: TempDir,
}

/// The parameters of a workload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Script {
    pub(crate) subject: Subject,
    pub(crate) seed: u64,
    pub(crate) batches: u64,
    pub(crate) manner: Manner,
}

impl Script {
    #[must_use]
    pub(crate) fn plan(&self) -> Plan {
        Plan::new(self.seed, self.batches, self.subject.kind.has_replacements())
    }
}

impl Lab {
    /// In memory where the system has a folder for that: no experiment depends on a real disk.
    pub(crate) fn new() -> io::Result<Self> {
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { TempDir::with_prefix_in("holdfast-", memory)? } else { tempfile::tempdir()? };
        Ok(Lab { folder })
    }

    /// The folder that counts as the disk, with all links in its path resolved.
    pub(crate) fn disk(&self) -> io::Result<PathBuf> {
        Ok(self.folder.path().canonicalize()?.join("disk"))
    }

    /// The same folder, emptied.
    pub(crate) fn empty_disk(&self) -> io::Result<PathBuf> {
        let disk = self.disk()?;
        if disk.exists() {
            fs::remove_dir_all(&disk)?;
        }
        fs::create_dir(&disk)?;
        Ok(disk)
    }

    /// The program that runs `script` on the disk.
    pub(crate) fn workload(&self, script: &Script) -> io::Result<Command> {
        let mut command = self.program("workload", script)?;
        if script.manner.persist {
            command.arg("--persist");
        }
        if script.manner.hasty {
            command.arg("--hasty");
        }
        Ok(command)
    }

    /// The program that opens the store and closes it.
    pub(crate) fn reopening(&self, script: &Script) -> io::Result<Command> {
        self.program("reopen", script)
    }

    fn program(&self, what: &str, script: &Script) -> io::Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(what).args(["--subject", &script.subject.to_string(), "--seed", &script.seed.to_string()]);
        command.args(["--batches", &script.batches.to_string()]).arg("--disk").arg(self.disk()?);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(self.folder.path().join("said"))?);
        Ok(command)
    }

    /// The messages of the last program about a panic or an abort.
    #[must_use]
    pub(crate) fn complaint(&self) -> String {
        let text = fs::read_to_string(self.folder.path().join("said")).unwrap_or_default();
        text.lines().take(4).collect::<Vec<_>>().join(" | ")
    }
}

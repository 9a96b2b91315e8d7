//! This test program again as another process, which plays a role.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const ROLE: &str = "HOLDFAST_TEST_ROLE";
const FOLDER: &str = "HOLDFAST_TEST_FOLDER";

/// A test that plays whatever role its process was started for, and is empty otherwise.
pub(crate) struct Stage {
    /// The test's name.
    pub test: &'static str,
    /// Size of a small disk.
    pub disk: &'static str,
}

impl Stage {
    /// Starts `command`, this program in some way, as `role` on `path`.
    pub(crate) fn start(&self, command: &mut Command, role: &str, path: &Path) -> Child {
        command
            .args(["--exact", self.test, "--nocapture", "--test-threads", "1"])
            .env(ROLE, role)
            .env(FOLDER, path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Runs `role` in a mount namespace of its own where `path` is a small disk: as root, also of a user namespace.
    pub(crate) fn on_a_small_disk(&self, role: &str, path: &Path) -> Vec<String> {
        let mut command = Command::new("unshare");
        // Only root may read this.
        if std::fs::read("/proc/1/environ").is_err() {
            command.arg("--map-root-user");
        }
        let script = format!("mount -t tmpfs -o size={} tmpfs \"$1\" && shift && exec \"$@\"", self.disk);
        command.args(["--mount", "sh", "-c", &script, "sh"]).arg(path).arg(std::env::current_exe().unwrap());
        let said = said(self.start(&mut command, role, path));
        assert!(
            !said.is_empty(),
            "this test needs `unshare` and the right to mount a tmpfs (root, or user namespaces)"
        );
        said
    }
}

/// The role this process was started for, and where.
pub(crate) fn given() -> Option<(String, PathBuf)> {
    let given = (std::env::var(ROLE).ok()?, std::env::var_os(FOLDER).map(PathBuf::from)?);
    // The harness may have printed the test's name without a new line.
    println!();
    Some(given)
}

pub(crate) fn this_program() -> Command {
    Command::new(std::env::current_exe().unwrap())
}

/// What the other process said, line by line.
pub(crate) fn said(mut child: Child) -> Vec<String> {
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(child.wait().unwrap().success(), "the other process failed: {text}");
    text.lines().filter_map(|line| line.strip_prefix("said ").map(str::to_owned)).collect()
}

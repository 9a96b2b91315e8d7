//! Runs a program and stands between it and the kernel, by ptrace and a seccomp filter. It sees each call that changes
//! the disk, before and after, from any thread and library, and may kill the program there or answer instead of the
//! kernel.
//!
//! A preloaded library would see only calls through the C library; those of the file engine do not go through it.

mod call;
mod filter;
mod process;

use std::collections::{HashSet, VecDeque};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use libc::{c_int, pid_t};

pub(crate) use call::Call;
use call::Decoder;
use process::Thread;

/// A program that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// The fate of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Go,
    /// The program is killed before it.
    Kill,
    /// Half of the bytes are written, then the program is killed. Killed before it where it writes none.
    KillMidway,
    /// It is not made, and answered with this.
    Answer(i64),
}

/// Decides on calls and records them. Calls of several threads are made one after the other: their order is known.
pub(crate) trait Observer {
    fn before(&mut self, call: &Call) -> Verdict;
    /// After a call was made, with what the kernel answered, or was answered by us.
    fn after(&mut self, call: Call, result: i64);
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Exited(c_int),
    Signalled(c_int),
    /// It did nothing for a minute, and was killed.
    Hung,
}

/// Runs `command`, with `observer` told of what changes `root`, a folder without symbolic links in its path.
pub(crate) fn run(command: &mut Command, root: &Path, observer: &mut dyn Observer) -> io::Result<Ending> {
    let filter = filter::program();
    let program =
        libc::sock_fprog { len: u16::try_from(filter.len()).unwrap_or(0), filter: filter.as_ptr().cast_mut() };
    let program = std::ptr::from_ref(&program) as usize;
    let prepare = move || {
        let ok = |answer: i64| if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(()) };
        // SAFETY: plain system calls with numbers, and a pointer to the filter, which lives in the parent until the
        // child has called `execve` and is, by `fork`, in the child too.
        unsafe {
            ok(libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0))?;
            ok(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0).into())?;
            ok(libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, program).into())
        }
    };
    // SAFETY: `prepare` allocates nothing and takes no lock.
    let child = unsafe { command.pre_exec(prepare) }.spawn()?;
    let leader = Thread(pid_t::try_from(child.id()).unwrap_or(0));
    let (over, watched) = mpsc::channel::<()>();
    let watchdog = std::thread::spawn(move || {
        let hung = watched.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout);
        if hung {
            kill(leader);
        }
        hung
    });
    let mut tracer =
        Tracer { leader, root, observer, threads: HashSet::new(), in_call: None, waiting: VecDeque::new() };
    let ending = tracer.follow();
    drop(over);
    if watchdog.join().unwrap_or(false) {
        return Ok(Ending::Hung);
    }
    ending
}

fn kill(thread: Thread) {
    // SAFETY: a system call with two numbers; the program is a child that was not waited for yet.
    unsafe { libc::kill(thread.0, libc::SIGKILL) };
}

struct Tracer<'a> {
    leader: Thread,
    root: &'a Path,
    observer: &'a mut dyn Observer,
    threads: HashSet<Thread>,
    /// The call being made, and whether the program is killed after it.
    in_call: Option<(Thread, Call, bool)>,
    /// Threads stopped before a call until the one being made is over.
    waiting: VecDeque<Thread>,
}

impl Tracer<'_> {
    fn follow(&mut self) -> io::Result<Ending> {
        loop {
            let mut status = 0;
            // SAFETY: the pointer is to an integer.
            let found = unsafe { libc::waitpid(-1, &raw mut status, libc::__WALL | libc::__WNOTHREAD) };
            if found < 0 {
                let error = io::Error::last_os_error();
                if error.kind() == io::ErrorKind::Interrupted {
                    continue;
                }
                return Err(error);
            }
            let thread = Thread(found);
            if libc::WIFSTOPPED(status) {
                match self.stopped(thread, status) {
                    // Killed meanwhile: its end is reported next.
                    Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
                    other => other?,
                }
                continue;
            }
            self.gone(thread)?;
            if thread == self.leader {
                return Ok(match libc::WIFEXITED(status) {
                    true => Ending::Exited(libc::WEXITSTATUS(status)),
                    false => Ending::Signalled(libc::WTERMSIG(status)),
                });
            }
        }
    }

    fn stopped(&mut self, thread: Thread, status: c_int) -> io::Result<()> {
        let signal = libc::WSTOPSIG(status);
        let new = self.threads.insert(thread);
        match status >> 16 {
            libc::PTRACE_EVENT_SECCOMP if self.in_call.is_some() => {
                self.waiting.push_back(thread);
                Ok(())
            }
            libc::PTRACE_EVENT_SECCOMP => self.begin(thread),
            0 if signal == libc::SIGTRAP | 0x80 => self.end(thread),
            // The first stop of the program, after `execve`.
            0 if signal == libc::SIGTRAP && new && thread == self.leader => {
                thread.set_options()?;
                thread.run_on(0)
            }
            // The first stop of a thread.
            0 if signal == libc::SIGSTOP && new => thread.run_on(0),
            0 => thread.run_on(signal),
            _ => thread.run_on(0),
        }
    }

    fn begin(&mut self, thread: Thread) -> io::Result<()> {
        let mut registers = thread.registers()?;
        let call = Decoder { thread, registers: &registers, root: self.root }.decode()?;
        let Some(call) = call else {
            thread.run_on(0)?;
            return self.next();
        };
        let midway = match self.observer.before(&call) {
            Verdict::Go => false,
            Verdict::Kill => {
                kill(self.leader);
                return Ok(());
            }
            Verdict::KillMidway => {
                let Call::Write { data, .. } = &call else {
                    kill(self.leader);
                    return Ok(());
                };
                registers.rdx = data.len() as u64 / 2;
                thread.set_registers(&registers)?;
                true
            }
            Verdict::Answer(answer) => {
                registers.orig_rax = u64::MAX;
                registers.rax = answer.cast_unsigned();
                thread.set_registers(&registers)?;
                self.observer.after(call, answer);
                thread.run_on(0)?;
                return self.next();
            }
        };
        thread.finish_call()?;
        self.in_call = Some((thread, call, midway));
        Ok(())
    }

    fn end(&mut self, thread: Thread) -> io::Result<()> {
        match self.in_call.take() {
            Some((caller, call, midway)) if caller == thread => {
                if midway {
                    kill(self.leader);
                    return Ok(());
                }
                let registers = thread.registers()?;
                let result = registers.rax.cast_signed();
                let call = Decoder { thread, registers: &registers, root: self.root }.complete(call, result);
                self.observer.after(call, result);
            }
            other => self.in_call = other,
        }
        thread.run_on(0)?;
        self.next()
    }

    /// Lets the next thread that waits make its call.
    fn next(&mut self) -> io::Result<()> {
        while self.in_call.is_none() {
            let Some(thread) = self.waiting.pop_front() else { return Ok(()) };
            match self.begin(thread) {
                Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
                other => return other,
            }
        }
        Ok(())
    }

    fn gone(&mut self, thread: Thread) -> io::Result<()> {
        self.threads.remove(&thread);
        self.waiting.retain(|other| *other != thread);
        if self.in_call.as_ref().is_some_and(|(caller, ..)| *caller == thread) {
            self.in_call = None;
            return self.next();
        }
        Ok(())
    }
}

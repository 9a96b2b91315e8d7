//! The seccomp filter of a traced program: it stops at calls that may change the disk, and at no other.

use libc::{c_long, sock_filter};

/// Calls that stop the program. The tracer tells apart writes to files, pipes and terminals.
pub(super) const CALLS: [c_long; 33] = [
    libc::SYS_open,
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_creat,
    libc::SYS_write,
    libc::SYS_pwrite64,
    libc::SYS_writev,
    libc::SYS_pwritev,
    libc::SYS_pwritev2,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_sync,
    libc::SYS_syncfs,
    libc::SYS_msync,
    libc::SYS_rename,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_link,
    libc::SYS_linkat,
    libc::SYS_symlink,
    libc::SYS_symlinkat,
    libc::SYS_unlink,
    libc::SYS_unlinkat,
    libc::SYS_rmdir,
    libc::SYS_mkdir,
    libc::SYS_mkdirat,
    libc::SYS_truncate,
    libc::SYS_ftruncate,
    libc::SYS_fallocate,
    libc::SYS_copy_file_range,
    libc::SYS_sendfile,
    libc::SYS_splice,
    libc::SYS_io_uring_setup,
];

const AUDIT_ARCH_X86_64: u32 = 0xC000_003E;
/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const fn argument(index: u32) -> u32 {
    16 + 8 * index
}

#[allow(clippy::cast_possible_truncation, reason = "a code has 16 bits")]
const fn code(bits: u32) -> u16 {
    bits as u16
}

const LOAD: u16 = code(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS);
const EQUAL: u16 = code(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K);
const HAS_BITS: u16 = code(libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K);
const RETURN: u16 = code(libc::BPF_RET | libc::BPF_K);

const fn step(code: u16, jt: u8, jf: u8, k: u32) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

/// The filter. Its last two steps let a call pass and stop at it.
#[must_use]
pub(super) fn program() -> Vec<sock_filter> {
    let mut steps = vec![
        step(LOAD, 0, 0, ARCHITECTURE),
        step(EQUAL, 1, 0, AUDIT_ARCH_X86_64),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    steps.push(step(LOAD, 0, 0, NUMBER));
    // Behind the calls come six steps for mmap, then "pass", then "stop".
    let total = CALLS.len();
    for (at, call) in CALLS.iter().enumerate() {
        let to_stop = u8::try_from(total - at - 1 + 6).unwrap_or(u8::MAX);
        steps.push(step(EQUAL, to_stop, 0, u32::try_from(*call).unwrap_or(u32::MAX)));
    }
    // mmap is of interest where it is shared and written to.
    steps.push(step(EQUAL, 0, 4, u32::try_from(libc::SYS_mmap).unwrap_or(u32::MAX)));
    steps.push(step(LOAD, 0, 0, argument(2)));
    steps.push(step(HAS_BITS, 0, 2, libc::PROT_WRITE.unsigned_abs()));
    steps.push(step(LOAD, 0, 0, argument(3)));
    steps.push(step(HAS_BITS, 1, 0, libc::MAP_SHARED.unsigned_abs()));
    steps.push(step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW));
    steps.push(step(RETURN, 0, 0, libc::SECCOMP_RET_TRACE));
    steps
}

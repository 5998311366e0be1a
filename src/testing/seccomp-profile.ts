/** A seccomp profile of the kind that engines hand down: it denies, and allows some 350 calls. */
import type { LinuxSeccomp, LinuxSyscall } from '../../spec/generated/config.ts'

/** What programs need, of the 64-bit and the 32-bit architectures. @see syscalls(2) */
const EVERYDAY =
  '_llseek accept accept4 access alarm arch_prctl bind brk capget capset chdir chmod chown ' +
  'chown32 clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep ' +
  'clock_nanosleep_time64 close close_range connect copy_file_range creat dup dup2 dup3 ' +
  'epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2 ' +
  'execve execveat exit exit_group faccessat faccessat2 fadvise64 fallocate fanotify_init ' +
  'fanotify_mark fchdir fchmod fchmodat fchown fchown32 fchownat fcntl fcntl64 fdatasync ' +
  'fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs ' +
  'fstatfs64 fsync ftruncate ftruncate64 futex futex_time64 futex_waitv futimesat get_robust_list ' +
  'getcpu getcwd getdents getdents64 getegid getegid32 geteuid geteuid32 getgid getgid32 ' +
  'getgroups getgroups32 getitimer getpeername getpgid getpgrp getpid getppid getpriority ' +
  'getrandom getresgid getresgid32 getresuid getresuid32 getrlimit getrusage getsid getsockname ' +
  'getsockopt gettid gettimeofday getuid getuid32 getxattr inotify_add_watch inotify_init ' +
  'inotify_init1 inotify_rm_watch io_cancel io_destroy io_getevents io_pgetevents ' +
  'io_pgetevents_time64 io_setup io_submit io_uring_enter io_uring_register io_uring_setup ioctl ' +
  'ioprio_get ioprio_set ipc kcmp kill landlock_add_rule landlock_create_ruleset ' +
  'landlock_restrict_self lchown lchown32 lgetxattr link linkat listen listxattr llistxattr ' +
  'lremovexattr lseek lsetxattr lstat lstat64 madvise membarrier memfd_create memfd_secret ' +
  'mincore mkdir mkdirat mknod mknodat mlock mlock2 mlockall mmap mmap2 modify_ldt mprotect ' +
  'mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend ' +
  'mq_timedsend_time64 mq_unlink mremap msgctl msgget msgrcv msgsnd msync munlock munlockall ' +
  'munmap nanosleep newfstatat open openat openat2 pause pidfd_getfd pidfd_open pidfd_send_signal ' +
  'pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll ppoll_time64 prctl pread64 preadv ' +
  'preadv2 prlimit64 process_madvise process_mrelease pselect6 pselect6_time64 pwrite64 pwritev ' +
  'pwritev2 read readahead readlink readlinkat readv recv recvfrom recvmmsg recvmmsg_time64 ' +
  'recvmsg remap_file_pages removexattr rename renameat renameat2 restart_syscall rmdir rseq ' +
  'rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend ' +
  'rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_get_priority_max ' +
  'sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler ' +
  'sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr ' +
  'sched_setparam sched_setscheduler sched_yield seccomp select semctl semget semop semtimedop ' +
  'semtimedop_time64 send sendfile sendfile64 sendmmsg sendmsg sendto set_robust_list ' +
  'set_tid_address setdomainname setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 ' +
  'setgroups setgroups32 sethostname setitimer setpgid setpriority setregid setregid32 setresgid ' +
  'setresgid32 setresuid setresuid32 setreuid setreuid32 setrlimit setsid setsockopt setuid ' +
  'setuid32 setxattr shmat shmctl shmdt shmget shutdown sigaction sigaltstack signal signalfd ' +
  'signalfd4 sigprocmask sigreturn socketcall socketpair splice stat stat64 statfs statfs64 statx ' +
  'symlink symlinkat sync sync_file_range syncfs sysinfo tee tgkill time timer_create ' +
  'timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 ' +
  'timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times tkill ' +
  'truncate truncate64 ugetrlimit umask uname unlink unlinkat utime utimensat utimensat_time64 ' +
  'utimes vfork vmsplice wait4 waitid waitpid write writev'

const ARCHITECTURES =
  process.arch === 'arm64'
    ? (['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM'] as const)
    : (['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'] as const)

/** CLONE_NEWNS and the other namespaces. */
const NEW_NAMESPACES = 0x7e02_0000
const AF_VSOCK = 40
const ENOSYS = 38

/** personality(2) may only be what it is, or that of a 32-bit or an older machine. */
const PERSONALITIES = [0, 8, 0x2_0000, 0x2_0008, 0xffff_ffff]

/** The profile; every call anew. */
export function engineProfile(): LinuxSeccomp & { syscalls: LinuxSyscall[] } {
  return {
    defaultAction: 'SCMP_ACT_ERRNO',
    architectures: [...ARCHITECTURES],
    syscalls: [
      { names: EVERYDAY.split(' '), action: 'SCMP_ACT_ALLOW' },
      ...PERSONALITIES.map(
        (value): LinuxSyscall => ({
          names: ['personality'],
          action: 'SCMP_ACT_ALLOW',
          args: [{ index: 0, value, op: 'SCMP_CMP_EQ' }],
        }),
      ),
      {
        names: ['socket'],
        action: 'SCMP_ACT_ALLOW',
        args: [{ index: 0, value: AF_VSOCK, op: 'SCMP_CMP_NE' }],
      },
      {
        names: ['clone'],
        action: 'SCMP_ACT_ALLOW',
        args: [{ index: 0, value: NEW_NAMESPACES, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }],
      },
      { names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: ENOSYS },
    ],
  }
}

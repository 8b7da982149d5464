/*
 * Ends the process with SIGKILL before the Nth of all steps that place or take away, counted from 1: those that change a
 * directory, and those that bring the store to the disk. CLOAKROOM_KILL_AT=N.
 *
 * The daemon calls the system without the C library, so the system itself stops it there: a filter makes each such call a
 * signal, and the handler makes the call anew. Arguments beyond those of the call are free, and the sixth says that it
 * comes from the handler.
 *
 * With COPIES, the steps of making a file and filling it are among them. Bytes that are copied inside the kernel have all
 * six arguments, and are refused: the daemon writes them itself, then.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#define REGISTERS(context) ((unsigned long long *)((ucontext_t *)(context))->uc_mcontext.gregs)
static const int ARGUMENT[] = {REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8}, RESULT = REG_RAX;
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#define REGISTERS(context) (((ucontext_t *)(context))->uc_mcontext.regs)
static const int ARGUMENT[] = {0, 1, 2, 3, 4}, RESULT = 0;
#else
#error "nobody wrote down the registers of this architecture"
#endif

#define OURS 0x0c10a4a0u

static atomic_long steps;
static long last;

static void stopped(int number, siginfo_t *info, void *context) {
    (void)number;
    unsigned long long *at = REGISTERS(context);
    int saved = errno;
    if (atomic_fetch_add(&steps, 1) + 1 >= last) raise(SIGKILL);
    long result = syscall(info->si_syscall, at[ARGUMENT[0]], at[ARGUMENT[1]], at[ARGUMENT[2]], at[ARGUMENT[3]], at[ARGUMENT[4]],
                          (long)OURS);
    at[RESULT] = (unsigned long long)(result < 0 ? -errno : result);
    errno = saved;
}

#define STOP(name) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_##name, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP)

/* Only where this argument has any of these bits. */
#define STOP_IF(name, argument, bits) \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_##name, 0, 4), \
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[argument])), \
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP), \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

__attribute__((constructor)) static void begin(void) {
    const char *at = getenv("CLOAKROOM_KILL_AT");
    if (!at) return;
    last = atol(at);
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = stopped;
    action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_RESTART;
    sigaction(SIGSYS, &action, NULL);
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[5])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OURS, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        STOP(mkdirat),
        STOP(fchmodat),
        STOP(symlinkat),
        STOP(renameat2),
        STOP(unlinkat),
        STOP(pwrite64),
        STOP(fdatasync),
#ifdef COPIES
        STOP(linkat),
        STOP(fchmod),
        STOP(fchown),
        STOP(utimensat),
        STOP(fallocate),
        STOP(fsync),
        STOP_IF(openat, 2, O_CREAT),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_copy_file_range, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EOPNOTSUPP),
        /* The last one: any other is no clone. */
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_ioctl, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FICLONE, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
#endif
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof filter[0], filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
        perror("cannot stop the process at its steps");
        _exit(99);
    }
}

/*
 * A disk that fails, for the files of the store only: those whose path holds "cloakroom.db".
 *
 * CLOAKROOM_FAULT names a file. While it is there, its first word says what fails:
 *   enospc  every write and every longer file, for want of room
 *   eio     the same, and every wait for the disk, with an error of the device
 *   fsync   every wait for the disk
 *   short   every write stops in the middle, then there is no room
 * CLOAKROOM_KILL_AT=N ends the process with SIGKILL at the Nth of all of these calls, counted from 1, in place of it;
 * of a write every second time after half of it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

enum call { WRITE, TRUNCATE, SYNC };
enum fault { NONE, NO_SPACE, NO_DEVICE, NO_SYNC, SHORT };

static atomic_long calls;

static int is_store(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return strstr(path, "cloakroom.db") != NULL;
}

static enum fault fault_now(void) {
    const char *control = getenv("CLOAKROOM_FAULT");
    char word[16] = "";
    int fd = control ? open(control, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) return NONE;
    ssize_t length = read(fd, word, sizeof word - 1);
    close(fd);
    if (length < 0) return NONE;
    word[strcspn(word, "\n")] = 0;
    if (!strcmp(word, "enospc")) return NO_SPACE;
    if (!strcmp(word, "eio")) return NO_DEVICE;
    if (!strcmp(word, "fsync")) return NO_SYNC;
    if (!strcmp(word, "short")) return SHORT;
    return NONE;
}

/* How many of `size` bytes may be written; below 0: none, and errno says why. */
static ssize_t allowed(int fd, enum call call, size_t size) {
    int saved = errno;
    if (!is_store(fd)) {
        errno = saved;
        return (ssize_t)size;
    }
    const char *at = getenv("CLOAKROOM_KILL_AT");
    if (at) {
        long now = atomic_fetch_add(&calls, 1) + 1;
        if (now == atol(at)) {
            if (call == WRITE && now % 2) return (ssize_t)(size / 2);
            raise(SIGKILL);
        }
        if (now > atol(at)) raise(SIGKILL);
    }
    enum fault fault = fault_now();
    errno = saved;
    if (fault == NONE) return (ssize_t)size;
    if (call == SYNC) {
        if (fault == NO_SPACE || fault == SHORT) return 0;
        errno = EIO;
        return -1;
    }
    if (fault == NO_SYNC) return (ssize_t)size;
    if (fault == SHORT && call == WRITE && size > 1) return (ssize_t)(size / 2);
    errno = fault == NO_DEVICE ? EIO : ENOSPC;
    return -1;
}

/* The call of the C library that stands behind ours. */
#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

ssize_t write(int fd, const void *bytes, size_t size) {
    REAL(write);
    ssize_t most = allowed(fd, WRITE, size);
    return most < 0 ? -1 : real(fd, bytes, (size_t)most);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at) {
    REAL(pwrite);
    ssize_t most = allowed(fd, WRITE, size);
    return most < 0 ? -1 : real(fd, bytes, (size_t)most, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at) {
    REAL(pwrite64);
    ssize_t most = allowed(fd, WRITE, size);
    return most < 0 ? -1 : real(fd, bytes, (size_t)most, at);
}

int ftruncate(int fd, off_t size) {
    REAL(ftruncate);
    return allowed(fd, TRUNCATE, 1) < 0 ? -1 : real(fd, size);
}

int ftruncate64(int fd, off64_t size) {
    REAL(ftruncate64);
    return allowed(fd, TRUNCATE, 1) < 0 ? -1 : real(fd, size);
}

int fsync(int fd) {
    REAL(fsync);
    return allowed(fd, SYNC, 1) < 0 ? -1 : real(fd);
}

int fdatasync(int fd) {
    REAL(fdatasync);
    return allowed(fd, SYNC, 1) < 0 ? -1 : real(fd);
}

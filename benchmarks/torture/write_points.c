/* Counts what a process changes on the disk below one folder, and at one such point kills it, signals it, or has the
 * disk answer that it is full, read-only or broken. Loaded by LD_PRELOAD; benchmarks/torture/shim.py arms it.
 *
 * A write point is a call of the C library that makes, changes, renames, flushes or removes a file. Python, SQLite,
 * and the Rust of safetensors all write through these, which benchmarks/torture/traced.py holds against strace.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { COUNT, KILL, HALF, TERM, INT_, FULL, READ_ONLY, BROKEN };
/* What a full disk still does: it removes, flushes, renames and shortens. */
enum { ROOMY = 0, TAKES_ROOM = 1 };

static char folder[PATH_MAX];
static size_t folder_length;
static int mode, listing = -1;
static long at;
static atomic_long seen;
static __thread char last[3 * PATH_MAX]; /* the path that was asked about last */

void torture_arm(const char *below, long point, int what, const char *list) {
    listing = list ? (int)syscall(SYS_openat, AT_FDCWD, list, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644) : -1;
    folder_length = 0;
    atomic_store(&seen, 0);
    at = point;
    mode = what;
    if (below && realpath(below, folder)) folder_length = strlen(folder);
}

long torture_seen(void) { return atomic_load(&seen); }

__attribute__((constructor)) static void from_environment(void) {
    const char *below = getenv("TORTURE_FOLDER"), *point = getenv("TORTURE_AT"), *what = getenv("TORTURE_MODE");
    if (below) torture_arm(below, point ? atol(point) : 0, what ? atoi(what) : COUNT, getenv("TORTURE_LIST"));
}

static int is_below(const char *path) {
    snprintf(last, sizeof last, "%s", path);
    return !strncmp(path, folder, folder_length) && (path[folder_length] == '/' || !path[folder_length]);
}

static int path_below(int at_folder, const char *path) {
    char whole[2 * PATH_MAX], link[64];
    if (!folder_length || !path) return 0;
    if (path[0] == '/') return is_below(path);
    if (at_folder == AT_FDCWD) {
        if (!getcwd(whole, PATH_MAX)) return 0;
    } else {
        snprintf(link, sizeof link, "/proc/self/fd/%d", at_folder);
        ssize_t got = readlink(link, whole, PATH_MAX - 1);
        if (got < 0) return 0;
        whole[got] = 0;
    }
    size_t length = strlen(whole);
    snprintf(whole + length, sizeof whole - length, "/%s", path);
    return is_below(whole);
}

static int handle_below(int handle) {
    char link[64], path[PATH_MAX];
    if (!folder_length) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", handle);
    ssize_t got = readlink(link, path, sizeof path - 1);
    if (got < 0) return 0;
    path[got] = 0;
    return is_below(path);
}

/* Whether this point is the chosen one, or comes after it where a disk stays as it is. 0: go on; else an errno. */
static int point(const char *call, int takes_room, int *half) {
    long number = atomic_fetch_add(&seen, 1) + 1;
    if (listing >= 0) {
        char line[PATH_MAX];
        int length = snprintf(line, sizeof line, "%s %.*s\n", call, PATH_MAX - 64, last + folder_length);
        syscall(SYS_write, listing, line, length);
    }
    if (!at || number < at) return 0;
    if (number == at) {
        if (mode == KILL) kill(getpid(), SIGKILL);
        if (mode == HALF && half) *half = 1;
        else if (mode == HALF) kill(getpid(), SIGKILL);
        if (mode == TERM) kill(getpid(), SIGTERM);
        if (mode == INT_) kill(getpid(), SIGINT);
    }
    if (mode == FULL && takes_room) return ENOSPC;
    if (mode == READ_ONLY) return EROFS;
    if (mode == BROKEN && number == at) return EIO;
    return 0;
}

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name);
#define STOP(below, call, room) \
    if (below) { int fault = point(call, room, NULL); if (fault) { errno = fault; return -1; } }

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        REAL(int, name, const char *, int, ...) \
        va_list more; va_start(more, flags); mode_t rights = va_arg(more, mode_t); va_end(more); \
        if (flags & (O_CREAT | O_TRUNC)) { STOP(path_below(AT_FDCWD, path), "open", TAKES_ROOM) } \
        return real(path, flags, rights); \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name) \
    int name(int where, const char *path, int flags, ...) { \
        REAL(int, name, int, const char *, int, ...) \
        va_list more; va_start(more, flags); mode_t rights = va_arg(more, mode_t); va_end(more); \
        if (flags & (O_CREAT | O_TRUNC)) { STOP(path_below(where, path), "open", TAKES_ROOM) } \
        return real(where, path, flags, rights); \
    }
OPENAT(openat)
OPENAT(openat64)

#define FOPEN(name) \
    FILE *name(const char *path, const char *how) { \
        REAL(FILE *, name, const char *, const char *) \
        if (how[0] != 'r' && path_below(AT_FDCWD, path)) { \
            int fault = point("open", TAKES_ROOM, NULL); \
            if (fault) { errno = fault; return NULL; } \
        } \
        return real(path, how); \
    }
FOPEN(fopen)
FOPEN(fopen64)

ssize_t write(int handle, const void *data, size_t length) {
    REAL(ssize_t, write, int, const void *, size_t)
    if (handle_below(handle)) {
        int half = 0, fault = point("write", TAKES_ROOM, &half);
        if (half) { real(handle, data, length / 2); kill(getpid(), SIGKILL); }
        if (fault) { errno = fault; return -1; }
    }
    return real(handle, data, length);
}

#define PWRITE(name, offset_type) \
    ssize_t name(int handle, const void *data, size_t length, offset_type offset) { \
        REAL(ssize_t, name, int, const void *, size_t, offset_type) \
        if (handle_below(handle)) { \
            int half = 0, fault = point("pwrite64", TAKES_ROOM, &half); \
            if (half) { real(handle, data, length / 2, offset); kill(getpid(), SIGKILL); } \
            if (fault) { errno = fault; return -1; } \
        } \
        return real(handle, data, length, offset); \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

ssize_t writev(int handle, const struct iovec *parts, int count) {
    REAL(ssize_t, writev, int, const struct iovec *, int)
    STOP(handle_below(handle), "writev", TAKES_ROOM)
    return real(handle, parts, count);
}

ssize_t copy_file_range(int from, off64_t *read_at, int to, off64_t *write_at, size_t length, unsigned flags) {
    REAL(ssize_t, copy_file_range, int, off64_t *, int, off64_t *, size_t, unsigned)
    STOP(handle_below(to), "copy_file_range", TAKES_ROOM)
    return real(from, read_at, to, write_at, length, flags);
}

#define SENDFILE(name, offset_type) \
    ssize_t name(int to, int from, offset_type *offset, size_t length) { \
        REAL(ssize_t, name, int, int, offset_type *, size_t) \
        STOP(handle_below(to), "sendfile", TAKES_ROOM) \
        return real(to, from, offset, length); \
    }
SENDFILE(sendfile, off_t)
SENDFILE(sendfile64, off64_t)

#define ON_HANDLE(name, room, ...) STOP(handle_below(handle), name, room)
int ftruncate(int handle, off_t length) {
    REAL(int, ftruncate, int, off_t) ON_HANDLE("ftruncate", ROOMY) return real(handle, length);
}
int ftruncate64(int handle, off64_t length) {
    REAL(int, ftruncate64, int, off64_t) ON_HANDLE("ftruncate", ROOMY) return real(handle, length);
}
int fallocate(int handle, int how, off_t from, off_t length) {
    REAL(int, fallocate, int, int, off_t, off_t) ON_HANDLE("fallocate", TAKES_ROOM) return real(handle, how, from, length);
}
int fallocate64(int handle, int how, off64_t from, off64_t length) {
    REAL(int, fallocate64, int, int, off64_t, off64_t) ON_HANDLE("fallocate", TAKES_ROOM) return real(handle, how, from, length);
}
int fsync(int handle) { REAL(int, fsync, int) ON_HANDLE("fsync", ROOMY) return real(handle); }
int fdatasync(int handle) { REAL(int, fdatasync, int) ON_HANDLE("fdatasync", ROOMY) return real(handle); }

int rename(const char *from, const char *to) {
    REAL(int, rename, const char *, const char *)
    STOP(path_below(AT_FDCWD, to), "rename", ROOMY)
    return real(from, to);
}
int renameat(int a, const char *from, int b, const char *to) {
    REAL(int, renameat, int, const char *, int, const char *)
    STOP(path_below(b, to), "rename", ROOMY)
    return real(a, from, b, to);
}
int renameat2(int a, const char *from, int b, const char *to, unsigned flags) {
    REAL(int, renameat2, int, const char *, int, const char *, unsigned)
    STOP(path_below(b, to), "rename", ROOMY)
    return real(a, from, b, to, flags);
}
int unlink(const char *path) {
    REAL(int, unlink, const char *) STOP(path_below(AT_FDCWD, path), "unlink", ROOMY) return real(path);
}
int unlinkat(int where, const char *path, int flags) {
    REAL(int, unlinkat, int, const char *, int) STOP(path_below(where, path), "unlink", ROOMY) return real(where, path, flags);
}
int remove(const char *path) {
    REAL(int, remove, const char *) STOP(path_below(AT_FDCWD, path), "unlink", ROOMY) return real(path);
}
int rmdir(const char *path) {
    REAL(int, rmdir, const char *) STOP(path_below(AT_FDCWD, path), "rmdir", ROOMY) return real(path);
}
int mkdir(const char *path, mode_t rights) {
    REAL(int, mkdir, const char *, mode_t) STOP(path_below(AT_FDCWD, path), "mkdir", TAKES_ROOM) return real(path, rights);
}
int link(const char *from, const char *to) {
    REAL(int, link, const char *, const char *) STOP(path_below(AT_FDCWD, to), "link", TAKES_ROOM) return real(from, to);
}

/*
 * Preloaded into a daemon: records, in order, what it does to the files of a disk.
 *
 * RECORDER_ROOT is the folder that is the disk, a real path; RECORDER_LOG a file to which each event is appended by
 * one write:
 *
 *   kind (1 byte), lengths of path and second path (2 bytes each), of data (4), number (8);
 *   then path, second path, data
 *
 * in the machine's byte order, paths relative to the disk. Nothing is forced to disk: an fsync
 * takes DISK_NS and is recorded, which is all that whoever replays the events needs.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define DISK_NS 1000000

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char root[PATH_MAX];
static size_t root_length;
static int log_file = -1;

__attribute__((constructor)) static void begin(void) {
    const char *folder = getenv("RECORDER_ROOT"), *to = getenv("RECORDER_LOG");
    if (folder == NULL || to == NULL)
        return;
    snprintf(root, sizeof root, "%s/", folder);
    root_length = strlen(root);
    log_file = syscall(SYS_openat, AT_FDCWD, to, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
}

static void record(char kind, const char *path, const char *second, uint64_t number,
                   const void *data, uint32_t size) {
    char head[17] = {kind};
    uint16_t lengths[2] = {strlen(path), strlen(second)};
    memcpy(head + 1, lengths, 4);
    memcpy(head + 5, &size, 4);
    memcpy(head + 9, &number, 8);
    struct iovec pieces[] = {{head, sizeof head},
                             {(void *)path, lengths[0]},
                             {(void *)second, lengths[1]},
                             {(void *)data, size}};
    size_t whole = sizeof head + lengths[0] + lengths[1] + size;
    int before = errno;
    if (syscall(SYS_writev, log_file, pieces, 4) != (long)whole)
        abort(); /* half a record is worse than none */
    errno = before;
}

/* What a path is called on the disk; NULL when it lies elsewhere. */
static const char *on_disk(const char *path) {
    if (log_file >= 0 && strncmp(path, root, root_length) == 0)
        return path + root_length;
    if (log_file >= 0 && strlen(path) + 1 == root_length && !strncmp(path, root, root_length - 1))
        return "";
    return NULL;
}

static const char *whole_path(int folder, const char *path, char *buffer) {
    if (path[0] == '/' || log_file < 0)
        return path;
    char link[64];
    if (folder == AT_FDCWD)
        snprintf(link, sizeof link, "/proc/self/cwd");
    else
        snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    ssize_t length = readlink(link, buffer, PATH_MAX - 1);
    if (length < 0)
        return path;
    snprintf(buffer + length, PATH_MAX - length, "/%s", path);
    return buffer;
}

/* What an open file is called on the disk; NULL when it lies elsewhere or has no name any more. */
static const char *name_of(int descriptor, char *buffer) {
    static const char deleted[] = " (deleted)";
    char link[64];
    struct stat status;
    if (log_file < 0 || fstat(descriptor, &status) != 0)
        return NULL;
    if ((!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) || status.st_nlink == 0)
        return NULL;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, buffer, PATH_MAX - 1);
    if (length < 0)
        return NULL;
    buffer[length] = 0;
    if (length > (ssize_t)sizeof deleted && !strcmp(buffer + length + 1 - sizeof deleted, deleted))
        return NULL;
    return on_disk(buffer);
}

static int open_at(int folder, const char *path, int flags, mode_t mode) {
    char buffer[PATH_MAX];
    const char *name = NULL;
    if (flags & (O_CREAT | O_TRUNC))
        name = on_disk(whole_path(folder, path, buffer));
    if (name == NULL)
        return syscall(SYS_openat, folder, path, flags, mode);
    pthread_mutex_lock(&lock);
    struct stat status;
    int is_new = fstatat(folder, path, &status, 0) != 0;
    int descriptor = syscall(SYS_openat, folder, path, flags, mode);
    if (descriptor >= 0 && is_new)
        record('C', name, "", 0, NULL, 0);
    else if (descriptor >= 0 && flags & O_TRUNC)
        record('T', name, "", 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    return descriptor;
}

#define MODE(flags)                                                                                \
    ({                                                                                             \
        mode_t mode = 0;                                                                           \
        if (flags & (O_CREAT | O_TMPFILE)) {                                                       \
            va_list rest;                                                                          \
            va_start(rest, flags);                                                                 \
            mode = va_arg(rest, int);                                                              \
            va_end(rest);                                                                          \
        }                                                                                          \
        mode;                                                                                      \
    })

int open(const char *path, int flags, ...) { return open_at(AT_FDCWD, path, flags, MODE(flags)); }
int open64(const char *path, int flags, ...) { return open_at(AT_FDCWD, path, flags, MODE(flags)); }
int openat(int folder, const char *path, int flags, ...) {
    return open_at(folder, path, flags, MODE(flags));
}
int openat64(int folder, const char *path, int flags, ...) {
    return open_at(folder, path, flags, MODE(flags));
}

ssize_t write(int descriptor, const void *data, size_t size) {
    char buffer[PATH_MAX];
    if (name_of(descriptor, buffer) == NULL)
        return syscall(SYS_write, descriptor, data, size);
    pthread_mutex_lock(&lock);
    const char *name = name_of(descriptor, buffer); /* it may have been renamed */
    ssize_t written = syscall(SYS_write, descriptor, data, size);
    if (written > 0 && name != NULL)
        record('W', name, "", lseek(descriptor, 0, SEEK_CUR) - written, data, written);
    pthread_mutex_unlock(&lock);
    return written;
}

static ssize_t write_at(int descriptor, const void *data, size_t size, off64_t offset) {
    char buffer[PATH_MAX];
    pthread_mutex_lock(&lock);
    const char *name = name_of(descriptor, buffer);
    ssize_t written = syscall(SYS_pwrite64, descriptor, data, size, offset);
    if (written > 0 && name != NULL)
        record('W', name, "", offset, data, written);
    pthread_mutex_unlock(&lock);
    return written;
}

ssize_t pwrite(int descriptor, const void *data, size_t size, off_t offset) {
    return write_at(descriptor, data, size, offset);
}
ssize_t pwrite64(int descriptor, const void *data, size_t size, off64_t offset) {
    return write_at(descriptor, data, size, offset);
}

static int set_size(int descriptor, off64_t size) {
    char buffer[PATH_MAX];
    pthread_mutex_lock(&lock);
    const char *name = name_of(descriptor, buffer);
    int result = syscall(SYS_ftruncate, descriptor, size);
    if (result == 0 && name != NULL)
        record('T', name, "", size, NULL, 0);
    pthread_mutex_unlock(&lock);
    return result;
}

int ftruncate(int descriptor, off_t size) { return set_size(descriptor, size); }
int ftruncate64(int descriptor, off64_t size) { return set_size(descriptor, size); }

static int sync_file(int descriptor) {
    char buffer[PATH_MAX];
    if (name_of(descriptor, buffer) == NULL)
        return 0;
    struct timespec turn = {0, DISK_NS};
    nanosleep(&turn, NULL);
    pthread_mutex_lock(&lock);
    const char *name = name_of(descriptor, buffer);
    if (name != NULL)
        record('S', name, "", 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    return 0;
}

int fsync(int descriptor) { return sync_file(descriptor); }
int fdatasync(int descriptor) { return sync_file(descriptor); }

static int change(char kind, int folder, const char *path, int second_folder, const char *second,
                  int flags) {
    char buffer[PATH_MAX], second_buffer[PATH_MAX];
    const char *name = on_disk(whole_path(folder, path, buffer));
    const char *second_name = on_disk(whole_path(second_folder, second, second_buffer));
    int number = kind == 'U'   ? SYS_unlinkat
                 : kind == 'M' ? SYS_mkdirat
                 : kind == 'L' ? SYS_linkat
                               : SYS_renameat2;
    pthread_mutex_lock(&lock);
    int result = number == SYS_unlinkat || number == SYS_mkdirat
                     ? syscall(number, folder, path, flags)
                     : syscall(number, folder, path, second_folder, second, flags);
    if (result == 0 && (name != NULL || second_name != NULL))
        record(kind, name ? name : "/", second_name ? second_name : "/", 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    return result;
}

int rename(const char *from, const char *to) {
    return change('R', AT_FDCWD, from, AT_FDCWD, to, 0);
}
int renameat(int from_folder, const char *from, int to_folder, const char *to) {
    return change('R', from_folder, from, to_folder, to, 0);
}
int link(const char *from, const char *to) { return change('L', AT_FDCWD, from, AT_FDCWD, to, 0); }
int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags) {
    return change('L', from_folder, from, to_folder, to, flags);
}
int unlink(const char *path) { return change('U', AT_FDCWD, path, AT_FDCWD, "/", 0); }
int unlinkat(int folder, const char *path, int flags) {
    return change('U', folder, path, AT_FDCWD, "/", flags);
}
int rmdir(const char *path) { return change('U', AT_FDCWD, path, AT_FDCWD, "/", AT_REMOVEDIR); }
int mkdir(const char *path, mode_t mode) {
    return change('M', AT_FDCWD, path, AT_FDCWD, "/", mode);
}
int mkdirat(int folder, const char *path, mode_t mode) {
    return change('M', folder, path, AT_FDCWD, "/", mode);
}

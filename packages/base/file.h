/*
 * file.h -- durable files: atomic publish, lock, folders.
 * Layer: base. Errors: EC_IO, EC_DISK, EC_LOCKED, EC_LIMIT. Threads: no shared state.
 * Never open, hash or copy a live SQLite database through this file: closing any descriptor of it drops SQLite's lock.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include "base/arena.h"
#include "base/strbuf.h"

/* fsync `part`, rename it to `path`, fsync the folder: a reader sees the old file or the complete new one. */
enum ec file_publish(const char *part, const char *path, struct err *reterr);
/* Write `n` octets to `path` through a temporary neighbour and file_publish(). mode e.g. 0644. */
enum ec file_write_atomic(const char *path, const void *p, size_t n, unsigned mode, struct err *reterr);
/* Read a whole regular file; larger than `max` octets is EC_LIMIT. Appends to *out. */
enum ec file_read(const char *path, size_t max, struct strbuf *out, struct err *reterr);
/* write(2) until all is written. */
enum ec file_write_all(int fd, const void *p, size_t n, const char *path, struct err *reterr);
enum ec dir_make(const char *path, unsigned mode, struct err *reterr); /* with parents; existing is fine */
/* Remove every entry of `path` (recursively, never through a symbolic link); the folder itself stays. Missing: OK. */
enum ec dir_empty(const char *path, struct err *reterr);
enum ec dir_sync(const char *path, struct err *reterr);
bool file_exists(const char *path);
int64_t file_size(const char *path); /* octets, -1 when it cannot be told */
/* Free octets for us on the file system of `path`, -1 when it cannot be told. */
int64_t disk_free(const char *path);

/*
 * The workspace lock: an open-file-description lock on `path`, whose text names the holder (host, pid, start, command).
 * file_lock() returns EC_LOCKED at once, or after `wait_ms`, with the holder's text in the message; network file
 * systems (NFS, SMB, 9p) are refused with EC_STATE, since their locks cannot be trusted.
 */
struct file_lock {
    int fd; /* -1 = not held */
};
enum ec file_lock(struct file_lock *l, const char *path, const char *command, int64_t wait_ms, struct err *reterr);
void file_unlock(struct file_lock *l);

#endif

/*
 * pkg_zip.h -- a zip from anybody: its directory is checked before anything in it is inflated. Data packages and the Excel
 * workbooks inside of them go through here.
 * Layer: dmf, private to it (libzip). Errors: EC_FORMAT naming the member, EC_LIMIT, EC_IO. Threads: one owner.
 *
 * libzip does not tell where members lie, so the directory is also read here: members that overlap, that lie behind it or
 * that it describes in two ways are refused. What libzip then sees must be the same directory.
 */
#ifndef DMF_PKG_ZIP_H
#define DMF_PKG_ZIP_H

#include "data/cell.h"

#include <zip.h>

struct dmf_zip_rules {
    const char *kind; /* "a data package", for messages */
    bool folders; /* names may have folders in them */
    size_t max_members;
    uint64_t max_member;
    uint64_t
        packed; /* octets that the zip itself was inflated from: its members' ratio counts from there; 0 = its size */
};
struct dmf_zip;
/* `fd` is a regular file and belongs to the zip from here on, whatever comes of it. `what`: "package 'x.zip'". */
enum ec dmf_zip_open(int fd, const char *what, const struct dmf_zip_rules *rules, struct dmf_zip **ret,
                     struct err *reterr);
/* Opens the file at `path` first; EC_NOTFOUND, EC_IO. */
enum ec dmf_zip_open_path(const char *path, const char *what, const struct dmf_zip_rules *rules, struct dmf_zip **ret,
                          struct err *reterr);
void dmf_zip_close(struct dmf_zip *z); /* NULL is fine */
size_t dmf_zip_members(const struct dmf_zip *z);
const char *dmf_zip_name(const struct dmf_zip *z, size_t i); /* i counts in the order of names */
int64_t dmf_zip_find(const struct dmf_zip *z, struct cell name); /* a member, case ignored; -1 = not there */

/* One member being read: what it inflates to is counted against what the directory promised. */
struct dmf_member {
    zip_file_t *file;
    char *name; /* "'Manifest.xml' of package 'x.zip'", for messages */
    uint64_t size, packed, got;
    bool ended;
};
enum ec dmf_member_open(struct dmf_zip *z, int64_t i, struct dmf_member *ret, struct err *reterr);
/* Octets read, 0 at the end (the CRC is right then), -1 with *reterr filled. */
int64_t dmf_member_read(struct dmf_member *m, void *buf, size_t n, struct err *reterr);
void dmf_member_close(struct dmf_member *m);

#endif

/*
 * fuzz_zip.h -- zips in memory for the targets that read packages and workbooks: members are stored, so that a changed
 * octet of the input is a changed octet of a member whose CRC is right.
 */
#ifndef FUZZ_ZIP_H
#define FUZZ_ZIP_H

#include "fuzz_must.h"

#include "dmf/pkgread.h"

#include <sys/mman.h>
#include <unistd.h>

static inline uint32_t fuzz_crc(const void *data, size_t n)
{
    const unsigned char *p = data;
    uint32_t c = UINT32_MAX;

    while (n--) {
        c ^= *p++;
        for (int k = 0; k < 8; k++)
            c = c >> 1 ^ (c & 1 ? 0xEDB88320 : 0);
    }
    return ~c;
}

struct fuzz_zip {
    struct strbuf out, directory;
    unsigned n;
};

static inline void put16(struct strbuf *b, unsigned v)
{
    strbuf_addc(b, (char)v);
    strbuf_addc(b, (char)(v >> 8));
}

static inline void put32(struct strbuf *b, uint32_t v)
{
    put16(b, v & 0xFFFF);
    put16(b, v >> 16);
}

static inline void fuzz_zip_add(struct fuzz_zip *z, const char *name, size_t name_n, const void *p, size_t n)
{
    uint32_t at = (uint32_t)z->out.len, crc = fuzz_crc(p, n);

    for (int central = 0; central < 2; central++) {
        struct strbuf *b = central ? &z->directory : &z->out;

        put32(b, central ? 0x02014b50 : 0x04034b50);
        if (central)
            put16(b, 20);
        put16(b, 20);
        put16(b, 1 << 11); /* names are UTF-8 */
        put16(b, 0);
        put32(b, 0x21 << 16);
        put32(b, crc);
        put32(b, (uint32_t)n);
        put32(b, (uint32_t)n);
        put16(b, (unsigned)name_n);
        put16(b, 0);
        for (int i = 0; i < 3 && central; i++)
            put16(b, 0);
        if (central) {
            put32(b, 0);
            put32(b, at);
        }
        strbuf_add(b, name, name_n);
    }
    strbuf_add(&z->out, p, n);
    z->n++;
}

static inline void fuzz_zip_end(struct fuzz_zip *z)
{
    size_t at = z->out.len;

    strbuf_add(&z->out, strbuf_str(&z->directory), z->directory.len);
    put32(&z->out, 0x06054b50);
    put32(&z->out, 0);
    put16(&z->out, z->n);
    put16(&z->out, z->n);
    put32(&z->out, (uint32_t)z->directory.len);
    put32(&z->out, (uint32_t)at);
    put16(&z->out, 0);
}

static inline int fuzz_file(const void *p, size_t n)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);

    MUST(fd >= 0 && write(fd, p, n) == (ssize_t)n);
    return fd;
}

static inline void fuzz_zip_release(struct fuzz_zip *z)
{
    strbuf_release(&z->out);
    strbuf_release(&z->directory);
}

static inline bool fuzz_is_text(struct cell c)
{
    return !c.len || utf8_valid_prefix(c.ptr, c.len) == c.len;
}

/* Prints all rows of an entity. EC_OK, or how reading ended. */
static inline enum ec fuzz_rows(struct dmf_reader *r, size_t entity, const struct dmf_format *f, struct strbuf *out)
{
    struct dmf_rows *s = NULL;
    struct arena a = { 0 };
    struct err e = { 0 };
    enum ec rc = dmf_rows_open(r, entity, f, &s, &e);
    bool more = true;

    while (!rc && more) {
        struct cell *cells = NULL;
        const char *fault = NULL;
        size_t n = 0;

        arena_reset(&a);
        rc = dmf_rows_next(s, &a, &cells, &n, &fault, &more, &e);
        if (rc || !more)
            break;
        for (size_t i = 0; i < n; i++) {
            MUST(fuzz_is_text(cells[i]));
            strbuf_addf(out, "%s%zu:", cells[i].ptr ? "" : "~", cells[i].len);
            strbuf_add(out, cells[i].ptr, cells[i].len);
        }
        MUST(!fault || *fault);
        strbuf_adds(out, fault ? "!\n" : "\n");
    }
    MUST(!rc || (e.code == rc && e.msg[0] && fuzz_is_text(cell_of(e.msg))));
    MUST(rc == EC_OK || rc == EC_FORMAT || rc == EC_LIMIT);
    dmf_rows_close(s);
    arena_release(&a);
    return rc;
}

#define FUZZ_HEADER                                                                                                  \
    "<DataManagementPackageHeader xmlns=\"http://schemas.microsoft.com/dynamics/2015/01/DataManagement\">"           \
    "<ManifestType>Microsoft.Dynamics.AX.Framework.Tools.DataManagement.Serialization.DataManagementPackageManifest" \
    "</ManifestType><PackageType>DefinitionGroup</PackageType><PackageVersion>2</PackageVersion>"                    \
    "</DataManagementPackageHeader>"
#define FUZZ_MANIFEST                                                                                             \
    "<DataManagementPackageManifest><PackageEntityList><DataManagementPackageEntityData><EntityMapList>"          \
    "<EntityMap><EntityField>CODE</EntityField><XMLField>Code</XMLField></EntityMap><EntityMap><EntityField>NAME" \
    "</EntityField></EntityMap></EntityMapList><EntityName>W</EntityName><InputFilePath>w.csv</InputFilePath>"    \
    "</DataManagementPackageEntityData></PackageEntityList></DataManagementPackageManifest>"

/* The reader of a package with one data file, w.csv. The manifest is ours, so that it opens. */
static inline struct dmf_reader *fuzz_package(const void *p, size_t n)
{
    struct fuzz_zip z = { 0 };
    struct dmf_reader *r = NULL;
    char path[40];
    int fd;

    fuzz_zip_add(&z, "PackageHeader.xml", 17, FUZZ_HEADER, sizeof(FUZZ_HEADER) - 1);
    fuzz_zip_add(&z, "Manifest.xml", 12, FUZZ_MANIFEST, sizeof(FUZZ_MANIFEST) - 1);
    fuzz_zip_add(&z, "w.csv", 5, p, n);
    fuzz_zip_end(&z);
    fd = fuzz_file(z.out.buf, z.out.len);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    MUST(dmf_reader_open(path, "/tmp", NULL, &r, NULL) == EC_OK);
    close(fd);
    fuzz_zip_release(&z);
    return r;
}

/* UTF-16LE with BOM of valid UTF-8. */
static inline void fuzz_widen(struct strbuf *out, const char *p, size_t n)
{
    put16(out, 0xFEFF);
    for (size_t i = 0; i < n;) {
        uint32_t cp;

        i += utf8_decode(p + i, n - i, &cp);
        if (cp >= 0x10000) {
            put16(out, 0xD800 + ((cp - 0x10000) >> 10));
            put16(out, 0xDC00 + (cp & 0x3FF));
        } else {
            put16(out, cp);
        }
    }
}

#endif

/* dmf_zip.h -- packages put together by hand, for the tests that read them. */
#ifndef TEST_DMF_ZIP_H
#define TEST_DMF_ZIP_H

#include "check.h"

#include "dmf/pkgread.h"

#include "base/file.h"

#include <dirent.h>
#include <unistd.h>
#include <zip.h>

/* Members of a table that are not written are zero. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define NS                                                                    \
    "xmlns=\"http://schemas.microsoft.com/dynamics/2015/01/DataManagement\" " \
    "xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\""
#define HEADER                                                                                                       \
    "<DataManagementPackageHeader " NS "><Description>d</Description><ManifestType>Microsoft.Dynamics.AX.Framework." \
    "Tools.DataManagement.Serialization.DataManagementPackageManifest</ManifestType><PackageType>DefinitionGroup"    \
    "</PackageType><PackageVersion>2</PackageVersion></DataManagementPackageHeader>"
#define MAP(field, file) "<EntityMap><EntityField>" field "</EntityField><XMLField>" file "</XMLField></EntityMap>"
#define ENTITY(file, format)                                                                       \
    "<DataManagementPackageEntityData><EntityMapList>" MAP("CODE", "Code")                         \
        MAP("NAME", "NAME") "</EntityMapList><EntityName>Widgets</EntityName><InputFilePath>" file \
                            "</InputFilePath><SourceFormat>" format                                \
                            "</SourceFormat></DataManagementPackageEntityData>"
#define MANIFEST_OF(entities)                                                                                        \
    "<DataManagementPackageManifest " NS "><DefinitionGroupName>G</DefinitionGroupName><PackageEntityList>" entities \
    "</PackageEntityList></DataManagementPackageManifest>"
#define MANIFEST MANIFEST_OF(ENTITY("w.csv", "CSV-Unicode"))

struct part {
    const char *name;
    const char *text;
    size_t n; /* 0 = strlen */
    int method; /* 0 = deflate, -1 = stored, else libzip's number */
    bool encrypted;
};

static inline void build(const char *path, const struct part *parts, size_t n)
{
    int zerr = 0;
    zip_t *z;

    (void)unlink(path);
    z = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, &zerr);
    CHECK(z, "libzip error %d", zerr);
    for (size_t i = 0; i < n; i++) {
        size_t len = parts[i].n ? parts[i].n : strlen(parts[i].text);
        zip_int64_t at =
            zip_file_add(z, parts[i].name, zip_source_buffer(z, parts[i].text, len, 0), ZIP_FL_ENC_UTF_8);

        CHECK(at >= 0, "%s: %s", parts[i].name, zip_strerror(z));
        if (parts[i].method)
            assert_int_equal(zip_set_file_compression(z, (zip_uint64_t)at,
                                                      parts[i].method < 0 ? ZIP_CM_STORE : parts[i].method, 0),
                             0);
        if (parts[i].encrypted)
            assert_int_equal(zip_file_set_encryption(z, (zip_uint64_t)at, ZIP_EM_TRAD_PKWARE, "secret"), 0);
    }
    CHECK(zip_close(z) == 0, "%s", zip_strerror(z));
}

/* Replaces the first (or every) occurrence of some octets in a file. */
static inline void patch(const char *path, const char *what, const char *with, size_t n)
{
    struct strbuf b = STRBUF(0);
    struct err e = { 0 };
    bool any = false;

    CHECK_OK(file_read(path, 1 << 24, &b, &e), &e);
    for (size_t i = 0; i + n <= b.len; i++)
        if (!memcmp(b.buf + i, what, n)) {
            memcpy(b.buf + i, with, n);
            any = true;
        }
    assert_true(any);
    CHECK_OK(file_write_atomic(path, b.buf, b.len, 0600, &e), &e);
    strbuf_release(&b);
}

static inline size_t files_in(const char *dir)
{
    DIR *d = opendir(dir);
    size_t n = 0;

    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

/* Appends text as UTF-16LE; ASCII only. */
static inline void wide(struct strbuf *out, const char *text)
{
    for (; *text; text++) {
        strbuf_addc(out, *text);
        strbuf_addc(out, 0);
    }
}

/* Rows as "code/name;", a faulty one as "!;", an end by error, at opening or later, as "E". */
static inline void read_rows(const char *path, struct strbuf *out, struct err *e)
{
    struct dmf_format f = { .kind = DMF_CSV, .delimiter = ',', .qualifier = '"' };
    struct dmf_reader *r = NULL;
    struct dmf_rows *s = NULL;
    struct arena a = { 0 };

    CHECK_OK(dir_make("tmp", 0700, e), e);
    CHECK_OK(dmf_reader_open(path, "tmp", NULL, &r, e), e);
    strbuf_reset(out);
    if (dmf_rows_open(r, 0, &f, &s, e))
        strbuf_adds(out, "E");
    while (s) {
        const char *names[] = { "CODE", "NAME", "LATER" };
        struct cell *cells;
        const char *fault = NULL;
        bool more = false;
        size_t n = 0;

        if (dmf_rows_next(s, &a, &cells, &n, &fault, &more, e)) {
            strbuf_adds(out, "E");
            break;
        }
        if (!more)
            break;
        if (fault) {
            strbuf_adds(out, "!;");
            continue;
        }
        for (int i = 0; i < 3; i++) {
            int c = dmf_rows_column(s, cell_of(names[i]));
            struct cell v = c >= 0 && (size_t)c < n ? cells[c] : CELL_ABSENT;

            if (i == 2 && cell_absent(v))
                break;
            strbuf_addf(out, "%s%s%.*s", i ? "/" : "", cell_absent(v) ? "~" : "", CELL_ARG(v));
        }
        strbuf_adds(out, ";");
    }
    dmf_rows_close(s);
    dmf_reader_close(r);
    arena_release(&a);
    assert_int_equal(files_in("tmp"), 0);
}

/* All rows of an entity, as the cells of its fields. A faulty row fails the test. */
static inline char *all_rows(const char *path, size_t entity, const struct dmf_entity *fields,
                             const struct dmf_format *f, struct arena *out)
{
    struct dmf_reader *r = NULL;
    struct dmf_rows *s = NULL;
    struct strbuf text = STRBUF(0);
    struct arena a = { 0 };
    struct err e = { 0 };
    bool more = true;
    char *ret;

    CHECK_OK(dmf_reader_open(path, "tmp", NULL, &r, &e), &e);
    CHECK_OK(dmf_rows_open(r, entity, f, &s, &e), &e);
    while (more) {
        struct cell *cells;
        const char *fault;
        size_t n;

        CHECK_OK(dmf_rows_next(s, &a, &cells, &n, &fault, &more, &e), &e);
        for (size_t i = 0; i < fields->n && more; i++) {
            int c = dmf_rows_column(s, fields->fields[i].staging);
            struct cell v = c >= 0 && (size_t)c < n ? cells[c] : CELL_LIT("");

            CHECK(!fault, "%s: %s", path, fault);
            strbuf_addf(&text, "%zu:", v.len);
            strbuf_add(&text, v.ptr, v.len);
        }
        strbuf_addc(&text, '\n');
        arena_reset(&a);
    }
    dmf_rows_close(s);
    dmf_reader_close(r);
    arena_release(&a);
    ret = arena_strdup(out, strbuf_str(&text));
    strbuf_release(&text);
    return ret;
}

/* ---- zips octet by octet, for what libzip would not write ---- */

static inline void put_le(struct strbuf *b, uint64_t v, int octets)
{
    for (; octets-- > 0; v >>= 8)
        strbuf_addc(b, (char)v);
}

static inline uint32_t crc_of(const void *data, size_t n)
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

/* One member, stored. Local header (central NULL) or directory entry. */
static inline void put_header(struct strbuf *b, bool central, const struct part *p, uint64_t at, bool zip64)
{
    size_t n = p->n ? p->n : strlen(p->text), name = strlen(p->name);
    uint64_t size = zip64 ? UINT32_MAX : n;

    put_le(b, central ? 0x02014b50 : 0x04034b50, 4);
    if (central)
        put_le(b, 45, 2);
    put_le(b, 45, 2);
    put_le(b, 0, 4); /* flags, stored */
    put_le(b, 0x21 << 16, 4);
    put_le(b, crc_of(p->text, n), 4);
    put_le(b, size, 4);
    put_le(b, size, 4);
    put_le(b, name, 2);
    put_le(b, zip64 ? (central ? 28 : 20) : 0, 2);
    if (central) {
        put_le(b, 0, 10);
        put_le(b, zip64 ? UINT32_MAX : at, 4);
    }
    strbuf_add(b, p->name, name);
    if (zip64) {
        put_le(b, 1, 2);
        put_le(b, central ? 24 : 16, 2);
        put_le(b, n, 8);
        put_le(b, n, 8);
        if (central)
            put_le(b, at, 8);
    }
}

static inline void build_raw(const char *path, const struct part *parts, size_t n, bool zip64)
{
    struct strbuf b = STRBUF(0), directory = STRBUF(0);
    struct err e = { 0 };
    uint64_t at;

    for (size_t i = 0; i < n; i++) {
        put_header(&directory, true, &parts[i], b.len, zip64);
        put_header(&b, false, &parts[i], b.len, zip64);
        strbuf_add(&b, parts[i].text, parts[i].n ? parts[i].n : strlen(parts[i].text));
    }
    at = b.len;
    strbuf_add(&b, directory.buf, directory.len);
    if (zip64 || n > UINT16_MAX - 1) {
        uint64_t end = b.len;

        put_le(&b, 0x06064b50, 4);
        put_le(&b, 44, 8);
        put_le(&b, 45 | 45 << 16, 4);
        put_le(&b, 0, 8);
        put_le(&b, n, 8);
        put_le(&b, n, 8);
        put_le(&b, directory.len, 8);
        put_le(&b, at, 8);
        put_le(&b, 0x07064b50, 4);
        put_le(&b, 0, 4);
        put_le(&b, end, 8);
        put_le(&b, 1, 4);
        n = UINT16_MAX, at = UINT32_MAX;
        directory.len = UINT32_MAX;
    }
    put_le(&b, 0x06054b50, 4);
    put_le(&b, 0, 4);
    put_le(&b, n, 2);
    put_le(&b, n, 2);
    put_le(&b, directory.len, 4);
    put_le(&b, at, 4);
    put_le(&b, 0, 2);
    CHECK_OK(file_write_atomic(path, b.buf, b.len, 0600, &e), &e);
    strbuf_release(&b);
    strbuf_release(&directory);
}

static inline enum ec try_open(const char *path, const struct dmf_limits *lim, struct err *e)
{
    struct dmf_reader *r = NULL;
    enum ec rc = dmf_reader_open(path, ".", lim, &r, e);

    if (!rc)
        dmf_reader_close(r);
    return rc;
}

/* Sets a field of member i's entry in the directory (at its octet `field`), or of its local header. */
static inline void tamper(const char *path, bool local, size_t i, size_t field, int octets, uint64_t v)
{
    const char *magic = local ? "PK\3\4" : "PK\1\2";
    struct strbuf b = STRBUF(0);
    struct err e = { 0 };
    size_t at = 0;

    CHECK_OK(file_read(path, 1 << 24, &b, &e), &e);
    for (size_t k = 0; k <= i; k++) {
        char *p = memmem(b.buf + at, b.len - at, magic, 4);

        assert_non_null(p);
        at = (size_t)(p - b.buf) + 1;
    }
    for (at--; octets-- > 0; v >>= 8)
        b.buf[at + field++] = (char)v;
    CHECK_OK(file_write_atomic(path, b.buf, b.len, 0600, &e), &e);
    strbuf_release(&b);
}

#define ROWS "Code,NAME\r\n1,a\r\n2,b\r\n"
static const struct part GOOD[] = { { "PackageHeader.xml", HEADER },
                                    { "Manifest.xml", MANIFEST },
                                    { "w.csv", ROWS } };

#endif

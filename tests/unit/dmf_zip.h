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

#endif

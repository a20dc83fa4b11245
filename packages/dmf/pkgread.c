#include "dmf/pkgread.h"
#include "dmf/dmf_parts.h"
#include "dmf/pkg_zip.h"
#include "dmf/xlsx_parts.h"
#include "dmf/xml_stream.h"

#include "base/file.h"
#include "data/csv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { DEFAULT_MEMBERS = 10000, MAX_DOCUMENT = 64 << 20 };
#define DEFAULT_MEMBER_OCTETS ((uint64_t)16 << 30)
enum { MAX_ROW_OCTETS = 16 << 20, MAX_COLUMNS = 10000 };

struct dmf_reader {
    char *path, *tmp_dir;
    struct dmf_zip *zip;
    struct dmf_limits limits;
    struct dmf_package package;
    struct arena a;
};

/* ---- the package ---- */

static enum ec read_document(struct dmf_reader *r, const char *name, struct strbuf *out, struct err *reterr)
{
    int64_t at = dmf_zip_find(r->zip, cell_of(name)), got;
    struct dmf_member m;
    enum ec rc;

    if (at < 0) {
        err_set(reterr, EC_FORMAT, "'%s' is not a data package: it has no %s", r->path, name);
        return err_hint(reterr, "a data package has PackageHeader.xml and Manifest.xml at its root");
    }
    rc = dmf_member_open(r->zip, at, &m, reterr);
    if (rc)
        return rc;
    if (m.size > MAX_DOCUMENT)
        rc = err_set(reterr, EC_LIMIT, "%s has %llu octets, over the limit of %d", m.name, (unsigned long long)m.size,
                     MAX_DOCUMENT);
    while (!rc) {
        strbuf_reserve(out, 65536);
        got = dmf_member_read(&m, out->buf + out->len, 65536, reterr);
        if (got < 0)
            rc = EC_FORMAT;
        if (got <= 0)
            break;
        out->len += (size_t)got;
    }
    dmf_member_close(&m);
    return rc;
}

static enum ec read_documents(struct dmf_reader *r, struct err *reterr)
{
    struct strbuf doc = STRBUF(0);
    char *what = arena_printf(&r->a, "'%s' of package '%s'", DMF_HEADER_NAME, r->path);
    enum ec rc = read_document(r, DMF_HEADER_NAME, &doc, reterr);

    if (!rc)
        rc = dmf_header_parse(what, doc.buf, doc.len, reterr);
    strbuf_reset(&doc);
    what = arena_printf(&r->a, "'%s' of package '%s'", DMF_MANIFEST_NAME, r->path);
    if (!rc)
        rc = read_document(r, DMF_MANIFEST_NAME, &doc, reterr);
    if (!rc)
        rc = dmf_manifest_parse(what, doc.buf, doc.len, &r->a, &r->package, reterr);
    strbuf_release(&doc);
    return rc;
}

enum ec dmf_reader_open(const char *path, const char *tmp_dir, const struct dmf_limits *lim, struct dmf_reader **ret,
                        struct err *reterr)
{
    struct dmf_reader *r = xcalloc(1, sizeof(*r));
    struct dmf_zip_rules rules = { .kind = "a data package" };
    enum ec rc;

    r->path = xstrdup(path);
    r->tmp_dir = xstrdup(tmp_dir);
    r->limits.max_member = rules.max_member = lim && lim->max_member ? lim->max_member : DEFAULT_MEMBER_OCTETS;
    r->limits.max_members = rules.max_members = lim && lim->max_members ? lim->max_members : DEFAULT_MEMBERS;
    rc = dmf_zip_open_path(path, arena_printf(&r->a, "package '%s'", path), &rules, &r->zip, reterr);
    if (!rc)
        rc = read_documents(r, reterr);
    if (rc)
        dmf_reader_close(r);
    else
        *ret = r;
    return rc;
}

const struct dmf_package *dmf_reader_package(const struct dmf_reader *r)
{
    return &r->package;
}

void dmf_reader_close(struct dmf_reader *r)
{
    if (!r)
        return;
    dmf_zip_close(r->zip);
    arena_release(&r->a);
    free(r->path);
    free(r->tmp_dir);
    free(r);
}

/* ---- rows ---- */

struct dmf_rows {
    struct dmf_member m;
    unsigned char head[512]; /* looked at to tell the format */
    size_t head_n, head_at;
    struct dmf_columns columns;
    struct csv_reader *csv;
    size_t header_n;
    int *position; /* CSV: column per header cell */
    struct dmf_xml_rows *xml;
    struct xlsx_reader *xlsx;
};

size_t dmf_columns_add(struct dmf_columns *c, struct cell file_name)
{
    struct cell staging = file_name;
    int at;

    for (size_t i = 0; i < c->entity->n; i++) {
        const struct dmf_field *f = &c->entity->fields[i];

        if (cell_ieq(cell_blank(f->file) ? f->staging : f->file, file_name)) {
            staging = f->staging;
            break;
        }
    }
    at = dmf_columns_find(c, staging);
    if (at >= 0)
        return (size_t)at;
    if (c->n == c->cap) {
        c->cap = c->cap ? c->cap * 2 : 64;
        c->staging = xrealloc(c->staging, c->cap * sizeof(*c->staging));
    }
    c->staging[c->n] = cell_dup(&c->a, staging);
    return c->n++;
}

int dmf_columns_find(const struct dmf_columns *c, struct cell staging)
{
    for (size_t i = 0; i < c->n; i++)
        if (cell_ieq(c->staging[i], staging))
            return (int)i;
    return -1;
}

/* First what was looked at, then the rest of the member. */
static int64_t fill(void *arg, void *buf, size_t n, struct err *reterr)
{
    struct dmf_rows *s = arg;

    if (s->head_at < s->head_n) {
        size_t left = s->head_n - s->head_at;

        n = n < left ? n : left;
        memcpy(buf, s->head + s->head_at, n);
        s->head_at += n;
        return (int64_t)n;
    }
    return dmf_member_read(&s->m, buf, n, reterr);
}

static enum ec look(struct dmf_rows *s, struct err *reterr)
{
    while (s->head_n < sizeof(s->head)) {
        int64_t got = dmf_member_read(&s->m, s->head + s->head_n, sizeof(s->head) - s->head_n, reterr);

        if (got < 0)
            return EC_FORMAT;
        if (!got)
            break;
        s->head_n += (size_t)got;
    }
    return EC_OK;
}

/*
 * F&O marks its Unicode files with a BOM. Without one the header decides, whose names are ASCII: a NUL beside the first
 * character is UTF-16, whatever the format is called.
 */
static enum text_encoding encoding_of(const struct dmf_rows *s)
{
    if (s->head_n >= 2 && s->head[0] && !s->head[1])
        return ENC_UTF16LE;
    return s->head_n >= 2 && !s->head[0] && s->head[1] ? ENC_UTF16BE : ENC_AUTO;
}

/* The first character that is not blank, the BOM passed over, in any of the encodings; 0 = none, or not ASCII. */
static unsigned first_character(const struct dmf_rows *s)
{
    const unsigned char *p = s->head;
    enum text_encoding encoding = encoding_of(s);
    size_t i = 0, width = 1;
    unsigned c = 0;

    if (s->head_n >= 3 && !memcmp(p, "\xEF\xBB\xBF", 3))
        i = 3;
    else if (s->head_n >= 2 && (!memcmp(p, "\xFF\xFE", 2) || !memcmp(p, "\xFE\xFF", 2)))
        i = 2, encoding = p[0] == 0xFF ? ENC_UTF16LE : ENC_UTF16BE;
    if (encoding != ENC_AUTO)
        width = 2;
    for (; i + width <= s->head_n; i += width) {
        c = width == 1                ? p[i]
            : encoding == ENC_UTF16LE ? (unsigned)(p[i] | p[i + 1] << 8)
                                      : (unsigned)(p[i] << 8 | p[i + 1]);
        if (c && (c > 127 || !strchr(" \t\r\n", (int)c)))
            break;
    }
    return i + width <= s->head_n && c < 128 ? c : 0;
}

static enum ec open_csv(struct dmf_rows *s, const struct dmf_format *csv, struct err *reterr)
{
    bool is_csv = csv->kind == DMF_CSV;
    /* Without a qualifier the reader gets one that no text holds. */
    struct csv_dialect d = { .delimiter = is_csv && csv->delimiter ? csv->delimiter : ',',
                             .quote = !is_csv          ? '"'
                                      : csv->qualifier ? csv->qualifier
                                                       : '\x1F',
                             .encoding = encoding_of(s),
                             .max_row_octets = MAX_ROW_OCTETS };
    const struct cell *header;
    /* csv puts quotes around the name; ours has them already */
    const char *name = arena_dup(&s->columns.a, s->m.name + 1, strlen(s->m.name) - 2);
    enum ec rc = csv_open_stream(name, fill, s, &d, &s->csv, reterr);

    if (rc)
        return rc;
    header = csv_header(s->csv, &s->header_n);
    if (s->header_n > MAX_COLUMNS)
        return err_set(reterr, EC_FORMAT, "%s has %zu columns, more than a data file has", s->m.name, s->header_n);
    s->position = arena_zalloc(&s->columns.a, (s->header_n + 1) * sizeof(*s->position));
    for (size_t i = 0; i < s->header_n; i++) {
        if (cell_blank(header[i]))
            return err_set(reterr, EC_FORMAT, "%s: column %zu has no name", s->m.name, i + 1);
        s->position[i] = (int)dmf_columns_add(&s->columns, header[i]);
        if (s->columns.n != i + 1)
            return err_set(reterr, EC_FORMAT, "%s: column '" CELL_FMT "' is there twice", s->m.name,
                           CELL_ARG(header[i]));
    }
    return EC_OK;
}

/* ---- Excel ---- */

/* A workbook is a zip, which is read from both ends: the member becomes a file that no folder lists. */
static enum ec spill(struct dmf_rows *s, const char *tmp_dir, int *ret_fd, struct err *reterr)
{
    char *path = arena_printf(&s->columns.a, "%s/xlsx-XXXXXX", tmp_dir), buf[65536];
    int fd = mkostemp(path, O_CLOEXEC);
    int64_t got;
    enum ec rc = EC_OK;

    if (fd < 0)
        return err_errno(reterr, EC_IO, errno, "create a file in '%s'", tmp_dir);
    (void)unlink(path);
    while (!rc && (got = fill(s, buf, sizeof(buf), reterr)) != 0)
        rc = got < 0 ? EC_FORMAT : file_write_all(fd, buf, (size_t)got, path, reterr);
    if (rc)
        close(fd);
    else
        *ret_fd = fd;
    return rc;
}

static enum ec open_xlsx(struct dmf_rows *s, const struct dmf_reader *r, const struct dmf_entity *e,
                         struct err *reterr)
{
    struct xlsx_options o = { .tmp_dir = r->tmp_dir,
                              .max_member = r->limits.max_member,
                              .max_members = r->limits.max_members,
                              .packed = s->m.packed,
                              .sheet = cell_cstr(&s->columns.a, e->sheet) };
    const struct cell *header;
    int fd;
    enum ec rc = spill(s, r->tmp_dir, &fd, reterr);

    if (rc)
        return rc;
    rc = xlsx_open_fd(fd, s->m.name, &o, &s->xlsx, reterr);
    if (rc)
        return rc;
    header = xlsx_header(s->xlsx, &s->header_n);
    for (size_t i = 0; i < s->header_n; i++) {
        dmf_columns_add(&s->columns, header[i]);
        if (s->columns.n != i + 1)
            return err_set(reterr, EC_FORMAT, "%s: column '" CELL_FMT "' is there twice", s->m.name,
                           CELL_ARG(header[i]));
    }
    return EC_OK;
}

static enum ec next_xlsx(struct dmf_rows *s, struct arena *a, struct cell **ret_cells, size_t *ret_n,
                         const char **ret_fault, bool *ret_more, struct err *reterr)
{
    struct xlsx_row row;
    enum ec rc = xlsx_next(s->xlsx, a, &row, ret_more, reterr);

    if (rc || !*ret_more)
        return rc;
    for (size_t i = 0; i < row.n; i++) /* as in CSV, a column without a value is empty text */
        if (cell_absent(row.cells[i]))
            row.cells[i] = CELL_LIT("");
    *ret_cells = row.cells;
    *ret_n = row.n;
    *ret_fault = row.fault;
    return EC_OK;
}

/* ---- any format ---- */

static bool ends_in(struct cell name, const char *extension)
{
    size_t n = strlen(extension);

    return name.len > n && cell_ieq((struct cell){ name.ptr + name.len - n, n }, (struct cell){ extension, n });
}

/*
 * The member with an entity's rows: the one that the manifest names; or, since F&O drops characters that file names cannot
 * have ("Country/regions" is in "Countryregions.csv"), that name or the label without them. -1 = none: F&O leaves the
 * file of an entity without rows out.
 */
static int64_t find_member(const struct dmf_reader *r, const struct dmf_entity *e, struct arena *a)
{
    static const char *const EXTENSIONS[] = { ".csv", ".xml", ".xlsx", ".txt" };
    struct cell name = e->input_file;
    int64_t at = dmf_zip_find(r->zip, name);

    if (at < 0 && !cell_blank(name))
        at = dmf_zip_find(r->zip, cell_of(dmf_file_name(name, "", a)));
    for (size_t i = name.len; at < 0 && i-- > 0;) /* "C:\data\Customers.csv" */
        if (name.ptr[i] == '/' || name.ptr[i] == '\\') {
            at = dmf_zip_find(r->zip, (struct cell){ name.ptr + i + 1, name.len - i - 1 });
            break;
        }
    for (size_t i = 0; i < COUNT(EXTENSIONS) && at < 0; i++)
        at = dmf_zip_find(r->zip, cell_of(dmf_file_name(e->label, EXTENSIONS[i], a)));
    return at;
}

/* 1997's format, and that of workbooks with a password. */
static bool is_ole(const struct dmf_rows *s)
{
    return s->head_n >= 4 && !memcmp(s->head, "\xD0\xCF\x11\xE0", 4);
}

enum ec dmf_rows_open(struct dmf_reader *r, size_t entity, const struct dmf_format *csv, struct dmf_rows **ret,
                      struct err *reterr)
{
    const struct dmf_entity *e = &r->package.entities[entity];
    struct dmf_rows *s;
    struct dmf_format format = { .kind = DMF_CSV, .delimiter = ',', .qualifier = '"' };
    int64_t at;
    unsigned first;
    enum ec rc;

    BUG_IF(entity >= r->package.n, "rows of an entity that the package does not have");
    if (csv)
        format = *csv;
    else if (!cell_blank(e->source_format))
        (void)dmf_format_named(cell_cstr(&r->a, e->source_format), &format);
    s = xcalloc(1, sizeof(*s));
    s->columns.entity = e;
    at = find_member(r, e, &s->columns.a);
    if (at < 0) {
        *ret = s;
        return EC_OK;
    }
    rc = dmf_member_open(r->zip, at, &s->m, reterr);
    if (!rc)
        rc = look(s, reterr);
    if (rc)
        goto out;
    first = first_character(s);
    if (is_ole(s)) {
        rc = err_set(reterr, EC_FORMAT, "%s is a workbook with a password, or one of before 2007", s->m.name);
        err_hint(reterr, "save it as .xlsx without a password");
    } else if (s->head_n >= 4 && !memcmp(s->head, "PK\3\4", 4)) {
        rc = open_xlsx(s, r, e, reterr);
    } else if (s->head_n && (cell_ieq(e->source_format, CELL_LIT("EXCEL")) || ends_in(e->input_file, ".xlsx"))) {
        rc = err_set(reterr, EC_FORMAT, "%s is no Excel workbook, as its name or format says", s->m.name);
    } else if (first == '<') {
        rc = dmf_xml_rows_open(s->m.name, fill, s, &s->columns, &s->xml, reterr);
    } else if (s->head_n) {
        rc = open_csv(s, &format, reterr);
    }
out:
    if (rc)
        dmf_rows_close(s);
    else
        *ret = s;
    return rc;
}

const struct cell *dmf_rows_columns(const struct dmf_rows *s, size_t *ret_n)
{
    *ret_n = s->columns.n;
    return s->columns.staging;
}

int dmf_rows_column(struct dmf_rows *s, struct cell staging)
{
    return dmf_columns_find(&s->columns, staging);
}

/* Reading to the very end is what checks the CRC. */
static enum ec drain(struct dmf_rows *s, struct err *reterr)
{
    char buf[4096];
    int64_t got = 0;

    while (s->m.file && (got = fill(s, buf, sizeof(buf), reterr)) > 0)
        ;
    return got < 0 ? EC_FORMAT : EC_OK;
}

static enum ec next_csv(struct dmf_rows *s, struct arena *a, struct cell **ret_cells, size_t *ret_n,
                        const char **ret_fault, bool *ret_more, struct err *reterr)
{
    struct csv_row row;
    struct cell *cells;
    enum ec rc = csv_next(s->csv, a, &row, ret_more, reterr);

    if (rc || !*ret_more)
        return rc;
    cells = arena_zalloc(a, (s->columns.n + 1) * sizeof(*cells));
    if (row.fault)
        *ret_fault = arena_printf(a, "%s, line %llu", csv_fault_text(row.fault), (unsigned long long)row.line);
    else if (row.n != s->header_n)
        *ret_fault = arena_printf(a, "%zu cells where the header has %zu, line %llu", row.n, s->header_n,
                                  (unsigned long long)row.line);
    for (size_t i = 0; i < row.n && i < s->header_n; i++) /* a cell that is there but blank is empty text in F&O */
        cells[s->position[i]] = cell_absent(row.cells[i]) ? CELL_LIT("") : row.cells[i];
    *ret_cells = cells;
    *ret_n = s->columns.n;
    return EC_OK;
}

enum ec dmf_rows_next(struct dmf_rows *s, struct arena *a, struct cell **ret_cells, size_t *ret_n,
                      const char **ret_fault, bool *ret_more, struct err *reterr)
{
    enum ec rc = EC_OK;

    *ret_more = false;
    *ret_fault = NULL;
    if (s->csv)
        rc = next_csv(s, a, ret_cells, ret_n, ret_fault, ret_more, reterr);
    else if (s->xml)
        rc = dmf_xml_rows_next(s->xml, a, ret_cells, ret_n, ret_fault, ret_more, reterr);
    else if (s->xlsx)
        rc = next_xlsx(s, a, ret_cells, ret_n, ret_fault, ret_more, reterr);
    return rc || *ret_more ? rc : drain(s, reterr);
}

void dmf_rows_close(struct dmf_rows *s)
{
    if (!s)
        return;
    csv_close(s->csv);
    dmf_xml_rows_close(s->xml);
    xlsx_close(s->xlsx);
    dmf_member_close(&s->m);
    free(s->columns.staging);
    arena_release(&s->columns.a);
    free(s);
}

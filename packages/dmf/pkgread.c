#include "dmf/pkgread.h"
#include "dmf/dmf_parts.h"

#include "data/csv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { DEFAULT_MEMBERS = 10000, MAX_RATIO = 1000, RATIO_FLOOR = 1 << 16, MAX_DOCUMENT = 64 << 20 };
#define DEFAULT_MEMBER_OCTETS ((uint64_t)16 << 30)
enum { MAX_ROW_OCTETS = 16 << 20 };

struct dmf_reader {
    char *path;
    zip_t *zip;
    struct dmf_package package;
    struct arena a;
    const char **names; /* of all members, sorted, case folded */
    size_t n_names;
};

static const char *zip_text(int zerr, char *buf, size_t n)
{
    zip_error_t e;

    zip_error_init_with_code(&e, zerr);
    snprintf(buf, n, "%s", zip_error_strerror(&e));
    zip_error_fini(&e);
    return buf;
}

/* ---- one member ---- */

enum ec dmf_member_open(zip_t *z, uint64_t index, const char *path, struct dmf_member *ret, struct err *reterr)
{
    zip_stat_t st;
    zip_file_t *f;

    if (zip_stat_index(z, index, 0, &st) || !(f = zip_fopen_index(z, index, 0)))
        return err_set(reterr, EC_FORMAT, "package '%s', member %llu: %s", path, (unsigned long long)index,
                       zip_strerror(z));
    *ret = (struct dmf_member){ .file = f, .size = st.size };
    ret->name = xmalloc(strlen(path) + strlen(st.name) + 32);
    sprintf(ret->name, "'%s' of package '%s'", st.name, path);
    return EC_OK;
}

int64_t dmf_member_read(struct dmf_member *m, void *buf, size_t n, struct err *reterr)
{
    zip_int64_t got;

    if (m->ended)
        return 0;
    got = zip_fread(m->file, buf, n);
    if (got < 0) {
        err_set(reterr, EC_FORMAT, "%s is damaged: %s", m->name, zip_file_strerror(m->file));
        return -1;
    }
    m->got += (uint64_t)got;
    if (m->got > m->size || (!got && m->got < m->size)) {
        err_set(reterr, EC_FORMAT, "%s is damaged: its size is not the one the package states", m->name);
        return -1;
    }
    m->ended = got == 0;
    return got;
}

void dmf_member_close(struct dmf_member *m)
{
    if (m->file)
        zip_fclose(m->file);
    free(m->name);
    *m = (struct dmf_member){ 0 };
}

/* ---- the package ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static enum ec check_name(const char *path, const char *name, struct err *reterr)
{
    const char *what = NULL;

    if (!*name)
        what = "has no name";
    else if (strchr(name, '/') || strchr(name, '\\') || strchr(name, ':'))
        what = "has a folder in its name";
    else if (!strcmp(name, "..") || !strcmp(name, "."))
        what = "names a folder";
    else if (utf8_valid_prefix(name, strlen(name)) < strlen(name))
        what = "has a name that is not text";
    return what ? err_set(reterr, EC_FORMAT, "package '%s': member '%.100s' %s", path, name, what) : EC_OK;
}

static enum ec check_member(const struct dmf_reader *r, const zip_stat_t *st, uint64_t max, struct err *reterr)
{
    const zip_uint64_t need = ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;

    if ((st->valid & need) != need)
        return err_set(reterr, EC_FORMAT, "package '%s': member '%s' does not state its sizes", r->path, st->name);
    if (st->encryption_method != ZIP_EM_NONE)
        return err_set(reterr, EC_FORMAT, "package '%s': member '%s' is encrypted", r->path, st->name);
    if (st->comp_method != ZIP_CM_STORE && st->comp_method != ZIP_CM_DEFLATE)
        return err_set(reterr, EC_FORMAT,
                       "package '%s': member '%s' is compressed by method %u, which data packages "
                       "do not use",
                       r->path, st->name, st->comp_method);
    if (st->size > max)
        return err_set(reterr, EC_LIMIT, "package '%s': member '%s' inflates to %llu octets, over the limit of %llu",
                       r->path, st->name, (unsigned long long)st->size, (unsigned long long)max);
    if (st->size > RATIO_FLOOR && st->size / MAX_RATIO > st->comp_size)
        return err_set(reterr, EC_LIMIT, "package '%s': member '%s' inflates to over %d times its size", r->path,
                       st->name, MAX_RATIO);
    return EC_OK;
}

/* Everything that the directory can be checked for before a member is read. */
static enum ec check_directory(struct dmf_reader *r, const struct dmf_limits *lim, struct err *reterr)
{
    size_t max_members = lim && lim->max_members ? lim->max_members : DEFAULT_MEMBERS;
    uint64_t max = lim && lim->max_member ? lim->max_member : DEFAULT_MEMBER_OCTETS, packed = 0;
    zip_int64_t n = zip_get_num_entries(r->zip, 0);
    struct stat st;

    if (n < 0 || (uint64_t)n > max_members)
        return err_set(reterr, EC_LIMIT, "package '%s' has %lld members, over the limit of %zu", r->path,
                       (long long)n, max_members);
    r->names = arena_zalloc(&r->a, ((size_t)n + 1) * sizeof(*r->names));
    for (zip_int64_t i = 0; i < n; i++) {
        zip_stat_t z;
        enum ec rc;

        if (zip_stat_index(r->zip, (zip_uint64_t)i, 0, &z) || !(z.valid & ZIP_STAT_NAME))
            return err_set(reterr, EC_FORMAT, "package '%s', member %lld: %s", r->path, (long long)i,
                           zip_strerror(r->zip));
        rc = check_name(r->path, z.name, reterr);
        if (!rc)
            rc = check_member(r, &z, max, reterr);
        if (rc)
            return rc;
        packed = z.comp_size > UINT64_MAX - packed ? UINT64_MAX : packed + z.comp_size;
        r->names[i] = cell_cstr(&r->a, cell_lower(&r->a, cell_of(z.name)));
    }
    r->n_names = (size_t)n;
    /* Members that share octets of the file are how a small zip inflates without end. */
    if (!stat(r->path, &st) && packed > (uint64_t)st.st_size)
        return err_set(reterr, EC_FORMAT, "package '%s': its members overlap", r->path);
    qsort(r->names, r->n_names, sizeof(*r->names), by_name);
    for (size_t i = 1; i < r->n_names; i++)
        if (!strcmp(r->names[i - 1], r->names[i]))
            return err_set(reterr, EC_FORMAT, "package '%s' has two members named '%.100s'", r->path, r->names[i]);
    return EC_OK;
}

/* Index of a member by name, case ignored; -1 = not there. */
static int64_t locate(const struct dmf_reader *r, struct cell name)
{
    zip_int64_t n = zip_get_num_entries(r->zip, 0);

    for (zip_int64_t i = 0; i < n && !cell_blank(name); i++) {
        const char *has = zip_get_name(r->zip, (zip_uint64_t)i, 0);

        if (has && cell_ieq(cell_of(has), name))
            return i;
    }
    return -1;
}

static enum ec read_document(struct dmf_reader *r, const char *name, struct strbuf *out, struct err *reterr)
{
    int64_t at = locate(r, cell_of(name)), got;
    struct dmf_member m;
    enum ec rc;

    if (at < 0) {
        err_set(reterr, EC_FORMAT, "'%s' is not a data package: it has no %s", r->path, name);
        return err_hint(reterr, "a data package has PackageHeader.xml and Manifest.xml at its root");
    }
    rc = dmf_member_open(r->zip, (uint64_t)at, r->path, &m, reterr);
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
    char text[120];
    int zerr = 0;
    enum ec rc;

    (void)tmp_dir; /* every format read so far is streamed */
    r->path = xstrdup(path);
    errno = 0;
    r->zip = zip_open(path, ZIP_RDONLY, &zerr);
    if (!r->zip && (zerr == ZIP_ER_NOENT || zerr == ZIP_ER_OPEN || zerr == ZIP_ER_READ))
        rc = err_errno(reterr, zerr == ZIP_ER_NOENT ? EC_NOTFOUND : EC_IO, errno, "open package '%s'", path);
    else if (!r->zip)
        rc = err_set(reterr, EC_FORMAT, "'%s' is not a data package: %s", path, zip_text(zerr, text, sizeof(text)));
    else
        rc = check_directory(r, lim, reterr);
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
    if (r->zip)
        zip_discard(r->zip);
    arena_release(&r->a);
    free(r->path);
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

/* The first character that is not blank, the BOM passed over, in any of the encodings; 0 = none. */
static int first_character(const struct dmf_rows *s)
{
    size_t i = 0;

    if (s->head_n >= 3 && !memcmp(s->head, "\xEF\xBB\xBF", 3))
        i = 3;
    else if (s->head_n >= 2 && (!memcmp(s->head, "\xFF\xFE", 2) || !memcmp(s->head, "\xFE\xFF", 2)))
        i = 2;
    while (i < s->head_n && (!s->head[i] || strchr(" \t\r\n", s->head[i])))
        i++;
    return i < s->head_n ? s->head[i] : 0;
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

static bool is_excel(const struct dmf_rows *s, const struct dmf_entity *e)
{
    return cell_ieq(e->source_format, CELL_LIT("EXCEL")) || (s->head_n >= 4 && !memcmp(s->head, "PK\3\4", 4)) ||
           (e->input_file.len > 5 &&
            cell_ieq((struct cell){ e->input_file.ptr + e->input_file.len - 5, 5 }, CELL_LIT(".xlsx")));
}

enum ec dmf_rows_open(struct dmf_reader *r, size_t entity, const struct dmf_format *csv, struct dmf_rows **ret,
                      struct err *reterr)
{
    const struct dmf_entity *e = &r->package.entities[entity];
    struct dmf_rows *s;
    struct dmf_format format = { .kind = DMF_CSV, .delimiter = ',', .qualifier = '"' };
    int64_t at;
    int first;
    enum ec rc;

    BUG_IF(entity >= r->package.n, "rows of an entity that the package does not have");
    if (csv)
        format = *csv;
    else if (!cell_blank(e->source_format))
        (void)dmf_format_named(cell_cstr(&r->a, e->source_format), &format);
    s = xcalloc(1, sizeof(*s));
    s->columns.entity = e;
    at = locate(r, e->input_file);
    if (at < 0) { /* F&O leaves the file of an entity without rows out */
        *ret = s;
        return EC_OK;
    }
    rc = dmf_member_open(r->zip, (uint64_t)at, r->path, &s->m, reterr);
    if (!rc)
        rc = look(s, reterr);
    if (rc)
        goto out;
    first = first_character(s);
    if (is_excel(s, e)) {
        rc = err_set(reterr, EC_FORMAT, "%s is an Excel workbook, which cannot be read", s->m.name);
        err_hint(reterr, "export with the source data format CSV-Unicode or XML-Element");
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
    return rc || *ret_more ? rc : drain(s, reterr);
}

void dmf_rows_close(struct dmf_rows *s)
{
    if (!s)
        return;
    csv_close(s->csv);
    dmf_xml_rows_close(s->xml);
    dmf_member_close(&s->m);
    free(s->columns.staging);
    arena_release(&s->columns.a);
    free(s);
}

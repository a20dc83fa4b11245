#include "dmf/pkgverify.h"
#include "dmf/pkg_zip.h"
#include "dmf/pkgread.h"
#include "dmf/xml_stream.h"

#include "base/clock.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_EXCEL_COLUMNS = 255, PROJECT_CHARACTERS = 40, DEPTH_MAX = 64, ROWS_BETWEEN_LOOKS = 4096 };

struct verifying {
    const struct dmf_verify *v;
    const char *path;
    struct dmf_zip *zip;
    struct dmf_reader *r;
    const struct dmf_package *p;
    struct arena a;
    bool failed; /* an error (not a warning) was found */
};

static void say(struct verifying *k, const char *code, bool warning, struct cell entity, uint64_t row,
                const char *remedy, const char *text)
{
    k->failed = k->failed || !warning;
    k->v->found(k->v->arg, &(struct dmf_finding){ code, warning, entity, row, text, remedy });
}

/* ---- the two documents ---- */

struct octets {
    struct dmf_member m;
};

static int64_t from_member(void *arg, void *buf, size_t n, struct err *reterr)
{
    return dmf_member_read(&((struct octets *)arg)->m, buf, n, reterr);
}

/* Elements whose children a data contract reads in alphabetical order. */
static bool ordered(const char *name)
{
    static const char *const NAMES[] = { "DataManagementPackageHeader", "DataManagementPackageManifest",
                                         "DataManagementPackageEntityData", "EntityMap" };

    for (size_t i = 0; i < COUNT(NAMES); i++)
        if (!strcmp(name, NAMES[i]))
            return true;
    return false;
}

/* A data contract passes over a child that stands behind one with a later name, without a word. */
static enum ec check_order(struct verifying *k, const char *document, struct err *reterr)
{
    struct octets o = { 0 };
    struct xml_stream x;
    char last[DEPTH_MAX][80] = { "" };
    bool in_order[DEPTH_MAX] = { false };
    enum ec rc = dmf_member_open(k->zip, dmf_zip_find(k->zip, cell_of(document)), &o.m, reterr);

    if (rc)
        return rc;
    rc = xml_stream_open(&x, document, from_member, &o, reterr);
    if (!rc) {
        int got;

        while ((got = xml_stream_next(&x, reterr)) == 1) {
            int depth = xmlTextReaderDepth(x.reader);
            const char *name = xml_name(&x);

            if (xml_type(&x) != XML_READER_TYPE_ELEMENT || depth < 0 || depth + 1 >= DEPTH_MAX)
                continue;
            if (depth > 0 && in_order[depth - 1] && strcmp(name, last[depth]) < 0)
                say(k, "ORDER", false, CELL_ABSENT, 0, "write the children of each element in alphabetical order",
                    arena_printf(&k->a, "%s: %s stands behind %s, so F&O passes over it silently", document, name,
                                 last[depth]));
            snprintf(last[depth], sizeof(last[depth]), "%s", name);
            last[depth + 1][0] = 0;
            in_order[depth] = ordered(name);
        }
        rc = got < 0 ? xml_stream_code(&x) : EC_OK;
        xml_stream_close(&x);
    }
    dmf_member_close(&o.m);
    return rc;
}

static bool has_document(struct verifying *k, const char *name, const char *code)
{
    if (dmf_zip_find(k->zip, cell_of(name)) >= 0)
        return true;
    say(k, code, false, CELL_ABSENT, 0, "zip the files themselves, not their folder, and not the data file alone",
        arena_printf(&k->a, "the package has no %s at its root: F&O answers 'Could not find file'", name));
    return false;
}

static void check_project(struct verifying *k)
{
    struct cell name = k->p->project;

    if (cell_blank(name))
        say(k, "PROJECT", true, CELL_ABSENT, 0, "name the data project in DefinitionGroupName",
            "the manifest names no data project");
    for (size_t i = 0; i < name.len; i++)
        if (strchr("\\/:*?\"<>|", name.ptr[i]) && name.ptr[i]) {
            say(k, "PROJECT", true, CELL_ABSENT, 0, "use letters, digits, '-' and '_'",
                arena_printf(&k->a,
                             "the data project '" CELL_FMT "' has '%c' in its name, which file names cannot have",
                             CELL_ARG(name), name.ptr[i]));
            break;
        }
    if (cell_chars(name) > PROJECT_CHARACTERS)
        say(k, "PROJECT", true, CELL_ABSENT, 0, "keep it within 40 characters",
            arena_printf(&k->a, "the data project '" CELL_FMT "' has %zu characters in its name", CELL_ARG(name),
                         cell_chars(name)));
}

/* "CustCustomerV3Entity": one word that ends so is the AOT name, not the label that EntityName wants. */
static bool like_aot(struct cell label)
{
    return label.len > 6 && !memcmp(label.ptr + label.len - 6, "Entity", 6) && !memchr(label.ptr, ' ', label.len);
}

static void check_entity(struct verifying *k, const struct dmf_entity *e)
{
    if (like_aot(e->label))
        say(k, "ENTITY", true, e->label, 0, "write the label that Data management > Data entities shows",
            arena_printf(&k->a,
                         "'" CELL_FMT "' looks like an AOT name: F&O answers 'Entity does not exist in the target "
                         "environment'",
                         CELL_ARG(e->label)));
    if (!e->n)
        say(k, "NO_MAP", false, e->label, 0, "give the entity an EntityMapList",
            "no field is mapped: F&O stages no row and reports success");
    for (size_t i = 0; i < e->n; i++)
        for (size_t j = 0; j < i; j++)
            if (cell_ieq(e->fields[i].staging, e->fields[j].staging))
                say(k, "FIELD_TWICE", false, e->label, 0, "map each field once",
                    arena_printf(&k->a, "field " CELL_FMT " is mapped twice", CELL_ARG(e->fields[i].staging)));
    if (dmf_zip_find(k->zip, e->input_file) < 0)
        say(k, "NO_FILE", e->disabled, e->label, 0, "add the file, or correct InputFilePath",
            arena_printf(&k->a, "its data file '" CELL_FMT "' is not in the package", CELL_ARG(e->input_file)));
}

static void check_members(struct verifying *k)
{
    for (size_t i = 0; i < dmf_zip_members(k->zip); i++) {
        struct cell name = cell_of(dmf_zip_name(k->zip, i));
        bool known = cell_ieq(name, CELL_LIT(DMF_HEADER_NAME)) || cell_ieq(name, CELL_LIT(DMF_MANIFEST_NAME));

        for (size_t e = 0; e < k->p->n && !known; e++)
            known = cell_ieq(name, k->p->entities[e].input_file);
        if (!known)
            say(k, "EXTRA_FILE", true, CELL_ABSENT, 0, "name it in an entity's InputFilePath, or leave it out",
                arena_printf(&k->a, "'" CELL_FMT "' belongs to no entity and is not imported", CELL_ARG(name)));
    }
}

/* ---- data files as octets ---- */

struct look {
    uint64_t crlf, odd, odd_inside,
        blank_lines; /* line ends; odd: LF or CR alone, outside of text qualifiers or inside */
    bool bom16, bom8, utf16, first_blank, any, begins_xml, zip;
};

/* Where in a data file the look at its characters is. */
struct looking {
    struct look *l;
    unsigned qualifier, before;
    bool line_empty, first, inside;
};

static void line_end(struct looking *g, bool whole)
{
    struct look *l = g->l;

    if (whole)
        l->crlf++;
    else if (g->inside)
        l->odd_inside++;
    else
        l->odd++;
    if (g->inside) /* of a value: neither the row nor the line ends */
        return;
    l->blank_lines += g->line_empty;
    l->first_blank = l->first_blank || (g->first && g->line_empty);
    g->first = false;
    g->line_empty = true;
}

/* c: an octet, or a unit of UTF-16. */
static void look_at_character(struct looking *g, unsigned c)
{
    if (g->before == '\r' && c != '\n')
        g->l->odd += !g->inside, g->l->odd_inside += g->inside;
    if (c == '\n') {
        line_end(g, g->before == '\r');
    } else if (c != '\r') {
        if (g->first && g->line_empty)
            g->l->begins_xml = c == '<';
        g->inside ^= g->qualifier && c == g->qualifier;
        g->line_empty = false;
        g->l->any = true;
    }
    g->before = c;
}

/* Line ends and marks of a data file. */
static enum ec look_at(struct verifying *k, int64_t member, struct look *ret, struct err *reterr)
{
    struct dmf_member m;
    struct look l = { 0 };
    struct looking g = { .l = &l, .qualifier = k->v->csv ? (unsigned char)k->v->csv->qualifier : '"' };
    unsigned char buf[65536];
    unsigned low = 0;
    uint64_t at = 0;
    int64_t got;
    enum ec rc = dmf_member_open(k->zip, member, &m, reterr);

    if (rc)
        return rc;
    g.line_empty = g.first = true;
    while ((got = dmf_member_read(&m, buf, sizeof(buf), reterr)) > 0) {
        size_t i = 0, n = (size_t)got;

        if (!at) {
            l.bom16 = n >= 2 && buf[0] == 0xFF && buf[1] == 0xFE;
            l.bom8 = n >= 3 && !memcmp(buf, "\xEF\xBB\xBF", 3);
            l.utf16 = l.bom16 || (n >= 2 && buf[0] && !buf[1]);
            l.zip = n >= 4 && !memcmp(buf, "PK\3\4", 4);
            i = l.bom16 ? 2 : l.bom8 ? 3 : 0;
        }
        for (; i < n; i++) {
            if (!l.utf16)
                look_at_character(&g, buf[i]);
            else if ((at + i) % 2) /* many characters have a low octet that is a line end by itself */
                look_at_character(&g, low | (unsigned)buf[i] << 8);
            else
                low = buf[i];
        }
        at += n;
    }
    l.odd += g.before == '\r';
    dmf_member_close(&m);
    if (got < 0)
        return reterr->code;
    *ret = l;
    return EC_OK;
}

static void judge_csv(struct verifying *k, const struct dmf_entity *e, const struct look *l)
{
    bool unicode = cell_ieq(e->source_format, CELL_LIT("CSV-Unicode"));

    if (unicode && (!l->utf16 || !l->bom16))
        say(k, "NOT_UNICODE", false, e->label, 0, "write UTF-16LE with a byte order mark",
            l->utf16 ? "the file has no byte order mark: F&O answers 'Selected file is not Unicode'"
                     : "the file is not UTF-16: F&O answers 'Selected file is not Unicode'");
    if (l->odd)
        say(k, "ROW_END", l->crlf > l->odd, e->label, 0, "end rows with CR LF",
            arena_printf(&k->a,
                         "%llu line ends are not CR LF: F&O answers that the mapping is incorrect, for a field that "
                         "does not exist",
                         (unsigned long long)l->odd));
    else if (l->odd_inside)
        say(k, "ROW_END", true, e->label, 0, "try it with a few rows, or have no line end inside a value",
            arena_printf(&k->a, "%llu line ends stand inside of values: whether F&O reads them depends on the format",
                         (unsigned long long)l->odd_inside));
    if (!l->any || l->first_blank)
        say(k, "FF004", false, e->label, 0, "begin the file with the row of column names",
            l->any ? "a blank line stands before the header row" : "the file is empty: it has no header row");
    if (l->blank_lines > l->first_blank)
        say(k, "DMF2050", false, e->label, 0, "leave the blank lines out",
            arena_printf(&k->a, "%llu blank lines: F&O fails the whole file",
                         (unsigned long long)(l->blank_lines - l->first_blank)));
}

/* ---- data files as rows ---- */

static struct cell column_of(const struct dmf_field *f)
{
    return cell_blank(f->file) ? f->staging : f->file;
}

/* Names of the file against those of the field map, both ways. */
static void check_columns(struct verifying *k, const struct dmf_entity *e, struct dmf_rows *rows,
                          const struct cell *header, size_t n, const char *absent_code)
{
    for (size_t i = 0; i < e->n; i++)
        if (!e->fields[i].auto_generated && dmf_rows_column(rows, e->fields[i].staging) < 0)
            say(k, absent_code, false, e->label, 0, "add the column, or take the field out of the field map",
                arena_printf(&k->a, "the mapped column '" CELL_FMT "' is not in the file",
                             CELL_ARG(column_of(&e->fields[i]))));
    for (size_t i = 0; i < n; i++) {
        bool mapped = false;

        for (size_t f = 0; f < e->n && !mapped; f++)
            mapped = cell_ieq(header[i], e->fields[f].staging);
        if (!mapped)
            say(k, "DMF2022", false, e->label, 0, "map the column, or take it out of the file",
                arena_printf(&k->a, "column '" CELL_FMT "' of the file is not mapped", CELL_ARG(header[i])));
    }
}

static const char *code_of_fault(const char *fault, bool xml)
{
    if (strstr(fault, "cells where"))
        return "DMF2050";
    return xml ? "DMF1830" : "ROW";
}

static enum ec read_rows(struct verifying *k, const struct dmf_entity *e, struct dmf_rows *rows, bool xml,
                         uint64_t *ret_rows, int *columns, struct err *reterr)
{
    struct arena a = { 0 };
    struct cell *cells;
    const char *fault;
    size_t n;
    bool more = true;
    enum ec rc = EC_OK;

    while (!rc) {
        arena_reset(&a);
        rc = dmf_rows_next(rows, &a, &cells, &n, &fault, &more, reterr);
        if (rc || !more)
            break;
        ++*ret_rows;
        if (fault) {
            say(k, code_of_fault(fault, xml), false, e->label, *ret_rows, "correct the row", fault);
        } else if (k->v->row) {
            for (size_t i = 0; i < e->n; i++)
                columns[i] = dmf_rows_column(rows, e->fields[i].staging);
            rc = k->v->row(k->v->arg, e, columns, cells, *ret_rows, reterr);
        }
        if (!(*ret_rows % ROWS_BETWEEN_LOOKS) && stop_requested())
            rc = err_set(reterr, EC_STOPPED, "stopped while verifying '%s'", k->path);
    }
    arena_release(&a);
    return rc;
}

/* What the reader could not go on with is a finding about the file. */
static enum ec unreadable(struct verifying *k, const struct dmf_entity *e, bool xml, struct err *why)
{
    const char *code = !xml                                                                             ? "ROW"
                       : strstr(why->msg, "PCDATA invalid Char") || strstr(why->msg, "xmlParseCharRef") ? "DMF2055"
                                                                                                        : "DMF1830";

    if (why->code != EC_FORMAT && why->code != EC_LIMIT)
        return why->code;
    say(k, code, false, e->label, 0, "correct the file", arena_dup(&k->a, why->msg, strlen(why->msg)));
    return EC_OK;
}

static enum ec check_data(struct verifying *k, size_t i, struct err *reterr)
{
    const struct dmf_entity *e = &k->p->entities[i];
    int64_t member = dmf_zip_find(k->zip, e->input_file);
    struct dmf_rows *rows = NULL;
    struct look l;
    uint64_t n = 0;
    size_t n_columns = 0;
    int *columns = arena_alloc(&k->a, (e->n + 1) * sizeof(*columns));
    struct err why = { 0 };
    bool csv;
    enum ec rc;

    if (member < 0 || e->disabled)
        return EC_OK;
    rc = look_at(k, member, &l, &why);
    csv = !l.begins_xml && !l.zip;
    if (!rc && csv)
        judge_csv(k, e, &l);
    if (!rc && !l.any)
        return EC_OK;
    if (!rc && k->v->begin)
        rc = k->v->begin(k->v->arg, e, reterr);
    if (rc)
        return rc == EC_FORMAT || rc == EC_LIMIT ? unreadable(k, e, false, &why) : rc;
    rc = dmf_rows_open(k->r, i, k->v->csv, &rows, &why);
    if (!rc)
        rc = read_rows(k, e, rows, l.begins_xml, &n, columns, &why);
    if (rc)
        rc = unreadable(k, e, l.begins_xml, &why);
    if (rc) {
        *reterr = why;
    } else if (rows) {
        const struct cell *names = dmf_rows_columns(rows, &n_columns);

        if (csv || n)
            check_columns(k, e, rows, names, n_columns, l.begins_xml ? "MAP011" : "DMF2060");
        if (!n)
            say(k, "DMF2053", false, e->label, 0, "leave the entity out of the package", "the file has no data row");
        if (l.zip && n_columns > MAX_EXCEL_COLUMNS)
            say(k, "DMF2009", false, e->label, 0, "export fewer columns, or as CSV",
                arena_printf(&k->a, "the sheet has %zu columns, F&O reads 255", n_columns));
        if (l.zip)
            say(k, "DMF2039", true, e->label, 0, "use CSV-Unicode or XML-Element for more than a few rows",
                "F&O imports Excel files one at a time in the whole environment");
    }
    dmf_rows_close(rows);
    if (!rc && k->v->end)
        rc = k->v->end(k->v->arg, e, reterr);
    return rc;
}

/* ---- the package ---- */

static enum ec open_both(struct verifying *k, struct err *reterr)
{
    static const struct dmf_zip_rules RULES = { .kind = "a data package",
                                                .max_members = 10000,
                                                .max_member = (uint64_t)16 << 30 };
    struct err why = { 0 };
    enum ec rc = dmf_zip_open_path(k->path, arena_printf(&k->a, "package '%s'", k->path), &RULES, &k->zip, &why);

    if (rc == EC_FORMAT || rc == EC_LIMIT) {
        say(k, "ZIP", false, CELL_ABSENT, 0, "make the package anew", arena_dup(&k->a, why.msg, strlen(why.msg)));
        return EC_OK;
    }
    if (rc) {
        *reterr = why;
        return rc;
    }
    if (!has_document(k, DMF_HEADER_NAME, "HEADER") + !has_document(k, DMF_MANIFEST_NAME, "MANIFEST"))
        return EC_OK;
    rc = dmf_reader_open(k->path, k->v->tmp_dir, NULL, &k->r, &why);
    if (rc == EC_FORMAT || rc == EC_LIMIT) {
        say(k, strstr(why.msg, DMF_HEADER_NAME) ? "HEADER" : "MANIFEST", false, CELL_ABSENT, 0,
            "write it as F&O does, see docs/packages.md", arena_dup(&k->a, why.msg, strlen(why.msg)));
        rc = EC_OK;
    } else if (rc) {
        *reterr = why;
    }
    return rc;
}

enum ec dmf_verify(const char *path, const struct dmf_verify *v, struct err *reterr)
{
    struct verifying k = { .v = v, .path = path };
    struct err local = { 0 };
    enum ec rc;

    if (!reterr)
        reterr = &local;
    rc = open_both(&k, reterr);
    if (rc || !k.r)
        goto out;
    k.p = dmf_reader_package(k.r);
    rc = check_order(&k, DMF_HEADER_NAME, reterr);
    if (!rc)
        rc = check_order(&k, DMF_MANIFEST_NAME, reterr);
    if (rc)
        goto out;
    check_project(&k);
    if (!k.p->n)
        say(&k, "NO_ENTITY", false, CELL_ABSENT, 0, "list the entities in PackageEntityList",
            "the manifest lists no entity: F&O imports nothing and reports success");
    check_members(&k);
    for (size_t i = 0; i < k.p->n && !rc; i++) {
        check_entity(&k, &k.p->entities[i]);
        rc = check_data(&k, i, reterr);
    }
out:
    dmf_reader_close(k.r);
    dmf_zip_close(k.zip);
    arena_release(&k.a);
    return rc;
}

/* cmd_package.c -- `package build` and `package show`: packages without a network. */
#include "base/file.h"
#include "data/zio.h"
#include "dmf/pkgread.h"
#include "loader/build.h"
#include "loader/lineage.h"
#include "loader/loader_commands.h"
#include "loader/package_form.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- build ---- */

static void show_build(struct app *app, const struct build *b, const char *dir)
{
    static const char *const HEADERS[] = { "wave", "pass", "package", "company", "format", "rows", "octets" };
    struct table *t = table_new(&app->out, HEADERS, COUNT(HEADERS), "rrlllrr");
    struct json *packages = out_array(&app->out, NULL, "packages"), *maps = out_array(&app->out, NULL, "maps");

    for (size_t i = 0; i < b->n; i++) {
        const struct build_package *k = &b->packages[i];
        struct json *o = out_object(&app->out, packages, NULL);

        table_cell(t, "%d", k->wave);
        table_cell(t, "%d", k->pass);
        table_cell(t, "%s", k->file);
        table_cell(t, "%s", k->company);
        table_cell(t, "%s", k->format);
        table_cell(t, "%llu", (unsigned long long)k->rows);
        table_cell(t, "%llu", (unsigned long long)k->octets);
        out_str(&app->out, o, "file", k->file);
        out_str(&app->out, o, "maps", k->maps);
        out_str(&app->out, o, "company", k->company);
        out_int(&app->out, o, "wave", k->wave);
        out_int(&app->out, o, "pass", k->pass);
        out_int(&app->out, o, "slice", k->slice);
        out_int(&app->out, o, "rows", (int64_t)k->rows);
        out_int(&app->out, o, "octets", (int64_t)k->octets);
        out_str(&app->out, o, "format", k->format);
        out_str(&app->out, o, "digest", k->digest);
    }
    table_print(t);
    for (size_t i = 0; i < b->n_maps; i++) {
        const struct build_map *m = &b->maps[i];
        struct json *o = out_object(&app->out, maps, NULL);

        out_str(&app->out, o, "map", m->alias);
        out_int(&app->out, o, "rows", (int64_t)m->rows);
        out_int(&app->out, o, "packed", (int64_t)m->packed);
        out_int(&app->out, o, "rejected", (int64_t)m->rejected);
        out_int(&app->out, o, "other_companies", (int64_t)m->other_companies);
        out_bool(&app->out, o, "moved_to_xml", m->moved_to_xml);
        out_line(&app->out, "%s: %llu rows, %llu packed, %llu rejected%s%s", m->alias, (unsigned long long)m->rows,
                 (unsigned long long)m->packed, (unsigned long long)m->rejected,
                 m->other_companies ? ", the others are of companies not listed" : "",
                 m->moved_to_xml ? "; in XML-Element, since some value does not fit into the CSV format" : "");
    }
    out_str(&app->out, NULL, "folder", dir);
    out_str(&app->out, NULL, "compressor", b->compressor);
    out_line(&app->out, "packages in '%s', to be imported in the order of packages.json%s", dir,
             b->rejected ? "; the rejected rows are in rejects.csv" : "");
}

enum ec cmd_package_build(struct app *app, struct err *reterr)
{
    const char *out = option_value(app, "--out");
    const char *dir = workspace_path(&app->ws, &app->cfg.arena, "%s", out ? out : ".dmfsync/packages/build");
    struct pair *p = NULL;
    struct build b = { 0 };
    enum ec rc = pair_open(app, PAIR_CACHED, 0, &p, reterr);

    if (!rc && option_value(app, "--format"))
        app->cfg.data_format = option_value(app, "--format");
    if (!rc)
        rc = build_packages(p, dir, option_given(app, "--together"), &b, reterr);
    if (!rc) {
        show_build(app, &b, dir);
        if (b.rejected)
            out_status(&app->out, EC_ROWS);
    }
    build_release(&b);
    pair_close(p);
    return rc;
}

/* ---- show ---- */

struct showing {
    struct app *app;
    struct dmf_reader *r;
    const char *path;
    struct dmf_format format;
};

static enum ec count_rows(struct showing *s, size_t entity, uint64_t *ret_rows, uint64_t *ret_faulty,
                          struct err *reterr)
{
    struct dmf_rows *rows = NULL;
    struct arena a = { 0 };
    struct cell *cells;
    size_t n;
    const char *fault;
    bool more = true;
    enum ec rc = dmf_rows_open(s->r, entity, s->app->cfg.csv_format ? &s->format : NULL, &rows, reterr);

    *ret_rows = *ret_faulty = 0;
    while (!rc) {
        arena_reset(&a);
        rc = dmf_rows_next(rows, &a, &cells, &n, &fault, &more, reterr);
        if (rc || !more)
            break;
        ++*ret_rows;
        *ret_faulty += fault != NULL;
    }
    dmf_rows_close(rows);
    arena_release(&a);
    return rc;
}

static void show_fields(struct showing *s, const struct dmf_entity *e, struct json *o)
{
    struct json *list = out_array(&s->app->out, o, "fields");

    for (size_t i = 0; i < e->n; i++) {
        const struct dmf_field *f = &e->fields[i];
        struct json *fo = out_object(&s->app->out, list, NULL);
        bool same = cell_blank(f->file) || cell_eq(f->file, f->staging);

        out_cell(&s->app->out, fo, "field", f->staging);
        out_cell(&s->app->out, fo, "column", cell_blank(f->file) ? f->staging : f->file);
        out_bool(&s->app->out, fo, "auto_generated", f->auto_generated);
        out_line(&s->app->out, "    " CELL_FMT "%s" CELL_FMT "%s", CELL_ARG(f->staging), same ? "" : " <- ",
                 CELL_ARG(same ? CELL_LIT("") : f->file),
                 f->auto_generated ? " (generated by a number sequence)" : "");
    }
}

static enum ec show_entity(struct showing *s, size_t i, struct json *list, struct err *reterr)
{
    const struct dmf_entity *e = &dmf_reader_package(s->r)->entities[i];
    struct json *o = out_object(&s->app->out, list, NULL);
    uint64_t rows, faulty;
    enum ec rc = count_rows(s, i, &rows, &faulty, reterr);

    if (rc)
        return rc;
    out_line(&s->app->out,
             "  " CELL_FMT "%s" CELL_FMT "%s, '" CELL_FMT "', " CELL_FMT ", %d/%d/%d%s: %llu rows%s, %zu fields",
             CELL_ARG(e->label), cell_blank(e->aot) ? "" : " (", CELL_ARG(cell_blank(e->aot) ? CELL_LIT("") : e->aot),
             cell_blank(e->aot) ? "" : ")", CELL_ARG(e->input_file), CELL_ARG(e->source_format), e->unit, e->level,
             e->sequence, e->disabled ? ", disabled" : "", (unsigned long long)rows, faulty ? " (some faulty)" : "",
             e->n);
    out_cell(&s->app->out, o, "entity", e->label);
    out_cell(&s->app->out, o, "aot", e->aot);
    out_cell(&s->app->out, o, "file", e->input_file);
    out_cell(&s->app->out, o, "format", e->source_format);
    out_int(&s->app->out, o, "unit", e->unit);
    out_int(&s->app->out, o, "level", e->level);
    out_int(&s->app->out, o, "sequence", e->sequence);
    out_bool(&s->app->out, o, "disabled", e->disabled);
    out_int(&s->app->out, o, "rows", (int64_t)rows);
    out_int(&s->app->out, o, "faulty_rows", (int64_t)faulty);
    if (option_given(s->app, "--fields"))
        show_fields(s, e, o);
    return EC_OK;
}

/* The line of the source, when the file is still the one that was packed. */
static void show_line(struct app *app, const struct lineage_place *at, struct json *o)
{
    struct zreader *z = NULL;
    char text[4096];
    int64_t n = 0;

    if (at->changed || zreader_open(at->source, &z, NULL))
        return;
    if (zreader_seekable(z) && !zreader_seek(z, at->offset, NULL))
        n = zreader_read(z, text, sizeof(text) - 1, NULL);
    zreader_close(z);
    if (n <= 0)
        return;
    text[n] = 0;
    text[strcspn(text, "\r\n")] = 0;
    if (utf8_valid_prefix(text, strlen(text)) < strlen(text))
        return;
    out_str(&app->out, o, "text", text);
    out_line(&app->out, "  %s", text);
}

/* `--row N [--entity LABEL]`: where a row of the package came from. */
static enum ec show_row(struct showing *s, int64_t row, struct err *reterr)
{
    const struct dmf_package *p = dmf_reader_package(s->r);
    const char *label = option_value(s->app, "--entity");
    struct lineage_place at;
    struct json *o;
    size_t entity = 0;
    enum ec rc;

    while (label && entity < p->n && !cell_ieq(p->entities[entity].label, cell_of(label)))
        entity++;
    if (entity >= p->n) {
        err_set(reterr, EC_USAGE, "package '%s' has no entity '%s'", s->path, label ? label : "");
        return err_hint(reterr, "package show lists its entities");
    }
    rc = lineage_find(s->path, entity, (uint64_t)row, &s->app->out.arena, &at, reterr);
    if (rc == EC_NOTFOUND)
        rc = reterr->code = EC_USAGE;
    if (rc)
        return rc;
    o = out_object(&s->app->out, NULL, "row");
    out_cell(&s->app->out, o, "entity", p->entities[entity].label);
    out_int(&s->app->out, o, "row", row);
    out_str(&s->app->out, o, "source", at.source);
    out_int(&s->app->out, o, "line", (int64_t)at.line);
    out_int(&s->app->out, o, "offset", (int64_t)at.offset);
    out_bool(&s->app->out, o, "source_changed", at.changed);
    out_line(&s->app->out, "row %lld of '" CELL_FMT "' is line %llu of '%s' (octet %llu)%s", (long long)row,
             CELL_ARG(p->entities[entity].label), (unsigned long long)at.line, at.source,
             (unsigned long long)at.offset, at.changed ? ", a file that was changed since" : "");
    show_line(s->app, &at, o);
    return EC_OK;
}

enum ec cmd_package_show(struct app *app, struct err *reterr)
{
    struct showing s = { .app = app, .path = app->opt->args[0] };
    struct json *list;
    int64_t row;
    const struct dmf_package *p;
    enum ec rc = option_int(app, "--row", 0, 1, INT64_MAX, &row, reterr);

    if (!rc && app->cfg.csv_format)
        rc = package_format(&app->cfg, &s.format, reterr);
    if (!rc)
        rc = dmf_reader_open(s.path, "/tmp", NULL, &s.r, reterr);
    if (rc == EC_NOTFOUND)
        rc = reterr->code = EC_USAGE;
    if (rc)
        return rc;
    p = dmf_reader_package(s.r);
    if (option_given(app, "--row")) {
        rc = show_row(&s, row, reterr);
    } else {
        out_line(&app->out, "project '" CELL_FMT "', %zu entit%s (unit/level/sequence)", CELL_ARG(p->project), p->n,
                 p->n == 1 ? "y" : "ies");
        out_cell(&app->out, NULL, "project", p->project);
        out_cell(&app->out, NULL, "description", p->description);
        list = out_array(&app->out, NULL, "entities");
        for (size_t i = 0; i < p->n && !rc; i++)
            rc = show_entity(&s, i, list, reterr);
    }
    dmf_reader_close(s.r);
    return rc;
}

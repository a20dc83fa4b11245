/* map_report.c -- an import stored and told: results, differences, what was passed over, what is no map. */
#include "loader/map_store.h"

#include <stdio.h>
#include <stdlib.h>

static const char *shown(struct cell c, char buf[static 90])
{
    if (cell_absent(c))
        return "(nothing)";
    snprintf(buf, 90, "'%.*s%s'", (int)utf8_valid_prefix(c.ptr, c.len > 80 ? 80 : c.len), c.ptr,
             c.len > 80 ? "..." : "");
    return buf;
}

void map_diff_print(struct app *app, const struct map_diff *d, struct json *list, const char *indent)
{
    static const char *const WORDS[] = { ['*'] = "changed", ['-'] = "removed", ['+'] = "added" };

    for (size_t k = 0; k < d->n; k++) {
        const struct map_diff_row *r = &d->rows[k];
        struct json *o = out_object(&app->out, list, NULL);
        char a[90], b[90];

        out_str(&app->out, o, "kind", WORDS[r->sign]);
        out_cell(&app->out, o, "place", r->place);
        out_cell(&app->out, o, "what", r->what);
        out_cell(&app->out, o, "a", r->a);
        out_cell(&app->out, o, "b", r->b);
        out_line(&app->out, "%s%c " CELL_FMT ": " CELL_FMT ": %s -> %s", indent, r->sign, CELL_ARG(r->place),
                 CELL_ARG(r->what), shown(r->a, a), shown(r->b, b));
    }
}

/* ---- results ---- */

/* A transform that is not known is kept in the file; commands that need its meaning will refuse the map. */
static void tell_unknown(struct app *app, const struct map *m, struct json *o)
{
    struct json *list = out_array(&app->out, o, "unknown_transforms");

    for (size_t k = 0; k < m->n; k++) {
        const struct map_field *f = &m->fields[k];
        struct json *u;

        if (cell_absent(f->unknown_transform))
            continue;
        u = out_object(&app->out, list, NULL);
        out_cell(&app->out, u, "field", cell_absent(f->source) ? f->destination : f->source);
        out_cell(&app->out, u, "transform", f->unknown_transform);
        out_warn(&app->out,
                 CELL_FMT ", field " CELL_FMT ": the transform '" CELL_FMT
                          "' is not known; it is kept in the file, but the map cannot be run with it",
                 CELL_ARG(m->name), CELL_ARG(cell_absent(f->source) ? f->destination : f->source),
                 CELL_ARG(f->unknown_transform));
    }
}

struct done { /* a map that was stored, or found to differ */
    struct cell name;
    struct json *json;
    struct map_diff diff;
};
struct told {
    struct json *maps, *passed, *bad;
    struct table *table;
    struct strbuf sections;
    size_t failed, stored, differ;
};

static enum ec store_one(struct app *app, struct import_map *e, struct told *t, struct done *ret, struct err *reterr)
{
    bool replace = option_given(app, "--replace");
    enum map_stored how;
    struct cell file;
    struct json *o;
    enum ec rc = map_store(app, e->map, e->beside, replace, &how, &file, &ret->diff, reterr);

    if (rc)
        return err_ctx(reterr, rc, "map '" CELL_FMT "'", CELL_ARG(e->map->name));
    t->stored++;
    table_cell(t->table, CELL_FMT, CELL_ARG(e->map->name));
    table_cell(t->table, CELL_FMT, CELL_ARG(e->version));
    table_cell(t->table, "%zu", e->map->n);
    table_cell(t->table, CELL_FMT, CELL_ARG(file));
    table_cell(t->table, "%s", map_stored_word(how));
    ret->name = e->map->name;
    ret->json = o = out_object(&app->out, t->maps, NULL);
    out_cell(&app->out, o, "map", e->map->name);
    out_cell(&app->out, o, "version", e->version);
    out_cell(&app->out, o, "row_name", e->row_name);
    out_cell(&app->out, o, "origin", e->origin);
    out_cell(&app->out, o, "evidence", e->note);
    out_int(&app->out, o, "fields", (int64_t)e->map->n);
    out_cell(&app->out, o, "file", file);
    out_str(&app->out, o, "result", map_stored_word(how));
    tell_unknown(app, e->map, o);
    t->differ += how == MAP_DIFFERS;
    if (how == MAP_OTHER) {
        err_set(&e->err, EC_CONFIG, "'" CELL_FMT "' belongs to another map", CELL_ARG(file));
        err_hint(&e->err, "move that file, or give this map a section with a file of its own");
        t->stored--;
    } else if (how != MAP_DIFFERS) {
        map_section_add(app, e->map, file, &t->sections);
    }
    return EC_OK;
}

static void tell_differences(struct app *app, const struct done *d)
{
    if (!d->diff.n)
        return;
    out_line(&app->out, "'" CELL_FMT "', from the file to what was imported:", CELL_ARG(d->name));
    map_diff_print(app, &d->diff, out_array(&app->out, d->json, "differences"), "  ");
}

static void tell_left(struct app *app, const struct import *i, struct told *t)
{
    for (size_t k = 0; k < i->n; k++) {
        const struct import_map *e = &i->maps[k];
        struct json *o;

        if (e->err.code) {
            o = out_object(&app->out, t->bad, NULL);
            out_cell(&app->out, o, "origin", e->origin);
            out_str(&app->out, o, "reason", e->err.msg);
            out_line(&app->out, "not imported: " CELL_FMT ": %s", CELL_ARG(e->origin), e->err.msg);
            if (e->err.hint[0])
                out_line(&app->out, "  %s", e->err.hint);
            t->failed++;
        } else if (!e->chosen) {
            o = out_object(&app->out, t->passed, NULL);
            out_cell(&app->out, o, "map", e->map->name);
            out_cell(&app->out, o, "version", e->version);
            out_cell(&app->out, o, "origin", e->origin);
            out_cell(&app->out, o, "reason", e->note);
            out_line(&app->out, "passed over: '" CELL_FMT "' " CELL_FMT ": " CELL_FMT, CELL_ARG(e->map->name),
                     CELL_ARG(e->version), CELL_ARG(e->note));
        } else if (!cell_absent(e->note)) {
            out_line(&app->out, "taken: '" CELL_FMT "' " CELL_FMT ": " CELL_FMT, CELL_ARG(e->map->name),
                     CELL_ARG(e->version), CELL_ARG(e->note));
        }
    }
}

static void tell_notes(struct app *app, const struct import *i)
{
    struct json *list = out_array(&app->out, NULL, "notes");

    for (size_t k = 0; k < i->n_notes; k++) {
        out_cell(&app->out, out_object(&app->out, list, NULL), "note", i->notes[k]);
        out_line(&app->out, "note: " CELL_FMT, CELL_ARG(i->notes[k]));
    }
    out_int(&app->out, NULL, "other_members", (int64_t)i->others);
    if (i->others)
        out_line(&app->out, "note: %zu other member%s of the zip hold%s no map", i->others, i->others == 1 ? "" : "s",
                 i->others == 1 ? "s" : "");
}

enum ec map_store_all(struct app *app, struct import *i, struct err *reterr)
{
    static const char *const HEADERS[] = { "map", "version", "fields", "file", "result" };
    struct done *done = xcalloc(i->n + 1, sizeof(*done));
    struct told t = { .maps = out_array(&app->out, NULL, "maps"),
                      .passed = out_array(&app->out, NULL, "passed_over"),
                      .bad = out_array(&app->out, NULL, "not_imported"),
                      .table = table_new(&app->out, HEADERS, COUNT(HEADERS), "llrll") };
    enum ec rc = EC_OK;

    for (size_t k = 0; k < i->n && !rc; k++)
        if (i->maps[k].map && i->maps[k].chosen)
            rc = store_one(app, &i->maps[k], &t, &done[k], reterr);
    table_print(t.table);
    for (size_t k = 0; k < i->n; k++) {
        if (!rc)
            tell_differences(app, &done[k]);
        map_diff_release(&done[k].diff);
    }
    if (!rc) {
        tell_left(app, i, &t);
        tell_notes(app, i);
        rc = map_sections_tell(app, &t.sections, reterr);
    }
    if (!rc && t.differ) {
        rc = err_set(reterr, EC_DIFFERENT, "%zu map%s in the workspace differ%s and %s left as %s", t.differ,
                     t.differ == 1 ? "" : "s", t.differ == 1 ? "s" : "", t.differ == 1 ? "was" : "were",
                     t.differ == 1 ? "it is" : "they are");
        err_hint(reterr, "--replace overwrites; under version control nothing is lost by it");
    }
    if (!rc && t.failed)
        rc = t.stored
                 ? err_set(reterr, EC_ROWS, "%zu of %zu maps could not be imported", t.failed, t.failed + t.stored)
                 : err_set(reterr, EC_FORMAT, "nothing could be imported");
    strbuf_release(&t.sections);
    free(done);
    return rc;
}

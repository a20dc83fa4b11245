/* cmd_diff.c -- the command `diff`: F&O against Dataverse, or the loaded source files against F&O. */
#include "sync/compare.h"
#include "sync/diff_print.h"
#include "sync/sides.h"
#include "sync/sync_commands.h"

struct source_diff {
    struct map_ctx *m;
    enum diff_format format;
    bool defaulted; /* these, too, are shown */
};

static enum ec source_cell(void *arg, const struct proof_cell *c, struct err *reterr)
{
    struct source_diff *s = arg;

    (void)reterr;
    if (s->defaulted || strcmp(c->class, "defaulted"))
        diff_print_source(s->m, s->format, c);
    return EC_OK;
}

static enum ec against_source(struct map_ctx *m, enum diff_format format, struct json *list, struct err *reterr)
{
    struct output *o = &m->pair->app->out;
    struct source_diff s = { .m = m, .format = format, .defaulted = option_given(m->pair->app, "--defaulted") };
    struct arena a = { 0 };
    struct snapshot fno;
    struct proof_counts c = { 0 };
    int64_t run_id = load_last_run(m);
    struct json *v;
    enum ec rc;

    if (!run_id) {
        if (format == DIFF_SIGNS)
            out_line(o, "%s: nothing was loaded from files", m->cfg->alias);
        return EC_OK;
    }
    rc = snapshot_fno(m, m->b->entity->on_odata ? FROM_ODATA : FROM_PACKAGE, false, &a, &fno, reterr);
    progress_clear(o);
    if (!rc) {
        diff_print_source_begin(m, format);
        rc = proof_source(m, run_id, &fno, source_cell, &s, &c, reterr);
        diff_print_source_end(m, format);
    }
    if (!rc) {
        v = out_object(o, list, NULL);
        out_str(o, v, "map", m->cfg->alias);
        out_int(o, v, "rows", (int64_t)c.rows);
        out_int(o, v, "kept_cells", (int64_t)c.kept);
        out_int(o, v, "defaulted_cells", (int64_t)c.defaulted_cells);
        out_int(o, v, "changed_cells", (int64_t)c.changed_cells);
        out_int(o, v, "changed_rows", (int64_t)c.changed_rows);
        out_int(o, v, "missing_rows", (int64_t)c.missing_rows);
        if (format == DIFF_SIGNS)
            out_line(o,
                     "%s: %llu rows, %llu cells kept, %llu defaulted, %llu changed in %llu rows, %llu rows missing",
                     m->cfg->alias, (unsigned long long)c.rows, (unsigned long long)c.kept,
                     (unsigned long long)c.defaulted_cells, (unsigned long long)c.changed_cells,
                     (unsigned long long)c.changed_rows, (unsigned long long)c.missing_rows);
        if (c.changed_rows || c.missing_rows)
            out_status(o, EC_DIFFERENT);
        rc = snapshot_prune(m, 2, reterr);
    }
    arena_release(&a);
    return rc;
}

static enum ec one_map(struct map_ctx *m, struct dict *d, enum diff_format format, int64_t recheck, struct json *list,
                       struct err *reterr)
{
    struct output *o = &m->pair->app->out;
    bool stored = option_given(m->pair->app, "--stored");
    struct arena a = { 0 };
    struct comparison c;
    uint64_t red = 0;
    enum ec rc = EC_OK;

    if (!stored) {
        rc = sides_given(m->pair->app) ? sides_compare(m, &a, &c, reterr)
                                       : compare_map(m, d, (uint64_t)recheck, &a, &c, reterr);
        if (!rc)
            rc = verdict_output(m, list, c.verdict, &c.diff, c.checked_at, reterr);
        progress_clear(o);
    }
    if (!rc)
        rc = diff_print_map(m, format, stored ? NULL : &c.diff, &red, reterr);
    if (!rc && (red || (!stored && c.diff.all.errors)))
        out_status(o, EC_DIFFERENT);
    if (!rc && !stored)
        rc = snapshot_prune(m, 2, reterr);
    arena_release(&a);
    return rc;
}

enum ec cmd_diff(struct app *app, struct err *reterr)
{
    const char *name = option_value(app, "--format"), *against = option_value(app, "--against");
    enum diff_format format = DIFF_SIGNS;
    bool files = sides_given(app);
    struct pair *p = NULL;
    struct dict *d = NULL;
    struct json *list;
    int64_t recheck;
    enum ec rc = option_int(app, "--recheck", 0, 0, INT64_MAX, &recheck, reterr);

    if (!rc && name && !diff_format_of(name, &format))
        rc = err_set(reterr, EC_USAGE, "--format %s is not known: signs, jsonl, csv or html", name);
    if (!rc && against && strcmp(against, "source"))
        rc = err_set(reterr, EC_USAGE, "--against %s is not known: source", against);
    if (!rc)
        rc = pair_open(app, (files ? PAIR_CACHED : PAIR_LIVE) | PAIR_STATE | PAIR_GAPS_OK, 0, &p, reterr);
    if (!rc && files && (against || option_given(app, "--stored")))
        rc = err_set(reterr, EC_USAGE, "--fno-from and --dataverse-from make a comparison of their own");
    if (!rc)
        rc = files ? sides_check(app, p, reterr) : pair_companies(p, reterr);
    if (!rc && !files && !against && !option_given(app, "--stored"))
        rc = dict_open(p, &d, reterr);
    list = out_array(&app->out, NULL, "maps");
    if (!rc)
        diff_print_begin(&app->out, format, against != NULL);
    for (size_t i = 0; !rc && i < p->n; i++) {
        struct map_ctx *m = &p->maps[i];

        if (!m->selected)
            continue;
        rc = against ? against_source(m, format, list, reterr) : one_map(m, d, format, recheck, list, reterr);
    }
    if (!rc)
        diff_print_end(&app->out, format);
    dict_close(d);
    pair_close(p);
    return rc;
}

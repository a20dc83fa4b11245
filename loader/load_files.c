/* load_files.c -- the command `load` for files into F&O: the maps one by one. */
#include "base/log.h"
#include "loader/public/load.h"

static void show(struct app *app, struct table *t, struct json *list, struct map_ctx *m, const struct load_counts *c)
{
    struct json *o = out_object(&app->out, list, NULL);

    table_cell(t, "%d", m->wave);
    table_cell(t, "%s", m->cfg->alias);
    table_cell(t, "%llu", (unsigned long long)c->rows);
    table_cell(t, "%llu", (unsigned long long)c->landed);
    table_cell(t, "%llu", (unsigned long long)c->unchanged);
    table_cell(t, "%llu", (unsigned long long)c->rejected);
    table_cell(t, "%llu", (unsigned long long)c->excluded);
    table_cell(t, "%llu", (unsigned long long)(c->unsent + c->parked + c->unknown));
    out_str(&app->out, o, "map", m->cfg->alias);
    out_int(&app->out, o, "wave", m->wave);
    out_int(&app->out, o, "rows", (int64_t)c->rows);
    out_int(&app->out, o, "landed", (int64_t)c->landed);
    out_int(&app->out, o, "unchanged", (int64_t)c->unchanged);
    out_int(&app->out, o, "rejected", (int64_t)c->rejected);
    out_int(&app->out, o, "parked", (int64_t)c->parked);
    out_int(&app->out, o, "unsent", (int64_t)c->unsent);
    out_int(&app->out, o, "excluded", (int64_t)c->excluded);
    out_int(&app->out, o, "unknown", (int64_t)c->unknown);
    out_int(&app->out, o, "packages", (int64_t)c->packages);
}

static enum ec run_load(struct app *app, struct pair *p, struct err *reterr)
{
    static const char *const HEADERS[] = { "wave",      "map",      "rows",     "landed",
                                           "unchanged", "rejected", "excluded", "open" };
    struct strbuf lines = STRBUF(0);
    char identity[65];
    struct run run;
    struct table *t = NULL;
    struct json *list = out_array(&app->out, NULL, "maps");
    enum ec rc;

    pair_identity(p, &lines, identity);
    rc = run_begin(app, "load", identity, strbuf_str(&lines), &run, reterr);
    strbuf_release(&lines);
    if (rc)
        return rc;
    if (run.continued)
        log_info("load", "continuing run %lld", (long long)run.id);
    t = table_new(&app->out, HEADERS, COUNT(HEADERS), "rlrrrrrr");
    for (size_t i = 0; i < p->n && !rc; i++) {
        struct map_ctx *m = &p->maps[i];
        struct load_counts c = { 0 };

        if (!m->selected || !m->cfg->source)
            continue;
        rc = run_map_set(app, &run, m->cfg->alias, m->wave, "working", "load", NULL, reterr);
        if (!rc)
            rc = load_map(m, &run, &c, reterr);
        if (rc)
            break;
        show(app, t, list, m, &c);
        if (c.rejected || c.unknown || c.unsent)
            out_status(&app->out, EC_ROWS);
        rc = run_map_set(app, &run, m->cfg->alias, m->wave, "done", "load", NULL, reterr);
    }
    table_print(t);
    if (rc) {
        (void)run_end(app, &run, "stopped", NULL);
        return rc;
    }
    return run_end(app, &run, "done", reterr);
}

enum ec load_files(struct app *app, struct err *reterr)
{
    struct pair *p = NULL;
    enum ec rc = pair_open(app, PAIR_LIVE | PAIR_STATE | PAIR_GAPS_OK, 0, &p, reterr);

    if (!rc)
        rc = pair_companies(p, reterr);
    if (!rc)
        rc = pair_check_not_running(p, reterr);
    for (size_t i = 0; !rc && i < p->n; i++) {
        struct source *s = NULL;

        if (!p->maps[i].selected)
            continue;
        if (!p->maps[i].cfg->source) {
            out_line(&app->out, "%s: no source file, nothing to load", p->maps[i].cfg->alias);
            continue;
        }
        rc = source_open(&p->maps[i], &s, reterr); /* every header is checked before the first row leaves */
        if (!rc && !app->opt->execute)
            out_line(&app->out, "would load %s from %s into F&O entity '" CELL_FMT "'", p->maps[i].cfg->alias,
                     s->path, CELL_ARG(p->maps[i].b->entity->label));
        source_close(s);
    }
    if (!rc && app->opt->execute)
        rc = run_load(app, p, reterr);
    pair_close(p);
    return rc;
}

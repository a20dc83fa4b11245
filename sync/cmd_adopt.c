/* cmd_adopt.c -- the command `adopt`. */
#include "sync/adopt.h"
#include "sync/sync_commands.h"

static enum ec tell(struct map_ctx *m, struct table *t, struct json *list, const struct comparison *c,
                    const struct adopt_counts *n, struct err *reterr)
{
    struct output *o = &m->pair->app->out;
    struct json *obj = out_object(o, list, NULL);

    table_cell(t, CELL_FMT, CELL_ARG(m->map->name));
    table_cell(t, "%llu", (unsigned long long)n->equal);
    table_cell(t, "%llu", (unsigned long long)n->conflicts);
    table_cell(t, "%llu", (unsigned long long)n->fields);
    table_cell(t, "%s", verdict_name(c->verdict));
    out_str(o, obj, "map", m->cfg->alias);
    out_int(o, obj, "adopted", (int64_t)n->equal);
    out_int(o, obj, "conflicts", (int64_t)n->conflicts);
    out_int(o, obj, "fields", (int64_t)n->fields);
    out_int(o, obj, "keys", (int64_t)c->diff.all.keys);
    out_str(o, obj, "verdict", verdict_name(c->verdict));
    if (n->conflicts)
        out_status(o, EC_CONFLICT);
    if (c->verdict != VERDICT_PARITY)
        out_status(o, EC_DIFFERENT);
    return snapshot_prune(m, 2, reterr);
}

enum ec cmd_adopt(struct app *app, struct err *reterr)
{
    static const char *const HEADERS[] = { "map", "adopted", "wait", "differing fields", "verdict" };
    struct pair *p = NULL;
    struct dict *d = NULL;
    struct table *t;
    struct json *list = out_array(&app->out, NULL, "maps");
    enum ec rc = pair_open(app, PAIR_LIVE | PAIR_STATE | PAIR_GAPS_OK, 0, &p, reterr);

    if (!rc)
        rc = pair_companies(p, reterr);
    if (!rc)
        rc = dict_open(p, &d, reterr);
    t = table_new(&app->out, HEADERS, COUNT(HEADERS), "lrrrl");
    for (size_t i = 0; !rc && i < p->n; i++) {
        struct map_ctx *m = &p->maps[i];
        struct arena a = { 0 };
        struct comparison c;
        struct adopt_counts n;
        enum gate_state g;
        char reason[400];

        if (!m->selected)
            continue;
        rc = gate_read(m, &g, reason, reterr);
        if (!rc && g == GATE_OPEN) {
            rc = err_set(reterr, EC_GUARD, "the gate of '%s' is open: it has a base, and sync works on it",
                         m->cfg->alias);
            err_hint(reterr, "to begin anew, close it first: dmfsync gate close %s", m->cfg->alias);
        }
        if (!rc)
            rc = adopt_map(m, d, &a, &c, &n, reterr);
        if (!rc)
            rc = tell(m, t, list, &c, &n, reterr);
        arena_release(&a);
    }
    progress_clear(&app->out);
    table_print(t);
    dict_close(d);
    pair_close(p);
    return rc;
}

/* cmd_explain.c -- one record: raw and canonical on both sides, the base, the rule, its history. */
#include "sync/feed.h"
#include "sync/sync_commands.h"

static const char *rule_name(const struct canon_rule *r)
{
    static const char *const NAMES[] = { "text",      "integer", "decimal", "boolean", "date",
                                         "date-time", "word",    "key",     "company", "guid" };

    return (unsigned)r->type < COUNT(NAMES) ? NAMES[r->type] : "?";
}

static struct cell raw_fno(const struct bound_field *f, const struct json *rec, struct arena *a)
{
    if (!rec || (!f->f && f->kind != BOUND_COMPANY))
        return CELL_ABSENT;
    return json_member(rec, f->f ? cell_cstr(a, f->f->property) : "dataAreaId");
}

static struct cell raw_dv(const struct bound_field *f, const struct json *rec, struct arena *a)
{
    if (!f->c || !rec)
        return CELL_ABSENT;
    return json_member(rec, f->c->n_navs ? arena_printf(a, "_%.*s_value", CELL_ARG(f->c->name))
                                         : cell_cstr(a, f->c->name));
}

static void show_text(struct table *t, struct cell c)
{
    if (cell_absent(c))
        table_cell(t, "(null)");
    else
        table_cell(t, CELL_FMT, CELL_ARG(c));
}

static void show_fields(struct map_ctx *m, const struct live_row *fno, const struct live_row *dv,
                        const struct base_row *base, struct arena *a)
{
    static const char *const HEADERS[] = { "field", "F&O",  "raw F&O", "Dataverse", "raw Dataverse",
                                           "base",  "rule", "master",  "" };
    struct output *o = &m->pair->app->out;
    struct table *t = table_new(o, HEADERS, COUNT(HEADERS), "lllllllll");
    struct json *list = out_array(o, NULL, "fields");

    for (size_t i = 0; i < m->b->n; i++) {
        const struct bound_field *f = &m->b->fields[i];
        struct cell x = fno->cells ? fno->cells[i] : CELL_ABSENT, y = dv->cells ? dv->cells[i] : CELL_ABSENT;
        bool by_default = false, equal = canon_equal(&f->rule, x, y, &by_default);
        struct json *v = out_object(o, list, NULL);

        if (!f->compared)
            continue;
        table_cell(t, CELL_FMT, CELL_ARG(f->name));
        show_text(t, x);
        show_text(t, raw_fno(f, fno->raw, a));
        show_text(t, y);
        show_text(t, raw_dv(f, dv->raw, a));
        show_text(t, base->cells ? base->cells[i] : CELL_ABSENT);
        table_cell(t, "%s%s", rule_name(&f->rule), f->dir == DIR_TO_DV ? " >" : f->dir == DIR_TO_FNO ? " <" : "");
        table_cell(t, "%s", f->master == MASTER_FNO ? "fno" : "dataverse");
        table_cell(t, "%s", !equal ? "differs" : by_default ? "= (default)" : "=");
        out_cell(o, v, "field", f->name);
        out_cell(o, v, "fno", x);
        out_cell(o, v, "fno_raw", raw_fno(f, fno->raw, a));
        out_cell(o, v, "dataverse", y);
        out_cell(o, v, "dataverse_raw", raw_dv(f, dv->raw, a));
        out_cell(o, v, "base", base->cells ? base->cells[i] : CELL_ABSENT);
        out_str(o, v, "rule", rule_name(&f->rule));
        out_bool(o, v, "equal", equal);
    }
    table_print(t);
}

static enum ec history(struct map_ctx *m, struct cell key, struct err *reterr)
{
    static const char SQL[] = "select at, 'load' as what, side || ' ' || state || ' (' || stage || ') ' || "
                              "coalesce(field || ': ', '') || message || coalesce(' [line ' "
                              "|| line || ']', '') from row_exception where key = ?1 union all select at, 'sync', "
                              "direction || ' ' || detail || ' ' || fields from "
                              "sync_log where key = ?1 union all select at, 'conflict', field || ': base ''' || "
                              "coalesce(base, '') || ''', F&O ''' || coalesce(fno, '') "
                              "|| ''', Dataverse ''' || coalesce(dataverse, '') || ''', ' || rule || ' -> ' || "
                              "outcome from conflict where key = ?1 union all select at, "
                              "'waits', state || ': ' || reason from pending where key = ?1 order by 1";
    struct output *o = &m->pair->app->out;
    struct json *list = out_array(o, NULL, "history");
    struct query *q = store_query(m->state, SQL);

    query_cell(q, 1, key);
    while (query_step(q)) {
        struct json *v = out_object(o, list, NULL);

        out_cell(o, v, "at", query_get_cell(q, 0));
        out_cell(o, v, "what", query_get_cell(q, 1));
        out_cell(o, v, "text", query_get_cell(q, 2));
        out_line(o, "%s  %-8s  " CELL_FMT, query_get_str(q, 0), query_get_str(q, 1), CELL_ARG(query_get_cell(q, 2)));
    }
    return query_done(q, reterr);
}

static enum ec source_line(struct map_ctx *m, struct digest key, struct err *reterr)
{
    struct arena a = { 0 };
    int64_t run_id = load_last_run(m);
    char *path = run_id ? load_source_file(m, run_id, &a) : NULL;
    struct leaf_file *f = NULL;
    struct leaf_row row;
    struct source_place place;
    bool found = false;
    enum ec rc = EC_OK;

    if (path && file_exists(path)) {
        rc = leaf_open(path, &f, reterr);
        if (!rc)
            rc = leaf_find(f, key, &a, &row, &found, reterr);
        if (!rc && found && source_place_read(row.extra, &place)) {
            out_line(&m->pair->app->out, "source: %s line %llu (row %llu)", m->cfg->source,
                     (unsigned long long)place.line, (unsigned long long)place.row_no);
            out_str(&m->pair->app->out, NULL, "source", m->cfg->source);
            out_int(&m->pair->app->out, NULL, "line", (int64_t)place.line);
        }
    }
    leaf_close(f);
    arena_release(&a);
    return rc;
}

static enum ec explain(struct map_ctx *m, const char *text, struct err *reterr)
{
    struct output *o = &m->pair->app->out;
    struct arena a = { 0 };
    struct cell parts[64], *cells = arena_zalloc(&a, (m->b->n + 1) * sizeof(*cells)), key;
    size_t n = key_split(&a, cell_of(text), parts, COUNT(parts));
    struct live_row fno = { 0 }, dv = { 0 };
    struct base_row base = { 0 };
    struct baseline *b = NULL;
    struct dict *d = NULL;
    struct digest digest;
    const char *why;
    enum ec rc = EC_OK;

    if (n != m->b->n_key) {
        rc = err_set(reterr, EC_USAGE, "the key of '%s' has %zu part%s, '%s' has %zu", m->cfg->alias, m->b->n_key,
                     m->b->n_key == 1 ? "" : "s", text, n);
        err_hint(reterr, "parts in key order, company first, joined by '|': usmf|C-0042");
        goto out;
    }
    for (size_t i = 0; i < n; i++)
        if (canon_cell(&m->b->fields[m->b->key[i]].rule, NULL, parts[i], &a, &cells[m->b->key[i]], &why) !=
            CANON_FINE) {
            rc = err_set(reterr, EC_USAGE, "'" CELL_FMT "' is no " CELL_FMT ": %s", CELL_ARG(parts[i]),
                         CELL_ARG(m->b->fields[m->b->key[i]].name), why);
            goto out;
        }
    key = bind_key_text(m->b, cells, &a);
    digest = bind_key_digest(m->b, cells, &a);
    rc = dict_open(m->pair, &d, reterr);
    if (!rc) {
        dict_lazy(d);
        rc = live_fno(m, cells, &a, &fno, reterr);
    }
    if (!rc)
        rc = live_dv(m, d, cells, CELL_ABSENT, &a, &dv, reterr);
    if (!rc && m->state) {
        rc = baseline_open(m, &b, reterr);
        if (!rc)
            rc = baseline_row(b, digest, &a, &base, reterr);
        if (rc == EC_NOTFOUND || rc == EC_STATE)
            rc = EC_OK;
    }
    if (rc)
        goto out;
    out_cell(o, NULL, "key", key);
    out_line(o, "%s '" CELL_FMT "': F&O %s, Dataverse %s%s" CELL_FMT ", base %s", m->cfg->alias, CELL_ARG(key),
             !fno.raw        ? "has no such row"
             : fno.in_filter ? "has it"
                             : "has it, outside of the filter",
             !dv.raw        ? "has no such row"
             : dv.in_filter ? "has it"
                            : "has it, outside of the filter",
             dv.raw ? ", id " : "", CELL_ARG(dv.id),
             base.cells     ? "has it"
             : base.deleted ? "says deleted"
                            : "has no such row");
    show_fields(m, &fno, &dv, &base, &a);
    if (m->state) {
        rc = source_line(m, digest, reterr);
        if (!rc)
            rc = history(m, key, reterr);
    }
out:
    baseline_close(b);
    dict_close(d);
    arena_release(&a);
    return rc;
}

enum ec cmd_explain(struct app *app, struct err *reterr)
{
    const char *key = app->opt->args[1];
    struct pair *p = NULL;
    struct map_ctx *m;
    enum ec rc;

    rc = pair_open(app, PAIR_LIVE | PAIR_STATE | PAIR_GAPS_OK, app->opt->n_args, &p, reterr);
    if (!rc)
        rc = pair_companies(p, reterr);
    if (!rc) {
        m = pair_map(p, app->opt->args[0]);
        rc = m ? explain(m, key, reterr)
               : err_set(reterr, EC_USAGE, "no map '%s' in this workspace", app->opt->args[0]);
    }
    pair_close(p);
    return rc;
}

/* cmd_explain.c -- one record: raw and canonical on both sides, the base, the rule, its history. */
#include "sync/feed.h"
#include "sync/sync_commands.h"

struct explained {
    struct map_ctx *m;
    struct live_row fno, dv;
    const struct cell *fno_cells, *dv_cells; /* canonical, also of rows outside of the filter; NULL = not there */
    struct base_row base;
    const struct cell *source; /* canonical, in F&O's shape; NULL = no source row */
    size_t n_source;
    struct cell key;
    struct digest digest;
    struct arena a;
};

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

static struct cell cell_at(const struct cell *cells, size_t i)
{
    return cells ? cells[i] : CELL_ABSENT;
}

static const char *direction(const struct bound_field *f)
{
    return f->dir == DIR_TO_DV ? "to dataverse" : f->dir == DIR_TO_FNO ? "to fno" : "both";
}

/* "= (default)": equal only because null is the type's default. */
static const char *judge(const struct explained *x, size_t i)
{
    const struct bound_field *f = &x->m->b->fields[i];
    bool by_default = false;

    if (!f->compared)
        return "not compared";
    if (!x->fno_cells || !x->dv_cells)
        return "";
    if (!canon_equal(&f->rule, x->fno_cells[i], x->dv_cells[i], &by_default))
        return "differs";
    return by_default ? "= (default)" : "=";
}

static void show_fields(struct explained *x)
{
    static const char *const HEADERS[] = { "field", "",       "F&O",  "raw F&O", "Dataverse", "raw Dataverse",
                                           "base",  "source", "rule", "flows",   "master" };
    struct output *o = &x->m->pair->app->out;
    struct table *t = table_new(o, HEADERS, COUNT(HEADERS), "lllllllllll");
    struct json *list = out_array(o, NULL, "fields");

    for (size_t i = 0; i < x->m->b->n; i++) {
        const struct bound_field *f = &x->m->b->fields[i];
        const char *word = judge(x, i), *why = NULL;
        struct json *v = out_object(o, list, NULL);

        table_cell(t, CELL_FMT, CELL_ARG(f->name));
        table_cell(t, "%s", word);
        show_text(t, cell_at(x->fno_cells, i));
        show_text(t, raw_fno(f, x->fno.raw, &x->a));
        show_text(t, cell_at(x->dv_cells, i));
        show_text(t, raw_dv(f, x->dv.raw, &x->a));
        show_text(t, cell_at(x->base.cells, i));
        show_text(t, i < x->n_source ? cell_at(x->source, i) : CELL_ABSENT);
        table_cell(t, "%s", canon_rule_text(&f->rule, &x->a));
        table_cell(t, "%s", direction(f));
        table_cell(t, "%s", f->master == MASTER_FNO ? "fno" : "dataverse");
        out_cell(o, v, "field", f->name);
        out_cell(o, v, "column", f->c ? f->c->name : CELL_ABSENT);
        out_cell(o, v, "fno", cell_at(x->fno_cells, i));
        out_cell(o, v, "fno_raw", raw_fno(f, x->fno.raw, &x->a));
        out_cell(o, v, "dataverse", cell_at(x->dv_cells, i));
        out_cell(o, v, "dataverse_raw", raw_dv(f, x->dv.raw, &x->a));
        out_cell(o, v, "base", cell_at(x->base.cells, i));
        out_cell(o, v, "source", i < x->n_source ? cell_at(x->source, i) : CELL_ABSENT);
        out_str(o, v, "rule", canon_type_name(f->rule.type));
        out_str(o, v, "rule_text", canon_rule_text(&f->rule, &x->a));
        out_str(o, v, "direction", direction(f));
        out_str(o, v, "master", f->master == MASTER_FNO ? "fno" : "dataverse");
        out_bool(o, v, "compared", f->compared);
        out_bool(o, v, "key", f->key);
        out_bool(o, v, "equal", word[0] == '=');
        for (int side = 0; side < 2; side++)
            if (bind_cell_fault(x->m->b, i, cell_at(side ? x->dv_cells : x->fno_cells, i), &why))
                out_line(o, "%s's " CELL_FMT " cannot be compared: %s", side ? "Dataverse" : "F&O", CELL_ARG(f->name),
                         why);
    }
    table_print(t);
}

/* ---- history ---- */

static void event(struct output *o, struct json *list, struct query *q)
{
    struct json *v = out_object(o, list, NULL);

    out_cell(o, v, "at", query_get_cell(q, 0));
    out_cell(o, v, "what", query_get_cell(q, 1));
    out_cell(o, v, "text", query_get_cell(q, 2));
    out_line(o, "%s  %-8s  " CELL_FMT, query_get_str(q, 0), query_get_str(q, 1), CELL_ARG(query_get_cell(q, 2)));
}

static enum ec events(struct explained *x, struct json *list, struct err *reterr)
{
    static const char SQL[] =
        "select at, 'load' as what, side || ' ' || state || ' (' || stage || ') ' || coalesce(field || ': ', '') || "
        "message "
        "|| coalesce(' [line ' || line || ']', '') from row_exception where key = ?1 collate nocase "
        "union all select at, 'sync', direction || ' ' || detail || ' ' || fields from sync_log where key = ?1 "
        "collate nocase "
        "union all select at, 'conflict', field || ': base ' || quote(base) || ', F&O ' || "
        "quote(fno) || ', Dataverse ' || quote(dataverse) || ', ' || "
        "rule || ' -> ' || outcome from conflict where key = ?1 collate nocase "
        "union all select at, 'waits', state || ': ' || reason from pending where key = ?1 collate nocase "
        "union all select changed_at, 'base', case when row is null then 'has no base: the sides did not agree, or "
        "it was "
        "deleted' else 'new base' end from base_overlay where key = ?1 collate nocase "
        "union all select set_at, 'base', 'base of the map, ' || rows || ' rows' from baseline "
        "order by 1";
    struct query *q = store_query(x->m->state, SQL);

    query_cell(q, 1, x->key);
    while (query_step(q))
        event(&x->m->pair->app->out, list, q);
    return query_done(q, reterr);
}

/* What the last comparison made of it; no word of equal rows. */
static enum ec last_class(struct explained *x, struct err *reterr)
{
    struct output *o = &x->m->pair->app->out;
    struct query *q = store_query(x->m->state, "select class, note from delta where key = ?1 collate nocase");

    query_cell(q, 1, x->key);
    if (query_step(q)) {
        out_line(o, "last comparison: %s%s%s", query_get_str(q, 0), query_get_cell(q, 1).len ? ", " : "",
                 query_get_str(q, 1));
        out_cell(o, NULL, "last_class", query_get_cell(q, 0));
        out_cell(o, NULL, "last_note", query_get_cell(q, 1));
    }
    return query_done(q, reterr);
}

/* The package that carried a source row, and what became of it. */
static enum ec packages(struct explained *x, int64_t run_id, const struct source_place *place, struct cell company,
                        struct json *list, struct err *reterr)
{
    struct query *q = store_query(
        x->m->state,
        "select coalesce(sent_at, ''), 'package', file || ', pass ' || pass || ', ' || state || coalesce(' (' || "
        "nullif(status, '') || ')', '') || coalesce(', execution ' || nullif(execution_id, ''), '') || coalesce(': "
        "' || nullif(message, ''), '') from package where run_id = ?1 and company in (?2, '') and ?3 between "
        "first_row and last_row order by pass, id");

    query_int(q, 1, run_id);
    query_cell(q, 2, company.ptr ? company : CELL_LIT(""));
    query_int(q, 3, (int64_t)place->row_no);
    while (query_step(q))
        event(&x->m->pair->app->out, list, q);
    return query_done(q, reterr);
}

/* Its row in the loaded file; place and canonical cells. */
static enum ec find_source(struct explained *x, int64_t run_id, struct source_place *ret, struct cell *ret_company,
                           bool *ret_found, struct err *reterr)
{
    char *path = run_id ? load_source_file(x->m, run_id, &x->a) : NULL;
    struct leaf_file *f = NULL;
    struct leaf_row row;
    enum ec rc = EC_OK;

    *ret_found = false;
    if (!path || !file_exists(path))
        return EC_OK;
    rc = leaf_open(path, &f, reterr);
    if (!rc)
        rc = leaf_find(f, x->digest, &x->a, &row, ret_found, reterr);
    if (!rc && *ret_found && source_place_read(row.extra, ret)) {
        x->source = row.cells;
        x->n_source = leaf_cells(f);
        *ret_company = cell_dup(&x->a, row.company);
    } else {
        *ret_found = false;
    }
    leaf_close(f);
    return rc;
}

static enum ec key_of(struct explained *x, const char *text, struct cell **ret_cells, struct err *reterr)
{
    const struct binding *b = x->m->b;
    struct cell parts[64], *cells = arena_zalloc(&x->a, (b->n + 1) * sizeof(*cells));
    size_t n = key_split(&x->a, cell_of(text), parts, COUNT(parts));
    const char *why;

    if (n != b->n_key) {
        err_set(reterr, EC_USAGE, "the key of '%s' has %zu part%s, '%s' has %zu", x->m->cfg->alias, b->n_key,
                b->n_key == 1 ? "" : "s", text, n);
        return err_hint(reterr, "parts in key order, company first, joined by '|': usmf|C-0042");
    }
    for (size_t i = 0; i < n; i++)
        if (canon_cell(&b->fields[b->key[i]].rule, NULL, parts[i], &x->a, &cells[b->key[i]], &why) != CANON_FINE)
            return err_set(reterr, EC_USAGE, "'" CELL_FMT "' is no " CELL_FMT ": %s", CELL_ARG(parts[i]),
                           CELL_ARG(b->fields[b->key[i]].name), why);
    x->key = bind_key_text(b, cells, &x->a);
    x->digest = bind_key_digest(b, cells, &x->a);
    *ret_cells = cells;
    return EC_OK;
}

static enum ec read_base(struct explained *x, struct err *reterr)
{
    struct baseline *b = NULL;
    enum ec rc = baseline_open(x->m, &b, reterr);

    if (!rc)
        rc = baseline_row(b, x->digest, &x->a, &x->base, reterr);
    baseline_close(b);
    return rc == EC_NOTFOUND || rc == EC_STATE ? EC_OK : rc;
}

static void show_head(struct explained *x)
{
    struct output *o = &x->m->pair->app->out;
    const char *fno = !x->fno.raw ? "has no such row" : x->fno.in_filter ? "has it" : "has it, outside of the filter";
    const char *dv = !x->dv.raw ? "has no such row" : x->dv.in_filter ? "has it" : "has it, outside of the filter";
    const char *base = x->base.cells     ? "has it"
                       : x->base.deleted ? "says deleted or never agreed"
                                         : "has no such row";

    out_cell(o, NULL, "key", x->key);
    out_str(o, NULL, "fno", fno);
    out_str(o, NULL, "dataverse", dv);
    out_str(o, NULL, "base", base);
    out_cell(o, NULL, "dataverse_id", x->dv.id);
    out_line(o, "%s '" CELL_FMT "': F&O %s, Dataverse %s%s" CELL_FMT ", base %s", x->m->cfg->alias, CELL_ARG(x->key),
             fno, dv, x->dv.raw ? ", id " : "", CELL_ARG(x->dv.id), base);
    if (!x->fno.in_filter || !x->dv.in_filter)
        out_line(o, "filters: F&O '" CELL_FMT "', Dataverse '" CELL_FMT "'", CELL_ARG(x->m->map->source_filter),
                 CELL_ARG(x->m->map->reversed_filter));
}

static struct cell property(void *arg, const struct fno_field *f)
{
    struct explained *x = arg;

    return json_member(x->fno.raw, f ? cell_cstr(&x->a, f->property) : "dataAreaId");
}

/* Rows outside of the filter have cells, too. */
static enum ec read_sides(struct explained *x, const struct cell *key, struct err *reterr)
{
    struct dict *d = NULL;
    enum ec rc = dict_open(x->m->pair, &d, reterr);

    if (rc)
        return rc;
    dict_lazy(d);
    rc = live_fno(x->m, key, &x->a, &x->fno, reterr);
    if (!rc)
        rc = live_dv(x->m, d, key, CELL_ABSENT, &x->a, &x->dv, reterr);
    x->fno_cells = x->fno.cells;
    x->dv_cells = x->dv.cells;
    if (!rc && x->fno.raw && !x->fno_cells) {
        struct cell *cells = arena_zalloc(&x->a, (x->m->b->n + 1) * sizeof(*cells));
        struct bind_fault faults[1];

        (void)bind_from_fno(x->m->b, property, x, &x->a, cells, faults, COUNT(faults));
        x->fno_cells = cells;
    }
    if (!rc && x->dv.raw && !x->dv_cells)
        x->dv_cells = x->dv.any;
    dict_close(d);
    return rc;
}

static enum ec explain(struct map_ctx *m, const char *text, struct err *reterr)
{
    struct output *o = &m->pair->app->out;
    struct explained x = { .m = m };
    struct source_place place;
    struct cell *key = NULL, company = CELL_ABSENT;
    struct json *list;
    int64_t run_id = 0;
    bool found = false;
    enum ec rc = key_of(&x, text, &key, reterr);

    if (!rc)
        rc = read_sides(&x, key, reterr);
    if (!rc && m->state)
        rc = read_base(&x, reterr);
    if (!rc && m->state) {
        run_id = load_last_run(m);
        rc = find_source(&x, run_id, &place, &company, &found, reterr);
    }
    if (rc)
        goto out;
    show_head(&x);
    show_fields(&x);
    list = out_array(o, NULL, "history");
    if (found) {
        out_line(o, "source: %s line %llu (row %llu)", m->cfg->source ? m->cfg->source : "",
                 (unsigned long long)place.line, (unsigned long long)place.row_no);
        out_str(o, NULL, "source", m->cfg->source);
        out_int(o, NULL, "line", (int64_t)place.line);
        rc = packages(&x, run_id, &place, company, list, reterr);
    }
    if (!rc && m->state)
        rc = events(&x, list, reterr);
    if (!rc && m->state)
        rc = last_class(&x, reterr);
out:
    arena_release(&x.a);
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

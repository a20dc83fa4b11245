/* cmd_errors.c -- every row that did not arrive. Works beside a running command: it only reads. */
#include "loader/loader_commands.h"
#include "loader/public/load.h"

#include <stdio.h>

static const char CSV_HEADER[] = "map,side,file,line,key,state,stage,field,code,message\r\n";

enum format { AS_TEXT, AS_CSV, AS_JSONL };

struct listing {
    struct app *app;
    struct map_ctx *m;
    enum format format;
    int64_t limit, printed, total;
    char file[3200];
    struct json *list; /* --json */
};

static void as_csv(struct listing *l, const struct exception *e)
{
    struct strbuf b = STRBUF(0);
    struct arena a = { 0 };
    const struct cell cells[] = { cell_of(l->m->cfg->alias),
                                  cell_of(e->side),
                                  cell_of(l->file),
                                  e->line > 0 ? cell_printf(&a, "%lld", (long long)e->line) : CELL_ABSENT,
                                  e->key,
                                  cell_of(e->state),
                                  cell_of(e->stage),
                                  e->field,
                                  e->code,
                                  e->message };

    for (size_t i = 0; i < COUNT(cells); i++) {
        if (i)
            strbuf_addc(&b, ',');
        csv_add(&b, cells[i], ',');
    }
    strbuf_adds(&b, "\r\n");
    out_raw(&l->app->out, b.buf, b.len);
    strbuf_release(&b);
    arena_release(&a);
}

static void as_json(struct listing *l, const struct exception *e, struct strbuf *b)
{
    struct jsonw w = { .out = b };

    jw_begin(&w, '{');
    jw_ps(&w, "map", l->m->cfg->alias);
    jw_ps(&w, "side", e->side);
    jw_ps(&w, "file", l->file);
    if (e->line > 0)
        jw_pi64(&w, "line", e->line);
    jw_pstr(&w, "key", e->key);
    jw_ps(&w, "state", e->state);
    jw_ps(&w, "stage", e->stage);
    jw_pstr(&w, "field", e->field);
    jw_pstr(&w, "code", e->code);
    jw_pstr(&w, "message", e->message);
    jw_end(&w, '}');
}

static enum ec one(void *arg, const struct exception *e, struct err *reterr)
{
    struct listing *l = arg;
    struct strbuf b = STRBUF(0);

    (void)reterr;
    l->total++;
    if (l->format == AS_CSV) {
        as_csv(l, e);
    } else if (l->format == AS_JSONL) {
        as_json(l, e, &b);
        strbuf_addc(&b, '\n');
        out_raw(&l->app->out, b.buf, b.len);
    } else if (l->printed < l->limit) {
        l->printed++;
        if (l->app->out.json) {
            struct output *o = &l->app->out;
            struct json *v = out_object(o, l->list, NULL);

            out_str(o, v, "map", l->m->cfg->alias);
            out_str(o, v, "side", e->side);
            out_str(o, v, "file", l->file);
            out_int(o, v, "line", e->line);
            out_cell(o, v, "key", e->key);
            out_str(o, v, "state", e->state);
            out_str(o, v, "stage", e->stage);
            out_cell(o, v, "field", e->field);
            out_cell(o, v, "code", e->code);
            out_cell(o, v, "message", e->message);
        }
        if (e->line > 0)
            strbuf_addf(&b, "%s:%lld", l->file, (long long)e->line);
        else
            strbuf_addf(&b, "%s %s", l->m->cfg->alias, e->side);
        strbuf_addf(&b, ": %s (%s", e->state, e->stage);
        if (!cell_blank(e->code))
            strbuf_addf(&b, ", " CELL_FMT, CELL_ARG(e->code));
        strbuf_addc(&b, ')');
        if (!cell_blank(e->key))
            strbuf_addf(&b, " '" CELL_FMT "'", CELL_ARG(e->key));
        if (!cell_blank(e->field))
            strbuf_addf(&b, " " CELL_FMT, CELL_ARG(e->field));
        strbuf_addf(&b, ": " CELL_FMT, CELL_ARG(e->message));
        out_line(&l->app->out, "%s", strbuf_str(&b));
    }
    strbuf_release(&b);
    return EC_OK;
}

static enum ec one_map(struct listing *l, int64_t run_id, struct err *reterr)
{
    struct query *q;
    enum ec rc;

    if (!l->m->state)
        return EC_OK;
    if (!run_id) {
        q = store_query(l->m->state, "select max(run_id) from (select max(run_id) as run_id from load union all "
                                     "select max(run_id) from row_exception)");
        if (query_step(q))
            run_id = query_get_int(q, 0);
        rc = query_done(q, reterr);
        if (rc || !run_id)
            return rc;
    }
    snprintf(l->file, sizeof(l->file), "%s", l->m->cfg->source ? l->m->cfg->source : "");
    return exception_list(l->m, run_id, one, l, reterr);
}

enum ec cmd_errors(struct app *app, struct err *reterr)
{
    struct listing l = { .app = app };
    const char *format = option_value(app, "--format");
    struct pair *p = NULL;
    int64_t run_id = 0;
    enum ec rc = option_int(app, "--limit", 200, 0, INT64_MAX, &l.limit, reterr);

    if (!rc)
        rc = option_int(app, "--run", 0, 0, INT64_MAX, &run_id, reterr);
    if (!rc && format && strcmp(format, "text")) {
        l.format = !strcmp(format, "csv") ? AS_CSV : AS_JSONL;
        if (l.format == AS_JSONL && strcmp(format, "jsonl"))
            rc = err_set(reterr, EC_USAGE, "--format %s is not known: text, csv or jsonl", format);
    }
    if (!rc)
        rc = pair_open(app, PAIR_CACHED | PAIR_STATE | PAIR_GAPS_OK, 0, &p, reterr);
    if (rc)
        return rc;
    l.list = out_array(&app->out, NULL, "errors");
    if (l.format == AS_CSV)
        out_raw(&app->out, CSV_HEADER, sizeof(CSV_HEADER) - 1);
    for (size_t i = 0; i < p->n && !rc; i++) {
        l.m = &p->maps[i];
        if (l.m->selected)
            rc = one_map(&l, run_id, reterr);
    }
    out_int(&app->out, NULL, "rows", l.total);
    if (!rc && l.format == AS_TEXT) {
        if (l.total > l.printed)
            out_line(&app->out, "... %lld more; --limit N or --format csv prints all",
                     (long long)(l.total - l.printed));
        out_line(&app->out, "%lld row%s", (long long)l.total, l.total == 1 ? "" : "s");
    }
    pair_close(p);
    return rc;
}

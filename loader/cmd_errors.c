/* cmd_errors.c -- every row that did not arrive, and kinds of errors with counts. Works beside a running command: it only reads. */
#include "loader/error_groups.h"
#include "loader/loader_commands.h"

#include <stdio.h>

static const char CSV_HEADER[] = "map,side,file,line,key,state,stage,field,code,message,package,execution,change\r\n";

enum format { AS_TEXT, AS_CSV, AS_JSONL };

struct listing {
    struct app *app;
    struct map_ctx *m;
    enum format format;
    bool only_groups, rejects;
    struct error_groups groups;
    struct error_past past;
    int64_t limit, printed, total, fresh, gone;
    bool compared;
    char file[3200];
    struct json *list, *reject_files; /* --json */
};

/* Against the run before: "new", "still", "" = there was none. */
static const char *change_word(const struct listing *l, bool fresh)
{
    return !error_past_any(&l->past) ? "" : fresh ? "new" : "still";
}

static void as_csv(struct listing *l, const struct exception *e, bool fresh)
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
                                  e->message,
                                  cell_of(e->package),
                                  cell_of(e->execution),
                                  cell_of(change_word(l, fresh)) };

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

static void as_json(struct listing *l, const struct exception *e, bool fresh, struct strbuf *b)
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
    jw_ps(&w, "package", e->package);
    jw_ps(&w, "execution", e->execution);
    jw_ps(&w, "change", change_word(l, fresh));
    jw_end(&w, '}');
}

static void put_json(struct listing *l, const struct exception *e, bool fresh)
{
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
    out_str(o, v, "package", e->package);
    out_str(o, v, "execution", e->execution);
    out_str(o, v, "change", change_word(l, fresh));
}

static void put_text(struct listing *l, const struct exception *e, bool fresh)
{
    struct strbuf b = STRBUF(0);
    const char *change = change_word(l, fresh);

    if (e->line > 0)
        strbuf_addf(&b, "%s:%lld", l->file, (long long)e->line);
    else
        strbuf_addf(&b, "%s %s", l->m->cfg->alias, e->side);
    strbuf_addf(&b, ": %s%s%s (%s", change, *change ? ", " : "", e->state, e->stage);
    if (!cell_blank(e->code))
        strbuf_addf(&b, ", " CELL_FMT, CELL_ARG(e->code));
    strbuf_addc(&b, ')');
    if (!cell_blank(e->key))
        strbuf_addf(&b, " '" CELL_FMT "'", CELL_ARG(e->key));
    if (!cell_blank(e->field))
        strbuf_addf(&b, " " CELL_FMT, CELL_ARG(e->field));
    strbuf_addf(&b, ": " CELL_FMT, CELL_ARG(e->message));
    if (*e->execution)
        strbuf_addf(&b, " [%s, execution %s]", e->package, e->execution);
    out_line(&l->app->out, "%s", strbuf_str(&b));
    strbuf_release(&b);
}

static enum ec one(void *arg, const struct exception *e, struct err *reterr)
{
    struct listing *l = arg;
    struct strbuf b = STRBUF(0);
    bool there = false;
    enum ec rc = error_was_there(l->m, &l->past, e, &there, reterr);

    if (rc)
        return rc;
    l->total++;
    l->fresh += !there;
    error_groups_add(&l->groups, l->m, e, !there);
    if (l->only_groups)
        return EC_OK;
    if (l->format == AS_CSV) {
        as_csv(l, e, !there);
    } else if (l->format == AS_JSONL) {
        as_json(l, e, !there, &b);
        strbuf_addc(&b, '\n');
        out_raw(&l->app->out, b.buf, b.len);
    } else if (l->printed < l->limit) {
        l->printed++;
        if (l->app->out.json)
            put_json(l, e, !there);
        put_text(l, e, !there);
    }
    strbuf_release(&b);
    return EC_OK;
}

static void put_groups(struct listing *l)
{
    static const char *const HEADERS[] = { "rows", "new", "gone", "map", "side", "stage", "first", "message" };
    struct output *o = &l->app->out;
    struct json *list = out_array(o, NULL, "groups");
    struct table *t;

    error_groups_sort(&l->groups);
    for (size_t i = 0; i < l->groups.n; i++) {
        const struct error_group *g = &l->groups.list[i];
        struct json *v = out_object(o, list, NULL);

        out_str(o, v, "map", g->m->cfg->alias);
        out_str(o, v, "side", g->side);
        out_str(o, v, "stage", g->stage);
        out_str(o, v, "code", g->code);
        out_str(o, v, "field", g->field);
        out_str(o, v, "message", g->message);
        out_int(o, v, "rows", (int64_t)g->rows);
        out_int(o, v, "new", (int64_t)g->fresh);
        out_int(o, v, "still", (int64_t)(g->rows - g->fresh));
        out_int(o, v, "gone", (int64_t)g->gone);
        out_int(o, v, "line", g->line);
    }
    if (o->json || l->format != AS_TEXT || !l->groups.n)
        return;
    t = table_new(o, HEADERS, COUNT(HEADERS), "rrrlllll");
    for (size_t i = 0; i < l->groups.n; i++) {
        const struct error_group *g = &l->groups.list[i];

        table_cell(t, "%llu", (unsigned long long)g->rows);
        table_cell(t, "%s%llu", l->compared ? "" : "-", (unsigned long long)g->fresh);
        table_cell(t, "%llu", (unsigned long long)g->gone);
        table_cell(t, "%s", g->m->cfg->alias);
        table_cell(t, "%s", g->side);
        table_cell(t, "%s", g->stage);
        if (g->line > 0)
            table_cell(t, "line %lld", (long long)g->line);
        else
            table_cell(t, "-");
        table_cell(t, "%s%s%s", g->field, *g->field ? ": " : "", g->message);
    }
    table_print(t);
}

static enum ec write_rejects(struct listing *l, int64_t run_id, struct err *reterr)
{
    struct arena a = { 0 };
    char *path = NULL;
    uint64_t rows = 0;
    enum ec rc = error_rejects(l->m, run_id, &a, &path, &rows, reterr);

    if (!rc && path) {
        struct json *v = out_object(&l->app->out, l->reject_files, NULL);

        out_str(&l->app->out, v, "map", l->m->cfg->alias);
        out_str(&l->app->out, v, "file", path);
        out_int(&l->app->out, v, "rows", (int64_t)rows);
        out_line(&l->app->out, "%s: %llu rows in '%s'; correct them there, then: dmfsync retry %s --rejects FILE",
                 l->m->cfg->alias, (unsigned long long)rows, path, l->m->cfg->alias);
    }
    arena_release(&a);
    return rc;
}

static enum ec one_map(struct listing *l, int64_t run_id, struct err *reterr)
{
    struct arena names = { 0 };
    bool own;
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
    snprintf(l->file, sizeof(l->file), "%s", load_file_name(l->m, run_id, &names, &own));
    arena_release(&names);
    rc = error_past_of(l->m, run_id, &l->past, reterr);
    l->compared = l->compared || error_past_any(&l->past);
    if (!rc)
        rc = exception_list(l->m, run_id, one, l, reterr);
    if (!rc)
        rc = error_groups_gone(&l->groups, l->m, &l->past, reterr);
    if (!rc && l->rejects && !own)
        out_warn(
            &l->app->out,
            "%s: the last load took Dataverse's rows: correct them there and load again, which sends what F&O lacks",
            l->m->cfg->alias);
    return !rc && l->rejects && own && l->m->cfg->source ? write_rejects(l, run_id, reterr) : rc;
}

enum ec cmd_errors(struct app *app, struct err *reterr)
{
    struct listing l = { .app = app,
                         .only_groups = option_given(app, "--groups"),
                         .rejects = option_given(app, "--rejects") };
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
    if (l.rejects)
        l.reject_files = out_array(&app->out, NULL, "reject_files");
    if (l.format == AS_CSV)
        out_raw(&app->out, CSV_HEADER, sizeof(CSV_HEADER) - 1);
    for (size_t i = 0; i < p->n && !rc; i++) {
        l.m = &p->maps[i];
        if (l.m->selected)
            rc = one_map(&l, run_id, reterr);
    }
    out_int(&app->out, NULL, "rows", l.total);
    out_bool(&app->out, NULL, "compared", l.compared);
    if (!rc)
        put_groups(&l);
    for (size_t i = 0; i < l.groups.n; i++)
        l.gone += (int64_t)l.groups.list[i].gone;
    out_int(&app->out, NULL, "new", l.fresh);
    out_int(&app->out, NULL, "gone", l.gone);
    if (!rc && l.format == AS_TEXT) {
        if (l.total > l.printed && !l.only_groups)
            out_line(&app->out, "... %lld more; --limit N or --format csv prints all",
                     (long long)(l.total - l.printed));
        if (l.compared)
            out_line(&app->out, "%lld row%s: %lld new, %lld still there, %lld gone since the run before",
                     (long long)l.total, l.total == 1 ? "" : "s", (long long)l.fresh, (long long)(l.total - l.fresh),
                     (long long)l.gone);
        else
            out_line(&app->out, "%lld row%s", (long long)l.total, l.total == 1 ? "" : "s");
    }
    error_groups_release(&l.groups);
    pair_close(p);
    return rc;
}

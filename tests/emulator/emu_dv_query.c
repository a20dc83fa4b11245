/*
 * Queries: selection, expansion, order, pages, counts. Sources: Dataverse Web API, "Query data using the Web API" and the
 * pages under it: select columns, join tables, order rows, page results, count rows.
 */
#include "emu_dv_read.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { COUNT_CAP = 5000, ORDER_MAX = 8 };

/* ---- $count ---- */

static bool condition(struct dv_op *op, const struct dv_table *t, const char *filter, struct dv_sql *where)
{
    bool any = false;

    strbuf_adds(&where->text, " where ");
    if (dv_hidden_rows(op->e, t, &where->text))
        any = true;
    if (filter) {
        if (any)
            strbuf_adds(&where->text, " and ");
        if (!dv_filter_sql(op, t, filter, where))
            return false;
        any = true;
    }
    if (!any)
        strbuf_adds(&where->text, "1");
    return true;
}

static int64_t capped_count(struct dv_op *op, const struct dv_table *t, const struct dv_sql *where)
{
    struct strbuf sql = { 0 };
    sqlite3_stmt *s;
    int64_t n;

    strbuf_addf(&sql, "select count(*) from (select 1 from \"dv_%s\" t0%s limit %d)", t->logical,
                strbuf_str(&where->text), COUNT_CAP + 1);
    s = dv_prepare(op->e, strbuf_str(&sql));
    dv_sql_bind(where, s);
    n = dv_step(op->e, s) ? sqlite3_column_int64(s, 0) : 0;
    sqlite3_finalize(s);
    strbuf_release(&sql);
    return n;
}

void dv_plain_number(struct dv_op *op, int64_t n)
{
    strbuf_reset(&op->r->body);
    op->r->status = 200;
    emu_add_header(op->r, op->q, "Content-Type", "text/plain");
    strbuf_addf(&op->r->body, "%s%" PRId64, EMU_KNOB(op->e, dv_count_bom) ? "\xef\xbb\xbf" : "", n);
}

void dv_count_segment(struct dv_op *op, const struct dv_table *t)
{
    static const char *const ALLOWED[] = { "$filter", "$deltatoken" };
    struct dv_sql where = { .text = STRBUF(0) };
    int64_t n;

    if (!dv_check_options(op, ALLOWED, COUNT(ALLOWED))) {
        dv_answer_fail(op);
        return;
    }
    if (dv_option(op, "$deltatoken")) {
        dv_track_count(op, t, dv_option(op, "$deltatoken"));
        return;
    }
    if (condition(op, t, dv_option(op, "$filter"), &where)) {
        n = capped_count(op, t, &where);
        dv_plain_number(op, n > COUNT_CAP ? COUNT_CAP : n);
    } else {
        dv_answer_fail(op);
    }
    strbuf_release(&where.text);
}

/* ---- RetrieveTotalRecordCount(EntityNames=@p)?@p=["account"]: a snapshot that may be a day old ---- */

static int64_t snapshot_count(struct emu *e, const struct dv_table *t)
{
    sqlite3_stmt *s = emu_sql(e, "select n from dv_total where tbl = ?1 and taken > ?2");
    int64_t n = -1;
    char sql[160];

    dv_bind(s, 1, t->logical);
    sqlite3_bind_int64(s, 2, emu_now_ms(e) - 86400000);
    if (dv_step(e, s))
        n = sqlite3_column_int64(s, 0);
    sqlite3_reset(s);
    if (n >= 0)
        return n;
    snprintf(sql, sizeof(sql), "select count(*) from \"dv_%s\"", t->logical);
    s = dv_prepare(e, sql);
    n = dv_step(e, s) ? sqlite3_column_int64(s, 0) : 0;
    sqlite3_finalize(s);
    s = emu_sql(e, "insert or replace into dv_total(tbl, n, taken) values(?1, ?2, ?3)");
    dv_bind(s, 1, t->logical);
    sqlite3_bind_int64(s, 2, n);
    sqlite3_bind_int64(s, 3, emu_now_ms(e));
    dv_step(e, s);
    sqlite3_reset(s);
    return n;
}

/* The JSON list of names: an alias, or written in place. */
static yajl_val names_of(struct dv_op *op)
{
    const char *target = op->q->raw_target, *p = strstr(target, "EntityNames="), *end;
    char *text;
    size_t n;

    if (!p)
        return NULL;
    p += strlen("EntityNames=");
    end = p + strcspn(p, "?)");
    if (*p == '%' && !strncmp(p, "%40", 3)) {
        text = arena_printf(op->a, "@%.*s", (int)(end - p - 3), p + 3);
        return yajl_tree_parse(emu_query(op->q, text) ? emu_query(op->q, text) : "", NULL, 0);
    }
    text = dv_percent_decode(op->a, p, (size_t)(end - p), &n);
    if (text && *text == '@')
        text = (char *)(uintptr_t)emu_query(op->q, text);
    return text ? yajl_tree_parse(text, NULL, 0) : NULL;
}

void dv_total_counts(struct dv_op *op)
{
    yajl_val names = strcmp(op->q->method, "GET") ? NULL : names_of(op);
    struct strbuf keys = { 0 }, values = { 0 };
    size_t n = YAJL_IS_ARRAY(names) ? YAJL_GET_ARRAY(names)->len : 0;
    bool ok = n > 0;

    for (size_t i = 0; i < n && ok; i++) {
        const char *name = YAJL_GET_STRING(YAJL_GET_ARRAY(names)->values[i]);
        const struct dv_table *t = name ? dv_table_by_logical(op->e, name, strlen(name)) : NULL;

        if (!t) {
            ok = dv_refuse(&op->fail, 400, "0x80040217", "The entity with a name = '%.80s' was not found.",
                           name ? name : "");
            break;
        }
        strbuf_addf(&keys, "%s\"%s\"", i ? "," : "", t->logical);
        strbuf_addf(&values, "%s%" PRId64, i ? "," : "", snapshot_count(op->e, t));
    }
    if (ok) {
        dv_begin_json(op);
        strbuf_addf(
            &op->r->body,
            "{\"@odata.context\":\"%s/$metadata#Microsoft.Dynamics.CRM.RetrieveTotalRecordCountResponse\","
            "\"EntityRecordCountCollection\":{\"Count\":%zu,\"IsReadOnly\":false,\"Keys\":[%s],\"Values\":[%s]}}",
            dv_root(op), n, strbuf_str(&keys), strbuf_str(&values));
    } else {
        if (!op->fail.status)
            dv_refuse(&op->fail, 400, "0x0", "RetrieveTotalRecordCount takes a list of table names in EntityNames.");
        dv_answer_fail(op);
    }
    yajl_tree_free(names);
    strbuf_release(&keys);
    strbuf_release(&values);
}

/* ---- $orderby ---- */

struct order {
    int cols[ORDER_MAX];
    bool descending[ORDER_MAX];
    size_t n;
};

static bool parse_order(struct dv_op *op, const struct dv_table *t, const char *text, struct order *o)
{
    const char *p = text ? text : "";

    o->n = 0;
    while (*(p += strspn(p, " ,"))) {
        size_t n = strcspn(p, " ,"), k;
        int col = dv_col_by_value_name(t, p, n);

        if (col < 0) {
            col = dv_col_by_name(t, p, n);
            if (col >= 0 && (t->cols[col].role == DV_HIDDEN || dv_is_lookup(&t->cols[col])))
                col = -1;
        }
        if (col < 0 || o->n == ORDER_MAX)
            return dv_refuse(&op->fail, 400, "0x0",
                             "Could not find a property named '%.*s' on type 'Microsoft.Dynamics.CRM.%s'.",
                             (int)(n > 80 ? 80 : n), p, t->logical);
        o->cols[o->n] = col;
        o->descending[o->n] = false;
        p += n;
        p += strspn(p, " ");
        k = strcspn(p, " ,");
        if (k == 4 && !strncmp(p, "desc", 4))
            o->descending[o->n] = true;
        else if (k && !(k == 3 && !strncmp(p, "asc", 3)))
            return dv_refuse(&op->fail, 400, "0x0", "Syntax error at position %zu in '%.100s'.", (size_t)(p - text),
                             text);
        p += k;
        o->n++;
    }
    return true;
}

static const char *order_expression(struct dv_op *op, const struct dv_table *t, int col)
{
    const struct dv_col *c = &t->cols[col];

    if (c->type == C_DECIMAL || c->type == C_MONEY || c->type == C_DOUBLE)
        return arena_printf(op->a, "cast(t0.\"%s\" as real)", c->name);
    return arena_printf(op->a, "t0.\"%s\"", c->name);
}

/* ---- pages ---- */

struct page {
    const struct dv_table *t;
    struct order order;
    struct dv_cookie from;
    bool has_from;
    int64_t size;
};

/* Behind the last row of the page before: by key where one column orders, else by number of rows. */
static void add_start(struct dv_op *op, struct page *pg, struct dv_sql *sql)
{
    const struct dv_table *t = pg->t;
    const char *pk = arena_printf(op->a, "t0.\"%s\"", t->cols[0].name), *x;
    bool down;

    if (!pg->has_from || pg->order.n > 1)
        return;
    if (!pg->order.n || pg->order.cols[0] == 0) {
        strbuf_addf(&sql->text, " and %s %s ", pk, pg->order.n && pg->order.descending[0] ? "<" : ">");
        dv_sql_param(sql, op->a, pg->from.id);
        return;
    }
    x = order_expression(op, t, pg->order.cols[0]);
    down = pg->order.descending[0];
    strbuf_adds(&sql->text, " and (");
    if (!pg->from.value) { /* nulls are the smallest */
        strbuf_addf(&sql->text, "%s is null and %s > ", x, pk);
        dv_sql_param(sql, op->a, pg->from.id);
        if (!down)
            strbuf_addf(&sql->text, " or %s is not null", x);
    } else {
        const struct dv_col *c = &t->cols[pg->order.cols[0]];
        bool number = c->type == C_DECIMAL || c->type == C_MONEY || c->type == C_DOUBLE || c->type == C_INTEGER ||
                      c->type == C_BIGINT || c->type == C_PICKLIST || c->type == C_STATE || c->type == C_STATUS ||
                      c->type == C_BOOLEAN;

        for (int i = 0; i < 2; i++) {
            strbuf_addf(&sql->text, i ? " or (%s = " : "%s %s ", x, down ? "<" : ">");
            if (number)
                strbuf_adds(&sql->text, "cast(");
            dv_sql_param(sql, op->a, pg->from.value);
            if (number)
                strbuf_adds(&sql->text, " as numeric)");
        }
        strbuf_addf(&sql->text, " and %s > ", pk);
        dv_sql_param(sql, op->a, pg->from.id);
        strbuf_addc(&sql->text, ')');
        if (down)
            strbuf_addf(&sql->text, " or %s is null", x);
    }
    strbuf_addc(&sql->text, ')');
}

static void add_order(struct dv_op *op, struct page *pg, struct dv_sql *sql, int64_t limit)
{
    strbuf_adds(&sql->text, " order by ");
    for (size_t i = 0; i < pg->order.n; i++)
        strbuf_addf(&sql->text, "%s%s, ", order_expression(op, pg->t, pg->order.cols[i]),
                    pg->order.descending[i] ? " desc" : "");
    strbuf_addf(&sql->text, "t0.\"%s\" limit %" PRId64, pg->t->cols[0].name, limit);
    if (pg->has_from && pg->order.n > 1)
        strbuf_addf(&sql->text, " offset %" PRId64, pg->from.offset);
}

static void add_envelope(struct dv_op *op, const struct dv_select *s, const struct dv_table *t,
                         const struct dv_sql *where, bool counted)
{
    struct strbuf *out = &op->r->body;
    int64_t n = counted || dv_annotation_wanted(op, "Microsoft.Dynamics.CRM.totalrecordcount") ? 0 : -1;

    strbuf_addf(out, "{\"@odata.context\":\"%s/$metadata#%s\",", dv_root(op), s->context);
    if (counted) {
        n = capped_count(op, t, where);
        strbuf_addf(out, "\"@odata.count\":%" PRId64 ",", n > COUNT_CAP ? COUNT_CAP : n);
    }
    if (dv_annotation_wanted(op, "Microsoft.Dynamics.CRM.totalrecordcount")) {
        strbuf_addf(out, "\"@Microsoft.Dynamics.CRM.totalrecordcount\":%" PRId64 ",",
                    !counted        ? -1
                    : n > COUNT_CAP ? COUNT_CAP
                                    : n);
        strbuf_addf(out, "\"@Microsoft.Dynamics.CRM.totalrecordcountlimitexceeded\":%s,",
                    counted && n > COUNT_CAP ? "true" : "false");
    }
    strbuf_adds(out, "\"value\":[");
}

static void run(struct dv_op *op, const struct dv_select *sel, struct page *pg, int64_t top, bool counted)
{
    const struct dv_table *t = pg->t;
    struct dv_sql where = { .text = STRBUF(0) }, sql = { .text = STRBUF(0) };
    struct dv_reader rd;
    struct dv_cookie next = { .page = (pg->has_from ? pg->from.page : 1) + 1 };
    const char **row;
    sqlite3_stmt *s;
    int64_t n = 0, limit = top >= 0 && top < pg->size ? top : pg->size;
    bool more = false;

    if (!condition(op, t, dv_option(op, "$filter"), &where)) {
        dv_answer_fail(op);
        goto out;
    }
    dv_begin_json(op);
    add_envelope(op, sel, t, &where, counted);
    dv_reader_sql(&rd, op, t, sel, &sql.text);
    if (pg->order.n == 1)
        dv_reader_add(&rd, t, pg->order.cols[0], &sql.text);
    strbuf_addf(&sql.text, " from \"dv_%s\" t0%s", t->logical, strbuf_str(&where.text));
    for (size_t i = 0; i < where.n; i++) { /* the parameters keep their places */
        struct strbuf keep = sql.text;

        dv_sql_param(&sql, op->a, where.params[i]);
        sql.text.len = keep.len;
        sql.text.buf[sql.text.len] = '\0';
    }
    add_start(op, pg, &sql);
    add_order(op, pg, &sql, limit + 1);
    s = dv_prepare(op->e, strbuf_str(&sql.text));
    dv_sql_bind(&sql, s);
    row = arena_zalloc(op->a, t->n * sizeof(*row));
    while (dv_step(op->e, s)) {
        if (n == limit) {
            more = true;
            break;
        }
        dv_reader_row(&rd, s, row);
        if (n++)
            strbuf_addc(&op->r->body, ',');
        dv_row_json(op, &op->r->body, t, sel, row, NULL);
        if (n == limit) {
            snprintf(next.id, sizeof(next.id), "%s", row[0]);
            if (pg->order.n == 1 && row[pg->order.cols[0]])
                next.value = arena_strdup(op->a, row[pg->order.cols[0]]);
        }
    }
    sqlite3_finalize(s);
    strbuf_addc(&op->r->body, ']');
    if (more && top < 0) {
        next.offset = (pg->has_from ? pg->from.offset : 0) + n;
        dv_add_next_link(op, t, &next);
    }
    strbuf_addc(&op->r->body, '}');
out:
    strbuf_release(&where.text);
    strbuf_release(&sql.text);
}

static bool read_number(struct dv_op *op, const char *name, int64_t *ret)
{
    const char *v = dv_option(op, name);
    char *end;

    *ret = -1;
    if (!v)
        return true;
    *ret = strtoll(v, &end, 10);
    if (*v < '0' || *v > '9' || *end)
        return dv_refuse(&op->fail, 400, "0x0", "Invalid value '%.40s' for %s query option found.", v, name);
    return true;
}

static bool read_bool(struct dv_op *op, const char *name, bool *ret)
{
    const char *v = dv_option(op, name);

    *ret = v && !strcmp(v, "true");
    if (v && strcmp(v, "true") != 0 && strcmp(v, "false") != 0)
        return dv_refuse(&op->fail, 400, "0x0", "Invalid value '%.40s' for %s query option found.", v, name);
    return true;
}

/* What change tracking and ordinary queries refuse. */
static bool check_tracking(struct dv_op *op, const struct dv_table *t)
{
    static const char *const NOT_WITH_IT[] = { "$filter", "$orderby", "$expand", "$top" };

    if (!t->change_tracking)
        return dv_refuse(&op->fail, 400, "0x80072491", "Entity %s isn't enabled for change tracking.", t->logical);
    for (size_t i = 0; i < COUNT(NOT_WITH_IT); i++)
        if (dv_option(op, NOT_WITH_IT[i]))
            return dv_refuse(&op->fail, 400, "0x80060888",
                             "The \"%s\" query parameter isn't supported when Change Tracking is enabled.",
                             NOT_WITH_IT[i]);
    return true;
}

void dv_query(struct dv_op *op, const struct dv_table *t)
{
    static const char *const ALLOWED[] = { "$select", "$filter",    "$orderby",    "$top",
                                           "$count",  "$skiptoken", "$deltatoken", "$expand" };
    struct page pg = { .t = t, .size = op->page_size ? op->page_size : EMU_KNOB(op->e, dv_page) };
    struct dv_select sel;
    int64_t top;
    bool counted;

    if (emu_query(op->q, "fetchXml") || emu_query(op->q, "savedQuery") || emu_query(op->q, "userQuery")) {
        dv_refuse(&op->fail, 501, "0x80060888", "Stored and FetchXML queries are not supported by this server.");
        dv_answer_fail(op);
        return;
    }
    if (!dv_check_options(op, ALLOWED, COUNT(ALLOWED)) || !read_number(op, "$top", &top) ||
        !read_bool(op, "$count", &counted) ||
        ((op->track || dv_option(op, "$deltatoken")) && !check_tracking(op, t)) ||
        !dv_select_parse(op, t, dv_option(op, "$select"), dv_option(op, "$expand"), &sel) ||
        !parse_order(op, t, dv_option(op, "$orderby"), &pg.order) ||
        !dv_cookie_read(op, dv_option(op, "$skiptoken"), &pg.from, &pg.has_from)) {
        dv_answer_fail(op);
        return;
    }
    if (op->page_size) /* the two do not go together: $top is ignored then */
        top = -1;
    if (dv_option(op, "$deltatoken"))
        dv_track_delta(op, t, &sel, dv_option(op, "$deltatoken"));
    else if (op->track)
        dv_track_first(op, t, &sel);
    else
        run(op, &sel, &pg, top, counted);
    if (op->r->status == 200)
        dv_preferences_applied(op);
}

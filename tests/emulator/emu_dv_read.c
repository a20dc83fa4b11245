/*
 * Selections, rows as JSON, links to the next page. Source: Dataverse Web API, "Select columns", "Join tables using OData",
 * "Page results", "Formatted values and other annotations".
 */
#include "emu_dv_read.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- $select and $expand ---- */

static bool unknown(struct dv_op *op, const struct dv_table *t, const char *name, size_t n)
{
    return dv_refuse(&op->fail, 400, "0x0",
                     "Could not find a property named '%.*s' on type 'Microsoft.Dynamics.CRM.%s'.",
                     (int)(n > 100 ? 100 : n), name, t->logical);
}

static bool add_selected(int *cols, size_t *n, int col)
{
    for (size_t i = 0; i < *n; i++)
        if (cols[i] == col)
            return false;
    cols[(*n)++] = col;
    return true;
}

/* Comma list of columns -> cols; all of them when there is no list. */
static bool select_columns(struct dv_op *op, const struct dv_table *t, const char *p, const char *end, int *cols,
                           size_t *n)
{
    *n = 0;
    while (p < end) {
        size_t len = 0;
        int col;

        while (p < end && (*p == ' ' || *p == ','))
            p++;
        while (p + len < end && p[len] != ',' && p[len] != ' ')
            len++;
        if (!len)
            break;
        col = dv_col_by_value_name(t, p, len);
        if (col < 0) {
            col = dv_col_by_name(t, p, len);
            if (col >= 0 && (t->cols[col].role == DV_HIDDEN || dv_is_lookup(&t->cols[col])))
                col = -1;
        }
        if (col < 0)
            return unknown(op, t, p, len);
        add_selected(cols, n, col);
        p += len;
    }
    return true;
}

static void all_columns(const struct dv_table *t, int *cols, size_t *n)
{
    *n = 0;
    for (size_t i = 0; i < t->n_visible; i++)
        cols[(*n)++] = (int)i;
}

/* "(" ... its ")" : returns the position of the closing one, NULL = none. */
static const char *closing(const char *p)
{
    int depth = 0;
    bool quoted = false;

    for (; *p; p++) {
        if (*p == '\'')
            quoted = !quoted;
        else if (!quoted && *p == '(')
            depth++;
        else if (!quoted && *p == ')' && --depth == 0)
            return p;
    }
    return NULL;
}

/* "$select=a,b;$filter=..." between the brackets of an expansion: the value of one option. */
static bool inner_option(const char *p, const char *end, const char *name, const char **ret, const char **ret_end)
{
    size_t n = strlen(name);

    while (p < end) {
        const char *stop = p;
        int depth = 0;
        bool quoted = false;

        for (; stop < end && (quoted || depth || *stop != ';'); stop++) {
            if (*stop == '\'')
                quoted = !quoted;
            else if (!quoted)
                depth += *stop == '(' ? 1 : *stop == ')' ? -1 : 0;
        }
        if ((size_t)(stop - p) > n && !strncmp(p, name, n) && p[n] == '=') {
            *ret = p + n + 1;
            *ret_end = stop;
            return true;
        }
        p = stop + 1;
    }
    return false;
}

static bool expand_steps(struct dv_op *op, const char *inner, const char *end, struct dv_select *ret)
{
    const char *p, *stop;

    ret->processing_steps = true;
    if (inner && inner_option(inner, end, "$filter", &p, &stop))
        ret->steps_filter = arena_dup(op->a, p, (size_t)(stop - p));
    return true;
}

static bool parse_expand(struct dv_op *op, const struct dv_table *t, const char *p, struct dv_select *ret)
{
    while (*(p += strspn(p, " ,"))) {
        size_t n = strcspn(p, "(,");
        const char *inner = NULL, *end = NULL, *target = NULL, *from, *to;
        struct dv_expand *x;
        int col;

        if (p[n] == '(') {
            end = closing(p + n);
            if (!end)
                return dv_refuse(&op->fail, 400, "0x0", "Found an unbalanced bracket expression.");
            inner = p + n + 1;
        }
        if (!strcmp(t->logical, "sdkmessagefilter") && n == strlen("sdkmessagefilterid_sdkmessageprocessingstep") &&
            !strncmp(p, "sdkmessagefilterid_sdkmessageprocessingstep", n)) {
            if (!expand_steps(op, inner, end, ret))
                return false;
            p = end ? end + 1 : p + n;
            continue;
        }
        col = dv_col_by_nav(t, p, n, &target);
        if (col < 0)
            return unknown(op, t, p, n);
        ret->expand = ret->expand ? ret->expand : arena_zalloc(op->a, (t->n + 4) * 4 * sizeof(*ret->expand));
        x = &ret->expand[ret->n_expand];
        x->nav = arena_dup(op->a, p, n);
        x->col = col;
        x->target = dv_table_by_logical(op->e, target, strlen(target));
        if (!x->target || ret->n_expand == t->n)
            return unknown(op, t, p, n);
        x->cols = arena_alloc(op->a, (x->target->n + 1) * sizeof(*x->cols));
        if (inner && inner_option(inner, end, "$select", &from, &to)) {
            if (!select_columns(op, x->target, from, to, x->cols, &x->n))
                return false;
            add_selected(x->cols, &x->n, 0);
        } else if (inner && inner != end) {
            return dv_refuse(&op->fail, 400, "0x80060888", "Only $select is supported within $expand.");
        } else {
            all_columns(x->target, x->cols, &x->n);
        }
        ret->n_expand++;
        p = end ? end + 1 : p + n;
    }
    return true;
}

bool dv_select_parse(struct dv_op *op, const struct dv_table *t, const char *select, const char *expand,
                     struct dv_select *ret)
{
    struct strbuf context = { 0 };

    *ret = (struct dv_select){ .cols = arena_alloc(op->a, (t->n + 2) * sizeof(int)) };
    strbuf_adds(&context, t->set);
    if (select && *select) {
        if (!select_columns(op, t, select, select + strlen(select), ret->cols, &ret->n)) {
            strbuf_release(&context);
            return false;
        }
        strbuf_addc(&context, '(');
        for (size_t i = 0; i < ret->n; i++) {
            bool lookup = dv_is_lookup(&t->cols[ret->cols[i]]);

            strbuf_addf(&context, "%s%s%s%s", i ? "," : "", lookup ? "_" : "", t->cols[ret->cols[i]].name,
                        lookup ? "_value" : "");
        }
        strbuf_addc(&context, ')');
        add_selected(ret->cols, &ret->n, 0);
        if (t->currency >= 0 && EMU_KNOB(op->e, dv_money_annotations))
            for (size_t i = 0, n = ret->n; i < n; i++)
                if (t->cols[ret->cols[i]].type == C_MONEY)
                    add_selected(ret->cols, &ret->n, t->currency);
    } else {
        all_columns(t, ret->cols, &ret->n);
    }
    ret->context = arena_dup(op->a, strbuf_str(&context), context.len);
    strbuf_release(&context);
    return !expand || parse_expand(op, t, expand, ret);
}

/* ---- SQL ---- */

static bool has_col(const struct dv_reader *rd, int col)
{
    for (size_t i = 0; i < rd->n; i++)
        if (rd->cols[i] == col)
            return true;
    return false;
}

void dv_reader_add(struct dv_reader *rd, const struct dv_table *t, int col, struct strbuf *sql)
{
    if (has_col(rd, col))
        return;
    BUG_IF(rd->n == rd->cap, "a selection has more columns than its table");
    strbuf_addf(sql, "%st0.\"%s\"", rd->n ? ", " : "", t->cols[col].name);
    rd->cols[rd->n++] = col;
}

void dv_reader_sql(struct dv_reader *rd, struct dv_op *op, const struct dv_table *t, const struct dv_select *s,
                   struct strbuf *sql)
{
    rd->cap = t->n + 1;
    rd->n = 0;
    rd->cols = arena_alloc(op->a, rd->cap * sizeof(int));
    strbuf_adds(sql, "select ");
    dv_reader_add(rd, t, 0, sql);
    dv_reader_add(rd, t, t->version, sql);
    for (size_t i = 0; i < s->n; i++) {
        dv_reader_add(rd, t, s->cols[i], sql);
        if (t->cols[s->cols[i]].target_col >= 0)
            dv_reader_add(rd, t, t->cols[s->cols[i]].target_col, sql);
    }
    for (size_t i = 0; i < s->n_expand; i++) {
        dv_reader_add(rd, t, s->expand[i].col, sql);
        if (t->cols[s->expand[i].col].target_col >= 0)
            dv_reader_add(rd, t, t->cols[s->expand[i].col].target_col, sql);
    }
}

void dv_reader_row(const struct dv_reader *rd, sqlite3_stmt *s, const char **row)
{
    for (size_t i = 0; i < rd->n; i++)
        row[rd->cols[i]] = (const char *)sqlite3_column_text(s, (int)i);
}

/* ---- rows ---- */

static const char *target_of(const struct dv_table *t, int col, const char *const *row)
{
    const struct dv_col *c = &t->cols[col];

    return c->target_col >= 0 ? row[c->target_col] : c->navs[0].target;
}

static void add_lookup_annotations(struct dv_op *op, struct strbuf *out, const struct dv_table *t, int col,
                                   const char *const *row)
{
    const struct dv_col *c = &t->cols[col];
    const char *target = target_of(t, col, row);
    const struct dv_table *to = target ? dv_table_by_logical(op->e, target, strlen(target)) : NULL;

    if (to && to->primary_name >= 0 && dv_annotation_wanted(op, "OData.Community.Display.V1.FormattedValue")) {
        const char **other = dv_load(op->e, to, row[col], op->a);

        if (other && other[to->primary_name]) {
            strbuf_addf(out, ",\"_%s_value@OData.Community.Display.V1.FormattedValue\":", c->name);
            emu_json_str(out, other[to->primary_name], strlen(other[to->primary_name]));
        }
    }
    if (dv_annotation_wanted(op, "Microsoft.Dynamics.CRM.associatednavigationproperty"))
        for (size_t k = 0; k < c->n_navs; k++)
            if (target && !strcmp(c->navs[k].target, target))
                strbuf_addf(out, ",\"_%s_value@Microsoft.Dynamics.CRM.associatednavigationproperty\":\"%s\"", c->name,
                            c->navs[k].nav);
    if (target && dv_annotation_wanted(op, "Microsoft.Dynamics.CRM.lookuplogicalname"))
        strbuf_addf(out, ",\"_%s_value@Microsoft.Dynamics.CRM.lookuplogicalname\":\"%s\"", c->name, target);
}

static void add_property(struct dv_op *op, struct strbuf *out, const struct dv_table *t, int col,
                         const char *const *row)
{
    const struct dv_col *c = &t->cols[col];
    struct strbuf formatted = { 0 };

    if (dv_is_lookup(c)) {
        if (row[col] && op->annotations)
            add_lookup_annotations(op, out, t, col, row);
        strbuf_addf(out, ",\"_%s_value\":", c->name);
    } else {
        if (row[col] && op->annotations && c->type != C_STRING && c->type != C_MEMO &&
            c->type != C_UNIQUEIDENTIFIER && dv_annotation_wanted(op, "OData.Community.Display.V1.FormattedValue")) {
            dv_value_formatted(&formatted, c, row[col]);
            strbuf_addf(out, ",\"%s@OData.Community.Display.V1.FormattedValue\":", c->name);
            emu_json_str(out, strbuf_str(&formatted), formatted.len);
            strbuf_release(&formatted);
        }
        strbuf_addf(out, ",\"%s\":", c->name);
    }
    dv_value_json(out, c, row[col]);
}

static void add_expanded(struct dv_op *op, struct strbuf *out, const struct dv_table *t, const struct dv_expand *x,
                         const char *const *row)
{
    const char *id = row[x->col], *target = target_of(t, x->col, row);
    const char **other = NULL;

    if (id && target && !strcmp(target, x->target->logical))
        other = dv_load(op->e, x->target, id, op->a);
    strbuf_addf(out, ",\"%s\":", x->nav);
    if (!other) {
        strbuf_adds(out, "null");
        return;
    }
    strbuf_addf(out, "{\"@odata.etag\":\"W/\\\"%s\\\"\"", other[x->target->version]);
    for (size_t i = 0; i < x->n; i++)
        add_property(op, out, x->target, x->cols[i], other);
    strbuf_addc(out, '}');
}

/* Custom steps on a message of a table; an expanded collection is always followed by its nextLink. */
static void add_steps(struct dv_op *op, struct strbuf *out, const struct dv_select *s, const char *filter_id)
{
    const struct dv_table *steps = dv_table_by_logical(op->e, "sdkmessageprocessingstep", 24);
    struct dv_sql sql = { .text = STRBUF(0) };
    struct strbuf hidden = { 0 };
    sqlite3_stmt *st;
    bool first = true;

    strbuf_adds(&sql.text, "select t0.sdkmessageprocessingstepid, t0.versionnumber, t0.name, t0.stage, t0.mode from "
                           "dv_sdkmessageprocessingstep t0 where t0.sdkmessagefilterid = ");
    dv_sql_param(&sql, op->a, filter_id);
    if (dv_hidden_rows(op->e, steps, &hidden))
        strbuf_addf(&sql.text, " and %s", strbuf_str(&hidden));
    if (s->steps_filter) {
        strbuf_adds(&sql.text, " and ");
        if (!dv_filter_sql(op, steps, s->steps_filter, &sql)) {
            strbuf_adds(&sql.text, "0");
            op->fail.status = 0;
        }
    }
    st = dv_prepare(op->e, strbuf_str(&sql.text));
    dv_sql_bind(&sql, st);
    strbuf_adds(out, ",\"sdkmessagefilterid_sdkmessageprocessingstep\":[");
    while (dv_step(op->e, st)) {
        strbuf_addf(out, "%s{\"@odata.etag\":\"W/\\\"%s\\\"\",\"sdkmessageprocessingstepid\":\"%s\",\"name\":",
                    first ? "" : ",", sqlite3_column_text(st, 1), sqlite3_column_text(st, 0));
        emu_json_str(out, (const char *)sqlite3_column_text(st, 2), (size_t)sqlite3_column_bytes(st, 2));
        strbuf_addf(out, ",\"stage\":%s,\"mode\":%s}", sqlite3_column_text(st, 3), sqlite3_column_text(st, 4));
        first = false;
    }
    sqlite3_finalize(st);
    strbuf_addf(out,
                "],\"sdkmessagefilterid_sdkmessageprocessingstep@odata.nextLink\":\"%s/sdkmessagefilters(%s)/"
                "sdkmessagefilterid_sdkmessageprocessingstep?$select=name,stage,mode\"",
                dv_root(op), filter_id);
    strbuf_release(&sql.text);
    strbuf_release(&hidden);
}

void dv_row_json(struct dv_op *op, struct strbuf *out, const struct dv_table *t, const struct dv_select *s,
                 const char *const *row, const char *context)
{
    strbuf_addc(out, '{');
    if (context)
        strbuf_addf(out, "\"@odata.context\":\"%s\",", context);
    strbuf_addf(out, "\"@odata.etag\":\"W/\\\"%s\\\"\"", row[t->version]);
    for (size_t i = 0; i < s->n; i++)
        add_property(op, out, t, s->cols[i], row);
    for (size_t i = 0; i < s->n_expand; i++)
        add_expanded(op, out, t, &s->expand[i], row);
    if (s->processing_steps)
        add_steps(op, out, s, row[0]);
    strbuf_addc(out, '}');
}

/* ---- tokens of pages ---- */

static const char *attribute(struct dv_op *op, const char *xml, const char *name)
{
    char wanted[40];
    const char *p, *end;
    size_t n = (size_t)snprintf(wanted, sizeof(wanted), " %s=\"", name);

    p = strstr(xml, wanted);
    end = p ? strchr(p + n, '"') : NULL;
    return end ? arena_dup(op->a, p + n, (size_t)(end - p) - n) : NULL;
}

static const char *decoded(struct dv_op *op, const char *s)
{
    size_t n;

    return s ? dv_percent_decode(op->a, s, strlen(s), &n) : NULL;
}

bool dv_cookie_read(struct dv_op *op, const char *token, struct dv_cookie *ret, bool *ret_any)
{
    const char *inner, *v, *page;

    *ret = (struct dv_cookie){ .page = 1 };
    *ret_any = false;
    if (!token)
        return true;
    page = attribute(op, token, "pagenumber");
    inner = decoded(op, attribute(op, token, "pagingcookie"));
    inner = decoded(op, inner);
    v = inner ? attribute(op, inner, "last") : NULL;
    if (!page || !v || !dv_guid(v, strlen(v), ret->id))
        return dv_refuse(&op->fail, 400, "0x80040203", "Malformed XML in the paging cookie of $skiptoken.");
    ret->page = strtoll(page, NULL, 10);
    ret->value = decoded(op, attribute(op, inner, "value"));
    v = attribute(op, inner, "offset");
    ret->offset = v ? strtoll(v, NULL, 10) : 0;
    v = attribute(op, token, "istracking");
    ret->tracking = v && !strcmp(v, "True");
    v = attribute(op, inner, "from");
    ret->from_version = v ? strtoll(v, NULL, 10) : 0;
    v = attribute(op, inner, "to");
    ret->to_version = v ? strtoll(v, NULL, 10) : 0;
    v = attribute(op, inner, "taken");
    ret->taken_ms = v ? strtoll(v, NULL, 10) : 0;
    v = attribute(op, inner, "deletes");
    ret->deletes = v != NULL;
    *ret_any = true;
    return true;
}

void dv_add_link_start(struct dv_op *op, const struct dv_table *t, struct strbuf *out)
{
    const char *p = op->q->raw_query;

    strbuf_addf(out, "%s/%s?", dv_root(op), t->set);
    while (*p) {
        size_t n = strcspn(p, "&");
        bool token = !strncasecmp(p, "$skiptoken=", 11) || !strncasecmp(p, "%24skiptoken=", 13) ||
                     !strncasecmp(p, "$deltatoken=", 12) || !strncasecmp(p, "%24deltatoken=", 14);

        if (!token && n) {
            strbuf_add(out, p, n);
            strbuf_addc(out, '&');
        }
        p += n + (p[n] == '&');
    }
}

void dv_add_next_link(struct dv_op *op, const struct dv_table *t, const struct dv_cookie *c)
{
    struct strbuf inner = { 0 }, once = { 0 }, token = { 0 }, link = { 0 };

    strbuf_addf(&inner, "<cookie page=\"%" PRId64 "\"><%s last=\"%s\" offset=\"%" PRId64 "\"", c->page - 1,
                t->cols[0].name, c->id, c->offset);
    if (c->value) {
        strbuf_adds(&inner, " value=\"");
        strbuf_add_url(&inner, c->value, strlen(c->value), "");
        strbuf_addc(&inner, '"');
    }
    if (c->tracking)
        strbuf_addf(&inner, " from=\"%" PRId64 "\" to=\"%" PRId64 "\" taken=\"%" PRId64 "\"%s", c->from_version,
                    c->to_version, c->taken_ms, c->deletes ? " deletes=\"1\"" : "");
    strbuf_adds(&inner, " /></cookie>");
    strbuf_add_url(&once, inner.buf, inner.len, "");
    strbuf_addf(&token, "<cookie pagenumber=\"%" PRId64 "\" pagingcookie=\"", c->page);
    strbuf_add_url(&token, once.buf, once.len, "");
    strbuf_addf(&token, "\" istracking=\"%s\" />", c->tracking ? "True" : "False");
    dv_add_link_start(op, t, &link);
    if (dv_option(op, "$deltatoken")) { /* the next page of a delta, not of a first reading */
        strbuf_adds(&link, "$deltatoken=");
        strbuf_add_url(&link, dv_option(op, "$deltatoken"), strlen(dv_option(op, "$deltatoken")), "");
        strbuf_addc(&link, '&');
    }
    strbuf_adds(&link, "$skiptoken=");
    strbuf_add_url(&link, token.buf, token.len, "");
    strbuf_adds(&op->r->body, ",\"@odata.nextLink\":");
    emu_json_str(&op->r->body, link.buf, link.len);
    strbuf_release(&inner);
    strbuf_release(&once);
    strbuf_release(&token);
    strbuf_release(&link);
}

void dv_preferences_applied(struct dv_op *op)
{
    struct strbuf s = { 0 };

    if (op->page_size)
        strbuf_addf(&s, "odata.maxpagesize=%" PRId64, op->page_size);
    if (op->track)
        strbuf_addf(&s, "%sodata.track-changes", s.len ? "," : "");
    if (op->annotations)
        strbuf_addf(&s, "%sodata.include-annotations=\"%.200s\"", s.len ? "," : "", op->annotations);
    if (s.len)
        emu_add_header(op->r, op->q, "Preference-Applied", "%s", s.buf);
    strbuf_release(&s);
}

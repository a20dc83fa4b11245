/*
 * Reading the data management entity sets, and their entry.
 */
#include "emu_dmf_sets.h"

#include "emu_fno.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- reading ---- */
static void add_value(struct dmf_ask *a, sqlite3_stmt *s, int column, const struct dmf_property *p)
{
    struct strbuf *b = &a->r->body;
    char when[32];

    if (p->kind == 'i') {
        strbuf_addf(b, "%lld", (long long)sqlite3_column_int64(s, column));
    } else if (p->kind == 't') {
        clock_format_utc(
            sqlite3_column_type(s, column) == SQLITE_NULL ? -2208988800000LL : sqlite3_column_int64(s, column), when);
        strbuf_addf(b, "\"%s\"", when);
    } else if (p->kind == 'b' && sqlite3_column_type(s, column) == SQLITE_NULL) {
        strbuf_adds(b, "null");
    } else {
        emu_json_str(b, emu_text(s, column), strlen(emu_text(s, column)));
    }
}

static bool selected(const char *select, const char *name)
{
    size_t n = strlen(name);

    for (const char *p = select; p && *p; p += strcspn(p, ","), p += *p == ',') {
        p += strspn(p, " ");
        if (!strncmp(p, name, n) && !p[n + strspn(p + n, " ")])
            return true;
        if (!strncmp(p, name, n) && p[n + strspn(p + n, " ")] == ',')
            return true;
    }
    return !select || !*select;
}

static void add_row(struct dmf_ask *a, sqlite3_stmt *s, const char *select)
{
    bool any = false;

    for (size_t i = 0; i < a->set->n; i++)
        if (selected(select, a->set->p[i].name)) {
            strbuf_addf(&a->r->body, "%s\"%s\":", any ? "," : "", a->set->p[i].name);
            add_value(a, s, (int)i, &a->set->p[i]);
            any = true;
        }
}

/* An entity that came with an update and is in no list yet, because nobody refreshed it. */
static bool unlisted(struct dmf_ask *a, sqlite3_stmt *s)
{
    const char *name = (const char *)sqlite3_column_text(s, 0);

    return EMU_KNOB(a->e, fno_entity_list_stale) && !strcmp(a->set->path, "DataManagementEntities") && name &&
           !strcmp(name, "Customers V3");
}

static bool check_select(struct dmf_ask *a, const char *select)
{
    for (const char *p = select; p && *p; p += *p == ',') {
        size_t n;

        p += strspn(p, " ");
        n = strcspn(p, ", ");
        if (!dmf_property(a->set, p, n))
            return dmf_unknown_property(a, p, n);
        p += strcspn(p, ",");
    }
    return true;
}

static bool add_order(struct dmf_ask *a, const char *order, struct strbuf *sql)
{
    for (const char *p = order; p && *p; p += *p == ',') {
        const struct dmf_property *prop;
        size_t n;

        p += strspn(p, " ");
        n = strcspn(p, ", ");
        prop = dmf_property(a->set, p, n);
        if (!prop)
            return dmf_unknown_property(a, p, n);
        p += n + strspn(p + n, " ");
        strbuf_addf(sql, "%s%s", dmf_property_sql(prop), !strncmp(p, "desc", 4) ? " desc, " : ", ");
        p += strcspn(p, ",");
    }
    return true;
}

static void select_sql(const struct dmf_set *set, struct strbuf *sql)
{
    strbuf_adds(sql, "select ");
    for (size_t i = 0; i < set->n; i++)
        strbuf_addf(sql, "%s%s", i ? ", " : "", dmf_property_sql(&set->p[i]));
    strbuf_addf(sql, " from %s%s ", set->from, strstr(set->from, " where ") ? " and " : " where ");
}

sqlite3_stmt *dmf_prepare(struct dmf_ask *a, const struct strbuf *sql)
{
    sqlite3_stmt *s = emu_prepare(a->e, strbuf_str(sql));

    if (sqlite3_bind_parameter_count(s))
        sqlite3_bind_int64(s, 1, emu_now_ms(a->e));
    return s;
}

static int64_t number(const struct emu_request *q, const char *name, int64_t dflt)
{
    const char *v = emu_query(q, name);
    char *end;
    int64_t n = v ? strtoll(v, &end, 10) : 0;

    return !v ? dflt : *end || end == v || n < 0 ? -1 : n;
}

static bool where(struct dmf_ask *a, struct strbuf *sql)
{
    const char *filter = emu_query(a->q, "$filter");

    if (filter && *filter)
        return dmf_filter_sql(a, filter, sql);
    strbuf_addc(sql, '1');
    return true;
}

int64_t dmf_count_rows(struct dmf_ask *a, const struct strbuf *inner)
{
    struct strbuf sql = { 0 };
    sqlite3_stmt *s;
    int64_t n;

    strbuf_addf(&sql, "select count(*) from (%s)", strbuf_str(inner));
    s = dmf_prepare(a, &sql);
    n = sqlite3_step(s) == SQLITE_ROW ? sqlite3_column_int64(s, 0) : 0;
    sqlite3_finalize(s);
    strbuf_release(&sql);
    return n;
}

static void next_link(struct dmf_ask *a, int64_t skip)
{
    struct strbuf link = { 0 };
    bool first = true;

    strbuf_addf(&link, "%s", EMU_KNOB(a->e, fno_nextlink_other_host) ? "http://aos.internal" : dmf_base_url(a->q));
    strbuf_addf(&link, "%s?", a->q->path);
    for (size_t i = 0; i < a->q->n_query; i++) {
        if (!strcmp(a->q->query[i].name, "$skip") || !strcmp(a->q->query[i].name, "$skiptoken"))
            continue;
        strbuf_adds(&link, first ? "" : "&");
        strbuf_add_url(&link, a->q->query[i].name, strlen(a->q->query[i].name), "$");
        strbuf_addc(&link, '=');
        strbuf_add_url(&link, a->q->query[i].value, strlen(a->q->query[i].value), "");
        first = false;
    }
    strbuf_addf(&link, "%s$skiptoken=%lld", first ? "" : "&", (long long)skip);
    strbuf_adds(&a->r->body, ",\"@odata.nextLink\":");
    emu_json_str(&a->r->body, strbuf_str(&link), link.len);
    strbuf_release(&link);
}

static void read_collection(struct dmf_ask *a, bool count_only)
{
    const char *select = emu_query(a->q, "$select"), *want = emu_query(a->q, "$count");
    int64_t top = number(a->q, "$top", INT64_MAX),
            skip = number(a->q, emu_query(a->q, "$skiptoken") ? "$skiptoken" : "$skip", 0);
    int64_t page = EMU_KNOB(a->e, fno_odata_page), sent = 0, total = 0;
    struct strbuf sql = { 0 };
    sqlite3_stmt *s = NULL;

    select_sql(a->set, &sql);
    if (!where(a, &sql) || !check_select(a, select))
        goto out;
    if (top < 0 || skip < 0 || emu_query(a->q, "$expand")) {
        emu_fno_error(a->r, a->q, 400, "The query specified in the URI is not valid.");
        goto out;
    }
    if (count_only || (want && !strcmp(want, "true")))
        total = dmf_count_rows(a, &sql);
    if (count_only) {
        a->r->status = 200;
        emu_add_header(a->r, a->q, "Content-Type", "text/plain");
        strbuf_addf(&a->r->body, "%s%lld", EMU_KNOB(a->e, fno_count_bom) ? "\xef\xbb\xbf" : "", (long long)total);
        goto out;
    }
    strbuf_adds(&sql, " order by ");
    if (!add_order(a, emu_query(a->q, "$orderby"), &sql))
        goto out;
    /* The key settles what the request leaves open, so that pages fit together. */
    for (size_t i = 0, any = 0; i < a->set->n; i++)
        if (a->set->p[i].key)
            strbuf_addf(&sql, "%s%s", any++ ? ", " : "", dmf_property_sql(&a->set->p[i]));
    strbuf_addf(&sql, " limit -1 offset %lld", (long long)skip);
    a->r->status = 200;
    strbuf_addf(&a->r->body, "{\"@odata.context\":\"%s/data/$metadata#%s\",", dmf_base_url(a->q), a->set->path);
    if (want && !strcmp(want, "true"))
        strbuf_addf(&a->r->body, "\"@odata.count\":%lld,", (long long)total);
    strbuf_adds(&a->r->body, "\"value\":[");
    s = dmf_prepare(a, &sql);
    for (; sent < top && sent < page && sqlite3_step(s) == SQLITE_ROW; sent++) {
        if (unlisted(a, s)) {
            sent--;
            continue;
        }
        strbuf_adds(&a->r->body, sent ? ",{" : "{");
        add_row(a, s, select);
        strbuf_addc(&a->r->body, '}');
    }
    strbuf_addc(&a->r->body, ']');
    if (sent == page && sent < top && sqlite3_step(s) == SQLITE_ROW)
        next_link(a, skip + sent);
    strbuf_addc(&a->r->body, '}');
out:
    sqlite3_finalize(s);
    strbuf_release(&sql);
}

bool dmf_read_one(struct dmf_ask *a, const char *conditions, int status)
{
    struct strbuf sql = { 0 };
    const char *select = status == 200 ? emu_query(a->q, "$select") : NULL;
    sqlite3_stmt *s;
    bool found;

    if (!check_select(a, select))
        return true;
    select_sql(a->set, &sql);
    strbuf_adds(&sql, conditions);
    s = dmf_prepare(a, &sql);
    found = sqlite3_step(s) == SQLITE_ROW;
    if (found) {
        a->r->status = status;
        strbuf_addf(&a->r->body, "{\"@odata.context\":\"%s/data/$metadata#%s/$entity\",", dmf_base_url(a->q),
                    a->set->path);
        add_row(a, s, select);
        strbuf_addc(&a->r->body, '}');
    }
    sqlite3_finalize(s);
    strbuf_release(&sql);
    return found;
}

static void read_key(struct dmf_ask *a, const char *key)
{
    struct strbuf conditions = { 0 };

    if (dmf_key_sql(a, key, &conditions) && !dmf_read_one(a, strbuf_str(&conditions), 200))
        emu_fno_error(a->r, a->q, EMU_KNOB(a->e, fno_missing_key_400) ? 400 : 404,
                      "No HTTP resource was found that matches the request URI '%s%s'.", dmf_base_url(a->q),
                      a->q->path);
    strbuf_release(&conditions);
}

bool dmf_odata(struct emu *e, struct emu_request *q, struct emu_response *r)
{
    const char *name = q->path + strlen("/data/"), *rest = name + strcspn(name, "(/");
    struct dmf_ask a = { .e = e, .q = q, .r = r };
    bool get = !strcmp(q->method, "GET"), patch = !strcmp(q->method, "PATCH") || !strcmp(q->method, "DELETE");

    a.set = dmf_set_by_path(name, (size_t)(rest - name));
    if (!a.set)
        return false;
    r->status = 0;
    if (get && (!*rest || !strcmp(rest, "/$count")))
        read_collection(&a, *rest != '\0');
    else if (get && *rest == '(')
        read_key(&a, rest);
    else if (a.set->table && ((!strcmp(q->method, "POST") && !*rest) || (patch && *rest == '(')))
        dmf_write_request(&a, rest);
    else
        emu_fno_error(r, q, 405, "The requested resource does not support http method '%s'.", q->method);
    return true;
}

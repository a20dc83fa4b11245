/*
 * OData of Finance & Operations: public entities as entity sets. Reading with the query options that the service
 * takes, server-driven paging, one record by key ("Open Data Protocol (OData)", "Cross-company behavior").
 */
#include "emu_fno_parts.h"

#include "emu_filter.h"
#include "emu_store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- rows as JSON ---- */
static void add_value(struct fno_ask *a, const struct emu_field *f, const char *v)
{
    struct strbuf *b = &a->r->body;

    switch (f->type) {
    case F_STRING:
    case F_ENUM: emu_json_str(b, v, strlen(v)); break;
    case F_REAL:
    case F_INT:
    case F_INT64: strbuf_adds(b, v); break;
    case F_DATE: /* noon, so that no time zone makes another day of it */
        strbuf_addf(b, "\"%sT%s:00:00Z\"", v, EMU_KNOB(a->e, fno_date_midnight) ? "00" : "12");
        break;
    case F_UTCDATETIME: strbuf_addf(b, "\"%s\"", v); break;
    }
}

static void add_row(struct fno_ask *a, const struct emu_fno_row *row)
{
    struct strbuf *b = &a->r->body;
    bool any = !EMU_KNOB(a->e, fno_etag_missing) && !(a->selected && EMU_KNOB(a->e, fno_no_etag_under_select));

    if (any) {
        struct strbuf etag = STRBUF(0);

        emu_fno_etag(row, &etag);
        strbuf_adds(b, "\"@odata.etag\":");
        emu_json_str(b, etag.buf, etag.len);
        strbuf_release(&etag);
    }
    if (!a->en->shared && (!a->selected || a->company_selected)) {
        strbuf_adds(b, any ? ",\"dataAreaId\":" : "\"dataAreaId\":");
        emu_json_str(b, row->company, strlen(row->company));
        any = true;
    }
    for (size_t i = 0; i < a->en->n; i++)
        if (!a->selected || a->selected[i]) {
            strbuf_addf(b, "%s\"%s\":", any ? "," : "", a->en->fields[i].property);
            add_value(a, &a->en->fields[i], row->values[i]);
            any = true;
        }
}

static void add_context(struct fno_ask *a, bool one)
{
    const char *select = emu_query(a->q, "$select");

    strbuf_addf(&a->r->body, "{\"@odata.context\":\"%s/data/$metadata#%s", emu_fno_base(a->q), a->en->set);
    if (a->selected)
        strbuf_addf(&a->r->body, "(%s)", select);
    strbuf_addf(&a->r->body, "%s\",", one ? "/$entity" : "");
}

/* ---- query options ---- */
bool fno_refuse(struct fno_ask *a, const char *msg)
{
    emu_fno_error(a->r, a->q, 400, "%s", msg);
    return false;
}

static bool take_select(struct fno_ask *a)
{
    const char *p = emu_query(a->q, "$select");

    if (!p || !*p || !strcmp(p, "*"))
        return true;
    a->selected = arena_zalloc(a->q->arena, a->en->n * sizeof(bool));
    while (*p) {
        const struct emu_field *f;
        bool company;
        size_t n;

        p += strspn(p, " ");
        n = strcspn(p, ", ");
        f = emu_property(a->en, p, n, &company);
        if (!f && !company)
            return fno_refuse(
                a, arena_printf(a->q->arena,
                                "The query specified in the URI is not valid. Could not find a property named '%.*s' "
                                "on type 'Microsoft.Dynamics.DataEntities.%s'.",
                                n < 80 ? (int)n : 80, p, a->en->public_name));
        if (f)
            a->selected[f - a->en->fields] = true;
        a->company_selected = a->company_selected || company;
        p += n + strspn(p + n, " ");
        p += *p == ',';
    }
    return true;
}

static bool options_known(struct fno_ask *a)
{
    static const char *const KNOWN[] = { "$filter",    "$select", "$orderby", "$top",   "$skip",
                                         "$skiptoken", "$count",  "$format",  "$expand" };

    for (size_t i = 0; i < a->q->n_query; i++) {
        const char *name = a->q->query[i].name;
        bool known = name[0] != '$';

        for (size_t k = 0; k < COUNT(KNOWN) && !known; k++)
            known = !strcmp(name, KNOWN[k]);
        if (!known)
            return fno_refuse(a, arena_printf(a->q->arena, "The query parameter '%.40s' is not supported.", name));
    }
    if (emu_query(a->q, "$expand"))
        return fno_refuse(
            a, "The query specified in the URI is not valid. The entity has no navigation property of that name.");
    return true;
}

/* A non-negative number; -1 = it is none, `dflt` = absent. */
static int64_t count_option(struct fno_ask *a, const char *name, int64_t dflt)
{
    const char *v = emu_query(a->q, name);

    if (!v)
        return dflt;
    return *v && strlen(v) < 18 && strspn(v, "0123456789") == strlen(v) ? strtoll(v, NULL, 10) : -1;
}

/* Rows that the caller sees, and $filter. */
static bool add_where(struct fno_ask *a, struct strbuf *sql)
{
    const char *filter = emu_query(a->q, "$filter");
    char msg[FNO_MSG] = "";

    strbuf_adds(sql, " where ");
    if (!a->en->shared && !a->cross)
        strbuf_addf(sql, "company = '%s' and ", emu_fno_company(a->e, ""));
    if (!filter || !*filter)
        strbuf_adds(sql, "1");
    else if (!emu_filter_sql(a->en, filter, sql, msg, sizeof(msg)))
        return fno_refuse(a, msg);
    return true;
}

/* ---- paging ---- */
/*
 * A link's token is either "k" and the key of the last row, where rows come in key order, or "o" and the number of
 * rows that were sent, where they do not. To clients it is opaque.
 */
struct page {
    int64_t skip, top, size;
    bool keyed; /* rows come in key order */
    const char *order; /* SQL, the key at its end */
    size_t n_key; /* columns of the key, company included */
    const char **after; /* n_key texts, NULL = from the start */
};

static size_t key_columns(const struct emu_entity *en, struct strbuf *sql)
{
    size_t n = 0;

    if (!en->shared) {
        strbuf_adds(sql, "company");
        n++;
    }
    for (size_t i = 0; i < en->n; i++)
        if (en->fields[i].key) {
            strbuf_adds(sql, n++ ? ", " : "");
            strbuf_addf(sql, "\"%s\"", en->fields[i].name);
        }
    return n;
}

static bool read_token(struct fno_ask *a, const char *token, struct page *p)
{
    struct strbuf s = STRBUF(0);
    bool ok = emu_unbase64(token, strlen(token), &s) && s.len > 1;
    const char *at = ok ? s.buf + 1 : "", *end = ok ? s.buf + s.len : at;

    if (ok && s.buf[0] == 'o') {
        p->skip = strtoll(at, NULL, 10);
        p->keyed = false;
    } else if (ok && s.buf[0] == 'k') {
        p->after = arena_zalloc(a->q->arena, p->n_key * sizeof(char *));
        for (size_t i = 0; i < p->n_key && ok; i++) {
            ok = at < end;
            p->after[i] = ok ? arena_strdup(a->q->arena, at) : "";
            at += ok ? strlen(at) + 1 : 0;
        }
        p->skip = 0;
    } else {
        ok = false;
    }
    strbuf_release(&s);
    return ok || fno_refuse(a, "The query specified in the URI is not valid. The skip token is not valid.");
}

static bool read_page(struct fno_ask *a, struct page *p)
{
    const char *orderby = emu_query(a->q, "$orderby"), *token = emu_query(a->q, "$skiptoken");
    struct strbuf order = STRBUF(0), key = STRBUF(0);
    char msg[FNO_MSG] = "";
    bool ok = true;

    p->n_key = key_columns(a->en, &key);
    p->top = count_option(a, "$top", INT64_MAX);
    p->skip = count_option(a, "$skip", 0);
    p->size = EMU_KNOB(a->e, fno_odata_page);
    if (p->top < 0 || p->skip < 0)
        ok = fno_refuse(
            a, "The query specified in the URI is not valid. The value for an OData query is not a valid number.");
    if (ok && orderby && *orderby && !emu_orderby_sql(a->en, orderby, &order, msg, sizeof(msg)))
        ok = fno_refuse(a, msg);
    p->keyed = !order.len || !strcmp(order.buf, key.buf);
    p->order = p->keyed ? arena_strdup(a->q->arena, key.buf)
                        : arena_printf(a->q->arena, "%s, %s", strbuf_str(&order), key.buf);
    strbuf_release(&order);
    strbuf_release(&key);
    return ok && (!token || read_token(a, token, p));
}

static void add_after(const struct page *p, struct strbuf *sql)
{
    strbuf_addf(sql, " and (%s) > (", p->order);
    for (size_t i = 0; i < p->n_key; i++) {
        char *q = sqlite3_mprintf("%s%Q", i ? ", " : "", p->after[i]);

        strbuf_adds(sql, q);
        sqlite3_free(q);
    }
    strbuf_addc(sql, ')');
}

static void add_next_link(struct fno_ask *a, const struct page *p, int64_t sent, const struct strbuf *last_key)
{
    struct strbuf token = STRBUF(0), link = STRBUF(0);
    char offset[32];
    int n = snprintf(offset, sizeof(offset), "o%" PRId64, p->skip + sent);

    if (p->keyed)
        emu_base64(last_key->buf, last_key->len, true, &token);
    else
        emu_base64(offset, (size_t)n, true, &token);
    strbuf_addf(&link, "%s/data/%s?",
                EMU_KNOB(a->e, fno_nextlink_other_host) ? "http://aos.internal" : emu_fno_base(a->q), a->en->set);
    for (size_t i = 0; i < a->q->n_query; i++) {
        const struct emu_pair *o = &a->q->query[i];

        if (!strcmp(o->name, "$skip") || !strcmp(o->name, "$skiptoken") || !strcmp(o->name, "$top"))
            continue;
        strbuf_add_url(&link, o->name, strlen(o->name), "$");
        strbuf_addc(&link, '=');
        strbuf_add_url(&link, o->value, strlen(o->value), "");
        strbuf_addc(&link, '&');
    }
    if (p->top != INT64_MAX)
        strbuf_addf(&link, "$top=%" PRId64 "&", p->top - sent);
    strbuf_addf(&link, "$skiptoken=%s", token.buf);
    strbuf_adds(&a->r->body, ",\"@odata.nextLink\":");
    emu_json_str(&a->r->body, link.buf, link.len);
    strbuf_release(&token);
    strbuf_release(&link);
}

/* ---- reading ---- */
static void row_of(const struct emu_entity *en, sqlite3_stmt *s, struct emu_fno_row *row)
{
    row->recid = sqlite3_column_int64(s, 0);
    row->company = emu_text(s, 1);
    row->recversion = sqlite3_column_int64(s, 2);
    for (size_t i = 0; i < en->n; i++)
        row->values[i] = emu_text(s, (int)i + 3);
}

static void remember_key(const struct emu_entity *en, const struct emu_fno_row *row, struct strbuf *out)
{
    strbuf_reset(out);
    strbuf_addc(out, 'k');
    if (!en->shared)
        strbuf_add(out, row->company, strlen(row->company) + 1);
    for (size_t i = 0; i < en->n; i++)
        if (en->fields[i].key)
            strbuf_add(out, row->values[i], strlen(row->values[i]) + 1);
}

static int64_t count_rows(struct fno_ask *a, const struct strbuf *where)
{
    struct strbuf sql = STRBUF(0);
    sqlite3_stmt *s;
    int64_t n = 0;

    strbuf_adds(&sql, "select count(*) from ");
    emu_fno_table(a->en, &sql);
    strbuf_adds(&sql, where->buf);
    s = emu_prepare(a->e, sql.buf);
    if (emu_step(a->e, s))
        n = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    strbuf_release(&sql);
    return n;
}

static void select_columns(const struct emu_entity *en, struct strbuf *sql)
{
    strbuf_adds(sql, "select recid, company, recversion");
    for (size_t i = 0; i < en->n; i++)
        strbuf_addf(sql, ", \"%s\"", en->fields[i].name);
    strbuf_adds(sql, " from ");
    emu_fno_table(en, sql);
}

static void send_rows(struct fno_ask *a, const struct page *p, const struct strbuf *where)
{
    struct strbuf sql = STRBUF(0), last = STRBUF(0);
    struct emu_fno_row row = { .values = arena_zalloc(a->q->arena, a->en->n * sizeof(char *)) };
    int64_t sent = 0;
    sqlite3_stmt *s;

    select_columns(a->en, &sql);
    strbuf_adds(&sql, where->buf);
    if (p->after)
        add_after(p, &sql);
    strbuf_addf(&sql, " order by %s limit -1 offset %" PRId64, p->order, p->skip);
    s = emu_prepare(a->e, sql.buf);
    strbuf_adds(&a->r->body, "\"value\":[");
    while (sent < p->top && sent < p->size && emu_step(a->e, s)) {
        row_of(a->en, s, &row);
        strbuf_adds(&a->r->body, sent++ ? ",{" : "{");
        add_row(a, &row);
        strbuf_addc(&a->r->body, '}');
        if (sent == p->size)
            remember_key(a->en, &row, &last);
    }
    strbuf_addc(&a->r->body, ']');
    if (sent == p->size && sent < p->top && emu_step(a->e, s))
        add_next_link(a, p, sent, &last);
    strbuf_addc(&a->r->body, '}');
    sqlite3_finalize(s);
    strbuf_release(&sql);
    strbuf_release(&last);
}

static void read_collection(struct fno_ask *a, bool count_only)
{
    const char *want = emu_query(a->q, "$count");
    bool counted = want && !strcmp(want, "true");
    struct strbuf where = STRBUF(0);
    struct page p = { .skip = 0 };

    if (!options_known(a) || !take_select(a) || !add_where(a, &where) || !read_page(a, &p))
        goto out;
    if (count_only) {
        a->r->status = 200;
        emu_add_header(a->r, a->q, "Content-Type", "text/plain");
        strbuf_addf(&a->r->body, "%s%" PRId64, EMU_KNOB(a->e, fno_count_bom) ? "\xef\xbb\xbf" : "",
                    count_rows(a, &where));
        goto out;
    }
    emu_fno_json(a->r, a->q, 200);
    add_context(a, false);
    if (counted)
        strbuf_addf(&a->r->body, "\"@odata.count\":%" PRId64 ",", count_rows(a, &where));
    send_rows(a, &p, &where);
out:
    strbuf_release(&where);
}

/* ---- keys ---- */
/* "(dataAreaId='usmf',CustomerAccount='C-1')" or, of one field, "('USD')". False: answered. */
static bool read_key(struct fno_ask *a, const char *text, struct fno_key *ret)
{
    const struct emu_entity *en = a->en;
    size_t wanted = 0;
    const char *p = text + 1;

    *ret = (struct fno_key){ .v = arena_zalloc(a->q->arena, en->n * sizeof(*ret->v)) };
    for (size_t i = 0; i < en->n; i++)
        wanted += en->fields[i].key;
    while (*p && *p != ')') {
        const char *eq = p + strcspn(p, "='"), *value, *end;
        const struct emu_field *f = NULL;
        struct strbuf s = STRBUF(0);
        bool company = false, known;

        if (*eq == '=') {
            f = emu_property(en, p, (size_t)(eq - p), &company);
            value = eq + 1;
        } else {
            value = p;
            for (size_t i = 0; i < en->n && en->shared && wanted == 1; i++)
                f = en->fields[i].key ? &en->fields[i] : f;
        }
        for (end = value; *end && *end != ',' && *end != ')'; end++)
            if (*end == '\'')
                for (end++; *end && (*end != '\'' || end[1] == '\''); end += *end == '\'' ? 2 : 1)
                    continue;
        known = (f && f->key) || company;
        if (!known || !emu_literal(company ? NULL : f, value, (size_t)(end - value), &s)) {
            strbuf_release(&s);
            break;
        }
        if (company)
            ret->company = arena_strdup(a->q->arena, strbuf_str(&s));
        else if (ret->n < en->n)
            ret->v[ret->n++] = (struct emu_value){ f->name, arena_strdup(a->q->arena, strbuf_str(&s)) };
        ret->has_enum = ret->has_enum || (f && f->type == F_ENUM);
        strbuf_release(&s);
        p = end + (*end == ',');
    }
    for (size_t i = 0; i < ret->n; i++)
        for (size_t k = 0; k < i; k++)
            if (!strcmp(ret->v[i].name, ret->v[k].name))
                ret->n = 0; /* twice the same field */
    if (*p == ')' && !p[1] && ret->n == wanted && (en->shared || ret->company))
        return true;
    emu_fno_error(a->r, a->q, 400,
                  "The key in the request URI is not valid for the entity set '%s'. All key fields must be given.",
                  en->set);
    return false;
}

bool fno_visible(struct fno_ask *a, const struct fno_key *k)
{
    const char *company = a->en->shared ? "" : emu_fno_company(a->e, k->company);

    return company && (a->en->shared || a->cross || !strcmp(company, emu_fno_company(a->e, "")));
}

bool fno_send_one(void *arg, const struct emu_fno_row *row)
{
    struct fno_ask *a = arg;

    add_context(a, true);
    add_row(a, row);
    strbuf_addc(&a->r->body, '}');
    return true;
}

static void read_record(struct fno_ask *a, const struct fno_key *k)
{
    if (!options_known(a) || !take_select(a))
        return;
    /* A record by a key with an enum is not found even where it exists. */
    if (fno_visible(a, k) && !k->has_enum && emu_fno_find(a->e, a->en, k->company, k->v, k->n, fno_send_one, a)) {
        emu_fno_json(a->r, a->q, 200);
        return;
    }
    emu_fno_error(a->r, a->q, EMU_KNOB(a->e, fno_missing_key_400) ? 400 : 404,
                  "No HTTP resource was found that matches the request URI '%s%s'.", emu_fno_base(a->q), a->q->path);
}

/* ---- entry ---- */
static void service_document(struct emu *e, struct emu_request *q, struct emu_response *r)
{
    emu_fno_json(r, q, 200);
    strbuf_addf(&r->body, "{\"@odata.context\":\"%s/data/$metadata\",\"value\":[", emu_fno_base(q));
    for (size_t i = 0; i < e->tenant.n_entities; i++)
        strbuf_addf(&r->body, "%s{\"name\":\"%s\",\"kind\":\"EntitySet\",\"url\":\"%s\"}", i ? "," : "",
                    e->tenant.entities[i].set, e->tenant.entities[i].set);
    strbuf_adds(&r->body, "]}");
}

static void record_request(struct fno_ask *a, const char *key_text)
{
    const char *m = a->q->method;
    struct fno_key k;

    if (!read_key(a, key_text, &k))
        return;
    if (!strcmp(m, "GET"))
        read_record(a, &k);
    else if (!strcmp(m, "PATCH") || !strcmp(m, "PUT"))
        fno_write_request(a, &k);
    else
        fno_delete_record(a, &k);
}

bool emu_fno_writable(const struct emu *e, const struct emu_entity *en)
{
    return en->odata_write && !(EMU_KNOB(e, fno_odata_read_only) && !strcmp(en->label, "Customers V3"));
}

bool emu_fno_odata(struct emu *e, struct emu_request *q, struct emu_response *r)
{
    const char *name = !strcmp(q->path, "/data") ? "" : q->path + strlen("/data/"),
               *rest = name + strcspn(name, "(/"), *cross = emu_query(q, "cross-company"), *m = q->method;
    struct fno_ask a = { .e = e, .q = q, .r = r, .cross = cross && !strcasecmp(cross, "true") };
    bool get = !strcmp(m, "GET"), change = !strcmp(m, "PATCH") || !strcmp(m, "PUT") || !strcmp(m, "DELETE");

    if (!*name && get) {
        service_document(e, q, r);
        return true;
    }
    if (!strcmp(name, "$metadata") && get)
        return emu_fno_metadata(e, q, r);
    a.en = emu_entity_by_set(&e->tenant, arena_dup(q->arena, name, (size_t)(rest - name)));
    if (!a.en || (*rest && *rest != '(' && strcmp(rest, "/$count") != 0))
        return false;
    if (get && *rest != '(')
        read_collection(&a, *rest != '\0');
    else if (*rest == '(' && (get || (change && emu_fno_writable(e, a.en))))
        record_request(&a, rest);
    else if (!*rest && !strcmp(m, "POST") && emu_fno_writable(e, a.en))
        fno_write_request(&a, NULL);
    else
        emu_fno_error(r, q, 405, "The requested resource does not support http method '%s'.", m);
    return true;
}

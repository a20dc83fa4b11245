#include "erp/odata.h"
#include "base/clock.h"
#include "base/step.h"
#include "erp/erp_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "$orderby" on the full key, so that pages over changing data neither skip nor repeat unchanged rows. */
static void add_order(struct strbuf *url, const struct fno_entity *en)
{
    const char *sep = "";

    strbuf_adds(url, "&$orderby=");
    if (!en->shared) {
        strbuf_adds(url, "dataAreaId");
        sep = ",";
    }
    for (size_t i = 0; i < en->n; i++)
        if (en->fields[i].key) {
            strbuf_addf(url, "%s" CELL_FMT, sep, CELL_ARG(en->fields[i].property));
            sep = ",";
        }
}

enum ec erp_scan(struct erp *e, const struct fno_entity *en, const char *select, const char *filter,
                 struct cell company, json_row_fn *row, void *arg, struct err *reterr)
{
    struct strbuf url = STRBUF(0), f = STRBUF(0);
    struct arena a = { 0 };
    enum ec rc;

    strbuf_addf(&url, "/data/" CELL_FMT "?cross-company=true", CELL_ARG(en->set));
    if (select)
        strbuf_addf(&url, "&$select=%s", select);
    if (!cell_absent(company) && !en->shared) {
        strbuf_adds(&f, "dataAreaId%20eq%20");
        erp_add_literal(&f, company);
    }
    if (filter && filter[0]) {
        if (f.len)
            strbuf_adds(&f, "%20and%20");
        strbuf_addc(&f, '(');
        strbuf_add_url(&f, filter, strlen(filter), "()'");
        strbuf_addc(&f, ')');
    }
    if (f.len)
        strbuf_addf(&url, "&$filter=%s", f.buf);
    add_order(&url, en);
    rc = erp_read_rows(e, cell_cstr(&a, en->set), url.buf, row, arg, reterr);
    strbuf_release(&url);
    strbuf_release(&f);
    arena_release(&a);
    return rc;
}

/* A blank key part is the type's default: F&O has no nulls. */
static struct cell key_text(const struct fno_field *f, struct cell v)
{
    if (!cell_blank(v))
        return v;
    switch (f->type) {
    case FNO_INT:
    case FNO_INT64:
    case FNO_REAL: return CELL_LIT("0");
    case FNO_DATE: return CELL_LIT("1900-01-01");
    case FNO_UTCDATETIME: return CELL_LIT("1900-01-01T00:00:00Z");
    case FNO_GUID: return CELL_LIT("00000000-0000-0000-0000-000000000000");
    case FNO_ENUM: return f->en && f->en->n ? f->en->members[0] : v;
    case FNO_STRING:
    case FNO_OTHER: break;
    }
    return CELL_LIT("");
}

/* A key literal, percent-encoded: strings quoted, enums qualified, the rest bare. */
static void add_key_value(struct strbuf *url, const struct fno_field *f, struct cell v)
{
    v = key_text(f, v);
    switch (f->type) {
    case FNO_INT:
    case FNO_INT64:
    case FNO_REAL:
    case FNO_GUID: strbuf_add_url(url, v.ptr, v.len, "-."); break;
    case FNO_DATE: /* a date without time travels as noon */
        strbuf_add_url(url, v.ptr, v.len > 10 ? 10 : v.len, "-");
        strbuf_adds(url, "T12%3A00%3A00Z");
        break;
    case FNO_UTCDATETIME: strbuf_add_url(url, v.ptr, v.len, "-"); break;
    case FNO_ENUM:
        strbuf_addf(url, "Microsoft.Dynamics.DataEntities." CELL_FMT, CELL_ARG(f->en ? f->en->name : CELL_LIT("")));
        erp_add_literal(url, v);
        break;
    case FNO_STRING:
    case FNO_OTHER: erp_add_literal(url, v); break;
    }
}

bool erp_has_enum_key(const struct fno_entity *en)
{
    for (size_t i = 0; i < en->n; i++)
        if (en->fields[i].key && en->fields[i].type == FNO_ENUM)
            return true;
    return false;
}

/* "/data/CustomersV3(dataAreaId='usmf',CustomerAccount='C-1')?cross-company=true" */
void erp_add_address(struct strbuf *url, const struct fno_entity *en, struct cell company, const struct cell *key)
{
    const char *sep = "";
    size_t k = 0;

    strbuf_addf(url, "/data/" CELL_FMT "(", CELL_ARG(en->set));
    if (!en->shared) {
        strbuf_adds(url, "dataAreaId=");
        erp_add_literal(url, company);
        sep = ",";
    }
    for (size_t i = 0; i < en->n; i++)
        if (en->fields[i].key) {
            strbuf_addf(url, "%s" CELL_FMT "=", sep, CELL_ARG(en->fields[i].property));
            add_key_value(url, &en->fields[i], key[k++]);
            sep = ",";
        }
    strbuf_adds(url, ")?cross-company=true");
}

struct one {
    struct arena *a;
    const struct fno_entity *en;
    const struct cell *key;
    struct json *found;
};

static struct json *copy_tree(struct arena *a, const struct json *v)
{
    struct json *c = json_new(a, v->type, cell_dup(a, v->text));

    for (const struct json *ch = v->child; ch; ch = ch->next) {
        struct json *n = copy_tree(a, ch);

        n->name = cell_dup(a, ch->name);
        json_append(c, n);
    }
    return c;
}

/* Does a record's value mean what the key part says? */
static bool same_value(const struct fno_field *f, struct cell got, struct cell key)
{
    double x, y;
    int64_t a, b;

    key = key_text(f, key);
    switch (f->type) {
    case FNO_INT:
    case FNO_INT64: return cell_to_i64(got, &a) && cell_to_i64(key, &b) && a == b;
    case FNO_REAL: {
        char gs[64], ks[64];

        snprintf(gs, sizeof(gs), "%.*s", (int)(got.len > 63 ? 63 : got.len), got.ptr ? got.ptr : "");
        snprintf(ks, sizeof(ks), "%.*s", (int)(key.len > 63 ? 63 : key.len), key.ptr);
        x = strtod(gs, NULL);
        y = strtod(ks, NULL);
        return x == y;
    }
    case FNO_DATE: /* noon or midnight: the date part counts */
        return got.len >= 10 && key.len >= 10 && !memcmp(got.ptr, key.ptr, 10);
    case FNO_UTCDATETIME:
        return got.ptr && clock_parse_utc(got.ptr, got.len, &a) && clock_parse_utc(key.ptr, key.len, &b) && a == b;
    case FNO_GUID:
    case FNO_ENUM: return cell_ieq(got, key);
    case FNO_STRING:
    case FNO_OTHER: break;
    }
    return cell_absent(got) ? !key.len : cell_ieq(cell_rtrim(got), cell_rtrim(key));
}

/* '*' in a filter literal is a wildcard, so a hit is compared here. */
static enum ec take_one(void *arg, const struct json *rec, struct err *reterr)
{
    struct one *o = arg;
    struct arena a = { 0 };
    size_t k = 0;
    bool same = true;

    (void)reterr;
    for (size_t i = 0; i < o->en->n; i++)
        if (o->en->fields[i].key) {
            struct cell v = json_member(rec, cell_cstr(&a, o->en->fields[i].property));

            same = same && same_value(&o->en->fields[i], v, o->key[k++]);
        }
    if (same && !o->found)
        o->found = copy_tree(o->a, rec);
    arena_release(&a);
    return EC_OK;
}

/* `select` with the key fields that it lacks: without them a hit could not be compared. */
static const char *select_with_keys(const struct fno_entity *en, const char *select, struct arena *a)
{
    for (size_t i = 0; select && i < en->n; i++) {
        struct cell name = en->fields[i].property;
        const char *p = select;
        bool there = false;

        if (!en->fields[i].key)
            continue;
        for (; *p && !there; p += strcspn(p, ","), p += *p == ',')
            there = strcspn(p, ",") == name.len && !memcmp(p, name.ptr, name.len);
        if (!there)
            select = arena_printf(a, "%s," CELL_FMT, select, CELL_ARG(name));
    }
    return select;
}

static enum ec get_by_filter(struct erp *e, const struct fno_entity *en, struct cell company, const struct cell *key,
                             const char *select, struct arena *a, struct json **ret, bool *ret_found,
                             struct err *reterr)
{
    struct one o = { .a = a, .en = en, .key = key };
    struct strbuf f = STRBUF(0);
    size_t k = 0;
    enum ec rc;

    for (size_t i = 0; i < en->n; i++) {
        const struct fno_field *fi = &en->fields[i];

        if (!fi->key)
            continue;
        if (fi->type == FNO_INT || fi->type == FNO_INT64) {
            struct cell v = key_text(fi, key[k]);

            strbuf_addf(&f, "%s" CELL_FMT " eq " CELL_FMT, f.len ? " and " : "", CELL_ARG(fi->property), CELL_ARG(v));
        } else if (fi->type == FNO_STRING) {
            strbuf_addf(&f, "%s" CELL_FMT " eq '", f.len ? " and " : "", CELL_ARG(fi->property));
            for (size_t c = 0; c < key[k].len; c++) {
                if (key[k].ptr[c] == '\'')
                    strbuf_addc(&f, '\'');
                strbuf_addc(&f, key[k].ptr[c]);
            }
            strbuf_addc(&f, '\'');
        }
        k++;
    }
    rc = erp_scan(e, en, select_with_keys(en, select, a), strbuf_str(&f), company, take_one, &o, reterr);
    strbuf_release(&f);
    *ret = o.found;
    *ret_found = o.found != NULL;
    return rc;
}

enum ec erp_get(struct erp *e, const struct fno_entity *en, struct cell company, const struct cell *key,
                const char *select, struct arena *a, struct json **ret, bool *ret_found, struct err *reterr)
{
    struct strbuf url = STRBUF(0);
    int status = 0;
    enum ec rc;

    *ret_found = false;
    /* A key that contains an enum has been seen to answer 404 although the row exists. */
    if (erp_has_enum_key(en))
        return get_by_filter(e, en, company, key, select, a, ret, ret_found, reterr);
    erp_add_address(&url, en, company, key);
    if (select)
        strbuf_addf(&url, "&$select=%s", select);
    rc = erp_get_json(e, "read one record", url.buf, a, ret, &status, reterr);
    strbuf_release(&url);
    if (rc)
        return rc;
    if (*ret) {
        *ret_found = true;
        return EC_OK;
    }
    if (status == 404)
        return EC_OK;
    /* 400 may mean "no such row" as well as a bad request: the filter form tells them apart. */
    return get_by_filter(e, en, company, key, select, a, ret, ret_found, reterr);
}

enum ec erp_write_refused(enum ec rc, struct err *reterr)
{
    if (rc != EC_FNO || !reterr)
        return rc;
    if (reterr->http_status == 412 || strstr(reterr->msg, "update conflict"))
        return reterr->code = EC_CONFLICT;
    if (strstr(reterr->msg, "No resources were found when selecting for update") || reterr->http_status == 404)
        return reterr->code = EC_NOTFOUND;
    return rc;
}

static enum ec write_call(struct erp *e, const char *method, const char *url, struct cell body, struct cell etag,
                          const char *what, enum call_repeat repeat, struct err *reterr)
{
    struct arena a = { 0 };
    struct http_header h[2];
    struct call c = { .http = { .method = method,
                                .url = url,
                                .headers = h,
                                .what = what,
                                .timeout_ms = 240000,
                                .stall_ms = 240000 },
                      .repeat = repeat,
                      .user = -1 };
    struct http_response r;
    struct err local = { 0 };
    enum ec rc;

    if (!reterr)
        reterr = &local;
    if (!cell_absent(body)) {
        h[c.http.n_headers++] = (struct http_header){ "Content-Type", "application/json; charset=utf-8" };
        c.http.body = body.ptr;
        c.http.body_len = body.len;
    }
    if (!cell_blank(etag))
        h[c.http.n_headers++] = (struct http_header){ "If-Match", cell_cstr(&a, etag) };
    http_response_init(&r);
    STEP(write_call);
    rc = session_do(e->s, &c, &r, reterr);
    STEP(write_called);
    http_response_release(&r);
    arena_release(&a);
    return erp_write_refused(rc, reterr);
}

enum ec erp_create(struct erp *e, const struct fno_entity *en, struct cell body, struct err *reterr)
{
    struct arena a = { 0 };
    char *url = arena_printf(&a, "/data/" CELL_FMT "?cross-company=true", CELL_ARG(en->set));
    enum ec rc = write_call(e, "POST", url, body, CELL_ABSENT, "create a record in F&O", CALL_ONCE, reterr);

    arena_release(&a);
    return rc;
}

enum ec erp_update(struct erp *e, const struct fno_entity *en, struct cell company, const struct cell *key,
                   struct cell body, struct cell etag, struct err *reterr)
{
    struct strbuf url = STRBUF(0);
    enum ec rc;

    erp_add_address(&url, en, company, key);
    rc = write_call(e, "PATCH", url.buf, body, etag, "update a record in F&O", CALL_REPEATABLE, reterr);
    strbuf_release(&url);
    return rc;
}

enum ec erp_delete(struct erp *e, const struct fno_entity *en, struct cell company, const struct cell *key,
                   struct cell etag, struct err *reterr)
{
    struct strbuf url = STRBUF(0);
    enum ec rc;

    erp_add_address(&url, en, company, key);
    rc = write_call(e, "DELETE", url.buf, CELL_ABSENT, etag, "delete a record in F&O", CALL_ONCE, reterr);
    strbuf_release(&url);
    return rc;
}

enum ec erp_count(struct erp *e, const struct fno_entity *en, struct cell company, int64_t *ret, struct err *reterr)
{
    struct strbuf url = STRBUF(0);
    struct call c = { .http = { .method = "GET", .what = "count records" }, .repeat = CALL_REPEATABLE, .user = -1 };
    struct http_response r;
    struct cell text;
    enum ec rc;

    strbuf_addf(&url, "/data/" CELL_FMT "/$count?cross-company=true", CELL_ARG(en->set));
    if (!cell_absent(company) && !en->shared) {
        strbuf_adds(&url, "&$filter=dataAreaId%20eq%20");
        erp_add_literal(&url, company);
    }
    c.http.url = url.buf;
    http_response_init(&r);
    rc = session_do(e->s, &c, &r, reterr);
    text = (struct cell){ strbuf_str(&r.body), r.body.len };
    if (text.len >= 3 && !memcmp(text.ptr, "\xef\xbb\xbf", 3)) { /* the service puts a BOM before the digits */
        text.ptr += 3;
        text.len -= 3;
    }
    if (!rc && !cell_to_i64(cell_rtrim(text), ret))
        rc = err_set(reterr, EC_FNO, "the count of '" CELL_FMT "' is not a number", CELL_ARG(en->set));
    http_response_release(&r);
    strbuf_release(&url);
    return rc;
}

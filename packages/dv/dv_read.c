/*
 * Reads of rows. Sources: Dataverse Web API, "Query data", "Page results", "Use change tracking to synchronize data".
 *
 * A page is held in memory until it is complete and only then handed on row by row: a connection that breaks in the middle
 * is repeated by the session, and no row of it may reach the caller twice. Memory is one page, whatever the table's size.
 */
#include "dv/dv_parts.h"
#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINK_MAX 65536

/* What stands unencoded: readable logs, and fewer octets of the URL's limit. Values may hold any character, names none. */
#define KEEP_IN_SELECT ",$()@/"
#define KEEP_IN_FILTER "()'"

static void prefer_of(const struct dv *d, bool track, char ret[static 200])
{
    snprintf(ret, 200, "odata.maxpagesize=%d%s%s", d->page_rows, track ? ",odata.track-changes" : "",
             d->annotations ? ",odata.include-annotations=\"Microsoft.Dynamics.CRM.lookuplogicalname\"" : "");
}

/* A link of the envelope; absent = none. */
static enum ec link_of(const struct json *envelope, const char *name, const char *what, struct cell *ret,
                       struct err *reterr)
{
    struct cell link = json_member(envelope, name);

    if (link.len > LINK_MAX || (link.ptr && (!link.len || memchr(link.ptr, 0, link.len))))
        return err_set(reterr, EC_DATAVERSE, "%s: the answer's %s is not usable", what, name);
    *ret = link;
    return EC_OK;
}

/* Tells a row that the caller refused from an answer that cannot be read. */
struct page_rows {
    json_row_fn *row;
    void *arg;
    bool refused;
};

static enum ec page_row(void *arg, const struct json *row, struct err *reterr)
{
    struct page_rows *p = arg;
    enum ec rc = p->row(p->arg, row, reterr);

    p->refused = rc != EC_OK;
    return rc;
}

/*
 * All pages from `url` on, links followed as they are with the same Prefer. ret_delta (may be NULL) gets the link of the
 * last page, or stays NULL.
 */
static enum ec read_pages(struct dv *d, const char *url, const char *prefer, const char *what, json_row_fn *row,
                          void *arg, char **ret_delta, struct err *reterr)
{
    struct dv_request q = {
        .method = "GET", .what = what, .prefer = prefer, .repeat = CALL_REPEATABLE, .json_object = true
    };
    struct page_rows page = { .row = row, .arg = arg };
    struct http_response r;
    struct json_rows *rows = NULL;
    const struct json *envelope = NULL;
    struct cell next, delta;
    char *here = xstrdup(url);
    enum ec rc = EC_OK;

    http_response_init(&r);
    for (;;) {
        if (stop_requested()) {
            rc = err_set(reterr, EC_STOPPED, "%s: stopped between two pages", what);
            break;
        }
        q.url = here;
        rc = dv_call(d, &q, &r, reterr);
        if (!rc && r.status != 200)
            rc = dv_fail(&r, what, reterr);
        if (rc)
            break;
        rows = json_rows_new(what, NULL, page_row, &page);
        rc = json_rows_feed(rows, strbuf_str(&r.body), r.body.len, reterr);
        if (!rc)
            rc = json_rows_end(rows, &envelope, reterr);
        if (rc && !page.refused)
            rc = err_ctx(reterr, EC_DATAVERSE, "the answer cannot be read");
        if (rc)
            break;
        if (cell_absent(json_member(envelope, "@odata.context"))) {
            /* without this check any JSON object would pass for a table without rows */
            rc = err_set(reterr, EC_DATAVERSE, "%s: the answer is not a collection of rows", what);
            break;
        }
        rc = link_of(envelope, "@odata.nextLink", what, &next, reterr);
        if (!rc)
            rc = link_of(envelope, "@odata.deltaLink", what, &delta, reterr);
        if (rc)
            break;
        if (cell_absent(next)) {
            if (ret_delta && !cell_absent(delta))
                *ret_delta = strndup(delta.ptr, delta.len);
            break;
        }
        if (cell_eq(next, cell_of(here))) {
            rc = err_set(reterr, EC_DATAVERSE, "%s: a page names itself as the next one", what);
            break;
        }
        free(here);
        here = strndup(next.ptr, next.len);
        json_rows_free(rows);
        rows = NULL;
    }
    json_rows_free(rows);
    free(here);
    http_response_release(&r);
    return rc;
}

enum ec dv_scan(struct dv *d, const char *set, const char *select, const char *filter, bool track, json_row_fn *row,
                void *arg, char **ret_delta_link, struct err *reterr)
{
    struct strbuf url = { 0 };
    char prefer[200], what[120], *delta = NULL;
    enum ec rc;

    BUG_IF(track && (filter || !ret_delta_link), "a tracked read has no filter and a place for its link");
    snprintf(what, sizeof(what), "read of %.90s", set);
    prefer_of(d, track, prefer);
    strbuf_addf(&url, DV_API "%s?$select=", set);
    strbuf_add_url(&url, select, strlen(select), KEEP_IN_SELECT);
    if (filter) {
        strbuf_adds(&url, "&$filter=");
        strbuf_add_url(&url, filter, strlen(filter), KEEP_IN_FILTER);
    }
    rc = read_pages(d, strbuf_str(&url), prefer, what, row, arg, track ? &delta : NULL, reterr);
    if (!rc && track && !delta) {
        rc = err_set(reterr, EC_DATAVERSE, "%s: the last page has no delta link, so changes could not be followed",
                     what);
        err_hint(reterr,
                 "check that change tracking is on for the table; asking for annotations is known to drop the link");
    }
    if (!rc && track)
        *ret_delta_link = delta;
    else
        free(delta);
    strbuf_release(&url);
    return rc;
}

struct delta_rows {
    json_row_fn *row;
    enum ec (*gone)(void *arg, struct cell id, struct err *reterr);
    void *arg;
};

static bool ends_with(struct cell c, const char *tail)
{
    size_t n = strlen(tail);

    return c.len >= n && !memcmp(c.ptr + c.len - n, tail, n);
}

static enum ec delta_row(void *arg, const struct json *row, struct err *reterr)
{
    const struct delta_rows *dr = arg;
    bool deleted = ends_with(json_member(row, "@odata.context"), "$deletedEntity");
    struct cell id = json_member(row, "id");
    uint8_t bin[16];

    /* a table may have a column called id or reason: only both together, without an etag, are a deletion */
    if (!deleted)
        deleted = json_get(row, "reason") && id.ptr && !json_get(row, "@odata.etag");
    if (!deleted)
        return dr->row(dr->arg, row, reterr);
    if (!dv_guid(id, bin))
        return err_set(reterr, EC_DATAVERSE, "changes: a deleted row without an id");
    return dr->gone(dr->arg, id, reterr);
}

enum ec dv_delta(struct dv *d, const char *delta_link, json_row_fn *row,
                 enum ec (*gone)(void *arg, struct cell id, struct err *reterr), void *arg, char **ret_next,
                 struct err *reterr)
{
    struct delta_rows dr = { row, gone, arg };
    struct err e = { 0 };
    char prefer[200], *next = NULL;
    enum ec rc;

    prefer_of(d, true, prefer);
    rc = read_pages(d, delta_link, prefer, "changes", delta_row, &dr, &next, &e);
    if (rc == EC_DATAVERSE && dv_classify(e.http_status, e.service_code, e.msg) == DVF_RESYNC && e.http_status)
        rc = e.code = EC_NOTFOUND;
    if (!rc && !next) {
        rc = err_set(&e, EC_DATAVERSE, "changes: the last page has no delta link, so the round does not count");
        err_hint(
            &e,
            "check that change tracking is still on for the table; asking for annotations is known to drop the link");
    }
    if (!rc)
        *ret_next = next;
    else
        free(next);
    if (rc && reterr)
        *reterr = e;
    return rc;
}

enum ec dv_get(struct dv *d, const char *set, struct cell id, const char *select, struct arena *a, struct json **ret,
               bool *ret_found, struct err *reterr)
{
    struct strbuf url = { 0 };
    struct json *v = NULL;
    char what[120];
    uint8_t bin[16];
    int status = 0;
    enum ec rc;

    if (!dv_guid(id, bin))
        return err_set(reterr, EC_FORMAT, "read of %.90s: '" CELL_FMT "' is not an id", set, CELL_ARG(id));
    snprintf(what, sizeof(what), "read of one row of %.80s", set);
    strbuf_addf(&url, DV_API "%s(" CELL_FMT ")?$select=", set, CELL_ARG(id));
    strbuf_add_url(&url, select, strlen(select), KEEP_IN_SELECT);
    rc = dv_get_json(d, strbuf_str(&url), what, a, &v, &status, reterr);
    if (!rc) {
        *ret_found = status == 200;
        if (status == 200)
            *ret = v;
    }
    strbuf_release(&url);
    return rc;
}

/* Is `name` one of the comma-separated names? */
static bool selected(const char *select, struct cell name)
{
    for (const char *p = select; p && *p;) {
        size_t n = strcspn(p, ",");

        if (cell_eq((struct cell){ p, n }, name))
            return true;
        p += n + (p[n] == ',');
    }
    return false;
}

size_t dv_in_url(const struct dv_table *t, struct cell column, const struct cell *values, size_t n,
                 struct cell company_column, struct cell company_id, const char *select, struct strbuf *out,
                 size_t *ret_asked)
{
    struct strbuf json = { 0 }, piece = { 0 };
    struct jsonw w = { .out = &json };
    size_t taken = 0, asked = 0;

    strbuf_reset(out);
    strbuf_addf(out, DV_API CELL_FMT "?$select=", CELL_ARG(t->set));
    if (!selected(select, t->pk))
        strbuf_addf(out, CELL_FMT "%s", CELL_ARG(t->pk), select && *select ? "," : "");
    if (select)
        strbuf_add_url(out, select, strlen(select), KEEP_IN_SELECT);
    strbuf_adds(out, "&$filter=Microsoft.Dynamics.CRM.In(PropertyName=@p1,PropertyValues=@p2)");
    if (!cell_blank(company_column))
        strbuf_addf(out, "%%20and%%20" CELL_FMT "%%20eq%%20" CELL_FMT, CELL_ARG(company_column),
                    CELL_ARG(company_id));
    strbuf_addf(out, "&@p1='" CELL_FMT "'&@p2=%%5B", CELL_ARG(column));
    for (; taken < n; taken++) {
        if (cell_absent(values[taken])) /* null is in no list */
            continue;
        strbuf_reset(&json);
        strbuf_reset(&piece);
        w.comma = false;
        jw_str(&w, values[taken]);
        if (asked)
            strbuf_adds(&piece, "%2C");
        strbuf_add_url(&piece, json.buf, json.len, "");
        if (out->len + piece.len + 3 > DV_URL_MAX)
            break;
        strbuf_add(out, piece.buf, piece.len);
        asked++;
    }
    strbuf_adds(out, "%5D");
    strbuf_release(&json);
    strbuf_release(&piece);
    *ret_asked = asked;
    return taken;
}

enum ec dv_find(struct dv *d, const struct dv_table *t, struct cell column, const struct cell *values, size_t n,
                struct cell company_column, struct cell company_id, const char *select, json_row_fn *row, void *arg,
                struct err *reterr)
{
    struct strbuf url = { 0 };
    char prefer[200], what[120];
    uint8_t bin[16];
    enum ec rc = EC_OK;

    if (!cell_blank(company_column) && !dv_guid(company_id, bin))
        return err_set(reterr, EC_FORMAT, "look-up in " CELL_FMT ": '" CELL_FMT "' is not a company's id",
                       CELL_ARG(t->set), CELL_ARG(company_id));
    snprintf(what, sizeof(what), "look-up in " CELL_FMT, CELL_ARG(t->set));
    prefer_of(d, false, prefer);
    for (size_t i = 0; !rc && i < n;) {
        size_t asked = 0,
               took = dv_in_url(t, column, values + i, n - i, company_column, company_id, select, &url, &asked);

        if (!took) {
            rc = err_set(reterr, EC_LIMIT, "%s: a value of " CELL_FMT " with %zu octets does not fit into a request",
                         what, CELL_ARG(column), values[i].len);
            break;
        }
        if (asked)
            rc = read_pages(d, strbuf_str(&url), prefer, what, row, arg, NULL, reterr);
        i += took;
    }
    strbuf_release(&url);
    return rc;
}

void dv_remember_pk(struct dv *d, struct cell set, struct cell pk)
{
    struct dv_set_name *n;

    for (n = d->names; n; n = n->next)
        if (cell_is(set, n->set))
            return;
    n = xcalloc(1, sizeof(*n));
    n->set = strndup(set.ptr, set.len);
    n->pk = strndup(pk.ptr, pk.len);
    n->next = d->names;
    d->names = n;
}

enum ec dv_pk_of_set(struct dv *d, const char *set, const char **ret, struct err *reterr)
{
    struct strbuf url = { 0 };
    struct arena a = { 0 };
    struct json *v = NULL;
    struct cell pk = CELL_ABSENT;
    struct dv_set_name *n;
    enum ec rc;

    for (n = d->names; n; n = n->next)
        if (!strcmp(n->set, set)) {
            *ret = n->pk;
            return EC_OK;
        }
    strbuf_adds(&url,
                DV_API "EntityDefinitions?$select=LogicalName,EntitySetName,PrimaryIdAttribute&$filter=EntitySetName"
                       "%20eq%20'");
    strbuf_add_url(&url, set, strlen(set), "");
    strbuf_adds(&url, "'");
    rc = dv_get_json(d, strbuf_str(&url), "table definition", &a, &v, NULL, reterr);
    for (const struct json *e = rc || !json_get(v, "value") ? NULL : json_get(v, "value")->child; e; e = e->next)
        if (cell_ieq(json_member(e, "EntitySetName"), cell_of(set)))
            pk = json_member(e, "PrimaryIdAttribute");
    if (!rc && cell_blank(pk))
        rc = err_set(reterr, EC_CONFIG, "Dataverse has no table with the set name '%s'", set);
    if (!rc) {
        dv_remember_pk(d, cell_of(set), pk);
        *ret = d->names->pk;
    }
    strbuf_release(&url);
    arena_release(&a);
    return rc;
}

static enum ec count_row(void *arg, const struct json *row, struct err *reterr)
{
    (void)row;
    (void)reterr;
    ++*(int64_t *)arg;
    return EC_OK;
}

/* $count stops at 5,000 and the service's own total may be a day old, so the keys are paged. */
enum ec dv_count(struct dv *d, const char *set, const char *filter, int64_t *ret, struct err *reterr)
{
    const char *pk = NULL;
    int64_t n = 0;
    enum ec rc = dv_pk_of_set(d, set, &pk, reterr);

    if (!rc)
        rc = dv_scan(d, set, pk, filter, false, count_row, &n, NULL, reterr);
    if (!rc)
        *ret = n;
    return rc;
}

struct running {
    struct cell logical, label;
    bool found;
};

static enum ec running_row(void *arg, const struct json *row, struct err *reterr)
{
    struct running *want = arg;

    (void)reterr;
    if (cell_ieq(json_member(row, "msdyn_internalentityname"), want->logical) &&
        (cell_blank(want->label) || cell_ieq(json_member(row, "msdyn_externalentityname"), want->label)))
        want->found = true;
    return EC_OK;
}

/*
 * The plug-in of a running map is armed by an active row of msdyn_dualwriteruntimeconfig (seen in Microsoft's published
 * dual-write tools). The set's name comes from metadata; an environment that has neither is not linked.
 */
enum ec dv_dualwrite_running(struct dv *d, struct cell logical, struct cell fno_label, bool *ret_running,
                             struct err *reterr)
{
    struct running want = { logical, fno_label, false };
    struct arena a = { 0 };
    struct json *v = NULL;
    struct err e = { 0 };
    const char *set = "msdyn_dualwriteruntimeconfigs";
    int status = 0;
    enum ec rc = dv_get_json(d,
                             DV_API "EntityDefinitions(LogicalName='msdyn_dualwriteruntimeconfig')"
                                    "?$select=LogicalName,EntitySetName",
                             "table definition", &a, &v, &status, &e);

    if (!rc && status == 200 && !cell_blank(json_member(v, "EntitySetName")))
        set = cell_cstr(&a, json_member(v, "EntitySetName"));
    if (!rc)
        rc = dv_scan(d, set, "msdyn_internalentityname,msdyn_externalentityname,statecode", "statecode eq 0", false,
                     running_row, &want, NULL, &e);
    if (rc && status == 404 && e.http_status == 404)
        rc = EC_OK; /* no such table at all */
    if (!rc)
        *ret_running = want.found;
    else if (reterr) {
        *reterr = e;
        err_ctx(reterr, rc, "state of dual-write");
    }
    arena_release(&a);
    return rc;
}

/*
 * Single writes. Source: Dataverse Web API, "Update and delete table rows", "Perform conditional operations".
 *
 * Answers are asked for with a representation of the key alone: that is how the new version comes back, which the sync
 * stores so that its own write is recognised in the feed.
 */
#include "dv/dv_parts.h"
#include "base/step.h"

#include <stdio.h>
#include <string.h>

static bool names_id(const struct err *e, struct cell id)
{
    char text[40];

    snprintf(text, sizeof(text), CELL_FMT, CELL_ARG(id));
    return text[0] && strcasestr(e->msg, text);
}

/* The refusal of a write to row `id` as an error. */
static enum ec refused(const struct http_response *r, const char *what, struct cell id, struct err *reterr)
{
    struct err e = { 0 };
    enum dv_fault f = dv_answer_error(r, &e);

    /* 0x80040217 is both "this row is gone" and "a row it points to is not there": the text names which */
    if (f == DVF_REFERENCE && r->status == 404 && names_id(&e, id))
        e.code = EC_NOTFOUND;
    err_ctx(&e, e.code, "%s", what);
    if (reterr)
        *reterr = e;
    return e.code;
}

static enum ec check_id(struct cell id, const char *what, struct err *reterr)
{
    uint8_t bin[16];

    return dv_guid(id, bin) ? EC_OK
                            : err_set(reterr, EC_FORMAT, "%s: '" CELL_FMT "' is not an id", what, CELL_ARG(id));
}

enum ec dv_update(struct dv *d, const char *set, struct cell id, struct cell body, const char *etag,
                  char ret_etag[static 80], struct err *reterr)
{
    struct strbuf url = { 0 };
    struct http_response r;
    char what[140];
    struct dv_request q = { .method = "PATCH",
                            .what = what,
                            .prefer = "return=representation",
                            .if_match = etag,
                            .body = body,
                            .write = true,
                            .repeat = CALL_REPEATABLE };
    const char *pk = NULL;
    enum ec rc;

    snprintf(what, sizeof(what), "update of %.60s(%.36s)", set, id.len >= 36 ? id.ptr : "?");
    rc = check_id(id, what, reterr);
    if (!rc)
        rc = dv_pk_of_set(d, set, &pk, reterr);
    if (rc)
        return rc;
    http_response_init(&r);
    strbuf_addf(&url, DV_API "%s(" CELL_FMT ")?$select=%s", set, CELL_ARG(id), pk);
    dv_add_tag(d, &url, true);
    q.url = strbuf_str(&url);
    STEP(write_call);
    rc = dv_call(d, &q, &r, reterr);
    STEP(write_called);
    if (!rc && (r.status < 200 || r.status > 299))
        rc = refused(&r, what, id, reterr);
    if (!rc)
        dv_etag_of(&r, ret_etag);
    http_response_release(&r);
    strbuf_release(&url);
    return rc;
}

struct exists {
    bool found;
    char etag[80];
};

static enum ec look_for_own(struct dv *d, const struct dv_table *t, struct cell id, struct exists *ret,
                            struct err *reterr)
{
    struct arena a = { 0 };
    struct json *v = NULL;
    enum ec rc = dv_get(d, cell_cstr(&a, t->set), id, cell_cstr(&a, t->pk), &a, &v, &ret->found, reterr);

    if (!rc && ret->found) {
        struct cell tag = json_member(v, "@odata.etag");

        if (tag.ptr && tag.len < sizeof(ret->etag))
            snprintf(ret->etag, sizeof(ret->etag), CELL_FMT, CELL_ARG(tag));
    }
    arena_release(&a);
    return rc;
}

enum ec dv_create(struct dv *d, const struct dv_table *t, struct cell id, struct cell body_without_id,
                  char ret_etag[static 80], struct err *reterr)
{
    struct strbuf url = { 0 }, body = { 0 };
    struct http_response r;
    struct arena a = { 0 };
    struct exists own = { 0 };
    struct err e = { 0 };
    struct cell members = body_without_id;
    char what[140];
    struct dv_request q = {
        .method = "POST", .what = what, .prefer = "return=representation", .write = true, .repeat = CALL_REPEATABLE
    };
    enum ec rc;

    snprintf(what, sizeof(what), "create in " CELL_FMT, CELL_ARG(t->set));
    rc = check_id(id, what, reterr);
    if (rc)
        return rc;
    http_response_init(&r);
    /* an object text: our id becomes its first member */
    while (members.len && memchr(" \t\r\n", members.ptr[0], 4))
        members.ptr++, members.len--;
    while (members.len && memchr(" \t\r\n", members.ptr[members.len - 1], 4))
        members.len--;
    if (members.len >= 2 && members.ptr[0] == '{' && members.ptr[members.len - 1] == '}')
        members = (struct cell){ members.ptr + 1, members.len - 2 };
    dv_row_json(&body, t->pk, cell_cstr(&a, id), members);
    strbuf_addf(&url, DV_API CELL_FMT "?$select=" CELL_FMT, CELL_ARG(t->set), CELL_ARG(t->pk));
    dv_add_tag(d, &url, true);
    q.url = strbuf_str(&url);
    q.body = (struct cell){ body.buf, body.len };
    STEP(write_call);
    rc = dv_call(d, &q, &r, reterr);
    STEP(write_called);
    if (rc)
        goto out;
    if (r.status >= 200 && r.status < 300) {
        dv_etag_of(&r, ret_etag);
        goto out;
    }
    if (dv_answer_error(&r, &e) == DVF_DUPLICATE) {
        /* ours from an attempt whose answer was lost, or somebody else's row with the same key? */
        rc = look_for_own(d, t, id, &own, reterr);
        if (rc)
            goto out;
        if (own.found) {
            memcpy(ret_etag, own.etag, sizeof(own.etag));
            goto out;
        }
    }
    rc = refused(&r, what, id, reterr);
out:
    http_response_release(&r);
    strbuf_release(&url);
    strbuf_release(&body);
    arena_release(&a);
    return rc;
}

enum ec dv_delete(struct dv *d, const char *set, struct cell id, const char *etag, struct err *reterr)
{
    struct strbuf url = { 0 };
    struct http_response r;
    char what[140];
    struct dv_request q = {
        .method = "DELETE", .what = what, .if_match = etag, .write = true, .repeat = CALL_REPEATABLE
    };
    enum ec rc;

    snprintf(what, sizeof(what), "delete of %.60s(%.36s)", set, id.len >= 36 ? id.ptr : "?");
    rc = check_id(id, what, reterr);
    if (rc)
        return rc;
    http_response_init(&r);
    strbuf_addf(&url, DV_API "%s(" CELL_FMT ")", set, CELL_ARG(id));
    dv_add_tag(d, &url, false);
    q.url = strbuf_str(&url);
    STEP(write_call);
    rc = dv_call(d, &q, &r, reterr);
    STEP(write_called);
    if (!rc && (r.status < 200 || r.status > 299))
        rc = refused(&r, what, id, reterr);
    http_response_release(&r);
    strbuf_release(&url);
    return rc;
}

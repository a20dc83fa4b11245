/*
 * Bodies of bulk calls. Source: Dataverse developer guide, "Use bulk operation messages"; "Execute batch operations using
 * the Web API". Each target needs its type; both messages name the row by its primary key, so no alternate key is
 * involved and no value can break a URL.
 */
#include "dv/dv_parts.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

void dv_row_json(struct strbuf *out, struct cell pk, const char *id, struct cell members)
{
    strbuf_addc(out, '{');
    if (!cell_blank(pk))
        strbuf_addf(out, "\"" CELL_FMT "\":\"%s\"", CELL_ARG(pk), id);
    if (members.len) {
        if (!cell_blank(pk))
            strbuf_addc(out, ',');
        strbuf_add(out, members.ptr, members.len);
    }
    strbuf_addc(out, '}');
}

void dv_multiple_body(struct strbuf *out, const struct dv_table *t, const struct dv_bulk_row *rows, size_t n)
{
    struct strbuf head = STRBUF(0); /* of each target, up to its id */
    size_t octets = 0;

    strbuf_addf(&head, "{\"@odata.type\":\"Microsoft.Dynamics.CRM." CELL_FMT "\",\"" CELL_FMT "\":\"",
                CELL_ARG(t->logical), CELL_ARG(t->pk));
    for (size_t i = 0; i < n; i++)
        octets += head.len + rows[i].body.len + 48;
    strbuf_reserve(out, octets + 32);
    strbuf_adds(out, "{\"Targets\":[");
    for (size_t i = 0; i < n; i++) {
        if (i)
            strbuf_addc(out, ',');
        strbuf_add(out, head.buf, head.len);
        strbuf_adds(out, rows[i].id);
        strbuf_addc(out, '"');
        if (rows[i].body.len) {
            strbuf_addc(out, ',');
            strbuf_add(out, rows[i].body.ptr, rows[i].body.len);
        }
        strbuf_addc(out, '}');
    }
    strbuf_adds(out, "]}");
    strbuf_release(&head);
}

void dv_multiple_url(const struct dv *d, struct strbuf *out, const struct dv_table *t, bool create)
{
    strbuf_addf(out, DV_API CELL_FMT "/Microsoft.Dynamics.CRM.%s", CELL_ARG(t->set),
                create ? "CreateMultiple" : "UpdateMultiple");
    dv_add_tag(d, out, false);
}

void dv_batch_body(const struct dv *d, struct strbuf *out, const char *boundary, const struct dv_table *t,
                   const struct dv_bulk_row *rows, size_t n)
{
    struct http_header h[5];
    struct strbuf path = { 0 }, body = { 0 };

    for (size_t i = 0; i < n; i++) {
        size_t k = 0;

        /* whether headers of the outer request reach the operations is documented nowhere: both carry them */
        for (size_t j = 0; j < d->n_write_headers; j++)
            h[k++] = d->write_headers[j];
        h[k++] = (struct http_header){ "Prefer", "odata.include-annotations=\"*\"" };
        if (!rows[i].create) /* without it a PATCH creates what is missing */
            h[k++] = (struct http_header){ "If-Match", "*" };
        strbuf_reset(&path);
        strbuf_reset(&body);
        strbuf_addf(&path, DV_API CELL_FMT, CELL_ARG(t->set));
        if (!rows[i].create)
            strbuf_addf(&path, "(%s)", rows[i].id);
        dv_add_tag(d, &path, false);
        dv_row_json(&body, rows[i].create ? t->pk : CELL_ABSENT, rows[i].id, rows[i].body);
        dv_batch_op(out, boundary, rows[i].create ? "POST" : "PATCH", strbuf_str(&path), h, k, i + 1,
                    (struct cell){ body.buf, body.len });
    }
    dv_batch_end(out, boundary);
    strbuf_release(&path);
    strbuf_release(&body);
}

size_t dv_multiple_check_ids(const struct http_response *r, const struct dv_bulk_row *rows, size_t n)
{
    struct arena a = { 0 };
    struct json *v = NULL;
    const struct json *ids, *id;
    size_t i = 0, bad = n;

    if (!r->body.len || json_parse("CreateMultiple", strbuf_str(&r->body), r->body.len, NULL, &a, &v, NULL))
        goto out; /* the rows are in: a body that cannot be read does not change that */
    ids = json_get(v, "Ids");
    if (!ids || ids->type != JSON_ARRAY)
        goto out;
    for (id = ids->child; id && i < n; id = id->next, i++)
        if (!cell_ieq(json_text(id), cell_of(rows[i].id)))
            break;
    if (i < n || id)
        bad = i < n ? i : n - 1;
out:
    arena_release(&a);
    return bad;
}

/*
 * Bodies of bulk calls. Source: Dataverse developer guide, "Use bulk operation messages"; "Execute batch operations using
 * the Web API". Each target needs its type; all three messages name the row by its primary key, so no alternate key is
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

/* ---- made on the way: a body is never held in one piece ---- */

void dv_multiple_head(struct strbuf *out, const struct dv_table *t)
{
    strbuf_addf(out, "{\"@odata.type\":\"Microsoft.Dynamics.CRM." CELL_FMT "\",\"" CELL_FMT "\":\"",
                CELL_ARG(t->logical), CELL_ARG(t->pk));
}

enum { PIECES = 6 };

/* A row's text is these pieces one after the other. */
static struct cell piece(const struct dv_multiple *m, size_t row, int k)
{
    const struct dv_bulk_row *r = &m->rows[row];

    switch (k) {
    case 0: return row ? CELL_LIT(",") : CELL_LIT("{\"Targets\":[");
    case 1: return m->head;
    case 2: return cell_of(r->id);
    case 3: return r->body.len ? CELL_LIT("\",") : CELL_LIT("\"");
    case 4: return r->body;
    default: return row + 1 == m->n ? CELL_LIT("}]}") : CELL_LIT("}");
    }
}

void dv_multiple_begin(struct dv_multiple *m, struct cell head, const struct dv_bulk_row *rows, size_t n)
{
    *m = (struct dv_multiple){ .head = head, .rows = rows, .n = n };
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < PIECES; k++)
            m->len += piece(m, i, k).len;
}

size_t dv_multiple_read(void *arg, uint64_t at, char *p, size_t n)
{
    struct dv_multiple *m = arg;
    size_t done = 0;

    BUG_IF(at && at != m->at, "a body is read from its beginning, or from where the last reading ended");
    if (!at)
        m->at = m->row = m->off = 0, m->k = 0;
    while (done < n && m->row < m->n) {
        struct cell c = piece(m, m->row, m->k);
        size_t some = c.len - m->off < n - done ? c.len - m->off : n - done;

        if (some)
            memcpy(p + done, c.ptr + m->off, some);
        done += some;
        m->off += some;
        if (m->off < c.len)
            break;
        m->off = 0;
        if (++m->k == PIECES) {
            m->k = 0;
            m->row++;
        }
    }
    m->at += done;
    return done;
}

void dv_multiple_url(const struct dv *d, struct strbuf *out, const struct dv_table *t, const char *message)
{
    strbuf_addf(out, DV_API CELL_FMT "/Microsoft.Dynamics.CRM.%s", CELL_ARG(t->set), message);
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

/* The usual answer, read without a parser: exactly our ids, in our order. False = it has to be looked at more closely. */
static bool ids_are_ours(struct cell answer, const struct dv_bulk_row *rows, size_t n)
{
    static const char NAME[] = "\"Ids\":[";
    const char *p = memmem(answer.ptr, answer.len, NAME, sizeof(NAME) - 1), *end = answer.ptr + answer.len;

    if (!p)
        return false;
    p += sizeof(NAME) - 1;
    for (size_t i = 0; i < n; i++, p += 39)
        if (end - p < 39 || p[0] != '"' || p[37] != '"' || p[38] != (i + 1 < n ? ',' : ']') ||
            strncasecmp(p + 1, rows[i].id, 36) != 0)
            return false;
    return end - p == 1 && *p == '}';
}

size_t dv_multiple_check_ids(const struct http_response *r, const struct dv_bulk_row *rows, size_t n)
{
    struct arena a = { 0 };
    struct json *v = NULL;
    const struct json *ids, *id;
    size_t i = 0, bad = n;

    if (r->body.len && ids_are_ours((struct cell){ r->body.buf, r->body.len }, rows, n))
        return n;
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

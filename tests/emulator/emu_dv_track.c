/*
 * Change tracking. Source: "Use change tracking to synchronize data with external systems". The token is a version of the
 * organization and the time it was taken; the time is what expires. The delta link comes on the last page only.
 */
#include "emu_dv_read.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void format_time(int64_t ms, char ret[static 40])
{
    time_t t = (time_t)(ms / 1000);
    struct tm tm;

    gmtime_r(&t, &tm);
    strftime(ret, 40, "%m/%d/%Y %H:%M:%S", &tm);
}

/* "919042!08/22/2017 08:10:44" */
static bool read_token(struct dv_op *op, const char *token, int64_t *ret_version)
{
    struct tm tm = { 0 };
    char *end;
    const char *rest;
    int64_t taken, days;

    *ret_version = strtoll(token, &end, 10);
    if (end == token || *end != '!' || !(rest = strptime(end + 1, "%m/%d/%Y %H:%M:%S", &tm)) || *rest)
        return dv_refuse(&op->fail, 400, "0x80040203", "The value of $deltatoken is not valid.");
    taken = (int64_t)timegm(&tm) * 1000;
    days = dv_int(op->e, "select min(expirechangetrackingindays) from dv_organization", NULL);
    if (emu_now_ms(op->e) - taken > days * 86400000)
        return dv_refuse(&op->fail, 400, "0x80044352",
                         "Version stamp associated with the client has expired. Please perform a full sync.");
    return true;
}

static void add_delta_link(struct dv_op *op, const struct dv_table *t, int64_t version, int64_t taken)
{
    struct strbuf link = { 0 };
    char time[40], token[80];

    if (op->annotations && EMU_KNOB(op->e, dv_annotations_drop_deltalink))
        return;
    format_time(taken, time);
    snprintf(token, sizeof(token), "%" PRId64 "!%s", version, time);
    dv_add_link_start(op, t, &link);
    strbuf_adds(&link, "$deltatoken=");
    strbuf_add_url(&link, token, strlen(token), "");
    strbuf_adds(&op->r->body, ",\"@odata.deltaLink\":");
    emu_json_str(&op->r->body, link.buf, link.len);
    strbuf_release(&link);
}

static int64_t page_size(const struct dv_op *op)
{
    return op->page_size ? op->page_size : EMU_KNOB(op->e, dv_page);
}

/* Rows of a statement that gives one more than a page; *ret_more = that one was there, `last` is told the last row. */
static int64_t add_rows(struct dv_op *op, const struct dv_table *t, const struct dv_select *sel,
                        const struct dv_reader *rd, sqlite3_stmt *s, int64_t limit, struct dv_cookie *last,
                        int64_t *ret_version, bool *ret_more)
{
    const char **row = arena_zalloc(op->a, t->n * sizeof(*row));
    int64_t n = 0;

    *ret_more = false;
    while (dv_step(op->e, s)) {
        if (n == limit) {
            *ret_more = true;
            break;
        }
        dv_reader_row(rd, s, row);
        if (n++)
            strbuf_addc(&op->r->body, ',');
        dv_row_json(op, &op->r->body, t, sel, row, NULL);
        snprintf(last->id, sizeof(last->id), "%s", row[0]);
        *ret_version = strtoll(row[t->version], NULL, 10);
    }
    return n;
}

void dv_track_first(struct dv_op *op, const struct dv_table *t, const struct dv_select *sel)
{
    struct strbuf sql = { 0 };
    struct dv_cookie from, next;
    struct dv_reader rd;
    sqlite3_stmt *s;
    int64_t size = page_size(op), version;
    bool more, paging;

    if (!dv_cookie_read(op, dv_option(op, "$skiptoken"), &from, &paging)) {
        dv_answer_fail(op);
        return;
    }
    next = (struct dv_cookie){ .page = from.page + 1, .tracking = true };
    /* what changes while the pages are read comes again in the first delta */
    next.to_version = paging ? from.to_version : op->e->dv->version;
    next.taken_ms = paging ? from.taken_ms : emu_now_ms(op->e);
    dv_begin_json(op);
    strbuf_addf(&op->r->body, "{\"@odata.context\":\"%s/$metadata#%s\",\"value\":[", dv_root(op), sel->context);
    dv_reader_sql(&rd, op, t, sel, &sql);
    strbuf_addf(&sql, " from \"dv_%s\" t0 where t0.\"%s\" > ?1 order by t0.\"%s\" limit %" PRId64, t->logical,
                t->cols[0].name, t->cols[0].name, size + 1);
    s = dv_prepare(op->e, sql.buf);
    dv_bind(s, 1, paging ? from.id : "");
    add_rows(op, t, sel, &rd, s, size, &next, &version, &more);
    sqlite3_finalize(s);
    strbuf_addc(&op->r->body, ']');
    if (more)
        dv_add_next_link(op, t, &next);
    else if (!paging || from.tracking)
        add_delta_link(op, t, next.to_version, next.taken_ms);
    strbuf_addc(&op->r->body, '}');
    strbuf_release(&sql);
}

static void add_deleted(struct dv_op *op, const struct dv_table *t, struct dv_cookie *next, int64_t after, int64_t *n,
                        int64_t size, bool *ret_more)
{
    sqlite3_stmt *s = dv_prepare(op->e, "select id, version from dv_deleted where tbl = ?1 and version > ?2 and "
                                        "version <= ?3 order by version");

    dv_bind(s, 1, t->logical);
    sqlite3_bind_int64(s, 2, after);
    sqlite3_bind_int64(s, 3, next->to_version);
    *ret_more = false;
    while (dv_step(op->e, s)) {
        if (*n == size) {
            *ret_more = true;
            break;
        }
        if ((*n)++)
            strbuf_addc(&op->r->body, ',');
        snprintf(next->id, sizeof(next->id), "%s", (const char *)sqlite3_column_text(s, 0));
        next->from_version = sqlite3_column_int64(s, 1);
        next->deletes = true;
        strbuf_addf(&op->r->body,
                    "{\"@odata.context\":\"%s/$metadata#%s/$deletedEntity\",\"id\":\"%s\",\"reason\":\"deleted\"}",
                    dv_root(op), t->set, next->id);
    }
    sqlite3_finalize(s);
}

void dv_track_delta(struct dv_op *op, const struct dv_table *t, const struct dv_select *sel, const char *token)
{
    struct strbuf sql = { 0 };
    struct dv_cookie from, next;
    struct dv_reader rd;
    sqlite3_stmt *s;
    int64_t version, size = page_size(op), n = 0, deleted_after;
    bool more = false, paging;

    if (!read_token(op, token, &version) || !dv_cookie_read(op, dv_option(op, "$skiptoken"), &from, &paging)) {
        dv_answer_fail(op);
        return;
    }
    next = (struct dv_cookie){ .page = from.page + 1, .tracking = true };
    next.to_version = paging ? from.to_version : op->e->dv->version;
    next.taken_ms = paging ? from.taken_ms : emu_now_ms(op->e);
    next.from_version = paging ? from.from_version : version;
    deleted_after = paging && from.deletes ? from.from_version : version;
    dv_begin_json(op);
    strbuf_addf(&op->r->body, "{\"@odata.context\":\"%s/$metadata#%s/$delta\",\"value\":[", dv_root(op),
                sel->context);
    if (!paging || !from.deletes) {
        dv_reader_sql(&rd, op, t, sel, &sql);
        strbuf_addf(&sql,
                    " from \"dv_%s\" t0 where t0.versionnumber > ?1 and t0.versionnumber <= ?2 order by "
                    "t0.versionnumber limit %" PRId64,
                    t->logical, size + 1);
        s = dv_prepare(op->e, sql.buf);
        sqlite3_bind_int64(s, 1, next.from_version);
        sqlite3_bind_int64(s, 2, next.to_version);
        n = add_rows(op, t, sel, &rd, s, size, &next, &next.from_version, &more);
        sqlite3_finalize(s);
    }
    if (!more)
        add_deleted(op, t, &next, deleted_after, &n, size, &more);
    if (more && !next.deletes && n < size)
        next.deletes = true;
    strbuf_addc(&op->r->body, ']');
    if (more) {
        if (!next.id[0])
            snprintf(next.id, sizeof(next.id), "%s", op->e->dv->root_bu);
        dv_add_next_link(op, t, &next);
    } else {
        add_delta_link(op, t, next.to_version, next.taken_ms);
    }
    strbuf_addc(&op->r->body, '}');
    strbuf_release(&sql);
}

void dv_track_count(struct dv_op *op, const struct dv_table *t, const char *token)
{
    int64_t version, n = 0;
    char sql[240];
    sqlite3_stmt *s;

    if (!t->change_tracking)
        dv_refuse(&op->fail, 400, "0x80072491", "Entity %s isn't enabled for change tracking.", t->logical);
    if (!t->change_tracking || !read_token(op, token, &version)) {
        dv_answer_fail(op);
        return;
    }
    snprintf(sql, sizeof(sql),
             "select (select count(*) from \"dv_%s\" where versionnumber > ?1) + "
             "(select count(*) from dv_deleted where tbl = ?2 and version > ?1)",
             t->logical);
    s = dv_prepare(op->e, sql);
    sqlite3_bind_int64(s, 1, version);
    dv_bind(s, 2, t->logical);
    if (dv_step(op->e, s))
        n = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    dv_plain_number(op, n);
}

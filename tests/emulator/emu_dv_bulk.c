/*
 * CreateMultiple, UpdateMultiple, UpsertMultiple on standard tables: one transaction each, all or nothing. Source: "Use bulk
 * operation messages", "Bulk operation messages: CreateMultiple, UpdateMultiple, UpsertMultiple, DeleteMultiple".
 *
 * All targets are read, and what they refer to is looked up, before the first one is written: a row cannot refer to
 * another one that the same call creates.
 */
#include "emu_dv.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum message { CREATE, UPDATE, UPSERT };

struct target {
    struct dv_change ch;
    struct dv_address ad; /* UpsertMultiple with @odata.id */
    bool has_address, exists, skip;
    bool key_in_body; /* a column of the address's key stands in the body, too */
    char id[37]; /* "" = to be made */
};
struct bulk {
    struct dv_op *op;
    const struct dv_table *t;
    enum message message;
    struct target *v;
    size_t n;
};

bool dv_bulk_supported(const struct emu *e, const struct dv_table *t)
{
    return t->bulk && !EMU_KNOB(e, dv_no_bulk_any) &&
           !(EMU_KNOB(e, dv_no_upsert_account) && !strcmp(t->logical, "account"));
}

static const char *text_of(yajl_val object, const char *name)
{
    const char *path[] = { name, NULL };

    return YAJL_GET_STRING(yajl_tree_get(object, path, yajl_t_string));
}

static bool check_type(struct bulk *b, yajl_val object)
{
    const char *type = text_of(object, "@odata.type");
    char wanted[200];

    snprintf(wanted, sizeof(wanted), "Microsoft.Dynamics.CRM.%s", b->t->logical);
    if (type && !strcmp(type + (*type == '#'), wanted))
        return true;
    if (type)
        return dv_payload(&b->op->fail, b->t,
                          "Microsoft.OData.ODataException: A type named '%.120s' is not the type of this collection.",
                          type);
    return dv_payload(&b->op->fail, b->t,
                      "Microsoft.OData.ODataException: The type of an element of the property 'Targets' cannot be "
                      "determined: '@odata.type' is missing.");
}

/* ---- who is meant ---- */

static bool identify_upsert(struct bulk *b, struct target *x, yajl_val object)
{
    struct dv_op *op = b->op;
    const char *address = text_of(object, "@odata.id");

    if (!address) {
        if (x->ch.id)
            snprintf(x->id, sizeof(x->id), "%s", x->ch.id);
        x->exists = x->ch.id && dv_exists(op->e, b->t, x->id);
        return true;
    }
    if (!dv_address_parse(op, address, strlen(address), DV_IN_ODATA_ID, &x->ad))
        return false;
    if (x->ad.t != b->t)
        return dv_payload(&op->fail, b->t, "The '@odata.id' of a target belongs to another table: '%.60s'.",
                          x->ad.t->set);
    x->has_address = true;
    if (x->ad.key) {
        x->exists = dv_key_find(op->e, b->t, x->ad.key, x->ad.values, x->id);
        for (size_t i = 0; i < x->ad.key->n; i++)
            x->key_in_body = x->key_in_body || x->ch.set[x->ad.key->cols[i]];
    } else {
        snprintf(x->id, sizeof(x->id), "%s", x->ad.id);
        x->exists = dv_exists(op->e, b->t, x->id);
        x->key_in_body = x->ch.id != NULL;
    }
    return true;
}

static bool identify(struct bulk *b, struct target *x, yajl_val object)
{
    struct dv_op *op = b->op;

    switch (b->message) {
    case CREATE:
        if (text_of(object, "@odata.id"))
            return dv_payload(&op->fail, b->t, "'@odata.id' is not allowed in the targets of CreateMultiple.");
        if (x->ch.id)
            snprintf(x->id, sizeof(x->id), "%s", x->ch.id);
        return true;
    case UPDATE:
        if (!x->ch.id)
            return dv_refuse(
                &op->fail, 400, "0x80040203",
                "Every target of UpdateMultiple must contain the primary key '%s'; alternate keys are not "
                "supported here.",
                b->t->cols[0].name);
        snprintf(x->id, sizeof(x->id), "%s", x->ch.id);
        x->exists = true;
        return true;
    default: return identify_upsert(b, x, object);
    }
}

/* ---- duplicates in one call ---- */

/* Text that two targets share exactly when they mean the same row; empty = a row of its own. */
static void identity(const struct target *x, struct strbuf *out)
{
    strbuf_reset(out);
    if (x->has_address && x->ad.key && !x->exists)
        for (size_t i = 0; i < x->ad.key->n; i++) {
            strbuf_addf(out, "|%d=", x->ad.key->cols[i]);
            dv_fold(out, x->ad.values[i], strlen(x->ad.values[i]));
        }
    else
        strbuf_adds(out, x->id);
}

struct named {
    char *text;
    size_t at;
};

static int by_text(const void *a, const void *b)
{
    const struct named *x = a, *y = b;
    int d = strcmp(x->text, y->text);

    return d ? d : x->at < y->at ? -1 : 1;
}

/* Marks every target that means the same row as an earlier one; *ret_any = there is one. */
static void find_duplicates(struct bulk *b, bool *ret_any)
{
    struct named *names = arena_alloc(b->op->a, (b->n + 1) * sizeof(*names));
    struct strbuf s = { 0 };

    *ret_any = false;
    for (size_t i = 0; i < b->n; i++) {
        identity(&b->v[i], &s);
        names[i] = (struct named){ arena_dup(b->op->a, strbuf_str(&s), s.len), i };
    }
    qsort(names, b->n, sizeof(*names), by_text);
    for (size_t i = 1; i < b->n; i++)
        if (*names[i].text && !strcmp(names[i].text, names[i - 1].text))
            b->v[names[i].at].skip = *ret_any = true;
    strbuf_release(&s);
}

static bool check_duplicates(struct bulk *b)
{
    bool any;

    find_duplicates(b, &any);
    if (!any || b->message == UPDATE) /* the first one counts, without a word */
        return true;
    for (size_t i = 0; i < b->n; i++)
        b->v[i].skip = false;
    if (b->message == CREATE)
        return dv_refuse(&b->op->fail, 412, "0x80040237", "A record with matching key values already exists.");
    if (EMU_KNOB(b->op->e, dv_duplicate_in_call_412))
        return dv_refuse(&b->op->fail, 412, "0x80060892",
                         "A record with matching key values already exists in the same request.");
    return dv_refuse(&b->op->fail, 400, "0x80040237", "Cannot insert duplicate key.");
}

/* ---- writing ---- */

static bool check_all_there(struct bulk *b)
{
    struct strbuf missing = { 0 };
    size_t n = 0;
    const char *first = "";

    for (size_t i = 0; i < b->n; i++)
        if (!b->v[i].skip && !dv_exists(b->op->e, b->t, b->v[i].id)) {
            first = b->v[i].id;
            strbuf_addf(&missing, "%s%s", n++ ? "," : "", first);
        }
    if (n > 1)
        dv_refuse(&b->op->fail, 404, "0x80040217", "%s With Ids = %.1000s Do Not Exist", b->t->display,
                  strbuf_str(&missing));
    else if (n)
        dv_refuse(&b->op->fail, 404, "0x80040217", "%s With Ids = %s Do Not Exist", b->t->display, first);
    strbuf_release(&missing);
    return !n;
}

static bool write_upsert(struct bulk *b, struct target *x)
{
    const struct dv_key *k = x->has_address ? x->ad.key : NULL;
    struct dv_op *op = b->op;

    for (size_t i = 0; k && i < k->n; i++) {
        int col = k->cols[i];

        if (x->exists) {
            x->ch.set[col] = false;
        } else if (dv_is_lookup(&b->t->cols[col])) {
            const char *target = b->t->cols[col].navs[0].target;
            const struct dv_table *to = dv_table_by_logical(op->e, target, strlen(target));

            if (to && !dv_exists(op->e, to, x->ad.values[i]))
                return dv_not_there(&op->fail, to, x->ad.values[i]);
            dv_set_lookup(op, b->t, col, to, x->ad.values[i], &x->ch);
        } else {
            x->ch.set[col] = true;
            x->ch.v[col] = x->ad.values[i];
        }
    }
    if (x->exists)
        return dv_update(op, b->t, x->id, &x->ch);
    if (x->key_in_body)
        return dv_refuse(&op->fail, 400, "0x80040216", "An unexpected error occurred.");
    return dv_create(op, b->t, x->id[0] ? x->id : NULL, &x->ch, x->id);
}

static bool write_one(struct bulk *b, struct target *x)
{
    if (x->skip)
        return true;
    if (b->message == CREATE && x->id[0] && EMU_KNOB(b->op->e, dv_forget_rows)) {
        b->op->created++;
        b->op->rows++;
        return true;
    }
    switch (b->message) {
    case CREATE: return dv_create(b->op, b->t, x->id[0] ? x->id : NULL, &x->ch, x->id);
    case UPDATE: return dv_update(b->op, b->t, x->id, &x->ch);
    default: return write_upsert(b, x);
    }
}

/* The platform stops a message after two minutes. */
static bool check_time(struct bulk *b)
{
    int64_t row_us = EMU_KNOB(b->op->e, dv_row_us);

    if (row_us * (int64_t)b->n <= INT64_C(120000000))
        return true;
    b->op->rows += 120000000 / row_us;
    return dv_refuse(&b->op->fail, 500, "0x80044151",
                     "SQL timeout expired. Sql Number: -2, CRM ErrorCode: -2147204783 Sql ErrorCode: -2146232060");
}

static bool read_targets(struct bulk *b, yajl_val body)
{
    static const char *PATH[] = { "Targets", NULL };
    yajl_val list = yajl_tree_get(body, PATH, yajl_t_array);

    if (!list || YAJL_GET_OBJECT(body)->len != 1)
        return dv_payload(&b->op->fail, b->t, "Microsoft.OData.ODataException: The parameter 'Targets' is missing.");
    b->n = YAJL_GET_ARRAY(list)->len;
    if (!b->n)
        return dv_refuse(&b->op->fail, 400, "0x80040203", "The parameter 'Targets' must not be empty.");
    if (!check_time(b))
        return false;
    b->v = arena_zalloc(b->op->a, b->n * sizeof(*b->v));
    for (size_t i = 0; i < b->n; i++) {
        yajl_val object = YAJL_GET_ARRAY(list)->values[i];

        if (!YAJL_IS_OBJECT(object))
            return dv_payload(&b->op->fail, b->t,
                              "Microsoft.OData.ODataException: An element of 'Targets' is not an "
                              "object.");
        if (!check_type(b, object) || !dv_change_read(b->op, b->t, object, b->message == CREATE, &b->v[i].ch) ||
            !identify(b, &b->v[i], object))
            return false;
    }
    return check_duplicates(b) && (b->message != UPDATE || check_all_there(b));
}

static void answer(struct bulk *b)
{
    struct dv_op *op = b->op;

    if (b->message != CREATE) {
        dv_answer_none(op);
        return;
    }
    dv_begin_json(op);
    strbuf_addf(&op->r->body,
                "{\"@odata.context\":\"%s/$metadata#Microsoft.Dynamics.CRM.CreateMultipleResponse\",\"Ids\":[",
                dv_root(op));
    for (size_t i = 0; i < b->n; i++)
        strbuf_addf(&op->r->body, "%s\"%s\"", i ? "," : "", b->v[i].id);
    strbuf_adds(&op->r->body, "]}");
}

void dv_bulk(struct dv_op *op, const struct dv_table *t, const char *message, size_t n)
{
    static const char *const NAMES[] = { "CreateMultiple", "UpdateMultiple", "UpsertMultiple" };
    struct bulk b = { .op = op, .t = t };
    yajl_val body = NULL;
    size_t k = 0;
    bool ok;

    while (k < COUNT(NAMES) && strcmp(NAMES[k], message) != 0)
        k++;
    if (!strcmp(message, "DeleteMultiple")) {
        dv_refuse(&op->fail, 501, "0x80040203", "DeleteMultiple has not yet been implemented.");
        dv_answer_fail(op);
        return;
    }
    if (k == COUNT(NAMES) || !dv_bulk_supported(op->e, t) || strcmp(op->q->method, "POST") != 0) {
        dv_refuse(&op->fail, 404, "0x8006088a", "Resource not found for the segment 'Microsoft.Dynamics.CRM.%.*s'.",
                  (int)(n > 60 ? 60 : n), message);
        dv_answer_fail(op);
        return;
    }
    b.message = (enum message)k;
    emu_count(op->e, "dv.bulk.calls", 1);
    dv_savepoint(op->e, "dv_op");
    ok = dv_read_body(op, t, &body) && read_targets(&b, body);
    for (size_t i = 0; i < b.n && ok; i++)
        ok = write_one(&b, &b.v[i]);
    if (ok) {
        dv_release(op->e, "dv_op");
        answer(&b);
    } else {
        dv_rollback(op->e, "dv_op");
        op->created = op->updated = op->unchanged = op->same_columns = 0;
        dv_answer_fail(op);
    }
    yajl_tree_free(body);
}

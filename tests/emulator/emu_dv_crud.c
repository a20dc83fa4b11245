/*
 * One row: POST to a set; GET, PATCH, DELETE of set(key); single properties. Sources: "Create", "Retrieve", "Update and
 * delete table rows using the Web API", "Perform conditional operations using the Web API".
 */
#include "emu_dv.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct one {
    struct dv_op *op;
    struct dv_address ad;
    struct dv_select select;
    char id[37];
    const char *row_version; /* of an existing row */
};

/* ---- conditions ---- */

static const char *condition(const struct dv_op *op, const char *name)
{
    const char *v = emu_header(op->q, name);

    return v && strcasecmp(v, "null") != 0 && *v ? v : NULL;
}

/* W/"470867" -> 470867; NULL = not of that shape. */
static const char *version_of(struct dv_op *op, const char *etag)
{
    size_t n = strlen(etag);

    if (n < 5 || strncmp(etag, "W/\"", 3) != 0 || etag[n - 1] != '"')
        return NULL;
    return arena_dup(op->a, etag + 3, n - 4);
}

static bool find(struct one *o, bool *ret_found)
{
    struct dv_op *op = o->op;
    const char **row;

    *ret_found = dv_address_find(op, &o->ad, o->id);
    if (*ret_found) {
        row = dv_load(op->e, o->ad.t, o->id, op->a);
        o->row_version = row ? row[o->ad.t->version] : NULL;
    }
    return true;
}

/* If-Match with a version: 412 unless it is the row's. */
static bool check_if_match(struct one *o)
{
    struct dv_op *op = o->op;
    const char *v = condition(op, "If-Match");

    if (!v || !strcmp(v, "*") || EMU_KNOB(op->e, dv_etag_ignored))
        return true;
    v = version_of(op, v);
    if (!v)
        return dv_refuse(&op->fail, 400, "0x80060883", "The ETag of If-Match is not valid.");
    if (strcmp(v, o->row_version) != 0)
        return dv_refuse(&op->fail, 412, "0x80060882",
                         "The version of the existing record doesn't match the RowVersion property provided.");
    return true;
}

/* ---- answers ---- */

static void remember(struct dv_op *op, const char *address)
{
    const char *content_id = emu_header(op->q, "Content-ID");
    struct dv_ref *refs;

    if (!op->in_batch || !content_id)
        return;
    refs = arena_alloc(op->a, (op->n_refs + 1) * sizeof(*refs));
    if (op->n_refs)
        memcpy(refs, op->refs, op->n_refs * sizeof(*refs));
    refs[op->n_refs++] = (struct dv_ref){ content_id, address };
    op->refs = refs;
}

static void answer_row(struct one *o, int status, const char *kind)
{
    struct dv_op *op = o->op;
    const char **row = dv_load(op->e, o->ad.t, o->id, op->a);

    dv_begin_json(op);
    op->r->status = status;
    emu_add_header(op->r, op->q, "ETag", "W/\"%s\"", row[o->ad.t->version]);
    dv_row_json(op, &op->r->body, o->ad.t, &o->select, row,
                arena_printf(op->a, "%s/$metadata#%s/%s", dv_root(op), o->select.context, kind));
}

static void answer_written(struct one *o, bool created, const char *address)
{
    struct dv_op *op = o->op;

    remember(op, arena_printf(op->a, "%s(%s)", o->ad.t->set, o->id));
    if (op->wants_representation) {
        answer_row(o, created ? 201 : 200, "$entity");
        emu_add_header(op->r, op->q, "Preference-Applied", "return=representation");
        return;
    }
    dv_answer_none(op);
    if (!strcmp(op->q->method, "POST"))
        emu_add_header(op->r, op->q, "Location", "%s/%s", dv_root(op), address);
    emu_add_header(op->r, op->q, "OData-EntityId", "%s/%s", dv_root(op), address);
}

static bool parse_select(struct one *o)
{
    struct dv_op *op = o->op;
    static const char *const ALLOWED[] = { "$select", "$expand" };

    return dv_check_options(op, ALLOWED, COUNT(ALLOWED)) &&
           dv_select_parse(op, o->ad.t, dv_option(op, "$select"), dv_option(op, "$expand"), &o->select);
}

/* ---- writes ---- */

static void post(struct one *o)
{
    struct dv_op *op = o->op;
    struct dv_change ch;
    yajl_val body = NULL;
    bool ok;

    dv_savepoint(op->e, "dv_op");
    ok = parse_select(o) && dv_read_body(op, o->ad.t, &body) && dv_change_read(op, o->ad.t, body, true, &ch) &&
         dv_create(op, o->ad.t, ch.id, &ch, o->id);
    if (ok) {
        dv_release(op->e, "dv_op");
        emu_count(op->e, "dv.writes.single", 1);
        answer_written(o, true, arena_printf(op->a, "%s(%s)", o->ad.t->set, o->id));
    } else {
        dv_rollback(op->e, "dv_op");
        op->created = op->updated = op->unchanged = op->same_columns = 0;
        dv_answer_fail(op);
    }
    yajl_tree_free(body);
}

/* Key columns: not part of an update; in a new row the body wins over the address. */
static void merge_key(struct one *o, struct dv_change *ch, bool exists)
{
    const struct dv_key *k = o->ad.key;

    for (size_t i = 0; k && i < k->n; i++) {
        int col = k->cols[i];

        if (exists) {
            ch->set[col] = false;
        } else if (!ch->set[col]) {
            if (dv_is_lookup(&o->ad.t->cols[col])) {
                const char *target = o->ad.t->cols[col].navs[0].target;

                dv_set_lookup(o->op, o->ad.t, col, dv_table_by_logical(o->op->e, target, strlen(target)),
                              o->ad.values[i], ch);
            } else {
                ch->set[col] = true;
                ch->v[col] = o->ad.values[i];
            }
        }
    }
}

/* Ids in the address of a row that is going to be created have to exist, too. */
static bool check_key_targets(struct one *o)
{
    const struct dv_key *k = o->ad.key;

    for (size_t i = 0; k && i < k->n; i++) {
        const struct dv_col *c = &o->ad.t->cols[k->cols[i]];
        const struct dv_table *to;

        if (!dv_is_lookup(c))
            continue;
        to = dv_table_by_logical(o->op->e, c->navs[0].target, strlen(c->navs[0].target));
        if (to && !dv_exists(o->op->e, to, o->ad.values[i]))
            return dv_not_there(&o->op->fail, to, o->ad.values[i]);
    }
    return true;
}

static bool write_row(struct one *o, yajl_val body, bool *ret_created)
{
    struct dv_op *op = o->op;
    const char *if_match = condition(op, "If-Match"), *if_none = condition(op, "If-None-Match");
    struct dv_change ch;
    bool found;

    if (!find(o, &found))
        return false;
    if (!found && if_match)
        return false; /* the failure is the one of the search */
    if (!found && op->fail.code[0] && strcmp(op->fail.code, "0x80040217") != 0 &&
        strcmp(op->fail.code, "0x80060891") != 0)
        return false;
    op->fail.status = 0;
    if (found && if_none && !strcmp(if_none, "*"))
        return dv_refuse(&op->fail, 412, "0x80040237", "A record with matching key values already exists.");
    if (found && !check_if_match(o))
        return false;
    if (!dv_change_read(op, o->ad.t, body, !found, &ch))
        return false;
    merge_key(o, &ch, found);
    *ret_created = !found;
    if (found)
        return dv_update(op, o->ad.t, o->id, &ch);
    return check_key_targets(o) && dv_create(op, o->ad.t, ch.id ? ch.id : o->ad.key ? NULL : o->ad.id, &ch, o->id);
}

static void patch(struct one *o)
{
    struct dv_op *op = o->op;
    yajl_val body = NULL;
    bool created = false, ok;

    dv_savepoint(op->e, "dv_op");
    ok = parse_select(o) && dv_read_body(op, o->ad.t, &body) && write_row(o, body, &created);
    if (ok) {
        dv_release(op->e, "dv_op");
        emu_count(op->e, "dv.writes.single", 1);
        answer_written(o, created, o->ad.text);
    } else {
        dv_rollback(op->e, "dv_op");
        op->created = op->updated = op->unchanged = op->same_columns = 0;
        dv_answer_fail(op);
    }
    yajl_tree_free(body);
}

/* Keeps what was done, or undoes it; answers without contents. */
static void finish_single(struct dv_op *op, bool ok)
{
    if (ok) {
        dv_release(op->e, "dv_op");
        emu_count(op->e, "dv.writes.single", 1);
        dv_answer_none(op);
    } else {
        dv_rollback(op->e, "dv_op");
        op->deleted = op->updated = op->unchanged = 0;
        dv_answer_fail(op);
    }
}

static void delete_row(struct one *o)
{
    struct dv_op *op = o->op;
    bool found, ok;

    dv_savepoint(op->e, "dv_op");
    ok = find(o, &found) && found && check_if_match(o) && dv_delete(op, o->ad.t, o->id);
    finish_single(op, ok);
}

/* ---- reads ---- */

static void get(struct one *o)
{
    struct dv_op *op = o->op;
    const char *if_none = condition(op, "If-None-Match"), *v;
    bool found;

    if (!parse_select(o) || !find(o, &found) || !found) {
        dv_answer_fail(op);
        return;
    }
    v = if_none ? version_of(op, if_none) : NULL;
    if (v && !strcmp(v, o->row_version) && !o->select.n_expand && !op->annotations) {
        op->r->status = 304;
        return;
    }
    answer_row(o, 200, "$entity");
    if (op->annotations)
        emu_add_header(op->r, op->q, "Preference-Applied", "odata.include-annotations=\"%.200s\"", op->annotations);
}

/* ---- single properties and references ---- */

static bool property_of(struct one *o, const char *name, size_t n, int *ret_col)
{
    const struct dv_table *t = o->ad.t;

    *ret_col = dv_col_by_value_name(t, name, n);
    if (*ret_col < 0)
        *ret_col = dv_col_by_name(t, name, n);
    if (*ret_col >= 0 && t->cols[*ret_col].role != DV_HIDDEN && (!dv_is_lookup(&t->cols[*ret_col]) || *name == '_'))
        return true;
    return dv_no_segment(&o->op->fail, name, n);
}

static void get_property(struct one *o, int col, bool raw)
{
    struct dv_op *op = o->op;
    const struct dv_table *t = o->ad.t;
    const char **row = dv_load(op->e, t, o->id, op->a);

    if (!row[col]) {
        dv_answer_none(op);
        return;
    }
    dv_begin_json(op);
    if (raw) {
        op->r->headers[op->r->n_headers - 1].value = "text/plain";
        strbuf_adds(&op->r->body, row[col]);
        return;
    }
    strbuf_addf(&op->r->body, "{\"@odata.context\":\"%s/$metadata#%s(%s)/%s\",\"value\":", dv_root(op), t->set, o->id,
                t->cols[col].name);
    dv_value_json(&op->r->body, &t->cols[col], row[col]);
    strbuf_addc(&op->r->body, '}');
}

static bool set_property(struct one *o, int col, bool clear)
{
    struct dv_op *op = o->op;
    static const char *const PATH[] = { "value", NULL };
    struct dv_change ch;
    yajl_val body = NULL, v;
    bool ok = true;

    dv_change_init(op, o->ad.t, &ch);
    ch.set[col] = true;
    if (dv_is_lookup(&o->ad.t->cols[col]) || o->ad.t->cols[col].role == DV_PK)
        return dv_payload(&op->fail, o->ad.t, "The property '%s' cannot be set this way.", o->ad.t->cols[col].name);
    if (!clear) {
        ok = dv_read_body(op, o->ad.t, &body);
        v = ok ? yajl_tree_get(body, (const char **)(uintptr_t)PATH, yajl_t_any) : NULL;
        if (ok && !v)
            ok = dv_payload(&op->fail, o->ad.t, "The payload has no property 'value'.");
        ok = ok && dv_value_from_json(op, o->ad.t, col, v, &ch.v[col]);
    }
    ok = ok && dv_update(op, o->ad.t, o->id, &ch);
    yajl_tree_free(body);
    return ok;
}

/* DELETE set(id)/nav/$ref clears a lookup; PUT with {"@odata.id": ...} sets it. */
static bool set_reference(struct one *o, const char *nav, size_t n)
{
    struct dv_op *op = o->op;
    static const char *const PATH[] = { "@odata.id", NULL };
    const char *target, *to;
    int col = dv_col_by_nav(o->ad.t, nav, n, &target);
    struct dv_change ch;
    struct dv_address ad;
    yajl_val body = NULL, v;
    char id[37];
    bool ok;

    if (col < 0)
        return dv_no_segment(&op->fail, nav, n);
    dv_change_init(op, o->ad.t, &ch);
    if (!strcmp(op->q->method, "DELETE")) {
        ok = dv_set_lookup(op, o->ad.t, col, NULL, NULL, &ch);
    } else {
        ok = dv_read_body(op, o->ad.t, &body);
        v = ok ? yajl_tree_get(body, (const char **)(uintptr_t)PATH, yajl_t_string) : NULL;
        to = YAJL_GET_STRING(v);
        if (ok && !to)
            ok = dv_payload(&op->fail, o->ad.t, "The payload has no property '@odata.id'.");
        ok = ok && dv_address_parse(op, to, strlen(to), DV_IN_BIND, &ad) && dv_address_find(op, &ad, id) &&
             dv_set_lookup(op, o->ad.t, col, ad.t, id, &ch);
    }
    ok = ok && dv_update(op, o->ad.t, o->id, &ch);
    yajl_tree_free(body);
    return ok;
}

static void write_part(struct one *o, const char *rest)
{
    struct dv_op *op = o->op;
    const char *slash = strchr(rest, '/');
    size_t n = slash ? (size_t)(slash - rest) : strlen(rest);
    bool clear = !strcmp(op->q->method, "DELETE"), ok = false;
    int col;

    dv_savepoint(op->e, "dv_op");
    if (slash && !strcmp(slash, "/$ref"))
        ok = set_reference(o, rest, n);
    else if (slash)
        dv_no_segment(&op->fail, rest, strlen(rest));
    else
        ok = property_of(o, rest, n, &col) && set_property(o, col, clear);
    finish_single(op, ok);
}

static void part(struct one *o, const char *rest)
{
    struct dv_op *op = o->op;
    const char *slash = strchr(rest, '/'), *target = NULL;
    size_t n = slash ? (size_t)(slash - rest) : strlen(rest);
    bool found;
    int col;

    if (!find(o, &found) || !found) {
        dv_answer_fail(op);
        return;
    }
    if (!strcmp(op->q->method, "PUT") || !strcmp(op->q->method, "DELETE")) {
        write_part(o, rest);
        return;
    }
    if (strcmp(op->q->method, "GET") != 0) {
        dv_refuse(&op->fail, 405, "0x0", "The requested resource does not support http method '%.10s'.",
                  op->q->method);
        dv_answer_fail(op);
        return;
    }
    col = slash ? -1 : dv_col_by_nav(o->ad.t, rest, n, &target);
    if (col >= 0) { /* the row behind a lookup */
        const char **row = dv_load(op->e, o->ad.t, o->id, op->a);
        const char *hidden = o->ad.t->cols[col].target_col >= 0 ? row[o->ad.t->cols[col].target_col] : target;
        struct one to = { .op = op };

        if (!row[col]) {
            dv_answer_none(op);
            return;
        }
        to.ad.t = dv_table_by_logical(op->e, hidden, strlen(hidden));
        snprintf(to.ad.id, sizeof(to.ad.id), "%s", row[col]);
        get(&to);
        return;
    }
    if ((slash && strcmp(slash, "/$value") != 0) || !property_of(o, rest, n, &col)) {
        dv_no_segment(&op->fail, rest, strlen(rest));
        dv_answer_fail(op);
        return;
    }
    get_property(o, col, slash != NULL);
}

void dv_crud(struct dv_op *op, const char *address, size_t n, const char *rest)
{
    struct one o = { .op = op };
    const char *method = op->q->method;
    char *tail;
    size_t m;

    if (!rest) { /* POST to a set */
        o.ad.t = dv_table_by_set(op->e, address, n);
        post(&o);
        return;
    }
    tail = dv_percent_decode(op->a, rest, strlen(rest), &m);
    if (!tail)
        dv_bad_syntax(&op->fail);
    if (!tail || !dv_address_parse(op, address, n, DV_IN_URL, &o.ad)) {
        dv_answer_fail(op);
        return;
    }
    if (*tail) {
        part(&o, tail);
    } else if (!strcmp(method, "GET")) {
        get(&o);
    } else if (!strcmp(method, "PATCH")) {
        patch(&o);
    } else if (!strcmp(method, "DELETE")) {
        delete_row(&o);
    } else {
        dv_refuse(&op->fail, 405, "0x0", "The requested resource does not support http method '%.10s'.", method);
        dv_answer_fail(op);
    }
}

/*
 * The admin port: what a test or a demonstration needs beside the services. Knobs, clock, faults, counters, dumps of
 * both sides, and "a user edits a record". JSON in and out, no sign-in; it listens on loopback only.
 */
#include "emu_dmf.h"
#include "emu_dualwrite.h"
#include "emu_dv.h"
#include "emu_fault.h"
#include "emu_fno.h"
#include "emu_store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MSG = 1024 };

struct admin {
    struct emu *e;
    struct emu_request *q;
    struct emu_response *r;
    yajl_val body;
};

static void answer(struct admin *a, int status)
{
    a->r->status = status;
    emu_add_header(a->r, a->q, "Content-Type", "application/json");
}

static void refuse(struct admin *a, int status, const char *msg)
{
    answer(a, status);
    strbuf_reset(&a->r->body);
    strbuf_adds(&a->r->body, "{\"error\":");
    emu_json_str(&a->r->body, msg, strlen(msg));
    strbuf_adds(&a->r->body, "}\n");
}

static void done(struct admin *a)
{
    answer(a, 200);
    strbuf_adds(&a->r->body, "{\"ok\":true}\n");
}

/* ---- reading the body ---- */
static yajl_val member(yajl_val o, const char *name)
{
    const char *path[] = { name, NULL };

    return YAJL_IS_OBJECT(o) ? yajl_tree_get(o, path, yajl_t_any) : NULL;
}

/* Texts, numbers and booleans as text; NULL = null. False: something else. */
static bool scalar(yajl_val v, const char **ret)
{
    *ret = YAJL_IS_STRING(v)   ? YAJL_GET_STRING(v)
           : YAJL_IS_NUMBER(v) ? YAJL_GET_NUMBER(v)
           : YAJL_IS_TRUE(v)   ? "true"
           : YAJL_IS_FALSE(v)  ? "false"
                               : NULL;
    return *ret || YAJL_IS_NULL(v);
}

static const char *text(yajl_val o, const char *name)
{
    const char *s = NULL;

    return scalar(member(o, name), &s) && s ? s : NULL;
}

/* An object's members; false = it is none, or has something else than scalars. An absent one is empty. */
static bool values_of(struct admin *a, yajl_val o, struct emu_value **ret, size_t *ret_n)
{
    size_t n = YAJL_IS_OBJECT(o) ? YAJL_GET_OBJECT(o)->len : 0;

    *ret = arena_zalloc(a->q->arena, (n + 1) * sizeof(**ret));
    *ret_n = n;
    for (size_t i = 0; i < n; i++) {
        (*ret)[i].name = YAJL_GET_OBJECT(o)->keys[i];
        if (!scalar(YAJL_GET_OBJECT(o)->values[i], &(*ret)[i].value))
            return false;
    }
    return !o || YAJL_IS_OBJECT(o);
}

/* ---- state of the emulator ---- */
static void counters(struct admin *a)
{
    sqlite3_stmt *s = emu_select(a->e, "select name, value from emu_counter order by name", "");
    const char *between = "{";

    answer(a, 200);
    for (; emu_step(a->e, s); between = ",") {
        strbuf_adds(&a->r->body, between);
        emu_json_str(&a->r->body, emu_text(s, 0), strlen(emu_text(s, 0)));
        strbuf_addf(&a->r->body, ":%" PRId64, (int64_t)sqlite3_column_int64(s, 1));
    }
    strbuf_adds(&a->r->body, "}\n");
}

static void limits(struct admin *a)
{
    answer(a, 200);
    dv_limits_json(a->e, &a->r->body);
    strbuf_addc(&a->r->body, '\n');
}

static void knobs(struct admin *a)
{
    size_t n = YAJL_IS_OBJECT(a->body) ? YAJL_GET_OBJECT(a->body)->len : 0;

    for (size_t i = 0; i < n; i++) {
        yajl_val v = YAJL_GET_OBJECT(a->body)->values[i];
        int64_t value = YAJL_IS_INTEGER(v) ? YAJL_GET_INTEGER(v) : YAJL_IS_TRUE(v);

        if ((!YAJL_IS_INTEGER(v) && !YAJL_IS_TRUE(v) && !YAJL_IS_FALSE(v)) ||
            !emu_knob_set(a->e, YAJL_GET_OBJECT(a->body)->keys[i], value)) {
            refuse(a, 400,
                   arena_printf(a->q->arena, "no such knob, or no number: %s", YAJL_GET_OBJECT(a->body)->keys[i]));
            return;
        }
    }
    answer(a, 200);
    emu_knobs_json(a->e, &a->r->body);
    strbuf_addc(&a->r->body, '\n');
}

static void clock_moves(struct admin *a)
{
    yajl_val v = member(a->body, "advance_ms");
    char now[32];

    if (v && (!YAJL_IS_INTEGER(v) || YAJL_GET_INTEGER(v) < 0)) {
        refuse(a, 400, "advance_ms is a number of milliseconds, and time does not run backwards");
        return;
    }
    a->e->time_offset_ms += v ? YAJL_GET_INTEGER(v) : 0;
    clock_format_utc(emu_now_ms(a->e), now);
    answer(a, 200);
    strbuf_addf(&a->r->body, "{\"now\":\"%s\",\"now_ms\":%" PRId64 "}\n", now, emu_now_ms(a->e));
}

static void faults(struct admin *a, bool set)
{
    char msg[MSG] = "";

    if (set && !emu_fault_load(a->e, a->q->body, a->q->body_len, msg, sizeof(msg))) {
        refuse(a, 400, msg);
        return;
    }
    a->r->status = 200;
    emu_add_header(a->r, a->q, "Content-Type", "text/plain");
    strbuf_adds(&a->r->body, emu_fault_text(a->e));
}

static void certificate(struct admin *a)
{
    if (emu_login_register(a->e, a->q->body, a->q->body_len))
        done(a);
    else
        refuse(a, 400, "the body is not a certificate in PEM form");
}

/* ---- the Finance & Operations side ---- */
static void add_escaped(struct strbuf *b, const char *s)
{
    for (; *s; s++)
        switch (*s) {
        case '\\': strbuf_adds(b, "\\\\"); break;
        case '|': strbuf_adds(b, "\\|"); break;
        case '\n': strbuf_adds(b, "\\n"); break;
        case '\r': strbuf_adds(b, "\\r"); break;
        default: strbuf_addc(b, *s);
        }
}

struct dump {
    const struct emu_entity *en;
    struct strbuf *out;
};

static bool dump_row(void *arg, const struct emu_fno_row *row)
{
    struct dump *d = arg;
    bool any = false;

    strbuf_addf(d->out, "%s|%s|", d->en->label, row->company);
    for (size_t i = 0; i < d->en->n; i++)
        if (d->en->fields[i].key) {
            strbuf_adds(d->out, any ? "," : "");
            add_escaped(d->out, row->values[i]);
            any = true;
        }
    for (size_t i = 0; i < d->en->n; i++) {
        const struct emu_field *f = &d->en->fields[i];

        if (f->key || f->sequence) /* numbers from sequences follow the order of arrival, not the contents */
            continue;
        strbuf_addf(d->out, "|%s=", f->name);
        add_escaped(d->out, row->values[i]);
    }
    strbuf_addc(d->out, '\n');
    return true;
}

static int by_label(const void *x, const void *y)
{
    return strcmp((*(const struct emu_entity *const *)x)->label, (*(const struct emu_entity *const *)y)->label);
}

static void dump_fno(struct admin *a)
{
    size_t n = a->e->tenant.n_entities;
    const struct emu_entity **order = arena_zalloc(a->q->arena, (n + 1) * sizeof(*order));

    for (size_t i = 0; i < n; i++)
        order[i] = &a->e->tenant.entities[i];
    qsort(order, n, sizeof(*order), by_label);
    for (size_t i = 0; i < n; i++) {
        struct dump d = { order[i], &a->r->body };

        emu_fno_scan(a->e, order[i], NULL, 0, dump_row, &d);
    }
}

static void dump(struct admin *a)
{
    const char *side = emu_query(a->q, "side");

    if (!side || (strcmp(side, "fno") != 0 && strcmp(side, "dataverse") != 0)) {
        refuse(a, 400, "side=fno or side=dataverse");
        return;
    }
    a->r->status = 200;
    emu_add_header(a->r, a->q, "Content-Type", "text/plain; charset=utf-8");
    if (!strcmp(side, "fno"))
        dump_fno(a);
    else
        emu_dv_dump(a->e, &a->r->body);
}

static void fno_rows(struct admin *a)
{
    const char *label = text(a->body, "entity"), *company = text(a->body, "company");
    const struct emu_entity *en = label ? emu_entity_by_label(&a->e->tenant, label) : NULL;
    bool remove = YAJL_IS_TRUE(member(a->body, "delete")), created = false, ok;
    struct emu_value *v, *k;
    size_t n, n_key;
    char msg[MSG] = "";

    if (!en || !values_of(a, member(a->body, "values"), &v, &n) ||
        !values_of(a, member(a->body, "key"), &k, &n_key)) {
        refuse(a, 400, "{\"entity\":LABEL,\"company\":ID,\"values\":{FIELD:VALUE,..}} or with \"delete\":true");
        return;
    }
    if (n_key && n) { /* a key apart from the values belongs to them */
        struct emu_value *all = arena_zalloc(a->q->arena, (n + n_key) * sizeof(*all));

        memcpy(all, k, n_key * sizeof(*k));
        memcpy(all + n_key, v, n * sizeof(*v));
        v = all;
        n += n_key;
    } else if (n_key) {
        v = k;
        n = n_key;
    }
    for (size_t i = 0; i < n && !remove; i++)
        if (!v[i].value)
            v[i].value = ""; /* a user who clears a field means it */
    ok = remove ? emu_fno_delete(a->e, en, company, v, n, msg, sizeof(msg))
                : emu_fno_upsert(a->e, en, company, v, n, &created, msg, sizeof(msg));
    if (!ok) {
        refuse(a, 400, msg);
        return;
    }
    answer(a, 200);
    strbuf_addf(&a->r->body, "{\"ok\":true,\"created\":%s}\n", created ? "true" : "false");
}

/* ---- a batch job ---- */

struct job {
    const struct emu_entity *en;
    struct arena *a;
    struct emu_value **keys;
    int64_t first, rows, seen;
    size_t n, cap;
};

static bool take_key(void *arg, const struct emu_fno_row *row)
{
    struct job *j = arg;
    struct emu_value *k;
    size_t n = 0;

    if (j->seen++ < j->first)
        return true;
    k = arena_zalloc(j->a, (j->en->n + 1) * sizeof(*k));
    for (size_t i = 0; i < j->en->n; i++)
        if (j->en->fields[i].key)
            k[n++] = (struct emu_value){ j->en->fields[i].name, arena_strdup(j->a, row->values[i]) };
    if (j->n == j->cap) {
        j->cap = j->cap ? j->cap * 2 : 1024;
        j->keys = xrealloc(j->keys, j->cap * sizeof(*j->keys));
    }
    j->keys[j->n++] = k;
    return (int64_t)j->n < j->rows;
}

static const char *numbered(struct arena *a, const char *text, int64_t n)
{
    const char *at = strstr(text, "{n}");

    return at ? arena_printf(a, "%.*s%" PRId64 "%s", (int)(at - text), text, n, at + 3) : text;
}

/* Rows of one entity and company in the order of their keys, changed or deleted one by one, as X++ would. */
static void fno_job(struct admin *a)
{
    const char *label = text(a->body, "entity"), *company = text(a->body, "company"), *rows = text(a->body, "rows"),
               *first = text(a->body, "first");
    const struct emu_entity *en = label ? emu_entity_by_label(&a->e->tenant, label) : NULL;
    struct job j = { .en = en,
                     .a = a->q->arena,
                     .rows = rows ? strtoll(rows, NULL, 10) : 0,
                     .first = first ? strtoll(first, NULL, 10) : 0 };
    bool remove = YAJL_IS_TRUE(member(a->body, "delete")), ok = true, created;
    struct emu_value *v, *all;
    size_t n, done_rows = 0;
    char msg[MSG] = "";

    if (!en || j.rows < 1 || !values_of(a, member(a->body, "values"), &v, &n)) {
        refuse(a, 400,
               "{\"entity\":LABEL,\"company\":ID,\"first\":N,\"rows\":N,\"values\":{..}} or with \"delete\":true");
        return;
    }
    emu_fno_scan(a->e, en, company, 0, take_key, &j);
    all = arena_zalloc(a->q->arena, (en->n + n + 1) * sizeof(*all));
    for (size_t i = 0; i < j.n && ok; i++) {
        struct arena mem = { 0 };
        size_t k = 0;

        while (j.keys[i][k].name) {
            all[k] = j.keys[i][k];
            k++;
        }
        for (size_t f = 0; f < n && !remove; f++)
            all[k + f] =
                (struct emu_value){ v[f].name, numbered(&mem, v[f].value ? v[f].value : "", j.first + (int64_t)i) };
        ok = remove ? emu_fno_delete(a->e, en, company, all, k, msg, sizeof(msg))
                    : emu_fno_upsert(a->e, en, company, all, k + n, &created, msg, sizeof(msg));
        done_rows += ok;
        arena_release(&mem);
    }
    free(j.keys);
    answer(a, ok ? 200 : 400);
    strbuf_addf(&a->r->body, "{\"ok\":%s,\"rows\":%zu,\"error\":", ok ? "true" : "false", done_rows);
    emu_json_str(&a->r->body, msg, strlen(msg));
    strbuf_adds(&a->r->body, "}\n");
}

static bool print_row(void *arg, const struct emu_fno_row *row)
{
    struct dump *d = arg;

    strbuf_adds(d->out, "{\"company\":");
    emu_json_str(d->out, row->company, strlen(row->company));
    strbuf_addf(d->out, ",\"recid\":%" PRId64 ",\"recversion\":%" PRId64, row->recid, row->recversion);
    for (size_t i = 0; i < d->en->n; i++) {
        strbuf_addf(d->out, ",\"%s\":", d->en->fields[i].name);
        emu_json_str(d->out, row->values[i], strlen(row->values[i]));
    }
    strbuf_adds(d->out, "}\n");
    return true;
}

/* key = the key fields' values, separated by '|' */
static void fno_row(struct admin *a)
{
    const char *label = emu_query(a->q, "entity"), *key = emu_query(a->q, "key");
    const struct emu_entity *en = label ? emu_entity_by_label(&a->e->tenant, label) : NULL;
    struct dump d = { en, &a->r->body };
    struct emu_value *v;
    size_t n = 0;

    if (!en || !key) {
        refuse(a, 400, "?entity=LABEL&company=ID&key=VALUE[|VALUE..]");
        return;
    }
    v = arena_zalloc(a->q->arena, en->n * sizeof(*v));
    for (size_t i = 0; i < en->n; i++)
        if (en->fields[i].key) {
            size_t len = strcspn(key, "|");

            v[n++] = (struct emu_value){ en->fields[i].name, arena_dup(a->q->arena, key, len) };
            key += len + (key[len] == '|');
        }
    if (emu_fno_find(a->e, en, emu_query(a->q, "company"), v, n, print_row, &d))
        answer(a, 200);
    else
        refuse(a, 404, "there is no such row");
}

/* ---- the Dataverse side ---- */
static void dataverse_rows(struct admin *a)
{
    const char *name = text(a->body, "table"), *company = text(a->body, "company");
    const struct emu_table *t = name ? emu_table_by_logical(&a->e->tenant, name) : NULL;
    bool created = false, ok;
    struct emu_value *v, *k;
    size_t n, n_key;
    char msg[MSG] = "";

    if (!t || !values_of(a, member(a->body, "key"), &k, &n_key) || !values_of(a, member(a->body, "values"), &v, &n)) {
        refuse(
            a, 400,
            "{\"table\":NAME,\"company\":ID,\"key\":{COLUMN:VALUE},\"values\":{COLUMN:VALUE,..}} or \"delete\":true");
        return;
    }
    ok = YAJL_IS_TRUE(member(a->body, "delete"))
             ? emu_dv_admin_delete(a->e, t, company, k, n_key, msg, sizeof(msg))
             : emu_dv_admin_upsert(a->e, t, company, k, n_key, v, n, &created, msg, sizeof(msg));
    if (!ok) {
        refuse(a, 400, msg);
        return;
    }
    answer(a, 200);
    strbuf_addf(&a->r->body, "{\"ok\":true,\"created\":%s}\n", created ? "true" : "false");
}

/* The column that a bare key value means: the first of the table's alternate key, its unique column, or its name. */
static const char *key_column(const struct emu_table *t)
{
    for (size_t i = 0; i < t->n_keys; i++)
        for (size_t k = 0; k < t->keys[i].n; k++) {
            const struct emu_column *c = emu_column_by_name(t, t->keys[i].columns[k]);

            if (c && c->type != C_LOOKUP)
                return c->name;
        }
    for (size_t i = 0; i < t->n; i++)
        if (t->columns[i].unique)
            return t->columns[i].name;
    return t->primary_name;
}

/* key = a value, or {"column":"value",..} */
static void dataverse_row(struct admin *a)
{
    const char *name = emu_query(a->q, "table"), *key = emu_query(a->q, "key");
    const struct emu_table *t = name ? emu_table_by_logical(&a->e->tenant, name) : NULL;
    struct emu_value one, *k = &one;
    size_t n = 1;
    yajl_val parsed = NULL;
    char msg[MSG] = "";
    bool good = t && key;

    if (good && *key == '{') {
        parsed = yajl_tree_parse(key, NULL, 0);
        good = parsed && values_of(a, parsed, &k, &n);
    } else if (good) {
        one = (struct emu_value){ key_column(t), key };
    }
    if (!good)
        refuse(a, 400, "?table=NAME&company=ID&key=VALUE or key={\"column\":\"value\"}");
    else if (emu_dv_admin_row(a->e, t, emu_query(a->q, "company"), k, n, &a->r->body, msg, sizeof(msg)))
        answer(a, 200);
    else
        refuse(a, 404, *msg ? msg : "there is no such row");
    yajl_tree_free(parsed);
}

static void dualwrite(struct admin *a, bool set)
{
    const char *fno = text(a->body, "fno"), *dv = text(a->body, "dataverse"), *state = text(a->body, "state");
    const char *queue = text(a->body, "queue");
    char msg[MSG] = "";

    if (!set) {
        answer(a, 200);
        emu_dualwrite_list(a->e, &a->r->body);
        strbuf_addc(&a->r->body, '\n');
    } else if (!fno || !dv || !state) {
        refuse(a, 400,
               "{\"fno\":LABEL,\"dataverse\":SET,\"state\":\"running|paused|stopped\",\"queue\":\"replay|discard|"
               "preserve\"}");
    } else if (!emu_dualwrite_set(a->e, fno, dv, state, queue, msg, sizeof(msg))) {
        refuse(a, 400, msg);
    } else {
        done(a);
    }
}

static void moment(struct admin *a)
{
    char msg[MSG] = "";

    if (emu_moment(a->e, text(a->body, "side"), text(a->body, "do"), msg, sizeof(msg)))
        done(a);
    else
        refuse(a, 400, msg);
}

void emu_admin_handle(struct emu *e, struct emu_request *q, struct emu_response *r)
{
    struct admin a = { e, q, r, NULL };
    bool get = !strcmp(q->method, "GET"), post = !strcmp(q->method, "POST");
    const char *p = q->path;

    emu_dmf_tick(e);
    if (post && strcmp(p, "/faults") != 0 && strcmp(p, "/certificates") != 0) {
        char why[256] = "";

        a.body = yajl_tree_parse(q->body, why, sizeof(why));
        if (!a.body) {
            refuse(&a, 400, *why ? why : "the body is not JSON");
            return;
        }
    }
    if (get && !strcmp(p, "/health"))
        done(&a);
    else if (get && !strcmp(p, "/counters"))
        counters(&a);
    else if (get && !strcmp(p, "/limits"))
        limits(&a);
    else if ((get || post) && !strcmp(p, "/knobs"))
        knobs(&a);
    else if ((get || post) && !strcmp(p, "/clock"))
        clock_moves(&a);
    else if ((get || post) && !strcmp(p, "/faults"))
        faults(&a, post);
    else if (post && !strcmp(p, "/certificates"))
        certificate(&a);
    else if (get && !strcmp(p, "/dump"))
        dump(&a);
    else if (post && !strcmp(p, "/fno/rows"))
        fno_rows(&a);
    else if (post && !strcmp(p, "/fno/job"))
        fno_job(&a);
    else if (get && !strcmp(p, "/fno/row"))
        fno_row(&a);
    else if (post && !strcmp(p, "/dataverse/rows"))
        dataverse_rows(&a);
    else if (get && !strcmp(p, "/dataverse/row"))
        dataverse_row(&a);
    else if (post && !strcmp(p, "/moment"))
        moment(&a);
    else if ((get || post) && !strcmp(p, "/dualwrite"))
        dualwrite(&a, post);
    else
        refuse(&a, 404, "no such path");
    yajl_tree_free(a.body);
}

/*
 * Writing over OData of Finance & Operations: create, update, delete. Statuses and texts as observed: a refused write
 * is 400 with the Infolog in the inner message, a missing row on update is 400 as well, a version that has changed is
 * 412.
 */
#include "emu_fno_parts.h"

#include "emu_filter.h"
#include "emu_store.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool reject(struct fno_ask *a, const char *severity, const char *reason)
{
    if (!strcmp(severity, "Warning"))
        emu_fno_error(
            a->r, a->q, 400,
            "Write failed for table row of type '%s'. Infolog: Warning: %s; Warning: validateWrite failed on data "
            "source '%s (%s)'.",
            a->en->aot, reason, a->en->aot, a->en->aot);
    else
        emu_fno_error(
            a->r, a->q, 400,
            "Write failed for table row of type '%s'. Infolog: Error: %s; Error: Update has been canceled..",
            a->en->aot, reason);
    return false;
}

/* JSON value -> text for the row store; NULL in *ret = null. False: it is no value of the property's type. */
static bool take_json(struct fno_ask *a, const struct emu_field *f, yajl_val v, const char **ret)
{
    bool number = f->type == F_REAL || f->type == F_INT || f->type == F_INT64;
    struct strbuf s = STRBUF(0);
    char ignored[256];
    bool ok = true;

    *ret = YAJL_IS_STRING(v) ? YAJL_GET_STRING(v) : YAJL_IS_NUMBER(v) ? YAJL_GET_NUMBER(v) : NULL;
    if (!YAJL_IS_NULL(v) && (!*ret || number != !!YAJL_IS_NUMBER(v)))
        ok = false;
    /* Strings may be refused for what they mean, later; anything else has to be of its type here. */
    if (ok && *ret && f->type != F_STRING) {
        ok = **ret && emu_fno_canon(f, *ret, strlen(*ret), &s, ignored, sizeof(ignored));
        if (ok && f->type == F_ENUM)
            ok = !strcmp(strbuf_str(&s), *ret); /* symbols are case-sensitive in payloads */
    }
    strbuf_release(&s);
    if (!ok)
        emu_fno_error(a->r, a->q, 400, "Cannot convert the literal '%.60s' to the expected type '%s%s%s'.",
                      *ret ? *ret : "", emu_edm_type(f, "Microsoft.Dynamics.DataEntities"),
                      f->type == F_ENUM ? "." : "", f->type == F_ENUM ? f->en->name : "");
    return ok;
}

struct body {
    struct emu_value *v;
    size_t n;
    const char *company; /* dataAreaId, NULL = not given */
};

static bool take_body(struct fno_ask *a, yajl_val root, bool create, struct body *ret)
{
    size_t n = YAJL_IS_OBJECT(root) ? YAJL_GET_OBJECT(root)->len : 0;

    *ret = (struct body){ .v = arena_zalloc(a->q->arena, (n + 1) * sizeof(*ret->v)) };
    if (!YAJL_IS_OBJECT(root))
        return fno_refuse(
            a,
            "An entry without a type name was found, but no expected type was specified. The request body is not a "
            "valid JSON object.");
    for (size_t i = 0; i < n; i++) {
        const char *name = YAJL_GET_OBJECT(root)->keys[i], *value = NULL;
        yajl_val v = YAJL_GET_OBJECT(root)->values[i];
        const struct emu_field *f;
        bool company;

        if (strchr(name, '@')) /* annotations */
            continue;
        f = emu_property(a->en, name, strlen(name), &company);
        if (company && YAJL_IS_STRING(v)) {
            ret->company = YAJL_GET_STRING(v);
            continue;
        }
        if (!f)
            return fno_refuse(
                a,
                arena_printf(a->q->arena,
                             "The property '%.80s' does not exist on type 'Microsoft.Dynamics.DataEntities.%s'. Make "
                             "sure to only use property names that are defined by the type.",
                             name, a->en->public_name));
        if (!take_json(a, f, v, &value))
            return false;
        if (!value && !create)
            value = ""; /* null empties, also what would be defaulted in a new row */
        ret->v[ret->n++] = (struct emu_value){ f->name, value };
    }
    return true;
}

static const char *body_value(const struct body *b, const char *name)
{
    for (size_t i = 0; i < b->n; i++)
        if (!strcmp(b->v[i].name, name))
            return b->v[i].value;
    return NULL;
}

static void create_record(struct fno_ask *a, const struct body *b)
{
    const struct emu_entity *en = a->en;
    const char *company = en->shared ? NULL : emu_fno_company(a->e, b->company ? b->company : "");
    struct emu_value *v = arena_zalloc(a->q->arena, (b->n + en->n) * sizeof(*v));
    struct strbuf location = STRBUF(0);
    size_t n = b->n;
    char msg[FNO_MSG] = "";
    bool any = false;

    if (!en->shared && !company) {
        reject(a, "Error", arena_printf(a->q->arena, "The company '%.20s' does not exist.", b->company));
        return;
    }
    memcpy(v, b->v, b->n * sizeof(*v));
    for (size_t i = 0; i < en->n; i++) /* a key field that is not given is empty, which only a sequence makes good */
        if (en->fields[i].key && !body_value(b, en->fields[i].name)) {
            if (en->fields[i].mandatory) {
                reject(a, "Warning",
                       arena_printf(a->q->arena, "Field '%s' must be filled in.", en->fields[i].property));
                return;
            }
            v[n++] = (struct emu_value){ en->fields[i].name, "" };
        }
    if (emu_fno_find(a->e, en, company, v, n, NULL, NULL)) {
        reject(a, "Error",
               arena_printf(a->q->arena, "Cannot create a record in %s (%s). The record already exists.", en->label,
                            en->aot));
        return;
    }
    if (emu_fno_write(a->e, en, company, v, n, msg, sizeof(msg)) == EMU_FNO_REFUSED) {
        reject(a, "Warning", msg);
        return;
    }
    emu_count(a->e, "fno.odata.writes", 1);
    emu_fno_find(a->e, en, company, v, n, fno_send_one, a);
    emu_fno_json(a->r, a->q, 201);
    strbuf_addf(&location, "%s/data/%s(", emu_fno_base(a->q), en->set);
    if (company) {
        strbuf_addf(&location, "dataAreaId='%s'", company);
        any = true;
    }
    for (size_t i = 0; i < en->n; i++)
        if (en->fields[i].key) {
            const char *value = body_value(b, en->fields[i].name);

            strbuf_addf(&location, "%s%s='", any ? "," : "", en->fields[i].property);
            for (const char *p = value ? value : ""; *p; p++)
                strbuf_add_url(&location, *p == '\'' ? "''" : p, *p == '\'' ? 2 : 1, "'");
            strbuf_addc(&location, '\'');
            any = true;
        }
    strbuf_addc(&location, ')');
    emu_add_header(a->r, a->q, "Location", "%s", location.buf);
    strbuf_release(&location);
}

struct etag_check {
    const char *wanted;
    bool same;
};

static bool check_etag(void *arg, const struct emu_fno_row *row)
{
    struct etag_check *c = arg;
    struct strbuf s = STRBUF(0);

    emu_fno_etag(row, &s);
    c->same = !strcmp(s.buf, c->wanted);
    strbuf_release(&s);
    return true;
}

/* The row is there, visible, and of the version that the caller wants. False: answered. */
static bool may_change(struct fno_ask *a, const struct fno_key *k)
{
    const char *wanted = emu_header(a->q, "If-Match");
    struct etag_check c = { wanted ? wanted : "*", false };

    if (!fno_visible(a, k) || !emu_fno_find(a->e, a->en, k->company, k->v, k->n, check_etag, &c))
        return fno_refuse(a, "No resources were found when selecting for update.");
    if (!wanted || !strcmp(wanted, "*") || c.same || EMU_KNOB(a->e, fno_if_match_ignored))
        return true;
    emu_fno_error(a->r, a->q, 412,
                  "Cannot edit a record in %s (%s). An update conflict occurred due to another user process deleting "
                  "the record or "
                  "changing one or more fields in the record.",
                  a->en->label, a->en->aot);
    return false;
}

static void update_record(struct fno_ask *a, const struct fno_key *k, const struct body *b)
{
    struct emu_value *v = arena_zalloc(a->q->arena, (b->n + k->n) * sizeof(*v));
    size_t n = 0;
    char msg[FNO_MSG] = "";

    if (!may_change(a, k))
        return;
    for (size_t i = 0; i < k->n; i++)
        v[n++] = k->v[i];
    for (size_t i = 0; i < b->n; i++) {
        const struct emu_field *f = emu_field_by_name(a->en, b->v[i].name);
        const char *same = NULL;

        for (size_t j = 0; j < k->n && f->key; j++)
            if (!strcmp(k->v[j].name, f->name))
                same = k->v[j].value;
        if (!f->key) {
            v[n++] = b->v[i];
        } else if (!b->v[i].value || strcasecmp(same ? same : "", b->v[i].value) != 0) {
            reject(a, "Warning", arena_printf(a->q->arena, "Field '%s' cannot be changed.", f->property));
            return;
        }
    }
    if (emu_fno_write(a->e, a->en, k->company, v, n, msg, sizeof(msg)) == EMU_FNO_REFUSED) {
        reject(a, "Warning", msg);
        return;
    }
    emu_count(a->e, "fno.odata.writes", 1);
    a->r->status = 204;
}

void fno_delete_record(struct fno_ask *a, const struct fno_key *k)
{
    char msg[FNO_MSG] = "";

    if (!may_change(a, k))
        return;
    if (!emu_fno_delete(a->e, a->en, k->company, k->v, k->n, msg, sizeof(msg))) {
        reject(a, "Error", msg);
        return;
    }
    emu_count(a->e, "fno.odata.writes", 1);
    a->r->status = 204;
}

static bool is_json(const struct emu_request *q)
{
    const char *type = emu_header(q, "Content-Type");

    return type && !strncasecmp(type, "application/json", 16);
}

void fno_write_request(struct fno_ask *a, const struct fno_key *k)
{
    bool create = !strcmp(a->q->method, "POST");
    yajl_val root;
    struct body b;

    if (!is_json(a->q)) {
        emu_fno_error(a->r, a->q, 415, "The request entity's media type is not supported for this resource.");
        return;
    }
    root = yajl_tree_parse(a->q->body, NULL, 0);
    if (take_body(a, root, create, &b)) {
        if (create)
            create_record(a, &b);
        else
            update_record(a, k, &b);
    }
    yajl_tree_free(root);
}

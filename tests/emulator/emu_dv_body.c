/*
 * Bodies of writes: properties, navigation properties bound to other rows, deep inserts. Source: "Create a table row using
 * the Web API", "Associate and disassociate table rows". Names of navigation properties are case-sensitive.
 */
#include "emu_dv.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char BIND[] = "@odata.bind";

void dv_change_init(struct dv_op *op, const struct dv_table *t, struct dv_change *ch)
{
    ch->v = arena_zalloc(op->a, t->n * sizeof(*ch->v));
    ch->set = arena_zalloc(op->a, t->n * sizeof(*ch->set));
    ch->id = NULL;
}

bool dv_set_lookup(struct dv_op *op, const struct dv_table *t, int col, const struct dv_table *target, const char *id,
                   struct dv_change *ch)
{
    const struct dv_col *c = &t->cols[col];

    ch->set[col] = true;
    ch->v[col] = id ? arena_strdup(op->a, id) : NULL;
    if (c->target_col >= 0) {
        ch->set[c->target_col] = true;
        ch->v[c->target_col] = id ? target->logical : NULL;
    }
    return true;
}

static bool undeclared(struct dv_op *op, const struct dv_table *t, const char *name, size_t n)
{
    return dv_payload(
        &op->fail, t,
        "Microsoft.OData.ODataException: An undeclared property '%.*s' which only has property annotations "
        "in the payload but no property value was found in the payload. In OData, only declared "
        "navigation properties and declared named streams can be represented as properties without values.",
        (int)(n > 100 ? 100 : n), name);
}

static bool unknown_property(struct dv_op *op, const struct dv_table *t, const char *name)
{
    return dv_payload(
        &op->fail, t,
        "Microsoft.Crm.CrmException: Invalid property '%.100s' was found in entity "
        "'Microsoft.Dynamics.CRM.%s'. ---> Microsoft.OData.ODataException: The property '%.100s' does not "
        "exist on type 'Microsoft.Dynamics.CRM.%s'. Make sure to only use property names that are defined "
        "by the type.",
        name, t->logical, name, t->logical);
}

static bool read_only_lookup(const struct dv_table *t, int col)
{
    return t->cols[col].role == DV_READONLY;
}

static bool bind(struct dv_op *op, const struct dv_table *t, const char *name, size_t n, yajl_val v,
                 struct dv_change *ch)
{
    const char *target = NULL;
    int col = dv_col_by_nav(t, name, n, &target);
    const char *to = YAJL_GET_STRING(v);
    struct dv_address ad;
    char id[37];
    bool fits = false;

    if (col < 0)
        return undeclared(op, t, name, n);
    if (read_only_lookup(t, col))
        return true;
    if (YAJL_IS_NULL(v))
        return dv_set_lookup(op, t, col, NULL, NULL, ch);
    if (!to)
        return undeclared(op, t, name, n);
    if (!dv_address_parse(op, to, strlen(to), DV_IN_BIND, &ad))
        return false;
    for (size_t k = 0; k < t->cols[col].n_navs; k++) /* owners: one name for users and teams */
        fits = fits || (!strcmp(t->cols[col].navs[k].target, ad.t->logical) &&
                        strlen(t->cols[col].navs[k].nav) == n && !memcmp(t->cols[col].navs[k].nav, name, n));
    if (!fits)
        return dv_payload(
            &op->fail, t,
            "Microsoft.Crm.CrmException: The navigation property '%.*s' cannot refer to an entity of type "
            "'%s'.",
            (int)(n > 100 ? 100 : n), name, ad.t->logical);
    return dv_address_find(op, &ad, id) && dv_set_lookup(op, t, col, ad.t, id, ch);
}

/* A nested object under a navigation property of a new row is created with it. */
static bool deep(struct dv_op *op, const struct dv_table *t, const char *name, yajl_val v, bool create,
                 struct dv_change *ch)
{
    const char *target = NULL;
    int col = dv_col_by_nav(t, name, strlen(name), &target);
    const struct dv_table *to;
    struct dv_change inner;
    char id[37];

    if (col < 0)
        return unknown_property(op, t, name);
    if (YAJL_IS_NULL(v)) /* "nav": null clears it */
        return read_only_lookup(t, col) || dv_set_lookup(op, t, col, NULL, NULL, ch);
    to = dv_table_by_logical(op->e, target, strlen(target));
    if (!create || !YAJL_IS_OBJECT(v) || !to)
        return dv_payload(
            &op->fail, t,
            "Microsoft.OData.ODataException: A nested value for the navigation property '%.100s' is only "
            "allowed when a record is created.",
            name);
    return dv_change_read(op, to, v, true, &inner) && dv_create(op, to, inner.id, &inner, id) &&
           dv_set_lookup(op, t, col, to, id, ch);
}

static bool property(struct dv_op *op, const struct dv_table *t, const char *name, yajl_val v, bool create,
                     struct dv_change *ch)
{
    int col = dv_col_by_name(t, name, strlen(name));
    const struct dv_col *c = col >= 0 ? &t->cols[col] : NULL;
    const char *text = YAJL_GET_STRING(v);
    char guid[37];

    if (!c || c->role == DV_HIDDEN) {
        col = dv_col_by_value_name(t, name, strlen(name));
        if (col >= 0 && EMU_KNOB(op->e, dv_lookup_value_write_ignored))
            return true;
        return deep(op, t, name, v, create, ch);
    }
    if (dv_is_lookup(c)) /* the logical name of a lookup is no property; it may be that of the navigation property */
        return deep(op, t, name, v, create, ch);
    if (c->role == DV_PK) {
        if (!text || !dv_guid(text, strlen(text), guid))
            return dv_payload(
                &op->fail, t,
                "Microsoft.OData.ODataException: Cannot convert the literal '%.60s' to the expected type "
                "'Edm.Guid'.",
                text ? text : "");
        ch->id = arena_strdup(op->a, guid);
        return true;
    }
    if (c->role == DV_READONLY || c->role == DV_VERSION)
        return true;
    if (!dv_value_from_json(op, t, col, v, &ch->v[col]))
        return false;
    ch->set[col] = true;
    return true;
}

bool dv_change_read(struct dv_op *op, const struct dv_table *t, yajl_val body, bool create, struct dv_change *ret)
{
    dv_change_init(op, t, ret);
    if (!YAJL_IS_OBJECT(body))
        return dv_payload(&op->fail, t, "Microsoft.OData.ODataException: The payload is not a JSON object.");
    for (size_t i = 0; i < YAJL_GET_OBJECT(body)->len; i++) {
        const char *name = YAJL_GET_OBJECT(body)->keys[i], *sign = strchr(name, '@');
        yajl_val v = YAJL_GET_OBJECT(body)->values[i];

        for (size_t k = 0; k < i; k++)
            if (!strcmp(name, YAJL_GET_OBJECT(body)->keys[k]))
                return dv_payload(&op->fail, t,
                                  "Microsoft.OData.ODataException: Multiple properties with the name '%.100s' were "
                                  "detected in a resource object.",
                                  name);
        if (sign && !strcmp(sign, BIND)) {
            if (!bind(op, t, name, (size_t)(sign - name), v, ret))
                return false;
        } else if (!sign) {
            if (!property(op, t, name, v, create, ret))
                return false;
        } else if (sign != name) {
            /* an annotation of a property: the property itself has to be there */
            char plain[200];
            bool there = false;

            snprintf(plain, sizeof(plain), "%.*s", (int)(sign - name), name);
            for (size_t k = 0; k < YAJL_GET_OBJECT(body)->len; k++)
                there = there || !strcmp(plain, YAJL_GET_OBJECT(body)->keys[k]);
            if (!there)
                return undeclared(op, t, name, (size_t)(sign - name));
        }
    }
    return true;
}

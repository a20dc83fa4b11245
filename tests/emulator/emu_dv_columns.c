/*
 * Definitions of columns: /Attributes, its casts, option sets. Source: as emu_dv_meta.c.
 */
#include "emu_dv_meta.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char BASE_NAMES[] =
    " MetadataId LogicalName SchemaName EntityLogicalName AttributeType AttributeTypeName AttributeOf RequiredLevel "
    "IsValidForCreate IsValidForUpdate IsValidForRead IsPrimaryId IsPrimaryName IsCustomAttribute DisplayName "
    "SourceType ";

/* AttributeType, the type in @odata.type, what the cast adds. */
static const struct kind {
    int type;
    const char *name, *cast, *properties;
} KINDS[] = {
    { C_STRING, "String", "String", "MaxLength DatabaseLength Format " },
    { C_MEMO, "Memo", "Memo", "MaxLength Format " },
    { C_INTEGER, "Integer", "Integer", "MinValue MaxValue Format " },
    { C_BIGINT, "BigInt", "BigInt", "MinValue MaxValue " },
    { C_DECIMAL, "Decimal", "Decimal", "MinValue MaxValue Precision " },
    { C_DOUBLE, "Double", "Double", "MinValue MaxValue Precision " },
    { C_MONEY, "Money", "Money", "MinValue MaxValue Precision PrecisionSource IsBaseCurrency CalculationOf " },
    { C_BOOLEAN, "Boolean", "Boolean", "DefaultValue OptionSet GlobalOptionSet " },
    { C_PICKLIST, "Picklist", "Picklist", "DefaultFormValue OptionSet GlobalOptionSet " },
    { C_STATE, "State", "State", "OptionSet GlobalOptionSet " },
    { C_STATUS, "Status", "Status", "OptionSet GlobalOptionSet " },
    { C_DATETIME, "DateTime", "DateTime", "Format DateTimeBehavior " },
    { C_LOOKUP, "Lookup", "Lookup", "Targets " },
    { C_OWNER, "Owner", "Lookup", "Targets " },
    { C_UNIQUEIDENTIFIER, "Uniqueidentifier", "UniqueIdentifier", "" },
    { C_MANAGED, "ManagedProperty", "ManagedProperty", "" },
    { C_ENTITYNAME, "EntityName", "EntityName", "" },
};

static const struct kind *kind_of(int type)
{
    for (size_t i = 0; i < COUNT(KINDS); i++)
        if (KINDS[i].type == type)
            return &KINDS[i];
    return &KINDS[0];
}

/* One column, or the shadow of one: the text behind a lookup or an option. */
struct shown {
    const struct dv_table *t;
    const struct dv_col *c;
    bool shadow;
    char name[200];
};

static bool valid_for(const struct dv_col *c, bool create)
{
    switch (c->role) {
    case DV_PLAIN: return true;
    case DV_PK: return create;
    case DV_STATECODE: return !create;
    case DV_STATUSCODE: return true;
    case DV_OWNERID: return true;
    case DV_BACKDATE: return create;
    default: return false;
    }
}

static const char *attribute_property(const void *arg, const char *name)
{
    const struct shown *s = arg;

    if (!strcmp(name, "LogicalName") || !strcmp(name, "SchemaName"))
        return s->shadow ? s->name : !strcmp(name, "SchemaName") ? s->c->schema : s->c->name;
    if (!strcmp(name, "EntityLogicalName"))
        return s->t->logical;
    if (!strcmp(name, "AttributeType"))
        return s->shadow ? dv_is_lookup(s->c) ? "String" : "Virtual" : kind_of(s->c->type)->name;
    if (!strcmp(name, "AttributeOf"))
        return s->shadow ? s->c->name : NULL;
    if (!strcmp(name, "IsValidForCreate"))
        return !s->shadow && valid_for(s->c, true) ? "true" : "false";
    if (!strcmp(name, "IsValidForUpdate"))
        return !s->shadow && valid_for(s->c, false) ? "true" : "false";
    if (!strcmp(name, "IsValidForRead"))
        return "true";
    if (!strcmp(name, "IsPrimaryId"))
        return s->c->role == DV_PK && !s->shadow ? "true" : "false";
    if (!strcmp(name, "IsPrimaryName"))
        return !s->shadow && s->t->primary_name >= 0 && s->c == &s->t->cols[s->t->primary_name] ? "true" : "false";
    if (!strcmp(name, "IsCustomAttribute"))
        return strchr(s->c->name, '_') ? "true" : "false";
    return NULL;
}

/* ---- option sets ---- */

static void option(struct strbuf *out, int64_t value, const char *label, const char *more)
{
    strbuf_addf(out,
                "{\"Value\":%" PRId64 ",\"Color\":null,\"IsManaged\":true,\"ExternalValue\":\"\",\"Label\":", value);
    dv_meta_label(out, label);
    strbuf_addf(out, "%s}", more);
}

static void option_set(struct dv_op *op, struct strbuf *out, const struct shown *s, bool global)
{
    const struct dv_col *c = s->c;
    /* sets named like a column of one table are its own, the others are shared */
    bool is_global = c->options && c->type == C_PICKLIST && strchr(c->options->name, '_');
    char id[37], text[300];

    if (global && !is_global) {
        strbuf_adds(out, "null");
        return;
    }
    snprintf(text, sizeof(text), "option set %.100s %.100s", is_global ? "" : s->t->logical,
             is_global ? c->options->name : c->name);
    emu_guid(op->e, text, id);
    strbuf_addf(out, "{\"MetadataId\":\"%s\",\"Name\":\"%s%s%s\",\"IsGlobal\":%s,\"IsCustomOptionSet\":%s,", id,
                is_global ? "" : s->t->logical, is_global ? "" : "_", is_global ? c->options->name : c->name,
                is_global ? "true" : "false", strchr(c->name, '_') ? "true" : "false");
    if (c->type == C_BOOLEAN) {
        strbuf_adds(out, "\"OptionSetType\":\"Boolean\",\"TrueOption\":");
        option(out, 1, "Yes", "");
        strbuf_adds(out, ",\"FalseOption\":");
        option(out, 0, "No", "");
        strbuf_addc(out, '}');
        return;
    }
    strbuf_addf(out, "\"OptionSetType\":\"%s\",\"Options\":[", kind_of(c->type)->name);
    for (size_t i = 0; i < c->options->n; i++) {
        const struct emu_option *o = &c->options->options[i];
        const char *more = "";

        if (c->type == C_STATUS)
            more = arena_printf(op->a, ",\"State\":%d,\"TransitionData\":null", o->value == 1 ? 0 : 1);
        else if (c->type == C_STATE)
            more = arena_printf(op->a, ",\"DefaultStatus\":%d,\"InvariantName\":\"%s\"", o->value == 0 ? 1 : 2,
                                o->label);
        strbuf_adds(out, i ? "," : "");
        option(out, o->value, o->label, more);
    }
    strbuf_adds(out, "]}");
}

/* ---- one column ---- */

static void number(struct dv_meta_object *o, const char *name, double v, bool whole)
{
    char text[64];

    snprintf(text, sizeof(text), whole ? "%.0f" : "%.4f", v);
    dv_meta_raw(o, name, text);
}

static void typed(struct dv_op *op, struct dv_meta_object *o, const struct shown *s)
{
    const struct dv_col *c = s->c;
    bool only = c->behavior && !strcmp(c->behavior, "DateOnly"), whole = c->type == C_INTEGER;
    double limit = whole ? 2147483647.0 : c->type == C_MONEY ? 922337203685477.0 : 100000000000.0;
    struct strbuf list = { 0 };

    switch (c->type) {
    case C_STRING:
        dv_meta_raw(o, "MaxLength", arena_printf(op->a, "%zu", c->length ? c->length : 4000));
        dv_meta_raw(o, "DatabaseLength", arena_printf(op->a, "%zu", (c->length ? c->length : 4000) * 2));
        dv_meta_text(o, "Format", "Text");
        break;
    case C_MEMO:
        dv_meta_raw(o, "MaxLength", arena_printf(op->a, "%zu", c->length ? c->length : 1048576));
        dv_meta_text(o, "Format", "TextArea");
        break;
    case C_INTEGER:
    case C_DECIMAL:
    case C_DOUBLE:
    case C_MONEY:
        number(o, "MinValue", c->has_min ? c->min : whole ? -limit - 1 : -limit, whole);
        number(o, "MaxValue", c->has_max ? c->max : limit, whole);
        if (whole)
            dv_meta_text(o, "Format", "None");
        else
            dv_meta_raw(o, "Precision", arena_printf(op->a, "%d", c->precision));
        if (c->type == C_MONEY) {
            dv_meta_raw(o, "PrecisionSource", "0");
            dv_meta_bool(o, "IsBaseCurrency", c->role == DV_READONLY);
            dv_meta_text(o, "CalculationOf", NULL);
        }
        break;
    case C_BIGINT:
        dv_meta_raw(o, "MinValue", "-9223372036854775808");
        dv_meta_raw(o, "MaxValue", "9223372036854775807");
        break;
    case C_DATETIME:
        dv_meta_text(o, "Format", only ? "DateOnly" : "DateAndTime");
        dv_meta_raw(o, "DateTimeBehavior",
                    arena_printf(op->a, "{\"Value\":\"%s\"}", c->behavior ? c->behavior : "UserLocal"));
        break;
    case C_LOOKUP:
    case C_OWNER:
        strbuf_addc(&list, '[');
        for (size_t i = 0; i < c->n_navs; i++)
            strbuf_addf(&list, "%s\"%s\"", i ? "," : "", c->navs[i].target);
        strbuf_addc(&list, ']');
        dv_meta_raw(o, "Targets", list.buf);
        break;
    case C_BOOLEAN:
        dv_meta_raw(o, "DefaultValue", c->default_value && !strcmp(c->default_value, "1") ? "true" : "false");
        break;
    case C_PICKLIST: dv_meta_raw(o, "DefaultFormValue", c->default_value ? c->default_value : "-1"); break;
    default: break;
    }
    strbuf_release(&list);
}

static void attribute_object(struct dv_op *op, struct strbuf *out, const struct shown *s, const char *select,
                             const char *expand, const char *context)
{
    static const char *const TEXTS[] = { "LogicalName", "SchemaName", "EntityLogicalName", "AttributeType",
                                         "AttributeOf" };
    static const char *const BOOLS[] = { "IsValidForCreate", "IsValidForUpdate", "IsValidForRead",
                                         "IsPrimaryId",      "IsPrimaryName",    "IsCustomAttribute" };
    struct dv_meta_object o = { .out = out, .select = select };
    struct strbuf label = { 0 };
    const char *required = s->shadow ? "None" : s->c->required;

    strbuf_addc(out, '{');
    if (context) {
        strbuf_addf(out, "\"@odata.context\":\"%s\"", context);
        o.n++;
    }
    strbuf_addf(out, "%s\"@odata.type\":\"#Microsoft.Dynamics.CRM.%sAttributeMetadata\"", o.n++ ? "," : "",
                !s->shadow           ? kind_of(s->c->type)->cast
                : dv_is_lookup(s->c) ? "String"
                                     : "");
    dv_meta_id(op, &o, arena_printf(op->a, "column %s %s", s->t->logical, s->shadow ? s->name : s->c->name));
    for (size_t i = 0; i < COUNT(TEXTS); i++)
        dv_meta_text(&o, TEXTS[i], attribute_property(s, TEXTS[i]));
    for (size_t i = 0; i < COUNT(BOOLS); i++)
        dv_meta_raw(&o, BOOLS[i], attribute_property(s, BOOLS[i]));
    dv_meta_raw(&o, "AttributeTypeName",
                arena_printf(op->a, "{\"Value\":\"%sType\"}", attribute_property(s, "AttributeType")));
    dv_meta_raw(&o, "RequiredLevel",
                arena_printf(op->a,
                             "{\"Value\":\"%s\",\"CanBeChanged\":%s,\"ManagedPropertyLogicalName\":"
                             "\"canmodifyrequirementlevelsettings\"}",
                             required, strcmp(required, "SystemRequired") ? "true" : "false"));
    dv_meta_label(&label, s->shadow ? s->name : s->c->schema);
    dv_meta_raw(&o, "DisplayName", label.buf);
    strbuf_release(&label);
    dv_meta_raw(&o, "SourceType",
                s->shadow || dv_is_lookup(s->c) ? "null" : arena_printf(op->a, "%d", s->c->source_type));
    if (!s->shadow)
        typed(op, &o, s);
    if (!s->shadow && expand) {
        if (strstr(expand, "OptionSet") && (expand == strstr(expand, "OptionSet") || strstr(expand, ",OptionSet"))) {
            strbuf_adds(out, ",\"OptionSet\":");
            option_set(op, out, s, false);
        }
        if (strstr(expand, "GlobalOptionSet")) {
            strbuf_adds(out, ",\"GlobalOptionSet\":");
            option_set(op, out, s, true);
        }
    }
    strbuf_addc(out, '}');
}

static bool has_shadow(const struct dv_table *t, const struct dv_col *c, struct shown *s)
{
    if (!dv_is_lookup(c) && c->type != C_PICKLIST && c->type != C_BOOLEAN && c->type != C_STATE &&
        c->type != C_STATUS)
        return false;
    snprintf(s->name, sizeof(s->name), "%sname", c->name);
    return dv_col_by_name(t, s->name, strlen(s->name)) < 0;
}

size_t dv_meta_attributes(struct dv_op *op, struct strbuf *out, const struct dv_table *t, const char *cast,
                          const char *select, const char *expand, const struct dv_fnode *filter)
{
    size_t n = 0;

    for (size_t i = 0; i < t->n_visible; i++) {
        struct shown s = { .t = t, .c = &t->cols[i] };

        if (cast && strcmp(kind_of(s.c->type)->cast, cast) != 0)
            continue;
        if (dv_meta_filter(filter, attribute_property, &s)) {
            strbuf_adds(out, n++ ? "," : "");
            attribute_object(op, out, &s, select, expand, NULL);
        }
        if (cast || !has_shadow(t, s.c, &s))
            continue;
        s.shadow = true;
        if (dv_meta_filter(filter, attribute_property, &s)) {
            strbuf_adds(out, n++ ? "," : "");
            attribute_object(op, out, &s, select, expand, NULL);
        }
    }
    return n;
}

/* "String" of "/Microsoft.Dynamics.CRM.StringAttributeMetadata"; NULL = there is no such cast. */
static const struct kind *cast_of(struct dv_op *op, const char *rest)
{
    static const char CRM[] = "/Microsoft.Dynamics.CRM.", TAIL[] = "AttributeMetadata";
    static const struct kind MULTI = { -1, "Virtual", "MultiSelectPicklist",
                                       "DefaultFormValue OptionSet GlobalOptionSet " };
    size_t n = strlen(rest), k = sizeof(CRM) - 1, tail = sizeof(TAIL) - 1;

    if (n > k + tail && !strncmp(rest, CRM, k) && !strcmp(rest + n - tail, TAIL)) {
        n -= k + tail;
        for (size_t i = 0; i < COUNT(KINDS); i++)
            if (strlen(KINDS[i].cast) == n && !memcmp(KINDS[i].cast, rest + k, n))
                return &KINDS[i];
        if (n == strlen(MULTI.cast) && !memcmp(MULTI.cast, rest + k, n))
            return &MULTI;
    }
    dv_no_segment(&op->fail, rest + (*rest == '/'), strlen(rest + (*rest == '/')));
    return NULL;
}

static bool check_expand(struct dv_op *op, const struct kind *k)
{
    const char *p = dv_option(op, "$expand");

    if (!p)
        return true;
    if (k && strstr(k->properties, "OptionSet"))
        return dv_meta_check_select(op, p, " OptionSet GlobalOptionSet ", k->cast);
    return dv_refuse(&op->fail, 400, "0x0",
                     "Could not find a property named '%.60s' on type 'Microsoft.Dynamics.CRM.%sAttributeMetadata'.",
                     p, k ? k->cast : "");
}

bool dv_meta_attribute_path(struct dv_op *op, const struct dv_table *t, const char *rest)
{
    static const char BY_NAME[] = "(LogicalName='";
    const struct kind *k = NULL;
    const char *known, *type, *end = NULL, *name = NULL;
    struct dv_fnode *filter;

    if (!strncmp(rest, BY_NAME, sizeof(BY_NAME) - 1)) {
        name = rest + sizeof(BY_NAME) - 1;
        end = strstr(name, "')");
        if (!end)
            return dv_bad_syntax(&op->fail);
        rest = end + 2;
    }
    if (*rest && !(k = cast_of(op, rest)))
        return false;
    known = k ? arena_printf(op->a, "%s%s", BASE_NAMES, k->properties) : BASE_NAMES;
    type = arena_printf(op->a, "%sAttributeMetadata", k ? k->cast : "");
    if (!dv_meta_check_select(op, dv_option(op, "$select"), known, type) || !check_expand(op, k) ||
        !dv_meta_read_filter(op, known, type, &filter))
        return false;
    if (name) {
        int col = dv_col_by_name(t, name, (size_t)(end - name));
        struct shown s = { .t = t, .c = col >= 0 ? &t->cols[col] : NULL };

        if (col < 0 || s.c->role == DV_HIDDEN || (k && strcmp(kind_of(s.c->type)->cast, k->cast) != 0))
            return dv_refuse(&op->fail, 404, "0x80040217", "Could not find an attribute with specified name.");
        dv_begin_json(op);
        attribute_object(
            op, &op->r->body, &s, dv_option(op, "$select"), dv_option(op, "$expand"),
            arena_printf(op->a, "%s/$metadata#EntityDefinitions('%s')/Attributes/$entity", dv_root(op), t->logical));
        return true;
    }
    dv_begin_json(op);
    strbuf_addf(&op->r->body, "{\"@odata.context\":\"%s/$metadata#EntityDefinitions('%s')/Attributes\",\"value\":[",
                dv_root(op), t->logical);
    dv_meta_attributes(op, &op->r->body, t, k ? k->cast : NULL, dv_option(op, "$select"), dv_option(op, "$expand"),
                       filter);
    strbuf_adds(&op->r->body, "]}");
    return true;
}

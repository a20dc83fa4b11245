/*
 * The metadata service of Finance & Operations (/Metadata/...) and the OData schema (/data/$metadata).
 *
 * Four names belong to an entity: AOT name (DataEntities.Name), public entity name, public collection name, label.
 * Labels come as references (@Tenant:...) that /Metadata/Labels turns into texts, one at a time; filters on labels
 * are refused.
 */
#include "emu_fno.h"

#include "emu_dmf.h"
#include "emu_store.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char NAMESPACE[] = "Microsoft.Dynamics.DataEntities", ACTIONS_ENTITY[] = "DataManagementDefinitionGroup";

struct meta {
    struct emu *e;
    struct emu_request *q;
    struct emu_response *r;
};

static void member(struct strbuf *b, const char *name, const char *value)
{
    strbuf_addf(b, "\"%s\":", name);
    emu_json_str(b, value, strlen(value));
}

static const char *yes_no(bool v)
{
    return v ? "true" : "false";
}

/* ---- $filter of this service: [not] eq, contains, with tolower, joined by and ---- */
/* What a filter can ask about one item: names and texts. */
struct fact {
    const char *name, *value;
};

static bool quoted(const char **p, struct strbuf *out)
{
    if (**p != '\'')
        return false;
    for ((*p)++; **p && (**p != '\'' || (*p)[1] == '\''); *p += **p == '\'' ? 2 : 1)
        strbuf_addc(out, **p);
    if (!**p)
        return false;
    (*p)++;
    return true;
}

static const char *fact_value(const struct fact *facts, size_t n, const char *name, size_t len)
{
    for (size_t i = 0; i < n; i++)
        if (strlen(facts[i].name) == len && !strncmp(facts[i].name, name, len))
            return facts[i].value;
    return NULL;
}

static const char *skip(const char *p)
{
    return p + strspn(p, " ");
}

/* PROPERTY or tolower(PROPERTY); *p moves behind it. NULL = neither. */
static const char *operand(const char **p, const struct fact *facts, size_t n, struct arena *a)
{
    bool lower = !strncmp(*p, "tolower(", 8);
    size_t len;
    const char *v;
    char *copy;

    *p += lower ? 8 : 0;
    len = strcspn(*p, " ,)");
    v = fact_value(facts, n, *p, len);
    *p += len;
    if (!v || (lower && **p != ')'))
        return NULL;
    *p += lower;
    copy = arena_strdup(a, v);
    for (char *c = copy; *c && lower; c++)
        *c = (char)tolower((unsigned char)*c);
    return copy;
}

/* 1 = the item meets the filter, 0 = it does not, -1 = the filter is not understood. */
static int meets(const char *p, const struct fact *facts, size_t n, struct arena *a)
{
    int ok = 1;

    for (;;) {
        struct strbuf wanted = STRBUF(0);
        const char *v;
        bool contains, good, hit = false, negate = false;

        p = skip(p);
        contains = !strncmp(p, "contains(", 9);
        p += contains ? 9 : 0;
        v = operand(&p, facts, n, a);
        p = skip(p);
        if (!contains) {
            negate = !strncmp(p, "ne ", 3);
            good = v && (negate || !strncmp(p, "eq ", 3));
            p = good ? skip(p + 3) : p;
        } else {
            good = v && *p == ',';
            p = good ? skip(p + 1) : p;
        }
        if (good && (!strncmp(p, "true", 4) || !strncmp(p, "false", 5))) {
            strbuf_adds(&wanted, *p == 't' ? "true" : "false");
            p += *p == 't' ? 4 : 5;
        } else {
            good = good && quoted(&p, &wanted);
        }
        if (good && contains) {
            p = skip(p);
            good = *p == ')';
            p += good;
        }
        if (good)
            hit = contains ? strstr(v, strbuf_str(&wanted)) != NULL : !strcasecmp(v, strbuf_str(&wanted));
        strbuf_release(&wanted);
        if (!good)
            return -1;
        ok = ok && hit != negate;
        p = skip(p);
        if (!*p)
            return ok;
        if (strncmp(p, "and ", 4) != 0)
            return -1;
        p += 4;
    }
}

/* Does the request's filter take this item? False with *bad set = it is no filter. */
static bool taken(struct meta *m, const struct fact *facts, size_t n, bool *bad)
{
    const char *filter = emu_query(m->q, "$filter");
    int ok = filter && *filter ? meets(filter, facts, n, m->q->arena) : 1;

    *bad = *bad || ok < 0;
    return ok > 0;
}

/* ---- labels ---- */
static const char *entity_label(struct meta *m, const struct emu_entity *en)
{
    return arena_printf(m->q->arena, "@Tenant:%s", en->public_name);
}

static const char *field_label(struct meta *m, const struct emu_entity *en, const struct emu_field *f)
{
    return arena_printf(m->q->arena, "@Tenant:%s_%s", en->public_name, f->property);
}

static const char *member_label(struct meta *m, const struct emu_enum *en, size_t i)
{
    return arena_printf(m->q->arena, "@Tenant:Enum_%s_%s", en->name, en->members[i].name);
}

/* "CustomerGroupId" -> "Customer group id" */
static const char *in_words(struct arena *a, const char *name)
{
    struct strbuf s = STRBUF(0);
    const char *out;

    for (const char *p = name; *p; p++) {
        bool word = p != name && isupper((unsigned char)*p) && !isupper((unsigned char)p[-1]);

        if (word)
            strbuf_addc(&s, ' ');
        strbuf_addc(&s, (char)(word ? tolower((unsigned char)*p) : *p));
    }
    out = arena_strdup(a, strbuf_str(&s));
    strbuf_release(&s);
    return out;
}

static const char *label_text(struct meta *m, const char *id)
{
    const struct emu_tenant *t = &m->e->tenant;

    for (size_t i = 0; i < t->n_entities; i++) {
        const struct emu_entity *en = &t->entities[i];

        if (!strcasecmp(entity_label(m, en), id))
            return en->label;
        for (size_t k = 0; k < en->n; k++)
            if (!strcasecmp(field_label(m, en, &en->fields[k]), id))
                return in_words(m->q->arena, en->fields[k].property);
    }
    for (size_t i = 0; i < t->n_enums; i++)
        for (size_t k = 0; k < t->enums[i].n; k++)
            if (!strcasecmp(member_label(m, &t->enums[i], k), id))
                return t->enums[i].members[k].label;
    return NULL;
}

/* "(Id='@SYS1',Language='en-US')" */
static bool label(struct meta *m, const char *key)
{
    struct strbuf id = STRBUF(0), language = STRBUF(0);
    const char *p = key, *text = NULL;
    bool ok = !strncmp(p, "(Id=", 4);

    p += ok ? 4 : 0;
    ok = ok && quoted(&p, &id) && !strncmp(p, ",Language=", 10);
    p += ok ? 10 : 0;
    ok = ok && quoted(&p, &language) && !strcmp(p, ")");
    if (ok)
        text = label_text(m, strbuf_str(&id));
    if (text) {
        emu_fno_json(m->r, m->q, 200);
        strbuf_addf(&m->r->body, "{\"@odata.context\":\"%s/Metadata/$metadata#Labels/$entity\",", emu_fno_base(m->q));
        member(&m->r->body, "Id", strbuf_str(&id));
        strbuf_addc(&m->r->body, ',');
        member(&m->r->body, "Language", strbuf_str(&language));
        strbuf_addc(&m->r->body, ',');
        member(&m->r->body, "Value", text);
        strbuf_addc(&m->r->body, '}');
    }
    strbuf_release(&id);
    strbuf_release(&language);
    return text != NULL;
}

/* ---- items ---- */
static void data_entity(struct meta *m, const struct emu_entity *en)
{
    struct strbuf *b = &m->r->body;

    strbuf_addc(b, '{');
    member(b, "Name", en->aot);
    strbuf_addc(b, ',');
    member(b, "PublicEntityName", en->public_name);
    strbuf_addc(b, ',');
    member(b, "PublicCollectionName", en->set);
    strbuf_addc(b, ',');
    member(b, "LabelId", entity_label(m, en));
    strbuf_addf(
        b, ",\"DataServiceEnabled\":true,\"DataManagementEnabled\":true,\"EntityCategory\":\"%s\",\"IsReadOnly\":%s}",
        en->shared ? "Reference" : "Master", yes_no(!emu_fno_writable(m->e, en)));
}

const char *emu_edm_type(const struct emu_field *f, const char *of_enum)
{
    switch (f->type) {
    case F_STRING: return "Edm.String";
    case F_ENUM: return of_enum;
    case F_REAL: return "Edm.Decimal";
    case F_INT: return "Edm.Int32";
    case F_INT64: return "Edm.Int64";
    case F_DATE:
    case F_UTCDATETIME: return "Edm.DateTimeOffset";
    }
    return "";
}

static const char *type_name(struct meta *m, const struct emu_field *f)
{
    return emu_edm_type(f, f->type == F_ENUM ? arena_printf(m->q->arena, "%s.%s", NAMESPACE, f->en->name) : NULL);
}

static const char *data_type(const struct emu_field *f)
{
    static const char *const NAMES[] = { "String", "Enum", "Real", "Int32", "Int64", "Date", "UtcDateTime" };

    return NAMES[f->type];
}

static void property(struct strbuf *b, const char *name, const char *type, const char *data, const char *label_id,
                     bool key, bool mandatory, bool edit, bool create)
{
    strbuf_addc(b, '{');
    member(b, "Name", name);
    strbuf_addc(b, ',');
    member(b, "TypeName", type);
    strbuf_addc(b, ',');
    member(b, "DataType", data);
    strbuf_addc(b, ',');
    member(b, "LabelId", label_id);
    strbuf_addf(
        b,
        ",\"IsKey\":%s,\"IsMandatory\":%s,\"ConfigurationEnabled\":true,\"AllowEdit\":%s,\"AllowEditOnCreate\":%s,"
        "\"IsDimension\":false,\"DimensionRelation\":null,\"IsDynamicDimension\":false,"
        "\"DimensionLegalEntityProperty\":null,\"DimensionTypeProperty\":null}",
        yes_no(key), yes_no(mandatory), yes_no(edit), yes_no(create));
}

static void public_entity(struct meta *m, const struct emu_entity *en)
{
    struct strbuf *b = &m->r->body;

    strbuf_addc(b, '{');
    member(b, "Name", en->public_name);
    strbuf_addc(b, ',');
    member(b, "EntitySetName", en->set);
    strbuf_addc(b, ',');
    member(b, "LabelId", entity_label(m, en));
    strbuf_addf(b, ",\"IsReadOnly\":%s,\"ConfigurationEnabled\":true,\"Properties\":[",
                yes_no(!emu_fno_writable(m->e, en)));
    if (!en->shared)
        property(b, "dataAreaId", "Edm.String", "String", "@SYS13342", true, false, false, true);
    for (size_t i = 0; i < en->n; i++) {
        const struct emu_field *f = &en->fields[i];

        if (i || !en->shared)
            strbuf_addc(b, ',');
        property(b, f->property, type_name(m, f), data_type(f), field_label(m, en, f), f->key, f->mandatory,
                 !f->key && !f->computed, !f->computed);
    }
    strbuf_adds(b, "],\"NavigationProperties\":[],\"PropertyGroups\":[],\"Actions\":[]}");
}

static const char *edm_of(char code)
{
    return code == 'b' ? "Edm.Boolean" : code == 'i' ? "Edm.Int32" : "Edm.String";
}

static void action(struct strbuf *b, const char *name, const char *parameters, char returns)
{
    strbuf_addf(b, "{\"Name\":\"%s\",\"BindingKind\":\"BoundToEntitySet\",\"Parameters\":[", name);
    for (const char *p = parameters; *p; p += strcspn(p, ","), p += *p == ',') {
        const char *what = p + (*p == '?'), *parameter = what + 2;

        strbuf_addf(b, "%s{\"Name\":\"%.*s\",\"Type\":{\"TypeName\":\"%s\",\"IsCollection\":false}}",
                    p == parameters ? "" : ",", (int)strcspn(parameter, ","), parameter, edm_of(*what));
    }
    if (returns == '-')
        strbuf_adds(b, "],\"ReturnType\":null,\"FieldLookup\":null}");
    else
        strbuf_addf(b, "],\"ReturnType\":{\"TypeName\":\"%s\",\"IsCollection\":%s},\"FieldLookup\":null}",
                    edm_of(returns), yes_no(returns == 'c'));
}

/* The data projects have no table among the tenant's entities; clients look here for the actions of this build. */
static void actions_entity(struct meta *m)
{
    struct strbuf *b = &m->r->body;
    const char *name, *parameters;
    char returns;

    strbuf_addf(
        b,
        "{\"Name\":\"%s\",\"EntitySetName\":\"%ss\",\"LabelId\":\"@DMF:DefinitionGroup\",\"IsReadOnly\":false,"
        "\"ConfigurationEnabled\":true,\"Properties\":[",
        ACTIONS_ENTITY, ACTIONS_ENTITY);
    property(b, "Name", "Edm.String", "String", "@SYS7399", true, true, false, true);
    strbuf_addc(b, ',');
    property(b, "Description", "Edm.String", "String", "@SYS6926", false, false, true, true);
    strbuf_adds(b, "],\"NavigationProperties\":[],\"PropertyGroups\":[],\"Actions\":[");
    for (size_t i = 0; emu_dmf_action(i, &name, &parameters, &returns); i++) {
        if (i)
            strbuf_addc(b, ',');
        action(b, name, parameters, returns);
    }
    strbuf_adds(b, "]}");
}

static void enumeration(struct meta *m, const struct emu_enum *en)
{
    struct strbuf *b = &m->r->body;

    strbuf_addc(b, '{');
    member(b, "Name", en->name);
    strbuf_addf(b, ",\"LabelId\":null,\"Members\":[");
    for (size_t i = 0; i < en->n; i++) {
        strbuf_adds(b, i ? ",{" : "{");
        member(b, "Name", en->members[i].name);
        strbuf_addf(b, ",\"Value\":%zu,", i);
        member(b, "LabelId", member_label(m, en, i));
        strbuf_adds(b, ",\"ConfigurationEnabled\":true}");
    }
    strbuf_adds(b, "]}");
}

/* ---- collections and single items ---- */
enum sort { DATA_ENTITIES, PUBLIC_ENTITIES, PUBLIC_ENUMERATIONS, SORTS };
static const char *const SETS[SORTS] = { "DataEntities", "PublicEntities", "PublicEnumerations" };

static size_t how_many(const struct meta *m, enum sort s)
{
    return s == PUBLIC_ENUMERATIONS ? m->e->tenant.n_enums : m->e->tenant.n_entities + (s == PUBLIC_ENTITIES);
}

/* The i-th item: its facts, and, when asked for, itself. ret: number of facts. */
static size_t item(struct meta *m, enum sort s, size_t i, struct fact *facts, bool print)
{
    const struct emu_entity *en =
        s != PUBLIC_ENUMERATIONS && i < m->e->tenant.n_entities ? &m->e->tenant.entities[i] : NULL;
    size_t n = 0;

    if (s == PUBLIC_ENUMERATIONS) {
        facts[n++] = (struct fact){ "Name", m->e->tenant.enums[i].name };
        if (print)
            enumeration(m, &m->e->tenant.enums[i]);
        return n;
    }
    if (!en) {
        facts[n++] = (struct fact){ "Name", ACTIONS_ENTITY };
        facts[n++] = (struct fact){ "EntitySetName", "DataManagementDefinitionGroups" };
        facts[n++] = (struct fact){ "LabelId", "@DMF:DefinitionGroup" };
        facts[n++] = (struct fact){ "IsReadOnly", "false" };
        if (print)
            actions_entity(m);
        return n;
    }
    facts[n++] = (struct fact){ "Name", s == DATA_ENTITIES ? en->aot : en->public_name };
    facts[n++] = (struct fact){ s == DATA_ENTITIES ? "PublicCollectionName" : "EntitySetName", en->set };
    facts[n++] = (struct fact){ "LabelId", entity_label(m, en) };
    facts[n++] = (struct fact){ "IsReadOnly", yes_no(!emu_fno_writable(m->e, en)) };
    if (s == DATA_ENTITIES) {
        facts[n++] = (struct fact){ "PublicEntityName", en->public_name };
        facts[n++] = (struct fact){ "DataServiceEnabled", "true" };
        facts[n++] = (struct fact){ "DataManagementEnabled", "true" };
        facts[n++] = (struct fact){ "EntityCategory", en->shared ? "Reference" : "Master" };
        if (print)
            data_entity(m, en);
    } else if (print) {
        public_entity(m, en);
    }
    return n;
}

static int64_t option(struct meta *m, const char *name, int64_t dflt)
{
    const char *v = emu_query(m->q, name);

    return !v ? dflt : *v && strlen(v) < 10 && strspn(v, "0123456789") == strlen(v) ? strtoll(v, NULL, 10) : -1;
}

static void collection(struct meta *m, enum sort s)
{
    int64_t left = option(m, "$top", INT64_MAX), skipped = option(m, "$skip", 0);
    bool bad = left < 0 || skipped < 0, any = false;
    struct fact facts[10];

    emu_fno_json(m->r, m->q, 200);
    strbuf_addf(&m->r->body, "{\"@odata.context\":\"%s/Metadata/$metadata#%s\",\"value\":[", emu_fno_base(m->q),
                SETS[s]);
    for (size_t i = 0; i < how_many(m, s) && !bad && left > 0; i++) {
        size_t n = item(m, s, i, facts, false);

        if (!taken(m, facts, n, &bad) || skipped-- > 0)
            continue;
        if (any)
            strbuf_addc(&m->r->body, ',');
        item(m, s, i, facts, true);
        any = true;
        left--;
    }
    strbuf_adds(&m->r->body, "]}");
    if (bad)
        emu_fno_error(m->r, m->q, 400, "The query specified in the URI is not valid.");
}

/* "('CustomerV3')" or "(Name='CustomerV3')" */
static bool single(struct meta *m, enum sort s, const char *key)
{
    struct strbuf name = STRBUF(0);
    const char *p = key + 1;
    bool found = false;
    struct fact facts[10];

    p += !strncmp(p, "Name=", 5) ? 5 : 0;
    if (quoted(&p, &name) && !strcmp(p, ")"))
        for (size_t i = 0; i < how_many(m, s) && !found; i++) {
            size_t at;

            item(m, s, i, facts, false);
            if (strcmp(facts[0].value, strbuf_str(&name)) != 0) /* names are case-sensitive */
                continue;
            emu_fno_json(m->r, m->q, 200);
            strbuf_addf(&m->r->body, "{\"@odata.context\":\"%s/Metadata/$metadata#%s/$entity\",", emu_fno_base(m->q),
                        SETS[s]);
            at = m->r->body.len;
            item(m, s, i, facts, true);
            memmove(m->r->body.buf + at, m->r->body.buf + at + 1, m->r->body.len - at); /* its own '{' */
            m->r->body.len--;
            found = true;
        }
    strbuf_release(&name);
    return found;
}

/* ---- $metadata ---- */
static void schema_entity(struct meta *m, const struct emu_entity *en)
{
    struct strbuf *b = &m->r->body;

    strbuf_addf(b, "<EntityType Name=\"%s\"><Key>", en->public_name);
    if (!en->shared)
        strbuf_adds(b, "<PropertyRef Name=\"dataAreaId\"/>");
    for (size_t i = 0; i < en->n; i++)
        if (en->fields[i].key)
            strbuf_addf(b, "<PropertyRef Name=\"%s\"/>", en->fields[i].property);
    strbuf_adds(b, "</Key>");
    if (!en->shared)
        strbuf_adds(b, "<Property Name=\"dataAreaId\" Type=\"Edm.String\" Nullable=\"false\"/>");
    for (size_t i = 0; i < en->n; i++)
        strbuf_addf(b, "<Property Name=\"%s\" Type=\"%s\"%s%s/>", en->fields[i].property,
                    type_name(m, &en->fields[i]), en->fields[i].key ? " Nullable=\"false\"" : "",
                    en->fields[i].type == F_REAL ? " Scale=\"Variable\"" : "");
    strbuf_adds(b, "</EntityType>");
}

static void schema(struct meta *m)
{
    const struct emu_tenant *t = &m->e->tenant;
    struct strbuf *b = &m->r->body;

    m->r->status = 200;
    emu_add_header(m->r, m->q, "Content-Type", "application/xml");
    strbuf_addf(b,
                "<?xml version=\"1.0\" encoding=\"utf-8\"?><edmx:Edmx Version=\"4.0\" "
                "xmlns:edmx=\"http://docs.oasis-open.org/odata/ns/edmx\"><edmx:DataServices><Schema Namespace=\"%s\" "
                "xmlns=\"http://docs.oasis-open.org/odata/ns/edm\">",
                NAMESPACE);
    for (size_t i = 0; i < t->n_entities; i++)
        schema_entity(m, &t->entities[i]);
    for (size_t i = 0; i < t->n_enums; i++) {
        strbuf_addf(b, "<EnumType Name=\"%s\">", t->enums[i].name);
        for (size_t k = 0; k < t->enums[i].n; k++)
            strbuf_addf(b, "<Member Name=\"%s\" Value=\"%zu\"/>", t->enums[i].members[k].name, k);
        strbuf_adds(b, "</EnumType>");
    }
    strbuf_adds(b, "<EntityContainer Name=\"Resources\">");
    for (size_t i = 0; i < t->n_entities; i++)
        strbuf_addf(b, "<EntitySet Name=\"%s\" EntityType=\"%s.%s\"/>", t->entities[i].set, NAMESPACE,
                    t->entities[i].public_name);
    strbuf_adds(b, "</EntityContainer></Schema></edmx:DataServices></edmx:Edmx>");
}

bool emu_fno_metadata(struct emu *e, struct emu_request *q, struct emu_response *r)
{
    struct meta m = { e, q, r };
    const char *name, *rest;

    if (strcmp(q->method, "GET") != 0) {
        emu_fno_error(r, q, 405, "The requested resource does not support http method '%s'.", q->method);
        return true;
    }
    if (!strcmp(q->path, "/data/$metadata")) {
        schema(&m);
        return true;
    }
    name = q->path + strlen("/Metadata/");
    rest = name + strcspn(name, "(");
    if (!strncmp(name, "Labels", 6) && rest == name + 6) {
        if (*rest)
            return label(&m, rest);
        emu_fno_error(r, q, 400, "The query specified in the URI is not valid. Labels are read one at a time.");
        return true;
    }
    for (size_t s = 0; s < SORTS; s++)
        if (strlen(SETS[s]) == (size_t)(rest - name) && !strncmp(SETS[s], name, (size_t)(rest - name))) {
            if (*rest)
                return single(&m, (enum sort)s, rest);
            collection(&m, (enum sort)s);
            return true;
        }
    return false;
}

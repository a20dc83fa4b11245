/* erp_meta.c -- one entity's metadata: four names, keys, types, enum members. */
#include "erp/erp_parts.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* The DMF entity list: label -> AOT name and whether it is shared. */
struct found {
    struct arena *a;
    struct cell label, aot;
    bool any, shared;
};

static enum ec take_entity(void *arg, const struct json *rec, struct err *reterr)
{
    struct found *f = arg;
    struct cell label = json_text(json_iget(rec, "EntityName")), shared = json_text(json_iget(rec, "IsShared"));

    (void)reterr;
    if (f->any || !cell_ieq(label, f->label))
        return EC_OK;
    f->any = true;
    f->label = cell_dup(f->a, label);
    f->aot = cell_dup(f->a, json_text(json_iget(rec, "TargetEntity")));
    f->shared = cell_ieq(shared, CELL_LIT("Yes")) || cell_ieq(shared, CELL_LIT("true"));
    return EC_OK;
}

enum { LABELS_REFUSED_MAX = 3, LABEL_QUESTIONS_MAX = 300 };

/*
 * The text behind a label: texts stay, references (@SYS1) are looked up in English. Absent: not to be had. Metadata is
 * complete without it, so a refusal is not an error, and a service that keeps refusing is left alone.
 */
static enum ec label_text(struct erp *e, struct cell label, struct arena *a, struct cell *ret, struct err *reterr)
{
    struct strbuf url = STRBUF(0);
    struct json *v = NULL;
    struct err mine = { 0 };
    int status = 0;
    enum ec rc;

    *ret = label;
    if (cell_blank(label) || label.ptr[0] != '@')
        return EC_OK;
    *ret = CELL_ABSENT;
    if (e->labels_refused >= LABELS_REFUSED_MAX)
        return EC_OK;
    strbuf_adds(&url, "/Metadata/Labels(Id=");
    erp_add_literal(&url, label);
    strbuf_adds(&url, ",Language=%27en-US%27)");
    rc = erp_get_json(e, "Labels", url.buf, a, &v, &status, &mine);
    strbuf_release(&url);
    if (rc == EC_STOPPED || rc == EC_NET || rc == EC_AUTH) {
        if (reterr)
            *reterr = mine;
        return rc;
    }
    e->labels_refused = v ? 0 : e->labels_refused + 1;
    if (v) {
        struct cell text = json_text(json_iget(v, "Value"));

        if (!cell_blank(text) && text.ptr[0] != '@')
            *ret = text;
    }
    return EC_OK;
}

/* "Customers V3" and "CustomersV3": letters and digits only, case ignored. n = only the first so many of them, 0 = all. */
static bool same_letters(struct cell x, struct cell y, size_t n)
{
    size_t i = 0, k = 0, same = 0;

    for (;;) {
        while (i < x.len && !isalnum((unsigned char)x.ptr[i]))
            i++;
        while (k < y.len && !isalnum((unsigned char)y.ptr[k]))
            k++;
        if (n && same == n)
            return true;
        if (i == x.len || k == y.len)
            return i == x.len && k == y.len && same > 0;
        if (tolower((unsigned char)x.ptr[i++]) != tolower((unsigned char)y.ptr[k++]))
            return false;
        same++;
    }
}

/* An entity of the metadata service that might have the label. */
struct candidate {
    struct cell aot, label_ref;
    bool by_name; /* its name is the label without blanks */
};
struct candidates {
    struct arena *a;
    struct cell label;
    struct candidate *c;
    size_t n, cap;
    struct cell exact; /* AOT name of the entity whose label is given as a text */
};

static enum ec take_candidate(void *arg, const struct json *rec, struct err *reterr)
{
    struct candidates *l = arg;
    struct cell label = json_member(rec, "LabelId"), text = json_member(rec, "LabelText"),
                aot = json_member(rec, "Name");
    bool by_name = same_letters(json_member(rec, "PublicCollectionName"), l->label, 0) ||
                   same_letters(json_member(rec, "PublicEntityName"), l->label, 0);

    (void)reterr;
    if (cell_absent(l->exact) && (cell_ieq(label, l->label) || cell_ieq(text, l->label)))
        l->exact = cell_dup(l->a, aot);
    if (cell_blank(label) || label.ptr[0] != '@' ||
        (!by_name && !same_letters(aot, l->label, 4) &&
         !same_letters(json_member(rec, "PublicEntityName"), l->label, 4)))
        return EC_OK;
    if (l->n == l->cap) {
        struct candidate *more = arena_zalloc(l->a, (l->cap ? 2 * l->cap : 64) * sizeof(*more));

        if (l->n)
            memcpy(more, l->c, l->n * sizeof(*more));
        l->c = more;
        l->cap = l->cap ? 2 * l->cap : 64;
    }
    l->c[l->n++] = (struct candidate){ cell_dup(l->a, aot), cell_dup(l->a, label), by_name };
    return EC_OK;
}

/*
 * Where the list of data management does not know the label or cannot be read: by the labels of the metadata service. They
 * are mostly references, and the service cannot search texts, so those entities are asked about whose name is alike.
 */
static enum ec find_by_metadata(struct erp *e, struct cell label, struct found *f, struct err *reterr)
{
    struct candidates l = { .a = f->a, .label = label };
    struct cell alike = CELL_ABSENT;
    size_t asked = 0;
    enum ec rc = erp_read_rows(e, "DataEntities", "/Metadata/DataEntities", take_candidate, &l, reterr);

    if (!rc)
        f->aot = l.exact;
    for (int by_name = 1; by_name >= 0 && !rc && cell_absent(f->aot); by_name--)
        for (size_t i = 0; i < l.n && !rc && cell_absent(f->aot) && asked < LABEL_QUESTIONS_MAX; i++) {
            struct cell text = CELL_ABSENT;

            if (l.c[i].by_name != (by_name == 1))
                continue;
            asked++;
            rc = label_text(e, l.c[i].label_ref, f->a, &text, reterr);
            if (!rc && cell_ieq(text, label))
                f->aot = l.c[i].aot;
            else if (!rc && by_name && cell_absent(text))
                alike = l.c[i].aot; /* its label cannot be read: the name has to do */
        }
    if (!rc && cell_absent(f->aot))
        f->aot = alike;
    f->any = !rc && !cell_absent(f->aot);
    f->label = label;
    return rc;
}

static enum ec find_label(struct erp *e, struct cell label, struct found *f, struct err *reterr)
{
    struct strbuf url = STRBUF(0);
    struct err mine = { 0 };
    enum ec rc;

    strbuf_adds(&url, "/data/DataManagementEntities?$filter=EntityName%20eq%20");
    erp_add_literal(&url, label);
    rc = erp_read_rows(e, "DataManagementEntities", url.buf, take_entity, f, &mine);
    strbuf_release(&url);
    if (rc == EC_FNO || (!rc && (!f->any || cell_blank(f->aot)))) {
        f->any = false;
        rc = find_by_metadata(e, label, f, &mine);
    }
    if (rc && reterr)
        *reterr = mine;
    if (!rc && !f->any) {
        err_set(reterr, EC_NOTFOUND, "F&O has no data entity with the label '" CELL_FMT "'", CELL_ARG(label));
        rc = err_hint(
            reterr, "labels are in the environment's language; refresh the entity list (Data management > Framework "
                    "parameters > Entity settings) and look under Data entities");
    }
    return rc;
}

/* AOT name -> public names (/Metadata/DataEntities). */
static enum ec public_names(struct erp *e, struct cell aot, struct arena *a, struct fno_entity *en,
                            struct err *reterr)
{
    struct json *v;
    struct strbuf url = STRBUF(0);
    const struct json *rec;
    enum ec rc;

    strbuf_adds(&url, "/Metadata/DataEntities?$filter=Name%20eq%20");
    erp_add_literal(&url, aot);
    rc = erp_get_json(e, "DataEntities", url.buf, a, &v, NULL, reterr);
    strbuf_release(&url);
    if (rc)
        return rc;
    rec = json_get(v, "value") ? json_get(v, "value")->child : NULL;
    while (rec && !cell_ieq(json_member(rec, "Name"), aot))
        rec = rec->next;
    if (!rec)
        return err_set(reterr, EC_NOTFOUND, "F&O metadata has no data entity '" CELL_FMT "'", CELL_ARG(aot));
    en->public_name = json_member(rec, "PublicEntityName");
    en->set = json_member(rec, "PublicCollectionName");
    en->on_odata = json_bool(json_get(rec, "DataServiceEnabled"), !cell_blank(en->set));
    en->on_dmf = json_bool(json_get(rec, "DataManagementEnabled"), true);
    en->read_only = json_bool(json_get(rec, "IsReadOnly"), false);
    return EC_OK;
}

static enum fno_type type_of(struct cell data_type, struct cell type_name)
{
    static const struct {
        const char *word;
        enum fno_type t;
    } TYPES[] = {
        { "String", FNO_STRING }, { "Enum", FNO_ENUM },   { "Real", FNO_REAL }, { "Int32", FNO_INT },
        { "Int", FNO_INT },       { "Int64", FNO_INT64 }, { "Date", FNO_DATE }, { "UtcDateTime", FNO_UTCDATETIME },
        { "Guid", FNO_GUID },
    };

    for (size_t i = 0; i < COUNT(TYPES); i++)
        if (cell_ieq(data_type, cell_of(TYPES[i].word)))
            return TYPES[i].t;
    if (cell_is(type_name, "Edm.String"))
        return FNO_STRING;
    if (cell_is(type_name, "Edm.Decimal") || cell_is(type_name, "Edm.Double"))
        return FNO_REAL;
    if (cell_is(type_name, "Edm.Int32"))
        return FNO_INT;
    if (cell_is(type_name, "Edm.Int64"))
        return FNO_INT64;
    if (cell_is(type_name, "Edm.DateTimeOffset"))
        return FNO_UTCDATETIME;
    if (cell_is(type_name, "Edm.Guid"))
        return FNO_GUID;
    return FNO_OTHER;
}

/* "Microsoft.Dynamics.DataEntities.NoYes" -> "NoYes" */
static struct cell last_part(struct cell c)
{
    for (size_t i = c.len; i > 0; i--)
        if (c.ptr[i - 1] == '.')
            return (struct cell){ c.ptr + i, c.len - i };
    return c;
}

static enum ec load_enum(struct erp *e, struct cell name, struct arena *a, const struct fno_enum **ret,
                         struct err *reterr)
{
    struct json *v;
    const struct json *members;
    struct strbuf url = STRBUF(0);
    struct fno_enum *en;
    size_t n = 0;
    enum ec rc;

    strbuf_adds(&url, "/Metadata/PublicEnumerations(");
    erp_add_literal(&url, name);
    strbuf_addc(&url, ')');
    rc = erp_get_json(e, "PublicEnumerations", url.buf, a, &v, NULL, reterr);
    strbuf_release(&url);
    if (rc)
        return err_ctx(reterr, rc, "enum " CELL_FMT, CELL_ARG(name));
    members = json_get(v, "Members");
    en = arena_zalloc(a, sizeof(*en));
    en->name = name;
    for (const struct json *m = members ? members->child : NULL; m; m = m->next)
        n++;
    en->members = arena_zalloc(a, (n + 1) * sizeof(*en->members));
    en->labels = arena_zalloc(a, (n + 1) * sizeof(*en->labels));
    en->values = arena_zalloc(a, (n + 1) * sizeof(*en->values));
    for (const struct json *m = members ? members->child : NULL; m; m = m->next) {
        struct cell label = json_member(m, "LabelText");

        en->members[en->n] = json_member(m, "Name");
        if (cell_blank(label))
            label = json_member(m, "LabelId");
        rc = label_text(e, label, a, &en->labels[en->n], reterr);
        if (rc)
            return rc;
        en->values[en->n] = json_i64(json_get(m, "Value"), (int64_t)en->n);
        en->n++;
    }
    *ret = en;
    return EC_OK;
}

/* Of this entity so far, or of one that was loaded before: NoYes is nearly everywhere. */
static const struct fno_enum *known_enum(const struct schema *s, const struct fno_entity *en, size_t upto,
                                         struct cell name)
{
    for (size_t k = 0; k < s->n_entities; k++)
        for (size_t i = 0; i < s->entities[k]->n; i++)
            if (s->entities[k]->fields[i].en && cell_ieq(s->entities[k]->fields[i].en->name, name))
                return s->entities[k]->fields[i].en;
    for (size_t i = 0; i < upto; i++)
        if (en->fields[i].en && cell_ieq(en->fields[i].en->name, name))
            return en->fields[i].en;
    return NULL;
}

static enum ec load_fields(struct erp *e, struct fno_entity *en, struct schema *s, struct err *reterr)
{
    struct json *v;
    const struct json *props;
    struct strbuf url = STRBUF(0);
    struct arena *a = &s->arena;
    size_t n = 0;
    enum ec rc;

    strbuf_adds(&url, "/Metadata/PublicEntities(");
    erp_add_literal(&url, en->public_name);
    strbuf_addc(&url, ')');
    rc = erp_get_json(e, "PublicEntities", url.buf, a, &v, NULL, reterr);
    strbuf_release(&url);
    if (rc)
        return rc;
    props = json_get(v, "Properties");
    for (const struct json *p = props ? props->child : NULL; p; p = p->next)
        n++;
    if (!n)
        return err_set(reterr, EC_FNO, "F&O metadata of '" CELL_FMT "' has no properties", CELL_ARG(en->public_name));
    en->fields = arena_zalloc(a, n * sizeof(*en->fields));
    en->shared = true;
    for (const struct json *p = props->child; p && !rc; p = p->next) {
        struct fno_field *f = &en->fields[en->n];
        struct cell name = json_member(p, "Name");

        if (cell_ieq(name, CELL_LIT("dataAreaId"))) {
            en->shared = false;
            continue;
        }
        f->property = name;
        f->staging = cell_upper(a, name);
        f->type = type_of(json_member(p, "DataType"), json_member(p, "TypeName"));
        f->key = json_bool(json_get(p, "IsKey"), false);
        f->mandatory = json_bool(json_get(p, "IsMandatory"), false);
        f->edit = json_bool(json_get(p, "AllowEdit"), true);
        f->create = json_bool(json_get(p, "AllowEditOnCreate"), true);
        if (f->type == FNO_ENUM) {
            struct cell en_name = last_part(json_member(p, "TypeName"));

            f->en = known_enum(s, en, en->n, en_name);
            if (!f->en)
                rc = load_enum(e, en_name, a, &f->en, reterr);
        }
        en->n++;
    }
    return rc;
}

enum ec erp_load_entity(struct erp *e, struct cell label, struct schema *s, struct err *reterr)
{
    struct arena *a = &s->arena;
    struct found f = { .a = a, .label = label };
    struct fno_entity *en = arena_zalloc(a, sizeof(*en));
    enum ec rc = find_label(e, label, &f, reterr);

    if (rc)
        return rc;
    en->label = f.label;
    en->aot = f.aot;
    rc = public_names(e, en->aot, a, en, reterr);
    if (!rc && cell_blank(en->public_name)) {
        rc = err_set(reterr, EC_CONFIG, "entity '" CELL_FMT "' is not public: F&O offers no metadata for it",
                     CELL_ARG(label));
        err_hint(reterr, "use a public entity, or ask a developer to set IsPublic");
    }
    if (!rc)
        rc = load_fields(e, en, s, reterr);
    if (rc)
        return err_ctx(reterr, rc, "metadata of F&O entity '" CELL_FMT "'", CELL_ARG(label));
    schema_add_entity(s, en);
    return EC_OK;
}

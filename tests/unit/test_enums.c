/* Value maps proposed from an enum and an option set, and written into the document. */
#include "tenant_schema.h"

#include "map/enums.h"

struct made {
    struct arena a;
    struct fno_enum en;
    struct dv_column c;
};

/* "Name=Label,.." and "1=Label,.."; no options = a yes/no column. */
static void make(struct made *m, const char *elements, const char *options)
{
    struct cell names[2][20], labels[2][20];
    const char *texts[2] = { elements, options };
    size_t n[2] = { 0, 0 };

    for (int k = 0; k < 2; k++)
        for (const char *p = texts[k]; *p; p += *p == ',') {
            size_t name = strcspn(p, "=,");

            names[k][n[k]] = (struct cell){ p, name };
            p += name;
            labels[k][n[k]] = *p == '=' ? (struct cell){ p + 1, strcspn(p + 1, ",") } : CELL_ABSENT;
            p += strcspn(p, ",");
            n[k]++;
        }
    memset(m, 0, sizeof(*m));
    m->en.name = CELL_LIT("E");
    m->en.n = n[0];
    m->en.members = arena_alloc(&m->a, 20 * sizeof(struct cell));
    m->en.labels = arena_alloc(&m->a, 20 * sizeof(struct cell));
    m->en.values = arena_zalloc(&m->a, 20 * sizeof(int64_t));
    memcpy(m->en.members, names[0], n[0] * sizeof(struct cell));
    memcpy(m->en.labels, labels[0], n[0] * sizeof(struct cell));
    m->c.name = CELL_LIT("c");
    m->c.type = n[1] ? DV_PICKLIST : DV_BOOLEAN;
    m->c.options = arena_zalloc(&m->a, 20 * sizeof(struct dv_option));
    for (size_t i = 0; i < n[1]; i++) {
        cell_to_i64(names[1][i], &m->c.options[i].value);
        m->c.options[i].label = labels[1][i];
    }
    m->c.n_options = n[1];
}

/* "key:value how; .. | elements left | options left" */
static char *told(struct arena *a, const struct enums_proposal *p)
{
    struct strbuf s = STRBUF(0);
    char *text;

    for (size_t i = 0; i < p->n; i++) {
        strbuf_addf(&s, "%s" CELL_FMT ":" CELL_FMT " %s", i ? "; " : "", CELL_ARG(p->pairs[i].key),
                    CELL_ARG(p->pairs[i].value), enums_how_word(p->pairs[i].how));
        if (p->pairs[i].unknown_key || p->pairs[i].unknown_value)
            strbuf_adds(&s, " unknown");
        if (!cell_absent(p->pairs[i].otherwise))
            strbuf_addf(&s, " not " CELL_FMT, CELL_ARG(p->pairs[i].otherwise));
    }
    for (size_t i = 0; i < p->n_elements; i++)
        strbuf_addf(&s, "%s" CELL_FMT, i ? " " : " | ", CELL_ARG(p->elements[i]));
    for (size_t i = 0; i < p->n_options; i++)
        strbuf_addf(&s, "%s%lld", i ? " " : " || ", (long long)p->options[i].value);
    text = arena_strdup(a, strbuf_str(&s));
    strbuf_release(&s);
    return text;
}

static void proposals(void **state)
{
    static const struct {
        const char *name, *elements, *options;
        struct map_pair present[4];
        size_t n_present;
        const char *want;
    } CASES[] = {
        { "by name",
          "None,SalesLeadTime",
          "7=Sales lead time,6=none",
          { { { 0 }, { 0 } } },
          0,
          "none:6 by name; salesLeadTime:7 by name" },
        { "by label where the name says nothing",
          "Draft=Not submitted,Open=Open order",
          "1=Not submitted,2=Open",
          { { { 0 }, { 0 } } },
          0,
          "open:2 by name; draft:1 by label" },
        { "a name before a label",
          "Open=Closed,Closed=Open",
          "1=Open,2=Closed",
          { { { 0 }, { 0 } } },
          0,
          "open:1 by name; closed:2 by name" },
        { "near",
          "Requisition=Requisition,Invoice",
          "1=Requisitions,2=Invoic",
          { { { 0 }, { 0 } } },
          0,
          "requisition:1 near, review; invoice:2 near, review" },
        { "nothing like it", "Alpha,Beta", "1=Gamma,2=Beta", { { { 0 }, { 0 } } }, 0, "beta:2 by name | Alpha || 1" },
        { "an option is taken once", "Net,NetX", "1=Net", { { { 0 }, { 0 } } }, 0, "net:1 by name | NetX" },
        { "present pairs stand",
          "No,All,Never",
          "10=No,20=All,30=Never",
          { { CELL_LIT("ALL"), CELL_LIT("20") } },
          1,
          "ALL:20 present; no:10 by name; never:30 by name" },
        { "conflict",
          "No,All",
          "10=No,20=All",
          { { CELL_LIT("no"), CELL_LIT("20") } },
          1,
          "no:20 present not 10 | All || 10" },
        { "present, but unknown",
          "No",
          "10=No",
          { { CELL_LIT("nope"), CELL_LIT("11") } },
          1,
          "nope:11 present unknown; no:10 by name" },
        { "yes/no", "No,Yes", "", { { { 0 }, { 0 } } }, 0, "no:False by name; yes:True by name" },
        { "yes/no half there",
          "No,Yes",
          "",
          { { CELL_LIT("yes"), CELL_LIT("true") } },
          1,
          "yes:true present; no:False by name" },
        { "yes/no turned round",
          "No,Yes",
          "",
          { { CELL_LIT("yes"), CELL_LIT("0") } },
          1,
          "yes:0 present not True | No || 1" },
        { "no element is yes or no",
          "Person,Organization",
          "",
          { { { 0 }, { 0 } } },
          0,
          " | Person Organization || 0 1" },
        { "labels of another script",
          "A=\xd0\x94\xd0\xb0,B=\xd0\x9d\xd0\xb5\xd1\x82",
          "1=\xd0\x9d\xd0\xb5\xd1\x82,2=\xd0\x94\xd0\xb0",
          { { { 0 }, { 0 } } },
          0,
          "a:2 by label; b:1 by label" },
        { "labels without letters", "Zero,One", "1=-,2=+", { { { 0 }, { 0 } } }, 0, " | Zero One || 1 2" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        struct made m;
        struct enums_proposal p;
        struct map_field mf = { .has_map = CASES[i].n_present > 0,
                                .pairs = (struct map_pair *)CASES[i].present,
                                .n_pairs = CASES[i].n_present };

        make(&m, CASES[i].elements, CASES[i].options);
        enums_propose(&mf, &m.en, &m.c, &m.a, &p);
        CHECK_STR(told(&m.a, &p), CASES[i].want, "%s", CASES[i].name);
        arena_release(&m.a);
    }
}

#define DOC(fields)                                                                                               \
    "{\"legs\":[{\"sourceSchema\":\"Customers V3\",\"destinationSchema\":\"accounts\",\"fieldMappings\":[" fields \
    "]}],\"x\":1}"
#define HOLD(more) \
    "{\"syncDirection\":3,\"sourceField\":\"ONHOLDSTATUS\",\"destinationField\":\"msdyn_onholdstatus\"" more "}"

static void writing(void **state)
{
    static const struct {
        const char *name, *doc;
        bool near;
        size_t added;
        const char *want; /* part of the document; NULL = refused */
    } CASES[] = {
        { "no transform", DOC(HOLD("")), false, 6,
          "\"valueTransforms\":[{\"transformType\":\"ValueMap\",\"valueMap\":{\"no\":\"806380000\",\"invoice\":"
          "\"806380001\"" },
        { "an empty list", DOC(HOLD(",\"valueTransforms\":[],\"k\":2")), false, 6, "\"k\":2" },
        { "some are there",
          DOC(HOLD(",\"valueTransforms\":[{\"$type\":\"T\",\"transformType\":\"valuemap\",\"valueMap\":{\"Never\":"
                   "\"806380005\",\"NO\":\"806380000\"}}]")),
          false, 4,
          "{\"$type\":\"T\",\"transformType\":\"valuemap\",\"valueMap\":{\"Never\":\"806380005\",\"NO\":"
          "\"806380000\",\"invoice\":\"806380001\"" },
        { "a map of null", DOC(HOLD(",\"valueTransforms\":[{\"transformType\":\"ValueMap\",\"valueMap\":null}]")),
          false, 6, "\"valueMap\":{\"no\"" },
        { "a default", DOC(HOLD(",\"valueTransforms\":[{\"transformType\":\"Default\",\"defaultValue\":\"x\"}]")),
          false, 0, NULL },
        { "second field", DOC("{\"syncDirection\":3,\"sourceField\":\"A\",\"destinationField\":\"b\"}," HOLD("")),
          false, 6, "\"destinationField\":\"b\"},{\"syncDirection\":3,\"sourceField\":\"ONHOLDSTATUS\"" },
        { "turned round",
          "{\"legs\":[{\"sourceSchema\":\"accounts\",\"sourceEnvironmentType\":\"CRM\",\"destinationSchema\":"
          "\"Customers V3\","
          "\"fieldMappings\":[{\"syncDirection\":3,\"destinationField\":\"ONHOLDSTATUS\",\"sourceField\":\"msdyn_"
          "onholdstatus\"}]}]}",
          false, 6, "\"valueMap\":{\"806380000\":\"no\",\"806380001\":\"invoice\"" },
    };
    struct schema s = { 0 };

    (void)state;
    tenant_schema(&s);
    for (size_t i = 0; i < COUNT(CASES); i++) {
        struct map *m = NULL;
        struct err e = { 0 };
        struct enums_proposal p;
        struct strbuf out = STRBUF(0);
        struct arena a = { 0 };
        const struct fno_enum *en = NULL;
        const struct dv_column *c = NULL;
        size_t added = 0, at;
        enum ec rc;

        CHECK_OK(map_read_text("m.json", CASES[i].doc, strlen(CASES[i].doc), &m, &e), &e);
        at = m->n - 1;
        CHECK(enums_wanted(&m->fields[at], schema_entity(&s, m->label), schema_table(&s, m->set), &en, &c), "%s",
              CASES[i].name);
        enums_propose(&m->fields[at], en, c, &a, &p);
        rc = enums_apply(m, &p, CASES[i].near, &added, &e);
        CHECK(rc == (CASES[i].want ? EC_OK : EC_FORMAT), "%s: %s", CASES[i].name, e.msg);
        CHECK(added == CASES[i].added, "%s: %zu", CASES[i].name, added);
        json_write(&out, m->doc);
        CHECK(!CASES[i].want || strstr(strbuf_str(&out), CASES[i].want), "%s: %s", CASES[i].name, strbuf_str(&out));
        strbuf_release(&out);
        arena_release(&a);
        map_free(m);
    }
    schema_release(&s);
}

static void near_ones(void **state)
{
    struct schema s = { 0 };
    struct map *m = NULL;
    struct err e = { 0 };
    struct enums_proposal p;
    struct arena a = { 0 };
    const struct fno_enum *en = NULL;
    const struct dv_column *c = NULL;
    size_t added = 0;
    static const char TEXT[] = DOC(HOLD(""));

    (void)state;
    tenant_schema(&s);
    tenant_dv_column(&s, "account", "msdyn_onholdstatus")->options[4].label = CELL_LIT("Requisitions");
    CHECK_OK(map_read_text("m.json", TEXT, strlen(TEXT), &m, &e), &e);
    assert_true(enums_wanted(&m->fields[0], schema_entity(&s, m->label), schema_table(&s, m->set), &en, &c));
    enums_propose(&m->fields[0], en, c, &a, &p);
    assert_int_equal(p.fresh, 5);
    assert_int_equal(p.near, 1);
    CHECK_OK(enums_apply(m, &p, false, &added, &e), &e);
    assert_int_equal(added, 5);
    arena_release(&a);
    map_free(m);
    /* not wanted: text columns, lookups, fields that are no enum */
    {
        static const char OTHERS[] =
            DOC("{\"syncDirection\":3,\"sourceField\":\"ONHOLDSTATUS\",\"destinationField\":\"description\"},"
                "{\"syncDirection\":3,\"sourceField\":\"SALESMEMO\",\"destinationField\":\"msdyn_onholdstatus\"},"
                "{\"syncDirection\":3,\"sourceField\":\"ONHOLDSTATUS\",\"destinationField\":\"msdyn_paymentterm."
                "msdyn_name\"},"
                "{\"syncDirection\":3,\"sourceField\":\"NOSUCH\",\"destinationField\":\"msdyn_onholdstatus\"}");

        CHECK_OK(map_read_text("m.json", OTHERS, strlen(OTHERS), &m, &e), &e);
        for (size_t i = 0; i < m->n; i++)
            CHECK(!enums_wanted(&m->fields[i], schema_entity(&s, m->label), schema_table(&s, m->set), &en, &c), "%zu",
                  i);
        map_free(m);
    }
    schema_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(proposals), cmocka_unit_test(writing),
                                        cmocka_unit_test(near_ones) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

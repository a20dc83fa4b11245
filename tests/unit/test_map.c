/* Map documents: every spelling that published maps use, refusals, names, writing back; the real maps when they are there. */
#include "tenant_schema.h"

#include <dirent.h>

#define LEG(more) "{\"legs\":[{\"sourceSchema\":\"Widgets\",\"destinationSchema\":\"acme_widgets\"," more "}]}"
#define FIELDS(more) LEG("\"fieldMappings\":[" more "]")

static struct map *read_text(const char *text)
{
    struct map *m = NULL;
    struct err e = { 0 };

    CHECK_OK(map_read_text("t.json", text, strlen(text), &m, &e), &e);
    return m;
}

static void directions(void **state)
{
    static const struct {
        const char *spelling;
        enum map_dir want;
    } CASES[] = {
        { "1", DIR_TO_DV },
        { "2", DIR_TO_FNO },
        { "3", DIR_BOTH },
        { "\"1\"", DIR_TO_DV },
        { "\"3\"", DIR_BOTH },
        { "\"Forward\"", DIR_TO_DV },
        { "\"REVERSE\"", DIR_TO_FNO },
        { "\"bidirectional\"", DIR_BOTH },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        char text[400];
        struct map *m;

        snprintf(text, sizeof(text),
                 FIELDS("{\"syncDirection\":%s,\"sourceField\":\"A\",\"destinationField\":\"acme_a\"}"),
                 CASES[i].spelling);
        m = read_text(text);
        assert_int_equal(m->n, 1);
        CHECK(m->fields[0].dir == CASES[i].want, "%s gives %d", CASES[i].spelling, m->fields[0].dir);
        map_free(m);
        /* The same from the other end: the fields are turned round. */
        snprintf(
            text, sizeof(text),
            "{\"legs\":[{\"sourceSchema\":\"acme_widgets\",\"destinationSchema\":\"Widgets\","
            "\"sourceEnvironmentType\":\"CRM\",\"sourceFilter\":\"acme_x eq 1\",\"reversedSourceFilter\":\"X == 1\","
            "\"fieldMappings\":[{\"syncDirection\":%s,\"sourceField\":\"acme_a\",\"destinationField\":\"A\","
            "\"valueTransforms\":[{\"transformType\":\"ValueMap\",\"valueMap\":{\"True\":\"yes\"}}]}]}]}",
            CASES[i].spelling);
        m = read_text(text);
        CHECK(m->reversed_legs, "turned");
        CHECK_CELL(m->name, "Widgets (acme_widgets)", "turned");
        CHECK_CELL(m->source_filter, "X == 1", "turned");
        CHECK_CELL(m->reversed_filter, "acme_x eq 1", "turned");
        CHECK_CELL(m->fields[0].source, "A", "turned");
        CHECK_CELL(m->fields[0].destination, "acme_a", "turned");
        CHECK_CELL(m->fields[0].pairs[0].key, "yes", "turned");
        CHECK_CELL(m->fields[0].pairs[0].value, "True", "turned");
        CHECK(m->fields[0].dir == (CASES[i].want == DIR_BOTH    ? DIR_BOTH
                                   : CASES[i].want == DIR_TO_DV ? DIR_TO_FNO
                                                                : DIR_TO_DV),
              "%s turned gives %d", CASES[i].spelling, m->fields[0].dir);
        map_free(m);
    }
}

static void fields(void **state)
{
    static const char TEXT[] = FIELDS(
        "{\"syncDirection\":3,\"sourceField\":\"A\",\"destinationField\":\"x.y.z\","
        "\"destinationLookupFieldRelatedEntity\":\"ys\",\"isSystemGenerated\":true,\"unknownKey\":1},"
        "{\"syncDirection\":1,\"sourceField\":\"\",\"destinationField\":\"acme_c\",\"valueTransforms\":[{"
        "\"$type\":\"T\",\"transformType\":\"default\",\"defaultValue\":\"3\"}]},"
        "{\"syncDirection\":2,\"sourceField\":\"P\",\"destinationField\":\"none\",\"valueTransforms\":[{"
        "\"transformType\":\"Default\",\"defaultValue\":null}]},"
        "{\"syncDirection\":3,\"sourceField\":\"C\",\"destinationField\":\"customerid.Account(accountnumber)\"},"
        "{\"syncDirection\":3,\"sourceField\":\"D\",\"destinationField\":\"d\",\"valueTransforms\":[{"
        "\"transformType\":\"TruncateSpaces\"}]},"
        "{\"syncDirection\":1,\"sourceField\":\"E\",\"destinationField\":\"e\",\"valueTransforms\":[{"
        "\"transformType\":\"ValueMap\",\"valueMap\":{\"no\":\"False\",\"yes\":true,\"n\":806380000}}]},"
        "{\"syncDirection\":1,\"sourceField\":null,\"destinationField\":\"f\"}");
    struct map *m = read_text(TEXT);
    const struct map_field *f = m->fields;

    (void)state;
    assert_int_equal(m->n, 7);
    assert_int_equal(f[0].n_path, 3);
    CHECK_CELL(f[0].path[0].name, "x", "path");
    CHECK_CELL(f[0].path[2].name, "z", "path");
    CHECK_CELL(f[0].related_entity, "ys", "related");
    assert_true(f[0].system_generated);
    CHECK_CELL(f[1].source, NULL, "constant towards Dataverse");
    assert_true(f[1].has_default && !f[1].has_map);
    CHECK_CELL(f[1].default_value, "3", "constant");
    CHECK_CELL(f[2].destination, NULL, "constant towards F&O");
    assert_true(f[2].has_default);
    CHECK_CELL(f[2].default_value, NULL, "null");
    assert_int_equal(f[2].n_path, 0);
    CHECK_CELL(f[3].path[1].target, "Account", "polymorphic");
    CHECK_CELL(f[3].path[1].name, "accountnumber", "polymorphic");
    CHECK_CELL(f[3].path[0].target, NULL, "polymorphic");
    CHECK_CELL(f[4].unknown_transform, "TruncateSpaces", "kept for binding to refuse");
    assert_true(f[5].has_map);
    assert_int_equal(f[5].n_pairs, 3);
    CHECK_CELL(f[5].pairs[1].value, "true", "a value that is no string");
    CHECK_CELL(f[5].pairs[2].value, "806380000", "a value that is no string");
    assert_false(f[6].has_default);
    assert_int_equal(f[6].index, 6);
    map_free(m);
}

static void refusals(void **state)
{
    static const struct {
        const char *name, *text, *says;
    } CASES[] = {
        { "not JSON", "{", "t.json" },
        { "another document", "{\"value\":[]}", "no legs" },
        { "array", "[]", "no legs" },
        { "no leg", "{\"legs\":[]}", "no legs" },
        { "two legs", "{\"legs\":[{},{}]}", "2 legs" },
        { "no schema", "{\"legs\":[{\"fieldMappings\":[]}]}", "sourceSchema" },
        { "no fields", LEG("\"x\":1"), "fieldMappings" },
        { "fields of another type", LEG("\"fieldMappings\":{}"), "fieldMappings" },
        { "a query", LEG("\"sourceMQuery\":\"let x\",\"fieldMappings\":[]"), "advanced query" },
        { "direction", FIELDS("{\"syncDirection\":4,\"sourceField\":\"A\",\"destinationField\":\"a\"}"), "field 1" },
        { "no direction", FIELDS("{\"sourceField\":\"A\",\"destinationField\":\"a\"}"), "syncDirection" },
        { "field is a number", FIELDS("7"), "field 1" },
        { "neither end", FIELDS("{\"syncDirection\":3,\"sourceField\":\"\",\"destinationField\":\"none\"}"),
          "neither" },
        { "dot at the end", FIELDS("{\"syncDirection\":3,\"sourceField\":\"A\",\"destinationField\":\"a.\"}"),
          "dot" },
        { "dot at the start", FIELDS("{\"syncDirection\":3,\"sourceField\":\"A\",\"destinationField\":\".a\"}"),
          "path" },
        { "empty segment", FIELDS("{\"syncDirection\":3,\"sourceField\":\"A\",\"destinationField\":\"a..b\"}"),
          "path" },
        { "empty target", FIELDS("{\"syncDirection\":3,\"sourceField\":\"A\",\"destinationField\":\"a.(b)\"}"),
          "name" },
        { "empty key", FIELDS("{\"syncDirection\":3,\"sourceField\":\"A\",\"destinationField\":\"a.B()\"}"), "name" },
        { "too many segments",
          FIELDS("{\"syncDirection\":3,\"sourceField\":\"A\",\"destinationField\":\"a.b.c.d.e.f.g.h.i\"}"), "path" },
        { "duplicate key", FIELDS("{\"syncDirection\":3,\"syncDirection\":3}"), "t.json" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        struct map *m = NULL;
        struct err e = { 0 };
        enum ec rc = map_read_text("t.json", CASES[i].text, strlen(CASES[i].text), &m, &e);

        CHECK(rc == EC_FORMAT && !m, "%s: %d", CASES[i].name, rc);
        CHECK(strstr(e.msg, CASES[i].says) && strstr(e.msg, "t.json"), "%s: %s", CASES[i].name, e.msg);
    }
}

/* Dataverse's column sometimes holds a JSON string that holds the document. */
static void text_in_text(void **state)
{
    static const char INNER[] = FIELDS("{\"syncDirection\":3,\"sourceField\":\"A\",\"destinationField\":\"a\"}");
    struct strbuf out = STRBUF(0);
    struct jsonw w = { .out = &out };
    struct map *m;

    (void)state;
    jw_str(&w, cell_of(INNER));
    m = read_text(out.buf);
    CHECK_CELL(m->fields[0].source, "A", "decoded twice");
    map_free(m);
    strbuf_release(&out);
}

static void names(void **state)
{
    static const struct {
        const char *text;
        bool named;
    } CASES[] = {
        { "Customers V3 (accounts)", true },
        { "customers v3 (ACCOUNTS)", true },
        { "[Customers V3] - [accounts]", true },
        { "accounts--customers-v3", true },
        { "Customers V3", false },
        { "accounts", false },
        { "", false },
    };
    struct map *m = demo_map("accounts--customers-v3");
    struct arena a = { 0 };

    (void)state;
    CHECK_CELL(m->name, "Customers V3 (accounts)", "name");
    CHECK_STR(map_stem(m, &a), "accounts--customers-v3", "stem");
    for (size_t i = 0; i < COUNT(CASES); i++)
        CHECK(map_named(m, CASES[i].text) == CASES[i].named, "'%s'", CASES[i].text);
    map_free(m);
    m = read_text("{\"legs\":[{\"sourceSchema\":\"Country/regions (CDS)\",\"destinationSchema\":\"acme_Countries\","
                  "\"fieldMappings\":[]}]}");
    CHECK_STR(map_stem(m, &a), "acme_countries--country-regions-cds", "stem");
    map_free(m);
    /* a label without a letter of the alphabet still gives each map a file of its own */
    m = read_text(
        "{\"legs\":[{\"sourceSchema\":\"\u5BA2\u6237\",\"destinationSchema\":\"acme_w\",\"fieldMappings\":[]}]}");
    CHECK(strlen(map_stem(m, &a)) == strlen("acme_w--") + 8, "%s", map_stem(m, &a));
    CHECK(map_named(m, map_stem(m, &a)), "%s", map_stem(m, &a));
    map_free(m);
    arena_release(&a);
}

static bool to_dv(const struct map_field *f)
{
    return map_dir_to_dv(f->dir) && !map_dir_to_fno(f->dir);
}

/* What the demo's map of customers must be: the published pairs without three, with two more. */
static void customers_of_the_demo(void **state)
{
    static const char *const ABSENT[] = { "PARTYNUMBER", "VENDORACCOUNT", "CONTACTPERSONID", "ADDRESSVALIDFROM" };
    static const char *const THERE[][2] = { { "ORGANIZATIONNAME", "name" },
                                            { "PRIMARYCONTACTPHONE", "telephone1" },
                                            { "INVOICEACCOUNT", "msdyn_billingaccount.accountnumber" } };
    struct map *m = demo_map("accounts--customers-v3");
    size_t constants = 0, maps = 0;

    (void)state;
    assert_int_equal(m->n, 24);
    CHECK_CELL(m->source_filter, "((PartyType == \"Organization\"))", "F&O's filter");
    CHECK_CELL(m->reversed_filter, "customertypecode eq 3", "Dataverse's filter");
    for (size_t i = 0; i < m->n; i++) {
        for (size_t k = 0; k < COUNT(ABSENT); k++)
            CHECK(!cell_is(m->fields[i].source, ABSENT[k]), "%s is mapped", ABSENT[k]);
        constants += cell_absent(m->fields[i].source) ? to_dv(&m->fields[i]) : 0;
        constants += cell_absent(m->fields[i].destination) && m->fields[i].dir == DIR_TO_FNO;
        maps += m->fields[i].has_map;
    }
    assert_int_equal(constants, 2);
    assert_int_equal(maps, 3);
    for (size_t k = 0; k < COUNT(THERE); k++) {
        bool found = false;

        for (size_t i = 0; i < m->n; i++)
            found = found || (cell_is(m->fields[i].source, THERE[k][0]) &&
                              cell_is(m->fields[i].destination, THERE[k][1]) && m->fields[i].dir == DIR_BOTH);
        CHECK(found, "%s", THERE[k][0]);
    }
    map_free(m);
}

/* Reading and writing changes nothing: the files of the demo are in the form that map_write_file() gives. */
static void written_back(void **state)
{
    struct arena a = { 0 };
    char *folder = tenant_path(&a, "scripts/demo/maps");
    DIR *d = opendir(folder);
    size_t n = 0;

    (void)state;
    assert_non_null(d);
    for (struct dirent *f; (f = readdir(d));) {
        char *path = arena_printf(&a, "%s/%s", folder, f->d_name);
        struct strbuf one = STRBUF(0), two = STRBUF(0);
        struct map *m = NULL;
        struct err e = { 0 };

        if (f->d_name[0] == '.')
            continue;
        n++;
        CHECK_OK(map_read_file(path, &m, &e), &e);
        CHECK_OK(map_write_file(m, "out.json", &e), &e);
        CHECK_OK(file_read(path, 1 << 20, &one, &e), &e);
        CHECK_OK(file_read("out.json", 1 << 20, &two, &e), &e);
        CHECK_STR(strbuf_str(&two), strbuf_str(&one), "%s", f->d_name);
        CHECK_STR(arena_printf(&a, "%s.json", map_stem(m, &a)), f->d_name, "the file is named after the map");
        map_free(m);
        strbuf_release(&one);
        strbuf_release(&two);
    }
    closedir(d);
    assert_int_equal(n, 9);
    arena_release(&a);
}

static void missing_file(void **state)
{
    struct map *m = NULL;
    struct err e = { 0 };

    (void)state;
    assert_int_equal(map_read_file("no-such.json", &m, &e), EC_CONFIG);
    CHECK(strstr(e.msg, "no-such.json"), "%s", e.msg);
}

/* Maps as Microsoft publishes them. */
static void published_maps(void **state)
{
    static const struct {
        const char *file, *name;
        size_t fields;
    } MAPS[] = {
        { "accounts-customers-v3", "Customers V3 (accounts)", 25 },
        { "invoices-sales-invoice-headers-v2", "Sales invoice headers V2 (invoices)", 23 },
        { "msdyn-contactforparties-contacts-v2", "Contacts V2 (msdyn_contactforparties)", 30 },
        { "msdyn-vendors-vendors-v2", "Vendors V2 (msdyn_vendors)", 32 },
        { "salesorders-cds-sales-order-headers", "CDS sales order headers (salesorders)", 68 },
        { "msdyn-parties-cds-parties", "CDS Parties (msdyn_parties)", 30 },
    };
    const char *samples = getenv("DMFSYNC_SAMPLES");
    struct arena a = { 0 };

    (void)state;
    if (!samples)
        skip();
    for (size_t i = 0; i < COUNT(MAPS); i++) {
        struct map *m = NULL;
        struct filter *f;
        struct err e = { 0 };

        CHECK_OK(map_read_file(arena_printf(&a, "%s/dual-write-maps/%s.json", samples, MAPS[i].file), &m, &e), &e);
        CHECK_CELL(m->name, MAPS[i].name, "%s", MAPS[i].file);
        CHECK(m->n == MAPS[i].fields, "%s has %zu fields", MAPS[i].file, m->n);
        CHECK_OK(filter_parse_xpp(m->source_filter, &a, &f, &e), &e);
        CHECK_OK(filter_parse_odata(m->reversed_filter, &a, &f, &e), &e);
        map_free(m);
    }
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(directions),   cmocka_unit_test(fields),       cmocka_unit_test(refusals),
        cmocka_unit_test(text_in_text), cmocka_unit_test(names),        cmocka_unit_test(customers_of_the_demo),
        cmocka_unit_test(written_back), cmocka_unit_test(missing_file), cmocka_unit_test(published_maps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

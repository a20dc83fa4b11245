/* Records of both sides into canonical rows, and canonical cells into what either side wants. */
#include "tenant_schema.h"

struct world {
    struct schema s;
    struct map *m;
    struct binding *b;
    struct arena a;
};

static void open_world(struct world *w, const char *stem)
{
    struct bind_settings set = { .alias = CELL_LIT("m") };
    struct err e = { 0 };

    memset(w, 0, sizeof(*w));
    tenant_schema(&w->s);
    w->m = demo_map(stem);
    CHECK_OK(bind_map(w->m, &w->s, &set, &w->b, &e), &e);
}

static void close_world(struct world *w)
{
    binding_free(w->b);
    map_free(w->m);
    schema_release(&w->s);
    arena_release(&w->a);
}

/* A record of F&O as name=value pairs. */
struct record {
    const char *const *pairs; /* staging name, value, ..., NULL */
    const char *company;
};

static struct cell fno_get(void *arg, const struct fno_field *f)
{
    const struct record *r = arg;

    if (!f)
        return cell_of(r->company);
    for (size_t i = 0; r->pairs[i]; i += 2)
        if (cell_ieq(f->staging, cell_of(r->pairs[i])))
            return cell_of(r->pairs[i + 1]);
    return CELL_ABSENT;
}

/* Ids ending in the digit n are row n; 9 is not known. */
static bool dict(void *arg, const struct bound_lookup *l, struct cell id, struct cell *ret_parts)
{
    char last = id.ptr[id.len - 1];

    (void)l;
    if (last == '9')
        return false;
    ret_parts[0] = cell_printf(arg, "ROW%c", last);
    return true;
}

static bool company_dict(void *arg, struct cell id, struct cell *ret_code)
{
    (void)arg;
    *ret_code = CELL_LIT("USMF");
    return id.ptr[id.len - 1] != '9';
}

static struct json *parse(struct arena *a, const char *text)
{
    struct json *v = NULL;
    struct err e = { 0 };

    CHECK_OK(json_parse("record", text, strlen(text), NULL, a, &v, &e), &e);
    return v;
}

static int at(const struct binding *b, const char *name)
{
    int i = binding_field(b, cell_of(name));

    CHECK(i >= 0, "%s", name);
    return i;
}

static void equal_from_both_sides(void **state)
{
    static const char *const FNO[] = { "CUSTOMERACCOUNT",
                                       "C-0042",
                                       "ORGANIZATIONNAME",
                                       "Contoso  ",
                                       "CREDITLIMIT",
                                       "12.50000",
                                       "SALESCURRENCYCODE",
                                       "row1",
                                       "ONHOLDSTATUS",
                                       "invoice",
                                       "ISONETIMECUSTOMER",
                                       "Yes",
                                       "INVOICEACCOUNT",
                                       "ROW2",
                                       "PARTYTYPE",
                                       "Organization",
                                       "SALESMEMO",
                                       "a\r\nb",
                                       "PAYMENTTERMSBASEDAYS",
                                       "+05",
                                       NULL };
    static const char DV[] =
        "{\"accountid\":\"00000000-0000-0000-0000-000000000001\",\"_msdyn_company_value\":\"x1\",\"accountnumber\":"
        "\"c-0042\","
        "\"name\":\"Contoso\",\"creditlimit\":12.5000,\"_transactioncurrencyid_value\":\"y1\",\"msdyn_onholdstatus\":"
        "806380001,"
        "\"msdyn_onetimecustomer\":true,\"_msdyn_billingaccount_value\":\"z2\",\"description\":\"a\\nb\","
        "\"customertypecode\":3,\"msdyn_paymenttermsbasedays\":5,\"telephone1\":null,\"msdyn_"
        "creditlimitismandatory\":false}";
    static const struct {
        const char *name, *want;
    } CELLS[] = {
        { "dataAreaId", "usmf" },        { "CUSTOMERACCOUNT", "C-0042" }, { "ORGANIZATIONNAME", "Contoso" },
        { "CREDITLIMIT", "12.5" },       { "ONHOLDSTATUS", "Invoice" },   { "ISONETIMECUSTOMER", "Yes" },
        { "SALESMEMO", "a\nb" },         { "customertypecode", "3" },     { "PARTYTYPE", NULL },
        { "PAYMENTTERMSBASEDAYS", "5" },
    };
    struct world w;
    struct record r = { FNO, "USMF" };
    struct cell one[32], two[32];
    struct bind_fault faults[4];

    (void)state;
    open_world(&w, "accounts--customers-v3");
    assert_int_equal(bind_from_fno(w.b, fno_get, &r, &w.a, one, faults, 4), 0);
    assert_int_equal(bind_from_dv(w.b, parse(&w.a, DV), dict, company_dict, &w.a, &w.a, two, faults, 4), 0);
    for (size_t i = 0; i < COUNT(CELLS); i++)
        CHECK_CELL(one[at(w.b, CELLS[i].name)], CELLS[i].want, "F&O's %s", CELLS[i].name);
    for (size_t i = 0; i < w.b->n; i++)
        CHECK(canon_equal(&w.b->rules[i], one[i], two[i], NULL), CELL_FMT ": '" CELL_FMT "' and '" CELL_FMT "'",
              CELL_ARG(w.b->fields[i].name), CELL_ARG(one[i]), CELL_ARG(two[i]));
    assert_true(digest_eq(bind_row_digest(w.b, one, &w.a), bind_row_digest(w.b, two, &w.a)));
    assert_true(digest_eq(bind_key_digest(w.b, one, &w.a), bind_key_digest(w.b, two, &w.a)));
    CHECK_CELL(bind_key_text(w.b, one, &w.a), "usmf|C-0042", "key");
    /* One field more apart, and the digest tells. */
    two[at(w.b, "ORGANIZATIONNAME")] = CELL_LIT("contoso");
    assert_false(digest_eq(bind_row_digest(w.b, one, &w.a), bind_row_digest(w.b, two, &w.a)));
    /* The constant towards Dataverse is compared, the one towards F&O is not. */
    two[at(w.b, "ORGANIZATIONNAME")] = CELL_LIT("Contoso");
    two[at(w.b, "PARTYTYPE")] = CELL_LIT("Person");
    assert_true(digest_eq(bind_row_digest(w.b, one, &w.a), bind_row_digest(w.b, two, &w.a)));
    two[at(w.b, "customertypecode")] = CELL_LIT("1");
    assert_false(digest_eq(bind_row_digest(w.b, one, &w.a), bind_row_digest(w.b, two, &w.a)));
    close_world(&w);
}

/* Nothing on one side is F&O's default on the other. */
static void nothing_is_the_default(void **state)
{
    static const char *const FNO[] = { "CUSTOMERACCOUNT",
                                       "C1",
                                       "CREDITLIMIT",
                                       "0.00",
                                       "ISONETIMECUSTOMER",
                                       "No",
                                       "ONHOLDSTATUS",
                                       "",
                                       "ORGANIZATIONNAME",
                                       "",
                                       "INVOICEACCOUNT",
                                       "",
                                       "PAYMENTTERMSBASEDAYS",
                                       "0",
                                       NULL };
    static const char DV[] = "{\"_msdyn_company_value\":\"x1\",\"accountnumber\":\"C1\",\"customertypecode\":3}";
    struct world w;
    struct record r = { FNO, "usmf" };
    struct cell one[32], two[32];
    struct bind_fault faults[4];

    (void)state;
    open_world(&w, "accounts--customers-v3");
    assert_int_equal(bind_from_fno(w.b, fno_get, &r, &w.a, one, faults, 4), 0);
    assert_int_equal(bind_from_dv(w.b, parse(&w.a, DV), dict, company_dict, &w.a, &w.a, two, faults, 4), 0);
    for (size_t i = 0; i < w.b->n; i++)
        CHECK(canon_equal(&w.b->rules[i], one[i], two[i], NULL), CELL_FMT, CELL_ARG(w.b->fields[i].name));
    assert_true(digest_eq(bind_row_digest(w.b, one, &w.a), bind_row_digest(w.b, two, &w.a)));
    close_world(&w);
}

static void what_does_not_fit(void **state)
{
    static const char *const FNO[] = {
        "CUSTOMERACCOUNT",      "C1",  "CREDITLIMIT", "a lot", "ONHOLDSTATUS", "Sometimes",
        "PAYMENTTERMSBASEDAYS", "1.5", NULL
    };
    static const char DV[] = "{\"_msdyn_company_value\":\"x9\",\"accountnumber\":\"C1\",\"msdyn_onholdstatus\":7,"
                             "\"_msdyn_billingaccount_value\":\"z9\"}";
    struct world w;
    struct record r = { FNO, "usmf" };
    struct cell row[32], out;
    struct bind_fault faults[2];
    const char *why = NULL;

    (void)state;
    open_world(&w, "accounts--customers-v3");
    assert_int_equal(bind_from_fno(w.b, fno_get, &r, &w.a, row, faults, 2), 3); /* two of three are described */
    assert_int_equal(faults[0].field, at(w.b, "CREDITLIMIT"));
    CHECK_CELL(faults[0].value, "a lot", "fault");
    assert_int_equal(faults[1].field, at(w.b, "ONHOLDSTATUS"));
    CHECK(strstr(faults[1].why, "enum"), "%s", faults[1].why);
    /* A cell that is no number never becomes a number of a request. */
    assert_false(bind_to_dv_value(w.b, at(w.b, "CREDITLIMIT"), CELL_LIT("1,\"x\":2"), &w.a, &out, &why));
    assert_string_equal(why, "not a number");
    assert_false(bind_to_fno_json(w.b, at(w.b, "CREDITLIMIT"), CELL_LIT("1e"), &w.a, &out, &why));
    assert_false(bind_to_dv_value(w.b, at(w.b, "ONHOLDSTATUS"), CELL_LIT("Sometimes"), &w.a, &out, &why));
    CHECK(strstr(why, "value map"), "%s", why);

    assert_int_equal(bind_from_dv(w.b, parse(&w.a, DV), dict, company_dict, &w.a, &w.a, row, faults, 2), 0);
    CHECK_CELL(row[0], "?x9", "a company that is not known");
    CHECK_CELL(row[at(w.b, "ONHOLDSTATUS")], "=7", "an option without an element");
    CHECK_CELL(row[at(w.b, "INVOICEACCOUNT")], "?z9", "a row that is not known");
    assert_false(bind_to_fno_value(w.b, at(w.b, "ONHOLDSTATUS"), CELL_LIT("=7"), &w.a, &out, &why));
    assert_false(bind_to_fno_value(w.b, at(w.b, "INVOICEACCOUNT"), CELL_LIT("?z9"), &w.a, &out, &why));
    assert_false(bind_to_dv_value(w.b, at(w.b, "INVOICEACCOUNT"), CELL_LIT("?z9"), &w.a, &out, &why));
    close_world(&w);
}

/* The same field one-way is compared in Dataverse's words, so that two elements of one value are no drift. */
static void one_way_words(void **state)
{
    static const char MAP[] =
        "{\"legs\":[{\"sourceSchema\":\"Customers V3\",\"destinationSchema\":\"accounts\",\"fieldMappings\":["
        "{\"syncDirection\":1,\"sourceField\":\"CUSTOMERACCOUNT\",\"destinationField\":\"accountnumber\"},"
        "{\"syncDirection\":1,\"sourceField\":\"ONHOLDSTATUS\",\"destinationField\":\"msdyn_onholdstatus\","
        "\"valueTransforms\":[{\"transformType\":\"ValueMap\",\"valueMap\":{\"no\":\"1\",\"all\":\"2\",\"never\":"
        "\"2\"}}]},"
        "{\"syncDirection\":1,\"sourceField\":\"ISONETIMECUSTOMER\",\"destinationField\":\"msdyn_onetimecustomer\","
        "\"valueTransforms\":[{\"transformType\":\"ValueMap\",\"valueMap\":{\"no\":\"False\",\"yes\":\"True\"}}]}]}]"
        "}";
    static const char *const FNO[] = {
        "CUSTOMERACCOUNT", "C1", "ONHOLDSTATUS", "Never", "ISONETIMECUSTOMER", "yes", NULL
    };
    static const char *const ZERO[] = {
        "CUSTOMERACCOUNT", "C1", "ONHOLDSTATUS", "No", "ISONETIMECUSTOMER", "No", NULL
    };
    struct bind_settings set = { .alias = CELL_LIT("m") };
    struct world w = { 0 };
    struct record r = { FNO, "usmf" }, zero = { ZERO, "usmf" };
    struct cell one[8], two[8], out;
    struct bind_fault faults[2];
    const char *why = NULL;
    struct err e = { 0 };

    (void)state;
    tenant_schema(&w.s);
    CHECK_OK(map_read_text("t", MAP, strlen(MAP), &w.m, &e), &e);
    CHECK_OK(bind_map(w.m, &w.s, &set, &w.b, &e), &e);
    assert_int_equal(bind_from_fno(w.b, fno_get, &r, &w.a, one, faults, 2), 0);
    CHECK_CELL(one[2], "2", "Dataverse's word");
    CHECK_CELL(one[3], "true", "Dataverse's word");
    assert_int_equal(bind_from_dv(w.b,
                                  parse(&w.a, "{\"_msdyn_company_value\":\"x1\",\"accountnumber\":\"C1\","
                                              "\"msdyn_onholdstatus\":2,\"msdyn_onetimecustomer\":true}"),
                                  dict, company_dict, &w.a, &w.a, two, faults, 2),
                     0);
    assert_true(digest_eq(bind_row_digest(w.b, one, &w.a), bind_row_digest(w.b, two, &w.a)));
    assert_true(bind_to_dv_value(w.b, 2, one[2], &w.a, &out, &why));
    CHECK_CELL(out, "2", "literal");
    assert_true(bind_to_dv_value(w.b, 3, one[3], &w.a, &out, &why));
    CHECK_CELL(out, "true", "literal");
    /* Element 0 equals nothing, here in Dataverse's words, too. */
    assert_int_equal(bind_from_fno(w.b, fno_get, &zero, &w.a, one, faults, 2), 0);
    assert_int_equal(bind_from_dv(w.b, parse(&w.a, "{\"_msdyn_company_value\":\"x1\",\"accountnumber\":\"C1\"}"),
                                  dict, company_dict, &w.a, &w.a, two, faults, 2),
                     0);
    assert_true(digest_eq(bind_row_digest(w.b, one, &w.a), bind_row_digest(w.b, two, &w.a)));
    close_world(&w);
}

/* "" and "blank" in a value map are nothing. */
static void blank_token(void **state)
{
    static const char MAP[] =
        "{\"legs\":[{\"sourceSchema\":\"Customers V3\",\"destinationSchema\":\"accounts\",\"fieldMappings\":["
        "{\"syncDirection\":3,\"sourceField\":\"CUSTOMERACCOUNT\",\"destinationField\":\"accountnumber\"},"
        "{\"syncDirection\":3,\"sourceField\":\"CREDITRATING\",\"destinationField\":\"msdyn_onholdstatus\","
        "\"valueTransforms\":[{\"transformType\":\"ValueMap\",\"valueMap\":{\"blank\":\"2\",\"good\":\"1\"}}]},"
        "{\"syncDirection\":3,\"sourceField\":\"ONHOLDSTATUS\",\"destinationField\":\"customertypecode\","
        "\"valueTransforms\":[{\"transformType\":\"ValueMap\",\"valueMap\":{\"no\":\"1\",\"all\":\"blank\"}}]},"
        "{\"syncDirection\":3,\"sourceField\":\"PARTYCOUNTRY\",\"destinationField\":\"description\","
        "\"valueTransforms\":[{\"transformType\":\"ValueMap\",\"valueMap\":{\"us\":\"united states\"}}]}]}]}";
    static const struct {
        const char *rating, *hold, *country; /* F&O */
        const char *dv; /* Dataverse's record behind the key */
        const char *literal[3]; /* what goes to Dataverse */
    } CASES[] = {
        { "",
          "All",
          "US",
          ",\"msdyn_onholdstatus\":2,\"description\":\"united states\"",
          { "2", "null", "\"united states\"" } },
        { "Good", "No", "", ",\"msdyn_onholdstatus\":1,\"customertypecode\":1", { "1", "1", "null" } },
    };
    struct bind_settings set = { .alias = CELL_LIT("m") };
    struct world w = { 0 };
    struct err e = { 0 };

    (void)state;
    tenant_schema(&w.s);
    CHECK_OK(map_read_text("t", MAP, strlen(MAP), &w.m, &e), &e);
    CHECK_OK(bind_map(w.m, &w.s, &set, &w.b, &e), &e);
    for (size_t i = 0; i < COUNT(CASES); i++) {
        const char *const FNO[] = {
            "CUSTOMERACCOUNT", "C1", "CREDITRATING", CASES[i].rating, "ONHOLDSTATUS", CASES[i].hold, "PARTYCOUNTRY",
            CASES[i].country,  NULL
        };
        struct record r = { FNO, "usmf" };
        struct cell one[8], two[8], out;
        struct bind_fault faults[2];
        const char *why = "";
        char *dv = arena_printf(&w.a, "{\"_msdyn_company_value\":\"x1\",\"accountnumber\":\"C1\"%s}", CASES[i].dv);

        CHECK(bind_from_fno(w.b, fno_get, &r, &w.a, one, faults, 2) == 0, "case %zu: %s", i, faults[0].why);
        CHECK(bind_from_dv(w.b, parse(&w.a, dv), dict, company_dict, &w.a, &w.a, two, faults, 2) == 0, "case %zu", i);
        for (size_t k = 0; k < w.b->n; k++)
            CHECK(canon_equal(&w.b->rules[k], one[k], two[k], NULL),
                  "case %zu, " CELL_FMT ": '" CELL_FMT "' and '" CELL_FMT "'", i, CELL_ARG(w.b->fields[k].name),
                  CELL_ARG(one[k]), CELL_ARG(two[k]));
        for (int k = 0; k < 3; k++) {
            CHECK(bind_to_dv_value(w.b, 2 + k, one[2 + k], &w.a, &out, &why), "case %zu: %s", i, why);
            CHECK_CELL(out, CASES[i].literal[k], "case %zu, field %d", i, k);
        }
    }
    close_world(&w);
}

static void values(void **state)
{
    static const struct {
        const char *field, *canonical, *dv, *fno, *json;
    } CASES[] = {
        { "ORGANIZATIONNAME", "a \"b\"\n", "\"a \\\"b\\\"\\n\"", "a \"b\"\n", "\"a \\\"b\\\"\\n\"" },
        { "ORGANIZATIONNAME", "", "null", "", "\"\"" },
        { "ORGANIZATIONNAME", NULL, "null", "", "\"\"" },
        { "CREDITLIMIT", "12.5", "12.5", "12.5", "12.5" },
        { "CREDITLIMIT", "-0.25", "-0.25", "-0.25", "-0.25" },
        { "CREDITLIMIT", NULL, "null", "", "0" },
        { "PAYMENTTERMSBASEDAYS", "30", "30", "30", "30" },
        { "ISONETIMECUSTOMER", "Yes", "true", "Yes", "\"Yes\"" },
        { "ISONETIMECUSTOMER", "No", "false", "No", "\"No\"" },
        { "ISONETIMECUSTOMER", NULL, "null", "", "\"No\"" },
        { "ONHOLDSTATUS", "Requisition", "806380004", "Requisition", "\"Requisition\"" },
        { "customertypecode", "whatever", "3", NULL, NULL },
    };
    struct world w;

    (void)state;
    open_world(&w, "accounts--customers-v3");
    for (size_t i = 0; i < COUNT(CASES); i++) {
        int f = at(w.b, CASES[i].field);
        const char *why = "";
        struct cell out;

        CHECK(bind_to_dv_value(w.b, f, cell_of(CASES[i].canonical), &w.a, &out, &why), "case %zu: %s", i, why);
        CHECK_CELL(out, CASES[i].dv, "case %zu to Dataverse", i);
        if (!CASES[i].fno)
            continue;
        CHECK(bind_to_fno_value(w.b, f, cell_of(CASES[i].canonical), &w.a, &out, &why), "case %zu: %s", i, why);
        CHECK_CELL(out, CASES[i].fno, "case %zu to F&O", i);
        CHECK(bind_to_fno_json(w.b, f, cell_of(CASES[i].canonical), &w.a, &out, &why), "case %zu: %s", i, why);
        CHECK_CELL(out, CASES[i].json, "case %zu as JSON", i);
    }
    {
        struct cell out;
        const char *why;

        assert_true(bind_to_fno_value(w.b, at(w.b, "PARTYTYPE"), CELL_ABSENT, &w.a, &out, &why));
        CHECK_CELL(out, "Organization", "the constant towards F&O");
        assert_true(bind_to_fno_json(w.b, at(w.b, "PARTYTYPE"), CELL_ABSENT, &w.a, &out, &why));
        CHECK_CELL(out, "\"Organization\"", "the constant towards F&O");
    }
    close_world(&w);
}

/* Dates by F&O's type and the column's behaviour. */
static void dates(void **state)
{
    static const char MAP[] =
        "{\"legs\":[{\"sourceSchema\":\"Customers V3\",\"destinationSchema\":\"accounts\",\"fieldMappings\":["
        "{\"syncDirection\":3,\"sourceField\":\"CUSTOMERACCOUNT\",\"destinationField\":\"accountnumber\"},"
        "{\"syncDirection\":3,\"sourceField\":\"ADDRESSVALIDFROM\",\"destinationField\":\"telephone1\"}]}]}";
    static const struct {
        enum fno_type type;
        const char *behavior, *fno, *dv, *canonical, *literal, *json;
    } CASES[] = {
        { FNO_DATE, "DateOnly", "2024-05-01", "2024-05-01", "2024-05-01", "\"2024-05-01\"",
          "\"2024-05-01T12:00:00Z\"" },
        { FNO_DATE, "DateOnly", "2024-05-01T12:00:00Z", "2024-05-01", "2024-05-01", "\"2024-05-01\"",
          "\"2024-05-01T12:00:00Z\"" },
        { FNO_DATE, "UserLocal", "2024-05-01 00:00:00", "2024-05-01T12:00:00Z", "2024-05-01",
          "\"2024-05-01T12:00:00Z\"", "\"2024-05-01T12:00:00Z\"" },
        { FNO_UTCDATETIME, "UserLocal", "2024-05-01 10:20:30", "2024-05-01T12:20:30+02:00", "2024-05-01T10:20:30Z",
          "\"2024-05-01T10:20:30Z\"", "\"2024-05-01T10:20:30Z\"" },
        { FNO_UTCDATETIME, "TimeZoneIndependent", "2024-05-01T10:20:30Z", "2024-05-01T10:20:30.000Z",
          "2024-05-01T10:20:30Z", "\"2024-05-01T10:20:30Z\"", "\"2024-05-01T10:20:30Z\"" },
        { FNO_UTCDATETIME, "DateOnly", "2024-05-01T10:20:30Z", "2024-05-01", "2024-05-01", "\"2024-05-01\"",
          "\"2024-05-01T12:00:00Z\"" },
        { FNO_UTCDATETIME, "UserLocal", "1900-01-01T00:00:00Z", NULL, NULL, "null", "\"1900-01-01T00:00:00Z\"" },
        { FNO_DATE, "DateOnly", "1900-01-01", NULL, NULL, "null", "\"1900-01-01T12:00:00Z\"" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        const char *const FNO[] = { "CUSTOMERACCOUNT", "C1", "ADDRESSVALIDFROM", CASES[i].fno, NULL };
        struct bind_settings set = { .alias = CELL_LIT("m") };
        struct world w = { 0 };
        struct record r = { FNO, "usmf" };
        struct cell one[8], two[8], out;
        struct bind_fault faults[2];
        struct dv_column *c;
        const char *why;
        struct err e = { 0 };

        tenant_schema(&w.s);
        c = tenant_dv_column(&w.s, "account", "telephone1");
        c->type = DV_DATETIME;
        c->behavior = cell_of(CASES[i].behavior);
        tenant_field(&w.s, "Customers V3", "ADDRESSVALIDFROM")->type = CASES[i].type;
        CHECK_OK(map_read_text("t", MAP, strlen(MAP), &w.m, &e), &e);
        CHECK_OK(bind_map(w.m, &w.s, &set, &w.b, &e), &e);
        CHECK(bind_from_fno(w.b, fno_get, &r, &w.a, one, faults, 2) == 0, "case %zu: %s", i, faults[0].why);
        CHECK_CELL(one[2], CASES[i].canonical, "case %zu from F&O", i);
        CHECK(bind_from_dv(
                  w.b, parse(&w.a, arena_printf(&w.a, CASES[i].dv ? "{\"telephone1\":\"%s\"}" : "{}", CASES[i].dv)),
                  dict, company_dict, &w.a, &w.a, two, faults, 2) == 0,
              "case %zu", i);
        CHECK_CELL(two[2], CASES[i].canonical, "case %zu from Dataverse", i);
        assert_true(bind_to_dv_value(w.b, 2, one[2], &w.a, &out, &why));
        CHECK_CELL(out, CASES[i].literal, "case %zu to Dataverse", i);
        assert_true(bind_to_fno_json(w.b, 2, one[2], &w.a, &out, &why));
        CHECK_CELL(out, CASES[i].json, "case %zu to F&O", i);
        close_world(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_from_both_sides),
        cmocka_unit_test(nothing_is_the_default),
        cmocka_unit_test(what_does_not_fit),
        cmocka_unit_test(one_way_words),
        cmocka_unit_test(blank_token),
        cmocka_unit_test(values),
        cmocka_unit_test(dates),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

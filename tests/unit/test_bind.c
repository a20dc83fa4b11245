/* Maps joined with metadata: what is refused, which key is chosen, which rule each field gets. */
#include "tenant_schema.h"

static struct binding *bind_with(const struct map *m, const struct schema *s, const struct bind_settings *set)
{
    struct binding *b = NULL;
    struct err e = { 0 };

    CHECK_OK(bind_map(m, s, set, &b, &e), &e);
    return b;
}

/* The message of a refusal; "" when the map was bound. Static storage. */
static const char *refusal(const struct map *m, const struct schema *s, const struct bind_settings *set)
{
    static struct err e;
    struct binding *b = NULL;
    enum ec rc;

    memset(&e, 0, sizeof(e));
    rc = bind_map(m, s, set, &b, &e);
    if (rc == EC_OK) {
        binding_free(b);
        return "";
    }
    assert_null(b);
    assert_int_equal(rc, EC_CONFIG);
    return e.msg;
}

static const struct bind_settings PLAIN = { .alias = CELL_LIT("m") };

/* A map of customers with these field mappings only. */
static struct map *customers(const char *fields, const char *xpp, const char *odata)
{
    struct strbuf text = STRBUF(0), q = STRBUF(0);
    struct jsonw w = { .out = &q };
    struct map *m = NULL;
    struct err e = { 0 };

    strbuf_adds(&text,
                "{\"legs\":[{\"sourceSchema\":\"Customers V3\",\"destinationSchema\":\"accounts\",\"sourceFilter\":");
    jw_str(&w, cell_of(xpp));
    strbuf_adds(&text, strbuf_str(&q));
    strbuf_reset(&q);
    w.comma = false;
    jw_str(&w, cell_of(odata));
    strbuf_addf(&text, ",\"reversedSourceFilter\":%s,\"fieldMappings\":[%s]}]}", strbuf_str(&q), fields);
    CHECK_OK(map_read_text("c.json", text.buf, text.len, &m, &e), &e);
    strbuf_release(&text);
    strbuf_release(&q);
    return m;
}

#define F(dir, source, destination, more) \
    "{\"syncDirection\":" #dir ",\"sourceField\":\"" source "\",\"destinationField\":\"" destination "\"" more "}"
#define VALUES(pairs) ",\"valueTransforms\":[{\"transformType\":\"ValueMap\",\"valueMap\":{" pairs "}}]"
#define DEFAULT(text) ",\"valueTransforms\":[{\"transformType\":\"Default\",\"defaultValue\":\"" text "\"}]"
#define KEY F(3, "CUSTOMERACCOUNT", "accountnumber", "")

static void findings(void **state)
{
    static const struct {
        const char *name, *fields, *xpp, *odata;
        const char *says[4]; /* all of them; none = the map is fine */
    } CASES[] = {
        { "fine", KEY, "", "", { NULL } },
        { "every unknown field is named at once",
          KEY "," F(3, "NOSUCH", "name", "") "," F(3, "CREDITLIMIT", "nosuch_c", "") "," F(3, "NEITHER", "nor.b", ""),
          "",
          "",
          { "NOSUCH", "nosuch_c", "NEITHER", "(4 findings)" } },
        { "unknown column behind a lookup",
          KEY "," F(3, "CUSTOMERGROUPID", "msdyn_customergroupid.nosuch", ""),
          "",
          "",
          { "nosuch", "msdyn_customergroup" } },
        { "a lookup that is none", KEY "," F(3, "ORGANIZATIONNAME", "name.x", ""), "", "", { "not a lookup" } },
        { "a lookup without its key column",
          KEY "," F(3, "CUSTOMERGROUPID", "msdyn_customergroupid", ""),
          "",
          "",
          { "is a lookup" } },
        { "several target tables",
          KEY "," F(3, "CUSTOMERGROUPID",
                    "msdyn_customergroupid.msdyn_customergroup(msdyn_groupid)"
                    ".contact(x)",
                    ""),
          "",
          "",
          { "several tables" } },
        { "one target table",
          KEY "," F(3, "CUSTOMERGROUPID", "msdyn_customergroupid.msdyn_customergroup(msdyn_groupid)", ""),
          "",
          "",
          { NULL } },
        { "another target table",
          KEY "," F(3, "CUSTOMERGROUPID", "msdyn_customergroupid.account(msdyn_groupid)", ""),
          "",
          "",
          { "msdyn_customergroupid" } },
        { "a related set that is not the target",
          KEY "," F(3, "CUSTOMERGROUPID", "msdyn_customergroupid.msdyn_groupid",
                    ",\"destinationLookupFieldRelatedEntity\":\"accounts\""),
          "",
          "",
          { "msdyn_customergroupid", "accounts" } },
        { "NoYes without a value map",
          KEY "," F(3, "ISONETIMECUSTOMER", "msdyn_onetimecustomer", ""),
          "",
          "",
          { "ISONETIMECUSTOMER", "value map", "DIPV1030" } },
        { "enum into option set without a value map",
          KEY "," F(3, "ONHOLDSTATUS", "msdyn_onholdstatus", ""),
          "",
          "",
          { "ONHOLDSTATUS", "DIPV1030" } },
        { "enum as text", KEY "," F(3, "ONHOLDSTATUS", "description", ""), "", "", { NULL } },
        { "text into a number", KEY "," F(3, "SALESMEMO", "creditlimit", ""), "", "", { "a text", "DIPV1030" } },
        { "real into text", KEY "," F(3, "CREDITLIMIT", "description", ""), "", "", { NULL } },
        { "real into a yes/no", KEY "," F(3, "CREDITLIMIT", "msdyn_onetimecustomer", ""), "", "", { "a real" } },
        { "date-time into a number", KEY "," F(3, "ADDRESSVALIDFROM", "creditlimit", ""), "", "", { "a date-time" } },
        { "the way back is not defined",
          KEY "," F(3, "ONHOLDSTATUS", "msdyn_onholdstatus", VALUES("\"no\":\"1\",\"all\":\"2\",\"never\":\"2\"")),
          "",
          "",
          { "'all'", "'never'", "'2'" } },
        { "the way back is not defined, in words",
          KEY "," F(3, "ISONETIMECUSTOMER", "msdyn_onetimecustomer", VALUES("\"no\":\"true\",\"yes\":\"1\"")),
          "",
          "",
          { "way back" } },
        { "many to one is fine one-way",
          KEY "," F(1, "ONHOLDSTATUS", "msdyn_onholdstatus", VALUES("\"no\":\"1\",\"all\":\"2\",\"never\":\"2\"")),
          "",
          "",
          { NULL } },
        { "an element twice",
          KEY "," F(1, "ONHOLDSTATUS", "msdyn_onholdstatus", VALUES("\"no\":\"1\",\"NO\":\"2\"")),
          "",
          "",
          { "'NO' twice" } },
        { "an empty value map", KEY "," F(1, "ONHOLDSTATUS", "msdyn_onholdstatus", VALUES("")), "", "", { "empty" } },
        { "no boolean",
          KEY "," F(1, "ISONETIMECUSTOMER", "msdyn_onetimecustomer", VALUES("\"no\":\"0\",\"yes\":\"maybe\"")),
          "",
          "",
          { "'maybe'" } },
        { "transform of an unknown type",
          KEY "," F(3, "ORGANIZATIONNAME", "name", ",\"valueTransforms\":[{\"transformType\":\"Trim\"}]"),
          "",
          "",
          { "'Trim'", "not known" } },
        { "a constant without a value", KEY "," F(1, "", "customertypecode", ""), "", "", { "default value" } },
        { "a constant", KEY "," F(1, "", "customertypecode", DEFAULT("3")), "", "", { NULL } },
        { "one column, two fields",
          KEY "," F(3, "ORGANIZATIONNAME", "name", "") "," F(1, "SALESMEMO", "name", ""),
          "",
          "",
          { "'name'", "two" } },
        { "one field, two columns",
          KEY "," F(3, "SALESMEMO", "name", "") "," F(3, "SALESMEMO", "description", ""),
          "",
          "",
          { "SALESMEMO", "two" } },
        { "one field, two columns, one way",
          KEY "," F(3, "SALESMEMO", "name", "") "," F(1, "SALESMEMO", "description", ""),
          "",
          "",
          { NULL } },
        { "F&O filter", KEY, "PartyType == \"Organization\" && NoSuch == 1", "", { "NoSuch", "F&O filter" } },
        { "F&O filter, element", KEY, "PartyType == \"Robot\"", "", { "PartyType", "Robot" } },
        { "F&O filter does not parse", KEY, "PartyType ==", "", { "PartyType ==" } },
        { "Dataverse filter", KEY, "", "nosuch eq 1", { "nosuch", "DIPV1012" } },
        { "Dataverse filter does not parse", KEY, "", "name eq 'x", { "DIPV1012" } },
        { "key is one-way",
          F(1, "CUSTOMERACCOUNT", "accountnumber", "") "," F(3, "SALESMEMO", "description", ""),
          "",
          "",
          { "CUSTOMERACCOUNT", "DIPV1004" } },
        { "no key", F(3, "SALESMEMO", "description", ""), "", "", { "no key", "key =" } },
    };
    struct schema s = { 0 };

    (void)state;
    tenant_schema(&s);
    for (size_t i = 0; i < COUNT(CASES); i++) {
        struct map *m = customers(CASES[i].fields, CASES[i].xpp, CASES[i].odata);
        const char *got = refusal(m, &s, &PLAIN);

        CHECK((*got != 0) == (CASES[i].says[0] != NULL), "%s: '%s'", CASES[i].name, got);
        CHECK(!*got || strstr(got, "Customers V3 (accounts)"), "%s: %s", CASES[i].name, got);
        for (size_t k = 0; k < COUNT(CASES[i].says) && CASES[i].says[k]; k++)
            CHECK(strstr(got, CASES[i].says[k]), "%s: '%s' is not in '%s'", CASES[i].name, CASES[i].says[k], got);
        map_free(m);
    }
    schema_release(&s);
}

static void metadata_missing(void **state)
{
    struct schema s = { 0 }, none = { 0 };
    struct map *m = demo_map("accounts--customers-v3");
    const char *got;

    (void)state;
    got = refusal(m, &none, &PLAIN);
    CHECK(strstr(got, "Customers V3"), "%s", got);
    tenant_schema(&s);
    tenant_dv_column(&s, "account", "description")->create = false;
    tenant_dv_column(&s, "account", "description")->update = false;
    got = refusal(m, &s, &PLAIN);
    CHECK(strstr(got, "read-only") && strstr(got, "SALESMEMO") && strstr(got, "DIPV1011"), "%s", got);
    schema_release(&s);
    map_free(m);
}

static const struct bound_field *field(const struct binding *b, const char *name)
{
    int i = binding_field(b, cell_of(name));

    CHECK(i >= 0, "%s", name);
    return &b->fields[i];
}

static void rules(void **state)
{
    static const struct {
        const char *name;
        enum bound_kind kind;
        enum canon_type type;
        int scale;
        const char *zero;
        bool key, compared;
    } CASES[] = {
        { "dataAreaId", BOUND_COMPANY, CANON_COMPANY, 0, NULL, true, true },
        { "CUSTOMERACCOUNT", BOUND_PLAIN, CANON_KEY, -1, NULL, true, true },
        { "ORGANIZATIONNAME", BOUND_PLAIN, CANON_TEXT, -1, NULL, false, true },
        { "CREDITLIMIT", BOUND_PLAIN, CANON_DECIMAL, 4, NULL, false, true }, /* the column's precision is the lower */
        { "SALESCURRENCYCODE", BOUND_LOOKUP, CANON_KEY, 0, NULL, false, true },
        { "ISONETIMECUSTOMER", BOUND_VALUEMAP, CANON_WORD, 0, "No", false, true },
        { "ONHOLDSTATUS", BOUND_VALUEMAP, CANON_WORD, 0, "No", false, true },
        { "PAYMENTTERMSBASEDAYS", BOUND_PLAIN, CANON_INT, 0, NULL, false, true },
        { "INVOICEACCOUNT", BOUND_LOOKUP, CANON_KEY, 0, NULL, false, true },
        { "customertypecode", BOUND_CONST_DV, CANON_WORD, -1, NULL, false, true },
        { "PARTYTYPE", BOUND_CONST_FNO, CANON_TEXT, 0, NULL, false, false },
    };
    struct schema s = { 0 };
    struct map *m = demo_map("accounts--customers-v3");
    struct binding *b;
    struct arena a = { 0 };
    struct cell targets[16];
    size_t n;

    (void)state;
    tenant_schema(&s);
    b = bind_with(m, &s, &PLAIN);
    assert_true(b->striped);
    for (size_t i = 0; i < COUNT(CASES); i++) {
        const struct bound_field *f = field(b, CASES[i].name);

        CHECK(f->kind == CASES[i].kind, "%s: kind %d", CASES[i].name, f->kind);
        CHECK(f->rule.type == CASES[i].type, "%s: type %d", CASES[i].name, f->rule.type);
        CHECK(f->rule.type != CANON_DECIMAL || f->rule.scale == CASES[i].scale, "%s: scale %d", CASES[i].name,
              f->rule.scale);
        CHECK_CELL(f->rule.zero, CASES[i].zero, "%s: zero", CASES[i].name);
        CHECK(f->key == CASES[i].key && f->compared == CASES[i].compared, "%s", CASES[i].name);
    }
    assert_int_equal(b->n, 25); /* the company and 24 fields of the document */
    assert_int_equal(b->n_compared, 24);
    assert_int_equal(b->n_key, 2);
    assert_int_equal(b->key[0], 0);
    CHECK_CELL(b->key_evidence, "alternate key msdyn_accountkey", "evidence");
    assert_non_null(b->alternate_key);
    assert_int_equal(b->n_lookups, 8);
    for (size_t i = 0; i < b->n_lookups; i++) {
        const struct bound_lookup *l = &b->lookups[i];

        assert_int_equal(l->n, 1);
        assert_int_equal(b->fields[l->fields[0]].lookup, i);
        CHECK(l->self == cell_is(l->c->name, "msdyn_billingaccount"), "self " CELL_FMT, CELL_ARG(l->c->name));
        CHECK(l->striped != cell_is(l->c->name, "transactioncurrencyid"), "company " CELL_FMT, CELL_ARG(l->c->name));
        if (l->self)
            CHECK_CELL(l->nav, "msdyn_billingaccount_account", "navigation property");
        if (cell_is(l->c->name, "msdyn_customergroupid"))
            CHECK_CELL(l->nav, "msdyn_CustomerGroupId", "navigation property");
    }
    n = binding_targets(b, targets, COUNT(targets));
    assert_int_equal(n, 9); /* the companies and eight tables, accounts among them */
    CHECK_CELL(targets[0], "cdm_companies", "targets");
    /* Ways to name a field. */
    assert_int_equal(binding_field(b, CELL_LIT("customeraccount")), 1);
    assert_int_equal(binding_field(b, CELL_LIT("CustomerAccount")), 1);
    assert_int_equal(binding_field(b, CELL_LIT("accountnumber")), 1);
    assert_int_equal(binding_field(b, CELL_LIT("nosuch")), -1);
    CHECK_STR(
        bind_dv_select(b, &a),
        "accountid,_msdyn_company_value,accountnumber,name,telephone1,creditlimit,_transactioncurrencyid_value,"
        "description,msdyn_creditlimitismandatory,msdyn_creditrating,_msdyn_customergroupid_value,"
        "msdyn_identificationnumber,_msdyn_billingaccount_value,msdyn_onetimecustomer,msdyn_onholdstatus,"
        "msdyn_partycountry,msdyn_partystateprovince,_msdyn_paymentday_value,_msdyn_customerpaymentmethod_value,"
        "_msdyn_paymentschedule_value,_msdyn_paymentterm_value,msdyn_paymenttermsbasedays,msdyn_taxexemptnumber,"
        "_msdyn_salestaxgroup_value,customertypecode",
        "select");
    CHECK(strstr(bind_fno_select(b, &a), "dataAreaId,CustomerAccount,"), "%s", bind_fno_select(b, &a));
    CHECK(strstr(bind_fno_select(b, &a), ",PartyType"), "the filter's field is read: %s", bind_fno_select(b, &a));
    binding_free(b);
    map_free(m);
    schema_release(&s);
    arena_release(&a);
}

static void keys(void **state)
{
    static const struct {
        const char *name, *key;
        const char *says; /* of the refusal, NULL = bound */
        const char *evidence;
        bool alternate;
    } CASES[] = {
        { "named", "dataAreaId,CustomerAccount", NULL, "settings", true },
        { "in another order", "CustomerAccount, dataAreaId", NULL, "settings", true },
        { "company is understood", "CUSTOMERACCOUNT", NULL, "settings", true },
        { "by its column", "accountnumber", NULL, "settings", true },
        { "unknown", "dataAreaId,NoSuch", "NoSuch", NULL, false },
        { "another field", "dataAreaId,OrganizationName", "CUSTOMERACCOUNT", NULL, false },
        { "too many", "dataAreaId,CustomerAccount,OrganizationName", "3 fields", NULL, false },
        { "with a value map", "dataAreaId,CustomerAccount,OnHoldStatus", "value map", NULL, false },
    };
    struct schema s = { 0 };
    struct map *m = demo_map("accounts--customers-v3");

    (void)state;
    tenant_schema(&s);
    for (size_t i = 0; i < COUNT(CASES); i++) {
        struct bind_settings set = { .alias = CELL_LIT("customers"), .key = CASES[i].key };
        struct binding *b = NULL;
        struct err e = { 0 };
        enum ec rc = bind_map(m, &s, &set, &b, &e);

        if (CASES[i].evidence) {
            CHECK_OK(rc, &e);
            CHECK(b->n_key == 2 && b->key[0] == 0 && b->key[1] == 1, "%s", CASES[i].name);
            CHECK_CELL(b->key_evidence, CASES[i].evidence, "%s", CASES[i].name);
            CHECK((b->alternate_key != NULL) == CASES[i].alternate, "%s", CASES[i].name);
            binding_free(b);
        } else {
            CHECK(rc == EC_CONFIG, "%s", CASES[i].name);
            CHECK(!CASES[i].says || strstr(e.msg, CASES[i].says), "%s: %s", CASES[i].name, e.msg);
        }
    }
    map_free(m);
    schema_release(&s);
}

static struct dv_table *table_of(struct schema *s, const char *logical)
{
    return (struct dv_table *)schema_table_logical(s, cell_of(logical));
}

/* Alternate keys that would pair the wrong rows. */
static void alternate_keys(void **state)
{
    static struct cell number[] = { CELL_LIT("accountnumber") }, name[] = { CELL_LIT("name") };
    static struct cell both[] = { CELL_LIT("msdyn_company"), CELL_LIT("accountnumber") };
    static struct dv_key by_name = { CELL_LIT("by_name"), name, 1, true };
    static struct dv_key by_number = { CELL_LIT("by_number"), number, 1, true };
    static struct dv_key right = { CELL_LIT("right"), both, 2, true };
    struct map *m = demo_map("accounts--customers-v3");
    struct schema s = { 0 };
    struct dv_table *t;
    struct dv_key given[2];
    struct binding *b;

    (void)state;
    tenant_schema(&s);
    t = table_of(&s, "account");
    t->keys = given;
    /* Unique over all companies in Dataverse: an upsert by it could hit another company's row. */
    given[0] = by_number;
    t->n_keys = 1;
    b = bind_with(m, &s, &PLAIN);
    assert_int_equal(b->n_key, 2);
    assert_null(b->alternate_key);
    binding_free(b);
    /* The first mapped one is not always the one. */
    given[0] = by_name;
    given[1] = right;
    t->n_keys = 2;
    b = bind_with(m, &s, &PLAIN);
    CHECK_CELL(b->key_evidence, "alternate key right", "evidence");
    assert_ptr_equal(b->alternate_key, &given[1]);
    binding_free(b);
    t->n_keys = 1;
    CHECK(strstr(refusal(m, &s, &PLAIN), "by_name"), "%s", refusal(m, &s, &PLAIN));
    /* Being built, or failed: as if it were not there; F&O's own key is the next evidence. */
    given[0] = right;
    given[0].active = false;
    b = bind_with(m, &s, &PLAIN);
    CHECK_CELL(b->key_evidence, "key of the F&O entity", "evidence");
    assert_null(b->alternate_key);
    binding_free(b);
    map_free(m);
    schema_release(&s);
}

static void without_companies(void **state)
{
    static const struct {
        const char *stem, *key;
    } MAPS[] = { { "transactioncurrencies--currencies", "CURRENCYCODE" },
                 { "cdm_companies--legal-entities", "LEGALENTITYID" } };
    struct schema s = { 0 };

    (void)state;
    tenant_schema(&s);
    for (size_t i = 0; i < COUNT(MAPS); i++) {
        struct map *m = demo_map(MAPS[i].stem);
        struct binding *b = bind_with(m, &s, &PLAIN);

        assert_false(b->striped);
        assert_int_equal(b->n_key, 1);
        CHECK_CELL(b->fields[b->key[0]].name, MAPS[i].key, "%s", MAPS[i].stem);
        assert_null(b->alternate_key); /* an integration key need not be an alternate key */
        binding_free(b);
        map_free(m);
    }
    /* Per company in F&O, without a company in Dataverse. */
    {
        struct map *m = demo_map("accounts--customers-v3");

        table_of(&s, "account")->company = NULL;
        CHECK(strstr(refusal(m, &s, &PLAIN), "DIPV1002"), "%s", refusal(m, &s, &PLAIN));
        map_free(m);
    }
    schema_release(&s);
}

static void masters(void **state)
{
    static const struct map_pair BY_FIELD[] = { { CELL_LIT("telephone1"), CELL_LIT("dataverse") },
                                                { CELL_LIT("CreditLimit"), CELL_LIT("fno") },
                                                { CELL_LIT("customertypecode"), CELL_LIT("dataverse") } };
    struct schema s = { 0 };
    struct map *m = demo_map("accounts--customers-v3");
    struct bind_settings set = { .alias = CELL_LIT("m"),
                                 .field_master = BY_FIELD,
                                 .n_field_master = COUNT(BY_FIELD) };
    struct binding *b;

    (void)state;
    tenant_schema(&s);
    b = bind_with(m, &s, &set);
    assert_int_equal(field(b, "PRIMARYCONTACTPHONE")->master, MASTER_DV);
    assert_int_equal(field(b, "CREDITLIMIT")->master, MASTER_FNO);
    assert_int_equal(field(b, "ORGANIZATIONNAME")->master, MASTER_FNO);
    assert_int_equal(field(b, "customertypecode")->master, MASTER_FNO); /* it flows one way only */
    binding_free(b);
    set.master_is_dataverse = true;
    b = bind_with(m, &s, &set);
    assert_int_equal(field(b, "ORGANIZATIONNAME")->master, MASTER_DV);
    assert_int_equal(field(b, "CREDITLIMIT")->master, MASTER_FNO);
    binding_free(b);
    map_free(m);
    schema_release(&s);
}

static void companies(void **state)
{
    static const struct cell LIST[] = { CELL_LIT("USMF"), CELL_LIT("gbmf") };
    struct bind_settings set = { .alias = CELL_LIT("m"), .companies = LIST, .n_companies = 2 };
    struct schema s = { 0 };
    struct map *m = demo_map("accounts--customers-v3");
    struct binding *b;

    (void)state;
    tenant_schema(&s);
    b = bind_with(m, &s, &set);
    assert_true(binding_company_wanted(b, CELL_LIT("usmf")));
    assert_true(binding_company_wanted(b, CELL_LIT("gbmf")));
    assert_false(binding_company_wanted(b, CELL_LIT("demf")));
    binding_free(b);
    b = bind_with(m, &s, &PLAIN);
    assert_true(binding_company_wanted(b, CELL_LIT("demf")));
    binding_free(b);
    map_free(m);
    schema_release(&s);
}

static void hash(void **state)
{
    static const struct cell LIST[] = { CELL_LIT("usmf") };
    struct bind_settings sets[] = { PLAIN,
                                    PLAIN,
                                    { .alias = CELL_LIT("other") }, /* a name is not content */
                                    { .alias = CELL_LIT("m"), .companies = LIST, .n_companies = 1 },
                                    { .alias = CELL_LIT("m"), .master_is_dataverse = true } };
    char h[COUNT(sets) + 2][65];
    struct schema s = { 0 };
    struct map *m = demo_map("accounts--customers-v3"), *other;

    (void)state;
    tenant_schema(&s);
    for (size_t i = 0; i < COUNT(sets); i++) {
        struct binding *b = bind_with(m, &s, &sets[i]);

        bind_hash(b, h[i]);
        binding_free(b);
    }
    assert_string_equal(h[0], h[1]);
    assert_string_equal(h[0], h[2]);
    assert_string_not_equal(h[0], h[3]);
    assert_string_not_equal(h[0], h[4]);
    /* Metadata counts where it changes what "equal" means. */
    tenant_dv_column(&s, "account", "creditlimit")->precision = 2;
    {
        struct binding *b = bind_with(m, &s, &PLAIN);

        bind_hash(b, h[5]);
        binding_free(b);
    }
    assert_string_not_equal(h[0], h[5]);
    other = customers(KEY, "", "");
    {
        struct binding *b = bind_with(other, &s, &PLAIN);

        bind_hash(b, h[6]);
        binding_free(b);
    }
    assert_string_not_equal(h[5], h[6]);
    map_free(m);
    map_free(other);
    schema_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(findings), cmocka_unit_test(metadata_missing), cmocka_unit_test(rules),
        cmocka_unit_test(keys),     cmocka_unit_test(alternate_keys),   cmocka_unit_test(without_companies),
        cmocka_unit_test(masters),  cmocka_unit_test(companies),        cmocka_unit_test(hash),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

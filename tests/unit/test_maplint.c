/* map lint: which finding, how severe, at which field, for every code that there is. */
#include "tenant_schema.h"

#include "map/maplint.h"

#define F(dir, source, destination, more) \
    "{\"syncDirection\":" #dir ",\"sourceField\":\"" source "\",\"destinationField\":\"" destination "\"" more "}"
#define TO(set) ",\"destinationLookupFieldRelatedEntity\":\"" set "\""
#define VALUES(pairs) ",\"valueTransforms\":[{\"transformType\":\"ValueMap\",\"valueMap\":{" pairs "}}]"
#define DEFAULT(text) ",\"valueTransforms\":[{\"transformType\":\"Default\",\"defaultValue\":\"" text "\"}]"
/* What a customer needs: lints clean. Fields of cases begin with number 4. */
#define BASE                                                                                                    \
    F(3, "CUSTOMERACCOUNT", "accountnumber", "")                                                                \
    "," F(3, "ORGANIZATIONNAME", "name", "") "," F(3, "CUSTOMERGROUPID", "msdyn_customergroupid.msdyn_groupid", \
                                                   TO("msdyn_customergroups"))
#define HOLD_ALL                                                                                      \
    "\"no\":\"806380000\",\"invoice\":\"806380001\",\"all\":\"806380002\",\"payment\":\"806380003\"," \
    "\"requisition\":\"806380004\",\"never\":\"806380005\""

static const char *const DEMO[] = { "cdm_companies--legal-entities",
                                    "transactioncurrencies--currencies",
                                    "msdyn_paymentdays--payment-days-cds",
                                    "msdyn_paymentschedules--payment-schedule",
                                    "msdyn_customerpaymentmethods--customer-payment-method",
                                    "msdyn_taxgroups--sales-tax-groups",
                                    "msdyn_paymentterms--terms-of-payment",
                                    "msdyn_customergroups--customer-groups" };

/* The maps at hand: those of the demo, and the one under test. */
struct at_hand {
    struct map *own[COUNT(DEMO)];
    const struct map *maps[COUNT(DEMO) + 2];
    size_t n;
};

static void take_demo(struct at_hand *h)
{
    h->n = COUNT(DEMO);
    for (size_t i = 0; i < h->n; i++)
        h->maps[i] = h->own[i] = demo_map(DEMO[i]);
}

static void drop_demo(struct at_hand *h)
{
    for (size_t i = 0; i < COUNT(DEMO); i++)
        map_free(h->own[i]);
}

static struct map *map_of(const char *label, const char *set, const char *fields, const char *xpp, const char *odata)
{
    struct strbuf text = STRBUF(0);
    struct jsonw w = { .out = &text };
    struct map *m = NULL;
    struct err e = { 0 };

    jw_begin(&w, '{');
    jw_name(&w, "legs");
    jw_begin(&w, '[');
    jw_begin(&w, '{');
    jw_ps(&w, "sourceSchema", label);
    jw_ps(&w, "destinationSchema", set);
    jw_ps(&w, "sourceFilter", xpp);
    jw_ps(&w, "reversedSourceFilter", odata);
    strbuf_addf(&text, ",\"fieldMappings\":[%s]}]}", fields);
    CHECK_OK(map_read_text("m.json", text.buf, text.len, &m, &e), &e);
    strbuf_release(&text);
    return m;
}

/* "error DIPV1022 4, warning ..." in order; field 0 = the map. */
static char *told(struct arena *a, const struct maplint *l)
{
    struct strbuf s = STRBUF(0);
    char *text;

    for (size_t i = 0; i < l->n; i++)
        strbuf_addf(&s, "%s%s%s %s %zu", i ? ", " : "", l->v[i].ignored ? "ignored " : "",
                    lint_severity_word(l->v[i].severity), l->v[i].code->code, l->v[i].mf ? l->v[i].mf->index + 1 : 0);
    text = arena_strdup(a, strbuf_str(&s));
    strbuf_release(&s);
    return text;
}

struct lint_case {
    const char *name, *fields, *xpp, *odata;
    const char *want; /* told() of it */
    const char *says; /* part of a reason; NULL = any */
    void (*change)(struct schema *s);
};

static void check_case(const struct lint_case *c, const char *label, const char *set, struct at_hand *h,
                       bool *seen_codes)
{
    struct schema s = { 0 };
    struct maplint l;
    struct arena a = { 0 };
    struct map *m = map_of(label, set, c->fields, c->xpp ? c->xpp : "", c->odata ? c->odata : "");
    struct maplint_input in = { .map = m, .schema = &s, .maps = h->maps, .n_maps = h->n + 1 };
    bool said = !c->says;

    h->maps[h->n] = m;
    tenant_schema(&s);
    if (c->change)
        c->change(&s);
    maplint(&in, &l);
    CHECK(!strcmp(told(&a, &l), c->want), "%s: got '%s', want '%s'", c->name, told(&a, &l), c->want);
    for (size_t i = 0; i < l.n; i++) {
        CHECK(l.v[i].reason.len > 10 && l.v[i].code->remedy && *l.v[i].code->remedy, "%s", c->name);
        said = said || strstr(cell_cstr(&a, l.v[i].reason), c->says);
        for (size_t k = 0; LINT_CODES[k].code; k++)
            if (&LINT_CODES[k] == l.v[i].code)
                seen_codes[k] = true;
    }
    CHECK(said, "%s: no reason says '%s'; the first: " CELL_FMT, c->name, c->says,
          CELL_ARG(l.n ? l.v[0].reason : CELL_ABSENT));
    maplint_release(&l);
    schema_release(&s);
    map_free(m);
    arena_release(&a);
}

/* ---- changes of the metadata ---- */

static struct dv_table *table_named(struct schema *s, const char *logical)
{
    for (size_t i = 0; i < s->n_tables; i++)
        if (cell_is(s->tables[i]->logical, logical))
            return s->tables[i];
    fail();
    return NULL;
}

static struct fno_entity *entity_named(struct schema *s, const char *label)
{
    for (size_t i = 0; i < s->n_entities; i++)
        if (cell_is(s->entities[i]->label, label))
            return s->entities[i];
    fail();
    return NULL;
}

static void without_company(struct schema *s)
{
    table_named(s, "account")->company = NULL;
}
static void shared_entity(struct schema *s)
{
    entity_named(s, "Customers V3")->shared = true;
}
static void without_keys(struct schema *s)
{
    table_named(s, "account")->n_keys = 0;
}
static void virtual_table(struct schema *s)
{
    table_named(s, "account")->virtual_or_elastic = true;
}
static void read_only_entity(struct schema *s)
{
    entity_named(s, "Customers V3")->read_only = true;
}
static void without_customers(struct schema *s)
{
    entity_named(s, "Customers V3")->label = CELL_LIT("Other");
}
static void without_accounts(struct schema *s)
{
    table_named(s, "account")->set = CELL_LIT("others");
}
static void wants_phone(struct schema *s)
{
    tenant_dv_column(s, "account", "telephone1")->required_by_system = true;
}
static void forms_want_phone(struct schema *s)
{
    tenant_dv_column(s, "account", "telephone1")->required_by_app = true;
}
static void locked_description(struct schema *s)
{
    struct dv_column *c = tenant_dv_column(s, "account", "description");

    c->create = c->update = false;
}
static void rollup_credit(struct schema *s)
{
    struct dv_column *c = tenant_dv_column(s, "account", "creditlimit");

    c->create = c->update = false;
    c->source = DV_ROLLUP;
}
static void virtual_description(struct schema *s)
{
    tenant_dv_column(s, "account", "description")->type = DV_OTHER;
}
static void computed_memo(struct schema *s)
{
    struct fno_field *f = tenant_field(s, "Customers V3", "SALESMEMO");

    f->edit = f->create = false;
}
static void memo_on_creation(struct schema *s)
{
    tenant_field(s, "Customers V3", "SALESMEMO")->edit = false;
}
static void description_on_creation(struct schema *s)
{
    tenant_dv_column(s, "account", "description")->update = false;
}
static void long_memo(struct schema *s)
{
    tenant_field(s, "Customers V3", "SALESMEMO")->max_length = 5000;
}
static void short_memo(struct schema *s)
{
    tenant_field(s, "Customers V3", "SALESMEMO")->max_length = 50;
}
static void short_description(struct schema *s)
{
    tenant_dv_column(s, "account", "description")->max_length = 5;
}
static void integer_credit(struct schema *s)
{
    tenant_dv_column(s, "account", "creditlimit")->type = DV_INTEGER;
}
static void date_for_phone(struct schema *s)
{
    struct dv_column *c = tenant_dv_column(s, "account", "telephone1");

    c->type = DV_DATETIME;
    c->behavior = CELL_LIT("UserLocal");
    tenant_field(s, "Customers V3", "ADDRESSVALIDFROM")->type = FNO_DATE;
}
static void date_only_phone(struct schema *s)
{
    struct dv_column *c = tenant_dv_column(s, "account", "telephone1");

    c->type = DV_DATETIME;
    c->behavior = CELL_LIT("DateOnly");
}
static void narrow_days(struct schema *s)
{
    tenant_dv_column(s, "account", "msdyn_paymenttermsbasedays")->min = CELL_LIT("0");
    tenant_dv_column(s, "account", "msdyn_paymenttermsbasedays")->max = CELL_LIT("31");
}
static void without_vendor(struct schema *s)
{
    table_named(s, "msdyn_vendor")->logical = CELL_LIT("gone");
}
static void longer_group_key(struct schema *s)
{
    static struct cell columns[] = { CELL_LIT("msdyn_groupid"), CELL_LIT("msdyn_company"),
                                     CELL_LIT("msdyn_description") };

    table_named(s, "msdyn_customergroup")->keys[0].columns = columns;
    table_named(s, "msdyn_customergroup")->keys[0].n = 3;
}
static void one_hold_option(struct schema *s)
{
    tenant_dv_column(s, "account", "msdyn_onholdstatus")->n_options = 1;
}
static void key_by_memo(struct schema *s)
{
    tenant_field(s, "Customers V3", "SALESMEMO")->key = true;
}
static void key_is_memo(struct schema *s)
{
    tenant_field(s, "Customers V3", "SALESMEMO")->key = true;
    tenant_field(s, "Customers V3", "CUSTOMERACCOUNT")->key = false;
    table_named(s, "account")->n_keys = 0;
}

static const struct lint_case CASES[] = {
    { "clean", BASE, NULL, NULL, "", NULL, NULL },
    /* the service's */
    { "no company there", BASE, NULL, NULL, "error DIPV1002 0", "no company lookup", without_company },
    { "a company there only", BASE, NULL, NULL, "error DIPV1002 0", "shared by all companies", shared_entity },
    { "no alternate key", BASE, NULL, NULL, "warning DIPV1003 0", "integration key", without_keys },
    { "one-way key",
      F(1, "CUSTOMERACCOUNT", "accountnumber", "") "," F(3, "ORGANIZATIONNAME", "name", "") "," F(
          3, "CUSTOMERGROUPID", "msdyn_customergroupid.msdyn_groupid", ""),
      NULL, NULL, "error DIPV1010 0, error DIPV1004 1", "one-way in a two-way map", NULL },
    { "mandatory column", BASE, NULL, NULL, "error DIPV1010 0", "telephone1", wants_phone },
    { "mandatory field", F(3, "CUSTOMERACCOUNT", "accountnumber", "") "," F(3, "ORGANIZATIONNAME", "name", ""), NULL,
      NULL, "error DIPV1010 0", "CUSTOMERGROUPID", NULL },
    { "mandatory field, towards Dataverse only",
      F(1, "CUSTOMERACCOUNT", "accountnumber", "") "," F(1, "ORGANIZATIONNAME", "name", ""), NULL, NULL, "", NULL,
      NULL },
    { "empty constant for a mandatory column", BASE "," F(1, "", "telephone1", DEFAULT("")), NULL, NULL,
      "error DIPV1031 4", "empty", wants_phone },
    { "column of forms", BASE, NULL, NULL, "info required-by-forms 0", "telephone1", forms_want_phone },
    { "read-only column", BASE "," F(3, "SALESMEMO", "description", ""), NULL, NULL, "error DIPV1011 4", "read-only",
      locked_description },
    { "read-only column, one-way", BASE "," F(2, "SALESMEMO", "description", ""), NULL, NULL, "", NULL,
      locked_description },
    { "read-only entity", BASE, NULL, NULL, "error DIPV1011 0", "entity 'Customers V3' is read-only",
      read_only_entity },
    { "filter of Dataverse", BASE, NULL, "nam eq 'x'",
      "error DIPV1012 0, error filter-constant 0, warning filter-unmapped 0", "did you mean 'name'", NULL },
    { "filter of Dataverse does not parse", BASE, NULL, "name eq", "error DIPV1012 0", NULL, NULL },
    { "key not mapped", F(1, "ORGANIZATIONNAME", "name", ""), NULL, NULL, "error DIPV1014 0", "no key", NULL },
    { "part of the key not mapped", BASE, NULL, NULL, "error DIPV1014 0", "SALESMEMO", key_by_memo },
    { "key of another field", BASE "," F(3, "SALESMEMO", "description", ""), NULL, NULL, "error key-differs 0",
      "F&O's key has SALESMEMO", key_by_memo },
    { "entity unknown", BASE, NULL, NULL, "error DIPV1018 0", "only what the document shows", without_customers },
    { "virtual table", BASE, NULL, NULL, "error DIPV1019 0", NULL, virtual_table },
    { "table unknown", BASE, NULL, NULL, "error DIPV1020 0", "'accounts' is unknown in this environment",
      without_accounts },
    { "nothing on the left", BASE "," F(1, "", "telephone1", ""), NULL, NULL, "error DIPV1021 4", NULL, NULL },
    { "nothing on the right", BASE "," F(2, "SALESMEMO", "", ""), NULL, NULL, "error DIPV1024 4", NULL, NULL },
    { "no such field", BASE "," F(3, "SALESMEM", "description", ""), NULL, NULL, "error DIPV1022 4",
      "did you mean 'SALESMEMO'", NULL },
    { "no such column", BASE "," F(3, "SALESMEMO", "descripton", ""), NULL, NULL, "error DIPV1025 4",
      "did you mean 'description'", NULL },
    { "no such column of the target", BASE "," F(3, "PAYMENTTERMS", "msdyn_paymentterm.msdyn_nam", ""), NULL, NULL,
      "error DIPV1025 4, error DIPV1027 4", "did you mean 'msdyn_name'", NULL },
    { "field twice", BASE "," F(3, "SALESMEMO", "telephone1", "") "," F(2, "SALESMEMO", "description", ""), NULL,
      NULL, "error DIPV1023 5", "4 and 5", NULL },
    { "column twice", BASE "," F(3, "SALESMEMO", "telephone1", "") "," F(1, "CREDITRATING", "telephone1", ""), NULL,
      NULL, "error DIPV1026 5", "4 and 5", NULL },
    { "pair twice", BASE "," F(1, "SALESMEMO", "telephone1", "") "," F(2, "SALESMEMO", "telephone1", ""), NULL, NULL,
      "error DIPV1029 5", "4 and 5", NULL },
    { "part of a key missing", BASE, NULL, NULL, "error DIPV1027 3", "msdyn_description is missing",
      longer_group_key },
    { "part of a key missing towards F&O",
      F(2, "CUSTOMERACCOUNT", "accountnumber", "") "," F(2, "CUSTOMERGROUPID", "msdyn_customergroupid.msdyn_groupid",
                                                         ""),
      NULL, NULL, "error DIPV1028 2", "msdyn_description is missing", longer_group_key },
    { "lookup without key column", BASE "," F(1, "PAYMENTTERMS", "msdyn_paymentterm", ""), NULL, NULL,
      "error DIPV1027 4", NULL, NULL },
    { "types", BASE "," F(1, "SALESMEMO", "creditlimit", ""), NULL, NULL, "error DIPV1030 4", "a text", NULL },
    { "enum without a value map", BASE "," F(3, "ONHOLDSTATUS", "msdyn_onholdstatus", ""), NULL, NULL,
      "error DIPV1030 4", "map enums", NULL },
    /* value maps */
    { "fits", BASE "," F(3, "ONHOLDSTATUS", "msdyn_onholdstatus", VALUES(HOLD_ALL)), NULL, NULL, "", NULL, NULL },
    { "element and option uncovered",
      BASE "," F(3, "ONHOLDSTATUS", "msdyn_onholdstatus",
                 VALUES("\"no\":\"806380000\",\"invoice\":\"806380001\",\"all\":\"806380002\"")),
      NULL, NULL, "error enum-uncovered 4, warning option-uncovered 4", "'Payment', 'Requisition', 'Never'", NULL },
    { "towards Dataverse an option may be left",
      BASE "," F(1, "ISONETIMECUSTOMER", "msdyn_onholdstatus", VALUES("\"no\":\"806380000\",\"yes\":\"806380001\"")),
      NULL, NULL, "info option-uncovered 4", "806380002 All", NULL },
    { "towards F&O an element may be left",
      BASE "," F(2, "ONHOLDSTATUS", "msdyn_onetimecustomer", VALUES("\"no\":\"False\",\"all\":\"True\"")), NULL, NULL,
      "info enum-uncovered 4", "'Invoice'", NULL },
    { "a label for an element",
      BASE "," F(1, "ISONETIMECUSTOMER", "msdyn_onetimecustomer",
                 VALUES("\"no\":\"False\",\"yes\":\"True\",\"1\":\"True\"")),
      NULL, NULL, "warning element-unknown 4", "number of element 'Yes'", NULL },
    { "no element, both ways",
      BASE "," F(3, "ISONETIMECUSTOMER", "msdyn_onetimecustomer", VALUES("\"no\":\"False\",\"yess\":\"True\"")), NULL,
      NULL, "error element-unknown 4, error enum-uncovered 4", "did you mean 'Yes'", NULL },
    { "no option",
      BASE "," F(1, "ISONETIMECUSTOMER", "msdyn_onholdstatus", VALUES("\"no\":\"806380000\",\"yes\":\"17\"")), NULL,
      NULL, "error option-unknown 4, info option-uncovered 4", "'17' (for 'yes')", NULL },
    { "no way back",
      BASE "," F(3, "ONHOLDSTATUS", "msdyn_onetimecustomer",
                 VALUES("\"no\":\"False\",\"invoice\":\"True\",\"all\":\"True\",\"payment\":\"True\","
                        "\"requisition\":\"True\",\"never\":\"1\"")),
      NULL, NULL, "error value-map-two-way 4", "'invoice' and 'all' and 'payment' and 'requisition' and 'never'",
      NULL },
    { "yes/no half covered", BASE "," F(3, "ISONETIMECUSTOMER", "msdyn_onetimecustomer", VALUES("\"no\":\"False\"")),
      NULL, NULL, "error enum-uncovered 4, warning option-uncovered 4, info field-constant 4", "'True'", NULL },
    { "empty value map", BASE "," F(1, "PARTYCOUNTRY", "msdyn_partycountry", VALUES("")), NULL, NULL,
      "error value-map-empty 4", NULL, NULL },
    { "key twice",
      BASE "," F(1, "PARTYCOUNTRY", "msdyn_partycountry", VALUES("\"us\":\"USA\",\"US\":\"United\",\"de\":\"D\"")),
      NULL, NULL, "error value-map-twice 4", "'US'", NULL },
    { "value longer than the column",
      BASE "," F(1, "PARTYCOUNTRY", "msdyn_partycountry", VALUES("\"us\":\"United States of America\",\"de\":\"D\"")),
      NULL, NULL, "error length 4", "United States of America", NULL },
    { "one option", BASE "," F(1, "ONHOLDSTATUS", "msdyn_onholdstatus", VALUES(HOLD_ALL)), NULL, NULL,
      "error option-unknown 4, error option-unknown 4, error option-unknown 4, error option-unknown 4, "
      "error option-unknown 4, info field-constant 4",
      "one option only", one_hold_option },
    { "transform", BASE "," F(3, "SALESMEMO", "description", ",\"valueTransforms\":[{\"transformType\":\"Trim\"}]"),
      NULL, NULL, "error transform-unknown 4", "Trim", NULL },
    { "transforms",
      BASE "," F(1, "SALESMEMO", "description",
                 ",\"valueTransforms\":[{\"transformType\":\"ValueMap\",\"valueMap\":{\"a\":\"b\",\"c\":\"d\"}},{"
                 "\"transformType\":\"Default\",\"defaultValue\":\"x\"}]"),
      NULL, NULL, "warning transform-several 4", "2 transforms", NULL },
    { "capitals",
      BASE "," F(3, "ISONETIMECUSTOMER", "msdyn_onetimecustomer", VALUES("\"No\":\"False\",\"yes\":\"True\"")), NULL,
      NULL, "info element-case 4", "'No'", NULL },
    /* constants */
    { "constants that fit",
      BASE "," F(1, "", "customertypecode", DEFAULT("3")) "," F(2, "PARTYTYPE", "", DEFAULT("organization")) "," F(
          1, "", "creditlimit", DEFAULT("-12.50")),
      NULL, NULL, "", NULL, NULL },
    { "constant of no option", BASE "," F(1, "", "customertypecode", DEFAULT("4")), NULL, NULL,
      "error constant-invalid 4", "no option", NULL },
    { "constant of no boolean", BASE "," F(1, "", "msdyn_onetimecustomer", DEFAULT("maybe")), NULL, NULL,
      "error constant-invalid 4", "neither true nor false", NULL },
    { "constant of no number", BASE "," F(1, "", "creditlimit", DEFAULT("1,5")), NULL, NULL,
      "error constant-invalid 4", "no number", NULL },
    { "constant of no element", BASE "," F(2, "PARTYTYPE", "", DEFAULT("Robot")), NULL, NULL,
      "error constant-invalid 4", "no element", NULL },
    /* fit */
    { "longer there", BASE "," F(1, "SALESMEMO", "description", ""), NULL, NULL, "warning length 4", "5000",
      long_memo },
    { "shorter there", BASE "," F(3, "SALESMEMO", "description", ""), NULL, NULL, "info length 4", "50", short_memo },
    { "element longer than the column", BASE "," F(1, "PARTYTYPE", "description", ""), NULL, NULL, "error length 4",
      "Person", short_description },
    { "decimals", BASE "," F(3, "CREDITLIMIT", "creditlimit", ""), NULL, NULL, "info precision 4", "keeps 4", NULL },
    { "decimals into integers", BASE "," F(3, "CREDITLIMIT", "creditlimit", ""), NULL, NULL, "warning precision 4",
      "keeps none", integer_credit },
    { "range", BASE "," F(3, "PAYMENTTERMSBASEDAYS", "msdyn_paymenttermsbasedays", ""), NULL, NULL, "info range 4",
      "0 to 31", narrow_days },
    { "a date that shifts", BASE "," F(1, "ADDRESSVALIDFROM", "telephone1", ""), NULL, NULL, "warning date-shift 4",
      "UserLocal", date_for_phone },
    { "a time that is lost", BASE "," F(3, "ADDRESSVALIDFROM", "telephone1", ""), NULL, NULL, "warning time-lost 4",
      NULL, date_only_phone },
    { "rollup, both ways", BASE "," F(3, "CREDITLIMIT", "creditlimit", ""), NULL, NULL,
      "error DIPV1011 4, warning loop-risk 4, info precision 4", "a rollup column", rollup_credit },
    { "rollup, towards F&O", BASE "," F(2, "CREDITLIMIT", "creditlimit", ""), NULL, NULL,
      "warning computed-source 4, info precision 4", "a rollup column", rollup_credit },
    { "virtual, both ways", BASE "," F(3, "SALESMEMO", "description", ""), NULL, NULL, "warning loop-risk 4",
      "a virtual column", virtual_description },
    { "computed in F&O, both ways", BASE "," F(3, "SALESMEMO", "description", ""), NULL, NULL,
      "error DIPV1011 4, warning loop-risk 4", "computed, virtual or locked", computed_memo },
    { "computed in F&O, towards Dataverse", BASE "," F(1, "SALESMEMO", "description", ""), NULL, NULL,
      "warning computed-source 4", NULL, computed_memo },
    { "on creation in F&O", BASE "," F(3, "SALESMEMO", "description", ""), NULL, NULL, "info create-only 4",
      "F&O takes", memo_on_creation },
    { "on creation in Dataverse", BASE "," F(3, "SALESMEMO", "description", ""), NULL, NULL, "info create-only 4",
      "Dataverse takes", description_on_creation },
    /* lookups */
    { "no map for it", BASE "," F(1, "VENDORACCOUNT", "msdyn_vendor.msdyn_vendoraccountnumber", TO("msdyn_vendors")),
      NULL, NULL, "error lookup-unserved 4", "msdyn_vendors", NULL },
    { "its own table", BASE "," F(3, "INVOICEACCOUNT", "msdyn_billingaccount.accountnumber", ""), NULL, NULL, "",
      NULL, NULL },
    { "target unknown", BASE "," F(1, "VENDORACCOUNT", "msdyn_vendor.msdyn_vendoraccountnumber", ""), NULL, NULL,
      "error lookup-target-unknown 4", "msdyn_vendor", without_vendor },
    { "target not said", BASE "," F(3, "INVOICEACCOUNT", "msdyn_billingaccount.accountnumber", ""), NULL, NULL,
      "error DIPV1020 0, info lookup-target-unsaid 4", "msdyn_billingaccount", without_accounts },
    { "no lookup", BASE "," F(1, "SALESMEMO", "description.x", ""), NULL, NULL, "error lookup-path 4", NULL, NULL },
    { "several targets",
      BASE "," F(1, "PAYMENTTERMS", "msdyn_paymentterm.msdyn_paymentterm(msdyn_name).account(name)", ""), NULL, NULL,
      "error lookup-polymorphic 4", NULL, NULL },
    { "directions",
      BASE "," F(3, "PAYMENTTERMS", "msdyn_paymentterm.msdyn_name",
                 "") "," F(1, "SALESMEMO", "msdyn_paymentterm.msdyn_description", ""),
      NULL, NULL, "warning lookup-directions 5", "PAYMENTTERMS and SALESMEMO", NULL },
    { "levels",
      BASE "," F(1, "PAYMENTTERMS", "msdyn_paymentterm.msdyn_paymentdayname.msdyn_name",
                 "") "," F(1, "SALESMEMO", "msdyn_paymentterm.msdyn_name", ""),
      NULL, NULL, "info lookup-levels 4", "2 lookups", NULL },
    { "ten lookups",
      BASE
      "," F(3, "PAYMENTTERMS", "a.x", TO("msdyn_paymentterms")) "," F(3, "X2", "b.x", TO("msdyn_paymentterms")) "," F(3, "X3", "c.x", TO("msdyn_paymentterms")) "," F(
          3, "X4", "d.x",
          TO("msdyn_paymentterms")) "," F(3, "X5", "e.x",
                                          TO("msdyn_paymentterms")) "," F(3, "X6", "f.x",
                                                                          TO("msdyn_paymentterms")) "," F(3, "X7",
                                                                                                          "g.x",
                                                                                                          TO("msdyn_"
                                                                                                             "paymen"
                                                                                                             "tterm"
                                                                                                             "s")) "," F(3,
                                                                                                                         "X8",
                                                                                                                         "h.x",
                                                                                                                         TO("msdyn_paymentterms")) "," F(3,
                                                                                                                                                         "X9",
                                                                                                                                                         "i.x",
                                                                                                                                                         TO("msdyn_paymentterms")),
      NULL, NULL, "error DIPV1020 0, warning lookup-count 0", "10 lookups", without_accounts },
    /* filters, company, key */
    { "filter of F&O", BASE, "ORGANIZATIONNAM == \"x\"", NULL,
      "error filter-constant 0, error filter-field 0, warning filter-unmapped 0", "did you mean 'ORGANIZATIONNAME'",
      NULL },
    { "filter of F&O does not parse", BASE, "ORGANIZATIONNAME ==", NULL, "error filter-syntax 0", NULL, NULL },
    { "filter of no element", BASE "," F(2, "PARTYTYPE", "", DEFAULT("Person")), "PARTYTYPE == \"Robot\"", NULL,
      "error filter-constant 0, error filter-element 0", "Robot", NULL },
    { "constant for the way back", BASE, NULL, "customertypecode eq 3",
      "error filter-constant 0, warning filter-unmapped 0", "customertypecode", NULL },
    { "constant that is there", BASE "," F(1, "", "customertypecode", DEFAULT("3")), NULL, "customertypecode eq 3",
      "", NULL, NULL },
    { "constant that is another", BASE "," F(1, "", "customertypecode", DEFAULT("1")), NULL, "customertypecode eq 3",
      "error filter-constant 0", "fail its filter", NULL },
    { "constant of one branch", BASE "," F(1, "", "customertypecode", DEFAULT("1")), NULL,
      "customertypecode eq 3 or name eq 'x'", "", NULL, NULL },
    { "a field from the other side only", BASE "," F(2, "SALESMEMO", "description", ""), NULL, "description ne null",
      "error filter-constant 0", "description", NULL },
    { "constant for F&O", BASE, "PARTYTYPE == \"Organization\"", NULL,
      "error filter-constant 0, warning filter-unmapped 0", "PARTYTYPE", NULL },
    { "one-way: a filter needs no constant",
      F(1, "CUSTOMERACCOUNT", "accountnumber", "") "," F(1, "ORGANIZATIONNAME", "name", ""), "SALESMEMO != \"\"",
      NULL, "warning filter-unmapped 0", NULL, NULL },
    { "company", BASE "," F(3, "DATAAREAID", "msdyn_company.cdm_companycode", ""), NULL, NULL,
      "warning company-mapped 4", NULL, NULL },
    { "key with a value map",
      F(3, "CUSTOMERACCOUNT", "accountnumber", "") "," F(3, "ORGANIZATIONNAME", "name", "") "," F(
          3, "CUSTOMERGROUPID", "msdyn_customergroupid.msdyn_groupid", "") "," F(3, "SALESMEMO", "description",
                                                                                 VALUES("\"a\":\"b\",\"c\":\"d\"")),
      NULL, NULL, "error key-value-map 4, warning DIPV1003 0", NULL, key_is_memo },
};

static void every_code(void **state)
{
    static bool seen[200];
    /* made by settings, by the workspace, or by more fields than a case has: the tests below */
    static const char *const ELSEWHERE[] = { "key-setting",  "map-wide",     "order-cycle",
                                             "lookup-parts", "field-unused", "deletes-rows" };
    struct at_hand h;

    (void)state;
    take_demo(&h);
    for (size_t i = 0; i < COUNT(CASES); i++)
        check_case(&CASES[i], "Customers V3", "accounts", &h, seen);
    for (size_t k = 0; LINT_CODES[k].code; k++) {
        bool elsewhere = false;

        for (size_t i = 0; i < COUNT(ELSEWHERE); i++)
            elsewhere = elsewhere || !strcmp(ELSEWHERE[i], LINT_CODES[k].code);
        CHECK(seen[k] != elsewhere, "%s", LINT_CODES[k].code);
        for (size_t i = 0; i < k; i++)
            CHECK(strcmp(LINT_CODES[i].code, LINT_CODES[k].code) != 0, "%s is there twice", LINT_CODES[k].code);
    }
    drop_demo(&h);
}

/* ---- settings, presence, rings ---- */

static int some_rows(void *arg, struct cell set)
{
    CHECK_CELL(set, "msdyn_vendors", "asked");
    return *(int *)arg;
}

static void presence(void **state)
{
    static const struct {
        int there;
        const char *want, *says;
    } ANSWERS[] = { { 1, "warning lookup-unserved 4", "rows are there" },
                    { 0, "error lookup-unserved 4", "no rows" },
                    { -1, "error lookup-unserved 4", "no map at hand fills" } };
    struct at_hand h;
    struct schema s = { 0 };
    struct map *m = map_of("Customers V3", "accounts",
                           BASE "," F(1, "VENDORACCOUNT", "msdyn_vendor.msdyn_vendoraccountnumber", ""), "", "");

    (void)state;
    take_demo(&h);
    tenant_schema(&s);
    for (size_t i = 0; i < COUNT(ANSWERS); i++) {
        int there = ANSWERS[i].there;
        struct maplint_input in = {
            .map = m, .schema = &s, .maps = h.maps, .n_maps = h.n, .present = some_rows, .present_arg = &there
        };
        struct maplint l;
        struct arena a = { 0 };

        maplint(&in, &l);
        CHECK_STR(told(&a, &l), ANSWERS[i].want, "%d", there);
        CHECK(strstr(cell_cstr(&a, l.v[0].reason), ANSWERS[i].says), CELL_FMT, CELL_ARG(l.v[0].reason));
        maplint_release(&l);
        arena_release(&a);
    }
    drop_demo(&h);
    map_free(m);
    schema_release(&s);
}

static void silenced(void **state)
{
    static const char *const IGNORE[] = { "PRECISION:creditlimit", "range:18", "map-wide", "length:SALESMEMO",
                                          "lookup-unserved:msdyn_vendor" };
    struct schema s = { 0 };
    struct at_hand h;
    struct map *m = map_of("Customers V3", "accounts",
                           BASE "," F(3, "CREDITLIMIT", "creditlimit",
                                      "") "," F(1, "VENDORACCOUNT", "msdyn_vendor.msdyn_vendoraccountnumber", ""),
                           "", "");
    struct maplint_input in = { .map = m, .schema = &s, .ignore = IGNORE, .n_ignore = COUNT(IGNORE) };
    struct maplint l;
    struct arena a = { 0 };

    (void)state;
    take_demo(&h);
    in.maps = h.maps;
    in.n_maps = h.n;
    tenant_schema(&s);
    maplint(&in, &l);
    CHECK_STR(told(&a, &l), "ignored error lookup-unserved 5, ignored info precision 4", "silenced");
    assert_int_equal(l.counts[LINT_ERROR] + l.counts[LINT_WARNING] + l.counts[LINT_INFO], 0);
    assert_int_equal(l.ignored, 2);
    assert_int_equal(l.n_idle, 3);
    CHECK_STR(l.idle[0], "range:18", "idle");
    maplint_release(&l);
    in.settings.key = "dataAreaId,NoSuch";
    in.n_ignore = 0;
    maplint(&in, &l);
    CHECK_STR(told(&a, &l), "error key-setting 0, error lookup-unserved 5, info precision 4", "key");
    maplint_release(&l);
    in.settings.key = NULL;
    in.offline = true;
    entity_named(&s, "Customers V3")->label = CELL_LIT("Other");
    maplint(&in, &l);
    CHECK_STR(told(&a, &l), "error lookup-unserved 5, warning DIPV1018 0", "offline: may exist");
    maplint_release(&l);
    arena_release(&a);
    drop_demo(&h);
    map_free(m);
    schema_release(&s);
}

static void rings(void **state)
{
    static const struct {
        const char *name, *first, *second, *want, *says;
    } CASES_OF_TWO[] = {
        { "no ring", BASE, F(3, "PARTYNUMBER", "msdyn_partynumber", ""), "", NULL },
        { "a ring that can be opened",
          BASE "," F(1, "PARTYNUMBER", "msdyn_partyid.msdyn_partynumber", TO("msdyn_parties")),
          F(3, "PARTYNUMBER", "msdyn_partynumber", "") "," F(3, "NAME", "x_account.accountnumber", TO("accounts")),
          "warning order-cycle 4", "accounts -> msdyn_parties -> accounts" },
        { "a ring of keys", BASE "," F(3, "PARTYNUMBER", "msdyn_partyid.msdyn_partynumber", TO("msdyn_parties")),
          F(3, "PARTYNUMBER", "x_account.accountnumber", TO("accounts")), "error order-cycle 4",
          "no map of it can go first" },
    };
    struct at_hand h;

    (void)state;
    take_demo(&h);
    for (size_t i = 0; i < COUNT(CASES_OF_TWO); i++) {
        struct schema s = { 0 };
        struct map *m = map_of("Customers V3", "accounts", CASES_OF_TWO[i].first, "", "");
        struct map *other = map_of("CDS Parties", "msdyn_parties", CASES_OF_TWO[i].second, "", "");
        struct maplint_input in = { .map = m, .schema = &s, .maps = h.maps, .n_maps = h.n + 2 };
        struct maplint l;
        struct arena a = { 0 };

        tenant_schema(&s);
        tenant_field(&s, "Customers V3", "PARTYNUMBER")->mandatory = i == 2;
        h.maps[h.n] = m;
        h.maps[h.n + 1] = other;
        maplint(&in, &l);
        CHECK_STR(told(&a, &l), CASES_OF_TWO[i].want, "%s", CASES_OF_TWO[i].name);
        CHECK(!CASES_OF_TWO[i].says || strstr(cell_cstr(&a, l.v[0].reason), CASES_OF_TWO[i].says), "%s: " CELL_FMT,
              CASES_OF_TWO[i].name, CELL_ARG(l.v[0].reason));
        maplint_release(&l);
        arena_release(&a);
        schema_release(&s);
        map_free(m);
        map_free(other);
    }
    drop_demo(&h);
}

/* A document of many fields and long paths, without any metadata. */
static void wide(void **state)
{
    struct schema none = { 0 };
    struct strbuf fields = STRBUF(0);
    struct maplint l;
    struct map *m;
    struct maplint_input in = { .schema = &none };
    struct arena a = { 0 };

    (void)state;
    for (int i = 0; i < 2000; i++)
        strbuf_addf(&fields, "%s{\"syncDirection\":1,\"sourceField\":\"S%d\",\"destinationField\":\"c%d\"}",
                    i ? "," : "", i, i);
    m = map_of("L", "s", strbuf_str(&fields), "", "");
    in.map = m;
    in.maps = (const struct map *const *)&m;
    in.n_maps = 1;
    maplint(&in, &l);
    CHECK_STR(told(&a, &l), "error DIPV1018 0, error DIPV1020 0, info map-wide 0", "wide");
    CHECK(strstr(cell_cstr(&a, l.v[2].reason), "2000"), CELL_FMT, CELL_ARG(l.v[2].reason));
    maplint_release(&l);
    map_free(m);
    strbuf_release(&fields);
    arena_release(&a);
}

static void unused(void **state)
{
    struct schema s = { 0 };
    struct at_hand h;
    struct map *m = map_of(
        "Customers V3", "accounts",
        BASE "," F(3, "SALESMEMO", "description", "") "," F(3, "CREDITRATING", "msdyn_creditrating", ""), "", "");
    struct cell only[5] = { CELL_ABSENT, CELL_ABSENT, CELL_ABSENT, CELL_LIT(""), CELL_LIT("A") };
    struct maplint_input in = { .map = m, .schema = &s, .only = only, .rows = 12 };
    struct maplint l;
    struct arena a = { 0 };

    (void)state;
    take_demo(&h);
    in.maps = h.maps;
    in.n_maps = h.n;
    tenant_schema(&s);
    maplint(&in, &l);
    CHECK_STR(told(&a, &l), "info field-unused 4, info field-unused 5", "unused");
    CHECK_CELL(l.v[0].reason, "blank in all 12 rows", "blank");
    CHECK_CELL(l.v[1].reason, "the same in all 12 rows: 'A'", "a value");
    maplint_release(&l);
    drop_demo(&h);
    map_free(m);
    schema_release(&s);
    arena_release(&a);
}

static void deletes(void **state)
{
    static const char TEXT[] =
        "{\"legs\":[{\"sourceSchema\":\"L\",\"destinationSchema\":\"s\",\"deleteNonMatchingData\":true,"
        "\"fieldMappings\":[]}]}";
    struct schema none = { 0 };
    struct map *m = NULL;
    struct err e = { 0 };
    struct maplint l;
    struct arena a = { 0 };
    struct maplint_input in = { .schema = &none };

    (void)state;
    CHECK_OK(map_read_text("m.json", TEXT, strlen(TEXT), &m, &e), &e);
    in.map = m;
    maplint(&in, &l);
    CHECK_STR(told(&a, &l), "error DIPV1018 0, error DIPV1020 0, warning deletes-rows 0", "deletes");
    maplint_release(&l);
    map_free(m);
    arena_release(&a);
}

static void many_parts(void **state)
{
    struct schema s = { 0 };
    struct strbuf fields = STRBUF(0);
    struct maplint l;
    struct map *m;
    struct maplint_input in = { .schema = &s };
    bool told_so = false;

    (void)state;
    tenant_schema(&s);
    strbuf_adds(&fields, BASE);
    for (int i = 0; i < 17; i++)
        strbuf_addf(
            &fields,
            ",{\"syncDirection\":1,\"sourceField\":\"SALESMEMO\",\"destinationField\":\"msdyn_paymentterm.c%d\"}", i);
    m = map_of("Customers V3", "accounts", strbuf_str(&fields), "", "");
    in.map = m;
    maplint(&in, &l);
    for (size_t i = 0; i < l.n; i++)
        told_so = told_so || (!strcmp(l.v[i].code->code, "lookup-parts") && l.v[i].mf && l.v[i].mf->index == 19);
    assert_true(told_so);
    maplint_release(&l);
    map_free(m);
    schema_release(&s);
    strbuf_release(&fields);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code), cmocka_unit_test(presence), cmocka_unit_test(silenced),
        cmocka_unit_test(rings),      cmocka_unit_test(wide),     cmocka_unit_test(many_parts),
        cmocka_unit_test(unused),     cmocka_unit_test(deletes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Looking things up in the metadata, and its cache in the workspace. */
#include "tenant_schema.h"

static void look_up(void **state)
{
    struct schema s = { 0 };
    const struct fno_entity *e;
    const struct dv_table *t;

    (void)state;
    tenant_schema(&s);
    e = schema_entity(&s, CELL_LIT("customers v3"));
    assert_non_null(e);
    assert_ptr_equal(e, schema_entity(&s, CELL_LIT("CustomersV3")));
    assert_null(schema_entity(&s, CELL_LIT("Customers")));
    assert_ptr_equal(fno_field_find(e, CELL_LIT("customeraccount")), fno_field_find(e, CELL_LIT("CustomerAccount")));
    assert_true(fno_field_find(e, CELL_LIT("CUSTOMERACCOUNT"))->key);
    assert_null(fno_field_find(e, CELL_LIT("DATAAREAID")));
    t = schema_table(&s, CELL_LIT("ACCOUNTS"));
    assert_non_null(t);
    assert_ptr_equal(t, schema_table_logical(&s, CELL_LIT("account")));
    assert_null(schema_table(&s, CELL_LIT("account")));
    CHECK_CELL(t->company->name, "msdyn_company", "company");
    assert_ptr_equal(dv_column_find(t, CELL_LIT("CreditLimit")), dv_column_find(t, CELL_LIT("creditlimit")));
    assert_null(dv_column_find(t, CELL_LIT("nosuch")));
    schema_release(&s);
    schema_release(&s); /* of nothing */
}

/* What is read again replaces what was there: no entity and no table is twice in the metadata. */
static void replace(void **state)
{
    struct schema s = { 0 };
    struct fno_entity *e;
    struct dv_table *t;
    size_t entities, tables;

    (void)state;
    tenant_schema(&s);
    entities = s.n_entities;
    tables = s.n_tables;
    e = arena_zalloc(&s.arena, sizeof(*e));
    e->label = CELL_LIT("CUSTOMERS V3");
    schema_add_entity(&s, e);
    t = arena_zalloc(&s.arena, sizeof(*t));
    t->logical = CELL_LIT("Account");
    t->set = CELL_LIT("accounts");
    schema_add_table(&s, t);
    assert_int_equal(s.n_entities, entities);
    assert_int_equal(s.n_tables, tables);
    assert_ptr_equal(schema_entity(&s, CELL_LIT("Customers V3")), e);
    assert_ptr_equal(schema_table(&s, CELL_LIT("accounts")), t);
    schema_release(&s);
}

static void check_same_entity(const struct fno_entity *x, const struct fno_entity *y)
{
    CHECK(cell_eq(x->aot, y->aot) && cell_eq(x->public_name, y->public_name) && cell_eq(x->set, y->set), CELL_FMT,
          CELL_ARG(x->label));
    assert_int_equal(x->shared, y->shared);
    assert_int_equal(x->on_dmf, y->on_dmf);
    assert_int_equal(x->n, y->n);
    for (size_t i = 0; i < x->n; i++) {
        const struct fno_field *f = &x->fields[i], *g = &y->fields[i];

        CHECK(cell_eq(f->property, g->property) && cell_eq(f->staging, g->staging) && f->type == g->type &&
                  f->key == g->key && f->mandatory == g->mandatory && f->edit == g->edit &&
                  f->max_length == g->max_length && (f->en != NULL) == (g->en != NULL),
              CELL_FMT, CELL_ARG(f->staging));
        for (size_t k = 0; f->en && k < f->en->n; k++)
            CHECK(f->en->n == g->en->n && cell_eq(f->en->members[k], g->en->members[k]) &&
                      cell_eq(f->en->labels[k], g->en->labels[k]) && f->en->values[k] == g->en->values[k],
                  CELL_FMT, CELL_ARG(f->staging));
    }
}

static void check_same_table(const struct dv_table *x, const struct dv_table *y)
{
    CHECK(cell_eq(x->set, y->set) && cell_eq(x->pk, y->pk) && cell_eq(x->primary_name, y->primary_name), CELL_FMT,
          CELL_ARG(x->logical));
    assert_int_equal(x->user_owned, y->user_owned);
    assert_int_equal(x->create_multiple, y->create_multiple);
    assert_int_equal(x->change_tracking, y->change_tracking);
    CHECK((x->company ? x->company - x->columns : -1) == (y->company ? y->company - y->columns : -1), CELL_FMT,
          CELL_ARG(x->logical));
    assert_int_equal(x->n, y->n);
    for (size_t i = 0; i < x->n; i++) {
        const struct dv_column *c = &x->columns[i], *d = &y->columns[i];

        CHECK(cell_eq(c->name, d->name) && c->type == d->type && c->max_length == d->max_length &&
                  c->precision == d->precision && c->create == d->create && c->update == d->update &&
                  c->required_by_system == d->required_by_system && c->required_by_app == d->required_by_app &&
                  c->source == d->source && c->n_options == d->n_options && c->n_navs == d->n_navs &&
                  cell_eq(c->behavior, d->behavior) && cell_eq(c->min, d->min),
              CELL_FMT "." CELL_FMT, CELL_ARG(x->logical), CELL_ARG(c->name));
        for (size_t k = 0; k < c->n_navs; k++)
            CHECK(cell_eq(c->navs[k].target, d->navs[k].target) && cell_eq(c->navs[k].nav, d->navs[k].nav), CELL_FMT,
                  CELL_ARG(c->name));
        for (size_t k = 0; k < c->n_options; k++)
            CHECK(c->options[k].value == d->options[k].value && cell_eq(c->options[k].label, d->options[k].label),
                  CELL_FMT, CELL_ARG(c->name));
    }
    assert_int_equal(x->n_keys, y->n_keys);
    for (size_t i = 0; i < x->n_keys; i++) {
        CHECK(cell_eq(x->keys[i].name, y->keys[i].name) && x->keys[i].active == y->keys[i].active &&
                  x->keys[i].n == y->keys[i].n,
              CELL_FMT, CELL_ARG(x->keys[i].name));
        for (size_t k = 0; k < x->keys[i].n; k++)
            assert_true(cell_eq(x->keys[i].columns[k], y->keys[i].columns[k]));
    }
}

static void cached(void **state)
{
    struct schema one = { 0 }, two = { 0 };
    struct err e = { 0 };

    (void)state;
    tenant_schema(&one);
    tenant_field(&one, "Customers V3", "SALESMEMO")->max_length = 1999;
    tenant_field(&one, "Customers V3", "SALESMEMO")->edit = false;
    tenant_dv_column(&one, "account", "creditlimit")->min = CELL_LIT("-1.50");
    tenant_dv_column(&one, "account", "creditlimit")->update = false;
    tenant_dv_column(&one, "account", "creditlimit")->source = DV_ROLLUP;
    tenant_dv_column(&one, "account", "name")->required_by_app = true;
    one.tables[0]->n_keys = 0;
    CHECK_OK(schema_save(&one, "metadata.json", &e), &e);
    CHECK_OK(schema_load(&two, "metadata.json", &e), &e);
    assert_int_equal(one.n_entities, two.n_entities);
    assert_int_equal(one.n_tables, two.n_tables);
    for (size_t i = 0; i < one.n_entities; i++) {
        const struct fno_entity *other = schema_entity(&two, one.entities[i]->label);

        assert_non_null(other);
        check_same_entity(one.entities[i], other);
    }
    for (size_t i = 0; i < one.n_tables; i++) {
        const struct dv_table *other = schema_table_logical(&two, one.tables[i]->logical);

        assert_non_null(other);
        check_same_table(one.tables[i], other);
    }
    schema_release(&one);
    schema_release(&two);
}

static void cache_faults(void **state)
{
    static const struct {
        const char *name, *text;
        enum ec want;
    } CASES[] = {
        { "no file", NULL, EC_NOTFOUND },
        { "another version", "{\"version\":999,\"entities\":[],\"tables\":[]}", EC_NOTFOUND },
        { "no version", "{}", EC_NOTFOUND },
        { "cut off", "{\"version\":2,\"entities\":[", EC_FORMAT },
        { "other types", "{\"version\":2,\"entities\":{},\"tables\":7}", EC_OK },
        { "names and types that are none",
          "{\"version\":2,\"entities\":[{\"label\":\"L\",\"fields\":[{\"type\":4711}]},7],\"tables\":[{\"logical\":"
          "\"l\",\"columns\":[{\"type\":-3}]}]"
          "}",
          EC_OK },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        struct schema s = { 0 };
        struct err e = { 0 };

        if (CASES[i].text)
            CHECK_OK(file_write_atomic("m.json", CASES[i].text, strlen(CASES[i].text), 0600, &e), &e);
        CHECK(schema_load(&s, CASES[i].text ? "m.json" : "none.json", &e) == CASES[i].want, "%s: %s", CASES[i].name,
              e.msg);
        CHECK(s.n_entities <= 1 && s.n_tables <= 1, "%s", CASES[i].name);
        for (size_t k = 0; k < s.n_entities; k++)
            for (size_t f = 0; f < s.entities[k]->n; f++)
                assert_in_range(s.entities[k]->fields[f].type, 0, FNO_OTHER);
        for (size_t k = 0; k < s.n_tables; k++)
            for (size_t f = 0; f < s.tables[k]->n; f++)
                assert_in_range(s.tables[k]->columns[f].type, 0, DV_OTHER);
        schema_release(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(look_up),
        cmocka_unit_test(replace),
        cmocka_unit_test(cached),
        cmocka_unit_test(cache_faults),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

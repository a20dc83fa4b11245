/* Waves of the demo's maps, gaps, cycles. */
#include "tenant_schema.h"

#include "map/deps.h"

static const struct {
    const char *stem;
    int wave;
    bool second_pass;
} DEMO[] = {
    { "accounts--customers-v3", 5, true }, /* given last to first: the order must not matter */
    { "msdyn_customergroups--customer-groups", 4, false },
    { "msdyn_paymentterms--terms-of-payment", 3, false },
    { "msdyn_taxgroups--sales-tax-groups", 2, false },
    { "msdyn_customerpaymentmethods--customer-payment-method", 2, false },
    { "msdyn_paymentschedules--payment-schedule", 2, false },
    { "msdyn_paymentdays--payment-days-cds", 2, false },
    { "transactioncurrencies--currencies", 1, false },
    { "cdm_companies--legal-entities", 1, false },
};
enum { N = COUNT(DEMO) };

struct world {
    struct schema s;
    struct map *maps[N];
    struct binding *b[N];
};

static void bind_all(struct world *w)
{
    struct bind_settings set = { .alias = CELL_LIT("m") };
    struct err e = { 0 };

    tenant_schema(&w->s);
    for (size_t i = 0; i < N; i++) {
        w->maps[i] = demo_map(DEMO[i].stem);
        CHECK_OK(bind_map(w->maps[i], &w->s, &set, &w->b[i], &e), &e);
    }
}

static void release(struct world *w)
{
    for (size_t i = 0; i < N; i++) {
        binding_free(w->b[i]);
        map_free(w->maps[i]);
    }
    schema_release(&w->s);
}

static const struct deps_node *node_of(const struct deps *d, const struct binding *b)
{
    for (size_t i = 0; i < d->n; i++)
        if (d->nodes[i].b == b)
            return &d->nodes[i];
    return NULL;
}

static void demo_waves(void **state)
{
    struct world w = { 0 };
    struct deps d = { 0 };
    struct err e = { 0 };

    (void)state;
    bind_all(&w);
    CHECK_OK(deps_plan((const struct binding *const *)w.b, N, &d, &e), &e);
    assert_int_equal(d.n, N);
    assert_int_equal(d.n_waves, 5);
    assert_int_equal(d.n_gaps, 0);
    for (size_t i = 0; i < N; i++) {
        const struct deps_node *n = node_of(&d, w.b[i]);

        CHECK(n && n->wave == DEMO[i].wave, "%s is in wave %d", DEMO[i].stem, n ? n->wave : 0);
        CHECK(n->second_pass == DEMO[i].second_pass, "%s", DEMO[i].stem);
    }
    for (size_t i = 1; i < d.n; i++)
        CHECK(d.nodes[i - 1].wave <= d.nodes[i].wave, "node %zu is out of order", i);
    /* Customers look up themselves, and need their groups, terms and so on; each striped map needs the companies. */
    {
        size_t self = 0, companies = 0, hard = 0;

        for (size_t i = 0; i < d.n_edges; i++) {
            const struct deps_edge *g = &d.edges[i];

            CHECK(!g->deferred, "a demo map's lookup is put off");
            self += g->self;
            hard += g->hard;
            companies += cell_absent(g->field);
            CHECK(g->self || node_of(&d, g->to)->wave < node_of(&d, g->from)->wave, "edge %zu", i);
        }
        assert_int_equal(self, 1);
        assert_int_equal(companies, 7);
        assert_true(hard >= companies);
    }
    /* Within a wave the order is the one in which the maps were given. */
    CHECK_CELL(d.nodes[0].b->table->set, "transactioncurrencies", "first");
    CHECK_CELL(d.nodes[1].b->table->set, "cdm_companies", "second");
    CHECK_CELL(d.nodes[2].b->table->set, "msdyn_taxgroups", "third");
    deps_release(&d);
    release(&w);
}

/* The three fields that the demo leaves out are lookups that no map of the demo serves. */
static void unserved_lookups(void **state)
{
    static const struct {
        const char *source, *destination, *related;
    } EXTRA[] = {
        { "PARTYNUMBER", "msdyn_partyid.msdyn_partynumber", "msdyn_parties" },
        { "VENDORACCOUNT", "msdyn_vendor.msdyn_vendoraccountnumber", "msdyn_vendors" },
        { "CONTACTPERSONID", "msdyn_primarycontact.msdyn_contactforpartynumber", "msdyn_contactforparties" },
    };
    struct bind_settings set = { .alias = CELL_LIT("customers") };
    struct world w = { 0 };
    struct strbuf text = STRBUF(0), out = STRBUF(0);
    struct arena a = { 0 };
    struct json *doc = NULL, *fields;
    struct deps d = { 0 };
    struct err e = { 0 };

    (void)state;
    bind_all(&w);
    CHECK_OK(file_read(tenant_path(&a, "scripts/demo/maps/accounts--customers-v3.json"), 1 << 20, &text, &e), &e);
    CHECK_OK(json_parse("map", text.buf, text.len, NULL, &a, &doc, &e), &e);
    fields = (struct json *)json_get(json_at(json_get(doc, "legs"), 0), "fieldMappings");
    for (size_t i = 0; i < COUNT(EXTRA); i++) {
        struct json *f = json_new(&a, JSON_OBJECT, CELL_ABSENT);

        json_set(&a, f, "syncDirection", json_new(&a, JSON_NUMBER, CELL_LIT("3")));
        json_set(&a, f, "sourceField", json_new(&a, JSON_STRING, cell_of(EXTRA[i].source)));
        json_set(&a, f, "destinationField", json_new(&a, JSON_STRING, cell_of(EXTRA[i].destination)));
        json_set(&a, f, "destinationLookupFieldRelatedEntity", json_new(&a, JSON_STRING, cell_of(EXTRA[i].related)));
        json_append(fields, f);
    }
    json_write(&out, doc);
    binding_free(w.b[0]);
    map_free(w.maps[0]);
    CHECK_OK(map_read_text("published", out.buf, out.len, &w.maps[0], &e), &e);
    CHECK_OK(bind_map(w.maps[0], &w.s, &set, &w.b[0], &e), &e);
    CHECK_OK(deps_plan((const struct binding *const *)w.b, N, &d, &e), &e);
    assert_int_equal(d.n_gaps, COUNT(EXTRA));
    for (size_t i = 0; i < COUNT(EXTRA); i++) {
        CHECK_CELL(d.gaps[i].field, EXTRA[i].source, "gap %zu", i);
        CHECK_CELL(d.gaps[i].path, EXTRA[i].destination, "gap %zu", i);
        CHECK_CELL(d.gaps[i].target, EXTRA[i].related, "gap %zu", i);
        assert_ptr_equal(d.gaps[i].b, w.b[0]);
    }
    deps_release(&d);
    strbuf_release(&text);
    strbuf_release(&out);
    arena_release(&a);
    release(&w);
}

static void a_part_of_the_maps(void **state)
{
    struct world w = { 0 };
    struct deps d = { 0 };
    struct err e = { 0 };
    const struct binding *only[2];

    (void)state;
    bind_all(&w);
    only[0] = w.b[0]; /* customers */
    only[1] = w.b[1]; /* their groups */
    CHECK_OK(deps_plan(only, 2, &d, &e), &e);
    assert_int_equal(d.n_waves, 2);
    assert_int_equal(node_of(&d, w.b[1])->wave, 1);
    assert_int_equal(node_of(&d, w.b[0])->wave, 2);
    CHECK(d.n_gaps >= 7, "only %zu gaps", d.n_gaps);
    deps_release(&d);
    CHECK_OK(deps_plan(only, 0, &d, &e), &e);
    assert_int_equal(d.n_waves, 0);
    deps_release(&d);
    release(&w);
}

/* ---- cycles, from maps made up here ---- */
static struct map *made_map(const char *label, const char *set, const char *lookup)
{
    struct strbuf text = STRBUF(0);
    struct map *m = NULL;
    struct err e = { 0 };

    strbuf_addf(&text,
                "{\"legs\":[{\"sourceSchema\":\"%s\",\"sourceEnvironmentType\":\"AX\",\"destinationSchema\":\"%s\","
                "\"fieldMappings\":[{\"syncDirection\":3,\"sourceField\":\"CODE\",\"destinationField\":\"code\"}",
                label, set);
    if (lookup)
        strbuf_addf(&text, ",{\"syncDirection\":3,\"sourceField\":\"OTHER\",\"destinationField\":\"%s\"}", lookup);
    strbuf_adds(&text, "]}]}");
    CHECK_OK(map_read_text("made", text.buf, text.len, &m, &e), &e);
    strbuf_release(&text);
    return m;
}

static void made_side(struct schema *s, const char *name, const char *points_at, bool lookup_is_key)
{
    struct fno_entity *e = arena_zalloc(&s->arena, sizeof(*e));
    struct dv_table *t = arena_zalloc(&s->arena, sizeof(*t));

    e->label = e->aot = e->public_name = e->set = cell_dup(&s->arena, cell_of(name));
    e->shared = true;
    e->fields = arena_zalloc(&s->arena, 2 * sizeof(*e->fields));
    e->fields[0] = (struct fno_field){ .property = CELL_LIT("Code"), .staging = CELL_LIT("CODE"), .key = true };
    e->fields[1] =
        (struct fno_field){ .property = CELL_LIT("Other"), .staging = CELL_LIT("OTHER"), .key = lookup_is_key };
    e->n = 2;
    schema_add_entity(s, e);
    t->logical = t->set = e->label;
    t->pk = CELL_LIT("id");
    t->columns = arena_zalloc(&s->arena, 2 * sizeof(*t->columns));
    t->columns[0] = (struct dv_column){ .name = CELL_LIT("code"), .type = DV_STRING, .create = true, .update = true };
    t->columns[1] =
        (struct dv_column){ .name = CELL_LIT("other"), .type = DV_LOOKUP, .create = true, .update = true };
    t->columns[1].navs = arena_zalloc(&s->arena, sizeof(struct dv_nav));
    t->columns[1].navs[0] =
        (struct dv_nav){ .target = cell_dup(&s->arena, cell_of(points_at)), .nav = CELL_LIT("other") };
    t->columns[1].n_navs = 1;
    t->n = 2;
    schema_add_table(s, t);
}

static void cycle(bool in_key, enum ec want)
{
    struct bind_settings set = { .alias = CELL_LIT("m") };
    struct schema s = { 0 };
    struct map *m[2];
    struct binding *b[2];
    struct deps d = { 0 };
    struct err e = { 0 };

    made_side(&s, "left", "right", in_key);
    made_side(&s, "right", "left", in_key);
    m[0] = made_map("left", "left", "other.code");
    m[1] = made_map("right", "right", "other.code");
    for (int i = 0; i < 2; i++)
        CHECK_OK(bind_map(m[i], &s, &set, &b[i], &e), &e);
    CHECK(deps_plan((const struct binding *const *)b, 2, &d, &e) == want, "%s", e.msg);
    if (want == EC_OK) {
        /* One of the two goes first, and its lookup is filled later. */
        assert_int_equal(d.n_waves, 2);
        assert_int_equal(d.nodes[0].second_pass + d.nodes[1].second_pass, 1);
        assert_true(d.nodes[0].second_pass);
        assert_int_equal(d.nodes[0].wave, 1);
        assert_int_equal(d.nodes[1].wave, 2);
        assert_int_equal(d.n_edges, 2);
        for (size_t i = 0; i < 2; i++) {
            bool first = d.edges[i].from == d.nodes[0].b;

            assert_false(d.edges[i].hard);
            assert_false(d.edges[i].self);
            assert_int_equal(d.edges[i].deferred, first);
            CHECK_CELL(d.edges[i].field, "OTHER", "field of the edge");
            if (first)
                CHECK_CELL(d.edges[i].cycle, "left (left) -> right (right) -> left (left)", "cycle");
        }
    } else {
        CHECK(strstr(e.msg, "cycle") && strstr(e.msg, "left (left) -> right (right) -> left (left)"), "%s", e.msg);
    }
    deps_release(&d);
    for (int i = 0; i < 2; i++) {
        binding_free(b[i]);
        map_free(m[i]);
    }
    schema_release(&s);
}

static void cycles(void **state)
{
    (void)state;
    cycle(false, EC_OK);
    cycle(true, EC_CONFIG);
}

struct made {
    struct schema s;
    struct map *m[4];
    struct binding *b[4];
    struct deps d;
    int n;
};

static void plan_made(struct made *w)
{
    struct bind_settings set = { .alias = CELL_LIT("m") };
    struct err e = { 0 };

    for (int i = 0; i < w->n; i++)
        CHECK_OK(bind_map(w->m[i], &w->s, &set, &w->b[i], &e), &e);
    CHECK_OK(deps_plan((const struct binding *const *)w->b, (size_t)w->n, &w->d, &e), &e);
}

static void release_made(struct made *w)
{
    deps_release(&w->d);
    for (int i = 0; i < w->n; i++) {
        binding_free(w->b[i]);
        map_free(w->m[i]);
    }
    schema_release(&w->s);
}

/* A map that merely waits for a cycle is not the one to break it. */
static void beside_a_cycle(void **state)
{
    struct made w = { .n = 3 };

    (void)state;
    made_side(&w.s, "waits", "left", false);
    made_side(&w.s, "left", "right", false);
    made_side(&w.s, "right", "left", false);
    w.m[0] = made_map("waits", "waits", "other.code");
    w.m[1] = made_map("left", "left", "other.code");
    w.m[2] = made_map("right", "right", "other.code");
    plan_made(&w);
    assert_false(node_of(&w.d, w.b[0])->second_pass);
    assert_int_equal(node_of(&w.d, w.b[0])->wave, 2);
    assert_true(node_of(&w.d, w.b[1])->second_pass);
    assert_int_equal(node_of(&w.d, w.b[1])->wave, 1);
    assert_int_equal(node_of(&w.d, w.b[2])->wave, 2);
    release_made(&w);
}

/* A cycle is broken where a row can be written without its lookup. */
static void mandatory_lookup(void **state)
{
    struct made w = { .n = 2 };

    (void)state;
    made_side(&w.s, "left", "right", false);
    made_side(&w.s, "right", "left", false);
    tenant_field(&w.s, "left", "OTHER")->mandatory = true;
    w.m[0] = made_map("left", "left", "other.code");
    w.m[1] = made_map("right", "right", "other.code");
    plan_made(&w);
    assert_int_equal(node_of(&w.d, w.b[1])->wave, 1);
    assert_true(node_of(&w.d, w.b[1])->second_pass);
    assert_int_equal(node_of(&w.d, w.b[0])->wave, 2);
    assert_false(node_of(&w.d, w.b[0])->second_pass);
    release_made(&w);
}

/* One table filled by two maps: whoever looks into it waits for both. */
static void two_maps_of_one_table(void **state)
{
    struct made w = { .n = 4 };

    (void)state;
    made_side(&w.s, "base", "base", false);
    made_side(&w.s, "persons", "base", false);
    made_side(&w.s, "party", "base", false);
    made_side(&w.s, "user", "party", false);
    w.m[0] = made_map("user", "user", "other.code");
    w.m[1] = made_map("party", "party", NULL);
    w.m[2] = made_map("persons", "party", "other.code");
    w.m[3] = made_map("base", "base", "other.code");
    plan_made(&w);
    assert_int_equal(node_of(&w.d, w.b[3])->wave, 1);
    assert_int_equal(node_of(&w.d, w.b[1])->wave, 1);
    assert_int_equal(node_of(&w.d, w.b[2])->wave, 2);
    assert_int_equal(node_of(&w.d, w.b[0])->wave, 3);
    assert_int_equal(w.d.n_gaps, 0);
    release_made(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(demo_waves),
        cmocka_unit_test(unserved_lookups),
        cmocka_unit_test(a_part_of_the_maps),
        cmocka_unit_test(cycles),
        cmocka_unit_test(beside_a_cycle),
        cmocka_unit_test(mandatory_lookup),
        cmocka_unit_test(two_maps_of_one_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

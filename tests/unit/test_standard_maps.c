/* The list of standard maps: closures and waves as counted in Microsoft's field pairs, names, damage. */
#include "check.h"

#include "map/standard_maps.h"

enum { MAX = 256 };

static size_t closure(const struct standard_maps *s, const char *name, bool soft)
{
    bool marked[MAX] = { false };
    struct err e = { 0 };
    size_t i = 0;

    CHECK_OK(standard_map_find(s, name, &i, &e), &e);
    marked[i] = true;
    return standard_closure(s, soft, marked);
}

static void closures(void **state)
{
    static const struct {
        const char *name;
        size_t hard, soft;
    } WANT[] = {
        { "Customers V3 (accounts)", 9, 20 },
        { "CDS sales order headers (salesorders)", 25, 28 },
        { "CDS sales order lines (salesorderdetails)", 34, 37 },
        { "CDS purchase order line entity (msdyn_purchaseorderproducts)", 24, 34 },
        { "Legal entities (cdm_companies)", 0, 0 },
    };
    struct standard_maps s = { 0 };
    struct err e = { 0 };

    (void)state;
    CHECK_OK(standard_maps_read(&s, &e), &e);
    assert_int_equal(s.n, 137);
    for (size_t i = 0; i < COUNT(WANT); i++) {
        CHECK(closure(&s, WANT[i].name, false) == WANT[i].hard, "%s: %zu", WANT[i].name,
              closure(&s, WANT[i].name, false));
        CHECK(closure(&s, WANT[i].name, true) == WANT[i].soft, "%s with optional lookups: %zu", WANT[i].name,
              closure(&s, WANT[i].name, true));
    }
    standard_maps_release(&s);
}

/* 137 maps in nine waves over all edges; directions and the marks as counted in the source. */
static void all_waves(void **state)
{
    static const int SIZES[] = { 34, 50, 15, 7, 6, 5, 8, 8, 4 };
    struct standard_maps s = { 0 };
    bool marked[MAX];
    int wave[MAX], n = 0, sizes[MAX] = { 0 }, dirs[4] = { 0 }, self = 0, single = 0;
    struct err e = { 0 };

    (void)state;
    CHECK_OK(standard_maps_read(&s, &e), &e);
    for (size_t i = 0; i < s.n; i++) {
        marked[i] = true;
        dirs[s.maps[i].dir]++;
        self += s.maps[i].self;
        single += s.maps[i].single_threaded;
    }
    assert_true(standard_waves(&s, true, marked, wave, &n));
    assert_int_equal(n, COUNT(SIZES));
    for (size_t i = 0; i < s.n; i++)
        sizes[wave[i] - 1]++;
    for (size_t i = 0; i < COUNT(SIZES); i++)
        CHECK(sizes[i] == SIZES[i], "wave %zu has %d maps", i + 1, sizes[i]);
    for (size_t i = 0; i < s.n; i++)
        for (size_t k = 0; k < s.maps[i].n_needs; k++)
            CHECK(wave[s.maps[i].needs[k]] < wave[i], CELL_FMT " before what it needs", CELL_ARG(s.maps[i].name));
    assert_int_equal(dirs[DIR_BOTH], 105);
    assert_int_equal(dirs[DIR_TO_DV], 30);
    assert_int_equal(dirs[DIR_TO_FNO], 2);
    assert_int_equal(self, 9);
    assert_int_equal(single, 9);
    standard_maps_release(&s);
}

static void names(void **state)
{
    static const struct {
        const char *text, *want; /* NULL = nothing by that name, "" = several */
    } CASES[] = {
        { "customers v3 (ACCOUNTS)", "Customers V3 (accounts)" },
        { "Sales order lines", "CDS sales order lines (salesorderdetails)" },
        { "CDS sales order lines", "CDS sales order lines (salesorderdetails)" },
        { "salesorderdetails", "CDS sales order lines (salesorderdetails)" },
        { "VendVendorV2Entity", "Vendors V2 (msdyn_vendors)" },
        { "Vendors V2", "Vendors V2 (msdyn_vendors)" },
        { "purchase order line entity", "CDS purchase order line entity (msdyn_purchaseorderproducts)" },
        { "Customers V3", "" }, /* accounts and contacts */
        { "purchase", "" },
        { "CDS Contacts V2 [vendor] (contacts)", "CDS Contacts V2 [vendor] (contacts)" },
        { "no such map", NULL },
        { "", NULL },
    };
    struct standard_maps s = { 0 };
    struct err e = { 0 };
    int at;

    (void)state;
    CHECK_OK(standard_maps_read(&s, &e), &e);
    for (size_t i = 0; i < COUNT(CASES); i++) {
        size_t k = 0;
        enum ec rc = standard_map_find(&s, CASES[i].text, &k, &e);

        if (!CASES[i].want) {
            CHECK(rc == EC_NOTFOUND, "%s: %s", CASES[i].text, e.msg);
        } else if (!CASES[i].want[0]) {
            CHECK(rc == EC_USAGE && strstr(e.msg, "'"), "%s: %s", CASES[i].text, e.msg);
        } else {
            CHECK(rc == EC_OK, "%s: %s", CASES[i].text, e.msg);
            CHECK_CELL(s.maps[k].name, CASES[i].want, "%s", CASES[i].text);
        }
    }
    at = standard_map_of(&s, CELL_LIT("Customers V3"), CELL_LIT("Accounts"));
    assert_true(at >= 0);
    CHECK_CELL(s.maps[at].name, "Customers V3 (accounts)", "by label and set");
    assert_int_equal(standard_map_of(&s, CELL_LIT("Customers V3"), CELL_LIT("leads")), -1);
    at = standard_map_filling(&s, CELL_LIT("msdyn_parties"));
    assert_true(at >= 0);
    CHECK_CELL(s.maps[at].name, "CDS Parties (msdyn_parties)", "filling");
    standard_maps_release(&s);
}

/* A list with a cycle or a name that is not there must not pass. */
static void damaged(void **state)
{
    static const char HEAD[] =
        "map,fno_entity,dataverse_table,needs,may_need,itself,direction,scope,threads,remark\n";
    static const char CYCLE[] =
        "A (as),,as,B (bs),,,both,shared,,\nB (bs),,bs,A (as),,,both,shared,,\nC (cs),,cs,,,,both,shared,,\n";
    struct standard_maps s = { 0 };
    struct arena a = { 0 };
    struct err e = { 0 };
    bool marked[3] = { true, true, true };
    int wave[3], n;

    (void)state;
    CHECK_OK(standard_maps_read_text(arena_printf(&a, "%s%s", HEAD, CYCLE), &s, &e), &e);
    assert_false(standard_waves(&s, true, marked, wave, &n));
    assert_int_equal(wave[2], 1);
    assert_int_equal(wave[0], wave[1]);
    standard_maps_release(&s);
    assert_int_equal(standard_maps_read_text(arena_printf(&a, "%sA (as),,as,B (bs),,,both,shared,,\n", HEAD), &s, &e),
                     EC_FORMAT);
    CHECK(strstr(e.msg, "B (bs)"), "%s", e.msg);
    assert_int_equal(standard_maps_read_text(arena_printf(&a, "%sA (as),,as,,,,sideways,shared,,\n", HEAD), &s, &e),
                     EC_FORMAT);
    CHECK(strstr(e.msg, "line 2"), "%s", e.msg);
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(closures),
        cmocka_unit_test(all_waves),
        cmocka_unit_test(names),
        cmocka_unit_test(damaged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

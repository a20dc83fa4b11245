/* Which saved version is taken for the live one, by what evidence, and what is refused. */
#include "check.h"

#include "loader/map_live.h"

/* Of each case: saved rows (name, version, created; a name of "" = an inactive row), runtime rows (set, label, version). */
static const struct live_case {
    const char *name;
    const char *rows[4][3];
    const char *runs[2][3];
    enum ec rc;
    int row; /* taken */
    const char *says;
} CASES[] = {
#define N "contoso_[accounts - Customers V3]"
#define M "Microsoft_[Accounts - customers v3]"
    { "the only one", { { N, "1.0.0.0", "2024-01-01T00:00:00Z" } }, { { 0 } }, EC_OK, 0, "no runtime row" },
    { "newest, not highest",
      { { N, "1.0.0.9", "2024-03-01T00:00:00Z" }, { N, "1.0.0.10", "2024-02-01T00:00:00Z" } },
      { { 0 } },
      EC_OK,
      0,
      "1.0.0.10 is higher, but was saved earlier" },
    { "highest where the time is the same",
      { { N, "1.0.0.9", "2024-03-01T00:00:00Z" }, { M, "1.0.0.10", "2024-03-01T00:00:00Z" } },
      { { 0 } },
      EC_OK,
      1,
      "newest saved one" },
    { "parked is not live",
      { { N, "9.9.9.9", "2024-03-01T00:00:00Z" }, { N, "1.0.0.0", "2024-01-01T00:00:00Z" } },
      { { 0 } },
      EC_OK,
      1,
      "not parked" },
    { "only parked",
      { { N, "9.9.9.9", "2024-03-01T00:00:00Z" } },
      { { 0 } },
      EC_STATE,
      0,
      "only the parked version" },
    { "the one that runs",
      { { N, "1.0.0.0", "2024-01-01T00:00:00Z" }, { N, "1.0.0.7", "2024-03-01T00:00:00Z" } },
      { { "accounts", "Customers V3", "1.0.0.0" } },
      EC_OK,
      0,
      "version 1.0.0.0 runs, by its runtime row" },
    { "another map runs",
      { { N, "1.0.0.0", "2024-01-01T00:00:00Z" }, { N, "1.0.0.7", "2024-03-01T00:00:00Z" } },
      { { "contacts", "Customers V3", "1.0.0.0" }, { "accounts", "Customers", "1.0.0.0" } },
      EC_OK,
      1,
      "no runtime row" },
    { "a runtime row without a version",
      { { N, "1.0.0.0", "2024-01-01T00:00:00Z" } },
      { { "accounts", "Customers V3", NULL } },
      EC_OK,
      0,
      "no runtime row names it" },
    { "parked, and yet it runs",
      { { N, "9.9.9.9", "2024-01-01T00:00:00Z" }, { N, "1.0.0.7", "2024-03-01T00:00:00Z" } },
      { { "accounts", "Customers V3", "9.9.9.9" } },
      EC_OK,
      0,
      "and yet it runs" },
    { "what runs is not saved",
      { { N, "1.0.0.0", "2024-01-01T00:00:00Z" } },
      { { "accounts", "Customers V3", "1.0.0.3" } },
      EC_STATE,
      0,
      "no saved map has it" },
    { "two are saved as what runs",
      { { N, "1.0.0.0", "2024-01-01T00:00:00Z" }, { M, "1.0.0.0", "2024-01-02T00:00:00Z" } },
      { { "accounts", "Customers V3", "1.0.0.0" } },
      EC_STATE,
      0,
      "both 'contoso_" },
    { "two versions run",
      { { N, "1.0.0.0", "2024-01-01T00:00:00Z" } },
      { { "accounts", "Customers V3", "1.0.0.0" }, { "accounts", "Customers V3", "1.0.0.1" } },
      EC_STATE,
      0,
      "two versions" },
    { "not saved",
      { { "x_[contacts - Customers V3]", "1.0.0.0", "2024-01-01T00:00:00Z" } },
      { { 0 } },
      EC_NOTFOUND,
      0,
      "no saved map of this name" },
    { "names without brackets",
      { { "accounts - Customers V3", "1.0.0.0", "2024-01-01T00:00:00Z" } },
      { { 0 } },
      EC_NOTFOUND,
      0,
      "no saved map of this name" },
#undef N
#undef M
};

static void live(void **state)
{
    (void)state;
    for (size_t k = 0; k < COUNT(CASES); k++) {
        struct dv_map_row rows[4];
        struct dv_running_map runs[2];
        struct dv_maps maps = { .rows = rows, .running = runs };
        struct live_map got = { .row = NULL };
        struct err e = { 0 };
        enum ec rc;

        for (; maps.n < 4 && CASES[k].rows[maps.n][0]; maps.n++)
            rows[maps.n] = (struct dv_map_row){ .name = cell_of(CASES[k].rows[maps.n][0]),
                                                .version = cell_of(CASES[k].rows[maps.n][1]),
                                                .created = cell_of(CASES[k].rows[maps.n][2]),
                                                .active = true };
        for (; maps.n_running < 2 && CASES[k].runs[maps.n_running][0]; maps.n_running++)
            runs[maps.n_running] = (struct dv_running_map){ .set = cell_of(CASES[k].runs[maps.n_running][0]),
                                                            .label = cell_of(CASES[k].runs[maps.n_running][1]),
                                                            .version = cell_of(CASES[k].runs[maps.n_running][2]) };
        rc = live_map_find(&maps, CELL_LIT("Customers V3"), CELL_LIT("accounts"), &got, &e);
        CHECK(rc == CASES[k].rc, "%s: %d %s", CASES[k].name, rc, e.msg);
        CHECK(strstr(rc ? e.msg : got.evidence.ptr, CASES[k].says), "%s: %s", CASES[k].name,
              rc ? e.msg : got.evidence.ptr);
        CHECK(rc ? !got.row : got.row == &rows[CASES[k].row], "%s", CASES[k].name);
        arena_release(&maps.arena);
    }
}

static void inactive(void **state)
{
    struct dv_map_row rows[] = { { .name = CELL_LIT("p_[w - W]"), .version = CELL_LIT("1.0.0.9"), .active = false },
                                 { .name = CELL_LIT("p_[w - W]"), .version = CELL_LIT("1.0.0.1"), .active = true } };
    struct dv_maps maps = { .rows = rows, .n = 2 };
    struct live_map got;
    struct err e = { 0 };

    (void)state;
    CHECK_OK(live_map_find(&maps, CELL_LIT("W"), CELL_LIT("w"), &got, &e), &e);
    assert_ptr_equal(got.row, &rows[1]);
    arena_release(&maps.arena);
}

static void named_and_all(void **state)
{
    struct dv_map_row rows[] = {
        { .name = CELL_LIT("p_[msdyn_w - W - x]"), .version = CELL_LIT("1.0.0.1"), .active = true },
        { .name = CELL_LIT("p_[accounts - Customers V3]"), .version = CELL_LIT("1.0.0.1"), .active = true },
        { .name = CELL_LIT("q_[Accounts - Customers V3]"), .version = CELL_LIT("1.0.0.2"), .active = true },
        { .name = CELL_LIT("broken"), .active = true },
    };
    struct dv_maps maps = { .rows = rows, .n = COUNT(rows) };
    struct arena a = { 0 };
    struct live_map *all;
    struct cell label, set;

    (void)state;
    assert_int_equal(live_map_all(&maps, &all, &a), 2);
    CHECK_CELL(all[0].set, "accounts", "in order");
    CHECK_CELL(all[1].label, "W - x", "the first dash parts them");
    assert_true(live_map_named(&maps, "customers v3 (ACCOUNTS)", &label, &set));
    assert_true(live_map_named(&maps, "[Customers V3] - [accounts]", &label, &set));
    assert_true(live_map_named(&maps, "msdyn_w--w-x", &label, &set));
    CHECK_CELL(label, "W - x", "by its stem");
    assert_false(live_map_named(&maps, "Customers V3", &label, &set));
    arena_release(&a);
    arena_release(&maps.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(live),
        cmocka_unit_test(inactive),
        cmocka_unit_test(named_and_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

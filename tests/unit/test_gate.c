/* test_gate.c -- what shuts a gate: no verdict, drift, other settings, other rules of comparing, tolerated differences. */
#include "check.h"

#include "base/file.h"
#include "loader/public/catalog.h"
#include "sync/verdict.h"

#include <unistd.h>

static char dir[] = "/tmp/dmfsync-gate.XXXXXX";

struct world {
    struct app app;
    struct pair pair;
    struct config_map cfg;
    struct map map;
    struct map_ctx m;
    struct binding b;
    struct bound_field fields[2];
    struct arena a;
};

static void open_world(struct world *w)
{
    struct err e = { 0 };

    memset(w, 0, sizeof(*w));
    CHECK_OK(dir_empty(dir, &e), &e);
    w->pair.app = &w->app;
    w->cfg.alias = "m";
    w->app.cfg.verdict_max_age_ms = 3600000;
    w->app.cfg.max_waiting = 100;
    w->map.doc = json_new(&w->a, JSON_OBJECT, CELL_ABSENT);
    for (size_t i = 0; i < 2; i++)
        w->fields[i] = (struct bound_field){ .name = i ? CELL_LIT("NAME") : CELL_LIT("KEY"),
                                             .rule = { .type = i ? CANON_TEXT : CANON_KEY, .scale = -1 } };
    w->b.map = &w->map;
    w->b.fields = w->fields;
    w->b.n = 2;
    w->m = (struct map_ctx){ .pair = &w->pair, .cfg = &w->cfg, .map = &w->map, .b = &w->b, .dir = dir };
    CHECK_OK(store_open(arena_printf(&w->a, "%s/work.db", dir), STORE_WRITE, &CATALOG_SCHEMA, &w->app.work, &e), &e);
    CHECK_OK(store_open(arena_printf(&w->a, "%s/state.db", dir), STORE_WRITE, &STATE_SCHEMA, &w->m.state, &e), &e);
}

static void close_world(struct world *w)
{
    store_close(w->app.work);
    store_close(w->m.state);
    output_release(&w->app.out);
    arena_release(&w->a);
}

static void verdict(struct world *w, struct diff_counts counts)
{
    struct diff_result r = { .all = counts };
    struct err e = { 0 };

    CHECK_OK(verdict_store(&w->m, 0, verdict_of(&w->m, &r), &r, NULL, &e), &e);
}

static void is(struct world *w, enum gate_state want, const char *reason)
{
    struct err e = { 0 };
    enum gate_state g;
    char why[400];

    CHECK_OK(gate_read(&w->m, &g, why, &e), &e);
    CHECK(g == want && strstr(why, reason), "%d: %s", g, why);
}

static void refuses(struct world *w, const char *reason)
{
    struct err e = { 0 };

    CHECK(gate_open(&w->m, &e) == EC_GUARD && strstr(e.msg, reason), "%s", e.msg);
}

static void opens_on_parity(void **state)
{
    struct world w;
    struct err e = { 0 };

    (void)state;
    open_world(&w);
    is(&w, GATE_NONE, "never opened");
    refuses(&w, "no verdict");
    verdict(&w, (struct diff_counts){ .keys = 10, .equal = 9, .differ = 1 });
    refuses(&w, "is drift");
    verdict(&w, (struct diff_counts){ .keys = 10, .equal = 9, .errors = 1 });
    refuses(&w, "is drift");
    verdict(&w, (struct diff_counts){ .keys = 200, .equal = 99, .waived = 101 });
    refuses(&w, "is drift");
    verdict(&w, (struct diff_counts){ .keys = 200, .equal = 100, .waived = 50, .waiting = 50 });
    CHECK_OK(gate_open(&w.m, &e), &e);
    is(&w, GATE_OPEN, "parity");
    verdict(&w, (struct diff_counts){ .keys = 10, .equal = 9, .only_fno = 1 });
    is(&w, GATE_CLOSED, "is drift");
    close_world(&w);
}

static void tolerance(void **state)
{
    struct world w;
    struct diff_result r = { .all = { .keys = 1000, .equal = 990, .differ = 6, .only_fno = 4 } };

    (void)state;
    open_world(&w);
    w.cfg.tolerance = "1%";
    CHECK(verdict_of(&w.m, &r) == VERDICT_PARITY && r.tolerated == 10, "ten of a thousand");
    verdict(&w, r.all);
    refuses(&w, "tolerance");
    r.all.only_dataverse = 1;
    CHECK(verdict_of(&w.m, &r) == VERDICT_DRIFT && !r.tolerated, "eleven");
    w.cfg.tolerance = "11";
    CHECK(verdict_of(&w.m, &r) == VERDICT_PARITY && r.tolerated == 11, "eleven rows");
    r.all.errors = 1;
    CHECK(verdict_of(&w.m, &r) == VERDICT_DRIFT, "errors are never tolerated");
    close_world(&w);
}

/* The same map and settings under an older version of the rules. */
static void other_rules(void **state)
{
    struct world w;
    struct err e = { 0 };
    struct strbuf sql = STRBUF(0);
    char old[65], now[65];
    bool waits = true;

    (void)state;
    open_world(&w);
    verdict(&w, (struct diff_counts){ .keys = 10, .equal = 10 });
    CHECK_OK(gate_open(&w.m, &e), &e);
    CHECK_OK(gate_waits_for_rules(&w.m, &waits, &e), &e);
    CHECK(!waits, "the rules are the same");
    bind_hash(&w.b, now);
    bind_hash_under(&w.b, CANON_VERSION + 8, old);
    CHECK(strcmp(now, old), "another version has another hash");
    strbuf_addf(
        &sql,
        "update verdict set map_hash = '%s', data = replace(data, 'xxh3-sum:c%d:', 'xxh3-sum:c%d:'); update gate set "
        "map_hash = '%s'",
        old, CANON_VERSION, CANON_VERSION + 8, old);
    CHECK_OK(store_exec(w.app.work, sql.buf, &e), &e);
    is(&w, GATE_CLOSED, "rules of comparing");
    refuses(&w, "other rules of comparing");
    CHECK_OK(gate_waits_for_rules(&w.m, &waits, &e), &e);
    CHECK(waits, "nothing but the rules");
    verdict(&w, (struct diff_counts){ .keys = 10, .equal = 9, .differ = 1 });
    CHECK_OK(gate_waits_for_rules(&w.m, &waits, &e), &e);
    CHECK(!waits, "drift under the new rules shuts it like any other");
    CHECK_OK(
        store_exec(w.app.work, "delete from verdict where verdict = 'drift'; update gate set state = 'open'", &e),
        &e);
    CHECK_OK(store_exec(w.app.work, sql.buf, &e), &e);
    verdict(&w, (struct diff_counts){ .keys = 10, .equal = 10 });
    CHECK_OK(gate_waits_for_rules(&w.m, &waits, &e), &e);
    CHECK(waits, "until it is opened again");
    CHECK_OK(gate_open(&w.m, &e), &e);
    is(&w, GATE_OPEN, "parity");
    strbuf_release(&sql);
    close_world(&w);
}

/* A field that is compared otherwise is another map to the gate, not another version of the rules. */
static void other_settings(void **state)
{
    struct world w;
    struct err e = { 0 };
    bool waits = true;
    const char *why;

    (void)state;
    open_world(&w);
    verdict(&w, (struct diff_counts){ .keys = 10, .equal = 10 });
    CHECK_OK(gate_open(&w.m, &e), &e);
    CHECK(canon_rule_set(&w.fields[1].rule, CELL_LIT("nocase"), &why), "%s", why);
    is(&w, GATE_CLOSED, "settings changed");
    refuses(&w, "settings changed");
    CHECK_OK(gate_waits_for_rules(&w.m, &waits, &e), &e);
    CHECK(!waits, "not the rules alone");
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(opens_on_parity), cmocka_unit_test(tolerance),
                                        cmocka_unit_test(other_rules), cmocka_unit_test(other_settings) };
    int failed;

    if (!mkdtemp(dir))
        return 1;
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)dir_empty(dir, NULL);
    (void)rmdir(dir);
    return failed;
}

/*
 * test_diff_random.c -- random maps, random rows, random differences: what diff_run() stores must be what was planted, key by key and
 * field by field, and what a plain full join in SQLite over both sides' folded cells finds. DMFSYNC_SOAK=1: more and
 * larger; DMFSYNC_DIFF_ROWS=5000000: one with so many rows.
 */
#include "check.h"

#include "base/file.h"
#include "loader/public/catalog.h"
#include "sync/delta_row.h"
#include "sync/waive.h"

#include <unistd.h>

enum { MAX_FIELDS = 12, MAX_COMPANIES = 3, MAX_WAIVED = 90000 };

static uint64_t state;

static uint32_t draw(uint32_t n)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((state >> 33) % n);
}

/* Values of each type: entries of one line are equal by the rules, entries of different lines are not. NULL = null. */
static const struct {
    enum canon_type type;
    int scale;
    const char *zero;
    const char *values[6][4]; /* as raw texts; ends with NULL at index > 0 */
    bool first_is_null; /* null, too, is in the first line */
} POOLS[] = {
    { CANON_TEXT,
      -1,
      NULL,
      { { "" }, { "Acme", "Acme  " }, { "ACME" }, { "Caf\xC3\xA9", "Cafe\xCC\x81" }, { " Acme" }, { "a,\"b\"\nc" } },
      true },
    { CANON_KEY,
      -1,
      NULL,
      { { "" }, { "ab", "AB" }, { "\xC3\x89tat", "\xC3\xA9TAT" }, { "0042" }, { "42" }, { "x|y" } },
      true },
    { CANON_INT,
      -1,
      NULL,
      { { "0", "-0", "00" },
        { "1", "+1" },
        { "-1" },
        { "9007199254740993" },
        { "9007199254740992" },
        { "10", "1E1" } },
      true },
    { CANON_DECIMAL,
      2,
      NULL,
      { { "0", "0.004" },
        { "1.5", "1.50", "1.499999" },
        { "1.51" },
        { "-1.5" },
        { "1234567890123456.78" },
        { "1234567890123456.79" } },
      true },
    { CANON_DECIMAL,
      16,
      NULL,
      { { "0" }, { "0.1" }, { "0.1000000000000001" }, { "1E2", "100" }, { "99.9" }, { "-100" } },
      true },
    { CANON_BOOL, -1, NULL, { { "No", "false", "0" }, { "Yes", "true", "1" } }, true },
    { CANON_DATE,
      -1,
      NULL,
      { { "1900-01-01" },
        { "2024-05-01", "2024-05-01T12:00:00Z" },
        { "2024-05-02" },
        { "2024-02-29" },
        { "2154-12-31" },
        { "1900-01-02" } },
      true },
    { CANON_DATETIME,
      -1,
      NULL,
      { { "1900-01-01T00:00:00Z" },
        { "2024-05-01T10:00:00Z", "2024-05-01T12:00:00+02:00" },
        { "2024-05-01T10:00:01Z" },
        { "2024-05-01T00:00:00Z" },
        { "2024-12-31T23:59:59Z" },
        { "2024-05-02T10:00:00Z" } },
      true },
    { CANON_WORD, -1, "None", { { "None", "NONE" }, { "Net30", "net30" }, { "Net60" }, { "All" } }, true },
    { CANON_GUID,
      -1,
      NULL,
      { { "00000000-0000-0000-0000-000000000000" },
        { "6f9619ff-8b86-d011-b42d-00c04fc964ff", "{6F9619FF-8B86-D011-B42D-00C04FC964FF}" },
        { "6f9619ff-8b86-d011-b42d-00c04fc964fe" } },
      true },
};

struct world {
    struct app app;
    struct pair pair;
    struct config_map cfg;
    struct map_ctx m;
    struct binding b;
    struct bound_field fields[MAX_FIELDS + 2];
    struct canon_rule rules[MAX_FIELDS + 2];
    uint16_t key[2], compared[MAX_FIELDS + 2];
    size_t pool[MAX_FIELDS + 2], lines[MAX_FIELDS + 2];
    struct arena arena;
    struct leaf_builder *build[2];
    sqlite3 *oracle;
    sqlite3_stmt *put[2];
    uint64_t rows, waivers; /* at most MAX_WAIVED of the latter: a file takes so many lines */
};

static char dir[] = "/tmp/dmfsync-diff.XXXXXX";

static void random_map(struct world *w)
{
    size_t n = 2 + 1 + draw(MAX_FIELDS - 1);

    w->fields[0] = (struct bound_field){ .kind = BOUND_COMPANY,
                                         .name = CELL_LIT("dataAreaId"),
                                         .rule = { .type = CANON_COMPANY },
                                         .compared = true,
                                         .key = true };
    w->fields[1] = (struct bound_field){
        .kind = BOUND_PLAIN, .name = CELL_LIT("CODE"), .rule = { .type = CANON_KEY }, .compared = true, .key = true
    };
    for (size_t i = 2; i < n; i++) {
        size_t p = w->pool[i] = draw(COUNT(POOLS));

        w->fields[i] = (struct bound_field){
            .kind = BOUND_PLAIN,
            .name = cell_printf(&w->arena, "F%zu", i),
            .rule = { .type = POOLS[p].type, .scale = POOLS[p].scale, .zero = cell_of(POOLS[p].zero) },
            .compared = i == 2 || draw(8) > 0
        };
        for (w->lines[i] = 0; w->lines[i] < 6 && POOLS[p].values[w->lines[i]][0]; w->lines[i]++)
            ;
    }
    w->key[0] = 0;
    w->key[1] = 1;
    w->b = (struct binding){ .fields = w->fields,
                             .n = n,
                             .striped = true,
                             .key = w->key,
                             .n_key = 2,
                             .rules = w->rules,
                             .compared = w->compared };
    for (size_t i = 0; i < n; i++) {
        w->fields[i].lookup = w->fields[i].part = -1;
        w->rules[i] = w->fields[i].rule;
        if (w->fields[i].compared)
            w->compared[w->b.n_compared++] = (uint16_t)i;
    }
}

static const char *file(struct world *w, const char *name)
{
    return arena_printf(&w->arena, "%s/%s", dir, name);
}

static void run_sql(struct world *w, const char *sql)
{
    char *why = NULL;

    CHECK(sqlite3_exec(w->oracle, sql, NULL, NULL, &why) == SQLITE_OK, "%s: %s", sql, why);
}

static void open_world(struct world *w, uint64_t seed)
{
    struct err e = { 0 };

    memset(w, 0, sizeof(*w));
    state = seed;
    (void)draw(2);
    CHECK_OK(dir_empty(dir, &e), &e);
    random_map(w);
    snprintf(w->app.ws.dir, sizeof(w->app.ws.dir), "%s", dir);
    output_init(&w->app.out, false, true, true);
    w->pair.app = &w->app;
    w->cfg.alias = "random";
    w->m = (struct map_ctx){ .pair = &w->pair, .cfg = &w->cfg, .b = &w->b, .dir = dir };
    CHECK_OK(store_open(file(w, "state.db"), STORE_WRITE, &STATE_SCHEMA, &w->m.state, &e), &e);
    CHECK_OK(store_exec(w->m.state, "pragma synchronous = off", &e), &e);
    CHECK(sqlite3_open("", &w->oracle) == SQLITE_OK, "oracle");
    for (int side = 0; side < 2; side++) {
        struct strbuf sql = STRBUF(0);

        CHECK_OK(leaf_build(file(w, side ? "b.db" : "a.db"), dir, draw(3) ? -1 : 8, w->b.n, &w->build[side], &e), &e);
        strbuf_addf(&sql, "create table s%d(k text primary key", side);
        for (size_t i = 0; i < w->b.n_compared; i++)
            strbuf_addf(&sql, ", c%d", w->compared[i]);
        strbuf_adds(&sql, ") without rowid");
        run_sql(w, sql.buf);
        strbuf_reset(&sql);
        strbuf_addf(&sql, "insert into s%d values(?1", side);
        for (size_t i = 0; i < w->b.n_compared; i++)
            strbuf_addf(&sql, ", ?%zu", i + 2);
        strbuf_adds(&sql, ")");
        CHECK(sqlite3_prepare_v2(w->oracle, sql.buf, -1, &w->put[side], NULL) == SQLITE_OK, "%s", sql.buf);
        strbuf_release(&sql);
    }
    run_sql(w, "begin; create table planted(k text primary key, class text, fields text) without rowid");
}

static void close_world(struct world *w)
{
    for (int side = 0; side < 2; side++)
        sqlite3_finalize(w->put[side]);
    sqlite3_close(w->oracle);
    store_close(w->m.state);
    output_release(&w->app.out);
    arena_release(&w->arena);
}

/* One raw text of a line of a pool, as canonical cell. */
static struct cell value(const struct world *w, size_t field, size_t line, struct arena *a)
{
    size_t p = w->pool[field], n = 0;
    const char *why, *raw;
    struct cell out;

    while (n < 4 && POOLS[p].values[line][n])
        n++;
    if (!line && POOLS[p].first_is_null && !draw(3))
        return CELL_ABSENT;
    raw = POOLS[p].values[line][draw((uint32_t)n)];
    CHECK(canon_cell(&w->rules[field], NULL, cell_of(raw), a, &out, &why) == CANON_FINE, "'%s': %s", raw, why);
    return out;
}

static void put_side(struct world *w, int side, const struct cell *cells, struct cell key, struct arena *a)
{
    struct leaf_row row = { .cells = cells,
                            .company = cells[0],
                            .key = bind_key_digest(&w->b, cells, a),
                            .row = bind_row_digest(&w->b, cells, a) };
    struct err e = { 0 };

    if (side)
        row.extra = CELL_LIT("id W/\"1\"");
    CHECK_OK(leaf_add(w->build[side], &row, &e), &e);
    sqlite3_bind_text(w->put[side], 1, key.ptr, (int)key.len, SQLITE_TRANSIENT);
    for (size_t i = 0; i < w->b.n_compared; i++) {
        struct cell c = canon_fold(&w->rules[w->compared[i]], cells[w->compared[i]], a);

        sqlite3_bind_text(w->put[side], (int)i + 2, c.ptr, (int)c.len, SQLITE_TRANSIENT);
    }
    CHECK(sqlite3_step(w->put[side]) == SQLITE_DONE, "%s", sqlite3_errmsg(w->oracle));
    sqlite3_reset(w->put[side]);
}

static void plant(struct world *w, struct cell key, const char *class, const char *fields)
{
    sqlite3_stmt *st = NULL;

    CHECK(sqlite3_prepare_v2(w->oracle, "insert into planted values(?1, ?2, ?3)", -1, &st, NULL) == SQLITE_OK,
          "plant");
    sqlite3_bind_text(st, 1, key.ptr, (int)key.len, SQLITE_TRANSIENT);
    sqlite3_bind_text(st, 2, class, -1, SQLITE_STATIC);
    sqlite3_bind_text(st, 3, fields, -1, SQLITE_TRANSIENT);
    CHECK(sqlite3_step(st) == SQLITE_DONE, "%s", sqlite3_errmsg(w->oracle));
    sqlite3_finalize(st);
}

/* A key that waits, a waiver of it: classes that stand beside the values. */
static void wait_for(struct world *w, const struct cell *cells, struct cell key, struct arena *a)
{
    struct query *q =
        store_query(w->m.state, "insert into pending(key_digest, key, state, at) values(?1, ?2, ?3, '')");
    struct err e = { 0 };
    char octets[16];

    delta_key_octets(bind_key_digest(&w->b, cells, a), octets);
    query_blob(q, 1, octets, 16);
    query_cell(q, 2, key);
    query_str(q, 3, draw(2) ? "conflict" : "parked");
    CHECK_OK(query_run(q, &e), &e);
}

static void waive(struct strbuf *csv, struct cell key, const char *field, bool over)
{
    struct cell parts[] = {
        CELL_LIT("random"),  key,        CELL_ABSENT, cell_of(field), cell_of(over ? "2020-01-01" : "2999-12-31"),
        CELL_LIT("planted"), CELL_ABSENT
    };

    for (size_t i = 0; i < COUNT(parts); i++) {
        if (i)
            strbuf_addc(csv, ',');
        csv_add(csv, parts[i].len ? parts[i] : CELL_ABSENT, ',');
    }
    strbuf_addc(csv, '\n');
}

static void one_row(struct world *w, uint64_t no, struct strbuf *waivers)
{
    struct arena a = { 0 };
    struct cell x[MAX_FIELDS + 2], y[MAX_FIELDS + 2], key;
    static const char *const COMPANIES[MAX_COMPANIES] = { "usmf", "gbmf", "demf" };
    struct strbuf fields = STRBUF(0);
    uint32_t kind = draw(20); /* most rows are equal */
    bool may_waive = w->waivers < MAX_WAIVED;
    size_t changed = 0, last = 0;

    x[0] = y[0] = cell_of(COMPANIES[draw(MAX_COMPANIES)]);
    x[1] = cell_printf(&a, "K-%llu", (unsigned long long)no);
    y[1] = draw(4) ? x[1] : cell_printf(&a, "k-%llu", (unsigned long long)no); /* keys differ in case only */
    for (size_t i = 2; i < w->b.n; i++) {
        size_t line = draw((uint32_t)w->lines[i]), other = line;
        bool change = kind >= 13 && kind <= 17 && (i == 2 || !draw(4));

        if (change && w->lines[i] > 1)
            other = (line + 1 + draw((uint32_t)w->lines[i] - 1)) % w->lines[i];
        x[i] = value(w, i, line, &a);
        y[i] = value(w, i, other, &a);
        if (other != line && w->fields[i].compared) {
            strbuf_addf(&fields, "%sF%zu", changed ? "," : "", i);
            changed++;
            last = i;
        }
    }
    key = bind_key_text(&w->b, x, &a);
    if (kind == 18) {
        put_side(w, 0, x, key, &a);
        plant(w, key, "only_fno", "");
    } else if (kind == 19) {
        key = bind_key_text(&w->b, y, &a);
        put_side(w, 1, y, key, &a);
        plant(w, key, draw(2) || !may_waive ? "only_dataverse" : (waive(waivers, key, "", false), "waived"), "");
    } else {
        put_side(w, 0, x, key, &a);
        put_side(w, 1, y, key, &a);
        if (changed && kind == 17) {
            wait_for(w, x, key, &a);
            plant(w, key, "waiting", strbuf_str(&fields));
        } else if (changed && kind == 16 && changed == 1 && may_waive) {
            bool over = !draw(3);

            waive(waivers, key, cell_cstr(&a, w->fields[last].name), over);
            plant(w, key, over ? "differ" : "waived", strbuf_str(&fields));
        } else if (changed && kind == 15 && changed > 1 && may_waive) {
            waive(waivers, key, cell_cstr(&a, w->fields[last].name), false); /* covers one of them */
            plant(w, key, "differ", strbuf_str(&fields));
        } else if (changed) {
            plant(w, key, "differ", strbuf_str(&fields));
        }
    }
    w->waivers += kind == 15 || kind == 16 || kind == 19; /* at most */
    strbuf_release(&fields);
    arena_release(&a);
}

/* Keys in one set and not in the other, by this query. */
static void empty(struct world *w, uint64_t seed, const char *what, const char *sql)
{
    sqlite3_stmt *st = NULL;

    CHECK(sqlite3_prepare_v2(w->oracle, sql, -1, &st, NULL) == SQLITE_OK, "%s: %s", what, sqlite3_errmsg(w->oracle));
    if (sqlite3_step(st) == SQLITE_ROW)
        CHECK(false, "seed %llu, %s: %s %s %s", (unsigned long long)seed, what,
              (const char *)sqlite3_column_text(st, 0), (const char *)sqlite3_column_text(st, 1),
              (const char *)sqlite3_column_text(st, 2));
    sqlite3_finalize(st);
}

/* The plain full join: key, class by presence, differing fields. */
static void join(struct world *w)
{
    struct strbuf sql = STRBUF(0), differ = STRBUF(0), list = STRBUF(0);

    for (size_t i = 0; i < w->b.n_compared; i++) {
        unsigned c = w->compared[i];

        strbuf_addf(&differ, "%sa.c%u is not b.c%u", i ? " or " : "", c, c);
        strbuf_addf(&list, "%scase when a.c%u is not b.c%u then 'F%u,' else '' end", i ? " || " : "", c, c, c);
    }
    strbuf_addf(&sql,
                "create table joined as select coalesce(a.k, b.k) as k, case when b.k is null then 'only_fno' when "
                "a.k is null then "
                "'only_dataverse' else 'differ' end as class, case when a.k is null or b.k is null then '' else "
                "rtrim(%s, ',') end as fields from s0 a "
                "full join s1 b on a.k = b.k where a.k is null or b.k is null or %s",
                strbuf_str(&list), strbuf_str(&differ));
    run_sql(w, sql.buf);
    strbuf_release(&sql);
    strbuf_release(&differ);
    strbuf_release(&list);
}

static void count_classes(struct world *w, uint64_t seed, const struct diff_result *r)
{
    static const char *const CLASSES[] = { "differ", "only_fno", "only_dataverse", "waiting", "waived" };
    const uint64_t got[] = { r->all.differ, r->all.only_fno, r->all.only_dataverse, r->all.waiting, r->all.waived };
    uint64_t sum = 0, keys = 0;

    for (size_t i = 0; i < COUNT(CLASSES); i++) {
        sqlite3_stmt *st = NULL;

        sqlite3_prepare_v2(w->oracle, "select count(*) from planted where class = ?1", -1, &st, NULL);
        sqlite3_bind_text(st, 1, CLASSES[i], -1, SQLITE_STATIC);
        CHECK(sqlite3_step(st) == SQLITE_ROW && (uint64_t)sqlite3_column_int64(st, 0) == got[i],
              "seed %llu: %llu %s, planted %lld", (unsigned long long)seed, (unsigned long long)got[i], CLASSES[i],
              sqlite3_column_int64(st, 0));
        sqlite3_finalize(st);
        sum += got[i];
    }
    CHECK(r->all.keys == w->rows, "seed %llu: %llu keys", (unsigned long long)seed, (unsigned long long)r->all.keys);
    CHECK(r->all.equal == w->rows - sum && !r->all.errors && !r->all.in_flight, "seed %llu: equal",
          (unsigned long long)seed);
    for (size_t i = 0; i < r->n_companies; i++) {
        const struct diff_counts *c = &r->companies[i];

        keys += c->keys;
        CHECK(c->keys == c->equal + c->differ + c->only_fno + c->only_dataverse + c->waiting + c->waived +
                             c->in_flight + c->errors,
              "seed %llu: company %s does not add up", (unsigned long long)seed, c->company);
    }
    CHECK(keys == w->rows, "seed %llu: the companies have %llu keys", (unsigned long long)seed,
          (unsigned long long)keys);
    CHECK((sum == 0) == digest_eq(r->all.fno_digest, r->all.dataverse_digest), "seed %llu: digests",
          (unsigned long long)seed);
}

static void one_seed(uint64_t seed, uint64_t rows)
{
    struct world w;
    struct err e = { 0 };
    struct leaf_totals t;
    struct snapshot a = { 0 }, b = { 0 };
    struct diff_result r;
    struct strbuf waivers = STRBUF(0), sql = STRBUF(0);

    open_world(&w, seed);
    w.rows = rows;
    strbuf_adds(&waivers, "map,key,filter,field,until,reason,by\n");
    for (uint64_t i = 0; i < rows; i++)
        one_row(&w, i, &waivers);
    CHECK_OK(leaf_finish(w.build[0], NULL, &t, &e), &e);
    CHECK_OK(leaf_finish(w.build[1], NULL, &t, &e), &e);
    CHECK_OK(file_write_atomic(file(&w, WAIVERS_FILE), waivers.buf, waivers.len, 0600, &e), &e);
    a.path = arena_strdup(&w.arena, file(&w, "a.db"));
    b.path = arena_strdup(&w.arena, file(&w, "b.db"));
    CHECK_OK(diff_run(&w.m, &a, &b, &w.arena, &r, &e), &e);
    run_sql(&w, "commit");
    strbuf_addf(&sql, "attach '%s/state.db' as state", dir);
    run_sql(&w, sql.buf);
    run_sql(&w, "create table found as select d.key as k, d.class, coalesce((select group_concat(field, ',') from "
                "(select field from "
                "state.delta_field f where f.key_digest = d.key_digest order by cast(substr(field, 2) as integer))), "
                "'') as fields from state.delta d");
    empty(&w, seed, "found, not planted", "select * from found except select * from planted");
    empty(&w, seed, "planted, not found", "select * from planted except select * from found");
    join(&w);
    empty(&w, seed, "the join has it, the delta not",
          "select k, fields, '' from joined except select k, fields, '' from found");
    empty(&w, seed, "the delta has it, the join not",
          "select k, fields, '' from found except select k, fields, '' from joined");
    count_classes(&w, seed, &r);
    strbuf_release(&waivers);
    strbuf_release(&sql);
    close_world(&w);
}

static void many_seeds(void **unused)
{
    bool soak = getenv("DMFSYNC_SOAK") != NULL;
    uint64_t seeds = soak ? 2000 : 60;

    (void)unused;
    for (uint64_t s = 1; s <= seeds; s++)
        one_seed(s, 1 + s * 37 % 300);
}

static void larger(void **unused)
{
    bool soak = getenv("DMFSYNC_SOAK") != NULL;

    (void)unused;
    one_seed(1000001, 1000);
    one_seed(1000002, soak ? 100000 : 20000);
    if (soak)
        one_seed(1000003, 1000000);
    if (getenv("DMFSYNC_DIFF_ROWS"))
        one_seed(1000004, strtoull(getenv("DMFSYNC_DIFF_ROWS"), NULL, 10));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(many_seeds), cmocka_unit_test(larger) };
    int failed;

    if (!mkdtemp(dir))
        return 1;
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)dir_empty(dir, NULL);
    (void)rmdir(dir);
    return failed;
}

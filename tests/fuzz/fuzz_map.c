/*
 * fuzz_map.c -- any octets as a dual-write map. What is read is read again from its own writing with the same meaning; bound
 * to a small pair of services it is refused with a reason, or gives a binding whose rows and hash hold together.
 */
#include "fuzz_must.h"

#include "map/enums.h"
#include "map/maplint.h"

static struct cell ELEMENTS[] = { CELL_LIT("No"), CELL_LIT("Yes") };
static struct cell LABELS[] = { CELL_LIT("Nein"), { NULL, 0 } };
static int64_t NUMBERS[] = { 0, 1 };
static const struct fno_enum NOYES = { CELL_LIT("NoYes"), ELEMENTS, LABELS, NUMBERS, 2 };
static struct fno_field FIELDS[] = {
    { .property = CELL_LIT("Code"), .staging = CELL_LIT("CODE"), .type = FNO_STRING, .key = true },
    { .property = CELL_LIT("Flag"), .staging = CELL_LIT("FLAG"), .type = FNO_ENUM, .en = &NOYES },
    { .property = CELL_LIT("Amount"), .staging = CELL_LIT("AMOUNT"), .type = FNO_REAL },
    { .property = CELL_LIT("Day"), .staging = CELL_LIT("DAY"), .type = FNO_DATE },
    { .property = CELL_LIT("Count"), .staging = CELL_LIT("COUNT"), .type = FNO_INT },
    { .property = CELL_LIT("Parent"), .staging = CELL_LIT("PARENT"), .type = FNO_STRING },
};
static struct fno_entity ENTITY = { .label = CELL_LIT("W"),
                                    .aot = CELL_LIT("WEntity"),
                                    .public_name = CELL_LIT("W"),
                                    .set = CELL_LIT("Ws"),
                                    .fields = FIELDS,
                                    .n = COUNT(FIELDS) };
static struct dv_nav PARENT[] = { { CELL_LIT("w"), CELL_LIT("w_Parent") } };
static struct dv_nav COMPANY[] = { { CELL_LIT("cdm_company"), CELL_LIT("w_Company") } };
static struct dv_column COLUMNS[] = {
    { .name = CELL_LIT("code"), .type = DV_STRING, .create = true, .update = true, .precision = -1 },
    { .name = CELL_LIT("flag"), .type = DV_BOOLEAN, .create = true, .update = true, .precision = -1 },
    { .name = CELL_LIT("option"), .type = DV_PICKLIST, .create = true, .update = true, .precision = -1 },
    { .name = CELL_LIT("amount"), .type = DV_MONEY, .create = true, .update = true, .precision = 2 },
    { .name = CELL_LIT("day"),
      .type = DV_DATETIME,
      .create = true,
      .update = true,
      .behavior = CELL_LIT("DateOnly") },
    { .name = CELL_LIT("count"), .type = DV_INTEGER, .create = true, .update = true, .precision = -1 },
    { .name = CELL_LIT("parent"), .type = DV_LOOKUP, .create = true, .update = true, .navs = PARENT, .n_navs = 1 },
    { .name = CELL_LIT("company"), .type = DV_LOOKUP, .create = true, .update = true, .navs = COMPANY, .n_navs = 1 },
};
static struct cell KEY_COLUMNS[] = { CELL_LIT("code"), CELL_LIT("company") };
static struct dv_key KEYS[] = { { CELL_LIT("wkey"), KEY_COLUMNS, 2, true } };
static struct dv_table TABLE = { .logical = CELL_LIT("w"),
                                 .set = CELL_LIT("ws"),
                                 .pk = CELL_LIT("wid"),
                                 .columns = COLUMNS,
                                 .n = COUNT(COLUMNS),
                                 .keys = KEYS,
                                 .n_keys = 1,
                                 .company = &COLUMNS[7] };

static struct cell get(void *arg, const struct fno_field *f)
{
    unsigned *seed = arg;
    static const struct cell VALUES[] = { { NULL, 0 },       CELL_LIT(""),           CELL_LIT("yes"),
                                          CELL_LIT("12.50"), CELL_LIT("2024-05-01"), CELL_LIT("7"),
                                          CELL_LIT("Nein"),  CELL_LIT("x y") };

    *seed = *seed * 1664525 + 1013904223;
    return f ? VALUES[*seed >> 29] : CELL_LIT("USMF");
}

static void check_row(const struct binding *b, struct arena *a, unsigned seed)
{
    struct cell *row = arena_zalloc(a, (b->n + 1) * sizeof(*row)),
                *again = arena_zalloc(a, (b->n + 1) * sizeof(*row));
    unsigned twice = seed;
    struct bind_fault faults[3];
    size_t n = bind_from_fno(b, get, &seed, a, row, faults, COUNT(faults));

    MUST(n == bind_from_fno(b, get, &twice, a, again, faults, COUNT(faults)));
    for (size_t i = 0; i < n && i < COUNT(faults); i++)
        MUST(faults[i].field >= 0 && (size_t)faults[i].field < b->n && faults[i].why);
    for (size_t i = 0; i < b->n; i++) {
        const char *why = NULL;
        struct cell out = CELL_ABSENT;

        MUST(cell_eq(row[i], again[i]));
        if (b->fields[i].c && b->fields[i].kind != BOUND_LOOKUP && b->fields[i].kind != BOUND_COMPANY) {
            struct json *v = NULL;

            /* Whatever the cell is, a request's body stays JSON. */
            if (bind_to_dv_value(b, (int)i, row[i], a, &out, &why))
                MUST(json_parse("literal", out.ptr, out.len, NULL, a, &v, NULL) == EC_OK);
            else
                MUST(why);
        }
        if (b->fields[i].f && bind_to_fno_json(b, (int)i, row[i], a, &out, &why)) {
            struct json *v = NULL;

            MUST(json_parse("literal", out.ptr, out.len, NULL, a, &v, NULL) == EC_OK);
        }
    }
    MUST(digest_eq(bind_row_digest(b, row, a), bind_row_digest(b, again, a)));
}

static void count_reports(void *arg, const char *code, const struct map_field *mf, const char *why)
{
    (void)mf;
    MUST(lint_code_find(cell_of(code)) && why[0]);
    ++*(size_t *)arg;
}

/* Lint tells of a map that is refused, and of one that is taken it does not tell what binding refuses. */
static void check_lint(struct map *m, const struct schema *s, const struct bind_settings *set, bool bound)
{
    const struct map *maps[] = { m };
    struct maplint_input in = { .map = m, .schema = s, .settings = *set, .maps = maps, .n_maps = 1 };
    struct binding *b = NULL;
    struct maplint l;
    size_t told = 0;
    bool known = schema_entity(s, m->label) && schema_table(s, m->set);

    MUST(bind_check(m, s, set, count_reports, &told, &b) == told);
    MUST((b != NULL) == known);
    MUST(!known || (told == 0) == bound);
    binding_free(b);
    maplint(&in, &l);
    MUST(l.counts[0] + l.counts[1] + l.counts[2] == l.n && !l.ignored);
    for (size_t i = 0; i < l.n; i++)
        MUST(l.v[i].reason.len && (!i || l.v[i - 1].severity <= l.v[i].severity));
    MUST(bound || l.counts[LINT_ERROR]);
    maplint_release(&l);
}

/* What is proposed can be written, once. */
static void check_enums(struct map *m)
{
    struct arena a = { 0 };

    for (size_t i = 0; i < m->n && cell_ieq(m->label, ENTITY.label); i++) {
        const struct fno_enum *en;
        const struct dv_column *c;
        struct enums_proposal p;
        size_t added;

        if (!enums_wanted(&m->fields[i], &ENTITY, &TABLE, &en, &c))
            continue;
        enums_propose(&m->fields[i], en, c, &a, &p);
        MUST(p.n >= m->fields[i].n_pairs && p.n_elements <= en->n);
        if (!enums_apply(m, &p, true, &added, NULL))
            MUST(added == p.fresh + p.near);
    }
    arena_release(&a);
}

static void check_binding(struct map *m, size_t n)
{
    struct fno_entity *entities[] = { &ENTITY };
    struct dv_table *tables[] = { &TABLE };
    struct schema s = { .entities = entities, .n_entities = 1, .tables = tables, .n_tables = 1 };
    struct bind_settings set = { .alias = CELL_LIT("w") };
    struct binding *b = NULL;
    struct arena a = { 0 };
    struct err e = { 0 };
    char one[65], two[65];

    ENTITY.shared = n & 1;
    if (bind_map(m, &s, &set, &b, &e)) {
        MUST(!b && e.code == EC_CONFIG && e.msg[0]);
        check_lint(m, &s, &set, false);
        return;
    }
    check_lint(m, &s, &set, true);
    MUST(b->n_key && b->n_key <= b->n && b->n_compared <= b->n);
    MUST(!b->striped || (b->key[0] == 0 && b->fields[0].kind == BOUND_COMPANY));
    for (size_t i = 0; i < b->n_lookups; i++)
        for (size_t k = 0; k < b->lookups[i].n; k++)
            MUST(b->fields[b->lookups[i].fields[k]].lookup == (int)i &&
                 b->fields[b->lookups[i].fields[k]].part == (int)k);
    bind_hash(b, one);
    bind_hash(b, two);
    MUST(!memcmp(one, two, sizeof(one)));
    for (unsigned i = 0; i < 4; i++)
        check_row(b, &a, (unsigned)n + i);
    MUST(bind_dv_select(b, &a)[0] && strlen(bind_fno_select(b, &a)) < (1 << 20));
    arena_release(&a);
    binding_free(b);
}

static void check_same(const struct map *x, const struct map *y)
{
    MUST(x->n == y->n && cell_eq(x->name, y->name) && cell_eq(x->source_filter, y->source_filter));
    for (size_t i = 0; i < x->n; i++) {
        const struct map_field *f = &x->fields[i], *g = &y->fields[i];

        MUST(f->dir == g->dir && cell_eq(f->source, g->source) && cell_eq(f->destination, g->destination));
        MUST(f->n_path == g->n_path && f->n_pairs == g->n_pairs && cell_eq(f->default_value, g->default_value));
        MUST((f->n_path > 0) == !cell_absent(f->destination));
        for (size_t k = 0; k < f->n_path; k++)
            MUST(f->path[k].name.len && cell_eq(f->path[k].name, g->path[k].name) &&
                 cell_eq(f->path[k].target, g->path[k].target));
        for (size_t k = 0; k < f->n_pairs; k++)
            MUST(cell_eq(f->pairs[k].key, g->pairs[k].key) && cell_eq(f->pairs[k].value, g->pairs[k].value));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct map *m = NULL, *again = NULL;
    struct strbuf text = STRBUF(0);
    struct arena a = { 0 };
    struct err e = { 0 };

    if (map_read_text("fuzz", (const char *)p, n, &m, &e)) {
        MUST(!m && e.msg[0]);
        return 0;
    }
    json_write_pretty(&text, m->doc);
    MUST(map_read_text("again", text.buf, text.len, &again, &e) == EC_OK);
    check_same(m, again);
    MUST(!strcmp(map_stem(m, &a), map_stem(again, &a)) && map_named(again, map_stem(m, &a)));
    check_binding(m, n);
    check_enums(m);
    map_free(m);
    map_free(again);
    strbuf_release(&text);
    arena_release(&a);
    return 0;
}

/* test_merge.c -- the three-way merge as a table: base, F&O, Dataverse -> who is written, what the new base is. */
#include "sync/merge.h"
#include "check.h"

/* Four fields: key, two-way A (master F&O), two-way B (master Dataverse), one-way O (F&O -> Dataverse). */
static struct bound_field fields[4];
static struct binding binding;
static uint16_t compared[4] = { 0, 1, 2, 3 };

static void make_binding(void)
{
    static const char *const NAMES[] = { "KEY", "A", "B", "O" };

    for (size_t i = 0; i < 4; i++)
        fields[i] = (struct bound_field){ .kind = BOUND_PLAIN,
                                          .dir = i == 3 ? DIR_TO_DV : DIR_BOTH,
                                          .name = cell_of(NAMES[i]),
                                          .rule = { .type = i ? CANON_TEXT : CANON_KEY },
                                          .compared = true,
                                          .key = i == 0,
                                          .lookup = -1,
                                          .part = -1,
                                          .master = i == 2 ? MASTER_DV : MASTER_FNO };
    binding.fields = fields;
    binding.n = 4;
    binding.compared = compared;
    binding.n_compared = 4;
}

/* A record as one word: a letter per field, '-' = null; NULL = not there. */
static const struct cell *record(const char *word, struct cell cells[4])
{
    if (!word)
        return NULL;
    for (size_t i = 0; i < 4; i++)
        cells[i] = word[i] == '-' ? CELL_ABSENT : (struct cell){ word + i, 1 };
    return cells;
}

static const struct {
    const char *name, *base, *fno, *dv;
    enum merge_rule rule;
    enum merge_action to_fno, to_dv;
    const char *fno_fields, *dv_fields; /* letters of fields written */
    const char *merged; /* NULL = no base row */
    size_t conflicts, open;
} CASES[] = {
    { "nothing changed", "kabo", "kabo", "kabo", MERGE_MASTER, MERGE_NOTHING, MERGE_NOTHING, "", "", "kabo", 0, 0 },
    { "F&O changed A", "kabo", "kxbo", "kabo", MERGE_MASTER, MERGE_NOTHING, MERGE_UPDATE, "", "A", "kxbo", 0, 0 },
    { "Dataverse changed B", "kabo", "kabo", "kayo", MERGE_MASTER, MERGE_UPDATE, MERGE_NOTHING, "B", "", "kayo", 0,
      0 },
    { "different fields both survive", "kabo", "kxbo", "kayo", MERGE_MASTER, MERGE_UPDATE, MERGE_UPDATE, "B", "A",
      "kxyo", 0, 0 },
    { "the same change on both sides", "kabo", "kxbo", "kxbo", MERGE_MASTER, MERGE_NOTHING, MERGE_NOTHING, "", "",
      "kxbo", 0, 0 },
    { "same field, master F&O", "kabo", "kxbo", "kybo", MERGE_MASTER, MERGE_NOTHING, MERGE_UPDATE, "", "A", "kxbo", 1,
      0 },
    { "same field, master Dataverse", "kabo", "kaxo", "kayo", MERGE_MASTER, MERGE_UPDATE, MERGE_NOTHING, "B", "",
      "kayo", 1, 0 },
    { "same field, queue", "kabo", "kxbo", "kybo", MERGE_QUEUE, MERGE_NOTHING, MERGE_NOTHING, "", "", "kabo", 1, 1 },
    { "queue lets the other field through", "kabo", "kxbo", "kyzo", MERGE_QUEUE, MERGE_UPDATE, MERGE_NOTHING, "B", "",
      "kazo", 1, 1 },
    { "one-way field flows", "kabo", "kabp", "kabo", MERGE_MASTER, MERGE_NOTHING, MERGE_UPDATE, "", "O", "kabp", 0,
      0 },
    { "one-way field against its direction", "kabo", "kabo", "kabq", MERGE_MASTER, MERGE_NOTHING, MERGE_NOTHING, "",
      "", "kabo", 0, 0 },
    { "one-way field on both sides", "kabo", "kabp", "kabq", MERGE_MASTER, MERGE_NOTHING, MERGE_UPDATE, "", "O",
      "kabp", 0, 0 },
    { "cleared in F&O", "kabo", "k-bo", "kabo", MERGE_MASTER, MERGE_NOTHING, MERGE_UPDATE, "", "A", "k-bo", 0, 0 },
    { "created in F&O", NULL, "kabo", NULL, MERGE_MASTER, MERGE_NOTHING, MERGE_CREATE, "", "KEYABO", "kabo", 0, 0 },
    /* what does not flow to F&O is blank there, and blank in the base: it is not taken for F&O's own edit */
    { "created in Dataverse", NULL, NULL, "kabo", MERGE_MASTER, MERGE_CREATE, MERGE_NOTHING, "KEYAB", "", "kab-", 0,
      0 },
    { "created on both sides, each with its own half", NULL, "ka-o", "k-bo", MERGE_MASTER, MERGE_UPDATE, MERGE_UPDATE,
      "B", "A", "kabo", 0, 0 },
    { "created alike on both sides", NULL, "kabo", "kabo", MERGE_MASTER, MERGE_NOTHING, MERGE_NOTHING, "", "", "kabo",
      0, 0 },
    { "created differently on both sides", NULL, "kxbo", "kybo", MERGE_MASTER, MERGE_NOTHING, MERGE_UPDATE, "", "A",
      "kxbo", 1, 0 },
    { "deleted in Dataverse", "kabo", "kabo", NULL, MERGE_MASTER, MERGE_DELETE, MERGE_NOTHING, "", "", NULL, 0, 0 },
    { "deleted in F&O", "kabo", NULL, "kabo", MERGE_MASTER, MERGE_NOTHING, MERGE_DELETE, "", "", NULL, 0, 0 },
    { "deleted in Dataverse, changed in F&O", "kabo", "kxbo", NULL, MERGE_MASTER, MERGE_WAIT, MERGE_NOTHING, "", "",
      "kabo", 0, 0 },
    { "deleted on both sides", "kabo", NULL, NULL, MERGE_MASTER, MERGE_NOTHING, MERGE_NOTHING, "", "", NULL, 0, 0 },
};

static void check_fields(const bool *f, const char *want, const char *name)
{
    char got[40] = "";

    for (size_t i = 0; i < 4; i++)
        if (f[i])
            strcat(got, fields[i].name.ptr);
    CHECK(!strcmp(got, want), "%s: fields '%s' instead of '%s'", name, got, want);
}

static void table(void **state)
{
    (void)state;
    make_binding();
    for (size_t i = 0; i < COUNT(CASES); i++) {
        struct cell base[4], fno[4], dv[4];
        struct merge_in in = { .b = &binding,
                               .base = record(CASES[i].base, base),
                               .fno = record(CASES[i].fno, fno),
                               .dv = record(CASES[i].dv, dv),
                               .rule = CASES[i].rule };
        struct merge_out o;
        struct arena a = { 0 };
        size_t open = 0;

        merge_record(&in, &a, &o);
        CHECK(o.to_fno == CASES[i].to_fno, "%s", CASES[i].name);
        CHECK(o.to_dv == CASES[i].to_dv, "%s", CASES[i].name);
        check_fields(o.fno_fields, CASES[i].fno_fields, CASES[i].name);
        check_fields(o.dv_fields, CASES[i].dv_fields, CASES[i].name);
        CHECK(!o.merged == !CASES[i].merged, "%s", CASES[i].name);
        for (size_t k = 0; o.merged && k < 4; k++)
            CHECK(CASES[i].merged[k] == '-' ? cell_absent(o.merged[k]) : o.merged[k].ptr[0] == CASES[i].merged[k],
                  "%s, field %zu", CASES[i].name, k);
        CHECK(o.n_conflicts == CASES[i].conflicts, "%s", CASES[i].name);
        for (size_t k = 0; k < o.n_conflicts; k++)
            open += o.conflicts[k].open;
        CHECK(open == CASES[i].open, "%s", CASES[i].name);
        arena_release(&a);
    }
}

/* A person's word about one record. */
static void a_word_decides(void **state)
{
    static const struct {
        const char *name, *base, *fno, *dv;
        enum merge_word word;
        enum merge_action to_fno, to_dv;
        const char *merged;
    } WORDS[] = {
        { "field, F&O is right", "kabo", "kaxo", "kayo", WORD_FNO, MERGE_NOTHING, MERGE_UPDATE, "kaxo" },
        { "field, Dataverse is right", "kabo", "kxbo", "kybo", WORD_DV, MERGE_UPDATE, MERGE_NOTHING, "kybo" },
        { "deleted and changed, the change is right", "kabo", "kxbo", NULL, WORD_FNO, MERGE_NOTHING, MERGE_CREATE,
          "kxbo" },
        { "deleted and changed, the deletion is right", "kabo", "kxbo", NULL, WORD_DV, MERGE_DELETE, MERGE_NOTHING,
          NULL },
        { "deleted, and should not have been", "kabo", NULL, "kabo", WORD_DV, MERGE_CREATE, MERGE_NOTHING, "kab-" },
    };

    (void)state;
    make_binding();
    for (size_t i = 0; i < COUNT(WORDS); i++) {
        struct cell base[4], fno[4], dv[4];
        struct merge_in in = { .b = &binding,
                               .base = record(WORDS[i].base, base),
                               .fno = record(WORDS[i].fno, fno),
                               .dv = record(WORDS[i].dv, dv),
                               .rule = MERGE_QUEUE,
                               .word = WORDS[i].word };
        struct merge_out o;
        struct arena a = { 0 };

        merge_record(&in, &a, &o);
        CHECK(o.to_fno == WORDS[i].to_fno && o.to_dv == WORDS[i].to_dv, "%s", WORDS[i].name);
        CHECK(!o.merged == !WORDS[i].merged, "%s", WORDS[i].name);
        for (size_t k = 0; o.merged && k < 4; k++)
            CHECK(WORDS[i].merged[k] == '-' ? cell_absent(o.merged[k])
                                            : cell_eq(o.merged[k], (struct cell){ WORDS[i].merged + k, 1 }),
                  "%s, field %zu", WORDS[i].name, k);
        CHECK(!o.delete_update, "%s", WORDS[i].name);
        for (size_t k = 0; k < o.n_conflicts; k++)
            CHECK(!o.conflicts[k].open && !strcmp(o.conflicts[k].rule, "resolve"), "%s", WORDS[i].name);
        arena_release(&a);
    }
}

static void newest_needs_more_than_the_skew(void **state)
{
    static const struct {
        int64_t fno, dv;
        char want;
    } TIMES[] = {
        { 100000, 200000, 'y' },
        { 200000, 100000, 'x' },
        { 101000, 103000, 'x' /* within the skew: master F&O */ },
        { 0, 200000, 'x' },
    };

    (void)state;
    make_binding();
    for (size_t i = 0; i < COUNT(TIMES); i++) {
        struct cell base[4], fno[4], dv[4];
        struct merge_in in = { .b = &binding,
                               .base = record("kabo", base),
                               .fno = record("kxbo", fno),
                               .dv = record("kybo", dv),
                               .rule = MERGE_NEWEST,
                               .fno_time_ms = TIMES[i].fno,
                               .dv_time_ms = TIMES[i].dv,
                               .skew_ms = 5000 };
        struct merge_out o;
        struct arena a = { 0 };

        merge_record(&in, &a, &o);
        CHECK(o.merged[1].ptr[0] == TIMES[i].want, "times %lld, %lld", (long long)TIMES[i].fno,
              (long long)TIMES[i].dv);
        CHECK(o.n_conflicts == 1, "case %zu", i);
        arena_release(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(table), cmocka_unit_test(a_word_decides),
                                        cmocka_unit_test(newest_needs_more_than_the_skew) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

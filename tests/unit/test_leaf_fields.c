/* test_leaf_fields.c -- the description of a leaf file's cells: back as it went in, and damaged ones are refused. */
#include "store/leaf_fields.h"
#include "check.h"

static struct leaf_fields sample(struct leaf_field f[5], uint16_t key[2])
{
    memset(f, 0, 5 * sizeof(*f));
    f[0] = (struct leaf_field){ .name = CELL_LIT("dataAreaId"), .rule = { .type = CANON_COMPANY }, .compared = true };
    f[1] = (struct leaf_field){
        .name = CELL_LIT("KEY"), .column = CELL_LIT("a\"b"), .rule = { .type = CANON_KEY }, .compared = true
    };
    f[2] = (struct leaf_field){ .name = CELL_LIT("AMOUNT"),
                                .rule = {
                                    .type = CANON_DECIMAL, .scale = -1, .strict = true, .tuned = true, .round = 3 } };
    f[3] = (struct leaf_field){ .name = CELL_LIT("word"),
                                .rule = { .type = CANON_WORD, .zero = CELL_LIT("None"), .letters = CANON_CASE_KEPT },
                                .compared = true };
    f[4] = (struct leaf_field){ .name = CELL_LIT("WORD"),
                                .rule = { .type = CANON_TEXT, .blanks = true, .exact = true } };
    key[0] = 0;
    key[1] = 1;
    return (struct leaf_fields){ .f = f, .n = 5, .key = key, .n_key = 2, .canon = CANON_VERSION };
}

static void back_as_it_went_in(void **state)
{
    struct leaf_field f[5];
    uint16_t key[2];
    struct leaf_fields was = sample(f, key), is;
    struct arena a = { 0 };
    struct err e = { 0 };

    (void)state;
    assert_int_equal(leaf_fields_parse(leaf_fields_text(&was, &a), "x", &a, &is, &e), EC_OK);
    assert_int_equal(is.n, 5);
    assert_int_equal(is.n_compared, 3);
    assert_int_equal(is.n_key, 2);
    assert_int_equal(is.canon, CANON_VERSION);
    assert_true(leaf_fields_same(&was, &is));
    assert_true(cell_is(is.f[1].column, "a\"b") && cell_absent(is.f[0].column));
    assert_int_equal(is.rules[2].scale, -1);
    assert_true(is.rules[2].strict && is.rules[2].tuned && is.rules[2].round == 3);
    assert_true(cell_is(is.rules[3].zero, "None") && is.rules[3].letters == CANON_CASE_KEPT);
    assert_true(is.rules[4].blanks && is.rules[4].exact && !is.rules[4].strict);
    f[4].rule.exact = false;
    assert_false(leaf_fields_same(&was, &is));
    arena_release(&a);
}

static void names_are_columns(void **state)
{
    static const char *const FIXED[] = { "key", "company" };
    struct leaf_field f[5];
    uint16_t key[2];
    struct leaf_fields was = sample(f, key);
    struct arena a = { 0 };
    const char **names = leaf_fields_columns(&was, FIXED, 2, &a);

    (void)state;
    assert_string_equal(names[0], "dataAreaId");
    assert_string_equal(names[1], "KEY_2"); /* SQL's names have no case */
    assert_string_equal(names[3], "word");
    assert_string_equal(names[4], "WORD_2");
    arena_release(&a);
}

static void damaged_ones_are_refused(void **state)
{
    static const char *const BAD[] = {
        "",
        "[]",
        "{}",
        "{\"canon\":1,\"key\":[],\"fields\":[{\"name\":\"a\",\"type\":\"text\"}]}",
        "{\"canon\":1,\"key\":[1],\"fields\":[{\"name\":\"a\",\"type\":\"text\"}]}",
        "{\"canon\":1,\"key\":[-1],\"fields\":[{\"name\":\"a\",\"type\":\"text\"}]}",
        "{\"canon\":1,\"key\":[0],\"fields\":[{\"name\":\"a\",\"type\":\"texts\"}]}",
        "{\"canon\":1,\"key\":[0],\"fields\":[{\"name\":\"\",\"type\":\"text\"}]}",
        "{\"canon\":1,\"key\":[0],\"fields\":[{\"name\":\"a\",\"type\":\"integer\",\"round\":99}]}",
        "{\"canon\":1,\"key\":[0],\"fields\":{\"name\":\"a\"}}",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(BAD); i++) {
        struct arena a = { 0 };
        struct leaf_fields f;
        struct err e = { 0 };

        if (leaf_fields_parse(BAD[i], "file.db", &a, &f, &e) != EC_FORMAT)
            fail_msg("taken: %s", BAD[i]);
        arena_release(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(back_as_it_went_in), cmocka_unit_test(names_are_columns),
                                        cmocka_unit_test(damaged_ones_are_refused) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_fingerprint.c -- messages of one kind have one fingerprint, those of two kinds do not. */
#include "check.h"
#include "loader/public/fingerprint.h"

static void is(const char *message, const char *key, const char *want)
{
    struct strbuf b = STRBUF(0);

    fingerprint(message ? cell_of(message) : CELL_ABSENT, key ? cell_of(key) : CELL_ABSENT, &b);
    assert_string_equal(strbuf_str(&b), want);
    strbuf_release(&b);
}

static void test_values(void **state)
{
    (void)state;
    is("The value 'NOGROUP' in field 'CustomerGroupId' is not found in the related table 'Customer groups'.", NULL,
       "The value '*' in field 'CustomerGroupId' is not found in the related table 'Customer groups'.");
    is("not a number: '12.5O0'", NULL, "not a number: '*'");
    is("The record \"C-1\" was not written", "usmf|C-1", "The record \"*\" was not written");
    is("the same key as line 31, which is the one", NULL, "the same key as line #, which is the one");
    is("at 2026-01-05T09:00:00 and 6838472a-0000-4000-8000-000000000001.", NULL, "at # and #.");
}

static void test_keys_and_codes(void **state)
{
    (void)state;
    is("row ACME of usmf is locked", "usmf|ACME", "row * of * is locked");
    is("DMF2018: too long", NULL, "DMF2018: too long");
    is("0x80040217 was said", NULL, "0x80040217 was said");
    is("DMF2018 rows", NULL, "# rows");
}

static void test_odd_text(void **state)
{
    (void)state;
    is(NULL, NULL, "");
    is("", "|", "");
    is("don't touch the user's row", NULL, "don't touch the user's row");
    is("an open 'quote", NULL, "an open 'quote");
    is("''", NULL, "'*'");
    is("ends in a dash-", NULL, "ends in a dash-");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_values), cmocka_unit_test(test_keys_and_codes),
                                        cmocka_unit_test(test_odd_text) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "check.h"

static void compare(void **state)
{
    static const struct {
        const char *a, *b;
        bool eq, ieq;
        int cmp;
    } CASES[] = {
        { NULL, NULL, true, true, 0 },
        { NULL, "", false, false, -1 },
        { "", NULL, false, false, 1 },
        { "", "", true, true, 0 },
        { "a", "a", true, true, 0 },
        { "a", "A", false, true, 1 },
        { "a", "ab", false, false, -1 },
        { "ab", "a", false, false, 1 },
        { "@", "`", false, false, -1 },
        { "[", "{", false, false, -1 },
        { "\xC3\x84", "\xC3\xA4", false, false, -1 },
        { "a", "\xC3\xA4", false, false, -1 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        struct cell a = cell_of(CASES[i].a), b = cell_of(CASES[i].b);

        CHECK(cell_eq(a, b) == CASES[i].eq, "eq, case %zu", i);
        CHECK(cell_ieq(a, b) == CASES[i].ieq, "ieq, case %zu", i);
        CHECK(cell_cmp(a, b) == CASES[i].cmp, "cmp, case %zu", i);
    }
    CHECK(!cell_is(CELL_ABSENT, ""), "absent is not the empty text");
}

static void integers(void **state)
{
    static const struct {
        const char *in;
        bool good;
        int64_t want;
    } CASES[] = {
        { "0", true, 0 },
        { "-0", true, 0 },
        { "+7", true, 7 },
        { "007", true, 7 },
        { "9223372036854775807", true, INT64_MAX },
        { "-9223372036854775808", true, INT64_MIN },
        { "9223372036854775808", false, 0 },
        { "-9223372036854775809", false, 0 },
        { "99999999999999999999999", false, 0 },
        { "", false, 0 },
        { "-", false, 0 },
        { "+", false, 0 },
        { " 1", false, 0 },
        { "1 ", false, 0 },
        { "1.0", false, 0 },
        { "--1", false, 0 },
        { "0x1", false, 0 },
        { NULL, false, 0 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        int64_t got = 4711;

        CHECK(cell_to_i64(cell_of(CASES[i].in), &got) == CASES[i].good, "'%s'",
              CASES[i].in ? CASES[i].in : "(absent)");
        CHECK(got == (CASES[i].good ? CASES[i].want : 4711), "'%s' gave %lld", CASES[i].in ? CASES[i].in : "(absent)",
              (long long)got);
    }
}

static void copies(void **state)
{
    struct arena a = { 0 };

    (void)state;
    CHECK_CELL(cell_dup(&a, CELL_ABSENT), NULL, "absent stays absent");
    CHECK_CELL(cell_dup(&a, CELL_LIT("")), "", "empty stays empty");
    CHECK_STR(cell_cstr(&a, CELL_ABSENT), "", "absent as a C text");
    CHECK_STR(cell_cstr(&a, (struct cell){ "abcdef", 3 }), "abc", "NUL-terminated");
    CHECK_CELL(cell_printf(&a, "%s-%d", "x", 7), "x-7", "printf");
    CHECK_CELL(cell_lower(&a, CELL_LIT("AZ[@\xC3\x84")), "az[@\xC3\x84", "ASCII only");
    CHECK_CELL(cell_upper(&a, CELL_LIT("az{`\xC3\xA4")), "AZ{`\xC3\xA4", "ASCII only");
    CHECK_CELL(cell_lower(&a, CELL_ABSENT), NULL, "absent");
    CHECK_CELL(cell_rtrim(CELL_LIT(" a \t ")), " a \t", "blanks only, at the end only");
    CHECK_CELL(cell_rtrim(CELL_LIT("   ")), "", "nothing but blanks is empty, not absent");
    CHECK_CELL(cell_rtrim(CELL_ABSENT), NULL, "absent");
    arena_release(&a);
}

static void utf8(void **state)
{
    static const struct {
        const char *name, *in;
        size_t n, valid, chars, units;
    } CASES[] = {
        { "ascii", "abc", 3, 3, 3, 3 },
        { "two octets", "\xC3\xA9", 2, 2, 1, 1 },
        { "three octets", "\xE2\x82\xAC", 3, 3, 1, 1 },
        { "four octets", "\xF0\x9F\x98\x80", 4, 4, 1, 2 },
        { "highest", "\xF4\x8F\xBF\xBF", 4, 4, 1, 2 },
        { "above the highest", "\xF4\x90\x80\x80", 4, 0, 4, 4 },
        { "F5", "a\xF5\x80\x80\x80", 5, 1, 5, 5 },
        { "overlong two", "a\xC0\x80", 3, 1, 3, 3 },
        { "overlong three", "\xE0\x9F\xBF", 3, 0, 3, 3 },
        { "overlong four", "\xF0\x8F\xBF\xBF", 4, 0, 4, 4 },
        { "surrogate", "\xED\xA0\x80", 3, 0, 3, 3 },
        { "before surrogates", "\xED\x9F\xBF", 3, 3, 1, 1 },
        { "lone continuation", "ab\x80", 3, 2, 3, 3 },
        { "cut off", "abc\xE2\x82", 5, 3, 5, 5 },
        { "behind eight good ones", "12345678\xFF", 9, 8, 9, 9 },
        { "inside the second eight", "123456789012\xC3\xA9xxxx\xFF", 19, 18, 18, 18 },
        { "NUL is a character", "a\0b", 3, 3, 3, 3 },
        { "empty", "", 0, 0, 0, 0 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        struct cell c = { CASES[i].in, CASES[i].n };

        CHECK(utf8_valid_prefix(c.ptr, c.len) == CASES[i].valid, "%s", CASES[i].name);
        CHECK(cell_chars(c) == CASES[i].chars, "%s: %zu", CASES[i].name, cell_chars(c));
        CHECK(cell_utf16_units(c) == CASES[i].units, "%s: %zu", CASES[i].name, cell_utf16_units(c));
    }
}

static void every_code_point(void **state)
{
    (void)state;
    for (uint32_t cp = 0; cp <= 0x10FFFF + 5; cp++) {
        char out[4];
        uint32_t back = 0, want = cp > 0x10FFFF || (cp >= 0xD800 && cp <= 0xDFFF) ? 0xFFFD : cp;
        size_t n = utf8_encode(cp, out);

        CHECK(utf8_decode(out, n, &back) == n && back == want, "U+%04X", (unsigned)cp);
        CHECK(n == 1 || utf8_decode(out, n - 1, NULL) == 0, "U+%04X cut short", (unsigned)cp);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compare), cmocka_unit_test(integers),         cmocka_unit_test(copies),
        cmocka_unit_test(utf8),    cmocka_unit_test(every_code_point),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What numbers, styles and escaped characters of a workbook become. */
#include "check.h"

#include "dmf/xlsx_parts.h"

static void numbers(void **state)
{
    static const struct {
        const char *text, *want; /* NULL = not a number */
    } CASES[] = {
        { "0", "0" },
        { "-0.0", "0" },
        { "+7", "7" },
        { "1e-", NULL },
        { "1ex", NULL },
        { " 12 ", "12" },
        { "1.50", "1.5" },
        { ".5", "0.5" },
        { "5.", "5" },
        { "007.5", "7.5" },
        { "0.10000000000000001", "0.1" },
        { "-0.10000000000000001", "-0.1" },
        { "1234.5599999999999", "1234.56" },
        { "1.0999999999999999E-2", "0.011" },
        { "99999999.989999995", "99999999.99" },
        { "0.30000000000000004", "0.30000000000000004" }, /* what 0.1 + 0.2 is: no shorter text is that double */
        { "0.3333333333333333", "0.3333333333333333" },
        { "3.1415926535897931", "3.141592653589793" },
        { "123456789.12345678", "123456789.12345678" },
        { "12345678901234567", "12345678901234567" }, /* a whole number keeps its digits, double or not */
        { "99999999999999968", "99999999999999968" },
        { "9223372036854775807", "9223372036854775807" },
        { "1234567890123456789.25", "1234567890123456789.25" }, /* nobody's double */
        { "1E3", "1000" },
        { "1.23456789012345E+16", "12345678901234500" },
        { "1.5e+2", "150" },
        { "1E-7", "0.0000001" },
        { "0E99", "0" },
        { "", NULL },
        { "-", NULL },
        { ".", NULL },
        { "1.2.3", NULL },
        { "1e", NULL },
        { "1e+", NULL },
        { "1,5", NULL },
        { "0x10", NULL },
        { "inf", NULL },
        { "nan", NULL },
        { "1E999", NULL },
        { "1E99999999999999999999", NULL },
        { "1 2", NULL },
    };
    struct strbuf out = STRBUF(0);

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        const char *why;

        strbuf_reset(&out);
        why = xlsx_number(cell_of(CASES[i].text), &out);
        CHECK(!why == (CASES[i].want != NULL), "'%s': %s", CASES[i].text, why ? why : strbuf_str(&out));
        if (!why)
            CHECK_STR(strbuf_str(&out), CASES[i].want, "'%s'", CASES[i].text);
    }
    strbuf_release(&out);
}

static void number_formats(void **state)
{
    static const struct {
        const char *code;
        enum xlsx_kind want;
    } CASES[] = {
        { "General", XLSX_NUMBER },
        { "general;@", XLSX_NUMBER },
        { "", XLSX_NUMBER },
        { "@", XLSX_NUMBER },
        { "0.00E+00", XLSX_NUMBER },
        { "0.00e-00", XLSX_NUMBER },
        { "#,##0.00_);[Red]\\(#,##0.00\\)", XLSX_NUMBER },
        { "[Red]0", XLSX_NUMBER },
        { "[>100]0", XLSX_NUMBER },
        { "\"day \"0", XLSX_NUMBER },
        { "0\\d", XLSX_NUMBER },
        { "_d0", XLSX_NUMBER },
        { "*d0", XLSX_NUMBER },
        { "[$-409]0.00", XLSX_NUMBER },
        { "[$\xE2\x82\xAC-407] #,##0", XLSX_NUMBER },
        { "0;yyyy", XLSX_NUMBER }, /* only what negative numbers look like */
        { "\"not closed yyyy", XLSX_NUMBER },
        { "[not closed yyyy", XLSX_NUMBER },
        { "yyyy-mm-dd", XLSX_DATE },
        { "m/d/yy", XLSX_DATE },
        { "[$-F800]dddd\\,\\ mmmm\\ dd\\,\\ yyyy", XLSX_DATE },
        { "[$-409]d\\-mmm\\-yy;@", XLSX_DATE },
        { "mmm", XLSX_DATE },
        { "m", XLSX_DATE },
        { "ggge\"x\"", XLSX_DATE },
        { "hh:mm", XLSX_TIME },
        { "mm:ss.0", XLSX_TIME },
        { "h:mm AM/PM", XLSX_TIME },
        { "[$-409]h:mm:ss A/P", XLSX_TIME },
        { "m/d/yy h:mm", XLSX_DATETIME },
        { "yyyy\\-mm\\-dd\\Thh:mm:ss", XLSX_DATETIME },
        { "[h]:mm", XLSX_ELAPSED },
        { "[mm]:ss", XLSX_ELAPSED },
        { "[SS].00", XLSX_ELAPSED },
    };
    static const unsigned DATES[] = { 14, 15, 16, 17, 27, 31, 36, 50, 58 }, TIMES[] = { 18, 19, 20, 21, 45, 47 },
                          PLAIN[] = { 0, 1, 2, 9, 10, 11, 13, 37, 40, 44, 48, 49, 59, 163, 164 };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++)
        CHECK(xlsx_format_kind(CASES[i].code) == CASES[i].want, "'%s': %d", CASES[i].code,
              (int)xlsx_format_kind(CASES[i].code));
    for (size_t i = 0; i < COUNT(DATES); i++)
        CHECK(xlsx_builtin_kind(DATES[i]) == XLSX_DATE, "%u", DATES[i]);
    for (size_t i = 0; i < COUNT(TIMES); i++)
        CHECK(xlsx_builtin_kind(TIMES[i]) == XLSX_TIME, "%u", TIMES[i]);
    for (size_t i = 0; i < COUNT(PLAIN); i++)
        CHECK(xlsx_builtin_kind(PLAIN[i]) == XLSX_NUMBER, "%u", PLAIN[i]);
    assert_int_equal(xlsx_builtin_kind(22), XLSX_DATETIME);
    assert_int_equal(xlsx_builtin_kind(46), XLSX_ELAPSED);
}

static void dates(void **state)
{
    static const struct {
        const char *text;
        enum xlsx_kind kind;
        bool from_1904;
        const char *want; /* begins with '!': the reason */
    } CASES[] = {
        { "1", XLSX_DATE, false, "1900-01-01" },
        { "59", XLSX_DATE, false, "1900-02-28" },
        { "60", XLSX_DATE, false, "!29 February 1900" },
        { "60.5", XLSX_DATETIME, false, "!29 February 1900" },
        { "61", XLSX_DATE, false, "1900-03-01" },
        { "0", XLSX_DATE, false, "!day 0" },
        { "0", XLSX_DATETIME, false, "!day 0" },
        { "0.5", XLSX_DATETIME, false, "12:00:00" },
        { "0", XLSX_TIME, false, "00:00:00" },
        { "25569", XLSX_DATE, false, "1970-01-01" },
        { "45351", XLSX_DATE, false, "2024-02-29" },
        { "45292.5", XLSX_DATE, false, "2024-01-01 12:00:00" }, /* nothing is dropped for the format's sake */
        { "45292", XLSX_DATETIME, false, "2024-01-01 00:00:00" },
        { "45292.999988425924", XLSX_DATETIME, false, "2024-01-01 23:59:59" },
        { "45291.9999999999", XLSX_DATETIME, false, "2024-01-01 00:00:00" },
        { "45292.000000011574", XLSX_DATETIME, false, "2024-01-01 00:00:00.001" },
        { "2958465", XLSX_DATE, false, "9999-12-31" },
        { "2958466", XLSX_DATE, false, "!9999" },
        { "1E300", XLSX_DATE, false, "!9999" },
        { "-1", XLSX_DATE, false, "!negative" },
        { "x", XLSX_DATE, false, "!not a number" },
        { "0.75", XLSX_TIME, false, "18:00:00" },
        { "1.75", XLSX_TIME, false, "1900-01-01 18:00:00" },
        { "1.5", XLSX_ELAPSED, false, "36:00:00" },
        { "0.0625", XLSX_ELAPSED, false, "01:30:00" },
        { "0", XLSX_DATE, true, "1904-01-01" },
        { "0.25", XLSX_DATETIME, true, "1904-01-01 06:00:00" },
        { "60", XLSX_DATE, true, "1904-03-01" },
        { "43830", XLSX_DATE, true, "2024-01-01" },
        { "2957003", XLSX_DATE, true, "9999-12-31" },
        { "2957004", XLSX_DATE, true, "!9999" },
    };
    struct strbuf out = STRBUF(0);

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        const char *why;

        strbuf_reset(&out);
        why = xlsx_date(cell_of(CASES[i].text), CASES[i].kind, CASES[i].from_1904, &out);
        if (CASES[i].want[0] == '!')
            CHECK(why && strstr(why, CASES[i].want + 1), "%s: %s", CASES[i].text, why ? why : strbuf_str(&out));
        else
            CHECK_STR(why ? why : strbuf_str(&out), CASES[i].want, "%s", CASES[i].text);
    }
    strbuf_release(&out);
}

/* Every day that Excel can hold, against the calendar counted on by hand. */
static void every_day(void **state)
{
    static const int DAYS[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    struct strbuf out = STRBUF(0);
    int y = 1900, m = 1, d = 1;

    (void)state;
    for (int serial = 1; serial <= 2958465; serial++) {
        char text[16], want[32];

        if (serial == 60)
            continue;
        snprintf(text, sizeof(text), "%d", serial);
        snprintf(want, sizeof(want), "%04d-%02d-%02d", y, m, d);
        strbuf_reset(&out);
        if (serial < 150000 || serial % 97 == 0 || serial > 2958000) {
            assert_null(xlsx_date(cell_of(text), XLSX_DATE, false, &out));
            CHECK_STR(strbuf_str(&out), want, "%d", serial);
        }
        if (++d > DAYS[m - 1] + (m == 2 && y % 4 == 0 && (y % 100 || y % 400 == 0)))
            d = 1, m++;
        if (m > 12)
            m = 1, y++;
    }
    strbuf_release(&out);
}

static void escapes(void **state)
{
    static const char *const CASES[][2] = {
        { "_x000D_\n", "\r\n" },
        { "a_x005F_x000D_", "a_x000D_" },
        { "_xD83D__xDE00_", "\xF0\x9F\x98\x80" },
        { "_xD83D_", "_xD83D_" },
        { "_xDE00_", "_xDE00_" },
        { "_xD83D__x0041_", "_xD83D_A" },
        { "_x0000_", "_x0000_" },
        { "_x00e9_", "\xC3\xA9" },
        { "_x12_ _x123g_ _x12345_ _X0041_ x0041_", "_x12_ _x123g_ _x12345_ _X0041_ x0041_" },
        { "_x004", "_x004" },
        { "", "" },
    };
    struct strbuf b = STRBUF(0);

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        strbuf_reset(&b);
        strbuf_adds(&b, "_x0041_");
        strbuf_adds(&b, CASES[i][0]);
        xlsx_unescape(&b, 7);
        CHECK(!strncmp(b.buf, "_x0041_", 7), "%s", CASES[i][0]);
        CHECK_STR(b.buf + 7, CASES[i][1], "%s", CASES[i][0]);
    }
    strbuf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers),   cmocka_unit_test(number_formats), cmocka_unit_test(dates),
        cmocka_unit_test(every_day), cmocka_unit_test(escapes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

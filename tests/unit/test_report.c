/* test_report.c -- texts of others inside of HTML, numbers, and the guard of the automatic repair. */
#include "check.h"

#include "sync/night.h"
#include "sync/report.h"

static void shown(const char *text, size_t n, size_t max, const char *want)
{
    struct strbuf out = STRBUF(0);

    html_text(&out, (struct cell){ text, n }, max);
    assert_string_equal(strbuf_str(&out), want);
    strbuf_release(&out);
}
#define SHOWN(text, want) shown(text, sizeof(text) - 1, 0, want)

static void test_markup_is_text(void **state)
{
    (void)state;
    SHOWN("<img src=x onerror='a(\"b\")'> & co", "&lt;img src=x onerror=&#39;a(&quot;b&quot;)&#39;&gt; &amp; co");
    SHOWN("&amp;", "&amp;amp;");
    SHOWN("", "");
    shown(NULL, 0, 0, "");
}

static void test_what_cannot_be_seen_is_shown(void **state)
{
    (void)state;
    SHOWN("a\0b\x1b[1m\x7f", "a\xef\xbf\xbd"
                             "b\xef\xbf\xbd[1m\xef\xbf\xbd");
    SHOWN("one\r\ntwo\tthree", "one  two three");
    SHOWN("\xe2\x80\xaegnp.exe", "\xef\xbf\xbdgnp.exe"); /* U+202E turns the direction */
    SHOWN("a\xe2\x81\xa6z\xe2\x80\x8b", "a\xef\xbf\xbdz\xef\xbf\xbd");
    SHOWN("\xc3(\xff\xe2\x82", "\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"); /* broken UTF-8 */
    SHOWN("\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"); /* a surrogate */
    SHOWN("M\xc3\xbcller \xf0\x9f\x98\x80", "M\xc3\xbcller \xf0\x9f\x98\x80");
}

static void test_cut_by_characters(void **state)
{
    (void)state;
    shown("M\xc3\xbcller", 7, 2, "M\xc3\xbc\xe2\x80\xa6");
    shown("M\xc3\xbcller", 7, 6, "M\xc3\xbcller");
    shown("<<<", 3, 2, "&lt;&lt;\xe2\x80\xa6");
}

static void test_secrets_stay_out(void **state)
{
    struct strbuf out = STRBUF(0);

    (void)state;
    html_str(&out,
             "PUT https://x.blob.core.windows.net/c/f?sv=1&sig=TOPSECRET failed; Authorization: Bearer abc.def");
    assert_null(strstr(strbuf_str(&out), "TOPSECRET"));
    assert_null(strstr(strbuf_str(&out), "abc.def"));
    strbuf_release(&out);
}

static void number(int64_t n, const char *want)
{
    struct strbuf out = STRBUF(0);

    html_number(&out, n);
    assert_string_equal(strbuf_str(&out), want);
    strbuf_release(&out);
}

static void test_numbers_in_groups(void **state)
{
    (void)state;
    number(0, "0");
    number(999, "999");
    number(1000, "1\xe2\x80\xaf"
                 "000");
    number(-1234567, "\xe2\x88\x92"
                     "1\xe2\x80\xaf"
                     "234\xe2\x80\xaf"
                     "567");
}

static void test_guard_of_repair(void **state)
{
    (void)state;
    assert_int_equal(night_allowed("1%", 100000), 1000);
    assert_int_equal(night_allowed("1%", 60), 10); /* a share is never fewer than 10 rows */
    assert_int_equal(night_allowed("0.5%", 10000), 50);
    assert_int_equal(night_allowed("0", 100000), 0); /* a number is meant as it stands */
    assert_int_equal(night_allowed("3", 100000), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_markup_is_text),    cmocka_unit_test(test_what_cannot_be_seen_is_shown),
        cmocka_unit_test(test_cut_by_characters), cmocka_unit_test(test_secrets_stay_out),
        cmocka_unit_test(test_numbers_in_groups), cmocka_unit_test(test_guard_of_repair),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

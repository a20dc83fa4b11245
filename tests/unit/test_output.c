#include "check.h"

#include "base/file.h"
#include "cli/output.h"
#include "cli/text_width.h"

#include <fcntl.h>
#include <unistd.h>

/* Standard output goes to a file between begin and end; ret must be released by the caller. */
static int saved;

static void begin(void)
{
    int fd = open("captured", O_RDWR | O_CREAT | O_TRUNC, 0600);

    fflush(stdout);
    saved = dup(1);
    dup2(fd, 1);
    close(fd);
}

static void end(struct strbuf *ret)
{
    struct err e = { 0 };

    fflush(stdout);
    dup2(saved, 1);
    close(saved);
    strbuf_reset(ret);
    CHECK_OK(file_read("captured", 1 << 20, ret, &e), &e);
}

static void statuses(void **state)
{
#define B(x) (UINT32_C(1) << EC_##x)
    static const struct {
        const char *name;
        uint32_t codes;
        int signo;
        int want[5]; /* ends with -1 */
    } CASES[] = {
        { "none", 0, 0, { 0, -1 } },
        { "one", B(ROWS), 0, { 10, -1 } },
        { "usage before configuration", B(CONFIG) | B(USAGE), 0, { 2, 3, -1 } },
        { "internal before all but a signal", B(BUG) | B(USAGE) | B(STOPPED), 2, { 130, 70, 2, -1 } },
        { "terminated", B(STOPPED), 15, { 143, -1 } },
        { "a stop without a signal", B(STOPPED), 0, { 130, -1 } },
        { "lock before sign-in before guard", B(GUARD) | B(AUTH) | B(LOCKED), 0, { 11, 6, 13, -1 } },
        { "limit, F&O, Dataverse, temporary", B(BUSY) | B(DATAVERSE) | B(FNO) | B(LIMIT), 0, { 12, 7, 8, 5, -1 } },
        { "temporary once", B(BUSY) | B(NET) | B(IO) | B(DISK), 0, { 5, -1 } },
        { "differences, rows, conflicts, else",
          B(FAIL) | B(CONFLICT) | B(ROWS) | B(DIFFERENT),
          0,
          { 9, 10, 14, 1, -1 } },
    };
#undef B
    int got[20];

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        size_t n = status_list(CASES[i].codes, CASES[i].signo, got), k = 0;

        for (; CASES[i].want[k] >= 0; k++)
            CHECK(k < n && got[k] == CASES[i].want[k], "%s: place %zu", CASES[i].name, k);
        CHECK(n == k, "%s: %zu statuses", CASES[i].name, n);
        CHECK(status_of(CASES[i].codes, CASES[i].signo) == CASES[i].want[0], "%s", CASES[i].name);
    }
}

/* No code's exit status is missing in the table that decides. */
static void all_codes(void **state)
{
    (void)state;
    for (int c = 1; c < EC_COUNT; c++)
        CHECK(status_of(UINT32_C(1) << c, 0) == ec_exit_status((enum ec)c), "%s", ec_word((enum ec)c));
}

static void envelope(void **state)
{
    struct output o;
    struct strbuf got = STRBUF(0);
    struct err e = { 0 }, late = { 0 };
    struct json *list, *one;

    (void)state;
    output_init(&o, true, false, true);
    begin();
    out_line(&o, "text for %s", "people");
    list = out_array(&o, NULL, "maps");
    one = out_object(&o, list, NULL);
    out_str(&o, one, "map", "A \"B\" (c)");
    out_int(&o, one, "rows", INT64_C(9007199254740993));
    out_cell(&o, one, "none", CELL_ABSENT);
    out_cell(&o, one, "empty", CELL_LIT(""));
    out_bool(&o, NULL, "executed", true);
    out_int(&o, NULL, "run", 1);
    out_int(&o, NULL, "run", 2);
    assert_true(output_finish(&o, "load", EC_OK, &e, 0, &late));
    end(&got);
    CHECK_STR(
        strbuf_str(&got),
        "{\"schema\":1,\"ok\":true,\"command\":\"load\",\"data\":{\"maps\":[{\"map\":\"A \\\"B\\\" (c)\",\"rows\":"
        "9007199254740993,\"none\":null,\"empty\":\"\"}],\"executed\":true,\"run\":2,\"statuses\":[0]},\"warnings\":["
        "]}\n",
        "success");
    output_release(&o);

    output_init(&o, true, false, true);
    begin();
    out_status(&o, EC_ROWS);
    out_status(&o, EC_DIFFERENT);
    assert_true(output_finish(&o, "parity", EC_OK, &e, 0, &late));
    end(&got);
    CHECK_STR(strbuf_str(&got),
              "{\"schema\":1,\"ok\":false,\"command\":\"parity\",\"error\":{\"code\":\"different\",\"message\":"
              "\"differences found\",\"hint\":\"\"},\"data\":{\"statuses\":[9,10]},\"warnings\":[]}\n",
              "statuses without an error");
    output_release(&o);

    output_init(&o, true, false, true);
    begin();
    err_set(&e, EC_NET, "GET https://x.blob/y?sv=1&sig=abc failed");
    err_hint(&e, "try again");
    out_status(&o, EC_NET);
    assert_true(output_finish(&o, "load", EC_NET, &e, 0, &late));
    end(&got);
    CHECK(strstr(strbuf_str(&got),
                 "\"code\":\"network\",\"message\":\"GET https://x.blob/y?[signed] failed\",\"hint\":\"try again\""),
          "%s", strbuf_str(&got));
    output_release(&o);
    strbuf_release(&got);
}

static void tables(void **state)
{
    static const char *const HEADERS[] = { "map", "rows", "verdict" };
    struct output o;
    struct strbuf got = STRBUF(0);
    struct table *t;

    (void)state;
    for (int width = 0; width <= 32; width += 16) {
        output_init(&o, false, false, true);
        o.width = width;
        begin();
        t = table_new(&o, HEADERS, 3, "lrl");
        table_cell(t, "Customers V3 (accounts)");
        table_cell(t, "%d", 20400);
        table_cell(t, "parity");
        table_cell(t, "東京\033[31m");
        table_cell(t, "7");
        table_cell(t, "drift");
        table_print(t);
        end(&got);
        if (!width)
            CHECK_STR(strbuf_str(&got),
                      "map                       rows  verdict\n"
                      "Customers V3 (accounts)  20400  parity\n"
                      "東京 [31m                    7  drift\n",
                      "whole");
        else if (width == 32)
            CHECK_STR(strbuf_str(&got),
                      "map                rows  verdict\n"
                      "Customers V3 (a…  20400  parity\n"
                      "東京 [31m             7  drift\n",
                      "cut");
        else
            CHECK_STR(strbuf_str(&got),
                      "map\n       rows\n      verdict\n"
                      "Customers…\n      20400\n      parity\n"
                      "東京 [31m\n          7\n      drift\n",
                      "several lines a row, when a column would be cut beyond reading");
        output_release(&o);
    }
    output_init(&o, false, true, true);
    begin();
    t = table_new(&o, HEADERS, 3, "lrl");
    table_cell(t, "x");
    table_print(t);
    out_line(&o, "x");
    out_raw(&o, "row\n", 4);
    end(&got);
    CHECK_STR(strbuf_str(&got), "row\n", "quiet: rows that were asked for only");
    output_release(&o);
    strbuf_release(&got);
}

static void widths(void **state)
{
    static const struct {
        const char *text;
        size_t width, cut_at, cut_octets;
    } CASES[] = { { "abc", 3, 2, 2 },        { "Müller", 6, 2, 3 }, { "東京", 4, 3, 3 },
                  { "e\xcc\x81x", 2, 1, 3 }, { "", 0, 5, 0 },       { "\xff\xfe", 2, 1, 1 } };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        CHECK(text_width(cell_of(CASES[i].text)) == CASES[i].width, "'%s'", CASES[i].text);
        CHECK(text_cut(cell_of(CASES[i].text), CASES[i].cut_at).len == CASES[i].cut_octets, "'%s'", CASES[i].text);
    }
}

static void full_output(void **state)
{
    struct output o;
    struct err e = { 0 }, late = { 0 };
    int fd = open("/dev/full", O_WRONLY);
    bool ok;

    (void)state;
    fflush(stdout);
    saved = dup(1);
    dup2(fd, 1);
    close(fd);
    output_init(&o, true, false, true);
    ok = output_finish(&o, "status", EC_OK, &e, 0, &late);
    dup2(saved, 1);
    close(saved);
    clearerr(stdout);
    assert_false(ok);
    assert_int_equal(late.code, EC_DISK);
    output_release(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statuses), cmocka_unit_test(all_codes), cmocka_unit_test(envelope),
        cmocka_unit_test(tables),   cmocka_unit_test(widths),    cmocka_unit_test(full_output),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What F&O sends that looks like a format and is not quite one: errors of a run, files of keys. */
#include "check.h"

#include <time.h>

#include "base/file.h"
#include "erp/pkgapi.h"

struct seen {
    struct strbuf text; /* "[id|field|message]" per error */
    int stop_at, n;
};

static enum ec take(void *arg, struct cell id, struct cell field, struct cell message, struct err *reterr)
{
    struct seen *s = arg;

    strbuf_addf(&s->text, "[" CELL_FMT "|" CELL_FMT "|" CELL_FMT "]", CELL_ARG(id), CELL_ARG(field),
                CELL_ARG(message));
    return ++s->n == s->stop_at ? err_set(reterr, EC_DISK, "enough") : EC_OK;
}

static void errors(void **state)
{
    static const struct {
        const char *in, *want;
    } CASES[] = {
        { "", "" },
        { "[]", "" },
        { "  [ ]\r\n", "" },
        { "nothing of the kind", "" },
        { "[{\"RecordId\":\"US-001\",\"Field\":\"\",\"ErrorMessage\":\"bad\"}]", "[US-001||bad]" },
        { "[{\"RecordId\":\"1\",\"Field\":\"F\",\"ErrorMessage\":\"a\"},{\"RecordId\":\"2\",\"Field\":\"\","
          "\"ErrorMessage\":\"b\"}]",
          "[1|F|a][2||b]" },
        { "[{\"RecordId\":\"1\",\"Field\":\"\",\"ErrorMessage\":\"a\"} ,\r\n { "
          "\"RecordId\":\"2\",\"Field\":\"\",\"ErrorMessage\":\"b\"}]",
          "[1||a][2||b]" },
        /* quotes and line breaks unescaped, as measured */
        { "[{\"RecordId\":\"1\",\"Field\":\"\",\"ErrorMessage\":\"The value \"X\" in\r\n  field \"Group\"\"},"
          "{\"RecordId\":\"2\",\"Field\":\"\",\"ErrorMessage\":\"\"\"}]",
          "[1||The value \"X\" in field \"Group\"][2||\"]" },
        /* braces and commas inside */
        { "[{\"RecordId\":\"1\",\"Field\":\"\",\"ErrorMessage\":\"a }, {b\"}, "
          "c\"},{\"RecordId\":\"2\",\"Field\":\"\",\"ErrorMessage\":\"d\"}]",
          "[1||a }, {b\"}, c][2||d]" },
        { "[{\"RecordId\":\"1\",\"Field\":\"\",\"ErrorMessage\":\"says \"RecordId\":\"9\" and goes on\"}]",
          "[1||says \"RecordId\":\"9\" and goes on]" },
        /* escapes that are there all the same */
        { "[{\"RecordId\":\"a\\\"b\",\"Field\":\"\",\"ErrorMessage\":\"x\\r\\ny \\\\ \\\"z\\\"\"}]",
          "[a\"b||x y \\ \"z\"]" },
        /* blanks of a key stay */
        { "[{\"RecordId\":\"usmf|A  B \",\"Field\":\"\",\"ErrorMessage\":\"m\"}]", "[usmf|A  B ||m]" },
        /* cut off anywhere */
        { "[{\"RecordId\":\"1\",\"Field\":\"\",\"ErrorMessage\":\"a\"},{\"RecordId\":\"2\",\"Fie", "[1||a]" },
        { "[{\"RecordId\":\"1\",\"Field\":\"\",\"ErrorMessage\":\"", "[1||]" },
        { "[{\"RecordId\":\"1", "" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        struct seen s = { 0 };
        struct err e = { 0 };
        enum ec rc = EC_BUG;
        size_t len = strlen(CASES[i].in), n;
        char *exact = malloc(len + 1); /* so that reading past the end is seen */

        memcpy(exact, CASES[i].in, len);
        exact = realloc(exact, len ? len : 1);
        n = erp_errors_parse(exact, len, take, &s, &rc, &e);
        assert_int_equal(rc, EC_OK);
        CHECK_STR(strbuf_str(&s.text), CASES[i].want, "case %zu", i);
        CHECK(n == (size_t)s.n, "case %zu: counted %zu", i, n);
        strbuf_release(&s.text);
        for (size_t cut = 0; cut < len; cut++) { /* no prefix may crash it */
            char *part = malloc(cut ? cut : 1);

            memcpy(part, CASES[i].in, cut);
            erp_errors_parse(part, cut, take, &s, &rc, &e);
            assert_int_equal(rc, EC_OK);
            strbuf_release(&s.text);
            free(part);
        }
        free(exact);
    }
    struct seen s = { .stop_at = 2 };
    struct err e = { 0 };
    enum ec rc = EC_OK;
    const char *three = "[{\"RecordId\":\"1\",\"Field\":\"\",\"ErrorMessage\":\"a\"},{\"RecordId\":\"2\",\"Field\":"
                        "\"\",\"ErrorMessage\":"
                        "\"b\"},{\"RecordId\":\"3\",\"Field\":\"\",\"ErrorMessage\":\"c\"}]";

    erp_errors_parse(three, strlen(three), take, &s, &rc, &e);
    assert_int_equal(rc, EC_DISK);
    assert_int_equal(s.n, 2);
    strbuf_release(&s.text);
}

/* Many errors in one text, as of a run that failed: time must not grow with the square. */
static void many_errors(void **state)
{
    struct strbuf b = { 0 };
    struct seen s = { 0 };
    struct err e = { 0 };
    enum ec rc = EC_OK;
    clock_t t = clock();

    (void)state;
    strbuf_addc(&b, '[');
    for (int i = 0; i < 100000; i++)
        strbuf_addf(&b,
                    "%s{\"RecordId\":\"usmf|C-%d\",\"Field\":\"\",\"ErrorMessage\":\"The value \"X\"\r\n is bad\"}",
                    i ? "," : "", i);
    strbuf_addc(&b, ']');
    assert_int_equal(erp_errors_parse(b.buf, b.len, take, &s, &rc, &e), 100000);
    CHECK((clock() - t) / CLOCKS_PER_SEC < 10, "%ld s", (long)((clock() - t) / CLOCKS_PER_SEC));
    strbuf_release(&b);
    strbuf_release(&s.text);
}

/* ---- files of keys ---- */

struct keys {
    struct strbuf text; /* "[part/part:message]" per row */
};

static enum ec take_key(void *arg, const struct cell *key, size_t n, struct cell message, struct err *reterr)
{
    struct keys *k = arg;

    (void)reterr;
    for (size_t i = 0; i < n; i++)
        strbuf_addf(&k->text, "%s" CELL_FMT, i ? "/" : "[", CELL_ARG(key[i]));
    strbuf_addf(&k->text, ":" CELL_FMT "]", CELL_ARG(message));
    return EC_OK;
}

static void utf16(struct strbuf *out, const char *text)
{
    strbuf_add(out, "\xff\xfe", 2);
    for (size_t n = strlen(text); n;) {
        uint32_t cp;
        size_t used = utf8_decode(text, n, &cp);
        char unit[2] = { (char)(cp & 255), (char)(cp >> 8) };

        strbuf_add(out, unit, 2);
        text += used;
        n -= used;
    }
}

static void key_files(void **state)
{
    static const struct {
        const char *in, *want; /* want NULL = EC_FORMAT */
        size_t n;
    } CASES[] = {
        { "CUSTOMERACCOUNT\r\nC-1\r\nC-2\r\n", "[C-1:][C-2:]", 1 },
        { "\xEF\xBB\xBF"
          "CustomerAccount,SITE\r\n\"C,1\",A\r\nC-2,\"B \"\"x\"\"\"\r\n",
          "[C,1/A:][C-2/B \"x\":]", 2 },
        { "SITE,NAME,CUSTOMERACCOUNT,ERRORMESSAGE\r\nA,n,C-1,too long\r\n", "[C-1/A:too long]", 2 },
        { "CUSTOMERACCOUNT;SITE\nC-1;A\n", "[C-1/A:]", 2 },
        { "CUSTOMERACCOUNT\tSITE\nC-1\tA\n", "[C-1/A:]", 2 },
        { "C-1|A\nC-2|B\n", "[C-1/A:][C-2/B:]", 2 },
        { "C-1\tA\r\nC-2\tB\r\n", "[C-1/A:][C-2/B:]", 2 },
        { "C-1,A\r\nC-2,B\r\n", "[C-1/A:][C-2/B:]", 2 },
        { "C-1\nC-2\n", "[C-1:][C-2:]", 1 },
        { "C-1", "[C-1:]", 1 },
        { "M\xC3\xBCller|A\n", "[M\xC3\xBCller/A:]", 2 },
        { "5\" pipe|A\nC-2|B\n", "[5\" pipe/A:][C-2/B:]", 2 },
        { "C-1|A\nsix 6\" x|B\nC-3|C\n", "[C-1/A:][six 6\" x/B:][C-3/C:]", 2 },
        { "", "", 2 },
        { "CUSTOMERACCOUNT,SITE\r\n", "", 2 },
        { "one line of prose\n", NULL, 3 },
    };
    static const struct cell FIELDS[] = { { "CUSTOMERACCOUNT", 15 }, { "SITE", 4 }, { "THIRD", 5 } };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++)
        for (int wide = 0; wide < 2; wide++) {
            struct keys k = { 0 };
            struct strbuf b = { 0 };
            struct err e = { 0 };
            enum ec rc;

            if (wide && !strncmp(CASES[i].in, "\xEF\xBB\xBF", 3))
                continue;
            if (wide)
                utf16(&b, CASES[i].in);
            else
                strbuf_adds(&b, CASES[i].in);
            CHECK_OK(file_write_atomic("keys", strbuf_str(&b), b.len, 0600, &e), &e);
            rc = erp_key_file("keys", FIELDS, CASES[i].n, take_key, &k, &e);
            CHECK(rc == (CASES[i].want ? EC_OK : EC_FORMAT), "case %zu wide %d: %d %s", i, wide, rc, e.msg);
            if (CASES[i].want)
                CHECK_STR(strbuf_str(&k.text), CASES[i].want, "case %zu wide %d", i, wide);
            strbuf_release(&b);
            strbuf_release(&k.text);
        }
    struct err e = { 0 };
    struct keys k = { 0 };

    assert_int_equal(erp_key_file("none", FIELDS, 1, take_key, &k, &e), EC_IO);
    assert_int_equal(erp_key_file("keys", FIELDS, 0, take_key, &k, &e), EC_LIMIT);
}

static void statuses(void **state)
{
    (void)state;
    for (enum erp_status s = ERP_PENDING; s <= ERP_CANCELED; s++) {
        CHECK(erp_status_word(s)[0] != '?', "%d has no word", s);
        CHECK(erp_status_final(s) == (s >= ERP_SUCCEEDED), "%s", erp_status_word(s));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors),
        cmocka_unit_test(many_errors),
        cmocka_unit_test(key_files),
        cmocka_unit_test(statuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

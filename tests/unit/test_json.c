#include "check.h"

#include "data/json.h"

#include "base/file.h"

#include <dirent.h>
#include <time.h>

/* How a text is read: whole, octet by octet through json_rows, and once more as the rows of an answer. */
static enum ec read_whole(const char *p, size_t n, const struct json_limits *lim, struct strbuf *out, struct err *e)
{
    struct arena a = { 0 };
    struct json *v = NULL;
    enum ec rc = json_parse("text", p, n, lim, &a, &v, e);

    if (!rc && out)
        json_write(out, v);
    arena_release(&a);
    return rc;
}

static enum ec print_row(void *arg, const struct json *row, struct err *reterr)
{
    struct strbuf *out = arg;

    (void)reterr;
    if (out->len)
        strbuf_addc(out, ' ');
    json_write(out, row);
    return EC_OK;
}

static enum ec read_rows(const char *p, size_t n, size_t step, const struct json_limits *lim, struct strbuf *rows,
                         struct strbuf *envelope, struct err *e)
{
    struct json_rows *r = json_rows_new("answer", lim, print_row, rows);
    const struct json *v = NULL;
    enum ec rc = EC_OK;

    for (size_t at = 0; at < n && !rc; at += step)
        rc = json_rows_feed(r, p + at, n - at < step ? n - at : step, e);
    if (!rc)
        rc = json_rows_end(r, &v, e);
    if (!rc && envelope)
        json_write(envelope, v);
    json_rows_free(r);
    return rc;
}

static void texts(void **state)
{
    static const struct {
        const char *name, *in;
        enum ec rc;
        const char *want; /* NULL = as given */
    } CASES[] = {
        { "null", "null", EC_OK, NULL },
        { "bom", "\xEF\xBB\xBF[1]", EC_OK, "[1]" },
        { "half a bom", "\xEF\xBB[1]", EC_FORMAT, NULL },
        { "two boms", "\xEF\xBB\xBF\xEF\xBB\xBF[1]", EC_FORMAT, NULL },
        { "only a bom", "\xEF\xBB\xBF", EC_FORMAT, NULL },
        { "empty", "", EC_FORMAT, NULL },
        { "blanks", "  \n", EC_FORMAT, NULL },
        { "html", "<!DOCTYPE html><html></html>", EC_FORMAT, NULL },
        { "long decimal", "[12345678901234567.10]", EC_OK, NULL },
        { "huge numbers", "[1E400,-0,0.0,1e-999,123456789012345678901234567890]", EC_OK, NULL },
        { "escapes", "\"\\u0041\\/\\b\\f\\n\\r\\t\\\"\\\\\"", EC_OK, "\"A/\\b\\f\\n\\r\\t\\\"\\\\\"" },
        { "NUL in a text", "\"a\\u0000b\"", EC_OK, NULL },
        { "control out", "\"\\u001f\"", EC_OK, NULL },
        { "control in", "\"a\nb\"", EC_FORMAT, NULL },
        { "surrogate pair", "\"\\uD83D\\uDE00\"", EC_OK, "\"\xF0\x9F\x98\x80\"" },
        { "lone high", "\"\\uD83D\"", EC_FORMAT, NULL },
        { "lone high, then text", "\"\\uD83Dx\"", EC_FORMAT, NULL },
        { "lone high, then escape", "\"\\uD83D\\n\"", EC_FORMAT, NULL },
        { "high, then another escape", "\"\\uD83D\\u0041\"", EC_FORMAT, NULL },
        { "two highs", "\"\\uD83D\\uD83D\\uDE00\"", EC_FORMAT, NULL },
        { "lone low", "\"\\uDE00\"", EC_FORMAT, NULL },
        { "lone in a name", "{\"\\uD83D\":1}", EC_FORMAT, NULL },
        { "escaped backslash before u", "\"\\\\uD83D\"", EC_OK, NULL },
        { "overlong", "\"\xC0\xAF\"", EC_FORMAT, NULL },
        { "raw surrogate", "\"\xED\xA0\x80\"", EC_FORMAT, NULL },
        { "overlong in a name", "{\"\xC0\xAF\":1}", EC_FORMAT, NULL },
        { "duplicate", "{\"a\":1,\"a\":2}", EC_FORMAT, NULL },
        { "duplicate by escape", "{\"a\":1,\"\\u0061\":2}", EC_FORMAT, NULL },
        { "case differs", "{\"a\":1,\"A\":2}", EC_OK, NULL },
        { "same name elsewhere", "{\"a\":{\"a\":1},\"b\":{\"a\":2}}", EC_OK, NULL },
        { "order kept", "{\"z\":1,\"a\":[true,false,null,\"\"],\"\":{}}", EC_OK, NULL },
        { "garbage behind", "[] x", EC_FORMAT, NULL },
        { "second text", "{}{}", EC_FORMAT, NULL },
        { "comment", "[1/* */]", EC_FORMAT, NULL },
        { "cut off", "{\"a\":[1,2", EC_FORMAT, NULL },
        { "leading zero", "[01]", EC_FORMAT, NULL },
        { "plus", "[+1]", EC_FORMAT, NULL },
        { "point without digits", "[1.]", EC_FORMAT, NULL },
        { "NaN", "[NaN]", EC_FORMAT, NULL },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        const char *in = CASES[i].in;
        size_t n = strlen(in);

        for (size_t step = 0; step <= n; step++) { /* 0: whole; every split must read the same */
            struct strbuf out = { 0 }, rows = { 0 };
            struct err e = { 0 };
            enum ec rc = step ? read_rows(in, n, step, NULL, &rows, &out, &e) : read_whole(in, n, NULL, &out, &e);

            CHECK(rc == CASES[i].rc, "%s, %zu at a time: %s", CASES[i].name, step, e.msg);
            CHECK(rc == e.code, "%s: code", CASES[i].name);
            if (!rc)
                CHECK_STR(strbuf_str(&out), CASES[i].want ? CASES[i].want : in, "%s, %zu at a time", CASES[i].name,
                          step);
            strbuf_release(&out);
            strbuf_release(&rows);
        }
    }
}

static void rows(void **state)
{
    static const struct {
        const char *name, *in, *rows, *envelope;
    } CASES[] = {
        { "a page",
          "{\"@odata.context\":\"x\",\"value\":[{\"a\":1,\"b\":[{\"c\":{}}]},{\"a\":2}],\"@odata.nextLink\":\"n\"}",
          "{\"a\":1,\"b\":[{\"c\":{}}]} {\"a\":2}",
          "{\"@odata.context\":\"x\",\"value\":[],\"@odata.nextLink\":\"n\"}" },
        { "no rows", "{\"value\":[]}", "", "{\"value\":[]}" },
        { "value is a text", "{\"value\":\"https://x\"}", "", "{\"value\":\"https://x\"}" },
        { "value is an object", "{\"value\":{\"value\":[1,2]}}", "", "{\"value\":{\"value\":[1,2]}}" },
        { "value deeper down", "{\"error\":{\"value\":[1]},\"list\":[{\"value\":[2]}]}", "",
          "{\"error\":{\"value\":[1]},\"list\":[{\"value\":[2]}]}" },
        { "rows that are no objects", "{\"value\":[1,\"x\",null,[2,[3]],true]}", "1 \"x\" null [2,[3]] true",
          "{\"value\":[]}" },
        { "an array on top", "[{\"value\":[1]}]", "", "[{\"value\":[1]}]" },
        { "rows with value", "{\"value\":[{\"value\":[{\"value\":[7]}]}]}", "{\"value\":[{\"value\":[7]}]}",
          "{\"value\":[]}" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        for (size_t step = 1; step <= strlen(CASES[i].in); step++) {
            struct strbuf out = { 0 }, env = { 0 };
            struct err e = { 0 };

            CHECK_OK(read_rows(CASES[i].in, strlen(CASES[i].in), step, NULL, &out, &env, &e), &e);
            CHECK_STR(strbuf_str(&out), CASES[i].rows, "%s, %zu at a time", CASES[i].name, step);
            CHECK_STR(strbuf_str(&env), CASES[i].envelope, "%s, %zu at a time", CASES[i].name, step);
            strbuf_release(&out);
            strbuf_release(&env);
        }
    }
}

static enum ec refuse_second(void *arg, const struct json *row, struct err *reterr)
{
    int *n = arg;

    (void)row;
    return ++*n == 2 ? err_set(reterr, EC_GUARD, "second row") : EC_OK;
}

static void row_refused(void **state)
{
    static const char TEXT[] = "{\"value\":[1,2,3]}";
    const struct json *env;
    struct json_rows *r;
    struct err e = { 0 };
    int n = 0;

    (void)state;
    r = json_rows_new("answer", NULL, refuse_second, &n);
    CHECK(json_rows_feed(r, TEXT, sizeof(TEXT) - 1, &e) == EC_GUARD, "the callback's code");
    CHECK_STR(e.msg, "second row", "the callback's text");
    CHECK(n == 2, "stopped at once");
    CHECK(json_rows_feed(r, "1", 1, &e) == EC_GUARD, "the first failure sticks");
    CHECK(json_rows_end(r, &env, NULL) == EC_GUARD, "to the end");
    json_rows_free(r);

    n = 0;
    r = json_rows_new("answer", NULL, refuse_second, &n);
    CHECK(json_rows_feed(r, "{\"value\":[1", 11, &e) == EC_OK, "unfinished");
    CHECK(json_rows_end(r, &env, &e) == EC_FORMAT, "a cut-off answer is never complete");
    json_rows_free(r);
    json_rows_free(NULL);
}

static void limits(void **state)
{
    struct strbuf s = { 0 };
    struct err e = { 0 };

    (void)state;
    for (int depth = 63; depth <= 66; depth++) {
        strbuf_reset(&s);
        for (int i = 0; i < depth; i++)
            strbuf_adds(&s, i % 2 ? "[" : "{\"a\":");
        strbuf_addc(&s, '1');
        for (int i = depth; i-- > 0;)
            strbuf_addc(&s, i % 2 ? ']' : '}');
        CHECK(read_whole(s.buf, s.len, NULL, NULL, &e) == (depth <= 64 ? EC_OK : EC_LIMIT), "depth %d: %s", depth,
              e.msg);
        CHECK(read_rows(s.buf, s.len, 1, NULL, NULL, NULL, &e) == (depth <= 64 ? EC_OK : EC_LIMIT), "depth %d",
              depth);
    }
    CHECK(read_whole("[1234]", 6, &(struct json_limits){ .octets = 6 }, NULL, &e) == EC_OK, "just enough octets");
    CHECK(read_whole("[1234]", 6, &(struct json_limits){ .octets = 5 }, NULL, &e) == EC_LIMIT, "too many octets");
    CHECK(read_rows("[1234]", 6, 1, &(struct json_limits){ .octets = 5 }, NULL, NULL, &e) == EC_LIMIT, "in pieces");
    for (size_t step = 1; step < 12; step++) { /* yajl would buffer a token that comes in pieces without bound */
        static const struct {
            const char *in;
            enum ec rc;
        } TOKENS[] = { { "\"1234567\"", EC_OK },       { "\"12345678\"", EC_OK },
                       { "\"123456789\"", EC_LIMIT },  { "[12345678]", EC_OK },
                       { "[123456789]", EC_LIMIT },    { "\"1234\\u0041\"", EC_LIMIT },
                       { "[1234567,1234567]", EC_OK }, { "{\"123456789\":1}", EC_LIMIT } };

        for (size_t i = 0; i < COUNT(TOKENS); i++)
            CHECK(read_rows(TOKENS[i].in, strlen(TOKENS[i].in), step, &(struct json_limits){ .token = 8 }, NULL, NULL,
                            &e) == TOKENS[i].rc,
                  "%s, %zu at a time", TOKENS[i].in, step);
    }
    strbuf_release(&s);
}

/* Many members, found again by hash; the duplicate is seen wherever it stands. */
static void many_members(void **state)
{
    enum { N = 5000 };
    struct strbuf s = { 0 };
    struct err e = { 0 };

    (void)state;
    for (int twice = -1; twice < N; twice += 7) {
        if (twice > 40 && twice < N - 40 && twice % 500 > 6)
            continue; /* a sample from the middle is enough */
        strbuf_reset(&s);
        strbuf_addc(&s, '{');
        for (int i = 0; i < N; i++)
            strbuf_addf(&s, "\"member %d\":{\"x\":%d},", i, i);
        strbuf_addf(&s, "\"member %d\":0}", twice < 0 ? N : twice);
        CHECK(read_whole(s.buf, s.len, NULL, NULL, &e) == (twice < 0 ? EC_OK : EC_FORMAT), "member %d twice: %s",
              twice, e.msg);
    }
    strbuf_release(&s);
}

static void errors_tell_where(void **state)
{
    struct err e = { 0 };

    (void)state;
    CHECK(read_whole("[1,2,x]", 7, NULL, NULL, &e) == EC_FORMAT, "refused");
    CHECK(strstr(e.msg, "octet 5") || strstr(e.msg, "octet 6"), "%s", e.msg);
    CHECK(strstr(e.msg, "text:"), "named: %s", e.msg);
    CHECK(read_whole("{\"client_secret\":\"hunter2\" x}", 29, NULL, NULL, &e) == EC_FORMAT, "refused");
    CHECK(!strstr(e.msg, "hunter2") && !strchr(e.msg, '\n'), "no excerpt of the text: %s", e.msg);
    CHECK(read_rows("[\"0123456789\",\"\\uDE00\"]", 23, 4, NULL, NULL, NULL, &e) == EC_FORMAT, "refused");
    CHECK(strstr(e.msg, "octet 2"), "twenty-something: %s", e.msg);
}

static void access_members(void **state)
{
    static const char TEXT[] = "{\"Name\":\"x\",\"n\":12,\"d\":1.50,\"t\":true,\"f\":false,\"z\":null,\"a\":[1,2,3],"
                               "\"o\":{\"k\":\"v\"},\"e\":\"\",\"s\":\"9007199254740993\",\"T\":\"True\"}";
    struct arena a = { 0 };
    struct json *v = NULL;
    struct strbuf s = { 0 };
    struct err e = { 0 };

    (void)state;
    CHECK_OK(json_parse("text", TEXT, sizeof(TEXT) - 1, NULL, &a, &v, &e), &e);
    CHECK_CELL(json_member(v, "Name"), "x", "text");
    CHECK_CELL(json_member(v, "name"), NULL, "exact case");
    CHECK_CELL(json_text(json_iget(v, "NAME")), "x", "any case");
    CHECK_CELL(json_member(v, "d"), "1.50", "verbatim");
    CHECK_CELL(json_member(v, "t"), "true", "word");
    CHECK_CELL(json_member(v, "z"), NULL, "null is absent");
    CHECK_CELL(json_member(v, "e"), "", "empty is empty");
    CHECK_CELL(json_member(v, "a"), NULL, "an array has no text");
    CHECK_CELL(json_member(v, "nothing"), NULL, "missing");
    CHECK_CELL(json_member(NULL, "x"), NULL, "no object");
    CHECK_CELL(json_member(json_get(v, "a"), "x"), NULL, "an array has no members");
    CHECK(json_get(v, "a")->n == 3, "elements");
    CHECK_CELL(json_text(json_at(json_get(v, "a"), 2)), "3", "third");
    CHECK(!json_at(json_get(v, "a"), 3) && !json_at(v, 0), "beyond the end, not an array");
    CHECK(json_i64(json_get(v, "n"), -1) == 12 && json_i64(json_get(v, "d"), -1) == -1, "whole numbers only");
    CHECK(json_i64(json_get(v, "s"), -1) == 9007199254740993, "a number in quotes, beyond a double");
    CHECK(json_i64(NULL, 5) == 5, "missing number");
    CHECK(json_bool(json_get(v, "t"), false) && !json_bool(json_get(v, "f"), true), "booleans");
    CHECK(json_bool(json_get(v, "T"), false), "as a word");
    CHECK(json_bool(json_get(v, "n"), true) && json_bool(NULL, true), "anything else is the other");

    json_set(&a, v, "n", json_new(&a, JSON_STRING, CELL_LIT("twelve")));
    json_set(&a, v, "new", json_new(&a, JSON_NUMBER, CELL_LIT("1e5")));
    json_set(&a, v, "T", json_new(&a, JSON_NULL, CELL_ABSENT));
    json_write(&s, v);
    CHECK_STR(strbuf_str(&s),
              "{\"Name\":\"x\",\"n\":\"twelve\",\"d\":1.50,\"t\":true,\"f\":false,\"z\":null,\"a\":[1,2,3],"
              "\"o\":{\"k\":\"v\"},\"e\":\"\",\"s\":\"9007199254740993\",\"T\":null,\"new\":1e5}",
              "replaced in place, appended");
    CHECK(v->n == 12 && cell_is(v->last->name, "new"), "counted");
    strbuf_reset(&s);
    json_write_pretty(&s, json_get(v, "o"));
    CHECK_STR(strbuf_str(&s), "{\n  \"k\": \"v\"\n}\n", "pretty");
    strbuf_reset(&s);
    json_write_pretty(&s, json_get(v, "a"));
    CHECK_STR(strbuf_str(&s), "[\n  1,\n  2,\n  3\n]\n", "pretty");
    strbuf_reset(&s);
    json_write_pretty(&s, json_new(&a, JSON_OBJECT, CELL_ABSENT));
    CHECK_STR(strbuf_str(&s), "{}\n", "pretty, empty");
    strbuf_release(&s);
    arena_release(&a);
}

static void set_last_then_append(void **state)
{
    struct arena a = { 0 };
    struct json *o = json_new(&a, JSON_OBJECT, CELL_ABSENT);
    struct strbuf s = { 0 };

    (void)state;
    json_set(&a, o, "a", json_new(&a, JSON_TRUE, CELL_ABSENT));
    json_set(&a, o, "a", json_new(&a, JSON_FALSE, CELL_ABSENT)); /* first and last at once */
    json_set(&a, o, "b", json_new(&a, JSON_NULL, CELL_ABSENT));
    json_write(&s, o);
    CHECK_STR(strbuf_str(&s), "{\"a\":false,\"b\":null}", "list intact");
    strbuf_release(&s);
    arena_release(&a);
}

static void writer(void **state)
{
    struct strbuf s = { 0 };
    struct jsonw w = { .out = &s };

    (void)state;
    jw_begin(&w, '{');
    jw_pstr(&w, "a\"b", CELL_LIT("x\\y\n\x01\xC3\xA9/"));
    jw_pstr(&w, "absent", CELL_ABSENT);
    jw_pstr(&w, "empty", CELL_LIT(""));
    jw_ps(&w, "null", NULL);
    jw_pi64(&w, "min", INT64_MIN);
    jw_pbool(&w, "t", true);
    jw_name(&w, "list");
    jw_begin(&w, '[');
    jw_begin(&w, '{');
    jw_end(&w, '}');
    jw_begin(&w, '[');
    jw_end(&w, ']');
    jw_raw(&w, CELL_LIT("1.50"));
    jw_null(&w);
    jw_bool(&w, false);
    jw_str(&w, (struct cell){ "a\0b", 3 });
    jw_end(&w, ']');
    jw_namec(&w, CELL_LIT("tail"));
    jw_i64(&w, -7);
    jw_end(&w, '}');
    CHECK_STR(strbuf_str(&s),
              "{\"a\\\"b\":\"x\\\\y\\n\\u0001\xC3\xA9/\",\"absent\":null,\"empty\":\"\",\"null\":null,"
              "\"min\":-9223372036854775808,\"t\":true,\"list\":[{},[],1.50,null,false,\"a\\u0000b\"],\"tail\":-7}",
              "commas and escapes");
    CHECK(read_whole(s.buf, s.len, NULL, NULL, NULL) == EC_OK, "what is written can be read");
    strbuf_release(&s);
}

/* The JSON test suite's samples: y_ must be read, n_ refused, i_ either, and every way of feeding agrees. */
static void samples(void **state)
{
    const char *root = getenv("DMFSYNC_SAMPLES");
    struct strbuf path = { 0 }, text = { 0 };
    struct dirent *d;
    size_t seen = 0;
    DIR *dir;

    (void)state;
    if (!root)
        skip();
    strbuf_addf(&path, "%s/json", root);
    dir = opendir(strbuf_str(&path));
    CHECK(dir, "%s", strbuf_str(&path));
    while ((d = readdir(dir))) {
        struct strbuf whole = { 0 }, pieces = { 0 };
        struct err e = { 0 };
        clock_t from;
        enum ec a, b, c;

        if (d->d_name[1] != '_')
            continue;
        strbuf_reset(&path);
        strbuf_addf(&path, "%s/json/%s", root, d->d_name);
        strbuf_reset(&text);
        CHECK_OK(file_read(strbuf_str(&path), 1 << 20, &text, &e), &e);
        from = clock();
        a = read_whole(strbuf_str(&text), text.len, NULL, &whole, &e);
        CHECK((double)(clock() - from) / CLOCKS_PER_SEC < 5, "%s takes too long", d->d_name);
        b = read_rows(strbuf_str(&text), text.len, 1, NULL, NULL, &pieces, &e);
        c = read_rows(strbuf_str(&text), text.len, 7, NULL, NULL, NULL, &e);
        CHECK(!a == !b && !a == !c, "%s: whole %d, octets %d, sevens %d", d->d_name, a, b, c);
        /* The two that a reader may refuse by the standard, and this one does: which of the values would count? */
        if (!strncmp(d->d_name, "y_object_duplicated_key", 23))
            CHECK(a == EC_FORMAT, "%s must be refused", d->d_name);
        else
            CHECK(d->d_name[0] != 'y' || !a, "%s must be read: %s", d->d_name, e.msg);
        CHECK(d->d_name[0] != 'n' || a, "%s must be refused", d->d_name);
        if (!a) {
            struct strbuf again = { 0 };

            CHECK_STR(strbuf_str(&whole), strbuf_str(&pieces), "%s", d->d_name);
            CHECK(read_whole(whole.buf, whole.len, NULL, &again, NULL) == EC_OK, "%s read again", d->d_name);
            CHECK_STR(strbuf_str(&again), strbuf_str(&whole), "%s written again", d->d_name);
            strbuf_release(&again);
        }
        strbuf_release(&whole);
        strbuf_release(&pieces);
        seen++;
    }
    closedir(dir);
    CHECK(seen > 100, "only %zu samples", seen);
    strbuf_release(&path);
    strbuf_release(&text);
}

/*
 * Texts made to be slow or large: refused or read in time that grows with their size alone. The bound is processor time for
 * 4 MiB each, far above what any needs and far below what a square of the size would take.
 */
static void hostile_sizes(void **state)
{
    enum { SIZE = 4 << 20, SECONDS = 10 };
    static const struct {
        const char *name, *head, *unit, *tail;
        enum ec rc;
    } CASES[] = {
        { "open arrays", "", "[", "", EC_LIMIT },
        { "open objects", "", "{\"a\":", "", EC_LIMIT },
        { "one number", "[", "9", "]", EC_OK },
        { "one string", "[\"", "x", "\"]", EC_OK },
        { "escapes", "[\"", "\\\"\\n\\u0041", "\"]", EC_OK },
        { "pairs of surrogates", "[\"", "\\uD834\\uDD1E", "\"]", EC_OK },
        { "elements", "[0", ",0", "]", EC_OK },
        { "empty objects", "[{}", ",{}", "]", EC_OK },
        { "blanks", "[", " \n\t\r", "]", EC_OK },
        { "never closed", "[0", ",0", "", EC_FORMAT },
        { "commas", "[", ",", "]", EC_FORMAT },
    };

    (void)state;
    for (size_t k = 0; k < COUNT(CASES); k++) {
        struct strbuf s = { 0 };
        struct err e = { 0 };
        clock_t from;
        double took;
        enum ec rc;

        strbuf_adds(&s, CASES[k].head);
        while (s.len < SIZE)
            strbuf_adds(&s, CASES[k].unit);
        strbuf_adds(&s, CASES[k].tail);
        from = clock();
        rc = read_whole(s.buf, s.len, NULL, NULL, &e);
        took = (double)(clock() - from) / CLOCKS_PER_SEC;
        CHECK(rc == CASES[k].rc, "%s: %d %s", CASES[k].name, rc, e.msg);
        CHECK(took < SECONDS, "%s took %.1f s", CASES[k].name, took);
        strbuf_release(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hostile_sizes),
        cmocka_unit_test(texts),
        cmocka_unit_test(rows),
        cmocka_unit_test(row_refused),
        cmocka_unit_test(limits),
        cmocka_unit_test(many_members),
        cmocka_unit_test(errors_tell_where),
        cmocka_unit_test(access_members),
        cmocka_unit_test(set_last_then_append),
        cmocka_unit_test(writer),
        cmocka_unit_test(samples),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

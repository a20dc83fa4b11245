/* Dataverse client without a network: codes and classes, ids, slices, $batch texts. */
#include "dv/dv_parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void codes(void **state)
{
    static const struct {
        const char *text;
        bool ok;
        uint32_t code;
    } CASES[] = {
        { "0x80040217", true, 0x80040217 },
        { "0X80060891", true, 0x80060891 },
        { "0x8006088a", true, 0x8006088A },
        { "-2147220969", true, 0x80040217 },
        { "-2147015902", true, 0x80072322 },
        { "80040217", true, 0x80040217 },
        { "8004431a", true, 0x8004431A },
        { "", true, 0 },
        { "0x0", true, 0 },
        { " 0x80040237 ", true, 0x80040237 },
        { "2147746313", true, 0x80040209 },
        { "none", false, 0 },
        { "0x", false, 0 },
        { "-", false, 0 },
        { "0x1800402171", false, 0 },
        { "-99999999999", false, 0 },
        { "12a", false, 0 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        uint32_t code = 0;
        bool ok = dv_code(CASES[i].text, &code);

        if (ok != CASES[i].ok || (ok && code != CASES[i].code))
            fail_msg("'%s': got %d %08x, want %d %08x", CASES[i].text, ok, code, CASES[i].ok, CASES[i].code);
    }
}

static void classes(void **state)
{
    static const struct {
        int status;
        const char *code, *message;
        enum dv_fault want;
    } CASES[] = {
        { 204, "", "", DVF_NONE },
        { 429, "0x80072322", "Number of requests exceeded the limit of 6000 over time window of 300 seconds.",
          DVF_THROTTLE },
        { 429, "-2147015903", "", DVF_THROTTLE },
        { 429, "", "<html>busy</html>", DVF_THROTTLE },
        { 400, "0x80044331", "A validation error occurred.  The length of the 'subject' attribute ...", DVF_DATA },
        { 400, "0x80040265", "no blue customers", DVF_PLUGIN },
        { 400, "0x80040265", "entity key X requires that this set of attributes contains unique values",
          DVF_DUPLICATE },
        { 400, "0x80040265", "SecureConfig Organization (a) doesn't match actual CRM Organization (b)", DVF_CONFIG },
        { 404, "0x80040217", "contact With Id = 1 Does Not Exist", DVF_REFERENCE },
        { 404, "0x80060891", "", DVF_REFERENCE },
        { 412, "0x80060892", "", DVF_DUPLICATE },
        { 412, "0x80060882", "", DVF_CONFLICT },
        { 412, "", "A record with matching key values already exists.", DVF_DUPLICATE },
        { 412, "", "", DVF_CONFLICT },
        { 403, "0x80040220", "Principal user is missing prvCreateAccount", DVF_PERMISSION },
        { 403, "", "", DVF_PERMISSION },
        { 400, "0x80048d19", "Error identified in Payload provided by the user for Entity :'contacts'", DVF_CONFIG },
        { 400, "0x0", "Invalid property 'x' was found in entity", DVF_CONFIG },
        { 500, "0x80044150", "Generic SQL error. Sql ErrorCode: -2146232060 Sql Number: 1205", DVF_SQL },
        { 500, "0x80044150", "Sql Number: 2766", DVF_SQL },
        { 500, "0x80044150", "Sql Number: -2", DVF_SHRINK },
        { 500, "0x80044150", "Sql Number: 2627", DVF_DUPLICATE },
        { 500, "0x80040265", "plug-in: Sql Number: 1205 inside", DVF_SQL },
        { 500, "0x80044151", "", DVF_SHRINK },
        { 500, "-2147220970", "Message size exceeded when sending context to Sandbox", DVF_SHRINK },
        { 413, "", "<html></html>", DVF_SHRINK },
        { 400, "0x80040216", "An unexpected error occurred.", DVF_DATA },
        { 400, "0x80072325", "", DVF_STORAGE },
        { 400, "-2147204270", "", DVF_RESYNC },
        { 404, "0x8006088a", "Resource not found for the segment 'Microsoft.Dynamics.CRM.CreateMultiple'.",
          DVF_UNSUPPORTED },
        { 404, "0x8006088a", "Resource not found for the segment 'Account'.", DVF_CONFIG },
        { 400, "0x80040203", "DeleteMultiple has not yet been implemented.", DVF_UNSUPPORTED },
        { 503, "", "", DVF_BUSY },
        { 500, "0x8004A001", "", DVF_BUSY },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        enum dv_fault got = dv_classify(CASES[i].status, CASES[i].code, CASES[i].message);

        if (got != CASES[i].want)
            fail_msg("%d %s '%s': got %d, want %d", CASES[i].status, CASES[i].code, CASES[i].message, got,
                     CASES[i].want);
    }
}

static void ids(void **state)
{
    static const struct {
        const char *text;
        bool ok;
    } CASES[] = {
        { "0f9d1c52-3a51-4c7e-9a11-0d5e5a3c0001", true },    { "0F9D1C52-3A51-4C7E-9A11-0D5E5A3C0001", true },
        { "{0f9d1c52-3a51-4c7e-9a11-0d5e5a3c0001}", false }, { "0f9d1c523a514c7e9a110d5e5a3c0001", false },
        { "0f9d1c52-3a51-4c7e-9a11-0d5e5a3c000g", false },   { "", false },
        { "0f9d1c52-3a51-4c7e-9a11-0d5e5a3c000'", false },
    };
    char a[40], b[40], c[40];
    uint8_t bin[16];

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++)
        if (dv_guid(cell_of(CASES[i].text), bin) != CASES[i].ok)
            fail_msg("'%s' is %s", CASES[i].text, CASES[i].ok ? "an id" : "not an id");
    assert_false(dv_guid(CELL_ABSENT, bin));
    dv_new_id(a);
    dv_new_id(b);
    assert_string_not_equal(a, b);
    assert_int_equal(strlen(a), 36);
    assert_int_equal(a[14], '4');
    dv_id_from("org|account|usmf|C-1", 20, a);
    dv_id_from("org|account|usmf|C-1", 20, b);
    dv_id_from("org|account|usmf|C-2", 20, c);
    assert_string_equal(a, b);
    assert_string_not_equal(a, c);
    assert_int_equal(a[14], '8');
    assert_true(strchr("89ab", a[19]) != NULL);
    assert_true(dv_guid(cell_of(a), bin));
}

static void id_sets(void **state)
{
    struct id_set s = { 0 };
    uint8_t id[16] = { 0 };
    size_t n = 5000;

    (void)state;
    /* against a plain truth table; ids that differ in two octets only, so runs in the table are long */
    bool *truth = calloc(n, sizeof(*truth));

    srand(7);
    for (size_t round = 0; round < 60000; round++) {
        size_t k = (size_t)rand() % n;

        id[3] = (uint8_t)k;
        id[9] = (uint8_t)(k >> 8);
        assert_int_equal(id_set_has(&s, id), truth[k]);
        if (truth[k])
            id_set_drop(&s, id);
        else
            id_set_add(&s, id);
        truth[k] = !truth[k];
    }
    size_t left = 0;

    for (size_t k = 0; k < n; k++) {
        id[3] = (uint8_t)k;
        id[9] = (uint8_t)(k >> 8);
        assert_int_equal(id_set_has(&s, id), truth[k]);
        left += truth[k];
    }
    assert_int_equal(left, s.n);
    id_set_release(&s);
    free(truth);
}

static void queue(void **state)
{
    struct slice_queue q = { 0 };
    struct dv_bulk_row rows[3] = { { .tag = 1 }, { .tag = 2 }, { .tag = 3 } };
    struct slice *a = slice_new(rows, 3, true, HOW_MULTIPLE), *b = slice_part(a, 1, 2), *got;

    (void)state;
    assert_int_equal(slice_next_due(&q), -1);
    a->due_ms = 100;
    slice_push(&q, a);
    slice_push(&q, b);
    assert_int_equal(slice_next_due(&q), 0);
    got = slice_pop_due(&q, 50); /* not the first, but the first that is due */
    assert_ptr_equal(got, b);
    assert_int_equal(b->n, 2);
    assert_int_equal(b->rows[0].tag, 2);
    assert_null(slice_pop_due(&q, 50));
    slice_push(&q, b);
    assert_ptr_equal(slice_pop_due(&q, 100), a);
    assert_ptr_equal(slice_pop_due(&q, 100), b);
    assert_null(q.head);
    slice_free(a);
    slice_free(b);
}

static void named_rows(void **state)
{
    struct dv_bulk_row rows[3] = {
        { .id = "11111111-0000-0000-0000-000000000001", .body = CELL_LIT("\"name\":\"a\"") },
        { .id = "11111111-0000-0000-0000-000000000002",
          .body = CELL_LIT("\"x@odata.bind\":\"/xs(aaaaaaaa-0000-0000-0000-00000000000a)\"") },
        { .id = "11111111-0000-0000-0000-000000000003", .body = CELL_LIT("") },
    };
    struct slice *s = slice_new(rows, 3, false, HOW_MULTIPLE);
    bool m[3];

    (void)state;
    assert_int_equal(slice_named_rows(s, "x With Id = AAAAAAAA-0000-0000-0000-00000000000A Does Not Exist", m), 1);
    assert_true(!m[0] && m[1] && !m[2]);
    assert_int_equal(
        slice_named_rows(s,
                         "account With Ids = 11111111-0000-0000-0000-000000000001,11111111-0000-0000-0000-"
                         "000000000003 Do Not Exist",
                         m),
        2);
    assert_true(m[0] && !m[1] && m[2]);
    assert_int_equal(slice_named_rows(s, "no ids here", m), 0);
    slice_free(s);
}

static void sizes(void **state)
{
    static const struct {
        int now;
        size_t sent;
        int64_t ms;
        int want;
    } CASES[] = {
        { 100, 100, 500, 150 },    { 150, 150, 2999, 225 }, { 100, 100, 3000, 100 },  { 100, 40, 100, 100 },
        { 900, 900, 100, 1000 },   { 1000, 1000, 1, 1000 }, { 400, 400, 12000, 400 }, { 400, 400, 20000, 200 },
        { 400, 400, 1000000, 10 }, { 50, 400, 20000, 50 },  { 10, 10, 240000, 10 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        int got = dv_batch_size(CASES[i].now, CASES[i].sent, CASES[i].ms);

        if (got != CASES[i].want)
            fail_msg("%d, %zu rows in %lld ms: got %d, want %d", CASES[i].now, CASES[i].sent, (long long)CASES[i].ms,
                     got, CASES[i].want);
    }
}

static void in_urls(void **state)
{
    struct dv_table t = { .logical = CELL_LIT("account"), .set = CELL_LIT("accounts"), .pk = CELL_LIT("accountid") };
    struct cell v[4] = { CELL_LIT("C-1"), CELL_ABSENT, CELL_LIT("a\"b&c/d+e'#%\\"), CELL_LIT("M\xc3\xbcller") };
    struct strbuf url = { 0 };
    size_t asked = 0;

    (void)state;
    assert_int_equal(dv_in_url(&t, CELL_LIT("accountnumber"), v, 4, CELL_LIT("_msdyn_company_value"),
                               CELL_LIT("0f9d1c52-3a51-4c7e-9a11-0d5e5a3c0001"), "accountnumber,name", &url, &asked),
                     4);
    assert_int_equal(asked, 3);
    assert_string_equal(
        strbuf_str(&url),
        "/api/data/v9.2/accounts?$select=accountid,accountnumber,name&$filter=Microsoft.Dynamics.CRM.In("
        "PropertyName=@p1,PropertyValues=@p2)%20and%20_msdyn_company_value%20eq%20"
        "0f9d1c52-3a51-4c7e-9a11-0d5e5a3c0001&@p1='accountnumber'&@p2=%5B%22C-1%22%2C%22a%5C%22b%26c%2Fd"
        "%2Be%27%23%25%5C%5C%22%2C%22M%C3%BCller%22%5D");
    /* the primary key is not asked for twice, and no select is no reason for a stray comma */
    dv_in_url(&t, CELL_LIT("name"), v, 1, CELL_ABSENT, CELL_ABSENT, "name,accountid", &url, &asked);
    assert_non_null(strstr(strbuf_str(&url), "$select=name,accountid&"));
    dv_in_url(&t, CELL_LIT("name"), v, 1, CELL_ABSENT, CELL_ABSENT, NULL, &url, &asked);
    assert_non_null(strstr(strbuf_str(&url), "$select=accountid&"));

    /* many values: slices under the limit, none left out */
    struct cell *many = calloc(5000, sizeof(*many));
    size_t total = 0;

    for (size_t i = 0; i < 5000; i++)
        many[i] = CELL_LIT("K\xc3\xb6ln 0123456789 \"x\"");
    for (size_t i = 0; i < 5000;) {
        size_t n =
            dv_in_url(&t, CELL_LIT("name"), many + i, 5000 - i, CELL_ABSENT, CELL_ABSENT, "name", &url, &asked);

        assert_true(n > 100 && url.len <= DV_URL_MAX);
        i += n;
        total += asked;
    }
    assert_int_equal(total, 5000);
    many[0] = (struct cell){ calloc(1, 20000), 20000 };
    memset((char *)many[0].ptr, '"', 20000);
    assert_int_equal(dv_in_url(&t, CELL_LIT("name"), many, 1, CELL_ABSENT, CELL_ABSENT, "name", &url, &asked), 0);
    free((char *)many[0].ptr);
    free(many);
    strbuf_release(&url);
}

/* The body in pieces of so many octets, twice: it can be read again from its beginning. */
static void read_targets(const struct dv_table *t, const struct dv_bulk_row *rows, size_t n, size_t piece,
                         struct strbuf *out)
{
    struct strbuf head = { 0 };
    struct dv_multiple m;
    char p[1000];

    dv_multiple_head(&head, t);
    dv_multiple_begin(&m, (struct cell){ head.buf, head.len }, rows, n);
    for (int round = 0; round < 2; round++) {
        size_t got;

        strbuf_reset(out);
        while ((got = dv_multiple_read(&m, out->len, p, piece)))
            strbuf_add(out, p, got);
        assert_int_equal(out->len, m.len);
    }
    strbuf_release(&head);
}

static void bodies(void **state)
{
    struct dv d = { 0 };
    struct dv_table t = { .logical = CELL_LIT("account"), .set = CELL_LIT("accounts"), .pk = CELL_LIT("accountid") };
    struct dv_bulk_row rows[2] = {
        { .create = true, .id = "11111111-0000-0000-0000-000000000001", .body = CELL_LIT("\"name\":\"a\"") },
        { .id = "11111111-0000-0000-0000-000000000002" }
    };
    struct strbuf out = { 0 }, again = { 0 };

    (void)state;
    read_targets(&t, rows, 2, 7, &out);
    read_targets(&t, rows, 2, 1000, &again);
    assert_string_equal(strbuf_str(&out), strbuf_str(&again));
    strbuf_release(&again);
    assert_string_equal(
        strbuf_str(&out),
        "{\"Targets\":[{\"@odata.type\":\"Microsoft.Dynamics.CRM.account\",\"accountid\":"
        "\"11111111-0000-0000-0000-000000000001\",\"name\":\"a\"},{\"@odata.type\":"
        "\"Microsoft.Dynamics.CRM.account\",\"accountid\":\"11111111-0000-0000-0000-000000000002\"}]}");
    strbuf_reset(&out);
    strbuf_adds(&d.tag, "tag=Dual%20Write");
    d.write_headers[0] = (struct http_header){ "MSCRM.SuppressCallbackRegistrationExpanderJob", "true" };
    d.n_write_headers = 1;
    dv_batch_body(&d, &out, "b1", &t, rows, 2);
    assert_string_equal(
        strbuf_str(&out),
        "--b1\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: 1\r\n\r\n"
        "POST /api/data/v9.2/accounts?tag=Dual%20Write HTTP/1.1\r\nAccept: application/json\r\n"
        "OData-MaxVersion: 4.0\r\nOData-Version: 4.0\r\n"
        "MSCRM.SuppressCallbackRegistrationExpanderJob: true\r\n"
        "Prefer: odata.include-annotations=\"*\"\r\n"
        "Content-Type: application/json; type=entry\r\n\r\n"
        "{\"accountid\":\"11111111-0000-0000-0000-000000000001\",\"name\":\"a\"}\r\n"
        "--b1\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: 2\r\n\r\n"
        "PATCH /api/data/v9.2/accounts(11111111-0000-0000-0000-000000000002)?tag=Dual%20Write HTTP/1.1\r\n"
        "Accept: application/json\r\nOData-MaxVersion: 4.0\r\nOData-Version: 4.0\r\n"
        "MSCRM.SuppressCallbackRegistrationExpanderJob: true\r\n"
        "Prefer: odata.include-annotations=\"*\"\r\nIf-Match: *\r\n"
        "Content-Type: application/json; type=entry\r\n\r\n{}\r\n"
        "--b1--\r\n\r\n");
    strbuf_release(&out);
    strbuf_release(&d.tag);
}

static void get_parts(void **state)
{
    struct strbuf out = { 0 };

    (void)state;
    dv_batch_op(&out, "b", "GET", "/api/data/v9.2/accounts?$top=1", NULL, 0, 7, CELL_ABSENT);
    /* two empty lines: one ends the headers, one is the body */
    assert_non_null(strstr(strbuf_str(&out), "OData-Version: 4.0\r\n\r\n\r\n"));
    strbuf_release(&out);
}

static void boundaries(void **state)
{
    static const struct {
        const char *type, *want;
    } CASES[] = {
        { "multipart/mixed; boundary=batchresponse_5d6e", "batchresponse_5d6e" },
        { "multipart/mixed; boundary=\"a b\"; x=y", "a b" },
        { "Multipart/Mixed;charset=utf-8; BOUNDARY = x ", "x" },
        { "application/json; boundary=x", NULL },
        { "multipart/mixed", NULL },
        { "multipart/mixed; boundary=", NULL },
        { "multipart/mixed; boundary=\"x", NULL },
        { NULL, NULL },
    };
    struct arena a = { 0 };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        const char *got = dv_batch_boundary_of(CASES[i].type, &a);

        if ((got == NULL) != (CASES[i].want == NULL) || (got && strcmp(got, CASES[i].want)))
            fail_msg("%s: got %s", CASES[i].type, got ? got : "none");
    }
    arena_release(&a);
}

/* "204#1 404#-1{"error"...} ..." */
static void show(struct strbuf *out, const struct dv_batch_part *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        strbuf_addf(out, "%d#%ld/%lld{%.*s} ", p[i].status, p[i].content_id, (long long)p[i].retry_after_ms,
                    (int)p[i].body.len, p[i].body.ptr);
}

#define OP "Content-Type: application/http\nContent-Transfer-Encoding: binary\n"

static void answers(void **state)
{
    static const struct {
        const char *name, *text, *want;
        bool complete;
    } CASES[] = {
        { "two operations",
          "--x\n" OP "Content-ID: 1\n\nHTTP/1.1 204 No Content\nOData-Version: 4.0\n\n\n"
          "--x\n" OP "Content-ID: 2\n\nHTTP/1.1 404 Not Found\nREQ_ID: 4\nRetry-After: 3\n\n{\"error\":1}\n--x--\n",
          "204#1/-1{} 404#2/3000{{\"error\":1}} ", true },
        { "a changeset's answer, and what follows it",
          "--x\nContent-Type: multipart/mixed; boundary=c\n\n--c\n" OP
          "content-id: 5\n\nHTTP/1.1 204 No Content\n\n\n--c--\n"
          "--x\n" OP "\nHTTP/1.1 200 OK\n\n{}\n--x--\n",
          "204#5/-1{} 200#-1/-1{{}} ", true },
        { "text before, blanks behind the boundary, no line end at the end",
          "hello\n--x  \n" OP "\nHTTP/1.1 204 N\n\n--x--", "204#-1/-1{} ", true },
        { "cut in the body", "--x\n" OP "\nHTTP/1.1 400 Bad\n\n{\"err", "400#-1/-1{{\"err} ", false },
        { "cut in the status line", "--x\n" OP "\nHTTP/1.1 204 N\n\n--x\n" OP "\nHTTP/1.1 2", "204#-1/-1{} ", false },
        { "a longer boundary is not ours", "--x\n" OP "\nHTTP/1.1 200 OK\n\nabc\n--xy\nstill\n--x--\n",
          "200#-1/-1{abc\n--xy\nstill} ", true },
        { "a boundary inside a line is text", "--x\n" OP "\nHTTP/1.1 200 OK\n\na --x-- b\n--x--\n",
          "200#-1/-1{a --x-- b} ", true },
        { "no reason phrase", "--x\n" OP "\nHTTP/1.1 204 \n\n--x--\n", "204#-1/-1{} ", true },
        { "a part that is no answer", "--x\n\nnothing\n--x\n" OP "\nHTTP/1.1 201 Created\n\n\n--x--\n",
          "201#-1/-1{} ", true },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++)
        for (int crlf = 0; crlf < 2; crlf++) {
            struct strbuf text = { 0 }, got = { 0 };
            struct arena a = { 0 };
            struct dv_batch_part *p = NULL;
            struct err e = { 0 };
            size_t n = 0;
            bool complete = false;

            for (const char *c = CASES[i].text; *c; c++) {
                if (*c == '\n' && crlf)
                    strbuf_addc(&text, '\r');
                strbuf_addc(&text, *c);
            }
            /* the parser gets memory of the exact size: reading past it is seen by the sanitizer */
            char *exact = malloc(text.len);

            memcpy(exact, text.buf, text.len);
            if (dv_batch_parse("x", exact, text.len, 10, &a, &p, &n, &complete, &e))
                fail_msg("%s: %s", CASES[i].name, e.msg);
            for (size_t k = 0; k < n; k++)
                if (memchr(p[k].body.ptr, '\r', p[k].body.len) && i != 5)
                    fail_msg("%s: CR left in a body", CASES[i].name);
            show(&got, p, n);
            if (i != 5 || !crlf)
                if (strcmp(strbuf_str(&got), CASES[i].want))
                    fail_msg("%s: got %s, want %s", CASES[i].name, strbuf_str(&got), CASES[i].want);
            assert_int_equal(complete, CASES[i].complete);
            free(exact);
            strbuf_release(&text);
            strbuf_release(&got);
            arena_release(&a);
        }
}

static void bad_answers(void **state)
{
    static const char *const CASES[] = {
        "", "{\"error\":{}}", "--x--", "--x\n", "--y\nHTTP/1.1 200 OK\n\n--y--", "--x\n" OP "\nHTTP/9 abc\n\n--x--"
    };
    struct dv_batch_part *p = NULL;
    struct arena a = { 0 };
    struct err e = { 0 };
    size_t n = 0;
    bool complete = false;

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++)
        if (dv_batch_parse("x", CASES[i], strlen(CASES[i]), 10, &a, &p, &n, &complete, &e) != EC_FORMAT)
            fail_msg("'%s' was read", CASES[i]);
    assert_null(p);
    assert_int_equal(dv_batch_parse("x", "--x\n" OP "\nHTTP/1.1 200 OK\n\n--x\n" OP "\nHTTP/1.1 200 OK\n\n--x--", 0,
                                    10, &a, &p, &n, &complete, &e),
                     EC_FORMAT);
    const char *two = "--x\n" OP "\nHTTP/1.1 200 OK\n\n\n--x\n" OP "\nHTTP/1.1 200 OK\n\n\n--x--";

    assert_int_equal(dv_batch_parse("x", two, strlen(two), 1, &a, &p, &n, &complete, &e), EC_LIMIT);
    assert_int_equal(dv_batch_parse("x", two, strlen(two), 2, &a, &p, &n, &complete, &e), EC_OK);
    arena_release(&a);
}

static void created_ids(void **state)
{
    struct dv_bulk_row rows[2] = { { .id = "11111111-0000-0000-0000-000000000001" },
                                   { .id = "11111111-0000-0000-0000-00000000000a" } };
    static const struct {
        const char *body;
        size_t want;
    } CASES[] = {
        { "{\"Ids\":[\"11111111-0000-0000-0000-000000000001\",\"11111111-0000-0000-0000-00000000000A\"]}", 2 },
        { "{\"Ids\":[\"11111111-0000-0000-0000-000000000001\",\"11111111-0000-0000-0000-00000000000b\"]}", 1 },
        { "{\"Ids\":[]}", 0 },
        { "{\"other\":1}", 2 },
        { "", 2 },
        { "{", 2 },
    };
    struct http_response r;

    (void)state;
    http_response_init(&r);
    for (size_t i = 0; i < COUNT(CASES); i++) {
        strbuf_reset(&r.body);
        strbuf_adds(&r.body, CASES[i].body);
        assert_int_equal(dv_multiple_check_ids(&r, rows, 2), CASES[i].want);
    }
    http_response_release(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes),       cmocka_unit_test(classes), cmocka_unit_test(ids),
        cmocka_unit_test(id_sets),     cmocka_unit_test(queue),   cmocka_unit_test(named_rows),
        cmocka_unit_test(in_urls),     cmocka_unit_test(bodies),  cmocka_unit_test(get_parts),
        cmocka_unit_test(boundaries),  cmocka_unit_test(answers), cmocka_unit_test(bad_answers),
        cmocka_unit_test(created_ids), cmocka_unit_test(sizes),
    };

    return cmocka_run_group_tests_name("dv", tests, NULL, NULL);
}

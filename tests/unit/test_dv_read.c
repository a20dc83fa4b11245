/* Reads, change tracking, single writes and metadata against canned answers. */
#include "dv_fake.h"

#include "dv/dv.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define ID1 "11111111-0000-4000-8000-000000000001"
#define ID2 "11111111-0000-4000-8000-000000000002"
#define ID3 "11111111-0000-4000-8000-000000000003"
#define CTX "\"@odata.context\":\"https://x/$metadata#accounts\""
#define API "/api/data/v9.2/"

struct bench {
    struct fake f;
    struct http *http;
    struct dv *d;
};

static struct bench *bench_new(const struct canned *c, size_t n, const char *bypass, int page_rows)
{
    char url[60];
    struct auth_config user = { .tenant = "t", .client_id = "c", .secret = "s" };
    struct bench *b = xcalloc(1, sizeof(*b));
    struct http_config hc = { .user_agent = "test" };
    struct dv_config dc = {
        .users = &user, .n_users = 1, .tag = "Dual&Write", .bypass = bypass, .page_rows = page_rows
    };

    fake_start(&b->f);
    b->f.canned = c;
    b->f.n_canned = n;
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/", b->f.l.port);
    user.authority = user.resource = url;
    dc.url = url;
    assert_int_equal(http_new(&hc, &b->http, NULL), EC_OK);
    assert_int_equal(dv_open(&dc, b->http, &b->d, NULL), EC_OK);
    return b;
}

static void bench_free(struct bench *b)
{
    assert_int_equal(b->f.at_canned, b->f.n_canned); /* every answer was asked for */
    dv_close(b->d);
    http_free(b->http);
    fake_stop(&b->f);
    free(b);
}

#define BENCH(canned) bench_new(canned, COUNT(canned), NULL, 0)

static enum ec note(void *arg, const struct json *row, struct err *reterr)
{
    struct strbuf *s = arg;

    (void)reterr;
    strbuf_addf(s, CELL_FMT " ", CELL_ARG(json_member(row, "name")));
    return EC_OK;
}

static enum ec note_gone(void *arg, struct cell id, struct err *reterr)
{
    struct strbuf *s = arg;

    (void)reterr;
    strbuf_addf(s, "-" CELL_FMT " ", CELL_ARG(id));
    return EC_OK;
}

static void scan_pages(void **state)
{
    static const struct canned C[] = {
        { "GET", API "accounts?$select=name,accountnumber&$filter=statecode%20eq%200%20and%20name%20ne%20'A%26B'",
          200, NULL,
          "{" CTX ",\"value\":[{\"name\":\"a\"},{\"name\":\"b\"}],\"@odata.nextLink\":\"%HOST%" API
          "accounts?$select=name&$skiptoken=%3Ccookie%20x=%221%22%3E\"}" },
        { "GET", API "accounts?$select=name&$skiptoken=%3Ccookie%20x=%221%22%3E", 200, NULL,
          "{" CTX ",\"value\":[],\"@odata.nextLink\":\"%HOST%" API "accounts?p=3\"}" },
        { "GET", API "accounts?p=3", 200, NULL, "{" CTX ",\"value\":[{\"name\":\"c\"}]}" },
    };
    struct bench *b = bench_new(C, COUNT(C), "sync", 200);
    struct strbuf got = { 0 };
    struct err e = { 0 };

    (void)state;
    if (dv_scan(b->d, "accounts", "name,accountnumber", "statecode eq 0 and name ne 'A&B'", false, note, &got, NULL,
                &e))
        fail_msg("%s", e.msg);
    assert_string_equal(strbuf_str(&got), "a b c ");
    /* the headers of the last page are those of the first */
    static const char *const HEADERS[] = { "Prefer: odata.maxpagesize=200\r\n", "OData-Version: 4.0\r\n",
                                           "OData-MaxVersion: 4.0\r\n",         "If-None-Match: null\r\n",
                                           "Accept: application/json\r\n",      "Authorization: Bearer abc\r\n",
                                           "x-ms-client-request-id: ",          "Accept-Encoding: gzip" };

    for (size_t i = 0; i < COUNT(HEADERS); i++)
        if (!strcasestr(b->f.last_headers, HEADERS[i]))
            fail_msg("no '%s' in %s", HEADERS[i], b->f.last_headers);
    assert_null(strcasestr(b->f.last_headers, "MSCRM")); /* nothing is skipped by a read */
    strbuf_release(&got);
    bench_free(b);
}

static void scan_troubles(void **state)
{
    static const struct {
        const char *name;
        struct canned answer;
        enum ec want;
        const char *says;
    } CASES[] = {
        { "link to another host",
          { "GET", "accounts", 200, NULL, "{" CTX ",\"value\":[],\"@odata.nextLink\":\"https://evil.example/x\"}" },
          EC_FORMAT,
          "another host" },
        { "an object is not a table", { "GET", "accounts", 200, NULL, " {} " }, EC_DATAVERSE, "not a collection" },
        { "cut answer",
          { "GET", "accounts", 200, NULL, "{" CTX ",\"value\":[{\"name\":}" },
          EC_DATAVERSE,
          "cannot be read" },
        { "refused",
          { "GET", "accounts", 400, NULL,
            "{\"error\":{\"code\":\"0x0\",\"message\":\"Could not find a property named 'x'\"}}" },
          EC_DATAVERSE,
          "Could not find a property" },
        { "privilege",
          { "GET", "accounts", 403, NULL,
            "{\"error\":{\"code\":\"0x80040220\",\"message\":\"missing prvReadAccount\"}}" },
          EC_AUTH,
          "prvReadAccount" },
        { "link that is a number",
          { "GET", "accounts", 200, NULL, "{" CTX ",\"value\":[],\"@odata.nextLink\":\"\"}" },
          EC_DATAVERSE,
          "not usable" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        struct bench *b = bench_new(&CASES[i].answer, 1, NULL, 0);
        struct strbuf got = { 0 };
        struct err e = { 0 };
        enum ec rc = dv_scan(b->d, "accounts", "name", NULL, false, note, &got, NULL, &e);

        if (rc != CASES[i].want || e.code != rc || !strstr(e.msg, CASES[i].says))
            fail_msg("%s: %d '%s'", CASES[i].name, rc, e.msg);
        strbuf_release(&got);
        bench_free(b);
    }
}

static enum ec refuse_row(void *arg, const struct json *row, struct err *reterr)
{
    (void)arg;
    (void)row;
    return err_set(reterr, EC_FORMAT, "this row is not for me");
}

/* A page of a proxy under status 200 is asked for again; an error of the caller stays the caller's. */
static void scan_garbage(void **state)
{
    static const struct canned C[] = {
        { "GET", "accounts", 200, NULL, "<html>one moment</html>" },
        { "GET", "accounts", 200, NULL, "" },
        { "GET", "accounts", 200, NULL, "\xef\xbb\xbf{" CTX ",\"value\":[{\"name\":\"a\"}]}\r\n" },
        { "GET", "accounts", 200, NULL, "{" CTX ",\"value\":[{\"name\":\"a\"}]}" },
        { "GET", "accounts", 200, NULL, "x" },
        { "GET", "accounts", 200, NULL, "{" },
        { "GET", "accounts", 200, NULL, "}" },
    };
    struct bench *b = BENCH(C);
    struct strbuf got = { 0 };
    struct err e = { 0 };

    (void)state;
    if (dv_scan(b->d, "accounts", "name", NULL, false, note, &got, NULL, &e))
        fail_msg("%s", e.msg);
    assert_string_equal(strbuf_str(&got), "a ");
    assert_int_equal(dv_scan(b->d, "accounts", "name", NULL, false, refuse_row, NULL, NULL, &e), EC_FORMAT);
    assert_string_equal(e.msg, "this row is not for me");
    assert_int_equal(dv_scan(b->d, "accounts", "name", NULL, false, note, &got, NULL, &e), EC_DATAVERSE);
    strbuf_release(&got);
    bench_free(b);
}

static void tracking(void **state)
{
    static const struct canned C[] = {
        { "GET", "accounts?$select=name", 200, NULL,
          "{" CTX ",\"value\":[{\"name\":\"a\"}],\"@odata.nextLink\":\"%HOST%/n\"}" },
        { "GET", "/n", 200, NULL,
          "{" CTX ",\"value\":[{\"name\":\"b\"}],\"@odata.deltaLink\":\"%HOST%" API "accounts?$deltatoken=9%21x\"}" },
        { "GET", API "accounts?$deltatoken=9%21x", 200, NULL,
          "{" CTX ",\"value\":[{\"@odata.etag\":\"W/\\\"7\\\"\",\"name\":\"c\",\"id\":\"x\",\"reason\":\"a column\"},"
          "{\"@odata.context\":\"https://x/$metadata#accounts/$deletedEntity\",\"id\":\"" ID2
          "\",\"reason\":\"deleted\"},"
          "{\"id\":\"" ID3 "\",\"reason\":\"deleted\"}],\"@odata.deltaLink\":\"%HOST%/d2\"}" },
    };
    struct bench *b = BENCH(C);
    struct strbuf got = { 0 };
    struct err e = { 0 };
    char *link = NULL, *next = NULL;

    (void)state;
    if (dv_scan(b->d, "accounts", "name", NULL, true, note, &got, &link, &e))
        fail_msg("%s", e.msg);
    assert_non_null(strstr(b->f.last_headers, "Prefer: odata.maxpagesize=5000,odata.track-changes\r\n"));
    if (dv_delta(b->d, link, note, note_gone, &got, &next, &e))
        fail_msg("%s", e.msg);
    assert_string_equal(strbuf_str(&got), "a b c -" ID2 " -" ID3 " ");
    assert_non_null(strstr(next, "/d2"));
    free(link);
    free(next);
    strbuf_release(&got);
    bench_free(b);
}

static void lost_positions(void **state)
{
    static const struct {
        const char *name;
        struct canned answer;
        enum ec want;
    } CASES[] = {
        { "expired",
          { "GET", "/d", 400, NULL,
            "{\"error\":{\"code\":\"0x80044352\",\"message\":\"Version stamp associated with the client has expired. "
            "Please perform a full sync.\"}}" },
          EC_NOTFOUND },
        { "expired, decimal",
          { "GET", "/d", 410, NULL, "{\"error\":{\"code\":\"-2147204270\",\"message\":\"x\"}}" },
          EC_NOTFOUND },
        { "no link", { "GET", "/d", 200, NULL, "{" CTX ",\"value\":[]}" }, EC_DATAVERSE },
        { "deletion without id",
          { "GET", "/d", 200, NULL,
            "{" CTX ",\"value\":[{\"@odata.context\":\"#x/"
            "$deletedEntity\",\"id\":\"7\"}],\"@odata.deltaLink\":\"%HOST%/e\"}" },
          EC_DATAVERSE },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        struct bench *b = bench_new(&CASES[i].answer, 1, NULL, 0);
        struct strbuf got = { 0 };
        struct err e = { 0 };
        char *next = NULL, link[80];

        snprintf(link, sizeof(link), "http://127.0.0.1:%d/d", b->f.l.port);
        if (dv_delta(b->d, link, note, note_gone, &got, &next, &e) != CASES[i].want)
            fail_msg("%s: %d '%s'", CASES[i].name, e.code, e.msg);
        assert_null(next);
        if (CASES[i].want == EC_DATAVERSE && strstr(e.msg, "no delta link"))
            assert_non_null(strstr(e.hint, "annotations"));
        strbuf_release(&got);
        bench_free(b);
    }
    struct canned c = { "GET", "accounts", 200, NULL, "{" CTX ",\"value\":[]}" };
    struct bench *b = bench_new(&c, 1, NULL, 0);
    struct err e = { 0 };
    char *link = NULL;

    dv_ask_annotations(b->d, true);
    assert_int_equal(dv_scan(b->d, "accounts", "name", NULL, true, note, NULL, &link, &e), EC_DATAVERSE);
    assert_non_null(strstr(e.msg, "no delta link"));
    assert_non_null(
        strstr(b->f.last_headers, "odata.include-annotations=\"Microsoft.Dynamics.CRM.lookuplogicalname\""));
    assert_null(link);
    bench_free(b);
}

static void get_and_count(void **state)
{
    static const struct canned C[] = {
        { "GET", API "accounts(" ID1 ")?$select=name", 200, NULL,
          "{" CTX ",\"@odata.etag\":\"W/\\\"5\\\"\",\"name\":\"a\"}" },
        { "GET", API "accounts(" ID2 ")", 404, NULL,
          "{\"error\":{\"code\":\"0x80040217\",\"message\":\"account With Id = x Does Not Exist\"}}" },
        { "GET", "EntityDefinitions?", 200, NULL,
          "{\"value\":[{\"EntitySetName\":\"accounts\",\"PrimaryIdAttribute\":\"accountid\"}]}" },
        { "GET", "accounts?$select=accountid&$filter=x%20eq%201", 200, NULL,
          "{" CTX ",\"value\":[{},{}],\"@odata.nextLink\":\"%HOST%/n\"}" },
        { "GET", "/n", 200, NULL, "{" CTX ",\"value\":[{}]}" },
        { "GET", "accounts?$select=accountid", 200, NULL, "{" CTX ",\"value\":[]}" },
    };
    struct bench *b = BENCH(C);
    struct arena a = { 0 };
    struct json *v = NULL;
    struct err e = { 0 };
    bool found = false;
    int64_t n = 0;

    (void)state;
    assert_int_equal(dv_get(b->d, "accounts", CELL_LIT(ID1), "name", &a, &v, &found, &e), EC_OK);
    assert_true(found && cell_is(json_member(v, "@odata.etag"), "W/\"5\""));
    assert_int_equal(dv_get(b->d, "accounts", CELL_LIT(ID2), "name", &a, &v, &found, &e), EC_OK);
    assert_false(found);
    assert_int_equal(dv_get(b->d, "accounts", CELL_LIT("1)/x("), "name", &a, &v, &found, &e), EC_FORMAT);
    assert_int_equal(dv_count(b->d, "accounts", "x eq 1", &n, &e), EC_OK);
    assert_int_equal(n, 3);
    assert_int_equal(dv_count(b->d, "accounts", NULL, &n, &e), EC_OK); /* the key's name is not asked twice */
    assert_int_equal(n, 0);
    arena_release(&a);
    bench_free(b);
}

static void find_rows(void **state)
{
    static const struct canned C[] = {
        { "GET", "@p2=%5B%22a%26b%22%2C%22%22%5D", 200, NULL,
          "{" CTX ",\"value\":[{\"name\":\"1\"}],\"@odata.nextLink\":\"%HOST%/n\"}" },
        { "GET", "/n", 200, NULL, "{" CTX ",\"value\":[{\"name\":\"2\"}]}" },
    };
    struct bench *b = BENCH(C);
    struct dv_table t = { .logical = CELL_LIT("account"), .set = CELL_LIT("accounts"), .pk = CELL_LIT("accountid") };
    struct cell v[] = { CELL_LIT("a&b"), CELL_ABSENT, CELL_LIT("") };
    struct strbuf got = { 0 };
    struct err e = { 0 };

    (void)state;
    assert_int_equal(dv_find(b->d, &t, CELL_LIT("name"), v, 3, CELL_ABSENT, CELL_ABSENT, "name", note, &got, &e),
                     EC_OK);
    assert_string_equal(strbuf_str(&got), "1 2 ");
    assert_int_equal(dv_find(b->d, &t, CELL_LIT("name"), v + 1, 1, CELL_ABSENT, CELL_ABSENT, "name", note, &got, &e),
                     EC_OK);
    assert_int_equal(dv_find(b->d, &t, CELL_LIT("name"), v, 1, CELL_LIT("_c_value"), CELL_LIT("1 or true"), "name",
                             note, &got, &e),
                     EC_FORMAT);
    strbuf_release(&got);
    bench_free(b);
}

static void single_writes(void **state)
{
    static const struct canned C[] = {
        /* update: the key's name is asked once */
        { "GET", "EntityDefinitions?", 200, NULL,
          "{\"value\":[{\"EntitySetName\":\"accounts\",\"PrimaryIdAttribute\":\"accountid\"}]}" },
        { "PATCH", API "accounts(" ID1 ")?$select=accountid&tag=Dual%26Write", 200, "ETag: W/\"8\"\r\n",
          "{\"@odata.etag\":\"W/\\\"8\\\"\"}" },
        { "PATCH", "accounts(" ID1 ")", 200, NULL, "{\"@odata.etag\":\"W/\\\"9\\\"\"}" },
        { "PATCH", "accounts(" ID1 ")", 412, NULL,
          "{\"error\":{\"code\":\"0x80060882\",\"message\":\"The version of the existing record doesn't match\"}}" },
        { "PATCH", "accounts(" ID1 ")", 404, NULL,
          "{\"error\":{\"code\":\"0x80040217\",\"message\":\"account With Id = " ID1 " Does Not Exist\"}}" },
        { "PATCH", "accounts(" ID1 ")", 404, NULL,
          "{\"error\":{\"code\":\"0x80040217\",\"message\":\"team With Id = " ID3 " Does Not Exist\"}}" },
        { "PATCH", "accounts(" ID1 ")", 412, NULL,
          "{\"error\":{\"code\":\"0x80060892\",\"message\":\"attribute values already exist\"}}" },
        /* create: new, ours from before, somebody else's */
        { "POST", API "accounts?$select=accountid&tag=Dual%26Write", 201, "ETag: W/\"1\"\r\n", "{}" },
        { "POST", "accounts", 412, NULL,
          "{\"error\":{\"code\":\"0x80040237\",\"message\":\"Cannot insert duplicate key.\"}}" },
        { "GET", "accounts(" ID1 ")?$select=accountid", 200, NULL, "{\"@odata.etag\":\"W/\\\"3\\\"\"}" },
        { "POST", "accounts", 412, NULL,
          "{\"error\":{\"code\":\"0x80060892\",\"message\":\"attribute values already exist\"}}" },
        { "GET", "accounts(" ID1 ")?$select=accountid", 404, NULL, "" },
        /* delete */
        { "DELETE", API "accounts(" ID1 ")?tag=Dual%26Write", 204, NULL, "" },
        { "DELETE", "accounts(" ID1 ")", 404, NULL,
          "{\"error\":{\"code\":\"0x80040217\",\"message\":\"account With Id = " ID1 " Does Not Exist\"}}" },
    };
    struct bench *b = bench_new(C, COUNT(C), "async, sync,flows", 0);
    struct dv_table t = { .logical = CELL_LIT("account"), .set = CELL_LIT("accounts"), .pk = CELL_LIT("accountid") };
    struct cell id = CELL_LIT(ID1), body = CELL_LIT("{\"name\":\"x\"}");
    char etag[80] = "";
    struct err e = { 0 };

    (void)state;
    assert_int_equal(dv_update(b->d, "accounts", id, body, "W/\"7\"", etag, &e), EC_OK);
    assert_string_equal(etag, "W/\"8\"");
    assert_string_equal(b->f.last_body, "{\"name\":\"x\"}");
    static const char *const HEADERS[] = { "If-Match: W/\"7\"\r\n", "Prefer: return=representation\r\n",
                                           "Content-Type: application/json; charset=utf-8\r\n",
                                           "MSCRM.BypassBusinessLogicExecution: CustomSync,CustomAsync\r\n",
                                           "MSCRM.SuppressCallbackRegistrationExpanderJob: true\r\n" };

    for (size_t i = 0; i < COUNT(HEADERS); i++)
        if (!strcasestr(b->f.last_headers, HEADERS[i]))
            fail_msg("no '%s' in %s", HEADERS[i], b->f.last_headers);
    assert_int_equal(dv_update(b->d, "accounts", id, body, NULL, etag, &e), EC_OK);
    assert_string_equal(etag, "W/\"9\"");
    assert_null(strcasestr(b->f.last_headers, "If-Match"));
    assert_int_equal(dv_update(b->d, "accounts", id, body, "W/\"7\"", etag, &e), EC_CONFLICT);
    assert_int_equal(e.http_status, 412);
    assert_int_equal(dv_update(b->d, "accounts", id, body, "*", etag, &e), EC_NOTFOUND);
    assert_int_equal(dv_update(b->d, "accounts", id, body, "*", etag, &e), EC_DATAVERSE);
    assert_string_equal(e.service_code, "0x80040217");
    assert_int_equal(dv_update(b->d, "accounts", id, body, "*", etag, &e), EC_DATAVERSE);
    assert_int_equal(dv_create(b->d, &t, id, body, etag, &e), EC_OK);
    assert_string_equal(etag, "W/\"1\"");
    assert_string_equal(b->f.last_body, "{\"accountid\":\"" ID1 "\",\"name\":\"x\"}");
    assert_int_equal(dv_create(b->d, &t, id, CELL_LIT("{}"), etag, &e), EC_OK);
    assert_string_equal(etag, "W/\"3\"");
    assert_int_equal(dv_create(b->d, &t, id, body, etag, &e), EC_DATAVERSE);
    assert_string_equal(e.service_code, "0x80060892");
    assert_int_equal(dv_delete(b->d, "accounts", id, "*", &e), EC_OK);
    assert_non_null(strcasestr(b->f.last_headers, "If-Match: *\r\n"));
    assert_int_equal(dv_delete(b->d, "accounts", id, NULL, &e), EC_NOTFOUND);
    assert_int_equal(dv_delete(b->d, "accounts", CELL_LIT("x"), NULL, &e), EC_FORMAT);
    bench_free(b);
}

static void settings(void **state)
{
    struct auth_config user = { .authority = "http://127.0.0.1:1",
                                .tenant = "t",
                                .client_id = "c",
                                .secret = "s",
                                .resource = "http://127.0.0.1:1" };
    struct dv_config dc = { .url = "http://127.0.0.1:1", .users = &user, .n_users = 1, .bypass = "sync,plugins" };
    struct http_config hc = { .user_agent = "test" };
    struct http *http = NULL;
    struct dv *d = NULL;
    struct err e = { 0 };

    (void)state;
    assert_int_equal(http_new(&hc, &http, NULL), EC_OK);
    assert_int_equal(dv_open(&dc, http, &d, &e), EC_CONFIG);
    assert_non_null(strstr(e.msg, "plugins"));
    assert_null(d);
    http_free(http);
}

static void whoami(void **state)
{
    static const struct canned C[] = {
        { "GET", API "WhoAmI", 200, "x-ms-dop-hint: 8\r\n",
          "{\"BusinessUnitId\":\"" ID1
          "\",\"UserId\":\"11111111-0000-4000-8000-00000000000A\",\"OrganizationId\":\"" ID3 "\"}" },
        { "GET", API "WhoAmI", 200, NULL, "{\"UserId\":\"x\"}" },
    };
    struct bench *b = BENCH(C);
    struct dv_whoami w = { 0 };
    struct err e = { 0 };

    (void)state;
    assert_int_equal(dv_whoami(b->d, &w, &e), EC_OK);
    assert_string_equal(w.user_id, "11111111-0000-4000-8000-00000000000a");
    assert_string_equal(w.organization_id, ID3);
    assert_int_equal(dv_whoami(b->d, &w, &e), EC_DATAVERSE);
    bench_free(b);
}

#define ATTR(name, type, more)                                        \
    "{\"LogicalName\":\"" name "\",\"AttributeType\":\"" type         \
    "\",\"AttributeOf\":null,\"RequiredLevel\":{\"Value\":\"None\"}," \
    "\"IsValidForCreate\":true,\"IsValidForUpdate\":true,\"IsValidForRead\":true" more "}"

static void metadata(void **state)
{
    static const struct canned C[] = {
        { "GET", "EntityDefinitions?$select=LogicalName,EntitySetName&$filter=EntitySetName%20eq%20'Things'", 400,
          NULL, "{\"error\":{\"code\":\"\",\"message\":\"The filter is not supported\"}}" },
        { "GET", "EntityDefinitions?$select=LogicalName,EntitySetName", 200, NULL,
          "{\"value\":[{\"LogicalName\":\"other\",\"EntitySetName\":\"others\"},{\"LogicalName\":\"thing\","
          "\"EntitySetName\":\"things\"}]}" },
        { "GET", "EntityDefinitions(LogicalName='thing')?$select=LogicalName,EntitySetName,PrimaryIdAttribute", 200,
          NULL,
          "{\"LogicalName\":\"thing\",\"EntitySetName\":\"things\",\"PrimaryIdAttribute\":\"thingid\","
          "\"PrimaryNameAttribute\":\"name\","
          "\"OwnershipType\":\"UserOwned\",\"TableType\":\"Standard\",\"ChangeTrackingEnabled\":true,\"Keys\":["
          "{\"LogicalName\":\"k1\",\"KeyAttributes\":[\"name\",\"msdyn_company\"],\"EntityKeyIndexStatus\":"
          "\"Active\"},"
          "{\"LogicalName\":\"k2\",\"KeyAttributes\":[\"code\"],\"EntityKeyIndexStatus\":\"Pending\"}]}" },
        { "GET", "/Attributes?$select=", 200, NULL,
          "{\"value\":[" ATTR("name", "String", "") "," ATTR("thingid", "Uniqueidentifier", "") "," ATTR("amount", "Money", ",\"SourceType\":2") "," ATTR("kind", "Picklist", ",\"SourceType\":7") "," ATTR(
              "flags", "Virtual",
              ",\"SourceType\":null") "," ATTR("ok", "Boolean",
                                               "") "," ATTR("when", "DateTime",
                                                            "") "," ATTR("othercompany", "Lookup",
                                                                         "") "," ATTR("msdyn_company", "Lookup",
                                                                                      "") "," ATTR("ownerid", "Owner",
                                                                                                   "") ","
                                                                                                       "{\"Logi"
                                                                                                       "calName"
                                                                                                       "\":"
                                                                                                       "\"versi"
                                                                                                       "onnumbe"
                                                                                                       "r\","
                                                                                                       "\"Attri"
                                                                                                       "buteTyp"
                                                                                                       "e\":"
                                                                                                       "\"BigIn"
                                                                                                       "t\","
                                                                                                       "\"IsVal"
                                                                                                       "idForCr"
                                                                                                       "eate\":"
                                                                                                       "false,"
                                                                                                       "\"IsVal"
                                                                                                       "idForUp"
                                                                                                       "date\":"
                                                                                                       "false,"
                                                                                                       "\"IsVal"
                                                                                                       "idForRe"
                                                                                                       "ad\":"
                                                                                                       "true,"
                                                                                                       "\"Requi"
                                                                                                       "redLeve"
                                                                                                       "l\":{"
                                                                                                       "\"Value"
                                                                                                       "\":"
                                                                                                       "\"Syste"
                                                                                                       "mRequir"
                                                                                                       "ed\"}},"
                                                                                                       "{\"Logi"
                                                                                                       "calName"
                                                                                                       "\":"
                                                                                                       "\"kindn"
                                                                                                       "ame\","
                                                                                                       "\"Attri"
                                                                                                       "buteTyp"
                                                                                                       "e\":"
                                                                                                       "\"Virtu"
                                                                                                       "al\","
                                                                                                       "\"Attri"
                                                                                                       "buteOf"
                                                                                                       "\":"
                                                                                                       "\"kind"
                                                                                                       "\"}]"
                                                                                                       "}" },
        { "GET", "StringAttributeMetadata?$select=LogicalName,MaxLength", 200, NULL,
          "{\"value\":[{\"LogicalName\":\"name\",\"MaxLength\":160}]}" },
        { "GET", "BigIntAttributeMetadata", 404, NULL, "{\"error\":{\"code\":\"0x8006088a\",\"message\":\"no\"}}" },
        { "GET", "MoneyAttributeMetadata", 200, NULL,
          "{\"value\":[{\"LogicalName\":\"amount\",\"MinValue\":-922337203685477.0,\"MaxValue\":922337203685477.0,"
          "\"Precision\":2}]}" },
        { "GET", "DateTimeAttributeMetadata", 200, NULL,
          "{\"value\":[{\"LogicalName\":\"when\",\"DateTimeBehavior\":{\"Value\":\"DateOnly\"}}]}" },
        { "GET", "BooleanAttributeMetadata", 200, NULL,
          "{\"value\":[{\"LogicalName\":\"ok\",\"OptionSet\":{\"TrueOption\":{\"Value\":1,\"Label\":{"
          "\"UserLocalizedLabel\":{\"Label\":\"Yes\"}}},"
          "\"FalseOption\":{\"Value\":0,\"Label\":{\"UserLocalizedLabel\":null,\"LocalizedLabels\":[{\"Label\":"
          "\"No\"}]}}}}]}" },
        { "GET", "PicklistAttributeMetadata", 200, NULL,
          "{\"value\":[{\"LogicalName\":\"kind\",\"OptionSet\":null,\"GlobalOptionSet\":{\"Options\":[{\"Value\":"
          "100000000,\"Label\":"
          "{\"UserLocalizedLabel\":{\"Label\":\"Open\"}},\"ExternalValue\":\"O\"},{\"Value\":7,\"Label\":{},"
          "\"ExternalValue\":\"\"}]}}]}" },
        { "GET", "MultiSelectPicklistAttributeMetadata", 200, NULL,
          "{\"value\":[{\"LogicalName\":\"flags\",\"OptionSet\":{\"Options\":[{\"Value\":1,\"Label\":{}}]}}]}" },
        { "GET", "LookupAttributeMetadata", 200, NULL,
          "{\"value\":[{\"LogicalName\":\"othercompany\",\"Targets\":[\"cdm_company\"]},{\"LogicalName\":\"msdyn_"
          "company\",\"Targets\":[\"cdm_company\",\"ghost\"]},"
          "{\"LogicalName\":\"ownerid\",\"Targets\":[\"systemuser\",\"team\"]}]}" },
        { "GET", "ManyToOneRelationships", 200, NULL,
          "{\"value\":[{\"ReferencingAttribute\":\"msdyn_company\",\"ReferencedEntity\":\"cdm_company\","
          "\"ReferencingEntityNavigationPropertyName\":\"msdyn_Company\"},"
          "{\"ReferencingAttribute\":\"othercompany\",\"ReferencedEntity\":\"cdm_company\","
          "\"ReferencingEntityNavigationPropertyName\":\"OtherCompany\"},"
          "{\"ReferencingAttribute\":\"ownerid\",\"ReferencedEntity\":\"owner\","
          "\"ReferencingEntityNavigationPropertyName\":\"ownerid\"}]}" },
        { "GET", "sdkmessageid/name%20eq%20'CreateMultiple'%20and%20primaryobjecttypecode%20eq%20'thing'", 200, NULL,
          "{\"value\":[{\"sdkmessagefilterid\":\"" ID1 "\"}]}" },
        { "GET", "sdkmessageid/name%20eq%20'UpdateMultiple'", 200, NULL, "{\"value\":[]}" },
    };
    struct bench *b = BENCH(C);
    struct schema s = { 0 };
    struct err e = { 0 };
    const struct dv_table *t;
    const struct dv_column *c;

    (void)state;
    if (dv_load_table(b->d, CELL_LIT("Things"), &s, &e))
        fail_msg("%s", e.msg);
    t = schema_table(&s, CELL_LIT("things"));
    assert_non_null(t);
    assert_true(cell_is(t->pk, "thingid") && cell_is(t->primary_name, "name") && t->user_owned && t->change_tracking);
    assert_true(t->create_multiple && !t->update_multiple && !t->virtual_or_elastic);
    assert_int_equal(t->n_keys, 2);
    assert_true(t->keys[0].active && t->keys[0].n == 2 && !t->keys[1].active);
    assert_int_equal(t->n, 11);
    assert_null(dv_column_find(t, CELL_LIT("kindname")));
    c = dv_column_find(t, CELL_LIT("name"));
    assert_true(c->type == DV_STRING && c->max_length == 160 && c->create && !c->computed);
    c = dv_column_find(t, CELL_LIT("amount"));
    assert_true(c->source == DV_ROLLUP && !c->required_by_app);
    assert_true(c->type == DV_MONEY && c->precision == 2 && cell_is(c->max, "922337203685477.0"));
    c = dv_column_find(t, CELL_LIT("kind"));
    assert_true(c->n_options == 2 && c->options[0].value == 100000000 && cell_is(c->options[0].label, "Open") &&
                cell_is(c->options[0].external, "O") && cell_absent(c->options[1].external));
    assert_true(c->source == DV_SIMPLE); /* a number that is none of those known */
    assert_true(dv_column_find(t, CELL_LIT("flags"))->type == DV_MULTI);
    assert_true(dv_column_find(t, CELL_LIT("flags"))->source == DV_SIMPLE);
    c = dv_column_find(t, CELL_LIT("ok"));
    assert_true(c->n_options == 2 && c->options[0].value == 0 && cell_is(c->options[0].label, "No") &&
                cell_is(c->options[1].label, "Yes"));
    assert_true(cell_is(dv_column_find(t, CELL_LIT("when"))->behavior, "DateOnly"));
    c = dv_column_find(t, CELL_LIT("versionnumber"));
    assert_true(c->computed && c->required_by_system && c->type == DV_BIGINT);
    c = dv_column_find(t, CELL_LIT("ownerid"));
    assert_true(c->type == DV_OWNER && c->n_navs == 2 && cell_is(c->navs[1].nav, "ownerid"));
    assert_ptr_equal(t->company, dv_column_find(t, CELL_LIT("msdyn_company")));
    assert_true(t->company->n_navs == 1 &&
                cell_is(t->company->navs[0].nav, "msdyn_Company")); /* the ghost has no relationship */
    assert_int_equal(dv_load_table(b->d, CELL_LIT("x')/y"), &s, &e), EC_CONFIG);
    schema_release(&s);
    bench_free(b);
}

static void dualwrite_state(void **state)
{
    static const struct canned C[] = {
        { "GET", "EntityDefinitions(LogicalName='msdyn_dualwriteruntimeconfig')", 200, NULL,
          "{\"EntitySetName\":\"configs\"}" },
        { "GET", API "configs?", 200, NULL,
          "{" CTX
          ",\"value\":[{\"msdyn_internalentityname\":\"account\",\"msdyn_externalentityname\":\"Customers V3\"}]}" },
        { "GET", "EntityDefinitions(", 404, NULL, "" },
        { "GET", API "msdyn_dualwriteruntimeconfigs?", 200, NULL,
          "{" CTX
          ",\"value\":[{\"msdyn_internalentityname\":\"account\",\"msdyn_externalentityname\":\"Vendors\"}]}" },
        { "GET", "EntityDefinitions(", 404, NULL, "" },
        { "GET", API "msdyn_dualwriteruntimeconfigs?", 404, NULL,
          "{\"error\":{\"code\":\"0x8006088a\",\"message\":\"Resource not found\"}}" },
        { "GET", "EntityDefinitions(", 403, NULL, "{\"error\":{\"code\":\"0x80040220\",\"message\":\"no\"}}" },
    };
    struct bench *b = BENCH(C);
    struct err e = { 0 };
    bool running = false;

    (void)state;
    assert_int_equal(dv_dualwrite_running(b->d, CELL_LIT("account"), CELL_LIT("Customers V3"), &running, &e), EC_OK);
    assert_true(running);
    assert_int_equal(dv_dualwrite_running(b->d, CELL_LIT("account"), CELL_LIT("Customers V3"), &running, &e), EC_OK);
    assert_false(running); /* another entity's map */
    assert_int_equal(dv_dualwrite_running(b->d, CELL_LIT("account"), CELL_LIT("Customers V3"), &running, &e), EC_OK);
    assert_false(running);
    assert_int_equal(dv_dualwrite_running(b->d, CELL_LIT("account"), CELL_LIT("Customers V3"), &running, &e),
                     EC_AUTH);
    bench_free(b);
}

/* Saved versions and running maps: sets by metadata, JSON in a column, what is missing. */
static void dualwrite_maps(void **state)
{
#define MAP_SET                                                                        \
    {                                                                                  \
        "GET", "EntityDefinitions(LogicalName='msdyn_dualwriteentitymap')", 200, NULL, \
            "{\"EntitySetName\":\"maps\"}"                                             \
    }
#define RUN_SET                                                                            \
    {                                                                                      \
        "GET", "EntityDefinitions(LogicalName='msdyn_dualwriteruntimeconfig')", 200, NULL, \
            "{\"EntitySetName\":\"configs\"}"                                              \
    }
    static const struct canned C[] = {
        MAP_SET,
        { "GET", API "maps?$select=", 200, NULL,
          "{" CTX ",\"value\":[{\"msdyn_dualwriteentitymapid\":\"" ID1
          "\",\"msdyn_name\":\"p_[accounts - Customers V3]\",\"msdyn_version\":\"1.0.0.3\",\"createdon\":\"2024\","
          "\"statecode\":0},{\"msdyn_dualwriteentitymapid\":\"" ID2 "\",\"msdyn_name\":null,\"statecode\":1}]}" },
        RUN_SET,
        { "GET", API "configs?", 200, NULL,
          "{" CTX
          ",\"value\":[{\"msdyn_internalentityname\":\"account\",\"msdyn_externalentityname\":\"Customers V3\","
          "\"msdyn_unsecure\":\"{\\\"SourceEntityName\\\":\\\"accounts\\\",\\\"EntityMapVersion\\\":{\\\"Major\\\":1,"
          "\\\"Minor\\\":0,\\\"Build\\\":0,\\\"Revision\\\":3}}\"},{\"msdyn_externalentityname\":\"X\",\"msdyn_"
          "unsecure\":"
          "\"{broken\"},{\"msdyn_externalentityname\":\"Y\",\"msdyn_unsecure\":null}]}" },
        /* documents */
        MAP_SET,
        { "GET", "msdyn_dualwriteentitymapid%20eq%20" ID1, 200, NULL,
          "{" CTX ",\"value\":[{\"name\":\"document\"}]}" },
        MAP_SET,
        /* not installed; a table without a set; no right to read */
        { "GET", "EntityDefinitions(", 404, NULL, "" },
        { "GET", "EntityDefinitions(", 200, NULL, "{\"LogicalName\":\"x\"}" },
        MAP_SET,
        { "GET", API "maps?", 403, NULL, "{\"error\":{\"code\":\"0x80040220\",\"message\":\"no\"}}" },
    };
    const struct cell ids[] = { CELL_LIT(ID1) }, bad[] = { CELL_LIT("x' or 1 eq 1") };
    struct bench *b = BENCH(C);
    struct strbuf got = STRBUF(0);
    struct dv_maps m = { 0 };
    struct err e = { 0 };

    (void)state;
    assert_int_equal(dv_maps_read(b->d, &m, &e), EC_OK);
    assert_int_equal(m.n, 2);
    assert_true(cell_is(m.rows[0].version, "1.0.0.3") && m.rows[0].active && !m.rows[1].active);
    assert_true(cell_absent(m.rows[1].name));
    assert_int_equal(m.n_running, 3);
    assert_true(cell_is(m.running[0].set, "accounts") && cell_is(m.running[0].version, "1.0.0.3"));
    assert_true(cell_absent(m.running[1].version) && cell_is(m.running[2].label, "Y"));
    dv_maps_release(&m);
    assert_int_equal(dv_map_documents(b->d, ids, 1, note, &got, &e), EC_OK);
    assert_string_equal(strbuf_str(&got), "document ");
    assert_int_equal(dv_map_documents(b->d, bad, 1, note, &got, &e), EC_DATAVERSE);
    assert_int_equal(dv_map_documents(b->d, ids, 0, note, &got, &e), EC_OK);
    assert_int_equal(dv_maps_read(b->d, &m, &e), EC_NOTFOUND);
    assert_non_null(strstr(e.msg, "not installed"));
    assert_int_equal(dv_maps_read(b->d, &m, &e), EC_DATAVERSE);
    assert_int_equal(dv_maps_read(b->d, &m, &e), EC_AUTH);
    assert_int_equal(m.n, 0);
    strbuf_release(&got);
    bench_free(b);
#undef MAP_SET
#undef RUN_SET
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dualwrite_maps),  cmocka_unit_test(scan_pages), cmocka_unit_test(scan_troubles),
        cmocka_unit_test(scan_garbage),    cmocka_unit_test(tracking),   cmocka_unit_test(lost_positions),
        cmocka_unit_test(get_and_count),   cmocka_unit_test(find_rows),  cmocka_unit_test(single_writes),
        cmocka_unit_test(settings),        cmocka_unit_test(whoami),     cmocka_unit_test(metadata),
        cmocka_unit_test(dualwrite_state),
    };

    return cmocka_run_group_tests_name("dv_read", tests, NULL, NULL);
}

/* Packages in and out against a scripted service: places, uploads, downloads, imports, projects, errors. */
#include "check.h"

#include "erp_fake.h"

#include "base/file.h"

#include <fcntl.h>

#define VALUE(text) "{\"@odata.context\":\"x\",\"value\":\"" text "\"}"
#define ACTION(name) "/data/DataManagementDefinitionGroups/Microsoft.Dynamics.DataEntities." name
#define INNER(text)                                                                                             \
    "{\"error\":{\"code\":\"\",\"message\":\"An error has occurred.\",\"innererror\":{\"message\":\"Exception " \
    "occurred while "                                                                                           \
    "executing action X on Entity DataManagementDefinitionGroup: " text "\"}}}"

static void places(void **state)
{
    struct script s;
    struct arena a = { 0 };
    struct erp_place p = { 0 };
    int64_t want;

    (void)state;
    SCRIPT(&s,
           { .method = "POST",
             .part = ACTION("GetAzureWriteUrl"),
             .want = "{\"uniqueFileName\":\"lane \\\"1\\\".zip\"}",
             .body = VALUE(
                 "{\\\"BlobId\\\":\\\"{1B}\\\",\\\"BlobUrl\\\":\\\"https://x.blob/dmf/a?sv=2014-02-14&sr=b&sig=a%3D&"
                 "st=2026-01-05T08%3A55%3A00Z&se=2026-01-05T09%3A30%3A00Z&sp=rw\\\"}") },
           { .method = "POST",
             .part = ACTION("GetAzureWriteUrl"),
             .body = "{\"value\":{\"value\":\"{\\\"BlobUrl\\\":\\\"https://x/y?mse=1\\\"}\"}}" },
           { .method = "POST", .part = ACTION("GetAzureWriteUrl"), .body = VALUE("not json") },
           { .method = "POST", .part = ACTION("GetAzureWriteUrl"), .body = VALUE("{\\\"BlobId\\\":\\\"1\\\"}") },
           { .method = "POST", .part = ACTION("GetAzureWriteUrl"), .body = VALUE("") },
           { .method = "POST", .part = ACTION("GetAzureWriteUrl"), .body = "{}" });
    assert_true(clock_parse_utc("2026-01-05T09:30:00Z", 20, &want));
    CHECK_OK(erp_write_url(s.e, "lane \"1\".zip", &a, &p, &s.err), &s.err);
    CHECK_STR(p.blob_id, "{1B}", "id");
    CHECK_STR(p.url,
              "https://x.blob/dmf/"
              "a?sv=2014-02-14&sr=b&sig=a%3D&st=2026-01-05T08%3A55%3A00Z&se=2026-01-05T09%3A30%3A00Z&sp=rw",
              "verbatim");
    assert_int_equal(p.expires_ms, want);
    CHECK_OK(erp_write_url(s.e, "x", &a, &p, &s.err), &s.err); /* nested once more */
    CHECK_STR(p.url, "https://x/y?mse=1", "nested");
    assert_int_equal(p.expires_ms, 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(erp_write_url(s.e, "x", &a, &p, &s.err), EC_FNO);
    arena_release(&a);
    script_end(&s);
}

static struct erp_place place_at(struct script *s, char url[static 200], const char *path)
{
    snprintf(url, 200, "%s%s?sv=2014-02-14&sig=secret", s->f.url, path);
    return (struct erp_place){ .url = url };
}

static void upload(void **state)
{
    struct script s;
    struct erp_place p;
    char url[200];

    (void)state;
    SCRIPT(&s, { .method = "PUT", .part = "/dmf/a?sv=2014-02-14&sig=secret", .status = 201, .want = "PK content" },
           { .method = "PUT",
             .part = "/dmf/a",
             .status = 503,
             .body = "<Error><Code>ServerBusy</Code><Message>busy</Message></Error>" },
           { .method = "PUT", .part = "/dmf/a", .status = 201 },
           { .method = "PUT",
             .part = "/dmf/a",
             .status = 403,
             .body = "<Error><Code>AuthenticationFailed</Code><Message>expired</Message></Error>" },
           { .method = "PUT",
             .part = "/dmf/a",
             .status = 413,
             .body = "<Error><Code>RequestBodyTooLarge</Code><Message>x</Message></Error>" },
           { .method = "PUT",
             .part = "/dmf/a",
             .status = 403,
             .body = "<Error><Code>AuthorizationPermissionMismatch</Code><Message>no</Message></Error>" });
    CHECK_OK(file_write_atomic("p.zip", "PK content", 10, 0600, &s.err), &s.err);
    p = place_at(&s, url, "/dmf/a");
    CHECK_OK(erp_blob_put(s.e, &p, "p.zip", &s.err), &s.err);
    CHECK_STR(fake_header(&s.f.seen[0], "x-ms-blob-type"), "BlockBlob", "type");
    CHECK_STR(fake_header(&s.f.seen[0], "x-ms-version"), "2019-12-12", "version");
    CHECK_STR(fake_header(&s.f.seen[0], "Content-Length"), "10", "length");
    CHECK_STR(fake_header(&s.f.seen[0], "Authorization"), "", "the token stays home");
    CHECK_STR(fake_header(&s.f.seen[0], "Content-MD5"), "0/J4tCAG6l6h4BKQM4QRxg==", "of the octets");
    CHECK_OK(erp_blob_put(s.e, &p, "p.zip", &s.err), &s.err);
    assert_int_equal(erp_blob_put(s.e, &p, "p.zip", &s.err), EC_STATE);
    assert_string_equal(s.err.service_code, "AuthenticationFailed");
    CHECK(!strstr(s.err.msg, "secret"), "%s", s.err.msg);
    assert_int_equal(erp_blob_put(s.e, &p, "p.zip", &s.err), EC_FNO);
    /* A URL that may only read: another one would not do better. */
    assert_int_equal(erp_blob_put(s.e, &p, "p.zip", &s.err), EC_FNO);
    CHECK(strstr(s.err.hint, "no right to write") != NULL, "%s", s.err.hint);
    assert_int_equal(erp_blob_put(s.e, &p, "none.zip", &s.err), EC_IO);
    script_end(&s);
}

#define MISMATCH "<Error><Code>Md5Mismatch</Code><Message>The MD5 value did not match.</Message></Error>"

/* Octets that were changed on their way are sent again, a few times. */
static void upload_damaged(void **state)
{
    struct script s;
    struct erp_place p;
    char url[200];

    (void)state;
    SCRIPT(&s, { .method = "PUT", .part = "/dmf/a", .status = 400, .body = MISMATCH },
           { .method = "PUT", .part = "/dmf/a", .status = 201, .want = "PK content" },
           { .method = "PUT", .part = "/dmf/a", .status = 400, .body = MISMATCH, .times = 3 });
    CHECK_OK(file_write_atomic("p.zip", "PK content", 10, 0600, &s.err), &s.err);
    p = place_at(&s, url, "/dmf/a");
    CHECK_OK(erp_blob_put(s.e, &p, "p.zip", &s.err), &s.err);
    assert_int_equal(erp_blob_put(s.e, &p, "p.zip", &s.err), EC_FNO);
    CHECK(strstr(s.err.msg, "damaged 3 times") != NULL, "%s", s.err.msg);
    script_end(&s);
}

/* Beyond 64 MiB: blocks side by side, then their list in order. */
struct blocks {
    uint64_t octets;
    size_t n;
    int connections; /* open at one time */
    char list[2000];
    bool fail_one, damage_one;
    char ids[40][24];
};

static void take_blocks(struct fake_http *f, const struct fake_request *q, struct fake_answer *a)
{
    struct blocks *b = f->arg;
    const char *id = strstr(q->target, "&comp=block&blockid=");

    a->status = 201;
    b->connections = f->l.connections > b->connections ? f->l.connections : b->connections;
    if (strstr(q->target, "&comp=blocklist")) {
        snprintf(b->list, sizeof(b->list), "%s", q->body);
    } else if (!id) {
        a->status = 400;
    } else if (b->fail_one && b->n == 2) {
        b->fail_one = false;
        a->drop = true;
    } else if (b->damage_one && b->n == 4) {
        b->damage_one = false;
        fake_text(a, 400, MISMATCH);
    } else {
        snprintf(b->ids[b->n++ % 40], 24, "%s", id + 20);
        b->octets += q->body_len;
    }
    free(q->body); /* 80 MB would be kept until the end */
    ((struct fake_request *)(uintptr_t)q)->body = NULL;
}

static void upload_blocks(void **state)
{
    struct script s;
    struct blocks b = { .fail_one = true, .damage_one = true };
    struct erp_place p;
    char url[200];
    int fd = open("big.zip", O_CREAT | O_WRONLY, 0600);
    const uint64_t size = (80ULL << 20) + 5;
    const char *at;

    (void)state;
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    close(fd);
    script_start(&s, NULL, 0);
    s.f.handle = take_blocks;
    s.f.arg = &b;
    p = place_at(&s, url, "/dmf/a");
    CHECK_OK(erp_blob_put(s.e, &p, "big.zip", &s.err), &s.err);
    assert_int_equal(b.n, 6);
    assert_int_equal(b.octets, size);
    CHECK(b.connections > 1, "blocks went one by one");
    at = strstr(b.list, "<BlockList>");
    assert_non_null(at);
    for (size_t i = 0; i < 6; i++) {
        char want[60];

        /* base64 of "00000000N" */
        snprintf(want, sizeof(want), "<Latest>MDAwMDAwMDA%s</Latest>",
                 i == 0   ? "w"
                 : i == 1 ? "x"
                 : i == 2 ? "y"
                 : i == 3 ? "z"
                 : i == 4 ? "0"
                          : "1");
        at = strstr(at, want);
        CHECK(at, "block %zu is not listed in order: %s", i, b.list);
    }
    unlink("big.zip");
    script_end(&s);
}

static void download(void **state)
{
    struct script s;
    char url[200];
    struct strbuf got = { 0 };

    (void)state;
    SCRIPT(
        &s, { .method = "GET", .part = "/b?", .body = "0123456789", .head = "ETag: \"one\"\r\n", .cut_at = 4 },
        { .method = "GET",
          .part = "/b?",
          .status = 206,
          .body = "456789",
          .head = "ETag: \"one\"\r\nContent-Range: bytes 4-9/10\r\n",
          .cut_at = 3 },
        { .method = "GET", .part = "/b?", .status = 503, .body = "" },
        { .method = "GET", .part = "/b?", .status = 206, .body = "789", .head = "Content-Range: bytes 7-9/10\r\n" },
        /* the range is ignored */
        { .method = "GET", .part = "/b?", .body = "0123456789", .cut_at = 4 },
        { .method = "GET", .part = "/b?", .body = "0123456789" },
        /* another blob by now */
        { .method = "GET", .part = "/b?", .body = "0123456789", .head = "ETag: \"one\"\r\n", .cut_at = 4 },
        { .method = "GET",
          .part = "/b?",
          .status = 412,
          .body = "<Error><Code>ConditionNotMet</Code><Message>x</Message></Error>" },
        { .method = "GET", .part = "/b?", .body = "abc" },
        /* another part than asked for */
        { .method = "GET", .part = "/b?", .body = "0123456789", .cut_at = 4 },
        { .method = "GET", .part = "/b?", .status = 206, .body = "6789", .head = "Content-Range: bytes 6-9/10\r\n" },
        { .method = "GET",
          .part = "/b?",
          .status = 404,
          .body = "<Error><Code>BlobNotFound</Code><Message>gone</Message></Error>" });
    snprintf(url, sizeof(url), "%s/b?sig=secret", s.f.url);
    for (int i = 0; i < 3; i++) {
        CHECK_OK(erp_blob_get(s.e, url, NULL, "got", &s.err), &s.err);
        strbuf_reset(&got);
        CHECK_OK(file_read("got", 100, &got, &s.err), &s.err);
        CHECK_STR(got.buf, i < 2 ? "0123456789" : "abc", "case %d", i);
        assert_false(file_exists("got.part"));
    }
    CHECK_STR(fake_header(&s.f.seen[0], "Range"), "", "whole at first");
    CHECK_STR(fake_header(&s.f.seen[1], "Range"), "bytes=4-", "the rest");
    CHECK_STR(fake_header(&s.f.seen[1], "If-Match"), "\"one\"", "of the same blob");
    CHECK_STR(fake_header(&s.f.seen[3], "Range"), "bytes=7-", "the rest");
    CHECK_STR(fake_header(&s.f.seen[1], "Authorization"), "", "the token stays home");
    assert_int_equal(erp_blob_get(s.e, url, NULL, "got", &s.err), EC_FNO);
    assert_int_equal(erp_blob_get(s.e, url, NULL, "got", &s.err), EC_FNO);
    CHECK(!strstr(s.err.msg, "secret"), "%s", s.err.msg);
    strbuf_reset(&got);
    CHECK_OK(file_read("got", 100, &got, &s.err), &s.err);
    assert_string_equal(got.buf, "abc"); /* a failed download leaves the earlier file alone */
    assert_false(file_exists("got.part"));
    strbuf_release(&got);
    script_end(&s);
}

static void imports(void **state)
{
    struct script s;
    struct erp_import i = { .package_url = "https://x/y?sig=a%3D&b",
                            .project = "P",
                            .execution_id = "E-1",
                            .company = "usmf",
                            .execute = true,
                            .overwrite = true };

    (void)state;
    SCRIPT(&s,
           { .method = "POST",
             .part = ACTION("ImportFromPackage"),
             .want = "{\"packageUrl\":\"https://x/"
                     "y?sig=a%3D&b\",\"definitionGroupId\":\"P\",\"executionId\":\"E-1\",\"execute\":true,"
                     "\"overwrite\":true,\"legalEntityId\":\"usmf\"}",
             .body = VALUE("E-1") },
           { .method = "POST", .part = ACTION("ImportFromPackage"), .drop = true },
           { .method = "POST", .part = ACTION("ImportFromPackage"), .status = 504, .body = "" },
           { .method = "POST", .part = ACTION("ImportFromPackage"), .status = 500, .body = "" },
           { .method = "POST",
             .part = ACTION("ImportFromPackage"),
             .status = 429,
             .head = "Retry-After: 30\r\n",
             .times = 2 },
           { .method = "POST", .part = ACTION("ImportFromPackage"), .body = VALUE("E-1") },
           { .method = "POST",
             .part = ACTION("ImportFromPackage"),
             .status = 400,
             .body = INNER("Entity Foo does not exist in the target environment") });
    CHECK_OK(erp_import(s.e, &i, &s.err), &s.err);
    assert_int_equal(erp_import(s.e, &i, &s.err), EC_NET);
    assert_false(s.err.transient);
    assert_int_equal(erp_import(s.e, &i, &s.err), EC_BUSY);
    assert_false(s.err.transient);
    assert_int_equal(erp_import(s.e, &i, &s.err), EC_FNO);
    assert_int_equal(s.err.http_status, 500);
    CHECK_OK(erp_import(s.e, &i, &s.err), &s.err); /* 429: refused before any work, may go again */
    assert_int_equal(erp_import(s.e, &i, &s.err), EC_FNO);
    CHECK(strstr(s.err.msg, "ImportFromPackage: Entity Foo does not exist"), "%s", s.err.msg);
    script_end(&s);
}

static void status_of_runs(void **state)
{
    static const struct {
        int status;
        const char *body;
        enum erp_status want;
        enum ec rc;
    } CASES[] = {
        { 400, INNER("Execution details were not found for execution id: E"), ERP_PENDING, EC_OK },
        { 200, VALUE("Unknown"), ERP_UNKNOWN, EC_OK },
        { 200, VALUE("NotRun"), ERP_NOT_RUN, EC_OK },
        { 200, VALUE("Executing"), ERP_EXECUTING, EC_OK },
        { 200, VALUE("Queued"), ERP_EXECUTING, EC_OK },
        { 200, VALUE("succeeded"), ERP_SUCCEEDED, EC_OK },
        { 200, VALUE("PartiallySucceeded"), ERP_PARTIAL, EC_OK },
        { 200, VALUE("Failed"), ERP_FAILED, EC_OK },
        { 200, VALUE("Canceled"), ERP_CANCELED, EC_OK },
        { 400, INNER("something else"), ERP_PENDING, EC_FNO },
        { 404, "", ERP_PENDING, EC_FNO },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        struct script s;
        struct line l = { .method = "POST",
                          .part = ACTION("GetExecutionSummaryStatus"),
                          .status = CASES[i].status,
                          .body = CASES[i].body,
                          .want = "{\"executionId\":\"E\"}" };
        enum erp_status got = ERP_PENDING;
        enum ec rc;

        script_start(&s, &l, 1);
        rc = erp_status(s.e, "E", &got, &s.err);
        CHECK(rc == CASES[i].rc, "case %zu: %d %s", i, rc, s.err.msg);
        if (!rc)
            CHECK(got == CASES[i].want, "case %zu: %s", i, erp_status_word(got));
        script_end(&s);
    }
}

static void details(void **state)
{
    struct script s;
    struct erp_counters c[2];
    size_t n = 0;
    bool there = false;

    (void)state;
    SCRIPT(&s,
           { .method = "GET",
             .part = "/data/DataManagementExecutionJobDetails?$filter=JobId%20eq%20%27E%27%271%27",
             .body = "{\"value\":[{\"EntityName\":\"Customers "
                     "V3\",\"StagingStatus\":\"Finished\",\"TargetStatus\":\"Error\","
                     "\"StagingRecordsToBeProcessedCount\":10,\"StagingRecordsCreatedCount\":9,"
                     "\"TargetRecordsCreatedCount\":5,"
                     "\"TargetRecordsUpdatedCount\":2},{\"EntityName\":\"B\"},{\"EntityName\":\"C\"}]}" },
           { .method = "GET", .part = "JobDetails", .body = "{\"value\":[{\"EntityName\":\"A\"}]}" },
           { .method = "GET", .part = "JobDetails", .body = "{\"value\":[]}" },
           { .method = "POST", .part = ACTION("GetExecutionSummaryStatus"), .body = VALUE("NotRun") },
           { .method = "GET", .part = "JobDetails", .body = "{\"value\":[]}" },
           { .method = "POST",
             .part = ACTION("GetExecutionSummaryStatus"),
             .status = 400,
             .body = INNER("Execution details were not found") });
    CHECK_OK(erp_job_details(s.e, "E'1", c, 2, &n, &s.err), &s.err);
    assert_int_equal(n, 2);
    assert_string_equal(c[0].entity, "Customers V3");
    assert_string_equal(c[0].target_status, "Error");
    assert_int_equal(c[0].staging_total, 10);
    assert_int_equal(c[0].staging_created, 9);
    assert_int_equal(c[0].target_created, 5);
    assert_int_equal(c[0].target_updated, 2);
    CHECK_OK(erp_job_exists(s.e, "E", &there, &s.err), &s.err);
    assert_true(there);
    there = false;
    CHECK_OK(erp_job_exists(s.e, "E", &there, &s.err), &s.err); /* its entities' rows come later */
    assert_true(there);
    CHECK_OK(erp_job_exists(s.e, "E", &there, &s.err), &s.err);
    assert_false(there);
    script_end(&s);
}

static void projects(void **state)
{
    static const struct erp_project P = { .name = "DMFSYNC_X",
                                          .entity_label = "Customers V3",
                                          .source_format = "CSV-Unicode",
                                          .incremental = true,
                                          .description = "dmfsync" };
#define GROUPS "/data/DataManagementDefinitionGroups?$filter=Name%20eq%20%27DMFSYNC_X%27"
#define DETAILS "/data/DataManagementDefinitionGroupDetails?$filter=DefinitionGroupId%20eq%20%27DMFSYNC_X%27"
#define GROUP_THERE "{\"value\":[{\"Name\":\"DMFSYNC_X\",\"OperationType\":\"Export\"}]}"
    struct script s;
    bool there = true;

    (void)state;
    SCRIPT(&s, { .method = "GET", .part = GROUPS, .body = "{\"value\":[]}" },
           { .method = "POST",
             .part = "/data/DataManagementDefinitionGroups",
             .status = 201,
             .body = "{}",
             .want = "\"OperationType\":\"Export\"" },
           { .method = "GET", .part = DETAILS, .body = "{\"value\":[]}" },
           { .method = "POST",
             .part = "/data/DataManagementDefinitionGroupDetails",
             .status = 400,
             .body = INNER("... an update conflict occurred ...") },
           { .method = "POST",
             .part = "/data/DataManagementDefinitionGroupDetails",
             .status = 201,
             .body = "{}",
             .want = "\"EntityName\":\"Customers "
                     "V3\",\"SourceFormat\":\"CSV-Unicode\",\"DefaultRefreshType\":\"IncrementalPush\","
                     "\"AutoGenerateMapping\":\"Yes\"" },
           /* there already, made by us */
           { .method = "GET", .part = GROUPS, .body = GROUP_THERE },
           { .method = "GET",
             .part = DETAILS,
             .body = "{\"value\":[{\"EntityName\":\"customers v3\",\"DefaultRefreshType\":\"IncrementalPush\"}]}" },
           /* cut off between the two calls */
           { .method = "GET", .part = GROUPS, .body = GROUP_THERE },
           { .method = "GET", .part = DETAILS, .body = "{\"value\":[]}" },
           { .method = "POST", .part = "Details", .status = 201, .body = "{}" },
           /* somebody else's */
           { .method = "GET",
             .part = GROUPS,
             .body = "{\"value\":[{\"Name\":\"DMFSYNC_X\",\"OperationType\":\"Import\"}]}" },
           { .method = "GET", .part = GROUPS, .body = GROUP_THERE },
           { .method = "GET", .part = DETAILS, .body = "{\"value\":[{\"EntityName\":\"Vendors V2\"}]}" },
           { .method = "GET", .part = GROUPS, .body = GROUP_THERE },
           { .method = "GET",
             .part = DETAILS,
             .body = "{\"value\":[{\"EntityName\":\"Customers V3\",\"DefaultRefreshType\":\"FullPush\"}]}" },
           { .method = "GET", .part = GROUPS, .body = "{\"value\":[{\"Name\":\"DMFSYNC_XY\"}]}" });
    CHECK_OK(erp_project_ensure(s.e, &P, &s.err), &s.err);
    CHECK_OK(erp_project_ensure(s.e, &P, &s.err), &s.err);
    CHECK_OK(erp_project_ensure(s.e, &P, &s.err), &s.err);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(erp_project_ensure(s.e, &P, &s.err), EC_GUARD);
        CHECK(strstr(s.err.msg, "DMFSYNC_X") && s.err.hint[0], "%s", s.err.msg);
    }
    CHECK_OK(erp_project_exists(s.e, "DMFSYNC_X", &there, &s.err), &s.err);
    assert_false(there);
    script_end(&s);
}

static void exports(void **state)
{
    struct script s;
    struct arena a = { 0 };
    char *url = NULL;

    (void)state;
    SCRIPT(&s,
           { .method = "POST",
             .part = ACTION("ExportToPackage"),
             .want = "{\"definitionGroupId\":\"P\",\"packageName\":\"N\",\"executionId\":\"E\",\"reExecute\":false,"
                     "\"legalEntityId\":\"usmf\"}",
             .body = VALUE("E") },
           { .method = "POST", .part = ACTION("ExportToPackage"), .drop = true },
           { .method = "POST", .part = ACTION("GetExportedPackageUrl"), .body = VALUE("") },
           { .method = "POST", .part = ACTION("GetExportedPackageUrl"), .body = VALUE("https://x/y?sig=1") },
           { .method = "POST",
             .part = ACTION("ResetVersionToken"),
             .body = "{\"value\":true}",
             .want = "\"entityName\":\"C\"" });
    CHECK_OK(erp_export(s.e, "P", "N", "E", "usmf", &s.err), &s.err);
    assert_int_equal(erp_export(s.e, "P", "N", "E", "usmf", &s.err), EC_NET);
    assert_false(s.err.transient);
    CHECK_OK(erp_exported_url(s.e, "E", &a, &url, &s.err), &s.err);
    assert_string_equal(url, "");
    CHECK_OK(erp_exported_url(s.e, "E", &a, &url, &s.err), &s.err);
    assert_string_equal(url, "https://x/y?sig=1");
    CHECK_OK(erp_reset_position(s.e, "P", "C", &s.err), &s.err);
    arena_release(&a);
    script_end(&s);
}

static void error_files(void **state)
{
    struct script s;
    bool found = true;
    struct strbuf got = { 0 };

    (void)state;
    SCRIPT(
        &s,
        { .method = "POST",
          .part = ACTION("GetImportStagingErrorFileUrl"),
          .body = VALUE(""),
          .want = "{\"executionId\":\"E\",\"entityName\":\"C\"}" },
        { .method = "POST", .part = ACTION("GetImportStagingErrorFileUrl"), .body = VALUE("%HOST%/keys?sig=1") },
        { .method = "GET", .part = "/keys?sig=1", .body = "K\r\n1\r\n" },
        { .method = "POST", .part = ACTION("GenerateImportTargetErrorKeysFile"), .body = "{\"value\":false}" },
        { .method = "POST", .part = ACTION("GenerateImportTargetErrorKeysFile"), .body = "{\"value\":true}" },
        { .method = "POST", .part = ACTION("GetImportTargetErrorKeysFileUrl"), .body = VALUE(""), .times = 15 },
        { .method = "POST", .part = ACTION("GetImportTargetErrorKeysFileUrl"), .body = VALUE("%HOST%/keys2?sig=1") },
        { .method = "GET", .part = "/keys2?sig=1", .body = "2" },
        /* announced, and never there */
        { .method = "POST", .part = ACTION("GenerateImportTargetErrorKeysFile"), .body = "{\"value\":true}" },
        { .method = "POST", .part = ACTION("GetImportTargetErrorKeysFileUrl"), .body = VALUE(""), .times = 120 });
    CHECK_OK(erp_error_file(s.e, "E", "C", true, "keys", &found, &s.err), &s.err);
    assert_false(found);
    assert_false(file_exists("keys"));
    CHECK_OK(erp_error_file(s.e, "E", "C", true, "keys", &found, &s.err), &s.err);
    assert_true(found);
    CHECK_OK(erp_error_file(s.e, "E", "C", false, "keys2", &found, &s.err), &s.err);
    assert_false(found);
    CHECK_OK(erp_error_file(s.e, "E", "C", false, "keys2", &found, &s.err), &s.err);
    assert_true(found);
    CHECK_OK(file_read("keys2", 100, &got, &s.err), &s.err);
    assert_string_equal(got.buf, "2");
    CHECK_OK(erp_error_file(s.e, "E", "C", false, "keys3", &found, &s.err), &s.err);
    assert_false(found);
    strbuf_release(&got);
    script_end(&s);
}

static enum ec count_error(void *arg, struct cell id, struct cell field, struct cell message, struct err *reterr)
{
    (void)id;
    (void)field;
    (void)message;
    (void)reterr;
    ++*(size_t *)arg;
    return EC_OK;
}

/* All errors of a run come as one string: more than any ordinary token. */
static void execution_errors(void **state)
{
    struct script s;
    struct strbuf b = { 0 };
    struct line l[2] = { { .method = "POST", .part = ACTION("GetExecutionErrors") },
                         { .method = "POST", .part = ACTION("GetExecutionErrors"), .body = VALUE("[]") } };
    size_t n = 0;

    (void)state;
    strbuf_adds(&b, "{\"value\":\"[");
    for (int i = 0; i < 150000; i++)
        strbuf_addf(&b,
                    "%s{\\\"RecordId\\\":\\\"C-%d\\\",\\\"Field\\\":\\\"\\\",\\\"ErrorMessage\\\":\\\"The value "
                    "\\\"X\\\" in field is not found in the related table\\\"}",
                    i ? "," : "", i);
    strbuf_adds(&b, "]\"}");
    assert_true(b.len > 17 << 20);
    l[0].body = b.buf;
    script_start(&s, l, 2);
    CHECK_OK(erp_execution_errors(s.e, "E", count_error, &n, &s.err), &s.err);
    assert_int_equal(n, 150000);
    CHECK_OK(erp_execution_errors(s.e, "E", count_error, &n, &s.err), &s.err);
    assert_int_equal(n, 150000);
    strbuf_release(&b);
    script_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places),         cmocka_unit_test(upload),      cmocka_unit_test(upload_damaged),
        cmocka_unit_test(upload_blocks),  cmocka_unit_test(download),    cmocka_unit_test(imports),
        cmocka_unit_test(status_of_runs), cmocka_unit_test(details),     cmocka_unit_test(projects),
        cmocka_unit_test(exports),        cmocka_unit_test(error_files), cmocka_unit_test(execution_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

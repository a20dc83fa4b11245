/*
 * One entity exported by dmfsync-emulator in every format that F&O offers: the rows read are the same. DMFSYNC_EMULATOR names
 * the program; without it the test is skipped.
 */
#include "dmf_zip.h"

#include "erp/pkgapi.h"

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

extern char **environ;
static pid_t child; /* a test that fails leaves its emulator behind */

static void end_child(void)
{
    if (child > 0)
        kill(child, SIGTERM);
}

struct tenant {
    pid_t pid;
    char fno[80], login[80], admin[80];
    struct http *http;
    struct erp *erp;
};

static void port_line(const char *text, const char *name, char ret[static 80])
{
    const char *p = strstr(text, name);

    assert_non_null(p);
    p += strlen(name);
    snprintf(ret, 80, "%.*s", (int)strcspn(p, "\r\n"), p);
}

static void start(struct tenant *t)
{
    char *argv[] = { getenv("DMFSYNC_EMULATOR"),
                     "--dir",
                     "tenant",
                     "--port",
                     "0",
                     "--ports-file",
                     "ports",
                     "--seed",
                     "7",
                     "--quiet",
                     "--knob",
                     "d1_ms=0",
                     "--knob",
                     "d2_ms=0",
                     "--knob",
                     "entity_ms=0",
                     NULL };
    struct http_config hc = { .user_agent = "test" };
    struct auth_config user = { .authority = t->login,
                                .tenant = "contoso",
                                .client_id = "11111111-1111-1111-1111-111111111111",
                                .secret = "demo-secret",
                                .resource = t->fno };
    struct erp_config ec = { .url = t->fno, .users = &user, .n_users = 1, .retry_deadline_ms = 60000 };
    struct strbuf text = STRBUF(0);
    struct err e = { 0 };

    CHECK_OK(dir_make("tenant", 0700, &e), &e);
    CHECK_OK(dir_empty("tenant", &e), &e);
    (void)unlink("ports");
    assert_int_equal(posix_spawn(&t->pid, argv[0], NULL, NULL, argv, environ), 0);
    child = t->pid;
    for (int i = 0; i < 400 && !file_exists("ports"); i++)
        usleep(50000);
    CHECK_OK(file_read("ports", 10000, &text, &e), &e);
    port_line(strbuf_str(&text), "login=", t->login);
    port_line(strbuf_str(&text), "fno=", t->fno);
    port_line(strbuf_str(&text), "admin=", t->admin);
    strbuf_release(&text);
    CHECK_OK(http_new(&hc, &t->http, &e), &e);
    CHECK_OK(erp_open(&ec, t->http, &t->erp, &e), &e);
}

static void add_row(struct tenant *t, const char *body)
{
    char url[200];
    struct http_request q = { .method = "POST", .url = url, .what = "admin", .body = body, .body_len = strlen(body) };
    struct http_response r;
    struct err e = { 0 };

    snprintf(url, sizeof(url), "%s/fno/rows", t->admin);
    http_response_init(&r);
    CHECK_OK(http_do(t->http, &q, &r, &e), &e);
    CHECK(r.status == 200 || r.status == 204, "%d %s", r.status, strbuf_str(&r.body));
    http_response_release(&r);
}

static void export(struct tenant *t, const char *format, const char *path)
{
    struct erp_project project = {
        .name = format, .entity_label = "Customer groups", .source_format = format, .description = "test"
    };
    enum erp_status status = ERP_PENDING;
    struct arena a = { 0 };
    struct err e = { 0 };
    char *url = "";

    CHECK_OK(erp_project_ensure(t->erp, &project, &e), &e);
    CHECK_OK(erp_export(t->erp, format, "p", format, "usmf", &e), &e);
    for (int i = 0; i < 400 && !erp_status_final(status); i++) {
        CHECK_OK(erp_status(t->erp, format, &status, &e), &e);
        usleep(20000);
    }
    CHECK(status == ERP_SUCCEEDED, "%s: %s", format, erp_status_word(status));
    for (int i = 0; i < 400 && !*url; i++) {
        CHECK_OK(erp_exported_url(t->erp, format, &a, &url, &e), &e);
        usleep(20000);
    }
    CHECK_OK(erp_blob_get(t->erp, url, "PK", path, &e), &e);
    arena_release(&a);
}

static void every_format(void **state)
{
    static const char *const FORMATS[] = { "EXCEL", "CSV-Unicode", "XML-Element", "XML-Attribute" };
    struct tenant t = { 0 };
    struct dmf_reader *r = NULL;
    struct arena a = { 0 };
    struct err e = { 0 };
    char *first = NULL;
    size_t lines = 0;

    (void)state;
    if (!getenv("DMFSYNC_EMULATOR"))
        skip();
    start(&t);
    for (int i = 0; i < 300; i++)
        add_row(&t,
                arena_printf(
                    &a,
                    "{\"entity\":\"Customer groups\",\"company\":\"usmf\",\"values\":{\"CUSTOMERGROUPID\":\"X%d\","
                    "\"DESCRIPTION\":\"M\\u00fcller, %d <&> \\ud83d\\ude00\"}}",
                    i, i));
    CHECK_OK(dir_make("tmp", 0700, &e), &e);
    for (size_t i = 0; i < COUNT(FORMATS); i++) {
        struct dmf_format f = { .kind = DMF_CSV, .delimiter = ',', .qualifier = '"' };
        char path[40], *rows;

        snprintf(path, sizeof(path), "%s.zip", FORMATS[i]);
        export(&t, FORMATS[i], path);
        CHECK_OK(dmf_reader_open(path, "tmp", NULL, &r, &e), &e);
        rows = all_rows(path, 0, &dmf_reader_package(r)->entities[0], &f, &a);
        dmf_reader_close(r);
        if (!i)
            first = rows;
        CHECK(!strcmp(rows, first), "%s:\n%.1000s\nEXCEL:\n%.1000s", FORMATS[i], rows, first);
    }
    for (const char *p = first; (p = strchr(p, '\n')); p++)
        lines++;
    CHECK(lines > 300 && strstr(first, "M\xC3\xBCller, 299 <&> \xF0\x9F\x98\x80"), "%zu lines: %.1000s", lines,
          first);
    erp_close(t.erp);
    http_free(t.http);
    kill(t.pid, SIGTERM);
    (void)waitpid(t.pid, NULL, 0);
    child = 0;
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_format) };

    atexit(end_child);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * The Dataverse client against dmfsync-emulator. DMFSYNC_EMULATOR names the program; without it every test is skipped.
 * Each test gets a tenant of its own in the folder it runs in.
 */
#include "base/clock.h"
#include "base/file.h"
#include "dv/dv.h"

#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

extern char **environ;
static pid_t child; /* a test that fails leaves its emulator behind */

static void end_child(void)
{
    if (child > 0)
        kill(child, SIGTERM);
}

enum { ROWS_MAX = 3000 };

struct peer {
    pid_t pid;
    char dir[64], dataverse[80], login[80], admin[80];
    struct http *http;
    struct auth_config user;
    struct dv *d;
    struct schema s;
    const struct dv_table *t; /* accounts */
    char company[40];
    /* a source of rows and what came of them */
    struct dv_bulk_row rows[ROWS_MAX];
    char bodies[ROWS_MAX][420];
    size_t n, at, n_results;
    int results[ROWS_MAX];
    struct dv_bulk_result got[ROWS_MAX];
    char why[ROWS_MAX][200], codes[ROWS_MAX][40];
};

static void port_line(const char *text, const char *name, char ret[static 80])
{
    const char *p = strstr(text, name);

    assert_non_null(p);
    p += strlen(name);
    snprintf(ret, 80, "%.*s", (int)strcspn(p, "\r\n"), p);
}

static void admin(struct peer *p, const char *method, const char *path, const char *body, struct strbuf *ret)
{
    struct http_response r;
    struct err e = { 0 };
    char url[200];
    struct http_request q = {
        .method = method, .url = url, .what = "admin", .body = body, .body_len = body ? strlen(body) : 0
    };

    snprintf(url, sizeof(url), "%s%s", p->admin, path);
    http_response_init(&r);
    if (http_do(p->http, &q, &r, &e))
        fail_msg("admin %s: %s", path, e.msg);
    if (r.status != 200 && r.status != 204)
        fail_msg("admin %s: %d %s", path, r.status, strbuf_str(&r.body));
    if (ret)
        strbuf_add(ret, strbuf_str(&r.body), r.body.len);
    http_response_release(&r);
}

static int64_t counter(struct peer *p, const char *name)
{
    struct strbuf s = { 0 };
    struct arena a = { 0 };
    struct json *v = NULL;
    int64_t n;

    admin(p, "GET", "/counters", NULL, &s);
    assert_int_equal(json_parse("counters", strbuf_str(&s), s.len, NULL, &a, &v, NULL), EC_OK);
    n = json_i64(json_get(v, name), 0);
    arena_release(&a);
    strbuf_release(&s);
    return n;
}

static void open_client(struct peer *p, int page_rows)
{
    struct dv_config dc = { .url = p->dataverse,
                            .users = &p->user,
                            .n_users = 1,
                            .tag = "DualWrite",
                            .page_rows = page_rows,
                            .retry_deadline_ms = 60000 };
    struct err e = { 0 };

    dv_close(p->d);
    if (dv_open(&dc, p->http, &p->d, &e))
        fail_msg("%s", e.msg);
}

/* knobs: "NAME=VALUE", or a value for --flip behind a '+'; NULL-terminated */
static struct peer *peer_start(const char *const *knobs)
{
    static int serial;
    const char *program = getenv("DMFSYNC_EMULATOR");
    struct peer *p;
    char ports[100], *argv[40];
    struct strbuf text = { 0 };
    struct http_config hc = { .user_agent = "test" };
    struct err e = { 0 };
    size_t n = 0;

    if (!program || !*program)
        skip();
    p = xcalloc(1, sizeof(*p));
    snprintf(p->dir, sizeof(p->dir), "tenant-%d", serial++);
    snprintf(ports, sizeof(ports), "%s/ports", p->dir);
    assert_int_equal(dir_make(p->dir, 0700, &e), EC_OK);
    assert_int_equal(dir_empty(p->dir, &e), EC_OK);
    argv[n++] = (char *)program;
    argv[n++] = "--dir";
    argv[n++] = p->dir;
    argv[n++] = "--port";
    argv[n++] = "0";
    argv[n++] = "--ports-file";
    argv[n++] = ports;
    argv[n++] = "--seed";
    argv[n++] = "7";
    argv[n++] = "--quiet";
    for (size_t i = 0; knobs && knobs[i]; i++) {
        bool flip = knobs[i][0] == '+';

        argv[n++] = flip ? "--flip" : "--knob";
        argv[n++] = (char *)knobs[i] + flip;
    }
    argv[n] = NULL;
    assert_int_equal(posix_spawn(&p->pid, program, NULL, NULL, argv, environ), 0);
    end_child();
    child = p->pid;
    for (int i = 0; i < 200 && !file_exists(ports); i++)
        usleep(50000);
    if (file_read(ports, 10000, &text, &e))
        fail_msg("the emulator did not start: %s", e.msg);
    port_line(strbuf_str(&text), "login=", p->login);
    port_line(strbuf_str(&text), "dataverse=", p->dataverse);
    port_line(strbuf_str(&text), "admin=", p->admin);
    strbuf_release(&text);
    p->user = (struct auth_config){ .authority = p->login,
                                    .tenant = "contoso",
                                    .client_id = "11111111-1111-1111-1111-111111111111",
                                    .secret = "demo-secret",
                                    .resource = p->dataverse };
    assert_int_equal(http_new(&hc, &p->http, &e), EC_OK);
    open_client(p, 0);
    return p;
}

static void peer_stop(struct peer *p)
{
    int status = 0;

    dv_close(p->d);
    http_free(p->http);
    schema_release(&p->s);
    kill(p->pid, SIGTERM);
    waitpid(p->pid, &status, 0);
    child = 0;
    free(p);
}

static enum ec take_id(void *arg, const struct json *row, struct err *reterr)
{
    (void)reterr;
    snprintf(arg, 40, CELL_FMT, CELL_ARG(json_member(row, "cdm_companyid")));
    return EC_OK;
}

/* The accounts table, and a company for its rows. */
static void load(struct peer *p)
{
    const struct dv_table *companies;
    struct cell code = CELL_LIT("USMF");
    char etag[80];
    struct err e = { 0 };

    if (dv_load_table(p->d, CELL_LIT("cdm_companies"), &p->s, &e) ||
        dv_load_table(p->d, CELL_LIT("accounts"), &p->s, &e))
        fail_msg("%s", e.msg);
    companies = schema_table(&p->s, CELL_LIT("cdm_companies"));
    p->t = schema_table(&p->s, CELL_LIT("accounts"));
    if (dv_find(p->d, companies, CELL_LIT("cdm_companycode"), &code, 1, CELL_ABSENT, CELL_ABSENT, "cdm_companycode",
                take_id, p->company, &e))
        fail_msg("%s", e.msg);
    if (!p->company[0]) {
        dv_new_id(p->company);
        if (dv_create(p->d, companies, cell_of(p->company),
                      CELL_LIT("{\"cdm_companycode\":\"USMF\",\"cdm_name\":\"Contoso\"}"), etag, &e))
            fail_msg("%s", e.msg);
    }
}

static void row_body(struct peer *p, size_t i, const char *name)
{
    snprintf(p->bodies[i], sizeof(p->bodies[i]),
             "\"accountnumber\":\"C-%05zu\",\"name\":\"%s\",\"msdyn_company@odata.bind\":\"/cdm_companies(%s)\"", i,
             name, p->company);
    p->rows[i].body = cell_of(p->bodies[i]);
}

static void fill(struct peer *p, size_t n)
{
    char text[80];

    p->n = n;
    p->at = p->n_results = 0;
    memset(p->results, 0, sizeof(p->results));
    for (size_t i = 0; i < n; i++) {
        p->rows[i] = (struct dv_bulk_row){ .tag = i, .create = true };
        snprintf(text, sizeof(text), "account|usmf|C-%05zu", i);
        dv_id_from(text, strlen(text), p->rows[i].id);
        snprintf(text, sizeof(text), "Customer %zu", i);
        row_body(p, i, text);
    }
}

static bool next_row(void *ctx, struct dv_bulk_row *ret, struct err *reterr)
{
    struct peer *p = ctx;

    (void)reterr;
    if (p->at == p->n)
        return false;
    *ret = p->rows[p->at++];
    return true;
}

static enum ec take_results(void *ctx, const struct dv_bulk_result *r, size_t n, struct err *reterr)
{
    struct peer *p = ctx;

    (void)reterr;
    for (size_t i = 0; i < n; i++) {
        p->results[r[i].tag]++;
        p->got[r[i].tag] = r[i];
        if (r[i].why) {
            snprintf(p->why[r[i].tag], 200, "%.199s", r[i].why->msg);
            snprintf(p->codes[r[i].tag], 40, "%s", r[i].why->service_code);
        }
        p->n_results++;
    }
    return EC_OK;
}

static struct dv_bulk_stats write_rows(struct peer *p, size_t want_refused)
{
    struct dv_bulk bulk = { .next = next_row, .results = take_results, .ctx = p };
    struct dv_bulk_stats s = { 0 };
    struct err e = { 0 };
    size_t refused = 0;

    p->at = 0;
    if (dv_bulk_write(p->d, p->t, &bulk, &s, &e))
        fail_msg("%s", e.msg);
    assert_int_equal(p->n_results, p->n);
    for (size_t i = 0; i < p->n; i++) {
        assert_int_equal(p->results[i], 1);
        refused += p->got[i].outcome == DV_REFUSED;
        if (p->got[i].outcome == DV_UNKNOWN || (p->got[i].outcome == DV_REFUSED && want_refused == 0))
            fail_msg("row %zu: outcome %d: %s", i, p->got[i].outcome, p->why[i]);
    }
    assert_int_equal(refused, want_refused);
    return s;
}

static enum ec count_row(void *arg, const struct json *row, struct err *reterr)
{
    (void)row;
    (void)reterr;
    ++*(int64_t *)arg;
    return EC_OK;
}

static enum ec count_gone(void *arg, struct cell id, struct err *reterr)
{
    (void)id;
    (void)reterr;
    *(int64_t *)arg += 1000000;
    return EC_OK;
}

static void meta_and_identity(void **state)
{
    struct peer *p = peer_start(NULL);
    struct dv_whoami w = { 0 };
    struct err e = { 0 };
    const struct dv_column *c;
    bool running = true;

    (void)state;
    if (dv_whoami(p->d, &w, &e))
        fail_msg("%s", e.msg);
    assert_string_equal(w.organization_id, "0f9d1c52-3a51-4c7e-9a11-0d5e5a3c0001");
    load(p);
    assert_true(cell_is(p->t->logical, "account") && cell_is(p->t->pk, "accountid") && p->t->user_owned);
    assert_true(p->t->create_multiple && p->t->update_multiple && p->t->change_tracking);
    assert_non_null(p->t->company);
    assert_true(cell_is(p->t->company->name, "msdyn_company"));
    assert_true(p->t->n_keys == 1 && p->t->keys[0].active && p->t->keys[0].n == 2);
    c = dv_column_find(p->t, CELL_LIT("name"));
    assert_true(c && c->type == DV_STRING && c->max_length == 160);
    c = dv_column_find(p->t, CELL_LIT("customertypecode"));
    assert_true(c && c->type == DV_PICKLIST && c->n_options == 4 && cell_is(c->options[1].label, "Customer"));
    c = dv_column_find(p->t, CELL_LIT("msdyn_billingaccount"));
    assert_true(c && c->n_navs == 1 && cell_is(c->navs[0].nav, "msdyn_billingaccount_account"));
    c = dv_column_find(p->t, CELL_LIT("creditlimit"));
    assert_true(c && c->type == DV_MONEY && c->precision == 4);
    assert_int_equal(dv_load_table(p->d, CELL_LIT("nosuchthings"), &p->s, &e), EC_CONFIG);
    if (dv_dualwrite_running(p->d, CELL_LIT("account"), CELL_LIT("Customers V3"), &running, &e))
        fail_msg("%s", e.msg);
    assert_false(running);
    peer_stop(p);
}

static void life_of_rows(void **state)
{
    struct peer *p = peer_start(NULL);
    struct arena a = { 0 };
    struct json *v = NULL;
    struct err e = { 0 };
    char *link = NULL, *next = NULL, etag[80], old[80];
    int64_t n = 0;
    bool found = false;
    struct cell hostile[3] = { CELL_LIT("C-00001"), CELL_LIT("a/b&c%#'\"\\+?<>*:"), CELL_LIT("C-00002") };

    (void)state;
    load(p);
    open_client(p, 100); /* several pages */
    fill(p, 450);
    snprintf(p->bodies[9], sizeof(p->bodies[9]),
             "\"accountnumber\":\"a/b&c%%#'\\\"\\\\+?<>*:\",\"name\":\"x\",\"msdyn_company@odata.bind\":\"/"
             "cdm_companies(%s)\"",
             p->company);
    p->rows[9].body = cell_of(p->bodies[9]);
    write_rows(p, 0);
    if (dv_scan(p->d, "accounts", "accountnumber,name,_msdyn_company_value", NULL, true, count_row, &n, &link, &e))
        fail_msg("%s", e.msg);
    assert_int_equal(n, 450);
    n = 0;
    if (dv_find(p->d, p->t, CELL_LIT("accountnumber"), hostile, 3, CELL_LIT("_msdyn_company_value"),
                cell_of(p->company), "accountnumber", count_row, &n, &e))
        fail_msg("%s", e.msg);
    assert_int_equal(n, 3);
    n = 0;
    if (dv_count(p->d, "accounts", NULL, &n, &e))
        fail_msg("%s", e.msg);
    assert_int_equal(n, 450);

    /* one row: read, write on its version, lose a race, delete */
    if (dv_get(p->d, "accounts", cell_of(p->rows[3].id), "accountnumber,name", &a, &v, &found, &e))
        fail_msg("%s", e.msg);
    assert_true(found && cell_is(json_member(v, "accountnumber"), "C-00003"));
    snprintf(old, sizeof(old), CELL_FMT, CELL_ARG(json_member(v, "@odata.etag")));
    if (dv_update(p->d, "accounts", cell_of(p->rows[3].id), CELL_LIT("{\"telephone1\":\"555\"}"), old, etag, &e))
        fail_msg("%s", e.msg);
    assert_true(etag[0] && strcmp(etag, old));
    assert_int_equal(
        dv_update(p->d, "accounts", cell_of(p->rows[3].id), CELL_LIT("{\"telephone1\":\"6\"}"), old, etag, &e),
        EC_CONFLICT);
    assert_int_equal(dv_update(p->d, "accounts", CELL_LIT("99999999-0000-4000-8000-000000000000"),
                               CELL_LIT("{\"telephone1\":\"6\"}"), "*", etag, &e),
                     EC_NOTFOUND);
    if (dv_create(p->d, p->t, cell_of(p->rows[3].id), CELL_LIT("{\"name\":\"again\"}"), etag,
                  &e)) /* our own id: done */
        fail_msg("%s", e.msg);
    if (dv_delete(p->d, "accounts", cell_of(p->rows[4].id), NULL, &e))
        fail_msg("%s", e.msg);
    assert_int_equal(dv_get(p->d, "accounts", cell_of(p->rows[4].id), "name", &a, &v, &found, &e), EC_OK);
    assert_false(found);
    n = 0;
    if (dv_delta(p->d, link, count_row, count_gone, &n, &next, &e))
        fail_msg("%s", e.msg);
    assert_int_equal(n, 1000001); /* one changed, one gone */
    free(link);
    link = next;
    next = NULL;
    n = 0;
    if (dv_delta(p->d, link, count_row, count_gone, &n, &next, &e))
        fail_msg("%s", e.msg);
    assert_int_equal(n, 0);

    /* updates by the bulk writer */
    for (size_t i = 0; i < p->n; i++) {
        p->rows[i].create = false;
        snprintf(p->bodies[i], sizeof(p->bodies[i]), "\"telephone1\":\"%zu\"", i);
        p->rows[i].body = cell_of(p->bodies[i]);
    }
    memset(p->results, 0, sizeof(p->results));
    p->n_results = 0;
    write_rows(p, 1); /* the deleted one */
    assert_int_equal(p->got[4].outcome, DV_REFUSED);
    assert_int_equal(p->got[4].klass, DV_CLASS_REFERENCE);
    free(link);
    link = next;
    next = NULL;
    n = 0;
    if (dv_delta(p->d, link, count_row, count_gone, &n, &next, &e))
        fail_msg("%s", e.msg);
    assert_int_equal(n, 449);
    assert_int_equal(counter(p, "dv.writes.untagged"), 0);
    free(link);
    free(next);
    arena_release(&a);
    peer_stop(p);
}

static void refusals(void **state)
{
    static const char *const NO_BULK[] = { "dv_no_bulk_any=1", NULL };
    char text[300];

    (void)state;
    for (int bulk = 1; bulk >= 0; bulk--) {
        struct peer *p = peer_start(bulk ? NULL : NO_BULK);
        struct dv_bulk_stats clean, s;

        load(p);
        assert_int_equal(p->t->create_multiple, bulk);
        fill(p, 1000);
        clean = write_rows(p, 0);
        assert_int_equal(counter(p, "dv.rows.created"), 1001); /* and the company */

        /* one bad row among 1,000 updates */
        for (size_t i = 0; i < p->n; i++)
            p->rows[i].create = false;
        memset(text, 'x', 200);
        text[200] = 0;
        row_body(p, 613, text);
        memset(p->results, 0, sizeof(p->results));
        p->n_results = 0;
        s = write_rows(p, 1);
        assert_int_equal(p->got[613].outcome, DV_REFUSED);
        assert_int_equal(p->got[613].klass, DV_CLASS_DATA);
        assert_string_equal(p->codes[613], "0x80044331");
        if (s.calls > clean.calls + 20)
            fail_msg("%llu calls for one bad row, %llu without", (unsigned long long)s.calls,
                     (unsigned long long)clean.calls);

        /* a lookup to nowhere is named by the service */
        row_body(p, 613, "Customer 613");
        snprintf(p->bodies[7], sizeof(p->bodies[7]),
                 "\"msdyn_PaymentTerm@odata.bind\":\"/msdyn_paymentterms(99999999-0000-4000-8000-000000000000)\"");
        p->rows[7].body = cell_of(p->bodies[7]);
        memset(p->results, 0, sizeof(p->results));
        p->n_results = 0;
        s = write_rows(p, 1);
        assert_int_equal(p->got[7].klass, DV_CLASS_REFERENCE);

        /* the alternate key is taken: another id, the same number */
        p->n = 20;
        for (size_t i = 0; i < p->n; i++) {
            p->rows[i].create = true;
            dv_new_id(p->rows[i].id);
            row_body(p, i == 5 ? 5 : i + 2000, "twin");
            if (i != 5) {
                memcpy(p->bodies[i], p->bodies[i + 2000], sizeof(p->bodies[i]));
                p->rows[i].body = cell_of(p->bodies[i]);
            }
        }
        memset(p->results, 0, sizeof(p->results));
        p->n_results = 0;
        write_rows(p, 1);
        assert_int_equal(p->got[5].klass, DV_CLASS_DUPLICATE);
        peer_stop(p);
    }
}

static void lost_answers(void **state)
{
    static const char *const NO_BULK[] = { "dv_no_bulk_any=1", NULL };
    struct err e = { 0 };

    (void)state;
    for (int bulk = 1; bulk >= 0; bulk--) {
        struct peer *p = peer_start(bulk ? NULL : NO_BULK);
        int64_t n = 0;

        load(p);
        admin(p, "POST", "/faults",
              bulk ? "on dataverse POST *CreateMultiple* nth 2 do drop after\n"
                     "on dataverse POST *CreateMultiple* nth 4 do drop before\n"
                     "on dataverse POST *CreateMultiple* nth 6 do status 503\n"
                   : "on dataverse POST *$batch* nth 2 do drop after\n"
                     "on dataverse POST *$batch* nth 4 do drop before\n"
                     "on dataverse POST *$batch* nth 5 do cut 300\n",
              NULL);
        fill(p, 1500);
        write_rows(p, 0);
        assert_int_equal(counter(p, "dv.rows.created"), 1501);
        if (dv_count(p->d, "accounts", NULL, &n, &e))
            fail_msg("%s", e.msg);
        assert_int_equal(n, 1500);
        peer_stop(p);
    }
}

static void throttling(void **state)
{
    static const char *const KNOBS[] = { "dv_limit_requests=12", "dv_window_ms=1500", "dv_code_decimal=1", NULL };
    struct peer *p = peer_start(KNOBS);
    struct session_stats st;

    (void)state;
    load(p);
    open_client(p, 0);
    fill(p, 3000);
    write_rows(p, 0);
    assert_int_equal(counter(p, "dv.rows.created"), 3001);
    session_stats(dv_session(p->d), &st);
    assert_true(counter(p, "dv.429") > 0);
    peer_stop(p);
}

static void plugin(void **state)
{
    static const char *const KNOBS[] = { "dv_plugin_throws_untagged=1", NULL };
    struct peer *p = peer_start(KNOBS);
    struct dv_config dc = { .url = p->dataverse, .users = &p->user, .n_users = 1 };
    struct dv_bulk bulk = { .next = next_row, .results = take_results, .ctx = p, .breaker = 10 };
    struct dv_bulk_stats s = { 0 };
    struct err e = { 0 };

    (void)state;
    load(p);
    fill(p, 120);
    write_rows(p, 0); /* tagged: the plug-in steps aside */
    dv_close(p->d);
    p->d = NULL;
    assert_int_equal(dv_open(&dc, p->http, &p->d, &e), EC_OK);
    fill(p, 2000);
    for (size_t i = 0; i < p->n; i++)
        dv_new_id(p->rows[i].id);
    assert_int_equal(dv_bulk_write(p->d, p->t, &bulk, &s, &e), EC_DATAVERSE);
    assert_true(p->n_results >= 10 && p->n_results < 1000);
    for (size_t i = 0; i < p->n; i++)
        if (p->results[i]) {
            assert_int_equal(p->got[i].klass, DV_CLASS_PLUGIN);
            assert_non_null(strstr(p->why[i], "plug-in Contoso.Plugins.AccountGuard: accounts are"));
        }
    assert_non_null(strstr(e.msg, "Contoso.Plugins.AccountGuard"));
    peer_stop(p);
}

static void annotations(void **state)
{
    static const char *const KNOBS[] = { "dv_annotations_drop_deltalink=1", NULL };
    struct peer *p = peer_start(KNOBS);
    struct err e = { 0 };
    char *link = NULL;
    int64_t n = 0;

    (void)state;
    load(p);
    if (dv_scan(p->d, "accounts", "name", NULL, true, count_row, &n, &link, &e))
        fail_msg("%s", e.msg);
    assert_non_null(link);
    free(link);
    link = NULL;
    dv_ask_annotations(p->d, true);
    assert_int_equal(dv_scan(p->d, "accounts", "name", NULL, true, count_row, &n, &link, &e), EC_DATAVERSE);
    assert_null(link);
    peer_stop(p);
}

static void expired_token(void **state)
{
    struct peer *p = peer_start(NULL);
    struct err e = { 0 };
    char *link = NULL, *next = NULL;
    int64_t n = 0;

    (void)state;
    load(p);
    if (dv_scan(p->d, "accounts", "name", NULL, true, count_row, &n, &link, &e))
        fail_msg("%s", e.msg);
    admin(p, "POST", "/clock", "{\"advance_ms\":3456000000}", NULL); /* 40 days */
    open_client(p, 0);
    if (dv_delta(p->d, link, count_row, count_gone, &n, &next, &e) != EC_NOTFOUND)
        fail_msg("%d %s", e.code, e.msg);
    assert_string_equal(e.service_code, "0x80044352");
    free(link);
    peer_stop(p);
}

static void sign_in(void **state)
{
    struct peer *p = peer_start(NULL);
    struct dv_whoami w;
    struct err e = { 0 };

    (void)state;
    p->user.secret = "wrong";
    open_client(p, 0);
    assert_int_equal(dv_whoami(p->d, &w, &e), EC_AUTH);
    p->user.secret = "demo-secret";
    p->user.client_id = "99999999-1111-1111-1111-111111111111";
    open_client(p, 0);
    assert_int_equal(dv_whoami(p->d, &w, &e), EC_AUTH);
    peer_stop(p);
}

/* Every point that is uncertain about the service, the other way round, and mixes of them. */
static void flips(void **state)
{
    static const char *const FLIPS[][2] = {
        { "+all", NULL }, { "+mix:1", NULL }, { "+mix:2", NULL }, { "+mix:3", NULL }, { "+mix:4", NULL }
    };
    char text[200];

    (void)state;
    for (size_t k = 0; k < COUNT(FLIPS); k++) {
        struct peer *p = peer_start(FLIPS[k]);
        struct err e = { 0 };
        char *link = NULL, *next = NULL, etag[80];
        int64_t n = 0;

        load(p);
        fill(p, 300);
        memset(text, 'x', 199);
        text[199] = 0;
        row_body(p, 77, text);
        write_rows(p, 1);
        assert_int_equal(p->got[77].klass, DV_CLASS_DATA);
        if (dv_scan(p->d, "accounts", "accountnumber,name,creditlimit,_msdyn_company_value", NULL, true, count_row,
                    &n, &link, &e))
            fail_msg("%s: %s", FLIPS[k][0], e.msg);
        assert_int_equal(n, 299);
        if (dv_update(p->d, "accounts", cell_of(p->rows[3].id), CELL_LIT("{\"telephone1\":\"555\"}"), "*", etag, &e))
            fail_msg("%s: %s", FLIPS[k][0], e.msg);
        n = 0;
        if (dv_delta(p->d, link, count_row, count_gone, &n, &next, &e))
            fail_msg("%s: %s", FLIPS[k][0], e.msg);
        assert_int_equal(n, 1);
        free(link);
        free(next);
        peer_stop(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(meta_and_identity), cmocka_unit_test(life_of_rows),
        cmocka_unit_test(refusals),          cmocka_unit_test(lost_answers),
        cmocka_unit_test(throttling),        cmocka_unit_test(plugin),
        cmocka_unit_test(annotations),       cmocka_unit_test(expired_token),
        cmocka_unit_test(sign_in),           cmocka_unit_test(flips),
    };

    atexit(end_child);
    return cmocka_run_group_tests_name("dv_emulator", tests, NULL, NULL);
}

/*
 * bench_dv -- the bulk writer against a running emulator: so many new accounts, as one or several application users.
 *
 *   bench_dv --ports FILE --rows N [--users 1|2] [--bad N] [--scale N] [--first N]
 *
 * Rows are made on the way and freed when their result is there, so that the peak of memory is the writer's. --scale: our
 * clock runs as fast as the emulator's (--time-scale), so that waits, limits and Retry-After keep their proportions; what
 * really takes time (our processor) then counts so many times more. --bad: every N-th row is refused by the service. Ends
 * with 1 when a row has no result, or the refused ones are others than the bad ones. Prints NAME VALUE lines.
 */
#include "base/file.h"
#include "dv/dv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

struct bench {
    const char *ports;
    int64_t rows, users, bad, scale, first;
    char dataverse[100], login[100], company[40];
    struct http *http;
    struct dv *d;
    struct schema s;
    const struct dv_table *t;
    int64_t made, written, refused, unknown, wrong;
    char why[300];
};
struct row {
    int64_t no;
    char body[400];
};

static bool is_bad(const struct bench *b, int64_t no)
{
    return b->bad && no % b->bad == b->bad / 2;
}

static bool next_row(void *ctx, struct dv_bulk_row *ret, struct err *reterr)
{
    struct bench *b = ctx;
    struct row *r;
    char text[80];
    int n;

    (void)reterr;
    if (b->made == b->rows)
        return false;
    r = xmalloc(sizeof(*r));
    r->no = b->first + b->made++;
    n = snprintf(text, sizeof(text), "bench|account|usmf|B-%09lld", (long long)r->no);
    dv_id_from(text, (size_t)n, ret->id);
    /* a credit limit beyond what money holds */
    n = snprintf(
        r->body, sizeof(r->body),
        "\"accountnumber\":\"B-%09lld\",\"name\":\"Customer %lld of the bench\",\"telephone1\":\"+1 555 %07lld\","
        "\"creditlimit\":%s,\"msdyn_company@odata.bind\":\"/cdm_companies(%s)\"",
        (long long)r->no, (long long)r->no, (long long)r->no % 10000000, is_bad(b, r->no) ? "1e18" : "2500.50",
        b->company);
    ret->body = (struct cell){ r->body, (size_t)n };
    ret->create = true;
    ret->tag = (uint64_t)(uintptr_t)r;
    return true;
}

static enum ec take_results(void *ctx, const struct dv_bulk_result *r, size_t n, struct err *reterr)
{
    struct bench *b = ctx;

    (void)reterr;
    for (size_t i = 0; i < n; i++) {
        struct row *row = (struct row *)(uintptr_t)r[i].tag;

        b->written += r[i].outcome == DV_WRITTEN;
        b->refused += r[i].outcome == DV_REFUSED;
        b->unknown += r[i].outcome == DV_UNKNOWN;
        b->wrong += is_bad(b, row->no) != (r[i].outcome == DV_REFUSED);
        if (r[i].why)
            snprintf(b->why, sizeof(b->why), "%.299s", r[i].why->msg);
        free(row);
    }
    return EC_OK;
}

static enum ec take_id(void *arg, const struct json *row, struct err *reterr)
{
    (void)reterr;
    snprintf(arg, 40, CELL_FMT, CELL_ARG(json_member(row, "cdm_companyid")));
    return EC_OK;
}

static bool line_of(const char *text, const char *name, char ret[static 100])
{
    const char *p = strstr(text, name);

    if (!p)
        return false;
    p += strlen(name);
    snprintf(ret, 100, "%.*s", (int)strcspn(p, "\r\n"), p);
    return true;
}

/* The accounts table, and a company for its rows. */
static enum ec prepare(struct bench *b, struct err *e)
{
    const struct dv_table *companies;
    struct cell code = CELL_LIT("USMF");
    char etag[80];
    enum ec rc = dv_load_table(b->d, CELL_LIT("cdm_companies"), &b->s, e);

    if (!rc)
        rc = dv_load_table(b->d, CELL_LIT("accounts"), &b->s, e);
    if (rc)
        return rc;
    companies = schema_table(&b->s, CELL_LIT("cdm_companies"));
    b->t = schema_table(&b->s, CELL_LIT("accounts"));
    rc = dv_find(b->d, companies, CELL_LIT("cdm_companycode"), &code, 1, CELL_ABSENT, CELL_ABSENT, "cdm_companycode",
                 take_id, b->company, e);
    if (rc || b->company[0])
        return rc;
    dv_new_id(b->company);
    return dv_create(b->d, companies, cell_of(b->company),
                     CELL_LIT("{\"cdm_companycode\":\"USMF\",\"cdm_name\":\"Contoso\"}"), etag, e);
}

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static enum ec write_rows(struct bench *b, struct err *e)
{
    struct dv_bulk bulk = { .next = next_row, .results = take_results, .ctx = b };
    struct dv_bulk_stats st = { 0 };
    struct session_stats net;
    struct rusage before, after;
    int64_t began = clock_mono_ms();
    double took, cpu;
    enum ec rc;

    getrusage(RUSAGE_SELF, &before);
    rc = dv_bulk_write(b->d, b->t, &bulk, &st, e);
    getrusage(RUSAGE_SELF, &after);
    took = (double)(clock_mono_ms() - began) / 1000;
    cpu = seconds(after.ru_utime) + seconds(after.ru_stime) - seconds(before.ru_utime) - seconds(before.ru_stime);
    session_stats(dv_session(b->d), &net);
    printf("rows %lld\nwritten %lld\nrefused %lld\nunknown %lld\nwrong %lld\n", (long long)b->made,
           (long long)b->written, (long long)b->refused, (long long)b->unknown, (long long)b->wrong);
    printf("calls %llu\nfirst_calls %llu\nextra_calls %llu\nbatch_rows %d\n", (unsigned long long)st.calls,
           (unsigned long long)st.first_calls, (unsigned long long)(st.calls - st.first_calls), st.batch_rows);
    printf("http_calls %llu\nrejected_calls %llu\nretries %llu\nusers %zu\nconcurrency %d\n",
           (unsigned long long)net.calls, (unsigned long long)net.throttled, (unsigned long long)net.retries,
           net.users, net.concurrency);
    for (int k = 1; k < WAIT_REASONS; k++)
        printf("waited_%s %.1f\n", wait_reason_name((enum wait_reason)k), (double)net.waits_ms[k] / 1000);
    printf("seconds %.1f\nrows_per_s %.1f\n", took, took > 0 ? (double)b->made / took : 0);
    printf("cpu %.2f\ncpu_per_million %.2f\npeak_kib %ld\n", cpu, b->made ? cpu * 1e6 / (double)b->made : 0,
           after.ru_maxrss);
    if (b->why[0])
        printf("why %s\n", b->why);
    return rc;
}

static bool options(int argc, char **argv, struct bench *b)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        int64_t n = strtoll(argv[i + 1], NULL, 10);

        if (!strcmp(argv[i], "--ports"))
            b->ports = argv[i + 1];
        else if (!strcmp(argv[i], "--rows"))
            b->rows = n;
        else if (!strcmp(argv[i], "--users"))
            b->users = n;
        else if (!strcmp(argv[i], "--bad"))
            b->bad = n;
        else if (!strcmp(argv[i], "--scale"))
            b->scale = n;
        else if (!strcmp(argv[i], "--first"))
            b->first = n;
        else
            return false;
    }
    return argc % 2 && b->ports && b->rows > 0 && b->users >= 1 && b->users <= 2 && b->scale >= 1;
}

int main(int argc, char **argv)
{
    static struct bench b = { .users = 1, .scale = 1 };
    struct auth_config users[2] = { { .client_id = "11111111-1111-1111-1111-111111111111" },
                                    { .client_id = "11111111-1111-1111-1111-111111111112" } };
    struct dv_config dc = { .users = users, .tag = "DualWrite" };
    struct http_config hc = { .user_agent = "bench_dv" };
    struct strbuf text = STRBUF(0);
    struct err e = { 0 };
    enum ec rc;

    if (!options(argc, argv, &b)) {
        fprintf(stderr, "usage: bench_dv --ports FILE --rows N [--users 1|2] [--bad N] [--scale N] [--first N]\n");
        return 2;
    }
    if (b.scale > 1)
        clock_fast(b.scale);
    rc = file_read(b.ports, 10000, &text, &e);
    if (!rc &&
        (!line_of(strbuf_str(&text), "dataverse=", b.dataverse) || !line_of(strbuf_str(&text), "login=", b.login)))
        rc = err_set(&e, EC_CONFIG, "'%s' names no dataverse or login address", b.ports);
    strbuf_release(&text);
    for (int i = 0; i < 2; i++) {
        users[i].authority = b.login;
        users[i].tenant = "contoso";
        users[i].secret = "demo-secret";
        users[i].resource = b.dataverse;
    }
    dc.url = b.dataverse;
    dc.n_users = (size_t)b.users;
    if (!rc)
        rc = http_new(&hc, &b.http, &e);
    if (!rc)
        rc = dv_open(&dc, b.http, &b.d, &e);
    if (!rc)
        rc = prepare(&b, &e);
    if (!rc)
        rc = write_rows(&b, &e);
    if (rc)
        fprintf(stderr, "bench_dv: %s\n", e.msg);
    dv_close(b.d);
    http_free(b.http);
    schema_release(&b.s);
    return rc || b.wrong || b.unknown || b.written + b.refused != b.rows;
}

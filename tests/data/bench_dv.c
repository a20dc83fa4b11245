/*
 * bench_dv -- the bulk writer against a running emulator: so many new accounts, as one or several application users.
 *
 *   bench_dv --ports FILE --rows N [--users 1|2] [--bad N] [--scale N | --clock FILE] [--ca FILE] [--first N]
 *
 * Rows are made on the way and freed when their result is there, so that the peak of memory is the writer's. --scale: our
 * clock runs as fast as the emulator's (--time-scale), so that waits, limits and Retry-After keep their proportions; what
 * really takes time (our processor) then counts so many times more. --clock: the emulator's clock, which stands still while
 * anybody works (its --clock). --ca: who signed its certificate. --bad: every N-th row is refused by the service. Ends
 * with 1 when a row has no result, or the refused ones are others than the bad ones. Prints NAME VALUE lines.
 */
#include "base/file.h"
#include "dv/dv.h"
#include "shared_clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

struct bench {
    const char *ports, *clock, *ca;
    int64_t rows, users, bad, scale, first;
    char dataverse[100], login[100], company[40], company_ref[80];
    struct http *http;
    struct dv *d;
    struct schema s;
    const struct dv_table *t;
    int64_t made, written, refused, unknown, wrong;
    char why[300];
};
struct row {
    int64_t no;
    struct strbuf body;
};

static bool is_bad(const struct bench *b, int64_t no)
{
    return b->bad && no % b->bad == b->bad / 2;
}

static bool next_row(void *ctx, struct dv_bulk_row *ret, struct err *reterr)
{
    struct bench *b = ctx;
    struct row *r;
    struct jsonw w;
    char text[] = "Customer B-000000000 of the bench", *no = text + 9;
    size_t n = sizeof(text) - 1;
    int64_t left;

    (void)reterr;
    if (b->made == b->rows)
        return false;
    r = xcalloc(1, sizeof(*r));
    strbuf_reserve(&r->body, 300);
    r->no = b->first + b->made++;
    left = r->no;
    for (int i = 10; i > 1; i--, left /= 10)
        no[i] = (char)('0' + left % 10);
    w = (struct jsonw){ .out = &r->body };
    jw_name(&w, "accountnumber");
    jw_str(&w, (struct cell){ no, 11 });
    jw_name(&w, "name");
    jw_str(&w, (struct cell){ text, n });
    jw_name(&w, "telephone1");
    jw_str(&w, (struct cell){ no + 2, 9 });
    jw_name(&w, "creditlimit"); /* a bad one is beyond what money holds */
    jw_raw(&w, is_bad(b, r->no) ? CELL_LIT("1e18") : CELL_LIT("2500.50"));
    jw_name(&w, "msdyn_company@odata.bind");
    jw_str(&w, cell_of(b->company_ref));
    dv_id_from(text, n, ret->id);
    ret->body = (struct cell){ r->body.buf, r->body.len };
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
        strbuf_release(&row->body);
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
    if (!rc && !b->company[0]) {
        dv_new_id(b->company);
        rc = dv_create(b->d, companies, cell_of(b->company),
                       CELL_LIT("{\"cdm_companycode\":\"USMF\",\"cdm_name\":\"Contoso\"}"), etag, e);
    }
    (void)snprintf(b->company_ref, sizeof(b->company_ref), "/cdm_companies(%s)", b->company);
    return rc;
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
        else if (!strcmp(argv[i], "--clock"))
            b->clock = argv[i + 1];
        else if (!strcmp(argv[i], "--ca"))
            b->ca = argv[i + 1];
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
        fprintf(
            stderr,
            "usage: bench_dv --ports FILE --rows N [--users 1|2] [--bad N] [--scale N | --clock FILE] [--ca FILE] "
            "[--first N]\n");
        return 2;
    }
    if (b.scale > 1)
        clock_fast(b.scale);
    rc = b.clock ? shared_clock_lead(b.clock, &e) : EC_OK;
    if (!rc)
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
    hc.ca_file = b.ca;
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

/*
 * dmfsync-emulator: a tenant pair on loopback. Options, the five listeners, and the way of a request through lock,
 * transaction, faults and service. See docs/emulator.md.
 */
#include "emu_store.h"

#include "base/file.h"
#include "base/log.h"
#include "emu_dualwrite.h"
#include "emu_fault.h"
#include "emu_fno.h"
#include "shared_clock.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const char emu_tenant_json[]; /* tenant.json, embedded by the Makefile */

static const char *const SERVICES[EMU_SERVICES] = { "login", "blob", "fno", "dataverse", "admin", "gateway" };
static const char USAGE[] =
    "Usage: dmfsync-emulator --dir DIR [OPTION]..\n"
    "A Finance & Operations and a Dataverse environment on loopback, for tests and demonstrations.\n\n"
    "  --dir DIR            where the tenant lives; one that is there already is continued\n"
    "  --port N             first of six consecutive ports; 0 = any free ones (default)\n"
    "  --ports-file FILE    written when ready: login=, blob=, fno=, dataverse=, admin=, gateway= with their\n"
    "                       URLs\n"
    "  --seed N             ids, versions and random draws follow from it (default 1)\n"
    "  --fault FILE         rules for injected faults\n"
    "  --knob NAME=VALUE    sets a knob, see below; repeatable\n"
    "  --flip all|mix:SEED  flips the knobs that stand for something unknown about the services\n"
    "  --tenant FILE        another tenant definition\n"
    "  --maps DIR           dual-write map files, for maps that are set to running\n"
    "  --time-scale N       simulated time runs N times faster\n"
    "  --tls-cert FILE      a certificate chain (PEM): everything is served by https\n"
    "  --tls-key FILE       its private key (PEM)\n"
    "  --clock FILE         simulated time that a client leads, standing still while anybody works: for measuring\n"
    "  --quiet              no lines about what is listening\n"
    "  --help\n\n"
    "Knobs, with their defaults:\n";

const char *emu_scheme = "http";

struct options {
    const char *dir, *ports_file, *fault, *flip, *tenant, *maps, *tls_cert, *tls_key, *clock;
    const char *knobs[KNOB_COUNT * 2];
    size_t n_knobs;
    int port;
    int64_t seed, time_scale;
    bool has_seed, quiet;
};

/* ---- one request ---- */
static void answer_fault(struct emu_request *q, struct emu_response *r, const struct emu_fault_plan *p)
{
    r->status = p->status;
    if (p->retry_after >= 0)
        emu_add_header(r, q, "Retry-After", "%" PRId64, p->retry_after);
    if (q->service == EMU_BLOB) {
        emu_add_header(r, q, "Content-Type", "application/xml");
        strbuf_addf(&r->body,
                    "\xef\xbb\xbf<?xml version=\"1.0\" "
                    "encoding=\"utf-8\"?><Error><Code>%s</Code><Message>%s</Message></Error>",
                    p->status == 503 ? "ServerBusy" : "InternalError",
                    p->status == 503 ? "The server is busy."
                                     : "The server encountered an internal error. Please retry.");
        return;
    }
    emu_add_header(r, q, "Content-Type", "application/json; odata.metadata=minimal");
    strbuf_addf(
        &r->body, "{\"error\":{\"code\":\"%s\",\"message\":\"%s\"}}", p->status == 429 ? "0x80072322" : "",
        p->status == 429
            ? "This request could not be processed at this time due to system experiencing high resource utilization."
            : "The service is not available.");
}

static void dispatch(struct emu *e, struct emu_request *q, struct emu_response *r)
{
    const char *authorization = emu_header(q, "Authorization");

    if (q->service == EMU_FNO || q->service == EMU_DATAVERSE || q->service == EMU_GATEWAY)
        q->user = emu_login_user(e, q->arena, authorization ? authorization : "", q->service);
    switch (q->service) {
    case EMU_LOGIN: emu_login_handle(e, q, r); break;
    case EMU_BLOB: emu_blob_handle(e, q, r); break;
    case EMU_FNO: emu_fno_handle(e, q, r); break;
    case EMU_DATAVERSE: emu_dv_handle(e, q, r); break;
    case EMU_ADMIN: emu_admin_handle(e, q, r); break;
    case EMU_GATEWAY: emu_gateway_handle(e, q, r); break;
    case EMU_SERVICES: break;
    }
}

static void spoil(struct emu_request *q, struct emu_response *r, const struct emu_fault_plan *p)
{
    r->drop = r->drop || p->drop_after;
    if (p->cut)
        r->cut_at = p->cut;
    if (p->garbage) {
        strbuf_reset(&r->body);
        strbuf_adds(&r->body, "<html><body>\xff\xfe{\"value\": [ {\"broken\": ");
        if (r->status == 204)
            r->status = 200;
        emu_add_header(r, q, "Content-Type", "application/json");
    }
}

void emu_serve(struct emu *e, struct emu_request *q, struct emu_response *r, int64_t *ret_wait_ms)
{
    struct emu_fault_plan plan = { .retry_after = -1 };
    char date[40], counter[32];
    int64_t began, spent;

    pthread_mutex_lock(&e->lock);
    began = emu_now_ms(e);
    emu_store_begin(e);
    snprintf(counter, sizeof(counter), "http.%s", SERVICES[q->service]);
    emu_count(e, counter, 1);
    if (q->service != EMU_ADMIN)
        emu_fault_match(e, q, &plan);
    if (plan.drop_before)
        r->drop = true;
    else if (plan.status)
        answer_fault(q, r, &plan);
    else
        dispatch(e, q, r);
    spoil(q, r, &plan);
    if (!r->status)
        r->status = 500;
    clock_format_http(emu_now_ms(e) + EMU_KNOB(e, clock_skew_ms), date);
    emu_add_header(r, q, "Date", "%s", date);
    /* what the work really took is part of its simulated time, not on top of it */
    spent = emu_now_ms(e) - began;
    if (spent < 0 || spent > r->cost_ms)
        spent = r->cost_ms;
    *ret_wait_ms =
        q->service == EMU_ADMIN ? 0 : emu_wall_ms(e, plan.delay_ms + r->cost_ms - spent + EMU_KNOB(e, latency_ms));
    emu_store_commit(e);
    pthread_mutex_unlock(&e->lock);
}

/* ---- options ---- */
static int usage(const char *what, const char *value)
{
    fprintf(stderr, "dmfsync-emulator: %s%s%s%s; see --help\n", what, value ? " '" : "", value ? value : "",
            value ? "'" : "");
    return 2;
}

static bool number(const char *s, int64_t min, int64_t max, int64_t *ret)
{
    char *end;

    errno = 0;
    *ret = strtoll(s, &end, 10);
    return !errno && *s && !*end && *ret >= min && *ret <= max;
}

static void help(void)
{
    struct strbuf s = STRBUF(0);

    strbuf_adds(&s, USAGE);
    emu_knobs_help(&s);
    fwrite(s.buf, 1, s.len, stdout);
    strbuf_release(&s);
}

/* -1 = go on, else the exit status. */
static int read_options(int argc, char **argv, struct options *o)
{
    static const struct option LONG[] = {
        { "dir", 1, NULL, 'd' },     { "port", 1, NULL, 'p' },       { "ports-file", 1, NULL, 'P' },
        { "seed", 1, NULL, 's' },    { "fault", 1, NULL, 'f' },      { "knob", 1, NULL, 'k' },
        { "flip", 1, NULL, 'F' },    { "tenant", 1, NULL, 't' },     { "maps", 1, NULL, 'm' },
        { "quiet", 0, NULL, 'q' },   { "time-scale", 1, NULL, 'T' }, { "help", 0, NULL, 'h' },
        { "tls-key", 1, NULL, 'K' }, { "tls-cert", 1, NULL, 'C' },   { "clock", 1, NULL, 'c' },
        { NULL, 0, NULL, 0 },
    };
    int64_t n = 0;
    int c;

    while ((c = getopt_long(argc, argv, "", LONG, NULL)) != -1) {
        switch (c) {
        case 'd': o->dir = optarg; break;
        case 'P': o->ports_file = optarg; break;
        case 'f': o->fault = optarg; break;
        case 'F': o->flip = optarg; break;
        case 't': o->tenant = optarg; break;
        case 'm': o->maps = optarg; break;
        case 'C': o->tls_cert = optarg; break;
        case 'K': o->tls_key = optarg; break;
        case 'c': o->clock = optarg; break;
        case 'q': o->quiet = true; break;
        case 'h': help(); return 0;
        case 'p':
            if (!number(optarg, 0, 65531, &n))
                return usage("not a port", optarg);
            o->port = (int)n;
            break;
        case 's':
            if (!number(optarg, 0, INT64_MAX, &o->seed))
                return usage("not a seed", optarg);
            o->has_seed = true;
            break;
        case 'T':
            if (!number(optarg, 1, 1000000, &o->time_scale))
                return usage("not a time scale", optarg);
            break;
        case 'k':
            if (o->n_knobs == COUNT(o->knobs))
                return usage("too many knobs", NULL);
            o->knobs[o->n_knobs++] = optarg;
            break;
        default: return 2;
        }
    }
    if (optind < argc)
        return usage("unexpected argument", argv[optind]);
    if (!o->tls_cert != !o->tls_key)
        return usage("--tls-cert and --tls-key go together", NULL);
    if (o->clock && o->time_scale > 1)
        return usage("--clock and --time-scale exclude each other", NULL);
    return o->dir ? -1 : usage("--dir is missing", NULL);
}

static int set_knobs(struct emu *e, const struct options *o)
{
    if (o->flip && !emu_knobs_flip(e, o->flip))
        return usage("--flip takes all or mix:SEED, not", o->flip);
    for (size_t i = 0; i < o->n_knobs; i++) {
        const char *eq = strchr(o->knobs[i], '=');
        char name[64];
        int64_t value;

        if (!eq || eq - o->knobs[i] >= (int)sizeof(name) || !number(eq + 1, INT64_MIN, INT64_MAX, &value))
            return usage("--knob takes NAME=NUMBER, not", o->knobs[i]);
        snprintf(name, sizeof(name), "%.*s", (int)(eq - o->knobs[i]), o->knobs[i]);
        if (!emu_knob_set(e, name, value))
            return usage("no such knob", name);
    }
    if (o->time_scale)
        emu_knob_set(e, "time_scale", o->time_scale);
    return -1;
}

/* ---- start ---- */
enum { TLS_FILE_MAX = 1 << 20 };

static enum ec load_tenant(struct emu *e, const char *path, struct err *reterr)
{
    struct strbuf text = STRBUF(0);
    enum ec rc;

    if (!path)
        return emu_tenant_load(&e->tenant, emu_tenant_json, strlen(emu_tenant_json), reterr);
    rc = file_read(path, (size_t)64 << 20, &text, reterr);
    if (!rc)
        rc = emu_tenant_load(&e->tenant, strbuf_str(&text), text.len, reterr);
    strbuf_release(&text);
    return rc ? err_ctx(reterr, rc, "'%s'", path) : EC_OK;
}

static enum ec load_faults(struct emu *e, const char *path, struct err *reterr)
{
    struct strbuf text = STRBUF(0);
    char msg[256] = "";
    enum ec rc = file_read(path, (size_t)1 << 20, &text, reterr);

    if (!rc && !emu_fault_load(e, strbuf_str(&text), text.len, msg, sizeof(msg)))
        rc = err_set(reterr, EC_FORMAT, "'%s': %s", path, msg);
    strbuf_release(&text);
    return rc;
}

/* A tenant keeps the seed it was made with: its ids would not fit any other. */
static enum ec settle_seed(struct emu *e, const struct options *o, struct err *reterr)
{
    int64_t kept = emu_state(e, "seed", -1);

    e->seed = (uint64_t)(kept >= 0 ? kept : o->has_seed ? o->seed : 1);
    if (kept >= 0 && o->has_seed && kept != o->seed)
        return err_set(reterr, EC_STATE, "'%s' was made with --seed %" PRId64 ", not %" PRId64, e->dir, kept,
                       o->seed);
    emu_state_set(e, "seed", (int64_t)e->seed);
    return EC_OK;
}

static enum ec start(struct emu *e, const struct options *o, struct err *reterr)
{
    struct arena a = { 0 };
    enum ec rc = emu_store_open(e, reterr);

    if (!rc)
        rc = dir_make(arena_printf(&a, "%s/blobs", e->dir), 0700, reterr);
    if (!rc)
        rc = dir_make(arena_printf(&a, "%s/tmp", e->dir), 0700, reterr);
    if (!rc)
        rc = dir_empty(arena_printf(&a, "%s/tmp", e->dir), reterr);
    arena_release(&a);
    if (!rc)
        rc = settle_seed(e, o, reterr);
    if (!rc)
        rc = load_tenant(e, o->tenant, reterr);
    if (!rc && o->fault)
        rc = load_faults(e, o->fault, reterr);
    if (rc)
        return rc;
    emu_clock_scale(e, EMU_KNOB(e, time_scale));
    e->time_offset_ms = 0;
    emu_store_begin(e);
    emu_dv_init(e);
    emu_fno_init(e);
    emu_store_commit(e);
    return EC_OK;
}

static enum ec listen_all(struct emu *e, const struct options *o, struct emu_listener **l, struct err *reterr)
{
    struct strbuf certificate = STRBUF(0), key = STRBUF(0);
    struct emu_tls tls = { NULL, NULL };
    int port = o->port;
    enum ec rc = EC_OK;

    if (o->tls_cert) {
        rc = file_read(o->tls_cert, TLS_FILE_MAX, &certificate, reterr);
        if (!rc)
            rc = file_read(o->tls_key, TLS_FILE_MAX, &key, reterr);
        tls = (struct emu_tls){ strbuf_str(&certificate), strbuf_str(&key) };
        emu_scheme = "https";
    }
    /* Requests to the first ports wait until all are known, since links and audiences name them. */
    pthread_mutex_lock(&e->lock);
    for (int i = 0; i < EMU_SERVICES && !rc; i++) {
        l[i] = emu_http_listen(e, (enum emu_service)i, port ? port + i : 0, &tls, &e->ports[i]);
        if (!l[i])
            rc = err_set(reterr, EC_BUSY, "port %d of 127.0.0.1 cannot be had%s", port ? port + i : 0,
                         o->tls_cert ? ", or the certificate and its key are not good" : "");
    }
    pthread_mutex_unlock(&e->lock);
    strbuf_release(&certificate);
    strbuf_release(&key);
    return rc;
}

static enum ec announce(const struct emu *e, const struct options *o, struct err *reterr)
{
    struct strbuf s = STRBUF(0);
    enum ec rc = EC_OK;

    for (int i = 0; i < EMU_SERVICES; i++)
        strbuf_addf(&s, "%s=%s://127.0.0.1:%d\n", SERVICES[i], emu_scheme, e->ports[i]);
    if (o->ports_file)
        rc = file_write_atomic(o->ports_file, s.buf, s.len, 0644, reterr);
    if (!o->quiet) {
        fwrite(s.buf, 1, s.len, stdout);
        fflush(stdout);
    }
    strbuf_release(&s);
    return rc;
}

int main(int argc, char **argv)
{
    static struct emu e = { .lock = PTHREAD_MUTEX_INITIALIZER };
    struct options o = { 0 };
    struct emu_listener *l[EMU_SERVICES] = { NULL };
    struct err err = { 0 };
    int status = read_options(argc, argv, &o);
    enum ec rc;

    if (status >= 0)
        return status;
    e.dir = o.dir;
    e.maps_dir = o.maps;
    emu_knobs_default(&e);
    status = set_knobs(&e, &o);
    if (status >= 0)
        return status;
    signal(SIGPIPE, SIG_IGN);
    stop_install();
    rc = o.clock ? shared_clock_make(o.clock, &err) : EC_OK;
    if (!rc)
        rc = start(&e, &o, &err);
    if (!rc)
        rc = listen_all(&e, &o, l, &err);
    if (!rc)
        rc = announce(&e, &o, &err);
    while (!rc && !stop_requested())
        (void)clock_sleep_ms(60000);
    if (rc)
        fprintf(stderr, "dmfsync-emulator: %s\n", err.msg);
    for (int i = 0; i < EMU_SERVICES; i++)
        emu_http_stop(l[i]);
    emu_fault_free(&e);
    emu_fno_free(&e);
    emu_store_close(&e);
    arena_release(&e.tenant.arena);
    return ec_exit_status(rc);
}

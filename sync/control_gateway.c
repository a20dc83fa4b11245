/*
 * control_gateway.c -- the management gateway of dual-write: optional, opt-in, NOT SUPPORTED BY MICROSOFT, known from its published
 * tools only. A delegated user's refresh token; the link is found by F&O's host; states and actions by template and project
 * id; all maps of one action in one request. A request that is complete says nothing about the maps: their states are
 * polled (control.c). The list of maps is empty now and then: asked again. Reset is never called.
 */
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "net/http.h"
#include "sync/child.h"
#include "sync/control_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_TOKEN = 16384, RENEW_BEFORE_MS = 300000, MAX_BUSY = 5, MAX_EMPTY = 6, START_TIMEOUT_MS = 180000 };

#define PORTAL "https://dataintegrator.trafficmanager.net"
#define CLIENT "2e49aa60-1bd3-43b6-8ab6-03ada3d9f08b"
#define SCOPE "https://IntegratorApp.com/.default openid profile offline_access"
#define API "/api/DualWriteManagement/1.0"

struct gateway {
    struct app *app;
    char *access, *refresh; /* in memory only, wiped */
    int64_t renew_at_ms; /* monotonic */
    char cid[80];
};

static void drop(char **secret)
{
    if (*secret)
        explicit_bzero(*secret, strlen(*secret));
    free(*secret);
    *secret = NULL;
}

/* A token leaves for the service's own hosts only; on loopback for a rehearsal. */
static bool allowed_base(const char *url)
{
    static const char LABEL[] = "https://projectmanagementservice.", TAIL[] = ".gateway.prod.island.powerapps.com";
    size_t n = strlen(url), t = sizeof(TAIL) - 1;

    if (!strncmp(url, "http://", 7))
        return url_allowed(url);
    while (n && url[n - 1] == '/')
        n--;
    return n > sizeof(LABEL) + t && !strncasecmp(url, LABEL, sizeof(LABEL) - 1) &&
           !strncasecmp(url + n - t, TAIL, t) && !memchr(url + 8, '/', n - 8) && !memchr(url + 8, ':', n - 8) &&
           !memchr(url + 8, '@', n - 8);
}

static enum ec refresh_token(struct gateway *g, struct err *reterr)
{
    const struct config *cfg = &g->app->cfg;
    struct strbuf text = STRBUF(MAX_TOKEN);
    enum ec rc;

    if (g->refresh)
        return EC_OK;
    if (cfg->gateway_token_command) {
        const char *argv[] = { "/bin/sh", "-c", cfg->gateway_token_command, NULL };
        struct child child = { .argv = argv, .limit_ms = 60000 };
        int status = 0;

        rc = child_run(&child, &status, &text, reterr);
        if (!rc && status)
            rc = err_set(reterr, EC_CONFIG, "gateway_refresh_token_command ended with status %d", status);
    } else {
        rc = file_read(cfg->gateway_token_file, MAX_TOKEN, &text, reterr);
    }
    while (text.len && strchr(" \r\n\t", text.buf[text.len - 1]))
        text.buf[--text.len] = '\0';
    if (!rc && !text.len)
        rc = err_set(reterr, EC_CONFIG, "the refresh token for the management gateway is empty");
    if (!rc)
        g->refresh = xstrdup(text.buf);
    if (text.buf)
        explicit_bzero(text.buf, text.cap);
    strbuf_release(&text);
    return rc ? err_ctx(reterr, rc, "sign in to the management gateway") : EC_OK;
}

static enum ec read_tokens(struct gateway *g, const struct http_response *r, struct err *reterr)
{
    struct arena a = { 0 };
    struct json *v = NULL;
    struct err ignored;
    enum ec rc = json_parse("token answer", strbuf_str(&r->body), r->body.len, NULL, &a, &v, &ignored);

    if (rc || r->status != 200) {
        struct cell why = rc ? CELL_LIT("no JSON") : json_member(v, "error_description");

        rc = err_set(reterr, EC_AUTH, "the management gateway's sign-in was refused (%d): " CELL_FMT, r->status,
                     CELL_ARG(why));
        err_hint(reterr,
                 "the refresh token belongs to a user's sign-in at %s/dualWrite and lives a day; docs/reconcile.md "
                 "says how to get one",
                 PORTAL);
    } else {
        int64_t life = json_i64(json_get(v, "expires_in"), 3599) * 1000;

        drop(&g->access);
        g->access = xstrdup(cell_cstr(&a, json_member(v, "access_token")));
        if (!cell_blank(json_member(v, "refresh_token"))) {
            drop(&g->refresh); /* they are good for one use */
            g->refresh = xstrdup(cell_cstr(&a, json_member(v, "refresh_token")));
        }
        g->renew_at_ms = clock_mono_ms() + (life > 2 * RENEW_BEFORE_MS ? life - RENEW_BEFORE_MS : life / 2);
    }
    arena_release(&a);
    return rc;
}

static enum ec sign_in(struct gateway *g, bool renew, struct err *reterr)
{
    const struct config *cfg = &g->app->cfg;
    static const struct http_header HEADERS[] = { { "Content-Type", "application/x-www-form-urlencoded" },
                                                  { "Origin", PORTAL } };
    struct strbuf body = STRBUF(0), url = STRBUF(0);
    struct http_request q = {
        .method = "POST", .headers = HEADERS, .n_headers = COUNT(HEADERS), .what = "gateway token"
    };
    struct http_response r;
    enum ec rc;

    if (g->access && !renew && clock_mono_ms() < g->renew_at_ms)
        return EC_OK;
    rc = refresh_token(g, reterr);
    if (rc)
        return rc;
    strbuf_addf(&url, "%s/%s/oauth2/v2.0/token", cfg->gateway_authority ? cfg->gateway_authority : cfg->fno.authority,
                cfg->gateway_tenant);
    strbuf_adds(&body, "grant_type=refresh_token&client_id=" CLIENT "&scope=");
    strbuf_add_url(&body, SCOPE, strlen(SCOPE), NULL);
    strbuf_adds(&body, "&redirect_uri=");
    strbuf_add_url(&body, PORTAL "/dualWrite", strlen(PORTAL "/dualWrite"), NULL);
    strbuf_adds(&body, "&refresh_token=");
    strbuf_add_url(&body, g->refresh, strlen(g->refresh), NULL);
    q.url = url.buf;
    q.body = body.buf;
    q.body_len = body.len;
    http_response_init(&r);
    rc = http_do(g->app->http, &q, &r, reterr);
    if (!rc)
        rc = read_tokens(g, &r, reterr);
    if (r.body.buf)
        explicit_bzero(r.body.buf, r.body.cap);
    explicit_bzero(body.buf, body.cap);
    http_response_release(&r);
    strbuf_release(&body);
    strbuf_release(&url);
    return rc;
}

/* One call, again when the token was refused once or the service is busy. *ret lives in `a`. */
static enum ec call(struct gateway *g, const char *method, const char *path, const char *body, struct arena *a,
                    struct json **ret, struct err *reterr)
{
    struct strbuf url = STRBUF(0), bearer = STRBUF(0);
    struct http_response r;
    bool renewed = false;
    enum ec rc;

    strbuf_addf(&url, "%s%s", g->app->cfg.gateway_url, path);
    http_response_init(&r);
    for (int busy = 0;;) {
        rc = sign_in(g, false, reterr);
        if (rc)
            break;
        strbuf_reset(&bearer);
        strbuf_addf(&bearer, "Bearer %s", g->access);
        struct http_header headers[] = { { "Accept", "application/json" },
                                         { "Origin", PORTAL },
                                         { "Authorization", bearer.buf },
                                         { "Content-Type", "application/json; charset=utf-8" } };
        struct http_request q = { .method = method,
                                  .url = url.buf,
                                  .headers = headers,
                                  .n_headers = body ? COUNT(headers) : COUNT(headers) - 1,
                                  .body = body,
                                  .body_len = body ? strlen(body) : 0,
                                  .timeout_ms = START_TIMEOUT_MS,
                                  .stall_ms = START_TIMEOUT_MS,
                                  .once = body != NULL,
                                  .what = "management gateway" };

        rc = http_do(g->app->http, &q, &r, reterr);
        if (!rc && r.status == 401 && !renewed) {
            renewed = true;
            rc = sign_in(g, true, reterr);
            if (!rc)
                continue;
        }
        if (rc || r.status != 429 || busy == MAX_BUSY)
            break;
        busy++;
        if (!clock_sleep_ms(r.retry_after_ms > 0 ? r.retry_after_ms : INT64_C(1000) << busy)) {
            rc = err_set(reterr, EC_STOPPED, "stopped while the management gateway was busy");
            break;
        }
    }
    if (!rc && r.status / 100 != 2) {
        struct cell text = { strbuf_str(&r.body), r.body.len > 300 ? 300 : r.body.len };

        rc = err_set(reterr,
                     r.status == 401 || r.status == 403   ? EC_AUTH
                     : r.status == 429 || r.status >= 500 ? EC_BUSY
                                                          : EC_FAIL,
                     "the management gateway answered %d to %s: " CELL_FMT, r.status, path, CELL_ARG(text));
    }
    if (!rc)
        rc = json_parse("answer of the management gateway", strbuf_str(&r.body), r.body.len, NULL, a, ret, reterr);
    if (bearer.buf)
        explicit_bzero(bearer.buf, bearer.cap);
    http_response_release(&r);
    strbuf_release(&bearer);
    strbuf_release(&url);
    return rc;
}

/* "contoso.operations.dynamics.com": a URL as identifier finds nothing. */
static const char *host_of(const char *url, struct arena *a)
{
    const char *p = strstr(url, "://");

    p = p ? p + 3 : url;
    return cell_cstr(a, (struct cell){ p, strcspn(p, "/") });
}

static enum ec find_link(struct gateway *g, struct err *reterr)
{
    struct arena a = { 0 };
    struct json *v = NULL;
    struct strbuf path = STRBUF(0);
    const char *host;
    enum ec rc;

    if (g->cid[0])
        return EC_OK;
    host = host_of(g->app->cfg.fno.url, &a);
    strbuf_adds(&path, API "/Environments?targetType=AX&identifier=");
    strbuf_add_url(&path, host, strlen(host), NULL);
    rc = call(g, "GET", path.buf, NULL, &a, &v, reterr);
    if (!rc) {
        struct cell cid = json_member(json_at(v, 0), "cid");

        if (cell_blank(cid) || cid.len >= sizeof(g->cid))
            rc = err_set(reterr, EC_GUARD, "the management gateway knows no dual-write link of %s", host);
        else
            snprintf(g->cid, sizeof(g->cid), CELL_FMT, CELL_ARG(cid));
    }
    strbuf_release(&path);
    arena_release(&a);
    return rc;
}

enum ec gateway_open(struct app *app, struct gateway **ret, struct err *reterr)
{
    const struct config *cfg = &app->cfg;
    struct gateway *g;

    if (!cfg->gateway_url || (!cfg->gateway_token_file && !cfg->gateway_token_command)) {
        err_set(reterr, EC_CONFIG,
                "[dualwrite] control = gateway needs gateway_url and gateway_refresh_token_file or "
                "gateway_refresh_token_command");
        return err_hint(reterr, "this adapter is not supported by Microsoft; manual and hook do without it");
    }
    if (!allowed_base(cfg->gateway_url))
        return err_set(reterr, EC_CONFIG,
                       "[dualwrite] gateway_url '%s' is no address of the management gateway "
                       "(https://projectmanagementservice.REGION.gateway.prod.island.powerapps.com)",
                       cfg->gateway_url);
    g = xcalloc(1, sizeof(*g));
    g->app = app;
    log_info("control",
             "the management gateway is used: Microsoft does not support this and may change it at any time");
    *ret = g;
    return EC_OK;
}

void gateway_close(struct gateway *g)
{
    if (!g)
        return;
    drop(&g->access);
    drop(&g->refresh);
    free(g);
}

/* The list of maps, not an empty one. */
static enum ec list_maps(struct gateway *g, struct arena *a, struct json **ret, struct err *reterr)
{
    enum ec rc = find_link(g, reterr);
    char *path = arena_printf(a, API "/Entities?targetType=AX&cid=%s", g->cid);

    for (int tries = 0; !rc; tries++) {
        rc = call(g, "GET", path, NULL, a, ret, reterr);
        if (rc || json_at(*ret, 0))
            break;
        if (tries == MAX_EMPTY)
            return err_set(reterr, EC_BUSY, "the management gateway lists no maps at all");
        if (tries == MAX_EMPTY - 2)
            rc = sign_in(g, true, reterr); /* as Microsoft's tool does */
        if (!rc && !clock_sleep_ms(INT64_C(200) << tries))
            rc = err_set(reterr, EC_STOPPED, "stopped while listing maps");
    }
    return rc;
}

static const struct json *entry_of(const struct json *list, const struct control_map *m)
{
    for (const struct json *v = list->child; v; v = v->next)
        if (cell_ieq(json_member(json_get(v, "leftEntity"), "name"), m->label) &&
            cell_ieq(json_member(json_get(v, "rightEntity"), "name"), m->set) &&
            !json_bool(json_get(json_get(v, "detail"), "isProjectDeleted"), false))
            return v;
    return NULL;
}

static enum map_state state_of_code(int64_t code)
{
    switch (code) {
    case 1:
    case 6: return MAP_STOPPED;
    case 2: return MAP_INITIAL;
    case 3: return MAP_RESUMING;
    case 4: return MAP_RUNNING;
    case 5: return MAP_PAUSED;
    default: return MAP_UNKNOWN;
    }
}

enum ec gateway_read(struct gateway *g, const struct control_map *maps, size_t n, enum map_state *ret,
                     struct err *reterr)
{
    struct arena a = { 0 };
    struct json *list = NULL;
    enum ec rc = list_maps(g, &a, &list, reterr);

    for (size_t i = 0; i < n && !rc; i++) {
        const struct json *v = entry_of(list, &maps[i]);

        ret[i] = v ? state_of_code(json_i64(json_get(json_get(v, "detail"), "state"), 0)) : MAP_STOPPED;
        if (!v)
            log_warn("control", "the management gateway does not list the map '" CELL_FMT "': taken as never started",
                     CELL_ARG(maps[i].name));
    }
    arena_release(&a);
    return rc;
}

/* ---- actions ---- */

static void parameters(struct jsonw *w, enum control_action a)
{
    jw_name(w, "parameters");
    jw_begin(w, '{');
    if (a == CONTROL_START || a == CONTROL_STOP) {
        jw_pbool(w, "skipInitialSync", true);
        jw_name(w, "conflictResolution");
        jw_begin(w, '{');
        jw_ps(w, "option", "1");
        jw_ps(w, "master", "AX");
        jw_end(w, '}');
    } else if (a == CONTROL_RESUME_DISCARD) {
        jw_name(w, "dualWriteSkipCatchUpSyncParameters");
        jw_begin(w, '{');
        jw_pbool(w, "skipCatchUpSyncPreserveData", false);
        jw_end(w, '}');
    }
    jw_end(w, '}');
}

/* Maps that have no project yet are initialised (action 8) first. code "8": only those; else the others. */
static size_t action_body(struct gateway *g, const struct json *list, const char *code, enum control_action a,
                          const struct control_map *maps, size_t n, struct strbuf *out)
{
    bool init = !strcmp(code, "8");
    struct jsonw w = { .out = out };
    size_t count = 0;

    jw_begin(&w, '{');
    jw_ps(&w, "action", code);
    jw_name(&w, "details");
    jw_begin(&w, '[');
    for (size_t i = 0; i < n; i++) {
        const struct json *detail = json_get(entry_of(list, &maps[i]), "detail");
        struct cell pid = json_member(detail, "pid");
        enum map_state now = state_of_code(json_i64(json_get(detail, "state"), 0));

        if (!detail || (init && !cell_blank(pid)) || (!init && now == control_action_state(a)))
            continue;
        jw_begin(&w, '{');
        jw_pstr(&w, "tid", json_member(detail, "tid"));
        if (!init)
            jw_pstr(&w, "pid", pid);
        jw_ps(&w, "cid", g->cid);
        if (!init && a != CONTROL_PAUSE && a != CONTROL_RESUME)
            parameters(&w, a);
        jw_end(&w, '}');
        count++;
    }
    jw_end(&w, ']');
    jw_end(&w, '}');
    return count;
}

static enum ec send(struct gateway *g, const char *code, const struct strbuf *body, struct err *reterr)
{
    struct arena a = { 0 };
    struct json *v = NULL;
    enum ec rc = call(g, "POST", API "/Start", body->buf, &a, &v, reterr);
    struct cell id = json_member(v, "requestId");

    if (rc == EC_NET) {
        /* The request may have arrived: the maps' states, which are waited for, tell. */
        log_warn("control", "the answer of the management gateway was lost; the maps' states will tell");
        rc = EC_OK;
    }
    if (!rc)
        log_info("control", "management gateway: action %s, request " CELL_FMT, code, CELL_ARG(id));
    arena_release(&a);
    return rc;
}

/* An error that the service reports with the request, which would otherwise end in a time-out of the wait. */
enum ec gateway_ask(struct gateway *g, enum control_action a, const struct control_map *maps, size_t n,
                    struct err *reterr)
{
    static const char *const CODES[] = { "4", "1", "5", "6", "6" };
    struct arena ar = { 0 };
    struct strbuf body = STRBUF(0);
    struct json *list = NULL;
    enum ec rc = list_maps(g, &ar, &list, reterr);

    for (size_t i = 0; i < n && !rc; i++)
        if (!entry_of(list, &maps[i]))
            rc = err_set(reterr, EC_GUARD, "the management gateway does not know the map '" CELL_FMT "'",
                         CELL_ARG(maps[i].name));
    if (!rc && a == CONTROL_START && action_body(g, list, "8", a, maps, n, &body)) {
        rc = send(g, "8", &body, reterr);
        for (int tries = 0; tries < 60 && !rc; tries++) { /* until all of them have a project */
            bool all = true;

            rc = list_maps(g, &ar, &list, reterr);
            for (size_t i = 0; i < n && !rc; i++)
                all = all && !cell_blank(json_member(json_get(entry_of(list, &maps[i]), "detail"), "pid"));
            if (rc || all)
                break;
            if (!clock_sleep_ms(500))
                rc = err_set(reterr, EC_STOPPED, "stopped while maps were initialised");
        }
    }
    strbuf_reset(&body);
    if (!rc && action_body(g, list, CODES[a], a, maps, n, &body))
        rc = send(g, CODES[a], &body, reterr);
    strbuf_release(&body);
    arena_release(&ar);
    return rc ? err_ctx(reterr, rc, "%s maps", control_action_word(a)) : EC_OK;
}

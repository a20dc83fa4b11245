/* auth.c -- the token request and its cache. The signed assertion is in auth_cert.c, reading secrets in secret.c. */
#include "net/auth.h"
#include "base/clock.h"
#include "base/log.h"
#include "data/json.h"
#include "net/auth_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct auth {
    struct auth_config cfg;
    struct http *http;
    char *scope, *token_url, *token;
    int64_t renew_at_ms; /* monotonic */
};

/* Lower case and without trailing slashes: a slash or a capital in the audience is a documented cause of refusals. */
static char *scope_of(const char *resource)
{
    size_t n = strlen(resource);
    char *s;

    while (n && resource[n - 1] == '/')
        n--;
    s = xmalloc(n + sizeof("/.default"));
    for (size_t i = 0; i < n; i++)
        s[i] = resource[i] >= 'A' && resource[i] <= 'Z' ? (char)(resource[i] + 32) : resource[i];
    memcpy(s + n, "/.default", sizeof("/.default"));
    return s;
}

enum ec auth_new(const struct auth_config *cfg, struct http *http, struct auth **ret, struct err *reterr)
{
    struct auth *a;
    struct strbuf url = STRBUF(0);
    size_t n;

    if (!cfg->authority || !cfg->tenant || !cfg->client_id || !cfg->resource)
        return err_set(reterr, EC_CONFIG, "sign-in for %s needs authority, tenant and client_id",
                       cfg->resource ? cfg->resource : "a service");
    if (!cfg->secret && !cfg->secret_file && !cfg->secret_command && !cfg->certificate_file) {
        err_set(reterr, EC_CONFIG, "no secret is configured for client %s", cfg->client_id);
        return err_hint(reterr, "set client_secret_file, client_secret_command or certificate_file");
    }
    a = xcalloc(1, sizeof(*a));
    a->cfg = *cfg;
    a->http = http;
    a->scope = scope_of(cfg->resource);
    n = strlen(cfg->authority);
    while (n && cfg->authority[n - 1] == '/')
        n--;
    strbuf_add(&url, cfg->authority, n);
    strbuf_addc(&url, '/');
    strbuf_add_url(&url, cfg->tenant, strlen(cfg->tenant), NULL);
    strbuf_adds(&url, "/oauth2/v2.0/token");
    a->token_url = strbuf_detach(&url, NULL);
    *ret = a;
    return EC_OK;
}

static void drop_token(struct auth *a)
{
    if (a->token)
        explicit_bzero(a->token, strlen(a->token));
    free(a->token);
    a->token = NULL;
}

void auth_free(struct auth *a)
{
    if (!a)
        return;
    drop_token(a);
    free(a->scope);
    free(a->token_url);
    free(a);
}

/* Microsoft Entra "Error codes for authentication and authorization": the ones an operator meets. */
static const char *hint_of(const char *text)
{
    static const struct {
        const char *code, *hint;
    } HINTS[] = {
        { "AADSTS7000215", "the client secret is wrong: store the secret's value, not its id, in the secret file" },
        { "AADSTS7000222", "the client secret has expired: make a new one in the app registration" },
        { "AADSTS700016", "the application is not known in this tenant: check client_id and tenant" },
        { "AADSTS500011", "the service URL is not known in this tenant: check url" },
        { "AADSTS90002", "the tenant does not exist: check tenant" },
        { "AADSTS65001", "an administrator has to consent to the application" },
        { "AADSTS700027", "the certificate is not the one registered for the application" },
        { "AADSTS700024", "the assertion is not valid now: check this machine's clock" },
    };

    for (size_t i = 0; i < COUNT(HINTS); i++)
        if (strstr(text, HINTS[i].code))
            return HINTS[i].hint;
    return "check tenant, client_id and the secret of this section in dmfsync.ini";
}

static enum ec form(struct auth *a, struct strbuf *body, struct err *reterr)
{
    struct strbuf secret = STRBUF(16384);
    enum ec rc;

    strbuf_adds(body, "grant_type=client_credentials&client_id=");
    strbuf_add_url(body, a->cfg.client_id, strlen(a->cfg.client_id), NULL);
    strbuf_adds(body, "&scope=");
    strbuf_add_url(body, a->scope, strlen(a->scope), NULL);
    if (a->cfg.certificate_file) {
        rc = auth_assertion(a->cfg.certificate_file, a->cfg.client_id, a->token_url, &secret, reterr);
        strbuf_adds(body, "&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&"
                          "client_assertion=");
    } else {
        rc = secret_read(&a->cfg, &secret, reterr);
        strbuf_adds(body, "&client_secret=");
    }
    if (!rc)
        strbuf_add_url(body, strbuf_str(&secret), secret.len, NULL);
    if (secret.buf)
        explicit_bzero(secret.buf, secret.cap);
    strbuf_release(&secret);
    return rc;
}

static enum ec read_answer(struct auth *a, const struct http_response *r, struct err *reterr)
{
    struct arena mem = { 0 };
    struct err local = { 0 };
    struct json *v = NULL;
    struct cell token, text;
    int64_t life;
    enum ec rc =
        json_parse("the answer of the token endpoint", strbuf_str(&r->body), r->body.len, NULL, &mem, &v, NULL);

    if (!reterr)
        reterr = &local;
    if (r->status == 200 && rc) { /* a proxy's page, or half an answer */
        rc = err_set(reterr, EC_NET, "the answer of the token endpoint %s is not JSON", a->token_url);
        reterr->transient = true;
        goto out;
    }
    if (r->status == 200) {
        token = json_member(v, "access_token");
        if (cell_blank(token)) {
            rc = err_set(reterr, EC_AUTH, "the token endpoint answered without a token");
            goto out;
        }
        drop_token(a);
        a->token = xmalloc(token.len + 1);
        memcpy(a->token, token.ptr, token.len);
        a->token[token.len] = 0;
        life = json_i64(json_get(v, "expires_in"), 0);
        if (life <= 0) { /* v1 endpoints send it as text */
            struct cell c = json_member(v, "expires_in");

            if (!cell_to_i64(c, &life) || life <= 0)
                life = 300;
        }
        /* 5 minutes early, or a tenth of a short life, so that a long call does not outlive its token. */
        a->renew_at_ms = clock_mono_ms() + (life > 600 ? life - 300 : life - life / 10) * 1000;
        rc = EC_OK;
        goto out;
    }
    text = rc ? CELL_ABSENT : json_member(v, "error_description");
    if (cell_blank(text))
        text = cell_printf(&mem, "HTTP %d", r->status);
    if (r->status == 429 || r->status >= 500) { /* says nothing about tenant, client or secret */
        rc = err_set(reterr, EC_BUSY, "sign-in for %s does not work at the moment: " CELL_FMT, a->cfg.resource,
                     CELL_ARG(text));
        reterr->http_status = r->status;
        goto out;
    }
    rc = err_set(reterr, EC_AUTH, "sign-in as client %s for %s was refused: " CELL_FMT, a->cfg.client_id,
                 a->cfg.resource, CELL_ARG(text));
    reterr->http_status = r->status;
    err_hint(reterr, "%s", hint_of(reterr->msg));
out:
    arena_release(&mem);
    return rc;
}

static enum ec request(struct auth *a, struct err *reterr)
{
    static const struct http_header HEADERS[] = { { "Content-Type", "application/x-www-form-urlencoded" },
                                                  { "Accept", "application/json" } };
    struct strbuf body = STRBUF(0);
    struct http_response r;
    struct http_request q = { .method = "POST",
                              .url = a->token_url,
                              .headers = HEADERS,
                              .n_headers = COUNT(HEADERS),
                              .max_answer = 1 << 20,
                              .timeout_ms = 60000,
                              .what = "sign-in" };
    enum ec rc = form(a, &body, reterr);

    http_response_init(&r);
    q.body = strbuf_str(&body);
    q.body_len = body.len;
    for (int tries = 0; !rc; tries++) {
        rc = http_do(a->http, &q, &r, reterr);
        if (!rc)
            rc = read_answer(a, &r, reterr);
        if ((rc != EC_BUSY && (rc != EC_NET || !reterr->transient)) || tries == 5)
            break;
        log_info("net", "%s; trying again", reterr->msg);
        if (!clock_sleep_ms(r.retry_after_ms >= 0 ? r.retry_after_ms : 500 << tries)) {
            rc = err_set(reterr, EC_STOPPED, "stopped while signing in");
            break;
        }
        rc = EC_OK;
    }
    if (body.buf)
        explicit_bzero(body.buf, body.cap);
    if (r.body.buf)
        explicit_bzero(r.body.buf, r.body.cap);
    strbuf_release(&body);
    http_response_release(&r);
    return rc;
}

enum ec auth_token(struct auth *a, bool renew, const char **ret_token, struct err *reterr)
{
    enum ec rc = EC_OK;

    if (renew || !a->token || clock_mono_ms() >= a->renew_at_ms)
        rc = request(a, reterr);
    if (!rc)
        *ret_token = a->token;
    return rc;
}

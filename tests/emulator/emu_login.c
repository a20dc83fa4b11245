/*
 * Sign-in: the token endpoints of Microsoft Entra ID, v1 and v2, for client credentials.
 *
 * Tokens look like JSON Web Tokens and are signed with a key that follows from the seed; they carry the audience (the
 * service's base URL), the application and the expiry. Codes and texts follow "Microsoft Entra authentication and
 * authorization error codes".
 */
#include "emu_store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char SECRET[] = "demo-secret";
/* The management gateway of dual-write takes tokens of a user only: a refresh token of the public client of its tools. */
static const char GATEWAY_AUDIENCE[] = "https://IntegratorApp.com", GATEWAY_REFRESH[] = "demo-refresh-token";
static const char GATEWAY_CLIENT[] = "2e49aa60-1bd3-43b6-8ab6-03ada3d9f08b";
/* The registered applications differ in the last digit; each has an application user in both services. */
static const char *const REGISTERED[] = { "11111111-1111-1111-1111-111111111111",
                                          "11111111-1111-1111-1111-111111111112" };

bool emu_login_registered(const char *client_id)
{
    for (size_t i = 0; i < COUNT(REGISTERED); i++)
        if (!strcasecmp(client_id, REGISTERED[i]))
            return true;
    return false;
}

/* Known to the directory, registered in neither service. */
static bool known_only(const char *client_id)
{
    return !strncmp(client_id, "99999999", 8);
}

/* ---- answers ---- */
static void refuse(struct emu *e, struct emu_request *q, struct emu_response *r, int status, const char *error,
                   int code, const char *text)
{
    char when[32], id[37], seedling[64];
    struct strbuf s = STRBUF(0);

    clock_format_utc(emu_now_ms(e), when);
    when[10] = ' ';
    snprintf(seedling, sizeof(seedling), "login-trace/%" PRId64, emu_state(e, "login_errors", 0));
    emu_state_set(e, "login_errors", emu_state(e, "login_errors", 0) + 1);
    emu_guid(e, seedling, id);
    r->status = status;
    emu_add_header(r, q, "Content-Type", "application/json; charset=utf-8");
    emu_add_header(r, q, "Cache-Control", "no-store, no-cache");
    strbuf_addf(&s, "AADSTS%d: %s Trace ID: %s Correlation ID: %s Timestamp: %s", code, text, id, id, when);
    strbuf_addf(&r->body, "{\"error\":\"%s\",\"error_description\":", error);
    emu_json_str(&r->body, s.buf, s.len);
    strbuf_addf(
        &r->body,
        ",\"error_codes\":[%d],\"timestamp\":\"%s\",\"trace_id\":\"%s\",\"correlation_id\":\"%s\",\"error_uri\":"
        "\"https://login.microsoftonline.com/error?code=%d\"}",
        code, when, id, id, code);
    strbuf_release(&s);
}

static void sign_token(const struct emu *e, const struct strbuf *claims, struct strbuf *out)
{
    static const char HEADER[] = "{\"typ\":\"JWT\",\"alg\":\"HS256\"}";
    struct strbuf signed_part = STRBUF(0);

    emu_base64(HEADER, sizeof(HEADER) - 1, true, &signed_part);
    strbuf_addc(&signed_part, '.');
    emu_base64(claims->buf, claims->len, true, &signed_part);
    strbuf_add(out, signed_part.buf, signed_part.len);
    strbuf_addc(out, '.');
    emu_sign(e, "token", signed_part.buf, signed_part.len, true, out);
    strbuf_release(&signed_part);
}

static void answer(struct emu *e, struct emu_request *q, struct emu_response *r, const char *audience,
                   const char *client_id, bool v1)
{
    struct strbuf claims = STRBUF(0);
    int64_t now = emu_now_ms(e) / 1000, life = EMU_KNOB(e, token_expires_s);
    char oid[37];

    emu_guid(e, arena_printf(q->arena, "service-principal/%s", client_id), oid);
    strbuf_adds(&claims, "{\"aud\":");
    emu_json_str(&claims, audience, strlen(audience));
    strbuf_addf(&claims, ",\"tid\":\"%s\",\"oid\":\"%s\",\"appid\":", e->tenant.organization_id, oid);
    emu_json_str(&claims, client_id, strlen(client_id));
    strbuf_addf(&claims, ",\"iat\":%" PRId64 ",\"nbf\":%" PRId64 ",\"exp\":%" PRId64 "}", now, now, now + life);
    r->status = 200;
    emu_add_header(r, q, "Content-Type", "application/json; charset=utf-8");
    emu_add_header(r, q, "Cache-Control", "no-store, no-cache");
    if (v1) {
        strbuf_addf(&r->body,
                    "{\"token_type\":\"Bearer\",\"expires_in\":\"%" PRId64 "\",\"ext_expires_in\":\"%" PRId64
                    "\",\"expires_on\":\"%" PRId64 "\",\"not_before\":\"%" PRId64 "\",\"resource\":",
                    life, life, now + life, now - 300);
        emu_json_str(&r->body, audience, strlen(audience));
        strbuf_adds(&r->body, ",\"access_token\":\"");
    } else {
        strbuf_addf(&r->body,
                    "{\"token_type\":\"Bearer\",\"expires_in\":%" PRId64 ",\"ext_expires_in\":%" PRId64
                    ",\"access_token\":\"",
                    life, life);
    }
    sign_token(e, &claims, &r->body);
    strbuf_adds(&r->body, "\"}");
    strbuf_release(&claims);
}

/* ---- checks ---- */
/* "http://127.0.0.1:8080" (any case, any trailing slashes) -> the service with that port; EMU_SERVICES = none. */
static enum emu_service service_of(const struct emu *e, const char *url)
{
    static const char *const HOSTS[] = { "127.0.0.1:", "localhost:" };
    size_t scheme = strlen(emu_scheme);

    if (strncasecmp(url, emu_scheme, scheme) != 0 || strncmp(url + scheme, "://", 3) != 0)
        return EMU_SERVICES;
    url += scheme + 3;
    for (size_t i = 0; i < COUNT(HOSTS); i++) {
        size_t n = strlen(HOSTS[i]);
        char *end;
        long port;

        if (strncasecmp(url, HOSTS[i], n) != 0)
            continue;
        port = strtol(url + n, &end, 10);
        if (end[strspn(end, "/")])
            continue;
        if (port == e->ports[EMU_FNO])
            return EMU_FNO;
        if (port == e->ports[EMU_DATAVERSE])
            return EMU_DATAVERSE;
    }
    return EMU_SERVICES;
}

static bool is_guid(const char *s)
{
    size_t n = strlen(s);

    return n == 36 && strspn(s, "0123456789abcdefABCDEF-") == n;
}

static bool tenant_known(const struct emu *e, const char *tenant)
{
    const char *path[] = { "organization", "name", NULL };
    yajl_val v = yajl_tree_get(e->tenant.root, path, yajl_t_string);
    const char *name = YAJL_IS_STRING(v) ? YAJL_GET_STRING(v) : "contoso";
    size_t n = strlen(name);

    if (is_guid(tenant))
        return !strcasecmp(tenant, e->tenant.organization_id);
    return !strncasecmp(tenant, name, n) &&
           (!tenant[n] || !strcasecmp(tenant + n, ".onmicrosoft.com") || !strcasecmp(tenant + n, ".com"));
}

/* "/<tenant>/oauth2/v2.0/token" or "/<tenant>/oauth2/token"; NULL = no such path. */
static const char *tenant_of(struct emu_request *q, bool *ret_v1)
{
    size_t n = q->path[0] == '/' ? strcspn(q->path + 1, "/") : 0;
    const char *rest = q->path + 1 + n;

    if (!n || (strcmp(rest, "/oauth2/v2.0/token") != 0 && strcmp(rest, "/oauth2/token") != 0))
        return NULL;
    *ret_v1 = !strcmp(rest, "/oauth2/token");
    return arena_dup(q->arena, q->path + 1, n);
}

static const char *field(const struct emu_pair *p, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(p[i].name, name))
            return p[i].value;
    return "";
}

/* The audience that scope (v2) or resource (v1) stands for; NULL = refused. */
static const char *audience_of(struct emu *e, struct emu_request *q, struct emu_response *r, const struct emu_pair *f,
                               size_t n, bool v1)
{
    const char *text = field(f, n, v1 ? "resource" : "scope");
    size_t len = strlen(text), suffix = strlen("/.default");

    if (!len) {
        refuse(e, q, r, 400, "invalid_request", 900144,
               v1 ? "The request body must contain the following parameter: 'resource'."
                  : "The request body must contain the following parameter: 'scope'.");
        return NULL;
    }
    if (!v1 && (len <= suffix || strcmp(text + len - suffix, "/.default") != 0)) {
        refuse(e, q, r, 400, "invalid_scope", 1002012,
               arena_printf(
                   q->arena,
                   "The provided value for scope %s is not valid. Client credential flows must have a scope value "
                   "with /.default suffixed to the resource identifier (application ID URI).",
                   text));
        return NULL;
    }
    text = arena_dup(q->arena, text, v1 ? len : len - suffix);
    if (service_of(e, text) == EMU_SERVICES) {
        refuse(e, q, r, 400, "invalid_resource", 500011,
               arena_printf(q->arena, "The resource principal named %s was not found in the tenant named %s.", text,
                            e->tenant.organization_id));
        return NULL;
    }
    return text;
}

static bool assertion_ok(struct emu *e, struct emu_request *q, struct emu_response *r, const struct emu_pair *f,
                         size_t n)
{
    static const struct {
        int code;
        const char *text;
    } TEXTS[] = {
        { 50027, "JWT token is invalid or malformed." },
        { 700021, "Client assertion application identifier doesn't match 'client_id' parameter." },
        { 700023, "Client assertion audience claim does not match Realm issuer." },
        { 700024, "Client assertion is not within its valid time range." },
        { 700027,
          "The certificate with identifier used to sign the client assertion is not registered on application." },
    };
    const char *type = field(f, n, "client_assertion_type");
    int code = emu_login_assertion(e, field(f, n, "client_assertion"), field(f, n, "client_id"),
                                   arena_printf(q->arena, "%s://%s%s", emu_scheme, q->host, q->path));

    if (strcmp(type, "urn:ietf:params:oauth:client-assertion-type:jwt-bearer") != 0) {
        refuse(e, q, r, 400, "invalid_request", 900144,
               "The request body must contain the following parameter: 'client_assertion_type'.");
        return false;
    }
    for (size_t i = 0; i < COUNT(TEXTS) && code; i++)
        if (TEXTS[i].code == code)
            refuse(e, q, r, 401, "invalid_client", code, TEXTS[i].text);
    return !code;
}

static bool client_ok(struct emu *e, struct emu_request *q, struct emu_response *r, const struct emu_pair *f,
                      size_t n)
{
    const char *id = field(f, n, "client_id"), *secret = field(f, n, "client_secret");

    if (!*id) {
        refuse(e, q, r, 400, "invalid_request", 900144,
               "The request body must contain the following parameter: 'client_id'.");
    } else if (!emu_login_registered(id) && !known_only(id)) {
        refuse(e, q, r, 400, "unauthorized_client", 700016,
               arena_printf(q->arena, "Application with identifier '%s' was not found in the directory '%s'.", id,
                            e->tenant.organization_id));
    } else if (*field(f, n, "client_assertion")) {
        return assertion_ok(e, q, r, f, n);
    } else if (!*secret) {
        refuse(e, q, r, 401, "invalid_client", 7000218,
               "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.");
    } else if (strcmp(secret, SECRET) != 0) {
        refuse(
            e, q, r, 401, "invalid_client", 7000215,
            arena_printf(q->arena,
                         "Invalid client secret provided. Ensure the secret being sent in the request is the client "
                         "secret value, not the client secret ID, for a secret added to app '%s'.",
                         id));
    } else {
        return true;
    }
    return false;
}

/* A single-page application's refresh token is taken together with its Origin only. */
static void refresh(struct emu *e, struct emu_request *q, struct emu_response *r, const struct emu_pair *f, size_t n)
{
    if (strcmp(field(f, n, "client_id"), GATEWAY_CLIENT) != 0)
        refuse(e, q, r, 400, "unauthorized_client", 700016, "The application was not found in the directory.");
    else if (!emu_header(q, "Origin"))
        refuse(e, q, r, 400, "invalid_request", 9002327,
               "Tokens issued for the 'Single-Page Application' client-type may only be redeemed via cross-origin "
               "requests.");
    else if (strncmp(field(f, n, "scope"), "https://IntegratorApp.com/.default", 34) != 0)
        refuse(e, q, r, 400, "invalid_scope", 70011,
               "The provided value for the input parameter 'scope' is not valid.");
    else if (strcmp(field(f, n, "refresh_token"), GATEWAY_REFRESH) != 0)
        refuse(e, q, r, 400, "invalid_grant", 70008, "The provided authorization code or refresh token has expired.");
    else
        answer(e, q, r, GATEWAY_AUDIENCE, GATEWAY_CLIENT, false);
}

void emu_login_handle(struct emu *e, struct emu_request *q, struct emu_response *r)
{
    bool v1 = false;
    const char *tenant = tenant_of(q, &v1), *audience, *type = emu_header(q, "Content-Type");
    struct emu_pair *f = NULL;
    size_t n = 0;

    if (!tenant) {
        r->status = 404;
        return;
    }
    emu_count(e, "token.requests", 1);
    if (strcmp(q->method, "POST") != 0) {
        refuse(e, q, r, 400, "invalid_request", 900561,
               arena_printf(q->arena, "The endpoint only accepts POST requests. Received a %s request.", q->method));
    } else if (!tenant_known(e, tenant) && strcmp(tenant, "common") != 0) {
        refuse(e, q, r, 400, "invalid_request", 90002,
               arena_printf(
                   q->arena,
                   "Tenant '%s' not found. Check to make sure you have the correct tenant ID and are signing into "
                   "the correct cloud.",
                   tenant));
    } else if (!type || strncasecmp(type, "application/x-www-form-urlencoded", 33) != 0 ||
               !emu_url_pairs(q->arena, q->body, &f, &n) || !*field(f, n, "grant_type")) {
        refuse(e, q, r, 400, "invalid_request", 900144,
               "The request body must contain the following parameter: 'grant_type'.");
    } else if (!strcmp(field(f, n, "grant_type"), "refresh_token")) {
        refresh(e, q, r, f, n);
    } else if (strcmp(field(f, n, "grant_type"), "client_credentials") != 0) {
        refuse(e, q, r, 400, "unsupported_grant_type", 70003, "The app requested an unsupported grant type.");
    } else if (client_ok(e, q, r, f, n) && (audience = audience_of(e, q, r, f, n, v1)) != NULL) {
        answer(e, q, r, audience, field(f, n, "client_id"), v1);
    }
}

/* ---- the services' check ---- */
static const char *claim(yajl_val claims, const char *name)
{
    const char *path[] = { name, NULL };
    yajl_val v = yajl_tree_get(claims, path, yajl_t_any);

    return YAJL_IS_STRING(v) ? YAJL_GET_STRING(v) : YAJL_IS_NUMBER(v) ? YAJL_GET_NUMBER(v) : "";
}

const char *emu_login_user(const struct emu *e, struct arena *a, const char *authorization, enum emu_service service)
{
    struct strbuf wanted = STRBUF(0), json = STRBUF(0);
    const char *token, *dot, *last, *user = NULL;
    char audience[64];
    yajl_val claims = NULL;

    if (strncasecmp(authorization, "Bearer ", 7) != 0)
        return NULL;
    token = authorization + 7;
    dot = strchr(token, '.');
    last = strrchr(token, '.');
    if (!dot || dot == last)
        return NULL;
    emu_sign(e, "token", token, (size_t)(last - token), true, &wanted);
    if (strcmp(wanted.buf, last + 1) != 0 || !emu_unbase64(dot + 1, (size_t)(last - dot) - 1, &json))
        goto out;
    claims = yajl_tree_parse(strbuf_str(&json), NULL, 0);
    if (!claims || strtoll(claim(claims, "exp"), NULL, 10) * 1000 <= emu_now_ms(e))
        goto out;
    if (service == EMU_GATEWAY)
        snprintf(audience, sizeof(audience), "%s", GATEWAY_AUDIENCE);
    else
        snprintf(audience, sizeof(audience), "%s://127.0.0.1:%d", emu_scheme, e->ports[service]);
    if (strcmp(claim(claims, "aud"), audience) != 0) { /* lower case, no trailing slash, this service */
        snprintf(audience, sizeof(audience), "%s://localhost:%d", emu_scheme, e->ports[service]);
        if (strcmp(claim(claims, "aud"), audience) != 0)
            goto out;
    }
    user = arena_strdup(a, claim(claims, "appid"));
out:
    yajl_tree_free(claims);
    strbuf_release(&wanted);
    strbuf_release(&json);
    return user;
}

/*
 * Dataverse: the way of a request from the token to the part that answers it, and what all answers have in common.
 * Sources: Dataverse Web API, "Compose HTTP requests and handle errors", "Web API service documents".
 */
#include "emu_dualwrite.h"
#include "emu_dv.h"
#include "emu_store.h"

#include <ctype.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- failures ---- */

static bool vrefuse(struct dv_fail *f, int status, const char *code, const char *fmt, va_list ap)
{
    f->status = status;
    f->trace = NULL;
    snprintf(f->code, sizeof(f->code), "%s", code);
    vsnprintf(f->msg, sizeof(f->msg), fmt, ap);
    return false;
}

bool dv_refuse(struct dv_fail *f, int status, const char *code, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vrefuse(f, status, code, fmt, ap);
    va_end(ap);
    return false;
}

bool dv_payload(struct dv_fail *f, const struct dv_table *t, const char *fmt, ...)
{
    struct dv_fail inner;
    va_list ap;

    va_start(ap, fmt);
    vrefuse(&inner, 400, "0x80048d19", fmt, ap);
    va_end(ap);
    if (!t)
        return dv_refuse(f, 400, "0x80048d19",
                         "Error identified in Payload provided by the user. InnerException : %s", inner.msg);
    return dv_refuse(
        f, 400, "0x80048d19",
        "Error identified in Payload provided by the user for Entity :'%s', For more information on this "
        "error please follow this help link https://go.microsoft.com/fwlink/?linkid=2195293  ---->  "
        "InnerException : %s",
        t->set, inner.msg);
}

bool dv_not_there(struct dv_fail *f, const struct dv_table *t, const char *id)
{
    return dv_refuse(f, 404, "0x80040217", "%s With Id = %s Does Not Exist", t->logical, id);
}

bool dv_no_segment(struct dv_fail *f, const char *segment, size_t n)
{
    return dv_refuse(f, 404, "0x8006088a", "Resource not found for the segment '%.*s'.", (int)(n > 120 ? 120 : n),
                     segment);
}

bool dv_bad_syntax(struct dv_fail *f)
{
    return dv_refuse(f, 400, "0x8006088a", "Bad Request - Error in query syntax.");
}

void dv_answer_fail(struct dv_op *op)
{
    struct emu_response *r = op->r;

    BUG_IF(!op->fail.status, "an operation failed without a reason");
    strbuf_reset(&r->body);
    r->status = op->fail.status;
    emu_add_header(r, op->q, "Content-Type", "application/json; odata.metadata=minimal");
    strbuf_addf(&r->body, "{\"error\":{\"code\":\"%s\",\"message\":", op->fail.code);
    emu_json_str(&r->body, op->fail.msg, strlen(op->fail.msg));
    if (op->fail.trace && op->annotations) {
        strbuf_adds(&r->body, ",\"@Microsoft.PowerApps.CDS.TraceText\":");
        emu_json_str(&r->body, op->fail.trace, strlen(op->fail.trace));
    }
    strbuf_adds(&r->body, "}}");
}

void dv_answer_none(struct dv_op *op)
{
    strbuf_reset(&op->r->body);
    op->r->status = 204;
}

void dv_begin_json(struct dv_op *op)
{
    strbuf_reset(&op->r->body);
    op->r->status = 200;
    emu_add_header(op->r, op->q, "Content-Type", "application/json; odata.metadata=minimal");
}

const char *dv_root(const struct dv_op *op)
{
    return arena_printf(op->a, "%s://%s/api/data/v9.2", emu_scheme, op->q && op->q->host ? op->q->host : "localhost");
}

/* ---- what a request says about itself ---- */

static const char *skip_blanks(const char *p)
{
    return p + strspn(p, " \t");
}

/* One preference: name[=value], the value possibly in quotes. */
static void take_preference(struct dv_op *op, const char *name, const char *value)
{
    if (!strcasecmp(name, "return")) {
        op->wants_representation = !strcasecmp(value, "representation");
    } else if (!strcasecmp(name, "odata.include-annotations")) {
        op->annotations = value;
    } else if (!strcasecmp(name, "odata.maxpagesize")) {
        op->page_size = strtoll(value, NULL, 10);
        if (op->page_size < 0 || op->page_size > EMU_KNOB(op->e, dv_page)) /* larger ones are ignored */
            op->page_size = 0;
    } else if (!strcasecmp(name, "odata.track-changes")) {
        op->track = true;
    }
}

static void read_prefer(struct dv_op *op, const char *p)
{
    op->prefer = p ? p : "";
    for (p = skip_blanks(op->prefer); *p;) {
        size_t n = strcspn(p, "=, \t");
        const char *name = arena_dup(op->a, p, n), *value = "";

        p = skip_blanks(p + n);
        if (*p == '=') {
            p = skip_blanks(p + 1);
            if (*p == '"') {
                n = strcspn(++p, "\"");
                value = arena_dup(op->a, p, n);
                p += n + (p[n] == '"');
            } else {
                n = strcspn(p, ", \t");
                value = arena_dup(op->a, p, n);
                p += n;
            }
        }
        take_preference(op, name, value);
        p = skip_blanks(p);
        p += *p == ',';
        p = skip_blanks(p);
        if (!n && *p && *p != ',')
            p++; /* garbage: go on behind it */
    }
}

/* Patterns: "*", a full name, or a name with a star at its end. */
bool dv_annotation_wanted(const struct dv_op *op, const char *name)
{
    for (const char *p = op->annotations; p && *p;) {
        size_t n;

        p += strspn(p, " ,");
        n = strcspn(p, " ,");
        if (n && p[n - 1] == '*' && !strncasecmp(p, name, n - 1))
            return true;
        if (n && strlen(name) == n && !strncasecmp(p, name, n))
            return true;
        p += n;
    }
    return false;
}

static bool has_word(const char *list, const char *word)
{
    for (const char *p = list; p && *p;) {
        size_t n;

        p += strspn(p, " ,\"");
        n = strcspn(p, " ,\"");
        if (n == strlen(word) && !strncasecmp(p, word, n))
            return true;
        p += n;
    }
    return false;
}

/* What writes skip. Needs a privilege in the service; here it is only counted. */
static void read_bypass(struct dv_op *op)
{
    const char *new_way = emu_header(op->q, "MSCRM.BypassBusinessLogicExecution"),
               *steps = emu_header(op->q, "MSCRM.BypassBusinessLogicExecutionStepIds"),
               *old_way = emu_header(op->q, "MSCRM.BypassCustomPluginExecution"),
               *flows = emu_header(op->q, "MSCRM.SuppressCallbackRegistrationExpanderJob");

    if (has_word(new_way, "CustomSync") || has_word(old_way, "true"))
        op->bypass_sync = true;
    if (steps)
        op->bypass_sync = op->bypass_sync || dv_int(op->e,
                                                    "select 1 from dv_sdkmessageprocessingstep where "
                                                    "instr(lower(?1), sdkmessageprocessingstepid) > 0 limit 1",
                                                    steps) != 0;
    if (op->bypass_sync)
        emu_count(op->e, "dv.bypass.sync", 1);
    if (has_word(new_way, "CustomAsync"))
        emu_count(op->e, "dv.bypass.async", 1);
    if (has_word(flows, "true"))
        emu_count(op->e, "dv.bypass.flows", 1);
}

void dv_op_init(struct dv_op *op, struct emu *e, struct emu_request *q, struct emu_response *r, struct arena *a)
{
    *op = (struct dv_op){ .e = e, .q = q, .r = r, .a = a, .prefer = "" };
    if (!q) {
        op->user_id = dv_user_id(e, "");
        return;
    }
    op->user_id = dv_user_id(e, q->user ? q->user : "");
    read_prefer(op, emu_header(q, "Prefer"));
    op->tag = emu_query(q, "tag");
    if (strcmp(q->method, "GET") != 0)
        read_bypass(op);
}

void dv_op_count(struct dv_op *op)
{
    static const char *const NAMES[] = { "dv.rows.created", "dv.rows.updated", "dv.rows.unchanged", "dv.rows.deleted",
                                         "dv.columns.unchanged" };
    const int64_t n[] = { op->created, op->updated, op->unchanged, op->deleted, op->same_columns };

    for (size_t i = 0; i < COUNT(n); i++)
        if (n[i])
            emu_count(op->e, NAMES[i], n[i]);
}

const char *dv_option(const struct dv_op *op, const char *name)
{
    return emu_query(op->q, name);
}

bool dv_check_options(struct dv_op *op, const char *const *allowed, size_t n)
{
    for (size_t i = 0; i < op->q->n_query; i++) {
        const char *name = op->q->query[i].name;
        bool ok = *name != '$';

        for (size_t k = 0; k < n && !ok; k++)
            ok = !strcmp(name, allowed[k]);
        if (!ok && !strcmp(name, "$skip"))
            return dv_refuse(&op->fail, 400, "0x80060888", "Skip Clause is not supported in CRM");
        if (!ok)
            return dv_refuse(&op->fail, 400, "0x80060888", "The query option '%.60s' is not supported here.", name);
        for (size_t k = 0; k < i && *name == '$'; k++)
            if (!strcmp(op->q->query[k].name, name))
                return dv_refuse(
                    &op->fail, 400, "0x0",
                    "Query option '%.60s' was specified more than once, but it must be specified at most "
                    "once.",
                    name);
    }
    return true;
}

/* The tree is released by recursion: what nests deeper than any payload of the service is refused beforehand. */
static bool too_deep(const char *json)
{
    int depth = 0;
    bool text = false;

    for (; *json && depth <= 64; json++) {
        if (text && *json == '\\' && json[1])
            json++;
        else if (*json == '"')
            text = !text;
        else if (!text)
            depth += *json == '{' || *json == '[' ? 1 : *json == '}' || *json == ']' ? -1 : 0;
    }
    return depth > 64;
}

bool dv_read_body(struct dv_op *op, const struct dv_table *t, yajl_val *ret)
{
    const char *type = emu_header(op->q, "Content-Type");
    char msg[300] = "";
    size_t n = op->q->body_len;

    if (!type || strncasecmp(type, "application/json", 16) != 0 || (type[16] && !strchr("; \t", type[16])))
        return dv_refuse(&op->fail, 415, "0x80060888",
                         "A supported MIME type could not be found that matches the content type of the request. "
                         "'%.100s' was given.",
                         type ? type : "");
    *ret = n && !memchr(op->q->body, 0, n) && !too_deep(op->q->body) ? yajl_tree_parse(op->q->body, msg, sizeof(msg))
                                                                     : NULL;
    if (YAJL_IS_OBJECT(*ret))
        return true;
    yajl_tree_free(*ret);
    *ret = NULL;
    return dv_payload(&op->fail, t, "Microsoft.OData.ODataException: The payload could not be read as JSON. %s", msg);
}

/* ---- the functions that belong to no table ---- */

static void who_am_i(struct dv_op *op)
{
    if (strcmp(op->q->method, "GET") != 0) {
        dv_refuse(&op->fail, 404, "0x8006088a",
                  "No HTTP resource was found that matches the request URI '%s/WhoAmI'.", dv_root(op));
        dv_answer_fail(op);
        return;
    }
    dv_begin_json(op);
    strbuf_addf(
        &op->r->body,
        "{\"@odata.context\":\"%s/$metadata#Microsoft.Dynamics.CRM.WhoAmIResponse\",\"BusinessUnitId\":\"%s\","
        "\"UserId\":\"%s\",\"OrganizationId\":\"%s\"}",
        dv_root(op), op->e->dv->root_bu, op->user_id, op->e->tenant.organization_id);
}

static void version(struct dv_op *op)
{
    dv_begin_json(op);
    strbuf_addf(&op->r->body,
                "{\"@odata.context\":\"%s/$metadata#Microsoft.Dynamics.CRM.RetrieveVersionResponse\",\"Version\":"
                "\"9.2.24012.00155\"}",
                dv_root(op));
}

static void one_privilege(struct dv_op *op, const char *name, const char *id, bool first)
{
    strbuf_addf(&op->r->body,
                "%s{\"Depth\":\"Global\",\"PrivilegeId\":\"%s\",\"BusinessUnitId\":\"%s\",\"PrivilegeName\":\"%s\","
                "\"RecordFilterId\":\"00000000-0000-0000-0000-000000000000\"}",
                first ? "" : ",", id, op->e->dv->root_bu, name);
}

/* "RetrieveUserPrivileges Function": what the user's roles and those of its teams give. */
static void privileges(struct dv_op *op)
{
    static const char *const VERBS[] = { "Create", "Read", "Write", "Append", "AppendTo" };
    bool first = true;

    dv_begin_json(op);
    strbuf_addf(&op->r->body,
                "{\"@odata.context\":\"%s/$metadata#Microsoft.Dynamics.CRM.RetrieveUserPrivilegesResponse\","
                "\"RolePrivileges\":[",
                dv_root(op));
    for (size_t i = 0; i < op->e->dv->n; i++)
        for (size_t k = 0; k < COUNT(VERBS); k++) {
            const char *logical = op->e->dv->tables[i].logical;
            char name[120], id[37];

            if (EMU_KNOB(op->e, dv_no_privilege) && !strcmp(logical, "account"))
                continue;
            snprintf(name, sizeof(name), "prv%s%c%s", VERBS[k], toupper((unsigned char)*logical), logical + 1);
            emu_guid(op->e, name, id);
            one_privilege(op, name, id, first);
            first = false;
        }
    if (EMU_KNOB(op->e, dv_bypass_privilege)) {
        one_privilege(op, "prvBypassCustomBusinessLogic", "0ea552b0-a491-4470-9a1b-82068deccf66", false);
        one_privilege(op, "prvBypassCustomPlugins", "148a9eaf-d0c4-4196-9852-c3a38e35f6a1", false);
    }
    strbuf_adds(&op->r->body, "]}");
}

static bool is_privileges(const char *target)
{
    return !strncmp(target, "systemusers(", 12) && strstr(target, ")/Microsoft.Dynamics.CRM.RetrieveUserPrivileges");
}

/* A user whose roles do not reach the table. */
static bool lacks_privilege(struct dv_op *op, const char *target)
{
    if (!EMU_KNOB(op->e, dv_no_privilege) || strncmp(target, "accounts", 8) != 0)
        return false;
    dv_refuse(&op->fail, 403, "0x80040220",
              "Principal user (Id=%s, type=8, roleCount=1) is missing prvReadAccount privilege on OTC=1 for entity "
              "'account'.",
              op->user_id);
    dv_answer_fail(op);
    return true;
}

static void service_document(struct dv_op *op)
{
    const struct dv *d = op->e->dv;

    dv_begin_json(op);
    strbuf_addf(&op->r->body, "{\"@odata.context\":\"%s/$metadata\",\"value\":[", dv_root(op));
    for (size_t i = 0; i < d->n; i++)
        strbuf_addf(&op->r->body, "%s{\"name\":\"%s\",\"kind\":\"EntitySet\",\"url\":\"%s\"}", i ? "," : "",
                    d->tables[i].set, d->tables[i].set);
    strbuf_adds(&op->r->body, "]}");
}

static bool is_write(const struct emu_request *q)
{
    return strcmp(q->method, "GET") != 0;
}

static void create_row(struct dv_op *op, const struct dv_table *t)
{
    dv_crud(op, t->set, strlen(t->set), NULL);
}

/* "accounts", "accounts/$count", "accounts/Microsoft.Dynamics.CRM.CreateMultiple" */
static void table_path(struct dv_op *op, const struct dv_table *t, const char *rest)
{
    static const char CRM[] = "Microsoft.Dynamics.CRM.";
    const char *method = op->q->method;

    if (!*rest && !strcmp(method, "GET")) {
        dv_query(op, t);
    } else if (!*rest && !strcmp(method, "POST")) {
        create_row(op, t);
    } else if (!strcmp(rest, "$count") && !strcmp(method, "GET")) {
        dv_count_segment(op, t);
    } else if (!strncmp(rest, CRM, sizeof(CRM) - 1)) {
        dv_bulk(op, t, rest + sizeof(CRM) - 1, strlen(rest + sizeof(CRM) - 1));
    } else if (*rest) {
        dv_no_segment(&op->fail, rest, strlen(rest));
        dv_answer_fail(op);
    } else {
        dv_refuse(&op->fail, 405, "0x0", "The requested resource does not support http method '%.10s'.", method);
        dv_answer_fail(op);
    }
}

/* End of the first segment: a '/' inside a quoted key value does not end it (it makes the key unusable later). */
static size_t first_segment(const char *p)
{
    bool quoted = false;
    size_t i;

    for (i = 0; p[i] && p[i] != '?'; i++) {
        if (p[i] == '\'')
            quoted = !quoted;
        else if (p[i] == '%' && p[i + 1] == '2' && p[i + 2] == '7')
            quoted = !quoted;
        else if (p[i] == '/' && !quoted)
            break;
    }
    return i;
}

static bool is_call(const char *p, size_t n, const char *name)
{
    size_t k = strlen(name);

    return n >= k && !memcmp(p, name, k) && (n == k || p[k] == '(');
}

void dv_dispatch(struct dv_op *op, const char *target)
{
    size_t n = first_segment(target), m;
    const char *rest = target + n + (target[n] == '/');
    char *decoded, *tail;
    const struct dv_table *t;

    tail = arena_dup(op->a, rest, strcspn(rest, "?"));
    if (is_write(op->q) && !is_call(target, n, "$batch")) {
        emu_count(op->e, op->tag && *op->tag ? "dv.writes.tagged" : "dv.writes.untagged", 1);
    }
    if (lacks_privilege(op, target))
        return;
    if (!n && !*tail) {
        service_document(op);
    } else if (is_call(target, n, "RetrieveVersion")) {
        version(op);
    } else if (is_privileges(target)) {
        privileges(op);
    } else if (is_call(target, n, "WhoAmI")) {
        who_am_i(op);
    } else if (is_call(target, n, "$batch") || (n == 8 && !strncasecmp(target, "%24batch", 8))) {
        dv_batch(op);
    } else if (is_call(target, n, "EntityDefinitions")) {
        dv_metadata(op, arena_dup(op->a, target + 17, strcspn(target + 17, "?")));
    } else if (is_call(target, n, "RetrieveTotalRecordCount")) {
        dv_total_counts(op);
    } else if (memchr(target, '(', n) || *target == '$') {
        dv_crud(op, target, n, tail);
    } else {
        decoded = dv_percent_decode(op->a, target, n, &m);
        t = decoded ? dv_table_by_set(op->e, decoded, m) : NULL;
        decoded = dv_percent_decode(op->a, tail, strlen(tail), &m);
        if (t && decoded) {
            table_path(op, t, decoded);
        } else {
            dv_no_segment(&op->fail, target, n);
            dv_answer_fail(op);
        }
    }
}

/* ---- the entry ---- */

static void no_token(struct emu_request *q, struct emu_response *r)
{
    r->status = 401;
    emu_add_header(r, q, "WWW-Authenticate",
                   "Bearer authorization_uri=https://login.microsoftonline.com/common/oauth2/authorize, "
                   "resource_id=%s://%s/",
                   emu_scheme, q->host ? q->host : "localhost");
    emu_add_header(r, q, "Content-Type", "text/html");
    strbuf_adds(&r->body,
                "<html><body>401 - Unauthorized: Access is denied due to invalid credentials.</body></html>");
}

static void common_headers(struct emu *e, struct emu_request *q, struct emu_response *r)
{
    const char *request = emu_header(q, "x-ms-client-request-id");
    char id[37], text[64];

    snprintf(text, sizeof(text), "request %" PRId64 " %" PRId64, e->dv->version, emu_now_ms(e));
    emu_guid(e, text, id);
    emu_add_header(r, q, "OData-Version", "4.0");
    emu_add_header(r, q, "x-ms-service-request-id", "%.60s", request ? request : id);
    emu_add_header(r, q, "REQ_ID", "%s", id);
    /* Pins a client that keeps cookies to one server. */
    emu_add_header(r, q, "Set-Cookie", "ARRAffinity=%.16s; path=/; HttpOnly", id);
}

/* Behind "/api/data/v9.x", at its slash; NULL = another path. */
static const char *below_root(const char *target)
{
    static const char ROOT[] = "/api/data/v9.";
    const char *p;

    if (strncasecmp(target, ROOT, sizeof(ROOT) - 1) != 0)
        return NULL;
    p = target + sizeof(ROOT) - 1;
    if (*p < '0' || *p > '2' || (p[1] && p[1] != '/' && p[1] != '?'))
        return NULL;
    return p + 1;
}

static void serve(struct emu *e, struct emu_request *q, struct emu_response *r, const char *target)
{
    struct dv_op op;

    dv_op_init(&op, e, q, r, q->arena);
    if (dv_limits_enter(&op)) {
        dv_dispatch(&op, target + (*target == '/'));
        dv_op_count(&op);
        dv_limits_leave(&op);
    }
}

void emu_dv_handle(struct emu *e, struct emu_request *q, struct emu_response *r)
{
    enum { URL_MAX = 32768 };
    const char *target = below_root(q->raw_target);
    struct dv_fail f;
    struct dv_op op = { .e = e, .q = q, .r = r, .a = q->arena };

    dv_tick(e);
    if (!q->user) {
        no_token(q, r);
    } else if (!target) {
        r->status = 404;
        emu_add_header(r, q, "Content-Type", "text/html");
        strbuf_adds(&r->body, "<html><body>404 - File or directory not found.</body></html>");
    } else if (!emu_login_registered(q->user)) {
        dv_refuse(&f, 403, "0x80072560", "The user is not a member of the organization.");
        op.fail = f;
        dv_answer_fail(&op);
    } else if (strlen(q->raw_target) > URL_MAX) {
        r->status = 414;
        emu_add_header(r, q, "Content-Type", "text/html");
        strbuf_adds(&r->body, "<html><body>414 - Request-URI too long.</body></html>");
    } else {
        serve(e, q, r, target);
    }
    common_headers(e, q, r);
}

void emu_dv_init(struct emu *e)
{
    dv_model_init(e);
    dv_seed(e);
    emu_dualwrite_init(e);
}

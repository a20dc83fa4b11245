/*
 * The management gateway of dual-write, as Microsoft's published tools call it: unsupported, and known from them only. Version,
 * the link, the list of maps, state changes, and the poll of a request. A request is complete after dw_request_ms, the maps have
 * changed after dw_change_ms: clients that take the one for the other go wrong here as they do there. There is no Reset.
 */
#include "emu_dualwrite_parts.h"
#include "emu_fno.h"
#include "emu_store.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define PREFIX "/api/DualWriteManagement/1.0"

struct gateway {
    struct emu *e;
    struct emu_request *q;
    struct emu_response *r;
    yajl_val body;
};

static void fail(struct gateway *g, int status, const char *text)
{
    g->r->status = status;
    strbuf_reset(&g->r->body);
    emu_add_header(g->r, g->q, "Content-Type", "application/json; charset=utf-8");
    strbuf_adds(&g->r->body, "{\"error\":{\"code\":\"Failure\",\"message\":");
    emu_json_str(&g->r->body, text, strlen(text));
    strbuf_adds(&g->r->body, "}}");
}

static void begin(struct gateway *g)
{
    g->r->status = 200;
    emu_add_header(g->r, g->q, "Content-Type", "application/json; charset=utf-8");
}

static const char *guid_of(struct gateway *g, const char *kind, const struct dw_map *m)
{
    char *id = arena_alloc(g->q->arena, 37);

    emu_guid(g->e, arena_printf(g->q->arena, "%s %s %s", kind, m->label, m->set), id);
    return id;
}

static const char *connection(struct gateway *g)
{
    char *id = arena_alloc(g->q->arena, 37);

    emu_guid(g->e, "dual-write connection", id);
    return id;
}

static int code_of(const struct dw_map *m)
{
    switch (m->state) {
    case DW_STOPPED: return m->known ? 1 : 6;
    case DW_INITIAL: return 2;
    case DW_CATCHUP: return 3;
    case DW_RUNNING: return 4;
    case DW_PAUSED: return 5;
    }
    return 0;
}

/* ---- requests: kept as numbers, so that they outlive the process ---- */

static void add_map(struct gateway *g, const struct dw_map *m, const char *request)
{
    static const char *const ACTIONS[] = { "", "\"1\"", "", "", "\"4\",\"5\"", "\"6\",\"4\"", "\"1\"" };
    struct strbuf *out = &g->r->body;

    strbuf_adds(out, "{\"leftEntity\":{\"targetType\":\"AX\",\"name\":");
    emu_json_str(out, m->label, strlen(m->label));
    strbuf_adds(out, ",\"displayName\":");
    emu_json_str(out, m->label, strlen(m->label));
    strbuf_addf(out, "},\"rightEntity\":{\"targetType\":\"CRM\",\"name\":\"%s\",\"displayName\":\"%s\"},\"detail\":{",
                m->set, m->set);
    strbuf_addf(out, "\"tid\":\"%s\",\"tName\":", guid_of(g, "template", m));
    emu_json_str(out, arena_printf(g->q->arena, "%s - %s", m->set, m->label), strlen(m->set) + 3 + strlen(m->label));
    if (m->known)
        strbuf_addf(out, ",\"pid\":\"%s\"", guid_of(g, "project", m));
    else
        strbuf_adds(out, ",\"pid\":null");
    strbuf_addf(
        out, ",\"state\":%d,\"actions\":[%s],\"template\":{\"id\":\"%s\",\"version\":\"1.0.0.0\"},\"lastRequests\":[",
        code_of(m), m->due_ms ? "" : ACTIONS[code_of(m)], guid_of(g, "template", m));
    if (request) {
        int64_t due = emu_state(g->e, arena_printf(g->q->arena, "dw_request/%s", request), 0);

        strbuf_addf(out, "{\"requestId\":\"%s\",\"state\":%d}", request, due <= emu_now_ms(g->e) ? 2 : 1);
    }
    strbuf_adds(out, "],\"isProjectDeleted\":false}}");
}

static void entities(struct gateway *g)
{
    struct dw *d = g->e->dv->dw;
    const char *cid = emu_query(g->q, "cid");
    int64_t every = EMU_KNOB(g->e, dw_empty_list_every), n = emu_state(g->e, "dw_lists", 0) + 1;

    if (!cid || strcasecmp(cid, connection(g)) != 0) {
        fail(g, 404, "there is no such connection");
        return;
    }
    emu_state_set(g->e, "dw_lists", n);
    begin(g);
    strbuf_addc(&g->r->body, '[');
    for (size_t i = 0; i < d->n && !(every && n % every == 0); i++) {
        strbuf_adds(&g->r->body, i ? "," : "");
        add_map(g, d->maps[i], NULL);
    }
    strbuf_addc(&g->r->body, ']');
}

static void environments(struct gateway *g)
{
    const char *id = emu_query(g->q, "identifier");
    char host[40];

    snprintf(host, sizeof(host), "127.0.0.1:%d", g->e->ports[EMU_FNO]);
    begin(g);
    /* The identifier is a bare host: a URL finds nothing. On loopback the port stands for the host. */
    if (id && (!strcmp(id, host) || !strcmp(id, "127.0.0.1")))
        strbuf_addf(&g->r->body,
                    "[{\"cid\":\"%s\",\"cname\":\"contoso-link\",\"displayName\":\"contoso\",\"targetType\":\"AX\","
                    "\"detail\":{\"isSolutionAware\":true}}]",
                    connection(g));
    else
        strbuf_adds(&g->r->body, "[]");
}

/* ---- actions ---- */

static yajl_val member(yajl_val o, const char *name)
{
    const char *path[] = { name, NULL };

    return YAJL_IS_OBJECT(o) ? yajl_tree_get(o, path, yajl_t_any) : NULL;
}

static const char *text(yajl_val o, const char *name)
{
    yajl_val v = member(o, name);

    return YAJL_IS_STRING(v) ? YAJL_GET_STRING(v) : "";
}

static struct dw_map *map_of(struct gateway *g, yajl_val detail)
{
    struct dw *d = g->e->dv->dw;

    for (size_t i = 0; i < d->n; i++)
        if (!strcasecmp(guid_of(g, "template", d->maps[i]), text(detail, "tid")))
            return d->maps[i];
    return NULL;
}

static bool change(struct gateway *g, struct dw_map *m, int action, yajl_val detail, char *msg, size_t msg_size)
{
    yajl_val parameters = member(detail, "parameters"),
             skip = member(parameters, "dualWriteSkipCatchUpSyncParameters");

    switch (action) {
    case 1:
        if (m->state != DW_STOPPED) {
            snprintf(msg, msg_size, "the map is not stopped");
            return false;
        }
        if (!YAJL_IS_TRUE(member(parameters, "skipInitialSync"))) {
            emu_count(g->e, "dualwrite.initial_sync", 1);
            m->state = DW_INITIAL; /* its work is not modelled: only that it was asked for */
        }
        return dw_change(g->e, m, DW_RUNNING, DW_REPLAY, msg, msg_size);
    case 4: return dw_change(g->e, m, DW_STOPPED, DW_DISCARD, msg, msg_size);
    case 5: return dw_change(g->e, m, DW_PAUSED, DW_REPLAY, msg, msg_size);
    case 6:
        if (m->state != DW_PAUSED) {
            snprintf(msg, msg_size, "the map is not paused");
            return false;
        }
        return dw_change(g->e, m, DW_RUNNING,
                         !skip                                                       ? DW_REPLAY
                         : YAJL_IS_TRUE(member(skip, "skipCatchUpSyncPreserveData")) ? DW_PRESERVE
                                                                                     : DW_DISCARD,
                         msg, msg_size);
    case 8: return dw_change(g->e, m, DW_STOPPED, DW_DISCARD, msg, msg_size);
    default: snprintf(msg, msg_size, "action %d is not known", action); return false;
    }
}

static bool acceptable(struct gateway *g, int action, yajl_val details, char *msg, size_t msg_size)
{
    for (size_t i = 0; i < YAJL_GET_ARRAY(details)->len; i++) {
        yajl_val detail = YAJL_GET_ARRAY(details)->values[i];
        struct dw_map *m = map_of(g, detail);

        if (!m || strcasecmp(text(detail, "cid"), connection(g)) != 0) {
            snprintf(msg, msg_size, "no such map or connection");
            return false;
        }
        if (action != 8 && (!m->known || strcasecmp(text(detail, "pid"), guid_of(g, "project", m)) != 0)) {
            snprintf(msg, msg_size, "%s - %s: the map has no such project; it must be initialised first", m->set,
                     m->label);
            return false;
        }
        /* A pause of several maps is all or nothing. */
        if (action == 5 && m->state != DW_RUNNING) {
            snprintf(msg, msg_size, "%s - %s is not running, so none of the maps is paused", m->set, m->label);
            return false;
        }
    }
    return true;
}

static void start(struct gateway *g)
{
    yajl_val details = member(g->body, "details");
    int action = 0;
    char msg[600] = "", id[37];
    int64_t n = emu_state(g->e, "dw_requests", 0) + 1;

    if (!YAJL_IS_ARRAY(details) || sscanf(text(g->body, "action"), "%d", &action) != 1) {
        fail(g, 400, "{\"action\":\"<code>\",\"details\":[{\"tid\",\"pid\",\"cid\",\"parameters\"}]}");
        return;
    }
    if (!acceptable(g, action, details, msg, sizeof(msg))) {
        fail(g, 400, msg);
        return;
    }
    for (size_t i = 0; i < YAJL_GET_ARRAY(details)->len; i++)
        if (!change(g, map_of(g, YAJL_GET_ARRAY(details)->values[i]), action, YAJL_GET_ARRAY(details)->values[i], msg,
                    sizeof(msg))) {
            fail(g, 400, msg);
            return;
        }
    emu_count(g->e, arena_printf(g->q->arena, "gateway.action.%d", action), 1);
    emu_state_set(g->e, "dw_requests", n);
    emu_guid(g->e, arena_printf(g->q->arena, "dual-write request %" PRId64, n), id);
    emu_state_set(g->e, arena_printf(g->q->arena, "dw_request/%s", id),
                  emu_now_ms(g->e) + EMU_KNOB(g->e, dw_request_ms));
    begin(g);
    strbuf_addf(&g->r->body, "{\"requestId\":\"%s\"}", id);
}

static void status(struct gateway *g, const char *id)
{
    struct dw *d = g->e->dv->dw;

    if (!emu_state(g->e, arena_printf(g->q->arena, "dw_request/%s", id), 0)) {
        fail(g, 404, "there is no such request");
        return;
    }
    begin(g);
    strbuf_addc(&g->r->body, '[');
    for (size_t i = 0; i < d->n; i++) {
        strbuf_adds(&g->r->body, i ? "," : "");
        add_map(g, d->maps[i], id);
    }
    strbuf_addc(&g->r->body, ']');
}

void emu_gateway_handle(struct emu *e, struct emu_request *q, struct emu_response *r)
{
    struct gateway g = { e, q, r, NULL };
    bool get = !strcmp(q->method, "GET"), post = !strcmp(q->method, "POST");
    const char *p = q->path;

    if (strstr(p, "/Reset")) {
        emu_count(e, "gateway.reset", 1); /* nobody should ever ask for this */
        fail(&g, 403, "the link is not reset");
        return;
    }
    if (!q->user) {
        fail(&g, 401, "the token is missing, expired, or for another resource");
        return;
    }
    dw_read_folder(e);
    dw_tick_states(e);
    if (post) {
        g.body = yajl_tree_parse(q->body, NULL, 0);
        if (!emu_header(q, "Origin") || !g.body) {
            fail(&g, 400, g.body ? "the Origin header is missing" : "the body is not JSON");
            yajl_tree_free(g.body);
            return;
        }
    }
    if (get && !strcmp(p, PREFIX "/Version")) {
        begin(&g);
        strbuf_adds(&r->body, "{\"version\":\"1.0\"}");
    } else if (get && !strcmp(p, PREFIX "/Environments")) {
        environments(&g);
    } else if (get && !strcmp(p, PREFIX "/Entities")) {
        entities(&g);
    } else if (post && !strcmp(p, PREFIX "/Start")) {
        start(&g);
    } else if (get && !strncmp(p, PREFIX "/Status/", strlen(PREFIX "/Status/"))) {
        status(&g, p + strlen(PREFIX "/Status/"));
    } else {
        fail(&g, 404, "no such path");
    }
    yajl_tree_free(g.body);
}

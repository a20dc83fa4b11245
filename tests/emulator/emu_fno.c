/*
 * Finance & Operations: who may call, which part answers, and what every answer has in common.
 *
 * 401: no valid token for this environment. 403: a valid token of an application that is not registered here
 * ("Troubleshoot service authentication"); older reports say 401, hence the knob. $metadata answers any valid token.
 */
#include "emu_fno.h"

#include "emu_dmf.h"
#include "emu_dualwrite.h"
#include "emu_store.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *emu_fno_base(const struct emu_request *q)
{
    return arena_printf(q->arena, "%s://%s", emu_scheme, q->host);
}

void emu_fno_json(struct emu_response *r, struct emu_request *q, int status)
{
    r->status = status;
    emu_add_header(r, q, "Content-Type", "application/json; odata.metadata=minimal");
}

void emu_fno_error(struct emu_response *r, struct emu_request *q, int status, const char *fmt, ...)
{
    char text[2048];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    emu_fno_json(r, q, status);
    strbuf_reset(&r->body);
    strbuf_adds(&r->body,
                "{\"error\":{\"code\":\"\",\"message\":\"An error has occurred.\",\"innererror\":{\"message\":");
    emu_json_str(&r->body, text, strlen(text));
    strbuf_adds(&r->body,
                ",\"type\":\"System.InvalidOperationException\",\"stacktrace\":\"   at "
                "Microsoft.Dynamics.Platform.Integration.Services.OData.Action.ActionInvokable.Invoke()\\r\\n   at "
                "Microsoft.Dynamics.Platform.Integration.Services.OData.ODataController.Handle()\"}}}");
}

static bool authorized(struct emu *e, struct emu_request *q, struct emu_response *r)
{
    if (!q->user) {
        r->status = 401;
        emu_add_header(r, q, "WWW-Authenticate", "Bearer authorization_uri=\"%s://127.0.0.1:%d/%s/oauth2/authorize\"",
                       emu_scheme, e->ports[EMU_LOGIN], e->tenant.organization_id);
        return false;
    }
    if (emu_login_registered(q->user) || !strcmp(q->path, "/data/$metadata"))
        return true;
    if (EMU_KNOB(e, fno_401_for_unregistered)) {
        r->status = 401;
        return false;
    }
    emu_fno_json(r, q, 403);
    strbuf_adds(&r->body, "{\"Message\":\"Forbidden\"}");
    return false;
}

static bool begins(const char *s, const char *with)
{
    return !strncmp(s, with, strlen(with));
}

/* A registered user whose roles do not reach the entity. */
static bool forbidden(struct emu *e, struct emu_request *q, struct emu_response *r)
{
    if (!EMU_KNOB(e, fno_no_privilege) || !begins(q->path, "/data/") || begins(q->path, "/data/LegalEntities") ||
        begins(q->path, "/data/DataManagement") || begins(q->path, "/data/$metadata"))
        return false;
    emu_fno_json(r, q, 403);
    strbuf_adds(&r->body, "{\"Message\":\"Access denied: the user's roles have no privilege on this entity.\"}");
    return true;
}

static bool route(struct emu *e, struct emu_request *q, struct emu_response *r)
{
    if (begins(q->path, "/data/DataManagement"))
        return emu_dmf_handle(e, q, r);
    if (begins(q->path, "/data/DualWriteProjectConfigurations"))
        return emu_dualwrite_fno_odata(e, q, r);
    if (begins(q->path, "/Metadata/"))
        return emu_fno_metadata(e, q, r);
    if (begins(q->path, "/data/") || !strcmp(q->path, "/data"))
        return emu_fno_odata(e, q, r);
    return false;
}

void emu_fno_handle(struct emu *e, struct emu_request *q, struct emu_response *r)
{
    char id[37];
    bool has_type = false;

    emu_dmf_tick(e); /* jobs go on whether or not this caller may see them */
    emu_guid(e, arena_printf(q->arena, "fno-activity/%" PRId64, emu_state(e, "fno_activity", 0)), id);
    emu_state_set(e, "fno_activity", emu_state(e, "fno_activity", 0) + 1);
    emu_add_header(r, q, "ms-dyn-aid", "%s", id);
    emu_add_header(r, q, "OData-Version", "4.0");
    emu_add_header(r, q, "X-Content-Type-Options", "nosniff");
    if (!authorized(e, q, r) || forbidden(e, q, r))
        return;
    if (!route(e, q, r))
        emu_fno_error(r, q, 404, "No HTTP resource was found that matches the request URI '%s%s'.", emu_fno_base(q),
                      q->path);
    for (size_t i = 0; i < r->n_headers; i++)
        has_type = has_type || !strcmp(r->headers[i].name, "Content-Type");
    if (!has_type && r->body.len)
        emu_add_header(r, q, "Content-Type", "application/json; odata.metadata=minimal");
}

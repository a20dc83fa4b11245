/*
 * main.c -- joins the two stages' commands and opens the clients that they are handed. The only file that knows both
 * stages.
 */
#include "cli/command.h"
#include "dv/dv.h"
#include "erp/erp.h"
#include "net/http.h"
#include "loader/loader_commands.h"
#include "loader/map_commands.h"
#include "loader/public/catalog.h"
#include "base/clock.h"
#include "sync/activity.h"
#include "sync/sync_commands.h"

#include <string.h>

/* How one service is signed in to: each application user of the side, for that service's address. */
static struct auth_config *users_of(const struct config_side *side, struct arena *a)
{
    struct auth_config *users = arena_zalloc(a, (side->n_users + 1) * sizeof(*users));

    for (size_t i = 0; i < side->n_users; i++)
        users[i] = (struct auth_config){ .authority = side->authority,
                                         .tenant = side->tenant,
                                         .client_id = side->users[i].client_id,
                                         .secret_file = side->users[i].secret_file,
                                         .secret_command = side->users[i].secret_command,
                                         .certificate_file = side->users[i].certificate_file,
                                         .secret = side->users[i].secret,
                                         .resource = side->url };
    return users;
}

static void heard(void *arg, const char *reason, int64_t until_utc_ms)
{
    progress_waiting(arg, reason, until_utc_ms);
}

static enum ec open_clients(struct app *app, struct err *reterr)
{
    struct config *c = &app->cfg;
    int64_t patience = app->command->needs & NEED_QUICK ? 10000 : 0;
    struct http_config http = { .ca_file = c->ca_file,
                                .user_agent = arena_printf(&c->arena, "dmfsync/%s", DMFSYNC_VERSION) };
    struct erp_config erp = { .url = c->fno.url,
                              .users = users_of(&c->fno, &c->arena),
                              .n_users = c->fno.n_users,
                              .tps_limit = app->opt->tps_limit,
                              .tps_file = app->opt->tps_file,
                              .pause_file = app->opt->pause_file,
                              .retry_deadline_ms = patience };
    struct dv_config dv = { .url = c->dataverse.url,
                            .users = users_of(&c->dataverse, &c->arena),
                            .n_users = c->dataverse.n_users,
                            .tag = c->tag,
                            .bypass = c->bypass,
                            .tps_limit = app->opt->tps_limit,
                            .tps_file = app->opt->tps_file,
                            .pause_file = app->opt->pause_file,
                            .retry_deadline_ms = patience };
    enum ec rc = http_new(&http, &app->http, reterr);

    app->began_ms = clock_utc_ms();

    if (!rc && (app->command->needs & NEED_FNO))
        rc = erp_open(&erp, app->http, &app->erp, reterr);
    if (!rc && (app->command->needs & NEED_DV))
        rc = dv_open(&dv, app->http, &app->dv, reterr);
    if (app->erp)
        session_on_wait(erp_session(app->erp), heard, &app->out);
    if (app->dv)
        session_on_wait(dv_session(app->dv), heard, &app->out);
    return rc;
}

/* "throttled 12 s, execution_budget 3 s" */
static const char *waits_of(const struct session_stats *st, struct arena *a)
{
    struct strbuf b = STRBUF(0);
    const char *text;

    for (int k = 1; k < WAIT_REASONS; k++)
        if (st->waits_ms[k] >= 1000)
            strbuf_addf(&b, "%s%s %llu s", b.len ? ", " : "", wait_reason_name((enum wait_reason)k),
                        (unsigned long long)st->waits_ms[k] / 1000);
    text = arena_strdup(a, strbuf_str(&b));
    strbuf_release(&b);
    return text;
}

/* What a run asked of a service: calls, refusals, waits by reason. */
static void tell_service(struct app *app, struct json *list, struct session *s)
{
    bool shown = (app->command->needs & NEED_CONSENT) && app->opt->execute;
    struct session_stats st;
    struct json *v, *waits;
    struct arena a = { 0 };
    const char *why;

    session_stats(s, &st);
    if (!st.calls)
        return;
    v = out_object(&app->out, list, NULL);
    out_str(&app->out, v, "service", session_name(s));
    out_int(&app->out, v, "users", (int64_t)st.users);
    out_int(&app->out, v, "calls", (int64_t)st.calls);
    out_int(&app->out, v, "rejected", (int64_t)st.throttled);
    out_int(&app->out, v, "retries", (int64_t)st.retries);
    waits = out_object(&app->out, v, "waited_ms");
    for (int k = 1; k < WAIT_REASONS; k++)
        out_int(&app->out, waits, wait_reason_name((enum wait_reason)k), (int64_t)st.waits_ms[k]);
    why = waits_of(&st, &a);
    if (shown)
        out_line(&app->out, "%s: %llu calls%s, %llu rejected%s%s%s", session_name(s), (unsigned long long)st.calls,
                 st.users > 1 ? arena_printf(&a, " as %zu users", st.users) : "", (unsigned long long)st.throttled,
                 why[0] ? ", waited: " : "", why, "");
    arena_release(&a);
}

/* How fast Dataverse was written, against what dual-write's initial sync does there ("Considerations for initial sync"). */
static void tell_speed(struct app *app)
{
    double rate = app->bulk.ms > 0 ? (double)app->bulk.rows * 1000 / (double)app->bulk.ms : 0;
    bool emulated = !strncmp(app->cfg.dataverse.url, "http://", 7); /* plain http goes to this machine only */
    struct json *v;

    if (app->bulk.rows < 1000 || rate <= 0)
        return; /* too few to say anything about many */
    v = out_object(&app->out, NULL, "dataverse_writing");
    out_int(&app->out, v, "rows", (int64_t)app->bulk.rows);
    out_int(&app->out, v, "ms", app->bulk.ms);
    out_bool(&app->out, v, "emulated", emulated);
    out_str(&app->out, v, "tag", app->cfg.tag);
    out_str(&app->out, v, "bypass", app->cfg.bypass);
    out_line(
        &app->out,
        "Dataverse: %llu rows written at %.0f rows/s, %.0f to %.0f times the 5 to 10 rows a second of dual-write%s; "
        "tag '%s'%s%s",
        (unsigned long long)app->bulk.rows, rate, rate / 10, rate / 5, emulated ? " (emulated)" : "",
        app->cfg.tag ? app->cfg.tag : "", app->cfg.bypass && app->cfg.bypass[0] ? ", bypass " : "",
        app->cfg.bypass ? app->cfg.bypass : "");
}

static void tell_services(struct app *app)
{
    struct json *list;

    if (!app->command || !(app->command->needs & NEED_LOCK) || (!app->erp && !app->dv))
        return;
    list = out_array(&app->out, NULL, "services");
    if (app->erp)
        tell_service(app, list, erp_session(app->erp));
    if (app->dv)
        tell_service(app, list, dv_session(app->dv));
    if (app->dv)
        tell_speed(app);
}

static void close_clients(struct app *app)
{
    tell_services(app);
    activity_store(app);
    dv_close(app->dv);
    erp_close(app->erp);
    http_free(app->http);
    app->dv = NULL;
    app->erp = NULL;
    app->http = NULL;
}

int main(int argc, char **argv)
{
    static const struct command *const TABLES[] = { CLI_COMMANDS,       LOADER_COMMANDS, MAP_COMMANDS,
                                                    MAP_CHECK_COMMANDS, SYNC_COMMANDS,   NULL };
    struct command_env env = { .tables = TABLES,
                               .version = DMFSYNC_VERSION,
                               .open_clients = open_clients,
                               .close_clients = close_clients,
                               .work_schema = &CATALOG_SCHEMA };

    return command_main(&env, argc, argv);
}

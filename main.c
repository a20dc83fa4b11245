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
    return rc;
}

static void close_clients(struct app *app)
{
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

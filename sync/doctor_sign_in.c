/*
 * doctor_sign_in.c -- who are we on each side, and if nobody: which of the three it is. (1) No token: the secret, client or
 * tenant is wrong. (2) A token, and every call refused: the application is registered in the directory, not in the environment.
 * (3) Some calls pass: a privilege is missing; which, the checks of maps and tables tell. Sources: "Troubleshoot service
 * authentication", "Microsoft Entra authentication and authorization error codes", Dataverse "Use multitenant server-to-server
 * authentication" (application user).
 */
#include "dv/dv_admin.h"
#include "erp/erp_probe.h"
#include "sync/doctor.h"

#include <string.h>

static const char *const NO_TOKEN = "sign-in", *const NOT_THERE = "not registered";

static void refused(struct doctor *d, const char *side, struct err *e, const char *not_there, const char *user)
{
    struct arena a = { 0 };
    const char *check = arena_printf(&a, "%s sign-in", side);
    bool directory = strstr(e->msg, "AADSTS") != NULL;

    if (e->code != EC_AUTH) {
        if (e->code == EC_FNO || e->code == EC_DATAVERSE)
            err_hint(e, "is url in dmfsync.ini the address of %s? another server answers otherwise", side);
        else if (ec_transient(e->code))
            err_hint(e, "check url in dmfsync.ini and the environment's state, then run this again");
        doctor_error(d, check, e);
    } else if (directory) {
        doctor_fail(d, EC_AUTH, check, arena_printf(&a, "no token (%s): %s", NO_TOKEN, e->msg), e->hint);
    } else {
        doctor_fail(d, EC_AUTH, check,
                    arena_printf(&a, "a token, but the application is %s in this environment (client %s, HTTP %d)",
                                 NOT_THERE, user, e->http_status),
                    not_there);
    }
    arena_release(&a);
}

static void clock_of(struct doctor *d, const char *side, struct session *s)
{
    struct arena a = { 0 };
    struct session_stats st;
    const char *check = arena_printf(&a, "%s clock", side), *text;

    session_stats(s, &st);
    text = arena_printf(&a, "%lld ms apart", (long long)st.clock_skew_ms);
    if (st.clock_skew_ms < 120000 && st.clock_skew_ms > -120000)
        doctor_fine(d, check, text);
    else
        doctor_fail(d, EC_CONFIG, check, text,
                    "set this machine's clock (NTP): tokens, signed URLs and the time of changes depend on it");
    arena_release(&a);
}

static enum ec nothing(void *arg, struct cell code, struct cell name, struct err *reterr)
{
    (void)code;
    (void)name;
    (void)reterr;
    ++*(size_t *)arg;
    return EC_OK;
}

/* The version action answers any registered application; a small entity shows that its user may read at all. */
static void fno(struct doctor *d)
{
    static const char *const REMEDY =
        "F&O: System administration > Setup > Microsoft Entra ID applications: add the client id with a "
        "user whose roles reach data management and the entities";
    struct arena a = { 0 };
    struct err e = { 0 };
    char *version = NULL;
    size_t companies = 0;
    const char *user = d->app->cfg.fno.n_users ? d->app->cfg.fno.users[0].client_id : "";
    enum ec rc = erp_version(d->app->erp, &a, &version, &e);

    if (rc) {
        refused(d, "F&O", &e, REMEDY, user);
        arena_release(&a);
        return;
    }
    rc = erp_companies(d->app->erp, nothing, &companies, &e);
    if (rc) {
        if (rc == EC_AUTH)
            doctor_fail(d, EC_AUTH, "F&O sign-in",
                        "signed in, but the user may not read legal entities: lacking privilege",
                        "give the user of the Microsoft Entra ID application a role that reads them");
        else
            doctor_error(d, "F&O sign-in", &e);
    } else {
        d->fno_in = true;
        doctor_fine(
            d, "F&O sign-in",
            arena_printf(&a, "client %s, application version %s, %zu legal entities", user, version, companies));
    }
    clock_of(d, "F&O", erp_session(d->app->erp));
    arena_release(&a);
}

static void dataverse(struct doctor *d)
{
    static const char *const REMEDY =
        "Power Platform admin centre > environment > Settings > Users > Application users: add the "
        "application with a security role (Dual-Write App User, and what the tables need)";
    struct arena a = { 0 };
    struct dv_whoami who;
    struct err e = { 0 }, ignore = { 0 };
    char *version = NULL;

    if (dv_whoami(d->app->dv, &who, &e)) {
        refused(d, "Dataverse", &e, REMEDY,
                d->app->cfg.dataverse.n_users ? d->app->cfg.dataverse.users[0].client_id : "");
        arena_release(&a);
        return;
    }
    d->dv_in = true;
    memcpy(d->user_id, who.user_id, sizeof(d->user_id));
    if (dv_version(d->app->dv, &a, &version, &ignore))
        version = NULL;
    doctor_fine(d, "Dataverse sign-in",
                arena_printf(&a, "user %s of organisation %s%s%s", who.user_id, who.organization_id,
                             version ? ", version " : "", version ? version : ""));
    clock_of(d, "Dataverse", dv_session(d->app->dv));
    arena_release(&a);
}

void doctor_sign_in(struct doctor *d)
{
    fno(d);
    dataverse(d);
}

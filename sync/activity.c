#include "sync/activity.h"
#include "base/clock.h"
#include "base/log.h"
#include "dv/dv.h"
#include "erp/erp.h"

#include <signal.h>

void activity_store(struct app *app)
{
    struct session_stats n[2] = { 0 };
    int signo = stop_signal() == SIGALRM ? 0 : stop_signal();
    char began[32], now[32];
    struct err e;
    struct query *q;

    if (!app->work || !(app->command->needs & NEED_LOCK) || (!app->erp && !app->dv))
        return;
    if (app->erp)
        session_stats(erp_session(app->erp), &n[0]);
    if (app->dv)
        session_stats(dv_session(app->dv), &n[1]);
    if (!n[0].calls && !n[1].calls)
        return;
    clock_format_utc(app->began_ms, began);
    clock_format_utc(clock_utc_ms(), now);
    q = store_query(
        app->work,
        "insert or replace into activity(command, started_at, ended_at, status, fno_calls, dataverse_calls, "
        "fno_retries, dataverse_retries, fno_throttled, dataverse_throttled, fno_waited_ms, "
        "dataverse_waited_ms, fno_octets, dataverse_octets, id) values(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, "
        "?10, ?11, ?12, ?13, ?14, ?15)");
    query_str(q, 1, app->command->name);
    query_str(q, 2, began);
    query_str(q, 3, now);
    query_int(q, 4, status_of(app->out.statuses, signo));
    for (int i = 0; i < 2; i++) {
        query_int(q, 5 + i, (int64_t)n[i].calls);
        query_int(q, 7 + i, (int64_t)n[i].retries);
        query_int(q, 9 + i, (int64_t)n[i].throttled);
        query_int(q, 11 + i, (int64_t)n[i].waited_ms);
        query_int(q, 13 + i, (int64_t)(n[i].sent_octets + n[i].got_octets));
    }
    if (app->activity)
        query_int(q, 15, app->activity);
    else
        query_null(q, 15);
    if (!query_run(q, &e))
        app->activity = app->activity ? app->activity : store_last_id(app->work);
    else
        log_warn("run", "the costs of this command are not on record: %s", e.msg);
}

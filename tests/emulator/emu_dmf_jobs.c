/*
 * The job queue: what happens when, in simulated time.
 *
 * A submitted job has no row for clients during d1_ms, is NotRun during d2_ms, then Executing. Execution units run
 * side by side; inside a unit levels run one after another, inside a level sequence numbers one after another,
 * entities with the same number together ("Data import and export jobs", sequencing). Each entity is one small state
 * machine whose next event stands in due_ms; dmf_job_entity is therefore the agenda, and a restarted emulator
 * continues where it was. The work of a step is done when the step begins, its numbers are shown as it goes on, its
 * end comes after the simulated cost.
 */
#include "emu_dmf_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TASKS = 4, ROWS_PER_TASK = 2500 }; /* the parallel import example in the service's documentation */

void dmf_job_path(const struct emu *e, int64_t job, const char *suffix, struct strbuf *out)
{
    strbuf_reset(out);
    strbuf_addf(out, "%s/dmf/job-%lld%s", e->dir, (long long)job, suffix);
}

void dmf_job_add(struct emu *e, struct dmf_job *j)
{
    int64_t now = emu_now_ms(e), visible = now + EMU_KNOB(e, d1_ms);

    emu_exec(e,
             "insert into dmf_job(id, project, company, import, execute, package_name, submitted_ms, visible_ms, "
             "start_ms, "
             "status) values(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 'NotRun')",
             "tttiitiii", j->id, j->project, j->company, (int64_t)j->import, (int64_t)j->execute, j->package_name,
             now, visible, visible + EMU_KNOB(e, d2_ms));
    j->no = sqlite3_last_insert_rowid(e->db);
}

void dmf_job_add_entity(struct emu *e, int64_t job, int ord, const struct dmf_entity *d, const char *refresh,
                        bool hangs)
{
    emu_exec(
        e,
        "insert into dmf_job_entity(job, ord, entity, unit, level, sequence, format, file, sheet, refresh, "
        "fail_level, "
        "fail_unit, run_logic, run_validation, hangs) values(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, "
        "?14, ?15)",
        "iitiiittttiiiii", job, (int64_t)ord, d->label, d->unit, d->level, d->sequence, d->format, d->file, d->sheet,
        refresh, (int64_t)d->fail_level, (int64_t)d->fail_unit, (int64_t)d->run_logic, (int64_t)d->run_validation,
        (int64_t)hangs);
}

bool dmf_job_find(struct emu *e, const char *id, bool visible, struct arena *a, struct dmf_job *ret)
{
    sqlite3_stmt *s =
        emu_select(e,
                   "select no, id, project, company, import, execute, package_name from dmf_job where id = ?1 "
                   "and visible_ms <= ?2",
                   "ti", id, visible ? emu_now_ms(e) : INT64_MAX);
    bool found = emu_step(e, s);

    if (found) {
        *ret = (struct dmf_job){ .no = sqlite3_column_int64(s, 0),
                                 .id = arena_strdup(a, emu_text(s, 1)),
                                 .project = arena_strdup(a, emu_text(s, 2)),
                                 .company = arena_strdup(a, emu_text(s, 3)),
                                 .import = sqlite3_column_int(s, 4),
                                 .execute = sqlite3_column_int(s, 5),
                                 .package_name = arena_strdup(a, emu_text(s, 6)) };
        sqlite3_reset(s);
    }
    return found;
}

void dmf_job_delete(struct emu *e, int64_t job)
{
    static const char *const TABLES[] = { "delete from dmf_staging where job = ?1",
                                          "delete from dmf_error where job = ?1",
                                          "delete from dmf_key_file where job = ?1",
                                          "delete from dmf_job_entity where job = ?1",
                                          "delete from dmf_job where no = ?1" };
    struct strbuf path = { 0 };

    for (size_t i = 0; i < COUNT(TABLES); i++)
        emu_exec(e, TABLES[i], "i", job);
    dmf_job_path(e, job, ".zip", &path);
    (void)unlink(strbuf_str(&path));
    strbuf_release(&path);
}

void dmf_job_sweep(struct emu *e)
{
    struct strbuf path = { 0 };
    sqlite3_stmt *s;

    /* Not when a job ends: the event that ends it may still be undone by a crash and then needs its package again. */
    s = emu_select(e, "select no from dmf_job where import and kept and end_ms is not null", "");
    while (emu_step(e, s)) {
        dmf_job_path(e, sqlite3_column_int64(s, 0), ".zip", &path);
        (void)unlink(strbuf_str(&path));
    }
    emu_exec(e, "update dmf_job set kept = 0 where import and kept and end_ms is not null", "");
    strbuf_release(&path);
}

void dmf_error_add(struct emu *e, int64_t job, int ord, const struct dmf_error *x)
{
    struct strbuf record = { 0 }, text = { 0 };

    /* Parts of broken rows end up in JSON answers. */
    dmf_clean(&record, x->record, strlen(x->record), 4000);
    dmf_clean(&text, x->text, strlen(x->text), DMF_MSG);
    emu_exec(e,
             "insert into dmf_error(job, ord, stage, line, record, field, text) values(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
             "iitittt", job, (int64_t)ord, x->stage, x->line, strbuf_str(&record), x->field, strbuf_str(&text));
    strbuf_release(&record);
    strbuf_release(&text);
}

/* One due event, copied out of the agenda. */
struct event {
    int64_t job, due;
    int ord;
    enum dmf_state state;
    bool import, execute;
    int64_t unit, level;
    bool fail_level, fail_unit, single;
};

static const struct emu_entity *entity_of(struct emu *e, int64_t job, int ord)
{
    sqlite3_stmt *s =
        emu_select(e, "select entity from dmf_job_entity where job = ?1 and ord = ?2", "ii", job, (int64_t)ord);
    const struct emu_entity *en = emu_step(e, s) ? emu_entity_by_label(&e->tenant, emu_text(s, 0)) : NULL;

    sqlite3_reset(s);
    return en;
}

/* Starts the next group of a unit when nothing of it is under way. */
static void start_next(struct emu *e, int64_t job, int64_t unit, int64_t at)
{
    sqlite3_stmt *s;
    int64_t level, sequence;
    bool any;

    if (emu_int(e,
                "select count(*) from dmf_job_entity where job = ?1 and unit = ?2 and (state in (1, 2) or due_ms is "
                "not null "
                "or (state = 0 and staging_status = 'Executing'))",
                "ii", job, unit))
        return;
    s = emu_select(
        e,
        "select level, sequence from dmf_job_entity where job = ?1 and unit = ?2 and state = 0 order by level, "
        "sequence limit 1",
        "ii", job, unit);
    any = emu_step(e, s);
    if (!any)
        return;
    level = sqlite3_column_int64(s, 0);
    sequence = sqlite3_column_int64(s, 1);
    sqlite3_reset(s);
    emu_exec(e,
             "update dmf_job_entity set due_ms = iif(hangs, null, ?5), staging_start = ?5, staging_status = "
             "'Executing' where "
             "job = ?1 and unit = ?2 and level = ?3 and sequence = ?4 and state = 0",
             "iiiii", job, unit, level, sequence, at);
}

/* The final status follows from the rows alone, so that it cannot contradict the counters. */
static const char *verdict(struct emu *e, int64_t job, bool execute)
{
    sqlite3_stmt *s =
        emu_select(e,
                   "select total(staged), total(created + updated), total(staging_failed + target_failed), "
                   "total(broken), sum(state = 3 and staging_status = 'NotRun') from dmf_job_entity where job = ?1",
                   "i", job);
    int64_t good = 0, bad = 0;

    if (emu_step(e, s)) {
        good = sqlite3_column_int64(s, execute ? 1 : 0);
        bad = sqlite3_column_int64(s, 2) + sqlite3_column_int64(s, 3) + sqlite3_column_int64(s, 4);
    }
    sqlite3_reset(s);
    return !bad ? "Succeeded" : good ? "PartiallySucceeded" : "Failed";
}

static void finish(struct emu *e, int64_t job, bool import, bool execute, int64_t at, const char *forced)
{
    const char *status = forced ? forced : verdict(e, job, execute);

    if (!import && !forced && strcmp(status, "Failed") != 0 && !dmf_export_finish(e, job))
        status = "Failed";
    /* The exported package becomes available a little after the job has ended. */
    emu_exec(e, "update dmf_job set status = ?2, end_ms = ?3, url_ms = ?4 where no = ?1", "itii", job, status, at,
             at + EMU_KNOB(e, d1_ms));
    if (execute)
        emu_exec(e, "delete from dmf_staging where job = ?1", "i", job);
}

static void stop_job(struct emu *e, const struct event *v)
{
    bool partial = emu_int(e, "select stop_partial from dmf_job where no = ?1", "i", v->job) != 0;

    emu_exec(
        e,
        "update dmf_job_entity set state = 3, due_ms = null, staging_status = case staging_status when 'Waiting' "
        "then 'NotRun' when 'Executing' then 'Canceled' else staging_status end, target_status = case "
        "target_status when 'NotStarted' then 'NotRun' when 'Executing' then 'Canceled' else target_status end "
        "where job = ?1 and state <> 3",
        "i", v->job);
    finish(e, v->job, v->import, v->execute, v->due, partial ? "PartiallySucceeded" : "Failed");
}

static void entity_done(struct emu *e, const struct event *v, bool errors)
{
    emu_exec(e, "update dmf_job_entity set state = 3, due_ms = null where job = ?1 and ord = ?2", "ii", v->job,
             (int64_t)v->ord);
    if (errors && (v->fail_level || v->fail_unit))
        emu_exec(
            e,
            "update dmf_job_entity set state = 3, staging_status = 'NotRun', target_status = 'NotRun' where job = "
            "?1 and unit = ?2 and (?4 or level = ?3) and state = 0 and staging_status = 'Waiting'",
            "iiii", v->job, v->unit, v->level, (int64_t)v->fail_unit);
    start_next(e, v->job, v->unit, v->due);
    if (!emu_int(e, "select count(*) from dmf_job_entity where job = ?1 and state <> 3", "i", v->job))
        finish(e, v->job, v->import, v->execute, v->due, NULL);
}

/* Half of the entity's cost and a share of its rows' cost falls to staging, the rest to the target. */
static int64_t cost(struct emu *e, const struct event *v, int64_t rows, bool staging)
{
    int64_t row_us = EMU_KNOB(e, row_us) * rows * (staging ? 1 : 4) / 5;
    int64_t tasks = v->single ? 1 : (rows + ROWS_PER_TASK - 1) / ROWS_PER_TASK;

    if (tasks > TASKS)
        tasks = TASKS;
    return EMU_KNOB(e, entity_ms) / 2 + row_us / (tasks > 1 ? tasks : 1) / 1000;
}

static void begin_staging(struct emu *e, const struct event *v)
{
    struct dmf_counts c = { 0 };

    if (v->import)
        dmf_stage(e, v->job, v->ord, &c);
    else
        dmf_export_entity(e, v->job, v->ord, &c);
    emu_exec(e,
             "update dmf_job_entity set state = 1, due_ms = ?3, staging_end = ?3, to_process = ?4, staged = ?5, "
             "staging_failed = ?6, broken = ?7, created = ?8, tasks = ?9 where job = ?1 and ord = ?2",
             "iiiiiiiii", v->job, (int64_t)v->ord, v->due + cost(e, v, c.rows, true), c.rows, c.staged, c.failed,
             (int64_t)c.broken, c.created, (int64_t)(v->single || c.rows <= ROWS_PER_TASK ? 1 : TASKS));
}

static void end_staging(struct emu *e, const struct event *v)
{
    sqlite3_stmt *s = emu_select(
        e, "select staging_failed, broken, staged, to_process from dmf_job_entity where job = ?1 and ord = ?2", "ii",
        v->job, (int64_t)v->ord);
    struct dmf_counts c = { 0 };
    int64_t rows = 0, staging_failed = 0;

    if (emu_step(e, s)) {
        staging_failed = sqlite3_column_int64(s, 0);
        c.broken = sqlite3_column_int(s, 1);
        rows = sqlite3_column_int64(s, 2);
    }
    sqlite3_reset(s);
    emu_exec(e, "update dmf_job_entity set staging_status = ?3 where job = ?1 and ord = ?2", "iit", v->job,
             (int64_t)v->ord, staging_failed || c.broken ? "Error" : "Finished");
    if (c.broken || !v->execute) {
        emu_exec(e, "update dmf_job_entity set target_status = 'NotRun' where job = ?1 and ord = ?2", "ii", v->job,
                 (int64_t)v->ord);
        entity_done(e, v, staging_failed || c.broken);
        return;
    }
    if (v->import)
        dmf_target(e, v->job, v->ord, &c);
    emu_exec(e,
             "update dmf_job_entity set state = 2, due_ms = ?3, target_start = ?4, target_end = ?3, target_status = "
             "'Executing' "
             "where job = ?1 and ord = ?2",
             "iiii", v->job, (int64_t)v->ord, v->due + cost(e, v, rows, false), v->due);
    if (v->import)
        emu_exec(
            e, "update dmf_job_entity set created = ?3, updated = ?4, target_failed = ?5 where job = ?1 and ord = ?2",
            "iiiii", v->job, (int64_t)v->ord, c.created, c.updated, c.failed);
    if (c.stopped) {
        emu_exec(e,
                 "update dmf_job_entity set target_status = 'Error', target_end = target_start where job = ?1 and "
                 "ord = ?2",
                 "ii", v->job, (int64_t)v->ord);
        stop_job(e, v);
    }
}

static void end_target(struct emu *e, const struct event *v)
{
    bool errors = emu_int(e, "select target_failed from dmf_job_entity where job = ?1 and ord = ?2", "ii", v->job,
                          (int64_t)v->ord) != 0,
         staging_errors = emu_int(e, "select staging_failed from dmf_job_entity where job = ?1 and ord = ?2", "ii",
                                  v->job, (int64_t)v->ord) != 0;

    emu_exec(e, "update dmf_job_entity set target_status = ?3 where job = ?1 and ord = ?2", "iit", v->job,
             (int64_t)v->ord, errors ? "Error" : "Finished");
    entity_done(e, v, errors || staging_errors);
}

static void start_job(struct emu *e, int64_t job, bool import, bool execute, int64_t at)
{
    int64_t unit = INT64_MIN;
    bool any = false, more;

    emu_exec(e, "update dmf_job set status = 'Executing' where no = ?1", "i", job);
    do {
        sqlite3_stmt *s =
            emu_select(e, "select min(unit) from dmf_job_entity where job = ?1 and unit > ?2", "ii", job, unit);

        more = emu_step(e, s) && sqlite3_column_type(s, 0) != SQLITE_NULL;
        if (more)
            unit = sqlite3_column_int64(s, 0);
        sqlite3_reset(s);
        if (more)
            start_next(e, job, unit, at);
        any = any || more;
    } while (more);
    if (!any)
        finish(e, job, import, execute, at, NULL);
}

static bool next_start(struct emu *e, int64_t now)
{
    sqlite3_stmt *s =
        emu_select(e,
                   "select no, import, execute, start_ms from dmf_job where status = 'NotRun' and start_ms <= ?1 "
                   "order by start_ms, no limit 1",
                   "i", now);
    int64_t job, at;
    bool import, execute;

    if (!emu_step(e, s))
        return false;
    job = sqlite3_column_int64(s, 0);
    import = sqlite3_column_int(s, 1);
    execute = sqlite3_column_int(s, 2);
    at = sqlite3_column_int64(s, 3);
    sqlite3_reset(s);
    start_job(e, job, import, execute, at);
    return true;
}

static bool next_event(struct emu *e, int64_t now)
{
    sqlite3_stmt *s =
        emu_select(e,
                   "select n.job, n.ord, n.state, n.due_ms, n.unit, n.level, n.fail_level, n.fail_unit, j.import, "
                   "j.execute from dmf_job_entity n join dmf_job j on j.no = n.job where n.due_ms <= ?1 order by "
                   "n.due_ms, n.job, n.ord limit 1",
                   "i", now);
    struct event v;
    const struct emu_entity *en;

    if (!emu_step(e, s))
        return false;
    v = (struct event){ .job = sqlite3_column_int64(s, 0),
                        .ord = sqlite3_column_int(s, 1),
                        .state = (enum dmf_state)sqlite3_column_int(s, 2),
                        .due = sqlite3_column_int64(s, 3),
                        .unit = sqlite3_column_int64(s, 4),
                        .level = sqlite3_column_int64(s, 5),
                        .fail_level = sqlite3_column_int(s, 6),
                        .fail_unit = sqlite3_column_int(s, 7),
                        .import = sqlite3_column_int(s, 8),
                        .execute = sqlite3_column_int(s, 9) };
    sqlite3_reset(s);
    en = entity_of(e, v.job, v.ord);
    v.single = en && en->single_threaded;
    switch (v.state) {
    case DMF_WAITING: begin_staging(e, &v); break;
    case DMF_STAGING: end_staging(e, &v); break;
    case DMF_TARGET: end_target(e, &v); break;
    case DMF_DONE: break;
    }
    return true;
}

void emu_dmf_tick(struct emu *e)
{
    int64_t now = emu_now_ms(e);
    bool more = true;

    /* Each event is a savepoint of its own: a killed emulator has an event either whole or not at all. */
    while (more) {
        emu_exec(e, "savepoint dmf_event", "");
        more = next_start(e, now) || next_event(e, now);
        emu_exec(e, "release dmf_event", "");
    }
}

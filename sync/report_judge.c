/* report_judge.c -- may we go live? The answer, what stands against it, and what to do about each. Pure: reads only the report. */
#include "loader/public/wave.h"
#include "sync/report.h"

#include <stdio.h>

struct judge {
    struct report *r;
    struct report_summary *s;
    size_t cap, red, unproven, other;
};

static struct report_finding *add(struct judge *j, bool blocks, const char *map, const char *text, const char *todo)
{
    struct report_finding *f;

    if (j->s->n == j->cap)
        return NULL;
    f = &j->s->v[j->s->n++];
    *f = (struct report_finding){ .blocks = blocks, .map = map, .text = text, .todo = todo };
    return f;
}

static const char *plural(int64_t n)
{
    return n == 1 ? "" : "s";
}

static void drift(struct judge *j, struct report_map *m)
{
    struct arena *a = &j->r->arena;
    int64_t n = report_drift(&m->n);

    j->red++;
    if (n)
        add(j, true, m->alias,
            arena_printf(
                a,
                "%lld row%s differ%s between the two sides (%lld unequal, %lld only in F&O, %lld only in Dataverse)",
                (long long)n, plural(n), n == 1 ? "s" : "", (long long)(m->n.differ + m->n.errors),
                (long long)m->n.only_fno, (long long)m->n.only_dataverse),
            arena_printf(a, "dmfsync diff %s, then dmfsync repair %s --execute", m->alias, m->alias));
    else
        add(j, true, m->alias,
            arena_printf(a, "%lld rows wait, are waived or in flight: more than max_waiting allows",
                         (long long)(m->n.waiting + m->n.waived + m->n.in_flight)),
            arena_printf(a, "dmfsync parked %s and dmfsync conflicts list %s", m->alias, m->alias));
}

static void verdict(struct judge *j, struct report_map *m)
{
    struct arena *a = &j->r->arena;
    const char *again = arena_printf(a, "dmfsync parity %s", m->alias);

    if (!m->has_verdict) {
        j->unproven++;
        add(j, true, m->alias, "the two sides were never compared", again);
    } else if (m->word == VERDICT_DRIFT) {
        drift(j, m);
    } else if (m->word == VERDICT_UNKNOWN) {
        j->unproven++;
        add(j, true, m->alias, "a side could not be read whole, so nothing is proven",
            arena_printf(a, "dmfsync doctor, then dmfsync parity %s", m->alias));
    } else if (m->stale) {
        j->unproven++;
        add(j, true, m->alias,
            arena_printf(a, "the last comparison is of %s, older than verdict_max_age", m->checked_at), again);
    } else {
        j->s->green++;
        if (!strcmp(m->gate, "closed"))
            add(j, false, m->alias, arena_printf(a, "the gate is shut although both sides agree: %s", m->gate_reason),
                arena_printf(a, "dmfsync handoff %s --execute", m->alias));
    }
}

static bool too_many(const struct judge *j, const struct report_map *m)
{
    struct wave_rules rules;

    return m->failed_rows && (wave_rules_read(j->r->app, &rules, NULL) ||
                              wave_too_many(&rules, (uint64_t)m->failed_rows, (uint64_t)m->source_rows));
}

static void waiting(struct judge *j, struct report_map *m)
{
    struct arena *a = &j->r->arena;

    if (too_many(j, m)) {
        j->other++;
        add(j, true, m->alias,
            arena_printf(a, "%lld row%s of the last load did not arrive", (long long)m->failed_rows,
                         plural(m->failed_rows)),
            arena_printf(a, "dmfsync errors %s", m->alias));
    } else if (m->failed_rows) {
        add(j, false, m->alias,
            arena_printf(a, "%lld row%s of the last load did not arrive (max_errors allows it)",
                         (long long)m->failed_rows, plural(m->failed_rows)),
            arena_printf(a, "dmfsync errors %s", m->alias));
    }
    if (m->conflicts)
        add(j, false, m->alias,
            arena_printf(a, "%lld record%s changed on both sides and wait%s for a decision", (long long)m->conflicts,
                         plural(m->conflicts), m->conflicts == 1 ? "s" : ""),
            arena_printf(a, "dmfsync conflicts list %s", m->alias));
    if (m->poison)
        add(j, false, m->alias,
            arena_printf(a, "%lld change%s refused by a service and set aside", (long long)m->poison,
                         m->poison == 1 ? " was" : "s were"),
            arena_printf(a, "dmfsync parked %s", m->alias));
    if (m->parked)
        add(j, false, m->alias,
            arena_printf(a, "%lld change%s for a row that another map must bring first", (long long)m->parked,
                         m->parked == 1 ? " waits" : "s wait"),
            arena_printf(a, "dmfsync parked %s", m->alias));
}

static void unfinished(struct judge *j)
{
    for (size_t i = 0; i < j->r->n_runs; i++) {
        struct report_run *x = &j->r->runs[i];

        if (strcmp(x->state, "running") && strcmp(x->state, "stopped"))
            continue;
        j->other++;
        add(j, true, NULL, arena_printf(&j->r->arena, "run %lld (%s) is not finished", (long long)x->id, x->kind),
            "run the same command again: it continues where it was");
    }
}

void report_judge(struct report *r, struct report_summary *s)
{
    struct judge j = { .r = r, .s = s, .cap = r->n_maps * 6 + REPORT_RUNS + 2 };
    long long all = (long long)r->n_maps;

    *s = (struct report_summary){ .answer = REPORT_YES };
    s->v = arena_zalloc(&r->arena, j.cap * sizeof(*s->v));
    unfinished(&j);
    for (size_t i = 0; i < r->n_maps; i++)
        verdict(&j, &r->maps[i]);
    for (size_t i = 0; i < r->n_maps; i++)
        waiting(&j, &r->maps[i]);
    if (!r->n_maps) {
        s->answer = REPORT_UNPROVEN;
        s->headline = "Not proven. This workspace has no maps yet.";
        return;
    }
    if (j.red || j.other) {
        s->answer = REPORT_NO;
        s->headline = j.red ? arena_printf(&r->arena, "Not yet. The two sides differ on %zu of %lld map%s.", j.red,
                                           all, plural(all))
                            : "Not yet. Both sides agree where they were compared, but work is left.";
    } else if (j.unproven) {
        s->answer = REPORT_UNPROVEN;
        s->headline = arena_printf(&r->arena, "Not proven. %zu of %lld map%s lack%s a fresh verdict.", j.unproven,
                                   all, plural(all), all == 1 ? "s" : "");
    } else {
        s->headline = all == 1 ? "Yes. Both sides hold the same rows."
                               : arena_printf(&r->arena, "Yes. Both sides hold the same rows on all %lld maps.", all);
    }
}

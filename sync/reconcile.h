/*
 * reconcile.h -- the runbook around a batch job, as a machine whose states are stored before each action.
 * Layer: sync, private to reconcile*.c and cmd_reconcile.c. Errors: EC_GUARD (a map in no fit state), EC_LIMIT, EC_STATE, those
 * of the feeds, the control adapters and the clients. Threads: one, and one that rewrites the lease.
 *
 * The journal .dmfsync/reconcile.json is written whole and atomically; each state is idempotent, so that whatever ended the
 * process, the same state is simply entered again. COMMAND alone is not: a mark that its process makes before it becomes the program tells whether it
 * began, and a supervisor that outlives us keeps its exit status (reconcile_command.c).
 */
#ifndef SYNC_RECONCILE_H
#define SYNC_RECONCILE_H

#include "loader/public/dict.h"
#include "loader/public/load.h"
#include "sync/control.h"

enum rec_state {
    REC_DRAIN, /* maps run; both feeds are read */
    REC_STOP, /* stop or pause is asked for */
    REC_COMMAND, /* maps are seen stopped; COMMAND runs */
    REC_CARRY, /* both feeds are read, merged and applied, until a round brings nothing new */
    REC_DELETES, /* keys of F&O against the base; deletions applied under their guard */
    REC_VERIFY, /* both sides of the touched keys */
    REC_RESUME, /* start or resume is asked for */
    REC_TAIL, /* maps are seen running; what changed between the last round and that moment */
    REC_DONE
};
const char *rec_state_word(enum rec_state s);

/* What takes time, for the plan of the next run. */
enum rec_step {
    TIME_DRAIN, /* exports of F&O that bring (almost) nothing */
    TIME_IDLE, /* the same of Dataverse's changes */
    TIME_STOP,
    TIME_COMMAND,
    TIME_EXPORT, /* F&O's changed rows */
    TIME_CHANGES, /* Dataverse's changed rows */
    TIME_BULK,
    TIME_RECORDS, /* record by record */
    TIME_SCAN, /* keys of F&O */
    TIME_VERIFY,
    TIME_RESUME,
    TIME_STEPS
};
const char *rec_step_word(enum rec_step s);
struct rec_time {
    int64_t ms, rows, calls, times; /* calls = one after the other: those side by side count as one */
};
struct rec_rates {
    bool known;
    int64_t fno_ms, dv_ms; /* latency of a small call */
    struct rec_time t[TIME_STEPS];
    char from[80];
};

struct rec_counts {
    int64_t touched, to_dv, to_fno, agreed, deletes, reported, conflicts, waiting, verified, differ;
};
struct rec_map {
    struct control_map c; /* texts in the arena */
    enum map_state before;
    bool ours; /* it ran before: stopped and started by us */
    bool full; /* no change tracking: read whole each time */
    int64_t base_rows, log_from; /* rows of the base; sync_log rows up to this id are older than the run */
    struct rec_counts n;
};
enum rec_command { COMMAND_NOT_RUN, COMMAND_BEGAN, COMMAND_ENDED, COMMAND_UNKNOWN };
struct beat; /* reconcile_journal.c */
struct reconcile {
    struct app *app;
    struct pair *p;
    struct control *control;
    struct dict *dict; /* lazy: for the feeds and single records */
    struct run run;
    struct arena arena;

    enum rec_state state;
    bool pause; /* pause and resume without replay; else stop and start without initial sync */
    char why[400];
    const char **argv;
    size_t argc;
    enum rec_command command;
    bool skip_command; /* recover: what did not begin is not begun */
    int command_status;
    int64_t began_ms, window_ms, window_end_ms, command_began_ms, command_ms;
    int64_t window_total_ms;
    bool applied; /* business data was written since the maps were stopped */
    bool again; /* the maps were started while COMMAND still ran: they are stopped a second time */
    int rounds;
    struct rec_map *maps; /* in wave order */
    size_t n;
    struct rec_rates rates; /* measured in this run */
    struct beat *beat;
};

/* ---- reconcile_journal.c ---- */
enum ec journal_write(struct reconcile *r, struct err *reterr); /* and the lease */
/* EC_NOTFOUND = there is none. Fills everything but the handles; maps' texts in r->arena. */
enum ec journal_read(struct app *app, struct reconcile *r, struct err *reterr);
enum ec journal_close(struct reconcile *r, struct err *reterr); /* kept as reconcile-last.json; the lease goes */
enum ec beat_begin(struct reconcile *r, struct err *reterr);
void beat_end(struct reconcile *r);
/* The state is stored, then entered. */
enum ec rec_enter(struct reconcile *r, enum rec_state s, struct err *reterr);

/* A lease as a watchdog reads it. */
struct lease {
    struct arena arena;
    char file[300];
    const char *workspace, *host, *fno, *dataverse, *state, *resumed_by;
    bool pause, applied, running; /* running: the maps need nothing */
    int64_t deadline_ms, age_ms; /* age: since it was last written, by the clock of the folder's file system */
    struct control_map *maps;
    size_t n;
};
enum ec lease_read(const char *dir, const char *file, struct lease *ret, struct err *reterr);
void lease_release(struct lease *l);
/* Leaves the word that the maps were started by a watchdog. */
enum ec lease_resumed(const char *dir, struct lease *l, struct err *reterr);
/* Who resumed the maps behind our back; "" = nobody. */
void lease_word(struct reconcile *r, char ret[static 120]);

/* ---- reconcile_command.c ---- */
/* Runs argv to its end, or waits for the end of one that an earlier process began. */
enum ec command_run(struct reconcile *r, void (*tick)(void *arg), void *arg, struct err *reterr);
/* Did it begin, is it over, how did it end? Looks only. */
enum rec_command command_look(struct reconcile *r, int *ret_status);
void command_forget(struct reconcile *r); /* marks of an earlier run */

/* ---- reconcile_rates.c ---- */
void rec_clock(struct reconcile *r, int64_t *ret_began, int64_t *ret_calls);
void rec_took(struct reconcile *r, enum rec_step s, int64_t began, int64_t calls, int64_t rows);
enum ec rates_latency(struct reconcile *r, struct err *reterr); /* measures it now */
enum ec rates_write(struct reconcile *r, struct err *reterr); /* .dmfsync/rates.json */
enum ec rates_read(struct app *app, const char *path, struct rec_rates *ret, struct err *reterr); /* NOTFOUND */
/* Milliseconds of one step for so many rows, by the rates and the latency of now. */
int64_t rates_predict(const struct rec_rates *had, const struct rec_rates *now, enum rec_step s, int64_t rows);

/* ---- reconcile_plan.c ---- */
/* States of the maps, what is missing, the way of stopping with its reason; prints the plan. */
enum ec rec_plan(struct reconcile *r, struct err *reterr);

/* ---- reconcile_carry.c ---- */
enum ec carry_feeds(struct reconcile *r, struct rec_map *m, int64_t *ret_fno, int64_t *ret_dv, struct err *reterr);
/* Rows that both sides have alike become the base; the others wait. */
enum ec carry_settle(struct reconcile *r, struct rec_map *m, struct err *reterr);
enum ec carry_apply(struct reconcile *r, struct rec_map *m, bool bulk, int64_t *ret_written, struct err *reterr);
enum ec carry_deletes(struct reconcile *r, struct rec_map *m, struct err *reterr);
enum ec carry_verify(struct reconcile *r, struct rec_map *m, struct err *reterr);
enum ec carry_begin(struct rec_map *m, struct map_ctx *mc, struct err *reterr); /* forgets an earlier run's keys */
struct map_ctx *rec_ctx(struct reconcile *r, const struct rec_map *m);

/* ---- reconcile.c ---- */
/* From r->state to the end. */
enum ec rec_run(struct reconcile *r, struct err *reterr);
void rec_report(struct reconcile *r);

#endif

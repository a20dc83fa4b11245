/*
 * command.h -- the command table: names, arguments, what each command needs, and the run around it.
 * Layer: cli. main.c joins the tables of loader/ and sync/ and hands them to command_main(); help texts, the manual
 * page and the list of exit statuses are generated from these tables. Only this layer prints.
 */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include "cli/config.h"
#include "cli/output.h"
#include "cli/workspace.h"
#include "data/json.h"
#include "store/store.h"

enum command_needs {
    NEED_WORKSPACE = 1, /* --dir is a workspace, config read */
    NEED_STORE = 2, /* work.db open (read-only without NEED_LOCK) */
    NEED_LOCK = 4, /* one writer */
    NEED_FNO = 8, /* signed-in clients */
    NEED_DV = 16,
    NEED_CONSENT = 32, /* business data is written: without --execute only the plan is shown */
    NEED_QUICK = 64, /* a service that does not answer is told after seconds: nothing would be lost by giving up */
};
struct http;
struct erp;
struct dv;
struct command_env;
struct app {
    const struct command *command;
    const struct command_env *env; /* what command_main() was given: `help` reads the tables */
    struct options *opt;
    struct workspace ws;
    struct config cfg;
    struct store *work; /* .dmfsync/work.db */
    /* Opened by main.c when NEED_FNO or NEED_DV; with a command's own option --offline, or
     * without its option --live, all three stay NULL. */
    int64_t began_ms; /* when they were opened; 0 = they were not */
    int64_t activity; /* the row on record of what this command cost, 0 = none yet */
    struct http *http;
    struct erp *erp;
    struct dv *dv;
    struct output out;
    struct { /* what this process wrote to Dataverse in bulk, for the summary (loader/dvload.c) */
        uint64_t rows;
        int64_t ms;
    } bulk;
};
struct option_def {
    const char *name; /* "--recheck" */
    const char *value; /* "N"; NULL = a switch */
    const char *help;
};
struct command {
    const char *name; /* "map import": two words are fine */
    const char *args; /* "[MAP..]" */
    const char *summary;
    enum ec (*run)(struct app *app, struct err *reterr);
    unsigned needs;
    const struct option_def *options; /* beyond the global ones; ends with {0} */
    const char *details; /* a paragraph for `help COMMAND`; NULL = none */
    int min_args, max_args; /* -1 = no limit */
};
/* Parsed command line. */
struct options {
    const char *dir, *log_file, *pause_file, *tps_file;
    bool json, quiet, verbose, no_progress, resume, restart, execute, log_json;
    int jobs;
    int64_t max_duration_ms, lock_wait_ms;
    double tps_limit;
    const char **args;
    size_t n_args; /* after the command's name */
    const char **rest;
    size_t n_rest; /* after "--" */
    struct config_pair *own;
    size_t n_own; /* the command's own options in order; a switch has value "" */
};
const char *option_value(const struct app *app, const char *name); /* last one given; NULL = absent */
bool option_given(const struct app *app, const char *name);
enum ec option_int(const struct app *app, const char *name, int64_t otherwise, int64_t min, int64_t max, int64_t *ret,
                   struct err *reterr);

extern const char DMFSYNC_VERSION[]; /* "0.1.0" */
/* `init` and `help`, which need nothing but this layer. */
extern const struct command CLI_COMMANDS[];

/* What main.c gives: opening the clients needs erp/ and dv/, which cli does not know. */
struct command_env {
    const struct command *const *tables; /* NULL-terminated list of tables, each ending with {0} */
    const char *version;
    enum ec (*open_clients)(struct app *app, struct err *reterr);
    void (*close_clients)(struct app *app);
    const struct store_schema *work_schema;
};
/*
 * Parses, opens what the command needs (workspace, configuration, lock, work.db, clients, in this order), runs it,
 * prints the end and closes. Returns the exit status. A NEED_CONSENT command without --execute ends with NOT EXECUTED
 * and status 0, unless it returned an error; data.executed tells. --max-duration asks the command to stop; its
 * EC_STOPPED is EC_LIMIT then.
 */
int command_main(const struct command_env *env, int argc, char **argv);

#endif

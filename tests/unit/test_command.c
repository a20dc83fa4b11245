#include "check.h"

#include "base/clock.h"
#include "base/file.h"
#include "cli/command_parts.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

static char order[200]; /* what happened, in its order */
static enum ec give; /* what the command returns */
static uint32_t give_status;

static void note(const char *what)
{
    size_t n = strlen(order);

    snprintf(order + n, sizeof(order) - n, "%s%s", n ? " " : "", what);
}

static enum ec cmd(struct app *app, struct err *reterr)
{
    note(app->work ? "run+db" : "run");
    for (int c = 1; c < EC_COUNT; c++)
        if (give_status >> c & 1)
            out_status(&app->out, (enum ec)c);
    return give ? err_set(reterr, give, "as told") : EC_OK;
}

static enum ec cmd_wait(struct app *app, struct err *reterr)
{
    (void)app;
    clock_sleep_ms(20000);
    return stop_requested() ? err_set(reterr, EC_STOPPED, "stopped") : EC_OK;
}

static const struct option_def OPTIONS[] = { { "--recheck", "N", "x" }, { "--offline", NULL, "x" }, { 0 } };
static const struct command TABLE[] = {
    { "parity", "[MAP..]", "s", cmd, NEED_WORKSPACE | NEED_STORE | NEED_FNO, OPTIONS, NULL, 0, -1 },
    { "load", "[MAP..]", "s", cmd, NEED_WORKSPACE | NEED_STORE | NEED_LOCK | NEED_DV | NEED_CONSENT, NULL, NULL, 0,
      -1 },
    { "status", "", "s", cmd, NEED_WORKSPACE | NEED_STORE, NULL, NULL, 0, 0 },
    { "wait", "", "s", cmd_wait, 0, NULL, NULL, 0, 0 },
    { "map import", "FILE..", "s", cmd, 0, NULL, NULL, 1, -1 },
    { "map show", "MAP", "s", cmd, 0, NULL, NULL, 1, 1 },
    { "waive", "MAP KEY", "s", cmd, 0, NULL, NULL, 2, 2 },
    { "waive list", "", "s", cmd, 0, NULL, NULL, 0, 0 },
    { "reconcile", "[MAP..] -- COMMAND..", "s", cmd, 0, NULL, NULL, 0, -1 },
    { 0 },
};
static const struct command *const TABLES[] = { CLI_COMMANDS, TABLE, NULL };
static const char *const STEPS[] = { "create table t(a)" };
static const struct store_schema SCHEMA = { 1, 1, STEPS };

static enum ec open_clients(struct app *app, struct err *reterr)
{
    (void)app;
    (void)reterr;
    note("clients");
    return EC_OK;
}

static void close_clients(struct app *app)
{
    note(app->work ? "close" : "close-nothing");
}

static const struct command_env ENV = { TABLES, "1.2.3", open_clients, close_clients, &SCHEMA };

enum { ARGS_MAX = 20 };

static int split(char *line, char **argv)
{
    int n = 0;

    argv[n++] = (char *)"dmfsync";
    for (char *p = strtok(line, " "); p && n < ARGS_MAX; p = strtok(NULL, " "))
        argv[n++] = p;
    argv[n] = NULL;
    return n;
}

static void parsing(void **state)
{
    /* shown as: command|args|rest|own options, or the message's beginning behind '!' */
    static const struct {
        const char *line, *want;
    } CASES[] = {
        { "parity a b", "parity|a,b||" },
        { "--json --dir x parity a --recheck 5 b", "parity|a,b||--recheck=5," },
        { "--recheck 5 parity a", "parity|a||--recheck=5," },
        { "parity --recheck=5 --recheck=6", "parity|||--recheck=5,--recheck=6," },
        { "parity --offline a", "parity|a||--offline=," },
        { "parity -- --recheck", "parity|--recheck||" },
        { "map import x", "map import|x||" },
        { "map --quiet import x y", "map import|x,y||" },
        { "waive list", "waive list|||" },
        { "waive m list", "waive|m,list||" },
        { "reconcile a -- sh -c --json x", "reconcile|a|sh,-c,--json,x|" },
        { "reconcile --", "reconcile|||" },
        { "status -", "!'status' has one argument too many: '-'" },
        { "waive m", "!'waive' needs MAP KEY" },
        { "map show a b", "!'map show' has one argument too many: 'b'" },
        { "map", "!'map' needs a second word: import, show" },
        { "map inport x", "!there is no command 'map inport'" },
        { "parety", "!there is no command 'parety'" },
        { "parity --rechek 4", "!'parity' has no option --rechek" },
        { "status --recheck 4", "!'status' has no option --recheck" },
        { "parity --recheck", "!--recheck needs a value" },
        { "parity --recheck --", "!--recheck needs a value" },
        { "parity --recheck= a", "!--recheck needs a value" },
        { "parity --offline=1", "!--offline takes no value" },
        { "status --jobs 0", "!--jobs 0" },
        { "status --jobs 257", "!--jobs 257" },
        { "status --tpslimit nan", "!--tpslimit nan" },
        { "status --tpslimit 1e9", "!--tpslimit 1e9" },
        { "status --log-format xml", "!--log-format xml" },
        { "status --max-duration 0", "!--max-duration 0" },
        { "status --lock-wait x", "!--lock-wait x" },
        { "status --resume --restart", "!--resume continues" },
        { "status --quiet --verbose", "!--quiet and --verbose" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        char line[200], *argv[ARGS_MAX + 1];
        struct strbuf got = STRBUF(0);
        struct command_line l;
        struct err e = { 0 };

        snprintf(line, sizeof(line), "%s", CASES[i].line);
        if (command_line_parse(&ENV, split(line, argv), argv, &l, &e)) {
            CHECK(e.code == EC_USAGE, "%s", CASES[i].line);
            strbuf_addf(&got, "!%.*s", (int)strlen(CASES[i].want) - 1, e.msg);
        } else {
            strbuf_addf(&got, "%s|", l.command ? l.command->name : "");
            for (size_t k = 0; k < l.opt.n_args; k++)
                strbuf_addf(&got, "%s%s", k ? "," : "", l.opt.args[k]);
            strbuf_adds(&got, "|");
            for (size_t k = 0; k < l.opt.n_rest; k++)
                strbuf_addf(&got, "%s%s", k ? "," : "", l.opt.rest[k]);
            strbuf_adds(&got, "|");
            for (size_t k = 0; k < l.opt.n_own; k++)
                strbuf_addf(&got, "%s=%s,", l.opt.own[k].name, l.opt.own[k].value);
        }
        CHECK_STR(strbuf_str(&got), CASES[i].want, "%s", CASES[i].line);
        arena_release(&l.arena);
        strbuf_release(&got);
    }
}

static void global_options(void **state)
{
    char line[] =
        "status --dir d --json --verbose --log-format json --log-file f --no-progress --jobs 3 --resume --execute "
        "--max-duration 90 --tpslimit 2.5 --pause-file p --lock-wait 1m";
    char *argv[40];
    struct command_line l;
    struct err e = { 0 };
    int n = 0;

    (void)state;
    argv[n++] = (char *)"dmfsync";
    for (char *p = strtok(line, " "); p; p = strtok(NULL, " "))
        argv[n++] = p;
    argv[n] = NULL;
    CHECK_OK(command_line_parse(&ENV, n, argv, &l, &e), &e);
    CHECK_STR(l.opt.dir, "d", "dir");
    CHECK_STR(l.opt.log_file, "f", "log file");
    CHECK_STR(l.opt.pause_file, "p", "pause file");
    assert_true(l.opt.json && l.opt.verbose && l.opt.log_json && l.opt.no_progress && l.opt.resume && l.opt.execute);
    assert_false(l.opt.quiet || l.opt.restart);
    assert_int_equal(l.opt.jobs, 3);
    assert_int_equal(l.opt.max_duration_ms, 90000);
    assert_int_equal(l.opt.lock_wait_ms, 60000);
    assert_true(l.opt.tps_limit == 2.5);
    arena_release(&l.arena);
    /* Every option of the table is read by somebody. */
    for (const struct option_def *d = GLOBAL_OPTIONS; d->name; d++) {
        char *args[] = { (char *)"dmfsync", (char *)"status", (char *)d->name, (char *)(d->value ? "1" : "--json"),
                         NULL };

        if (!strcmp(d->name, "--log-format"))
            args[3] = (char *)"text";
        CHECK_OK(command_line_parse(&ENV, 4, args, &l, &e), &e);
        arena_release(&l.arena);
    }
}

static const char INI[] = "[fno]\nurl = https://a\ntenant = t\nclient_id = c\nclient_secret_file = f\n"
                          "[dataverse]\nurl = https://b\n";

/* Runs a whole command line; standard output and error go to files. */
static int run(const char *text)
{
    char line[300], *argv[ARGS_MAX + 1];
    int n, status, out = dup(1), err = dup(2), fd = open("out", O_RDWR | O_CREAT | O_TRUNC, 0600);
    int fd2 = open("err", O_RDWR | O_CREAT | O_TRUNC, 0600);

    snprintf(line, sizeof(line), "%s", text);
    n = split(line, argv);
    order[0] = 0;
    fflush(stdout);
    dup2(fd, 1);
    dup2(fd2, 2);
    status = command_main(&ENV, n, argv);
    fflush(stdout);
    dup2(out, 1);
    dup2(err, 2);
    close(fd);
    close(fd2);
    close(out);
    close(err);
    return status;
}

static bool printed(const char *file, const char *text)
{
    struct strbuf b = STRBUF(0);
    struct err e = { 0 };
    bool found;

    CHECK_OK(file_read(file, 1 << 20, &b, &e), &e);
    found = strstr(strbuf_str(&b), text) != NULL;
    strbuf_release(&b);
    return found;
}

static void whole_runs(void **state)
{
#define B(x) (UINT32_C(1) << EC_##x)
    static const struct {
        const char *line;
        enum ec give;
        uint32_t statuses;
        int want;
        const char *order, *out, *err;
    } CASES[] = {
        { "status --dir w", EC_OK, 0, 0, "run+db close", "", "" },
        { "parity --dir w", EC_OK, B(DIFFERENT), 9, "clients run+db close", "", "" },
        { "parity --dir w --json", EC_OK, B(ROWS) | B(DIFFERENT), 9, "clients run+db close", "\"statuses\":[9,10]",
          "" },
        { "parity --dir w --offline", EC_OK, 0, 0, "run+db close", "", "" },
        { "parity --dir w", EC_FNO, B(DIFFERENT), 7, "clients run+db close", "", "dmfsync: as told" },
        { "load --dir w", EC_OK, B(ROWS), 0, "clients run+db close", "NOT EXECUTED", "" },
        { "load --dir w --json", EC_OK, B(ROWS), 0, "clients run+db close", "\"executed\":false,\"statuses\":[0]",
          "" },
        { "load --dir w --json", EC_CONFIG, 0, 3, "clients run+db close", "\"executed\":false", "" },
        { "load --dir w --execute", EC_OK, B(ROWS), 10, "clients run+db close", "", "" },
        { "load --dir w --execute --json", EC_OK, 0, 0, "clients run+db close", "\"executed\":true", "" },
        { "load --dir w --restart", EC_OK, 0, 2, "close-nothing", "", "needs --execute" },
        { "load --dir w --restart --execute", EC_OK, 0, 0, "clients run+db close", "", "" },
        { "status --dir nowhere", EC_OK, 0, 4, "close-nothing", "", "hint: " },
        { "status --dir broken", EC_OK, 0, 3, "close-nothing", "", "dmfsync.ini:1" },
        { "parity --dir offline", EC_OK, 0, 3, "close-nothing", "", "[fno] has no url" },
        { "parity --dir offline --offline", EC_OK, 0, 0, "run+db close", "", "" },
        { "help", EC_OK, 0, 0, "close-nothing", "map import FILE..", "" },
        { "help parity", EC_OK, 0, 0, "close-nothing", "--recheck N", "" },
        { "parity --help", EC_OK, 0, 0, "close-nothing", "--recheck N", "" },
        { "--version", EC_OK, 0, 0, "close-nothing", "dmfsync 1.2.3", "" },
        { "", EC_OK, 0, 2, "close-nothing", "", "no command" },
    };
#undef B
    struct err e = { 0 };

    (void)state;
    CHECK_OK(dir_make("w", 0700, &e), &e);
    CHECK_OK(dir_make("broken", 0700, &e), &e);
    CHECK_OK(dir_make("offline", 0700, &e), &e);
    CHECK_OK(file_write_atomic("w/dmfsync.ini", INI, sizeof(INI) - 1, 0600, &e), &e);
    CHECK_OK(file_write_atomic("broken/dmfsync.ini", "x", 1, 0600, &e), &e);
    CHECK_OK(file_write_atomic("offline/dmfsync.ini", "", 0, 0600, &e), &e);
    for (size_t i = 0; i < COUNT(CASES); i++) {
        int got;

        give = CASES[i].give;
        give_status = CASES[i].statuses;
        got = run(CASES[i].line);
        CHECK(got == CASES[i].want, "'%s' ended with %d", CASES[i].line, got);
        CHECK_STR(order, CASES[i].order, "'%s'", CASES[i].line);
        CHECK(printed("out", CASES[i].out), "'%s': standard output", CASES[i].line);
        CHECK(printed("err", CASES[i].err), "'%s': standard error", CASES[i].line);
    }
    give = EC_OK;
    give_status = 0;
}

static void too_long(void **state)
{
    int64_t begun = clock_mono_ms();

    (void)state;
    assert_int_equal(run("wait --max-duration 200ms"), 12);
    assert_true(printed("err", "--max-duration"));
    assert_true(clock_mono_ms() - begun < 15000);
    stop_request(0);
    stop_request(SIGTERM);
    assert_int_equal(run("wait"), 143);
    stop_request(0);
    assert_int_equal(run("status --dir w"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parsing),
        cmocka_unit_test(global_options),
        cmocka_unit_test(whole_runs),
        cmocka_unit_test(too_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

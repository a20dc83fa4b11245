/*
 * The control adapters against dmfsync-emulator: what is asked for happens later, is all or nothing for a pause, and is believed
 * only when seen. DMFSYNC_EMULATOR names the program; without it every test is skipped.
 */
#include "base/clock.h"
#include "base/file.h"
#include "dv/dv.h"
#include "erp/erp.h"
#include "sync/child.h"
#include "sync/control.h"

#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

extern char **environ;
static pid_t running; /* a test that fails leaves its emulator behind */

static void end_child(void)
{
    if (running > 0)
        kill(running, SIGTERM);
}

struct peer {
    pid_t pid;
    char dir[64], fno[80], dataverse[80], login[80], admin[80], gateway[80];
    struct app app;
    struct options opt;
    struct command command;
    struct auth_config users[2];
    struct control_map maps[2];
};

static void port_line(const char *text, const char *name, char ret[static 80])
{
    const char *p = strstr(text, name);

    assert_non_null(p);
    p += strlen(name);
    snprintf(ret, 80, "%.*s", (int)strcspn(p, "\r\n"), p);
}

static void admin(struct peer *p, const char *path, const char *body)
{
    struct http_response r;
    struct err e = { 0 };
    char url[200];
    struct http_request q = { .method = body ? "POST" : "GET",
                              .url = url,
                              .what = "admin",
                              .body = body,
                              .body_len = body ? strlen(body) : 0 };

    snprintf(url, sizeof(url), "%s%s", p->admin, path);
    http_response_init(&r);
    if (http_do(p->app.http, &q, &r, &e))
        fail_msg("admin %s: %s", path, e.msg);
    if (r.status != 200)
        fail_msg("admin %s: %d %s", path, r.status, strbuf_str(&r.body));
    http_response_release(&r);
}

static void set_both(struct peer *p, const char *state)
{
    for (int i = 0; i < 2; i++) {
        char body[200];

        snprintf(body, sizeof(body), "{\"fno\":\"%.*s\",\"dataverse\":\"%.*s\",\"state\":\"%s\"}",
                 (int)p->maps[i].label.len, p->maps[i].label.ptr, (int)p->maps[i].set.len, p->maps[i].set.ptr, state);
        admin(p, "/dualwrite", body);
    }
}

static void write_text(const char *path, const char *text, unsigned mode)
{
    struct err e = { 0 };

    if (file_write_atomic(path, text, strlen(text), mode, &e))
        fail_msg("%s", e.msg);
}

static struct peer *peer_start(const char *control)
{
    static int serial;
    const char *program = getenv("DMFSYNC_EMULATOR");
    struct peer *p;
    char ports[100], cwd[3000], *argv[12];
    struct strbuf text = { 0 };
    struct http_config hc = { .user_agent = "test" };
    struct erp_config ec = { 0 };
    struct dv_config dc = { 0 };
    struct err e = { 0 };
    size_t n = 0;

    if (!program || !*program)
        skip();
    p = xcalloc(1, sizeof(*p));
    snprintf(p->dir, sizeof(p->dir), "control-%d", serial++);
    snprintf(ports, sizeof(ports), "%s/ports", p->dir);
    assert_int_equal(dir_make(p->dir, 0700, &e), EC_OK);
    assert_int_equal(dir_empty(p->dir, &e), EC_OK);
    argv[n++] = (char *)(uintptr_t)program;
    argv[n++] = "--dir";
    argv[n++] = p->dir;
    argv[n++] = "--ports-file";
    argv[n++] = ports;
    argv[n++] = "--quiet";
    argv[n] = NULL;
    assert_int_equal(posix_spawn(&p->pid, program, NULL, NULL, argv, environ), 0);
    end_child();
    running = p->pid;
    for (int i = 0; i < 200 && !file_exists(ports); i++)
        usleep(50000);
    if (file_read(ports, 10000, &text, &e))
        fail_msg("the emulator did not start: %s", e.msg);
    port_line(strbuf_str(&text), "login=", p->login);
    port_line(strbuf_str(&text), "fno=", p->fno);
    port_line(strbuf_str(&text), "dataverse=", p->dataverse);
    port_line(strbuf_str(&text), "admin=", p->admin);
    port_line(strbuf_str(&text), "gateway=", p->gateway);
    strbuf_release(&text);
    for (int i = 0; i < 2; i++)
        p->users[i] = (struct auth_config){ .authority = p->login,
                                            .tenant = "contoso",
                                            .client_id = "11111111-1111-1111-1111-111111111111",
                                            .secret = "demo-secret",
                                            .resource = i ? p->dataverse : p->fno };
    assert_int_equal(http_new(&hc, &p->app.http, &e), EC_OK);
    ec.url = p->fno;
    ec.users = &p->users[0];
    ec.n_users = 1;
    dc.url = p->dataverse;
    dc.users = &p->users[1];
    dc.n_users = 1;
    assert_int_equal(erp_open(&ec, p->app.http, &p->app.erp, &e), EC_OK);
    assert_int_equal(dv_open(&dc, p->app.http, &p->app.dv, &e), EC_OK);
    p->app.opt = &p->opt;
    p->app.command = &p->command;
    output_init(&p->app.out, false, true, true);
    assert_non_null(getcwd(cwd, sizeof(cwd)));
    snprintf(p->app.ws.dir, sizeof(p->app.ws.dir), "%s/%s", cwd, p->dir);
    snprintf(ports, sizeof(ports), "%s/.dmfsync", p->dir);
    assert_int_equal(dir_make(ports, 0700, &e), EC_OK);
    snprintf(ports, sizeof(ports), "%s/token", p->dir);
    write_text(ports, "demo-refresh-token\n", 0600);
    p->app.cfg.control = control;
    p->app.cfg.control_wait_ms = 20000;
    p->app.cfg.control_poll_ms = 300;
    p->app.cfg.fno.url = p->fno;
    p->app.cfg.fno.authority = p->login;
    p->app.cfg.dataverse.url = p->dataverse;
    p->app.cfg.gateway_url = p->gateway;
    p->app.cfg.gateway_tenant = "common";
    p->app.cfg.gateway_token_file = arena_strdup(&p->app.out.arena, ports);
    p->maps[0] = (struct control_map){ "customers", CELL_LIT("Customers V3 (accounts)"), CELL_LIT("Customers V3"),
                                       CELL_LIT("accounts"), CELL_LIT("account") };
    p->maps[1] = (struct control_map){ "groups", CELL_LIT("Customer groups (msdyn_customergroups)"),
                                       CELL_LIT("Customer groups"), CELL_LIT("msdyn_customergroups"),
                                       CELL_LIT("msdyn_customergroup") };
    set_both(p, "running");
    return p;
}

static void peer_stop(struct peer *p)
{
    int status = 0;

    dv_close(p->app.dv);
    erp_close(p->app.erp);
    http_free(p->app.http);
    output_release(&p->app.out);
    kill(p->pid, SIGTERM);
    waitpid(p->pid, &status, 0);
    running = 0;
    free(p);
}

static void both_are(struct peer *p, struct control *c, enum map_state wanted)
{
    enum map_state s[2] = { MAP_UNKNOWN, MAP_UNKNOWN };
    char why[200];
    struct err e = { 0 };

    if (control_read(c, p->maps, 2, s, why, &e))
        fail_msg("%s", e.msg);
    assert_string_equal(map_state_word(s[0]), map_state_word(wanted));
    assert_string_equal(map_state_word(s[1]), map_state_word(wanted));
}

static void gateway_life(void **state)
{
    struct peer *p = peer_start("gateway");
    struct control *c = NULL;
    struct err e = { 0 };

    (void)state;
    /* The request is complete at once, the maps change later, and every third list is empty. */
    admin(p, "/knobs", "{\"dw_change_ms\":900,\"dw_empty_list_every\":3}");
    if (control_open(&p->app, &c, &e))
        fail_msg("%s", e.msg);
    both_are(p, c, MAP_RUNNING);
    assert_int_equal(control_ask(c, CONTROL_PAUSE, p->maps, 2, &e), EC_OK);
    both_are(p, c, MAP_RUNNING);
    if (control_wait(c, MAP_PAUSED, p->maps, 2, 0, NULL, NULL, &e))
        fail_msg("%s", e.msg);
    both_are(p, c, MAP_PAUSED);
    if (control_do(c, CONTROL_RESUME_DISCARD, p->maps, 2, &e) || control_do(c, CONTROL_STOP, p->maps, 2, &e))
        fail_msg("%s", e.msg);
    both_are(p, c, MAP_STOPPED);
    if (control_do(c, CONTROL_START, p->maps, 2, &e))
        fail_msg("%s", e.msg);
    both_are(p, c, MAP_RUNNING);
    /* Asked for what is there already: nothing is sent, nothing refused. */
    if (control_do(c, CONTROL_START, p->maps, 2, &e))
        fail_msg("%s", e.msg);
    control_close(c);
    peer_stop(p);
}

static void gateway_refuses(void **state)
{
    struct peer *p = peer_start("gateway");
    struct control *c = NULL;
    struct err e = { 0 };

    (void)state;
    p->app.cfg.gateway_url = "https://projectmanagementservice.example.com";
    assert_int_equal(control_open(&p->app, &c, &e), EC_CONFIG);
    p->app.cfg.gateway_url = "https://projectmanagementservice.a@evil.gateway.prod.island.powerapps.com";
    assert_int_equal(control_open(&p->app, &c, &e), EC_CONFIG);
    p->app.cfg.gateway_url = p->gateway;
    write_text(p->app.cfg.gateway_token_file, "stale", 0600);
    assert_int_equal(control_open(&p->app, &c, &e), EC_OK);
    assert_int_equal(control_ask(c, CONTROL_PAUSE, p->maps, 2, &e), EC_AUTH);
    assert_null(strstr(e.msg, "stale"));
    control_close(c);
    write_text(p->app.cfg.gateway_token_file, "demo-refresh-token", 0600);
    assert_int_equal(control_open(&p->app, &c, &e), EC_OK);
    admin(p, "/dualwrite", "{\"fno\":\"Customers V3\",\"dataverse\":\"accounts\",\"state\":\"stopped\"}");
    assert_int_equal(control_ask(c, CONTROL_PAUSE, p->maps, 2, &e), EC_FAIL); /* all or nothing */
    assert_non_null(strstr(e.msg, "not running"));
    /* A map that the link does not have. */
    p->maps[1].label = CELL_LIT("Payment schedule");
    p->maps[1].set = CELL_LIT("msdyn_paymentschedules");
    assert_int_equal(control_ask(c, CONTROL_START, p->maps + 1, 1, &e), EC_GUARD);
    control_close(c);
    peer_stop(p);
}

static void hook_life(void **state)
{
    struct peer *p = peer_start("hook");
    struct control *c = NULL;
    struct err e = { 0 };
    char path[3100], script[2000];

    (void)state;
    snprintf(path, sizeof(path), "%s/hook", p->app.ws.dir);
    snprintf(script, sizeof(script),
             "#!/bin/sh\nset -eu\n[ -z \"${DMFSYNC_FNO_CLIENT_SECRET:-}\" ]\n"
             "case $1 in stop) to=stopped;; start) to=running; [ \"$DMFSYNC_SKIP_INITIAL_SYNC\" = 1 ];;\n"
             "pause) echo 'we do not pause'; exit 3;; *) exit 1;; esac\n[ \"$1\" = \"$DMFSYNC_ACTION\" ]\n"
             "printf '%%s\\n' \"$DMFSYNC_MAPS\" | while IFS='\t' read -r alias label set name; do\n"
             "curl -sf -H 'Content-Type: application/json' --data "
             "\"{\\\"fno\\\":\\\"$label\\\",\\\"dataverse\\\":\\\"$set\\\",\\\"state\\\":\\\"$to\\\"}\" "
             "%s/dualwrite\ndone\n",
             p->admin);
    write_text(path, script, 0755);
    assert_int_equal(chmod(path, 0755), 0);
    assert_int_equal(control_open(&p->app, &c, &e), EC_CONFIG); /* which program? */
    p->app.cfg.control_hook = path;
    setenv("DMFSYNC_FNO_CLIENT_SECRET", "no business of hooks", 1);
    assert_int_equal(control_open(&p->app, &c, &e), EC_OK);
    admin(p, "/knobs", "{\"dw_change_ms\":500}");
    both_are(p, c, MAP_RUNNING);
    if (control_do(c, CONTROL_STOP, p->maps, 2, &e))
        fail_msg("%s", e.msg);
    both_are(p, c, MAP_STOPPED);
    if (control_do(c, CONTROL_START, p->maps, 2, &e))
        fail_msg("%s", e.msg);
    both_are(p, c, MAP_RUNNING);
    assert_int_equal(control_do(c, CONTROL_PAUSE, p->maps, 2, &e), EC_GUARD);
    assert_non_null(strstr(e.msg, "we do not pause"));
    assert_false(control_can(c, CONTROL_RESUME_DISCARD));
    assert_int_equal(control_do(c, CONTROL_RESUME_DISCARD, p->maps, 2, &e), EC_GUARD);
    /* Not seen within the limit. */
    p->app.cfg.control_wait_ms = 400;
    admin(p, "/knobs", "{\"dw_change_ms\":3600000}");
    assert_int_equal(control_do(c, CONTROL_STOP, p->maps, 2, &e), EC_LIMIT);
    unsetenv("DMFSYNC_FNO_CLIENT_SECRET");
    control_close(c);
    peer_stop(p);
}

static void manual_sees(void **state)
{
    struct peer *p = peer_start("manual");
    struct control *c = NULL;
    struct err e = { 0 };
    enum map_state s[2];
    char why[200];

    (void)state;
    assert_int_equal(control_open(&p->app, &c, &e), EC_OK);
    both_are(p, c, MAP_RUNNING);
    set_both(p, "paused");
    both_are(p, c, MAP_PAUSED);
    admin(p, "/knobs", "{\"fno_dualwrite_status_number\":1}");
    assert_int_equal(control_read(c, p->maps, 2, s, why, &e), EC_OK);
    assert_int_equal(s[0], MAP_UNKNOWN);
    assert_non_null(strstr(why, "status '2'"));
    {
        const char *words[] = { "2" };

        p->app.cfg.status_paused = words;
        p->app.cfg.n_status_paused = 1;
        both_are(p, c, MAP_PAUSED);
    }
    set_both(p, "stopped");
    both_are(p, c, MAP_STOPPED);
    p->app.cfg.control_wait_ms = 300;
    assert_int_equal(control_do(c, CONTROL_START, p->maps, 2, &e), EC_LIMIT); /* nobody did it */
    control_close(c);
    peer_stop(p);
}

static void children(void **state)
{
    struct strbuf tail = STRBUF(100);
    struct err e = { 0 };
    const char *say[] = { "/bin/sh", "-c", "echo one; echo \"$WORD\" >&2; exit 7", NULL };
    const char *env[] = { "WORD=two", NULL };
    const char *slow[] = { "/bin/sleep", "60", NULL };
    const char *loud[] = { "/bin/sh", "-c", "i=0; while [ $i -lt 3000 ]; do echo 0123456789; i=$((i+1)); done",
                           NULL };
    const char *behind[] = { "/bin/sh", "-c", "sleep 60 & echo gone", NULL };
    struct child c = { .argv = say, .env = env };
    int status = 0;
    int64_t began;

    (void)state;
    assert_int_equal(child_run(&c, &status, &tail, &e), EC_OK);
    assert_int_equal(status, 7);
    assert_string_equal(tail.buf, "one\ntwo\n");
    c = (struct child){ .argv = slow, .limit_ms = 200 };
    assert_int_equal(child_run(&c, &status, NULL, &e), EC_LIMIT);
    assert_int_equal(status, 128 + SIGTERM);
    strbuf_reset(&tail);
    c = (struct child){ .argv = loud };
    assert_int_equal(child_run(&c, &status, &tail, &e), EC_OK);
    assert_int_equal(tail.len, 100);
    assert_string_equal(tail.buf + 89, "0123456789\n");
    strbuf_reset(&tail);
    began = clock_mono_ms();
    c = (struct child){ .argv = behind };
    assert_int_equal(child_run(&c, &status, &tail, &e), EC_OK); /* what it leaves running is not waited for */
    assert_true(clock_mono_ms() - began < 30000);
    assert_string_equal(tail.buf, "gone\n");
    c = (struct child){ .argv = (const char *[]){ "/nonexistent/program", NULL } };
    assert_int_equal(child_run(&c, &status, NULL, &e), EC_CONFIG);
    strbuf_release(&tail);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(children), cmocka_unit_test(gateway_life),
                                        cmocka_unit_test(gateway_refuses), cmocka_unit_test(hook_life),
                                        cmocka_unit_test(manual_sees) };

    atexit(end_child);
    return cmocka_run_group_tests_name("control", tests, NULL, NULL);
}

#include "cli/output.h"

#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int terminal_width(int fd)
{
    struct winsize w;
    const char *columns = getenv("COLUMNS");
    int64_t n;

    if (columns && cell_to_i64(cell_of(columns), &n) && n >= 40 && n <= 1000)
        return (int)n;
    if (isatty(fd) && !ioctl(fd, TIOCGWINSZ, &w) && w.ws_col >= 40)
        return w.ws_col;
    return 0; /* a file or a pipe: nothing is cut */
}

void output_init(struct output *o, bool json, bool quiet, bool no_progress)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    bool smart = term && strcmp(term, "dumb");

    *o = (struct output){ .json = json, .quiet = quiet };
    o->color = isatty(1) && smart && !(no_color && no_color[0]);
    o->progress = isatty(2) && smart && !no_progress && !quiet;
    o->width = terminal_width(1);
    o->data = json_new(&o->arena, JSON_OBJECT, CELL_ABSENT);
    o->warnings = json_new(&o->arena, JSON_ARRAY, CELL_ABSENT);
}

void out_line(struct output *o, const char *fmt, ...)
{
    struct arena a = { 0 };
    size_t n;
    char *text;
    va_list ap;

    if (o->json || o->quiet)
        return;
    progress_erase(o);
    va_start(ap, fmt);
    text = arena_vprintf(&a, &n, fmt, ap);
    va_end(ap);
    for (size_t i = 0; i < n; i++) /* a text from a service or a file may not move the cursor */
        if (((unsigned char)text[i] < 0x20 && text[i] != '\n' && text[i] != '\t') || text[i] == 0x7f)
            text[i] = ' ';
    fwrite(text, 1, n, stdout);
    putchar('\n');
    arena_release(&a);
}

void out_raw(struct output *o, const char *p, size_t n)
{
    progress_erase(o);
    fwrite(p, 1, n, stdout);
}

void out_warn(struct output *o, const char *fmt, ...)
{
    struct strbuf clean = STRBUF(0);
    struct json *v;
    char text[1600];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    redact(text, strlen(text), &clean);
    v = json_new(&o->arena, JSON_STRING, cell_dup(&o->arena, (struct cell){ strbuf_str(&clean), clean.len }));
    json_append(o->warnings, v);
    progress_erase(o);
    fflush(stdout);
    fprintf(stderr, "warning: %s\n", strbuf_str(&clean));
    strbuf_release(&clean);
}

void out_status(struct output *o, enum ec code)
{
    if (code != EC_OK)
        o->statuses |= UINT32_C(1) << code;
}

static struct json *add(struct output *o, struct json *parent, const char *name, struct json *v)
{
    if (!parent)
        parent = o->data;
    if (parent->type == JSON_ARRAY)
        json_append(parent, v);
    else
        json_set(&o->arena, parent, arena_strdup(&o->arena, name), v);
    return v;
}

struct json *out_object(struct output *o, struct json *parent, const char *name)
{
    return add(o, parent, name, json_new(&o->arena, JSON_OBJECT, CELL_ABSENT));
}

struct json *out_array(struct output *o, struct json *parent, const char *name)
{
    return add(o, parent, name, json_new(&o->arena, JSON_ARRAY, CELL_ABSENT));
}

void out_cell(struct output *o, struct json *obj, const char *name, struct cell value)
{
    enum json_type t = cell_absent(value) ? JSON_NULL : JSON_STRING;

    add(o, obj, name, json_new(&o->arena, t, cell_dup(&o->arena, value)));
}

void out_str(struct output *o, struct json *obj, const char *name, const char *value)
{
    out_cell(o, obj, name, cell_of(value));
}

void out_int(struct output *o, struct json *obj, const char *name, int64_t value)
{
    add(o, obj, name, json_new(&o->arena, JSON_NUMBER, cell_printf(&o->arena, "%lld", (long long)value)));
}

void out_bool(struct output *o, struct json *obj, const char *name, bool value)
{
    add(o, obj, name, json_new(&o->arena, value ? JSON_TRUE : JSON_FALSE, CELL_ABSENT));
}

/* Secrets never reach the user's terminal or a script's log, whatever a service put into its message. */
static const char *clean_text(struct output *o, const char *text)
{
    struct strbuf clean = STRBUF(0);
    const char *copy;

    redact(text, strlen(text), &clean);
    copy = arena_strdup(&o->arena, strbuf_str(&clean));
    strbuf_release(&clean);
    return copy;
}

static void add_statuses(struct output *o, int signo)
{
    int all[20];
    size_t n = status_list(o->statuses, signo, all);
    struct json *list = out_array(o, NULL, "statuses");

    for (size_t i = 0; i < n; i++)
        out_int(o, list, "", all[i]);
}

static void print_envelope(struct output *o, const char *command, enum ec rc, const struct err *e, int signo)
{
    struct json *root = json_new(&o->arena, JSON_OBJECT, CELL_ABSENT), *error;
    struct strbuf text = STRBUF(0);
    int status = status_of(o->statuses, signo);

    add_statuses(o, signo);
    out_int(o, root, "schema", 1);
    out_bool(o, root, "ok", status == 0);
    out_str(o, root, "command", command);
    if (status) {
        /*
         * Without an error of its own the run did its work, and what it found is the error: scripts test one
         * member.
         */
        enum ec code = rc;

        for (int c = 1; c < EC_COUNT && code == EC_OK; c++)
            if (o->statuses >> c & 1 && (ec_exit_status((enum ec)c) == status || (c == EC_STOPPED && status > 128)))
                code = (enum ec)c;
        error = out_object(o, root, "error");
        out_str(o, error, "code", ec_word(code));
        out_str(o, error, "message", rc ? clean_text(o, e->msg) : status_meaning(status));
        out_str(o, error, "hint", rc ? clean_text(o, e->hint) : "");
    }
    add(o, root, "data", o->data);
    add(o, root, "warnings", o->warnings);
    json_write(&text, root);
    fwrite(strbuf_str(&text), 1, text.len, stdout);
    putchar('\n');
    strbuf_release(&text);
}

bool output_finish(struct output *o, const char *command, enum ec rc, const struct err *e, int signo,
                   struct err *reterr)
{
    bool ok;

    progress_erase(o);
    if (o->json) {
        print_envelope(o, command, rc, e, signo);
    } else if (rc) {
        fflush(stdout);
        fprintf(stderr, "dmfsync: %s\n", clean_text(o, e->msg));
        if (e->hint[0])
            fprintf(stderr, "hint: %s\n", clean_text(o, e->hint));
    }
    errno = 0;
    ok = !fflush(stdout) && !ferror(stdout);
    if (!ok && errno != EPIPE)
        err_errno(reterr, EC_IO, errno ? errno : EIO, "write to standard output");
    return ok || errno == EPIPE;
}

void output_release(struct output *o)
{
    progress_erase(o);
    free(o->running);
    arena_release(&o->arena);
    *o = (struct output){ 0 };
}

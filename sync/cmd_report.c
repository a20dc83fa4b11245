/* cmd_report.c -- the commands `report` and `metrics`: files for people and for Prometheus, from what is on record. */
#include "base/file.h"
#include "sync/report.h"
#include "sync/sync_commands.h"

#include <sys/stat.h>
#include <unistd.h>

/* As the user named it: a relative path starts where the command was given, not at the workspace. */
static enum ec writable(const char *path, const char *what, struct err *reterr)
{
    if (!path[0] || path[strlen(path) - 1] == '/')
        return err_set(reterr, EC_USAGE, "'%s' is not the name of a file to write the %s to", path, what);
    return EC_OK;
}

/* The report holds business data and is for its owner; the numbers are read by a collector that runs as somebody else. */
static enum ec publish(const char *path, const char *what, struct strbuf *text, unsigned mode, enum ec rc,
                       struct err *reterr)
{
    mode_t old = umask(mode == 0644 ? 022 : 077);

    if (!rc)
        rc = file_write_atomic(path, strbuf_str(text), text->len, mode, reterr);
    umask(old);
    if (rc)
        err_ctx(reterr, rc, "the %s '%s'", what, path);
    strbuf_release(text);
    return rc;
}

enum ec report_write(struct app *app, const char *path, size_t days, struct err *reterr)
{
    struct strbuf text = STRBUF(0);
    struct report r;
    enum ec rc = writable(path, "report", reterr);

    if (!rc)
        rc = report_gather(app, days, &r, reterr);
    if (!rc) {
        report_html(&r, &text);
        report_release(&r);
    }
    return publish(path, "report", &text, 0600, rc, reterr);
}

enum ec metrics_write(struct app *app, const char *path, struct err *reterr)
{
    struct strbuf text = STRBUF(0);
    struct report r;
    enum ec rc = writable(path, "metrics", reterr);

    if (!rc)
        rc = report_gather(app, 2, &r, reterr);
    if (!rc) {
        metrics_text(&r, &text);
        report_release(&r);
    }
    return publish(path, "metrics file", &text, 0644, rc, reterr);
}

enum ec cmd_report(struct app *app, struct err *reterr)
{
    static const char *const ANSWERS[] = { "yes", "no", "unproven" };
    const char *path = app->opt->args[0];
    struct strbuf text = STRBUF(0);
    struct report_summary s;
    struct report r;
    int64_t days;
    enum ec rc = option_int(app, "--days", 90, 1, 400, &days, reterr);

    if (!rc)
        rc = writable(path, "report", reterr);
    if (!rc)
        rc = report_gather(app, (size_t)days, &r, reterr);
    if (rc)
        return rc;
    report_judge(&r, &s);
    report_html(&r, &text);
    rc = publish(path, "report", &text, 0600, EC_OK, reterr);
    if (!rc) {
        struct json *list = out_array(&app->out, NULL, "findings");

        out_str(&app->out, NULL, "file", path);
        out_str(&app->out, NULL, "answer", ANSWERS[s.answer]);
        out_str(&app->out, NULL, "headline", s.headline);
        for (size_t i = 0; i < s.n; i++) {
            struct json *v = out_object(&app->out, list, NULL);

            out_str(&app->out, v, "map", s.v[i].map);
            out_bool(&app->out, v, "blocks", s.v[i].blocks);
            out_str(&app->out, v, "text", s.v[i].text);
            out_str(&app->out, v, "todo", s.v[i].todo);
        }
        out_line(&app->out, "%s", s.headline);
        out_line(&app->out, "%s", path);
    }
    report_release(&r);
    return rc;
}

enum ec cmd_metrics(struct app *app, struct err *reterr)
{
    enum ec rc = metrics_write(app, app->opt->args[0], reterr);

    if (!rc) {
        out_str(&app->out, NULL, "file", app->opt->args[0]);
        out_line(&app->out, "%s", app->opt->args[0]);
    }
    return rc;
}

/* cmd_doctor.c -- every check a support engineer would ask for, each with what to do about it. */
#include "dmf/dmf.h"
#include "sync/doctor.h"
#include "sync/sync_commands.h"

static void tell(struct doctor *d, const char *word, const char *check, bool fine, const char *text, const char *todo)
{
    struct output *o = &d->app->out;
    struct json *v = out_object(o, d->list, NULL);

    out_str(o, v, "check", check);
    out_bool(o, v, "ok", fine);
    out_str(o, v, "level", word);
    out_str(o, v, "text", text);
    out_str(o, v, "todo", todo && todo[0] ? todo : NULL);
    out_line(o, "%-4s  %-28s %s", word, check, text);
    if (todo && todo[0])
        out_line(o, "      -> %s", todo);
}

void doctor_fine(struct doctor *d, const char *check, const char *text)
{
    tell(d, "ok", check, true, text, NULL);
}

void doctor_note(struct doctor *d, const char *check, const char *text, const char *todo)
{
    tell(d, "note", check, true, text, todo);
    d->notes++;
}

void doctor_fail(struct doctor *d, enum ec code, const char *check, const char *text, const char *todo)
{
    tell(d, "FAIL", check, false, text, todo);
    d->failed++;
    d->codes |= UINT32_C(1) << code;
}

void doctor_error(struct doctor *d, const char *check, const struct err *e)
{
    doctor_fail(d, e->code ? e->code : EC_FAIL, check, e->msg, e->hint);
}

static void open_maps(struct doctor *d, bool offline)
{
    struct err e = { 0 };

    if (!offline && !(d->fno_in && d->dv_in)) {
        /* What follows from the sign-in that failed is no finding of its own. */
        if (pair_open(d->app, PAIR_CACHED | PAIR_GAPS_OK, 0, &d->p, &e))
            doctor_note(d, "maps", "not checked: sign-in failed, and no metadata is saved", NULL);
        else
            doctor_note(d, "maps", "checked against saved metadata: sign-in failed", NULL);
        return;
    }
    if (pair_open(d->app, (offline ? PAIR_CACHED : PAIR_LIVE) | PAIR_GAPS_OK, 0, &d->p, &e))
        doctor_error(d, "maps", &e);
}

/* What reading dmfsync.ini cannot know: whether a data format of this name can be written. */
static void configuration(struct doctor *d)
{
    const struct config *cfg = &d->app->cfg;
    struct dmf_format format;

    if ((cfg->csv_format && *cfg->csv_format) || dmf_format_named(cfg->data_format, &format))
        doctor_fine(d, "configuration", cfg->path);
    else
        doctor_fail(
            d, EC_CONFIG, "configuration", "data_format in [load] is no format that is known",
            "give CSV-Unicode, CSV-UTF8, XML-Element or XML-Attribute, or describe a CSV format of your own in "
            "csv_format");
}

/* The code whose exit status comes first in the contract's order; the others are collected. */
static enum ec leading(struct doctor *d)
{
    int status = status_of(d->codes, 0);
    enum ec first = EC_FAIL;

    for (int c = EC_COUNT - 1; c > 0; c--)
        if (d->codes >> c & 1) {
            if (c != EC_STOPPED)
                out_status(&d->app->out, (enum ec)c);
            if (ec_exit_status((enum ec)c) == status)
                first = (enum ec)c;
        }
    return first;
}

enum ec cmd_doctor(struct app *app, struct err *reterr)
{
    struct doctor d = { .app = app, .list = out_array(&app->out, NULL, "checks") };
    bool offline = option_given(app, "--offline");

    d.capabilities = out_array(&app->out, NULL, "capabilities");
    configuration(&d);
    doctor_machine(&d);
    if (!offline)
        doctor_sign_in(&d);
    open_maps(&d, offline);
    if (d.p) {
        doctor_maps(&d);
        if (d.fno_in && d.dv_in)
            doctor_environment(&d);
        if (d.dv_in) {
            doctor_privileges(&d);
            doctor_steps(&d);
        }
    }
    pair_close(d.p);
    out_int(&app->out, NULL, "failed", (int64_t)d.failed);
    out_int(&app->out, NULL, "notes", (int64_t)d.notes);
    if (!d.failed)
        return EC_OK;
    return err_set(reterr, leading(&d), "%zu check%s failed", d.failed, d.failed == 1 ? "" : "s");
}

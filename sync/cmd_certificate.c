/* cmd_certificate.c -- the command `certificate verify`. */
#include "sync/certificate.h"
#include "sync/sync_commands.h"

static void tell_map(struct output *o, struct table *t, struct json *list, const struct json *s)
{
    static const char *const COUNTS[] = { "keys",    "equal",  "differ",    "only_fno", "only_dataverse",
                                          "waiting", "waived", "in_flight", "errors" };
    const struct json *counts = json_get(s, "counts");
    struct json *v = out_object(o, list, NULL);

    table_cell(t, CELL_FMT, CELL_ARG(json_member(s, "name")));
    out_cell(o, v, "map", json_member(s, "name"));
    for (size_t i = 0; i < COUNT(COUNTS); i++) {
        table_cell(t, CELL_FMT, CELL_ARG(json_member(counts, COUNTS[i])));
        out_int(o, v, COUNTS[i], json_i64(json_get(counts, COUNTS[i]), 0));
    }
    table_cell(t, CELL_FMT, CELL_ARG(json_member(counts, "checked_at")));
    table_cell(t, CELL_FMT, CELL_ARG(json_member(counts, "verdict")));
    out_cell(o, v, "checked_at", json_member(counts, "checked_at"));
    out_cell(o, v, "verdict", json_member(counts, "verdict"));
    out_cell(o, v, "fno_root", json_member(json_get(s, "fno"), "root"));
    out_cell(o, v, "dataverse_root", json_member(json_get(s, "dataverse"), "root"));
}

static void tell(struct output *o, const struct certificate_check *c)
{
    static const char *const HEADERS[] = { "map",     "keys",   "equal",     "differ", "only F&O",   "only Dataverse",
                                           "waiting", "waived", "in flight", "errors", "checked at", "verdict" };
    const struct json *head = json_get(c->doc, "head");
    struct table *t = table_new(o, HEADERS, COUNT(HEADERS), "lrrrrrrrrrll");
    struct json *list = out_array(o, NULL, "maps");

    out_line(o, "made %.*s by %.*s with dmfsync %.*s", CELL_ARG(json_member(head, "made_at")),
             CELL_ARG(json_member(head, "operator")), CELL_ARG(json_member(head, "version")));
    out_line(o, "F&O " CELL_FMT ", Dataverse " CELL_FMT, CELL_ARG(json_member(head, "fno")),
             CELL_ARG(json_member(head, "dataverse")));
    out_line(o, "signed with key %s%s", c->key,
             c->key_matches ? ", the one given" : "; whose it is, --key with their public key tells");
    out_cell(o, NULL, "made_at", json_member(head, "made_at"));
    out_cell(o, NULL, "operator", json_member(head, "operator"));
    out_str(o, NULL, "key", c->key);
    out_bool(o, NULL, "key_matches", c->key_matches);
    for (const struct json *s = c->doc->child; s; s = s->next)
        if (s->name.len > 4 && !memcmp(s->name.ptr, "map ", 4))
            tell_map(o, t, list, s);
    table_print(t);
}

enum ec cmd_certificate_verify(struct app *app, struct err *reterr)
{
    const char *workspace = option_value(app, "--workspace");
    struct arena a = { 0 };
    struct certificate_check c;
    enum ec rc = certificate_verify(app->opt->args[0], option_value(app, "--key"), &a, &c, reterr);

    if (!rc && workspace)
        rc = certificate_against(&c, workspace, &app->out, reterr);
    if (!rc) {
        tell(&app->out, &c);
        out_line(&app->out, "the certificate is as it was signed");
        if (c.parity < c.maps)
            out_status(&app->out, EC_DIFFERENT);
    }
    arena_release(&a);
    return rc;
}

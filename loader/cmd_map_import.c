/* cmd_map_import.c -- map import: files in any form into normalised files of the workspace. */
#include "loader/map_commands.h"
#include "loader/map_store.h"

enum ec cmd_map_import(struct app *app, struct err *reterr)
{
    const struct options *o = app->opt;
    struct import imp = { 0 };
    size_t failed = 0;
    struct json *list = out_array(&app->out, NULL, "unreadable");
    enum ec rc = EC_OK, first = EC_OK;
    struct err e, kept = { 0 };

    for (size_t k = 0; k < o->n_args; k++) {
        e = (struct err){ 0 };
        if (!import_file(&imp, o->args[k], &e))
            continue;
        if (!failed++) {
            kept = e;
            first = e.code == EC_NOTFOUND ? EC_USAGE : e.code;
        }
        if (o->n_args > 1) {
            struct json *v = out_object(&app->out, list, NULL);

            out_str(&app->out, v, "file", o->args[k]);
            out_str(&app->out, v, "reason", e.msg);
            out_line(&app->out, "not imported: %s", e.msg);
            out_status(&app->out, EC_ROWS);
        }
    }
    import_choose(&imp);
    if (failed && failed == o->n_args) {
        *reterr = kept;
        reterr->code = rc = first;
    } else {
        rc = map_store_all(app, &imp, reterr);
        if (!rc && failed)
            rc = err_set(reterr, EC_ROWS, "%zu of %zu files could not be read", failed, o->n_args);
        if (!rc && !imp.n) { /* files that are right and hold no map: properties, an answer without rows */
            rc = err_set(reterr, EC_FORMAT, "no map is in what was named");
            err_hint(reterr, "give the maps' documents, an export with rows, or use 'dmfsync map pull'");
        }
    }
    import_release(&imp);
    return rc;
}

/*
 * bench_pack.c -- reads one map's whole source the way packages are made, once: source rows, the writer, a finished zip. What
 * scripts/bench compares `lint` with. bench_pack --dir WORKSPACE [--offline] pack ALIAS
 */
#include "dmf/pkgwrite.h"
#include "loader/loader_commands.h"
#include "loader/public/catalog.h"
#include "loader/public/source.h"

#include <unistd.h>

static enum ec pack_rows(struct source *s, struct dmf_writer *w, struct err *reterr)
{
    struct arena a = { 0 };
    enum ec rc = EC_OK;

    while (!rc) {
        struct err why = { 0 };
        struct source_row r;
        size_t field = 0;
        bool more = false;

        arena_reset(&a);
        rc = source_next(s, &a, &r, &more, reterr);
        if (rc || !more)
            break;
        if (r.verdict == SOURCE_GOOD && dmf_writer_row(w, 0, r.values, NULL, &field, &why) && why.code != EC_FORMAT)
            rc = err_set(reterr, why.code, "%s", why.msg);
    }
    arena_release(&a);
    return rc;
}

static enum ec pack(struct app *app, struct err *reterr)
{
    struct arena a = { 0 };
    struct pair *p = NULL;
    struct source *s = NULL;
    struct dmf_writer *w = NULL;
    struct dmf_entity e = { .unit = 1, .level = 1, .sequence = 1, .input_file = CELL_LIT("rows.csv") };
    struct dmf_package pkg = { .project = CELL_LIT("bench"), .entities = &e, .n = 1 };
    struct dmf_format f;
    struct dmf_result r;
    char *path = workspace_path(&app->ws, &a, ".dmfsync/tmp/bench-pack.zip");
    enum ec rc = pair_open(app, PAIR_CACHED, 0, &p, reterr);
    struct map_ctx *m = rc ? NULL : pair_map(p, app->opt->args[0]);

    if (!rc)
        rc = m ? source_open(m, &s, reterr) : EC_USAGE;
    if (rc)
        goto out;
    (void)dmf_format_named("CSV-Unicode", &f);
    e.label = m->b->entity->label;
    e.aot = m->b->entity->aot;
    e.source_format = CELL_LIT("CSV-Unicode");
    e.fields = arena_zalloc(&a, s->n * sizeof(*e.fields));
    for (size_t i = 0; i < s->n; i++)
        e.fields[e.n++] = (struct dmf_field){ .staging = s->fields[i].f->staging, .file = s->fields[i].f->staging };
    rc = dmf_writer_new(&pkg, &f, workspace_path(&app->ws, &a, ".dmfsync/tmp"), &w, reterr);
    if (!rc)
        rc = pack_rows(s, w, reterr);
    if (rc)
        dmf_writer_abandon(w);
    else
        rc = dmf_writer_finish(w, path, &r, reterr);
    (void)unlink(path);
out:
    source_close(s);
    pair_close(p);
    arena_release(&a);
    return rc;
}

static const struct option_def OPTIONS[] = { { "--offline", NULL, "from the saved metadata" }, { 0 } };
static const struct command COMMANDS[] = { { .name = "pack",
                                             .args = "ALIAS",
                                             .run = pack,
                                             .needs = NEED_WORKSPACE,
                                             .options = OPTIONS,
                                             .min_args = 1,
                                             .max_args = 1 },
                                           { 0 } };

int main(int argc, char **argv)
{
    static const struct command *const TABLES[] = { CLI_COMMANDS, COMMANDS, NULL };
    struct command_env env = { .tables = TABLES, .version = DMFSYNC_VERSION, .work_schema = &CATALOG_SCHEMA };

    return command_main(&env, argc, argv);
}

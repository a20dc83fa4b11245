/* cmd_map_enums.c -- value maps proposed from both sides' metadata, and written into the maps on request. */
#include "loader/loader_commands.h"
#include "loader/map_files.h"
#include "map/enums.h"

#include <stdlib.h>

struct job {
    struct app *app;
    struct map_files *files;
    struct json *list;
    struct table *table;
    bool write, near;
    size_t fields, fresh, review, conflicts, written, files_written, left_elements, left_options, skipped;
};

static void put_row(struct job *j, const struct map_file *m, const struct enums_proposal *p, const char *how,
                    struct cell element, struct cell element_label, struct cell value, struct cell option_label)
{
    table_cell(j->table, "%s", m->shown);
    table_cell(j->table, "%zu " CELL_FMT, p->mf->index + 1, CELL_ARG(p->mf->source));
    table_cell(j->table, CELL_FMT, CELL_ARG(element));
    table_cell(j->table, CELL_FMT, CELL_ARG(element_label));
    table_cell(j->table, CELL_FMT, CELL_ARG(value));
    table_cell(j->table, CELL_FMT, CELL_ARG(option_label));
    table_cell(j->table, "%s", how);
}

static const char *how_of(struct job *j, const struct enums_pair *x)
{
    if (!cell_absent(x->otherwise))
        return arena_printf(&j->files->arena, "conflict: name or label say " CELL_FMT, CELL_ARG(x->otherwise));
    if (x->unknown_key)
        return x->unknown_value ? "present, neither element nor option" : "present, no such element";
    return x->unknown_value ? "present, no such option" : enums_how_word(x->how);
}

static void show_pairs(struct job *j, const struct map_file *m, const struct enums_proposal *p, struct json *field)
{
    struct output *o = &j->app->out;
    struct json *pairs = out_array(o, field, "pairs");

    for (size_t i = 0; i < p->n; i++) {
        const struct enums_pair *x = &p->pairs[i];
        struct json *v = out_object(o, pairs, NULL);

        if (x->how != ENUMS_PRESENT || !cell_absent(x->otherwise) || x->unknown_key || x->unknown_value)
            put_row(j, m, p, how_of(j, x), x->element, x->element_label, x->value, x->option_label);
        out_cell(o, v, "key", x->key);
        out_cell(o, v, "element_label", x->element_label);
        out_cell(o, v, "value", x->value);
        out_cell(o, v, "option_label", x->option_label);
        out_str(o, v, "how", enums_how_word(x->how));
        out_bool(o, v, "known_element", !x->unknown_key);
        out_bool(o, v, "known_option", !x->unknown_value);
        if (!cell_absent(x->otherwise))
            out_cell(o, v, "conflict_with", x->otherwise);
    }
}

static void show_left(struct job *j, const struct map_file *m, const struct enums_proposal *p, struct json *field)
{
    struct output *o = &j->app->out;
    struct json *elements = out_array(o, field, "elements_left"), *options = out_array(o, field, "options_left");

    for (size_t i = 0; i < p->n_elements; i++) {
        put_row(j, m, p, "element without option", p->elements[i], CELL_ABSENT, CELL_ABSENT, CELL_ABSENT);
        json_append(elements, json_new(&o->arena, JSON_STRING, cell_dup(&o->arena, p->elements[i])));
    }
    for (size_t i = 0; i < p->n_options; i++) {
        struct json *v = out_object(o, options, NULL);

        put_row(j, m, p, "option without element", CELL_ABSENT, CELL_ABSENT,
                cell_printf(&j->files->arena, "%lld", (long long)p->options[i].value), p->options[i].label);
        out_int(o, v, "value", p->options[i].value);
        out_cell(o, v, "label", p->options[i].label);
    }
}

static enum ec do_field(struct job *j, struct map_file *m, const struct enums_proposal *p, size_t *ret_added,
                        struct err *reterr)
{
    struct output *o = &j->app->out;
    struct json *field = out_object(o, j->list, NULL);
    size_t added = 0;
    enum ec rc = EC_OK;

    out_cell(o, field, "map", m->map->name);
    out_str(o, field, "file", m->path);
    out_int(o, field, "field", (int64_t)p->mf->index + 1);
    out_cell(o, field, "source", p->mf->source);
    out_cell(o, field, "destination", p->mf->destination);
    out_cell(o, field, "enum", p->en->name);
    out_bool(o, field, "has_value_map", p->mf->has_map);
    show_pairs(j, m, p, field);
    show_left(j, m, p, field);
    if (j->write)
        rc = enums_apply(m->map, p, j->near, &added, reterr);
    out_int(o, field, "written", (int64_t)added);
    *ret_added += added;
    j->fields++;
    j->fresh += p->fresh;
    j->review += p->near;
    j->conflicts += p->conflicts;
    j->left_elements += p->n_elements;
    j->left_options += p->n_options;
    return rc;
}

static enum ec do_map(struct job *j, struct map_file *m, struct err *reterr)
{
    const struct fno_entity *e = schema_entity(&j->files->schema, m->map->label);
    const struct dv_table *t = schema_table(&j->files->schema, m->map->set);
    size_t added = 0;
    enum ec rc = EC_OK;

    if (!e || !t) {
        out_warn(&j->app->out, "%s: %s '" CELL_FMT "' is unknown %s: nothing can be proposed", m->shown,
                 e ? "Dataverse table" : "F&O entity", CELL_ARG(e ? m->map->set : m->map->label),
                 j->files->live ? "in this environment" : "in the saved metadata");
        j->skipped++;
        return EC_OK;
    }
    for (size_t i = 0; i < m->map->n && !rc; i++) {
        struct enums_proposal p;
        const struct fno_enum *en;
        const struct dv_column *c;

        if (!enums_wanted(&m->map->fields[i], e, t, &en, &c))
            continue;
        enums_propose(&m->map->fields[i], en, c, &j->files->arena, &p);
        rc = do_field(j, m, &p, &added, reterr);
    }
    if (!rc && added && m->imported) {
        err_set(reterr, EC_USAGE, "'%s' holds its map in a form that cannot be written back", m->path);
        return err_hint(reterr, "run 'dmfsync map import' first, and name the map of the workspace");
    }
    if (!rc && added) {
        rc = map_write_file(m->map, m->path, reterr);
        j->written += added;
        j->files_written++;
    }
    return rc;
}

static void summary(struct job *j)
{
    struct output *o = &j->app->out;

    out_line(
        o,
        "%zu enum field%s: %zu new exact pair%s, %zu near one%s to review, %zu conflict%s; left over: %zu element%s, "
        "%zu option%s",
        j->fields, j->fields == 1 ? "" : "s", j->fresh, j->fresh == 1 ? "" : "s", j->review,
        j->review == 1 ? "" : "s", j->conflicts, j->conflicts == 1 ? "" : "s", j->left_elements,
        j->left_elements == 1 ? "" : "s", j->left_options, j->left_options == 1 ? "" : "s");
    if (j->write)
        out_line(o, "%zu pair%s written into %zu file%s", j->written, j->written == 1 ? "" : "s", j->files_written,
                 j->files_written == 1 ? "" : "s");
    else if (j->fresh || j->review)
        out_line(
            o,
            "nothing was written; --write puts the exact pairs into the map files, --accept-near the near ones, too");
    out_int(o, NULL, "new", (int64_t)j->fresh);
    out_int(o, NULL, "near", (int64_t)j->review);
    out_int(o, NULL, "conflicts", (int64_t)j->conflicts);
    out_int(o, NULL, "written", (int64_t)j->written);
    out_int(o, NULL, "maps_skipped", (int64_t)j->skipped);
}

enum ec cmd_map_enums(struct app *app, struct err *reterr)
{
    static const char *const HEADERS[] = { "map", "field", "element", "label", "value", "option", "how" };
    struct job j = { .app = app, .write = option_given(app, "--write"), .near = option_given(app, "--accept-near") };
    enum ec rc;

    if (j.near && !j.write)
        return err_set(reterr, EC_USAGE, "--accept-near goes with --write");
    rc = map_files_open(app, &j.files, reterr);
    if (!rc)
        rc = map_files_metadata(j.files, false, reterr);
    if (!rc) {
        j.list = out_array(&app->out, NULL, "fields");
        j.table = table_new(&app->out, HEADERS, COUNT(HEADERS), "lllllll");
        for (size_t i = 0; i < j.files->n && !rc; i++)
            if (j.files->v[i].selected)
                rc = do_map(&j, &j.files->v[i], reterr);
        table_print(j.table);
        summary(&j);
    }
    map_files_close(j.files);
    return rc;
}

/* cmd_map_lint.c -- what is wrong with maps, in one list, before a row leaves. */
#include "data/csv.h"
#include "dv/dv.h"
#include "loader/loader_commands.h"
#include "loader/map_files.h"
#include "loader/map_usage.h"
#include "map/maplint.h"

#include <stdio.h>
#include <stdlib.h>

struct linted {
    const struct map_file *file;
    struct maplint lint;
};
struct line { /* one finding, with its map */
    const struct linted *of;
    const struct lint_finding *f;
    size_t at; /* order in which the map was linted */
};
struct known_rows { /* tables that were asked for rows */
    struct cell set;
    int there;
    struct known_rows *next;
};
struct job {
    struct app *app;
    struct map_files *files;
    struct linted *v;
    size_t n;
    struct line *lines;
    size_t n_lines;
    size_t counts[3], ignored;
    struct known_rows *rows;
};

/* ---- are there rows? ---- */

static enum ec one_row(void *arg, const struct json *row, struct err *reterr)
{
    (void)row;
    *(bool *)arg = true;
    return err_set(reterr, EC_NOTFOUND, "one is enough");
}

static int ask_rows(struct job *j, const struct dv_table *t)
{
    struct arena a = { 0 };
    struct err e = { 0 };
    bool any = false;
    enum ec rc =
        dv_scan(j->app->dv, cell_cstr(&a, t->set), cell_cstr(&a, t->pk), NULL, false, one_row, &any, NULL, &e);

    arena_release(&a);
    return any ? 1 : rc ? -1 : 0;
}

static int present(void *arg, struct cell set)
{
    struct job *j = arg;
    struct known_rows *k = j->rows;
    const struct dv_table *t = schema_table(&j->files->schema, set);

    while (k && !cell_ieq(k->set, set))
        k = k->next;
    if (!k) {
        if (!t && !dv_load_table(j->app->dv, set, &j->files->schema, NULL))
            t = schema_table(&j->files->schema, set);
        k = arena_zalloc(&j->files->arena, sizeof(*k));
        *k = (struct known_rows){ set, t ? ask_rows(j, t) : -1, j->rows };
        j->rows = k;
    }
    return k->there;
}

/* ---- linting ---- */

static enum ec lint_one(struct job *j, struct map_file *m, struct err *reterr)
{
    struct linted *to = &j->v[j->n++];
    struct maplint_input in = { .map = m->map,
                                .schema = &j->files->schema,
                                .offline = !j->files->live,
                                .fno_why = m->fno_why,
                                .dv_why = m->dv_why,
                                .maps = j->files->maps,
                                .n_maps = j->files->n,
                                .present = j->files->live ? present : NULL,
                                .present_arg = j };

    to->file = m;
    in.settings.alias = cell_of(m->shown);
    if (m->cfg) {
        in.settings.key = m->cfg->key;
        in.settings.master_is_dataverse = m->cfg->master_dataverse;
        in.ignore = m->cfg->lint_ignore;
        in.n_ignore = m->cfg->n_lint_ignore;
    }
    maplint(&in, &to->lint);
    if (option_given(j->app, "--rows") && m->cfg && m->cfg->source && to->lint.binding && to->lint.binding->n_key) {
        struct cell *only = NULL;
        enum ec rc = map_usage(j->files, m, to->lint.binding, &only, &in.rows, reterr);

        if (rc)
            return rc;
        in.only = only;
        maplint_release(&to->lint);
        maplint(&in, &to->lint);
    }
    for (int s = 0; s < 3; s++)
        j->counts[s] += to->lint.counts[s];
    j->ignored += to->lint.ignored;
    return EC_OK;
}

static int by_severity(const void *x, const void *y)
{
    const struct line *a = x, *b = y;

    if (a->f->severity != b->f->severity)
        return a->f->severity < b->f->severity ? -1 : 1;
    return a->at < b->at ? -1 : a->at > b->at;
}

static void collect(struct job *j)
{
    size_t n = 0;

    for (size_t i = 0; i < j->n; i++)
        n += j->v[i].lint.n;
    j->lines = arena_alloc(&j->files->arena, (n + 1) * sizeof(*j->lines));
    for (size_t i = 0; i < j->n; i++)
        for (size_t k = 0; k < j->v[i].lint.n; k++) {
            j->lines[j->n_lines] = (struct line){ &j->v[i], &j->v[i].lint.v[k], j->n_lines };
            j->n_lines++;
        }
    qsort(j->lines, j->n_lines, sizeof(*j->lines), by_severity);
}

/* ---- output ---- */

static const char *arrow(const struct map_field *mf)
{
    return mf->dir == DIR_BOTH ? "=" : mf->dir == DIR_TO_DV ? ">" : "<";
}

static struct cell side(struct cell c)
{
    return cell_absent(c) ? CELL_LIT("none") : c;
}

/* A text at the width of the terminal, broken between words; names come from documents and may not move the cursor. */
static void print_wrapped(struct output *o, const char *indent, struct cell text)
{
    size_t room = (size_t)o->width - strlen(indent);
    struct arena a = { 0 };
    char *p = cell_cstr(&a, text);

    for (char *c = p; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = ' ';
    while (*p) {
        size_t n = strlen(p), end = n;

        if (n > room) {
            for (end = room; end > 0 && p[end] != ' ';)
                end--;
            if (!end) /* one long word */
                end = strcspn(p, " ");
        }
        out_line(o, "%s%.*s", indent, (int)end, p);
        p += end;
        p += strspn(p, " ");
    }
    arena_release(&a);
}

/* For a terminal: the place on one line, the reason below it, so that nothing is cut. */
static void print_blocks(struct job *j)
{
    struct arena a = { 0 };

    for (size_t i = 0; i < j->n_lines; i++) {
        const struct lint_finding *f = j->lines[i].f;
        struct cell head = cell_printf(&a, "%-8s %-18s %s", lint_severity_word(f->severity), f->code->code,
                                       j->lines[i].of->file->shown);

        if (f->ignored)
            continue;
        print_wrapped(&j->app->out, "", head);
        if (f->mf)
            print_wrapped(&j->app->out, "         ",
                          cell_printf(&a, "field %zu: " CELL_FMT " %s " CELL_FMT, f->mf->index + 1,
                                      CELL_ARG(side(f->mf->source)), arrow(f->mf),
                                      CELL_ARG(side(f->mf->destination))));
        print_wrapped(&j->app->out, "         ", f->reason);
    }
    arena_release(&a);
}

static void print_table(struct job *j)
{
    static const char *const HEADERS[] = { "severity", "code", "map", "field", "what is wrong" };
    struct table *t;
    size_t shown = 0;

    for (size_t i = 0; i < j->n_lines; i++)
        shown += !j->lines[i].f->ignored;
    if (!shown)
        return;
    t = table_new(&j->app->out, HEADERS, COUNT(HEADERS), "lllll");
    for (size_t i = 0; i < j->n_lines; i++) {
        const struct lint_finding *f = j->lines[i].f;

        if (f->ignored)
            continue;
        table_cell(t, "%s", lint_severity_word(f->severity));
        table_cell(t, "%s", f->code->code);
        table_cell(t, "%s", j->lines[i].of->file->shown);
        if (f->mf)
            table_cell(t, "%zu " CELL_FMT " %s " CELL_FMT, f->mf->index + 1, CELL_ARG(side(f->mf->source)),
                       arrow(f->mf), CELL_ARG(side(f->mf->destination)));
        else
            table_cell(t, "%s", "");
        table_cell(t, CELL_FMT, CELL_ARG(f->reason));
    }
    table_print(t);
}

/* Each remedy once, in the order of the table. */
static void print_remedies(struct job *j)
{
    bool first = true;

    for (size_t i = 0; i < j->n_lines; i++) {
        const struct lint_code *c = j->lines[i].f->code;
        bool fresh = !j->lines[i].f->ignored;

        for (size_t k = 0; k < i && fresh; k++)
            fresh = j->lines[k].f->code != c || j->lines[k].f->ignored;
        if (!fresh)
            continue;
        if (first)
            out_line(&j->app->out, "\nWhat to do:");
        first = false;
        out_line(&j->app->out, "  %-20s %s", c->code, c->remedy);
    }
}

static struct cell key_text(const struct binding *b, struct arena *a)
{
    struct strbuf s = STRBUF(0);
    struct cell c;

    for (size_t i = 0; b && i < b->n_key; i++)
        strbuf_addf(&s, "%s" CELL_FMT, i ? ", " : "", CELL_ARG(b->fields[b->key[i]].name));
    c = cell_dup(a, (struct cell){ strbuf_str(&s), s.len });
    strbuf_release(&s);
    return c;
}

static void print_maps(struct job *j)
{
    static const char *const HEADERS[] = { "map",    "fields",   "lookups", "key",    "evidence",
                                           "errors", "warnings", "infos",   "ignored" };
    struct table *t = table_new(&j->app->out, HEADERS, COUNT(HEADERS), "lrrllrrrr");
    struct json *list = out_array(&j->app->out, NULL, "maps");

    if (j->n_lines > j->ignored)
        out_line(&j->app->out, "%s", "");
    for (size_t i = 0; i < j->n; i++) {
        const struct linted *m = &j->v[i];
        const struct binding *b = m->lint.binding;
        struct json *o = out_object(&j->app->out, list, NULL);
        struct cell key = key_text(b, &j->files->arena);

        table_cell(t, "%s", m->file->shown);
        table_cell(t, "%zu", m->file->map->n);
        table_cell(t, b ? "%zu" : "?", b ? b->n_lookups : 0);
        table_cell(t, CELL_FMT, CELL_ARG(cell_blank(key) ? CELL_LIT("?") : key));
        table_cell(t, CELL_FMT, CELL_ARG(b && b->n_key ? b->key_evidence : CELL_LIT("")));
        table_cell(t, "%zu", m->lint.counts[LINT_ERROR]);
        table_cell(t, "%zu", m->lint.counts[LINT_WARNING]);
        table_cell(t, "%zu", m->lint.counts[LINT_INFO]);
        table_cell(t, "%zu", m->lint.ignored);
        out_cell(&j->app->out, o, "map", m->file->map->name);
        out_str(&j->app->out, o, "alias", m->file->cfg ? m->file->cfg->alias : NULL);
        out_str(&j->app->out, o, "file", m->file->path);
        out_int(&j->app->out, o, "fields", (int64_t)m->file->map->n);
        out_cell(&j->app->out, o, "key", cell_blank(key) ? CELL_ABSENT : key);
        out_cell(&j->app->out, o, "key_evidence", b && b->n_key ? b->key_evidence : CELL_ABSENT);
        out_int(&j->app->out, o, "errors", (int64_t)m->lint.counts[LINT_ERROR]);
        out_int(&j->app->out, o, "warnings", (int64_t)m->lint.counts[LINT_WARNING]);
        out_int(&j->app->out, o, "infos", (int64_t)m->lint.counts[LINT_INFO]);
        out_int(&j->app->out, o, "ignored", (int64_t)m->lint.ignored);
        for (size_t k = 0; k < m->lint.n_idle; k++)
            out_warn(&j->app->out, "[map.%s] lint_ignore = %s silences nothing", m->file->cfg->alias,
                     m->lint.idle[k]);
    }
    table_print(t);
}

/* Leg numbers are those of the document; a dual-write map has one. */
static struct cell leg_of(const struct map *m)
{
    struct cell id = json_text(json_iget(json_at(json_iget(m->doc, "legs"), 0), "id"));

    return cell_blank(id) ? CELL_LIT("1") : id;
}

static void put_json(struct job *j)
{
    struct output *o = &j->app->out;
    struct json *list = out_array(o, NULL, "findings"), *counts = out_object(o, NULL, "counts");

    for (size_t i = 0; i < j->n_lines; i++) {
        const struct lint_finding *f = j->lines[i].f;
        const struct map_file *m = j->lines[i].of->file;
        struct json *v = out_object(o, list, NULL);

        out_str(o, v, "severity", lint_severity_word(f->severity));
        out_str(o, v, "code", f->code->code);
        out_cell(o, v, "map", m->map->name);
        out_str(o, v, "alias", m->cfg ? m->cfg->alias : NULL);
        out_str(o, v, "file", m->path);
        out_cell(o, v, "leg", leg_of(m->map));
        if (f->mf) {
            out_int(o, v, "field", (int64_t)f->mf->index + 1);
            out_cell(o, v, "source", f->mf->source);
            out_cell(o, v, "destination", f->mf->destination);
            out_int(o, v, "direction", f->mf->dir);
        }
        out_cell(o, v, "reason", f->reason);
        out_str(o, v, "remedy", f->code->remedy);
        out_bool(o, v, "ignored", f->ignored);
    }
    out_int(o, counts, "errors", (int64_t)j->counts[LINT_ERROR]);
    out_int(o, counts, "warnings", (int64_t)j->counts[LINT_WARNING]);
    out_int(o, counts, "infos", (int64_t)j->counts[LINT_INFO]);
    out_int(o, counts, "ignored", (int64_t)j->ignored);
}

static void print_csv(struct job *j)
{
    struct strbuf b = STRBUF(0);

    strbuf_adds(&b, "severity,code,map,file,leg,field,source,destination,direction,reason,remedy,ignored\n");
    for (size_t i = 0; i < j->n_lines; i++) {
        const struct lint_finding *f = j->lines[i].f;
        const struct map_file *m = j->lines[i].of->file;
        char number[24] = "";
        struct cell cells[12];

        if (f->mf)
            snprintf(number, sizeof(number), "%zu", f->mf->index + 1);
        cells[0] = cell_of(lint_severity_word(f->severity));
        cells[1] = cell_of(f->code->code);
        cells[2] = m->map->name;
        cells[3] = cell_of(m->path);
        cells[4] = leg_of(m->map);
        cells[5] = f->mf ? cell_of(number) : CELL_ABSENT;
        cells[6] = f->mf ? f->mf->source : CELL_ABSENT;
        cells[7] = f->mf ? f->mf->destination : CELL_ABSENT;
        cells[8] = f->mf ? cell_of(arrow(f->mf)) : CELL_ABSENT;
        cells[9] = f->reason;
        cells[10] = cell_of(f->code->remedy);
        cells[11] = f->ignored ? CELL_LIT("yes") : CELL_LIT("no");
        for (size_t k = 0; k < COUNT(cells); k++) {
            if (k)
                strbuf_addc(&b, ',');
            csv_add(&b, cells[k], ',');
        }
        strbuf_addc(&b, '\n');
    }
    out_raw(&j->app->out, strbuf_str(&b), b.len);
    strbuf_release(&b);
}

static void print_codes(struct output *o)
{
    static const char *const HEADERS[] = { "code", "severity", "meaning", "remedy" };
    struct table *t = table_new(o, HEADERS, COUNT(HEADERS), "llll");
    struct json *list = out_array(o, NULL, "codes");

    for (const struct lint_code *c = LINT_CODES; c->code; c++) {
        struct json *v = out_object(o, list, NULL);

        table_cell(t, "%s", c->code);
        table_cell(t, "%s", lint_severity_word(c->severity));
        table_cell(t, "%s", c->meaning);
        table_cell(t, "%s", c->remedy);
        out_str(o, v, "code", c->code);
        out_str(o, v, "severity", lint_severity_word(c->severity));
        out_str(o, v, "meaning", c->meaning);
        out_str(o, v, "remedy", c->remedy);
    }
    table_print(t);
}

static void show(struct job *j, bool csv)
{
    struct output *o = &j->app->out;

    put_json(j);
    if (csv) {
        print_csv(j);
        return;
    }
    if (o->width > 0)
        print_blocks(j);
    else
        print_table(j);
    print_remedies(j);
    print_maps(j);
    out_line(o, "%zu error%s, %zu warning%s, %zu info%s; %zu ignored by lint_ignore", j->counts[LINT_ERROR],
             j->counts[LINT_ERROR] == 1 ? "" : "s", j->counts[LINT_WARNING], j->counts[LINT_WARNING] == 1 ? "" : "s",
             j->counts[LINT_INFO], j->counts[LINT_INFO] == 1 ? "" : "s", j->ignored);
}

enum ec cmd_map_lint(struct app *app, struct err *reterr)
{
    struct job j = { .app = app };
    const char *format = option_value(app, "--format");
    enum ec rc;

    if (format && strcmp(format, "text") != 0 && strcmp(format, "csv") != 0)
        return err_set(reterr, EC_USAGE, "--format %s is not known: text or csv", format);
    if (option_given(app, "--codes")) {
        print_codes(&app->out);
        return EC_OK;
    }
    rc = map_files_open(app, &j.files, reterr);
    if (!rc)
        rc = map_files_metadata(j.files, true, reterr);
    if (!rc) {
        j.v = arena_zalloc(&j.files->arena, (j.files->n + 1) * sizeof(*j.v));
        for (size_t i = 0; i < j.files->n && !rc; i++)
            if (j.files->v[i].selected)
                rc = lint_one(&j, &j.files->v[i], reterr);
    }
    if (!rc) {
        collect(&j);
        show(&j, format && !strcmp(format, "csv"));
        if (j.counts[LINT_ERROR] || (option_given(app, "--strict") && j.counts[LINT_WARNING]))
            out_status(&app->out, EC_CONFIG);
    }
    for (size_t i = 0; i < j.n; i++)
        maplint_release(&j.v[i].lint);
    map_files_close(j.files);
    return rc;
}

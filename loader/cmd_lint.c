/* cmd_lint.c -- profile the source rows: one line per rule with count, share, samples and remedy; bad rows into a reject file. */
#include "base/clock.h"
#include "loader/lint_profile.h"
#include "loader/package_form.h"
#include "loader/public/fno_read.h"
#include "loader/loader_commands.h"

#include <stdio.h>
#include <stdlib.h>

struct linting {
    struct pair *p;
    struct lint_refs *refs;
    struct lint_profile **profiles;
    size_t n;
    size_t samples;
    const char *file; /* --rejects */
    char *tmp;
};

static void on_fault(void *arg, const struct source_row *r, const char *code, struct cell field, struct cell value,
                     const char *why)
{
    (void)r;
    lint_fault(arg, LINT_ERROR, code, field, value, why);
}

static void count_company(struct lint_profile *p, const struct source_row *r)
{
    struct lint_company *c = NULL;

    for (size_t i = 0; i < p->n_companies && !c; i++)
        if (cell_is(r->company, p->companies[i].code))
            c = &p->companies[i];
    if (!c) {
        p->companies = xrealloc(p->companies, (p->n_companies + 1) * sizeof(*p->companies));
        c = &p->companies[p->n_companies++];
        *c = (struct lint_company){ .first_line = r->line };
        snprintf(c->code, sizeof(c->code), CELL_FMT, CELL_ARG(r->company));
    }
    c->rows++;
}

/* Counts what the row breaks; *ret_bad = it would not arrive. */
static enum ec settle_row(struct lint_profile *p, const struct source *s, const struct source_row *r, bool *ret_bad,
                          struct err *reterr)
{
    size_t errors = 0;

    for (size_t i = 0; i < p->n_faults; i++) {
        errors += p->faults[i].severity == LINT_ERROR;
        profile_add(p, &p->faults[i], 1, r->line, r->key);
    }
    *ret_bad = errors > 0;
    p->warned += p->n_faults > errors;
    if (!errors)
        return EC_OK;
    mask_add(&p->bad, r->number);
    return lint_reject_row(p, s, r, p->faults, p->n_faults, reterr);
}

static enum ec one_row(struct linting *l, struct lint_profile *p, const struct source *s, const struct source_row *r,
                       struct arena *a, struct err *reterr)
{
    bool bad = false;
    enum ec rc;

    if (cell_absent(r->raw_text) && r->canon)
        lint_notice(p, s, r, a);
    rc = p->n_faults ? settle_row(p, s, r, &bad, reterr) : EC_OK;
    if (rc || bad)
        return rc;
    count_company(p, r);
    rc = lint_keys_add(p, r, a, reterr);
    if (!rc)
        rc = lint_refs_child(l->refs, p, r, a, reterr);
    return rc ? rc : lint_refs_parent(l->refs, s, r, a, reterr);
}

static void tick(struct linting *l, const struct map_ctx *m, const char *phase, uint64_t rows)
{
    if (!(rows & 4095))
        progress_update(&l->p->app->out, m->cfg->alias, phase, (int64_t)rows, -1, "");
}

/* What is needed of a good row: its key, its lookups, and what other maps look it up by. */
static void want_some(struct linting *l, struct source *s)
{
    bool *wanted = source_key_fields(s);

    lint_refs_fields(l->refs, s->m, wanted);
    source_some_canonical(s, wanted);
}

/* One source that is gone through: of a map that is checked, or of a parent (p NULL). */
struct scanning {
    struct linting *l;
    struct lint_profile *p;
    struct source *s;
    uint64_t rows;
};

static enum ec scan_row(void *arg, struct source_row *r, struct arena *a, struct err *reterr)
{
    struct scanning *c = arg;
    struct lint_profile *p = c->p;
    enum ec rc = EC_OK;

    p->rows++;
    if (r->verdict == SOURCE_OTHER_COMPANY)
        p->other++;
    else
        rc = one_row(c->l, p, c->s, r, a, reterr);
    p->n_faults = 0; /* those of the next row come while it is read */
    tick(c->l, p->m, "lint", p->rows);
    return rc;
}

static enum ec scan(struct linting *l, struct lint_profile *p, struct source *s, struct err *reterr)
{
    struct scanning c = { .l = l, .p = p, .s = s };

    s->on_fault = on_fault;
    s->fault_arg = p;
    p->n_faults = 0;
    want_some(l, s);
    return source_each(s, scan_row, &c, reterr);
}

/* Companies that F&O has but Dataverse is not ready for: a matter of the environment, not of the row. */
static void check_companies(struct lint_profile *p)
{
    const struct pair *pr = p->m->pair;
    const struct map_ctx *own = pair_map_by_set(p->m->pair, CELL_LIT("cdm_companies"));
    bool made_by_us = own && own->cfg->create_companies;

    for (size_t i = 0; i < p->n_companies && p->m->b->striped && pr->n_companies; i++) {
        const struct lint_company *c = &p->companies[i];
        const struct pair_company *known = pair_company(pr, cell_of(c->code));
        struct lint_fault f = { .severity = LINT_ERROR, .field = CELL_LIT("DATAAREAID"), .value = cell_of(c->code) };

        if (!known || (cell_absent(known->dv_id) && made_by_us))
            continue;
        if (cell_absent(known->dv_id)) {
            f.code = "company_dataverse";
            f.why = "the company has no row in Dataverse's table cdm_company";
        } else if (cell_absent(known->team_id)) {
            f.code = "company_team";
            f.why = "the company's row in Dataverse has no default owning team";
        } else {
            continue;
        }
        profile_add(p, &f, c->rows, c->first_line, CELL_ABSENT);
        p->blocked += c->rows;
    }
}

static enum ec choose_format(struct lint_profile *p, struct err *reterr)
{
    const struct config *cfg = &p->m->pair->app->cfg;
    enum ec rc = package_format(cfg, &p->format, reterr);

    p->or_xml = !rc && p->format.kind == DMF_CSV && !strcmp(cfg->unfit, "xml");
    return rc;
}

static enum ec lint_one(struct linting *l, struct map_ctx *m, struct err *reterr)
{
    struct lint_profile *p = xcalloc(1, sizeof(*p));
    struct source *s = NULL;
    enum ec rc;

    p->m = m;
    p->file = l->file ? l->file : m->cfg->source;
    p->want_samples = l->samples;
    l->profiles[l->n++] = p;
    rc = choose_format(p, reterr);
    if (!rc)
        rc = source_open_file(m, p->file, &s, reterr);
    if (!rc)
        rc = spill_new(l->tmp, &p->keys, reterr);
    if (!rc && l->file && m->cfg->source)
        rc = lint_rest(p, s, reterr);
    if (!rc)
        rc = scan(l, p, s, reterr);
    if (!rc)
        rc = lint_keys_finish(p, reterr);
    if (!rc)
        check_companies(p);
    source_close(s);
    return rc;
}

static enum ec parent_row(void *arg, struct source_row *r, struct arena *a, struct err *reterr)
{
    struct scanning *c = arg;

    tick(c->l, c->s->m, "read keys", ++c->rows);
    return r->verdict == SOURCE_GOOD ? lint_refs_parent(c->l->refs, c->s, r, a, reterr) : EC_OK;
}

/* A parent that is not checked itself: only its keys are wanted. */
static enum ec read_parent(struct linting *l, struct map_ctx *m, struct err *reterr)
{
    struct scanning c = { .l = l };
    enum ec rc = source_open(m, &c.s, reterr);

    if (!rc) {
        want_some(l, c.s);
        rc = source_each(c.s, parent_row, &c, reterr);
    }
    source_close(c.s);
    return rc;
}

static enum ec reject_again(struct linting *l, struct lint_profile *p, const struct source *s,
                            const struct source_row *r, struct arena *a, struct err *reterr)
{
    struct lint_fault f = { .code = "duplicate", .why = "the same key as another row" };

    if (!mask_has(&p->duplicates, r->number) &&
        (r->verdict != SOURCE_GOOD || mask_has(&p->bad, r->number) || !lint_refs_orphan(l->refs, p, r, a, &f)))
        return EC_OK;
    mask_add(&p->bad, r->number);
    return lint_reject_row(p, s, r, &f, 1, reterr);
}

static int by_row(const void *x, const void *y)
{
    const struct lint_place *a = x, *b = y;

    return a->row < b->row ? -1 : a->row > b->row;
}

static enum ec reject_places(struct linting *l, struct lint_profile *p, struct source *s, struct arena *a,
                             struct err *reterr)
{
    enum ec rc = EC_OK;

    if (p->n_places)
        qsort(p->places, p->n_places, sizeof(*p->places), by_row);
    for (size_t i = 0; i < p->n_places && !rc; i++) {
        struct source_row r;
        bool more = false;

        if (i && p->places[i].row == p->places[i - 1].row)
            continue; /* two of its lookups lead nowhere */
        arena_reset(a);
        rc = source_seek(s, p->places[i].row, p->places[i].line, p->places[i].offset, reterr);
        if (!rc)
            rc = source_next(s, a, &r, &more, reterr);
        if (!rc && more)
            rc = reject_again(l, p, s, &r, a, reterr);
    }
    return rc;
}

static enum ec reject_row(void *arg, struct source_row *r, struct arena *a, struct err *reterr)
{
    struct scanning *c = arg;

    tick(c->l, c->p->m, "rejects", r->number);
    return reject_again(c->l, c->p, c->s, r, a, reterr);
}

/* Duplicates and orphans are known only when everything was read: their rows are read again for the reject file. */
static enum ec second_pass(struct linting *l, struct lint_profile *p, struct err *reterr)
{
    struct scanning c = { .l = l, .p = p };
    struct arena a = { 0 };
    size_t n = strlen(p->file);
    bool packed = n > 4 && !strcmp(p->file + n - 4, ".zst"); /* no seeking there */
    enum ec rc = EC_OK;

    if (p->duplicates.set || p->orphan_rows)
        rc = source_open_file(p->m, p->file, &c.s, reterr);
    if (!rc && c.s)
        rc =
            p->everywhere || packed ? source_each(c.s, reject_row, &c, reterr) : reject_places(l, p, c.s, &a, reterr);
    source_close(c.s);
    arena_release(&a);
    return lint_reject_finish(p, rc, reterr);
}

static enum ec lint_maps(struct linting *l, struct err *reterr)
{
    enum ec rc = lint_refs_new(l->p, l->tmp, &l->refs, reterr);

    for (size_t i = 0; !rc && i < l->p->n; i++) {
        struct map_ctx *m = &l->p->maps[i];

        if (m->selected)
            rc = pair_check_rules(m, reterr);
        if (rc)
            break;
        if (m->selected && (m->cfg->source || l->file))
            rc = lint_one(l, m, reterr);
        else if (m->cfg->source && lint_refs_wants_parent(l->refs, m))
            rc = read_parent(l, m, reterr);
    }
    /* A corrected part of a file refers to the rest of it. */
    for (size_t i = 0; !rc && l->file && i < l->p->n; i++)
        if (l->p->maps[i].selected && l->p->maps[i].cfg->source && lint_refs_wants_parent(l->refs, &l->p->maps[i]))
            rc = read_parent(l, &l->p->maps[i], reterr);
    if (!rc)
        rc = lint_refs_resolve(l->refs, l->profiles, l->n, reterr);
    for (size_t i = 0; i < l->n; i++)
        rc = rc ? lint_reject_finish(l->profiles[i], rc, reterr) : second_pass(l, l->profiles[i], reterr);
    progress_clear(&l->p->app->out);
    return rc;
}

static enum ec open_lint(struct app *app, struct linting *l, struct arena *a, struct err *reterr)
{
    unsigned source = option_given(app, "--offline") ? PAIR_CACHED : PAIR_LIVE;
    int64_t samples;
    enum ec rc = option_int(app, "--samples", 3, 0, LINT_MAX_SAMPLES, &samples, reterr);

    l->file = option_value(app, "--rejects");
    if (!rc && l->file && app->opt->n_args != 1) {
        rc = err_set(reterr, EC_USAGE, "--rejects FILE is checked for one map");
        err_hint(reterr, "name the map: dmfsync lint --rejects FILE ALIAS");
    }
    if (!rc)
        rc = pair_open(app, source, 0, &l->p, reterr);
    if (!rc && !option_given(app, "--offline"))
        rc = pair_companies(l->p, reterr);
    if (!rc)
        rc = workspace_folders(&app->ws, reterr);
    if (rc)
        return rc;
    l->samples = (size_t)samples;
    l->tmp = workspace_path(&app->ws, a, ".dmfsync/tmp");
    l->profiles = arena_zalloc(a, (l->p->n + 1) * sizeof(struct lint_profile *));
    return EC_OK;
}

enum ec cmd_lint(struct app *app, struct err *reterr)
{
    struct linting l = { 0 };
    struct arena a = { 0 };
    struct json *list;
    enum ec rc = open_lint(app, &l, &a, reterr);

    if (!rc)
        rc = lint_maps(&l, reterr);
    list = out_array(&app->out, NULL, "maps");
    for (size_t i = 0; i < l.n; i++) {
        if (!rc) {
            lint_print(l.profiles[i], list);
            if (l.profiles[i]->bad.set || l.profiles[i]->blocked)
                out_status(&app->out, EC_ROWS);
        }
        lint_release(l.profiles[i]);
        free(l.profiles[i]);
    }
    if (!rc && !l.n)
        out_line(&app->out, "no map that was named has a source file");
    lint_refs_free(l.refs);
    pair_close(l.p);
    arena_release(&a);
    return rc;
}

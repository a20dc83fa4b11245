/* cmd_lint.c -- profile the source rows: one line per rule with count, share and samples. */
#include "base/clock.h"
#include "loader/loader_commands.h"
#include "loader/public/source.h"
#include "store/leaf.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MAX_RULES = 256, MAX_SAMPLES = 20 };

struct rule {
    char code[40], field[80];
    uint64_t n;
    char *samples[MAX_SAMPLES];
    size_t n_samples;
};
struct profile {
    struct map_ctx *m;
    struct rule rules[MAX_RULES];
    size_t n;
    size_t want_samples;
    uint64_t rows, bad, other;
};

static void add(struct profile *p, const char *code, struct cell field, uint64_t line, struct cell key,
                const char *why, struct cell value)
{
    struct rule *r = NULL;
    char name[80];

    snprintf(name, sizeof(name), CELL_FMT, CELL_ARG(field));
    for (size_t i = 0; i < p->n && !r; i++)
        if (!strcmp(p->rules[i].code, code) && !strcmp(p->rules[i].field, name))
            r = &p->rules[i];
    if (!r) {
        if (p->n == MAX_RULES)
            return;
        r = &p->rules[p->n++];
        snprintf(r->code, sizeof(r->code), "%s", code);
        snprintf(r->field, sizeof(r->field), "%s", name);
    }
    r->n++;
    if (r->n_samples < p->want_samples && r->n_samples < MAX_SAMPLES) {
        struct strbuf b = STRBUF(0);

        strbuf_addf(&b, "line %llu", (unsigned long long)line);
        if (!cell_absent(key))
            strbuf_addf(&b, " (" CELL_FMT ")", CELL_ARG(key));
        strbuf_addf(&b, ": %s", why);
        if (!cell_absent(value))
            strbuf_addf(&b, ": '%.*s'", (int)(value.len > 60 ? 60 : value.len), value.ptr);
        r->samples[r->n_samples++] = strbuf_detach(&b, NULL);
    }
}

static enum ec duplicate(void *arg, const struct leaf_row *kept, const struct leaf_row *other, struct err *reterr)
{
    struct profile *p = arg;
    uint64_t first, second;
    struct arena a = { 0 };

    (void)reterr;
    memcpy(&first, kept->extra.ptr, 8);
    memcpy(&second, other->extra.ptr, 8);
    p->bad++;
    add(p, "duplicate", p->m->b->fields[p->m->b->key[p->m->b->n_key - 1]].name, second,
        bind_key_text(p->m->b, other->cells, &a),
        cell_cstr(&a, cell_printf(&a, "the same key as line %llu", (unsigned long long)first)), CELL_ABSENT);
    arena_release(&a);
    return EC_OK;
}

static enum ec scan(struct profile *p, struct source *s, struct leaf_builder *leaf, struct err *reterr)
{
    struct arena a = { 0 };
    bool more = true;
    enum ec rc = EC_OK;

    while (!rc) {
        struct source_row r;

        arena_reset(&a);
        rc = source_next(s, &a, &r, &more, reterr);
        if (rc || !more)
            break;
        p->rows++;
        if (r.verdict == SOURCE_REJECTED) {
            p->bad++;
            add(p, r.code, r.field, r.line, r.key, r.why, r.value);
        } else if (r.verdict == SOURCE_OTHER_COMPANY) {
            p->other++;
        } else {
            struct leaf_row row = { .key = bind_key_digest(p->m->b, r.canon, &a),
                                    .cells = r.canon,
                                    .extra = { (const char *)&r.line, 8 } };

            rc = leaf_add(leaf, &row, reterr);
        }
        if (!(p->rows & 4095)) {
            progress_update(&p->m->pair->app->out, p->m->cfg->alias, "lint", (int64_t)p->rows, -1, "");
            if (stop_requested())
                rc = err_set(reterr, EC_STOPPED, "stopped while reading '%s'", s->path);
        }
    }
    arena_release(&a);
    return rc;
}

static void print(struct profile *p, const struct source *s, struct json *list)
{
    struct output *out = &p->m->pair->app->out;
    struct json *o = out_object(out, list, NULL), *rules;

    out_str(out, o, "map", p->m->cfg->alias);
    out_str(out, o, "file", s->path);
    out_int(out, o, "rows", (int64_t)p->rows);
    out_int(out, o, "rejected", (int64_t)p->bad);
    out_int(out, o, "other_companies", (int64_t)p->other);
    rules = out_array(out, o, "rules");
    out_line(out, "%s: %llu rows in %s, %llu would be rejected%s", p->m->cfg->alias, (unsigned long long)p->rows,
             p->m->cfg->source, (unsigned long long)p->bad, p->other ? ", some are of companies not listed" : "");
    for (size_t i = 0; i < p->n; i++) {
        struct rule *r = &p->rules[i];
        struct json *ro = out_object(out, rules, NULL), *samples;

        out_str(out, ro, "rule", r->code);
        out_str(out, ro, "field", r->field);
        out_int(out, ro, "rows", (int64_t)r->n);
        samples = out_array(out, ro, "samples");
        out_line(out, "  %-10s %-28s %8llu rows  %6.3f %%", r->code, r->field, (unsigned long long)r->n,
                 100.0 * (double)r->n / (double)p->rows);
        for (size_t k = 0; k < r->n_samples; k++) {
            out_line(out, "      %s", r->samples[k]);
            json_append(samples, json_new(&out->arena, JSON_STRING, cell_dup(&out->arena, cell_of(r->samples[k]))));
            free(r->samples[k]);
        }
    }
}

static enum ec lint_one(struct map_ctx *m, size_t samples, struct json *list, uint64_t *ret_bad, struct err *reterr)
{
    struct profile *p = xcalloc(1, sizeof(*p));
    struct arena a = { 0 };
    struct source *s = NULL;
    struct leaf_builder *leaf = NULL;
    struct leaf_totals t;
    struct leaf_finish_hooks hooks = { .duplicate = duplicate, .arg = p };
    char dir[] = "/tmp/dmfsync-lint.XXXXXX", *path;
    enum ec rc = source_open(m, &s, reterr);

    p->m = m;
    p->want_samples = samples;
    if (rc)
        goto out;
    if (!mkdtemp(dir)) {
        rc = err_set(reterr, EC_IO, "no temporary folder can be made in /tmp");
        goto out;
    }
    path = arena_printf(&a, "%s/keys.db", dir);
    rc = leaf_build(path, dir, -1, m->b->n, &leaf, reterr);
    if (!rc)
        rc = scan(p, s, leaf, reterr);
    if (rc)
        leaf_abandon(leaf);
    else
        rc = leaf_finish(leaf, &hooks, &t, reterr);
    (void)unlink(path);
    (void)rmdir(dir);
    progress_clear(&m->pair->app->out);
    if (!rc)
        print(p, s, list);
    *ret_bad += p->bad;
out:
    source_close(s);
    arena_release(&a);
    free(p);
    return rc;
}

enum ec cmd_lint(struct app *app, struct err *reterr)
{
    unsigned source = option_given(app, "--offline") ? PAIR_CACHED : PAIR_LIVE;
    struct pair *p = NULL;
    struct json *list;
    int64_t samples;
    uint64_t bad = 0;
    enum ec rc = option_int(app, "--samples", 3, 0, MAX_SAMPLES, &samples, reterr);

    if (!rc)
        rc = pair_open(app, source, 0, &p, reterr);
    if (!rc && !option_given(app, "--offline"))
        rc = pair_companies(p, reterr);
    list = out_array(&app->out, NULL, "maps");
    for (size_t i = 0; !rc && i < p->n; i++)
        if (p->maps[i].selected && p->maps[i].cfg->source)
            rc = lint_one(&p->maps[i], (size_t)samples, list, &bad, reterr);
    if (!rc && bad)
        out_status(&app->out, EC_ROWS);
    pair_close(p);
    return rc;
}

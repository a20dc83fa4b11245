/* doctor_dv.c -- Dataverse: privileges on the maps' tables, bypass, and custom logic that our writes meet. */
#include "dv/dv_admin.h"
#include "sync/doctor.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { APPEND = 3, APPEND_TO, VERBS };
static const char *const VERB[VERBS] = { "Create", "Read", "Write", "Append", "AppendTo" };

/* A word of "sync,async,flows". */
static bool bypasses(const struct config *cfg, const char *word)
{
    size_t n = strlen(word);

    for (const char *p = cfg->bypass; p && *p;) {
        size_t len;

        p += strspn(p, " ,");
        len = strcspn(p, " ,");
        if (len == n && !strncmp(p, word, n))
            return true;
        p += len;
    }
    return false;
}

struct rights {
    const struct pair *p;
    bool *has; /* [map * VERBS + verb] */
    bool bypass, plugins, names;
};

static enum ec take_right(void *arg, struct cell name, struct cell id, struct err *reterr)
{
    struct rights *r = arg;

    (void)reterr;
    r->bypass = r->bypass || cell_ieq(id, CELL_LIT(DV_PRIVILEGE_BYPASS_LOGIC));
    r->plugins = r->plugins || cell_ieq(id, CELL_LIT(DV_PRIVILEGE_BYPASS_PLUGINS));
    r->names = r->names || !cell_blank(name);
    for (size_t i = 0; i < r->p->n && name.len > 3; i++)
        for (size_t v = 0; v < VERBS; v++) {
            size_t n = 3 + strlen(VERB[v]);

            if (name.len > n && !strncasecmp(name.ptr + 3, VERB[v], n - 3) &&
                cell_ieq((struct cell){ name.ptr + n, name.len - n },
                         dv_privilege_stem(r->p->maps[i].b->table->logical)))
                r->has[i * VERBS + v] = true;
        }
    return EC_OK;
}

static bool looked_up(const struct pair *p, const struct dv_table *t)
{
    bool companies = cell_is(t->logical, "cdm_company");

    for (size_t i = 0; i < p->n; i++) {
        const struct binding *b = p->maps[i].b;

        if (companies && b->striped)
            return true;
        for (size_t k = 0; k < b->n_lookups; k++)
            if (b->lookups[k].target == t || cell_eq(b->lookups[k].target->logical, t->logical))
                return true;
    }
    return false;
}

/* A row that looks up another one is appended to it: one privilege on each of the two tables. */
static bool needs(const struct pair *p, const struct binding *b, size_t verb)
{
    return verb < APPEND || (verb == APPEND ? b->striped || b->n_lookups : looked_up(p, b->table));
}

static void tables(struct doctor *d, const struct rights *r)
{
    struct arena a = { 0 };

    for (size_t i = 0; i < d->p->n; i++) {
        const struct dv_table *t = d->p->maps[i].b->table;
        struct strbuf lacks = STRBUF(0);
        struct err e = { 0 };
        bool readable = true;

        for (size_t v = 0; v < VERBS && r->names; v++)
            if (!r->has[i * VERBS + v] && needs(d->p, d->p->maps[i].b, v))
                strbuf_addf(&lacks, "%sprv%s" CELL_FMT, lacks.len ? ", " : "", VERB[v],
                            CELL_ARG(dv_privilege_stem(t->logical)));
        if (dv_probe_read(d->app->dv, t, &readable, &e))
            doctor_error(d, "Dataverse privilege", &e);
        else if (!readable || lacks.len)
            doctor_fail(d, EC_AUTH, "Dataverse privilege",
                        arena_printf(&a, "table " CELL_FMT ": lacking privilege%s%s%s", CELL_ARG(t->logical),
                                     lacks.len ? " (" : "", strbuf_str(&lacks), lacks.len ? ")" : ""),
                        "give the application user a security role with these on organisation level");
        strbuf_release(&lacks);
    }
    arena_release(&a);
}

void doctor_privileges(struct doctor *d)
{
    struct arena a = { 0 };
    struct err e = { 0 };
    struct rights r = { .p = d->p, .has = arena_zalloc(&a, (d->p->n + 1) * VERBS) };
    const char *bypass = d->app->cfg.bypass;
    size_t before = d->failed;
    enum ec rc = dv_privileges(d->app->dv, d->user_id, take_right, &r, &e);

    if (rc == EC_NOTFOUND)
        doctor_note(d, "Dataverse privilege", "the user's privileges cannot be read; only reading was tried", NULL);
    else if (rc)
        doctor_error(d, "Dataverse privilege", &e);
    tables(d, &r);
    if ((bypasses(&d->app->cfg, "sync") || bypasses(&d->app->cfg, "async")) && !rc && !r.bypass)
        doctor_fail(d, EC_AUTH, "Dataverse privilege",
                    arena_printf(&a, "bypass = %s needs prvBypassCustomBusinessLogic, which the user lacks", bypass),
                    "an administrator grants it by the API (AddPrivilegesRole, depth Global); or leave bypass empty");
    if (d->failed == before)
        doctor_fine(d, "Dataverse privilege",
                    arena_printf(&a, "the tables of %zu maps can be read%s; bypass %s; the tag needs none", d->p->n,
                                 r.names ? ", created and written" : "", r.bypass ? "allowed" : "not allowed"));
    arena_release(&a);
}

/* ---- custom steps ---- */

struct steps {
    struct strbuf names;
    size_t sync, async;
};

static enum ec take_step(void *arg, const struct dv_step *s, struct err *reterr)
{
    struct steps *st = arg;

    (void)reterr;
    st->sync += s->synchronous;
    st->async += !s->synchronous;
    if (st->names.len < 400)
        strbuf_addf(&st->names, "%s" CELL_FMT "%s", st->names.len ? "; " : "", CELL_ARG(s->name),
                    s->synchronous ? "" : " (asynchronous)");
    return EC_OK;
}

static void steps_of(struct doctor *d, const struct dv_table *t, const char *message, size_t *found)
{
    const struct config *cfg = &d->app->cfg;
    struct arena a = { 0 };
    struct steps st = { .names = STRBUF(0) };
    struct err e = { 0 };
    bool tag = cfg->tag && cfg->tag[0], bypass = bypasses(cfg, "sync");
    const char *text;

    if (dv_custom_steps(d->app->dv, t->logical, message, take_step, &st, &e)) {
        if (e.code != EC_NOTFOUND)
            doctor_error(d, "custom steps", &e);
        goto out;
    }
    *found += st.sync + st.async;
    text = arena_printf(&a, "%s of " CELL_FMT ": %zu synchronous, %zu asynchronous: %s", message,
                        CELL_ARG(t->logical), st.sync, st.async, strbuf_str(&st.names));
    if (st.sync && !tag && !bypass)
        doctor_fail(d, EC_CONFIG, "custom steps", text,
                    "our writes carry no tag and bypass nothing, so this logic runs for each row and may refuse it: "
                    "set tag = "
                    "DualWrite in [dataverse] if it lets tagged writes pass, or bypass = sync");
    else if (st.sync + st.async)
        doctor_note(
            d, "custom steps", text,
            bypass ? "bypass leaves them out"
                   : "it runs for each row and costs time; our writes carry the tag by which it can let them pass; "
                     "bypass = sync leaves it out");
out:
    strbuf_release(&st.names);
    arena_release(&a);
}

void doctor_steps(struct doctor *d)
{
    static const char *const MESSAGES[] = { "Create", "Update", "CreateMultiple", "UpdateMultiple" };
    size_t found = 0, before = d->failed;

    for (size_t i = 0; i < d->p->n; i++)
        for (size_t k = 0; k < COUNT(MESSAGES); k++)
            steps_of(d, d->p->maps[i].b->table, MESSAGES[k], &found);
    if (!found && d->failed == before)
        doctor_fine(d, "custom steps", "none on the maps' tables");
}

#include "sync/merge.h"

struct merging {
    const struct merge_in *in;
    struct merge_out *out;
    struct arena *a;
};

static bool same(const struct binding *b, size_t i, struct cell x, struct cell y)
{
    return canon_equal(&b->fields[i].rule, x, y, NULL);
}

/* Nothing there: also F&O's default of the type, which is what it has for nothing. */
static bool blank(const struct binding *b, size_t i, struct cell x)
{
    return cell_blank(x) || same(b, i, x, CELL_ABSENT);
}

/* Who wins where both sides changed one field to different values. False = nobody: it waits for a person. */
static bool decide(const struct merge_in *in, size_t i, bool *ret_fno_wins, const char **ret_rule)
{
    *ret_fno_wins = in->b->fields[i].master == MASTER_FNO;
    *ret_rule = "master";
    if (in->word) {
        *ret_fno_wins = in->word == WORD_FNO;
        *ret_rule = "resolve";
        return true;
    }
    if (in->rule == MERGE_QUEUE) {
        *ret_rule = "queue";
        return false;
    }
    if (in->rule == MERGE_NEWEST && in->fno_time_ms && in->dv_time_ms) {
        int64_t ahead = in->fno_time_ms - in->dv_time_ms;

        /* Within the clock-skew window the times say nothing: the master decides. */
        if (ahead > in->skew_ms || ahead < -in->skew_ms) {
            *ret_fno_wins = ahead > 0;
            *ret_rule = "newest";
        }
    }
    return true;
}

static void conflict(struct merging *m, size_t i, struct cell base, bool open, bool fno_won, const char *rule)
{
    m->out->conflicts[m->out->n_conflicts++] = (struct merge_conflict){ .field = (int)i,
                                                                        .base = base,
                                                                        .fno = m->in->fno[i],
                                                                        .dv = m->in->dv[i],
                                                                        .open = open,
                                                                        .fno_won = fno_won,
                                                                        .rule = rule };
}

static void take_fno(struct merging *m, size_t i)
{
    m->out->merged[i] = m->in->fno[i];
    m->out->dv_fields[i] = true;
    m->out->to_dv = MERGE_UPDATE;
}

static void take_dv(struct merging *m, size_t i)
{
    m->out->merged[i] = m->in->dv[i];
    m->out->fno_fields[i] = true;
    m->out->to_fno = MERGE_UPDATE;
}

/* One field that both records have; base is absent for two records created independently under one key. */
static void merge_field(struct merging *m, size_t i, bool has_base)
{
    const struct merge_in *in = m->in;
    const struct bound_field *f = &in->b->fields[i];
    struct cell base = has_base ? in->base[i] : CELL_ABSENT;
    bool fno_changed = !has_base || !same(in->b, i, base, in->fno[i]);
    bool dv_changed = !has_base || !same(in->b, i, base, in->dv[i]);
    bool fno_wins = false, blank_fno, blank_dv;
    const char *rule;

    m->out->merged[i] = has_base ? base : in->fno[i];
    if (f->key || !f->compared)
        return;
    if (same(in->b, i, in->fno[i], in->dv[i])) {
        m->out->merged[i] = in->fno[i];
        return;
    }
    if (f->dir == DIR_TO_DV) {
        if (fno_changed || !has_base)
            take_fno(m, i);
        else
            m->out->against = true;
    } else if (f->dir == DIR_TO_FNO) {
        if (dv_changed || !has_base)
            take_dv(m, i);
        else
            m->out->against = true;
    } else if (fno_changed && !dv_changed) {
        take_fno(m, i);
    } else if (dv_changed && !fno_changed) {
        take_dv(m, i);
    } else if (!has_base && (blank_fno = blank(in->b, i, in->fno[i])) != (blank_dv = blank(in->b, i, in->dv[i]))) {
        if (blank_fno)
            take_dv(m, i);
        else
            take_fno(m, i);
    } else if (!decide(in, i, &fno_wins, &rule)) {
        conflict(m, i, base, true, false, rule);
    } else {
        conflict(m, i, base, false, fno_wins, rule);
        if (fno_wins)
            take_fno(m, i);
        else
            take_dv(m, i);
    }
}

static bool unchanged(const struct merge_in *in, const struct cell *row)
{
    for (size_t k = 0; k < in->b->n_compared; k++)
        if (!same(in->b, in->b->compared[k], in->base[in->b->compared[k]], row[in->b->compared[k]]))
            return false;
    return true;
}

static bool flows(const struct binding *b, enum map_dir d)
{
    for (size_t i = 0; i < b->n; i++)
        if (b->fields[i].kind != BOUND_COMPANY && (b->fields[i].dir & d))
            return true;
    return false;
}

/* The record as a whole to the side that lacks it. */
static void create_there(struct merging *m, const struct cell *row, bool to_dv)
{
    struct merge_out *o = m->out;
    bool *fields = to_dv ? o->dv_fields : o->fno_fields;
    enum map_dir dir = to_dv ? DIR_TO_DV : DIR_TO_FNO;

    *(to_dv ? &o->to_dv : &o->to_fno) = MERGE_CREATE;
    for (size_t i = 0; i < m->in->b->n; i++) {
        const struct bound_field *f = &m->in->b->fields[i];

        fields[i] = f->kind == BOUND_COMPANY || f->key || (f->dir & dir);
        /* what does not flow there is as it will be there: not filled */
        o->merged[i] = fields[i] || !f->compared ? row[i] : CELL_ABSENT;
    }
}

static void merge_one_side(struct merging *m)
{
    const struct merge_in *in = m->in;
    struct merge_out *o = m->out;
    bool at_fno = in->fno != NULL;
    const struct cell *row = at_fno ? in->fno : in->dv;
    enum map_dir dir = at_fno ? DIR_TO_DV : DIR_TO_FNO;

    if (!in->base) {
        if (!flows(in->b, dir)) {
            o->why = "created on a side from which nothing flows";
            return;
        }
        create_there(m, row, at_fno);
        o->why = at_fno ? "created in F&O" : "created in Dataverse";
        return;
    }
    if (in->word &&
        (in->word == WORD_FNO) == at_fno) { /* the side that has it is right: it comes back on the other */
        o->by_word = true;
        create_there(m, row, at_fno);
        o->why = "made again, as a person decided";
        return;
    }
    if (in->word || unchanged(in, row)) {
        /* The other side deleted what this side left alone. */
        if (at_fno)
            o->to_fno = MERGE_DELETE;
        else
            o->to_dv = MERGE_DELETE;
        o->merged = NULL;
        o->by_word = in->word != WORD_NONE;
        o->why = at_fno ? "deleted in Dataverse" : "deleted in F&O";
        return;
    }
    o->delete_update = true;
    if (at_fno)
        o->to_fno = MERGE_WAIT;
    else
        o->to_dv = MERGE_WAIT;
    for (size_t i = 0; i < in->b->n; i++)
        o->merged[i] = in->base[i];
    o->why = at_fno ? "deleted in Dataverse, changed in F&O" : "deleted in F&O, changed in Dataverse";
}

void merge_record(const struct merge_in *in, struct arena *a, struct merge_out *ret)
{
    size_t n = in->b->n;
    struct merging m = { .in = in, .out = ret, .a = a };

    *ret = (struct merge_out){
        .fno_fields = arena_zalloc(a, n + 1),
        .dv_fields = arena_zalloc(a, n + 1),
        .merged = arena_zalloc(a, (n + 1) * sizeof(struct cell)),
        .conflicts = arena_zalloc(a, (n + 1) * sizeof(struct merge_conflict)),
        .why = "",
    };
    if (!in->fno && !in->dv) {
        ret->merged = NULL;
        ret->why = "deleted on both sides";
        return;
    }
    if (!in->fno || !in->dv) {
        merge_one_side(&m);
        return;
    }
    for (size_t i = 0; i < n; i++)
        merge_field(&m, i, in->base != NULL);
    if (ret->against)
        ret->why = "a one-way field was changed against its direction";
    else if (ret->n_conflicts)
        ret->why = "both sides changed one field";
}

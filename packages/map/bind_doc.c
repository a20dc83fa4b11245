/*
 * bind_doc.c -- what a map's document shows without any metadata: transforms, constants, doubles, value maps, filters.
 * Codes are those of "Error codes for dual-write and Data Integrator" where the service makes the check, too.
 */
#include "base/nearest.h"
#include "map/bind_parts.h"

/* What a finding calls a field: its F&O name, else its column. */
static struct cell name_of(const struct map_field *f)
{
    return cell_absent(f->source) ? f->destination : f->source;
}

static void check_transform(const struct map_field *f, struct bind_problems *bad)
{
    if (!cell_absent(f->unknown_transform))
        bind_problem(bad, "transform-unknown", f, CELL_FMT ": transform type '" CELL_FMT "' is not known",
                     CELL_ARG(name_of(f)), CELL_ARG(f->unknown_transform));
    if ((cell_absent(f->source) || cell_absent(f->destination)) && !f->has_default)
        bind_problem(bad, cell_absent(f->source) ? "DIPV1021" : "DIPV1024", f,
                     CELL_FMT ": a field without a counterpart needs a default value", CELL_ARG(name_of(f)));
    if (f->n_path > 2 && !cell_absent(f->path[2].target))
        bind_problem(bad, "lookup-polymorphic", f,
                     CELL_FMT ": '" CELL_FMT "' points at rows of several tables, which cannot be paired",
                     CELL_ARG(name_of(f)), CELL_ARG(f->destination));
}

/* ---- value maps ---- */

/* True and False in any spelling, so that "1" and "True" are one value? */
static bool all_bools(const struct map_field *f)
{
    bool b;

    for (size_t i = 0; i < f->n_pairs; i++)
        if (!cell_blank(f->pairs[i].value) && !bind_bool_word(f->pairs[i].value, &b))
            return false;
    return true;
}

static bool same_value(struct cell v, struct cell w, bool bools)
{
    bool a, b;

    return cell_ieq(v, w) || (cell_blank(v) && cell_blank(w)) ||
           (bools && bind_bool_word(v, &a) && bind_bool_word(w, &b) && a == b);
}

/* F&O does not tell "" from blanks, nor upper from lower case. */
static bool same_key(struct cell v, struct cell w)
{
    v = cell_rtrim(v);
    w = cell_rtrim(w);
    return cell_ieq(v, w) || (cell_blank(v) && cell_blank(w));
}

/* One finding per value that several keys give, naming all of them. */
static void check_way_back(const struct map_field *f, bool bools, struct bind_problems *bad)
{
    for (size_t i = 0; i < f->n_pairs; i++) {
        struct cell value = f->pairs[i].value;
        struct strbuf keys = STRBUF(300);
        size_t n = 1;
        bool first = true;

        for (size_t k = 0; k < i && first; k++)
            first = !same_value(f->pairs[k].value, value, bools);
        strbuf_addf(&keys, "'" CELL_FMT "'", CELL_ARG(f->pairs[i].key));
        for (size_t k = i + 1; k < f->n_pairs && first; k++) {
            bool fresh = same_value(f->pairs[k].value, value, bools);

            for (size_t j = i; j < k && fresh; j++)
                fresh = !same_value(f->pairs[j].value, value, bools) || !same_key(f->pairs[j].key, f->pairs[k].key);
            if (fresh) {
                strbuf_addf(&keys, " and '" CELL_FMT "'", CELL_ARG(f->pairs[k].key));
                n++;
            }
        }
        if (first && n > 1)
            bind_problem(bad, "value-map-two-way", f,
                         CELL_FMT ": the two-way value map gives '" CELL_FMT
                                  "' for %s, so the way back is not defined",
                         CELL_ARG(name_of(f)), CELL_ARG(value), strbuf_str(&keys));
        strbuf_release(&keys);
    }
}

static void check_value_map(const struct map_field *f, struct bind_problems *bad)
{
    bool bools = all_bools(f);

    if (!f->n_pairs)
        bind_problem(bad, "value-map-empty", f, CELL_FMT ": the value map is empty", CELL_ARG(name_of(f)));
    for (size_t i = 0; i < f->n_pairs; i++)
        for (size_t k = 0; k < i; k++)
            if (same_key(f->pairs[i].key, f->pairs[k].key) &&
                !same_value(f->pairs[i].value, f->pairs[k].value, bools)) {
                bind_problem(bad, "value-map-twice", f,
                             CELL_FMT ": the value map has '" CELL_FMT "' twice (case does not count)",
                             CELL_ARG(name_of(f)), CELL_ARG(f->pairs[i].key));
                break;
            }
    if (f->dir == DIR_BOTH)
        check_way_back(f, bools, bad);
}

/* ---- doubles ---- */

/* A constant flows to the side that has the field, whatever direction the document gives. */
static bool flows_to_dv(const struct map_field *f)
{
    return !cell_absent(f->destination) && (cell_absent(f->source) || map_dir_to_dv(f->dir));
}

static bool flows_to_fno(const struct map_field *f)
{
    return !cell_absent(f->source) && (cell_absent(f->destination) || map_dir_to_fno(f->dir));
}

/* Two fields that flow into one place: which of them wins would be chance. */
static void check_twice(const struct map_field *x, const struct map_field *y, struct bind_problems *bad)
{
    bool one_source = !cell_absent(x->source) && cell_ieq(x->source, y->source);
    bool one_destination = !cell_absent(x->destination) && cell_ieq(x->destination, y->destination);

    if (one_source && one_destination)
        bind_problem(bad, "DIPV1029", x, CELL_FMT ": the pair with '" CELL_FMT "' stands in fields %zu and %zu",
                     CELL_ARG(x->source), CELL_ARG(x->destination), y->index + 1, x->index + 1);
    else if (one_destination && flows_to_dv(x) && flows_to_dv(y))
        bind_problem(bad, "DIPV1026", x,
                     "Dataverse column '" CELL_FMT "' is filled by two fields of the map (%zu and %zu)",
                     CELL_ARG(x->destination), y->index + 1, x->index + 1);
    else if (one_source && flows_to_fno(x) && flows_to_fno(y))
        bind_problem(bad, "DIPV1023", x, "F&O field '" CELL_FMT "' is filled by two fields of the map (%zu and %zu)",
                     CELL_ARG(x->source), y->index + 1, x->index + 1);
}

void bind_check_document(const struct map *m, struct arena *a, struct filter **ret_xpp, struct filter **ret_odata,
                         struct bind_problems *bad)
{
    struct err e = { 0 };

    for (size_t i = 0; i < m->n; i++) {
        const struct map_field *f = &m->fields[i];

        check_transform(f, bad);
        if (f->has_map && f->n_path == 1 && !cell_absent(f->source))
            check_value_map(f, bad);
        for (size_t k = 0; k < i; k++)
            check_twice(f, &m->fields[k], bad);
    }
    if (filter_parse_xpp(m->source_filter, a, ret_xpp, &e))
        bind_problem(bad, "filter-syntax", NULL, "%s", e.msg);
    if (filter_parse_odata(m->reversed_filter, a, ret_odata, &e))
        bind_problem(bad, "DIPV1012", NULL, "%s", e.msg);
}

/* ---- did you mean ---- */

static const char *phrase(const char *word, const char *const *names, size_t n, struct arena *a)
{
    const char *near = n ? word_nearest(word, names, n) : NULL;

    return near ? arena_printf(a, "; did you mean '%s'?", near) : "";
}

const char *bind_nearest_field(const struct fno_entity *e, struct cell name, struct arena *a)
{
    const char **names = arena_alloc(a, (e->n + 1) * sizeof(*names));

    for (size_t i = 0; i < e->n; i++)
        names[i] = cell_cstr(a, e->fields[i].staging);
    return phrase(cell_cstr(a, name), names, e->n, a);
}

const char *bind_nearest_column(const struct dv_table *t, struct cell name, struct arena *a)
{
    const char **names = arena_alloc(a, (t->n + 1) * sizeof(*names));

    for (size_t i = 0; i < t->n; i++)
        names[i] = cell_cstr(a, t->columns[i].name);
    return phrase(cell_cstr(a, name), names, t->n, a);
}

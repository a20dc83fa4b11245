/* standard_maps.c -- the embedded list of standard maps, its closure and waves. */
#include "map/standard_maps.h"

#include <stdlib.h>

extern const char csv_standard_maps[]; /* made from standard_maps.csv by the Makefile */

enum { N_COLUMNS = 10, MAX_NEEDS = 64 };
enum column { NAME, ENTITY, SET, NEEDS, MAY_NEED, ITSELF, DIRECTION, SCOPE, THREADS, REMARK };

static struct cell cut(struct cell *rest, char at)
{
    const char *end = rest->len ? memchr(rest->ptr, at, rest->len) : NULL;
    struct cell part = { rest->ptr, end ? (size_t)(end - rest->ptr) : rest->len };

    rest->ptr += part.len + (end != NULL);
    rest->len -= part.len + (end != NULL);
    return part;
}

static struct cell trim(struct cell c)
{
    while (c.len && c.ptr[0] == ' ') {
        c.ptr++;
        c.len--;
    }
    return cell_rtrim(c);
}

/* "Customers V3 (accounts)" -> "Customers V3"; a mark in brackets that keeps names apart is no part of the label. */
static struct cell label_of(struct cell name)
{
    struct cell c = name;

    for (size_t i = c.len; i-- > 0;)
        if (c.ptr[i] == '(') {
            c.len = i;
            break;
        }
    c = trim(c);
    if (c.len && c.ptr[c.len - 1] == ']')
        for (size_t i = c.len; i-- > 0;)
            if (c.ptr[i] == '[') {
                c.len = i;
                break;
            }
    return trim(c);
}

static enum ec direction(struct cell c, enum map_dir *ret)
{
    *ret = cell_is(c, "to-dataverse") ? DIR_TO_DV : cell_is(c, "to-fno") ? DIR_TO_FNO : DIR_BOTH;
    return *ret != DIR_BOTH || cell_is(c, "both") ? EC_OK : EC_FORMAT;
}

static enum ec read_line(struct standard_maps *s, struct cell line, struct cell *columns, size_t no,
                         struct err *reterr)
{
    struct standard_map *m = &s->maps[s->n];
    size_t n = 0;

    for (struct cell rest = line; n < N_COLUMNS; n++)
        columns[n] = cut(&rest, ',');
    m->name = columns[NAME];
    m->label = label_of(m->name);
    m->entity = columns[ENTITY];
    m->set = columns[SET];
    m->self = !cell_blank(columns[ITSELF]);
    m->striped = cell_is(columns[SCOPE], "company");
    m->single_threaded = !cell_blank(columns[THREADS]);
    m->retired = cell_is(columns[REMARK], "retired");
    m->skip_initial = cell_is(columns[REMARK], "skip");
    if (cell_blank(m->name) || cell_blank(m->set) || direction(columns[DIRECTION], &m->dir))
        return err_set(reterr, EC_FORMAT, "the list of standard maps: line %zu has no name, set or direction", no);
    s->n++;
    return EC_OK;
}

static enum ec resolve(struct standard_maps *s, struct cell list, uint16_t *needs, size_t *n, struct cell of,
                       struct err *reterr)
{
    while (list.len) {
        struct cell name = trim(cut(&list, ';'));
        size_t k = 0;

        while (k < s->n && !cell_eq(s->maps[k].name, name))
            k++;
        if (k == s->n || *n == MAX_NEEDS)
            return err_set(reterr, EC_FORMAT, "the list of standard maps: '" CELL_FMT "' needs '" CELL_FMT "', %s",
                           CELL_ARG(of), CELL_ARG(name), k == s->n ? "which it does not have" : "one too many");
        needs[(*n)++] = (uint16_t)k;
    }
    return EC_OK;
}

enum ec standard_maps_read_text(const char *text, struct standard_maps *ret, struct err *reterr)
{
    struct standard_maps s = { 0 };
    struct cell rest = cell_of(text), (*columns)[N_COLUMNS];
    size_t lines = 1, no = 0;
    bool header = false;
    enum ec rc = EC_OK;

    for (const char *p = text; *p; p++)
        lines += *p == '\n';
    s.maps = arena_zalloc(&s.arena, lines * sizeof(*s.maps));
    columns = arena_zalloc(&s.arena, lines * sizeof(*columns));
    while (rest.len && !rc) {
        struct cell line = cut(&rest, '\n');

        no++;
        if (cell_blank(line) || line.ptr[0] == '#')
            continue;
        if (header)
            rc = read_line(&s, line, columns[s.n], no, reterr);
        header = true;
    }
    for (size_t i = 0; i < s.n && !rc; i++) {
        struct standard_map *m = &s.maps[i];
        uint16_t needs[MAX_NEEDS];

        rc = resolve(&s, columns[i][NEEDS], needs, &m->n_needs, m->name, reterr);
        m->n_hard = m->n_needs;
        if (!rc)
            rc = resolve(&s, columns[i][MAY_NEED], needs, &m->n_needs, m->name, reterr);
        m->needs = arena_alloc(&s.arena, (m->n_needs + 1) * sizeof(*m->needs));
        memcpy(m->needs, needs, m->n_needs * sizeof(*m->needs));
    }
    if (rc)
        arena_release(&s.arena);
    else
        *ret = s;
    return rc;
}

enum ec standard_maps_read(struct standard_maps *ret, struct err *reterr)
{
    return standard_maps_read_text(csv_standard_maps, ret, reterr);
}

void standard_maps_release(struct standard_maps *s)
{
    arena_release(&s->arena);
    *s = (struct standard_maps){ 0 };
}

/* ---- finding ---- */

static struct cell without_cds(struct cell c)
{
    if (c.len > 4 && cell_ieq((struct cell){ c.ptr, 4 }, CELL_LIT("cds ")))
        return (struct cell){ c.ptr + 4, c.len - 4 };
    return c;
}

static bool contains(struct cell hay, struct cell needle)
{
    for (size_t i = 0; needle.len && i + needle.len <= hay.len; i++)
        if (cell_ieq((struct cell){ hay.ptr + i, needle.len }, needle))
            return true;
    return false;
}

static bool fits(const struct standard_map *m, struct cell text, int how)
{
    switch (how) {
    case 0: return cell_ieq(m->name, text);
    case 1:
        return !m->retired && (cell_ieq(without_cds(m->label), without_cds(text)) ||
                               cell_ieq(without_cds(m->name), without_cds(text)));
    case 2: return !m->retired && (cell_ieq(m->set, text) || cell_ieq(m->entity, text));
    default: return !m->retired && contains(m->name, without_cds(text));
    }
}

static void list_names(const struct standard_maps *s, struct cell text, int how, struct strbuf *out)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n; i++)
        if (fits(&s->maps[i], text, how) && n++ < 8)
            strbuf_addf(out, "%s'" CELL_FMT "'", n > 1 ? ", " : "", CELL_ARG(s->maps[i].name));
    if (n > 8)
        strbuf_addf(out, " and %zu more", n - 8);
}

enum ec standard_map_find(const struct standard_maps *s, const char *text, size_t *ret, struct err *reterr)
{
    struct cell wanted = trim(cell_of(text));
    struct strbuf names = STRBUF(0);
    enum ec rc = EC_OK;

    /* Exact names first, then labels, then sets and entities, and last what a name contains. */
    for (int how = cell_blank(wanted) ? 4 : 0; how < 4; how++) {
        size_t found = 0;

        for (size_t i = 0; i < s->n; i++)
            if (fits(&s->maps[i], wanted, how)) {
                found++;
                *ret = i;
            }
        if (found == 1)
            return EC_OK;
        if (found) {
            list_names(s, wanted, how, &names);
            rc = err_set(reterr, EC_USAGE, "'%s' may be each of %zu standard maps: %s", text, found,
                         strbuf_str(&names));
            strbuf_release(&names);
            return rc;
        }
    }
    err_set(reterr, EC_NOTFOUND, "no standard map is called '%s'", text);
    return err_hint(reterr, "give its name as the dual-write page shows it, its entity set or a part of its name");
}

int standard_map_of(const struct standard_maps *s, struct cell label, struct cell set)
{
    for (size_t i = 0; i < s->n; i++)
        if (cell_ieq(s->maps[i].set, set) && cell_ieq(without_cds(s->maps[i].label), without_cds(label)))
            return (int)i;
    return -1;
}

int standard_map_filling(const struct standard_maps *s, struct cell set)
{
    for (size_t i = 0; i < s->n; i++)
        if (!s->maps[i].retired && cell_ieq(s->maps[i].set, set))
            return (int)i;
    return -1;
}

/* ---- closure and waves ---- */

static size_t n_edges(const struct standard_map *m, bool soft)
{
    return soft ? m->n_needs : m->n_hard;
}

size_t standard_closure(const struct standard_maps *s, bool soft, bool *marked)
{
    size_t added = 0, before;

    do {
        before = added;
        for (size_t i = 0; i < s->n; i++)
            for (size_t k = 0; marked[i] && k < n_edges(&s->maps[i], soft); k++)
                if (!marked[s->maps[i].needs[k]]) {
                    marked[s->maps[i].needs[k]] = true;
                    added++;
                }
    } while (added != before);
    return added;
}

bool standard_waves(const struct standard_maps *s, bool soft, const bool *marked, int *ret_wave, int *ret_n_waves)
{
    size_t left = 0, placed = 1;
    int w = 0;

    for (size_t i = 0; i < s->n; i++) {
        ret_wave[i] = 0;
        left += marked[i];
    }
    while (left && placed) {
        placed = 0;
        w++;
        for (size_t i = 0; i < s->n; i++) {
            bool ready = marked[i] && !ret_wave[i];

            for (size_t k = 0; ready && k < n_edges(&s->maps[i], soft); k++) {
                size_t need = s->maps[i].needs[k];

                ready = !marked[need] || (ret_wave[need] && ret_wave[need] < w);
            }
            if (ready) {
                ret_wave[i] = w;
                placed++;
            }
        }
        left -= placed;
    }
    for (size_t i = 0; i < s->n && left; i++)
        if (marked[i] && !ret_wave[i])
            ret_wave[i] = w;
    *ret_n_waves = w;
    return !left;
}

/* bind_key.c -- the key of a map, by the best evidence there is; a map's JSON carries none. */
#include "map/bind_parts.h"

static bool in_key(const struct binding *b, int field)
{
    for (size_t i = 0; i < b->n_key; i++)
        if (b->key[i] == field)
            return true;
    return false;
}

static void add_to_key(struct binding *b, int field)
{
    if (!in_key(b, field))
        b->key[b->n_key++] = (uint16_t)field;
}

/* "dataAreaId,CustomerAccount" */
static bool from_settings(struct binding *b, const char *key, struct bind_problems *bad)
{
    const char *p = key;

    if (b->striped) /* always first, named or not */
        add_to_key(b, 0);
    while (*p) {
        size_t n = strcspn(p, ",");
        struct cell name = { p, n };
        int i;

        while (name.len && *name.ptr == ' ') {
            name.ptr++;
            name.len--;
        }
        name = cell_rtrim(name);
        i = binding_field(b, name);
        if (i < 0 && !(cell_ieq(name, CELL_LIT("dataAreaId")) && !b->striped))
            bind_problem(bad, "key-setting", NULL, "key = %s names '" CELL_FMT "', which the map does not have", key,
                         CELL_ARG(name));
        else if (i >= 0)
            add_to_key(b, i);
        p += n;
        p += *p == ',';
    }
    b->key_evidence = CELL_LIT("settings");
    return true;
}

/* The bound field that fills a column of an alternate key; -1 = the map does not have it. */
static int field_of_column(const struct binding *b, struct cell column)
{
    if (b->striped && cell_ieq(column, b->table->company->name))
        return 0;
    for (size_t i = 0; i < b->n; i++)
        if (b->fields[i].kind == BOUND_PLAIN && b->fields[i].c && cell_ieq(b->fields[i].c->name, column))
            return (int)i;
    return -1;
}

/* Field that carries one key field of the F&O entity, whatever its kind. */
static int field_of_fno_key(const struct binding *b, const struct fno_field *f)
{
    for (size_t i = 0; i < b->n; i++)
        if (b->fields[i].f == f && b->fields[i].kind != BOUND_CONST_FNO)
            return (int)i;
    return -1;
}

/* Are F&O's key and the one chosen the same set of fields? */
static bool agrees_with_fno(const struct binding *b)
{
    size_t fno = b->striped;

    for (size_t i = 0; i < b->entity->n; i++) {
        const struct fno_field *f = &b->entity->fields[i];
        int at = f->key ? field_of_fno_key(b, f) : -1;

        if (f->key && (at < 0 || !in_key(b, at)))
            return false;
        fno += f->key;
    }
    return fno == b->n_key;
}

/* One whose fields are F&O's key where there is such a one, else the first: the caller's check then says what is wrong. */
static bool from_alternate_key(struct binding *b)
{
    for (int any = 0; any < 2; any++)
        for (size_t k = 0; k < b->table->n_keys; k++) {
            const struct dv_key *key = &b->table->keys[k];
            bool all = key->active && key->n;

            for (size_t c = 0; c < key->n && all; c++)
                all = field_of_column(b, key->columns[c]) >= 0;
            if (!all)
                continue;
            b->n_key = 0;
            if (b->striped)
                add_to_key(b, 0);
            for (size_t c = 0; c < key->n; c++)
                add_to_key(b, field_of_column(b, key->columns[c]));
            if (!any && !agrees_with_fno(b))
                continue;
            b->key_evidence = cell_printf(&b->arena, "alternate key " CELL_FMT, CELL_ARG(key->name));
            return true;
        }
    b->n_key = 0;
    return false;
}

static bool from_fno_key(struct binding *b)
{
    size_t before = b->n_key;

    if (b->striped)
        add_to_key(b, 0);
    for (size_t i = 0; i < b->entity->n; i++)
        if (b->entity->fields[i].key) {
            int at = field_of_fno_key(b, &b->entity->fields[i]);

            if (at < 0) {
                b->n_key = before;
                return false;
            }
            add_to_key(b, at);
        }
    b->key_evidence = CELL_LIT("key of the F&O entity");
    return b->n_key > (size_t)b->striped;
}

/* Both sides must mean the same record: F&O's key and ours are the same set of fields. */
static void same_set(struct binding *b, struct bind_problems *bad)
{
    size_t fno = b->striped, before = bad->n;

    for (size_t i = 0; i < b->entity->n; i++) {
        const struct fno_field *f = &b->entity->fields[i];
        int at = f->key ? field_of_fno_key(b, f) : -1;

        if (!f->key)
            continue;
        fno++;
        if (at < 0)
            bind_problem(bad, "DIPV1014", NULL,
                         "the F&O key field " CELL_FMT " is not mapped, so rows of both sides cannot be paired",
                         CELL_ARG(f->staging));
        else if (!in_key(b, at))
            bind_problem(bad, "key-differs", NULL, "F&O's key has " CELL_FMT ", the key by %.*s has not",
                         CELL_ARG(f->staging), CELL_ARG(b->key_evidence));
    }
    if (bad->n == before && fno != b->n_key)
        bind_problem(bad, "key-differs", NULL, "the key by %.*s has %zu fields, F&O's has %zu",
                     CELL_ARG(b->key_evidence), b->n_key, fno);
}

void bind_choose_key(struct binding *b, const struct bind_settings *set, struct bind_problems *bad)
{
    bool two_way = false;
    size_t before = bad->n;

    b->key = arena_zalloc(&b->arena, (b->n + 1) * sizeof(*b->key));
    if (set->key && set->key[0])
        from_settings(b, set->key, bad);
    else if (!from_alternate_key(b) && !from_fno_key(b))
        bind_problem(bad, "DIPV1014", NULL,
                     "no key: no active alternate key is mapped and F&O's key is not mapped either; set key = in "
                     "[map." CELL_FMT "]",
                     CELL_ARG(b->alias));
    if (bad->n > before)
        return;
    same_set(b, bad);
    for (size_t i = 0; i < b->n; i++)
        two_way = two_way || (b->fields[i].kind != BOUND_COMPANY && b->fields[i].dir == DIR_BOTH);
    for (size_t i = 0; i < b->n_key; i++) {
        struct bound_field *f = &b->fields[b->key[i]];

        f->key = true;
        if (two_way && f->dir != DIR_BOTH)
            bind_problem(bad, "DIPV1004", f->mf, "key field " CELL_FMT " is one-way in a two-way map",
                         CELL_ARG(f->name));
        if (f->rule.type == CANON_TEXT)
            f->rule.type = CANON_KEY;
        if (f->kind == BOUND_VALUEMAP)
            bind_problem(bad, "key-value-map", f->mf,
                         "key field " CELL_FMT " has a value map, which a key must not have", CELL_ARG(f->name));
    }
    /* Rows can be addressed by an alternate key of exactly these columns: one without the company would hit another's row. */
    for (size_t k = 0; k < b->table->n_keys && !b->alternate_key; k++) {
        const struct dv_key *key = &b->table->keys[k];
        bool all = key->active && key->n == b->n_key;

        for (size_t c = 0; c < key->n && all; c++)
            all = field_of_column(b, key->columns[c]) >= 0 && in_key(b, field_of_column(b, key->columns[c]));
        if (all)
            b->alternate_key = key;
    }
}

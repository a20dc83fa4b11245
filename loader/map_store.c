/* map_store.c -- one map into its file. */
#include "loader/map_store.h"

#include "base/file.h"

#include <sys/stat.h>

enum { MAX_BESIDE = 64 << 20, MAX_OLD = 64 << 20 };

const char *map_stored_word(enum map_stored s)
{
    static const char *const WORDS[] = { [MAP_WRITTEN] = "written",
                                         [MAP_UNCHANGED] = "unchanged",
                                         [MAP_KEPT] = "kept (same content, other layout)",
                                         [MAP_REPLACED] = "replaced",
                                         [MAP_DIFFERS] = "differs, not written",
                                         [MAP_OTHER] = "the file holds another map, not written" };

    return WORDS[s];
}

/* maps/x.json -> maps/x.source.json */
static char *beside_path(const char *path, struct arena *a)
{
    size_t n = strlen(path);

    if (n > 5 && !strcmp(path + n - 5, ".json"))
        n -= 5;
    return arena_printf(a, "%.*s.source.json", (int)n, path);
}

/* Written when it says something new; failing to compare is no reason not to write. */
static enum ec write_beside(const char *path, const struct json *beside, struct err *reterr)
{
    struct arena a = { 0 };
    struct strbuf text = STRBUF(0), old = STRBUF(0);
    const char *to = beside_path(path, &a);
    enum ec rc = EC_OK;

    json_write_pretty(&text, beside);
    if (file_read(to, MAX_BESIDE, &old, NULL) || old.len != text.len || memcmp(old.buf, text.buf, text.len) != 0)
        rc = file_write_atomic(to, text.buf, text.len, 0644, reterr);
    strbuf_release(&text);
    strbuf_release(&old);
    arena_release(&a);
    return rc;
}

static void unreadable(struct map_diff *d, const struct err *e)
{
    d->rows = xcalloc(1, sizeof(*d->rows));
    d->cap = d->n = 1;
    d->rows[0] = (struct map_diff_row){ .sign = MAP_DIFF_CHANGED,
                                        .place = CELL_LIT("file"),
                                        .what = CELL_LIT("is no map"),
                                        .a = cell_of(arena_strdup(&d->arena, e->msg)),
                                        .b = CELL_LIT("a map") };
}

/* What the file has against the new text. */
static enum ec compare_file(const char *path, const struct map *m, const struct strbuf *text, enum map_stored *ret,
                            struct map_diff *ret_diff, struct err *reterr)
{
    struct strbuf old = STRBUF(0);
    struct map *there = NULL;
    struct err e = { 0 };
    enum ec rc = file_read(path, MAX_OLD, &old, reterr);

    if (rc == EC_NOTFOUND) {
        *ret = MAP_WRITTEN;
        rc = EC_OK;
    } else if (!rc && old.len == text->len && !memcmp(old.buf, text->buf, old.len)) {
        *ret = MAP_UNCHANGED;
    } else if (!rc && map_read_text(path, strbuf_str(&old), old.len, &there, &e)) {
        *ret = MAP_DIFFERS;
        unreadable(ret_diff, &e);
    } else if (!rc) {
        map_diff(there, m, ret_diff);
        *ret = ret_diff->n ? MAP_DIFFERS : MAP_KEPT;
        if (!cell_ieq(there->label, m->label) || !cell_ieq(there->set, m->set))
            *ret = MAP_OTHER;
    }
    map_free(there);
    strbuf_release(&old);
    return rc;
}

/* Of the workspace's section for this map, else the map's own. */
static const char *file_of(struct app *app, const struct map *m, struct arena *a)
{
    const struct config_map *cfg = config_map_find(&app->cfg, cell_cstr(a, m->name));

    return cfg && cfg->file ? cfg->file : arena_printf(a, "maps/%s.json", map_stem(m, a));
}

static enum ec make_folder(const char *path, struct err *reterr)
{
    struct arena a = { 0 };
    char *dir = arena_strdup(&a, path), *slash = strrchr(dir, '/');
    enum ec rc = EC_OK;

    if (slash && slash > dir) {
        *slash = 0;
        rc = dir_make(dir, 0755, reterr);
    }
    arena_release(&a);
    return rc;
}

enum ec map_store(struct app *app, const struct map *m, const struct json *beside, bool replace, enum map_stored *ret,
                  struct cell *ret_file, struct map_diff *ret_diff, struct err *reterr)
{
    struct arena a = { 0 };
    struct strbuf text = STRBUF(0);
    const char *file = file_of(app, m, &a), *path = workspace_path(&app->ws, &a, "%s", file);
    enum ec rc;

    *ret_diff = (struct map_diff){ 0 };
    *ret_file = cell_of(arena_strdup(&app->out.arena, file));
    map_write_text(m, &text);
    rc = compare_file(path, m, &text, ret, ret_diff, reterr);
    if (!rc && (*ret == MAP_DIFFERS || *ret == MAP_KEPT) && replace)
        *ret = MAP_REPLACED;
    if (!rc && (*ret == MAP_WRITTEN || *ret == MAP_REPLACED)) {
        struct stat was;
        bool had = !stat(path, &was);

        rc = make_folder(path, reterr);
        if (!rc)
            rc = file_write_atomic(path, text.buf, text.len, 0644, reterr);
        if (!rc && had) /* others who could read the file still can */
            (void)chmod(path, was.st_mode & 0777);
    }
    if (!rc && *ret != MAP_DIFFERS && *ret != MAP_OTHER && beside)
        rc = write_beside(path, beside, reterr);
    if (rc)
        map_diff_release(ret_diff);
    strbuf_release(&text);
    arena_release(&a);
    return rc;
}

struct cell map_stored_version(const char *path, struct arena *a)
{
    const struct json_limits limits = { .octets = MAX_BESIDE };
    struct strbuf text = STRBUF(0);
    struct arena scratch = { 0 };
    struct json *v = NULL;
    struct cell c = CELL_ABSENT;

    if (!file_read(beside_path(path, &scratch), MAX_BESIDE, &text, NULL) &&
        !json_parse("source", strbuf_str(&text), text.len, &limits, &scratch, &v, NULL)) {
        c = json_member(json_iget(v, "row"), "msdyn_version");
        if (cell_absent(c))
            c = json_member(json_iget(v, "project"), "msdyn_version");
        c = cell_dup(a, c);
    }
    strbuf_release(&text);
    arena_release(&scratch);
    return c;
}

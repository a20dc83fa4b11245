/* map_sections.c -- the sections [map.ALIAS] that an imported map needs in dmfsync.ini: proposed, or appended on request. */
#include "loader/map_store.h"

#include "base/file.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_SETTINGS = 4 << 20, MAX_ALIAS = 32 };

extern char **environ;

/* "customers_v3": what an alias may hold. */
static char *alias_of(const struct map *m, struct arena *a)
{
    struct strbuf b = STRBUF(0);
    char *s;

    for (size_t i = 0; i < m->label.len && b.len < MAX_ALIAS - 3; i++) {
        char c = m->label.ptr[i];

        if (c >= 'A' && c <= 'Z')
            c = (char)(c + 32);
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
            strbuf_addc(&b, c);
        else if (b.len && b.buf[b.len - 1] != '_')
            strbuf_addc(&b, '_');
    }
    while (b.len && b.buf[b.len - 1] == '_')
        b.buf[--b.len] = 0;
    if (!b.len)
        strbuf_adds(&b, "map");
    s = arena_strdup(a, b.buf);
    strbuf_release(&b);
    return s;
}

static bool section_has(const struct strbuf *sections, const char *alias)
{
    struct strbuf line = STRBUF(0);
    bool yes;

    strbuf_addf(&line, "[map.%s]", alias);
    yes = strstr(strbuf_str(sections), line.buf) != NULL;
    strbuf_release(&line);
    return yes;
}

void map_section_add(struct app *app, const struct map *m, struct cell file, struct strbuf *sections)
{
    struct arena a = { 0 };
    const char *base = alias_of(m, &a), *alias = base;
    bool quote;

    if (config_map_find(&app->cfg, cell_cstr(&a, m->name)) || config_map_find(&app->cfg, map_stem(m, &a))) {
        arena_release(&a);
        return;
    }
    for (int k = 2; config_map_find(&app->cfg, alias) || section_has(sections, alias); k++)
        alias = arena_printf(&a, "%s_%d", base, k);
    quote = memchr(m->name.ptr, ';', m->name.len) || memchr(m->name.ptr, '#', m->name.len) || m->name.ptr[0] == '"';
    strbuf_addf(sections, "[map.%s]\nname = %s%.*s%s\nfile = %.*s\n", alias, quote ? "\"" : "", (int)m->name.len,
                m->name.ptr, quote ? "\"" : "", (int)file.len, file.ptr);
    arena_release(&a);
}

/* Appends the sections; what comes out must be settings that can be read, else the file stays as it was. */
static enum ec append_sections(struct app *app, const struct strbuf *sections, struct err *reterr)
{
    struct arena a = { 0 };
    struct strbuf text = STRBUF(0);
    struct config probe = { 0 };
    struct stat was;
    const char *path = app->cfg.path, *part = arena_printf(&a, "%s.new", path);
    enum ec rc = file_read(path, MAX_SETTINGS, &text, reterr);

    if (!rc) {
        if (text.len && text.buf[text.len - 1] != '\n')
            strbuf_addc(&text, '\n');
        strbuf_add(&text, sections->buf, sections->len);
        rc = file_write_atomic(part, text.buf, text.len, 0644, reterr);
    }
    if (!rc)
        rc = config_read(part, environ, &probe, reterr);
    config_release(&probe);
    if (!rc && !stat(path, &was)) /* the umask of a workspace is for what we make, not for the user's file */
        (void)chmod(part, was.st_mode & 0777);
    if (!rc)
        rc = file_publish(part, path, reterr);
    else
        (void)remove(part);
    strbuf_release(&text);
    arena_release(&a);
    return rc;
}

enum ec map_sections_tell(struct app *app, const struct strbuf *sections, struct err *reterr)
{
    enum ec rc = EC_OK;

    out_str(&app->out, NULL, "sections", strbuf_str(sections));
    out_bool(&app->out, NULL, "added", false);
    if (!sections->len)
        return EC_OK;
    if (option_given(app, "--add")) {
        rc = append_sections(app, sections, reterr);
        if (!rc) {
            out_bool(&app->out, NULL, "added", true);
            out_line(&app->out, "Added to dmfsync.ini:");
        }
    } else {
        out_line(&app->out, "For dmfsync.ini (--add appends it):");
    }
    if (!rc)
        out_line(&app->out, "%.*s", (int)(sections->len - 1), sections->buf);
    return rc;
}

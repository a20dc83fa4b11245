/*
 * Settings from the environment: DMFSYNC_<SECTION>_<KEY>. Names of sections and keys may have underscores in them, so
 * the variables are made from the sections and keys that exist and looked up, never taken apart.
 */
#include "cli/config_parts.h"

#include <stdlib.h>

static char *variable_name(struct arena *a, const char *section, const char *key)
{
    char *v = arena_printf(a, "DMFSYNC_%s_%s", section, key);

    for (char *p = v; *p; p++) {
        if (*p >= 'a' && *p <= 'z')
            *p = (char)(*p - 32);
        else if (!((*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9')))
            *p = '_';
    }
    return v;
}

static const char *variable(char *const *env, const char *name, bool *seen)
{
    size_t n = strlen(name);

    for (size_t i = 0; env && env[i]; i++)
        if (!strncmp(env[i], name, n) && env[i][n] == '=') {
            seen[i] = true;
            return env[i] + n + 1;
        }
    return NULL;
}

static void put(struct settings *s, const char *section, const char *key, const char *value, const char *name)
{
    struct setting *x = settings_find(s, section, key);

    if (x) {
        x->value = value;
        x->env = name;
    } else {
        settings_add(s, section, arena_strdup(s->arena, key), value, 0, name);
    }
}

static void overlay(struct settings *s, const char *section, char *const *env, bool *seen)
{
    const char *kind = config_section_kind(section);
    size_t n = s->n; /* what put() appends need not be looked at again */

    if (!kind)
        return; /* an unknown section is reported when the settings are taken */
    for (size_t i = 0; i < CONFIG_N_KEYS; i++) {
        const char *name, *value;

        if (strcmp(CONFIG_KEYS[i].section, kind) || CONFIG_KEYS[i].kind == KEY_PAIRS)
            continue;
        name = variable_name(s->arena, section, CONFIG_KEYS[i].name);
        value = variable(env, name, seen);
        if (value)
            put(s, section, CONFIG_KEYS[i].name, arena_strdup(s->arena, value), name);
    }
    /* columns.X, const.X, master.X and compare.X: what the file has; a header cannot be made out of a variable's name. */
    for (size_t i = 0; i < n; i++) {
        const char *name, *value;

        if (strcmp(s->v[i].section, section) || !strchr(s->v[i].name, '.'))
            continue;
        name = variable_name(s->arena, section, s->v[i].name);
        value = variable(env, name, seen);
        if (value)
            put(s, section, s->v[i].name, arena_strdup(s->arena, value), name);
    }
}

/* A variable that looks like a setting and is none: the typo must not silently mean the default. */
static enum ec check_unseen(struct settings *s, char *const *env, const bool *seen, struct err *reterr)
{
    for (size_t i = 0; env && env[i]; i++) {
        const char *kind = NULL, *section = NULL, *best;
        const char *words[64];
        size_t n = 0, prefix = 0;
        char *name;

        if (seen[i] || strncmp(env[i], "DMFSYNC_", 8))
            continue;
        name = arena_dup(s->arena, env[i], strcspn(env[i], "="));
        for (size_t k = 0; k < s->n_sections && !section; k++) {
            char *p = variable_name(s->arena, s->sections[k].name, "");

            if (!strncmp(name, p, strlen(p))) {
                section = s->sections[k].name;
                kind = config_section_kind(section);
                prefix = strlen(p);
            }
        }
        for (size_t k = 0; k < CONFIG_N_KEYS && !section; k++) {
            char *p = variable_name(s->arena, CONFIG_KEYS[k].section, "");

            /* A map or credential of another workspace is not this one's business. */
            if (!strcmp(CONFIG_KEYS[k].section, "map") || !strcmp(CONFIG_KEYS[k].section, "credential"))
                continue;
            if (!strncmp(name, p, strlen(p))) {
                section = kind = CONFIG_KEYS[k].section;
                prefix = strlen(p);
            }
        }
        if (!section || !kind)
            continue;
        for (size_t k = 0; k < CONFIG_N_KEYS && n + 1 < COUNT(words); k++)
            if (!strcmp(CONFIG_KEYS[k].section, kind) && CONFIG_KEYS[k].kind != KEY_PAIRS)
                words[n++] = variable_name(s->arena, section, CONFIG_KEYS[k].name) + prefix;
        best = nearest_word(name + prefix, words, n);
        err_set(reterr, EC_CONFIG, "environment variable %s: [%s] has no such setting", name, section);
        if (best)
            err_hint(reterr, "did you mean %.*s%s?", (int)prefix, name, best);
        return EC_CONFIG;
    }
    return EC_OK;
}

enum ec settings_environment(struct settings *s, char *const *environ_, struct err *reterr)
{
    size_t n = 0;
    bool *seen;
    enum ec rc;

    while (environ_ && environ_[n])
        n++;
    seen = xcalloc(n + 1, sizeof(*seen));
    for (size_t i = 0; i < CONFIG_N_KEYS; i++)
        if (i == 0 || strcmp(CONFIG_KEYS[i].section, CONFIG_KEYS[i - 1].section))
            if (strcmp(CONFIG_KEYS[i].section, "map") && strcmp(CONFIG_KEYS[i].section, "credential"))
                overlay(s, CONFIG_KEYS[i].section, environ_, seen);
    for (size_t i = 0; i < s->n_sections; i++)
        if (!strncmp(s->sections[i].name, "map.", 4) || !strncmp(s->sections[i].name, "credential.", 11))
            overlay(s, s->sections[i].name, environ_, seen);
    rc = check_unseen(s, environ_, seen, reterr);
    free(seen);
    return rc;
}

/*
 * Knobs: the points at which real environments may differ, and the emulator's measures of time and size.
 *
 * Those that stand for an uncertainty about the services can be flipped together: a client that holds for the
 * defaults, for everything flipped and for random mixes does not depend on a guess.
 */
#include "emu_store.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    int64_t dflt;
    const char *what;
} KNOBS[] = {
#define X(name, def, what) { #name, def, what },
    EMU_KNOBS(X)
#undef X
};

/* Knobs that are no yes or no: the values they may take besides the default. */
static const struct {
    enum emu_knob k;
    int64_t other[2];
    size_t n;
} VARIANTS[] = {
    { KNOB_fno_key_files_layout, { 1, 2 }, 2 },
    { KNOB_fno_recordid_separator, { ';', '~' }, 2 },
};

/*
 * The uncertainties come first in the list and end before the first measure. A plug-in that throws is no uncertainty
 * but a customization that a tenant has or has not.
 */
static bool flips(enum emu_knob k)
{
    return k < KNOB_token_expires_s && k != KNOB_dv_plugin_throws_untagged;
}

void emu_knobs_default(struct emu *e)
{
    for (size_t k = 0; k < KNOB_COUNT; k++)
        e->knobs[k] = KNOBS[k].dflt;
}

bool emu_knob_set(struct emu *e, const char *name, int64_t value)
{
    for (size_t k = 0; k < KNOB_COUNT; k++)
        if (!strcmp(KNOBS[k].name, name)) {
            e->knobs[k] = value;
            if (k == KNOB_time_scale && e->store)
                emu_clock_scale(e, value);
            return true;
        }
    return false;
}

static void flip_one(struct emu *e, enum emu_knob k, uint64_t draw)
{
    for (size_t i = 0; i < COUNT(VARIANTS); i++)
        if (VARIANTS[i].k == k) {
            e->knobs[k] = VARIANTS[i].other[draw % VARIANTS[i].n];
            return;
        }
    e->knobs[k] = !KNOBS[k].dflt;
}

bool emu_knobs_flip(struct emu *e, const char *how)
{
    uint64_t state;
    char *end;

    if (!strcmp(how, "all")) {
        for (enum emu_knob k = 0; k < KNOB_COUNT; k++)
            if (flips(k))
                flip_one(e, k, 0);
        return true;
    }
    if (strncmp(how, "mix:", 4) != 0 || how[4] < '0' || how[4] > '9')
        return false;
    state = strtoull(how + 4, &end, 10);
    if (*end)
        return false;
    for (enum emu_knob k = 0; k < KNOB_COUNT; k++) { /* splitmix64 */
        uint64_t z = (state += 0x9e3779b97f4a7c15ULL);

        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
        z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
        z ^= z >> 31;
        if (flips(k) && z & 1)
            flip_one(e, k, z >> 8);
    }
    return true;
}

void emu_knobs_json(const struct emu *e, struct strbuf *out)
{
    strbuf_addc(out, '{');
    for (size_t k = 0; k < KNOB_COUNT; k++)
        strbuf_addf(out, "%s\"%s\":%" PRId64, k ? "," : "", KNOBS[k].name, e->knobs[k]);
    strbuf_addc(out, '}');
}

void emu_knobs_help(struct strbuf *out)
{
    for (size_t k = 0; k < KNOB_COUNT; k++)
        strbuf_addf(out, "  %-32s %-8" PRId64 " %s\n", KNOBS[k].name, KNOBS[k].dflt, KNOBS[k].what);
}

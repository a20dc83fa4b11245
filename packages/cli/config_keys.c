/* The one table of settings: reading, environment, suggestions and the tests of the template all go by it. */
#include "cli/config_parts.h"

#define TOP(sec, key, k, member) { .section = sec, .name = key, .kind = k, .at = offsetof(struct config, member) }
#define NUM(sec, key, k, member, lo, hi)                                                                             \
    { .section = sec, .name = key, .kind = k, .at = offsetof(struct config, member), .min = lo, .max = hi }
#define PICK(sec, key, k, member, list)                                                                              \
    { .section = sec, .name = key, .kind = k, .at = offsetof(struct config, member), .choices = list }
#define MAPK(key, k, member) { .section = "map", .name = key, .kind = k, .at = offsetof(struct config_map, member) }
#define MAPPICK(key, k, member, list)                                                                                \
    { .section = "map", .name = key, .kind = k, .at = offsetof(struct config_map, member), .choices = list }
#define MAPLIST(key, k, member, count)                                                                               \
    { .section = "map",                                                                                              \
      .name = key,                                                                                                   \
      .kind = k,                                                                                                     \
      .at = offsetof(struct config_map, member),                                                                     \
      .count_at = offsetof(struct config_map, count) }
#define USERK(sec, key, k, member)                                                                                   \
    { .section = sec, .name = key, .kind = k, .at = offsetof(struct config_user, member) }
#define SIDE(sec)                                                                                                    \
    TOP(sec, "url", KEY_URL, sec.url), TOP(sec, "tenant", KEY_TEXT, sec.tenant),                                     \
        TOP(sec, "authority", KEY_URL, sec.authority), USERK(sec, "client_id", KEY_TEXT, client_id),                 \
        USERK(sec, "client_secret_file", KEY_PATH, secret_file),                                                     \
        USERK(sec, "client_secret_command", KEY_TEXT, secret_command),                                               \
        USERK(sec, "certificate_file", KEY_PATH, certificate_file), USERK(sec, "client_secret", KEY_SECRET, secret), \
        TOP(sec, "credentials", KEY_USERS, sec.users)

enum { YEAR_MS_FITS = 0 };
#define DAY_MS INT64_C(86400000)
#define fno_side fno

const struct key_def CONFIG_KEYS[] = {
    SIDE("fno"),
};

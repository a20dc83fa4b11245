#include "loader/public/catalog.h"

extern const char sql_catalog[];
extern const char sql_map_state[];
extern const char sql_map_state_2[];

static const char *const CATALOG_STEPS[] = { sql_catalog };
static const char *const STATE_STEPS[] = { sql_map_state, sql_map_state_2 };

const struct store_schema CATALOG_SCHEMA = { .application_id = 0x646d6677 /* "dmfw" */,
                                             .version = 1,
                                             .steps = CATALOG_STEPS };
const struct store_schema STATE_SCHEMA = { .application_id = 0x646d6673 /* "dmfs" */,
                                           .version = 2,
                                           .steps = STATE_STEPS };

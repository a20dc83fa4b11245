/*
 * schema.h -- what both sides say about their data: F&O entities and Dataverse tables.
 * Layer: map (filled by erp/ and dv/ from live metadata, or from the workspace's cache, so that checks work offline).
 * Everything lives in the arena of the schema. Sources: F&O "/Metadata" (PublicEntities, DataEntities,
 * PublicEnumerations); Dataverse Web API "Query table definitions".
 */
#ifndef MAP_SCHEMA_H
#define MAP_SCHEMA_H

#include "data/canon.h"
#include "data/json.h"

enum fno_type { FNO_STRING, FNO_ENUM, FNO_REAL, FNO_INT, FNO_INT64, FNO_DATE, FNO_UTCDATETIME, FNO_GUID, FNO_OTHER };
struct fno_enum {
    struct cell name;
    struct cell *members; /* element names in order of value; members[0] is the default */
    struct cell *labels; /* text per member, absent where the service gave none */
    int64_t *values;
    size_t n;
};
struct fno_field {
    struct cell property; /* public name, e.g. CustomerAccount */
    struct cell staging; /* upper case, e.g. CUSTOMERACCOUNT */
    enum fno_type type;
    const struct fno_enum *en; /* FNO_ENUM */
    bool key, mandatory;
    bool edit, create; /* both false: computed, virtual or locked, F&O takes no value for it */
    int64_t max_length; /* characters, 0 = unknown: the public metadata does not tell */
};
struct fno_entity {
    struct cell label; /* DMF and map name: Customers V3 */
    struct cell aot; /* CustCustomerV3Entity */
    struct cell public_name; /* CustomerV3 */
    struct cell set; /* CustomersV3 */
    bool shared; /* no dataAreaId: not company-striped */
    bool read_only, on_odata, on_dmf;
    struct fno_field *fields; /* without dataAreaId */
    size_t n;
};
enum dv_type {
    DV_STRING,
    DV_MEMO,
    DV_INTEGER,
    DV_BIGINT,
    DV_DECIMAL,
    DV_DOUBLE,
    DV_MONEY,
    DV_BOOLEAN,
    DV_PICKLIST,
    DV_MULTI,
    DV_STATE,
    DV_STATUS,
    DV_DATETIME,
    DV_LOOKUP,
    DV_OWNER,
    DV_GUID,
    DV_OTHER
};
/* AttributeMetadata.SourceType: who fills the column. */
enum dv_source { DV_SIMPLE, DV_CALCULATED, DV_ROLLUP, DV_FORMULA };
struct dv_option {
    int64_t value;
    struct cell label, external;
};
struct dv_nav {
    struct cell target; /* logical name */
    struct cell nav; /* navigation property, case-sensitive */
};
struct dv_column {
    struct cell name; /* logical name */
    enum dv_type type;
    int64_t max_length; /* 0 = none */
    int precision; /* decimals, -1 = not given */
    struct cell min, max; /* number literals, absent = none */
    struct cell behavior; /* UserLocal, DateOnly, TimeZoneIndependent */
    bool create, update, read, required_by_system, computed;
    bool required_by_app; /* ApplicationRequired: forms ask for it, the service does not */
    enum dv_source source;
    struct dv_option *options;
    size_t n_options;
    struct dv_nav *navs; /* lookups: one per target */
    size_t n_navs;
};
struct dv_key {
    struct cell name;
    struct cell *columns;
    size_t n;
    bool active;
};
struct dv_table {
    struct cell logical, set, pk, primary_name;
    bool user_owned, change_tracking, virtual_or_elastic;
    bool create_multiple, update_multiple; /* UpsertMultiple is available exactly when both are */
    struct dv_column *columns;
    size_t n;
    struct dv_key *keys;
    size_t n_keys;
    const struct dv_column *company; /* the lookup to cdm_company, NULL = not company-striped */
};
struct schema {
    struct arena arena;
    struct fno_entity **entities;
    size_t n_entities;
    struct dv_table **tables;
    size_t n_tables;
};
void schema_release(struct schema *s);
/* Lookups ignore ASCII case; NULL = not loaded. */
const struct fno_entity *schema_entity(const struct schema *s, struct cell label_or_set);
const struct dv_table *schema_table(const struct schema *s, struct cell set);
const struct dv_table *schema_table_logical(const struct schema *s, struct cell logical);
const struct fno_field *fno_field_find(const struct fno_entity *e, struct cell staging_or_property);
const struct dv_column *dv_column_find(const struct dv_table *t, struct cell name);
/* Takes over (the entity or table must live in s->arena); replaces one of the same name. */
void schema_add_entity(struct schema *s, struct fno_entity *e);
void schema_add_table(struct schema *s, struct dv_table *t);
/* The workspace's cache, .dmfsync/metadata.json. Loading a file of another version is EC_NOTFOUND. */
enum ec schema_save(const struct schema *s, const char *path, struct err *reterr);
enum ec schema_load(struct schema *s, const char *path, struct err *reterr);

#endif

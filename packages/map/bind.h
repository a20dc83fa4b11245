/*
 * bind.h -- a map joined with both sides' metadata and the settings: what each field is, the key, the company, the rules.
 * Layer: map. Errors: EC_CONFIG naming map, field and remedy. Threads: immutable after binding.
 *
 * The canonical row of a map has one cell per bound field, in binding order; when the map is company-striped, cell 0 is the
 * company code (lower case). All of dmfsync passes rows in this one shape: source rows, both snapshots, baseline, delta.
 */
#ifndef MAP_BIND_H
#define MAP_BIND_H

#include "map/filter.h"
#include "map/map.h"
#include "map/schema.h"

enum bound_kind {
    BOUND_COMPANY, /* cell 0 of striped maps: dataAreaId <-> the table's company lookup */
    BOUND_PLAIN, /* column <-> field, converted by type */
    BOUND_VALUEMAP, /* through the value map */
    BOUND_LOOKUP, /* part `part` of lookup `lookup` */
    BOUND_CONST_DV, /* written to Dataverse, compared there: a row without it falls out of the reverse filter */
    BOUND_CONST_FNO, /* written to F&O on create only; never compared */
};
struct bound_field {
    enum bound_kind kind;
    enum map_dir dir;
    const struct map_field *mf; /* NULL for BOUND_COMPANY */
    const struct fno_field *f; /* NULL for BOUND_CONST_DV and BOUND_COMPANY */
    const struct dv_column *c; /* plain column or the lookup column; NULL for BOUND_CONST_FNO */
    struct cell name; /* how messages call it: staging name, else column name; "dataAreaId" for the company */
    struct canon_rule rule; /* of the canonical cell */
    bool compared; /* takes part in digests and delta */
    bool key;
    int lookup, part; /* BOUND_LOOKUP, else -1 */
    enum { MASTER_FNO, MASTER_DV } master; /* settings, per field then per map */
};
struct bound_lookup {
    const struct dv_column *c;
    const struct dv_table *target; /* loaded in the schema */
    struct cell nav; /* navigation property for @odata.bind */
    bool striped; /* the target's key includes the row's company */
    bool self; /* target is this very table */
    bool
        later; /* filled in a second pass: self, or it would close a cycle of maps (told by whoever orders the maps) */
    int *fields; /* bound-field index per key part, in part order */
    struct cell *columns; /* column of the target per part (nested paths: "msdyn_hierarchy.msdyn_name") */
    size_t n;
};
struct bind_settings {
    struct cell alias;
    const char *key; /* "dataAreaId,CustomerAccount" or NULL */
    const struct map_pair *field_master; /* field -> fno | dataverse */
    size_t n_field_master;
    bool master_is_dataverse;
    const struct cell *companies; /* lower case; n 0 = all */
    size_t n_companies;
    const struct map_pair *compare; /* field -> words of canon_rule_set(), with commas between them */
    size_t n_compare;
};
struct binding {
    struct arena arena;
    const struct map *map;
    const struct fno_entity *entity;
    const struct dv_table *table;
    bool striped;
    struct cell alias;
    struct bound_field *fields;
    size_t n;
    struct bound_lookup *lookups;
    size_t n_lookups;
    uint16_t *key; /* indices of the key's fields, company first */
    size_t n_key;
    struct cell key_evidence; /* "settings", "alternate key msdyn_accountkey", "standard maps" */
    const struct dv_key
        *alternate_key; /* usable for UpsertMultiple: all its columns are key fields; NULL = ids first */
    struct filter *fno_filter, *dv_filter; /* NULL = none */
    struct cell *companies;
    size_t n_companies;
    struct canon_rule *rules; /* rules[i] = fields[i].rule, for digest_cells */
    uint16_t *compared; /* indices with compared = true, in order */
    size_t n_compared;
};
enum ec bind_map(const struct map *m, const struct schema *s, const struct bind_settings *set, struct binding **ret,
                 struct err *reterr);
void binding_free(struct binding *b);
/*
 * All that bind_map() would refuse, one by one: the service's code (DIPV...) or a word of ours, the field (NULL = the map) and
 * what is wrong. Without metadata of a side only what the document shows. *ret is what could be bound, for looking at
 * (never for rows when something was reported); NULL without metadata. Returns the number of reports.
 */
typedef void bind_report(void *arg, const char *code, const struct map_field *mf, const char *why);
size_t bind_check(const struct map *m, const struct schema *s, const struct bind_settings *set, bind_report *report,
                  void *arg, struct binding **ret);
int binding_field(const struct binding *b, struct cell name); /* staging name, column or path, any case; -1 = none */
bool binding_company_wanted(const struct binding *b, struct cell company_lower);
/* Is a canonical row of a company that the map's settings list? For the companies' own map the key is the company. */
bool binding_row_wanted(const struct binding *b, const struct cell *row);
/* Entity sets that the lookups point at (plus cdm_companies when striped), for the plan and for dictionaries. */
size_t binding_targets(const struct binding *b, struct cell *ret, size_t max);

/* A cell that could not be made canonical. */
struct bind_fault {
    int field;
    const char *why;
    struct cell value;
};

/*
 * Is this cell of a canonical row one that could not be made canonical? It holds the raw text then; a value-map field that F&O's
 * value is not in the map of, '!' and the raw text, which no value of Dataverse is equal to.
 */
bool bind_cell_fault(const struct binding *b, size_t field, struct cell cell, const char **ret_why);

/*
 * F&O record -> canonical row. get() gives a field's text by staging name (NULL field = dataAreaId). from_package: dates and
 * enums are spelled as DMF writes them (labels accepted). Cells live in `a` or are borrowed from get(). Returns the number
 * of faults written to ret_faults (at most max).
 */
typedef struct cell bind_fno_get(void *arg, const struct fno_field *f);
size_t bind_from_fno(const struct binding *b, bind_fno_get *get, void *arg, struct arena *a, struct cell *ret_row,
                     struct bind_fault *ret_faults, size_t max);
/* The same for some fields: wanted[i] says which (NULL = all); the other cells are left as they are. */
size_t bind_some_from_fno(const struct binding *b, const bool *wanted, bind_fno_get *get, void *arg, struct arena *a,
                          struct cell *ret_row, struct bind_fault *ret_faults, size_t max);
/*
 * One field's canonical cell from the text that a file of that side has for it: F&O's staging field, Dataverse's column or, for
 * lookups, the key column of the target; the company's code. *ret_why NULL = fine, else why it is not of its type.
 */
struct cell bind_one_from_fno(const struct binding *b, size_t i, struct cell in, struct arena *a,
                              const char **ret_why);
struct cell bind_one_from_dv(const struct binding *b, size_t i, struct cell in, struct arena *a,
                             const char **ret_why);
/*
 * Dataverse record (one JSON object of a read with bind_dv_select()) -> canonical row. dict gives the key parts of a looked-up
 * row by id (false: not known). An unresolved lookup becomes the cell "?<guid>", equal to nothing.
 */
typedef bool bind_dict(void *arg, const struct bound_lookup *l, struct cell id, struct cell *ret_parts);
typedef bool bind_company_dict(void *arg, struct cell company_id, struct cell *ret_code);
size_t bind_from_dv(const struct binding *b, const struct json *rec, bind_dict *dict, bind_company_dict *companies,
                    void *arg, struct arena *a, struct cell *ret_row, struct bind_fault *ret_faults, size_t max);
/* "accountnumber,name,_msdyn_company_value,..." : every column that bind_from_dv and the filters need, pk included. */
char *bind_dv_select(const struct binding *b, struct arena *a);
/* Property list for an OData read of the entity, dataAreaId included where striped, filters' fields included. */
char *bind_fno_select(const struct binding *b, struct arena *a);

/* One canonical cell as the other side wants it. false = the value map has no entry (ret_why says so). */
bool bind_to_dv_value(const struct binding *b, int field, struct cell canonical, struct arena *a,
                      struct cell *ret_json,
                      const char **ret_why); /* a JSON literal: "text" quoted, 12.50, true, null */
bool bind_to_fno_value(const struct binding *b, int field, struct cell canonical, struct arena *a,
                       struct cell *ret_text,
                       const char **ret_why); /* plain text for a package cell: element name, ISO date, decimal */
/* The same as a JSON literal for OData ("Yes", 12.50, "2024-05-01T12:00:00Z", ""). */
bool bind_to_fno_json(const struct binding *b, int field, struct cell canonical, struct arena *a,
                      struct cell *ret_json, const char **ret_why);
/* Readable key of a canonical row ("usmf|C-0042"), in `a`. */
struct cell bind_key_text(const struct binding *b, const struct cell *row, struct arena *a);
struct digest bind_key_digest(const struct binding *b, const struct cell *row, struct arena *scratch);
struct digest bind_row_digest(const struct binding *b, const struct cell *row,
                              struct arena *scratch); /* compared cells */
/*
 * SHA-256 hex of what makes two runs comparable: map document, key, companies, masters, canon version, rules. The second
 * form as another version of the canonical rules would have it: what was stored under other rules alone is known by it.
 */
void bind_hash(const struct binding *b, char ret[static 65]);
void bind_hash_under(const struct binding *b, int canon_version, char ret[static 65]);

#endif

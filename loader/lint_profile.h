/*
 * lint_profile.h -- what `lint` learns about one source: rules that rows break, with counts, values and samples.
 * Layer: loader, private to the command `lint`. Memory does not grow with rows: rules, values and samples are bounded, keys and
 * references go through spill files.
 */
#ifndef LOADER_LINT_PROFILE_H
#define LOADER_LINT_PROFILE_H

#include "dmf/dmf.h"
#include "loader/mask.h"
#include "loader/public/source.h"
#include "store/spill.h"

enum { LINT_MAX_SAMPLES = 20, LINT_MAX_VALUES = 100, LINT_MAX_FAULTS = 64, LINT_MAX_PLACES = 4096 };
enum lint_severity { LINT_ERROR, LINT_WARNING };

struct lint_value {
    char *text;
    uint64_t n;
};
struct lint_rule {
    char code[32], field[80];
    enum lint_severity severity;
    uint64_t n;
    char *why; /* of the first row */
    bool various; /* other rows have other reasons */
    char *samples[LINT_MAX_SAMPLES];
    size_t n_samples;
    struct lint_value *values; /* of enums, value maps and companies: how often each */
    size_t n_values;
    uint64_t other_values; /* rows whose value found no room */
};
/* One fault of the row at hand; the cells live in the row's arena. */
struct lint_fault {
    const char *code, *why;
    enum lint_severity severity;
    struct cell field, value;
};
struct lint_company {
    char code[16];
    uint64_t rows, first_line;
};
struct lint_place {
    uint64_t row, line, offset;
};
struct lint_rejects;
struct lint_profile {
    struct map_ctx *m;
    const char *file; /* as the user names it */
    struct dmf_format format;
    bool or_xml; /* unfit = xml: what the CSV format does not carry travels in the other one */
    size_t want_samples;
    struct lint_rule **rules;
    size_t n_rules;
    struct lint_company *companies;
    size_t n_companies;
    uint64_t rows, other, warned;
    struct mask bad; /* rows that would not arrive */
    struct mask duplicates; /* those of them that only the whole file tells */
    uint64_t orphan_rows; /* rows with a reference that nothing resolves; the second pass tells which */
    struct lint_place *places; /* where duplicates and orphans are, while they are few */
    size_t n_places;
    bool everywhere; /* too many, or not known each: the second pass reads the whole file */
    uint64_t blocked; /* rows of companies that Dataverse is not ready for */
    struct spill *keys;
    struct lint_fault faults[LINT_MAX_FAULTS]; /* of the row at hand */
    size_t n_faults;
    struct lint_rejects *rejects;
    char *reject_path; /* NULL = no reject file was written */
    uint64_t reject_rows;
};

/* ---- lint_rules.c ---- */
/* Counts `n` rows that break a rule. key and value may be absent; the line is a sample's place. */
void profile_add(struct lint_profile *p, const struct lint_fault *f, uint64_t n, uint64_t line, struct cell key);
/* Room for another sample of this rule? Getting one may cost a read. */
bool lint_wants_sample(const struct lint_profile *p, const char *code, struct cell field);
/* A row for the second pass. */
void lint_add_place(struct lint_profile *p, uint64_t row, uint64_t line, uint64_t offset);
void lint_print(struct lint_profile *p, struct json *list);
void lint_release(struct lint_profile *p);

/* ---- lint_notice.c: what one row's cells tell beyond what loading checks ---- */
void lint_notice(struct lint_profile *p, const struct source *s, const struct source_row *r, struct arena *a);
void lint_fault(struct lint_profile *p, enum lint_severity severity, const char *code, struct cell field,
                struct cell value, const char *why);

/* ---- lint_keys.c: keys that meet again, exactly or under the services' collations ---- */
enum ec lint_keys_add(struct lint_profile *p, const struct source_row *r, struct arena *a, struct err *reterr);
/* The same for a row outside of the file that is checked: it counts as there first, and is no finding itself. */
enum ec lint_keys_add_rest(struct lint_profile *p, const struct source_row *r, struct arena *a, struct err *reterr);
/* The key of the row at this place, read again: only for samples. Absent when it cannot be had (compressed files). */
struct cell lint_key_at(struct lint_profile *p, uint64_t row, uint64_t line, uint64_t offset, struct arena *a);
enum ec lint_keys_finish(struct lint_profile *p, struct err *reterr);

/* ---- lint_rest.c: keys of the source's other rows, before those of a corrected reject file ---- */
enum ec lint_rest(struct lint_profile *p, const struct source *rejects, struct err *reterr);

/* ---- lint_refs.c: values of lookups that no parent row has ---- */
struct lint_refs;
enum ec lint_refs_new(struct pair *p, const char *tmp_dir, struct lint_refs **ret, struct err *reterr);
void lint_refs_free(struct lint_refs *rf);
/* Is this map looked up by a map that is checked? Its rows are parents then. */
bool lint_refs_wants_parent(const struct lint_refs *rf, const struct map_ctx *m);
/* Marks the fields of the map's canonical rows that lookups are checked by, its own and those of its children. */
void lint_refs_fields(const struct lint_refs *rf, const struct map_ctx *m, bool *wanted);
enum ec lint_refs_parent(struct lint_refs *rf, const struct source *s, const struct source_row *r, struct arena *a,
                         struct err *reterr);
enum ec lint_refs_child(struct lint_refs *rf, const struct lint_profile *p, const struct source_row *r,
                        struct arena *a, struct err *reterr);
/* All files were read: which values nobody has, here or in F&O. Rules are added to the profiles (n of them). */
enum ec lint_refs_resolve(struct lint_refs *rf, struct lint_profile **profiles, size_t n, struct err *reterr);
/* In the second pass: the first lookup of the row that resolves nowhere; false = all do. */
bool lint_refs_orphan(const struct lint_refs *rf, const struct lint_profile *p, const struct source_row *r,
                      struct arena *a, struct lint_fault *ret);

/* ---- lint_reject.c: the bad rows as they are in the file, with why, to be corrected and fed back ---- */
enum ec lint_reject_row(struct lint_profile *p, const struct source *s, const struct source_row *r,
                        const struct lint_fault *faults, size_t n, struct err *reterr);
enum ec lint_reject_finish(struct lint_profile *p, enum ec rc, struct err *reterr);

#endif

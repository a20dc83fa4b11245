/*
 * package_form.h -- what the package of a map looks like: format, columns, project, entity.
 * Layer: loader, private to it. Used by the load (pack.c) and by `package build`.
 */
#ifndef LOADER_PACKAGE_FORM_H
#define LOADER_PACKAGE_FORM_H

#include "dmf/pkgwrite.h"
#include "loader/public/source.h"

/*
 * The data format of the settings: data_format, which names F&O's source data format record, csv_format where the record is
 * one of the user's own ("encoding:utf-8, delimiter:semicolon, qualifier:single"), csv_quotes. EC_CONFIG.
 */
enum ec package_format(const struct config *cfg, struct dmf_format *ret, struct err *reterr);
/* The format that carries every text, for `unfit = xml`; *ret_name is its record in F&O. */
void package_format_xml(struct dmf_format *ret, const char **ret_name);
/* Threads, compressor: of the settings. */
enum ec package_pool(struct app *app, struct deflate_pool **ret, struct err *reterr);

struct package_form {
    size_t *fields; /* source fields of the columns, n of them */
    size_t n;
    bool *datetime;
    bool plain; /* the source is CSV as the package is: cells may go as they stand in it */
    bool in_order; /* fields[i] == i */
    uint64_t of_column[64]; /* the fields that a column of the source fills, a bit each */
    struct dmf_verbatim verbatim;
    char project[64];
    struct dmf_entity entity;
    struct dmf_package package; /* of that one entity */
};
/* Everything in `a`. pass 1: every bound column but those of the second pass; 2: the key and these. */
void package_form(const struct source *s, int pass, const char *company, const struct dmf_format *f,
                  const char *format_name, struct arena *a, struct package_form *ret);
/* Is a package of so many rows and octets of data full? */
bool package_full(const struct config *cfg, uint64_t rows, uint64_t octets);
/* One row of the source behind those of its entity; *ret_field: field of the form that cannot travel (EC_FORMAT). */
enum ec package_data_row(struct dmf_data *d, struct package_form *f, const struct source *s,
                         const struct source_row *r, struct arena *a, size_t *ret_field, struct err *reterr);
/*
 * A row that source_quick_plain() knows, with the values and bits that it gave. May it be copied, as its cells stand? It is not when a
 * value cannot travel, which is told by the other way.
 */
bool package_copies(const struct package_form *f, const struct dmf_data *d, const struct csv_plain *row);
bool package_copy(struct dmf_data *d, struct package_form *f, const struct csv_plain *row, const struct cell *values,
                  uint64_t same);
/* The same into entity `entity` of the package. */
enum ec package_row(struct dmf_writer *w, size_t entity, struct package_form *f, const struct source *s,
                    const struct source_row *r, struct arena *a, size_t *ret_field, struct err *reterr);
/* Does the row have a value for the second pass? */
bool package_second_pass(const struct source *s, const struct source_row *r);

#endif

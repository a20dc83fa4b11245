/*
 * import.h -- dual-write maps out of whatever they were handed over in.
 * Layer: map (libzip, libxml2). Forms: the bare document; an OData answer of msdyn_dualwriteentitymaps (a page, one row, an
 * array of rows); JSON inside a JSON string, also several times; the project that dual-write's management service returns
 * (entityMappingTasks); a solution zip, searched by content. Texts are UTF-8 or, with a byte order mark, UTF-16.
 * Sources: table msdyn_dualwriteentitymap ("Dual Write entity map"), one row per saved version; "Application lifecycle
 * management for dual-write" (maps travel in solutions; the layout inside of the zip is nowhere promised).
 *
 * A file that cannot be read at all is an error. A map in it that cannot is an entry with `err`, and the others stand.
 * Zips are hostile until checked: names, duplicates, encryption, sizes, ratio, overlap, zips in zips to a depth of two.
 */
#ifndef MAP_IMPORT_H
#define MAP_IMPORT_H

#include "map/map.h"

struct import_map {
    struct map *map; /* normalised; NULL = it could not be read: err */
    struct err err;
    struct cell origin; /* "maps.json, value[2]", "'customizations.xml' of 'x.zip', line 90" */
    struct cell row_name; /* msdyn_name, absent = not given; version and created (msdyn_version, createdon) alike */
    struct cell version, created;
    bool parked; /* version 9.9.9.9: put aside, never taken for the one that runs */
    bool chosen; /* import_choose(): this one of the versions of its map */
    struct cell note; /* why it was chosen or passed over, absent = it is the only one */
    struct json
        *beside; /* what came with the document (columns of the row, the rest of the project); NULL = nothing */
};
struct import {
    struct arena arena;
    struct import_map *maps;
    size_t n, cap;
    struct cell *notes; /* what was recognised and holds no map: "x.properties.json: properties of a map" */
    size_t n_notes, cap_notes;
    struct import_map *beyond; /* where entries beyond the limit go: the last one of `maps` says so */
    size_t others; /* members of zips that hold no map */
};
/* Adds the maps of one file. EC_IO, EC_NOTFOUND, EC_FORMAT, EC_LIMIT: the file as a whole. */
enum ec import_file(struct import *i, const char *path, struct err *reterr);
enum ec import_text(struct import *i, const char *what, const char *p, size_t n, struct err *reterr);
/* One row of msdyn_dualwriteentitymaps. */
void import_row(struct import *i, const char *origin, const struct json *row);
/* A map that is known but could not be had, for the list of what was not imported. */
void import_refuse(struct import *i, const char *origin, const struct err *why);
/*
 * Of each map (entity and table set) the version to take: never a parked one, then the newest by createdon where all have
 * it, else the highest. Two documents of one map that nothing orders and that differ are both refused.
 */
void import_choose(struct import *i);
void import_release(struct import *i);

/* "1.0.0.10" is more than "1.0.0.9"; what is no version is less than any. */
int map_version_compare(struct cell a, struct cell b);
bool map_version_parked(struct cell version);
/*
 * "accounts - customers v3" out of "contoso_[accounts - Customers V3]": what rows of one map have in common; absent when
 * the name has no brackets. Lower case.
 */
struct cell map_row_key(struct arena *a, struct cell row_name);

/* ---- for the files of the importer ---- */
void import_note(struct import *i, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Is this text worth reading as a map or a set of them? By what it holds, whatever its name. */
bool import_looks_like_map(struct cell text);
/* UTF-16 with its mark into UTF-8; false = it is something else. */
bool import_from_utf16(const char *p, size_t n, struct strbuf *out);
/* A document and the columns that came with it (object of texts, or NULL). */
void import_document(struct import *i, const char *origin, struct cell text, const struct json *beside,
                     const char *form);
enum ec import_zip(struct import *i, const char *what, const char *p, size_t n, int depth, struct err *reterr);
enum ec import_xml(struct import *i, const char *what, const char *p, size_t n, size_t *ret_found,
                   struct err *reterr);

#endif

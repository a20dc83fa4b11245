/*
 * map_store.h -- map documents written into the workspace, and the settings that name them.
 * Layer: loader. The file is the one that the map's section names, else maps/STEM.json. Beside it, STEM.source.json keeps
 * what came with the document (columns of its row, the version, the rest of a project); nothing reads it but people and
 * `map show`. A file that says something else is never replaced unasked.
 */
#ifndef LOADER_MAP_STORE_H
#define LOADER_MAP_STORE_H

#include "cli/command.h"
#include "map/import.h"
#include "map/map_diff.h"

enum map_stored {
    MAP_WRITTEN, /* there was none */
    MAP_UNCHANGED, /* the same octets */
    MAP_KEPT, /* the file says the same in another layout; it stays */
    MAP_REPLACED,
    MAP_DIFFERS, /* and stays as it is */
    MAP_OTHER, /* the file holds another map: it stays whatever is asked */
};
const char *map_stored_word(enum map_stored s);
/*
 * *ret_file is the path from the workspace's folder. *ret_diff (released by the caller) holds what differs between the file
 * and the map, for MAP_DIFFERS and MAP_REPLACED. A file that cannot be read as a map counts as different, with one row.
 */
enum ec map_store(struct app *app, const struct map *m, const struct json *beside, bool replace, enum map_stored *ret,
                  struct cell *ret_file, struct map_diff *ret_diff, struct err *reterr);
/*
 * Stores the chosen maps of an import and prints what was done: table, differences, what was passed over and what is no
 * map, the sections for dmfsync.ini (appended when --add is given). Statuses of single maps go to app->out.
 */
enum ec map_store_all(struct app *app, struct import *i, struct err *reterr);
/* Prints the rows of a comparison, and puts them into the array. */
void map_diff_print(struct app *app, const struct map_diff *d, struct json *list, const char *indent);
/* The lines [map.ALIAS] of a map that no section names yet; then all of them printed, or appended when --add is given. */
void map_section_add(struct app *app, const struct map *m, struct cell file, struct strbuf *sections);
enum ec map_sections_tell(struct app *app, const struct strbuf *sections, struct err *reterr);
/* The live version of a map, as the only one of the import; how that is known (in app->out). Needs the Dataverse client. */
enum ec map_live_document(struct app *app, const struct map *m, struct import *i, struct cell *ret_evidence,
                          struct err *reterr);
/* "1.0.0.5" of the STEM.source.json beside a map's file, in `a`; absent = not known. */
struct cell map_stored_version(const char *path, struct arena *a);

#endif

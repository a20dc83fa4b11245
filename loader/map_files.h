/*
 * map_files.h -- the maps that a command of `map` was given, with as much metadata as can be had.
 * Layer: loader. Names are aliases or names of maps in the workspace, or files anywhere, in any form that `map import` takes (of
 * several versions of a map the one that it would take); none = all maps of the workspace. Unlike pair_open() it goes on
 * where a side does not know an entity or table: what it said is kept beside the map.
 */
#ifndef LOADER_MAP_FILES_H
#define LOADER_MAP_FILES_H

#include "cli/command.h"
#include "map/import.h"
#include "map/schema.h"

struct map_file {
    const struct config_map *cfg; /* NULL = not one of the workspace */
    struct map *map;
    char *path; /* as it is opened */
    const char *shown; /* alias, else the name of the file */
    struct cell fno_why, dv_why; /* why the side has no metadata for it; absent = it has, or it was not asked */
    bool selected;
    bool imported; /* from a file that holds it in another form: owned by its import, not to be written back */
};
struct map_files {
    struct app *app;
    struct arena arena;
    struct schema schema;
    struct map_file *v; /* all maps of the workspace, then the other files named */
    size_t n, cap;
    struct import *imports; /* one per argument that needed it */
    size_t n_imports;
    const struct map **maps; /* v[i].map */
    bool live;
};
/* Reads the documents; metadata comes with map_files_metadata(). */
enum ec map_files_open(struct app *app, struct map_files **ret, struct err *reterr);
/*
 * Live when the clients are open, else the workspace's cache (a warning when there is none). targets: also the tables that
 * the selected maps' lookups point at. What was read live is added to the cache.
 */
enum ec map_files_metadata(struct map_files *f, bool targets, struct err *reterr);
void map_files_close(struct map_files *f);

#endif

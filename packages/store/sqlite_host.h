/*
 * sqlite_host.h -- SQLite's calls: those that the program is linked with or, in the loadable extension (DMFSYNC_EXTENSION), those of
 * the host that loads it. Layer: store. Included before anything else that includes sqlite3.h.
 */
#ifndef STORE_SQLITE_HOST_H
#define STORE_SQLITE_HOST_H

#ifdef DMFSYNC_EXTENSION
#include <sqlite3ext.h>
extern const sqlite3_api_routines *dmfsync_sqlite_api;
#define sqlite3_api dmfsync_sqlite_api
#else
#include <sqlite3.h>
#endif

#endif

/* report_parts.h -- inside of the report page: what its files share. Layer: sync, private to report_*.c. */
#ifndef SYNC_REPORT_PARTS_H
#define SYNC_REPORT_PARTS_H

#include "sync/report.h"

void html_age(struct strbuf *out, int64_t ms); /* "3 h ago" */
void html_duration(struct strbuf *out, int64_t ms); /* "14 min" */
void html_time(struct strbuf *out, int64_t ms); /* "2026-01-31 04:05", a dash for 0 */
void html_count(struct strbuf *out, int64_t n, bool hot); /* a table cell; hot: what is not 0 stands out */
void html_name(struct strbuf *out, const char *name); /* "Customers V3", and the table in small letters */
void html_map(struct strbuf *out, const struct report *r, const char *alias); /* its full name */
void html_errors(struct report *r, struct strbuf *out); /* report_tables.c */
void html_lists(struct report *r, struct strbuf *out);
void html_services(struct report *r, struct strbuf *out);

#endif

/*
 * emu_blob.h -- blob storage: signed URLs and the files behind them. Blobs are files in <dir>/blobs.
 */
#ifndef EMU_BLOB_H
#define EMU_BLOB_H

#include "emu.h"

/*
 * A URL with which blob `name` of container "dmf" can be written for knob sas_minutes: sv=2014-02-14, sr=b, sp=rw,
 * st = now - 5 minutes, as Finance & Operations issues them. The host is the request's, with the blob service's port.
 */
void emu_blob_write_url(struct emu *e, struct emu_request *q, const char *name, struct strbuf *ret_url);
/* Copies the file at `path` into blob `name`, makes a URL (sp=r) for `minutes`. False = the copy failed. */
bool emu_blob_make(struct emu *e, const char *name, const char *path, int minutes, struct strbuf *ret_url);
/*
 * The path of the file behind a signed URL of ours that may be read now; it stays until the blob is written again.
 * NULL: `msg` has the storage's reason.
 */
const char *emu_blob_open_for_read(struct emu *e, struct arena *a, const char *url, char *msg, size_t msg_size);

#endif

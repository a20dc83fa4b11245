/*
 * md5.h -- the Content-MD5 of a part of a file (RFC 1864), for a receiver that checks what arrived. Not for secrecy.
 * Layer: data (OpenSSL). Errors: EC_IO.
 */
#ifndef DATA_MD5_H
#define DATA_MD5_H

#include "base/err.h"

#include <stdint.h>

/* Of octets [offset, offset + n); ret "" where this machine's OpenSSL refuses MD5 (FIPS): then the header is left out. */
enum ec md5_of_file(const char *path, uint64_t offset, uint64_t n, char ret[static 25], struct err *reterr);

#endif

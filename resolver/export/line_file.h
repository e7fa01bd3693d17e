/* A file of lines that is put aside when it is long or a day old; see sink.h. */
#ifndef RESOLVER_EXPORT_LINE_FILE_H
#define RESOLVER_EXPORT_LINE_FILE_H

#include <stddef.h>

#include "blocklists/error.h"
#include "resolver/config/config.h"

struct line_file;

int line_file_open(const struct config_export *to, struct line_file **out_file,
                   struct bl_error *error);
void line_file_close(struct line_file *file); /* NULL is fine */

/* Appends whole lines: all of them or none. */
int line_file_append(struct line_file *file, const char *lines, size_t len, struct bl_error *error);

#endif

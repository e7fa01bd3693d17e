/* Between the files that take sources apart (source*.c). Nobody else includes this.
 */
#ifndef BLOCKLISTS_SOURCE_H
#define BLOCKLISTS_SOURCE_H

#include "blocklists/catalogue.h"
#include "blocklists/read.h"

struct source {
    const char *location; /* as it was given */
    const char *licence;  /* of all parts, or "" */
    const struct bl_source_options *options;
    const struct bl_source_visitor *visitor;
    struct bl_error *error;
    unsigned parts; /* visited so far */
};

/* Where the text of a file is read from; `user` of a bl_input over a descriptor points to one. */
struct source_file {
    int fd;
    const char *location;
};

ssize_t source_file_read(void *user, void *buffer, size_t len, struct bl_error *error);

/* Judges one file of a folder or an archive by its path, and hands it to the visitor as a part, or
 * tells why it is none. `path` is relative to the source; `top` the category of files at its top,
 * or NULL. */
int source_visit(struct source *source, const char *path, const char *top,
                 const struct bl_input *input);
void source_skip(struct source *source, const char *path, const char *reason);

int source_walk_folder(struct source *source);
/* One file, "-" included, from its descriptor. */
int source_walk_file(struct source *source, int fd);

#endif

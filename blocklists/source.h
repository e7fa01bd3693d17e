/* Between the files that take sources apart (source*.c). Nobody else includes this.
 */
#ifndef BLOCKLISTS_SOURCE_H
#define BLOCKLISTS_SOURCE_H

#include "blocklists/catalogue.h"
#include "blocklists/read.h"

enum { SOURCE_PATH_MAX = 1024 };

struct source {
    const char *location; /* as it was given */
    const char *licence;  /* of all parts, or "" */
    const struct bl_source_options *options;
    const struct bl_source_visitor *visitor;
    struct bl_error *error;
    char separator; /* between the location and a path in it */
    unsigned parts; /* visited so far */
};

/* A file as a stream; `user` of a bl_input over one points to it. */
struct source_file {
    int fd;
    const char *location;
    size_t head_len, head_at; /* what was read ahead, and how much of that was given out */
    uint8_t head[512];
};

ssize_t source_file_read(void *user, void *buffer, size_t len, struct bl_error *error);

/* Judges one file of a folder or an archive by its path, and hands it to the visitor as a part, or
 * tells why it is none. `path` is relative to the source; `top` the category of files at its top,
 * or NULL. */
int source_visit(struct source *source, const char *path, const char *top,
                 const struct bl_input *input);
void source_skip(struct source *source, const char *path, const char *reason);

/* Takes the licence from the head of a "global_usage" file, where it is one we know. */
void source_note_licence(struct source *source, const struct bl_input *input);

/* Hands a source that is one list to the visitor. */
int source_visit_whole(struct source *source, const struct bl_input *input);

int source_walk_folder(struct source *source);
int source_walk_archive(struct source *source, struct source_file *file);

/* Whether this is the beginning of an archive or of compressed data. */
bool source_is_packed(const uint8_t *head, size_t len);

#endif

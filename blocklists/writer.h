/* The second half of the compiler: from the sorted entries and the base to the file. Only compile.c
 * includes this; compile.h has the whole story.
 */
#ifndef BLOCKLISTS_WRITER_H
#define BLOCKLISTS_WRITER_H

#include <stdbool.h>

#include "blocklists/compile.h"
#include "blocklists/runs.h"
#include "blocklists/types.h"

struct bl_writer {
    const struct bl_compile_options *options;
    struct bl_runs *runs;
    struct bl_source *sources; /* all that took part; `duplicate` and `category` are written here */
    char *const *category_names; /* by source */
    const bool *dropped;         /* by source */
    unsigned source_count, base_count;
    struct bl_conditions *conditions; /* of the new entries; those of the base's are added */
};

int bl_writer_run(struct bl_writer *writer, int *out_fd, struct bl_compile_result *out_result,
                  struct bl_error *error);

#endif

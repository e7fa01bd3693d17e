/* Between the files of lists.h: lists.c (what the folder has), lists_enter.c (the guard, and the
 * link), lists_adopt.c, lists_rollback.c and lists_wait.c. Nobody else includes this. Descriptors
 * of the folder are borrowed.
 */
#ifndef BLOCKLISTS_LISTS_INSIDE_H
#define BLOCKLISTS_LISTS_INSIDE_H

#include <stdbool.h>

#include "blocklists/lists.h"

enum { KEPT_MAX = 4096, FILE_NAME_MAX = 32 };

/* What a folder has. */
struct lists_kept {
    uint64_t current; /* in force; 0: nothing, UINT64_MAX: nobody can say */
    uint64_t numbers[KEPT_MAX];
    unsigned count;
};

struct bl_guard;
struct bl_store;

/* Tells a test that this step is done. */
void lists_step(const char *name);

void lists_name_of(uint64_t number, char name[FILE_NAME_MAX]);

/* STATE/lists as a descriptor, so that everything below happens in one and the same folder. */
int lists_folder_open(const char *state, bool make, struct bl_error *error);

/* The generation that `current` names; 0 when there is none yet. */
int lists_current_read(int folder, const char *state, uint64_t *out_generation,
                       struct bl_error *error);

/* All generations of the folder, ascending; at most KEPT_MAX. With `sweep`, removes what killed
 * imports have left. Leaves kept->current alone. */
int lists_kept_read(int folder, const char *state, bool sweep, struct lists_kept *kept,
                    struct bl_error *error);

/* A copy of a staged store that may come into force as generation `number` (0: not yet), on the
 * disk under the name `staging`, and open. On failure nothing is left. */
int lists_copy_make(int folder, const char *state, int staged_fd, const struct lists_kept *kept,
                    uint64_t number, const struct bl_guard *guard, char staging[FILE_NAME_MAX],
                    int *out_fd, struct bl_error *error);

/* The name of that copy in this process. */
void lists_staging_name(char staging[FILE_NAME_MAX]);

/* What the guard (NULL: nobody minds) says of `store` in the place of what is in force: 0 or
 * -EPERM, or another negative errno where that cannot be told. */
int lists_guard_ask(const struct bl_guard *guard, const char *state, const struct lists_kept *kept,
                    const struct bl_store *store, struct bl_error *error);

/* Points `current` at a generation, in one step that a kill cannot divide. */
int lists_current_write(int folder, const char *state, uint64_t number, struct bl_error *error);

#endif

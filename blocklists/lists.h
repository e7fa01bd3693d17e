/* The generations of a state folder: which one is in force, and how another one takes its place.
 *
 *   STATE/lists/00000017.mdb   a finished generation, never written again
 *   STATE/lists/current        a symbolic link to the one in force, replaced by rename
 *   STATE/lists/staging-*      what an import is making; swept at start when its maker is gone
 *   STATE/lists/waiting-00000012.mdb   lists that wait for somebody's word, by the number of the
 *                              request; checked as for adoption, and not a generation yet
 *
 * Adoption: copy the staged file next to the others, hash and verify it, fsync the file, rename it
 * to its number, fsync the folder, then replace `current`. A kill between any two steps leaves the
 * old or the new one in force, whole. The last `keep` generations stay for rollback, and in any
 * case the one that was in force before.
 *
 * Only the owner of the state folder calls bl_lists_adopt() and bl_lists_rollback(): the daemon, or
 * the command when no daemon runs (it then holds the state lock). Not for worker threads: it writes
 * and syncs.
 */
#ifndef BLOCKLISTS_LISTS_H
#define BLOCKLISTS_LISTS_H

#include <stddef.h>
#include <stdint.h>

#include "blocklists/error.h"

enum { BL_PATH_MAX = 4096 };

/* The generation in force: its number and path. -ENOENT when nothing was ever imported. */
int bl_lists_current(const char *state, uint64_t *out_generation, char out_path[BL_PATH_MAX],
                     struct bl_error *error);

/* Takes the staged store open at `staged_fd` into the state folder as the next generation and puts
 * it in force. Fails whole: -ESTALE when it was compiled on top of another generation than the one
 * in force, -EBADMSG when it does not verify, -ENOSPC, …; then nothing has changed. */
int bl_lists_adopt(const char *state, int staged_fd, unsigned keep, uint64_t *out_generation,
                   struct bl_error *error);

/* Opens a generation by its path: as bl_store_open(), and -EBADMSG where the file is another
 * generation by what it says of itself. */
struct bl_store;
int bl_lists_open(const char *path, uint64_t generation, struct bl_store **out_store,
                  struct bl_error *error);

/* The same of a state folder; -ENOENT where the generation is not kept any more. */
int bl_lists_open_kept(const char *state, uint64_t generation, struct bl_store **out_store,
                       struct bl_error *error);

/* Opens the file in force once more, for what `before` was opened from: as bl_lists_open(), and
 * -EBADMSG where it is another generation, or one with other lists. Whether it is whole is for
 * bl_store_compare() to say. */
int bl_lists_open_again(const char *state, const struct bl_store *before,
                        struct bl_store **out_store, struct bl_error *error);

/* The generation that was in force before the current, and is kept: -ENOENT where there is none. */
int bl_lists_before(const char *state, uint64_t *out_generation, struct bl_error *error);

/* Puts an older generation back in force; 0 means bl_lists_before(). -EBADMSG where it is damaged.
 */
int bl_lists_rollback(const char *state, uint64_t generation, uint64_t *out_generation,
                      struct bl_error *error);

/* The same, unless the guard objects (guard.h): then -EPERM, and nothing has changed. Its judgement
 * is of the very copy that would come into force. Where the generation in force cannot be read, to
 * replace it is the cure, and only sealed categories are guarded: by `guard->held`, or by the
 * newest generation kept. `guard` may be NULL. */
struct bl_guard;
int bl_lists_adopt_guarded(const char *state, int staged_fd, unsigned keep,
                           const struct bl_guard *guard, uint64_t *out_generation,
                           struct bl_error *error);
int bl_lists_rollback_guarded(const char *state, uint64_t generation, const struct bl_guard *guard,
                              uint64_t *out_generation, struct bl_error *error);

/* Lists that are to wait: copies the staged store into the state folder and checks all that
 * adoption would, so that what waits is nobody's to alter. *out_fd is the copy's; it has a name
 * that is swept with the next adoption, until bl_lists_wait_as() gives it that of a request.
 * Adopting from *out_fd instead is fine, too. Errors as for adoption. */
int bl_lists_wait(const char *state, int staged_fd, const struct bl_guard *guard, int *out_fd,
                  struct bl_error *error);
int bl_lists_wait_as(const char *state, int fd, uint32_t request, struct bl_error *error);

/* Takes the copy of bl_lists_wait() off the disk that shall not wait, nor come into force. */
void bl_lists_wait_drop(const char *state);

/* What waits under this number, for reading: -ENOENT with a sentence where it is not there. */
int bl_lists_wait_open(const char *state, uint32_t request, int *out_fd, struct bl_error *error);

/* Removes what waits, but for these. */
void bl_lists_wait_keep(const char *state, const uint32_t *requests, size_t count);

/* The SHA-256 that the open file has of its content, in hexadecimal: the same once it is a
 * generation. */
enum { BL_LISTS_HASH_TEXT = 65 };
int bl_lists_hash(int fd, char out_text[BL_LISTS_HASH_TEXT], struct bl_error *error);

/* The numbers of the kept generations, oldest first; returns how many (at most `max`) or a negative
 * errno. */
int bl_lists_kept(const char *state, uint64_t *out_generations, size_t max, struct bl_error *error);

/* Takes STATE/lock, which the daemon holds while it runs, makes the folder where there is none, and
 * returns a descriptor: the lock lasts until it is closed. -EBUSY when somebody else has it. */
int bl_lists_lock(const char *state, int *out_fd, struct bl_error *error);

/* For tests of a kill between any two steps: called after each step of adoption and rollback with
 * the step's name. NULL in programs. */
extern void (*bl_lists_on_step)(const char *step);

#endif

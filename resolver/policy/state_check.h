/* Whether a file of LMDB's (0.9, as Debian 12 has it) hangs together, looked at before LMDB does.
 *
 * LMDB trusts its pages: a damaged one ends the process by an assertion or a wild pointer, and with
 * it the filter. This walks all that the newest state reaches (tables, their trees, long values,
 * the list of free pages) with nothing but bounds-checked reading, and refuses what is not as LMDB
 * writes it. What values say is not its business: they are read as text with all care, and the
 * change log has its own proof.
 *
 * Threads: any; while nobody writes the file.
 */
#ifndef RESOLVER_POLICY_STATE_CHECK_H
#define RESOLVER_POLICY_STATE_CHECK_H

#include "blocklists/error.h"

/* 0 also where there is no file, or an empty one; -EBADMSG with what is wrong; another negative
 * errno where it cannot be read. */
int state_check(const char *path, struct bl_error *error);

#endif

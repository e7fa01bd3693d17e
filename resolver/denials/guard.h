/* Reading mapped files that may be damaged or cut while we read them.
 *
 * LMDB trusts its pages: an altered segment can lead it outside the map (SIGSEGV) and a cut one
 * onto pages that are not there (SIGBUS). guard_run() runs a reader and comes back with false
 * instead of dying. What the reader held at that moment is lost (not freed), so a reader that
 * failed is never used again.
 *
 * Threads: each has its own guard; faults outside a guard go to whoever handled them before. Not
 * for the query path.
 */
#ifndef RESOLVER_DENIALS_GUARD_H
#define RESOLVER_DENIALS_GUARD_H

#include <stdbool.h>

/* Calls run(user); false when it met a fault. Guards do not nest. */
bool guard_run(void (*run)(void *user), void *user);

/* Leaves the running guard as if a fault had been met; ends the program when there is none. */
_Noreturn void guard_leave(void);

#endif

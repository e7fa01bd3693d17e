/* Memory that will be needed soon: its line is asked for now and comes while other work is done.
 *
 * A hint: any address does, also one that is not mapped; nothing is read, nothing waits. Any
 * thread; no state.
 */
#ifndef RESOLVER_BASE_FETCH_H
#define RESOLVER_BASE_FETCH_H

enum { FETCH_LINE = 64 }; /* octets that come at once */

/* GCC takes a function that does nothing but __builtin_prefetch() for one without effect, and may
 * leave out the calls to it, silently. The empty statement, which is volatile, keeps them. */
static inline void fetch_ahead(const void *at)
{
    __builtin_prefetch(at);
    __asm__ volatile("");
}

#endif

/* Starting a thread of the daemon: it leaves signals to the main thread, but for those that its own
 * faults raise. A blocked SIGBUS would end the program without asking any handler
 * (blocklists/store_guard.c, denials/guard.c, the sanitizers).
 */
#ifndef RESOLVER_BASE_THREAD_H
#define RESOLVER_BASE_THREAD_H

#include <pthread.h>

/* `attributes` may be NULL. 0 or a negative errno. */
int thread_begin(pthread_t *out_thread, const pthread_attr_t *attributes, void *(*run)(void *user),
                 void *user);

#endif

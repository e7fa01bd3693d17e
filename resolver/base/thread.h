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

/* This thread gives way to those that answer, by so much "niceness" (setpriority(2); in Linux each
 * thread has its own): for good, as ordinary users may not take that back. */
void thread_give_way(int nice);

#endif

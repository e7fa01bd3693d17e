/* Who is served next at the control socket, so that no user holds up another: each has a share of
 * the threads and of the places to wait, and root and the daemon's own user always find some.
 *
 * No locks of its own; the caller's lock guards it. Nothing is allocated.
 */
#ifndef RESOLVER_CONTROL_QUEUE_H
#define RESOLVER_CONTROL_QUEUE_H

#include <stdbool.h>
#include <sys/types.h>

enum {
    QUEUE_SERVED_MAX = 32,
    QUEUE_SERVED_OTHERS = 24, /* users that are neither root nor the daemon's own */
    QUEUE_SERVED_USER = 8,
    QUEUE_WAITING_MAX = 72,
    QUEUE_WAITING_OTHERS = 64,
    QUEUE_WAITING_USER = 16,
};

struct queue_place {
    int fd;
    uid_t uid;
};

struct queue {
    uid_t own;                                     /* the daemon's user */
    struct queue_place waiting[QUEUE_WAITING_MAX]; /* in the order in which they came */
    unsigned waiting_count;
    uid_t served[QUEUE_SERVED_MAX];
    unsigned served_count;
};

/* A connection that came. False: there is no place for it; it stays the caller's. */
bool queue_add(struct queue *queue, int fd, uid_t uid);

/* The next one that may be served, which is the caller's from now on; until queue_leave() it counts
 * as served. False: there is none. */
bool queue_next(struct queue *queue, struct queue_place *out_place);
void queue_leave(struct queue *queue, uid_t uid);

#endif

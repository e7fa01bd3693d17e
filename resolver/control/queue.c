#include "resolver/control/queue.h"

#include <string.h>

static bool is_preferred(const struct queue *queue, uid_t uid)
{
    return uid == 0 || uid == queue->own;
}

bool queue_add(struct queue *queue, int fd, uid_t uid)
{
    unsigned most = is_preferred(queue, uid) ? QUEUE_WAITING_MAX : QUEUE_WAITING_OTHERS, own = 0;

    for (unsigned i = 0; i < queue->waiting_count; i++)
        own += queue->waiting[i].uid == uid;
    if (queue->waiting_count >= most || own >= QUEUE_WAITING_USER)
        return false;
    queue->waiting[queue->waiting_count++] = (struct queue_place){.fd = fd, .uid = uid};
    return true;
}

static bool may_be_served(const struct queue *queue, uid_t uid)
{
    unsigned most = is_preferred(queue, uid) ? QUEUE_SERVED_MAX : QUEUE_SERVED_OTHERS, own = 0;

    for (unsigned i = 0; i < queue->served_count; i++)
        own += queue->served[i] == uid;
    return queue->served_count < most && own < QUEUE_SERVED_USER;
}

bool queue_next(struct queue *queue, struct queue_place *out_place)
{
    for (unsigned i = 0; i < queue->waiting_count; i++) {
        if (!may_be_served(queue, queue->waiting[i].uid))
            continue;
        *out_place = queue->waiting[i];
        queue->waiting_count--;
        memmove(&queue->waiting[i], &queue->waiting[i + 1],
                (queue->waiting_count - i) * sizeof queue->waiting[0]);
        queue->served[queue->served_count++] = out_place->uid;
        return true;
    }
    return false;
}

void queue_leave(struct queue *queue, uid_t uid)
{
    for (unsigned i = 0; i < queue->served_count; i++)
        if (queue->served[i] == uid) {
            queue->served[i] = queue->served[--queue->served_count];
            return;
        }
}

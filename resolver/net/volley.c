#include "resolver/net/volley.h"

#include <errno.h>
#include <string.h>

#include "resolver/base/check.h"

_Static_assert(sizeof((struct volley *)0)->bytes <= JOINED_OCTETS, "a message may be too long");

void volley_add(struct volley *volley, const uint8_t *packet, size_t len)
{
    uint8_t *bytes;

    if (!EXPECT(volley->count < BATCH) || !EXPECT(len <= EXCHANGE_PACKET_MAX))
        return;
    bytes = volley->bytes[volley->count];
    memcpy(bytes, packet, len);
    volley->vectors[volley->count++] = (struct iovec){bytes, len};
}

/* The longest first. Few, and of few lengths. */
static void vectors_sort(struct iovec *vectors, unsigned count)
{
    for (unsigned i = 1; i < count; i++) {
        struct iovec vector = vectors[i];
        unsigned at = i;

        for (; at > 0 && vectors[at - 1].iov_len < vector.iov_len; at--)
            vectors[at] = vectors[at - 1];
        vectors[at] = vector;
    }
}

/* The questions as messages: how many. */
static unsigned messages_write(struct volley *volley)
{
    bool joins = volley->way == VOLLEY_JOINED;
    unsigned number = 0, run;

    if (joins && volley->count > 1)
        vectors_sort(volley->vectors, volley->count);
    for (unsigned at = 0; at < volley->count; at += run, number++) {
        struct msghdr *header = &volley->messages[number].msg_hdr;

        *header = (struct msghdr){.msg_control = &volley->controls[number]};
        run = joins ? joined_run(volley->vectors + at, volley->count - at) : 1;
        joined_write(header, volley->vectors + at, run);
    }
    return number;
}

int volley_send(struct volley *volley, int fd, bool is_refusal_late)
{
    struct mmsghdr *messages = volley->messages;
    unsigned left;
    int sent, code = 0;

    if (volley->count > 1 && volley->way == VOLLEY_UNTRIED)
        volley->way = joined_is_known(fd) ? VOLLEY_JOINED : VOLLEY_ONE_BY_ONE;
    left = messages_write(volley);
    while (left > 0 && code == 0) {
        sent = sendmmsg(fd, messages, left, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0) {
            messages += sent;
            left -= (unsigned)sent;
        } else if (errno == EAGAIN || errno == ENOBUFS) {
            break; /* their deadlines find them */
        } else if (errno == ECONNREFUSED && is_refusal_late) {
            is_refusal_late = false;
        } else if (joined_is_refused(errno) && messages->msg_hdr.msg_iovlen > 1) {
            volley->way = VOLLEY_ONE_BY_ONE;
            left = joined_part(messages, left);
        } else if (errno != EINTR) {
            code = -errno;
        }
    }
    volley->count = 0;
    return code;
}

#include "resolver/net/volley.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>

#include "resolver/base/check.h"

/* The kernel takes 64 (UDP_MAX_SEGMENTS); before 5.16 it counted the headers among their octets. */
enum { JOINED_MAX = 60 };

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

/* How many from the first on may leave as one message. */
static unsigned run_length(const struct volley *volley, const struct iovec *vectors, unsigned count)
{
    unsigned most = count < JOINED_MAX ? count : JOINED_MAX, run = 1;

    if (volley->way != VOLLEY_JOINED)
        return run;
    while (run < most && vectors[run].iov_len == vectors[0].iov_len)
        run++;
    return run < most ? run + 1 : run; /* and a shorter one, which ends it */
}

static void message_write(struct volley *volley, unsigned number, struct iovec *vectors,
                          unsigned run)
{
    struct msghdr *header = &volley->messages[number].msg_hdr;
    struct cmsghdr *control = &volley->controls[number].align;
    uint16_t len = (uint16_t)vectors[0].iov_len;

    *header = (struct msghdr){.msg_iov = vectors, .msg_iovlen = run};
    if (run == 1)
        return;
    header->msg_control = control;
    header->msg_controllen = CMSG_SPACE(sizeof len);
    *control = (struct cmsghdr){
        .cmsg_len = CMSG_LEN(sizeof len), .cmsg_level = SOL_UDP, .cmsg_type = UDP_SEGMENT};
    memcpy(CMSG_DATA(control), &len, sizeof len);
}

/* The questions from `first` on, as messages: how many. */
static unsigned messages_write(struct volley *volley, unsigned first)
{
    unsigned number = 0, run;

    for (unsigned at = first; at < volley->count; at += run) {
        run = run_length(volley, volley->vectors + at, volley->count - at);
        message_write(volley, number++, volley->vectors + at, run);
    }
    return number;
}

/* A kernel before 4.18 does not refuse what it does not know: it would send all of a message as one
 * datagram. */
static bool kernel_joins(int fd)
{
    int value;
    socklen_t len = sizeof value;

    return getsockopt(fd, SOL_UDP, UDP_SEGMENT, &value, &len) == 0;
}

/* Why a joined message may be refused where each of it would not be: no checksums for it on this
 * way or IPsec (EIO), drivers (EINVAL), the way's longest packet, a packet filter that goes by
 * length. */
static bool is_about_joining(int error)
{
    return error == EIO || error == EINVAL || error == EMSGSIZE || error == EOPNOTSUPP ||
           error == EPERM;
}

int volley_send(struct volley *volley, int fd, bool is_refusal_late)
{
    unsigned at = 0, left, number = 0;
    int sent, code = 0;

    if (volley->count > 1 && volley->way == VOLLEY_UNTRIED)
        volley->way = kernel_joins(fd) ? VOLLEY_JOINED : VOLLEY_ONE_BY_ONE;
    if (volley->count > 1 && volley->way == VOLLEY_JOINED)
        vectors_sort(volley->vectors, volley->count);
    left = messages_write(volley, 0);
    while (left > 0 && code == 0) {
        sent = sendmmsg(fd, volley->messages + number, left, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0) {
            for (int i = 0; i < sent; i++)
                at += (unsigned)volley->messages[number++].msg_hdr.msg_iovlen;
            left -= (unsigned)sent;
        } else if (errno == EAGAIN || errno == ENOBUFS) {
            break; /* their deadlines find them */
        } else if (errno == ECONNREFUSED && is_refusal_late) {
            is_refusal_late = false;
        } else if (is_about_joining(errno) && volley->messages[number].msg_hdr.msg_iovlen > 1) {
            volley->way = VOLLEY_ONE_BY_ONE;
            left = messages_write(volley, at);
            number = 0;
        } else if (errno != EINTR) {
            code = -errno;
        }
    }
    volley->count = 0;
    return code;
}

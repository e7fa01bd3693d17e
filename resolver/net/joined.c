#include "resolver/net/joined.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/uio.h>

enum {
    /* The kernel takes 64 (UDP_MAX_SEGMENTS); before 5.16 it counted the headers among their
       octets. */
    RUN_MAX = 60,
    LENGTH_MAX = 1232, /* what fits into a packet on any way of IPv6: RFC 8200 section 5 */
};

bool joined_is_known(int fd)
{
    int value;
    socklen_t len = sizeof value;

    return getsockopt(fd, SOL_UDP, UDP_SEGMENT, &value, &len) == 0;
}

/* No checksums for it on this way or IPsec (EIO), drivers (EINVAL), the way's longest packet, a
 * packet filter that goes by length. */
bool joined_is_refused(int error)
{
    return error == EIO || error == EINVAL || error == EMSGSIZE || error == EOPNOTSUPP ||
           error == EPERM;
}

unsigned joined_run(const struct iovec *vectors, unsigned count)
{
    size_t len = vectors[0].iov_len;
    unsigned most = count < RUN_MAX ? count : RUN_MAX, run = 1;

    if (len == 0 || len > LENGTH_MAX)
        return 1;
    while (run < most && vectors[run].iov_len == len)
        run++;
    return run < most ? run + 1 : run; /* and a shorter one, which ends it */
}

void joined_write(struct msghdr *header, struct iovec *vectors, unsigned run)
{
    uint16_t len = (uint16_t)vectors[0].iov_len;
    struct cmsghdr *control;

    header->msg_iov = vectors;
    header->msg_iovlen = run;
    if (run == 1)
        return;
    control = (struct cmsghdr *)(void *)((uint8_t *)header->msg_control + header->msg_controllen);
    *control = (struct cmsghdr){
        .cmsg_len = CMSG_LEN(sizeof len), .cmsg_level = SOL_UDP, .cmsg_type = UDP_SEGMENT};
    memcpy(CMSG_DATA(control), &len, sizeof len);
    header->msg_controllen += JOINED_CONTROL;
}

unsigned joined_part(struct mmsghdr *messages, unsigned count)
{
    unsigned parts = 0, at;

    for (unsigned i = 0; i < count; i++)
        parts += (unsigned)messages[i].msg_hdr.msg_iovlen;
    at = parts;
    /* From the end on, where nothing is overwritten that is still to be read. */
    while (count > 0) {
        struct msghdr header = messages[--count].msg_hdr;
        size_t run = header.msg_iovlen;

        if (run > 1)
            header.msg_controllen -= JOINED_CONTROL;
        header.msg_iovlen = 1;
        header.msg_iov += run;
        for (; run > 0; run--) {
            header.msg_iov--;
            messages[--at].msg_hdr = header;
        }
    }
    return parts;
}

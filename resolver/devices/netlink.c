#include "resolver/devices/netlink.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

/* Of the kernel's times in messages, whatever it counts in itself. */
enum { TICK_MS = 10 };

/* States in which the MAC address is, or was just now, true; incomplete and failed entries have
 * none. */
static const unsigned TRUE_STATES =
    NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT;

size_t netlink_ask(uint8_t request[NETLINK_ASK_MAX], int family, uint32_t sequence)
{
    struct nlmsghdr header = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct ndmsg)),
                              .nlmsg_type = RTM_GETNEIGH,
                              .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
                              .nlmsg_seq = sequence};
    struct ndmsg body = {.ndm_family = (uint8_t)family};

    memset(request, 0, NETLINK_ASK_MAX);
    memcpy(request, &header, sizeof header);
    memcpy(request + NLMSG_HDRLEN, &body, sizeof body);
    return NLMSG_ALIGN(header.nlmsg_len);
}

static bool address_take(struct neighbour *neighbour, const struct ndmsg *body, const uint8_t *data,
                         size_t len)
{
    struct address *address = &neighbour->address;

    if (body->ndm_family == AF_INET && len == 4) {
        memset(address->bytes + 10, 0xff, 2);
        memcpy(address->bytes + 12, data, 4);
        return data[0] != 0 && data[0] < 224; /* multicast is nobody */
    }
    if (body->ndm_family != AF_INET6 || len != 16 || data[0] == 0xff)
        return false;
    memcpy(address->bytes, data, 16);
    if (data[0] == 0xfe && (data[1] & 0xc0) == 0x80)
        address->scope = (uint32_t)body->ndm_ifindex;
    return true;
}

static int64_t ago_of(const uint8_t *data, size_t len)
{
    struct nda_cacheinfo info;
    uint32_t ticks;

    if (len < sizeof info)
        return 0;
    memcpy(&info, data, sizeof info);
    ticks = info.ndm_confirmed < info.ndm_updated ? info.ndm_confirmed : info.ndm_updated;
    return (int64_t)ticks * TICK_MS;
}

/* One RTM_NEWNEIGH: whether it tells of a device. */
static bool neighbour_take(const uint8_t *bytes, size_t len, struct neighbour *out)
{
    struct neighbour neighbour = {.ago_ms = 0};
    bool has_address = false, has_mac = false;
    struct ndmsg body;

    if (len < NLMSG_ALIGN(sizeof body))
        return false;
    memcpy(&body, bytes, sizeof body);
    if (!(body.ndm_state & TRUE_STATES) || (body.ndm_flags & NTF_PROXY))
        return false;
    for (size_t at = NLMSG_ALIGN(sizeof body); at + sizeof(struct rtattr) <= len;) {
        struct rtattr attribute;
        const uint8_t *data = bytes + at + RTA_LENGTH(0);
        size_t data_len;
        memcpy(&attribute, bytes + at, sizeof attribute);
        if (attribute.rta_len < RTA_LENGTH(0) || attribute.rta_len > len - at)
            break;
        data_len = attribute.rta_len - RTA_LENGTH(0);
        if (attribute.rta_type == NDA_DST)
            has_address = address_take(&neighbour, &body, data, data_len);
        if (attribute.rta_type == NDA_LLADDR && data_len == MAC_LEN) {
            memcpy(neighbour.mac, data, MAC_LEN);
            has_mac = mac_is_device(neighbour.mac);
        }
        if (attribute.rta_type == NDA_CACHEINFO)
            neighbour.ago_ms = ago_of(data, data_len);
        at += RTA_ALIGN(attribute.rta_len);
    }
    *out = neighbour;
    return has_address && has_mac;
}

/* The end of a request's answer carries 0 or a negative errno. */
static enum netlink_end end_of(const struct nlmsghdr *header, const uint8_t *body, size_t len,
                               int *out_errno)
{
    int32_t code = 0;

    if (len >= sizeof code)
        memcpy(&code, body, sizeof code);
    if (code < 0) {
        *out_errno = code > INT32_MIN ? -code : EIO;
        return NETLINK_FAULT;
    }
    return header->nlmsg_type == NLMSG_DONE ? NETLINK_DONE : NETLINK_MORE;
}

enum netlink_end netlink_read(const uint8_t *bytes, size_t len, uint32_t sequence,
                              void (*each)(void *user, const struct neighbour *neighbour),
                              void *user, int *out_errno)
{
    enum netlink_end end = NETLINK_MORE;
    bool gaps = false;

    for (size_t at = 0; at + NLMSG_HDRLEN <= len;) {
        struct nlmsghdr header;
        struct neighbour neighbour;
        memcpy(&header, bytes + at, sizeof header);
        if (header.nlmsg_len < NLMSG_HDRLEN || header.nlmsg_len > len - at)
            break;
        const uint8_t *body = bytes + at + NLMSG_HDRLEN;
        size_t body_len = header.nlmsg_len - NLMSG_HDRLEN;
        bool mine = header.nlmsg_seq == sequence;
        gaps = gaps || (mine && (header.nlmsg_flags & NLM_F_DUMP_INTR));
        if (header.nlmsg_type == RTM_NEWNEIGH && neighbour_take(body, body_len, &neighbour))
            each(user, &neighbour);
        if (mine && (header.nlmsg_type == NLMSG_DONE || header.nlmsg_type == NLMSG_ERROR))
            end = end_of(&header, body, body_len, out_errno);
        at += NLMSG_ALIGN(header.nlmsg_len);
    }
    return gaps && end != NETLINK_FAULT ? NETLINK_AGAIN : end;
}

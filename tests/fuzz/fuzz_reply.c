/* Any bytes as an upstream's reply: no crash, and what we make of them is a message that ldns
 * reads, with every TTL where we say it is. */
#include <ldns/ldns.h>
#include <stdlib.h>

#include "resolver/query/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct reply reply;
    static const struct reply_limits limits = {.max_ttl = 86400, .negative_ttl = 3600};
    struct bl_name name;
    struct reply_question question;
    ldns_pkt *packet = NULL;
    int end;

    if (size < DNS_HEADER || (end = dns_name_read(data, size, DNS_HEADER, &name)) < 0 ||
        (size_t)end + 4 > size)
        return 0;
    question = (struct reply_question){.name = name.wire,
                                       .name_len = name.len,
                                       .wants_dnssec = data[0] & 1,
                                       .type = dns_read_16(data + end),
                                       .class = dns_read_16(data + end + 2)};
    if (reply_read(&reply, data, size, &question, &limits) < 0)
        return 0;
    for (size_t i = 0; i < reply.ttl_count; i++)
        if (reply.ttls[i] + 4u > reply.len ||
            dns_read_32(reply.message + reply.ttls[i]) > limits.max_ttl)
            abort();
    if (question.type == DNS_A &&
        ldns_wire2pkt(&packet, reply.message, reply.len) == LDNS_STATUS_OK) {
        if (ldns_pkt_ancount(packet) + ldns_pkt_nscount(packet) != reply.ttl_count ||
            ldns_pkt_arcount(packet) != 0)
            abort();
        ldns_pkt_free(packet);
    }
    return 0;
}

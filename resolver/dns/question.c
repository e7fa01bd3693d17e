#include "resolver/dns/message.h"

#include <string.h>

uint16_t dns_read_16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

uint32_t dns_read_32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* Eight octets at a time: 'A' to 'Z' become 'a' to 'z', everything else, octets above 127 included,
 * stays. */
static uint64_t lower_eight(uint64_t octets)
{
    const uint64_t ones = 0x0101010101010101u;
    uint64_t low_bits = octets & 0x7f * ones;
    uint64_t above_z = low_bits + (0x7f - 'Z') * ones;
    uint64_t from_a = low_bits + (0x80 - 'A') * ones;
    uint64_t is_upper = ~octets & 0x80 * ones & (from_a ^ above_z);

    return octets | is_upper >> 2;
}

void dns_lower(uint8_t *to, const uint8_t *from, size_t len)
{
    uint64_t octets;
    size_t at = 0;

    for (; at + sizeof octets <= len; at += sizeof octets) {
        memcpy(&octets, from + at, sizeof octets);
        octets = lower_eight(octets);
        memcpy(to + at, &octets, sizeof octets);
    }
    for (; at < len; at++)
        to[at] = (uint8_t)(from[at] >= 'A' && from[at] <= 'Z' ? from[at] + 32 : from[at]);
}

/* The length of an uncompressed name at the start of `bytes`, or 0: a question has nothing before
 * its name that a pointer could mean. */
static size_t plain_name_length(const uint8_t *bytes, size_t len)
{
    size_t at = 0;

    while (at < len && at < BL_NAME_MAX) {
        if (bytes[at] == 0)
            return at + 1;
        if (bytes[at] > BL_LABEL_MAX)
            return 0;
        at += bytes[at] + 1u;
    }
    return 0;
}

/* RFC 7871 section 6: a client subnet option that contradicts itself is a format error. We never
 * use it. */
static bool subnet_is_sound(const uint8_t *data, size_t len)
{
    unsigned family, bits;

    if (len < 4)
        return false;
    family = dns_read_16(data);
    bits = data[2];
    if (family == 1 && bits > 32)
        return false;
    if (family == 2 && bits > 128)
        return false;
    return len - 4 == (bits + 7) / 8;
}

static bool option_parse(unsigned code, const uint8_t *data, size_t len,
                         struct dns_question *question)
{
    switch (code) {
    case DNS_OPTION_COOKIE: /* RFC 7873 section 5.2.2 */
        if (len != 8 && (len < 16 || len > sizeof question->cookie))
            return false;
        memcpy(question->cookie, data, len);
        question->cookie_len = (uint8_t)len;
        return true;
    case DNS_OPTION_ECS:
        return subnet_is_sound(data, len);
    case DNS_OPTION_KEEPALIVE: /* RFC 7828 section 3.2.1: a client's is empty */
        question->wants_keepalive = len == 0;
        return len == 0;
    case DNS_OPTION_EDE: /* draft-ietf-dnsop-structured-dns-error section 5.1 */
        question->wants_ede = 1;
        return true;
    case DNS_OPTION_DEVICE:
        if (len <= sizeof question->device) {
            memcpy(question->device, data, len);
            question->device_len = (uint8_t)len;
        }
        return true;
    default:
        return true;
    }
}

static bool options_parse(const uint8_t *options, size_t len, struct dns_question *question)
{
    while (len) {
        size_t size;
        if (len < 4)
            return false;
        size = dns_read_16(options + 2);
        if (len - 4 < size || !option_parse(dns_read_16(options), options + 4, size, question))
            return false;
        options += 4 + size;
        len -= 4 + size;
    }
    return true;
}

/* RFC 8945 section 4.2: the algorithm, when, how long it holds, the MAC, the id, an error, other
 * data; of class ANY. */
static bool tsig_is_sound(const uint8_t *fixed, size_t data_len)
{
    const uint8_t *data = fixed + 10;
    size_t at = plain_name_length(data, data_len), size;

    if (dns_read_16(fixed + 2) != DNS_CLASS_ANY || at == 0 || data_len - at < 10)
        return false;
    size = dns_read_16(data + at + 8);
    at += 10;
    if (data_len - at < size || data_len - at - size < 6)
        return false;
    at += size;
    return data_len - at - 6 == dns_read_16(data + at + 4);
}

/* The additional section of a question: at most one OPT, and at its end at most one TSIG (RFC 8945
 * section 5.2). Anything else is stepped over, SIG(0) (RFC 2931) among it: whoever signs so is
 * answered as if it had not. */
static bool additional_parse(const uint8_t *message, size_t len, size_t at, unsigned count,
                             struct dns_question *question)
{
    while (count--) {
        int end = dns_name_skip(message, len, at);
        size_t data_len;
        if (end < 0 || len - (size_t)end < 10)
            return false;
        const uint8_t *fixed = message + end;
        data_len = dns_read_16(fixed + 8);
        if (len - (size_t)end - 10 < data_len)
            return false;
        if (dns_read_16(fixed) == DNS_OPT) {
            unsigned size = dns_read_16(fixed + 2);
            /* RFC 6891 section 6.1.1: one OPT, owned by the root. */
            if (question->has_edns || message[at] != 0)
                return false;
            question->has_edns = 1;
            question->udp_size = (uint16_t)(size < DNS_UDP_PLAIN ? DNS_UDP_PLAIN : size);
            question->edns_version = fixed[5];
            question->wants_dnssec = (dns_read_16(fixed + 6) & DNS_EDNS_DO) != 0;
            if (question->edns_version == 0 && !options_parse(fixed + 10, data_len, question))
                return false;
        }
        if (dns_read_16(fixed) == DNS_TSIG) {
            if (count || !tsig_is_sound(fixed, data_len))
                return false;
            question->tsig_at = (uint16_t)at;
        }
        at = (size_t)end + 10 + data_len;
    }
    return true;
}

enum dns_question_verdict dns_question_parse(const uint8_t *message, size_t len,
                                             struct dns_question *out_question)
{
    struct dns_question *question = out_question;
    size_t name_len;

    if (len < DNS_HEADER)
        return DNS_QUESTION_SILENCE;
    question->id = dns_read_16(message);
    question->flags = dns_read_16(message + 2);
    question->has_edns = question->edns_version = question->wants_dnssec = 0;
    question->cookie_len = question->device_len = 0;
    question->wants_keepalive = question->wants_ede = 0;
    question->udp_size = DNS_UDP_PLAIN;
    question->tsig_at = 0;
    question->asked_len = 0;
    if (question->flags & DNS_QR)
        return DNS_QUESTION_SILENCE;
    if (question->flags & DNS_OPCODE)
        return DNS_QUESTION_NOTIMP;
    /* RFC 9619: exactly one question. Answers and authority belong to other opcodes. */
    if (dns_read_16(message + 4) != 1 || dns_read_32(message + 6) != 0)
        return DNS_QUESTION_FORMERR;
    name_len = plain_name_length(message + DNS_HEADER, len - DNS_HEADER);
    if (!name_len || len - DNS_HEADER - name_len < 4)
        return DNS_QUESTION_FORMERR;
    memcpy(question->asked, message + DNS_HEADER, name_len);
    dns_lower(question->name, message + DNS_HEADER, name_len);
    question->asked_len = (uint8_t)name_len;
    question->type = dns_read_16(message + DNS_HEADER + name_len);
    question->class = dns_read_16(message + DNS_HEADER + name_len + 2);
    if (!additional_parse(message, len, DNS_HEADER + name_len + 4, dns_read_16(message + 10),
                          question)) {
        question->asked_len = 0;
        question->has_edns = 0;
        return DNS_QUESTION_FORMERR;
    }
    if (question->edns_version)
        return DNS_QUESTION_BADVERS;
    return question->tsig_at ? DNS_QUESTION_NOTAUTH : DNS_QUESTION_FINE;
}

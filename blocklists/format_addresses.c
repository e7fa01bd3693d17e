/* Lists of addresses: single ones, prefixes ("192.0.2.0/24") and IPv4 ranges, one on a line.
 *
 * Answers with such an address are denied. So prefixes that hold private networks or half the
 * Internet are left alone unless forced: public lists of "bogons" name 10.0.0.0/8, and that is the
 * school itself.
 */
#include <arpa/inet.h>
#include <string.h>

#include "blocklists/reader.h"

enum { BROADEST_IPV4 = 8, BROADEST_IPV6 = 19 };

static bool bits_equal(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    unsigned octets = bits / 8, left = bits % 8;

    if (memcmp(a, b, octets) != 0)
        return false;
    return left == 0 || ((a[octets] ^ b[octets]) & (0xff << (8 - left)) & 0xff) == 0;
}

static bool has_host_bits(const struct bl_prefix *prefix)
{
    unsigned size = prefix->family == 4 ? 32 : 128;

    for (unsigned bit = prefix->length; bit < size; bit++)
        if (prefix->address[bit / 8] >> (7 - bit % 8) & 1)
            return true;
    return false;
}

/* Whether the prefix meets a network that a school uses inside (RFC 1918, 4193, 4291, 6598, 3927).
 */
static bool is_inside(const struct bl_prefix *prefix)
{
    static const struct bl_prefix inside[] = {
        {4, 8, {0}},           {4, 8, {10}},       {4, 10, {100, 64}},  {4, 8, {127}},
        {4, 16, {169, 254}},   {4, 12, {172, 16}}, {4, 16, {192, 168}}, {6, 7, {0xfc}},
        {6, 10, {0xfe, 0x80}}, {6, 127, {0}}};

    for (size_t i = 0; i < sizeof inside / sizeof inside[0]; i++) {
        unsigned shorter = prefix->length < inside[i].length ? prefix->length : inside[i].length;

        if (prefix->family == inside[i].family &&
            bits_equal(prefix->address, inside[i].address, shorter))
            return true;
    }
    return false;
}

bool slice_prefix(struct slice text, struct bl_prefix *out_prefix)
{
    struct slice address = slice_until(&text, '/');
    struct bl_prefix prefix;
    unsigned length = 0;

    if (!slice_address(address, &prefix))
        return false;
    if (text.at != address.at + address.len) { /* there was a '/' */
        if (text.len < 1 || text.len > 3)
            return false;
        for (size_t i = 0; i < text.len; i++) {
            if (text.at[i] < '0' || text.at[i] > '9')
                return false;
            length = length * 10 + (unsigned)(text.at[i] - '0');
        }
        if (length > prefix.length)
            return false;
        prefix.length = (uint8_t)length;
    }
    *out_prefix = prefix;
    return true;
}

const char *prefix_malformed(const struct bl_prefix *prefix, bool forced)
{
    if (has_host_bits(prefix))
        return "a prefix with bits beyond its length";
    if (!forced && prefix->length < (prefix->family == 4 ? BROADEST_IPV4 : BROADEST_IPV6))
        return "a prefix that holds too much of the Internet";
    return NULL;
}

const char *prefix_unused(const struct bl_prefix *prefix, bool forced)
{
    return !forced && is_inside(prefix) ? "addresses of private networks" : NULL;
}

/* "192.0.2.4-192.0.2.9" as the fewest prefixes. */
static int range_take(struct reader *reader, const struct bl_prefix *first, struct slice last_text)
{
    struct bl_prefix last, prefix = *first;
    uint64_t from, to;
    uint32_t word;
    int rc = 0;

    if (!slice_address(slice_trim(last_text), &last) || last.family != first->family)
        return reader_reject(reader, "not a range of addresses");
    if (first->family != 4)
        return reader_unused(reader, "a range of IPv6 addresses; please write prefixes");
    memcpy(&word, first->address, 4);
    from = ntohl(word);
    memcpy(&word, last.address, 4);
    to = ntohl(word);
    if (from > to)
        return reader_reject(reader, "a range that ends before it begins");
    while (rc == 0 && from <= to) {
        unsigned bits = 0;

        while (bits < 32 && (from >> bits & 1) == 0 && from + ((uint64_t)2 << bits) - 1 <= to)
            bits++;
        word = htonl((uint32_t)from);
        memcpy(prefix.address, &word, 4);
        prefix.length = (uint8_t)(32 - bits);
        rc = reader_address(reader, &prefix, reader->options->action);
        from += (uint64_t)1 << bits;
    }
    return rc;
}

static int addresses_line(struct reader *reader, struct slice line)
{
    struct slice rest = line, word = slice_word(&rest), first;
    struct bl_prefix prefix;

    if (line.at[0] == '#' || line.at[0] == ';')
        return 0;
    rest = slice_trim(rest);
    if (rest.len > 0 && rest.at[0] == '-') { /* "a - b" */
        word = line;
        rest.len = 0;
    }
    if (rest.len > 0 && rest.at[0] != '#' && rest.at[0] != ';')
        return reader_reject(reader, "more than one word on a line");
    if (slice_prefix(word, &prefix))
        return reader_address(reader, &prefix, reader->options->action);
    first = slice_until(&word, '-');
    if (word.len > 0 && slice_address(slice_trim(first), &prefix))
        return range_take(reader, &prefix, word);
    return reader_reject(reader, "not an address or prefix");
}

const struct format format_addresses = {.name = "addresses", .line = addresses_line};

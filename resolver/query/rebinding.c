#include "resolver/query/rebinding.h"

#include <string.h>

#include "resolver/query/query.h"

static const struct {
    uint8_t octets[4];
    uint8_t bits;
} PRIVATE_V4[] = {
    {{0, 0, 0, 0}, 8},   /* RFC 1122 section 3.2.1.3: "this host", which many take for themselves */
    {{10, 0, 0, 0}, 8},  /* RFC 1918 */
    {{127, 0, 0, 0}, 8}, /* RFC 1122 */
    {{169, 254, 0, 0}, 16}, /* RFC 3927 */
    {{172, 16, 0, 0}, 12},  /* RFC 1918 */
    {{192, 168, 0, 0}, 16}, {{255, 255, 255, 255}, 32},
};

static bool starts_with(const uint8_t *bytes, const uint8_t *prefix, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;

    return memcmp(bytes, prefix, whole) == 0 &&
           (!rest || (bytes[whole] ^ prefix[whole]) >> (8 - rest) == 0);
}

static bool v4_is_private(const uint8_t *bytes)
{
    for (size_t i = 0; i < sizeof PRIVATE_V4 / sizeof *PRIVATE_V4; i++)
        if (starts_with(bytes, PRIVATE_V4[i].octets, PRIVATE_V4[i].bits))
            return true;
    return false;
}

static bool v6_is_private(const uint8_t *bytes)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff}, zeros[15];
    static const uint8_t translated[12] = {0x00, 0x64, 0xff, 0x9b};     /* RFC 6052 section 2.1 */
    static const uint8_t own[6] = {0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}; /* RFC 8215 */

    if (memcmp(bytes, zeros, sizeof zeros) == 0 && bytes[15] <= 1)
        return true; /* :: and ::1 */
    if (memcmp(bytes, mapped, sizeof mapped) == 0 || memcmp(bytes, zeros, 12) == 0 ||
        memcmp(bytes, translated, sizeof translated) == 0 || memcmp(bytes, own, sizeof own) == 0)
        return v4_is_private(bytes + 12);
    if (bytes[0] == 0x20 && bytes[1] == 0x02) /* RFC 3056: 6to4 */
        return v4_is_private(bytes + 2);
    return (bytes[0] & 0xfe) == 0xfc ||                     /* RFC 4193: unique local */
           (bytes[0] == 0xfe && (bytes[1] & 0x80) == 0x80); /* link-local and site-local */
}

bool address_is_private(const uint8_t *bytes, size_t size)
{
    return size == 4 ? v4_is_private(bytes) : v6_is_private(bytes);
}

bool rebinding_is_allowed(const struct config *config, const uint8_t *name)
{
    for (size_t i = 0; i < config->private_allowed_count; i++)
        if (bl_name_is_below(name, config->private_allowed[i]))
            return true;
    return false;
}

static bool take(const uint8_t *bytes, size_t size, uint8_t out_address[16])
{
    if (!address_is_private(bytes, size))
        return false;
    memset(out_address, 0, 10);
    out_address[10] = out_address[11] = 0xff;
    memcpy(out_address + 16 - size, bytes, size);
    return true;
}

static bool take_hint(const uint8_t *message, const struct dns_record *record,
                      uint8_t out_address[16])
{
    struct dns_hints hints;
    const uint8_t *hint;
    size_t size;

    dns_hints_start(&hints, message, record);
    while ((hint = dns_hints_next(&hints, &size)))
        if (take(hint, size, out_address))
            return true;
    return false;
}

bool rebinding_refuses(const struct pipeline *pipeline, const struct query *query,
                       const uint8_t *message, size_t len, uint8_t out_address[16])
{
    struct dns_record record;
    struct dns_walk walk;

    if (rebinding_is_allowed(pipeline->world->config, query->question.name) ||
        exchange_has_zone(pipeline->exchanges, query->question.name) ||
        dns_walk_start(&walk, message, len) < 0)
        return false;
    while (dns_walk_next(&walk, &record) > 0 && record.section == 1) {
        const uint8_t *data = message + record.data;
        bool is_service = record.type == DNS_HTTPS || record.type == DNS_SVCB;
        if (is_service ? take_hint(message, &record, out_address)
                       : ((record.type == DNS_A && record.data_len == 4) ||
                          (record.type == DNS_AAAA && record.data_len == 16)) &&
                             take(data, record.data_len, out_address))
            return true;
    }
    return false;
}

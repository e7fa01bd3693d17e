#include "resolver/base/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t MAPPED[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool address_is_v4(const struct address *address)
{
    return memcmp(address->bytes, MAPPED, sizeof MAPPED) == 0;
}

bool address_equal_host(const struct address *a, const struct address *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0 && a->scope == b->scope;
}

bool address_equal(const struct address *a, const struct address *b)
{
    return address_equal_host(a, b) && a->port == b->port;
}

bool address_is_loopback(const struct address *address)
{
    static const uint8_t LOOPBACK_V6[16] = {[15] = 1};

    if (address_is_v4(address))
        return address->bytes[12] == 127;
    return memcmp(address->bytes, LOOPBACK_V6, sizeof LOOPBACK_V6) == 0;
}

bool address_is_wildcard(const struct address *address)
{
    static const uint8_t ZERO[16];

    if (address_is_v4(address))
        return memcmp(address->bytes + 12, ZERO, 4) == 0;
    return memcmp(address->bytes, ZERO, sizeof ZERO) == 0;
}

static int port_parse(const char *text, uint16_t *out_port)
{
    char *end;
    long value;

    if (*text < '0' || *text > '9')
        return -EINVAL;
    value = strtol(text, &end, 10);
    if (*end || value < 1 || value > 65535)
        return -EINVAL;
    *out_port = (uint16_t)value;
    return 0;
}

/* Splits "HOST", "HOST@PORT", "V4:PORT" and "[V6]:PORT"; host holds ADDRESS_TEXT_MAX octets. */
static int host_split(const char *text, char *host, uint16_t *port)
{
    const char *end = text + strlen(text), *at = strchr(text, '@'), *port_text = NULL;
    size_t len;

    if (*text == '[') {
        const char *close = strchr(++text, ']');
        if (!close || (close[1] && close[1] != ':'))
            return -EINVAL;
        port_text = close[1] ? close + 2 : NULL;
        end = close;
    } else if (at) {
        port_text = at + 1;
        end = at;
    } else if (strchr(text, ':') && strchr(text, ':') == strrchr(text, ':')) {
        end = strchr(text, ':');
        port_text = end + 1;
    }
    len = (size_t)(end - text);
    if (len == 0 || len >= ADDRESS_TEXT_MAX)
        return -EINVAL;
    memcpy(host, text, len);
    host[len] = '\0';
    return port_text ? port_parse(port_text, port) : 0;
}

static int scope_parse(const char *text, uint32_t *out_scope)
{
    char *end;
    unsigned long value = if_nametoindex(text);

    if (!value) {
        value = strtoul(text, &end, 10);
        if (!*text || *end || value > UINT32_MAX)
            return -EINVAL;
    }
    *out_scope = (uint32_t)value;
    return 0;
}

/* Pseudonyms of devices (denials/pseudonym.h): 40 bits below 0100::/64, RFC 6666, in Crockford's
 * base 32. */
static const uint8_t PSEUDONYMS[11] = {0x01};
static const char DIGITS[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
enum { PSEUDONYM_DIGITS = 8 };

static char *pseudonym_text(const struct address *address, char text[ADDRESS_TEXT_MAX])
{
    char code[PSEUDONYM_DIGITS];
    uint64_t bits = 0;

    for (int i = 11; i < 16; i++)
        bits = bits << 8 | address->bytes[i];
    for (int i = PSEUDONYM_DIGITS - 1; i >= 0; i--, bits >>= 5)
        code[i] = DIGITS[bits & 31];
    snprintf(text, ADDRESS_TEXT_MAX, "device-%.4s-%.4s", code, code + 4);
    return text;
}

static int pseudonym_parse(const char *text, struct address *out_address)
{
    struct address address = {0};
    const char *digit;
    uint64_t bits = 0;
    unsigned count = 0;

    for (text += strlen("device-"); *text; text++) {
        if (*text == '-' && count == PSEUDONYM_DIGITS / 2)
            continue;
        digit = strchr(DIGITS, *text >= 'a' && *text <= 'z' ? *text - 'a' + 'A' : *text);
        if (!digit || ++count > PSEUDONYM_DIGITS)
            return -EINVAL;
        bits = bits << 5 | (uint64_t)(digit - DIGITS);
    }
    if (count != PSEUDONYM_DIGITS)
        return -EINVAL;
    memcpy(address.bytes, PSEUDONYMS, sizeof PSEUDONYMS);
    for (int i = 15; i >= 11; i--, bits >>= 8)
        address.bytes[i] = (uint8_t)bits;
    *out_address = address;
    return 0;
}

bool address_is_pseudonym(const struct address *address)
{
    return memcmp(address->bytes, PSEUDONYMS, sizeof PSEUDONYMS) == 0;
}

int address_parse(const char *text, uint16_t port, struct address *out_address)
{
    struct address address = {.port = port};
    char host[ADDRESS_TEXT_MAX], *percent;

    if (strncmp(text, "device-", 7) == 0)
        return pseudonym_parse(text, out_address);
    if (host_split(text, host, &address.port) < 0)
        return -EINVAL;
    percent = strchr(host, '%');
    if (percent) {
        *percent = '\0';
        if (scope_parse(percent + 1, &address.scope) < 0)
            return -EINVAL;
    }
    if (inet_pton(AF_INET, host, address.bytes + 12) == 1) {
        if (percent)
            return -EINVAL;
        memcpy(address.bytes, MAPPED, sizeof MAPPED);
    } else if (inet_pton(AF_INET6, host, address.bytes) != 1) {
        return -EINVAL;
    }
    *out_address = address;
    return 0;
}

/* As inet_ntop() writes it, which goes through printf(): reports write each device of each day. */
static char *v4_text(const uint8_t octets[4], char text[ADDRESS_TEXT_MAX])
{
    char *at = text;

    for (int i = 0; i < 4; i++) {
        if (octets[i] >= 100)
            *at++ = (char)('0' + octets[i] / 100);
        if (octets[i] >= 10)
            *at++ = (char)('0' + octets[i] / 10 % 10);
        *at++ = (char)('0' + octets[i] % 10);
        *at++ = i < 3 ? '.' : '\0';
    }
    return text;
}

char *address_text(const struct address *address, char text[ADDRESS_TEXT_MAX])
{
    if (address_is_v4(address))
        return v4_text(address->bytes + 12, text);
    if (address_is_pseudonym(address))
        return pseudonym_text(address, text);
    inet_ntop(AF_INET6, address->bytes, text, ADDRESS_TEXT_MAX);
    if (address->scope) {
        size_t len = strlen(text);
        snprintf(text + len, ADDRESS_TEXT_MAX - len, "%%%u", address->scope);
    }
    return text;
}

char *address_text_port(const struct address *address, char text[ADDRESS_TEXT_MAX])
{
    char host[ADDRESS_TEXT_MAX];
    bool is_v4 = address_is_v4(address);
    size_t len;

    address_text(address, host);
    len = strnlen(host, 56); /* an IPv6 address with its scope has at most 56 characters */
    host[len] = '\0';
    snprintf(text, ADDRESS_TEXT_MAX, "%s%s%s:%u", is_v4 ? "" : "[", host, is_v4 ? "" : "]",
             address->port);
    return text;
}

socklen_t address_to_sockaddr(const struct address *address, bool as_v6,
                              struct sockaddr_storage *out)
{
    memset(out, 0, sizeof *out);
    if (address_is_v4(address) && !as_v6) {
        struct sockaddr_in *v4 = (struct sockaddr_in *)out;
        v4->sin_family = AF_INET;
        v4->sin_port = htons(address->port);
        memcpy(&v4->sin_addr, address->bytes + 12, 4);
        return sizeof *v4;
    }
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(address->port);
    v6->sin6_scope_id = address->scope;
    memcpy(&v6->sin6_addr, address->bytes, 16);
    return sizeof *v6;
}

void address_from_sockaddr(const struct sockaddr *sockaddr, struct address *out_address)
{
    struct address address = {0};

    if (sockaddr->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, sockaddr, sizeof v4);
        memcpy(address.bytes, MAPPED, sizeof MAPPED);
        memcpy(address.bytes + 12, &v4.sin_addr, 4);
        address.port = ntohs(v4.sin_port);
    } else {
        struct sockaddr_in6 v6;
        memcpy(&v6, sockaddr, sizeof v6);
        memcpy(address.bytes, &v6.sin6_addr, 16);
        address.port = ntohs(v6.sin6_port);
        address.scope = v6.sin6_scope_id;
    }
    *out_address = address;
}

static void clear_host_bits(uint8_t bytes[16], unsigned length)
{
    for (unsigned bit = length; bit < 128; bit++)
        bytes[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
}

int address_prefix_parse(const char *text, struct address_prefix *out_prefix)
{
    struct address_prefix prefix = {.length = 128};
    char host[ADDRESS_TEXT_MAX];
    const char *slash = strchr(text, '/');
    struct address address;
    size_t len = slash ? (size_t)(slash - text) : strlen(text);
    bool is_v4;

    if (len == 0 || len >= sizeof host || memchr(text, '@', len) || memchr(text, '[', len))
        return -EINVAL;
    memcpy(host, text, len);
    host[len] = '\0';
    if (address_parse(host, 0, &address) < 0 || address.port || address.scope)
        return -EINVAL;
    is_v4 = address_is_v4(&address) && strchr(host, '.') && !strchr(host, ':');
    if (slash) {
        char *end;
        long bits = strtol(slash + 1, &end, 10);
        if (slash[1] < '0' || slash[1] > '9' || *end || bits > (is_v4 ? 32 : 128))
            return -EINVAL;
        prefix.length = (uint8_t)(bits + (is_v4 ? 96 : 0));
    }
    memcpy(prefix.bytes, address.bytes, 16);
    clear_host_bits(prefix.bytes, prefix.length);
    *out_prefix = prefix;
    return 0;
}

char *address_prefix_text(const struct address_prefix *prefix, char text[ADDRESS_TEXT_MAX])
{
    struct address address = {0};
    bool is_v4;
    size_t len;

    memcpy(address.bytes, prefix->bytes, 16);
    is_v4 = prefix->length >= 96 && address_is_v4(&address);
    address_text(&address, text);
    len = strlen(text);
    snprintf(text + len, ADDRESS_TEXT_MAX - len, "/%u", prefix->length - (is_v4 ? 96u : 0u));
    return text;
}

bool address_in_prefix(const struct address *address, const struct address_prefix *prefix)
{
    unsigned whole = prefix->length / 8, rest = prefix->length % 8;
    uint8_t mask = (uint8_t)(0xff00u >> rest);

    if (memcmp(address->bytes, prefix->bytes, whole) != 0)
        return false;
    return rest == 0 || ((address->bytes[whole] ^ prefix->bytes[whole]) & mask) == 0;
}

#include "blocklists/reader.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

static bool is_blank(char octet)
{
    return octet == ' ' || octet == '\t' || octet == '\r' || octet == '\v' || octet == '\f';
}

struct slice slice_trim(struct slice text)
{
    while (text.len > 0 && is_blank(text.at[0])) {
        text.at++;
        text.len--;
    }
    while (text.len > 0 && is_blank(text.at[text.len - 1]))
        text.len--;
    return text;
}

bool slice_is(struct slice text, const char *word)
{
    return strlen(word) == text.len && strncasecmp(text.at, word, text.len) == 0;
}

bool slice_starts(struct slice text, const char *prefix)
{
    size_t len = strlen(prefix);

    return text.len >= len && strncasecmp(text.at, prefix, len) == 0;
}

bool slice_ends(struct slice text, const char *suffix)
{
    size_t len = strlen(suffix);

    return text.len >= len && memcmp(text.at + text.len - len, suffix, len) == 0;
}

bool slice_has(struct slice text, const char *part)
{
    return memmem(text.at, text.len, part, strlen(part)) != NULL;
}

bool slice_is_number(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
    return text.len > 0;
}

struct slice slice_word(struct slice *rest)
{
    struct slice word;

    while (rest->len > 0 && is_blank(rest->at[0])) {
        rest->at++;
        rest->len--;
    }
    word = (struct slice){rest->at, 0};
    while (rest->len > 0 && !is_blank(rest->at[0])) {
        rest->at++;
        rest->len--;
        word.len++;
    }
    return word;
}

struct slice slice_until(struct slice *rest, char separator)
{
    const char *found = memchr(rest->at, separator, rest->len);
    struct slice before = *rest;

    if (!found) {
        rest->at += rest->len;
        rest->len = 0;
        return before;
    }
    before.len = (size_t)(found - rest->at);
    rest->at += before.len + 1;
    rest->len -= before.len + 1;
    return before;
}

struct slice slice_without_comment(struct slice text, char mark)
{
    const char *from = text.at;
    const char *found;

    while ((found = memchr(from, mark, text.len - (size_t)(from - text.at)))) {
        if (found == text.at || is_blank(found[-1])) {
            text.len = (size_t)(found - text.at);
            return slice_trim(text);
        }
        from = found + 1;
    }
    return text;
}

bool slice_address(struct slice text, struct bl_prefix *out_prefix)
{
    char copy[INET6_ADDRSTRLEN];
    struct bl_prefix prefix = {0};
    const char *zone = memchr(text.at, '%', text.len);

    if (zone)
        text.len = (size_t)(zone - text.at);
    if (text.len == 0 || text.len >= sizeof copy)
        return false;
    memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    if (inet_pton(AF_INET, copy, prefix.address) == 1) {
        prefix.family = 4;
        prefix.length = 32;
    } else if (inet_pton(AF_INET6, copy, prefix.address) == 1) {
        prefix.family = 6;
        prefix.length = 128;
    } else {
        return false;
    }
    *out_prefix = prefix;
    return true;
}

/* Whether an address can begin with this. */
static bool begins_address(char octet)
{
    return (octet >= '0' && octet <= '9') || (octet >= 'a' && octet <= 'f') ||
           (octet >= 'A' && octet <= 'F') || octet == ':';
}

bool slice_is_range(struct slice text)
{
    struct slice first;
    struct bl_prefix ignored;

    /* Asked of each name of a list. */
    if (text.len == 0 || !begins_address(text.at[0]) || !memchr(text.at, '-', text.len))
        return false;
    first = slice_until(&text, '-');
    return slice_address(slice_trim(first), &ignored) && slice_address(slice_trim(text), &ignored);
}

bool prefix_is_nowhere(const struct bl_prefix *prefix)
{
    static const uint8_t unspecified_or_loopback[15];

    if (prefix->family == 4)
        return prefix->address[0] == 127 || memcmp(prefix->address, "\0\0\0\0", 4) == 0;
    if (prefix->address[0] == 0xfe && (prefix->address[1] & 0xc0) == 0x80)
        return true; /* fe80::1%lo0, as macOS writes the loopback */
    return memcmp(prefix->address, unspecified_or_loopback, 15) == 0 && prefix->address[15] <= 1;
}

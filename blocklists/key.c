#include "blocklists/key.h"

#include <string.h>

/* Which octets a listed name has. */
static const bool listable[256] = {
    ['-'] = true,
    ['0' ... '9'] = true,
    ['_'] = true,
    ['a' ... 'z'] = true,
};

size_t bl_key_of_name(const uint8_t *wire, uint8_t key[BL_KEY_MAX])
{
    size_t len = bl_name_length(wire);
    size_t at = len - 1;
    bool all_listable = true;

    if (at == 0)
        return 0;
    /* From the left of the name to the right of the key: both are the same octets but for the
     * length octets, which become the zeros. */
    while (*wire != 0) {
        size_t label = *wire;

        key[--at] = 0;
        at -= label;
        for (size_t i = 0; i < label; i++) {
            all_listable &= listable[wire[1 + i]];
            key[at + i] = wire[1 + i];
        }
        wire += label + 1;
    }
    return all_listable ? len - 1 : 0;
}

size_t bl_key_of_prefix(const struct bl_prefix *prefix, uint8_t key[BL_KEY_MAX])
{
    size_t octets = prefix->family == 4 ? 4 : 16;

    key[0] = prefix->family;
    memcpy(key + 1, prefix->address, octets);
    key[1 + octets] = prefix->length;
    return octets + 2;
}

bool bl_key_is_name(const uint8_t *key, size_t len)
{
    size_t start = 0;

    if (len == 0 || len >= BL_NAME_MAX || key[len - 1] != 0)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (listable[key[i]])
            continue;
        if (key[i] != 0 || i == start || i - start > BL_LABEL_MAX)
            return false;
        start = i + 1;
    }
    return true;
}

bool bl_key_to_name(const uint8_t *key, size_t len, struct bl_name *out_name)
{
    uint8_t *wire = out_name->wire;
    size_t at = len;

    if (!bl_key_is_name(key, len))
        return false;
    wire[len] = 0;
    for (size_t start = 0; start < len;) {
        size_t label = strlen((const char *)key + start);

        at -= label + 1;
        wire[at] = (uint8_t)label;
        memcpy(wire + at + 1, key + start, label);
        start += label + 1;
    }
    out_name->len = (uint8_t)(len + 1);
    return true;
}

bool bl_key_to_prefix(const uint8_t *key, size_t len, struct bl_prefix *out_prefix)
{
    size_t octets;
    unsigned length;

    if (!bl_key_is_prefix(key, len))
        return false;
    octets = key[0] == 4 ? 4 : 16;
    if (len != octets + 2 || key[len - 1] > octets * 8)
        return false;
    length = key[len - 1];
    for (size_t bit = length; bit < octets * 8; bit++)
        if (key[1 + bit / 8] & (0x80u >> bit % 8))
            return false;
    memset(out_prefix, 0, sizeof *out_prefix);
    out_prefix->family = key[0];
    out_prefix->length = (uint8_t)length;
    memcpy(out_prefix->address, key + 1, octets);
    return true;
}

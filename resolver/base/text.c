#include "resolver/base/text.h"

#include <string.h>

size_t text_utf8_read(const char *text, uint32_t *out_character)
{
    const unsigned char *at = (const unsigned char *)text;
    if (at[0] < 0x80) {
        *out_character = at[0];
        return 1;
    }
    size_t len = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
    if (at[0] < 0xc2 || at[0] > 0xf4)
        return 0;
    uint32_t character = at[0] & (0xffu >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        character = character << 6 | (at[i] & 0x3fu);
    }
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (character < least[len] || character > 0x10ffff ||
        (character >= 0xd800 && character <= 0xdfff))
        return 0;
    *out_character = character;
    return len;
}

bool text_is_unsafe(uint32_t character)
{
    return character < 0x20 || (character >= 0x7f && character <= 0x9f) || character == 0x61c ||
           (character >= 0x200b && character <= 0x200f) ||
           (character >= 0x2028 && character <= 0x202e) ||
           (character >= 0x2060 && character <= 0x206f) || character == 0xfeff ||
           (character >= 0xfff9 && character <= 0xfffb) ||
           (character >= 0xe0000 && character <= 0xe0fff);
}

char *text_clean(char *text)
{
    char *to = text;

    for (const char *at = text; *at != '\0';) {
        uint32_t character = 0;
        size_t len = text_utf8_read(at, &character);
        if (len == 0 || text_is_unsafe(character)) {
            *to++ = '?';
            at += len > 0 ? len : 1;
            continue;
        }
        memmove(to, at, len);
        to += len;
        at += len;
    }
    *to = '\0';
    return text;
}

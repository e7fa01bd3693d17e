#include "resolver/base/mac.h"

#include <ctype.h>
#include <string.h>

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool mac_parse(const char *text, uint8_t mac[MAC_LEN])
{
    uint8_t bytes[MAC_LEN];

    if (strlen(text) != MAC_TEXT_MAX - 1)
        return false;
    for (int i = 0; i < MAC_LEN; i++) {
        int high = digit(text[3 * i]), low = digit(text[3 * i + 1]);
        char separator = text[3 * i + 2];
        if (high < 0 || low < 0 || (i < MAC_LEN - 1 && separator != ':' && separator != '-'))
            return false;
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    memcpy(mac, bytes, sizeof bytes);
    return true;
}

char *mac_text(const uint8_t mac[MAC_LEN], char text[MAC_TEXT_MAX])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < MAC_LEN; i++) { /* without printf(), as with addresses */
        text[i * 3] = digits[mac[i] >> 4];
        text[i * 3 + 1] = digits[mac[i] & 15];
        text[i * 3 + 2] = i + 1 < MAC_LEN ? ':' : '\0';
    }
    return text;
}

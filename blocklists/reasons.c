#include "blocklists/reasons.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    DIGITS_MAX = 18, /* of a count: fits 64 bits, signed ones too */
    REASON_MAX = 200,
};

void bl_reasons_note(struct bl_reasons *reasons, const char *reason, uint64_t count)
{
    unsigned i = 0;

    while (i < reasons->count && strcmp(reasons->each[i].reason, reason) != 0)
        i++;
    if (i == BL_REASONS_MAX) { /* the last one stands for all that have no place of their own */
        i--;
        reasons->each[i].reason = "other reasons";
    } else if (i == reasons->count) {
        reasons->each[reasons->count++].reason = reason;
    }
    reasons->each[i].count += count;
}

static size_t kind_write(const struct bl_reasons *reasons, char mark, char *text, size_t len)
{
    for (unsigned i = 0; i < reasons->count; i++) {
        int more = snprintf(text + len, BL_REASONS_TEXT_MAX - len, "%c%" PRIu64 " %.*s\n", mark,
                            reasons->each[i].count, REASON_MAX, reasons->each[i].reason);

        if (more < 0 || (size_t)more >= BL_REASONS_TEXT_MAX - len)
            break;
        len += (size_t)more;
    }
    text[len] = '\0';
    return len;
}

void bl_reasons_write(const struct bl_reasons *malformed, const struct bl_reasons *unused,
                      char out_text[BL_REASONS_TEXT_MAX])
{
    kind_write(unused, '-', out_text, kind_write(malformed, '!', out_text, 0));
}

bool bl_reasons_next(const char **text, struct bl_reason_line *out_line)
{
    const char *at = *text, *end = strchr(at, '\n');
    struct bl_reason_line line = {.malformed = *at == '!'};
    size_t digits;

    if (!end || (*at != '!' && *at != '-'))
        return false;
    digits = strspn(++at, "0123456789");
    if (digits == 0 || digits > DIGITS_MAX || at[digits] != ' ' || end - at > REASON_MAX + 32)
        return false;
    for (size_t i = 0; i < digits; i++)
        line.count = line.count * 10 + (uint64_t)(at[i] - '0');
    line.reason = at + digits + 1;
    line.reason_len = (int)(end - line.reason);
    *text = end + 1;
    *out_line = line;
    return true;
}

bool bl_reasons_are_whole(const char *text)
{
    struct bl_reason_line line;

    if (strlen(text) >= BL_REASONS_TEXT_MAX)
        return false;
    while (bl_reasons_next(&text, &line))
        ;
    return *text == '\0';
}

/* Why lines of a list were not taken: so many for each reason, counted while it is read, and kept
 * as text in the store's value `sources` (store-format.md), so that `lists show` can tell long
 * after. Any thread; nothing here is shared.
 */
#ifndef BLOCKLISTS_REASONS_H
#define BLOCKLISTS_REASONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BL_REASONS_MAX = 16,        /* different ones of a kind; the last stands for all others */
    BL_REASONS_TEXT_MAX = 4096, /* of a source, with the zero octet */
};

struct bl_reasons {
    struct {
        const char *reason; /* static */
        uint64_t count;
    } each[BL_REASONS_MAX];
    unsigned count;
};

void bl_reasons_note(struct bl_reasons *reasons, const char *reason, uint64_t count);

/* Both kinds as text, one reason a line. What has no room is left out. */
void bl_reasons_write(const struct bl_reasons *malformed, const struct bl_reasons *unused,
                      char out_text[BL_REASONS_TEXT_MAX]);

/* One line of such a text; `reason` is borrowed from it, and not ended by a zero. */
struct bl_reason_line {
    bool malformed; /* else not used */
    uint64_t count;
    const char *reason;
    int reason_len;
};

/* Takes the next line of `*text`. False at the end and at what is no such line: then `**text` is
 * not zero. */
bool bl_reasons_next(const char **text, struct bl_reason_line *out_line);

/* Whether a text has nothing but such lines. */
bool bl_reasons_are_whole(const char *text);

#endif

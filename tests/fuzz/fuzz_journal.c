/* A journal file of any bytes: read as far as whole, never further than it goes. The first octets
 * of the input stand for the header's end and the rest for records, whose checks are put right now
 * and then so that the reader gets past them. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/denials/journal_format.h"
#include "resolver/denials/legend.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RECORDS_MAX = 4096 };

/* Makes the records' checks right, as far as their lengths lead. */
static void checks_mend(uint8_t *file, uint64_t len)
{
    for (uint64_t at = JOURNAL_DATA_START; at + 8 <= len;) {
        struct journal_record_head *head = (struct journal_record_head *)(void *)(file + at);
        uint64_t record = (uint64_t)head->words * 8;
        if (record < 8 || record > len - at)
            return;
        head->check = journal_record_check(head, head->words, 1, at);
        at += record;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static _Alignas(8)
        const struct journal_header good = {.magic = {'C', 'H', 'A', 'L', 'K', 'J', 'N', 'L'},
                                            .format = JOURNAL_FORMAT,
                                            .byte_order = JOURNAL_BYTE_ORDER,
                                            .sequence = 1,
                                            .count_slots = JOURNAL_COUNT_SLOTS};
    if (size < 2 || size > RECORDS_MAX)
        return 0;
    uint64_t len = JOURNAL_DATA_START + size - 2;
    uint8_t *file = calloc(1, len);
    if (file == NULL)
        return 0;
    memcpy(file, &good, sizeof(good));
    memcpy(file + JOURNAL_DATA_START, data + 2, size - 2);
    ((struct journal_header *)(void *)file)->end =
        data[0] & 2 ? len : (uint64_t)JOURNAL_DATA_START + data[1];
    if (data[0] & 1)
        checks_mend(file, len);
    const struct journal_legend *legend;
    struct journal_item item;
    struct journal_scan scan;
    int type;
    if (journal_scan_start(file, len, &scan) == 0)
        while ((type = journal_scan_next(&scan, &item, &legend)) != 0) {
            struct legend_names *names;
            volatile uint8_t last;
            if (type == JOURNAL_LEGEND && legend_read(legend, &names) == 0)
                legend_names_free(names);
            if (type != JOURNAL_DENIAL)
                continue;
            last = item.denial.qname[item.qname_len - 1];
            if (item.denial.matched != NULL)
                last = item.denial.matched[item.matched_len - 1];
            if (item.denial.address != NULL)
                last = item.denial.address[15];
            (void)last;
        }
    free(file);
    return 0;
}

#include "resolver/denials/journal_format.h"

#include <errno.h>
#include <string.h>

#include "resolver/base/fetch.h"

enum { CASE_COUNTED_BITS = 36 };
#define CASE_COUNTED ((uint64_t)1 << 62)

/* Detects damage, not malice (the daemon owns the files): two multiplications a word pair, about
 * twenty nanoseconds a record. Where a record lies is part of it, so that a stale or moved record
 * does not pass. */
uint32_t journal_record_check(const void *record, size_t words, uint64_t sequence, uint64_t offset)
{
    const uint64_t k1 = 0x9e3779b97f4a7c15u, k2 = 0xc2b2ae3d27d4eb4fu;
    const uint8_t *at = record;
    uint64_t head, word, a = (sequence * k1) ^ k2, b = (offset + 1) * k2;

    memcpy(&head, at, sizeof(head));
    head &= 0xffffffffu; /* words, type, flags: little-endian, as JOURNAL_BYTE_ORDER proves */
    a = (a ^ head) * k1;
    for (size_t i = 1; i < words; i++) {
        memcpy(&word, at + 8 * i, sizeof(word));
        if (i & 1) {
            b = (b ^ word) * k1;
            b ^= b >> 31;
        } else {
            a = (a ^ word) * k2;
            a ^= a >> 31;
        }
    }
    a = (a ^ (b * k2)) * k1;
    a ^= a >> 29;
    return (uint32_t)(a ^ (a >> 32));
}

uint64_t journal_case(uint64_t sequence, uint32_t index)
{
    return sequence << JOURNAL_INDEX_BITS | index;
}

uint64_t journal_case_counted(uint64_t sequence, uint64_t counted)
{
    return CASE_COUNTED | sequence << CASE_COUNTED_BITS |
           (counted & (((uint64_t)1 << CASE_COUNTED_BITS) - 1));
}

bool journal_case_is_counted(uint64_t number)
{
    return (number & CASE_COUNTED) != 0;
}

uint64_t journal_case_sequence(uint64_t number)
{
    return journal_case_is_counted(number) ? (number ^ CASE_COUNTED) >> CASE_COUNTED_BITS
                                           : number >> JOURNAL_INDEX_BITS;
}

int journal_scan_start(const uint8_t *bytes, uint64_t file_len, struct journal_scan *out_scan)
{
    const struct journal_header *header = (const struct journal_header *)(const void *)bytes;

    if (file_len < JOURNAL_DATA_START || memcmp(header->magic, JOURNAL_MAGIC, 8) != 0 ||
        header->format != JOURNAL_FORMAT || header->byte_order != JOURNAL_BYTE_ORDER ||
        header->count_slots != JOURNAL_COUNT_SLOTS || header->sequence == 0)
        return -EBADMSG;
    uint64_t end = __atomic_load_n(&header->end, __ATOMIC_ACQUIRE);
    /* A cut file keeps its header's idea of the end; an altered end may lie anywhere. */
    if (end > file_len || end < JOURNAL_DATA_START)
        end = file_len;
    *out_scan = (struct journal_scan){.bytes = bytes,
                                      .limit = end & ~(uint64_t)7,
                                      .sequence = header->sequence,
                                      .offset = JOURNAL_DATA_START};
    return 0;
}

/* Whether `name` is a whole wire name of exactly `len` octets. */
static bool name_is_whole(const uint8_t *name, size_t len)
{
    size_t at = 0;

    while (at < len && name[at] != 0 && name[at] <= BL_LABEL_MAX)
        at += 1u + name[at];
    return at + 1 == len && name[at] == 0;
}

static bool denial_is_sound(const struct journal_denial *record, size_t len)
{
    size_t need = JOURNAL_DENIAL_FIXED;
    unsigned flags = record->head.flags;

    if (len < need)
        return false;
    const uint8_t *names = record->names;
    need += record->qname_len;
    if (flags & JOURNAL_MATCH_NAME)
        need += record->matched;
    if (flags & JOURNAL_MATCH_ADDRESS)
        need += 16;
    if (flags & JOURNAL_MAC)
        need += MAC_LEN;
    if (need > len || !name_is_whole(names, record->qname_len))
        return false;
    if (flags & JOURNAL_MATCH_NAME)
        return name_is_whole(names + record->qname_len, record->matched);
    if (flags & JOURNAL_MATCH_SUFFIX)
        return record->matched < record->qname_len &&
               name_is_whole(names + record->matched, (size_t)record->qname_len - record->matched);
    return true;
}

/* The type of the record at `offset` when it is whole and checks, else 0. */
static int record_type_at(const struct journal_scan *scan, uint64_t offset, size_t *out_len)
{
    struct journal_record_head head;

    memcpy(&head, scan->bytes + offset, sizeof(head));
    size_t len = (size_t)head.words * 8;
    if ((head.type != JOURNAL_DENIAL && head.type != JOURNAL_LEGEND) || len < sizeof(head) ||
        len > scan->limit - offset)
        return 0;
    const uint8_t *at = scan->bytes + offset;
    if (journal_record_check(at, head.words, scan->sequence, offset) != head.check)
        return 0;
    if (head.type == JOURNAL_DENIAL &&
        !denial_is_sound((const struct journal_denial *)(const void *)at, len))
        return 0;
    if (head.type == JOURNAL_LEGEND && len < offsetof(struct journal_legend, words))
        return 0;
    *out_len = len;
    return head.type;
}

static void item_read(const struct journal_scan *scan, const struct journal_denial *record,
                      struct journal_item *out)
{
    const uint8_t *names = record->names;
    unsigned flags = record->head.flags;
    const uint8_t *after = names + record->qname_len;

    *out = (struct journal_item){.offset = scan->offset,
                                 .case_number = journal_case(scan->sequence, record->index),
                                 .legend = record->legend,
                                 .qname_len = record->qname_len};
    out->denial = (struct denial){.wall_ms = record->wall_ms,
                                  .group = record->group,
                                  .category = record->category,
                                  .qtype = record->qtype,
                                  .rule = record->rule,
                                  .via = record->via,
                                  .transport = record->transport,
                                  .observed = record->observed,
                                  .answer = flags >> JOURNAL_ANSWER_SHIFT & JOURNAL_ANSWER_MASK,
                                  .policy_version = record->policy_version,
                                  .generation = record->generation,
                                  .qname = names};
    memcpy(out->denial.client.bytes, record->client, 16);
    out->denial.client.scope = record->scope;
    if (flags & JOURNAL_MATCH_NAME) {
        out->denial.matched = after;
        out->matched_len = record->matched;
        after += record->matched;
    } else if (flags & JOURNAL_MATCH_SUFFIX) {
        out->denial.matched = names + record->matched;
        out->matched_len = (uint8_t)(record->qname_len - record->matched);
    }
    if (flags & JOURNAL_MATCH_ADDRESS) {
        out->denial.address = after;
        after += 16;
    }
    if (flags & JOURNAL_MAC)
        out->denial.mac = after;
}

int journal_scan_next(struct journal_scan *scan, struct journal_item *out_item,
                      const struct journal_legend **out_legend)
{
    enum { FETCH_OCTETS = 512, FETCH_LINES = 2 }; /* some records ahead, as much as one */

    while (scan->offset + sizeof(struct journal_record_head) <= scan->limit) {
        size_t len;
        int type = record_type_at(scan, scan->offset, &len);
        if (type == 0) {
            scan->offset += 8;
            scan->skipped += 8;
            continue;
        }
        const void *at = scan->bytes + scan->offset;
        for (size_t line = 0; line < FETCH_LINES; line++) /* beyond the file's end: no harm */
            fetch_ahead((const uint8_t *)at + FETCH_OCTETS + line * FETCH_LINE);
        if (type == JOURNAL_LEGEND)
            *out_legend = at;
        else
            item_read(scan, at, out_item);
        scan->offset += len;
        return type;
    }
    return 0;
}

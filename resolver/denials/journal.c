#include "resolver/denials/journal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/base/check.h"
#include "resolver/denials/journal_file.h"
#include "resolver/denials/legend.h"

static void journal_start_file(struct journal *journal, struct journal_file *file)
{
    journal->current = file;
    journal->used = JOURNAL_DATA_START;
    journal->limit = file->size - JOURNAL_LEGEND_RESERVE;
    journal->index = 0;
    journal->legend_written = false;
}

int journal_open(const char *state, unsigned worker, struct journal **out_journal,
                 struct bl_error *error)
{
    struct journal *journal;
    struct journal_file *file;
    void *memory;

    if (strlen(state) >= sizeof(journal->state))
        return bl_error_set(error, -ENAMETOOLONG, "%s: the path of the state folder is too long",
                            state);
    if (posix_memalign(&memory, 64, sizeof(*journal)) != 0)
        return bl_error_set(error, -ENOMEM, "out of memory for a journal");
    journal = memset(memory, 0, sizeof(*journal));
    strcpy(journal->state, state);
    journal->worker = worker;
    int code = journal_file_create(state, worker, &file, error);
    if (code == -ENOSPC || code == -EDQUOT)
        code = journal_file_create_counting(state, worker, &file, error);
    if (code < 0) {
        free(journal);
        return code;
    }
    journal->files = file;
    journal->files_end = &file->next;
    journal->file_count = 1;
    journal_start_file(journal, file);
    *out_journal = journal;
    return 0;
}

/* Whether nothing of the file is still to be moved into segments. */
static bool file_is_spent(const struct journal_file *file)
{
    const struct journal_header *header = journal_file_header(file);

    return (header->records == 0 || header->drained == header->end) &&
           file->moved_total == header->counted;
}

void journal_close(struct journal *journal)
{
    if (journal == NULL)
        return;
    for (struct journal_file *file = journal->files, *next; file != NULL; file = next) {
        next = file->next;
        if (file_is_spent(file))
            journal_file_remove(file);
        else
            journal_file_close(file);
    }
    free(journal);
}

static void publish(struct journal *journal, struct journal_header *header, size_t len)
{
    journal->used += len;
    __atomic_store_n(&header->end, journal->used, __ATOMIC_RELEASE);
}

/* Legends may use the reserve at the end of a file; false: not even that was enough. */
static bool legend_put(struct journal *journal)
{
    const struct legend *legend = journal->legend;
    struct journal_file *file = journal->current;

    if (legend == NULL || legend->len > file->size - journal->used)
        return false;
    struct journal_legend *record = (struct journal_legend *)(void *)(file->base + journal->used);
    memcpy(record, legend->bytes, legend->len);
    record->head.check =
        journal_record_check(record, legend->len / 8, file->sequence, journal->used);
    publish(journal, journal_file_header(file), legend->len);
    journal->legend_written = true;
    return true;
}

void journal_legend(struct journal *journal, const struct legend *legend)
{
    journal->legend = legend;
    journal->legend_written = false;
    if (legend != NULL)
        legend_put(journal);
}

/* Takes the next spare and closes the full file; false when there is none. */
static bool journal_turn(struct journal *journal)
{
    struct journal_file **slot = &journal->spares[journal->take % JOURNAL_SPARES];
    struct journal_file *spare = __atomic_load_n(slot, __ATOMIC_ACQUIRE);

    if (spare == NULL)
        return false;
    struct journal_file *full = journal->current;
    full->forgets = __atomic_load_n(&journal->turn_wanted, __ATOMIC_RELAXED);
    __atomic_store_n(&journal->turn_wanted, false, __ATOMIC_RELAXED);
    journal->take++;
    journal_start_file(journal, spare);
    __atomic_store_n(slot, NULL, __ATOMIC_RELEASE);
    __atomic_store_n(&journal_file_header(full)->closed, 1, __ATOMIC_RELEASE);
    return legend_put(journal);
}

/* Room for a record under a legend, if need be in the next file. */
static bool journal_has_room(struct journal *journal, size_t len)
{
    const struct legend *legend = journal->legend;

    if (legend == NULL)
        return false;
    if (__atomic_load_n(&journal->turn_wanted, __ATOMIC_RELAXED))
        journal_turn(journal);
    if (!journal->legend_written && journal->used + legend->len + len <= journal->limit)
        legend_put(journal);
    if (journal->legend_written && journal->used + len <= journal->limit)
        return true;
    return journal_turn(journal) && journal->used + len <= journal->limit;
}

/* The slot of what this denial is counted as; single writer, so plain looks are enough. */
static struct journal_count *count_slot(struct journal *journal, const struct denial *denial)
{
    struct journal_count *slots = journal_file_counts(journal->current);
    uint16_t legend = journal->legend_written ? journal->legend->id : 0;

    if (legend != 0) {
        uint32_t start = legend * 31u + denial->group * 1021u + denial->category * 61u;
        for (uint32_t i = 0; i < 64; i++) {
            struct journal_count *slot = &slots[1 + (start + i) % (JOURNAL_COUNT_SLOTS - 1)];
            if (slot->used && slot->legend == legend && slot->group == denial->group &&
                slot->category == denial->category)
                return slot;
            if (slot->used)
                continue;
            slot->legend = legend;
            slot->group = denial->group;
            slot->category = denial->category;
            __atomic_store_n(&slot->used, 1, __ATOMIC_RELEASE);
            return slot;
        }
    }
    if (!slots[JOURNAL_COUNT_OTHERS].used) {
        slots[JOURNAL_COUNT_OTHERS].group = JOURNAL_UNKNOWN;
        slots[JOURNAL_COUNT_OTHERS].category = JOURNAL_UNKNOWN;
        __atomic_store_n(&slots[JOURNAL_COUNT_OTHERS].used, 1, __ATOMIC_RELEASE);
    }
    return &slots[JOURNAL_COUNT_OTHERS];
}

static uint64_t count_only(struct journal *journal, const struct denial *denial)
{
    struct journal_header *header = journal_file_header(journal->current);
    struct journal_count *slot = count_slot(journal, denial);
    uint64_t counted = header->counted + 1;

    __atomic_store_n(&slot->last_ms, denial->wall_ms, __ATOMIC_RELAXED);
    __atomic_store_n(&slot->count, slot->count + 1, __ATOMIC_RELAXED);
    __atomic_store_n(&header->counted, counted, __ATOMIC_RELEASE);
    return journal_case_counted(journal->current->sequence, counted);
}

static size_t wire_len(const uint8_t *name)
{
    size_t len = 0;

    while (len < BL_NAME_MAX && name[len] != 0)
        len += 1u + name[len];
    return len + 1;
}

static void record_fill(struct journal_denial *record, const struct denial *denial,
                        size_t qname_len, size_t matched_len, bool is_suffix)
{
    uint8_t *at = record->names;

    record->head.flags = (uint8_t)((denial->answer & JOURNAL_ANSWER_MASK) << JOURNAL_ANSWER_SHIFT);
    record->wall_ms = denial->wall_ms;
    memcpy(record->client, denial->client.bytes, 16);
    record->scope = denial->client.scope;
    record->group = denial->group;
    record->category = denial->category;
    record->qtype = denial->qtype;
    record->rule = denial->rule;
    record->via = denial->via;
    record->transport = denial->transport;
    record->observed = denial->observed;
    record->policy_version = denial->policy_version;
    record->generation = denial->generation;
    record->qname_len = (uint8_t)qname_len;
    memcpy(at, denial->qname, qname_len);
    at += qname_len;
    if (is_suffix) {
        record->head.flags |= JOURNAL_MATCH_SUFFIX;
        record->matched = (uint8_t)(denial->matched - denial->qname);
    } else if (matched_len > 0) {
        record->head.flags |= JOURNAL_MATCH_NAME;
        record->matched = (uint8_t)matched_len;
        memcpy(at, denial->matched, matched_len);
        at += matched_len;
    }
    if (denial->address != NULL) {
        record->head.flags |= JOURNAL_MATCH_ADDRESS;
        memcpy(at, denial->address, 16);
        at += 16;
    }
    if (denial->mac != NULL) {
        record->head.flags |= JOURNAL_MAC;
        memcpy(at, denial->mac, MAC_LEN);
    }
}

uint64_t journal_append(struct journal *journal, const struct denial *denial)
{
    size_t qname_len = wire_len(denial->qname), matched_len = 0;
    bool is_suffix = false;

    if (!EXPECT(qname_len <= BL_NAME_MAX))
        return count_only(journal, denial);
    if (denial->matched != NULL) {
        is_suffix = (uintptr_t)denial->matched - (uintptr_t)denial->qname < qname_len;
        matched_len = is_suffix ? 0 : wire_len(denial->matched);
        if (!EXPECT(matched_len <= BL_NAME_MAX))
            return count_only(journal, denial);
    }
    size_t len = (JOURNAL_DENIAL_FIXED + qname_len + matched_len +
                  (denial->address != NULL ? 16u : 0u) + (denial->mac != NULL ? MAC_LEN : 0u) + 7) &
                 ~(size_t)7;
    if (!journal_has_room(journal, len))
        return count_only(journal, denial);

    struct journal_file *file = journal->current;
    struct journal_header *header = journal_file_header(file);
    struct journal_denial *record = (struct journal_denial *)(void *)(file->base + journal->used);
    /* The file may have had an earlier life: the padding, in the last word, is zeroed here. */
    memset((uint8_t *)record + len - 8, 0, 8);
    record->head =
        (struct journal_record_head){.words = (uint16_t)(len / 8), .type = JOURNAL_DENIAL};
    record->matched = 0;
    record->index = journal->index;
    record->legend = journal->legend->id;
    record_fill(record, denial, qname_len, matched_len, is_suffix);
    record->head.check = journal_record_check(record, len / 8, file->sequence, journal->used);
    __atomic_store_n(&header->records, header->records + 1, __ATOMIC_RELAXED);
    publish(journal, header, len);
    return journal_case(file->sequence, journal->index++);
}

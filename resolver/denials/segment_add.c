/* Records into a segment: interned, folded, summed, and at the commit written as blocks. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "blocklists/suffix.h"
#include "resolver/base/fetch.h"
#include "resolver/base/hash.h"
#include "resolver/denials/segment_internal.h"

static int intern(struct segment *segment, enum segment_dictionary which, const void *bytes,
                  size_t len, uint32_t *out_id)
{
    struct dictionary *dictionary = &segment->dictionaries[which];
    uint64_t key = dictionary_key(dictionary, bytes, len);
    uint32_t attribute;

    if (dictionary_find(dictionary, key, bytes, len, out_id, &attribute))
        return 0;
    return dictionary_add(dictionary, segment->txn, key, bytes, len, SEGMENT_NO_ID, out_id);
}

/* A name's number, and that of its registrable domain. */
static int intern_name(struct segment *segment, uint64_t key, const uint8_t *name, size_t len,
                       uint32_t *out_id, uint32_t *out_domain)
{
    struct dictionary *names = &segment->dictionaries[SEGMENT_NAMES];
    uint32_t domain;
    int rc = 0;

    if (!dictionary_find(names, key, name, len, out_id, &domain)) {
        size_t offset = suffix_domain(name);
        domain = SEGMENT_NO_ID;
        rc = offset == 0 ? 0 : intern(segment, SEGMENT_NAMES, name + offset, len - offset, &domain);
        if (rc == 0)
            rc = dictionary_add(names, segment->txn, key, name, len, domain, out_id);
    }
    if (rc == 0)
        *out_domain = domain == SEGMENT_NO_ID ? *out_id : domain;
    return rc;
}

static int intern_address(struct segment *segment, const uint8_t *bytes, uint32_t scope,
                          uint32_t *out_id)
{
    struct segment_client client = {.scope = scope};

    memcpy(client.address, bytes, sizeof(client.address));
    return intern(segment, SEGMENT_CLIENTS, &client, sizeof(client), out_id);
}

/* An address and whose it was: with another device behind it, it is another client. */
static int client_add(struct segment *segment, const struct segment_client *client,
                      const struct denial_device *device, uint32_t *out_id)
{
    uint8_t bytes[sizeof(*client) + DENIAL_DEVICE_OCTETS];

    memcpy(bytes, client, sizeof(*client));
    return intern(segment, SEGMENT_CLIENTS, bytes,
                  sizeof(*client) + denial_device_write(device, bytes + sizeof(*client)), out_id);
}

static int intern_client(struct segment *segment, const struct address *address,
                         const struct denial_device *device, uint32_t *out_id)
{
    struct segment_client client = {.scope = address->scope};

    memcpy(client.address, address->bytes, sizeof(client.address));
    if (segment->last.client_id == SEGMENT_NO_ID ||
        memcmp(&segment->last.client, &client, sizeof(client)) != 0 ||
        memcmp(&segment->last.device, device, sizeof(*device)) != 0) {
        segment->last.client_id = SEGMENT_NO_ID;
        int rc = client_add(segment, &client, device, &segment->last.client_id);
        if (rc != 0)
            return rc;
        segment->last.client = client;
        segment->last.device = *device;
    }
    *out_id = segment->last.client_id;
    return 0;
}

static int intern_rule(struct segment *segment, const struct denial *denial, uint16_t group,
                       uint16_t category, uint32_t *out_id)
{
    /* Compared as words that are made in registers: the structure, just written in small pieces,
     * would be waited for. */
    uint64_t who = (uint64_t)denial->policy_version << 32 | (uint64_t)group << 16 | category;
    uint64_t how = (uint64_t)denial->rule << 32 | (uint64_t)denial->via << 24 |
                   (uint64_t)denial->transport << 16 | (uint64_t)(denial->observed != 0) << 8 |
                   denial->answer;

    if (segment->last.rule_id == SEGMENT_NO_ID ||
        segment->last.rule_words[0] != denial->generation || segment->last.rule_words[1] != who ||
        segment->last.rule_words[2] != how) {
        const struct segment_rule rule = {.generation = denial->generation,
                                          .policy_version = denial->policy_version,
                                          .group = group,
                                          .category = category,
                                          .rule = denial->rule,
                                          .via = denial->via,
                                          .transport = denial->transport,
                                          .observed = denial->observed != 0,
                                          .answer = denial->answer};
        segment->last.rule_id = SEGMENT_NO_ID;
        int rc = intern(segment, SEGMENT_RULES, &rule, sizeof(rule), &segment->last.rule_id);
        if (rc != 0)
            return rc;
        segment->last.rule_words[0] = denial->generation;
        segment->last.rule_words[1] = who;
        segment->last.rule_words[2] = how;
    }
    *out_id = segment->last.rule_id;
    return 0;
}

static int legend_turn(struct segment *segment, uint64_t sequence,
                       const struct legend_names *legend)
{
    struct segment_legend *known = &segment->legend;

    if (known->sequence == sequence && known->id == legend->id)
        return 0;
    size_t count = (size_t)legend->group_count + legend->category_count;
    uint16_t *ids = malloc((count + 1) * sizeof(*ids));
    if (ids == NULL)
        return ENOMEM;
    memset(ids, 0xff, (count + 1) * sizeof(*ids));
    free(known->ids);
    *known = (struct segment_legend){.sequence = sequence,
                                     .id = legend->id,
                                     .group_count = legend->group_count,
                                     .category_count = legend->category_count,
                                     .ids = ids};
    return 0;
}

/* For one that is not known yet: `slot` of the legend's. */
static __attribute__((noinline)) int word_intern(struct segment *segment,
                                                 const struct legend_names *legend,
                                                 enum segment_word_kind kind, uint16_t number,
                                                 uint16_t *slot)
{
    bool is_group = kind == SEGMENT_WORD_GROUP;
    uint8_t bytes[2 + 2 * 256];
    size_t len = 0;
    uint32_t id;

    const char *name = is_group ? legend->groups[number] : legend->categories[number];
    const char *title = is_group ? "" : legend->titles[number];
    bytes[len++] = (uint8_t)kind;
    bytes[len++] = is_group ? 0 : legend->severities[number];
    memcpy(bytes + len, name, strlen(name) + 1);
    len += strlen(name) + 1;
    memcpy(bytes + len, title, strlen(title) + 1);
    len += strlen(title) + 1;
    int rc = intern(segment, SEGMENT_WORDS, bytes, len, &id);
    if (rc == 0 && id < UINT16_MAX)
        *slot = (uint16_t)id;
    return rc;
}

int segment_word(struct segment *segment, uint64_t sequence, const struct legend_names *legend,
                 enum segment_word_kind kind, uint16_t number, uint16_t *out_word)
{
    bool is_group = kind == SEGMENT_WORD_GROUP;

    *out_word = UINT16_MAX;
    if (legend == NULL || number >= (is_group ? legend->group_count : legend->category_count))
        return 0;
    int rc = legend_turn(segment, sequence, legend);
    if (rc != 0)
        return rc;
    uint16_t *slot = &segment->legend.ids[is_group ? number : legend->group_count + number];
    if (*slot == UINT16_MAX)
        rc = word_intern(segment, legend, kind, number, slot);
    *out_word = *slot;
    return rc;
}

static int record_make(struct segment *segment, const struct segment_item *added,
                       struct segment_record *record, struct segment_rollup *rollup)
{
    const struct journal_item *item = added->item;
    const struct denial *denial = &item->denial;
    const struct legend_names *legend = added->legend;
    uint16_t group, category;
    uint32_t domain;
    int64_t at_ms = denial->wall_ms - segment->day.start_ms;
    int rc =
        segment_word(segment, added->sequence, legend, SEGMENT_WORD_GROUP, denial->group, &group);

    if (rc == 0)
        rc = segment_word(segment, added->sequence, legend, SEGMENT_WORD_CATEGORY, denial->category,
                          &category);
    if (rc == 0)
        rc = intern_rule(segment, denial, group, category, &record->rule);
    if (rc == 0)
        rc = intern_name(segment, added->keys.name, denial->qname, item->qname_len, &record->name,
                         &rollup->domain);
    if (rc == 0)
        rc = intern_client(segment, &denial->client, &item->device, &record->client);
    record->match = SEGMENT_NO_ID;
    if (rc == 0 && denial->address != NULL) {
        rc = intern_address(segment, denial->address, 0, &record->match);
        record->match |= SEGMENT_MATCH_ADDRESS;
    } else if (rc == 0 && denial->matched == denial->qname) {
        record->match = record->name;
    } else if (rc == 0 && denial->matched != NULL) {
        rc = intern_name(segment, added->keys.match, denial->matched, item->matched_len,
                         &record->match, &domain);
    }
    record->at_ms = at_ms < 0 ? 0 : (uint32_t)at_ms;
    record->qtype = denial->qtype;
    record->count = 1;
    record->case_number = item->case_number;
    rollup->client = record->client;
    rollup->group = group;
    rollup->category = category;
    rollup->observed = denial->observed != 0;
    rollup->hour = (uint8_t)day_hour(&segment->day, denial->wall_ms);
    return rc;
}

static bool records_same(const struct segment_record *a, const struct segment_record *b)
{
    return a->name == b->name && a->client == b->client && a->rule == b->rule &&
           a->match == b->match && a->qtype == b->qtype &&
           a->case_number >> JOURNAL_INDEX_BITS == b->case_number >> JOURNAL_INDEX_BITS;
}

static bool record_folds(const struct segment_record *first, const struct segment_record *record)
{
    uint64_t delta = record->case_number - first->case_number;

    return record->at_ms - first->at_ms < SEGMENT_FOLD_MS && delta > 0 && delta <= UINT16_MAX &&
           first->count < SEGMENT_COUNT_MAX;
}

static void fold_add(struct segment *segment, struct segment_pending *pending, uint16_t delta)
{
    int32_t at = (int32_t)segment->fold_count++;

    segment->folds[at] = (struct segment_pending_fold){.delta = delta, .next = -1};
    if (pending->fold < 0)
        pending->fold = at;
    else
        segment->folds[pending->fold_last].next = at;
    pending->fold_last = at;
    pending->record.count++;
}

/* Its low bits say where the search for one that is the same begins, its high bits stand there. */
static uint32_t same_hash(const struct segment *segment, const struct segment_record *record)
{
    uint64_t who = (uint64_t)record->name << 32 | record->client;
    uint64_t why = (uint64_t)record->rule << 32 | record->match;
    uint64_t file = record->case_number >> JOURNAL_INDEX_BITS;
    uint64_t hash = hash_pair(segment->seed, who, why);

    return (uint32_t)hash_pair(hash, file, record->qtype);
}

/* Folds the record into one that is the same, or holds it; then what follows folds into this one.
 */
static void record_hold(struct segment *segment, const struct segment_record *record, uint32_t hash)
{
    enum { INDEX = 2 * SEGMENT_BATCH - 1 };
    size_t at = hash & (SEGMENT_SAME_SIZE - 1);

    for (; segment->same[at] != 0; at = (at + 1) & (SEGMENT_SAME_SIZE - 1)) {
        if (((segment->same[at] ^ hash) & ~(uint32_t)INDEX) != 0)
            continue;
        struct segment_pending *pending = &segment->pending[(segment->same[at] & INDEX) - 1];
        if (!records_same(&pending->record, record))
            continue;
        if (record_folds(&pending->record, record)) {
            fold_add(segment, pending,
                     (uint16_t)(record->case_number - pending->record.case_number));
            return;
        }
        break;
    }
    segment->pending[segment->pending_count] =
        (struct segment_pending){.record = *record, .fold = -1, .fold_last = -1};
    segment->same[at] = (hash & ~(uint32_t)INDEX) | (uint32_t)++segment->pending_count;
}

struct segment_keys segment_expect(const struct segment *segment, const struct journal_item *item)
{
    const struct dictionary *names = &segment->dictionaries[SEGMENT_NAMES];
    const struct denial *denial = &item->denial;
    struct segment_keys keys = {.name = dictionary_key(names, denial->qname, item->qname_len)};

    dictionary_prefetch(names, keys.name);
    keys.match = keys.name;
    if (denial->matched != NULL && denial->matched != denial->qname && denial->address == NULL) {
        keys.match = dictionary_key(names, denial->matched, item->matched_len);
        dictionary_prefetch(names, keys.match);
    }
    return keys;
}

void segment_approach(const struct segment *segment, const struct segment_keys *keys)
{
    const struct dictionary *names = &segment->dictionaries[SEGMENT_NAMES];

    dictionary_prefetch_copy(names, keys->name);
    if (keys->match != keys->name)
        dictionary_prefetch_copy(names, keys->match);
}

/* The one that has waited longest. */
static void settle_first(struct segment *segment)
{
    const struct segment_waiting *waiting =
        &segment->waiting[segment->waiting_settled++ % SEGMENT_WAITING];

    record_hold(segment, &waiting->record, waiting->same);
    segment_rollup_add(segment, &waiting->rollup, waiting->place);
}

void segment_settle(struct segment *segment)
{
    while (segment->waiting_settled != segment->waiting_added)
        settle_first(segment);
}

int segment_add(struct segment *segment, const struct segment_item *added, struct bl_error *error)
{
    int code = segment_begin(segment, error);

    if (code < 0)
        return code;
    if (segment->waiting_added - segment->waiting_settled == SEGMENT_WAITING)
        settle_first(segment);
    struct segment_waiting *waiting = &segment->waiting[segment->waiting_added % SEGMENT_WAITING];
    waiting->rollup = (struct segment_rollup){.count = 1};
    int rc = record_make(segment, added, &waiting->record, &waiting->rollup);
    if (rc != 0)
        return segment_failed(segment, rc, error);
    waiting->same = same_hash(segment, &waiting->record);
    waiting->place = segment_rollup_place(segment, &waiting->rollup);
    fetch_ahead(&segment->same[waiting->same & (SEGMENT_SAME_SIZE - 1)]);
    fetch_ahead(&segment->rollups[waiting->place]);
    /* The search often goes on to the next ones, in the next line. */
    fetch_ahead(&segment->rollups[(waiting->place + 2) & (SEGMENT_ROLLUP_SIZE - 1)]);
    segment->waiting_added++;
    segment->meta.denials++;
    segment->meta.observed += added->item->denial.observed != 0;
    return 0;
}

int segment_count(struct segment *segment, uint64_t sequence, unsigned slot, int64_t wall_ms,
                  const struct legend_names *legend, uint16_t group, uint16_t category,
                  uint64_t count, struct bl_error *error)
{
    struct segment_counted counted = {0};
    struct segment_counted_key key_bytes = {.hour = (uint8_t)day_hour(&segment->day, wall_ms)};
    MDB_val key = {sizeof(key_bytes), &key_bytes}, value;
    int code = segment_begin(segment, error);

    if (code < 0)
        return code;
    segment_put_64(key_bytes.sequence, sequence);
    segment_put_16(key_bytes.slot, (uint16_t)slot);
    int rc = mdb_get(segment->txn, segment->tables.counted, &key, &value);
    if (rc == 0 && value.mv_size == sizeof(counted))
        memcpy(&counted, value.mv_data, sizeof(counted));
    if (rc == 0 || rc == MDB_NOTFOUND)
        rc = segment_word(segment, sequence, legend, SEGMENT_WORD_GROUP, group, &counted.group);
    if (rc == 0)
        rc = segment_word(segment, sequence, legend, SEGMENT_WORD_CATEGORY, category,
                          &counted.category);
    counted.count += count;
    value = (MDB_val){sizeof(counted), &counted};
    if (rc == 0)
        rc = mdb_put(segment->txn, segment->tables.counted, &key, &value, 0);
    segment->meta.counted += count;
    return rc == 0 ? 0 : segment_failed(segment, rc, error);
}

void segment_forget(struct segment *segment)
{
    if (segment->pending_count > 0)
        memset(segment->same, 0, SEGMENT_SAME_SIZE * sizeof(*segment->same));
    segment->waiting_settled = segment->waiting_added;
    segment->pending_count = segment->fold_count = 0;
}

static int pending_compare(const void *a, const void *b)
{
    const struct segment_record *x = &((const struct segment_pending *)a)->record;
    const struct segment_record *y = &((const struct segment_pending *)b)->record;

    if (x->at_ms != y->at_ms)
        return x->at_ms < y->at_ms ? -1 : 1;
    return x->case_number < y->case_number ? -1 : x->case_number > y->case_number;
}

/* One worker's records are in order as they come. */
static void pending_sort(struct segment *segment)
{
    size_t sorted = 1;

    while (sorted < segment->pending_count &&
           pending_compare(&segment->pending[sorted - 1], &segment->pending[sorted]) <= 0)
        sorted++;
    if (sorted < segment->pending_count)
        qsort(segment->pending, segment->pending_count, sizeof(*segment->pending), pending_compare);
}

/* The block that is being filled, in memory until block_put(). */
struct block {
    struct segment_block head;
    struct segment_record records[SEGMENT_BLOCK_RECORDS];
};

static int block_put(struct segment *segment, struct block *block, uint32_t number)
{
    MDB_val key = {sizeof(number), &number};
    MDB_val value = {sizeof(block->head) + block->head.count * sizeof(block->records[0]), block};

    if (block->head.count == 0)
        return 0;
    block->head.check = segment_block_check(&block->head);
    return mdb_put(segment->txn, segment->tables.blocks, &key, &value, 0);
}

/* The last block of the segment, or a fresh one when that is full. */
static int block_last(struct segment *segment, struct block *block)
{
    uint32_t number = segment->meta.blocks - 1;
    MDB_val key = {sizeof(number), &number}, value;

    block->head = (struct segment_block){.first_ms = UINT32_MAX};
    if (segment->meta.blocks > 0) {
        int rc = mdb_get(segment->txn, segment->tables.blocks, &key, &value);
        if (rc != 0)
            return rc == MDB_NOTFOUND ? MDB_CORRUPTED : rc;
        if (value.mv_size < sizeof(block->head) || value.mv_size > sizeof(*block))
            return MDB_CORRUPTED;
        memcpy(block, value.mv_data, value.mv_size);
        if (block->head.count <= SEGMENT_BLOCK_RECORDS &&
            block->head.check == segment_block_check(&block->head))
            return 0;
    }
    /* None yet, or damaged: left as it is, for readers to tell of. */
    block->head = (struct segment_block){.first_ms = UINT32_MAX};
    segment->meta.blocks++;
    return 0;
}

/* A record and its folds stay in one block. */
static int record_write(struct segment *segment, struct block *block,
                        const struct segment_pending *pending)
{
    const struct segment_record *record = &pending->record;
    uint32_t need = 1u + (record->count - 1u + SEGMENT_FOLDS - 1u) / SEGMENT_FOLDS;

    if (block->head.count + need > SEGMENT_BLOCK_RECORDS) {
        int rc = block_put(segment, block, segment->meta.blocks - 1);
        if (rc != 0)
            return rc;
        block->head = (struct segment_block){.first_ms = UINT32_MAX};
        segment->meta.blocks++;
    }
    if (record->at_ms < block->head.first_ms)
        block->head.first_ms = record->at_ms;
    if (record->at_ms > block->head.last_ms)
        block->head.last_ms = record->at_ms;
    block->records[block->head.count++] = *record;
    int32_t fold = pending->fold;
    for (uint32_t i = 1; i < need; i++) {
        struct segment_fold mark = {.mark = SEGMENT_FOLD_MARK};
        for (int d = 0; d < SEGMENT_FOLDS && fold >= 0; d++, fold = segment->folds[fold].next)
            mark.deltas[d] = segment->folds[fold].delta;
        memcpy(&block->records[block->head.count++], &mark, sizeof(mark));
    }
    return 0;
}

int segment_flush(struct segment *segment)
{
    segment_settle(segment);
    if (segment->pending_count == 0)
        return 0;
    struct block *block = malloc(sizeof(*block));
    if (block == NULL)
        return ENOMEM;
    pending_sort(segment);
    int rc = block_last(segment, block);
    for (size_t i = 0; i < segment->pending_count && rc == 0; i++)
        rc = record_write(segment, block, &segment->pending[i]);
    if (rc == 0)
        rc = block_put(segment, block, segment->meta.blocks - 1);
    if (rc == 0 && segment_rollups_due(segment))
        rc = segment_rollups_write(segment, block->head.count);
    segment->meta.records += segment->pending_count;
    free(block);
    return rc;
}

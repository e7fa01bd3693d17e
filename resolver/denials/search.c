#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "blocklists/name.h"
#include "blocklists/suffix.h"
#include "resolver/denials/days.h"

/* What was found of one day, before it is sorted and told: a record of the segment; or, with a
 * count of 0, what waits in a journal, with its number among the waiting as `name`. There may be a
 * million: they are kept small. */
struct found {
    struct segment_record record;
};

/* A rule with its words, read once a day: nearly every record has one that was met before. */
struct rule_met {
    bool known;
    struct segment_rule rule;
    struct segment_word group, category;
};

/* A block in place: LMDB aligns its values to two octets only. */
struct scanning {
    struct search *search;
    const struct days_now *now;
    uint32_t damaged;
    struct {
        struct segment_block head;
        struct segment_record records[SEGMENT_BLOCK_RECORDS];
    } block;
};

struct search {
    int (*each)(void *user, const struct denial_record *record);
    void *user;

    /* Of the day being read. By number: 1 where it passes the filter; NULL: all do. */
    uint8_t *rules, *clients, *names;
    uint32_t rule_count, client_count, name_count;
    struct found *found;
    size_t found_count, found_room;
    struct rule_met *rules_met; /* by number; NULL: too many to keep */
    struct {
        struct segment_client client;
        struct denial_device device;
        uint32_t id; /* SEGMENT_NO_ID: none yet of this day */
    } last;          /* records come in runs of the same client */
    struct scanning scanning;
};

static bool name_is_below(const uint8_t *name, size_t len, const uint8_t *parent, size_t parent_len)
{
    if (parent_len > len)
        return false;
    for (size_t at = 0; at <= len - parent_len; at += 1u + name[at]) {
        if (at == len - parent_len)
            return memcmp(name + at, parent, parent_len) == 0;
        if (name[at] == 0)
            return false;
    }
    return false;
}

static bool client_passes(const struct denials_filter *filter, const uint8_t bytes[16],
                          const struct denial_device *device)
{
    struct address address = {0};

    if (filter->device != NULL && !denial_device_is(device, filter->device))
        return false;
    if (filter->client == NULL)
        return true;
    memcpy(address.bytes, bytes, 16);
    return address_in_prefix(&address, filter->client);
}

struct marking {
    const struct days_now *now;
    uint8_t *marks;
    uint32_t count;
    size_t name_len;
    bool any;
};

static bool mark(struct marking *marking, const MDB_val *key, bool passes)
{
    uint32_t id;

    if (key->mv_size != sizeof(id))
        return false;
    memcpy(&id, key->mv_data, sizeof(id));
    if (id < marking->count && passes) {
        marking->marks[id] = 1;
        marking->any = true;
    }
    return true;
}

static int rule_mark(void *user, const MDB_val *key, const MDB_val *value)
{
    struct marking *marking = user;
    const struct denials_filter *filter = marking->now->filter;
    struct segment_word group = {.name = ""}, category = {.name = ""};
    struct segment_rule rule;

    if (value->mv_size != sizeof(struct segment_value) + sizeof(rule))
        return -EBADMSG;
    memcpy(&rule, (const uint8_t *)value->mv_data + sizeof(struct segment_value), sizeof(rule));
    segment_reader_word(marking->now->reader, rule.group, &group);
    segment_reader_word(marking->now->reader, rule.category, &category);
    mark(marking, key,
         (filter->group == NULL || strcmp(filter->group, group.name) == 0) &&
             (filter->category == NULL || strcmp(filter->category, category.name) == 0) &&
             !(filter->denied_only && rule.observed));
    return 0;
}

static int client_mark(void *user, const MDB_val *key, const MDB_val *value)
{
    enum { FIXED = sizeof(struct segment_value) + sizeof(struct segment_client) };
    struct marking *marking = user;
    const uint8_t *bytes = value->mv_data;
    struct denial_device device;

    if (value->mv_size < FIXED ||
        !denial_device_read(bytes + FIXED, value->mv_size - FIXED, &device))
        return -EBADMSG;
    mark(marking, key,
         client_passes(marking->now->filter, bytes + sizeof(struct segment_value), &device));
    return 0;
}

static int name_mark(void *user, const MDB_val *key, const MDB_val *value)
{
    struct marking *marking = user;

    if (value->mv_size <= sizeof(struct segment_value))
        return -EBADMSG;
    mark(marking, key,
         name_is_below((const uint8_t *)value->mv_data + sizeof(struct segment_value),
                       value->mv_size - sizeof(struct segment_value), marking->now->filter->name,
                       marking->name_len));
    return 0;
}

/* Marks what of a dictionary passes. 1: something does, 0: nothing, or a negative errno. */
static int dictionary_mark(const struct days_now *now, enum segment_dictionary which,
                           int (*each)(void *, const MDB_val *, const MDB_val *),
                           uint8_t **out_marks, uint32_t *out_count)
{
    struct marking marking = {.now = now, .count = now->reader->meta.next[which]};

    if (now->filter->name != NULL)
        marking.name_len = bl_name_length(now->filter->name);
    marking.marks = calloc(1, (size_t)marking.count + 1);
    if (marking.marks == NULL)
        return -ENOMEM;
    *out_marks = marking.marks;
    *out_count = marking.count;
    int code =
        segment_reader_walk(now->reader, now->reader->tables.values[which], NULL, each, &marking);
    return code < 0 ? code : marking.any;
}

static int marks_make(struct search *search, const struct days_now *now)
{
    int code = dictionary_mark(now, SEGMENT_RULES, rule_mark, &search->rules, &search->rule_count);

    if (code == 1 && (now->filter->client != NULL || now->filter->device != NULL))
        code = dictionary_mark(now, SEGMENT_CLIENTS, client_mark, &search->clients,
                               &search->client_count);
    if (code == 1 && now->filter->name != NULL)
        code = dictionary_mark(now, SEGMENT_NAMES, name_mark, &search->names, &search->name_count);
    return code;
}

/* Room for so many; large pages, since they are met in any order. */
static struct found *found_room(size_t least, size_t *out_room)
{
    enum { LARGE = 2 << 20 };
    size_t size = (least * sizeof(struct found) + LARGE - 1) / LARGE * LARGE;
    struct found *found = size <= LARGE ? malloc(size) : aligned_alloc(LARGE, size);

    if (found != NULL && size > LARGE)
        madvise(found, size, MADV_HUGEPAGE);
    *out_room = size / sizeof(*found);
    return found;
}

static bool found_grow(struct search *search, size_t least)
{
    size_t room;
    struct found *more = found_room(least, &room);

    if (more == NULL)
        return false;
    if (search->found_count > 0)
        memcpy(more, search->found, search->found_count * sizeof(*more));
    free(search->found);
    search->found = more;
    search->found_room = room;
    return true;
}

static struct found *found_new(struct search *search)
{
    if (search->found_count == search->found_room &&
        !found_grow(search, search->found_room * 2 + 4096))
        return NULL;
    return &search->found[search->found_count++];
}

static bool marked(const uint8_t *marks, uint32_t count, uint32_t id)
{
    return marks == NULL || (id < count && marks[id]);
}

static bool record_passes(const struct search *search, const struct segment_record *record)
{
    if (!marked(search->rules, search->rule_count, record->rule) ||
        !marked(search->clients, search->client_count, record->client))
        return false;
    return marked(search->names, search->name_count, record->name) ||
           (!(record->match & SEGMENT_MATCH_ADDRESS) &&
            marked(search->names, search->name_count, record->match));
}

/* Whether the case is this record's, or of one folded into it: `next` is what follows in the block.
 */
static bool case_is_here(uint64_t number, const struct segment_record *record,
                         const struct segment_record *next, const struct segment_record *end)
{
    if (record->case_number == number)
        return true;
    if (number < record->case_number || number - record->case_number > UINT16_MAX)
        return false;
    for (; next < end && next->at_ms == SEGMENT_FOLD_MARK; next++) {
        struct segment_fold fold;
        memcpy(&fold, next, sizeof(fold));
        for (int i = 0; i < SEGMENT_FOLDS; i++)
            if (fold.deltas[i] != 0 && record->case_number + fold.deltas[i] == number)
                return true;
    }
    return false;
}

static int block_scan(void *user, const MDB_val *key, const MDB_val *value)
{
    struct scanning *scanning = user;
    const struct days_now *now = scanning->now;
    const struct denials_filter *filter = now->filter;
    int64_t start_ms = now->day->start_ms;
    (void)key;

    if (value->mv_size < sizeof(scanning->block.head) || value->mv_size > sizeof(scanning->block)) {
        scanning->damaged++;
        return 0;
    }
    memcpy(&scanning->block.head, value->mv_data, sizeof(scanning->block.head));
    if (start_ms + scanning->block.head.last_ms < filter->since_ms ||
        start_ms + scanning->block.head.first_ms >= filter->until_ms)
        return 0;
    memcpy(&scanning->block, value->mv_data, value->mv_size);
    size_t count = (value->mv_size - sizeof(scanning->block.head)) / sizeof(struct segment_record);
    if (count != scanning->block.head.count ||
        segment_block_check(&scanning->block.head) != scanning->block.head.check) {
        scanning->damaged++;
        return 0;
    }
    const struct segment_record *record = scanning->block.records, *end = record + count;
    for (; record < end; record++) {
        int64_t wall_ms = start_ms + record->at_ms;
        if (record->at_ms == SEGMENT_FOLD_MARK || wall_ms < filter->since_ms ||
            wall_ms >= filter->until_ms || !record_passes(scanning->search, record))
            continue;
        if (filter->case_number != 0 && !case_is_here(filter->case_number, record, record + 1, end))
            continue;
        struct found *found = found_new(scanning->search);
        if (found == NULL)
            return -ENOMEM;
        *found = (struct found){.record = *record};
    }
    return 0;
}

static bool waiting_passes(const struct denials_filter *filter, const struct pending_item *item)
{
    const struct denial *denial = &item->item.denial;
    const char *title;
    uint8_t severity;

    if (denial->wall_ms < filter->since_ms || denial->wall_ms >= filter->until_ms ||
        (filter->denied_only && denial->observed) ||
        !client_passes(filter, denial->client.bytes, &item->item.device) ||
        (filter->case_number != 0 && filter->case_number != item->item.case_number))
        return false;
    if (filter->group != NULL &&
        strcmp(filter->group, days_group(item->legend, denial->group)) != 0)
        return false;
    if (filter->category != NULL &&
        strcmp(filter->category,
               days_category(item->legend, denial->category, &title, &severity)) != 0)
        return false;
    if (filter->name == NULL)
        return true;
    size_t len = bl_name_length(filter->name);
    return name_is_below(denial->qname, item->item.qname_len, filter->name, len) ||
           (denial->matched != NULL &&
            name_is_below(denial->matched, item->item.matched_len, filter->name, len));
}

static int waiting_find(struct search *search, const struct days_now *now)
{
    for (size_t i = 0; i < now->pending->item_count; i++) {
        const struct pending_item *item = &now->pending->items[i];
        if (!waiting_passes(now->filter, item) || !days_is_waiting(now, item))
            continue;
        struct found *found = found_new(search);
        if (found == NULL)
            return -ENOMEM;
        int64_t at_ms = item->item.denial.wall_ms - now->day->start_ms;
        *found = (struct found){.record = {.at_ms = at_ms < 0            ? 0
                                                    : at_ms < UINT32_MAX ? (uint32_t)at_ms
                                                                         : UINT32_MAX,
                                           .name = (uint32_t)i,
                                           .case_number = item->item.case_number}};
    }
    return 0;
}

static void record_of_waiting(const struct pending_item *waiting, struct denial_record *out)
{
    const struct denial *denial = &waiting->item.denial;

    *out = (struct denial_record){.wall_ms = denial->wall_ms,
                                  .case_number = waiting->item.case_number,
                                  .name_id = SEGMENT_NO_ID,
                                  .domain_id = SEGMENT_NO_ID,
                                  .client_id = SEGMENT_NO_ID,
                                  .word_group = SEGMENT_NO_ID,
                                  .word_category = SEGMENT_NO_ID,
                                  .client = denial->client,
                                  .device = &waiting->item.device,
                                  .group = days_group(waiting->legend, denial->group),
                                  .qtype = denial->qtype,
                                  .rule = denial->rule,
                                  .via = denial->via,
                                  .transport = denial->transport,
                                  .observed = denial->observed,
                                  .answer = denial->answer,
                                  .policy_version = denial->policy_version,
                                  .generation = denial->generation,
                                  .qname = denial->qname,
                                  .matched = denial->matched,
                                  .domain = denial->qname + suffix_domain(denial->qname),
                                  .address = denial->address,
                                  .count = 1};
    out->category = days_category(waiting->legend, denial->category, &out->title, &out->severity);
}

static const uint8_t root[1] = {0};

static void rule_read(struct segment_reader *reader, uint32_t id, struct rule_met *met)
{
    *met = (struct rule_met){.known = true,
                             .rule = {.group = UINT16_MAX, .category = UINT16_MAX},
                             .group = {.name = ""},
                             .category = {.name = "", .title = ""}};
    segment_reader_rule(reader, id, &met->rule);
    segment_reader_word(reader, met->rule.group, &met->group);
    segment_reader_word(reader, met->rule.category, &met->category);
}

static const struct rule_met *rule_of(struct search *search, struct segment_reader *reader,
                                      uint32_t id, struct rule_met *room)
{
    struct rule_met *met =
        search->rules_met != NULL && id < search->rule_count ? &search->rules_met[id] : room;

    if (met == room || !met->known)
        rule_read(reader, id, met);
    return met;
}

static void client_read(struct search *search, struct segment_reader *reader, uint32_t id)
{
    if (search->last.id == id)
        return;
    search->last.client = (struct segment_client){.scope = 0};
    search->last.device = (struct denial_device){.has_mac = 0};
    segment_reader_client(reader, id, &search->last.client, &search->last.device);
    search->last.id = id;
}

static void record_of_segment(struct search *search, struct segment_reader *reader,
                              const struct day *day, const struct segment_record *record,
                              struct denial_record *out, struct segment_client *match)
{
    struct rule_met room;
    const struct rule_met *met = rule_of(search, reader, record->rule, &room);
    const struct segment_rule *rule = &met->rule;
    uint32_t domain = SEGMENT_NO_ID, other;

    client_read(search, reader, record->client);
    *out = (struct denial_record){.wall_ms = day->start_ms + record->at_ms,
                                  .case_number = record->case_number,
                                  .device = &search->last.device,
                                  .group = met->group.name,
                                  .category = met->category.name,
                                  .title = met->category.title,
                                  .severity = met->category.severity,
                                  .qtype = record->qtype,
                                  .rule = rule->rule,
                                  .via = rule->via,
                                  .transport = rule->transport,
                                  .observed = rule->observed,
                                  .answer = rule->answer,
                                  .policy_version = rule->policy_version,
                                  .generation = rule->generation,
                                  .count = record->count,
                                  .name_id = record->name,
                                  .client_id = record->client,
                                  .word_group = rule->group,
                                  .word_category = rule->category};
    memcpy(out->client.bytes, search->last.client.address, 16);
    out->client.scope = search->last.client.scope;
    out->qname = segment_reader_name(reader, record->name, &domain);
    if (out->qname == NULL)
        out->qname = out->domain = root;
    else
        out->domain = segment_reader_name(reader, domain, &other);
    if (out->domain == NULL)
        out->domain = out->qname;
    out->domain_id = out->domain == out->qname ? record->name : domain;
    if (record->match != SEGMENT_NO_ID && record->match & SEGMENT_MATCH_ADDRESS) {
        if (segment_reader_client(reader, record->match & ~SEGMENT_MATCH_ADDRESS, match, NULL))
            out->address = match->address;
    } else if (record->match != SEGMENT_NO_ID) {
        out->matched = segment_reader_name(reader, record->match, &other);
    }
}

static int found_compare(const void *a, const void *b)
{
    const struct segment_record *x = &((const struct found *)a)->record,
                                *y = &((const struct found *)b)->record;

    if (x->at_ms != y->at_ms)
        return x->at_ms < y->at_ms ? -1 : 1;
    return x->case_number < y->case_number ? -1 : x->case_number > y->case_number;
}

/* What waits has no number of a client yet: by address. */
static int waiting_compare(const void *a, const void *b, void *pending)
{
    const struct pending_item *items = pending;
    const struct found *x = a, *y = b;
    int order = 0;

    if (x->record.count == 0 && y->record.count == 0)
        order = memcmp(items[x->record.name].item.denial.client.bytes,
                       items[y->record.name].item.denial.client.bytes, 16);
    return order != 0 ? order : found_compare(x, y);
}

static void time_sort(struct found *found, size_t count)
{
    /* Blocks come nearly sorted: most days need no sorting at all. */
    for (size_t i = 1; i < count; i++)
        if (found_compare(&found[i - 1], &found[i]) > 0) {
            qsort(found, count, sizeof(*found), found_compare);
            return;
        }
}

/* The found by client, the clients of one device together: counted, then moved to where each
 * client's stand, which fills whole lines of the processor's cache where an index would jump for
 * each record. What waits comes last. */
static int order_by_client(struct search *search, const struct days_now *now)
{
    enum { CLIENTS_MOST = 1 << 26 }; /* a damaged file may say anything */
    uint32_t known = now->reader != NULL ? now->reader->meta.next[SEGMENT_CLIENTS] : 0,
             clients = known < CLIENTS_MOST ? known : CLIENTS_MOST;
    size_t *ends = calloc((size_t)clients + 2, sizeof(*ends)), room, from = 0;
    uint32_t *same = malloc(((size_t)clients + 1) * sizeof(*same));
    struct found *ordered = found_room(search->found_count + 1, &room);

    if (ordered == NULL || ends == NULL || same == NULL ||
        segment_reader_same(now->reader, clients, same) < 0) {
        free(ordered);
        free(ends);
        free(same);
        return -ENOMEM;
    }
    same[clients] = clients;
    for (size_t i = 0; i < search->found_count; i++) {
        struct segment_record *record = &search->found[i].record;
        if (record->count == 0 || record->client > clients)
            record->client = clients;
        ends[same[record->client] + 1]++;
    }
    for (size_t c = 1; c <= clients; c++)
        ends[c] += ends[c - 1];
    for (size_t i = 0; i < search->found_count; i++)
        ordered[ends[same[search->found[i].record.client]]++] = search->found[i];
    for (uint32_t c = 0; c < clients; from = ends[c++])
        time_sort(ordered + from, ends[c] - from);
    if (ends[clients] > from)
        qsort_r(ordered + from, ends[clients] - from, sizeof(*ordered), waiting_compare,
                now->pending->items);
    free(ends);
    free(same);
    free(search->found);
    search->found = ordered;
    search->found_room = room;
    return 0;
}

static int one_tell(struct search *search, const struct days_now *now, const struct found *found)
{
    struct denial_record record;
    struct segment_client match;

    if (found->record.count == 0)
        record_of_waiting(&now->pending->items[found->record.name], &record);
    else
        record_of_segment(search, now->reader, now->day, &found->record, &record, &match);
    record.day = now->day;
    return search->each(search->user, &record);
}

static int found_tell(struct search *search, const struct days_now *now)
{
    enum { RULES_MET_MOST = 65536 };
    int result = 0;

    search->last.id = SEGMENT_NO_ID;
    free(search->rules_met);
    search->rules_met = NULL;
    if (search->found_count > 0 && search->rule_count <= RULES_MET_MOST)
        search->rules_met = calloc(search->rule_count + 1u, sizeof(*search->rules_met));
    if (now->filter->by_client)
        result = order_by_client(search, now);
    else
        time_sort(search->found, search->found_count);
    for (size_t i = 0; i < search->found_count && result == 0; i++)
        result = one_tell(search, now, &search->found[i]);
    return result;
}

static int blocks_find(struct search *search, const struct days_now *now)
{
    int code = marks_make(search, now);

    if (code <= 0)
        return code;
    struct scanning *scanning = &search->scanning;
    /* Where all are wanted, the room is known. */
    uint64_t most = (uint64_t)now->reader->meta.blocks * SEGMENT_BLOCK_RECORDS;
    if (search->clients == NULL && search->names == NULL && now->filter->case_number == 0 &&
        now->reader->meta.records <= most && now->reader->meta.records > search->found_room &&
        !found_grow(search, now->reader->meta.records))
        return -ENOMEM;
    scanning->search = search;
    scanning->now = now;
    scanning->damaged = 0;
    code = segment_reader_walk(now->reader, now->reader->tables.blocks, NULL, block_scan, scanning);
    if (scanning->damaged > 0 && now->filter->warn != NULL) {
        struct bl_error why;
        bl_error_set(&why, -EBADMSG, "%s: %u blocks of denials are damaged; the rest was read",
                     now->reader->path, scanning->damaged);
        now->filter->warn(now->filter->warn_user, why.text);
    }
    return code;
}

static void day_forget(struct search *search)
{
    free(search->rules);
    free(search->clients);
    free(search->names);
    search->rule_count = 0;
    search->rules = search->clients = search->names = NULL;
    search->found_count = 0;
}

static int day_search(void *user, const struct days_now *now)
{
    struct search *search = user;

    /* A damaged day was left in the middle: what was found in it is not of this one. */
    day_forget(search);
    /* A case of another journal than those of this day cannot be here. */
    uint64_t sequence = now->filter->case_number >> JOURNAL_INDEX_BITS;
    int code =
        now->reader == NULL || (sequence != 0 && segment_reader_drained(now->reader, sequence) == 0)
            ? 0
            : blocks_find(search, now);
    bool damaged = code == -EBADMSG;
    if (code == 0 || damaged)
        code = waiting_find(search, now);
    if (code == 0)
        code = found_tell(search, now);
    day_forget(search);
    return code == 0 && damaged ? -EBADMSG : code;
}

int denials_search(const char *state, const struct denials_filter *filter,
                   int (*each)(void *user, const struct denial_record *record), void *user,
                   struct bl_error *error)
{
    struct search search = {.each = each, .user = user};
    int code = days_read(state, filter, day_search, &search, error);

    if (code == -ENOMEM)
        bl_error_set(error, code, "out of memory while reading denials; ask for a shorter time");
    free(search.found);
    free(search.rules);
    free(search.clients);
    free(search.names);
    free(search.rules_met);
    return code;
}

#include "resolver/denials/retention.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "resolver/base/folder.h"
#include "resolver/denials/guard.h"
#include "resolver/denials/segment_read.h"
#include "resolver/denials/segments.h"

enum { JOURNAL_DAYS = 31 };

static int64_t keep_of(const struct retention *retention, const char *category)
{
    for (size_t i = 0; i < retention->rule_count; i++)
        if (strcmp(retention->rules[i].category, category) == 0)
            return retention->rules[i].keep_ms;
    return retention->keep_ms;
}

/* A rewriting under way. */
struct rewriting {
    const struct retention *retention;
    struct segment_reader *reader;
    struct segment *to;
    int64_t age_ms; /* since the end of the day */
    struct legend_names
        *words; /* the old segment's words, by number: groups and categories alike */
    bool *gone; /* by word: a category whose time is over */
    uint64_t kept, removed;
    struct retention_receipt *receipt;
    struct bl_error error;
    int code;
    struct {
        struct segment_block head;
        struct segment_record records[SEGMENT_BLOCK_RECORDS];
    } block;
};

/* Words as a legend, so that the new segment interns them as it does a journal's. */
static int words_read(struct rewriting *rewriting)
{
    uint32_t count = rewriting->reader->meta.next[SEGMENT_WORDS];
    struct legend_names *words = calloc(1, sizeof(*words) + (size_t)count * 4 * sizeof(char *));

    rewriting->gone = calloc((size_t)count + 1, sizeof(bool));
    if (words == NULL || rewriting->gone == NULL || count > UINT16_MAX) {
        free(words);
        return -ENOMEM;
    }
    rewriting->words = words;
    words->id = 1;
    words->group_count = words->category_count = (uint16_t)count;
    words->groups = (const char **)(void *)(words + 1);
    words->categories = words->groups + count;
    words->titles = words->categories + count;
    words->severities = (uint8_t *)(void *)(words->titles + count);
    for (uint32_t id = 0; id < count; id++) {
        struct segment_word word = {.name = "", .title = ""};
        segment_reader_word(rewriting->reader, id, &word);
        words->groups[id] = words->categories[id] = word.name;
        words->titles[id] = word.title;
        words->severities[id] = word.severity;
        rewriting->gone[id] = word.kind == SEGMENT_WORD_CATEGORY &&
                              rewriting->age_ms >= keep_of(rewriting->retention, word.name);
    }
    return 0;
}

static bool rule_is_gone(const struct rewriting *rewriting, const struct segment_rule *rule)
{
    return rule->category < rewriting->words->category_count
               ? rewriting->gone[rule->category]
               : rewriting->age_ms >= rewriting->retention->keep_ms;
}

static int item_put(struct rewriting *rewriting, const struct journal_item *item)
{
    struct rewriting *at = rewriting;

    if (segment_is_full(at->to)) {
        int code = segment_commit(at->to, &at->error);
        if (code < 0)
            return code;
    }
    struct segment_item added = {.item = item,
                                 .keys = segment_expect(at->to, item),
                                 .sequence = item->case_number >> JOURNAL_INDEX_BITS,
                                 .legend = at->words};
    return segment_add(at->to, &added, &at->error);
}

/* The record and those folded into it, which fold again. */
static int record_put(struct rewriting *rewriting, const struct segment_record *record,
                      const struct segment_record *end, const struct segment_rule *rule)
{
    struct segment_reader *reader = rewriting->reader;
    struct segment_client client = {.scope = 0}, address;
    struct journal_item item = {.case_number = record->case_number};
    uint32_t other;
    int code;

    item.denial = (struct denial){.wall_ms = reader->day.start_ms + record->at_ms,
                                  .group = rule->group,
                                  .category = rule->category,
                                  .qtype = record->qtype,
                                  .rule = rule->rule,
                                  .via = rule->via,
                                  .transport = rule->transport,
                                  .observed = rule->observed,
                                  .answer = rule->answer,
                                  .policy_version = rule->policy_version,
                                  .generation = rule->generation};
    item.denial.qname = segment_reader_name(reader, record->name, &other);
    if (item.denial.qname == NULL ||
        !segment_reader_client(reader, record->client, &client, &item.device))
        return -EBADMSG;
    item.qname_len = (uint8_t)bl_name_length(item.denial.qname);
    memcpy(item.denial.client.bytes, client.address, 16);
    item.denial.client.scope = client.scope;
    if (record->match != SEGMENT_NO_ID && record->match & SEGMENT_MATCH_ADDRESS) {
        if (segment_reader_client(reader, record->match & ~SEGMENT_MATCH_ADDRESS, &address, NULL))
            item.denial.address = address.address;
    } else if (record->match != SEGMENT_NO_ID) {
        item.denial.matched = segment_reader_name(reader, record->match, &other);
        if (item.denial.matched != NULL)
            item.matched_len = (uint8_t)bl_name_length(item.denial.matched);
    }
    code = item_put(rewriting, &item);
    for (record++; code == 0 && record < end && record->at_ms == SEGMENT_FOLD_MARK; record++) {
        struct segment_fold fold;
        memcpy(&fold, record, sizeof(fold));
        uint64_t first = item.case_number;
        for (int i = 0; i < SEGMENT_FOLDS && code == 0 && fold.deltas[i] != 0; i++) {
            struct journal_item again = item;
            again.case_number = first + fold.deltas[i];
            code = item_put(rewriting, &again);
        }
    }
    return code;
}

static int block_copy(void *user, const MDB_val *key, const MDB_val *value)
{
    struct rewriting *rewriting = user;
    (void)key;

    if (value->mv_size < sizeof(rewriting->block.head) || value->mv_size > sizeof(rewriting->block))
        return -EBADMSG;
    memcpy(&rewriting->block, value->mv_data, value->mv_size);
    size_t count = rewriting->block.head.count;
    if (value->mv_size != sizeof(rewriting->block.head) + count * sizeof(struct segment_record) ||
        segment_block_check(&rewriting->block.head) != rewriting->block.head.check)
        return -EBADMSG;
    const struct segment_record *record = rewriting->block.records, *end = record + count;
    for (; record < end; record++) {
        struct segment_rule rule;
        if (record->at_ms == SEGMENT_FOLD_MARK)
            continue;
        if (!segment_reader_rule(rewriting->reader, record->rule, &rule))
            return -EBADMSG;
        if (rule_is_gone(rewriting, &rule)) {
            rewriting->removed += record->count;
            continue;
        }
        rewriting->kept += record->count;
        int code = record_put(rewriting, record, end, &rule);
        if (code < 0)
            return code;
    }
    return 0;
}

static int mark_copy(void *user, const MDB_val *key, const MDB_val *value)
{
    struct rewriting *rewriting = user;
    uint64_t offset;

    if (key->mv_size != 8 || value->mv_size != sizeof(offset))
        return 0;
    memcpy(&offset, value->mv_data, sizeof(offset));
    return segment_mark(rewriting->to, segment_get_64(key->mv_data), offset, &rewriting->error);
}

static int counted_copy(void *user, const MDB_val *key, const MDB_val *value)
{
    struct rewriting *rewriting = user;
    const struct segment_counted_key *at = key->mv_data;
    struct segment_counted counted;

    if (key->mv_size != sizeof(*at) || value->mv_size != sizeof(counted))
        return 0;
    memcpy(&counted, value->mv_data, sizeof(counted));
    return segment_count(rewriting->to, segment_get_64(at->sequence), segment_get_16(at->slot),
                         rewriting->reader->day.start_ms + (int64_t)at->hour * 3600000,
                         rewriting->words, counted.group, counted.category, counted.count,
                         &rewriting->error);
}

/* Whether any record's time is over, and whether any is to stay; by the rules that the segment
 * names. */
static int rule_look(void *user, const MDB_val *key, const MDB_val *value)
{
    struct rewriting *rewriting = user;
    struct segment_rule rule;
    (void)key;

    if (value->mv_size != sizeof(struct segment_value) + sizeof(rule))
        return -EBADMSG;
    memcpy(&rule, (const uint8_t *)value->mv_data + sizeof(struct segment_value), sizeof(rule));
    *(rule_is_gone(rewriting, &rule) ? &rewriting->removed : &rewriting->kept) += 1;
    return 0;
}

static void look_run(void *user)
{
    struct rewriting *rewriting = user;

    rewriting->code = words_read(rewriting);
    if (rewriting->code == 0)
        rewriting->code =
            segment_reader_walk(rewriting->reader, rewriting->reader->tables.values[SEGMENT_RULES],
                                NULL, rule_look, rewriting);
}

static void rewrite_run(void *user)
{
    struct rewriting *rewriting = user;
    const struct segment_tables *tables = &rewriting->reader->tables;
    int code = segment_reader_walk(rewriting->reader, tables->blocks, NULL, block_copy, rewriting);

    if (code == 0)
        code =
            segment_reader_walk(rewriting->reader, tables->counted, NULL, counted_copy, rewriting);
    if (code == 0)
        code = segment_reader_walk(rewriting->reader, tables->journals, NULL, mark_copy, rewriting);
    if (code == 0)
        code = segment_commit(rewriting->to, &rewriting->error);
    rewriting->code = code;
}

static int file_drop(const char *path)
{
    char lock[PATH_MAX + 8];
    int code = unlink(path) < 0 ? -errno : 0;

    snprintf(lock, sizeof(lock), "%s-lock", path);
    unlink(lock);
    return code;
}

static void segments_sync(const char *state)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/denials", state);
    folder_sync(path);
}

/* Writes the day anew without what is gone, and puts it in the old one's place. */
static int day_rewrite(const char *state, struct rewriting *rewriting, struct bl_error *error)
{
    char scratch[PATH_MAX], from[PATH_MAX + 64], to[PATH_MAX];
    const struct day day = rewriting->reader->day;
    struct retention_receipt before = *rewriting->receipt;

    snprintf(scratch, sizeof(scratch), "%s/denials/.rewrite", state);
    snprintf(from, sizeof(from), "%s/denials/%s.mdb", scratch, day.text);
    snprintf(to, sizeof(to), "%s/denials/%s.mdb", state, day.text);
    if (mkdir(scratch, 0700) < 0 && errno != EEXIST)
        return bl_error_set(error, -errno, "%s: %s", scratch, strerror(errno));
    file_drop(from);
    int code = segment_open(scratch, &day, &rewriting->to, error);
    if (code < 0)
        return code;
    rewriting->kept = rewriting->removed = 0;
    if (!guard_run(rewrite_run, rewriting))
        code = bl_error_set(error, -EBADMSG, "%s: damaged; its records stay", to);
    else if (rewriting->code < 0)
        code = bl_error_set(error, rewriting->code, "%s: %s", to,
                            rewriting->error.text[0] != '\0' ? rewriting->error.text
                                                             : "damaged; its records stay");
    segment_close(rewriting->to);
    if (code == 0) {
        struct retention_receipt then = *rewriting->receipt;
        then.rewritten++;
        then.denials += rewriting->removed;
        receipt_day(&then, &day);
        code = receipt_step(state, rewriting->receipt, &then, to, error);
    }
    if (code == 0 && rename(from, to) < 0) {
        code = bl_error_set(error, -errno, "%s: %s", to, strerror(errno));
        *rewriting->receipt = before;
    }
    if (code == 0) {
        char lock[PATH_MAX + 8];
        snprintf(lock, sizeof(lock), "%s-lock", to);
        unlink(lock); /* it belongs to the file that is gone */
        segments_sync(state);
    }
    file_drop(from);
    return code;
}

static int day_drop(const char *state, struct rewriting *rewriting, struct bl_error *error)
{
    struct retention_receipt then = *rewriting->receipt, before = then;
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/denials/%s.mdb", state, rewriting->reader->day.text);
    then.denials += rewriting->reader->meta.denials;
    then.dropped++;
    receipt_day(&then, &rewriting->reader->day);
    int code = receipt_step(state, rewriting->receipt, &then, path, error);
    if (code < 0)
        return code;
    code = file_drop(path);
    if (code < 0) {
        *rewriting->receipt = before;
        return bl_error_set(error, code, "%s: %s", path, strerror(-code));
    }
    segments_sync(state);
    return 0;
}

static int day_settle(const char *state, struct rewriting *rewriting, struct bl_error *error)
{
    struct segment_reader *reader = rewriting->reader;

    if (!guard_run(look_run, rewriting) || rewriting->code == -EBADMSG)
        return bl_error_set(error, -EBADMSG, "%s: damaged; it stays until somebody looks at it",
                            reader->path);
    if (rewriting->code < 0)
        return bl_error_set(error, rewriting->code, "out of memory while records were sorted out");
    if (rewriting->removed == 0)
        return 0;
    if (rewriting->retention->held != NULL &&
        rewriting->retention->held(rewriting->retention->user, &reader->day)) {
        rewriting->receipt->held++;
        return 0;
    }
    return rewriting->kept == 0 ? day_drop(state, rewriting, error)
                                : day_rewrite(state, rewriting, error);
}

/* A journal may have been written for weeks before it was set aside. */
static bool journal_is_held(const struct retention *retention, int64_t written_ms)
{
    for (int i = 0; retention->held != NULL && i < JOURNAL_DAYS; i++) {
        struct day day;
        day_of(written_ms - (int64_t)i * 86400000, &day);
        if (retention->held(retention->user, &day))
            return true;
    }
    return false;
}

/* Damaged journals last written before `until_ms`. */
static int journals_drop(const char *state, const struct retention *retention, int64_t until_ms,
                         struct retention_receipt *receipt, struct bl_error *error)
{
    static const char END[] = ".damaged";
    char folder[PATH_MAX], path[PATH_MAX + NAME_MAX + 2];
    struct dirent *entry;
    struct stat file;
    int first = 0;

    snprintf(folder, sizeof(folder), "%s/journal", state);
    DIR *dir = opendir(folder);
    if (dir == NULL)
        return errno == ENOENT ? 0 : bl_error_set(error, -errno, "%s: %s", folder, strerror(errno));
    while ((entry = readdir(dir)) != NULL) {
        size_t len = strlen(entry->d_name);
        struct retention_receipt then = *receipt, before = then;
        if (len < sizeof(END) || strcmp(entry->d_name + len - (sizeof(END) - 1), END) != 0)
            continue;
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        if (stat(path, &file) < 0 || (int64_t)file.st_mtime * 1000 > until_ms ||
            journal_is_held(retention, (int64_t)file.st_mtime * 1000))
            continue;
        then.journals++;
        int code = receipt_step(state, receipt, &then, path, first == 0 ? error : NULL);
        if (code == 0 && unlink(path) < 0) {
            code = bl_error_set(first == 0 ? error : NULL, -errno, "%s: %s", path, strerror(errno));
            *receipt = before;
        }
        first = first == 0 ? code : first;
    }
    closedir(dir);
    return first;
}

int retention_run(const char *state, const struct retention *retention, int64_t now_ms,
                  struct retention_receipt *out_receipt, struct bl_error *error)
{
    struct segment_list list;
    int64_t least_ms = retention->keep_ms;

    for (size_t i = 0; i < retention->rule_count; i++)
        least_ms = retention->rules[i].keep_ms < least_ms ? retention->rules[i].keep_ms : least_ms;
    int64_t until_ms = now_ms - least_ms;
    int first = receipt_begin(state, out_receipt, error);
    if (first < 0)
        return first;
    first = journals_drop(state, retention, until_ms, out_receipt, error);
    int listed = segments_list(state, NULL, &until_ms, &list, first == 0 ? error : NULL);
    if (listed < 0)
        return first == 0 ? listed : first;
    for (size_t i = 0; i < list.count; i++) {
        struct rewriting *rewriting;
        struct bl_error why = {""};
        if (list.days[i].end_ms > until_ms)
            continue;
        rewriting = calloc(1, sizeof(*rewriting));
        int code = rewriting == NULL
                       ? -ENOMEM
                       : segment_reader_open(state, &list.days[i], true, &rewriting->reader, &why);
        if (code == 0) {
            rewriting->retention = retention;
            rewriting->age_ms = now_ms - list.days[i].end_ms;
            rewriting->receipt = out_receipt;
            code = day_settle(state, rewriting, &why);
            segment_reader_close(rewriting->reader);
        }
        if (code < 0 && first == 0)
            first = bl_error_set(error, code, "%s", why.text);
        if (rewriting != NULL) {
            free(rewriting->words);
            free(rewriting->gone);
        }
        free(rewriting);
    }
    segments_list_free(&list);
    return first;
}

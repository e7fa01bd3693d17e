/* Opening a store, taking it apart once, and the look-ups of the query path. */
#include "blocklists/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "blocklists/hash.h"
#include "blocklists/layout.h"
#include "blocklists/reasons.h"
#include "blocklists/store_inside.h"

static int damaged(struct bl_error *error, const struct bl_store *store, const char *what)
{
    return bl_error_set(error, -EBADMSG, "%s is damaged: %s", store->path, what);
}

int bl_lmdb_error(struct bl_error *error, const char *path, const char *what, int rc)
{
    /* LMDB's own codes are negative, the system's are not. */
    int code = rc > 0 ? -rc : rc == MDB_MAP_FULL ? -ENOSPC : -EBADMSG;

    return bl_error_set(error, code, "%s: %s: %s", path, what,
                        rc > 0 ? bl_disk_text(rc) : mdb_strerror(rc));
}

/* LMDB maps what its head says without looking at the file's length. The newer of the two meta
 * pages must therefore agree with the trailer; what it leads to is bl_pages_check()'s business. */
static int head_check(int fd, const struct bl_store *store, struct bl_error *error)
{
    enum { META = 16, MAGIC = META, VERSION = META + 4, LAST_PAGE = META + 120, TXN = META + 128 };
    uint8_t head[2][META + 136];
    uint64_t pages = 0, txn = 0;

    if (store->seal.page_size < 512 || store->seal.page_size > 65536 ||
        store->seal.lmdb_len % store->seal.page_size != 0 ||
        store->seal.lmdb_len < 2 * (uint64_t)store->seal.page_size)
        return damaged(error, store, "its pages do not fill it");
    for (unsigned i = 0; i < 2; i++) {
        if (pread(fd, head[i], sizeof head[i], (off_t)i * store->seal.page_size) !=
            (ssize_t)sizeof head[i])
            return damaged(error, store, "its head cannot be read");
        if (bl_get32(head[i] + MAGIC) != 0xbeefc0deu || bl_get32(head[i] + VERSION) != 1 ||
            bl_get32(head[i] + META + 24) != store->seal.page_size)
            return damaged(error, store, "its head is not LMDB's");
        if (bl_get64(head[i] + TXN) >= txn) {
            txn = bl_get64(head[i] + TXN);
            pages = bl_get64(head[i] + LAST_PAGE) + 1;
        }
    }
    if (pages != store->seal.lmdb_len / store->seal.page_size)
        return damaged(error, store, "its head speaks of another length");
    return 0;
}

int bl_store_pages_check(const struct bl_store *store, int fd, bool whole, struct bl_error *error)
{
    void *bytes = mmap(NULL, store->seal.lmdb_len, PROT_READ, MAP_SHARED, fd, 0);
    int rc;

    if (bytes == MAP_FAILED)
        return bl_error_set(error, -errno, "%s: %s", store->path, strerror(errno));
    rc = bl_pages_check(bytes, store->seal.lmdb_len, store->seal.page_size, whole, store->path,
                        error);
    munmap(bytes, store->seal.lmdb_len);
    return rc;
}

static int env_open(struct bl_store *store, int fd, struct bl_error *error)
{
    char path[64];
    MDB_txn *txn = NULL;
    int rc;

    /* By descriptor, so that what was checked is what is mapped. */
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    rc = mdb_env_create(&store->env);
    if (rc == 0)
        rc = mdb_env_set_maxdbs(store->env, 1);
    if (rc == 0)
        rc = mdb_env_set_mapsize(store->env, 1); /* LMDB raises it to what the file needs */
    if (rc == 0)
        rc = mdb_env_open(store->env, path, MDB_RDONLY | MDB_NOLOCK | MDB_NOSUBDIR, 0);
    if (rc == 0)
        rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn);
    if (rc == 0)
        rc = mdb_dbi_open(txn, "entries", 0, &store->entries);
    if (rc != 0) {
        mdb_txn_abort(txn);
        return bl_lmdb_error(error, store->path, "cannot be opened", rc);
    }
    /* A handle is for all transactions once the one that opened it has ended well. */
    rc = mdb_txn_commit(txn);
    if (rc == 0)
        rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &store->txn);
    if (rc != 0)
        return bl_lmdb_error(error, store->path, "cannot be opened", rc);
    return 0;
}

static int value_get(const struct bl_store *store, const char *name, size_t min, MDB_val *out_value,
                     struct bl_error *error)
{
    MDB_val key = {strlen(name), (void *)(uintptr_t)name};
    MDB_dbi main_dbi;
    int rc = mdb_dbi_open(store->txn, NULL, 0, &main_dbi);

    if (rc == 0)
        rc = mdb_get(store->txn, main_dbi, &key, out_value);
    if (rc != 0)
        return bl_lmdb_error(error, store->path, name, rc);
    if (out_value->mv_size < min)
        return damaged(error, store, name);
    return 0;
}

static int facts_read(struct bl_store *store, struct bl_error *error)
{
    const uint8_t *at;
    bool is_old = store->seal.version < 2;
    size_t rules, rule_size = is_old ? BL_RULE_SIZE_1 : BL_RULE_SIZE;
    MDB_val value;
    int rc = value_get(store, "facts", BL_FACTS_HEAD + BL_FACT_SIZE, &value, error);

    if (rc < 0)
        return rc;
    at = value.mv_data;
    store->fact_count = bl_get32(at);
    rules = bl_get32(at + 4);
    if (store->fact_count == 0 || store->fact_count > UINT16_MAX + 1u ||
        value.mv_size !=
            BL_FACTS_HEAD + store->fact_count * (size_t)BL_FACT_SIZE + rules * rule_size)
        return damaged(error, store, "its facts are not as many as it says");
    store->facts = calloc(store->fact_count, sizeof *store->facts);
    store->fact_forms_own = calloc(store->fact_count, sizeof *store->fact_forms_own);
    store->rules = calloc(rules + 1, sizeof *store->rules);
    if (!store->facts || !store->fact_forms_own || !store->rules)
        return bl_error_set(error, -ENOMEM, "not enough memory to open %s", store->path);
    at += BL_FACTS_HEAD;
    for (unsigned i = 0; i < store->fact_count; i++, at += BL_FACT_SIZE) {
        store->facts[i].first = bl_get32(at);
        store->facts[i].count = bl_get16(at + 4);
        if (bl_get16(at + 6) >= store->fact_count ||
            store->facts[i].first + (size_t)store->facts[i].count > rules)
            return damaged(error, store, "a fact leads outside");
        store->fact_forms_own[i] =
            bl_get16(at + 6) |
            (bl_get32(at + 8) & (is_old ? BL_FACT_FLAGS & ~BL_FACT_BY_TYPE : BL_FACT_FLAGS)) << 16;
    }
    for (size_t i = 0; i < rules; i++, at += rule_size) {
        store->rules[i] =
            (struct bl_fact_rule){bl_get16(at), at[2], at[3], at[4], at[5], is_old ? 0 : at[6]};
        if (store->rules[i].category >= store->category_count || at[3] > BL_TIER_NATIONAL ||
            at[4] > BL_ALLOW || at[5] > 1 || store->rules[i].condition > store->conditions.count)
            return damaged(error, store, "a rule leads outside");
    }
    store->fact_forms = store->fact_forms_own;
    return 0;
}

/* A string that ends with a zero before `end`; NULL where it does not. */
static const char *string_take(const uint8_t **at, const uint8_t *end)
{
    const char *string = (const char *)*at;
    const uint8_t *zero = *at < end ? memchr(*at, 0, (size_t)(end - *at)) : NULL;

    if (zero)
        *at = zero + 1;
    return zero ? string : NULL;
}

static int categories_read(struct bl_store *store, unsigned count, struct bl_error *error)
{
    bool has_whole = store->seal.version >= 2;
    ptrdiff_t fixed = has_whole ? BL_CATEGORY_FIXED : BL_CATEGORY_FIXED_1;
    const uint8_t *at, *end;
    MDB_val value;
    int rc = value_get(store, "categories", 0, &value, error);

    if (rc < 0)
        return rc;
    if (count > BL_CATEGORY_MAX)
        return damaged(error, store, "too many categories");
    /* A copy: what the sealed ones hold is asked after when the file is damaged, too. */
    store->category_bytes = malloc(value.mv_size + 1);
    store->categories = calloc(count + 1u, sizeof *store->categories);
    if (!store->categories || !store->category_bytes)
        return bl_error_set(error, -ENOMEM, "not enough memory to open %s", store->path);
    at = memcpy(store->category_bytes, value.mv_data, value.mv_size);
    end = at + value.mv_size;
    for (unsigned i = 0; i < count; i++) {
        struct bl_category *category = &store->categories[i];

        if (end - at < fixed)
            return damaged(error, store, "its categories are cut off");
        category->names = bl_get64(at);
        category->addresses = bl_get64(at + 8);
        category->whole = has_whole ? bl_get64(at + 16) : BL_WHOLE_UNKNOWN;
        at += fixed;
        category->name = string_take(&at, end);
        if (!category->name)
            return damaged(error, store, "its categories are cut off");
        store->category_count++;
    }
    return 0;
}

static bool source_read(const struct bl_store *store, struct bl_source *source, const uint8_t **at,
                        const uint8_t *end)
{
    const uint8_t *fixed = *at;
    const char *sha256;

    if (end - *at < BL_SOURCE_FIXED)
        return false;
    source->category = bl_get16(fixed);
    source->tier = fixed[2];
    source->action = fixed[3];
    source->subscribed = fixed[4] & 1;
    source->imported = (int64_t)bl_get64(fixed + 8);
    source->read = bl_get64(fixed + 16);
    source->taken = bl_get64(fixed + 24);
    source->duplicate = bl_get64(fixed + 32);
    source->malformed = bl_get64(fixed + 40);
    source->unused = bl_get64(fixed + 48);
    *at += BL_SOURCE_FIXED;
    source->location = string_take(at, end);
    source->format = string_take(at, end);
    source->licence = string_take(at, end);
    source->actor = string_take(at, end);
    source->reason = string_take(at, end);
    sha256 = string_take(at, end);
    source->reasons = fixed[BL_SOURCE_HAS_REASONS] & 1 ? string_take(at, end) : "";
    if (!source->location || !source->format || !source->licence || !source->actor ||
        !source->reason || !source->reasons || !bl_reasons_are_whole(source->reasons) || !sha256 ||
        strlen(sha256) >= sizeof source->sha256)
        return false;
    strcpy(source->sha256, sha256);
    return source->category < store->category_count && source->tier <= BL_TIER_NATIONAL &&
           source->action <= BL_ALLOW;
}

static int sources_read(struct bl_store *store, unsigned count, struct bl_error *error)
{
    const uint8_t *at, *end;
    MDB_val value;
    int rc = value_get(store, "sources", 0, &value, error);

    if (rc < 0)
        return rc;
    if (count > BL_SOURCES_MAX)
        return damaged(error, store, "too many sources");
    store->sources = calloc(count + 1u, sizeof *store->sources);
    if (!store->sources)
        return bl_error_set(error, -ENOMEM, "not enough memory to open %s", store->path);
    at = value.mv_data;
    end = at + value.mv_size;
    for (unsigned i = 0; i < count; i++)
        if (!source_read(store, &store->sources[i], &at, end))
            return damaged(error, store, "its sources are cut off");
    store->source_count = count;
    return 0;
}

static int table_read(struct bl_store *store, struct bl_error *error)
{
    MDB_val value;
    int rc = value_get(store, "table", BL_TABLE_PAD, &value, error);

    if (rc < 0)
        return rc;
    store->buckets = (const uint8_t *)value.mv_data + BL_TABLE_PAD;
    if (store->bucket_count < BL_BUCKETS_MIN || (uintptr_t)store->buckets % BL_BUCKET_SIZE != 0 ||
        value.mv_size != BL_TABLE_PAD + store->bucket_count * (size_t)BL_BUCKET_SIZE)
        return damaged(error, store, "its table is not as large as it says");
    return 0;
}

static int ranges_read(struct bl_store *store, struct bl_error *error)
{
    MDB_val value;
    int rc =
        value_get(store, "addresses4", store->range4_count * (size_t)BL_RANGE4_SIZE, &value, error);

    if (rc < 0)
        return rc;
    store->ranges4 = value.mv_data;
    rc =
        value_get(store, "addresses6", store->range6_count * (size_t)BL_RANGE6_SIZE, &value, error);
    store->ranges6 = value.mv_data;
    return rc;
}

/* What stores of format 1 do not have. */
static int types_read(struct bl_store *store, const char *name, unsigned count,
                      bl_types_reader *read, struct bl_error *error)
{
    const char *fault;
    MDB_val value;
    int rc = store->seal.version < 2 ? 0 : value_get(store, name, 0, &value, error);

    if (rc < 0 || store->seal.version < 2)
        return rc;
    rc = read(store, value.mv_data, value.mv_size, count, &fault);
    if (rc == -ENOMEM)
        return bl_error_set(error, rc, "not enough memory to open %s", store->path);
    return rc == 0 ? 0 : damaged(error, store, fault);
}

static int contents_read(struct bl_store *store, struct bl_error *error)
{
    const uint8_t *meta;
    MDB_val value;
    int rc = value_get(store, "meta", BL_META_SIZE, &value, error);

    if (rc < 0)
        return rc;
    meta = value.mv_data;
    store->name_count = bl_get64(meta + BL_META_NAMES);
    store->prefix_count = bl_get64(meta + BL_META_PREFIXES);
    store->entry_count = bl_get64(meta + BL_META_ENTRIES);
    store->seed = bl_get64(meta + BL_META_SEED);
    store->bucket_count = bl_get32(meta + BL_META_BUCKETS);
    store->labels_min = bl_get16(meta + BL_META_LABELS_MIN);
    store->labels_max = bl_get16(meta + BL_META_LABELS_MAX);
    store->range4_count = bl_get32(meta + BL_META_RANGES4);
    store->range6_count = bl_get32(meta + BL_META_RANGES6);
    if (store->labels_max > BL_LABELS_MAX || store->name_count != store->seal.names ||
        store->labels_min < (store->name_count > 0))
        return damaged(error, store, "its counts contradict each other");
    rc = categories_read(store, bl_get32(meta + BL_META_CATEGORIES), error);
    if (rc == 0)
        rc = sources_read(store, bl_get32(meta + BL_META_SOURCES), error);
    if (rc == 0)
        rc = types_read(store, "conditions", bl_get32(meta + BL_META_CONDITIONS),
                        bl_store_conditions_read, error);
    if (rc == 0)
        rc = facts_read(store, error);
    if (rc == 0)
        rc = types_read(store, "variants", bl_get32(meta + BL_META_VARIANTS),
                        bl_store_variants_read, error);
    if (rc == 0)
        rc = table_read(store, error);
    if (rc == 0)
        rc = ranges_read(store, error);
    return rc;
}

int bl_store_open(const char *path, struct bl_store **out_store, struct bl_error *error)
{
    struct bl_store *store = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int rc;

    if (fd < 0)
        return bl_error_set(error, -errno, "cannot open %s: %s", path, strerror(errno));
    rc = -ENOMEM;
    store = calloc(1, sizeof *store);
    if (store)
        store->path = strdup(path);
    if (store)
        store->pages_checked = calloc(1, sizeof *store->pages_checked);
    if (!store || !store->path || !store->pages_checked) {
        bl_error_set(error, rc, "not enough memory to open %s", path);
        goto out;
    }
    store->references = 1;
    if (fstat(fd, &store->as_opened) < 0) { /* before anything is read */
        rc = bl_error_set(error, -errno, "%s: %s", path, strerror(errno));
        goto out;
    }
    rc = bl_seal_read(fd, path, &store->seal, error);
    if (rc == 0)
        rc = head_check(fd, store, error);
    if (rc == 0)
        rc = bl_store_pages_check(store, fd, false, error);
    if (rc == 0)
        rc = env_open(store, fd, error);
    if (rc == 0)
        rc = contents_read(store, error);
    if (rc == 0) {
        bl_store_guard_begin(store);
        *out_store = store;
        store = NULL;
    }
out:
    close(fd);
    bl_store_close(store);
    return rc;
}

struct bl_store *bl_store_share(struct bl_store *store)
{
    __atomic_add_fetch(&store->references, 1, __ATOMIC_RELAXED);
    return store;
}

void bl_store_close(struct bl_store *store)
{
    if (!store || __atomic_sub_fetch(&store->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    bl_store_guard_end(store);
    if (store->txn)
        mdb_txn_abort(store->txn);
    if (store->env)
        mdb_env_close(store->env);
    free(store->facts);
    free(store->fact_forms_own);
    free(store->rules);
    free(store->variants);
    free(store->categories);
    free(store->category_bytes);
    free(store->sources);
    free(store->path);
    free(store->pages_checked);
    free(store);
}

static unsigned labels_count(const uint8_t *wire, size_t len, uint8_t starts[BL_LABELS_MAX + 1])
{
    unsigned labels = 0;

    for (size_t at = 0; at < len && wire[at] != 0 && labels < BL_LABELS_MAX; at += wire[at] + 1u)
        starts[labels++] = (uint8_t)at;
    return labels;
}

/* hashes[n − 1] becomes that of the last n labels; their buckets are on the way from memory. */
static void suffixes_hash(const struct bl_store *store, const uint8_t *wire, const uint8_t *starts,
                          unsigned labels, unsigned most, uint64_t *hashes)
{
    uint64_t hash = bl_hash_start(store->seed);

    for (unsigned n = 1; n <= most; n++) {
        const uint8_t *label = wire + starts[labels - n];

        hash = bl_hash_label(hash, store->seed, label + 1, *label);
        hashes[n - 1] = hash;
        if (n >= store->labels_min)
            __builtin_prefetch(store->buckets +
                               bl_hash_bucket(hash, store->bucket_count) * (size_t)BL_BUCKET_SIZE);
    }
}

/* The fact of the longest suffix that is listed, and how many labels it has. */
static bl_fact suffixes_find(const struct bl_store *store, unsigned labels, unsigned most,
                             const uint64_t *hashes, unsigned type, unsigned *out_labels)
{
    for (unsigned n = most; n >= store->labels_min && n > 0; n--) {
        bl_fact fact = bl_table_find(store, hashes[n - 1]);
        uint32_t form;

        /* A number out of bounds can only come from a damaged disk: nothing is said by it. */
        if (fact == BL_FACT_NONE || fact >= store->fact_count)
            continue;
        form = store->fact_forms[fact];
        if (form >> 16 & BL_FACT_BY_TYPE) {
            fact = bl_store_variant(store, fact, type);
            form = store->fact_forms[fact];
        }
        *out_labels = n;
        if (n == labels && form >> 16 & BL_FACT_OWN_SELF)
            return fact;
        if (n < labels && form >> 16 & BL_FACT_OWN_BELOW)
            return (bl_fact)form;
    }
    return BL_FACT_NONE;
}

struct bl_found bl_store_find(const struct bl_store *store, const uint8_t *wire, size_t len,
                              unsigned type)
{
    uint8_t starts[BL_LABELS_MAX + 1];
    uint64_t hashes[BL_LABELS_MAX + 1];
    unsigned labels = labels_count(wire, len, starts), listed;
    unsigned most = labels < store->labels_max ? labels : store->labels_max;
    bl_fact fact;

    suffixes_hash(store, wire, starts, labels, most, hashes);
    fact = suffixes_find(store, labels, most, hashes, type, &listed);
    if (fact == BL_FACT_NONE)
        return (struct bl_found){BL_FACT_NONE, 0};
    return (struct bl_found){fact, starts[labels - listed]};
}

bl_fact bl_store_find_below(const struct bl_store *store, const struct bl_name *name)
{
    uint8_t below[BL_NAME_MAX + 2] = {1, 0}; /* no list can name that label: key.h */

    if (name->len + 2 > BL_NAME_MAX)
        return BL_FACT_NONE; /* there are none */
    memcpy(below + 2, name->wire, name->len);
    return bl_store_find(store, below, name->len + 2u, BL_ALL_TYPES).fact;
}

void bl_store_search(const struct bl_store *store, const uint8_t *wire, size_t len,
                     struct bl_search *out_search)
{
    uint8_t starts[BL_LABELS_MAX + 1];
    unsigned labels = labels_count(wire, len, starts);
    unsigned most = labels < store->labels_max ? labels : store->labels_max;

    out_search->labels = most <= BL_SEARCH_LABELS ? (uint8_t)labels : UINT8_MAX;
    out_search->most = (uint8_t)most;
    if (most <= BL_SEARCH_LABELS)
        suffixes_hash(store, wire, starts, labels, most, out_search->hashes);
}

struct bl_found bl_store_found(const struct bl_store *store, const uint8_t *wire, size_t len,
                               unsigned type, const struct bl_search *search)
{
    unsigned listed, at = 0;
    bl_fact fact;

    if (search->labels == UINT8_MAX)
        return bl_store_find(store, wire, len, type);
    fact = suffixes_find(store, search->labels, search->most, search->hashes, type, &listed);
    if (fact == BL_FACT_NONE)
        return (struct bl_found){BL_FACT_NONE, 0};
    for (unsigned n = search->labels; n > listed; n--)
        at += wire[at] + 1u;
    return (struct bl_found){fact, (uint8_t)at};
}

/* The last range that starts at or before the address, by halves; 0 when there is none. */
static const uint8_t *range_find(const uint8_t *ranges, unsigned count, size_t size,
                                 const uint8_t *address, size_t octets)
{
    const uint8_t *found = NULL;

    while (count > 0) {
        unsigned half = count / 2;
        const uint8_t *middle = ranges + half * size;

        if (memcmp(middle, address, octets) <= 0) {
            found = middle;
            ranges = middle + size;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    return found;
}

/* The IPv4 address inside an IPv6 one, where RFC 4291 section 2.5.5 (compatible, mapped), RFC 6052
 * section 2.1 and RFC 8215 (NAT64, of the Internet and of a network's own) or RFC 3056 section 2
 * (6to4) put one; else NULL. */
static const uint8_t *inner_ipv4(const uint8_t *address)
{
    static const uint8_t compatible[12], mapped[12] = {[10] = 0xff, [11] = 0xff};
    static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};
    static const uint8_t own_nat64[6] = {0x00, 0x64, 0xff, 0x9b, 0x00, 0x01};

    if (memcmp(address, mapped, 12) == 0 || memcmp(address, compatible, 12) == 0 ||
        memcmp(address, nat64, 12) == 0 || memcmp(address, own_nat64, 6) == 0)
        return address + 12;
    return address[0] == 0x20 && address[1] == 0x02 ? address + 2 : NULL;
}

bl_fact bl_store_find_address(const struct bl_store *store, const uint8_t *address, size_t len,
                              struct bl_prefix *out_prefix)
{
    const uint8_t *range = NULL, *inner = len == 16 ? inner_ipv4(address) : NULL;
    bl_fact fact = BL_FACT_NONE;
    unsigned octets = len == 4 || inner ? 4 : 16, prefix = 0;

    if (len == 4 || inner)
        range = range_find(store->ranges4, store->range4_count, BL_RANGE4_SIZE,
                           inner ? inner : address, 4);
    if (range && bl_get16(range + 4) != BL_FACT_NONE && bl_get16(range + 4) < store->fact_count) {
        address = inner ? inner : address;
    } else if (len == 16) {
        octets = 16;
        range = range_find(store->ranges6, store->range6_count, BL_RANGE6_SIZE, address, 16);
    }
    if (!range)
        return BL_FACT_NONE;
    fact = bl_get16(range + octets);
    prefix = range[octets + 2];
    if (fact >= store->fact_count || fact == BL_FACT_NONE || prefix > 8 * octets)
        return BL_FACT_NONE;
    if (out_prefix) {
        memset(out_prefix, 0, sizeof *out_prefix);
        out_prefix->family = octets == 4 ? 4 : 6;
        out_prefix->length = (uint8_t)prefix;
        for (unsigned bit = 0; bit < prefix; bit++)
            out_prefix->address[bit / 8] |= (uint8_t)(address[bit / 8] & (0x80u >> bit % 8));
    }
    return fact;
}

bool bl_store_has_addresses(const struct bl_store *store)
{
    return store->range4_count + store->range6_count > 0;
}

uint64_t bl_store_generation(const struct bl_store *store)
{
    return store->seal.generation;
}

uint64_t bl_store_name_count(const struct bl_store *store)
{
    return store->name_count;
}

unsigned bl_store_fact_count(const struct bl_store *store)
{
    return store->fact_count;
}

const struct bl_fact_rule *bl_store_fact(const struct bl_store *store, bl_fact fact,
                                         size_t *out_count)
{
    if (fact >= store->fact_count)
        fact = BL_FACT_NONE;
    *out_count = store->facts[fact].count;
    return store->rules + store->facts[fact].first;
}

unsigned bl_store_category_count(const struct bl_store *store)
{
    return store->category_count;
}

const struct bl_category *bl_store_category(const struct bl_store *store, unsigned index)
{
    return index < store->category_count ? &store->categories[index] : NULL;
}

int bl_store_category_find(const struct bl_store *store, const char *name)
{
    for (unsigned i = 0; i < store->category_count; i++)
        if (strcmp(store->categories[i].name, name) == 0)
            return (int)i;
    return -ENOENT;
}

unsigned bl_store_source_count(const struct bl_store *store)
{
    return store->source_count;
}

const struct bl_source *bl_store_source(const struct bl_store *store, unsigned index)
{
    return index < store->source_count ? &store->sources[index] : NULL;
}

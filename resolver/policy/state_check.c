#include "resolver/policy/state_check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Names as in mdb.c: page flags, node flags, and where the fields of each lie. */
enum {
    PAGE_HEAD = 16,
    PAGE_BRANCH = 1,
    PAGE_LEAF = 2,
    PAGE_OVERFLOW = 4,
    PAGE_META = 8,
    NODE_HEAD = 8,
    NODE_BIG = 1,
    NODE_TABLE = 2,
    KEYS_BY_NUMBER = 8, /* MDB_INTEGERKEY, of the table of free pages */
    NO_FOLDER = 0x4000, /* MDB_NOSUBDIR, kept in the same place */
    TREE_LEN = 48,
    DEPTH_MOST = 32,
    META_MAGIC_AT = PAGE_HEAD,
    META_FREE_AT = PAGE_HEAD + 24,
    META_MAIN_AT = META_FREE_AT + TREE_LEN,
    META_LAST_AT = META_MAIN_AT + TREE_LEN,
    META_END = META_LAST_AT + 16,
    TABLES_MOST = 64,
    PAGE_LEAST = 512,
    PAGE_MOST = 65536,
};

static const uint32_t MAGIC = 0xBEEFC0DE;
static const size_t FILE_MOST = (size_t)4 << 30;

struct tree {
    uint16_t flags, depth;
    uint64_t branches, leaves, overflows, entries, root;
};

struct file {
    uint8_t *octets;
    size_t len, page_size;
    uint64_t last_page, transaction;
    uint8_t *seen; /* by page: part of a tree, or free */
    struct tree tables[TABLES_MOST];
    size_t table_count;
    struct tree found; /* what the walk counted */
    const uint8_t *key_before;
    size_t key_before_len;
    bool key_may_equal; /* the one before is a separator: the next may be the same */
    const char *fault;
};

static uint16_t get16(const uint8_t *at)
{
    uint16_t value;

    memcpy(&value, at, sizeof value);
    return value;
}

static uint32_t get32(const uint8_t *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof value);
    return value;
}

static uint64_t get64(const uint8_t *at)
{
    uint64_t value;

    memcpy(&value, at, sizeof value);
    return value;
}

static bool fail(struct file *file, const char *fault)
{
    file->fault = fault;
    return false;
}

static struct tree tree_read(const uint8_t *at)
{
    return (struct tree){.flags = get16(at + 4),
                         .depth = get16(at + 6),
                         .branches = get64(at + 8),
                         .leaves = get64(at + 16),
                         .overflows = get64(at + 24),
                         .entries = get64(at + 32),
                         .root = get64(at + 40)};
}

/* One page, or several in a row, that nothing else has claimed. */
static bool pages_claim(struct file *file, uint64_t first, uint64_t count)
{
    if (first < 2 || first > file->last_page || count > file->last_page - first + 1)
        return fail(file, "a page is out of bounds");
    for (uint64_t page = first; page < first + count; page++) {
        if (file->seen[page])
            return fail(file, "a page is in two places");
        file->seen[page] = 1;
    }
    return true;
}

static const uint8_t *page_at(const struct file *file, uint64_t page)
{
    return file->octets + page * file->page_size;
}

static size_t page_nodes(const uint8_t *page)
{
    return (size_t)(get16(page + 12) - PAGE_HEAD) / 2;
}

static const uint8_t *page_node(const uint8_t *page, size_t index)
{
    return page + get16(page + PAGE_HEAD + 2 * index);
}

/* The head of a page and the place of each of its nodes. */
static bool page_check(struct file *file, uint64_t number, uint16_t kind)
{
    const uint8_t *page;
    size_t lower, upper;

    if (!pages_claim(file, number, 1))
        return false;
    page = page_at(file, number);
    lower = get16(page + 12);
    upper = get16(page + 14);
    if (get64(page) != number || get16(page + 10) != kind)
        return fail(file, "a page is not what it should be");
    if (lower < PAGE_HEAD + 2 || lower % 2 || lower > upper || upper > file->page_size ||
        (kind == PAGE_BRANCH && page_nodes(page) < 2))
        return fail(file, "the head of a page is damaged");
    for (size_t i = 0; i < page_nodes(page); i++) {
        size_t at = get16(page + PAGE_HEAD + 2 * i);
        if (at < upper || at % 2 || at + NODE_HEAD > file->page_size ||
            at + NODE_HEAD + get16(page + at + 6) > file->page_size)
            return fail(file, "an entry lies outside its page");
    }
    return true;
}

static int key_compare(const struct tree *tree, const uint8_t *a, size_t a_len, const uint8_t *b,
                       size_t b_len)
{
    int order;

    if (tree->flags & KEYS_BY_NUMBER)
        return get64(a) < get64(b) ? -1 : get64(a) > get64(b);
    order = memcmp(a, b, a_len < b_len ? a_len : b_len);
    return order ? order : a_len < b_len ? -1 : a_len > b_len;
}

/* Keys come in ascending order over all pages, separators of branches included. */
static bool key_check(struct file *file, const struct tree *tree, const uint8_t *key, size_t len,
                      bool is_separator)
{
    if (tree->flags & KEYS_BY_NUMBER ? len != 8 : len == 0 || len > 511)
        return fail(file, "a key has a wrong length");
    if (file->key_before) {
        int order = key_compare(tree, file->key_before, file->key_before_len, key, len);
        if (order > 0 || (order == 0 && !file->key_may_equal))
            return fail(file, "keys are out of order");
    }
    file->key_before = key;
    file->key_before_len = len;
    file->key_may_equal = is_separator;
    return true;
}

/* A value too long for its page lies in pages of its own. */
static bool big_value_check(struct file *file, uint64_t number, size_t len, const uint8_t **out)
{
    uint64_t pages = (PAGE_HEAD - 1 + len) / file->page_size + 1;
    const uint8_t *page;

    if (!pages_claim(file, number, pages))
        return false;
    page = page_at(file, number);
    if (get64(page) != number || get16(page + 10) != PAGE_OVERFLOW || get32(page + 12) != pages)
        return fail(file, "the pages of a long value are damaged");
    file->found.overflows += pages;
    *out = page + PAGE_HEAD;
    return true;
}

/* Free pages of a transaction: their count, then their numbers in descending order. */
static bool free_pages_check(struct file *file, const uint8_t *key, const uint8_t *value,
                             size_t len)
{
    uint64_t count = len >= 8 ? get64(value) : 0;

    if (get64(key) > file->transaction || len % 8 || count > len / 8 - 1)
        return fail(file, "the list of free pages is damaged");
    for (uint64_t i = 0; i < count; i++) {
        uint64_t page = get64(value + 8 + 8 * i);
        if (i && page >= get64(value + 8 * i))
            return fail(file, "the list of free pages is out of order");
        if (!pages_claim(file, page, 1))
            return false;
    }
    return true;
}

static bool entry_check(struct file *file, const struct tree *tree, const uint8_t *page,
                        const uint8_t *node, bool is_main)
{
    size_t key_len = get16(node + 6), len = get16(node) | (size_t)get16(node + 2) << 16;
    uint16_t flags = get16(node + 4);
    const uint8_t *value = node + NODE_HEAD + key_len;
    size_t room = (size_t)(page + file->page_size - value);

    if (!key_check(file, tree, node + NODE_HEAD, key_len, false))
        return false;
    if (flags != 0 && flags != NODE_BIG && !(flags == NODE_TABLE && is_main))
        return fail(file, "an entry is of an unknown kind");
    if (flags == NODE_BIG ? room < 8 : room < len)
        return fail(file, "a value lies outside its page");
    if (flags == NODE_BIG && !big_value_check(file, get64(value), len, &value))
        return false;
    file->found.entries++;
    if (tree->flags & KEYS_BY_NUMBER)
        return free_pages_check(file, node + NODE_HEAD, value, len);
    if (is_main && (flags != NODE_TABLE || len != TREE_LEN || file->table_count == TABLES_MOST))
        return fail(file, "the table of tables is damaged");
    if (is_main)
        file->tables[file->table_count++] = tree_read(value);
    return true;
}

static bool leaf_check(struct file *file, const struct tree *tree, uint64_t number, bool is_main)
{
    const uint8_t *page = page_at(file, number);

    if (!page_check(file, number, PAGE_LEAF))
        return false;
    file->found.leaves++;
    for (size_t i = 0; i < page_nodes(page); i++) {
        if (!entry_check(file, tree, page, page_node(page, i), is_main))
            return false;
    }
    return true;
}

static uint64_t child_of(const uint8_t *page, size_t index)
{
    const uint8_t *node = page_node(page, index);

    return get16(node) | (uint64_t)get16(node + 2) << 16 | (uint64_t)get16(node + 4) << 32;
}

/* Down and up again, with the way kept in an array: depth comes from the file. */
static bool branches_walk(struct file *file, const struct tree *tree, bool is_main)
{
    struct {
        uint64_t page;
        size_t next;
    } way[DEPTH_MOST];
    size_t depth = 0;

    way[0].page = tree->root;
    way[0].next = 0;
    for (;;) {
        const uint8_t *page = page_at(file, way[depth].page);
        size_t index = way[depth].next++;
        if (index == 0) {
            if (!page_check(file, way[depth].page, PAGE_BRANCH))
                return false;
            file->found.branches++;
        }
        if (index == page_nodes(page)) {
            if (depth-- == 0)
                return true;
            continue;
        }
        const uint8_t *node = page_node(page, index);
        uint64_t child = child_of(page, index);
        /* The first of a branch stands for all that is less. */
        if (index && !key_check(file, tree, node + NODE_HEAD, get16(node + 6), true))
            return false;
        if (child > file->last_page)
            return fail(file, "a page is out of bounds");
        if (depth + 2u == tree->depth) {
            if (!leaf_check(file, tree, child, is_main))
                return false;
            continue;
        }
        depth++;
        way[depth].page = child;
        way[depth].next = 0;
    }
}

static bool tree_check(struct file *file, const struct tree *tree, bool is_main)
{
    bool fine;

    file->found = (struct tree){0};
    file->key_before = NULL;
    if (tree->root == UINT64_MAX)
        return tree->depth == 0 && tree->entries == 0 ? true : fail(file, "a table is damaged");
    if (tree->depth == 0 || tree->depth > DEPTH_MOST || tree->root > file->last_page)
        return fail(file, "a table is damaged");
    fine = tree->depth == 1 ? leaf_check(file, tree, tree->root, is_main)
                            : branches_walk(file, tree, is_main);
    if (!fine)
        return false;
    if (file->found.entries != tree->entries || file->found.leaves != tree->leaves ||
        file->found.branches != tree->branches || file->found.overflows != tree->overflows)
        return fail(file, "a table has not as many entries as it should");
    return true;
}

static const uint8_t *meta_at(const struct file *file, unsigned which)
{
    const uint8_t *meta = file->octets + which * file->page_size;
    uint64_t transaction = get64(meta + META_LAST_AT + 8);

    if (get64(meta) != which || get16(meta + 10) != PAGE_META ||
        get32(meta + META_MAGIC_AT) != MAGIC || get32(meta + META_MAGIC_AT + 4) != 1 ||
        get32(meta + META_FREE_AT) != file->page_size ||
        (transaction % 2 != which && transaction != 0))
        return NULL;
    return meta;
}

/* Two pages take turns to name the newest state: each its own parity, one transaction apart. */
static bool metas_check(struct file *file, struct tree *out_free, struct tree *out_main)
{
    const uint8_t *metas[2], *newest;
    uint64_t first, second;

    file->page_size = file->len >= META_END ? get32(file->octets + META_FREE_AT) : 0;
    if (file->page_size < PAGE_LEAST || file->page_size > PAGE_MOST ||
        (file->page_size & (file->page_size - 1)) || file->len < 2 * file->page_size)
        return fail(file, "its beginning is damaged");
    for (unsigned i = 0; i < 2; i++) {
        metas[i] = meta_at(file, i);
        if (!metas[i])
            return fail(file, "its beginning is damaged");
    }
    first = get64(metas[0] + META_LAST_AT + 8);
    second = get64(metas[1] + META_LAST_AT + 8);
    if (first != second + 1 && second != first + 1 && (first || second))
        return fail(file, "its beginning is damaged");
    newest = metas[second > first];
    file->transaction = second > first ? second : first;
    file->last_page = get64(newest + META_LAST_AT);
    if (file->last_page < 1 || file->last_page >= file->len / file->page_size)
        return fail(file, "it was cut, or its beginning is damaged");
    *out_free = tree_read(newest + META_FREE_AT);
    *out_main = tree_read(newest + META_MAIN_AT);
    return ((out_free->flags & ~NO_FOLDER) == KEYS_BY_NUMBER && out_main->flags == 0)
               ? true
               : fail(file, "its beginning is damaged");
}

static bool all_check(struct file *file)
{
    struct tree free_pages, main_tree;

    if (!metas_check(file, &free_pages, &main_tree))
        return false;
    file->seen = calloc(file->last_page + 1, 1);
    if (!file->seen)
        return fail(file, "there is no memory to look at it");
    if (!tree_check(file, &main_tree, true) || !tree_check(file, &free_pages, false))
        return false;
    for (size_t i = 0; i < file->table_count; i++) {
        if (file->tables[i].flags != 0)
            return fail(file, "a table is damaged");
        if (!tree_check(file, &file->tables[i], false))
            return false;
    }
    return true;
}

static int file_read(const char *path, struct file *file)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), code = 0;
    struct stat status;

    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    if (fstat(fd, &status) < 0)
        code = -errno;
    else if ((size_t)status.st_size > FILE_MOST)
        code = -EFBIG;
    else if (status.st_size && !(file->octets = malloc((size_t)status.st_size)))
        code = -ENOMEM;
    while (code == 0 && file->len < (size_t)status.st_size) {
        ssize_t got = read(fd, file->octets + file->len, (size_t)status.st_size - file->len);
        if (got <= 0)
            code = got < 0 ? -errno : -EIO;
        else
            file->len += (size_t)got;
    }
    close(fd);
    return code;
}

int state_check(const char *path, struct bl_error *error)
{
    struct file file = {0};
    int code = file_read(path, &file);

    if (code < 0)
        bl_error_set(error, code, "%s: %s", path, strerror(-code));
    else if (file.len && !all_check(&file))
        code = bl_error_set(error, -EBADMSG, "%s", file.fault);
    free(file.seen);
    free(file.octets);
    return code;
}

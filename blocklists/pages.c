/* LMDB trusts the files that it maps: a page number or an offset that leads outside is followed.
 * This reads the few structures that matter (lmdb's mdb.c, version 0.9: MDB_page, MDB_node,
 * MDB_meta, MDB_db; data version 1, little-endian, 64 bits) and refuses a file in which anything
 * leads astray. Each page is visited once: a page seen twice is refused, so that the walk ends.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "blocklists/layout.h"
#include "blocklists/store_inside.h"

enum {
    PAGE_HEAD = 16,
    PAGE_FLAGS = 10, /* u16 */
    PAGE_LOWER = 12, /* u16: where the node offsets end */
    PAGE_UPPER = 14, /* u16: where the nodes begin */
    PAGE_PAGES = 12, /* u32, of an overflow page: how many */
    BRANCH = 0x01,
    LEAF = 0x02,
    OVERFLOW = 0x04,
    META = 0x08,
    NODE_HEAD = 8, /* u16 low, u16 high, u16 flags, u16 key length */
    NODE_BIG = 0x01,
    NODE_TREE = 0x02,
    NODE_DUP = 0x04,
    DB_SIZE = 48,
    DB_FLAGS = 4, /* u16 */
    DB_DEPTH = 6, /* u16 */
    DB_ROOT = 40, /* u64 */
    META_DBS = PAGE_HEAD + 24,
    META_TXN = PAGE_HEAD + 128,
    DEPTH_MAX = 32, /* LMDB's CURSOR_STACK */
};

struct walk {
    const uint8_t *bytes;
    uint64_t pages;
    unsigned page_size;
    uint8_t *seen; /* a bit a page */
    struct {
        uint64_t page;
        unsigned next, depth_left;
    } stack[DEPTH_MAX + 1];
    const uint8_t *trees[8]; /* records of trees in leaves of the main one, still to be walked */
    unsigned tree_count;
};

static bool page_claim(struct walk *walk, uint64_t page, uint64_t count)
{
    if (page < 2 || count > walk->pages || page > walk->pages - count)
        return false;
    for (uint64_t i = page; i < page + count; i++) {
        if (walk->seen[i / 8] & 1u << i % 8)
            return false;
        walk->seen[i / 8] |= (uint8_t)(1u << i % 8);
    }
    return true;
}

static const uint8_t *page_at(const struct walk *walk, uint64_t page)
{
    return walk->bytes + page * walk->page_size;
}

/* The head of a branch or leaf page. None is empty: LMDB reads the first node without asking. */
static bool page_check(const uint8_t *page, uint64_t number, unsigned page_size, bool leaf)
{
    unsigned lower = bl_get16(page + PAGE_LOWER), upper = bl_get16(page + PAGE_UPPER);

    return bl_get64(page) == number &&
           (bl_get16(page + PAGE_FLAGS) & ~0x10u) == (leaf ? LEAF : BRANCH) && lower >= PAGE_HEAD &&
           lower <= upper && upper <= page_size && lower % 2 == 0 &&
           lower >= PAGE_HEAD + (leaf ? 2 : 4);
}

/* A node's place, or NULL when it is not inside its page. */
static const uint8_t *node_at(const uint8_t *page, unsigned page_size, unsigned index)
{
    unsigned offset = bl_get16(page + PAGE_HEAD + 2 * (size_t)index);

    if (offset < bl_get16(page + PAGE_UPPER) || offset + NODE_HEAD > page_size || offset % 2 != 0 ||
        offset + NODE_HEAD + bl_get16(page + offset + 6) > page_size)
        return NULL;
    return page + offset;
}

static bool leaf_check(struct walk *walk, const uint8_t *page, bool main_tree)
{
    unsigned nodes = (bl_get16(page + PAGE_LOWER) - PAGE_HEAD) / 2u;

    for (unsigned i = 0; i < nodes; i++) {
        const uint8_t *node = node_at(page, walk->page_size, i);
        uint32_t size;
        unsigned flags;
        const uint8_t *data;

        if (!node)
            return false;
        size = bl_get16(node) | (uint32_t)bl_get16(node + 2) << 16;
        flags = bl_get16(node + 4);
        data = node + NODE_HEAD + bl_get16(node + 6);
        if (flags & NODE_BIG) {
            uint64_t first, count;

            if (flags != NODE_BIG || data + 8 > page + walk->page_size)
                return false;
            first = bl_get64(data);
            count = ((uint64_t)PAGE_HEAD + size + walk->page_size - 1) / walk->page_size;
            if (!page_claim(walk, first, count) || bl_get64(page_at(walk, first)) != first ||
                bl_get16(page_at(walk, first) + PAGE_FLAGS) != OVERFLOW ||
                bl_get32(page_at(walk, first) + PAGE_PAGES) != count)
                return false;
            continue;
        }
        if (size > walk->page_size || data + size > page + walk->page_size)
            return false;
        if (flags == 0)
            continue;
        if (flags != NODE_TREE || !main_tree || size != DB_SIZE || walk->tree_count == 8)
            return false;
        walk->trees[walk->tree_count++] = data;
    }
    return true;
}

/* Walks one tree from its record, without recursion: the stack is as deep as LMDB's own. */
static bool tree_check(struct walk *walk, const uint8_t *record, bool main_tree)
{
    uint64_t root = bl_get64(record + DB_ROOT);
    unsigned depth = bl_get16(record + DB_DEPTH), at = 0;

    if (root == UINT64_MAX)
        return depth == 0;
    /* Duplicates, integer keys and the like are not used here, and would be read in other ways. */
    if (depth == 0 || depth > DEPTH_MAX || bl_get16(record + DB_FLAGS) != 0)
        return false;
    walk->stack[0].page = root;
    walk->stack[0].next = 0;
    walk->stack[0].depth_left = depth - 1;
    for (;;) {
        uint64_t number = walk->stack[at].page;
        bool leaf = walk->stack[at].depth_left == 0;
        const uint8_t *page, *node;
        unsigned next = walk->stack[at].next++;

        if (next == 0 && !page_claim(walk, number, 1))
            return false;
        page = page_at(walk, number);
        if (next == 0 && !page_check(page, number, walk->page_size, leaf))
            return false;
        if (leaf && !leaf_check(walk, page, main_tree))
            return false;
        if (leaf || next == (bl_get16(page + PAGE_LOWER) - PAGE_HEAD) / 2u) {
            if (at == 0)
                return true;
            at--;
            continue;
        }
        node = node_at(page, walk->page_size, next);
        if (!node)
            return false;
        at++;
        walk->stack[at].page = bl_get16(node) | (uint64_t)bl_get16(node + 2) << 16 |
                               (uint64_t)bl_get16(node + 4) << 32;
        walk->stack[at].next = 0;
        walk->stack[at].depth_left = walk->stack[at - 1].depth_left - 1;
    }
}

int bl_pages_check(const uint8_t *bytes, uint64_t len, unsigned page_size, bool whole,
                   const char *path, struct bl_error *error)
{
    struct walk walk = {.bytes = bytes, .pages = len / page_size, .page_size = page_size};
    const uint8_t *meta = bytes;
    bool fine;

    if (bl_get64(bytes + page_size + META_TXN) > bl_get64(bytes + META_TXN))
        meta = bytes + page_size;
    walk.seen = calloc(walk.pages / 8 + 1, 1);
    if (!walk.seen)
        return bl_error_set(error, -ENOMEM, "not enough memory to check %s", path);
    /* The tree of free pages has integer keys and is never read from a finished store: only the
     * main one. */
    fine =
        bl_get16(meta + PAGE_FLAGS) == META && tree_check(&walk, meta + META_DBS + DB_SIZE, true);
    for (unsigned i = 0; fine && whole && i < walk.tree_count; i++)
        fine = tree_check(&walk, walk.trees[i], false);
    free(walk.seen);
    if (!fine)
        return bl_error_set(error, -EBADMSG, "%s is damaged: its pages lead astray", path);
    return 0;
}

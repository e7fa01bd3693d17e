/* Any damage to a store, rightly signed: it is refused, or read without a crash. The input is a row
 * of edits, three octets each: a place (in steps of one within page heads, scattered else) and what
 * is written there.
 */
#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "blocklists/layout.h"
#include "blocklists/seal.h"
#include "tests/support/store_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PAGE = 4096 };

static uint8_t *original;
static size_t original_len;

static void original_make(void)
{
    static const struct fixture_list lists[] = {
        {"gambling", BL_TIER_SCHOOL,
         "casino.test$AAAA *.poker.test =only.test$~A|~HTTPS 192.0.2.0/24 a.b.c.test #"},
        {"games", BL_TIER_NATIONAL,
         "@chess.casino.test$HTTPS casino.test 2001:db8::/32 10.0.0.0/8 10.1.0.0/16"},
    };
    int fd = fixture_compile(lists, 2, NULL);
    struct stat status;

    if (fstat(fd, &status) < 0)
        abort();
    original_len = (size_t)status.st_size;
    original = malloc(original_len);
    if (!original || pread(fd, original, original_len, 0) != status.st_size)
        abort();
    close(fd);
}

static int entry_count(void *user, unsigned source, const struct bl_entry *entry)
{
    (void)source;
    (void)entry;
    return ++*(unsigned *)user > 10000; /* whatever is damaged, a walk ends */
}

static void store_use(const struct bl_store *store)
{
    static const uint8_t name[] = "\x05"
                                  "chess\x06"
                                  "casino\x04"
                                  "test";
    static const uint8_t address[16] = {0x20, 0x01, 0x0d, 0xb8};
    struct bl_prefix prefix;
    unsigned entries = 0;
    size_t count;
    bl_fact fact = BL_FACT_NONE;

    for (unsigned type = 0; type < 70; type++) {
        fact = bl_store_find(store, name, sizeof name, type < 69 ? type : BL_ALL_TYPES).fact;
        (void)bl_store_fact(store, fact, &count);
    }
    fact = bl_store_find_address(store, address, 16, &prefix);
    (void)bl_store_fact(store, fact, &count);
    fact = bl_store_find_address(store, (const uint8_t *)"\x0a\x01\x02\x03", 4, &prefix);
    (void)bl_store_fact(store, fact, &count);
    (void)bl_store_entries(store, name, entry_count, &entries);
    (void)bl_store_walk(store, entry_count, &entries, NULL);
    (void)bl_store_verify(store, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bl_store *store = NULL;
    size_t lmdb_len;
    uint8_t *bytes;
    char path[64];
    int fd;

    if (!original)
        original_make();
    lmdb_len = original_len - BL_TRAILER_SIZE;
    fd = memfd_create("store", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, (off_t)original_len) < 0)
        abort();
    bytes = mmap(NULL, original_len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (bytes == MAP_FAILED)
        abort();
    memcpy(bytes, original, original_len);
    for (size_t at = 0; at + 3 <= size; at += 3) {
        size_t page = data[at] % (lmdb_len / PAGE);
        /* Heads and the first nodes' offsets, or the nodes themselves, which grow from the end. */
        size_t within = data[at + 1] < 128 ? data[at + 1] : PAGE - 1 - 6 * (255u - data[at + 1]);

        bytes[page * PAGE + within] = data[at + 2];
    }
    if (bl_seal_bytes(bytes, lmdb_len, bytes + lmdb_len + BL_TRAILER_SHA256) < 0 ||
        bl_seal_sum(bytes + lmdb_len) < 0)
        abort();
    munmap(bytes, original_len);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (bl_store_open(path, &store, NULL) == 0)
        store_use(store);
    bl_store_close(store);
    close(fd);
    return 0;
}

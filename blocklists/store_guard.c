/* What becomes of a store whose file is cut or written to while it is mapped. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blocklists/layout.h"
#include "blocklists/store_inside.h"

enum { GUARDED_MAX = 64, LMDB_MAGIC = 16 };

static struct bl_store *guarded[GUARDED_MAX]; /* atomic: the handler reads them */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct sigaction handler_before;
static int wake_fd = -1;
static bool installed;

/* A page that is not there any more is replaced by one of zeroes, on which the look-up ends without
 * a find; its caller learns from bl_store_is_damaged() that this means nothing. */
static bool page_replace(struct bl_store *store, uintptr_t address)
{
    uintptr_t page = address & ~(uintptr_t)(store->seal.page_size - 1);
    uint64_t one = 1;

    __atomic_store_n(&store->damaged, true, __ATOMIC_SEQ_CST);
    if (mmap((void *)page, store->seal.page_size, PROT_READ,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
        return false;
    if (wake_fd >= 0)
        (void)!write(wake_fd, &one, sizeof one);
    return true;
}

static void fault_handle(int number, siginfo_t *info, void *context)
{
    uintptr_t address = (uintptr_t)info->si_addr;
    int saved = errno;

    for (unsigned i = 0; i < GUARDED_MAX; i++) {
        struct bl_store *store = __atomic_load_n(&guarded[i], __ATOMIC_ACQUIRE);
        if (store && address - store->map_begin < store->seal.lmdb_len &&
            page_replace(store, address)) {
            errno = saved;
            return;
        }
    }
    errno = saved;
    if (handler_before.sa_flags & SA_SIGINFO)
        handler_before.sa_sigaction(number, info, context);
    else
        signal(number,
               SIG_DFL); /* it happens again on return, and then ends the program as it should */
}

int bl_store_guard(int fd, struct bl_error *error)
{
    struct sigaction action = {.sa_sigaction = fault_handle, .sa_flags = SA_SIGINFO | SA_NODEFER};
    int code = 0;

    sigemptyset(&action.sa_mask);
    pthread_mutex_lock(&lock);
    wake_fd = fd;
    if (!installed && sigaction(SIGBUS, &action, &handler_before) < 0)
        code = bl_error_set(error, -errno, "cannot guard the lists: %s", strerror(errno));
    installed = code == 0;
    pthread_mutex_unlock(&lock);
    return code;
}

/* LMDB does not say where its map begins, but each page says which one it is. */
static uintptr_t map_begin(const struct bl_store *store)
{
    const uint8_t *value = store->buckets - BL_TABLE_PAD;
    uintptr_t size = store->seal.page_size, page = (uintptr_t)value & ~(size - 1), begin;

    if (size != (uintptr_t)sysconf(_SC_PAGESIZE))
        return 0;
    begin = page - bl_get64((const uint8_t *)page) * size;
    return bl_get32((const uint8_t *)begin + LMDB_MAGIC) == 0xbeefc0deu ? begin : 0;
}

void bl_store_guard_begin(struct bl_store *store)
{
    store->map_begin = map_begin(store);
    pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < GUARDED_MAX && store->map_begin; i++)
        if (!guarded[i]) {
            __atomic_store_n(&guarded[i], store, __ATOMIC_RELEASE);
            break;
        }
    pthread_mutex_unlock(&lock);
}

void bl_store_guard_end(struct bl_store *store)
{
    pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < GUARDED_MAX; i++)
        if (guarded[i] == store)
            __atomic_store_n(&guarded[i], NULL, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&lock);
}

bool bl_store_is_damaged(const struct bl_store *store)
{
    return __atomic_load_n(&store->damaged, __ATOMIC_RELAXED);
}

static bool is_same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* The time of the last change as well: that of the last writing can be set to any. */
static bool is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           is_same_time(a->st_mtim, b->st_mtim) && is_same_time(a->st_ctim, b->st_ctim);
}

enum bl_look bl_store_look(struct bl_store *store)
{
    mdb_filehandle_t fd;
    struct stat now;
    int code = -EBADMSG;

    if (bl_store_is_damaged(store))
        return BL_LOOK_DAMAGED;
    if (mdb_env_get_fd(store->env, &fd) != 0 || fstat(fd, &now) < 0 ||
        is_same_file(&now, &store->as_compared))
        return BL_LOOK_SAME;
    if (now.st_size == store->as_opened.st_size)
        code = bl_store_compare(store, NULL);
    if (code < 0 && code != -EBADMSG && code != -EIO)
        return BL_LOOK_SAME; /* memory is short, say: the next look finds out */
    store->as_compared = now;
    if (code < 0)
        __atomic_store_n(&store->damaged, true, __ATOMIC_SEQ_CST);
    if (bl_store_is_damaged(store))
        return BL_LOOK_DAMAGED;
    return is_same_file(&now, &store->as_opened) ? BL_LOOK_SAME : BL_LOOK_TOUCHED;
}

bool bl_store_says_the_same(const struct bl_store *store, const struct bl_store *before)
{
    return memcmp(store->seal.sha256, before->seal.sha256, sizeof store->seal.sha256) == 0;
}

bool bl_store_is_as_before(const struct bl_store *store, const struct bl_store *before)
{
    return !bl_store_is_damaged(before) && is_same_file(&store->as_opened, &before->as_opened);
}

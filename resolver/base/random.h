/* Unpredictable numbers for ids, ports and 0x20: the kernel's generator, drawn a buffer at a time
 * so that a query costs no system call. One struct per thread. A test replaces `fill`. */
#ifndef RESOLVER_BASE_RANDOM_H
#define RESOLVER_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct random_pool {
    void (*fill)(void *user, void *bytes, size_t len); /* NULL: getrandom(2) */
    void *user;
    size_t used;
    uint8_t bytes[1024];
};

void random_init(struct random_pool *pool);
uint16_t random_16(struct random_pool *pool);
uint32_t random_32(struct random_pool *pool);
uint64_t random_64(struct random_pool *pool);
uint32_t random_below(struct random_pool *pool, uint32_t bound); /* unbiased; bound > 0 */

#endif

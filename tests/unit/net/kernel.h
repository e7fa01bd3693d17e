/* What the kernel is made to do with sendmmsg(), for tests linked with -Wl,--wrap=sendmmsg. */
#ifndef TESTS_UNIT_NET_KERNEL_H
#define TESTS_UNIT_NET_KERNEL_H

#include <stdbool.h>

/* A call takes `most` messages (0: all), and call `fails_at` (0: none) has `error`, once and
 * `again` times more; with `joined` the first ones from there on that begin with a joined message.
 */
struct kernel {
    unsigned most, fails_at, calls, again;
    int error;
    bool joined;
};

extern struct kernel kernel;

#endif

#include "kernel.h"

#include <errno.h>
#include <sys/socket.h>

struct kernel kernel;

int __real_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags);
int __wrap_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags);
int __wrap_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    bool due = ++kernel.calls >= kernel.fails_at && kernel.fails_at &&
               (!kernel.joined || messages->msg_hdr.msg_iovlen > 1);

    if (due) {
        if (kernel.again > 0)
            kernel.again--;
        else
            kernel.fails_at = 0;
        errno = kernel.error;
        return -1;
    }
    return __real_sendmmsg(fd, messages, kernel.most && kernel.most < count ? kernel.most : count,
                           flags);
}

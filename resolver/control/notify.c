#include "resolver/control/notify.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int notify_fd = -1;

void notify_open(void)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    size_t len = path ? strlen(path) : 0;

    if (len < 2 || len >= sizeof name.sun_path || (path[0] != '/' && path[0] != '@'))
        return;
    memcpy(name.sun_path, path, len);
    if (path[0] == '@')
        name.sun_path[0] = '\0'; /* the abstract name space */
    notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    len += offsetof(struct sockaddr_un, sun_path);
    if (notify_fd >= 0 && connect(notify_fd, (struct sockaddr *)&name, (socklen_t)len) < 0) {
        close(notify_fd);
        notify_fd = -1;
    }
}

static void notify_send(const char *text)
{
    if (notify_fd >= 0)
        (void)!send(notify_fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
}

void notify_ready(const char *status)
{
    char text[512];

    snprintf(text, sizeof text, "READY=1\nSTATUS=%s", status);
    for (char *at = text + sizeof "READY=1"; *at;
         at++) /* a second line would be a word of its own */
        if ((unsigned char)*at < ' ')
            *at = ' ';
    notify_send(text);
}

void notify_reloading(void)
{
    struct timespec now;
    char text[128];

    clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%lld",
             (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    notify_send(text);
}

void notify_stopping(void)
{
    notify_send("STOPPING=1");
}

int64_t notify_watchdog_ms(void)
{
    const char *wait = getenv("WATCHDOG_USEC"), *whom = getenv("WATCHDOG_PID");

    if (notify_fd < 0 || !wait || (whom && strtol(whom, NULL, 10) != (long)getpid()))
        return 0;
    return strtoll(wait, NULL, 10) / 1000;
}

void notify_watchdog(void)
{
    notify_send("WATCHDOG=1");
}

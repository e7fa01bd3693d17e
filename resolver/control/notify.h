/* Telling the service manager how it goes (sd_notify(3)), without its library: one datagram to
 * $NOTIFY_SOCKET; nothing happens where there is none. */
#ifndef RESOLVER_CONTROL_NOTIFY_H
#define RESOLVER_CONTROL_NOTIFY_H

#include <stdint.h>

void notify_open(void); /* before privileges and system calls are restricted */
void notify_ready(const char *status);
void notify_reloading(void);
void notify_stopping(void);

/* How long the service manager waits for a notify_watchdog() before it ends and restarts us; 0: it
 * does not watch. */
int64_t notify_watchdog_ms(void);
void notify_watchdog(void);

#endif

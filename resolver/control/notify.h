/* Telling the service manager how it goes (sd_notify(3)), without its library: one datagram to
 * $NOTIFY_SOCKET; nothing happens where there is none. */
#ifndef RESOLVER_CONTROL_NOTIFY_H
#define RESOLVER_CONTROL_NOTIFY_H

void notify_open(void); /* before privileges and system calls are restricted */
void notify_ready(const char *status);
void notify_reloading(void);
void notify_stopping(void);

#endif

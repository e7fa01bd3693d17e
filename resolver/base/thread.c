#include "resolver/base/thread.h"

#include <signal.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

int thread_begin(pthread_t *out_thread, const pthread_attr_t *attributes, void *(*run)(void *user),
                 void *user)
{
    static const int FAULTS[] = {SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGTRAP};
    pthread_t thread;
    sigset_t mask, before;
    int code;

    sigfillset(&mask);
    for (size_t i = 0; i < sizeof FAULTS / sizeof *FAULTS; i++)
        sigdelset(&mask, FAULTS[i]);
    pthread_sigmask(SIG_SETMASK, &mask, &before);
    code = pthread_create(&thread, attributes, run, user);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (code)
        return -code;
    *out_thread = thread;
    return 0;
}

void thread_give_way(int nice)
{
    (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), nice);
}

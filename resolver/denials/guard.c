#include "resolver/denials/guard.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>

static _Thread_local sigjmp_buf *active;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned guards; /* under way, in all threads */
static struct sigaction before_segv, before_bus;

static void fault_handle(int number, siginfo_t *info, void *context)
{
    const struct sigaction *before = number == SIGBUS ? &before_bus : &before_segv;

    if (active != NULL)
        siglongjmp(*active, 1);
    if (before->sa_flags & SA_SIGINFO) {
        before->sa_sigaction(number, info, context);
        return;
    }
    /* The default: it happens again on return, and then ends the program as it should. */
    signal(number, SIG_DFL);
}

/* The handlers are ours only while somebody reads. */
static void handlers_set(void)
{
    struct sigaction action = {.sa_sigaction = fault_handle, .sa_flags = SA_SIGINFO | SA_NODEFER};

    sigemptyset(&action.sa_mask);
    pthread_mutex_lock(&lock);
    if (guards++ == 0) {
        sigaction(SIGSEGV, &action, &before_segv);
        sigaction(SIGBUS, &action, &before_bus);
    }
    pthread_mutex_unlock(&lock);
}

static void handlers_restore(void)
{
    active = NULL;
    pthread_mutex_lock(&lock);
    if (--guards == 0) {
        sigaction(SIGSEGV, &before_segv, NULL);
        sigaction(SIGBUS, &before_bus, NULL);
    }
    pthread_mutex_unlock(&lock);
}

bool guard_run(void (*run)(void *user), void *user)
{
    sigjmp_buf here;

    handlers_set();
    if (sigsetjmp(here, 1) != 0) {
        handlers_restore();
        return false;
    }
    active = &here;
    run(user);
    handlers_restore();
    return true;
}

void guard_leave(void)
{
    if (active == NULL)
        abort();
    siglongjmp(*active, 1);
}

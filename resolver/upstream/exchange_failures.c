/* Failures that are remembered, RFC 9520. */
#include <string.h>

#include "resolver/upstream/exchange_inside.h"

enum {
    KEPT_MS = 5000, /* RFC 9520 section 3.2: between one second and five minutes */
    LEAST_MS = 1000,
};

void exchanges_forget_failures(struct exchanges *exchanges)
{
    exchanges->failures_until_ms = 0;
    memset(exchanges->failures, 0, sizeof exchanges->failures);
}

void exchange_remember_failure(struct exchanges *exchanges, const struct exchange *exchange,
                               int64_t now_ms)
{
    const struct exchange_try *last =
        exchange->try_count ? &exchange->tries[exchange->try_count - 1] : NULL;

    if (exchange->lookup) /* bootstrap.h has its own times */
        return;
    exchanges->failures[exchange->key_hash % FAILURES] =
        (struct failure){.key_hash = exchange->key_hash,
                         .is_silence = !exchange->refused,
                         .asked_ms = last ? last->sent_ms : now_ms,
                         .since_ms = now_ms};
    exchanges->failures_until_ms = now_ms + KEPT_MS;
}

bool exchange_failed_lately(const struct exchanges *exchanges, const struct dns_question *question,
                            int64_t now_ms)
{
    const struct failure *failure;
    uint32_t hash;

    if (now_ms >= exchanges->failures_until_ms)
        return false; /* all is well, as usual: nothing to look for */
    hash = exchanges_question_hash(exchanges, question);
    failure = &exchanges->failures[hash % FAILURES];
    if (failure->key_hash != hash || now_ms >= failure->since_ms + KEPT_MS)
        return false;
    /* Nobody spoke then, and somebody does now: what the servers would say of it is not known. */
    return !failure->is_silence || exchanges->recovered_ms <= failure->asked_ms ||
           now_ms < failure->since_ms + LEAST_MS;
}

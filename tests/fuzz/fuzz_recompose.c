/* A message of any octets written anew, as an alias and without ech: what comes out is whole, stays
 * in its room and has no ech left. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "resolver/base/check.h"
#include "resolver/query/recompose.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at(const struct dns_writer *writer)
{
    struct dns_record record;
    struct dns_walk walk;
    uint8_t *again = malloc(DNS_MESSAGE_MAX);
    int more;

    CHECK(again != NULL);
    CHECK(dns_walk_start(&walk, writer->message, writer->len) == 0);
    while ((more = dns_walk_next(&walk, &record)) > 0)
        if (record.type == DNS_HTTPS || record.type == DNS_SVCB)
            CHECK(recompose_service(writer->message + record.data, record.data_len, again) ==
                  record.data_len);
    CHECK(more == 0 && walk.at == writer->len);
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct dns_question question = {
        .type = DNS_HTTPS, .class = DNS_CLASS_IN, .asked_len = 8, .asked = "\1a\4test"};
    size_t room = size ? 64 + data[0] * 16u : 64;
    uint8_t *message = malloc(room);
    struct dns_writer writer = {.message = message, .room = room};
    struct recompose how = {.message = data, .len = size, .limit_s = 60, .without_ech = true};

    CHECK(message != NULL);
    if (size % 2) {
        how.alias = (const uint8_t *)"\4safe\4test";
        how.alias_len = 11;
    }
    dns_write_answer_head(&writer, &question, 0);
    if (recompose_records(&writer, &how) == 0 && !writer.failed)
        look_at(&writer);
    free(message);
    return 0;
}

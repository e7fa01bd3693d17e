/* Any bytes as a question: no crash, and what is accepted is what ldns reads. */
#include <ldns/ldns.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/dns/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dns_question question;
    enum dns_question_verdict verdict = dns_question_parse(data, size, &question);
    uint8_t answer[600];
    struct dns_writer writer = {.message = answer, .room = sizeof answer};
    ldns_pkt *packet = NULL;

    if (verdict == DNS_QUESTION_SILENCE)
        return 0;
    dns_write_answer_head(&writer, &question, DNS_REFUSED);
    if (question.has_edns)
        dns_write_opt(&writer, question.wants_dnssec, DNS_REFUSED, NULL, 0);
    if (writer.failed || ldns_wire2pkt(&packet, answer, writer.len) != LDNS_STATUS_OK)
        abort();
    ldns_pkt_free(packet);
    /* The oracle: a name that we took for whole must be the one that ldns sees. */
    if (verdict == DNS_QUESTION_FINE) {
        size_t at = DNS_HEADER;
        ldns_rdf *name = NULL;
        if (ldns_wire2dname(&name, data, size, &at) != LDNS_STATUS_OK ||
            ldns_rdf_size(name) != question.asked_len ||
            memcmp(ldns_rdf_data(name), question.asked, question.asked_len) != 0)
            abort();
        ldns_rdf_deep_free(name);
    }
    return 0;
}

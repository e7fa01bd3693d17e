/* Messages of a scenario: replies made of text, and answers taken apart, both by ldns, so that what
 * the pipeline writes is read by somebody else's code.
 */
#ifndef TESTS_SCENARIO_WIRE_H
#define TESTS_SCENARIO_WIRE_H

#include <stddef.h>
#include <stdint.h>

enum { WIRE_MAX = 65535 };

/* A question as a client asks it. Words: tcp is the caller's; noedns, do, cd, ad, nord, id=N,
 * bufsize=N, class=N, opcode=N, qr, ecs, cookie, version=N, device=HEX, octets=HEX (the whole
 * message). Returns its length. */
size_t wire_question(const char *name, const char *type, char *words, uint8_t out[WIRE_MAX]);

/* The question in a packet that went upstream, as text "NAME TYPE". */
void wire_describe(const uint8_t *packet, size_t len, char *out, size_t size);

/* A reply to `packet` as the rest of a `reply` line says. Returns its length. */
size_t wire_reply(const uint8_t *packet, size_t packet_len, char *text, uint8_t out[WIRE_MAX]);

/* The name that a `reply` line answers: the owner of its first record. */
void wire_reply_name(const char *text, char *out, size_t size);

/* Compares an answer with the rest of an `answer` line; ends the scenario when they differ. */
void wire_expect(const uint8_t *answer, size_t len, char *expected);

#endif

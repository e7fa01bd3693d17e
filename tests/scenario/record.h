/* What was recorded, read back from the journal's own files as any reader of them would. */
#ifndef TESTS_SCENARIO_RECORD_H
#define TESTS_SCENARIO_RECORD_H

#include "resolver/base/address.h"

/* The next record must be this; the rest of the line is GROUP CATEGORY MATCHED [via=…] [observed].
 */
void record_expect(const struct address *client, const char *name, const char *type, char *rest);

/* Nothing more was recorded. */
void record_expect_none(void);

/* Prints the records that no line has looked at. */
void record_explain(void);

#endif

/* Days of the civil (Gregorian) calendar, counted from 1970-01-01, without the C library's time
 * zones. */
#ifndef RESOLVER_BASE_CIVIL_H
#define RESOLVER_BASE_CIVIL_H

#include <stdbool.h>
#include <stdint.h>

int32_t civil_days(int year, int month, int day); /* months and days from 1 */
void civil_date(int32_t days, int *out_year, int *out_month, int *out_day);

/* 0 is Monday. */
int civil_weekday(int32_t days);

/* "2028-02-29", ten characters; what follows is not looked at. False for a day that does not exist.
 */
bool civil_parse(const char *text, int32_t *out_days);

#endif

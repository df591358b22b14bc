/* Owns nothing. No locale has a say in it, as it would in strftime. */
#include "http/date.h"

#include <string.h>
#include <time.h>

static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

static void put_number(char *at, int value) {
  at[0] = (char)('0' + value / 10 % 10);
  at[1] = (char)('0' + value % 10);
}

void kio_http_date_write(char at[KIO_HTTP_DATE_SIZE], int64_t time) {
  struct tm tm = {.tm_mday = 1}; /* of a time whose year fits nowhere */
  time_t seconds = time;
  gmtime_r(&seconds, &tm);
  memcpy(at, &KIO_HTTP_DATE_LINE[sizeof "Date: " - 1], KIO_HTTP_DATE_SIZE);
  memcpy(at, days[tm.tm_wday], 3);
  put_number(at + 5, tm.tm_mday);
  memcpy(at + 8, months[tm.tm_mon], 3);
  put_number(at + 12, (tm.tm_year + 1900) / 100);
  put_number(at + 14, tm.tm_year % 100);
  put_number(at + 17, tm.tm_hour);
  put_number(at + 20, tm.tm_min);
  put_number(at + 23, tm.tm_sec);
}

void kio_http_date_now(kio_http_date *date) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME_COARSE, &now);
  if (date->second == now.tv_sec) return;
  date->second = now.tv_sec;
  memcpy(date->text, KIO_HTTP_DATE_LINE, sizeof date->text);
  kio_http_date_write(date->text + sizeof "Date: " - 1, now.tv_sec);
}

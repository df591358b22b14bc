/* Names from outside in a line of a log: every byte, every cut, and UTF-8 that is none. */
#include "base/escape.h"

#include <string.h>

#include "check.h"

static char out[1024];

static const char *name(const char *text, size_t size) {
  size_t used = kio_escape(out, sizeof out, text, size, KIO_ESCAPE_NAME);
  CHECK(used == strlen(out));
  return out;
}

#define NAME(text) name(text, sizeof(text) - 1)

static const char *text(const char *from) {
  kio_escape(out, sizeof out, from, strlen(from), KIO_ESCAPE_TEXT);
  return out;
}

static bool is(const char *got, const char *expected) {
  if (strcmp(got, expected) == 0) return true;
  printf("got %s, expected %s\n", got, expected);
  return false;
}

static void names(void) {
  CHECK(is(NAME("plain, \\ and \"quoted\""), "plain, \\ and \"quoted\""));
  CHECK(is(NAME("a\nb\r\t\x1b[31m\x7f\0z"), "a\\nb\\r\\t\\x1b[31m\\x7f\\x00z"));
  CHECK(is(NAME("\a\b\v\f"), "\\a\\b\\v\\f"));
  CHECK(is(NAME("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x8c\x8d"),
           "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x8c\x8d"));
  CHECK(is(NAME("\xc2\x9b"
                "31m"),
           "\\xc2\\x9b31m")); /* CSI in one character */
  CHECK(is(NAME("\xe2\x80\xa8\xe2\x80\xae\xe2\x81\xa6"),
           "\\xe2\\x80\\xa8\\xe2\\x80\\xae\\xe2\\x81\\xa6"));
  CHECK(is(NAME("\xd8\x9c"), "\\xd8\\x9c"));
  CHECK(is(NAME("\xff\x80\xc3"), "\\xff\\x80\\xc3"));
  CHECK(is(NAME("\xc0\x8a\xe0\x80\x8a\xf0\x80\x80\x8a"),
           "\\xc0\\x8a\\xe0\\x80\\x8a\\xf0\\x80\\x80\\x8a")); /* a line's end, in too many bytes */
  CHECK(is(NAME("\xed\xa0\x80\xf4\x90\x80\x80"), "\\xed\\xa0\\x80\\xf4\\x90\\x80\\x80"));
  CHECK(is(NAME("\xc3\n"), "\\xc3\\n"));
}

static void texts(void) {
  CHECK(is(text("one\ntwo\n\tthree\tx\n\nfour\n"), "one\n\ttwo\n\tthree\tx\n\n\tfour\n"));
  CHECK(is(text("a\r\nb\x1b"), "a\\r\n\tb\\x1b"));
}

/* No byte comes through that a terminal or a log would take for more than text. */
static void bytes(void) {
  for (int a = 0; a < 256; a++) {
    for (int b = 0; b < 256; b++) {
      char two[] = {(char)a, (char)b};
      const unsigned char *at = (const unsigned char *)name(two, sizeof two);
      bool c1 = at[0] == 0xc2 && at[1] < 0xa0;
      CHECK(!c1);
      for (; *at; at++) CHECK(*at >= 0x20 && *at != 0x7f);
    }
  }
}

static void cuts(void) {
  static const char from[] = "a\n\xc3\xbc\xc2\x9b"
                             "b";
  size_t whole = strlen(name(from, sizeof from - 1));
  CHECK(whole < kio_escape_room(sizeof from - 1));
  for (size_t room = 1; room <= whole + 2; room++) {
    memset(out, 'x', sizeof out);
    size_t used = kio_escape(out, room, from, sizeof from - 1, KIO_ESCAPE_NAME);
    CHECK(used < room && out[used] == '\0' && out[room] == 'x');
    CHECK((used == whole) == (room > whole));
  }
}

int main(void) {
  names();
  texts();
  bytes();
  cuts();
  return 0;
}

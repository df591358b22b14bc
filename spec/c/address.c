/* Addresses as text and back: random ones of every kind come back the same, and the text of each is
   in its shortest form. */
#include <arpa/inet.h>
#include <string.h>

#include "system/address.h"
#include "check.h"

enum { ROUNDS = 100000 };

static void random_bytes(void *at, size_t size) {
  for (size_t i = 0; i < size; i++) ((unsigned char *)at)[i] = (unsigned char)check_random();
}

static kio_sockaddr random_v4(void) {
  kio_sockaddr a = {.size = sizeof a.as.v4};
  random_bytes(&a.as.v4.sin_addr, sizeof a.as.v4.sin_addr);
  a.as.v4.sin_family = AF_INET;
  a.as.v4.sin_port = (in_port_t)check_random();
  return a;
}

/* Groups of zeros, and scopes, are frequent. */
static kio_sockaddr random_v6(void) {
  kio_sockaddr a = {.size = sizeof a.as.v6};
  struct sockaddr_in6 *v6 = &a.as.v6;
  random_bytes(&v6->sin6_addr, sizeof v6->sin6_addr);
  for (size_t i = 0; i < 16; i += 2) {
    if (check_below(2)) v6->sin6_addr.s6_addr[i] = v6->sin6_addr.s6_addr[i + 1] = 0;
  }
  v6->sin6_family = AF_INET6;
  v6->sin6_port = (in_port_t)check_random();
  if (check_below(2)) v6->sin6_scope_id = (uint32_t)check_random();
  return a;
}

static kio_sockaddr random_unix(void) {
  kio_sockaddr a = {0};
  struct sockaddr_un *local = &a.as.local;
  bool abstract = check_below(2);
  size_t size = 1 + check_below(sizeof local->sun_path - !abstract);
  random_bytes(local->sun_path, size);
  for (size_t i = 0; i < size && !abstract; i++) local->sun_path[i] |= 1; /* no zero byte */
  if (abstract) local->sun_path[0] = 0;
  else if (local->sun_path[0] == '@') local->sun_path[0] = '/';
  if (!abstract) local->sun_path[size] = 0;
  local->sun_family = AF_UNIX;
  a.size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size + !abstract);
  return a;
}

static void check_round_trip(kio_sockaddr a) {
  char text[KIO_ADDRESS_TEXT_MAX];
  kio_sockaddr back;
  memset(&back, 0xA5, sizeof back); /* nothing of the old content may remain */
  size_t size = kio_address_format(&a, text);
  CHECK(size < sizeof text);
  CHECK(kio_address_parse(text, size, &back) == NULL);
  CHECK(back.size == a.size);
  CHECK(memcmp(&back.as, &a.as, a.size) == 0);
}

static void check_text(const char *from, const char *to) {
  char text[KIO_ADDRESS_TEXT_MAX];
  kio_sockaddr a;
  CHECK(kio_address_parse(from, strlen(from), &a) == NULL);
  size_t size = kio_address_format(&a, text);
  CHECK(size == strlen(to) && memcmp(text, to, size) == 0);
}

static void check_name(const char *text, bool is_name) {
  kio_sockaddr a;
  const char *wrong = kio_address_parse(text, strlen(text), &a);
  CHECK(wrong && (wrong == kio_address_is_name) == is_name && a.size == 0);
}

/* Of every size: what is too long for a buffer shows under the address sanitizer. */
static void check_sizes(void) {
  char text[300];
  for (size_t size = 1; size <= 260; size++) {
    for (size_t i = 0; i < size; i++) text[i] = i % 50 == 49 && i + 1 < size ? '.' : 'a';
    memcpy(text + size, ":80", 4);
    check_name(text, size <= 253);
  }
}

/* What the kernel may hand over although nobody could have asked for it. */
static void check_strange(void) {
  char text[KIO_ADDRESS_TEXT_MAX];
  kio_sockaddr unnamed = {.as.local.sun_family = AF_UNIX, .size = sizeof(sa_family_t)};
  CHECK(kio_address_format(&unnamed, text) == 5 && memcmp(text, "unix:", 5) == 0);
  kio_sockaddr full = {.as.local.sun_family = AF_UNIX, .size = sizeof full.as.local + 1};
  memset(full.as.local.sun_path, 'x', sizeof full.as.local.sun_path); /* no zero byte at the end */
  CHECK(kio_address_format(&full, text) == 5 + sizeof full.as.local.sun_path);
  kio_sockaddr none = {0};
  CHECK(kio_address_format(&none, text) == 7 && memcmp(text, "unknown", 7) == 0);
  kio_sockaddr foreign = {.as.any.sa_family = AF_UNSPEC, .size = sizeof(sa_family_t)};
  CHECK(kio_address_format(&foreign, text) == 7 && memcmp(text, "unknown", 7) == 0);
}

int main(void) {
  for (int i = 0; i < ROUNDS; i++) {
    check_round_trip(random_v4());
    check_round_trip(random_v6());
    check_round_trip(random_unix());
  }
  check_text("localhost:80", "127.0.0.1:80");
  check_name("example.org:80", true);
  check_name("4.3com:80", true);
  check_name("127.1:80", false);
  check_name("a.0x7f:80", false);
  check_name("a..b:80", false);
  check_text("127.0.0.1:00080", "127.0.0.1:80");
  check_text("[0:0:0:0:0:0:0:1]:1", "[::1]:1");
  check_text("[FE80::1%2]:65535", "[fe80::1%2]:65535");
  check_text("[fe80::1%0]:1", "[fe80::1]:1");
  check_sizes();
  check_strange();
  return 0;
}

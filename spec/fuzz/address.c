/* Addresses: what is accepted comes back from its own text as the same address, in the same text;
   what the kernel might hand over prints within the room for it. */
#include <string.h>

#include "system/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, size_t size) {
  char first[KIO_ADDRESS_TEXT_MAX], second[KIO_ADDRESS_TEXT_MAX];
  kio_sockaddr address, again;
  memset(&again, 0xA5, sizeof again);
  if (kio_address_parse(text, size, &address)) return;
  size_t first_size = kio_address_format(&address, first);
  kio_assert(first_size < sizeof first);
  kio_assert(kio_address_parse(first, first_size, &again) == NULL);
  kio_assert(again.size == address.size);
  kio_assert(memcmp(&again.as, &address.as, address.size) == 0);
  size_t second_size = kio_address_format(&again, second);
  kio_assert(second_size == first_size && memcmp(first, second, first_size) == 0);
}

static void check_raw(const uint8_t *data, size_t size) {
  char text[KIO_ADDRESS_TEXT_MAX];
  kio_sockaddr address = {0};
  address.size = (socklen_t)kio_min_size(size, sizeof address.as);
  if (size > 0) memcpy(&address.as, data, address.size);
  kio_assert(kio_address_format(&address, text) < sizeof text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  check_text((const char *)data, size);
  check_raw(data, size);
  return 0;
}

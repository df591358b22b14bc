/* Owns nothing. A list is shuffled as it would be merge-sorted, by a coin instead of a comparison:
   that takes no memory. */
#include "base/shuffle.h"

/* splitmix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014. Good from
   the first number on, whatever the seed. */
static uint64_t next_number(uint64_t *state) {
  uint64_t z = *state += 0x9E3779B97F4A7C15u;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
  z = (z ^ z >> 27) * 0x94D049BB133111EBu;
  return z ^ z >> 31;
}

void kio_shuffle(kio_list *list, size_t count, uint64_t *state) {
  kio_list half[2];
  size_t left[2] = {count / 2, count - count / 2};
  if (count < 2) return;
  for (int i = 0; i < 2; i++) {
    kio_list_init(&half[i]);
    for (size_t n = 0; n < left[i]; n++) kio_list_push(&half[i], kio_list_pop(list));
    kio_shuffle(&half[i], left[i], state);
  }
  while (left[0] + left[1] > 0) {
    int i = next_number(state) % (left[0] + left[1]) < left[0] ? 0 : 1;
    kio_list_push(list, kio_list_pop(&half[i]));
    left[i]--;
  }
}

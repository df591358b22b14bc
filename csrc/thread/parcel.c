/* Owns nothing. Invariant: a parcel has one owner at any time, who alone touches it. Any thread. */
#include "thread/parcel.h"

#include "base/memory.h"

void kio_parcel_free(kio_parcel *parcel) {
  for (size_t i = 0; i < parcel->beside_count; i++) {
    kio_beside *beside = &parcel->beside[i];
    if (beside->object) beside->drop(beside->object);
  }
  kio_memory_free(parcel->beside);
  kio_memory_free(parcel->trusted);
  kio_memory_free(parcel->data);
  *parcel = (kio_parcel){0};
}

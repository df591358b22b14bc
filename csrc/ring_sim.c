#include "ring.h"
const kio_ring_backend kio_ring_sim = {0};

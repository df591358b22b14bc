/* Requests done by plain system calls that never wait: the simulated ring's kernel. */
#ifndef KIO_TEST_SIM_CALL_H
#define KIO_TEST_SIM_CALL_H

#include "ring/request.h"

enum { KIO_SIM_WAIT = INT32_MIN }; /* not a result: the call would have had to wait */

/* Tries once. The request's result as io_uring would give it, or KIO_SIM_WAIT. `max` bounds the
   bytes of one transfer (0: no bound; datagrams are never cut). `moved` is kept between tries. */
int kio_sim_call(kio_request *request, size_t max, size_t *moved);
/* What poll(2) must wait for before another try makes sense; 0: nothing it could tell. */
short kio_sim_events(const kio_request *request);

#endif

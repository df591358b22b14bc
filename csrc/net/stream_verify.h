/* What must be true of a stream after a turn of the loop, in test builds (task/sched_verify.h). */
#ifndef KIO_NET_STREAM_VERIFY_H
#define KIO_NET_STREAM_VERIFY_H

#include "task/member.h"

#ifdef KIO_TEST
/* The kio_member_kind.verify of streams: both halves, the slots, the carrier, and that whatever it
   has to do is under way or will be. */
void kio_stream_verify(const kio_member *member);
#endif

#endif

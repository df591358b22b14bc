/* Puts the methods of each type together. Owns nothing. It stands above the files whose methods
   these are, so that none of them has to know another. */
#include "net/sockopt.h"
#include "net/stream_close.h"
#include "net/stream_lua.h"
#include "net/udp.h"
#include "net/write.h"
#include "op/registry.h"

const kio_type kio_stream_type = {
    .name = KIO_STREAM_TYPE,
    .methods = {kio_stream_methods, kio_read_methods, kio_write_methods, kio_stream_close_methods,
                kio_socket_methods, kio_fds_methods},
    .end = kio_stream_end,
    .close = kio_stream_l_close_value,
    .tostring = kio_stream_l_tostring,
    .moves = &kio_stream_moves,
};

const kio_type kio_udp_type = {
    .name = KIO_UDP_TYPE,
    .methods = {kio_udp_methods, kio_message_methods, kio_socket_methods, kio_fds_methods},
    .end = kio_handle_end,
    .close = kio_handle_l_close_value,
    .tostring = kio_handle_l_tostring,
    .moves = &kio_handle_moves,
};

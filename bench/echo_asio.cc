/*
** echo_asio.cc - the echo server as a user of Boost.Asio writes it: callbacks, and a buffer for each
** connection. Built twice: over epoll, and over io_uring. See load.c for the contract.
**
** Invariant: a connection reads only when all that it has read before is sent, so its one buffer
** is enough. Single-threaded, which the io_context is told.
*/
#include <boost/asio.hpp>
#include <boost/version.hpp>
#include <cstdint>
#include <memory>
#include <utility>

extern "C" {
#include "echo_common.h"
}

#if defined(BOOST_ASIO_HAS_IO_URING) && BOOST_VERSION < 107800
#error Asio has io_uring since Boost 1.78
#endif

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr std::size_t chunk_size = 4096;

struct server {
  echo_options options;
  asio::io_context context{1};
  tcp::acceptor acceptor{context};
  std::size_t open = 0; /* connections */
};

/* Kept alive by the callback of the operation that is under way. */
class connection : public std::enable_shared_from_this<connection> {
public:
  connection(server &s, tcp::socket socket) : server_(s), socket_(std::move(socket)) {
    server_.open++;
  }

  ~connection() {
    if (--server_.open == 0 && server_.options.once) server_.context.stop();
  }

  void read() {
    socket_.async_read_some(asio::buffer(data_),
                            [self = shared_from_this()](error_code error, std::size_t n) {
                              if (error) return;
                              self->from_ = 0;
                              self->to_ = n;
                              self->write();
                            });
  }

private:
  void write() {
    std::size_t len = echo_send_size(&server_.options, done_, to_ - from_);
    asio::async_write(socket_, asio::buffer(data_ + from_, len),
                      [self = shared_from_this()](error_code error, std::size_t n) {
                        if (error) return;
                        self->from_ += n;
                        self->done_ += n;
                        if (self->from_ < self->to_) self->write();
                        else self->read();
                      });
  }

  server &server_;
  tcp::socket socket_;
  std::size_t from_ = 0, to_ = 0; /* what of data_ is not sent yet */
  std::uint64_t done_ = 0;        /* bytes sent since the connection began */
  char data_[chunk_size];
};

void accept(server &s) {
  s.acceptor.async_accept([&s](error_code error, tcp::socket socket) {
    if (!error) std::make_shared<connection>(s, std::move(socket))->read();
    accept(s);
  });
}

} // namespace

int main(int argc, char **argv) {
  server s;
  s.options = echo_parse(argc, argv);
  int fd = echo_listen();
  s.acceptor.assign(tcp::v4(), fd);
  accept(s);
  echo_say_ready(fd);
  s.context.run();
  return 0;
}
